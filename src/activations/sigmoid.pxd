# sigmoid(x) = 1 / (1 + e^-x), sigmoid'(x) = e^-|x| / (1 + e^-|x|)².
#
# Everything comes from e = e^-|x|, which never overflows: 1 / (1 + e) for x ≥ 0 and e / (1 + e) for x < 0. The derivative is
# taken from e and not as y (1 − y), which is 0 from x = 17.4 on in float32 although the true value is 3e-8.

from elementary.exp cimport exp_nonpositive
from real cimport absolute, real


cdef inline real sigmoid(real x, real *dy) noexcept nogil:
    cdef real e = exp_nonpositive(-absolute(x))
    cdef real r = <real>1.0 / (<real>1.0 + e)
    dy[0] = e * r * r
    return e * r if x < <real>0.0 else r
