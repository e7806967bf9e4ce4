# softsign(x) = x / (1 + |x|), derivative 1 / (1 + |x|)². From the clamp on, the value has rounded to ±1 and the derivative to 0: the
# clamp changes neither and keeps ±inf from becoming 0·inf.
#
# i = 1 / (1 + |x|) is rounded twice, in the sum and in the quotient; d = (1 − i) − i·|x| is what both lost, so 1 / (1 + |x|) is
# i + i·d. The value is (1 − i) − i·d and the derivative i² + 2d·i². For |x| ≤ 1 the difference 1 − i is exact, so small x keep all
# their digits; beyond, it is rounded by half a last place of a value that is at least ½. 2.0 and 3.5 units in the last place
# become 1.0 and 2.0. Knuth's TwoSum of 1 + |x| gives 0.5 and 1.0, for 1.4 to 1.5 times the time (docs/accuracy.md).

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
    cdef real i = <real>1.0 / (<real>1.0 + a)
    cdef real c = <real>1.0 - i
    cdef real d = fma(-i, a, c)
    cdef real w = i * i
    dy[0] = fma(w, d + d, w)
    return with_sign(fma(-i, d, c), x)
