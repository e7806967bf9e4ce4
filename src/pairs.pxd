# Looping over pairs of a prediction and its target: the contiguous map of the elementwise losses, and the one driver that feeds it
# any layout and any type of target, weighs, and sums. Knows no mathematics: kernels come in by name.
#
# Everything goes in C order of the index through tiles of TILE elements, whatever the memory order, so the sum follows from the
# shape alone. An operand that lies in memory as a tile does is used where it is; the others go through a block in L1.

from axes cimport WALKED, Walk, walk_from, walk_next
from copies cimport copy_in
from halves cimport SPAN
from libc.string cimport memset
from loops cimport GROUP, line_in, operand
from maps cimport LATER, ask_for
from real cimport real
from sums cimport block_sum
from transpose cimport turn

ctypedef void (*PairInstance)(operand, operand, operand, operand, operand, operand, operand, operand, operand,
                              Py_ssize_t) noexcept nogil

cdef enum:
    TILE = SPAN
    PIECES = TILE // 4 + 8     # a piece is 2 × 2 at least, but for the ends of a tile

cdef enum:     # operands of a walk over pairs
    Z = 0
    TARGET = 1
    PARAMETER = 2
    LOSS = 5
    GRAD = 6
    HESS = 7
    SCALE = 8      # not walked: one per element in C order

ctypedef fused number:
    float
    double
    signed char
    unsigned char
    short
    unsigned short
    int
    unsigned int
    long long
    unsigned long long

cdef enum Kind:     # of the numbers of an operand
    FLOAT, DOUBLE, INT8, UINT8, INT16, UINT16, INT32, UINT32, INT64, UINT64


cdef inline int size_of_kind(Kind kind) noexcept nogil:
    """Bytes of a number."""
    if kind == INT8 or kind == UINT8:
        return 1
    if kind == INT16 or kind == UINT16:
        return 2
    return 4 if kind == FLOAT or kind == INT32 or kind == UINT32 else 8


cdef struct Piece:
    # rows × cols neighbouring elements of every operand.
    Py_ssize_t rows
    Py_ssize_t cols
    char *at[WALKED]

cdef struct Tile:
    Py_ssize_t count
    Py_ssize_t start       # index of the first element
    Py_ssize_t row         # where the next tile begins in the two innermost axes
    Py_ssize_t col
    bint ended             # the walk has no more elements
    int pieces
    Piece piece[PIECES]


# --- the contiguous map --------------------------------------------------------------------------------------------------------

cdef inline void map_pair(real (*f)(real, real, real, real, real, real *, real *) noexcept nogil, bint value, bint grad, bint hess,
                          const real *z, const real *y, const real *p, const real *q, const real *r, const real *scale,
                          real *loss, real *g, real *h, Py_ssize_t groups) noexcept nogil:
    """loss = f(z, y; p, q, r), g and h = its derivatives by z, scaled; value, grad and hess are literals."""
    cdef Py_ssize_t i, j, k
    cdef real v, d, c
    for k in range(groups):
        ask_for(grad, g + GROUP * k, LATER // sizeof(real))
        ask_for(hess, h + GROUP * k, LATER // sizeof(real))
        for j in range(GROUP):
            i = GROUP * k + j
            v = f(z[i], y[i], p[i], q[i], r[i], &d, &c)
            if value:
                loss[i] = v
            if grad:
                g[i] = scale[i] * d
            if hess:
                h[i] = scale[i] * c


# --- pieces of a tile ----------------------------------------------------------------------------------------------------------

cdef inline void next_tile(Walk *walk, Tile *tile, Py_ssize_t most) noexcept nogil:
    """The next `most` elements, or what is left, in C order, as pieces of the two innermost axes."""
    cdef int k, d = walk.dims - 1
    cdef Py_ssize_t cols = walk.shape[d] if d >= 0 else 1
    cdef Py_ssize_t rows = walk.shape[d - 1] if d >= 1 else 1
    cdef Piece *piece
    tile.start += tile.count
    if d <= 0:      # contiguous or not, one piece
        tile.count = tile.piece[0].cols = most if most < cols - tile.col else cols - tile.col
        tile.pieces = tile.piece[0].rows = 1
        for k in range(HESS + 1):
            tile.piece[0].at[k] = walk.at[k] + (tile.col * walk.step[0][k] if d == 0 else 0)
        tile.col += tile.count
        return
    tile.count = tile.pieces = 0
    while tile.count < most and not tile.ended:
        piece = &tile.piece[tile.pieces]
        for k in range(walk.operands):
            piece.at[k] = walk.at[k]
            if d >= 0:
                piece.at[k] += tile.col * walk.step[d][k]
            if d >= 1:
                piece.at[k] += tile.row * walk.step[d - 1][k]
        piece.rows = (most - tile.count) // cols
        if tile.col == 0 and piece.rows > 0:
            piece.rows = piece.rows if piece.rows < rows - tile.row else rows - tile.row
            piece.cols = cols
            tile.row += piece.rows
        else:
            piece.rows = 1
            piece.cols = most - tile.count if most - tile.count < cols - tile.col else cols - tile.col
            tile.col += piece.cols
            if tile.col == cols:
                tile.col = 0
                tile.row += 1
        tile.count += piece.rows * piece.cols
        tile.pieces += 1
        if tile.row == rows:
            tile.row = 0
            tile.ended = not walk_next(walk, 2)


cdef inline void first_tile(Walk *walk, const Walk *origin, Tile *tile, Py_ssize_t first, Py_ssize_t most) noexcept nogil:
    """The tile that begins at the element `first` of a walk that has not moved; `walk` goes on from there."""
    cdef int d = origin.dims - 1
    cdef Py_ssize_t cols = origin.shape[d] if d >= 0 else 1
    cdef Py_ssize_t rows = origin.shape[d - 1] if d >= 1 else 1
    walk_from(walk, origin, first // (rows * cols), 2)
    tile.start = first
    tile.count = 0
    tile.row = first // cols % rows
    tile.col = first % cols
    tile.ended = False
    next_tile(walk, tile, most)


cdef inline bint is_own(const real *a, const number *b) noexcept nogil:
    """Whether both are of one type: a constant in each instance."""
    return (real is float and number is float) or (real is double and number is double)


cdef inline void load(real *block, const number *type, const Walk *walk, const Tile *tile, int k) noexcept nogil:
    """block = the tile's elements of operand k, which are numbers of that type."""
    cdef int i, d = walk.dims - 1
    cdef Py_ssize_t across = walk.step[d][k] if d >= 0 else 0
    cdef Py_ssize_t down = walk.step[d - 1][k] if d >= 1 else 0
    cdef Py_ssize_t row, col
    cdef const Piece *piece
    cdef const char *source
    for i in range(tile.pieces):
        piece = &tile.piece[i]
        source = piece.at[k]
        if across == sizeof(number):
            for row in range(piece.rows):
                for col in range(piece.cols):
                    block[row * piece.cols + col] = <real> (<const number *> (source + row * down))[col]
        elif is_own(block, type) and down == sizeof(number) and piece.rows > 1 and across % <Py_ssize_t> sizeof(number) == 0:
            turn(block, piece.cols, <const real *> source, across // <Py_ssize_t> sizeof(number), piece.rows, piece.cols)
        elif is_own(block, type):
            for row in range(piece.rows):
                copy_in(<char *> (block + row * piece.cols), source + row * down, across, piece.cols, sizeof(number))
        else:
            for col in range(piece.cols):
                for row in range(piece.rows):
                    block[row * piece.cols + col] = <real> (<const number *> (source + row * down + col * across))[0]
        block += piece.rows * piece.cols


cdef inline void store(const real *block, number *type, const Walk *walk, const Tile *tile, int k) noexcept nogil:
    """The tile's elements of operand k = block."""
    cdef int i, d = walk.dims - 1
    cdef Py_ssize_t across = walk.step[d][k] if d >= 0 else 0
    cdef Py_ssize_t down = walk.step[d - 1][k] if d >= 1 else 0
    cdef Py_ssize_t row, col
    cdef const Piece *piece
    cdef char *target
    for i in range(tile.pieces):
        piece = &tile.piece[i]
        target = piece.at[k]
        if across == sizeof(number):
            for row in range(piece.rows):
                for col in range(piece.cols):
                    (<number *> (target + row * down))[col] = <number> block[row * piece.cols + col]
        elif is_own(block, type) and down == sizeof(number) and piece.rows > 1 and across % <Py_ssize_t> sizeof(number) == 0:
            turn(<real *> target, across // <Py_ssize_t> sizeof(number), block, piece.cols, piece.cols, piece.rows)
        else:
            for col in range(piece.cols):
                for row in range(piece.rows):
                    (<number *> (target + row * down + col * across))[0] = <number> block[row * piece.cols + col]
        block += piece.rows * piece.cols


cdef inline void load_kind(real *block, Kind kind, const Walk *walk, const Tile *tile, int k) noexcept nogil:
    if kind == FLOAT:
        load(block, <const float *> NULL, walk, tile, k)
    elif kind == DOUBLE:
        load(block, <const double *> NULL, walk, tile, k)
    elif kind == INT8:
        load(block, <const signed char *> NULL, walk, tile, k)
    elif kind == UINT8:
        load(block, <const unsigned char *> NULL, walk, tile, k)
    elif kind == INT16:
        load(block, <const short *> NULL, walk, tile, k)
    elif kind == UINT16:
        load(block, <const unsigned short *> NULL, walk, tile, k)
    elif kind == INT32:
        load(block, <const int *> NULL, walk, tile, k)
    elif kind == UINT32:
        load(block, <const unsigned int *> NULL, walk, tile, k)
    elif kind == INT64:
        load(block, <const long long *> NULL, walk, tile, k)
    else:
        load(block, <const unsigned long long *> NULL, walk, tile, k)


# --- the driver ----------------------------------------------------------------------------------------------------------------

cdef inline bint lies_as_a_tile(const Walk *walk, int k, Py_ssize_t size) noexcept nogil:
    """Whether operand k is contiguous in C order."""
    return walk.dims == 0 or (walk.dims == 1 and walk.step[0][k] == size)


cdef inline bint is_constant(const Walk *walk, int k) noexcept nogil:
    cdef int d
    for d in range(walk.dims):
        if walk.step[d][k] != 0:
            return False
    return True


cdef inline bint divide_weights(real *scale, const double *weight, double divisor, Py_ssize_t count) noexcept nogil:
    """scale = weight / divisor, but 1 for 0, whose product with an infinite derivative would be NaN; whether there is such a 0."""
    cdef Py_ssize_t i
    cdef bint zero = False
    for i in range(count):
        scale[i] = <real> (weight[i] / divisor)
        zero |= scale[i] == <real>0.0
        scale[i] = <real>1.0 if scale[i] == <real>0.0 else scale[i]
    return zero


cdef inline void silence(real *result, const double *weight, double divisor, Py_ssize_t count) noexcept nogil:
    """0 where the weight is 0; NaN stays."""
    cdef Py_ssize_t i
    for i in range(count):
        if <real> (weight[i] / divisor) == <real>0.0 and result[i] == result[i]:
            result[i] = <real>0.0


cdef inline double weigh(real *loss, const double *weight, Py_ssize_t count, bint keep) noexcept nogil:
    """Σ w·loss; with `keep` loss = w·loss. An element of weight 0 counts nothing, be its loss infinite."""
    cdef double terms[TILE]
    cdef Py_ssize_t i
    for i in range(count):
        terms[i] = weight[i] * <double> loss[i] if weight[i] != 0.0 or loss[i] != loss[i] else 0.0
    if keep:
        for i in range(count):
            loss[i] = <real> terms[i]
    return block_sum(terms, count)


cdef inline double run_pairs(PairInstance f, const Walk *origin, Py_ssize_t first, Py_ssize_t n, const Kind *kind,
                             const double *weight, double divisor, bint value, bint losses, bint grad, bint hess, double total,
                             const real *type) noexcept nogil:
    """f over n pairs from `first` on; total + Σ of the weighted losses if the value is wanted, tile by tile, in float64.

    The walk's operands are those of the enum above, the missing ones NULL; kind is that of each. divisor divides gradient and
    Hessian (Σ weights for a mean). `type` only selects the instance.
    """
    cdef double memory[(SCALE + 1) * TILE + 8]     # and a cache line to align it
    cdef Walk here
    cdef Walk *walk = &here
    cdef Tile tile
    cdef real *block[SCALE + 1]
    cdef char *at[SCALE + 1]
    cdef bint direct[SCALE + 1]
    cdef bint filled[SCALE + 1]
    cdef Kind own = FLOAT if real is float else DOUBLE
    cdef Py_ssize_t i, padded, apart
    cdef bint silent
    cdef int j, k
    first_tile(walk, origin, &tile, first, TILE if n > TILE else n)
    for k in range(SCALE + 1):
        block[k] = <real *> line_in(memory) + k * TILE
        at[k] = <char *> block[k]
        filled[k] = k == SCALE or origin.at[k] == NULL
        direct[k] = not filled[k] and kind[k] == own and lies_as_a_tile(walk, k, sizeof(real))
    padded = n + GROUP - 1 & ~(<Py_ssize_t> GROUP - 1) if n < TILE else TILE
    for k in range(PARAMETER, LOSS):
        filled[k] = filled[k] or is_constant(walk, k)
        if filled[k] and origin.at[k] != NULL:
            for i in range(padded):
                block[k][i] = (<real *> origin.at[k])[0]
    for i in range(padded):
        block[SCALE][i] = <real> (1.0 / divisor)
    while n > 0:
        padded = -tile.count & (GROUP - 1)
        for k in range(LOSS):
            if filled[k]:
                continue
            at[k] = tile.piece[0].at[k] if direct[k] and padded == 0 else <char *> block[k]
            for j in range(LOSS, SCALE):    # restrict: an input is no output
                apart = tile.piece[0].at[j] - tile.piece[0].at[k]
                if not filled[j] and -TILE * <Py_ssize_t> sizeof(double) < apart < TILE * <Py_ssize_t> sizeof(double):
                    at[k] = <char *> block[k]
            if at[k] == <char *> block[k]:
                load_kind(block[k], kind[k], walk, &tile, k)
                memset(block[k] + tile.count, 0, <size_t> padded * sizeof(real))
        for k in range(LOSS, SCALE):
            at[k] = tile.piece[0].at[k] if direct[k] and padded == 0 else <char *> block[k]
        silent = weight != NULL and divide_weights(block[SCALE], weight + tile.start, divisor, tile.count)
        f(at[Z], at[TARGET], at[PARAMETER], at[PARAMETER + 1], at[PARAMETER + 2], at[SCALE], at[LOSS], at[GRAD], at[HESS],
          (tile.count + padded) // GROUP)
        if silent and grad:
            silence(<real *> at[GRAD], weight + tile.start, divisor, tile.count)
        if silent and hess:
            silence(<real *> at[HESS], weight + tile.start, divisor, tile.count)
        if value and weight != NULL:
            total += weigh(<real *> at[LOSS], weight + tile.start, tile.count, losses)
        elif value:
            total += block_sum(<real *> at[LOSS], tile.count)
        for k in range(LOSS, SCALE):
            if not filled[k] and at[k] == <char *> block[k]:
                if kind[k] == FLOAT:
                    store(block[k], <float *> NULL, walk, &tile, k)
                else:
                    store(block[k], <double *> NULL, walk, &tile, k)
        n -= tile.count
        next_tile(walk, &tile, TILE if n > TILE else n)
    return total
