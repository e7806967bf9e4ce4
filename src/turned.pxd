# Matrices that lie column by column, while the index, and with it a sum, goes row by row: an element would cost a cache line, and
# its page. Some whole rows at a time are turned into blocks that stay in L2, so both serve all rows that they hold. Knows no
# mathematics.

from axes cimport WALKED, Walk, walk_axis, walk_start
from halves cimport least
from libc.stdlib cimport free, malloc
from loops cimport BLOCK, CACHE_LINE
from real cimport al_prefetch_read, real
from transpose cimport turn

cdef enum:
    TURNED = 131072     # bytes of an operand's block: those of two inputs and a result stay in L2
    TURNED_FROM = 128   # columns: with fewer, the rows of one tile share lines
    STRIP = 32          # columns that are turned together
    NEAR = 262144       # bytes of an operand, at most, whose lines the processor finds in time: to ask for them takes longer

cdef struct Turned:
    # A walk's elements in C order, those of a group of rows at a time if an operand is turned, all at once if none is.
    const Walk *walk
    int inputs              # operands from here on are results
    bint is_turned[WALKED]
    char *block[WALKED]
    void *memory            # of all blocks; NULL if none is turned
    Py_ssize_t rows         # that a block holds
    Py_ssize_t most         # elements of a group
    Py_ssize_t left         # elements, this group's among them
    Py_ssize_t first        # element of this group
    Py_ssize_t count
    Walk copied             # the rows of this group
    const Walk *here        # those, or all
    Py_ssize_t start        # index of here's first element


cdef inline void turned_start(Turned *turned, const Walk *walk, Py_ssize_t first, Py_ssize_t n, int inputs, int may,
                              const real *type) noexcept nogil:
    """n elements from `first` on. may: bit k for an operand of this type that may be turned if it lies column by column.

    A group holds whole blocks of BLOCK, which begin anywhere in its first row.
    """
    cdef Py_ssize_t cols, size = sizeof(real), step
    cdef int k, count = 0
    turned.walk, turned.here, turned.inputs, turned.memory = walk, walk, inputs, NULL
    turned.first, turned.count, turned.left, turned.most, turned.start = first, 0, n, n, 0
    if walk.dims != 2 or walk.shape[1] < TURNED_FROM or n < 2 * walk.shape[1]:
        return
    cols = walk.shape[1]
    turned.rows = TURNED // (cols * size)
    for k in range(walk.operands):
        step = walk.step[1][k] if walk.step[1][k] > 0 else -walk.step[1][k]
        turned.is_turned[k] = may >> k & 1 and walk.at[k] != NULL and walk.step[0][k] == size
        turned.is_turned[k] &= step % size == 0 and step > CACHE_LINE
        count += turned.is_turned[k]
    if count == 0 or turned.rows < 4:
        return
    turned.memory = malloc(<size_t> (count * turned.rows * cols * size))
    if turned.memory == NULL:
        return
    turned.here = &turned.copied
    turned.most = (turned.rows - 1) * cols & ~(<Py_ssize_t> BLOCK - 1)
    count = 0
    for k in range(walk.operands):
        if turned.is_turned[k]:
            turned.block[k] = <char *> turned.memory + count * turned.rows * cols * size
            count += 1


cdef inline void ask_for_columns(const real *source, Py_ssize_t step, Py_ssize_t rows, Py_ssize_t cols) noexcept nogil:
    """Some columns ahead of their turn."""
    cdef Py_ssize_t row, col
    for col in range(cols):
        row = 0
        while row < rows:
            al_prefetch_read(source + col * step + row)
            row += CACHE_LINE // sizeof(real)


cdef inline void turn_rows(real *block, const real *source, Py_ssize_t step, Py_ssize_t rows, Py_ssize_t cols, bint far) noexcept nogil:
    """Whole rows into a block, some columns at a time: the lines of more would leave L1 before their other rows have their turn.
    No processor foresees where the next ones are: if they are far they are asked for in time."""
    cdef Py_ssize_t col = 0
    while col < cols:
        if far and cols - col > STRIP:
            ask_for_columns(source + (col + STRIP) * step, step, rows, least(STRIP, cols - col - STRIP))
        turn(block + col, cols, source + col * step, step, rows, least(STRIP, cols - col))
        col += STRIP


cdef inline void take_rows(Turned *turned, const real *type) noexcept nogil:
    """The rows of this group as a walk of their own, the inputs that are turned in their blocks."""
    cdef Py_ssize_t step[2][WALKED]
    cdef const Walk *walk = turned.walk
    cdef Walk *rows = &turned.copied
    cdef Py_ssize_t cols = walk.shape[1], row = turned.first // cols
    cdef Py_ssize_t count = (turned.first + turned.count - 1) // cols + 1 - row
    cdef Py_ssize_t size = sizeof(real)
    cdef int k
    turned.start = row * cols
    walk_start(rows, walk.operands)
    for k in range(walk.operands):
        step[0][k], step[1][k] = walk.step[0][k], walk.step[1][k]
        rows.at[k] = NULL if walk.at[k] == NULL else walk.at[k] + row * step[0][k]
        if turned.is_turned[k]:
            if k < turned.inputs:
                turn_rows(<real *> turned.block[k], <const real *> rows.at[k], step[1][k] // size, count, cols,
                          walk.shape[0] * cols * size > NEAR)
            rows.at[k] = turned.block[k]
            step[0][k], step[1][k] = cols * size, size
    walk_axis(rows, count, step[0])
    walk_axis(rows, cols, step[1])


cdef inline void give_row(char *target, Py_ssize_t step, const real *block, Py_ssize_t first, Py_ssize_t behind) noexcept nogil:
    """Elements `first` up to `behind` of a row back to where they belong."""
    cdef Py_ssize_t i
    for i in range(first, behind):
        (<real *> (target + i * step))[0] = block[i]


cdef inline void give_rows(const Turned *turned, int k, const real *type) noexcept nogil:
    """This group's elements of result k, in C order, from its block; parts of rows at both ends."""
    cdef const Walk *walk = turned.walk
    cdef Py_ssize_t first = turned.first, n = turned.count
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


cdef inline bint turned_next(Turned *turned, const real *type) noexcept nogil:
    """Puts the results of this group where they belong, and moves to the next; False after the last. Elements `first` to
    `first + count` are at `first - start` of `here`."""
    cdef int k
    if turned.memory != NULL and turned.count > 0:
        for k in range(turned.inputs, turned.walk.operands):
            if turned.is_turned[k]:
                give_rows(turned, k, type)
    turned.first += turned.count
    turned.left -= turned.count
    if turned.left <= 0:
        free(turned.memory)
        return False
    turned.count = turned.left if turned.left < turned.most else turned.most
    if turned.memory != NULL:
        take_rows(turned, type)
    return True
