# What stands around the panels of every loss over rows: the entries at the labels, weights, sums over the rows.

from axes cimport LANES, Panel, Walk, next_panel
from copies cimport copy_in
from loops cimport CACHE_LINE, GROUP
from real cimport int64_t, real
from rows.softmax_phases cimport max_along
from rows.targets cimport Target, next_labels, silence
from stream cimport al_stream_end
from sums cimport block_sum


cdef inline bint is_short(Py_ssize_t step) noexcept nogil:
    """Whether a cache line has two entries of a row or more, so that taking them one by one is no waste."""
    return -CACHE_LINE < 2 * step <= CACHE_LINE


cdef inline bint runs_along(const Panel *panel, Py_ssize_t least, bint grad, bint hess, const real *type) noexcept nogil:
    """Whether classes run along the vector, as `least` of them do, rather than rows; never changes a bit. `type` only selects
    the instance."""
    # Few rows do not fill the lanes: 350 ns and 60 a row along, 500 and 17 a class across (AVX2), for up to 16 rows.
    cdef bint along = panel.classes >= least or 4 * panel.lanes <= panel.classes + 8
    # Logits with a step may be copied, unless it turns them: then neighbouring rows share cache lines.
    cdef bint stepping = panel.z_step != sizeof(real) and grad and panel.classes >= least and is_short(panel.z_step)
    return (along and (panel.z_step == sizeof(real) or stepping) and (not grad or panel.g_step == sizeof(real))
            and (not hess or panel.h_step == sizeof(real)))


cdef inline void pick(const Panel *panel, const int64_t *label, real *z_t, real past, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """The target's entry of `count` rows; `past` for lanes past the last."""
    cdef Py_ssize_t lane
    for lane in range(first, first + count):
        if lane < panel.lanes:
            z_t[lane] = (<real *> (panel.z[lane] + label[lane] * panel.z_step))[0]
        else:
            z_t[lane] = past


# --- rows along ----------------------------------------------------------------------------------------------------------------

cdef inline void find_ahead(const Panel *panel, Py_ssize_t together, Py_ssize_t *z_ahead, Py_ssize_t *g_ahead,
                            const real *type) noexcept nogil:
    """Elements from a row to the one that is `together` rows on, in z and in g; 0, as they are, in a panel of one row."""
    if panel.lanes > 1:
        z_ahead[0] = together * ((panel.z[1] - panel.z[0]) // <Py_ssize_t> sizeof(real))
        g_ahead[0] = together * ((panel.g[1] - panel.g[0]) // <Py_ssize_t> sizeof(real))


cdef inline void begin_rows(const Panel *panel, char **z, const int64_t *label, Py_ssize_t first, Py_ssize_t count, real *m,
                            real *z_t) noexcept nogil:
    """The largest and the target's entry of `count` rows. z: where their classes lie contiguous; logits with a step come there."""
    cdef Py_ssize_t lane
    for lane in range(first, first + count):
        if panel.z_step != sizeof(real):
            copy_in(z[lane], panel.z[lane], panel.z_step, panel.classes, sizeof(real))
        m[lane] = max_along(<const real *> z[lane], panel.classes)
    pick(panel, label, z_t, <real>0.0, first, count)


cdef inline Py_ssize_t width_of(Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """Lanes of whole groups that hold `count` rows from `first` on."""
    cdef Py_ssize_t width = (count + GROUP - 1) & ~(<Py_ssize_t> GROUP - 1)
    return width if first + width <= LANES else LANES - first


# --- the target's entries, weights, sums ---------------------------------------------------------------------------------------

cdef inline void put(char **row, Py_ssize_t step, Py_ssize_t lanes, const int64_t *label, const real *g_t) noexcept nogil:
    """The target's gradient or Hessian in each row."""
    cdef Py_ssize_t lane
    for lane in range(lanes):
        (<real *> (row[lane] + label[lane] * step))[0] = g_t[lane]


cdef inline void scale_all(real *scale, double divisor) noexcept nogil:
    """1 / divisor for every lane: what rows without weights keep."""
    cdef Py_ssize_t lane
    for lane in range(LANES):
        scale[lane] = <real> (1.0 / divisor)


cdef inline void scale_rows(real *scale, const Panel *panel, const double *weight, Py_ssize_t row, double divisor) noexcept nogil:
    """weight / divisor for the rows from `row` on, if there are weights."""
    cdef Py_ssize_t lane
    if weight != NULL:
        for lane in range(panel.lanes):
            scale[lane] = <real> (weight[row + lane] / divisor)


cdef inline double add_losses(const real *loss, Py_ssize_t lanes, const double *weight, Py_ssize_t row, real *losses) noexcept nogil:
    """Σ of the weighted losses of the rows from `row` on, each also to `losses` if that is given."""
    cdef double weighted[LANES]
    cdef Py_ssize_t lane
    for lane in range(lanes):
        weighted[lane] = <double> loss[lane]
        if weight != NULL:      # a row of weight 0 counts nothing, be its loss infinite
            weighted[lane] = 0.0 if weight[row + lane] == 0.0 and loss[lane] == loss[lane] else weighted[lane] * weight[row + lane]
        if losses != NULL:
            losses[row + lane] = <real> weighted[lane]
    return block_sum(weighted, lanes)


cdef inline double each_panel(void (*run)(Panel *, const Target *, const int64_t *, const real *, real *, bint, bint) noexcept nogil,
                              Walk *walk, Panel *panel, Py_ssize_t rows, const Target *target, const double *weight, double divisor,
                              real *losses, bint grad, bint hess) noexcept nogil:
    """Σ of the weighted losses, in float64 and in an order that follows from the shape alone.

    run(panel, target, labels, scale, loss, grad, hess): a loss of up to LANES rows. Labels are NULL where the target is a distribution;
    gradient and Hessian come times scale. divisor divides these (Σ weights for a mean); losses, if given, takes each row's weighted
    loss.
    """
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
        run(panel, target, label, scale, loss, grad, hess)
        if target.ignoring:
            silence(target, row, panel, loss, grad, hess)
        total += add_losses(loss, panel.lanes, weight, row, losses)
        row += panel.lanes
    if target.streaming:        # what has left must have arrived before another thread takes this part for done
        al_stream_end()
    return total
