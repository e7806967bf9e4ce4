# The phases that every softmax-type row is made of: the maximum, the sum of the exponentials below it, the scaling. Each is a
# small function over one block of [class][lane] (across) or [group][accumulator] (along): in one body nothing vectorises.
#
# Every maximal entry is left out of the sum and counted: R = Σ_{z_j < m} e^{z_j − m} + (count − 1) keeps the small part that
# Σ = 1 + R would round away (Blanchard, Higham and Higham 2021, algorithm 4.1).
# z_j − m is rounded once, which alone costs 2^k/2 last places of e_j at a gap of 2^k; its low part (Knuth's TwoSum) goes into the
# exponential's reduced argument.
#
# Both shapes give the same bits: class c adds to accumulator c mod 16, accumulators are emptied into float64 every 128 classes
# (rows of up to 128 classes stay in their own type), and one fixed tree adds the 16.

from axes cimport LANES, tree16, two_sum
from elementary.exp cimport exp_nonpositive_sum, exp_parts_sum, exp_scaled, scaled_one, unscaled
from libc.string cimport memcpy
from loops cimport GROUP
from real cimport al_infinity, al_prefetch_read, al_prefetch_write, fma, real

cdef enum:
    CHUNK = 128       # classes between two emptyings of the accumulators; the L1 block of a panel


cdef inline real shifted_exp(real z, real m) noexcept nogil:
    """e^{z − m} for z ≤ m, with the rounding of z − m carried along; 1 for z = m, infinities included."""
    cdef real d = z - m
    cdef real t = d - z
    cdef real low = (z - (d - t)) - (m + t)
    cdef real e = exp_nonpositive_sum(d, low if d > <real>-800.0 else <real>0.0)
    return <real>1.0 if z >= m else e


cdef inline real scaled(real e, real factor, real low) noexcept nogil:
    """e·(factor + low), rounded once."""
    return fma(e, factor, e * low)


# --- sums of which nothing is lost -----------------------------------------------------------------------------------------------
#
# For losses that magnify the sum's error. Each exponential and each addition leaves its rounding (Ogita, Rump and Oishi 2005,
# algorithm 4.1), so that the accumulators need no emptying: the roundings stand a second block behind the sums.

cdef inline real shifted_exp_parts(real z, real m, real *low) noexcept nogil:
    """shifted_exp times 2^64 (2^512), what it has rounded in low."""
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
    """exp_sum_across, the roundings at sums + GROUP·LANES."""
    cdef Py_ssize_t c, l
    cdef real *s
    for c in range(count):
        s = sums + (c & (GROUP - 1)) * LANES
        for l in range(width):
            b[c * LANES + l] = add_below(b[c * LANES + l], m[l], &s[l], &s[GROUP * LANES + l], &hits[l])


cdef inline void exp_sum_along_exactly(real *b, Py_ssize_t groups, real m, real *sums, real *hits) noexcept nogil:
    """exp_sum_along, the roundings at sums + GROUP."""
    cdef Py_ssize_t k
    cdef int j
    for k in range(groups):
        for j in range(GROUP):
            b[k * GROUP + j] = add_below(b[k * GROUP + j], m, &sums[j], &sums[GROUP + j], &hits[j])


cdef inline void join(const real *sums, real *total, Py_ssize_t apart, Py_ssize_t width, Py_ssize_t used) noexcept nogil:
    """total and, at total + apart, what it lacks of the sum of the first `used` accumulators and their roundings."""
    cdef Py_ssize_t i, l
    cdef real lost
    for l in range(width):
        total[l] = total[apart + l] = <real>0.0
    for i in range(used if used < GROUP else GROUP):
        for l in range(width):
            total[l] = two_sum(total[l], sums[i * apart + l], &lost)
            total[apart + l] += lost + sums[(GROUP + i) * apart + l]


# --- across: b[class][lane] ------------------------------------------------------------------------------------------

cdef inline void max_across(const real *b, Py_ssize_t count, Py_ssize_t width, real *m) noexcept nogil:
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            m[l] = b[c * LANES + l] if b[c * LANES + l] > m[l] else m[l]


cdef inline void exp_sum_across(real *b, Py_ssize_t count, Py_ssize_t width, const real *m, real *sums, real *hits) noexcept nogil:
    """b = e^{b − m}; sums[c mod 16] += those below the maximum; hits += those at it."""
    cdef Py_ssize_t c, l
    cdef real z, e
    cdef real *s
    for c in range(count):
        s = sums + (c & (GROUP - 1)) * LANES
        for l in range(width):
            z = b[c * LANES + l]
            e = shifted_exp(z, m[l])
            b[c * LANES + l] = e
            s[l] += <real>0.0 if z >= m[l] else e
            hits[l] += <real>1.0 if z >= m[l] else <real>0.0


cdef inline void scale_across(real *b, Py_ssize_t count, Py_ssize_t width, const real *factor, const real *low) noexcept nogil:
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            b[c * LANES + l] = scaled(b[c * LANES + l], factor[l], low[l])


# --- along: b[16 k + accumulator] --------------------------------------------------------------------------------------

cdef inline real max_along(const real *z, Py_ssize_t count) noexcept nogil:
    """The largest entry, NaN ignored (it reaches the result through the sum); −inf if there is none."""
    cdef real top[GROUP]
    cdef real m
    cdef Py_ssize_t k
    cdef int j
    for j in range(GROUP):
        top[j] = -<real>al_infinity()
    for k in range(count // GROUP):
        for j in range(GROUP):
            top[j] = z[k * GROUP + j] if z[k * GROUP + j] > top[j] else top[j]
    m = top[0]
    for j in range(GROUP):
        m = top[j] if top[j] > m else m
    for k in range(count & ~(<Py_ssize_t> GROUP - 1), count):
        m = z[k] if z[k] > m else m
    return m


cdef inline void exp_sum_along(real *b, Py_ssize_t groups, real m, real *sums, real *hits) noexcept nogil:
    cdef Py_ssize_t k
    cdef int j
    cdef real z, e
    for k in range(groups):
        for j in range(GROUP):
            z = b[k * GROUP + j]
            e = shifted_exp(z, m)
            b[k * GROUP + j] = e
            sums[j] += <real>0.0 if z >= m else e
            hits[j] += <real>1.0 if z >= m else <real>0.0


cdef inline void scale_along(real *b, Py_ssize_t count, real factor, real low) noexcept nogil:
    cdef Py_ssize_t c
    for c in range(count):
        b[c] = scaled(b[c], factor, low)


cdef inline void fill_along(real *b, const real *z, Py_ssize_t count) noexcept nogil:
    """b = z, filled up to whole groups with −inf, which is never the maximum and adds nothing."""
    cdef Py_ssize_t c
    if b != z:
        memcpy(b, z, <size_t> count * sizeof(real))
    for c in range(count, (count + GROUP - 1) & ~(<Py_ssize_t> GROUP - 1)):
        b[c] = -<real>al_infinity()


cdef inline void fetch(const real *z, const real *g, Py_ssize_t count, bint grad) noexcept nogil:
    """Asks for the cache lines of a stretch of z and g before they are needed; changes nothing."""
    cdef Py_ssize_t c, k
    for k in range((count + GROUP - 1) // GROUP):
        c = k * GROUP
        al_prefetch_read(z + c)
        if grad:
            al_prefetch_write(g + c)


cdef inline real sum_along(bint exact, const real *z, real *g, Py_ssize_t classes, real m, bint grad, real *hits, real *low,
                           Py_ssize_t z_ahead, Py_ssize_t g_ahead) noexcept nogil:
    """Σ_{z_j < m} e_j of one row and the number of maximal entries; g (if wanted) = e; for the literal exact low = the sum's rounding.

    z_ahead, g_ahead: elements from here to the row that comes after this group of rows.
    """
    cdef real b[CHUNK]
    cdef real sums[2 * GROUP]
    cdef real count_max[GROUP]
    cdef real total[2]
    cdef double wide[GROUP]
    cdef double wide_max[GROUP]
    cdef real *e
    cdef Py_ssize_t chunk, first, count
    cdef int j
    for j in range(GROUP):
        sums[j] = sums[GROUP + j] = count_max[j] = <real>0.0
        wide[j] = wide_max[j] = 0.0
    for chunk in range((classes + CHUNK - 1) // CHUNK):
        first = chunk * CHUNK
        count = classes - first if classes - first < CHUNK else CHUNK
        e = g + first if grad and count == CHUNK else b
        fill_along(e, z + first, count)
        if z_ahead != 0:
            fetch(z + z_ahead + first, g + g_ahead + first, count, grad)
        if exact:
            exp_sum_along_exactly(e, (count + GROUP - 1) // GROUP, m, sums, count_max)
        else:
            exp_sum_along(e, (count + GROUP - 1) // GROUP, m, sums, count_max)
        if grad and e == b:
            memcpy(g + first, b, <size_t> count * sizeof(real))
        if classes > CHUNK:
            for j in range(GROUP):
                wide_max[j] += <double> count_max[j]
                count_max[j] = <real>0.0
            if not exact:
                for j in range(GROUP):
                    wide[j] += <double> sums[j]
                    sums[j] = <real>0.0
    hits[0] = <real> tree16(wide_max) if classes > CHUNK else tree16(count_max)
    if exact:
        join(sums, total, 1, 1, GROUP)
        low[0] = total[1]
        return total[0]
    return <real> tree16(wide) if classes > CHUNK else tree16(sums)
