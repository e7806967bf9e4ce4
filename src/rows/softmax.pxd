# softmax: p_j = e_j / (1 + R), e_j = e^{z_j − m}, m = max z, R = Σ e_j without one maximal term (softmax_sums.pxd).
#
# backward: p_j (g_j − s) with s = Σ p g. Where one entry alone is the maximum, at it
#   p_w (g_w R − Σ_{k≠w} e_k g_k) / (1 + R),
# for g_w − s cancels as p_w → 1. Elsewhere p_j ≤ ½, and g_j − s loses no more than its terms bring along.

from axes cimport LANES, Panel, Walk
from elementary.exp cimport scaled_one, unscaled
from real cimport al_infinity, fma, real, two_sum, unfused_low
from rows.softmax_rows cimport each_panel
from rows.softmax_sums cimport (
    BAR,
    BELOW,
    BELOW_LOW,
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
    MORE_LOW,
    PRODUCTS,
    SHIFT,
    SHIFT_LOW,
    UP,
    WON,
    WON_LOW,
    normalise,
    product,
)


cdef inline void softmax_numbers(real *row, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t l
    cdef real rest
    for l in range(width):
        normalise(row + l, &rest, &row[FACTOR * LANES + l], &row[LOW * LANES + l])


cdef inline real softmax_entry(real e, real g, const real *n, Py_ssize_t apart) noexcept nogil:
    cdef real low = unfused_low(e, n[FACTOR * apart], e * n[LOW * apart])
    return unscaled(fma(e, n[FACTOR * apart], low))


cdef inline void softmax(Walk *walk, Panel *panel, Py_ssize_t rows, const real *type) noexcept nogil:
    """`type` only selects the instance."""
    each_panel(MAPS | EXPONENTIALS, softmax_numbers[real], softmax_entry[real], <real>0.0, walk, panel, rows)


# --- backward -------------------------------------------------------------------------------------------------------------------

cdef inline void softmax_backward_numbers(real *row, Py_ssize_t width) noexcept nogil:
    """FACTOR = D / (1 + R) and SHIFT = D s / (1 + R) with their low parts, so that an entry has one rounding of its own beside that of
    its exponential and of the difference. They come 2^24 (2^200) times as large: s may be a product of a small p and g."""
    cdef real scale = <real>16777216.0 if real is float else <real>1.6069380442589903e60
    cdef real i, i_low, rest, s, s_low, q, q_low, a, a_low, won, won_low, more, more_low, gain, up
    cdef real *n
    cdef Py_ssize_t l
    for l in range(width):
        n = row + l
        normalise(n, &rest, &i, &i_low)
        won, won_low = n[WON * LANES] + <real>0.0, n[WON_LOW * LANES]
        more, more_low = n[MORE * LANES], n[MORE_LOW * LANES]
        gain = scale * n[DOWN * LANES]
        q = product(i, i_low, i, i_low, &q_low)
        a = product(won, won_low, n[BELOW * LANES], n[BELOW_LOW * LANES], &a_low)
        a = two_sum(a, -more, &s_low)
        a_low += s_low - more_low
        up = unscaled(<real>1.0 / n[DOWN * LANES])
        n[BEST * LANES] = fma(a, q, fma(a, q_low, a_low * q)) * up
        n[BAR * LANES] = scaled_one(won) if n[HITS * LANES] == <real>1.0 else <real>al_infinity()
        s = two_sum(scale * won, unscaled(scale) * more, &s_low)
        s_low += scale * won_low + unscaled(scale) * more_low
        n[SHIFT * LANES] = product(s, s_low, q, q_low, &n[SHIFT_LOW * LANES])
        n[GAIN * LANES] = scale * i
        n[FACTOR * LANES] = gain * i
        n[LOW * LANES] = gain * i_low
        n[UP * LANES] = up * (<real>1.0 / scale)


cdef inline real softmax_backward_entry(real e, real g, const real *n, Py_ssize_t apart) noexcept nogil:
    cdef real low = fma(g, n[LOW * apart], -n[SHIFT_LOW * apart])
    low = unfused_low(n[DOWN * apart] * g, n[GAIN * apart], low)
    cdef real dz = fma(e, fma(g, n[FACTOR * apart], -n[SHIFT * apart]), e * low) * n[UP * apart]
    return n[BEST * apart] if e >= n[BAR * apart] else dz


cdef inline void softmax_backward(Walk *walk, Panel *panel, Py_ssize_t rows, const real *type) noexcept nogil:
    each_panel(MAPS | EXPONENTIALS | GRADIENTS | PRODUCTS, softmax_backward_numbers[real], softmax_backward_entry[real], <real>0.0,
               walk, panel, rows)
