# exp(x) − 1 together with exp(x), for x ≤ 0.
#
# Method: with n, r and p = exp(r) − 1 from exp.pxd, exp(x) − 1 = 2^n p + (2^n − 1). For n = 0 this is p, exact for
# tiny x; for n < 0 both terms are negative or p is the smaller one, so nothing cancels (worst at n = −1, r = ln 2 / 2:
# ½·0.414 − ½ = −0.293). exp(x) = 2^n p + 2^n comes from the same p, still scaled so that its subnormals round once.
# In exp(x) − 1 itself 2^n is kept from below 2^-64 (2^-512), where it no longer counts: a subnormal 2^n would be slow.

from elementary.exp cimport exp_reduce, exp_unscale, expm1_reduced
from real cimport fma, real


cdef inline real expm1_nonpositive(real x, real *scaled_exp) noexcept nogil:
    """exp(x) − 1 for x ≤ 0; scaled_exp = exp(x)·2^64 (double: 2^512), which exp_unscale undoes."""
    cdef real scale, r, p, s
    r = exp_reduce(x, &scale)
    p = expm1_reduced(r)
    s = exp_unscale(scale if scale > <real>1.0 else <real>1.0)
    scaled_exp[0] = fma(scale, p, scale)
    return fma(s, p, s - <real>1.0)
