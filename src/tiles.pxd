# Looping over elements of arrays with several axes whose rows are short, or lie across each other: a call per row would take longer than
# its elements, and a column is a load per element. Knows no mathematics.

from axes cimport Walk, walk_next
from copies cimport copy_in, copy_out
from libc.string cimport memset
from loops cimport BLOCK, GROUP, OPERANDS, Loop, call, is_narrow, is_uniform, operand, round_off, size_of, widen
from transpose cimport turn

cdef enum:
    WIDE = 64         # columns of a tile that turns an operand: a cache line of each stays in L1 until its other rows have their turn


cdef inline bint is_one_number(const Walk *walk, int k) noexcept nogil:
    cdef int d
    for d in range(walk.dims):
        if walk.step[d][k] != 0:
            return False
    return True


cdef inline bint parameters_are_numbers(const Loop *loop, const Walk *walk) noexcept nogil:
    """is_uniform of all axes."""
    cdef int d
    for d in range(walk.dims):
        if not is_uniform(loop, walk.step[d]):
            return False
    return True


cdef inline bint rows_are_direct(const Loop *loop, const Walk *walk) noexcept nogil:
    """Whether the instance may walk the rows themselves, of GROUP to BLOCK elements: contiguous, no output over an input."""
    cdef int i, j, d = walk.dims - 1
    if loop.narrow != 0 or not GROUP <= walk.shape[d] <= BLOCK:
        return False
    for i in range(loop.inputs):
        if walk.step[d][i] != loop.size and not is_one_number(walk, i):
            return False
    for j in range(loop.inputs, loop.inputs + loop.outputs):
        if walk.step[d][j] != loop.size:
            return False
        for i in range(loop.inputs):
            if walk.at[i] == walk.at[j]:
                return False
    return True


cdef inline void run_rows(const Loop *loop, Walk *walk) noexcept nogil:
    """The instance row by row; the last group of a row repeats some elements of the one before it."""
    cdef double memory[OPERANDS * BLOCK]
    cdef char *at[OPERANDS]
    cdef char *last[OPERANDS]
    cdef Py_ssize_t down[OPERANDS]      # from a row to the next
    cdef Py_ssize_t along[OPERANDS]     # from a row's start to its last group
    cdef bint stays[OPERANDS]      # as it is one number, over a block, or not there
    cdef int d = walk.dims - 1, k
    cdef Py_ssize_t n = walk.shape[d], row
    cdef bint uniform = is_uniform(loop, walk.step[d])      # what does not step along a row does not step at all
    for k in range(OPERANDS):
        at[k] = <char *> &memory[k * BLOCK]
        stays[k] = k >= loop.inputs + loop.outputs or walk.step[d][k] == 0
        down[k] = 0 if stays[k] else walk.step[d - 1][k]
        along[k] = 0 if stays[k] else (n - GROUP) * loop.size
        if k < loop.inputs and stays[k]:
            copy_in(at[k], walk.at[k], 0, n, loop.size)
    while True:
        for k in range(OPERANDS):
            at[k] = at[k] if stays[k] else walk.at[k]
        for row in range(walk.shape[d - 1]):
            call(loop, at, n // GROUP, uniform)
            if n % GROUP:
                for k in range(OPERANDS):
                    last[k] = at[k] + along[k]
                call(loop, last, 1, uniform)
            for k in range(OPERANDS):
                at[k] += down[k]
        if not walk_next(walk, 2):
            break


# --- tiles ---------------------------------------------------------------------------------------------------------------------

cdef inline bint turned(char *to, Py_ssize_t to_step, const char *source, Py_ssize_t step, Py_ssize_t rows, Py_ssize_t columns,
                        int size) noexcept nogil:
    """turn with steps in bytes; false if there are no vectors for them."""
    if size == 4 and to_step % 4 == 0 and step % 4 == 0:
        turn(<float *> to, to_step // 4, <const float *> source, step // 4, rows, columns)
        return True
    if size == 8 and to_step % 8 == 0 and step % 8 == 0:
        turn(<double *> to, to_step // 8, <const double *> source, step // 8, rows, columns)
        return True
    return False


cdef inline void collect(char *block, const char *source, Py_ssize_t row_step, Py_ssize_t step, Py_ssize_t rows,
                         Py_ssize_t columns, int size) noexcept nogil:
    """A tile, row after row."""
    cdef Py_ssize_t r
    if row_step == size != step and turned(block, columns * size, source, step, rows, columns, size):
        return
    for r in range(rows):
        copy_in(block + r * columns * size, source + r * row_step, step, columns, size)


cdef inline void distribute(char *target, Py_ssize_t row_step, Py_ssize_t step, const char *block, Py_ssize_t rows,
                            Py_ssize_t columns, int size) noexcept nogil:
    """The reverse."""
    cdef Py_ssize_t r
    if row_step == size != step and turned(target, step, block, columns * size, columns, rows, size):
        return
    for r in range(rows):
        copy_out(target + r * row_step, step, block + r * columns * size, columns, size)


cdef inline bint is_whole(const Loop *loop, const Walk *walk, int k, Py_ssize_t rows, Py_ssize_t columns) noexcept nogil:
    """Whether a tile is a run of whole groups in operand k's own memory."""
    cdef int d = walk.dims - 1
    if is_narrow(loop, k) or walk.step[d][k] != loop.size or rows * columns % GROUP:
        return False
    return rows == 1 or walk.step[d - 1][k] == columns * loop.size


cdef inline void read_tile(const Loop *loop, const Walk *walk, char **op, char **block, Py_ssize_t rows, Py_ssize_t columns,
                           bint first) noexcept nogil:
    """The inputs of a tile as the instance takes them, and zeros behind them. first: of these blocks."""
    cdef short narrow[BLOCK]
    cdef Py_ssize_t count = rows * columns, padded = -count & (GROUP - 1)
    cdef int d = walk.dims - 1, k, size
    cdef char *to
    for k in range(loop.inputs):
        size = size_of(loop, k)
        to = <char *> narrow if is_narrow(loop, k) else block[k]
        if is_one_number(walk, k):
            if not first:
                continue
            copy_in(to, op[k], 0, BLOCK, size)
        else:
            collect(to, op[k], walk.step[d - 1][k], walk.step[d][k], rows, columns, size)
            memset(to + count * size, 0, <size_t> (padded * size))
        if is_narrow(loop, k):
            widen(loop.format, <operand> block[k], <operand> to, BLOCK // GROUP if is_one_number(walk, k) else (count + padded) // GROUP)


cdef inline void run_tile(const Loop *loop, const Walk *walk, char **op, char **block, Py_ssize_t rows,
                          Py_ssize_t columns) noexcept nogil:
    """The instance on a tile whose inputs are in the blocks; outputs go through theirs if they must."""
    cdef char *at[OPERANDS]
    cdef short narrow[BLOCK]
    cdef Py_ssize_t groups = (rows * columns + GROUP - 1) // GROUP
    cdef int d = walk.dims - 1, k
    for k in range(OPERANDS):
        at[k] = op[k] if k >= loop.inputs and is_whole(loop, walk, k, rows, columns) else block[k]
    call(loop, at, groups, parameters_are_numbers(loop, walk))
    for k in range(loop.inputs, loop.inputs + loop.outputs):
        if at[k] == op[k]:
            continue
        if is_narrow(loop, k):
            round_off(loop.format, <operand> <char *> narrow, <operand> at[k], groups)
            at[k] = <char *> narrow
        distribute(op[k], walk.step[d - 1][k], walk.step[d][k], at[k], rows, columns, size_of(loop, k))


cdef inline void run_tile_rows(const Loop *loop, const Walk *walk, char **op, char **block, Py_ssize_t rows,
                               Py_ssize_t columns) noexcept nogil:
    """The same for rows of whole groups that are contiguous in all outputs, each in its place."""
    cdef char *first[OPERANDS]
    cdef char *at[OPERANDS]
    cdef Py_ssize_t down[OPERANDS]
    cdef Py_ssize_t r
    cdef int d = walk.dims - 1, k
    cdef bint uniform = parameters_are_numbers(loop, walk)
    for k in range(OPERANDS):
        first[k], down[k] = block[k], 0
        if k < loop.inputs and not is_one_number(walk, k):
            down[k] = columns * loop.size
        elif loop.inputs <= k < loop.inputs + loop.outputs:
            first[k], down[k] = op[k], walk.step[d - 1][k]
    for r in range(rows):
        for k in range(OPERANDS):
            at[k] = first[k] + r * down[k]
        call(loop, at, columns // GROUP, uniform)


cdef inline bint outputs_are_direct(const Loop *loop, const Walk *walk) noexcept nogil:
    """Whether rows of all outputs are contiguous, and no input."""
    cdef int i, j, d = walk.dims - 1
    for j in range(loop.inputs, loop.inputs + loop.outputs):
        if is_narrow(loop, j) or walk.step[d][j] != loop.size:
            return False
        for i in range(loop.inputs):
            if walk.at[i] == walk.at[j]:
                return False
    return True


cdef inline void run_tiles(const Loop *loop, Walk *walk, Py_ssize_t wide) noexcept nogil:
    """A walk of two axes and more in tiles over the two innermost ones, `wide` elements wide and of at most BLOCK. An output that is an input is
    written after all of a tile was read; if none is, the last tile of a row has its full width and repeats some elements."""
    cdef double memory[OPERANDS * BLOCK]
    cdef char *block[OPERANDS]
    cdef char *op[OPERANDS]
    cdef int d = walk.dims - 1, k
    cdef Py_ssize_t rows = walk.shape[d - 1], n = walk.shape[d], i, j, r, c
    cdef Py_ssize_t width = n if n < wide else wide
    cdef Py_ssize_t height = BLOCK // width
    cdef bint direct = outputs_are_direct(loop, walk), first = True
    for k in range(OPERANDS):
        block[k] = <char *> &memory[k * BLOCK]
    while True:
        i = 0
        while i < rows:
            r = height if height < rows - i else rows - i
            j = 0
            while j < n:
                j = n - width if direct and j > n - width else j
                c = width if width < n - j else n - j
                for k in range(loop.inputs + loop.outputs):
                    op[k] = walk.at[k] + i * walk.step[d - 1][k] + j * walk.step[d][k]
                read_tile(loop, walk, op, block, r, c, first)
                if direct and c % GROUP == 0 and not is_whole(loop, walk, loop.inputs, r, c):
                    run_tile_rows(loop, walk, op, block, r, c)
                else:
                    run_tile(loop, walk, op, block, r, c)
                first = False
                j += width
            i += r
        if not walk_next(walk, 2):
            break


# --- which way -----------------------------------------------------------------------------------------------------------------

cdef inline void swap_axes(Walk *walk, int a, int b) noexcept nogil:
    """In a walk that has not moved: elements may come in any order."""
    cdef Py_ssize_t length = walk.shape[a], step
    cdef int k
    walk.shape[a], walk.shape[b] = walk.shape[b], length
    for k in range(walk.operands):
        step = walk.step[a][k]
        walk.step[a][k], walk.step[b][k] = walk.step[b][k], step


cdef inline int nearest_axis(const Walk *walk, int k) noexcept nogil:
    """The one along which operand k has its smallest step, of those that are no shorter than a group; else the longest."""
    cdef int d, best = 0
    cdef Py_ssize_t step, least = 0
    for d in range(walk.dims):
        step = walk.step[d][k] if walk.step[d][k] > 0 else -walk.step[d][k]
        if walk.shape[best] < GROUP and walk.shape[d] >= walk.shape[best] or walk.shape[d] >= GROUP and step < least:
            best, least = d, step
    return best


cdef inline bint has_walked(const Loop *loop, Walk *walk) noexcept nogil:
    """The loop over a walk of two axes and more, outermost first in the first result; false if it is best left to go row by row along
    the innermost axis.

    A row below a group is no work: then the axis along which x is nearest becomes the innermost one. Where x continues along another
    axis than the results, both are the two innermost, and tiles turn it; other tiles spare short rows a run of their own.
    """
    cdef int x = loop.inputs - loop.parameters - 1, d = walk.dims - 1, near
    near = nearest_axis(walk, x)
    if walk.shape[d] < GROUP:
        swap_axes(walk, near, d)
    elif near != d and walk.step[near][x] == size_of(loop, x) and walk.shape[near] >= GROUP:
        if near < d - 1:
            swap_axes(walk, near, d - 1)
        run_tiles(loop, walk, WIDE)
        return True
    if rows_are_direct(loop, walk):
        run_rows(loop, walk)
    elif walk.shape[d] < BLOCK and walk.shape[d - 1] * walk.shape[d] >= BLOCK // 2:
        run_tiles(loop, walk, walk.shape[d])
    else:
        return False
    return True
