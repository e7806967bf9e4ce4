# The smaller or the larger of a number and a limit, in one operation, NaN kept.
#
# maxps and minps return their second operand if either is NaN, which is what `limit if x < limit else x` says. GCC makes that
# instruction of it only as long as it does not know the limit: a known one is copied into the select and into the comparison, is no
# longer the same register in both, and costs a comparison and a blend (two operations, on Intel's AVX2 four). So a limit has two
# names for one number: AL_LIMIT defines the first, the kernels read the second, which could be anybody's (not with -flto, which does
# not know the name; a weak constant is seen through). Nor must x be made of bits, as with_sign makes it; absolute(x) is fine.
# Clang needs no second name.

from real cimport real

cdef extern from *:
    """
    #if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__ELF__)
    #define AL_LIMIT(type, name, number) \\
        static const type name##_number __asm__(#name) __attribute__((used)) = number; \\
        extern const type name __asm__(#name) __attribute__((visibility("hidden")))
    #else
    #define AL_LIMIT(type, name, number) static const type name = number
    #endif
    AL_LIMIT(float, al_zerof, 0.0f);
    AL_LIMIT(double, al_zero, 0.0);
    """
    const float al_zerof
    const double al_zero


cdef inline real at_least(real x, real limit) noexcept nogil:
    """max(x, limit)."""
    return limit if x < limit else x


cdef inline real at_most(real x, real limit) noexcept nogil:
    """min(x, limit)."""
    return limit if x > limit else x


cdef inline real at_most_zero(real x) noexcept nogil:
    """min(x, 0); of the zeros it keeps the sign."""
    if real is float:
        return at_most(x, al_zerof)
    else:
        return at_most(x, al_zero)
