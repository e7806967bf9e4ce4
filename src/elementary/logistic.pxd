# s = e / (1 + e) and what its complement 1 / (1 + e) is made of, for e = e^x, x ≤ 0: the one division of sigmoid and tanh.
#
# e comes as high + low. i = 1 / (1 + high) is rounded twice, in the sum and in the quotient; d = 1 − i·(1 + e) is what both lost:
# 1 − i is exact for i in [½, 1], so two fused steps give d to full accuracy and 1 / (1 + e) = i + i·d with one rounding. s is
# high·i plus its three small terms, again with one rounding. Uncorrected, sigmoid stands at 2.4 units in the last place and its
# derivative at 3.5 (docs/accuracy.md). Without fma, high·i rounds and d keeps only the sum's error and the division's sign.

from elementary.exp cimport unscaled
from real cimport fma, real


cdef inline real logistic_parts(real high, real low, real times, real *i, real *d) noexcept nogil:
    """times·s, scaled like high + low = e^x·2^64 (double: 2^512); times / (1 + e^x) = i + i·d. times is a literal, a power of 2."""
    cdef real whole = <real>1.0 / times
    i[0] = times / one_plus(high)
    d[0] = <real>1.0 - i[0] if times == <real>1.0 else fma(i[0], -whole, <real>1.0)
    d[0] = fma(-high, unscaled(whole) * i[0], d[0])
    d[0] = fma(-low, unscaled(whole) * i[0], d[0])
    return fma(high, i[0], fma(high, d[0], low) * i[0])


cdef inline real one_plus(real high) noexcept nogil:
    """1 + high unscaled."""
    if real is float:
        return fma(high, <real>5.421010862427522e-20, <real>1.0)
    else:
        return fma(high, <real>7.458340731200207e-155, <real>1.0)
