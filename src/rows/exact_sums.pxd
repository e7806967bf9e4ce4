# Sums of exponentials of which nothing is lost, for losses that magnify the sum's error; rows run along the vector. Each exponential
# and each addition leaves its rounding (Ogita, Rump and Oishi 2005, algorithm 4.1), so that the accumulators need no emptying: the
# roundings stand a second block behind the sums.

from axes cimport LANES
from elementary.exp cimport exp_clamp, exp_parts_sum, scaled_one
from loops cimport GROUP
from real cimport fma, real, two_sum


cdef inline real risen_below(real z, real m, real near, real rest, bint apart, real *low) noexcept nogil:
    """2^64 e^{z − m} for z < m, 0 for z = m; near = coarse(m), rest = near − m. Its rounding is in low. apart: less than 2^64."""
    cdef real scale, p, e
    cdef real one = scaled_one(z)
    cdef real below_one = one - one * (<real>5.9604644775390625e-08 if real is float else <real>1.1102230246251565e-16)
    cdef real d = z - near
    rest = rest + (z - (d + near)) if d > <real>-800.0 else <real>0.0      # 0 where the exponential is, or the difference infinite
    d = <real>0.0 if z >= m else d
    p = exp_parts_sum(exp_clamp(d), rest, &scale, &rest)
    scale = <real>0.0 if z >= m else scale
    e = fma(scale, p, scale)
    if apart:
        e = below_one if e > below_one else e
    low[0] = fma(scale, rest, fma(scale, p, scale - e))
    return e


cdef inline void exp_sum_across_exactly(real *b, Py_ssize_t count, Py_ssize_t width, const real *m, const real *near,
                                        const real *rest, real *sums, real *hits) noexcept nogil:
    """b = 2^64 e^{b − m}; sums[c mod 16] += those below the maximum, the roundings at sums + GROUP·LANES; hits += those at it."""
    cdef Py_ssize_t c, l
    cdef real z, e, low, lost
    cdef real *s
    cdef real *s_low
    for c in range(count):
        s = sums + (c & (GROUP - 1)) * LANES
        s_low = s + GROUP * LANES
        for l in range(width):
            z = b[c * LANES + l]
            e = risen_below(z, m[l], near[l], rest[l], False, &low)
            b[c * LANES + l] = scaled_one(z) if z >= m[l] else e
            s[l] = two_sum(s[l], e, &lost)
            s_low[l] += lost + low
            hits[l] += <real>1.0 if z >= m[l] else <real>0.0


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
