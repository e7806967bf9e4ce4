# What a row is compared with. Every target is a distribution q over the classes, up to its sum:
#   a label t                  q_j = w_t (1 − ε) [j = t] + w_j ε / K
#   a distribution y           q_j = w_j ((1 − ε) y_j + ε / K)
# with class weights w and label smoothing ε over K classes (Szegedy et al. 2016, section 7; the weights as PyTorch puts them).
# Most rows have a label and nothing else: their q is one number, and the kernels take it without a q at all.
#
# Sums over q carry their rounding errors along (Ogita, Rump and Oishi 2005, algorithm 4.1), so that Σ q − q_j is nothing but the
# others, and a row's sum has the same bits for any number of lanes beside it.

from axes cimport LANES, Panel, Walk, gather
from libc.string cimport memset
from real cimport int64_t, real, two_sum
from rows.labels cimport IGNORED

cdef enum:
    PART = 32         # classes of a panel that are worked on together: six such blocks stay in L2

cdef struct Target:
    const int64_t *labels           # one per row, IGNORED where a row does not count; NULL for a distribution
    const void *taken               # each row's prediction at its label, none IGNORED, of the loss's type; NULL where it is still to be read
    bint ignoring                   # whether one is IGNORED
    Walk *walk                      # of the distribution, in the order of the rows …
    Panel *panel                    # … whose z is the distribution here
    const double *class_weight      # NULL for weights of 1
    double smoothing
    double softcap                  # inf for none
    double temperature
    double z_loss
    double gamma                    # of softmax_focal
    double least                    # no entry of its Hessian lies below, before weights
    bint streaming                  # the gradient is more than caches hold: that of cross_entropy goes past them
    bint plain                      # a label and neither smoothing, softcap, temperature nor z_loss


cdef inline const int64_t *next_labels(const Target *target, Py_ssize_t row, Py_ssize_t lanes, int64_t *usable) noexcept nogil:
    """The labels of the panel's rows, class 0 for those that do not count; `usable` holds them if need be."""
    cdef Py_ssize_t lane
    cdef const int64_t *labels = target.labels + row
    if not target.ignoring:
        return labels
    for lane in range(lanes):
        usable[lane] = 0 if labels[lane] == IGNORED else labels[lane]
    return usable


cdef inline void clear(char *at, Py_ssize_t step, Py_ssize_t classes, const real *type) noexcept nogil:
    """Zeros in one row. `type` only selects the instance."""
    cdef Py_ssize_t c
    if step == sizeof(real):
        memset(at, 0, <size_t> classes * sizeof(real))
        return
    for c in range(classes):
        (<real *> (at + c * step))[0] = <real>0.0


cdef inline void silence(const Target *target, Py_ssize_t row, Panel *panel, real *loss, bint grad, bint hess) noexcept nogil:
    """A row that does not count has the loss 0 and derivatives of 0, be its logits NaN."""
    cdef Py_ssize_t lane
    for lane in range(panel.lanes):
        if target.labels[row + lane] == IGNORED:
            loss[lane] = <real>0.0
            if grad:
                clear(panel.g[lane], panel.g_step, panel.classes, loss)
            if hess:
                clear(panel.h[lane], panel.h_step, panel.classes, loss)


cdef inline double class_weight(const Target *target, Py_ssize_t c) noexcept nogil:
    return 1.0 if target.class_weight == NULL else target.class_weight[c]


cdef inline void fill_q(real *q, const Target *target, const int64_t *labels, const Panel *panel, Py_ssize_t first,
                        Py_ssize_t count) noexcept nogil:
    """q[c][lane] for `count` classes from `first` on."""
    cdef double share = target.smoothing / <double> panel.classes, keep = 1.0 - target.smoothing
    cdef bint as_given = target.class_weight == NULL and target.smoothing == 0.0
    cdef Py_ssize_t c, lane
    cdef real floor
    if labels == NULL:
        gather(q, target.panel, target.panel.z, target.panel.z_step, first, count)
        if not as_given:
            for c in range(count):
                blend(q + c * LANES, panel.width, <real> class_weight(target, first + c), <real> keep, <real> share)
        return
    for c in range(count):
        floor = <real> (class_weight(target, first + c) * share)
        for lane in range(panel.width):
            q[c * LANES + lane] = floor
    for lane in range(panel.lanes):
        c = labels[lane] - first
        if 0 <= c < count:
            q[c * LANES + lane] = <real> (class_weight(target, labels[lane]) * (keep + share))


cdef inline void blend(real *q, Py_ssize_t width, real weight, real keep, real share) noexcept nogil:
    cdef Py_ssize_t l
    for l in range(width):
        q[l] = weight * (keep * q[l] + share)


cdef inline void add_to(real *sum, real *low, real term) noexcept nogil:
    """sum + low += term, with the rounding error; an infinite sum has none."""
    cdef real rounding
    sum[0] = two_sum(sum[0], term, &rounding)
    low[0] += rounding if rounding == rounding else <real>0.0
