# exp(x) for x ≤ 0, the only sign that saturating functions and shifted softmax need.
#
# Method: n = round(x·log2 e), r = x − n·ln 2 in two parts (Cody and Waite 1980), exp(x) = 2^n (1 + r + r² q(r)).
#   n:  adding 1.5·2^23 (1.5·2^52) rounds x·log2 e to an integer in the lowest mantissa bits; with the exponent's bias
#       added along, one shift turns it into 2^n. No rint, no conversion.
#   q:  minimax for the relative error of 1 + r + r² q on |r| ≤ ln 2 / 2 + 2^-12, degree 4 (float) and 9 (double);
#       coefficients/exp.py prints them and their error.
#   2^n reaches into the subnormals (n ≥ −150, −1075), which one shift cannot build. So the shift builds 2^(n+64)
#       (2^(n+512)), and one late multiplication by 2^-64 (2^-512) rounds into the subnormals once. It is exact elsewhere.
# As far as that shift reaches (x ≥ −131, −1062) a caller may multiply the scaled exponential by a factor before it unscales, and
# loses nothing to the subnormals. Below, the argument is clamped and the scale is 0: an underflow on the way to 0 would cost over a
# hundred cycles on Intel processors, for every −inf in a row. NaN passes, because NaN < lo is false.
# The parts are split so that expm1 and the softmax rows, which carry a low part of x, share reduction and polynomial.

from real cimport real, fma, low_bits_to_exponent


cdef inline real exp_reduce(real x, real *scale) noexcept nogil:
    """r = x − n·ln 2 for x ≤ 0; scale = 2^(n+64) (double: 2^(n+512)), 0 below −131 (−1062)."""
    cdef real t, n, r, z
    if real is float:
        z = <real>-131.0 if x < <real>-131.0 else x
        t = fma(z, <real>1.4426950216293335, <real>12583103.0)
        n = t - <real>12583103.0
        r = fma(n, <real>-0.693145751953125, z)
        r = fma(n, <real>-1.428606765330187e-06, r)
        scale[0] = <real>0.0 if x < <real>-131.0 else low_bits_to_exponent(t)
    else:
        z = <real>-1062.0 if x < <real>-1062.0 else x
        t = fma(z, <real>1.4426950408889634, <real>6755399441057279.0)
        n = t - <real>6755399441057279.0
        r = fma(n, <real>-0.6931471805598903, z)
        r = fma(n, <real>-5.497923018708371e-14, r)
        scale[0] = <real>0.0 if x < <real>-1062.0 else low_bits_to_exponent(t)
    return r


cdef inline real expm1_reduced(real r) noexcept nogil:
    """exp(r) − 1 = r + r² q(r) for reduced r; relative error 2^-27.7 (float), 2^-56.4 (double) before rounding."""
    cdef real q
    if real is float:
        q = <real>0.001381451147608459
        q = fma(q, r, <real>0.008368759416043758)
        q = fma(q, r, <real>0.04166839271783829)
        q = fma(q, r, <real>0.1666651964187622)
        q = fma(q, r, <real>0.4999999403953552)
    else:
        q = <real>2.4999992111620797e-08
        q = fma(q, r, <real>2.763033582938907e-07)
        q = fma(q, r, <real>2.7557587040882253e-06)
        q = fma(q, r, <real>2.4801492873304458e-05)
        q = fma(q, r, <real>0.00019841269505340307)
        q = fma(q, r, <real>0.001388888894382638)
        q = fma(q, r, <real>0.008333333333495252)
        q = fma(q, r, <real>0.04166666666652951)
        q = fma(q, r, <real>0.1666666666666641)
        q = fma(q, r, <real>0.5000000000000011)
    return fma(q * r, r, r)


cdef inline real exp_unscale(real x) noexcept nogil:
    """Undoes the 2^64 (2^512) in exp_reduce's scale: the one multiplication that can round to a subnormal."""
    if real is float:
        return x * <real>5.421010862427522e-20
    else:
        return x * <real>7.458340731200207e-155


cdef inline real one_plus_unscaled(real x) noexcept nogil:
    """1 + exp_unscale(x), rounded once where the level has fma."""
    if real is float:
        return fma(x, <real>5.421010862427522e-20, <real>1.0)
    else:
        return fma(x, <real>7.458340731200207e-155, <real>1.0)


cdef inline real one_minus_unscaled(real x) noexcept nogil:
    """1 − exp_unscale(x), likewise."""
    if real is float:
        return fma(x, <real>-5.421010862427522e-20, <real>1.0)
    else:
        return fma(x, <real>-7.458340731200207e-155, <real>1.0)


cdef inline real exp_nonpositive_sum(real x, real low) noexcept nogil:
    """exp(x + low) for x ≤ 0 and |low| at most half a last place of x."""
    cdef real scale, r
    r = exp_reduce(x, &scale) + low
    return exp_unscale(fma(scale, expm1_reduced(r), scale))


cdef inline real exp_nonpositive(real x) noexcept nogil:
    """exp(x) for x ≤ 0."""
    cdef real scale, r
    r = exp_reduce(x, &scale)
    return exp_unscale(fma(scale, expm1_reduced(r), scale))
