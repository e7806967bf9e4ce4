# log_softmax: z_j − m − log1p(R), m = max z, R = Σ e^{z_j − m} without one maximal term (softmax_sums.pxd). At the maximum it is
# −log1p(R), which keeps what log Σ = log(1 + R) rounds away (Blanchard, Higham and Higham 2021, algorithm 4.1); below it both
# terms are negative.
#
# backward: g_j − p_j Σ g. Where one entry alone is the maximum, at it
#   (g_w R − Σ_{k≠w} g_k) / (1 + R),
# for g_w − p_w g_w cancels as p_w → 1. Elsewhere p_j ≤ ½, and the difference loses no more than its terms bring along.

from axes cimport LANES, Panel, Walk
from elementary.exp cimport scaled_one, unscaled
from elementary.log1p cimport log1p_nonnegative_parts
from real cimport al_infinity, fma, real, two_sum
from rows.softmax_rows cimport each_panel
from rows.softmax_sums cimport (
    BAR,
    BELOW,
    BELOW_LOW,
    BEST,
    DOWN,
    EXPONENTIALS,
    GAIN,
    GRADIENTS,
    HITS,
    MAPS,
    MORE,
    MORE_LOW,
    SHIFT,
    SHIFT_LOW,
    TOP,
    UP,
    WON,
    WON_LOW,
    normalise,
    product,
)


cdef inline void log_softmax_numbers(real *row, Py_ssize_t width) noexcept nogil:
    """SHIFT = log1p(R) with its low part."""
    cdef Py_ssize_t l
    cdef real r, rest, factor, low
    for l in range(width):
        r = normalise(row + l, &rest, &factor, &low)
        row[SHIFT * LANES + l] = log1p_nonnegative_parts(r, &low)
        row[SHIFT_LOW * LANES + l] = low + rest * factor


cdef inline real log_softmax_entry(real z, real g, const real *n, Py_ssize_t apart) noexcept nogil:
    """The rounding of z − m is carried along, unless the difference is infinite."""
    cdef real m = n[TOP * apart]
    cdef real low
    cdef real d = two_sum(z, -m, &low)
    low = low if d > -<real>al_infinity() else <real>0.0
    d = d + (low - n[SHIFT_LOW * apart] - n[SHIFT * apart])
    return <real>0.0 - (n[SHIFT * apart] + n[SHIFT_LOW * apart]) if z >= m else d


cdef inline void log_softmax(Walk *walk, Panel *panel, Py_ssize_t rows, const real *type) noexcept nogil:
    """`type` only selects the instance."""
    each_panel(MAPS, log_softmax_numbers[real], log_softmax_entry[real], -<real>al_infinity(), walk, panel, rows)


# --- backward -------------------------------------------------------------------------------------------------------------------

cdef inline void log_softmax_backward_numbers(real *row, Py_ssize_t width) noexcept nogil:
    """SHIFT = D Σ g / (1 + R) with its low part."""
    cdef real i, i_low, rest, a, a_low, low, won, won_low, more, more_low, one, up
    cdef real *n
    cdef Py_ssize_t l
    for l in range(width):
        n = row + l
        normalise(n, &rest, &i, &i_low)
        won, won_low = n[WON * LANES] + <real>0.0, n[WON_LOW * LANES]
        more, more_low = n[MORE * LANES], n[MORE_LOW * LANES]
        one = scaled_one(won)
        up = unscaled(<real>1.0 / n[DOWN * LANES])
        a = product(won, won_low, n[BELOW * LANES], n[BELOW_LOW * LANES], &a_low)
        a = two_sum(a, -(one * more), &low)
        a_low += low - one * more_low
        n[BEST * LANES] = fma(a, i, fma(a, i_low, a_low * i)) * up
        n[BAR * LANES] = one if n[HITS * LANES] == <real>1.0 else <real>al_infinity()
        a = two_sum(won, more, &a_low)
        n[SHIFT * LANES] = product(a, a_low + (won_low + more_low), i, i_low, &n[SHIFT_LOW * LANES])
        n[GAIN * LANES] = one * n[DOWN * LANES]
        n[UP * LANES] = up


cdef inline real log_softmax_backward_entry(real e, real g, const real *n, Py_ssize_t apart) noexcept nogil:
    cdef real dz = fma(-e, n[SHIFT * apart], fma(-e, n[SHIFT_LOW * apart], n[GAIN * apart] * g)) * n[UP * apart]
    return n[BEST * apart] if e >= n[BAR * apart] else dz


cdef inline void log_softmax_backward(Walk *walk, Panel *panel, Py_ssize_t rows, const real *type) noexcept nogil:
    each_panel(MAPS | EXPONENTIALS | GRADIENTS, log_softmax_backward_numbers[real], log_softmax_backward_entry[real], <real>0.0,
               walk, panel, rows)
