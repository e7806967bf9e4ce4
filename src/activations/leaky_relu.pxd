# leaky_relu(x) = x for x > 0, alpha x otherwise; the derivative at 0 is alpha, as in PyTorch. NaN stays NaN in both.

from real cimport real


cdef inline real leaky_relu(real x, real alpha, real *dy) noexcept nogil:
    cdef real slope = <real>1.0 if x > <real>0.0 else alpha
    dy[0] = slope if x == x else x
    return slope * x
