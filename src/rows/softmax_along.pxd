# The same *along*: classes run along the vector, accumulator c mod 16 is the lane. The bits are those of softmax_across.pxd.

from axes cimport LANES, Panel
from libc.string cimport memcpy
from loops cimport GROUP
from panels cimport any_along, hide_along, put_rows, take_rows
from real cimport al_infinity, real
from rows.softmax_phases cimport CHUNK, TOGETHER, fetch, max_along, whole_sum
from rows.softmax_sums cimport (
    ALIVE,
    BELOW,
    BELOW_LOW,
    BEST,
    DOWN,
    EXPONENTIALS,
    GIVEN,
    GRADIENTS,
    HITS,
    MAPS,
    NUMBERS,
    TOP,
    add_up,
    largest_along,
    map_along,
    power_down,
    sum_along,
)


cdef inline const real *load_along(real *b, const char *source, const char *mask, Py_ssize_t mask_step, Py_ssize_t first,
                                   Py_ssize_t count, real hidden) noexcept nogil:
    """A stretch of a row: itself, or b with a copy of it if it has a mask."""
    cdef const real *x = <const real *> source + first
    if mask == NULL:
        return x
    memcpy(b, x, <size_t> count * sizeof(real))
    hide_along(b, mask + first * mask_step, mask_step, count, hidden)
    return b


cdef inline void scan_row(int form, real *row, Panel *panel, Py_ssize_t lane) noexcept nogil:
    """TOP, ALIVE and DOWN."""
    cdef real b[CHUNK]
    cdef const char *mask = panel.mask[lane]
    cdef real a, top = -<real>al_infinity(), largest = <real>0.0
    cdef real alive = <real>1.0 if mask == NULL else <real>0.0
    cdef Py_ssize_t first = 0, count
    while first < panel.classes:
        count = panel.classes - first
        if mask != NULL:
            count = count if count < CHUNK else CHUNK
            if any_along(mask + first * panel.mask_step, panel.mask_step, count):
                alive = <real>1.0
        a = max_along(load_along(b, panel.z[lane], mask, panel.mask_step, first, count, -<real>al_infinity()), count)
        top = a if a > top else top
        if form & GRADIENTS:
            a = largest_along(load_along(b, panel.g[lane], mask, panel.mask_step, first, count, <real>0.0), count)
            largest = a if a > largest else largest
        first += count
    row[TOP * LANES] = top
    row[ALIVE * LANES] = alive
    if form & GRADIENTS:
        row[DOWN * LANES] = power_down(largest)


cdef inline Py_ssize_t apart(char *const *rows, const real *type) noexcept nogil:
    """Elements from the first row to the second."""
    return (rows[1] - rows[0]) // <Py_ssize_t> sizeof(real)


cdef inline void sum_row(int form, real *row, Panel *panel, Py_ssize_t lane, Py_ssize_t together, double *all_high,
                         real *all_low) noexcept nogil:
    """HITS and the accumulators of all sums; y = e if that is wanted. The row `together` rows further is fetched; 0 for none.

    Rows are taken to be evenly spaced; a wrong guess costs time only.
    """
    cdef real b[CHUNK]
    cdef real g[CHUNK]
    cdef double high[3 * GROUP]
    cdef real low[3 * GROUP]
    cdef real hits[GROUP]
    cdef double wide_hits[GROUP]
    cdef const char *mask = panel.mask[lane]
    cdef const real *z = <const real *> panel.z[lane]
    cdef const real *x
    cdef real *y = <real *> panel.y[lane]
    cdef real *e
    cdef Py_ssize_t first = 0, count, whole, classes = panel.classes
    cdef int j, k, sums = 3 if form & GRADIENTS else 1
    for j in range(sums * GROUP):
        high[j] = 0.0
        low[j] = <real>0.0
    for j in range(GROUP):
        hits[j] = <real>0.0
        wide_hits[j] = 0.0
    while first < classes:
        count = classes - first if classes - first < CHUNK else CHUNK
        whole = (count + GROUP - 1) & ~(<Py_ssize_t> GROUP - 1)
        e = y + first if form & EXPONENTIALS and count == CHUNK else b
        if e != z + first:
            memcpy(e, z + first, <size_t> count * sizeof(real))
        if mask != NULL:
            hide_along(e, mask + first * panel.mask_step, panel.mask_step, count, -<real>al_infinity())
        for k in range(count, whole):
            e[k] = -<real>al_infinity()
        x = e
        if form & GRADIENTS:
            x = load_along(g, panel.g[lane], mask, panel.mask_step, first, count, <real>0.0)
            if x != g and count < whole:
                memcpy(g, x, <size_t> count * sizeof(real))
                x = g
            for k in range(count, whole):
                g[k] = <real>0.0
        if together > 0:
            fetch(z + first + together * apart(panel.z, z), y + first + together * apart(panel.y, z), count, form & MAPS)
            if form & GRADIENTS:
                fetch(<const real *> panel.g[lane] + first + together * apart(panel.g, z), z, count, False)
        sum_along(form, e, x, whole // GROUP, row[TOP * LANES], row[DOWN * LANES], high, low, hits)
        if form & EXPONENTIALS and e == b:
            memcpy(y + first, b, <size_t> count * sizeof(real))
        if classes > CHUNK:
            for j in range(GROUP):
                wide_hits[j] += <double> hits[j]
                hits[j] = <real>0.0
        first += count
    for j in range(sums * GROUP):
        all_high[j * LANES] = high[j]
        all_low[j * LANES] = low[j]
    row[HITS * LANES] = <real> whole_sum(wide_hits) if classes > CHUNK else whole_sum(hits)


cdef inline void map_row(real (*entry)(real, real, const real *, Py_ssize_t) noexcept nogil, int form, real *row,
                         Panel *panel, Py_ssize_t lane, real hidden) noexcept nogil:
    cdef real *y = <real *> panel.y[lane]
    cdef real *x = y if form & EXPONENTIALS else <real *> panel.z[lane]
    map_along(entry, x, <real *> panel.g[lane] if form & GRADIENTS else x, y, row, panel.classes)
    if panel.mask[lane] != NULL:
        hide_along(y, panel.mask[lane], panel.mask_step, panel.classes, hidden)


cdef inline void panel_along(int form, void (*finish)(real *, Py_ssize_t) noexcept nogil,
                             real (*entry)(real, real, const real *, Py_ssize_t) noexcept nogil,
                             real hidden, Panel *panel) noexcept nogil:
    """Short rows phase by phase, so that no row waits for the one before; long ones one by one, so that they stay in cache.

    While one group of rows is computed, the lines of the next are fetched.
    """
    cdef real row[NUMBERS * LANES]
    cdef double high[3 * GROUP * LANES]
    cdef real low[3 * GROUP * LANES]
    cdef Py_ssize_t lane, l, first = 0
    cdef int k, sums = 3 if form & GRADIENTS else 1
    cdef Py_ssize_t together = TOGETHER // panel.classes if panel.classes < TOGETHER else 1
    cdef Py_ssize_t ahead = together if panel.lanes > 1 and together > 1 else 0
    for l in range(NUMBERS * LANES):
        row[l] = <real>0.0
    for l in range(sums * GROUP * LANES):
        high[l] = 0.0
        low[l] = <real>0.0
    if not form & GRADIENTS and panel.g[0] != NULL:
        take_rows(panel, row + GIVEN * LANES)
    while first < panel.lanes:
        together = together if first + together <= panel.lanes else panel.lanes - first
        for lane in range(first, first + together):
            scan_row(form, row + lane, panel, lane)
        for lane in range(first, first + together):
            sum_row(form, row + lane, panel, lane, ahead, high + lane, low + lane)
        for k in range(sums):
            add_up(high + k * GROUP * LANES, low + k * GROUP * LANES, LANES, GROUP, row + (BELOW + k) * LANES,
                   row + (BELOW_LOW + k) * LANES, panel.width)
        finish(row, panel.width)
        if form & MAPS:
            for lane in range(first, first + together):
                map_row(entry, form, row + lane, panel, lane, hidden)
        first += together
    if not form & MAPS:
        put_rows(panel, row + BEST * LANES)
