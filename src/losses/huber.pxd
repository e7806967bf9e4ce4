# huber(a, y) = ½ r² for |r| ≤ delta, delta (|r| − ½ delta) beyond; r = a − y.
#
# With m = min(|r|, delta) both are m (|r| − ½ m): within, |r| − ½ |r| is exact. Beyond, the difference may double what a − y rounds
# off, so that is put back, and its own rounding with it. The gradient is r, clipped to ±delta; the Hessian at
# |r| = delta is 1, as in scikit-learn.

from real cimport absolute, fma, real, two_sum


cdef inline real huber(real a, real y, real delta, real *g, real *h) noexcept nogil:
    cdef real low, rest
    cdef real r = two_sum(a, -y, &low)
    cdef real size = absolute(r)
    cdef real m = delta if size > delta else size
    g[0] = delta if r > delta else (-delta if r < -delta else r)
    h[0] = <real>0.0 if size > delta else (<real>1.0 if size <= delta else size)
    low = low if low == low else <real>0.0
    cdef real d = two_sum(size, <real>-0.5 * m, &rest)
    rest = rest if rest == rest else <real>0.0
    return fma(m, d, m * (rest + (low if r > <real>0.0 else -low)))
