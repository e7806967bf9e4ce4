# pinball(a, y) = quantile·(y − a) below the target, (1 − quantile)·(a − y) above it: its minimum in the mean is that quantile.
#
# At a = y the derivative is that of the left side, −quantile, as in scikit-learn. A loss of −0 becomes +0.

from real cimport absolute, real


cdef inline real pinball(real a, real y, real quantile, real *g, real *h) noexcept nogil:
    cdef real r = a - y
    cdef real slope = <real>1.0 - quantile if r > <real>0.0 else -quantile
    g[0] = slope if r == r else r
    h[0] = <real>0.0 if r == r else r
    return absolute(slope * r)
