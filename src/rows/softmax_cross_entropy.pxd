# softmax_cross_entropy(z, t) = log Σ_j e^{z_j} − z_t, gradient p − onehot(t), Hessian diagonal p (1 − p).
#
# With m = max z, e_j = e^{z_j − m} and R = Σ e_j without one maximal term (which is exactly 1):
#   loss      = (m − z_t) + log1p(R)               not log Σ: for a confident row Σ rounds to 1 and the loss to 0
#   g_t       = −(Σ_{j≠t} e_j) / (1 + R)            not p_t − 1, which cancels as p_t → 1
#   g_j       = e_j / (1 + R)
# (Blanchard, Higham and Higham 2021, algorithm 4.1, for the value.) R is kept apart by leaving every maximal entry out of the
# sum and counting them: R = Σ_{z_j < m} e_j + (count − 1).
# z_j − m is rounded once, which alone costs 2^k/2 last places of e_j at a gap of 2^k; its low part (Knuth's TwoSum) goes into the
# exponential's reduced argument.
# +inf: p is 1 there and 0 elsewhere, shared between ties. All −inf: the limit does not exist, NaN.
#
# Two shapes with the same bits. *along*: classes run along the vector, accumulator c mod 16 is the lane. *across*: rows run
# along the vector, accumulator c mod 16 is a vector of its own. In both, class c adds to accumulator c mod 16, accumulators are
# emptied into float64 every 128 classes (rows of up to 128 classes stay in their own type), and one fixed tree adds the 16.

from axes cimport LANES, Panel, Walk, block_sum, gather, next_panel, scatter, tree16, tree16_across
from elementary.exp cimport exp_nonpositive_sum
from elementary.log1p cimport log1p_nonnegative
from libc.string cimport memcpy
from loops cimport GROUP
from real cimport al_infinity, al_nan, al_prefetch_read, al_prefetch_write, int64_t, real

cdef enum:
    CHUNK = 128       # classes between two emptyings of the accumulators; the L1 block of a panel
    ALONG_FROM = 48   # classes from which contiguous rows are faster along than across; never changes a bit
    TOGETHER = 16384  # elements of the rows that go through the phases together: 64 KiB of floats, and as much being fetched


cdef inline real shifted_exp(real z, real m) noexcept nogil:
    """e^{z − m} for z ≤ m, with the rounding of z − m carried along; 1 for z = m, infinities included."""
    cdef real d = z - m
    cdef real t = d - z
    cdef real low = (z - (d - t)) - (m + t)
    cdef real e = exp_nonpositive_sum(d, low if d > <real>-800.0 else <real>0.0)
    return <real>1.0 if z >= m else e


# --- phases across: b[class][lane] ------------------------------------------------------------------------------------------

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


cdef inline void scale_across(real *b, Py_ssize_t count, Py_ssize_t width, const real *factor) noexcept nogil:
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            b[c * LANES + l] *= factor[l]


# --- phases along: b[16 k + accumulator] --------------------------------------------------------------------------------------

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


# --- what a row's sums give ----------------------------------------------------------------------------------------------------

cdef inline real finish(real m, real z_t, real below, real hits, real scale, real *rest, real *factor, real *g_t) noexcept nogil:
    """The loss, from below = Σ_{z_j < m} e_j; rest = R, factor = scale / (1 + R), g_t the target's gradient, scaled."""
    cdef real r, e, gap, others
    cdef bint top = z_t >= m
    r = below + (hits - <real>1.0)
    r = <real>al_nan() if m == -<real>al_infinity() else r
    e = shifted_exp(z_t, m)
    gap = <real>0.0 if top else m - z_t
    others = r if top else <real>1.0 + (r - e)
    rest[0] = r
    factor[0] = scale / (<real>1.0 + r)
    g_t[0] = -others * factor[0]
    return gap + log1p_nonnegative(r)


cdef inline void finish_lanes(const real *m, const real *z_t, const real *below, const real *hits, const real *scale,
                              real *rest, real *factor, real *g_t, real *loss, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t l
    for l in range(width):
        loss[l] = finish(m[l], z_t[l], below[l], hits[l], scale[l], &rest[l], &factor[l], &g_t[l])


cdef inline real hessian(real e, real r, real factor) noexcept nogil:
    """p (1 − p)·scale, with 1 − p from the sum of the others."""
    cdef real others = r if e >= <real>1.0 else <real>1.0 + (r - e)
    return e * factor * (others / (<real>1.0 + r))


cdef inline void hessian_across(const real *b, real *h, Py_ssize_t count, Py_ssize_t width, const real *rest,
                                const real *factor) noexcept nogil:
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            h[c * LANES + l] = hessian(b[c * LANES + l], rest[l], factor[l])


cdef inline void hessian_along(const real *b, real *h, Py_ssize_t count, real rest, real factor) noexcept nogil:
    cdef Py_ssize_t c
    for c in range(count):
        h[c] = hessian(b[c], rest, factor)


cdef inline void scale_along(real *b, Py_ssize_t count, real factor) noexcept nogil:
    cdef Py_ssize_t c
    for c in range(count):
        b[c] *= factor


# --- one panel across ----------------------------------------------------------------------------------------------------------

cdef inline void panel_across(Panel *panel, const real *z_t, const real *scale, real *loss, real *g_t,
                              bint grad, bint hess) noexcept nogil:
    cdef real b[CHUNK * LANES]
    cdef real b2[CHUNK * LANES]
    cdef real sums[GROUP * LANES]
    cdef double wide[GROUP * LANES]
    cdef real m[LANES]
    cdef real hits[LANES]
    cdef real below[LANES]
    cdef real rest[LANES]
    cdef real factor[LANES]
    cdef double wide_below[LANES]
    cdef Py_ssize_t chunk, first, count, classes = panel.classes
    cdef bint one_chunk = classes <= CHUNK
    cdef int l
    for l in range(LANES):
        m[l] = -<real>al_infinity()
        hits[l] = <real>0.0
    for l in range(GROUP * LANES):
        sums[l] = <real>0.0
    if not one_chunk:
        for l in range(GROUP * LANES):
            wide[l] = 0.0
    for chunk in range((classes + CHUNK - 1) // CHUNK):
        first = chunk * CHUNK
        count = classes - first if classes - first < CHUNK else CHUNK
        gather(b, panel, panel.z, panel.z_step, first, count)
        max_across(b, count, panel.width, m)
    for chunk in range((classes + CHUNK - 1) // CHUNK):
        first = chunk * CHUNK
        count = classes - first if classes - first < CHUNK else CHUNK
        if not one_chunk:
            gather(b, panel, panel.z, panel.z_step, first, count)
        exp_sum_across(b, count, panel.width, m, sums, hits)
        if not one_chunk:
            for l in range(GROUP * LANES):
                wide[l] += <double> sums[l]
                sums[l] = <real>0.0
            if grad:
                scatter(b, panel, panel.g, panel.g_step, first, count)
    if one_chunk:
        tree16_across(sums, below, panel.width)
    else:
        tree16_across(wide, wide_below, panel.width)
        for l in range(LANES):
            below[l] = <real> wide_below[l]
    finish_lanes(m, z_t, below, hits, scale, rest, factor, g_t, loss, panel.width)
    if grad:
        for chunk in range((classes + CHUNK - 1) // CHUNK):
            first = chunk * CHUNK
            count = classes - first if classes - first < CHUNK else CHUNK
            if not one_chunk:
                gather(b, panel, panel.g, panel.g_step, first, count)
            if hess:
                hessian_across(b, b2, count, panel.width, rest, factor)
                scatter(b2, panel, panel.h, panel.h_step, first, count)
            scale_across(b, count, panel.width, factor)
            scatter(b, panel, panel.g, panel.g_step, first, count)


# --- one panel along -----------------------------------------------------------------------------------------------------------

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


cdef inline real sum_along(const real *z, real *g, Py_ssize_t classes, real m, bint grad, real *hits,
                           Py_ssize_t z_ahead, Py_ssize_t g_ahead) noexcept nogil:
    """Σ_{z_j < m} e_j of one row and the number of maximal entries; g (if wanted) = e.

    z_ahead, g_ahead: elements from here to the row that comes after this group of rows.
    """
    cdef real b[CHUNK]
    cdef real sums[GROUP]
    cdef real count_max[GROUP]
    cdef double wide[GROUP]
    cdef real *e
    cdef Py_ssize_t chunk, first, count
    cdef int j
    for j in range(GROUP):
        sums[j] = count_max[j] = <real>0.0
        wide[j] = 0.0
    for chunk in range((classes + CHUNK - 1) // CHUNK):
        first = chunk * CHUNK
        count = classes - first if classes - first < CHUNK else CHUNK
        e = g + first if grad and count == CHUNK else b
        fill_along(e, z + first, count)
        if z_ahead != 0:
            fetch(z + z_ahead + first, g + g_ahead + first, count, grad)
        exp_sum_along(e, (count + GROUP - 1) // GROUP, m, sums, count_max)
        if grad and e == b:
            memcpy(g + first, b, <size_t> count * sizeof(real))
        if classes > CHUNK:
            for j in range(GROUP):
                wide[j] += <double> sums[j]
                sums[j] = <real>0.0
    hits[0] = tree16(count_max)
    return <real> tree16(wide) if classes > CHUNK else tree16(sums)


cdef inline void panel_along(Panel *panel, const real *z_t, const real *scale, real *loss, real *g_t,
                             bint grad, bint hess) noexcept nogil:
    """Short rows phase by phase, so that no row waits for the one before; long ones one by one, so that they stay in cache.

    While one group of rows is computed, the lines of the next are fetched (rows are taken to be evenly spaced; a wrong guess costs
    time only): 1.4 instead of 1.9 ns per element at 65536 rows of 100 classes.
    """
    cdef real m[LANES]
    cdef real hits[LANES]
    cdef real below[LANES]
    cdef real rest[LANES]
    cdef real factor[LANES]
    cdef Py_ssize_t classes = panel.classes
    cdef Py_ssize_t lane, first = 0
    cdef Py_ssize_t together = TOGETHER // classes if classes < TOGETHER else 1
    cdef Py_ssize_t z_ahead = 0, g_ahead = 0
    for lane in range(LANES):
        m[lane] = hits[lane] = below[lane] = <real>0.0
    if panel.lanes > 1 and together > 1:
        z_ahead = together * ((panel.z[1] - panel.z[0]) // <Py_ssize_t> sizeof(real))
        g_ahead = together * ((panel.g[1] - panel.g[0]) // <Py_ssize_t> sizeof(real))
    while first < panel.lanes:
        together = together if first + together <= panel.lanes else panel.lanes - first
        for lane in range(first, first + together):
            m[lane] = max_along(<real *> panel.z[lane], classes)
        for lane in range(first, first + together):
            below[lane] = sum_along(<real *> panel.z[lane], <real *> panel.g[lane], classes, m[lane], grad, &hits[lane],
                                    z_ahead, g_ahead)
        finish_lanes(m, z_t, below, hits, scale, rest, factor, g_t, loss, panel.width)
        for lane in range(first, first + together):
            if hess:
                hessian_along(<real *> panel.g[lane], <real *> panel.h[lane], classes, rest[lane], factor[lane])
            if grad:
                scale_along(<real *> panel.g[lane], classes, factor[lane])
        first += together


# --- all rows ------------------------------------------------------------------------------------------------------------------

cdef inline double softmax_cross_entropy(Walk *walk, Panel *panel, Py_ssize_t rows, const int64_t *target, const double *weight,
                                         double divisor, real *losses, bint grad, bint hess) noexcept nogil:
    """Σ of the weighted losses, in float64 and in an order that follows from the shape alone.

    divisor divides gradient and Hessian (Σ weights for a mean); losses, if given, takes each row's weighted loss.
    """
    cdef real z_t[LANES]
    cdef real row_scale[LANES]
    cdef real loss[LANES]
    cdef real g_t[LANES]
    cdef double weighted[LANES]
    cdef double total = 0.0
    cdef Py_ssize_t row = 0, lane
    cdef bint along = (panel.classes >= ALONG_FROM and panel.z_step == sizeof(real)
                       and (not grad or panel.g_step == sizeof(real)) and (not hess or panel.h_step == sizeof(real)))
    while row < rows:
        next_panel(walk, panel, rows - row)
        for lane in range(panel.width):
            z_t[lane] = <real>0.0
            row_scale[lane] = <real> (1.0 / divisor)
        for lane in range(panel.lanes):
            z_t[lane] = (<real *> (panel.z[lane] + target[row + lane] * panel.z_step))[0]
            if weight != NULL:
                row_scale[lane] = <real> (weight[row + lane] / divisor)
        if along:
            panel_along(panel, z_t, row_scale, loss, g_t, grad, hess)
        else:
            panel_across(panel, z_t, row_scale, loss, g_t, grad, hess)
        for lane in range(panel.lanes):
            weighted[lane] = <double> loss[lane] * (weight[row + lane] if weight != NULL else 1.0)
            if losses != NULL:
                losses[row + lane] = <real> weighted[lane]
            if grad:
                (<real *> (panel.g[lane] + target[row + lane] * panel.g_step))[0] = g_t[lane]
        total += block_sum(weighted, panel.lanes)
        row += panel.lanes
    return total
