# log(x) for every x: −inf at 0, NaN below.
#
# Method: x = 2^k (1 + f) with ¾ ≤ 1 + f < 1½, f exact. With s = f / (2 + f), z = s² (Tang 1990; the arrangement of FreeBSD's
# log),
#   log(1 + f) = f + [−f²/2 + s (f²/2 + z W(z))],
# W minimax for log(1 + f), degree 3 (float) and 7 (double): coefficients/log.py. k·ln 2 comes in two parts; its high part plus
# f is kept with the rounding error of that sum (Dekker 1971), so only what is in brackets, below 0.1, is rounded beside the
# result. For k = 0 the sum is f alone: the relative accuracy holds down to f → 0.
# A subnormal x is read as the integer that its bits are, by an `or` and a subtraction: no slow operation touches it.
#
# max error, in units in the last place, on x86_v3 and x86_v4 (all float32; 10^7 and more float64):
#   float   0.860 at 0x1.769bc6p-1: got -0x1.3ff11cp-2, want -0x1.3ff11a479p-2
#   double  0.905 at 0x1.7e5c29f1e90b3p-1: got -0x1.2af816fe1619cp-2, want -0x1.2af816fe1619b186p-2
# Adding k·ln 2 and f without that rounding error is off as much (at k = 0) but more often, in 0.96 of the time. A polynomial in
# f instead of the quotient needs degree 9 and 19: 0.85 and 0.87, as fast for float, 1.2 times slower for double.

from ln2 cimport times_ln2
from real cimport al_bits, al_bitsf, al_float, al_floatf, al_infinity, al_nan, fma, int32_t, int64_t, real, uint32_t, uint64_t

# ¾ as bits: counted from there, the exponent field is k and the octave begins at ¾. Then f is exact for log1p too, where it is formed
# from x: an octave from √½ on has f = (x − 1)/2 at x in [√2 − 1, ½], whose last bit is finer than f's.
# The differences are unsigned: for a negative u or NaN, whose result is thrown away, they pass the end of the signed numbers.
cdef extern from *:
    """
    #define AL_LOG_FROMF 0x3f400000u
    #define AL_LOG_FROM 0x3fe8000000000000ull
    #define AL_LOG_FIELDF 0xff800000u
    #define AL_LOG_FIELD 0xfff0000000000000ull
    """
    uint32_t AL_LOG_FROMF
    uint64_t AL_LOG_FROM
    uint32_t AL_LOG_FIELDF
    uint64_t AL_LOG_FIELD


cdef inline uint32_t from_threequartersf(float u) noexcept nogil:
    """u's bits, counted from those of ¾."""
    return <uint32_t> al_bitsf(u) - AL_LOG_FROMF


cdef inline uint64_t from_threequarters(double u) noexcept nogil:
    return <uint64_t> al_bits(u) - AL_LOG_FROM


cdef inline real log_exponent(real u) noexcept nogil:
    """k, as a float, for normal u > 0."""
    if real is float:
        return <real> (<int32_t> from_threequartersf(u) >> 23)
    else:
        # AVX2 has no arithmetic shift and no conversion of 64 bits: with its sign bit flipped the field is k + 2048, which stands
        # as the lowest bits of 2^52 + k + 2048.
        return al_float(<int64_t> ((from_threequarters(u) >> 52) ^ 0x4330000000000800ULL)) - <real>4503599627372544.0


cdef inline real log_mantissa(real u) noexcept nogil:
    """u·2^-k in [¾, 1½)."""
    if real is float:
        return al_floatf(<int32_t> (<uint32_t> al_bitsf(u) - (from_threequartersf(u) & AL_LOG_FIELDF)))
    else:
        return al_float(<int64_t> (<uint64_t> al_bits(u) - (from_threequarters(u) & AL_LOG_FIELD)))


cdef inline real log_power(real u) noexcept nogil:
    """2^-k for k ≥ −124 (−1020): as a quarter of 2^(2−k), as 2^-k itself may be subnormal."""
    if real is float:
        return <real>0.25 * al_floatf(<int32_t> (<uint32_t> 0x40800000 - (from_threequartersf(u) & AL_LOG_FIELDF)))
    else:
        return <real>0.25 * al_float(<int64_t> (<uint64_t> 0x4010000000000000 - (from_threequarters(u) & AL_LOG_FIELD)))


cdef inline real log_series(real z) noexcept nogil:
    """W of 2 atanh(s) = 2s + s z W(z), z = s² ≤ 1/25; relative error of that 2^-33.3 (float), 2^-61.4 (double) before rounding."""
    cdef real w
    if real is float:
        w = <real>0.24098517000675201
        w = fma(w, z, <real>0.2850712835788727)
        w = fma(w, z, <real>0.4000086188316345)
        w = fma(w, z, <real>0.6666666269302368)
    else:
        w = <real>0.13838562820655728
        w = fma(w, z, <real>0.1317426245440178)
        w = fma(w, z, <real>0.15391072392108318)
        w = fma(w, z, <real>0.18181667089640394)
        w = fma(w, z, <real>0.22222224276182984)
        w = fma(w, z, <real>0.2857142855600736)
        w = fma(w, z, <real>0.4000000000005594)
        w = fma(w, z, <real>0.666666666666666)
    return w


cdef inline real log1p_tail(real f) noexcept nogil:
    """log(1 + f) − f for f in [−¼, ½]."""
    cdef real s = f / (<real>2.0 + f)
    cdef real z = s * s
    cdef real half = <real>0.5 * f
    return fma(f, -half, s * fma(z, log_series(z), half * f))


cdef inline real log_assemble_parts(real k, real f, real tail, real *rest) noexcept nogil:
    """k·ln 2 + f + tail, its rounding in rest; |k·ln 2| ≥ |f| or k = 0."""
    cdef real low
    cdef real a = times_ln2(k, &low)
    cdef real h = a + f
    cdef real y
    low = (f - (h - a)) + (low + tail)
    y = h + low
    rest[0] = low - (y - h)
    return y


cdef inline real log_assemble(real k, real f, real tail) noexcept nogil:
    """The same without the rounding."""
    cdef real rest
    return log_assemble_parts(k, f, tail, &rest)


cdef inline real subnormal_mantissa(real x) noexcept nogil:
    """x·2^126 (double: x·2^1022) for 0 ≤ x below the normal numbers."""
    if real is float:
        return al_floatf(al_bitsf(x) | 0x3f800000) - <real>1.0
    else:
        return al_float(al_bits(x) | 0x3ff0000000000000LL) - <real>1.0


cdef inline real log(real x) noexcept nogil:
    """log(x) for every x."""
    cdef real least, shift, u, f, y
    if real is float:
        least, shift = <real>1.1754943508222875e-38, <real>-126.0
    else:
        least, shift = <real>2.2250738585072014e-308, <real>-1022.0
    u = subnormal_mantissa(x) if x < least else x
    f = log_mantissa(u) - <real>1.0
    y = log_assemble(log_exponent(u) + (shift if x < least else <real>0.0), f, log1p_tail(f))
    y = y if x > <real>0.0 else (-<real>al_infinity() if x == <real>0.0 else <real>al_nan())
    return y if x < <real>al_infinity() else x
