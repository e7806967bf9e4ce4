# hinge(z, y) = max(0, 1 − y z) for y = ±1; the derivative at the margin y z = 1 is 0, and the Hessian 0 everywhere.

from real cimport real


cdef inline real hinge(real z, real y, real *g, real *h) noexcept nogil:
    cdef real m = <real>1.0 - y * z
    g[0] = -y if m > <real>0.0 else (<real>0.0 if m <= <real>0.0 else m)
    h[0] = <real>0.0 if m == m else m
    return <real>0.0 if m <= <real>0.0 else m
