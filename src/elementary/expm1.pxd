# exp(x) − 1 together with exp(x), for x ≤ 0.
#
# Method: with n and p = exp(r) − 1 from exp.pxd, exp(x) − 1 = 2^n p + (2^n − 1). For n = 0 this is p, exact for tiny x; for n < 0
# both terms are negative or p is the smaller one, so nothing cancels (worst at n = −1, r = ln 2 / 2: ½·0.414 − ½ = −0.293).
# exp(x) = 2^n p + 2^n comes from the same p. Both stay in exp.pxd's scale until the end: 2^n − 1 is never formed from a subnormal.

from elementary.exp cimport exp_parts, scaled_one, unscaled
from real cimport fma, real


cdef inline real expm1_nonpositive(real x, real *scaled_exp) noexcept nogil:
    """exp(x) − 1 for x ≤ 0; scaled_exp = exp(x)·2^64 (double: 2^512), which `unscaled` undoes."""
    cdef real scale, rest
    cdef real p = exp_parts(x, &scale, &rest)
    scaled_exp[0] = fma(scale, p, scale)
    return unscaled(fma(scale, p, scale - scaled_one(scale)))
