# cross_entropy(a, q) = −Σ_j q_j log a_j of probabilities a, gradient −q / a, Hessian diagonal q / a².
#
# No entry is clipped: at a_j = 0 the loss is inf, the gradient −inf and the Hessian inf where q_j > 0. Where q_j is 0 all three are
# 0, whatever a_j is. Nothing is done about Σ a: the derivatives are those by each a_j alone.

from axes cimport LANES, Panel, gather, scatter
from elementary.log cimport log
from libc.string cimport memcpy
from real cimport int64_t, real
from rows.at_labels cimport write_at_labels
from rows.reduction cimport pick
from rows.targets cimport PART, Target, add_to, fill_q


cdef inline real surprise(real a, real q, real scale, real *g, real *h) noexcept nogil:
    """q·(−log a) and its derivatives times scale; 0·inf is 0."""
    cdef real b = a + <real>0.0     # −0 is 0
    cdef real w = q * scale
    cdef real slope = w / b
    cdef real curve = slope / b
    cdef real loss = q * (<real>0.0 - log(b))
    g[0] = <real>0.0 if w == <real>0.0 else <real>0.0 - slope
    h[0] = <real>0.0 if w == <real>0.0 else curve
    return <real>0.0 if q == <real>0.0 else loss


cdef inline void surprise_lanes(const real *a, const real *scale, real *loss, real *g, real *h, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t l
    for l in range(width):
        loss[l] = surprise(a[l], <real>1.0, scale[l], &g[l], &h[l])


cdef inline void surprise_across(const real *a, const real *q, const real *scale, real *sum, real *low, real *g, real *h,
                                 Py_ssize_t count, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t c, l, k
    for c in range(count):
        for l in range(width):
            k = c * LANES + l
            add_to(&sum[l], &low[l], surprise(a[k], q[k], scale[l], &g[k], &h[k]))


cdef inline void pick_taken(real *a_t, const real *taken, const Panel *panel) noexcept nogil:
    """The panel's predictions at the labels, and 1 for lanes past the last."""
    cdef Py_ssize_t l
    memcpy(a_t, taken, <size_t> panel.lanes * sizeof(real))
    for l in range(panel.lanes, panel.width):
        a_t[l] = <real>1.0


cdef inline void cross_entropy(Panel *panel, const Target *target, const int64_t *label, const real *scale, real *loss, bint grad,
                               bint hess) noexcept nogil:
    cdef real a_t[LANES]
    cdef real g_t[LANES]
    cdef real h_t[LANES]
    if target.taken != NULL:
        pick_taken(a_t, <const real *> target.taken + (label - target.labels), panel)
    else:
        pick(panel, label, a_t, <real>1.0, 0, panel.width)
    surprise_lanes(a_t, scale, loss, g_t, h_t, panel.width)
    if grad:
        write_at_labels(panel.g, panel.g_step, panel, label, g_t, target.streaming)
    if hess:
        write_at_labels(panel.h, panel.h_step, panel, label, h_t, target.streaming)


cdef inline void cross_entropy_general(Panel *panel, const Target *target, const int64_t *label, const real *scale, real *loss,
                                       bint grad, bint hess) noexcept nogil:
    """For a distribution."""
    cdef real a[PART * LANES]
    cdef real q[PART * LANES]
    cdef real g[PART * LANES]
    cdef real h[PART * LANES]
    cdef real low[LANES]
    cdef Py_ssize_t part, first, count, l
    for l in range(panel.width):
        loss[l] = low[l] = <real>0.0
    for part in range((panel.classes + PART - 1) // PART):
        first = part * PART
        count = panel.classes - first if panel.classes - first < PART else PART
        gather(a, panel, panel.z, panel.z_step, first, count)
        fill_q(q, target, NULL, panel, first, count)
        surprise_across(a, q, scale, loss, low, g, h, count, panel.width)
        if grad:
            scatter(g, panel, panel.g, panel.g_step, first, count)
        if hess:
            scatter(h, panel, panel.h, panel.h_step, first, count)
    for l in range(panel.width):
        loss[l] += low[l]
