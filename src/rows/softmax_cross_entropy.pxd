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

from axes cimport LANES, Panel, gather, scatter, side_by_side
from libc.string cimport memset
from loops cimport GROUP
from real cimport al_infinity, int64_t, real
from rows.reduction cimport begin_rows, find_ahead, pick, put, runs_along, width_of
from rows.softmax_finish cimport finish_lanes, hessian_across, hessian_along
from rows.softmax_general cimport softmax_cross_entropy_general
from rows.softmax_phases cimport (
    ALONG_FROM,
    CHUNK,
    HALF,
    SETS,
    TOGETHER,
    add_short,
    add_wide,
    empty_into,
    empty_sets,
    exp_sum_across,
    max_across,
    scale_across,
    scale_along,
    split_max,
    sum_along,
)
from rows.targets cimport Target


# --- one panel across ----------------------------------------------------------------------------------------------------------

cdef inline const real *class_of(char **row, Py_ssize_t step, Py_ssize_t c, const real *type) noexcept nogil:
    """Class c of all lanes, where these are neighbours in memory. `type` only selects the instance."""
    return <const real *> (row[0] + c * step)


cdef inline void take_max(real *b, Panel *panel, Py_ssize_t first, Py_ssize_t count, bint beside, real *m) noexcept nogil:
    """m; b = z, unless the lanes are neighbours anyway."""
    if beside:
        max_across(class_of(panel.z, panel.z_step, first, b), panel.z_step // <Py_ssize_t> sizeof(real), count, panel.width, m)
    else:
        gather(b, panel, panel.z, panel.z_step, first, count)
        max_across(b, LANES, count, panel.width, m)


cdef inline void take_exps(real *b, Panel *panel, Py_ssize_t first, Py_ssize_t count, bint beside, const real *m,
                           const real *near, const real *rest, real *sums, real *hits) noexcept nogil:
    """b = e from z, or from b, which is z, unless the lanes are neighbours."""
    if beside:
        exp_sum_across(class_of(panel.z, panel.z_step, first, b), panel.z_step // <Py_ssize_t> sizeof(real), b, count,
                       panel.width, m, near, rest, sums, hits)
    else:
        exp_sum_across(b, LANES, b, count, panel.width, m, near, rest, sums, hits)


cdef inline void give_grad(real *b, Panel *panel, Py_ssize_t first, Py_ssize_t count, bint beside, const real *factor,
                           const real *low, const real *down) noexcept nogil:
    """g = b (factor + low)·down."""
    if beside:
        scale_across(b, <real *> class_of(panel.g, panel.g_step, first, b), panel.g_step // <Py_ssize_t> sizeof(real), count,
                     panel.width, factor, low, down)
    else:
        scale_across(b, b, LANES, count, panel.width, factor, low, down)
        scatter(b, panel, panel.g, panel.g_step, first, count)


cdef inline void panel_across(Panel *panel, const int64_t *label, const real *scale, real *loss, real *g_t,
                              bint grad, bint hess) noexcept nogil:
    cdef real b[CHUNK * LANES]
    cdef real b2[CHUNK * LANES]
    cdef real sums[SETS * GROUP * LANES]
    cdef double wide[GROUP * LANES]
    cdef double lost[GROUP * LANES]
    cdef real z_t[LANES]
    cdef real m[LANES]
    cdef real near[LANES]
    cdef real hits[LANES]
    cdef real below[LANES]
    cdef real below_low[LANES]
    cdef real rest[LANES]
    cdef real rest_low[LANES]
    cdef real inverse[LANES]
    cdef real factor[LANES]
    cdef real low[LANES]
    cdef real down[LANES]
    cdef double wide_hits[LANES]
    cdef Py_ssize_t chunk, first, count, used, classes = panel.classes
    cdef bint one_chunk = classes <= CHUNK
    cdef bint z_beside = side_by_side(panel.z, panel, sizeof(real))
    cdef bint g_beside = grad and side_by_side(panel.g, panel, sizeof(real))
    cdef int l
    for l in range(LANES):
        m[l] = -<real>al_infinity()
        hits[l] = <real>0.0
    used = SETS * GROUP if classes > HALF else (classes if classes < GROUP else GROUP)
    for chunk in range((used if used > 8 else 8) * LANES):      # what the tree reads
        sums[chunk] = <real>0.0
    if not one_chunk:
        memset(wide, 0, sizeof(wide))
        memset(lost, 0, sizeof(lost))
        memset(wide_hits, 0, sizeof(wide_hits))
    for chunk in range((classes + CHUNK - 1) // CHUNK):
        first = chunk * CHUNK
        take_max(b, panel, first, classes - first if classes - first < CHUNK else CHUNK, z_beside, m)
    pick(panel, label, z_t, <real>0.0, 0, panel.width)      # in the cache by now
    split_max(m, near, rest, panel.width)
    for chunk in range((classes + CHUNK - 1) // CHUNK):
        first = chunk * CHUNK
        count = classes - first if classes - first < CHUNK else CHUNK
        if not (one_chunk or z_beside):
            gather(b, panel, panel.z, panel.z_step, first, count)
        take_exps(b, panel, first, count, z_beside, m, near, rest, sums, hits)
        if not one_chunk:
            empty_sets(wide, lost, sums)
            empty_into(wide_hits, lost, hits, LANES)
            if grad:
                scatter(b, panel, panel.g, panel.g_step, first, count)
    if one_chunk:
        add_short(sums, below, below_low, panel.width, classes)
    else:
        add_wide(wide, lost, below, below_low, panel.width)
        for l in range(LANES):
            hits[l] = <real> wide_hits[l]
    finish_lanes(m, z_t, below, below_low, hits, scale, rest, rest_low, inverse, factor, low, down, g_t, loss, panel.width)
    if not grad:
        return
    for chunk in range((classes + CHUNK - 1) // CHUNK):
        first = chunk * CHUNK
        count = classes - first if classes - first < CHUNK else CHUNK
        if not one_chunk:
            gather(b, panel, panel.g, panel.g_step, first, count)
        if hess:
            hessian_across(b, b2, count, panel.width, rest, inverse, factor, low, down)
            scatter(b2, panel, panel.h, panel.h_step, first, count)
        give_grad(b, panel, first, count, g_beside, factor, low, down)


# --- one panel along -----------------------------------------------------------------------------------------------------------

cdef inline void panel_along(Panel *panel, const int64_t *label, const real *scale, real *loss, real *g_t,
                             bint grad, bint hess) noexcept nogil:
    """Short rows phase by phase, so that no row waits for the one before; long ones one by one, so that they stay in cache. Logits
    with a step are copied to where their gradient goes.

    While one group of rows is computed, the lines of the next are fetched (rows are taken to be evenly spaced; a wrong guess costs
    time only): 1.4 instead of 1.9 ns per element at 65536 rows of 100 classes.
    """
    cdef real sums[SETS * GROUP * LANES]
    cdef double wide[GROUP * LANES]
    cdef double lost[GROUP * LANES]
    cdef real z_t[LANES]
    cdef real m[LANES]
    cdef real hits[LANES]
    cdef real below[LANES]
    cdef real below_low[LANES]
    cdef real rest[LANES]
    cdef real rest_low[LANES]
    cdef real inverse[LANES]
    cdef real factor[LANES]
    cdef real low[LANES]
    cdef real down[LANES]
    cdef Py_ssize_t classes = panel.classes
    cdef Py_ssize_t lane, width, first = 0
    cdef Py_ssize_t together = TOGETHER // classes if classes < TOGETHER else 1
    cdef Py_ssize_t z_ahead = 0, g_ahead = 0
    cdef bint stepping = panel.z_step != sizeof(real)
    cdef char **z = &panel.g[0] if stepping else &panel.z[0]
    for lane in range(LANES):
        m[lane] = z_t[lane] = hits[lane] = below[lane] = below_low[lane] = <real>0.0
    if together > 1 and not stepping:
        find_ahead(panel, together, &z_ahead, &g_ahead, m)
    while first < panel.lanes:
        together = together if first + together <= panel.lanes else panel.lanes - first
        begin_rows(panel, z, label, first, together, m, z_t)
        for lane in range(first, first + together):
            sum_along(<real *> z[lane], <real *> panel.g[lane], classes, m[lane], grad, sums + lane, wide + lane,
                      lost + lane, &hits[lane], z_ahead, g_ahead)
        if classes > CHUNK:
            add_wide(wide + first, lost + first, below + first, below_low + first, together)
        else:
            add_short(sums + first, below + first, below_low + first, together, classes)
        width = width_of(first, together)
        finish_lanes(m + first, z_t + first, below + first, below_low + first, hits + first, scale + first, rest + first,
                     rest_low + first, inverse + first, factor + first, low + first, down + first, g_t + first, loss + first, width)
        for lane in range(first, first + together):
            if hess:
                hessian_along(<real *> panel.g[lane], <real *> panel.h[lane], classes, rest[lane],
                              inverse[lane], factor[lane], low[lane], down[lane])
            if grad:
                scale_along(<real *> panel.g[lane], classes, factor[lane], low[lane], down[lane])
        first += together


# --- any panel -----------------------------------------------------------------------------------------------------------------

cdef inline void softmax_cross_entropy(Panel *panel, const Target *target, const int64_t *label, const real *scale, real *loss,
                                       bint grad, bint hess) noexcept nogil:
    cdef real g_t[LANES]
    if runs_along(panel, ALONG_FROM, grad, hess, loss):
        panel_along(panel, label, scale, loss, g_t, grad, hess)
    else:
        panel_across(panel, label, scale, loss, g_t, grad, hess)
    if grad:
        put(panel.g, panel.g_step, panel.lanes, label, g_t)
