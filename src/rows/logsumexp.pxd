# logsumexp: m + log1p(R), m = max z, R = Σ e^{z_j − m} without one maximal term (Blanchard, Higham and Higham 2021, algorithm 4.1;
# softmax_sums.pxd), both sums with their roundings. Where m < 0 the terms may cancel: the error is in units of their size. A row of
# −inf alone gives −inf, unless there is a NaN, which is in the sum.
#
# backward: g p_j, one g per row.

from axes cimport LANES, Panel, Walk
from elementary.exp cimport unscaled
from elementary.log1p cimport log1p_nonnegative_parts
from real cimport absolute, al_infinity, product_low, real, two_sum
from rows.softmax_phases cimport scaled
from rows.softmax_rows cimport each_panel, no_entry
from rows.softmax_sums cimport (
    ALIVE,
    BELOW,
    BEST,
    EXPONENTIALS,
    FACTOR,
    GIVEN,
    LOW,
    MAPS,
    TOP,
    UP,
    normalise,
    power_down,
)
from sums cimport with_low


cdef inline void logsumexp_numbers(real *row, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t l
    cdef real r, rest, factor, low, log, sum
    for l in range(width):
        r = normalise(row + l, &rest, &factor, &low)
        log = log1p_nonnegative_parts(r, &low)
        sum = two_sum(row[TOP * LANES + l], log, &r)
        sum = with_low(sum, r + (low + rest * factor))
        sum = row[BELOW * LANES + l] - <real>al_infinity() if row[TOP * LANES + l] == -<real>al_infinity() else sum
        row[BEST * LANES + l] = sum if row[ALIVE * LANES + l] > <real>0.0 else -<real>al_infinity()


cdef inline void logsumexp(Walk *walk, Panel *panel, Py_ssize_t rows, const real *type) noexcept nogil:
    """`type` only selects the instance."""
    each_panel(0, logsumexp_numbers[real], no_entry[real], <real>0.0, walk, panel, rows)


# --- backward -------------------------------------------------------------------------------------------------------------------

cdef inline void logsumexp_backward_numbers(real *row, Py_ssize_t width) noexcept nogil:
    """FACTOR + LOW = D g / (1 + R)."""
    cdef Py_ssize_t l
    cdef real rest, factor, low, down, d, f
    for l in range(width):
        normalise(row + l, &rest, &factor, &low)
        down = power_down(absolute(row[GIVEN * LANES + l]))
        d = down * row[GIVEN * LANES + l]
        f = d * factor
        low = product_low(d, factor, f) + d * low
        row[FACTOR * LANES + l] = f
        row[LOW * LANES + l] = low if absolute(f) < <real>al_infinity() else <real>0.0
        row[UP * LANES + l] = unscaled(<real>1.0 / down)


cdef inline real logsumexp_backward_entry(real e, real g, const real *n, Py_ssize_t apart) noexcept nogil:
    return scaled(e, n[FACTOR * apart], n[LOW * apart]) * n[UP * apart]


cdef inline void logsumexp_backward(Walk *walk, Panel *panel, Py_ssize_t rows, const real *type) noexcept nogil:
    each_panel(MAPS | EXPONENTIALS, logsumexp_backward_numbers[real], logsumexp_backward_entry[real], <real>0.0, walk, panel, rows)
