# What al.diagnose does with blocks of inputs z, values y and derivatives d, phase by phase. Knows no function.
#
# Blocks have rows of GROUP elements: units side by side and a batch element in each row, or one unit's batch. `type` and `whole`
# only select the instance.

from axes cimport Walk
from lanes cimport index
from loops cimport CACHE_LINE, GROUP, OPERANDS, Loop, operand
from real cimport absolute, al_infinity, fma, int64_t, real, uint32_t

cdef enum:
    CHUNK = 8192      # batch elements whose sums are added up before they meet others
    PART = 32768      # elements of a part at least, if there are as many: some ten microseconds
    BYTES = 4096      # of each operand in a block, so that L1 holds all of it and the sums
    STUDIED = 1024    # elements of a block, of floats
    SUMS = 3          # of a unit: its values, their squares, magnitudes of its derivatives
    COUNTS = 5        # of a unit: positive inputs, those with small derivatives, those that are both, numbers, infinite ones
    ACCUMULATORS = GROUP * GROUP
    MOST_BINS = 1024
    TABLE = 4096      # counters: for pairs of bins if they suffice

cdef struct Study:
    # Arguments and results of a pass over all elements.
    const Loop *loop      # for value and derivative; NULL: bounds are all that is wanted
    int operands          # x and the parameters
    int copied            # of these from block to block: not parameters that are one number each
    Walk units            # over units, and over the batch of one: x and the parameters
    Walk batch
    Py_ssize_t n          # units
    Py_ssize_t length     # of a batch
    Py_ssize_t chunks
    Py_ssize_t together   # units of a part, which has one chunk of each
    bint side_by_side     # blocks have units side by side
    bint plain            # all elements lie in the histogram, so they are finite; of bounds: infinite elements count
    double threshold      # |f'| is small below it
    double low            # of the histogram
    double high
    double step           # width of a bin
    double margin         # see find_bins
    int bins
    double *sums          # chunk, kind of sum, unit
    int64_t *counts       # likewise
    int64_t *histogram    # part, bin + 1; 0 and bins + 1 are for what lies outside
    double *bounds        # part; lowest and highest element, and what is 0 if all are finite

cdef struct Block:
    # Elements of x and the parameters, values and derivatives; NaN where there is no x. Bins, or pairs of them, and their counters.
    char memory[OPERANDS * BYTES + CACHE_LINE]
    char *at[OPERANDS]
    uint32_t bin[STUDIED]
    uint32_t table[TABLE]

cdef struct Tally:
    # Of units side by side: sums of accumulator j and unit u at [j][u]; of one unit: of accumulator j at [0][j].
    double sums[SUMS * ACCUMULATORS]
    int64_t counts[COUNTS * GROUP]      # int32 for float: as wide as what is compared
    double bounds[3 * GROUP]            # likewise of x's type: see Study.bounds


cdef inline void add_across(operand y, operand d, operand sums, int times, const real *type) noexcept nogil:
    """Adds y, y² and |d| of GROUP rows, and of the next GROUP …, to the sums of their rows; times is a literal."""
    cdef double *s = <double *> sums
    cdef double a, b, c, v
    cdef int i, k
    for i in range(ACCUMULATORS):
        a, b, c = s[i], s[ACCUMULATORS + i], s[2 * ACCUMULATORS + i]
        for k in range(times):
            v = <double> (<real *> y)[k * ACCUMULATORS + i]
            a += v
            b = fma(v, v, b)
            c += <double> absolute((<real *> d)[k * ACCUMULATORS + i])
        s[i], s[ACCUMULATORS + i], s[2 * ACCUMULATORS + i] = a, b, c


cdef inline void add_along(operand y, operand d, operand sums, Py_ssize_t rows, const real *type) noexcept nogil:
    """The same of all rows to the sums of the first."""
    cdef double *s = <double *> sums
    cdef double v
    cdef Py_ssize_t r
    cdef int l
    for r in range(rows):
        for l in range(GROUP):
            v = <double> (<real *> y)[r * GROUP + l]
            s[l] += v
            s[ACCUMULATORS + l] = fma(v, v, s[ACCUMULATORS + l])
            s[2 * ACCUMULATORS + l] += <double> absolute((<real *> d)[r * GROUP + l])


cdef inline void count(operand z, operand d, operand counts, Py_ssize_t rows, real threshold, const index *type) noexcept nogil:
    """Counts in each column: positive inputs, small derivatives, both."""
    cdef index *c = <index *> counts
    cdef bint positive, small
    cdef Py_ssize_t r
    cdef int l
    for r in range(rows):
        for l in range(GROUP):
            positive = (<real *> z)[r * GROUP + l] > <real>0.0
            small = absolute((<real *> d)[r * GROUP + l]) < threshold
            c[l] += <index> positive
            c[GROUP + l] += <index> small
            c[2 * GROUP + l] += <index> (positive & small)


cdef inline real nearest(real t) noexcept nogil:
    """t rounded to a whole number, for |t| < 2^22."""
    cdef real m = <real>12582912.0 if real is float else <real>6755399441055744.0
    return (t + m) - m


cdef inline real bin_of(real x, real per, real shift, real last, bint plain) noexcept nogil:
    """Where x lies, in bins; bin k around k, half a bin below and above all that are within."""
    cdef real t = x * per + shift
    if not plain:
        t = t if t > <real>0.0 else <real>0.0
        t = t if t < last else last
    return t


cdef inline bint find_bins(operand z, operand bins, Py_ssize_t n, const Study *study, bint plain, bint paired, const real *type,
                           const index *whole) noexcept nogil:
    """1 + the bin of each element, 0 and study.bins + 1 for what lies below and above all; paired with that of the element n / 2
    further, so that one counter serves for both. plain and paired are literals.

    False if that is not sure: an element is no finite number, or is within the margin of an edge, which no rounding exceeds.
    """
    cdef real per = <real> (1.0 / study.step), shift = <real> (0.5 - study.low / study.step)
    cdef real last = <real> (study.bins + 1), reach = <real> (0.5 - study.margin), apart = <real> (study.bins + 2)
    cdef real infinity = <real> al_infinity(), t, k, other
    cdef index unsure = 0
    cdef uint32_t cells = <uint32_t> ((study.bins + 2) * (study.bins + 2 if paired else 1)), cell
    cdef Py_ssize_t i, count = n // 2 if paired else n
    for i in range(count):
        t = bin_of((<real *> z)[i], per, shift, last, plain)
        k = nearest(t)
        unsure |= <index> (not absolute(t - k) < reach)
        if not plain:
            unsure |= <index> (not absolute((<real *> z)[i]) < infinity)
        if paired:
            t = bin_of((<real *> z)[count + i], per, shift, last, plain)
            other = nearest(t)
            unsure |= <index> (not absolute(t - other) < reach)
            if not plain:
                unsure |= <index> (not absolute((<real *> z)[count + i]) < infinity)
            k = k * apart + other
        cell = <uint32_t> <index> k
        (<uint32_t *> bins)[i] = cell if cell < cells else 0     # another thread may have written to z since its bounds were found
    return unsure == 0


# --- with care, where find_bins is not sure --------------------------------------------------------------------------------------

cdef inline void settle(operand z, operand y, operand d, Py_ssize_t n, const real *type) noexcept nogil:
    """y = d = 0 where z is NaN."""
    cdef Py_ssize_t i
    cdef real x
    for i in range(n):
        x = (<real *> z)[i]
        (<real *> y)[i] = (<real *> y)[i] if x == x else <real>0.0
        (<real *> d)[i] = (<real *> d)[i] if x == x else <real>0.0


cdef inline void count_numbers(operand z, operand counts, Py_ssize_t rows, const real *type, const index *whole) noexcept nogil:
    """Counts in each column: numbers, infinite ones."""
    cdef index *c = <index *> counts
    cdef real infinity = <real> al_infinity(), x
    cdef Py_ssize_t r
    cdef int l
    for r in range(rows):
        for l in range(GROUP):
            x = (<real *> z)[r * GROUP + l]
            c[3 * GROUP + l] += <index> (x == x)
            c[4 * GROUP + l] += <index> (absolute(x) == infinity)


cdef inline void find_bins_exactly(operand z, operand bins, Py_ssize_t n, const Study *study, const real *type) noexcept nogil:
    """Bins by themselves, sure: low + k·step ≤ z < low + (k + 1)·step as rounded, the last one all up to high; 0 is for the rest.

    In halves, as high − low may overflow. Half a bin is taken off so that trunc() gives the bin or the one before it, and one
    comparison with the edge between them decides; the caller sees to it that rounding moves no edge by half a bin.
    """
    cdef double low = study.low, high = study.high, half_low = 0.5 * low, half_step = 0.5 * study.step, per = 1.0 / half_step, x, v
    cdef int last = study.bins - 1, k
    cdef Py_ssize_t i
    for i in range(n):
        x = <double> (<real *> z)[i]
        v = x if x > low else low
        v = v if v < high else high
        k = <int> ((0.5 * v - half_low) * per - 0.5)
        k += v >= 2.0 * (<double> (k + 1) * half_step + half_low)
        k = k if k < last else last
        (<uint32_t *> bins)[i] = <uint32_t> (k + 1 if x == v else 0)


cdef inline void pair_bins(operand bins, Py_ssize_t n, uint32_t apart) noexcept nogil:
    """As find_bins pairs them."""
    cdef uint32_t *b = <uint32_t *> bins
    cdef Py_ssize_t i
    for i in range(n // 2):
        b[i] = b[i] * apart + b[n // 2 + i]


# --- the rest --------------------------------------------------------------------------------------------------------------------

cdef inline bint has_pairs(const Study *study) noexcept nogil:
    """Whether there is a counter for each pair of bins."""
    return (study.bins + 2) * (study.bins + 2) <= TABLE


cdef inline void fill_table(Block *block, Py_ssize_t n) noexcept nogil:
    """Counts n bins or pairs, n a multiple of 4."""
    cdef Py_ssize_t i
    for i in range(n // 4):
        block.table[block.bin[4 * i]] += 1
        block.table[block.bin[4 * i + 1]] += 1
        block.table[block.bin[4 * i + 2]] += 1
        block.table[block.bin[4 * i + 3]] += 1


cdef inline void read_table(const Study *study, Block *block, Py_ssize_t part) noexcept nogil:
    """The table into the part's histogram."""
    cdef Py_ssize_t apart = study.bins + 2, i, j
    cdef int64_t *histogram = study.histogram + part * apart
    for i in range(apart):
        if not has_pairs(study):
            histogram[i] = block.table[i]
            continue
        for j in range(apart):
            histogram[i] += <int64_t> block.table[i * apart + j] + <int64_t> block.table[j * apart + i]


cdef inline void find_bounds(operand z, operand bounds, Py_ssize_t n, bint infinite, const real *type) noexcept nogil:
    """Widens the bounds by z; NaN does nothing, infinite elements count with the literal `infinite`. What is not finite shows."""
    cdef real *low = <real *> bounds
    cdef real *high = low + GROUP
    cdef real *odd = high + GROUP
    cdef real infinity = <real> al_infinity(), x
    cdef Py_ssize_t i
    cdef int l
    for i in range(n // GROUP):
        for l in range(GROUP):
            x = (<real *> z)[i * GROUP + l]
            if infinite:
                low[l] = x if x < low[l] else low[l]
                high[l] = x if x > high[l] else high[l]
                odd[l] += x * <real>0.0
            else:
                low[l] = x if (x < low[l]) & (x > -infinity) else low[l]
                high[l] = x if (x > high[l]) & (x < infinity) else high[l]


cdef inline void fold(double *s, Py_ssize_t used, Py_ssize_t apart, Py_ssize_t units) noexcept nogil:
    """s[0] = Σ of GROUP accumulators in pairs, `apart` from each other, of each unit; those from `used` on are 0."""
    cdef Py_ssize_t half = GROUP // 2, j, l
    while half > 0:
        if used > half:
            for j in range(half):
                for l in range(units):
                    s[j * apart + l] += s[(j + half) * apart + l]
        half //= 2
