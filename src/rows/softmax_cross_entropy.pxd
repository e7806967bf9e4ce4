# softmax_cross_entropy(z, t) = log Σ_j e^{z_j} − z_t, gradient p − onehot(t), Hessian diagonal p (1 − p).
#
# With m = max z, e_j = e^{z_j − m} and R = Σ e_j without one maximal term (which is exactly 1):
#   loss      = (m − z_t) + log1p(R)               not log Σ: for a confident row Σ rounds to 1 and the loss to 0
#   g_t       = −(Σ_{j≠t} e_j) / (1 + R)            not p_t − 1, which cancels as p_t → 1
#   g_j       = e_j / (1 + R)
# (Blanchard, Higham and Higham 2021, algorithm 4.1, for the value.) softmax_phases.pxd says how R keeps its accuracy.
# +inf: p is 1 there and 0 elsewhere, shared between ties. All −inf: the limit does not exist, NaN.
#
# Two shapes with the same bits. *along*: classes run along the vector, accumulator c mod 16 is the lane. *across*: rows run
# along the vector, accumulator c mod 16 is a vector of its own.

from axes cimport LANES, Panel, Walk, gather, next_panel, scatter, tree16_across
from loops cimport GROUP
from real cimport al_infinity, int64_t, real
from rows.reduction cimport add_losses, pick, put, scale_all, scale_rows
from rows.softmax_finish cimport finish_lanes, hessian_across, hessian_along, turned_across, turned_along
from rows.softmax_general cimport panel_general
from rows.softmax_phases cimport (
    CHUNK,
    exp_sum_across,
    exp_sum_across_exactly,
    join,
    max_across,
    max_along,
    scale_across,
    scale_along,
    sum_along,
)
from rows.targets cimport Target, next_labels, silence

cdef enum:
    ALONG_FROM = 48   # classes from which contiguous rows are faster along than across; never changes a bit
    TOGETHER = 16384  # elements of the rows that go through the phases together: 64 KiB of floats, and as much being fetched


# --- one panel across ----------------------------------------------------------------------------------------------------------

cdef inline void panel_across(void (*finish)(const real *, const real *, const real *, const real *, const real *, const Target *,
                                             real *, real *, real *, real *, real *, real *, real *, real *,
                                             Py_ssize_t) noexcept nogil,
                              bint turns, Panel *panel, const Target *target, const real *z_t, const real *scale, real *loss,
                              real *g_t, real *h_t, bint grad, bint hess) noexcept nogil:
    cdef real b[CHUNK * LANES]
    cdef real b2[CHUNK * LANES]
    cdef real sums[2 * GROUP * LANES]
    cdef double wide[GROUP * LANES]
    cdef real m[LANES]
    cdef real hits[LANES]
    cdef real below[2 * LANES]
    cdef real rest[LANES]
    cdef real inverse[LANES]
    cdef real factor[LANES]
    cdef real low[LANES]
    cdef real turn[3 * LANES]
    cdef double wide_below[LANES]
    cdef double wide_hits[LANES]
    cdef Py_ssize_t chunk, first, count, used, classes = panel.classes
    cdef bint one_chunk = classes <= CHUNK
    cdef int l
    for l in range(LANES):
        m[l] = -<real>al_infinity()
        hits[l] = <real>0.0
    used = classes if classes < GROUP else GROUP
    for chunk in range((used if used > 8 else 8) * LANES):      # what the tree reads
        sums[chunk] = <real>0.0
        if turns:
            sums[GROUP * LANES + chunk] = <real>0.0
    if not one_chunk:
        for l in range(GROUP * LANES):
            wide[l] = 0.0
        for l in range(LANES):
            wide_hits[l] = 0.0
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
        if turns:
            exp_sum_across_exactly(b, count, panel.width, m, sums, hits)
        else:
            exp_sum_across(b, count, panel.width, m, sums, hits)
        if not one_chunk:
            if not turns:
                for l in range(GROUP * LANES):
                    wide[l] += <double> sums[l]
                    sums[l] = <real>0.0
            for l in range(LANES):
                wide_hits[l] += <double> hits[l]
                hits[l] = <real>0.0
            if grad:
                scatter(b, panel, panel.g, panel.g_step, first, count)
    if turns:
        join(sums, below, LANES, panel.width, classes)
        if not one_chunk:
            for l in range(LANES):
                hits[l] = <real> wide_hits[l]
    elif one_chunk:
        tree16_across(sums, below, panel.width, classes)
    else:
        tree16_across(wide, wide_below, panel.width, GROUP)
        for l in range(LANES):
            below[l] = <real> wide_below[l]
            hits[l] = <real> wide_hits[l]
    finish(m, z_t, below, hits, scale, target, rest, inverse, factor, low, turn, g_t, h_t, loss, panel.width)
    if grad:
        for chunk in range((classes + CHUNK - 1) // CHUNK):
            first = chunk * CHUNK
            count = classes - first if classes - first < CHUNK else CHUNK
            if not one_chunk:
                gather(b, panel, panel.g, panel.g_step, first, count)
            if hess:
                if turns:
                    turned_across(b, b2, count, panel.width, factor, low, turn, <real> target.least)
                else:
                    hessian_across(b, b2, count, panel.width, rest, inverse, factor, low)
                scatter(b2, panel, panel.h, panel.h_step, first, count)
            scale_across(b, count, panel.width, factor, low)
            scatter(b, panel, panel.g, panel.g_step, first, count)


# --- one panel along -----------------------------------------------------------------------------------------------------------

cdef inline void panel_along(void (*finish)(const real *, const real *, const real *, const real *, const real *, const Target *,
                                            real *, real *, real *, real *, real *, real *, real *, real *,
                                            Py_ssize_t) noexcept nogil,
                             bint turns, Panel *panel, const Target *target, const real *z_t, const real *scale, real *loss,
                             real *g_t, real *h_t, bint grad, bint hess) noexcept nogil:
    """Short rows phase by phase, so that no row waits for the one before; long ones one by one, so that they stay in cache.

    While one group of rows is computed, the lines of the next are fetched (rows are taken to be evenly spaced; a wrong guess costs
    time only): 1.4 instead of 1.9 ns per element at 65536 rows of 100 classes.
    """
    cdef real m[LANES]
    cdef real hits[LANES]
    cdef real below[2 * LANES]
    cdef real rest[LANES]
    cdef real inverse[LANES]
    cdef real factor[LANES]
    cdef real low[LANES]
    cdef real turn[3 * LANES]
    cdef Py_ssize_t classes = panel.classes
    cdef Py_ssize_t lane, first = 0
    cdef Py_ssize_t together = TOGETHER // classes if classes < TOGETHER else 1
    cdef Py_ssize_t z_ahead = 0, g_ahead = 0
    for lane in range(LANES):
        m[lane] = hits[lane] = below[lane] = below[LANES + lane] = <real>0.0
    if panel.lanes > 1 and together > 1:
        z_ahead = together * ((panel.z[1] - panel.z[0]) // <Py_ssize_t> sizeof(real))
        g_ahead = together * ((panel.g[1] - panel.g[0]) // <Py_ssize_t> sizeof(real))
    while first < panel.lanes:
        together = together if first + together <= panel.lanes else panel.lanes - first
        for lane in range(first, first + together):
            m[lane] = max_along(<real *> panel.z[lane], classes)
        for lane in range(first, first + together):
            below[lane] = sum_along(turns, <real *> panel.z[lane], <real *> panel.g[lane], classes, m[lane], grad, &hits[lane],
                                    &below[LANES + lane], z_ahead, g_ahead)
        finish(m, z_t, below, hits, scale, target, rest, inverse, factor, low, turn, g_t, h_t, loss, panel.width)
        for lane in range(first, first + together):
            if hess and turns:
                turned_along(<real *> panel.g[lane], <real *> panel.h[lane], classes, factor[lane], low[lane], turn[lane],
                             turn[LANES + lane], turn[2 * LANES + lane], <real> target.least)
            elif hess:
                hessian_along(<real *> panel.g[lane], <real *> panel.h[lane], classes, rest[lane],
                              inverse[lane], factor[lane], low[lane])
            if grad:
                scale_along(<real *> panel.g[lane], classes, factor[lane], low[lane])
        first += together


# --- all rows ------------------------------------------------------------------------------------------------------------------

cdef inline double loss_of_labels(void (*finish)(const real *, const real *, const real *, const real *, const real *,
                                                 const Target *, real *, real *, real *, real *, real *, real *, real *, real *,
                                                 Py_ssize_t) noexcept nogil,
                                  bint turns, Walk *walk, Panel *panel, Py_ssize_t rows, const Target *target,
                                  const double *weight, double divisor, real *losses, bint grad, bint hess) noexcept nogil:
    """Σ of the weighted losses, in float64 and in an order that follows from the shape alone, for any loss φ(p_t).

    finish gives, of each row's sums, the loss and, for a gradient F (p − onehot(t)), F = −p_t φ′(p_t) in its factors. Where F depends
    on p_t, for the literal turns, it gives what turns the Hessian as well (softmax_finish.pxd) and its entry at the target, and
    finds the sums' roundings behind them.
    divisor divides gradient and Hessian (Σ weights for a mean); losses, if given, takes each row's weighted loss.
    """
    cdef real z_t[LANES]
    cdef real scale[LANES]
    cdef real loss[LANES]
    cdef real g_t[LANES]
    cdef real h_t[LANES]
    cdef int64_t usable[LANES]
    cdef const int64_t *label
    cdef double total = 0.0
    cdef Py_ssize_t row = 0
    cdef bint along = (panel.classes >= ALONG_FROM and panel.z_step == sizeof(real)
                       and (not grad or panel.g_step == sizeof(real)) and (not hess or panel.h_step == sizeof(real)))
    scale_all(scale, divisor)
    while row < rows:
        next_panel(walk, panel, rows - row)
        scale_rows(scale, panel, weight, row, divisor)
        label = next_labels(target, row, panel.lanes, usable)
        pick(panel, label, z_t, <real>0.0)
        if along:
            panel_along(finish, turns, panel, target, z_t, scale, loss, g_t, h_t, grad, hess)
        else:
            panel_across(finish, turns, panel, target, z_t, scale, loss, g_t, h_t, grad, hess)
        if grad:
            put(panel.g, panel.g_step, panel.lanes, label, g_t)
        if turns and hess:
            put(panel.h, panel.h_step, panel.lanes, label, h_t)
        if target.ignoring:
            silence(target, row, panel, loss, grad, hess)
        total += add_losses(loss, panel.lanes, weight, row, losses)
        row += panel.lanes
    return total


cdef inline void finish_plainly(const real *m, const real *z_t, const real *below, const real *hits, const real *scale,
                                const Target *target, real *rest, real *inverse, real *factor, real *low, real *turn, real *g_t,
                                real *h_t, real *loss, Py_ssize_t width) noexcept nogil:
    finish_lanes(m, z_t, below, hits, scale, rest, inverse, factor, low, g_t, loss, width)


cdef inline double softmax_cross_entropy(Walk *walk, Panel *panel, Py_ssize_t rows, const Target *target, const double *weight,
                                         double divisor, real *losses, bint grad, bint hess) noexcept nogil:
    return loss_of_labels(finish_plainly[real], False, walk, panel, rows, target, weight, divisor, losses, grad, hess)


cdef inline double softmax_cross_entropy_general(Walk *walk, Panel *panel, Py_ssize_t rows, const Target *target,
                                                 const double *weight, double divisor, real *losses, bint grad,
                                                 bint hess) noexcept nogil:
    """The same for a distribution, or with options that reach beyond a row's weight: a function of its own, since beside
    panel_general the compiler makes less of the other panels."""
    cdef real scale[LANES]
    cdef real loss[LANES]
    cdef int64_t usable[LANES]
    cdef const int64_t *label = NULL
    cdef double total = 0.0
    cdef Py_ssize_t row = 0
    scale_all(scale, divisor)
    while row < rows:
        next_panel(walk, panel, rows - row)
        scale_rows(scale, panel, weight, row, divisor)
        if target.labels != NULL:
            label = next_labels(target, row, panel.lanes, usable)
        else:
            next_panel(target.walk, target.panel, rows - row)
        panel_general(panel, target, label, scale, loss, grad, hess)
        if target.ignoring:
            silence(target, row, panel, loss, grad, hess)
        total += add_losses(loss, panel.lanes, weight, row, losses)
        row += panel.lanes
    return total
