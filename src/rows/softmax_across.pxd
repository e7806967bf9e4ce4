# A panel of rows of softmax, log_softmax, logsumexp or of their backward, *across*: rows run along the vector, accumulator c mod 16
# is a vector of its own. softmax_rows.pxd says what the arguments are.

from axes cimport LANES, Panel, gather, scatter
from loops cimport GROUP
from panels cimport count_across, gather_mask, hide_across, put_rows, take_rows
from real cimport al_infinity, real
from rows.softmax_phases cimport CHUNK, max_across, split_max
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
    NEAR,
    NUMBERS,
    REST,
    TOP,
    add_up,
    largest_across,
    map_across,
    power_down,
    sum_across,
)


cdef inline void load_across(real *b, char **rows, Py_ssize_t step, Panel *panel, unsigned char *mask, Py_ssize_t first,
                             Py_ssize_t count, real hidden) noexcept nogil:
    gather(b, panel, rows, step, first, count)
    if panel.mask[0] != NULL:
        gather_mask(mask, panel, first, count)
        hide_across(b, mask, count, panel.width, hidden)


cdef inline void scan_panel(int form, real *b, real *g, unsigned char *mask, real *row, Panel *panel) noexcept nogil:
    """TOP with its parts, ALIVE and DOWN; b, g and mask hold the last block."""
    cdef Py_ssize_t first = 0, count, l
    cdef bint masked = panel.mask[0] != NULL
    for l in range(LANES):
        row[TOP * LANES + l] = -<real>al_infinity()
        row[DOWN * LANES + l] = <real>0.0
        row[ALIVE * LANES + l] = <real>0.0 if masked else <real>1.0
    while first < panel.classes:
        count = panel.classes - first if panel.classes - first < CHUNK else CHUNK
        load_across(b, panel.z, panel.z_step, panel, mask, first, count, -<real>al_infinity())
        max_across(b, LANES, count, panel.width, row + TOP * LANES)
        if masked:
            count_across(mask, count, panel.width, row + ALIVE * LANES)
        if form & GRADIENTS:
            load_across(g, panel.g, panel.g_step, panel, mask, first, count, <real>0.0)
            largest_across(g, count, panel.width, row + DOWN * LANES)
        first += count
    split_max(row + TOP * LANES, row + NEAR * LANES, row + REST * LANES, panel.width)
    if form & GRADIENTS:
        for l in range(panel.width):
            row[DOWN * LANES + l] = power_down(row[DOWN * LANES + l])


cdef inline void clear_sums(int sums, Py_ssize_t used, double *high, real *low) noexcept nogil:
    cdef Py_ssize_t l
    cdef int k
    for k in range(sums):
        for l in range(used * GROUP):
            high[k * GROUP * GROUP + l] = 0.0
            low[k * GROUP * GROUP + l] = <real>0.0


cdef inline void add_sums(int sums, Py_ssize_t used, const double *high, const real *low, real *row) noexcept nogil:
    """BELOW and, with gradients, MORE and WON of 16 lanes."""
    cdef int k
    for k in range(sums):
        add_up(high + k * GROUP * GROUP, low + k * GROUP * GROUP, GROUP, used, row + (BELOW + k) * LANES, row + (BELOW_LOW + k) * LANES,
               GROUP)


cdef inline void sum_panel(int form, real *b, real *g, unsigned char *mask, real *row, Panel *panel) noexcept nogil:
    """HITS and all sums, 16 lanes at a time, whose accumulators stay in L1. Exponentials that are wanted are left in b if that holds
    all classes, else in y."""
    cdef double high[3 * GROUP * LANES]
    cdef real low[3 * GROUP * LANES]
    cdef double hits[LANES]
    cdef Py_ssize_t first = 0, count, lane, at = 0, k, l, classes = panel.classes
    cdef Py_ssize_t used = classes if classes < GROUP else GROUP
    cdef int sums = 3 if form & GRADIENTS else 1
    cdef bint one_chunk = classes <= CHUNK
    for l in range(LANES):
        row[HITS * LANES + l] = <real>0.0
        hits[l] = 0.0
    while first < classes:
        count = classes - first if classes - first < CHUNK else CHUNK
        if not one_chunk:
            load_across(b, panel.z, panel.z_step, panel, mask, first, count, -<real>al_infinity())
            if form & GRADIENTS:
                load_across(g, panel.g, panel.g_step, panel, mask, first, count, <real>0.0)
        for k in range(panel.width // GROUP):
            lane = k * GROUP
            at = 0 if one_chunk else 3 * GROUP * lane
            if first == 0:
                clear_sums(sums, used, high + at, low + at)
            sum_across(form, b + lane, g + lane, count, row + lane, high + at, low + at)
            if first + count == classes:
                add_sums(sums, used, high + at, low + at, row + lane)
        if not one_chunk:
            for l in range(panel.width):
                hits[l] += <double> row[HITS * LANES + l]
                row[HITS * LANES + l] = <real>0.0
            if form & EXPONENTIALS:
                scatter(b, panel, panel.y, panel.y_step, first, count)
        first += count
    if not one_chunk:
        for l in range(panel.width):
            row[HITS * LANES + l] = <real> hits[l]


cdef inline void panel_across(int form, void (*finish)(real *, Py_ssize_t) noexcept nogil,
                              real (*entry)(real, real, const real *, Py_ssize_t) noexcept nogil,
                              real hidden, Panel *panel) noexcept nogil:
    cdef real b[CHUNK * LANES]
    cdef real g[CHUNK * LANES]
    cdef unsigned char mask[CHUNK * LANES]
    cdef real row[NUMBERS * LANES]
    cdef Py_ssize_t first = 0, count
    cdef bint one_chunk = panel.classes <= CHUNK
    scan_panel(form, b, g, mask, row, panel)
    sum_panel(form, b, g, mask, row, panel)
    if not form & GRADIENTS and panel.g[0] != NULL:
        take_rows(panel, row + GIVEN * LANES)
    finish(row, panel.width)
    if not form & MAPS:
        put_rows(panel, row + BEST * LANES)
        return
    while first < panel.classes:
        count = panel.classes - first if panel.classes - first < CHUNK else CHUNK
        if not one_chunk:
            if form & EXPONENTIALS:
                gather(b, panel, panel.y, panel.y_step, first, count)
            else:
                gather(b, panel, panel.z, panel.z_step, first, count)
            if form & GRADIENTS:
                gather(g, panel, panel.g, panel.g_step, first, count)
            if panel.mask[0] != NULL:
                gather_mask(mask, panel, first, count)
        map_across(entry, b, g, row, count, panel.width)
        if panel.mask[0] != NULL:
            hide_across(b, mask, count, panel.width, hidden)
        scatter(b, panel, panel.y, panel.y_step, first, count)
        first += count
