# Sixteen rows at a time, for kernels that keep what they know of a row in a number and an integer: rows at even steps where they
# lie along the walk's last axis, any others by panels. Knows no mathematics.

from axes cimport LANES, Panel, Walk, gather, next_panel, scatter, walk_on
from loops cimport GROUP
from real cimport int32_t, int64_t, real

# As wide as a float, or as a double: one compare serves the selects of both.
ctypedef fused index:
    int32_t
    int64_t


cdef inline void over_rows(void (*f)(Panel *, int, bint, bint, const real *, const index *) noexcept nogil, Walk *walk,
                           Panel *panel, Py_ssize_t rows, int whole) noexcept nogil:
    """f over all rows; operands are z, a number and an integer of `whole` bytes per row (0: it is not there).

    f's flags: the rows are neighbours in z, from panel.z[0] on; they are neighbours in number and integer, from g[0] and h[0] on,
    and at even steps in z.
    """
    cdef int d = walk.dims - 1
    cdef Py_ssize_t n
    cdef bint even = d >= 0 and walk.step[d][1] == sizeof(real) and (whole == 0 or walk.step[d][2] == whole)
    while rows > 0:
        n = walk.shape[d] - walk.index[d] if even else 0      # on one axis
        n = n if n < rows else rows
        if n >= GROUP:
            panel.lanes = panel.width = GROUP
            over_axis(f, walk, panel, n, walk.step[d][0], whole)
            walk_on(walk, n)
        else:
            next_panel(walk, panel, rows if rows < GROUP else GROUP)
            f(panel, whole, False, False, NULL, NULL)
            n = panel.lanes
        rows -= n


cdef inline void over_axis(void (*f)(Panel *, int, bint, bint, const real *, const index *) noexcept nogil, Walk *walk,
                           Panel *panel, Py_ssize_t n, Py_ssize_t step, int whole) noexcept nogil:
    """f over n rows; the last step repeats rows instead of taking them singly."""
    cdef Py_ssize_t row = 0
    cdef int l
    cdef bint beside = step == sizeof(real)
    while row < n:
        row = row if row < n - GROUP else n - GROUP
        panel.z[0] = walk.at[0] + row * step
        if not beside:
            for l in range(GROUP):
                panel.z[l] = walk.at[0] + (row + l) * step
        panel.g[0] = walk.at[1] + row * <Py_ssize_t> sizeof(real)
        panel.h[0] = walk.at[2] + row * whole
        f(panel, whole, beside, True, NULL, NULL)
        row += GROUP


# --- rows that are no neighbours ------------------------------------------------------------------------------------------------

cdef inline void collect(real *b, Panel *panel, Py_ssize_t first, Py_ssize_t count, bint even) noexcept nogil:
    """b[c][lane] = z[lane][first + c] for `count` classes."""
    if even and adjoin(panel, sizeof(real)) and 1 < panel.classes < 5:
        if panel.classes == 2:
            unzip(b, <const real *> panel.z[0], 2)
        elif panel.classes == 3:
            unzip(b, <const real *> panel.z[0], 3)
        else:
            unzip(b, <const real *> panel.z[0], 4)
    else:
        gather(b, panel, panel.z, panel.z_step, first, count)


cdef inline void distribute(const real *b, Panel *panel, Py_ssize_t first, Py_ssize_t count, bint even) noexcept nogil:
    """The reverse, for the live lanes."""
    if even and adjoin(panel, sizeof(real)) and 1 < panel.classes < 5:
        if panel.classes == 2:
            zip_up(b, <real *> panel.z[0], 2)
        elif panel.classes == 3:
            zip_up(b, <real *> panel.z[0], 3)
        else:
            zip_up(b, <real *> panel.z[0], 4)
    else:
        scatter(b, panel, panel.z, panel.z_step, first, count)


cdef inline bint adjoin(const Panel *panel, Py_ssize_t size) noexcept nogil:
    """Whether rows at even steps follow on each other without a gap."""
    return panel.z_step == size and panel.z[1] - panel.z[0] == panel.classes * size


cdef inline void unzip(real *b, const real *z, int classes) noexcept nogil:
    """collect for rows that adjoin; with a literal for the 2, 3 or 4 classes it is a few shuffles of vectors."""
    cdef int l
    for l in range(GROUP):
        b[l] = z[l * classes]
        b[LANES + l] = z[l * classes + 1]
        if classes > 2:
            b[2 * LANES + l] = z[l * classes + 2]
        if classes > 3:
            b[3 * LANES + l] = z[l * classes + 3]


cdef inline void zip_up(const real *b, real *z, int classes) noexcept nogil:
    """The reverse."""
    cdef int l
    for l in range(GROUP):
        z[l * classes] = b[l]
        z[l * classes + 1] = b[LANES + l]
        if classes > 2:
            z[l * classes + 2] = b[2 * LANES + l]
        if classes > 3:
            z[l * classes + 3] = b[3 * LANES + l]


# --- one number and one integer per row -----------------------------------------------------------------------------------------

cdef inline void put_lanes(const real *m, const index *at, Panel *panel, int whole, bint even) noexcept nogil:
    cdef int l
    if even:
        for l in range(GROUP):
            (<real *> panel.g[0])[l] = m[l]
        if whole != 0:
            put_indices(at, panel.h[0], whole)
    else:
        for l in range(panel.lanes):
            (<real *> panel.g[l])[0] = m[l]
            if whole != 0:
                put_index(at[l], panel.h[l], whole)


cdef inline void get_lanes(real *m, index *at, Panel *panel, int whole, bint even) noexcept nogil:
    """The reverse."""
    cdef int l
    if even:
        for l in range(GROUP):
            m[l] = (<real *> panel.g[0])[l]
        get_indices(at, panel.h[0], whole)
    else:
        for l in range(GROUP):
            m[l] = (<real *> panel.g[l])[0]
            at[l] = get_index(at, panel.h[l], whole)


cdef inline void put_indices(const index *at, char *to, int whole) noexcept nogil:
    """16 indices as neighbouring integers of `whole` bytes; signed or not, their bits are the same."""
    cdef int l
    if whole == 8:
        for l in range(GROUP):
            (<int64_t *> to)[l] = <int64_t> at[l]
    elif whole == 4:
        for l in range(GROUP):
            (<int32_t *> to)[l] = <int32_t> at[l]
    elif whole == 2:
        for l in range(GROUP):
            (<short *> to)[l] = <short> at[l]
    else:
        for l in range(GROUP):
            (<signed char *> to)[l] = <signed char> at[l]


cdef inline void get_indices(index *at, const char *source, int whole) noexcept nogil:
    """The reverse."""
    cdef int l
    if whole == 8:
        for l in range(GROUP):
            at[l] = <index> (<const int64_t *> source)[l]
    elif whole == 4:
        for l in range(GROUP):
            at[l] = <index> (<const int32_t *> source)[l]
    elif whole == 2:
        for l in range(GROUP):
            at[l] = <index> (<const unsigned short *> source)[l]
    else:
        for l in range(GROUP):
            at[l] = <index> (<const unsigned char *> source)[l]


cdef inline void put_index(index i, char *to, int whole) noexcept nogil:
    if whole == 8:
        (<int64_t *> to)[0] = <int64_t> i
    elif whole == 4:
        (<int32_t *> to)[0] = <int32_t> i
    elif whole == 2:
        (<short *> to)[0] = <short> i
    else:
        to[0] = <char> i


cdef inline index get_index(const index *type, const char *source, int whole) noexcept nogil:
    """`type` only selects the instance."""
    if whole == 8:
        return <index> (<const int64_t *> source)[0]
    if whole == 4:
        return <index> (<const int32_t *> source)[0]
    if whole == 2:
        return <index> (<const unsigned short *> source)[0]
    return <index> (<const unsigned char *> source)[0]
