# binary_cross_entropy(a, y) = −y log a − (1 − y) log(1 − a) on probabilities a, without an epsilon: 0·log 0 is 0, log 0 is −inf.
#
# Both logarithms come as head + low, and 1 − a and 1 − y with what they round off: the loss is rounded twice, in the two products of
# the heads.
#
# The gradient (a − y) / (a (1 − a)) is one difference of given numbers, so it keeps its relative accuracy where
# (1 − y) / (1 − a) − y / a cancels. At y = 0 it is 1 / (1 − a), at y = 1 −1 / a: the limits at a = 0 and a = 1, which 0 / 0 is not.
# y / a is divided by a once more: a² would underflow.

from elementary.log cimport subnormal_mantissa
from elementary.log_parts cimport log_ratio_parts
from real cimport al_infinity, fma, real


cdef inline real binary_cross_entropy(real a, real y, real *g, real *h) noexcept nogil:
    cdef real least = <real>1.1754943508222875e-38 if real is float else <real>2.2250738585072014e-308
    cdef real shift = <real>-126.0 if real is float else <real>-1022.0
    cdef real b = <real>1.0 - a
    cdef real x = <real>1.0 - y
    cdef real p = y / a
    cdef real q = x / b
    cdef real v, low, rest
    g[0] = q if y == <real>0.0 else (-p if x == <real>0.0 else (a - y) / a / b)
    p = p / a if y != <real>0.0 else <real>0.0
    q = q / b if x != <real>0.0 else <real>0.0
    h[0] = p + q if a == a else a
    v = subnormal_mantissa(a) if a < least else a
    p = log_ratio_parts(v, <real>0.0, <real>1.0, shift if a < least else <real>0.0, &low)
    q = log_ratio_parts(b, (<real>1.0 - b) - a, <real>1.0, <real>0.0, &rest)
    rest = fma(x, rest, ((<real>1.0 - x) - y) * q)
    p = p if y != <real>0.0 else <real>0.0
    rest = fma(y, low, rest) if y != <real>0.0 else rest
    v = <real>0.0 - fma(y, p, fma(x, q, rest) if x != <real>0.0 else low * y)
    v = <real>al_infinity() if ((a == <real>0.0) & (y != <real>0.0)) | ((b == <real>0.0) & (x != <real>0.0)) else v
    return v if a == a else a
