# hinge(z, y) = max(0, 1 − y z) for y = ±1; the derivative at the margin y z = 1 is 0, and the Hessian 0 everywhere.

from real cimport real


cdef inline real hinge(real z, real y, real *g, real *h) noexcept nogil:
    cdef real m = <real>1.0 - y * z
    cdef real loss = <real>0.0 if m <= <real>0.0 else m      # 0, NaN or above
    g[0] = -y if loss > <real>0.0 else loss
    h[0] = <real>0.0 if m == m else m
    return loss
