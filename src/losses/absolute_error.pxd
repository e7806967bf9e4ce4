# absolute_error(a, y) = |a − y|; the derivative at a = y is 0, as in PyTorch, and the Hessian 0 everywhere.

from real cimport absolute, real


cdef inline real absolute_error(real a, real y, real *g, real *h) noexcept nogil:
    cdef real r = a - y
    g[0] = <real>1.0 if r > <real>0.0 else (<real>-1.0 if r < <real>0.0 else absolute(r))
    h[0] = <real>0.0 if r == r else r
    return absolute(r)
