# exp(x) − 1 together with exp(x), for x ≤ 0.
#
# Method: with n and p = exp(r) − 1 from exp.pxd, exp(x) − 1 = 2^n p + (2^n − 1). For n = 0 this is p, exact for tiny x; for n < 0
# both terms are negative or p is the smaller one, so nothing cancels (worst at n = −1, r = ln 2 / 2: ½·0.414 − ½ = −0.293).
# exp(x) = 2^n p + 2^n comes from the same p. Both stay in exp.pxd's scale until the end: 2^n − 1 is never formed from a subnormal.

from elementary.exp cimport exp_clamp, exp_parts, scaled_one, unscaled
from real cimport fma, real


cdef inline real expm1_nonpositive(real x, real *scaled_exp) noexcept nogil:
    """exp(x) − 1 for x ≤ 0; scaled_exp = exp(x)·2^64 (double: 2^512), which `unscaled` undoes."""
    cdef real scale, rest
    cdef real p = exp_parts(exp_clamp(x), &scale, &rest)
    scaled_exp[0] = fma(scale, p, scale)
    return unscaled(fma(scale, p, scale - scaled_one(scale)))


# --- both signs ---------------------------------------------------------------------------------------------------------------
#
# exp(x) − 1 for every x. With n, r, c and S from exp.pxd, and q = r²/2 + r³ S(r),
#   exp(x) − 1 = (2^n − 1) + 2^n r + [2^n (q + c (1 + r + q))].
# The first difference is kept with its rounding error, and so is its sum with 2^n r, the smaller one (for n = 0 the first is 0
# and r is x). r rather than r + c in q, and no Horner scheme: both would add roundings where 2^n − 1 and 2^n r cancel, at
# n = 1. All is done at half scale, so that 2^n does not overflow before the result does.
# Below 2^-30 (2^-60) the result is x, −0 included: half of a subnormal number would lose its last bit, and the square of so
# small a number is an underflow, which is slow.
#
# max error, in units in the last place, on x86_v3 and x86_v4 (all float32; 10^7 and more float64):
#   float   0.897 at 0x1.6f5f4ap-2: got 0x1.b9e9dp-2, want 0x1.b9e9ce34cp-2
#   double  0.914 at 0x1.83124304ab4dap-2: got 0x1.d662fdab90ea6p-2, want 0x1.d662fdab90ea6e9fp-2
# Without the first rounding error and with exp_split's Horner scheme: 1.03 and 1.09 in 0.9 of the time.

from elementary.exp cimport exp_cubic, exp_origin, exp_reduce_low
from real cimport absolute


cdef inline real expm1(real x) noexcept nogil:
    """exp(x) − 1 for every x."""
    cdef real least, most, tiny, z, r, c = <real>0.0, s, q, a, h
    if real is float:
        least, most, tiny = <real>-20.0, <real>89.0, <real>9.313225746154785e-10
    else:
        least, most, tiny = <real>-40.0, <real>710.0, <real>8.673617379884035e-19
    z = least if x < least else x
    z = most if z > most else z
    z = <real>0.0 if absolute(x) < tiny else z
    r = exp_reduce_low(z, exp_origin(<real>-1.0), &s, &c)
    q = r * r
    q = fma(q, <real>0.5, exp_cubic(r) * (q * r))
    q = fma(c, (<real>1.0 + r) + q, q)
    a = s - <real>0.5
    h = fma(s, r, a)
    a = fma(s, r, a - h) + ((s - a) - <real>0.5)
    return x if absolute(x) < tiny else <real>2.0 * (h + fma(s, q, a))
