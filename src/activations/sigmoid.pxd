# sigmoid(x) = 1 / (1 + e^-x), sigmoid'(x) = sigmoid(x) sigmoid(−x).
#
# With e = e^-|x|, which never overflows, s = e / (1 + e) ≤ ½ is the smaller of sigmoid(x) and sigmoid(−x), and 1 − s the larger:
# nothing cancels. The derivative s (1 − s) starts from e and not from y (1 − y), which is 0 from x = 17.33 on in float32 although
# the true value is 3e-8. Squaring 1 / (1 + e) instead would count the rounding of 1 + e twice (4.5 units in the last place).

from elementary.exp cimport exp_nonpositive
from real cimport absolute, real


cdef inline real sigmoid(real x, real *dy) noexcept nogil:
    cdef real e = exp_nonpositive(-absolute(x))
    cdef real s = e / (<real>1.0 + e)
    cdef real t = <real>1.0 - s
    dy[0] = s * t
    return s if x < <real>0.0 else t
