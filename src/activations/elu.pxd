# elu(x) = x for x > 0, alpha (e^x − 1) otherwise; the derivative at 0 is alpha, as in PyTorch.
#
# alpha e^x is formed from the exponential itself: y + alpha cancels left of −1. The argument is min(x, 0), so the unused branch
# never overflows. The value is x for x ≥ 0, not x > 0: that leaves −0 as it is, which alpha (e^−0 − 1) would turn into +0, and
# costs nothing. alpha multiplies the scaled exponential: a subnormal e^x times 1000 would be off by hundreds of units. That holds
# up to |alpha| = 2^40 (2^400), where alpha e^x goes under before the scaled exponential does; from 2^64 (2^512) on the product
# overflows. Choosing the order of the two multiplications by |alpha| would lift the second limit, for 1.2 times the derivative's
# time.

from clamp cimport at_most_zero
from elementary.exp cimport unscaled
from elementary.expm1 cimport expm1_nonpositive
from real cimport real


cdef inline real elu(real x, real alpha, real *dy) noexcept nogil:
    cdef real e
    cdef real m = expm1_nonpositive(at_most_zero(x), &e)
    dy[0] = <real>1.0 if x > <real>0.0 else unscaled(alpha * e)
    return x if x >= <real>0.0 else alpha * m
