# huber(a, y) = ½ r² for |r| ≤ delta, delta (|r| − ½ delta) beyond; r = a − y.
#
# With m = min(|r|, delta) both are m (|r| − ½ m): within, |r| − ½ |r| is exact. The gradient is r, clipped to ±delta; the Hessian at
# |r| = delta is 1, as in scikit-learn.

from real cimport absolute, real


cdef inline real huber(real a, real y, real delta, real *g, real *h) noexcept nogil:
    cdef real r = a - y
    cdef real size = absolute(r)
    cdef real m = delta if size > delta else size
    g[0] = delta if r > delta else (-delta if r < -delta else r)
    h[0] = <real>0.0 if size > delta else (<real>1.0 if size <= delta else size)
    return m * (size - <real>0.5 * m)
