# What stands around the panels of every loss over rows: the entries at the labels, weights, sums over the rows.

from axes cimport LANES, Panel, block_sum
from real cimport int64_t, real


cdef inline void pick(Panel *panel, const int64_t *label, real *z_t, real past) noexcept nogil:
    """The target's entry of each row; `past` for the lanes past the last."""
    cdef Py_ssize_t lane
    for lane in range(panel.lanes):
        z_t[lane] = (<real *> (panel.z[lane] + label[lane] * panel.z_step))[0]
    for lane in range(panel.lanes, panel.width):
        z_t[lane] = past


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
