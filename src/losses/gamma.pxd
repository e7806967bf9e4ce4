# gamma(z, y) = z + y e^−z: minus the log-likelihood of a gamma-distributed y with the mean e^z, over its shape, without the terms that
# do not depend on z (half the unit deviance, up to those).
#
# y multiplies the exponential before that can leave the number range: y = 1e-10 at z = −100 is 1e33 in float32. y e^−z wins over
# z, so the loss at z = −inf is +inf.

from elementary.exp cimport exp_times
from real cimport al_infinity, real


cdef inline real gamma(real z, real y, real *g, real *h) noexcept nogil:
    cdef real e = exp_times(-z, y)
    g[0] = <real>1.0 - e
    h[0] = e
    return e if e == <real>al_infinity() else z + e
