# What softmax, log_softmax and logsumexp and their backward have in common: the order of the phases over a panel, in two shapes with
# the same bits. *along*: classes run along the vector, accumulator c mod 16 is the lane. *across*: rows run along the vector,
# accumulator c mod 16 is a vector of its own.
#
# Masked entries enter as −inf with a gradient of 0, and leave as `hidden`, be the row's other results NaN.

from axes cimport LANES, Panel, Walk, gather, next_panel, scatter, tree16
from libc.string cimport memcpy
from loops cimport GROUP
from panels cimport (
    NUMBERS,
    any_along,
    count_across,
    gather_mask,
    hide_across,
    hide_along,
    map_across,
    map_along,
    put_rows,
    take_rows,
)
from real cimport al_infinity, real
from rows.softmax_phases cimport CHUNK, fetch, max_across, max_along
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
    PART,
    PRODUCTS,
    SHORT_PART,
    TOP,
    add_up,
    empty,
    largest_across,
    largest_along,
    power_down,
    sum_across,
    sum_along,
)

cdef enum:
    ALONG_FROM = 48   # classes from which contiguous rows are faster along than across; never changes a bit
    TOGETHER = 16384  # elements of the rows that go through the phases together


# --- one panel across ---------------------------------------------------------------------------------------------------------

cdef inline void load_across(real *b, char **rows, Py_ssize_t step, Panel *panel, unsigned char *mask, Py_ssize_t first,
                             Py_ssize_t count, real hidden) noexcept nogil:
    gather(b, panel, rows, step, first, count)
    if panel.mask[0] != NULL:
        gather_mask(mask, panel, first, count)
        hide_across(b, mask, count, panel.width, hidden)


cdef inline void panel_across(int form, real (*term)(real, real) noexcept nogil,
                              void (*finish)(real *, Py_ssize_t) noexcept nogil,
                              real (*entry)(real, real, const real *, Py_ssize_t) noexcept nogil,
                              real hidden, Panel *panel) noexcept nogil:
    cdef real b[CHUNK * LANES]
    cdef real g[CHUNK * LANES]
    cdef unsigned char mask[CHUNK * LANES]
    cdef real sums[3 * GROUP * LANES]
    cdef real high[3 * GROUP * LANES]
    cdef real low[3 * GROUP * LANES]
    cdef double hits[LANES]
    cdef real row[NUMBERS * LANES]
    cdef Py_ssize_t chunk, first, count, at, classes = panel.classes, width = panel.width
    cdef Py_ssize_t part = SHORT_PART if form & GRADIENTS else PART
    cdef Py_ssize_t accumulators = classes if classes < GROUP else GROUP
    cdef real *whole
    cdef real *rest
    cdef int k, l, used = 3 if form & GRADIENTS else 1
    cdef bint one_chunk = classes <= CHUNK, masked = panel.mask[0] != NULL
    for l in range(LANES):
        row[TOP * LANES + l] = -<real>al_infinity()
        row[HITS * LANES + l] = row[DOWN * LANES + l] = <real>0.0
        row[ALIVE * LANES + l] = <real>0.0 if masked else <real>1.0
        hits[l] = 0.0
    for k in range(used):
        for l in range(accumulators * LANES):
            sums[k * GROUP * LANES + l] = <real>0.0
    if classes > part:
        for l in range(used * GROUP * LANES):
            high[l] = low[l] = <real>0.0
    elif form & PRODUCTS:
        for l in range(accumulators * LANES):
            low[GROUP * LANES + l] = <real>0.0
    for chunk in range((classes + CHUNK - 1) // CHUNK):
        first = chunk * CHUNK
        count = classes - first if classes - first < CHUNK else CHUNK
        load_across(b, panel.z, panel.z_step, panel, mask, first, count, -<real>al_infinity())
        max_across(b, LANES, count, width, row + TOP * LANES)
        if masked:
            count_across(mask, count, width, row + ALIVE * LANES)
        if form & GRADIENTS:
            load_across(g, panel.g, panel.g_step, panel, mask, first, count, <real>0.0)
            largest_across(g, count, width, row + DOWN * LANES)
    if form & GRADIENTS:
        for l in range(width):
            row[DOWN * LANES + l] = power_down(row[DOWN * LANES + l])
    for chunk in range((classes + CHUNK - 1) // CHUNK):
        first = chunk * CHUNK
        count = classes - first if classes - first < CHUNK else CHUNK
        if not one_chunk:
            load_across(b, panel.z, panel.z_step, panel, mask, first, count, -<real>al_infinity())
            if form & GRADIENTS:
                load_across(g, panel.g, panel.g_step, panel, mask, first, count, <real>0.0)
        for k in range((count + part - 1) // part):
            at = k * part
            sum_across(term, form, b + at * LANES, g + at * LANES, count - at if count - at < part else part, width, row, sums,
                       low + GROUP * LANES)
            if classes > part:
                empty(sums, high, low, used * GROUP * LANES)
        if not one_chunk:
            for l in range(width):
                hits[l] += <double> row[HITS * LANES + l]
                row[HITS * LANES + l] = <real>0.0
            if form & EXPONENTIALS:
                scatter(b, panel, panel.y, panel.y_step, first, count)
    whole, rest = sums, NULL
    if classes > part:
        whole, rest = high, low
    elif form & PRODUCTS:
        rest = low
    for k in range(used):
        add_up(whole + k * GROUP * LANES, rest + k * GROUP * LANES if rest != NULL and (classes > part or k == 1) else NULL, classes,
               row + (BELOW + k) * LANES, row + (BELOW_LOW + k) * LANES, width)
    if not one_chunk:
        for l in range(width):
            row[HITS * LANES + l] = <real> hits[l]
    if not form & GRADIENTS and panel.g[0] != NULL:
        take_rows(panel, row + GIVEN * LANES)
    finish(row, width)
    if not form & MAPS:
        put_rows(panel, row + BEST * LANES)
        return
    for chunk in range((classes + CHUNK - 1) // CHUNK):
        first = chunk * CHUNK
        count = classes - first if classes - first < CHUNK else CHUNK
        if not one_chunk:
            if form & EXPONENTIALS:
                gather(b, panel, panel.y, panel.y_step, first, count)
            else:
                gather(b, panel, panel.z, panel.z_step, first, count)
            if form & GRADIENTS:
                gather(g, panel, panel.g, panel.g_step, first, count)
            if masked:
                gather_mask(mask, panel, first, count)
        map_across(entry, b, g, row, count, width)
        if masked:
            hide_across(b, mask, count, width, hidden)
        scatter(b, panel, panel.y, panel.y_step, first, count)


# --- one panel along ----------------------------------------------------------------------------------------------------------

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
    row[DOWN * LANES] = power_down(largest)


cdef inline Py_ssize_t apart(char *const *rows, const real *type) noexcept nogil:
    """Elements from the first row to the second."""
    return (rows[1] - rows[0]) // <Py_ssize_t> sizeof(real)


cdef inline void sum_row(real (*term)(real, real) noexcept nogil, int form, real *row, Panel *panel, Py_ssize_t lane,
                         Py_ssize_t together, real *all_high, real *all_low) noexcept nogil:
    """HITS and the accumulators of all sums; y = e if that is wanted. The row `together` rows further is fetched; 0 for none.

    Rows are taken to be evenly spaced; a wrong guess costs time only.
    """
    cdef real b[CHUNK]
    cdef real g[CHUNK]
    cdef real sums[3 * GROUP]
    cdef real high[3 * GROUP]
    cdef real low[3 * GROUP]
    cdef real hits[GROUP]
    cdef double wide_hits[GROUP]
    cdef const char *mask = panel.mask[lane]
    cdef const real *z = <const real *> panel.z[lane]
    cdef const real *x
    cdef real *y = <real *> panel.y[lane]
    cdef real *e
    cdef Py_ssize_t first = 0, count, whole, at, classes = panel.classes
    cdef Py_ssize_t part = SHORT_PART if form & GRADIENTS else PART
    cdef int j, k, used = 3 if form & GRADIENTS else 1
    for j in range(used * GROUP):
        sums[j] = high[j] = low[j] = <real>0.0
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
        for k in range((whole + part - 1) // part):
            at = k * part
            sum_along(term, form, e + at, x + at, (whole - at if whole - at < part else part) // GROUP, row[TOP * LANES],
                      row[DOWN * LANES], sums, hits, low + GROUP)
            empty(sums, high, low, used * GROUP)
        if form & EXPONENTIALS and e == b:
            memcpy(y + first, b, <size_t> count * sizeof(real))
        if classes > CHUNK:
            for j in range(GROUP):
                wide_hits[j] += <double> hits[j]
                hits[j] = <real>0.0
        first += count
    for j in range(used * GROUP):
        all_high[j * LANES] = high[j]
        all_low[j * LANES] = low[j]
    row[HITS * LANES] = <real> tree16(wide_hits) if classes > CHUNK else tree16(hits)


cdef inline void map_row(real (*entry)(real, real, const real *, Py_ssize_t) noexcept nogil, int form, real *row,
                         Panel *panel, Py_ssize_t lane, real hidden) noexcept nogil:
    cdef real *y = <real *> panel.y[lane]
    cdef real *x = y if form & EXPONENTIALS else <real *> panel.z[lane]
    map_along(entry, x, <real *> panel.g[lane] if form & GRADIENTS else x, y, row, panel.classes)
    if panel.mask[lane] != NULL:
        hide_along(y, panel.mask[lane], panel.mask_step, panel.classes, hidden)


cdef inline void panel_along(int form, real (*term)(real, real) noexcept nogil,
                             void (*finish)(real *, Py_ssize_t) noexcept nogil,
                             real (*entry)(real, real, const real *, Py_ssize_t) noexcept nogil,
                             real hidden, Panel *panel) noexcept nogil:
    """Short rows phase by phase, so that no row waits for the one before; long ones one by one, so that they stay in cache.

    While one group of rows is computed, the lines of the next are fetched.
    """
    cdef real row[NUMBERS * LANES]
    cdef real high[3 * GROUP * LANES]
    cdef real low[3 * GROUP * LANES]
    cdef Py_ssize_t lane, l, first = 0
    cdef int k, used = 3 if form & GRADIENTS else 1
    cdef Py_ssize_t together = TOGETHER // panel.classes if panel.classes < TOGETHER else 1
    cdef Py_ssize_t ahead = together if panel.lanes > 1 and together > 1 else 0
    for l in range(NUMBERS * LANES):
        row[l] = <real>0.0
    for l in range(used * GROUP * LANES):
        high[l] = low[l] = <real>0.0
    if not form & GRADIENTS and panel.g[0] != NULL:
        take_rows(panel, row + GIVEN * LANES)
    while first < panel.lanes:
        together = together if first + together <= panel.lanes else panel.lanes - first
        for lane in range(first, first + together):
            scan_row(form, row + lane, panel, lane)
        for lane in range(first, first + together):
            sum_row(term, form, row + lane, panel, lane, ahead, high + lane, low + lane)
        for k in range(used):
            add_up(high + k * GROUP * LANES, low + k * GROUP * LANES, GROUP, row + (BELOW + k) * LANES,
                   row + (BELOW_LOW + k) * LANES, panel.width)
        finish(row, panel.width)
        if form & MAPS:
            for lane in range(first, first + together):
                map_row(entry, form, row + lane, panel, lane, hidden)
        first += together
    if not form & MAPS:
        put_rows(panel, row + BEST * LANES)


# --- all rows ------------------------------------------------------------------------------------------------------------------------

cdef inline void each_panel(int form, real (*term)(real, real) noexcept nogil, void (*finish)(real *, Py_ssize_t) noexcept nogil,
                            real (*entry)(real, real, const real *, Py_ssize_t) noexcept nogil, real hidden,
                            Walk *walk, Panel *panel, Py_ssize_t rows) noexcept nogil:
    """A function of rows, or its backward, from what is its own.

    form: what stands entry by entry. term(e, D g): what the sum MORE is of. finish: from the sums to the numbers that entry takes,
    or to BEST, the row's one result. entry(e or z, g, numbers, apart): a result.
    """
    cdef bint along = (panel.classes >= ALONG_FROM and panel.z_step == sizeof(real)
                       and (not form & MAPS or panel.y_step == sizeof(real))
                       and (not form & GRADIENTS or panel.g_step == sizeof(real)))
    while rows > 0:
        next_panel(walk, panel, rows)
        if along:
            panel_along(form, term, finish, entry, hidden, panel)
        else:
            panel_across(form, term, finish, entry, hidden, panel)
        rows -= panel.lanes


cdef inline real nothing(real e, real d) noexcept nogil:
    """The term of functions without gradients entry by entry."""
    return e


cdef inline real no_entry(real x, real g, const real *n, Py_ssize_t apart) noexcept nogil:
    """The entry of functions with one result per row."""
    return x
