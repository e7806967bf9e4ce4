# huber(a, y) = ½ r² for |r| ≤ delta, delta (|r| − ½ delta) beyond; r = a − y.
#
# With m = min(|r|, delta) both are m (|r| − ½ m): within, |r| − ½ |r| is exact. Beyond, the difference may double what a − y rounds
# off, so that is put back. The gradient is r, clipped to ±delta; the Hessian at
# |r| = delta is 1, as in scikit-learn.

from axes cimport two_sum
from real cimport absolute, real


cdef inline real huber(real a, real y, real delta, real *g, real *h) noexcept nogil:
    cdef real low
    cdef real r = two_sum(a, -y, &low)
    cdef real size = absolute(r)
    cdef real m = delta if size > delta else size
    g[0] = delta if r > delta else (-delta if r < -delta else r)
    h[0] = <real>0.0 if size > delta else (<real>1.0 if size <= delta else size)
    low = low if low == low else <real>0.0
    return m * ((size - <real>0.5 * m) + (low if r > <real>0.0 else -low))
