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
# Exponentials are kept 2^64 (2^512) times as large, as exp.pxd builds them: sums and results are brought down as a whole, by a last
# product with a power of two. One that is a subnormal number would have lost its digits before it is added, or multiplied by a
# weight: rows of such terms were off by 7 last places.
#
# Both shapes give the same bits. Of 32 classes, c and c + 16 are added to each other and then to accumulator c mod 16, of a second set
# of 16 in every other 64 classes. So two additions round on a term's way, and the tree that follows loses nothing: with e right
# to 0.73 last places where R lies just above a power of two, log1p(R) just below it has an error of 2 (0.73 + 2/2) + ½ < 4 of its own.
# One after the other, four terms per accumulator made that 4.35 with one term that dwarfs the others. Every 128 classes both sets
# are emptied into float64 (double: with the roundings kept); rows of up to 128 classes stay in their own type.

from axes cimport LANES
from elementary.exp cimport exp_close, scaled_one, unscaled
from loops cimport GROUP, operand
from real cimport absolute, al_infinity, al_prefetch_read, al_prefetch_write, fma, real, two_sum
from sums cimport fold_across, tree16_across

cdef enum:
    CHUNK = 128       # classes between two emptyings of a loss's accumulators; the L1 block of a panel
    HALF = 64         # of which one set of accumulators takes
    PAIR = 2 * GROUP
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
    """2^64 e^{z − m} (2^512) for z ≤ m, c = coarse(m) and rest = c − m; 2^64 for z = m, infinities included."""
    cdef real d = z - c
    cdef real e = exp_close(d, rest, z - (d + c))
    return scaled_one(z) if z >= m else e


cdef inline real split_scale(real scale, real *down) noexcept nogil:
    """scale without a power of two, which is `down`, such that an exponential may be multiplied by both, one after the other: neither
    does the product overflow nor does a small scale lose digits."""
    cdef bint large = absolute(scale) > <real>1.0
    down[0] = <real>1.0 if large else unscaled(<real>1.0)
    return unscaled(scale) if large else scale


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


cdef inline void exp_sum_lanes(const real *x, Py_ssize_t apart, real *b, bint two, Py_ssize_t width, const real *m, const real *near,
                               const real *rest, real *sum, real *hits) noexcept nogil:
    """One class of all lanes, or with the one that is 16 on."""
    cdef Py_ssize_t l
    cdef real z, e, t, hit
    for l in range(width):
        z = x[l]
        e = shifted_exp(z, m[l], near[l], rest[l])
        b[l] = e
        t = <real>0.0 if z >= m[l] else e
        hit = <real>1.0 if z >= m[l] else <real>0.0
        if two:
            z = x[GROUP * apart + l]
            e = shifted_exp(z, m[l], near[l], rest[l])
            b[GROUP * LANES + l] = e
            t += <real>0.0 if z >= m[l] else e
            hit += <real>1.0 if z >= m[l] else <real>0.0
        sum[l] += t
        hits[l] += hit


cdef inline void exp_sum_across(const real *x, Py_ssize_t apart, real *b, Py_ssize_t count, Py_ssize_t width, const real *m,
                                const real *near, const real *rest, real *sums, real *hits) noexcept nogil:
    """b = 2^64 e^{x − m}; the sums of both sets += those below the maximum; hits += those at it."""
    cdef Py_ssize_t c, k, left
    cdef real *s
    for k in range((count + PAIR - 1) // PAIR):
        left = count - k * PAIR
        s = sums + k * PAIR // HALF * GROUP * LANES
        for c in range(left if left < GROUP else GROUP):
            if c + GROUP < left:
                exp_sum_lanes(x + (k * PAIR + c) * apart, apart, b + (k * PAIR + c) * LANES, True, width, m, near, rest, s + c * LANES,
                              hits)
            else:
                exp_sum_lanes(x + (k * PAIR + c) * apart, apart, b + (k * PAIR + c) * LANES, False, width, m, near, rest, s + c * LANES,
                              hits)


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


cdef inline void add_short(real *sums, real *below, real *below_low, Py_ssize_t width, Py_ssize_t classes) noexcept nogil:
    """below + below_low = Σ of the accumulators of both sets, for up to 128 classes."""
    cdef Py_ssize_t l
    if classes > HALF:
        fold_across(sums, below_low, width)
    else:
        for l in range(width):
            below_low[l] = <real>0.0
    tree16_across(sums, below, below_low, width, classes)


cdef inline void add_wide(double *wide, double *lost, real *below, real *below_low, Py_ssize_t width) noexcept nogil:
    """below + below_low = Σ of the accumulators of float64."""
    cdef double total[LANES]
    cdef Py_ssize_t i, l
    for i in range(1, GROUP):
        for l in range(width):
            lost[l] += lost[i * LANES + l]
    tree16_across(wide, total, lost, width, GROUP)
    for l in range(width):
        below[l] = <real> total[l]
        below_low[l] = <real> (total[l] - <double> below[l] + lost[l])


cdef inline void scale_across(const real *b, real *y, Py_ssize_t apart, Py_ssize_t count, Py_ssize_t width, const real *factor,
                              const real *low, const real *down) noexcept nogil:
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            y[c * apart + l] = scaled(b[c * LANES + l], factor[l], low[l]) * down[l]


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


cdef inline void exp_sum_along(const real *x, real *y, Py_ssize_t steps, bint two, real m, real *sums, real *hits) noexcept nogil:
    """steps groups of 16, or pairs of such groups."""
    cdef Py_ssize_t k, c
    cdef int j
    cdef real z, e, t, hit
    cdef real near = coarse(m)
    cdef real rest = rest_of(m, near)
    for k in range(steps):
        for j in range(GROUP):
            c = k * (PAIR if two else GROUP) + j
            z = x[c]
            e = shifted_exp(z, m, near, rest)
            y[c] = e
            t = <real>0.0 if z >= m else e
            hit = <real>1.0 if z >= m else <real>0.0
            if two:
                z = x[c + GROUP]
                e = shifted_exp(z, m, near, rest)
                y[c + GROUP] = e
                t += <real>0.0 if z >= m else e
                hit += <real>1.0 if z >= m else <real>0.0
            sums[j] += t
            hits[j] += hit


cdef inline void scale_along(real *b, Py_ssize_t count, real factor, real low, real down) noexcept nogil:
    cdef Py_ssize_t c
    for c in range(count):
        b[c] = scaled(b[c], factor, low) * down


cdef inline void exp_sum_apart(operand x, operand y, Py_ssize_t pairs, real m, real *sums, real *hits) noexcept nogil:
    """The same for arrays apart: known to be, or each group would be preceded by a check of it."""
    exp_sum_along(<const real *> x, <real *> y, pairs, True, m, sums, hits)


cdef inline void exp_sum_tail(const real *x, real *y, Py_ssize_t count, real m, real *sums, real *hits) noexcept nogil:
    """The same for fewer than 32 classes, filled up with −inf, which is never the maximum and adds nothing."""
    cdef real b[PAIR]
    cdef Py_ssize_t c
    for c in range(PAIR):
        b[c] = -<real>al_infinity()
    for c in range(count):
        b[c] = x[c]
    if count > GROUP:
        exp_sum_along(b, b, 1, True, m, sums, hits)
    else:
        exp_sum_along(b, b, 1, False, m, sums, hits)
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
    cdef Py_ssize_t whole = count & ~(<Py_ssize_t> PAIR - 1)
    if y == z:
        exp_sum_along(y, y, whole // PAIR, True, m, sums, hits)
    else:
        exp_sum_apart(<operand> z, <operand> y, whole // PAIR, m, sums, hits)
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
