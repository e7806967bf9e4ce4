# log_softmax: z_j − m − log1p(R), m = max z, R = Σ e^{z_j − m} without one maximal term (softmax_sums.pxd). At the maximum it is
# −log1p(R), which keeps what log Σ = log(1 + R) rounds away (Blanchard, Higham and Higham 2021, algorithm 4.1); below it both
# terms are negative.
#
# backward: g_j − p_j Σ g. Where one entry alone is the maximum, at it
#   (g_w R − Σ_{k≠w} g_k) / (1 + R),
# for g_w − p_w g_w cancels as p_w → 1. Elsewhere p_j ≤ ½, and the difference loses no more than its terms bring along.

from axes cimport LANES, Panel, Walk
from elementary.exp cimport scaled_one, unscaled
from elementary.log1p cimport log1p_nonnegative
from real cimport al_infinity, fma, real
from rows.softmax_phases cimport scaled
from rows.softmax_rows cimport each_panel, nothing
from rows.softmax_sums cimport (
    BAR,
    BELOW,
    BEST,
    DOWN,
    EXPONENTIALS,
    FACTOR,
    GAIN,
    GRADIENTS,
    HITS,
    LOW,
    MAPS,
    MORE,
    SHIFT,
    TOP,
    UP,
    WON,
    normalise,
)


cdef inline void log_softmax_numbers(real *row, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t l
    cdef real factor, low
    for l in range(width):
        row[SHIFT * LANES + l] = log1p_nonnegative(normalise(row + l, &factor, &low))


cdef inline real log_softmax_entry(real z, real g, const real *n, Py_ssize_t apart) noexcept nogil:
    """The rounding of z − m is carried along (TwoSum), unless the difference is infinite."""
    cdef real m = n[TOP * apart]
    cdef real d = z - m
    cdef real t = d - z
    cdef real low = (z - (d - t)) - (m + t)
    low = low if d > -<real>al_infinity() else <real>0.0
    return <real>0.0 - n[SHIFT * apart] if z >= m else d + (low - n[SHIFT * apart])


cdef inline void log_softmax(Walk *walk, Panel *panel, Py_ssize_t rows, const real *type) noexcept nogil:
    """`type` only selects the instance."""
    each_panel(MAPS, nothing[real], log_softmax_numbers[real], log_softmax_entry[real], -<real>al_infinity(), walk, panel, rows)


# --- backward -------------------------------------------------------------------------------------------------------------------

cdef inline real alone(real e, real d) noexcept nogil:
    return d


cdef inline void log_softmax_backward_numbers(real *row, Py_ssize_t width) noexcept nogil:
    cdef real factor, low, won, more, down, up, one
    cdef Py_ssize_t l
    for l in range(width):
        normalise(row + l, &factor, &low)
        won, more, down = row[WON * LANES + l] + <real>0.0, row[MORE * LANES + l], row[DOWN * LANES + l]
        one = scaled_one(won)
        up = unscaled(<real>1.0 / down)
        row[BEST * LANES + l] = scaled(fma(won, row[BELOW * LANES + l], -(one * more)), factor, low) * up
        row[BAR * LANES + l] = one if row[HITS * LANES + l] == <real>1.0 else <real>al_infinity()
        row[FACTOR * LANES + l] = factor
        row[LOW * LANES + l] = low
        row[GAIN * LANES + l] = one * down
        row[SHIFT * LANES + l] = won + more
        row[UP * LANES + l] = up


cdef inline real log_softmax_backward_entry(real e, real g, const real *n, Py_ssize_t apart) noexcept nogil:
    cdef real p = scaled(e, n[FACTOR * apart], n[LOW * apart])
    cdef real dz = fma(-p, n[SHIFT * apart], n[GAIN * apart] * g) * n[UP * apart]
    return n[BEST * apart] if e >= n[BAR * apart] else dz


cdef inline void log_softmax_backward(Walk *walk, Panel *panel, Py_ssize_t rows, const real *type) noexcept nogil:
    each_panel(MAPS | EXPONENTIALS | GRADIENTS, alone[real], log_softmax_backward_numbers[real], log_softmax_backward_entry[real],
               <real>0.0, walk, panel, rows)
