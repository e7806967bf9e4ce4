# kl_divergence(a, y) = y log(y / a), 0 for y = 0: the terms of Kullback and Leibler's divergence of the prediction a from y.
#
# Close to one another, log1p((y − a) / a) keeps what y / a rounds off; its difference is exact. Where y / a is above 2^64 (2^512) and
# might overflow, y is divided by 2^64 a (2^512 a) and 64 log 2 are added: both terms are positive.

from elementary.log cimport log
from elementary.log1p cimport log1p
from real cimport absolute, al_infinity, real


cdef inline real kl_divergence(real a, real y, real *g, real *h) noexcept nogil:
    cdef real up = <real>18446744073709551616.0 if real is float else <real>1.3407807929942597e+154
    cdef real added = <real>44.3614195558365 if real is float else <real>354.891356446692
    cdef real r = (y - a) / a
    cdef real q = y / a
    cdef real zero = <real>0.0 if (y == <real>0.0) & (a == a) else a + y     # NaN, as y is not positive
    cdef bint near = absolute(r) < <real>0.5
    cdef real v = log(y / (a * up) if q > up else q) + (added if q > up else <real>0.0)
    v = log1p(r) if near else v
    g[0] = <real>0.0 - q if y > <real>0.0 else zero
    h[0] = q / a if y > <real>0.0 else zero
    return y * v if y > <real>0.0 else zero
