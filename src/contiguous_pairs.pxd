# Pairs as most calls have them: contiguous in C order, predictions and results of one type, parameters that are numbers, no weights. The
# same tiles as in pairs.pxd, so the same bits, without looking for them: of ten pairs that took twice the time of all else. Knows no
# mathematics.

from axes cimport Walk
from copies cimport fill
from libc.string cimport memcpy, memset
from loops cimport CACHE_LINE, GROUP, line_in
from pairs cimport GRAD, HESS, LOSS, PARAMETER, SCALE, TARGET, TILE, Z, Kind, PairInstance, Tile, load_kind, size_of_kind
from real cimport real
from stream cimport SLICE, al_fetch, al_stream, al_stream_end
from sums cimport block_sum


cdef inline bint is_contiguous(const Walk *walk, const Kind *kind, const real *type) noexcept nogil:
    """Whether they lie so. `type` only selects the instance."""
    cdef Kind own = Kind.FLOAT if real is float else Kind.DOUBLE
    cdef const Py_ssize_t *step = walk.step[0]
    cdef bint fits = walk.dims <= 1
    cdef int k
    for k in range(HESS + 1):
        if walk.at[k] == NULL or not fits:
            continue
        if PARAMETER <= k < LOSS:
            fits = walk.dims == 0 or step[k] == 0
        elif kind[k] == own:
            fits = walk.dims == 0 or step[k] == sizeof(real)
        else:
            fits = k == TARGET and (walk.dims == 0 or step[k] == size_of_kind(kind[k]))
    return fits


cdef inline void convert(real *block, Kind kind, const Walk *walk, int k, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """block = numbers `first` to `first + count` of operand k, of another kind."""
    cdef Tile tile
    tile.pieces = tile.piece[0].rows = 1
    tile.piece[0].cols = count
    tile.piece[0].at[k] = walk.at[k] + first * size_of_kind(kind)
    load_kind(block, kind, walk, &tile, k)


cdef inline char *there(const Walk *walk, int k, Py_ssize_t byte) noexcept nogil:
    """The operand's byte of that number; NULL for an operand that is not there."""
    return NULL if walk.at[k] == NULL else walk.at[k] + byte


cdef inline Py_ssize_t stream_lines(char *target, const char *block, Py_ssize_t done, Py_ssize_t bytes) noexcept nogil:
    """target = block from `done` on, past the caches, as far as the first `bytes` of it have whole lines; how far that is. The bytes
    before the first line go through the caches."""
    cdef Py_ssize_t head = -<Py_ssize_t> target & (CACHE_LINE - 1)
    cdef Py_ssize_t whole
    if bytes < head:
        return 0
    if done == 0:
        memcpy(target, block, <size_t> head)
        done = head
    whole = bytes - done & ~(<Py_ssize_t> CACHE_LINE - 1)
    al_stream(target + done, block + done, whole)
    return done + whole


cdef inline void stream_tile(PairInstance f, char **at, char **target, Py_ssize_t count, const real *type) noexcept nogil:
    """f over a tile slice by slice, so that arithmetic, loads and the stores of gradient and Hessian overlap: these go from their
    blocks to `target`."""
    cdef Py_ssize_t size = sizeof(real), start = 0, behind
    cdef Py_ssize_t done[HESS + 1]
    cdef int k
    done[GRAD] = done[HESS] = 0
    while start < count:
        behind = start + SLICE // size if start + SLICE // size < count else count
        al_fetch(at[Z] + start * size, SLICE)
        al_fetch(at[TARGET] + start * size, SLICE)
        f(at[Z] + start * size, at[TARGET] + start * size, at[PARAMETER], at[PARAMETER + 1], at[PARAMETER + 2], at[SCALE],
          at[LOSS] + start * size, at[GRAD] + start * size, at[HESS] + start * size, (behind - start + GROUP - 1) // GROUP)
        for k in range(GRAD, HESS + 1):
            if target[k] != NULL:
                done[k] = stream_lines(target[k], at[k], done[k], behind * size)
        start = behind
    for k in range(GRAD, HESS + 1):
        if target[k] != NULL:
            memcpy(target[k] + done[k], at[k] + done[k], <size_t> (count * size - done[k]))


cdef inline double run_contiguous(PairInstance f, const Walk *walk, Py_ssize_t first, Py_ssize_t n, const Kind *kind, double divisor,
                                  bint value, bint streaming, double total, const real *type) noexcept nogil:
    """f over n pairs from `first` on; total + Σ of the losses if the value is wanted, tile by tile, in float64. streaming: gradient and
    Hessian are more than caches hold."""
    cdef double memory[(SCALE + 1) * TILE + 8]     # and a cache line to align it
    cdef real *block[SCALE + 1]
    cdef char *at[SCALE + 1]
    cdef char *target[HESS + 1]
    cdef Py_ssize_t size = sizeof(real), behind = first + n, count, padded, wide = n + GROUP - 1 & ~(<Py_ssize_t> GROUP - 1)
    cdef Kind own = Kind.FLOAT if real is float else Kind.DOUBLE
    cdef bint over
    cdef int k
    for k in range(SCALE + 1):
        block[k] = <real *> line_in(memory) + k * TILE
        at[k] = <char *> block[k]
    wide = wide if wide < TILE else TILE
    fill(block[SCALE], wide, <real> (1.0 / divisor))
    for k in range(PARAMETER, LOSS):
        if walk.at[k] != NULL:
            fill(block[k], wide, (<const real *> walk.at[k])[0])
    while first < behind:
        count = behind - first if behind - first < TILE else TILE
        padded = -count & (GROUP - 1)
        for k in range(TARGET + 1):
            over = walk.at[k] == walk.at[GRAD] or walk.at[k] == walk.at[HESS]      # restrict: an input is no output
            if k == TARGET and kind[k] != own:
                convert(block[k], kind[k], walk, k, first, count)
            elif padded == 0 and not over:
                at[k] = there(walk, k, first * size)
                continue
            else:
                memcpy(block[k], there(walk, k, first * size), <size_t> (count * size))
            at[k] = <char *> block[k]
            memset(block[k] + count, 0, <size_t> (padded * size))
        for k in range(GRAD, HESS + 1):
            target[k] = there(walk, k, first * size)
            at[k] = target[k] if padded == 0 and not streaming else <char *> block[k]
        if streaming:
            stream_tile(f, at, target, count, type)
        else:
            f(at[Z], at[TARGET], at[PARAMETER], at[PARAMETER + 1], at[PARAMETER + 2], at[SCALE], at[LOSS], at[GRAD], at[HESS],
              (count + padded) // GROUP)
        if value:
            total += block_sum(block[LOSS], count)
        for k in range(GRAD, HESS + 1):
            if padded > 0 and not streaming and target[k] != NULL:
                memcpy(target[k], block[k], <size_t> (count * size))
        first += count
    if streaming:
        al_stream_end()
    return total
