# The phases of softmax, log_softmax and logsumexp and of their backward, beside those in softmax_phases.pxd, which says how
# R = Σ e^{z_j − m} without one maximal term keeps its accuracy.
#
# Exponentials are kept 2^64 (2^512) times as large, as exp.pxd builds them: multiplied by a gradient, one that has left the normal
# numbers would have lost its digits. Each result is brought down by one last product with a power of two, which rounds into the
# subnormals once.
#
# A gradient g comes in with its row's power of two D: with D·|g| < 2^33 (2^257) nothing overflows on the way; D = 1 for
# |g| ≤ 2^32 (2^256). There no exponential that counts is 0.
#
# Class c adds to accumulator c mod 16. After PART classes (of gradients SHORT_PART, as 1 / (1 + R) and its error come in there
# twice) the accumulators are emptied into pairs high + low, which lose nothing (TwoSum), and one fixed tree adds the 16.

from axes cimport LANES, tree8, two_sum
from elementary.exp cimport exp_origin, exp_reduce, exp_split, expm1_reduced, scaled_one, unscaled
from elementary.log cimport log_power
from loops cimport GROUP
from real cimport absolute, al_infinity, al_nan, fma, product_low, real

cdef enum:
    PART = 128
    SHORT_PART = 64

cdef enum:            # what a function takes and gives, entry by entry; the other operands are one number per row
    MAPS = 1          # results
    EXPONENTIALS = 2  # results from exponentials, not from z
    GRADIENTS = 4     # gradients
    PRODUCTS = 8      # MORE sums products with the exponentials, whose roundings count

cdef enum:            # numbers of a row, LANES apart: what the phases find …
    TOP               # m, the largest z
    HITS              # how many entries are m
    BELOW             # Σ e_j of the others
    MORE              # Σ term_j of the others
    WON               # Σ D g_j of those that are m
    BELOW_LOW         # the low parts of these sums
    MORE_LOW
    WON_LOW
    ALIVE             # whether an entry is not masked
    DOWN              # D, from the largest |g|
    GIVEN             # the row's gradient, if it has one alone
    # … and what a function makes of it
    FACTOR
    LOW
    SHIFT
    SHIFT_LOW
    GAIN
    BAR
    BEST
    UP


# --- one number ------------------------------------------------------------------------------------------------------------------

cdef inline real difference(real z, real m, real *low) noexcept nogil:
    """z − m, its rounding in low (TwoSum), 0 where the exponential is 0 or the difference infinite."""
    cdef real d = z - m
    cdef real t = d - z
    cdef real rest = (z - (d - t)) - (m + t)
    low[0] = rest if d > <real>-800.0 else <real>0.0
    return d


cdef inline real risen(real z, real m) noexcept nogil:
    """2^64 e^{z − m} for z ≤ m, the rounding of z − m carried along."""
    cdef real low, scale, rest
    cdef real high = exp_reduce(difference(z, m, &low), &scale, &low)
    cdef real p = expm1_reduced(high, low, &rest)
    cdef real e = fma(scale, p, scale)
    return scaled_one(z) if z >= m else e


cdef inline real risen_well(real z, real m) noexcept nogil:
    """The same, rounded but once; and only z = m gives 2^64 itself."""
    cdef real low, scale, tail, head, e
    cdef real one = scaled_one(z)
    cdef real below_one = one - one * (<real>5.9604644775390625e-08 if real is float else <real>1.1102230246251565e-16)
    cdef real least = <real>-132.4 if real is float else <real>-1064.0
    cdef real d = difference(z, m, &low)
    d = least if d < least else d
    head = exp_split(d, low, exp_origin(<real>64.0 if real is float else <real>512.0), &scale, &tail)
    e = fma(scale, tail, scale * head)
    e = below_one if e > below_one else e
    return one if z >= m else e


cdef inline real power_down(real largest) noexcept nogil:
    """D for a row's largest |g|."""
    cdef real down, most
    if real is float:
        down, most = <real>2.3283064365386963e-10, <real>7.922816251426434e28
    else:
        down, most = <real>8.636168555094445e-78, <real>3.8812952307517723e+230
    down *= largest
    down = down if down > <real>1.0 else <real>1.0
    return log_power(most if down > most else down)


cdef inline real normalise(const real *n, real *factor, real *low) noexcept nogil:
    """R; factor + low = 1 / (1 + R) without the roundings of sum and quotient. All −inf: NaN, as there is no limit."""
    cdef real r, rest, q, lost
    r = two_sum(unscaled(n[BELOW * LANES]), n[HITS * LANES] - <real>1.0, &rest)
    rest += unscaled(n[BELOW_LOW * LANES])
    r = <real>al_nan() if n[TOP * LANES] == -<real>al_infinity() else r
    q = two_sum(<real>1.0, r, &lost)
    factor[0] = <real>1.0 / q
    low[0] = -factor[0] * fma(lost + rest, factor[0], product_low(q, factor[0], <real>1.0))
    return r + rest


cdef inline real product(real a, real a_low, real b, real b_low, real *low) noexcept nogil:
    """(a + a_low)·(b + b_low), its rounding in low."""
    cdef real p = a * b
    low[0] = product_low(a, b, p) + (a * b_low + a_low * b)
    return p


# --- sums ----------------------------------------------------------------------------------------------------------------------

cdef inline void empty(real *sums, real *high, real *low, Py_ssize_t count) noexcept nogil:
    """high + low += sums; sums = 0."""
    cdef Py_ssize_t k
    cdef real e
    for k in range(count):
        high[k] = two_sum(high[k], sums[k], &e)
        low[k] += e
        sums[k] = <real>0.0


cdef inline void add_up(const real *high, const real *low, Py_ssize_t used, real *sum, real *sum_low, Py_ssize_t width) noexcept nogil:
    """sum + sum_low = Σ of the 16 accumulators of each lane, of which the first `used` are there; low may be NULL."""
    cdef real a[8 * LANES]
    cdef real rest[LANES]
    cdef real e
    cdef Py_ssize_t i, l
    for l in range(width):
        rest[l] = <real>0.0
    for i in range(8):
        for l in range(width):
            a[i * LANES + l] = high[i * LANES + l] if i < used else <real>0.0
        if i + 8 < used:
            for l in range(width):
                a[i * LANES + l] = two_sum(a[i * LANES + l], high[(i + 8) * LANES + l], &e)
                rest[l] += e
    if low != NULL:
        for i in range(GROUP if used > GROUP else used):
            for l in range(width):
                rest[l] += low[i * LANES + l]
    for l in range(width):
        sum[l] = tree8(a + l, LANES, &e)
        e += rest[l]
        sum_low[l] = e if e == e else <real>0.0     # NaN where the sum is infinite or NaN


# --- phases across: b[class][lane] -------------------------------------------------------------------------------------------------

cdef inline void largest_across(const real *g, Py_ssize_t count, Py_ssize_t width, real *largest) noexcept nogil:
    cdef Py_ssize_t c, l
    cdef real a
    for c in range(count):
        for l in range(width):
            a = absolute(g[c * LANES + l])
            largest[l] = a if a > largest[l] else largest[l]


cdef inline void sum_across(real (*term)(real, real) noexcept nogil, int form, real *b, const real *g, Py_ssize_t count,
                            Py_ssize_t width, real *row, real *sums, real *lost) noexcept nogil:
    """sums[0], of z < m, += e, sums[1] += term(e, D g), sums[2], of z = m, += D g, each for accumulator c mod 16; b = e.

    lost += the rounding of e D g.
    """
    cdef Py_ssize_t c, l
    cdef real z, e, d
    cdef real m
    cdef real *s
    cdef real *r
    for c in range(count):
        s = sums + (c & (GROUP - 1)) * LANES
        r = lost + (c & (GROUP - 1)) * LANES
        for l in range(width):
            z = b[c * LANES + l]
            m = row[TOP * LANES + l]
            e = risen_well(z, m) if form & GRADIENTS else risen(z, m)
            s[l] += <real>0.0 if z >= m else e
            row[HITS * LANES + l] += <real>1.0 if z >= m else <real>0.0
            if form & GRADIENTS:
                d = row[DOWN * LANES + l] * g[c * LANES + l]
                s[GROUP * LANES + l] += <real>0.0 if z >= m else term(e, d)
                s[2 * GROUP * LANES + l] += d if z >= m else <real>0.0
                if form & PRODUCTS:
                    r[l] += product_low(e, d, e * d)
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
                           real down, real *sums, real *hits, real *lost) noexcept nogil:
    """The same for b[16 k + accumulator]."""
    cdef Py_ssize_t k
    cdef int j
    cdef real z, e, d
    for k in range(groups):
        for j in range(GROUP):
            z = b[k * GROUP + j]
            e = risen_well(z, m) if form & GRADIENTS else risen(z, m)
            sums[j] += <real>0.0 if z >= m else e
            hits[j] += <real>1.0 if z >= m else <real>0.0
            if form & GRADIENTS:
                d = down * g[k * GROUP + j]
                sums[GROUP + j] += <real>0.0 if z >= m else term(e, d)
                sums[2 * GROUP + j] += d if z >= m else <real>0.0
                if form & PRODUCTS:
                    lost[j] += product_low(e, d, e * d)
            if form & EXPONENTIALS:
                b[k * GROUP + j] = e
