# binary_cross_entropy(a, y) = −y log a − (1 − y) log(1 − a) on probabilities a, without an epsilon: 0·log 0 is 0, log 0 is −inf.
#
# The gradient (a − y) / (a (1 − a)) is one difference of given numbers, so it keeps its relative accuracy where
# (1 − y) / (1 − a) − y / a cancels. At y = 0 it is 1 / (1 − a), at y = 1 −1 / a: the limits at a = 0 and a = 1, which 0 / 0 is not.
# y / a is divided by a once more: a² would underflow.

from elementary.log cimport log
from elementary.log1p cimport log1p
from real cimport real


cdef inline real binary_cross_entropy(real a, real y, real *g, real *h) noexcept nogil:
    cdef real b = <real>1.0 - a
    cdef real x = <real>1.0 - y
    cdef real p = y / a
    cdef real q = x / b
    g[0] = q if y == <real>0.0 else (-p if x == <real>0.0 else (a - y) / a / b)
    p = p / a if y != <real>0.0 else <real>0.0
    q = q / b if x != <real>0.0 else <real>0.0
    h[0] = p + q if a == a else a
    p = y * log(a) if y != <real>0.0 else <real>0.0
    q = x * log1p(-a) if x != <real>0.0 else <real>0.0
    return (<real>0.0 - p) - q if a == a else a
