# squared_error(a, y) = ½ (a − y)². ½ r comes first: r² may overflow where half of it does not.

from real cimport real


cdef inline real squared_error(real a, real y, real *g, real *h) noexcept nogil:
    cdef real r = a - y
    g[0] = r
    h[0] = <real>1.0 if r == r else r
    return (<real>0.5 * r) * r
