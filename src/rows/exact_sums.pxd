# Sums of exponentials of which nothing is lost, for losses that magnify the sum's error; rows run along the vector. Each exponential
# and each addition leaves its rounding (Ogita, Rump and Oishi 2005, algorithm 4.1), so that the accumulators need no emptying: the
# roundings stand a second block behind the sums.

from axes cimport LANES
from elementary.exp cimport exp_parts_sum, exp_scaled, scaled_one, unscaled
from loops cimport GROUP
from real cimport fma, real, two_sum


cdef inline real shifted_exp_parts(real z, real m, real *low) noexcept nogil:
    """2^64 e^{z − m} (2^512) for z ≤ m, what it has rounded in low; 2^64 for z = m, infinities included."""
    cdef real scale, rest, e, lost
    cdef real d = two_sum(z, -m, &lost)
    cdef real p = exp_parts_sum(d, lost if d > <real>-800.0 else <real>0.0, &scale, &rest)
    e = exp_scaled(scale, p, low)
    low[0] = <real>0.0 if z >= m else fma(scale, rest, low[0])
    return scaled_one(z) if z >= m else e


cdef inline real add_below(real z, real m, real *sum, real *low, real *hits) noexcept nogil:
    """sum + low += e^{z − m} for z < m, hits += 1 for the others; the exponential."""
    cdef real e_low, lost
    cdef real e = unscaled(shifted_exp_parts(z, m, &e_low))
    sum[0] = two_sum(sum[0], <real>0.0 if z >= m else e, &lost)
    low[0] += lost + unscaled(e_low)
    hits[0] += <real>1.0 if z >= m else <real>0.0
    return e


cdef inline void exp_sum_across_exactly(real *b, Py_ssize_t count, Py_ssize_t width, const real *m, real *sums,
                                        real *hits) noexcept nogil:
    """b = e^{b − m}; sums[c mod 16] += those below the maximum, the roundings at sums + GROUP·LANES; hits += those at it."""
    cdef Py_ssize_t c, l
    cdef real *s
    for c in range(count):
        s = sums + (c & (GROUP - 1)) * LANES
        for l in range(width):
            b[c * LANES + l] = add_below(b[c * LANES + l], m[l], &s[l], &s[GROUP * LANES + l], &hits[l])


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
