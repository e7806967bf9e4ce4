# Sums of exponentials of which nothing is lost, for losses that magnify the sum's error. Each exponential and each addition
# leaves its rounding (Ogita, Rump and Oishi 2005, algorithm 4.1), so that the accumulators need no emptying: the roundings
# stand a second block behind the sums. Class c adds to accumulator c mod 16 in both shapes, so they give the same bits.

from axes cimport LANES
from elementary.exp cimport exp_parts_sum, scaled_one
from loops cimport GROUP, operand
from real cimport al_infinity, fma, real, two_sum
from rows.softmax_phases cimport CHUNK, coarse, fetch, rest_of, whole_sum


cdef inline real risen_below(real z, real m, real near, real rest, bint apart, real *low) noexcept nogil:
    """2^64 e^{z − m} for z < m, 0 for z = m; near = coarse(m), rest = near − m. Its rounding is in low. apart: less than 2^64."""
    cdef real scale, p, e, e_low
    cdef real one = scaled_one(z)
    cdef real below_one = one - one * (<real>5.9604644775390625e-08 if real is float else <real>1.1102230246251565e-16)
    cdef real least = <real>-132.4 if real is float else <real>-1064.0
    cdef real d = z - near
    cdef bint none = (z >= m) | (d < least)      # below, 2^n has wrapped, or the difference is infinite
    p = exp_parts_sum(d, rest + (z - (d + near)), &scale, &rest)
    e = fma(scale, p, scale)
    if apart:
        e = below_one if e > below_one else e
    e_low = fma(scale, rest, fma(scale, p, scale - e))
    low[0] = <real>0.0 if none else e_low
    return <real>0.0 if none else e


cdef inline real sum_of_two(real a, real b, real *low) noexcept nogil:
    """two_sum for a, b ≥ 0 in an operation less: FastTwoSum (Dekker 1971) of the larger and the smaller one."""
    cdef real s = a + b
    cdef real more = a if a > b else b
    cdef real less = b if a > b else a
    low[0] = less - (s - more)
    return s


cdef inline void exp_sum_across_exactly(real *b, Py_ssize_t count, Py_ssize_t width, const real *m, const real *near,
                                        const real *rest, real *sums, real *hits, const char *z_ahead, Py_ssize_t z_step,
                                        const char *g_ahead, Py_ssize_t g_step) noexcept nogil:
    """b = 2^64 e^{b − m}; sums[c mod 16] += those below the maximum, the roundings at sums + GROUP·LANES; hits += those at it.

    z_ahead, g_ahead: LANES elements to be fetched per class, z_step and g_step bytes apart; NULL for none.
    """
    cdef Py_ssize_t c, l
    cdef real z, e, low, lost
    cdef real *s
    cdef real *s_low
    for c in range(count):
        if z_ahead != NULL:
            fetch(<const real *> (z_ahead + c * z_step), <const real *> (g_ahead + c * g_step), LANES, g_ahead != NULL)
        s = sums + (c & (GROUP - 1)) * LANES
        s_low = s + GROUP * LANES
        for l in range(width):
            z = b[c * LANES + l]
            e = risen_below(z, m[l], near[l], rest[l], False, &low)
            b[c * LANES + l] = scaled_one(z) if z >= m[l] else e
            s[l] = sum_of_two(s[l], e, &lost)
            s_low[l] += lost + low
            hits[l] += <real>1.0 if z >= m[l] else <real>0.0


cdef inline void exp_sum_along_exactly(const real *x, real *y, Py_ssize_t groups, real m, real *sums, real *hits) noexcept nogil:
    """The same for x[16 k + accumulator]; the roundings at sums + GROUP."""
    cdef Py_ssize_t k, c
    cdef int j
    cdef real z, e, low, lost
    cdef real near = coarse(m)
    cdef real rest = rest_of(m, near)
    for k in range(groups):
        for j in range(GROUP):
            c = k * GROUP + j
            z = x[c]
            e = risen_below(z, m, near, rest, False, &low)
            y[c] = scaled_one(z) if z >= m else e
            sums[j] = sum_of_two(sums[j], e, &lost)
            sums[GROUP + j] += lost + low
            hits[j] += <real>1.0 if z >= m else <real>0.0


cdef inline void exp_sum_apart_exactly(operand x, operand y, Py_ssize_t groups, real m, real *sums, real *hits) noexcept nogil:
    """The same for arrays apart, as in softmax_phases.pxd."""
    exp_sum_along_exactly(<const real *> x, <real *> y, groups, m, sums, hits)


cdef inline void exp_sum_tail_exactly(const real *x, real *y, Py_ssize_t count, real m, real *sums, real *hits) noexcept nogil:
    """The same for fewer than 16 classes, filled up with −inf, which is below any maximum and adds nothing."""
    cdef real b[GROUP]
    cdef int j
    for j in range(GROUP):
        b[j] = x[j] if j < count else -<real>al_infinity()
    exp_sum_along_exactly(b, b, 1, m, sums, hits)
    for j in range(GROUP):
        if j < count:
            y[j] = b[j]


cdef inline void sum_along_exactly(const real *z, real *g, Py_ssize_t classes, real m, bint grad, real *all_sums, real *hits,
                                   Py_ssize_t z_ahead, Py_ssize_t g_ahead) noexcept nogil:
    """The accumulators of one row, LANES apart, and the number of maximal entries; g (if wanted) = e. Else as sum_along."""
    cdef real b[CHUNK]
    cdef real sums[2 * GROUP]
    cdef real count_max[GROUP]
    cdef double wide_max[GROUP]
    cdef real *y
    cdef Py_ssize_t first = 0, count, whole
    cdef int j
    for j in range(GROUP):
        sums[j] = sums[GROUP + j] = count_max[j] = <real>0.0
        wide_max[j] = 0.0
    while first < classes:
        count = classes - first if classes - first < CHUNK else CHUNK
        whole = count & ~(<Py_ssize_t> GROUP - 1)
        if z_ahead != 0:
            fetch(z + z_ahead + first, g + g_ahead + first, count, grad)
        y = g + first if grad else b
        if y == z + first:
            exp_sum_along_exactly(y, y, whole // GROUP, m, sums, count_max)
        else:
            exp_sum_apart_exactly(<operand> (z + first), <operand> y, whole // GROUP, m, sums, count_max)
        if whole < count:
            exp_sum_tail_exactly(z + first + whole, y + whole, count - whole, m, sums, count_max)
        for j in range(GROUP):
            wide_max[j] += <double> count_max[j]
            count_max[j] = <real>0.0
        first += count
    for j in range(2 * GROUP):
        all_sums[j * LANES] = sums[j]
    hits[0] = <real> whole_sum(wide_max)


cdef inline void join(const real *sums, real *total, Py_ssize_t width, Py_ssize_t used) noexcept nogil:
    """total and, at total + LANES, what it lacks of the sum of the first `used` accumulators and their roundings."""
    cdef Py_ssize_t i, l
    cdef real lost
    for l in range(width):
        total[l] = total[LANES + l] = <real>0.0
    for i in range(used if used < GROUP else GROUP):
        for l in range(width):
            total[l] = two_sum(total[l], sums[i * LANES + l], &lost)
            total[LANES + l] += lost + sums[(GROUP + i) * LANES + l]
