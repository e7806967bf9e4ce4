# softmax_focal(z, t) = −q^γ log p, p = p_t the probability of the label, q = 1 − p (Lin, Goyal, Girshick, He and Dollár 2017, eq. 5).
#
# With l = −log p and λ = l / q, which is 1 at q = 0,
#   F   = q^γ (1 + γ p λ)                                                   a sum of terms of one sign
#   g_j = p_j F,   g_t = −q F
#   h_j = p_j F [1 − p_j (1 + ρ / q)],   ρ = γ (p l − 2 p − (γ − 1) p² λ) / (1 + γ p λ)
#   h_t = q^γ [γ p l (γ p − q) + (2γ + 1) p q]                              as in sigmoid_focal
# where no power of q is singular: the q^{γ − 2} of ∂²/∂p² comes as p_j ρ / q, and p_j ≤ q. Both brackets change their sign.
#
# With R as in softmax_cross_entropy, p and q come with their roundings. The smaller one is s: the other's logarithm is
# −(s + s² P(s)), its own comes in the parts of log.pxd, of q or, for a small p, of 1 + R. So q^γ = e^{γ log q} magnifies no
# rounding, that of R included: in the loss of a confident row it would count γ + 1 times, 17 units at γ = 2 with the sums of
# softmax_cross_entropy. p, q and R keep their exponentials' factor 2^64 (2^512), as l would magnify the rounding of a subnormal.
#
# Two shapes with the same bits, as there.

from axes cimport LANES, Panel, gather, scatter
from libc.string cimport memset
from loops cimport GROUP
from real cimport al_infinity, int64_t, real
from rows.exact_sums cimport exp_sum_across_exactly, join, sum_along_exactly
from rows.focal_finish cimport focus_lanes, turned_across, turned_along
from rows.reduction cimport begin_rows, find_ahead, pick, put, runs_along, width_of
from rows.softmax_phases cimport CHUNK, TOGETHER, max_across, scale_across, scale_along, split_max
from rows.targets cimport Target


# --- one panel across ----------------------------------------------------------------------------------------------------------

cdef inline const char *next_rows(char **row, const Panel *panel, Py_ssize_t *step, const real *type) noexcept nogil:
    """Where the next panel is, LANES elements per class and `step` bytes from one class to the next, if rows follow each other or
    lie side by side; a wrong guess costs time only. NULL for none. `type` only selects the instance."""
    cdef Py_ssize_t apart = row[1] - row[0]
    if panel.lanes < LANES:
        return NULL
    if apart == sizeof(real):
        return row[0] + LANES * sizeof(real)
    step[0] = LANES * sizeof(real)      # in whichever order
    return row[0] + panel.classes * step[0] if apart == panel.classes * <Py_ssize_t> sizeof(real) else NULL


cdef inline void sum_panel(real *b, Panel *panel, real *m, real *below, real *hits, bint grad) noexcept nogil:
    """m, the number of maximal entries, 2^64 R's other terms with their rounding at below + LANES; the exponentials, as much
    larger, in b, or in the gradient if there are more than fit.

    The next panel's lines are fetched meanwhile: 2.0 instead of 2.5 ns per element at 400 000 rows of 10 classes,
    1.4 instead of 1.9 at 40 000 rows of 100 side by side.
    """
    cdef real sums[2 * GROUP * LANES]
    cdef real near[LANES]
    cdef real rest[LANES]
    cdef double wide_hits[LANES]
    cdef Py_ssize_t part, first, count, l, classes = panel.classes, parts = (classes + CHUNK - 1) // CHUNK
    cdef Py_ssize_t z_step = panel.z_step, g_step = panel.g_step
    cdef const char *z_ahead = next_rows(panel.z, panel, &z_step, b)
    cdef const char *g_ahead = next_rows(panel.g, panel, &g_step, b) if grad else NULL
    memset(sums, 0, sizeof(sums))
    memset(wide_hits, 0, sizeof(wide_hits))
    for l in range(LANES):
        m[l] = -<real>al_infinity()
        hits[l] = <real>0.0
    for part in range(parts):
        first = part * CHUNK
        count = classes - first if classes - first < CHUNK else CHUNK
        gather(b, panel, panel.z, panel.z_step, first, count)
        max_across(b, LANES, count, panel.width, m)
    split_max(m, near, rest, panel.width)
    for part in range(parts):
        first = part * CHUNK
        count = classes - first if classes - first < CHUNK else CHUNK
        if parts > 1:
            gather(b, panel, panel.z, panel.z_step, first, count)
        exp_sum_across_exactly(b, count, panel.width, m, near, rest, sums, hits, z_ahead, z_step, g_ahead, g_step)
        z_ahead = z_ahead + count * z_step if z_ahead != NULL else NULL
        g_ahead = g_ahead + count * g_step if g_ahead != NULL else NULL
        for l in range(LANES):
            wide_hits[l] += <double> hits[l]
            hits[l] = <real>0.0
        if grad and parts > 1:
            scatter(b, panel, panel.g, panel.g_step, first, count)
    join(sums, below, panel.width, classes)
    for l in range(LANES):
        hits[l] = <real> wide_hits[l]


cdef inline void panel_across(Panel *panel, const Target *target, const int64_t *label, const real *scale, real *loss, real *g_t,
                              real *h_t, bint grad, bint hess) noexcept nogil:
    cdef real b[CHUNK * LANES]
    cdef real h[CHUNK * LANES]
    cdef real m[LANES]
    cdef real hits[LANES]
    cdef real below[2 * LANES]
    cdef real factor[LANES]
    cdef real low[LANES]
    cdef real down[LANES]
    cdef real turn[3 * LANES]
    cdef real z_t[LANES]
    cdef Py_ssize_t part, first, count, classes = panel.classes, parts = (classes + CHUNK - 1) // CHUNK
    pick(panel, label, z_t, <real>0.0, 0, panel.width)      # before exponentials replace logits
    sum_panel(b, panel, m, below, hits, grad)
    focus_lanes(m, z_t, below, hits, scale, target, factor, low, down, turn, g_t, h_t, loss, panel.width)
    if not grad:
        return
    for part in range(parts):
        first = part * CHUNK
        count = classes - first if classes - first < CHUNK else CHUNK
        if parts > 1:
            gather(b, panel, panel.g, panel.g_step, first, count)
        if hess:
            turned_across(b, h, count, panel.width, factor, low, down, turn, <real> target.least)
            scatter(h, panel, panel.h, panel.h_step, first, count)
        scale_across(b, b, LANES, count, panel.width, factor, low, down)
        scatter(b, panel, panel.g, panel.g_step, first, count)


# --- one panel along -----------------------------------------------------------------------------------------------------------

cdef inline void panel_along(Panel *panel, const Target *target, const int64_t *label, const real *scale, real *loss, real *g_t,
                             real *h_t, bint grad, bint hess) noexcept nogil:
    """In groups of rows, copies and fetches as in softmax_cross_entropy.pxd."""
    cdef real sums[2 * GROUP * LANES]
    cdef real m[LANES]
    cdef real hits[LANES]
    cdef real below[2 * LANES]
    cdef real factor[LANES]
    cdef real low[LANES]
    cdef real down[LANES]
    cdef real turn[3 * LANES]
    cdef real z_t[LANES]
    cdef Py_ssize_t classes = panel.classes
    cdef Py_ssize_t lane, width, first = 0
    cdef Py_ssize_t together = TOGETHER // classes if classes < TOGETHER else 1
    cdef Py_ssize_t z_ahead = 0, g_ahead = 0
    cdef bint stepping = panel.z_step != sizeof(real)
    cdef char **z = &panel.g[0] if stepping else &panel.z[0]
    for lane in range(LANES):
        m[lane] = z_t[lane] = hits[lane] = below[lane] = below[LANES + lane] = <real>0.0
    if together > 1 and not stepping:
        find_ahead(panel, together, &z_ahead, &g_ahead, m)
    while first < panel.lanes:
        together = together if first + together <= panel.lanes else panel.lanes - first
        begin_rows(panel, z, label, first, together, m, z_t)
        for lane in range(first, first + together):
            sum_along_exactly(<real *> z[lane], <real *> panel.g[lane], classes, m[lane], grad, sums + lane, &hits[lane], z_ahead,
                              g_ahead)
        join(sums + first, below + first, together, classes)
        width = width_of(first, together)
        focus_lanes(m + first, z_t + first, below + first, hits + first, scale + first, target, factor + first, low + first,
                    down + first, turn + first, g_t + first, h_t + first, loss + first, width)
        for lane in range(first, first + together):
            if hess:
                turned_along(<real *> panel.g[lane], <real *> panel.h[lane], classes, factor[lane], low[lane], down[lane],
                             turn[lane], turn[LANES + lane], turn[2 * LANES + lane], <real> target.least)
            if grad:
                scale_along(<real *> panel.g[lane], classes, factor[lane], low[lane], down[lane])
        first += together


# --- any panel -----------------------------------------------------------------------------------------------------------------

cdef inline void softmax_focal(Panel *panel, const Target *target, const int64_t *label, const real *scale, real *loss, bint grad,
                               bint hess) noexcept nogil:
    cdef real g_t[LANES]
    cdef real h_t[LANES]
    # 100 float32 classes take 0.95 ns per element across, 1.09 along, 128 take 1.09 and 0.83 (AVX-512; AVX2 alike).
    if runs_along(panel, 112 if real is float else 64, grad, hess, loss):
        panel_along(panel, target, label, scale, loss, g_t, h_t, grad, hess)
    else:
        panel_across(panel, target, label, scale, loss, g_t, h_t, grad, hess)
    if grad:
        put(panel.g, panel.g_step, panel.lanes, label, g_t)
    if hess:
        put(panel.h, panel.h_step, panel.lanes, label, h_t)
