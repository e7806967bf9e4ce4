# s = e / (1 + e) and what its complement 1 / (1 + e) is made of, for e = e^x, x ≤ 0: the one division of sigmoid and tanh.
#
# e comes as high + low. i = 1 / (1 + high) is rounded twice, in the sum and in the quotient; d = 1 − i·(1 + e) is what both lost:
# 1 − i is exact for i in [½, 1], so two fused steps give d to full accuracy and 1 / (1 + e) = i + i·d with one rounding. s is
# high·i plus its three small terms, again with one rounding. Uncorrected, sigmoid stands at 2.4 units in the last place and its
# derivative at 3.5 (docs/accuracy.md). Without fma, high·i rounds and d keeps only the sum's error and the division's sign.

from elementary.exp cimport exp_clamp_minus, exp_parts, exp_scaled, unscaled
from real cimport absolute, fma, product_low, real


cdef inline real exp_minus_absolute(real x, bint keep_rest, real *low) noexcept nogil:
    """e^−|x|, scaled, as high + low; with the literal keep_rest low holds what the polynomial's last sum has rounded off, too."""
    cdef real scale, rest
    cdef real p = exp_parts(exp_clamp_minus(absolute(x)), &scale, &rest)
    cdef real e = exp_scaled(scale, p, low)
    low[0] = fma(scale, rest, low[0]) if keep_rest else low[0]
    return e


cdef inline real logistic_parts(real high, real low, real times, real *i, real *d) noexcept nogil:
    """times·s, scaled like high + low = e^x·2^64 (double: 2^512); times / (1 + e^x) = i + i·d. times is a literal, a power of 2."""
    cdef real whole = <real>1.0 / times
    i[0] = times / one_plus(high)
    d[0] = <real>1.0 - i[0] if times == <real>1.0 else fma(i[0], -whole, <real>1.0)
    d[0] = fma(-high, unscaled(whole) * i[0], d[0])
    d[0] = fma(-low, unscaled(whole) * i[0], d[0])
    return fma(high, i[0], fma(high, d[0], low) * i[0])


cdef inline real one_plus(real high) noexcept nogil:
    """1 + high unscaled."""
    if real is float:
        return fma(high, <real>5.421010862427522e-20, <real>1.0)
    else:
        return fma(high, <real>7.458340731200207e-155, <real>1.0)


cdef inline real logistic_rest(real high, real low, real s, real i, real d) noexcept nogil:
    """What logistic_parts has rounded off s, for times = 1."""
    return product_low(high, i, s) + fma(high, d, low) * i


cdef inline real minus_log1m(real scaled, real rest) noexcept nogil:
    """−log(1 − s) − s for s = (scaled + rest)·2^-64 (double: 2^-512) in [0, ½]: log(1 + e^x) for s = e^x / (1 + e^x), without a
    second division.

    s² P(s), P minimax for s + s² P, degree 9 (float) and 21 (double), Horner in s² over pairs: coefficients/minus_log1m.py. Relative
    error of the sum 2^-27.6 (float), 2^-57.9 (double) before rounding. Below s = 2^-30 (2^-60) all of it is lost beside s, and s² would
    be an underflow, which is slow.
    """
    cdef real tiny = <real>9.313225746154785e-10 if real is float else <real>8.673617379884035e-19
    cdef real q
    cdef real s = unscaled(scaled)
    cdef real r = unscaled(rest)
    s = s if s > tiny else <real>0.0
    cdef real z = s * s
    if real is float:
        q = fma(s, <real>2.1770670413970947, <real>-3.6615943908691406)
        q = fma(q, z, fma(s, <real>3.217466354370117, <real>-1.3423722982406616))
        q = fma(q, z, fma(s, <real>0.5689684748649597, <real>0.08947581797838211))
        q = fma(q, z, fma(s, <real>0.20851188898086548, <real>0.2494666427373886))
        q = fma(q, z, fma(s, <real>0.33334973454475403, <real>0.4999998211860657))
    else:
        q = fma(s, <real>46.38454744575228, <real>-219.46656011517692)
        q = fma(q, z, fma(s, <real>493.7625792412904, <real>-695.3256423728319))
        q = fma(q, z, fma(s, <real>684.5980386279302, <real>-498.7588585875016))
        q = fma(q, z, fma(s, <real>278.3186815888021, <real>-121.2483496698745))
        q = fma(q, z, fma(s, <real>41.91499556309047, <real>-11.42731086863204))
        q = fma(q, z, fma(s, <real>2.598596638059881, <real>-0.357144522995122))
        q = fma(q, z, fma(s, <real>0.15183412100380816, <real>0.09339399903304561))
        q = fma(q, z, fma(s, <real>0.11166431340189235, <real>0.12496496414430149))
        q = fma(q, z, fma(s, <real>0.14285877258494067, <real>0.16666661324175505))
        q = fma(q, z, fma(s, <real>0.20000000116182484, <real>0.24999999998474826))
        q = fma(q, z, fma(s, <real>0.33333333333343573, <real>0.4999999999999998))
    return fma(q, z, fma(r, s + z, r))
