# max_k z_k over the pieces of a row, and which piece it is. Ties go to the first piece, NaN wins, the first if there are several.
# The result is a copy of one piece, its −0 or its NaN included: nothing is computed, so nothing is rounded.
# backward: g at that piece, 0 at the others.

from axes cimport LANES, Panel, Walk
from lanes cimport collect, distribute, get_lanes, index, over_rows, put_lanes
from libc.string cimport memset
from loops cimport GROUP
from real cimport real

cdef enum:
    PIECES = 32       # of the L1 block in which rows that are no neighbours stand side by side
    ALONG_FROM = 16   # pieces from which contiguous rows are given back one by one: twice as fast


cdef inline bint takes_over(real z, real m) noexcept nogil:
    """Whether a piece replaces the maximum m of those before it: it is greater, or the first NaN."""
    return (not z <= m) & (m == m)


# --- 16 rows side by side: z[piece][lane], `step` bytes from piece to piece -----------------------------------------------------

cdef inline void take_pieces(const char *z, Py_ssize_t step, Py_ssize_t first, Py_ssize_t count, real *m,
                             index *at) noexcept nogil:
    """The maximum so far and its index, after `count` more pieces, of which the first has index `first`."""
    cdef const real *piece = <const real *> z
    cdef Py_ssize_t c
    cdef index k = <index> first
    cdef int l
    if first == 0:
        for l in range(GROUP):
            m[l] = piece[l]
            at[l] = 0
    for c in range(first == 0, count):
        piece = <const real *> (z + c * step)
        k = <index> (first + c)
        for l in range(GROUP):
            at[l] = k if takes_over(piece[l], m[l]) else at[l]
            m[l] = piece[l] if takes_over(piece[l], m[l]) else m[l]


cdef inline void give_pieces(char *dz, Py_ssize_t step, Py_ssize_t first, Py_ssize_t count, const real *g,
                             const index *at) noexcept nogil:
    """g where the piece was the maximum, else 0."""
    cdef real *piece
    cdef Py_ssize_t c
    cdef index k
    cdef real v
    cdef int l
    for c in range(count):
        piece = <real *> (dz + c * step)
        k = <index> (first + c)
        for l in range(GROUP):
            v = g[l]
            piece[l] = v if at[l] == k else <real>0.0


# --- 16 rows -------------------------------------------------------------------------------------------------------------------

cdef inline void take(Panel *panel, int whole, bint beside, bint even, const real *number, const index *type) noexcept nogil:
    cdef real b[PIECES * LANES]
    cdef real m[GROUP]
    cdef index at[GROUP]
    cdef Py_ssize_t first = 0, count
    if beside:
        take_pieces(panel.z[0], panel.z_step, 0, panel.classes, m, at)
    else:
        while first < panel.classes:
            count = panel.classes - first if panel.classes - first < PIECES else PIECES
            collect(b, panel, first, count, even)
            take_pieces(<const char *> b, LANES * sizeof(real), first, count, m, at)
            first += count
    put_lanes(m, at, panel, whole, even)


cdef inline void give(Panel *panel, int whole, bint beside, bint even, const real *number, const index *type) noexcept nogil:
    cdef real b[PIECES * LANES]
    cdef real g[GROUP]
    cdef index at[GROUP]
    cdef Py_ssize_t first = 0, count
    cdef int l
    get_lanes(g, at, panel, whole, even)
    if beside:
        give_pieces(panel.z[0], panel.z_step, 0, panel.classes, g, at)
        return
    if panel.z_step == sizeof(real) and panel.classes >= ALONG_FROM:
        for l in range(panel.lanes):
            memset(panel.z[l], 0, <size_t> panel.classes * sizeof(real))
            (<real *> panel.z[l])[at[l]] = g[l]
        return
    while first < panel.classes:
        count = panel.classes - first if panel.classes - first < PIECES else PIECES
        give_pieces(<char *> b, LANES * sizeof(real), first, count, g, at)
        distribute(b, panel, first, count, even)
        first += count


# --- all rows ------------------------------------------------------------------------------------------------------------------
#
# Operands z, y, which or dz, g, which; `whole` is the size of which's integers, 0 if it is not wanted. number and type only
# select the instance.

cdef inline void maxout(Walk *walk, Panel *panel, Py_ssize_t rows, int whole, const real *number,
                        const index *type) noexcept nogil:
    over_rows(take[real, index], walk, panel, rows, whole)


cdef inline void maxout_backward(Walk *walk, Panel *panel, Py_ssize_t rows, int whole, const real *number,
                                 const index *type) noexcept nogil:
    over_rows(give[real, index], walk, panel, rows, whole)
