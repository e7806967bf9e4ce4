# smooth_l1(a, y) = ½ r² / beta for |r| < beta, |r| − ½ beta beyond; r = a − y (Girshick 2015). It is huber / beta.
#
# beta = 0 leaves the absolute error. r / beta comes first: r² may go under where r² / beta does not. What a − y rounds off is put
# back: the product then is rounded three times instead of five.

from real cimport absolute, fma, real, two_sum


cdef inline real smooth_l1(real a, real y, real beta, real *g, real *h) noexcept nogil:
    cdef real low
    cdef real r = two_sum(a, -y, &low)
    cdef real size = absolute(r)
    cdef bint within = size < beta
    cdef real b = beta if beta > <real>0.0 else <real>1.0
    cdef real q = r / b
    cdef real slope = <real>1.0 if r > <real>0.0 else (<real>-1.0 if r < <real>0.0 else size)
    g[0] = q if within else slope
    h[0] = <real>1.0 / b if within else (<real>0.0 if size >= beta else size)
    return fma(q, low, <real>0.5 * r * q) if within else size - <real>0.5 * beta
