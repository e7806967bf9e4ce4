# kl_divergence(a, y) = y log(y / a), 0 for y = 0: the terms of Kullback and Leibler's divergence of the prediction a from y.
#
# The logarithm of the quotient is taken without forming it, as head + low, and y multiplies both: one rounding counts. Small numbers
# are multiplied by 2^64 (2^512) beforehand, which k ln 2 undoes: subnormal, they would not be what their bits say.

from elementary.log_parts cimport log_ratio_parts
from real cimport al_infinity, real, sum_times


cdef inline real kl_divergence(real a, real y, real *g, real *h) noexcept nogil:
    cdef real up = <real>18446744073709551616.0 if real is float else <real>1.3407807929942597e+154
    cdef real octaves = <real>64.0 if real is float else <real>512.0
    cdef real small = <real>1.0 / up
    cdef real q = y / a
    cdef real zero = <real>0.0 if (y == <real>0.0) & (a == a) else a + y     # NaN, as y is not positive
    cdef real low
    cdef real more = (octaves if a < small else <real>0.0) - (octaves if y < small else <real>0.0)
    cdef real v = log_ratio_parts(y * up if y < small else y, <real>0.0, a * up if a < small else a, more, &low)
    v = sum_times(v, low, y)
    v = v if a > <real>0.0 else (<real>al_infinity() if a == <real>0.0 else a)
    g[0] = <real>0.0 - q if y > <real>0.0 else zero
    h[0] = q / a if y > <real>0.0 else zero
    return v if y > <real>0.0 else zero
