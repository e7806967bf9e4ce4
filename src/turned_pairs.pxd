# Pairs in matrices that lie column by column, while the index, and with it the sum, goes row by row: an element would cost a cache line,
# and its page. Some whole rows at a time are turned into blocks that stay in L2, so both serve all rows that they hold. Knows no
# mathematics.

from axes cimport WALKED, Walk, walk_axis, walk_start
from contiguous_pairs cimport is_contiguous, run_contiguous
from libc.stdlib cimport free, malloc
from loops cimport CACHE_LINE
from pairs cimport HESS, LOSS, TARGET, TILE, Kind, PairInstance, run_pairs
from real cimport real
from tiles cimport turn

cdef enum:
    TURNED = 131072     # bytes of an operand's block: those of two inputs and a result stay in L2
    TURNED_FROM = 128   # columns: with fewer, the rows of one tile share lines

cdef struct Turned:
    # The operands that are turned.
    bint is_turned[HESS + 1]
    char *block[HESS + 1]
    Py_ssize_t rows       # that a block holds
    void *memory          # of all blocks; NULL if none is turned


cdef inline void find_turned(Turned *turned, const Walk *walk, Py_ssize_t n, const Kind *kind, const real *type) noexcept nogil:
    """Which operands lie column by column, and blocks for them."""
    cdef Kind own = Kind.FLOAT if real is float else Kind.DOUBLE
    cdef Py_ssize_t cols, size = sizeof(real), step
    cdef int k, count = 0
    turned.memory = NULL
    if walk.dims != 2 or walk.shape[1] < TURNED_FROM or n < 2 * walk.shape[1]:
        return
    cols = walk.shape[1]
    turned.rows = TURNED // (cols * size)
    for k in range(HESS + 1):
        step = walk.step[1][k] if walk.step[1][k] > 0 else -walk.step[1][k]
        turned.is_turned[k] = k <= TARGET or k >= LOSS
        turned.is_turned[k] &= walk.at[k] != NULL and kind[k] == own and walk.step[0][k] == size and step % size == 0 and step > CACHE_LINE
        count += turned.is_turned[k]
    if count == 0 or turned.rows < 4:
        return
    turned.memory = malloc(<size_t> (count * turned.rows * cols * size))
    count = 0
    for k in range(HESS + 1):
        if turned.is_turned[k]:
            turned.block[k] = <char *> turned.memory + count * turned.rows * cols * size
            count += 1


cdef inline void take_rows(Walk *rows, const Turned *turned, const Walk *walk, Py_ssize_t first, Py_ssize_t count,
                           const real *type) noexcept nogil:
    """`count` rows from `first` on as a walk of their own, the inputs that are turned in their blocks."""
    cdef Py_ssize_t step[2][WALKED]
    cdef Py_ssize_t cols = walk.shape[1]
    cdef int d, k
    walk_start(rows, walk.operands)
    for k in range(walk.operands):
        step[0][k], step[1][k] = walk.step[0][k], walk.step[1][k]
        rows.at[k] = NULL if walk.at[k] == NULL else walk.at[k] + first * step[0][k]
        if k <= HESS and turned.is_turned[k]:
            if k < LOSS:
                turn(<real *> turned.block[k], cols, <const real *> rows.at[k], step[1][k] // <Py_ssize_t> sizeof(real), count, cols)
            rows.at[k] = turned.block[k]
            step[0][k], step[1][k] = cols * sizeof(real), sizeof(real)
    walk_axis(rows, count, step[0])
    walk_axis(rows, cols, step[1])


cdef inline void give_row(char *target, Py_ssize_t step, const real *block, Py_ssize_t first, Py_ssize_t behind) noexcept nogil:
    """Elements `first` up to `behind` of a row back to where they belong."""
    cdef Py_ssize_t i
    for i in range(first, behind):
        (<real *> (target + i * step))[0] = block[i]


cdef inline void give_rows(const Turned *turned, const Walk *walk, int k, Py_ssize_t first, Py_ssize_t n, const real *type) noexcept nogil:
    """The n results from `first` on, in C order, from the block of result k; parts of rows at both ends."""
    cdef Py_ssize_t cols = walk.shape[1], step = walk.step[1][k], row = first // cols, size = sizeof(real)
    cdef Py_ssize_t last = (first + n - 1) // cols, from_col = first % cols, to_col = (first + n - 1) % cols + 1
    cdef const real *block = <const real *> turned.block[k]
    cdef char *target = walk.at[k] + row * size
    cdef Py_ssize_t whole = last - row + 1
    if from_col > 0 or whole == 1:
        give_row(target, step, block, from_col, to_col if whole == 1 else cols)
        target, block, whole = target + size, block + cols, whole - 1
    if whole > 0 and to_col < cols:
        whole -= 1
        give_row(target + whole * size, step, block + whole * cols, 0, to_col)
    if whole > 0:
        turn(<real *> target, step // size, block, cols, cols, whole)


cdef inline double run_part(PairInstance f, const Walk *walk, Py_ssize_t first, Py_ssize_t n, const Kind *kind, const double *weight,
                            double divisor, bint value, bint losses, bint grad, bint hess, bint streaming, const real *type) noexcept nogil:
    """run_pairs over n pairs from `first` on. `type` only selects the instance."""
    cdef Turned turned
    cdef Walk rows
    cdef const Walk *here = walk
    cdef Py_ssize_t count = n, row = 0, most = n
    cdef double total = 0.0
    cdef int k
    if weight == NULL and not losses and is_contiguous(walk, kind, type):
        return run_contiguous(f, walk, first, n, divisor, value, streaming, type)
    find_turned(&turned, walk, n, kind, type)
    if turned.memory != NULL:       # whole tiles, which begin anywhere in their first row
        here = &rows
        most = (turned.rows - 1) * walk.shape[1] & ~(<Py_ssize_t> TILE - 1)
    while n > 0:
        count = n if n < most else most
        if turned.memory != NULL:
            row = first // walk.shape[1]
            take_rows(&rows, &turned, walk, row, (first + count - 1) // walk.shape[1] + 1 - row, type)
            row *= walk.shape[1]
        total = run_pairs(f, here, first - row, count, kind, weight + row if weight != NULL else NULL, divisor, value, losses, grad,
                          hess, total, type)
        if turned.memory != NULL:
            for k in range(LOSS, HESS + 1):
                if turned.is_turned[k]:
                    give_rows(&turned, walk, k, first, count, type)
        first += count
        n -= count
    free(turned.memory)
    return total
