# squared_hinge(z, y) = max(0, 1 − y z)² for y = ±1. The gradient is continuous; the Hessian at the margin y z = 1 is 0.

from real cimport real


cdef inline real squared_hinge(real z, real y, real *g, real *h) noexcept nogil:
    cdef real m = <real>1.0 - y * z
    cdef real a = <real>0.0 if m <= <real>0.0 else m         # 0, NaN or above
    g[0] = <real>-2.0 * y * a + <real>0.0                    # −0 is 0
    h[0] = <real>2.0 if a > <real>0.0 else a
    return a * a
