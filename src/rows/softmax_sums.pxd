# The numbers, sums and entries of softmax, log_softmax and logsumexp and of their backward, beside the phases in softmax_phases.pxd.
#
# Every maximal entry is left out of R = Σ e_j and counted, as there. R, and the sums with gradients, are as good as exact: an
# exponential's own rounding is kept, e + low, and sums are pairs high + low that lose nothing: high in float64, where a float32
# term adds exactly up to its last bits, and for float64 terms TwoSum (Ogita, Rump and Oishi 2005, algorithm 4.1). With plain sums
# in blocks of 128 classes, and R rounded with e, rows of the worst kind were off by 3.7 last places in p, 4.8 in log p and 7 in
# the gradient.
#
# Exponentials are kept 2^64 (2^512) times as large, as exp.pxd builds them: multiplied by a gradient, one that has left the normal
# numbers would have lost its digits. Each result is brought down by one last product with a power of two, which rounds into the
# subnormals once.
#
# A gradient g comes in with its row's power of two D: with D·|g| < 2^33 (2^257) nothing overflows on the way; D = 1 for
# |g| ≤ 2^32 (2^256). There no exponential that counts is 0.
#
# Class c adds to accumulator c mod 16, and one fixed tree adds the 16.

from axes cimport LANES
from elementary.exp cimport scaled_one, unscaled
from elementary.log cimport log_power
from loops cimport GROUP
from real cimport absolute, al_infinity, al_nan, fma, product_low, real, two_sum
from rows.exact_sums cimport risen_below
from rows.softmax_phases cimport coarse, rest_of
from sums cimport tree8

cdef enum:            # what a function takes and gives, entry by entry; the other operands are one number per row
    MAPS = 1          # results
    EXPONENTIALS = 2  # results from exponentials, not from z
    GRADIENTS = 4     # gradients
    PRODUCTS = 8      # MORE sums products with the exponentials

cdef enum:            # numbers of a row, LANES apart: what the phases find …
    TOP               # m, the largest z
    NEAR              # coarse(m), see softmax_phases.pxd
    REST              # coarse(m) − m
    HITS              # how many entries are m
    BELOW             # Σ e_j of the others
    MORE              # Σ D g_j, or Σ e_j D g_j, of the others
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
    NUMBERS           # how many there are


# --- one number ------------------------------------------------------------------------------------------------------------------

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


cdef inline real normalise(const real *n, real *rest, real *factor, real *low) noexcept nogil:
    """r + rest = R and factor + low = 1 / (1 + R). All −inf: NaN, as there is no limit."""
    cdef real r, q, lost
    r = two_sum(unscaled(n[BELOW * LANES]), n[HITS * LANES] - <real>1.0, rest)
    rest[0] += unscaled(n[BELOW_LOW * LANES])
    r = <real>al_nan() if n[TOP * LANES] == -<real>al_infinity() else r
    q = two_sum(<real>1.0, r, &lost)
    factor[0] = <real>1.0 / q
    low[0] = -factor[0] * fma(lost + rest[0], factor[0], product_low(q, factor[0], <real>1.0))
    return r


cdef inline real product(real a, real a_low, real b, real b_low, real *low) noexcept nogil:
    """(a + a_low)·(b + b_low), its rounding in low."""
    cdef real p = a * b
    low[0] = product_low(a, b, p) + (a * b_low + a_low * b)
    return p


# --- sums ----------------------------------------------------------------------------------------------------------------------

cdef inline void add(double *high, real *low, real term, real term_low) noexcept nogil:
    """high + low += term + term_low."""
    cdef real rest
    if real is float:
        high[0] += <double> term
        low[0] += term_low
    else:
        high[0] = two_sum(high[0], term, &rest)
        low[0] += rest + term_low


cdef inline void add_product(double *high, real *low, real e, real e_low, real d) noexcept nogil:
    """high + low += (e + e_low)·d."""
    cdef real p, rest
    if real is float:
        high[0] += <double> e * <double> d
        low[0] = fma(e_low, d, low[0])
    else:
        p = e * d
        high[0] = two_sum(high[0], p, &rest)
        low[0] += rest + fma(e_low, d, product_low(e, d, p))


cdef inline void add_entry(int form, real z, real e, real e_low, real m, real d, double *high, real *low, real *hits,
                           Py_ssize_t apart) noexcept nogil:
    """One entry to the accumulators of BELOW, MORE and WON, `apart` from each other, and to HITS; e is 0 for z = m, d = D g."""
    cdef real below = <real>0.0 if z >= m else d
    add(high, low, e, e_low)
    hits[0] += <real>1.0 if z >= m else <real>0.0
    if form & GRADIENTS:
        if form & PRODUCTS:
            add_product(high + apart, low + apart, e, e_low, below)
        else:
            add(high + apart, low + apart, below, <real>0.0)
        add(high + 2 * apart, low + 2 * apart, d if z >= m else <real>0.0, <real>0.0)


cdef inline void add_up(const double *high, const real *low, Py_ssize_t apart, Py_ssize_t used, real *sum, real *sum_low,
                        Py_ssize_t width) noexcept nogil:
    """sum + sum_low = Σ of the 16 accumulators of each lane, of which the first `used` are there, `apart` from each other."""
    cdef double a[8 * LANES]
    cdef double *s
    cdef real rest[LANES]
    cdef double whole, e
    cdef real r
    cdef Py_ssize_t i, l
    for l in range(width):
        rest[l] = <real>0.0
    for i in range(8):
        for l in range(width):
            a[i * LANES + l] = high[i * apart + l] if i < used else 0.0
        if i + 8 < used:
            for l in range(width):
                if real is float:
                    a[i * LANES + l] += high[(i + 8) * apart + l]
                else:
                    a[i * LANES + l] = two_sum(a[i * LANES + l], high[(i + 8) * apart + l], &e)
                    rest[l] += e
    for i in range(GROUP if used > GROUP else used):
        for l in range(width):
            rest[l] += low[i * apart + l]
    for l in range(width):
        s = a + l
        if real is float:
            whole = ((s[0] + s[4 * LANES]) + (s[2 * LANES] + s[6 * LANES])) + ((s[LANES] + s[5 * LANES]) + (s[3 * LANES] + s[7 * LANES]))
            e = whole - <double> <real> whole
        else:
            whole = tree8(s, LANES, &e)
        sum[l] = <real> whole
        r = <real> e + rest[l]
        sum_low[l] = r if r == r else <real>0.0     # NaN where the sum is infinite or NaN


# --- across: b[class][lane] ------------------------------------------------------------------------------------------------------

cdef inline void largest_across(const real *g, Py_ssize_t count, Py_ssize_t width, real *largest) noexcept nogil:
    cdef Py_ssize_t c, l
    cdef real a
    for c in range(count):
        for l in range(width):
            a = absolute(g[c * LANES + l])
            largest[l] = a if a > largest[l] else largest[l]


cdef inline void sum_across(int form, real *b, const real *g, Py_ssize_t count, real *row, double *high, real *low) noexcept nogil:
    """Entries b of 16 lanes, with gradients g, to accumulators GROUP apart; b = e if that is wanted. b begins at a multiple of 16."""
    cdef Py_ssize_t c
    cdef int l
    cdef real z, e, e_low, d = <real>0.0
    cdef double *to
    cdef real *to_low
    for c in range(count):
        to = high + (c & (GROUP - 1)) * GROUP
        to_low = low + (c & (GROUP - 1)) * GROUP
        for l in range(GROUP):
            z = b[c * LANES + l]
            e = risen_below(z, row[TOP * LANES + l], row[NEAR * LANES + l], row[REST * LANES + l], form & GRADIENTS, &e_low)
            if form & GRADIENTS:
                d = row[DOWN * LANES + l] * g[c * LANES + l]
            add_entry(form, z, e, e_low, row[TOP * LANES + l], d, to + l, to_low + l, row + HITS * LANES + l, GROUP * GROUP)
            if form & EXPONENTIALS:
                b[c * LANES + l] = scaled_one(z) if z >= row[TOP * LANES + l] else e


cdef inline void map_across(real (*entry)(real, real, const real *, Py_ssize_t) noexcept nogil, real *b, const real *g,
                            const real *row, Py_ssize_t count, Py_ssize_t width) noexcept nogil:
    """b = entry(b, g, the row's numbers)."""
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            b[c * LANES + l] = entry(b[c * LANES + l], g[c * LANES + l], row + l, LANES)


# --- along: b[16 k + accumulator] ------------------------------------------------------------------------------------------------

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


cdef inline void sum_along(int form, real *b, const real *g, Py_ssize_t groups, real m, real down, double *high, real *low,
                           real *hits) noexcept nogil:
    """The same for b[16 k + accumulator]."""
    cdef Py_ssize_t k
    cdef int j
    cdef real z, e, e_low, d = <real>0.0
    cdef real near = coarse(m)
    cdef real rest = rest_of(m, near)
    for k in range(groups):
        for j in range(GROUP):
            z = b[k * GROUP + j]
            e = risen_below(z, m, near, rest, form & GRADIENTS, &e_low)
            if form & GRADIENTS:
                d = down * g[k * GROUP + j]
            add_entry(form, z, e, e_low, m, d, high + j, low + j, hits + j, GROUP)
            if form & EXPONENTIALS:
                b[k * GROUP + j] = scaled_one(z) if z >= m else e


cdef inline void map_along(real (*entry)(real, real, const real *, Py_ssize_t) noexcept nogil, const real *x, const real *g,
                           real *y, const real *row, Py_ssize_t count) noexcept nogil:
    """y = entry(x, g, the row's numbers); y may be x."""
    cdef real n[NUMBERS]
    cdef Py_ssize_t c
    cdef int k
    for k in range(NUMBERS):        # a copy that no y overlaps: they stay in registers
        n[k] = row[k * LANES]
    for c in range(count):
        y[c] = entry(x[c], g[c], n, 1)
