# Sums in an order that follows from the number of their terms alone. Knows no mathematics but what addition rounds.

from axes cimport LANES
from loops cimport GROUP
from real cimport real, two_sum


cdef inline real tree8(const real *s, Py_ssize_t apart, real *low) noexcept nogil:
    """Σ of 8 numbers in pairs, the roundings in low: added back, with terms of one sign a quarter of the error is left.

    A row's sum lies below 2 units in the last place of the true one by that, so that loss and gradient keep below 4.
    """
    cdef real e0, e1, e2, e3, f0, f1, g
    cdef real a0 = two_sum(s[0], s[4 * apart], &e0)
    cdef real a1 = two_sum(s[apart], s[5 * apart], &e1)
    cdef real a2 = two_sum(s[2 * apart], s[6 * apart], &e2)
    cdef real a3 = two_sum(s[3 * apart], s[7 * apart], &e3)
    cdef real u = two_sum(a0, a2, &f0)
    cdef real v = two_sum(a1, a3, &f1)
    cdef real sum = two_sum(u, v, &g)
    low[0] = ((e0 + e2) + (e1 + e3)) + ((f0 + f1) + g)
    return sum


cdef inline real with_low(real sum, real low) noexcept nogil:
    """sum + low, where low is NaN if the sum overflowed."""
    return sum + low if low == low else sum


cdef inline real tree16(real *s) noexcept nogil:
    """Σ of 16 accumulators, in one order on every level. s is overwritten."""
    cdef real sum, low
    cdef int i
    for i in range(8):
        s[i] += s[i + 8]
    sum = tree8(s, 1, &low)
    return with_low(sum, low)


cdef inline void tree16_across(real *s, real *total, real *rest, Py_ssize_t width, Py_ssize_t used) noexcept nogil:
    """The same for `width` lanes at once: s[accumulator][lane], LANES apart; only the first `used` accumulators are not 0.

    rest holds what each lane's accumulators have lost in all, and takes what the total lacks.
    """
    cdef real sum, low, e
    cdef Py_ssize_t i, l
    for i in range((used if used < GROUP else GROUP) - 8):
        for l in range(width):
            s[i * LANES + l] = two_sum(s[i * LANES + l], s[(i + 8) * LANES + l], &e)
            rest[l] += e
    for l in range(width):
        sum = tree8(s + l, LANES, &low)
        low += rest[l]
        total[l] = sum + low
        rest[l] = (sum - total[l]) + low


cdef inline void fold_across(real *s, real *lost, Py_ssize_t width) noexcept nogil:
    """The first 16 accumulators += the second 16; lost = Σ of the roundings."""
    cdef Py_ssize_t i, l
    cdef real e
    for l in range(width):
        lost[l] = <real>0.0
    for i in range(GROUP):
        for l in range(width):
            s[i * LANES + l] = two_sum(s[i * LANES + l], s[(GROUP + i) * LANES + l], &e)
            lost[l] += e


cdef inline double block_sum(const real *terms, Py_ssize_t count) noexcept nogil:
    """Σ terms in float64: term k goes to accumulator k mod 16."""
    cdef double s[GROUP]
    cdef Py_ssize_t i, whole = count & ~(<Py_ssize_t> (GROUP - 1))
    cdef int j
    for j in range(GROUP):
        s[j] = 0.0
    for i in range(count // GROUP):
        for j in range(GROUP):
            s[j] += <double> terms[i * GROUP + j]
    if whole < count:       # with a mask: scalar stores into s would keep the tree's vectors waiting
        for j in range(GROUP):
            s[j] += <double> terms[whole + j] if j < count - whole else 0.0
    return tree16(s)
