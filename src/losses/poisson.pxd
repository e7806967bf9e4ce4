# poisson(z, y) = e^z − y z: minus the log-likelihood of a count y whose mean is e^z, without the terms that do not depend on z.
#
# y z is 0 for y = 0, be z infinite; and e^z wins over y z, so the loss at z = +inf is +inf.

from elementary.exp cimport exp
from real cimport al_infinity, real


cdef inline real poisson(real z, real y, real *g, real *h) noexcept nogil:
    cdef real e = exp(z)
    cdef real product = y * z if y != <real>0.0 else <real>0.0
    g[0] = e - y
    h[0] = e
    return e if e == <real>al_infinity() else e - product
