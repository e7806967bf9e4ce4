# The fused type and the few operations that C spells differently for float and double.
#
# fma is the builtin only where the level has the instruction: elsewhere the C function would be a library call per
# operation, so the baseline rounds twice and has its own bounds in the registry.

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    #if defined(__FMA__) || defined(__aarch64__)
    #define AL_FUSED 1
    #define al_fmaf(a, b, c) __builtin_fmaf(a, b, c)
    #define al_fma(a, b, c) __builtin_fma(a, b, c)
    static inline float al_product_lowf(float a, float b, float p) { return __builtin_fmaf(a, b, -p); }
    static inline double al_product_low(double a, double b, double p) { return __builtin_fma(a, b, -p); }
    static inline float al_residualf(float c, float a, float b) { return __builtin_fmaf(-a, b, c); }
    static inline double al_residual(double c, double a, double b) { return __builtin_fma(-a, b, c); }
    #else
    #define AL_FUSED 0
    #define al_fmaf(a, b, c) ((a) * (b) + (c))
    #define al_fma(a, b, c) ((a) * (b) + (c))
    static inline float al_product_lowf(float a, float b, float p) {
        float c = 4097.0f * a, h = c - (c - a), l = a - h, d = 4097.0f * b, k = d - (d - b), m = b - k;
        return ((h * k - p) + (h * m + l * k)) + l * m;
    }
    static inline double al_product_low(double a, double b, double p) {
        double c = 134217729.0 * a, h = c - (c - a), l = a - h, d = 134217729.0 * b, k = d - (d - b), m = b - k;
        return ((h * k - p) + (h * m + l * k)) + l * m;
    }
    static inline float al_residualf(float c, float a, float b) { return (c - a * b) - al_product_lowf(a, b, a * b); }
    static inline double al_residual(double c, double a, double b) { return (c - a * b) - al_product_low(a, b, a * b); }
    #endif
    #if defined(__GNUC__) || defined(__clang__)
    #define al_prefetch_read(p) __builtin_prefetch(p, 0)
    #define al_prefetch_write(p) __builtin_prefetch(p, 1)
    #else
    #define al_prefetch_read(p) ((void) (p))
    #define al_prefetch_write(p) ((void) (p))
    #endif
    #define al_nan() __builtin_nan("")      /* through a variable, clang calls nan() of libm */
    static inline int32_t al_bitsf(float x) { int32_t i; memcpy(&i, &x, sizeof i); return i; }
    static inline int64_t al_bits(double x) { int64_t i; memcpy(&i, &x, sizeof i); return i; }
    static inline float al_floatf(int32_t i) { float x; memcpy(&x, &i, sizeof x); return x; }
    static inline double al_float(int64_t i) { double x; memcpy(&x, &i, sizeof x); return x; }
    static inline float al_with_signf(float y, float x) { return al_floatf(al_bitsf(y) | (al_bitsf(x) & INT32_MIN)); }
    static inline double al_with_sign(double y, double x) { return al_float(al_bits(y) | (al_bits(x) & INT64_MIN)); }
    static inline float al_low_bits_to_exponentf(float t) {
        return al_floatf((int32_t) ((uint32_t) al_bitsf(t) << 23));
    }
    static inline double al_low_bits_to_exponent(double t) {
        return al_float((int64_t) ((uint64_t) al_bits(t) << 52));
    }
    """
    bint AL_FUSED
    void al_prefetch_read(const void *p) noexcept nogil
    void al_prefetch_write(const void *p) noexcept nogil
    ctypedef int int32_t
    ctypedef long long int64_t
    ctypedef unsigned int uint32_t
    ctypedef unsigned long long uint64_t
    float al_fmaf(float a, float b, float c) noexcept nogil
    double al_fma(double a, double b, double c) noexcept nogil
    float al_product_lowf(float a, float b, float p) noexcept nogil
    double al_product_low(double a, double b, double p) noexcept nogil
    float al_residualf(float c, float a, float b) noexcept nogil
    double al_residual(double c, double a, double b) noexcept nogil
    int32_t al_bitsf(float x) noexcept nogil
    int64_t al_bits(double x) noexcept nogil
    float al_floatf(int32_t i) noexcept nogil
    double al_float(int64_t i) noexcept nogil
    float al_low_bits_to_exponentf(float t) noexcept nogil
    double al_low_bits_to_exponent(double t) noexcept nogil
    float al_with_signf(float y, float x) noexcept nogil
    double al_with_sign(double y, double x) noexcept nogil
    float al_fabsf "__builtin_fabsf"(float x) noexcept nogil
    double al_fabs "__builtin_fabs"(double x) noexcept nogil
    double al_infinity "__builtin_inf"() noexcept nogil
    double al_nan() noexcept nogil

ctypedef fused real:
    float
    double


cdef inline real fma(real a, real b, real c) noexcept nogil:
    """a·b + c, rounded once where the level has the instruction."""
    if real is float:
        return al_fmaf(a, b, c)
    else:
        return al_fma(a, b, c)


cdef inline real product_low(real a, real b, real p) noexcept nogil:
    """a·b − p for p = a·b rounded: exact on every level, by Veltkamp's halves and Dekker's product where there is no fma."""
    if real is float:
        return al_product_lowf(a, b, p)
    else:
        return al_product_low(a, b, p)


cdef inline real two_sum(real a, real b, real *low) noexcept nogil:
    """a + b, its rounding in low (Knuth's TwoSum); low is NaN where the sum overflows."""
    cdef real s = a + b
    cdef real t = s - a
    low[0] = (a - (s - t)) + (b - t)
    return s


cdef inline real residual(real c, real a, real b) noexcept nogil:
    """c − a·b, rounded once on every level where a·b is within a factor of 2 of c."""
    if real is float:
        return al_residualf(c, a, b)
    else:
        return al_residual(c, a, b)


cdef inline real sum_times(real high, real low, real y) noexcept nogil:
    """(high + low)·y for low far below high: one rounding counts, without fma two."""
    return fma(high, y, low * y)


cdef inline real unfused_low(real a, real b, real low) noexcept nogil:
    """low, and what fma(a, b, c) loses of a·b where there is none and the product is rounded."""
    if AL_FUSED:
        return low
    return low + product_low(a, b, a * b)


cdef inline real absolute(real x) noexcept nogil:
    if real is float:
        return al_fabsf(x)
    else:
        return al_fabs(x)


cdef inline real with_sign(real y, real x) noexcept nogil:
    """y ≥ +0 with the sign of x, −0 included: an operation less than copysign, which must clear y's sign first."""
    if real is float:
        return al_with_signf(y, x)
    else:
        return al_with_sign(y, x)


cdef inline real low_bits_to_exponent(real t) noexcept nogil:
    """2^n from a float whose lowest mantissa bits hold n plus the exponent's bias: one integer shift."""
    if real is float:
        return al_low_bits_to_exponentf(t)
    else:
        return al_low_bits_to_exponent(t)
