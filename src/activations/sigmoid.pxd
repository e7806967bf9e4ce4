# sigmoid(x) = 1 / (1 + e^-x), sigmoid'(x) = sigmoid(x) sigmoid(−x).
#
# With e = e^-|x|, which never overflows, s = e / (1 + e) is the smaller of sigmoid(x) and sigmoid(−x), and t = 1 / (1 + e) the
# larger: nothing cancels. The derivative s·t starts from e and not from y (1 − y), which is 0 from x = 17.33 on in float32
# although the true value is 3e-8. s is unscaled in each product by itself, so either rounds to a subnormal once.

from elementary.exp cimport unscaled
from elementary.logistic cimport exp_minus_absolute, logistic_parts
from real cimport fma, real


cdef inline real sigmoid_first(real x, real *low) noexcept nogil:
    return exp_minus_absolute(x, False, low)


cdef inline real sigmoid_second(real x, real e, real low, real *dy) noexcept nogil:
    cdef real i, d
    cdef real s = logistic_parts(e, low, <real>1.0, &i, &d)
    cdef real t = fma(i, d, i)
    dy[0] = s * unscaled(t)
    return unscaled(s) if x < <real>0.0 else t
