# The phases that every softmax-type row is made of: the maximum, the sum of the exponentials below it, the scaling. Each is a
# small function over one block of [class][lane] (across) or [group][accumulator] (along): in one body nothing vectorises.
#
# Every maximal entry is left out of the sum and counted: R = Σ_{z_j < m} e^{z_j − m} + (count − 1) keeps the small part that
# Σ = 1 + R would round away (Blanchard, Higham and Higham 2021, algorithm 4.1).
# z_j − m is rounded, which alone costs 2^k/2 last places of e_j at a gap of 2^k; its low part goes into the exponential's reduced
# argument. Knuth's TwoSum takes five operations for it. Two are enough for z_j − c, if c is m rounded to multiples of 2^-16: d =
# z_j − c is a multiple of its own last place and so is c, as |d| < 2^7 wherever e^d is not 0; so d + c is a number of the format,
# either z_j itself or z_j rounded to the last place of d, and z_j − (d + c) is exact (double: 2^-42 and 2^10). What is left of m,
# c − m, is one number per row.
#
# Both shapes give the same bits: class c adds to accumulator c mod 16, of a second set of 16 in every other 64 classes, so that no
# accumulator takes more than four terms; equal terms make each addition round the same way. Every 128 classes both sets are emptied
# into float64 (double: with the roundings kept), rows of up to 128 classes stay in their own type, and one fixed tree adds the 16.

from axes cimport LANES, fold_across, tree16_across
from elementary.exp cimport exp_close
from loops cimport GROUP, operand
from real cimport absolute, al_infinity, al_prefetch_read, al_prefetch_write, fma, real, two_sum

cdef enum:
    CHUNK = 128       # classes between two emptyings of a loss's accumulators; the L1 block of a panel
    HALF = 64         # of which one set of accumulators takes
    SETS = 2
    ALONG_FROM = 48   # classes from which contiguous rows are faster along than across; never changes a bit
    TOGETHER = 16384  # elements of the rows that go through the phases together: 64 KiB of floats, and as much being fetched


cdef inline real coarse(real m) noexcept nogil:
    """m rounded to a multiple of 2^-16 (2^-42), if it is not one of half of that anyway."""
    cdef real edge, up
    if real is float:
        edge, up = <real>64.0, <real>192.0
    else:
        edge, up = <real>512.0, <real>1536.0
    return (m + up) - up if absolute(m) < edge else m


cdef inline real rest_of(real m, real c) noexcept nogil:
    """c − m, exact; 0 for an infinite m."""
    return <real>0.0 if m == c else c - m


cdef inline real shifted_exp(real z, real m, real c, real rest) noexcept nogil:
    """e^{z − m} for z ≤ m, c = coarse(m) and rest = c − m; 1 for z = m, infinities included."""
    cdef real d = z - c
    cdef real e = exp_close(d, rest, z - (d + c))
    return <real>1.0 if z >= m else e


cdef inline real scaled(real e, real factor, real low) noexcept nogil:
    """e·(factor + low), rounded once."""
    return fma(e, factor, e * low)


# --- across: [class][lane], a class LANES or `apart` elements from the next ----------------------------------------------------

cdef inline void max_across(const real *x, Py_ssize_t apart, Py_ssize_t count, Py_ssize_t width, real *m) noexcept nogil:
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            m[l] = x[c * apart + l] if x[c * apart + l] > m[l] else m[l]


cdef inline void split_max(const real *m, real *near, real *rest, Py_ssize_t width) noexcept nogil:
    """near = coarse(m) and rest = near − m."""
    cdef Py_ssize_t l
    for l in range(width):
        near[l] = coarse(m[l])
        rest[l] = rest_of(m[l], near[l])


cdef inline void exp_sum_across(const real *x, Py_ssize_t apart, real *b, Py_ssize_t count, Py_ssize_t width, const real *m,
                                const real *near, const real *rest, real *sums, real *hits) noexcept nogil:
    """b = e^{x − m}; the sums of both sets += those below the maximum; hits += those at it."""
    cdef Py_ssize_t c, l
    cdef real z, e
    cdef real *s
    for c in range(count):
        s = sums + (c // HALF * GROUP + (c & (GROUP - 1))) * LANES
        for l in range(width):
            z = x[c * apart + l]
            e = shifted_exp(z, m[l], near[l], rest[l])
            b[c * LANES + l] = e
            s[l] += <real>0.0 if z >= m[l] else e
            hits[l] += <real>1.0 if z >= m[l] else <real>0.0


cdef inline void empty_into(double *wide, double *lost, real *sums, Py_ssize_t count) noexcept nogil:
    """wide += sums, what that loses to lost where it counts; sums = 0."""
    cdef Py_ssize_t k
    cdef double e
    for k in range(count):
        if real is float:
            wide[k] += <double> sums[k]
        else:
            wide[k] = two_sum(wide[k], <double> sums[k], &e)
            lost[k] += e
        sums[k] = <real>0.0


cdef inline void empty_sets(double *wide, double *lost, real *sums) noexcept nogil:
    """Both sets of all lanes."""
    empty_into(wide, lost, sums, GROUP * LANES)
    empty_into(wide, lost, sums + GROUP * LANES, GROUP * LANES)


cdef inline void add_short(real *sums, real *below, Py_ssize_t width, Py_ssize_t classes) noexcept nogil:
    """below = Σ of the accumulators of both sets, for up to 128 classes."""
    cdef real lost[LANES]
    if classes > HALF:
        fold_across(sums, lost, width)
        tree16_across(sums, lost, below, width, classes)
    else:
        tree16_across(sums, NULL, below, width, classes)


cdef inline void add_wide(double *wide, double *lost, real *below, Py_ssize_t width) noexcept nogil:
    """below = Σ of the accumulators of float64."""
    cdef double total[LANES]
    cdef Py_ssize_t i, l
    for i in range(1, GROUP):
        for l in range(width):
            lost[l] += lost[i * LANES + l]
    tree16_across(wide, lost, total, width, GROUP)
    for l in range(width):
        below[l] = <real> total[l]


cdef inline void scale_across(const real *b, real *y, Py_ssize_t apart, Py_ssize_t count, Py_ssize_t width, const real *factor,
                              const real *low) noexcept nogil:
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            y[c * apart + l] = scaled(b[c * LANES + l], factor[l], low[l])


# --- along: b[16 k + accumulator] --------------------------------------------------------------------------------------

cdef inline real largest(real *top) noexcept nogil:
    """The largest of 16, by halves: one after the other they would wait for each other. top is overwritten."""
    cdef int i
    for i in range(8):
        top[i] = top[i + 8] if top[i + 8] > top[i] else top[i]
    for i in range(4):
        top[i] = top[i + 4] if top[i + 4] > top[i] else top[i]
    top[0] = top[2] if top[2] > top[0] else top[0]
    top[1] = top[3] if top[3] > top[1] else top[1]
    return top[1] if top[1] > top[0] else top[0]


cdef inline real max_along(const real *z, Py_ssize_t count) noexcept nogil:
    """The largest entry, NaN ignored (it reaches the result through the sum); −inf if there is none."""
    cdef real top[GROUP]
    cdef const real *end = z + count - GROUP        # the last ones are looked at twice rather than singly
    cdef real m = -<real>al_infinity()
    cdef Py_ssize_t k
    cdef int j
    if count < GROUP:
        for k in range(count):
            m = z[k] if z[k] > m else m
        return m
    for j in range(GROUP):
        top[j] = end[j] if end[j] > m else m
    for k in range(count // GROUP):
        for j in range(GROUP):
            top[j] = z[k * GROUP + j] if z[k * GROUP + j] > top[j] else top[j]
    return largest(top)


cdef inline void exp_sum_along(const real *x, real *y, Py_ssize_t groups, real m, real *sums, real *hits) noexcept nogil:
    cdef Py_ssize_t k
    cdef int j
    cdef real z, e
    cdef real near = coarse(m)
    cdef real rest = rest_of(m, near)
    for k in range(groups):
        for j in range(GROUP):
            z = x[k * GROUP + j]
            e = shifted_exp(z, m, near, rest)
            y[k * GROUP + j] = e
            sums[j] += <real>0.0 if z >= m else e
            hits[j] += <real>1.0 if z >= m else <real>0.0


cdef inline void scale_along(real *b, Py_ssize_t count, real factor, real low) noexcept nogil:
    cdef Py_ssize_t c
    for c in range(count):
        b[c] = scaled(b[c], factor, low)


cdef inline void exp_sum_apart(operand x, operand y, Py_ssize_t groups, real m, real *sums, real *hits) noexcept nogil:
    """The same for arrays apart: known to be, or each group would be preceded by a check of it."""
    exp_sum_along(<const real *> x, <real *> y, groups, m, sums, hits)


cdef inline void exp_sum_tail(const real *x, real *y, Py_ssize_t count, real m, real *sums, real *hits) noexcept nogil:
    """The same for fewer than 16 classes, filled up with −inf, which is never the maximum and adds nothing."""
    cdef real b[GROUP]
    cdef Py_ssize_t c
    for c in range(GROUP):
        b[c] = -<real>al_infinity()
    for c in range(count):
        b[c] = x[c]
    exp_sum_along(b, b, 1, m, sums, hits)
    for c in range(count):
        y[c] = b[c]


cdef inline void fetch(const real *z, const real *g, Py_ssize_t count, bint grad) noexcept nogil:
    """Asks for the cache lines of a stretch of z and g before they are needed; changes nothing."""
    cdef Py_ssize_t c, k
    for k in range((count + GROUP - 1) // GROUP):
        c = k * GROUP
        al_prefetch_read(z + c)
        if grad:
            al_prefetch_write(g + c)


cdef inline real whole_sum(real *n) noexcept nogil:
    """Σ of 16 whole numbers, exact in any order: by halves. n is overwritten."""
    cdef int i
    for i in range(8):
        n[i] += n[i + 8]
    for i in range(4):
        n[i] += n[i + 4]
    return (n[0] + n[2]) + (n[1] + n[3])


cdef inline void exp_sum_row(const real *z, real *y, Py_ssize_t count, real m, real *sums, real *hits) noexcept nogil:
    """exp_sum_along for any number of classes; y may be z."""
    cdef Py_ssize_t whole = count & ~(<Py_ssize_t> GROUP - 1)
    if y == z:
        exp_sum_along(y, y, whole // GROUP, m, sums, hits)
    else:
        exp_sum_apart(<operand> z, <operand> y, whole // GROUP, m, sums, hits)
    if whole < count:
        exp_sum_tail(z + whole, y + whole, count - whole, m, sums, hits)


cdef inline void sum_along(const real *z, real *g, Py_ssize_t classes, real m, bint grad, real *short_sum, double *wide_sum,
                           double *lost, real *hits, Py_ssize_t z_ahead, Py_ssize_t g_ahead) noexcept nogil:
    """The accumulators of Σ_{z_j < m} e_j of one row, LANES apart, in short_sum up to 128 classes, in wide_sum and lost beyond; the
    number of maximal entries; g (if wanted) = e.

    z_ahead, g_ahead: elements from here to the row that comes after this group of rows.
    """
    cdef real b[HALF]
    cdef real sums[SETS * GROUP]
    cdef real count_max[GROUP]
    cdef double wide[GROUP]
    cdef double rest[GROUP]
    cdef double wide_max[GROUP]
    cdef real *y
    cdef Py_ssize_t k, first, count
    cdef int j
    for j in range(GROUP):
        sums[j] = sums[GROUP + j] = count_max[j] = <real>0.0
        wide[j] = wide_max[j] = rest[j] = 0.0
    for k in range((classes + HALF - 1) // HALF):
        first = k * HALF
        count = classes - first if classes - first < HALF else HALF
        if z_ahead != 0:
            fetch(z + z_ahead + first, g + g_ahead + first, count, grad)
        y = g + first if grad else b
        exp_sum_row(z + first, y, count, m, sums + (k & 1) * GROUP, count_max)
        if classes > CHUNK:
            for j in range(GROUP):
                wide_max[j] += <double> count_max[j]
                count_max[j] = <real>0.0
            empty_into(wide, rest, sums + (k & 1) * GROUP, GROUP)
    for j in range(GROUP):
        if classes > CHUNK:
            wide_sum[j * LANES] = wide[j]
            lost[j * LANES] = rest[j]
        else:
            short_sum[j * LANES] = sums[j]
            if classes > HALF:
                short_sum[(GROUP + j) * LANES] = sums[GROUP + j]
    hits[0] = <real> whole_sum(wide_max) if classes > CHUNK else whole_sum(count_max)
