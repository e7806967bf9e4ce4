# log(1 + x) for 0 ≤ x < 2^126 (double: 2^1022) and +inf.
#
# Method (Tang 1990; the arrangement of FreeBSD's log1p): 1 + x = 2^k (1 + f), √½ ≤ 1 + f < √2. k is read off the rounded
# 1 + x; f = 2^-k x + (2^-k − 1) is formed from x itself, with one rounding, so the bits that 1 + x loses come back.
# With s = f / (2 + f), z = s²: log(1 + f) = f − (h − s (h + z w(z))), h = f²/2; w has degree 3 (float), 6 (double),
# relative error of the whole 2^-31.1, 2^-59.1 before rounding (coefficients/log1p.py).
# k = 0 leaves f = x: no cancellation, the result keeps its relative accuracy down to subnormal x.

from real cimport al_bits, al_bitsf, al_float, al_floatf, al_infinity, fma, int32_t, int64_t, real


cdef inline real log1p_exponent(real u, real *inverse_power) noexcept nogil:
    """k with √½ ≤ u·2^-k < √2, as a float; inverse_power = 2^-k."""
    cdef int32_t i
    cdef int64_t j
    if real is float:
        # 0x3f3504f3 is √½: shifting the origin there makes the exponent field count from √½ instead of 1.
        i = (al_bitsf(u) - 0x3f3504f3) >> 23
        inverse_power[0] = al_floatf((127 - i) << 23)
        return <real> i
    else:
        j = (al_bits(u) - 0x3fe6a09e667f3bcdLL) >> 52
        inverse_power[0] = al_float((1023 - j) << 52)
        return <real> j


cdef inline real log1p_nonnegative(real x) noexcept nogil:
    """log(1 + x) for 0 ≤ x < 2^126 (double: 2^1022), +inf and NaN; 2^-k is not a normal number beyond."""
    cdef real k, c, f, s, z, h, w, hi, lo
    k = log1p_exponent(<real>1.0 + x, &c)
    f = fma(x, c, c - <real>1.0)
    s = f / (<real>2.0 + f)
    z = s * s
    h = <real>0.5 * f * f
    if real is float:
        w = <real>0.23583534359931946
        w = fma(w, z, <real>0.28537240624427795)
        w = fma(w, z, <real>0.4000033736228943)
        w = fma(w, z, <real>0.6666666269302368)
        hi = k * <real>0.693145751953125
        lo = k * <real>1.428606765330187e-06
    else:
        w = <real>0.14797470386010197
        w = fma(w, z, <real>0.15313906792564336)
        w = fma(w, z, <real>0.18183569608679007)
        w = fma(w, z, <real>0.22222198478359678)
        w = fma(w, z, <real>0.28571428743241084)
        w = fma(w, z, <real>0.39999999999411184)
        w = fma(w, z, <real>0.6666666666666735)
        hi = k * <real>0.6931471805598903
        lo = k * <real>5.497923018708371e-14
    f = hi + (f - (h - (s * (h + z * w) + lo)))
    return f if x < <real>al_infinity() else x
