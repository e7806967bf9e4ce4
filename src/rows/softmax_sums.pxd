# The phases of softmax, log_softmax and logsumexp and of their backward, beside those in softmax_phases.pxd, which says how
# R = Σ e^{z_j − m} without one maximal term keeps its accuracy.
#
# Exponentials are kept 2^64 (2^512) times as large, as exp.pxd builds them: multiplied by a gradient, one that has left the normal
# numbers would have lost its digits. Each result is brought down by one last product with a power of two, which rounds into the
# subnormals once.
#
# A gradient g comes in with its row's power of two D: with D·|g| < 4 no sum overflows, and D = 1 for |g| ≤ 1.

from axes cimport LANES
from elementary.exp cimport exp_reduce, expm1_reduced, scaled_one, unscaled
from elementary.log cimport log_power
from loops cimport GROUP
from real cimport absolute, al_infinity, al_nan, fma, real

cdef enum:            # what a function takes and gives, entry by entry; the other operands are one number per row
    MAPS = 1          # results
    EXPONENTIALS = 2  # results from exponentials, not from z
    GRADIENTS = 4     # gradients

cdef enum:            # numbers of a row, LANES apart: what the phases find …
    TOP               # m, the largest z
    HITS              # how many entries are m
    BELOW             # Σ e_j of the others
    MORE              # Σ term_j of the others
    WON               # Σ D g_j of those that are m
    ALIVE             # whether an entry is not masked
    DOWN              # D, from the largest |g|
    GIVEN             # the row's gradient, if it has one alone
    # … and what a function makes of it
    FACTOR
    LOW
    BAR
    BEST
    GAIN
    SHIFT
    UP


# --- one number ------------------------------------------------------------------------------------------------------------------

cdef inline real risen(real z, real m, bint marked) noexcept nogil:
    """2^64 e^{z − m} for z ≤ m, the rounding of z − m carried along; if `marked`, only z = m gives 2^64 itself."""
    cdef real scale, rest, high, p, e
    cdef real one = scaled_one(z)
    cdef real least = one - one * (<real>5.9604644775390625e-08 if real is float else <real>1.1102230246251565e-16)
    cdef real d = z - m
    cdef real t = d - z
    cdef real low = (z - (d - t)) - (m + t)
    low = low if d > <real>-800.0 else <real>0.0
    high = exp_reduce(d, &scale, &low)
    p = expm1_reduced(high, low, &rest)
    e = fma(scale, p, scale)
    if marked:
        e = least if e > least else e
    return one if z >= m else e


cdef inline real power_down(real largest) noexcept nogil:
    """D for a row's largest |g|."""
    cdef real most = <real>8.507059173023462e37 if real is float else <real>4.49423283715579e307
    cdef real size = largest if largest > <real>1.0 else <real>1.0
    return log_power(most if size > most else size)


cdef inline real normalise(const real *n, real *factor, real *low) noexcept nogil:
    """R; factor + low = 1 / (1 + R) without the roundings of sum and quotient. All −inf: NaN, as there is no limit."""
    cdef real r, q, b
    r = unscaled(n[BELOW * LANES]) + (n[HITS * LANES] - <real>1.0)
    r = <real>al_nan() if n[TOP * LANES] == -<real>al_infinity() else r
    q = <real>1.0 + r
    b = q - <real>1.0
    factor[0] = <real>1.0 / q
    low[0] = factor[0] * fma(-((<real>1.0 - (q - b)) + (r - b)), factor[0], fma(-q, factor[0], <real>1.0))
    return r


# --- phases across: b[class][lane] -------------------------------------------------------------------------------------------------

cdef inline void largest_across(const real *g, Py_ssize_t count, Py_ssize_t width, real *largest) noexcept nogil:
    cdef Py_ssize_t c, l
    cdef real a
    for c in range(count):
        for l in range(width):
            a = absolute(g[c * LANES + l])
            largest[l] = a if a > largest[l] else largest[l]


cdef inline void sum_across(real (*term)(real, real) noexcept nogil, int form, real *b, const real *g, Py_ssize_t count,
                            Py_ssize_t width, real *row, real *sums) noexcept nogil:
    """sums[0], of z < m, += e, sums[1] += term(e, D g), sums[2], of z = m, += D g, each for accumulator c mod 16; b = e."""
    cdef Py_ssize_t c, l
    cdef real z, e, d
    cdef real m
    cdef real *s
    for c in range(count):
        s = sums + (c & (GROUP - 1)) * LANES
        for l in range(width):
            z = b[c * LANES + l]
            m = row[TOP * LANES + l]
            e = risen(z, m, form & GRADIENTS)
            s[l] += <real>0.0 if z >= m else e
            row[HITS * LANES + l] += <real>1.0 if z >= m else <real>0.0
            if form & GRADIENTS:
                d = row[DOWN * LANES + l] * g[c * LANES + l]
                s[GROUP * LANES + l] += <real>0.0 if z >= m else term(e, d)
                s[2 * GROUP * LANES + l] += d if z >= m else <real>0.0
            if form & EXPONENTIALS:
                b[c * LANES + l] = e


# --- phases along ------------------------------------------------------------------------------------------------------------------

cdef inline real largest_along(const real *g, Py_ssize_t count) noexcept nogil:
    cdef real top[GROUP]
    cdef real a, m
    cdef Py_ssize_t k
    cdef int j
    for j in range(GROUP):
        top[j] = <real>0.0
    for k in range(count // GROUP):
        for j in range(GROUP):
            a = absolute(g[k * GROUP + j])
            top[j] = a if a > top[j] else top[j]
    m = <real>0.0
    for j in range(GROUP):
        m = top[j] if top[j] > m else m
    for k in range(count & ~(<Py_ssize_t> GROUP - 1), count):
        a = absolute(g[k])
        m = a if a > m else m
    return m


cdef inline void sum_along(real (*term)(real, real) noexcept nogil, int form, real *b, const real *g, Py_ssize_t groups, real m,
                           real down, real *sums, real *hits) noexcept nogil:
    """The same for b[16 k + accumulator]."""
    cdef Py_ssize_t k
    cdef int j
    cdef real z, e, d
    for k in range(groups):
        for j in range(GROUP):
            z = b[k * GROUP + j]
            e = risen(z, m, form & GRADIENTS)
            sums[j] += <real>0.0 if z >= m else e
            hits[j] += <real>1.0 if z >= m else <real>0.0
            if form & GRADIENTS:
                d = down * g[k * GROUP + j]
                sums[GROUP + j] += <real>0.0 if z >= m else term(e, d)
                sums[2 * GROUP + j] += d if z >= m else <real>0.0
            if form & EXPONENTIALS:
                b[k * GROUP + j] = e
