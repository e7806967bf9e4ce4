# softmax: p_j = e_j / (1 + R), e_j = e^{z_j − m}, m = max z, R = Σ e_j without one maximal term (softmax_sums.pxd).
#
# backward: p_j (g_j − s) with s = Σ p g. Where one entry alone is the maximum, at it
#   p_w (g_w R − Σ_{k≠w} e_k g_k) / (1 + R),
# for g_w − s cancels as p_w → 1. Elsewhere p_j ≤ ½, and g_j − s loses no more than its terms bring along.

from axes cimport LANES, Panel, Walk
from elementary.exp cimport scaled_one, unscaled
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
    UP,
    WON,
    normalise,
)


cdef inline void softmax_numbers(real *row, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t l
    for l in range(width):
        normalise(row + l, &row[FACTOR * LANES + l], &row[LOW * LANES + l])


cdef inline real softmax_entry(real e, real g, const real *n, Py_ssize_t apart) noexcept nogil:
    return unscaled(scaled(e, n[FACTOR * apart], n[LOW * apart]))


cdef inline void softmax(Walk *walk, Panel *panel, Py_ssize_t rows, const real *type) noexcept nogil:
    """`type` only selects the instance."""
    each_panel(MAPS | EXPONENTIALS, nothing[real], softmax_numbers[real], softmax_entry[real], <real>0.0, walk, panel, rows)


# --- backward -------------------------------------------------------------------------------------------------------------------

cdef inline real weighted(real e, real d) noexcept nogil:
    return e * d


cdef inline void softmax_backward_numbers(real *row, Py_ssize_t width) noexcept nogil:
    """D g − s comes 2^24 (2^200) times as large: s may be the product of a small p and g, and must keep its digits."""
    cdef real scale = <real>16777216.0 if real is float else <real>1.6069380442589903e60
    cdef real factor, low, gap, won, more, down
    cdef Py_ssize_t l
    for l in range(width):
        normalise(row + l, &factor, &low)
        won, more, down = row[WON * LANES + l] + <real>0.0, row[MORE * LANES + l], row[DOWN * LANES + l]
        gap = scaled(scaled(fma(won, row[BELOW * LANES + l], -more), factor, low), factor, low)
        row[BEST * LANES + l] = unscaled(<real>1.0 / down) * gap
        row[BAR * LANES + l] = scaled_one(won) if row[HITS * LANES + l] == <real>1.0 else <real>al_infinity()
        row[FACTOR * LANES + l] = factor
        row[LOW * LANES + l] = low
        row[GAIN * LANES + l] = scale * down
        row[SHIFT * LANES + l] = scaled(fma(scale, won, unscaled(scale) * more), factor, low)
        row[UP * LANES + l] = unscaled(<real>1.0 / (scale * down))


cdef inline real softmax_backward_entry(real e, real g, const real *n, Py_ssize_t apart) noexcept nogil:
    cdef real p = scaled(e, n[FACTOR * apart], n[LOW * apart])
    cdef real dz = p * fma(n[GAIN * apart], g, -n[SHIFT * apart]) * n[UP * apart]
    return n[BEST * apart] if e >= n[BAR * apart] else dz


cdef inline void softmax_backward(Walk *walk, Panel *panel, Py_ssize_t rows, const real *type) noexcept nogil:
    each_panel(MAPS | EXPONENTIALS | GRADIENTS, weighted[real], softmax_backward_numbers[real], softmax_backward_entry[real],
               <real>0.0, walk, panel, rows)
