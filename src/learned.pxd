# The backward of a parameter that is learned: its gradient is a sum over all that it was broadcast to.
#
# The order of each sum follows from the shapes alone, never from strides. Where neighbours, in C order, share a parameter, their
# terms are added in blocks of BLOCK, in which term k goes to accumulator k mod GROUP; else each is added to a sum of its own.

from axes cimport WALKED, Walk, walk_axis, walk_next, walk_start
from half cimport uint16_t
from libc.string cimport memcpy, memset
from loops cimport BLOCK, GROUP, Instance, Loop, line_in
from loops cimport is_narrow, operand, read_block, round_off, size_of, widen, write_block
from pairs cimport Tile, first_tile, next_tile
from real cimport real
from sums cimport tree16
from tiles cimport collect, distribute
from turned cimport Turned, turned_next, turned_start

cdef enum:      # operands of the walk; a loop has the first four
    G = 0
    X = 1
    A = 2
    DX = 3
    SUM = 4     # float64, as the parameter lies in C order, zeroed

cdef enum:
    PART = 1024     # bytes of an operand; 2048 where one is copied first (every second of 4096: 0.79 of the time that 512 take)


cdef inline void add_terms(Instance f, char **at, bint uniform, double *sum, Py_ssize_t count, const real *type) noexcept nogil:
    """f over contiguous elements; the last group is padded, and what is behind its elements goes nowhere.

    uniform, a literal: the parameter is one number, and sum has GROUP accumulators; else both go along.
    """
    cdef real last[DX + 1][GROUP]
    cdef double spare[GROUP]
    cdef Py_ssize_t whole = count & ~(<Py_ssize_t> GROUP - 1), tail = count - whole, size = sizeof(real)
    cdef double *behind = sum if uniform else sum + whole
    cdef int k
    if whole > 0:
        f(at[G], at[X], at[A], at[DX], <char *> sum, whole // GROUP)
    if tail == 0:
        return
    memset(spare, 0, sizeof(spare))
    for k in range(X + 1 if uniform else A + 1):
        memset(last[k], 0, sizeof(last[0]))
        memcpy(last[k], at[k] + whole * size, <size_t> (tail * size))
    memcpy(spare, behind, <size_t> tail * sizeof(double))
    f(<char *> last[G], <char *> last[X], at[A] if uniform else <char *> last[A], <char *> last[DX], <char *> spare, 1)
    memcpy(at[DX] + whole * size, last[DX], <size_t> (tail * size))
    memcpy(behind, spare, <size_t> tail * sizeof(double))


cdef inline bint meets_result(char **at, int k, Py_ssize_t size) noexcept nogil:
    """Whether operand k may be the result, or within a block of it: an instance takes neither."""
    cdef Py_ssize_t apart = at[DX] - at[k]
    return -BLOCK * size < apart < BLOCK * size


# --- one parameter for many neighbours ----------------------------------------------------------------------------------------

cdef inline void read_pieces(const Loop *loop, const Walk *walk, const Tile *tile, int k, char *block) noexcept nogil:
    """The tile's elements of operand k as the instance takes them."""
    cdef uint16_t memory[BLOCK]
    cdef char *to = <char *> memory if is_narrow(loop, k) else block
    cdef int i, size = size_of(loop, k), d = walk.dims - 1
    cdef Py_ssize_t across = walk.step[d][k] if d >= 0 else 0
    cdef Py_ssize_t down = walk.step[d - 1][k] if d >= 1 else 0
    for i in range(tile.pieces):
        collect(to, tile.piece[i].at[k], down, across, tile.piece[i].rows, tile.piece[i].cols, size)
        to += tile.piece[i].rows * tile.piece[i].cols * size
    if is_narrow(loop, k):
        memset(to, 0, <size_t> (-tile.count & (GROUP - 1)) * sizeof(uint16_t))
        widen(loop.format, <operand> block, <operand> <char *> memory, (tile.count + GROUP - 1) // GROUP)


cdef inline void write_pieces(const Loop *loop, const Walk *walk, const Tile *tile, int k, char *block) noexcept nogil:
    """The reverse. The block has whole groups."""
    cdef uint16_t memory[BLOCK]
    cdef char *source = block
    cdef int i, size = size_of(loop, k), d = walk.dims - 1
    cdef Py_ssize_t across = walk.step[d][k] if d >= 0 else 0
    cdef Py_ssize_t down = walk.step[d - 1][k] if d >= 1 else 0
    if is_narrow(loop, k):
        round_off(loop.format, <operand> <char *> memory, <operand> block, (tile.count + GROUP - 1) // GROUP)
        source = <char *> memory
    for i in range(tile.pieces):
        distribute(tile.piece[i].at[k], down, across, source, tile.piece[i].rows, tile.piece[i].cols, size)
        source += tile.piece[i].rows * tile.piece[i].cols * size


cdef inline bint is_whole(const Loop *loop, const Walk *walk, int k) noexcept nogil:
    """Whether operand k is a contiguous matrix: so are its tiles."""
    if walk.dims != 2 or is_narrow(loop, k):
        return False
    return walk.step[1][k] == loop.size and walk.step[0][k] == walk.shape[1] * loop.size


cdef inline void add_pieces(const Loop *loop, const Walk *walk, const Tile *tile, char **block, double *s,
                            const real *type) noexcept nogil:
    """The tile's terms, term k added to s[k mod GROUP]. block[A] is the parameter."""
    cdef char *at[DX + 1]
    cdef int k
    for k in range(DX + 1):
        at[k] = tile.piece[0].at[k] if k != A and is_whole(loop, walk, k) else block[k]
    for k in range(X + 1):
        if at[k] == block[k] or meets_result(at, k, sizeof(real)):
            at[k] = block[k]
            read_pieces(loop, walk, tile, k, block[k])
    add_terms(loop.uniform, at, True, s, tile.count, type)
    if at[DX] == block[DX]:
        write_pieces(loop, walk, tile, DX, block[DX])


cdef inline void add_row(const Loop *loop, const Walk *walk, const Tile *tile, char **block, double *s,
                         const real *type) noexcept nogil:
    """The same for a tile that lies on the innermost axis. It goes in parts, so that all operands are read side by side: beyond
    L2, a page of one and then one of the other take up to twice as long."""
    cdef char *row[DX + 1]
    cdef char *at[DX + 1]
    cdef bint direct[DX + 1]
    cdef const Py_ssize_t *step = walk.step[walk.dims - 1]
    cdef Py_ssize_t done = 0, part = PART // sizeof(real), count, padded
    cdef int k
    at[A] = block[A]
    for k in range(DX + 1):
        row[k] = tile.piece[0].at[k]
    for k in range(DX + 1):
        direct[k] = step[k] == loop.size and not is_narrow(loop, k) and (k == DX or not meets_result(row, k, sizeof(real)))
    if not (direct[G] and direct[X] and direct[DX]):
        part = 2 * part
    while done < tile.count:
        count = tile.count - done if tile.count - done < part else part
        padded = -count & (GROUP - 1)
        for k in range(X + 1):
            at[k] = row[k] + done * step[k] if direct[k] else block[k]
            if not direct[k]:
                read_block(loop, k, block[k], row[k] + done * step[k], step[k], count, padded)
        at[DX] = row[DX] + done * step[DX] if direct[DX] else block[DX]
        add_terms(loop.uniform, at, True, s, count, type)
        if not direct[DX]:
            write_block(loop, DX, row[DX] + done * step[DX], step[DX], block[DX], count, padded)
        done += count


cdef inline double sum_terms(const Loop *loop, const Walk *origin, Py_ssize_t first, Py_ssize_t n, double total,
                             const real *type) noexcept nogil:
    """dx of n elements from `first` on; total + Σ of their terms, block by block. The parameter is one number."""
    cdef double memory[3 * BLOCK + 8]       # and a cache line to align it
    cdef double s[GROUP]
    cdef real a[GROUP]
    cdef Walk walk
    cdef Tile tile
    cdef char *aligned = line_in(memory)
    cdef char *block[DX + 1]
    block[G], block[X], block[DX] = aligned, aligned + BLOCK * sizeof(real), aligned + 2 * BLOCK * sizeof(real)
    block[A] = <char *> a
    read_block(loop, A, block[A], origin.at[A], 0, GROUP, 0)
    first_tile(&walk, origin, &tile, first, BLOCK if n > BLOCK else n)
    while n > 0:
        memset(s, 0, sizeof(s))
        if walk.dims > 0 and tile.pieces == 1 and tile.piece[0].rows == 1:
            add_row(loop, &walk, &tile, block, s, type)
        else:
            add_pieces(loop, &walk, &tile, block, s, type)
        total += tree16(s)
        n -= tile.count
        next_tile(&walk, &tile, BLOCK if n > BLOCK else n)
    return total


cdef inline double sum_groups(const Loop *loop, const Walk *walk, Py_ssize_t n, double total, const real *type) noexcept nogil:
    """sum_terms of all, through groups of rows where g, x or dx lies column by column."""
    cdef Turned turned
    cdef int may = 0 if loop.narrow else 1 << G | 1 << X | 1 << DX
    turned_start(&turned, walk, 0, n, DX, may, type)
    while turned_next(&turned, type):
        total = sum_terms(loop, turned.here, turned.first - turned.start, turned.count, total, type)
    return total


# --- a parameter for each -----------------------------------------------------------------------------------------------------

cdef inline void add_each(const Loop *loop, Walk *walk, const real *type) noexcept nogil:
    """The same, where elements along the innermost axis have parameters, and sums, of their own."""
    cdef double memory[(DX + 1) * BLOCK]
    cdef char *block[DX + 1]
    cdef char *at[DX + 1]
    cdef int d = walk.dims - 1, k
    cdef Py_ssize_t n = walk.shape[d], done, count, padded
    cdef const Py_ssize_t *step = walk.step[d]
    for k in range(DX + 1):
        block[k] = <char *> &memory[k * BLOCK]
    while True:
        done = 0
        while done < n:
            count = n - done if n - done < BLOCK else BLOCK
            padded = -count & (GROUP - 1)
            at[DX] = walk.at[DX] + done * step[DX] if step[DX] == loop.size and not is_narrow(loop, DX) else block[DX]
            for k in range(DX):
                at[k] = walk.at[k] + done * step[k]
                if step[k] != loop.size or is_narrow(loop, k) or meets_result(at, k, sizeof(real)):
                    read_block(loop, k, block[k], at[k], step[k], count, padded)
                    at[k] = block[k]
            add_terms(loop.instance, at, False, <double *> walk.at[SUM] + done, count, type)
            if at[DX] == block[DX]:
                write_block(loop, DX, walk.at[DX] + done * step[DX], step[DX], block[DX], count, padded)
            done += count
        if not walk_next(walk, 1):
            break


cdef inline void backward_learned(const Loop *loop, Walk *walk, const real *type) noexcept nogil:
    """dx = g·f'(x) and Σ g·∂f/∂a for a parameter that is broadcast against x, as is its sum. `type` only selects the instance."""
    cdef Walk shared
    cdef Py_ssize_t step[WALKED]
    cdef Py_ssize_t n = 1
    cdef int inner = 0, d, k
    cdef double *total
    while inner < walk.dims and walk.step[walk.dims - 1 - inner][SUM] == 0:
        inner += 1
    if inner == 0 and walk.dims > 0:
        add_each(loop, walk, type)
        return
    memset(step, 0, sizeof(step))
    walk_start(&shared, WALKED)
    for d in range(walk.dims - inner, walk.dims):
        memcpy(step, walk.step[d], SUM * sizeof(Py_ssize_t))
        walk_axis(&shared, walk.shape[d], step)
        n *= walk.shape[d]
    while True:
        memcpy(shared.at, walk.at, SUM * sizeof(char *))
        total = <double *> walk.at[SUM]
        total[0] = sum_groups(loop, &shared, n, total[0], type)
        if not walk_next(walk, inner):
            break
