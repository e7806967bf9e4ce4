# exp(x) for x ≤ 0, the only sign that saturating functions and shifted softmax need.
#
# Method: n = round(x·log2 e), r = x − n·ln 2 in two parts (Cody and Waite 1980), exp(x) = 2^n (1 + p), p = r + r² q(r).
#   n:  adding 1.5·2^23 (1.5·2^52) rounds x·log2 e to an integer in the lowest mantissa bits; with the exponent's bias
#       added along, one shift turns it into 2^n. No rint, no conversion.
#   r:  its high part x − n·(ln 2)_high is exact. The low part −n·(ln 2)_low joins r² q first and the high part last, so p is
#       rounded once; rounding r before that costs a further quarter of a last place of the exponential.
#   q:  minimax for the relative error of exp(r) − 1 on |r| ≤ ln 2 / 2 + 2^-12, degree 5 (float) and 10 (double), Horner in r²
#       over pairs, which halves the chain of dependent operations; max error 2^-28.7, 2^-59.6 (coefficients/exp.py). One degree
#       less leaves a third of a last place in exp(r) − 1.
#   2^n reaches into the subnormals (n ≥ −150, −1075), which one shift cannot build. So the shift builds 2^(n+64)
#       (2^(n+512)), and one late multiplication by 2^-64 (2^-512) rounds into the subnormals once. It is exact elsewhere.
# As far as that shift reaches (x ≥ −131, −1062) a caller may multiply the scaled exponential by a factor before it unscales, and
# loses nothing to the subnormals. Below, x is clamped to where n + 64 + 127 (n + 512 + 1023) is 0 and the shift builds a plain 0:
# an underflow on the way to 0 would cost over a hundred cycles on Intel processors, for every −inf in a row. NaN passes the
# clamp, because NaN < lo is false.

from real cimport fma, low_bits_to_exponent, real


cdef inline real exp_reduce(real x, real *scale, real *n) noexcept nogil:
    """x − n·(ln 2)_high, exact, for x ≤ 0; scale = 2^(n+64) (double: 2^(n+512)), 0 from −132.4 (−1064) down."""
    cdef real t, z
    if real is float:
        z = <real>-132.4 if x < <real>-132.4 else x
        t = fma(z, <real>1.4426950216293335, <real>12583103.0)
        n[0] = t - <real>12583103.0
        scale[0] = low_bits_to_exponent(t)
        return fma(n[0], <real>-0.693145751953125, z)
    else:
        z = <real>-1064.0 if x < <real>-1064.0 else x
        t = fma(z, <real>1.4426950408889634, <real>6755399441057279.0)
        n[0] = t - <real>6755399441057279.0
        scale[0] = low_bits_to_exponent(t)
        return fma(n[0], <real>-0.6931471805598903, z)


cdef inline real minus_ln2_low(real like) noexcept nogil:
    """(ln 2)_high − ln 2, in the type of `like`."""
    if real is float:
        return <real>-1.428606765330187e-06
    else:
        return <real>-5.497923018708371e-14


cdef inline real expm1_reduced(real high, real low, real *rest) noexcept nogil:
    """p = exp(high + low) − 1 for a reduced argument; p + rest is the same with the rounding of the last addition undone."""
    cdef real q, p
    cdef real r = high + low
    cdef real s = r * r
    if real is float:
        q = fma(r, <real>0.00019845884526148438, <real>0.0013940689386799932)
        q = fma(q, s, fma(r, <real>0.008333389647305012, <real>0.04166635870933533))
        q = fma(q, s, fma(r, <real>0.1666666567325592, <real>0.5))
    else:
        q = fma(s, <real>2.087532783114351e-09, fma(r, <real>2.510904766723026e-08, <real>2.755740284596108e-07))
        q = fma(q, s, fma(r, <real>2.7557244193105836e-06, <real>2.480158717206778e-05))
        q = fma(q, s, fma(r, <real>0.0001984126988612815, <real>0.0013888888888962728))
        q = fma(q, s, fma(r, <real>0.008333333333321636, <real>0.041666666666666505))
        q = fma(q, s, fma(r, <real>0.16666666666666677, <real>0.5))
    q = fma(q, s, low)
    p = high + q
    rest[0] = q - (p - high)
    return p


cdef inline real exp_parts(real x, real *scale, real *rest) noexcept nogil:
    """p with exp(x) = (1 + p + rest)·scale·2^-64 (double: 2^-512), for x ≤ 0; rest is less than half a last place of p."""
    cdef real n
    cdef real high = exp_reduce(x, scale, &n)
    return expm1_reduced(high, n * minus_ln2_low(n), rest)


cdef inline real exp_scaled(real scale, real p, real *rest) noexcept nogil:
    """(1 + p)·scale, rounded, with the rounding in rest (exact: 1 + p lies in [½, 2])."""
    cdef real e = fma(scale, p, scale)
    rest[0] = fma(scale, p, scale - e)
    return e


cdef inline real unscaled(real x) noexcept nogil:
    """Undoes the 2^64 (2^512) in exp_reduce's scale: the one multiplication that can round to a subnormal."""
    if real is float:
        return x * <real>5.421010862427522e-20
    else:
        return x * <real>7.458340731200207e-155


cdef inline real scaled_one(real like) noexcept nogil:
    """2^64 (2^512): 1 in that scale, in the type of `like`."""
    if real is float:
        return <real>18446744073709551616.0
    else:
        return <real>1.3407807929942597e+154


cdef inline real exp_nonpositive_sum(real x, real low) noexcept nogil:
    """exp(x + low) for x ≤ 0 and |low| at most half a last place of x."""
    cdef real scale, n, rest
    cdef real high = exp_reduce(x, &scale, &n)
    cdef real p = expm1_reduced(high, fma(n, minus_ln2_low(n), low), &rest)
    return unscaled(fma(scale, p, scale))
