# squared_hinge(z, y) = max(0, 1 − y z)² for y = ±1. The gradient is continuous; the Hessian at the margin y z = 1 is 0.

from real cimport real


cdef inline real squared_hinge(real z, real y, real *g, real *h) noexcept nogil:
    cdef real m = <real>1.0 - y * z
    g[0] = <real>-2.0 * y * m if m > <real>0.0 else (<real>0.0 if m <= <real>0.0 else m)
    h[0] = <real>2.0 if m > <real>0.0 else (<real>0.0 if m <= <real>0.0 else m)
    return m * m if m > <real>0.0 else (<real>0.0 if m <= <real>0.0 else m)
