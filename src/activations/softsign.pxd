# softsign(x) = x / (1 + |x|), derivative 1 / (1 + |x|)². From the clamp on, the value has rounded to ±1 and the derivative to 0: the
# clamp changes neither and keeps ±inf from becoming inf / inf.
#
# i = 1 / q is rounded twice, in q = 1 + |x| and in the quotient. d = 1 − i·(1 + |x|) is what both lost, the sum's part by Knuth's
# TwoSum, so value and derivative are i and i² with their first-order correction: 2.0 and 3.5 units in the last place become 0.5
# and 1.0, at the time of one division either way.

from clamp cimport at_most
from real cimport absolute, fma, real, with_sign

cdef extern from *:
    """
    AL_LIMIT(float, al_softsign_mostf, 1e30f);
    AL_LIMIT(double, al_softsign_most, 1e200);
    """
    const float al_softsign_mostf
    const double al_softsign_most


cdef inline real clamped_absolute(real x) noexcept nogil:
    if real is float:
        return at_most(absolute(x), al_softsign_mostf)
    else:
        return at_most(absolute(x), al_softsign_most)


cdef inline real softsign(real x, real *dy) noexcept nogil:
    cdef real a = clamped_absolute(x)
    cdef real q = <real>1.0 + a
    cdef real b = q - <real>1.0
    cdef real low = (<real>1.0 - (q - b)) + (a - b)
    cdef real i = <real>1.0 / q
    cdef real d = fma(-low, i, fma(-q, i, <real>1.0))
    cdef real w = i * i
    dy[0] = fma(w, d + d, w)
    return with_sign(fma(a, i, a * i * d), x)
