# softsign(x) = x / (1 + |x|), derivative 1 / (1 + |x|)². From the clamp on, the value has rounded to ±1 and the derivative to 0: the
# clamp changes neither and keeps ±inf from becoming inf / inf. As `m if a > m else a` it lets NaN pass.

from real cimport absolute, copysign, real


cdef inline real softsign(real x, real *dy) noexcept nogil:
    cdef real m = <real>1e30 if real is float else <real>1e200
    cdef real a = absolute(x)
    cdef real r = <real>1.0 / (<real>1.0 + (m if a > m else a))
    dy[0] = r * r
    return copysign((m if a > m else a) * r, x)
