# tanh(x) and its derivative from one exponential and one division.
#
# Method: with e = exp(−2|x|), m = e − 1 and s = e / (1 + e), tanh|x| = −m / (1 + e) and tanh'(x) = 4 s (1 − s). m keeps the
# relative accuracy for small x that 1 − e loses; 1 + e is formed from e, as 2 + m would count the rounding of m again. The
# derivative never sees y: 1 − y² is off by 95 units in the last place for |x| in [2, 3) and is 0 from 9.011 on, where the true
# value is 6e-8. The factor 2^64 (2^512) that the exponential still carries is taken off last, so the derivative runs down through
# the subnormals.

from elementary.exp cimport exp_unscale, one_minus_unscaled, one_plus_unscaled
from elementary.expm1 cimport expm1_nonpositive
from real cimport absolute, copysign, real


cdef inline real tanh_and_derivative(real x, real *dy) noexcept nogil:
    cdef real e, m, r, s
    m = expm1_nonpositive(<real>-2.0 * absolute(x), &e)
    r = <real>1.0 / one_plus_unscaled(e)
    s = e * r
    dy[0] = exp_unscale(<real>4.0 * s * one_minus_unscaled(s))
    return copysign(m * r, x)
