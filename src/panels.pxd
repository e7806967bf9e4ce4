# Panels of rows of which a mask may leave entries out, block by block in L1: across, [class][lane], or along, a stretch of one row;
# and rows with one number each. Knows no mathematics.

from axes cimport LANES, Panel, side_by_side
from libc.string cimport memcpy, memset
from real cimport real

# --- masks: an entry whose byte is 0 does not count ----------------------------------------------------------------------------

cdef inline void gather_mask(unsigned char *block, Panel *panel, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    """block[c][lane] = mask[lane][first + c] for `count` classes."""
    cdef char **mask = panel.mask
    cdef Py_ssize_t c, lane, step = panel.mask_step
    cdef bint same = True
    for lane in range(1, panel.width):
        same = same and mask[lane] == mask[0]
    if same or side_by_side(mask, panel, 1):
        for c in range(count):
            if same:
                memset(block + c * LANES, mask[0][(first + c) * step], <size_t> panel.width)
            else:
                memcpy(block + c * LANES, mask[0] + (first + c) * step, <size_t> panel.width)
    else:
        for lane in range(panel.width):
            for c in range(count):
                block[c * LANES + lane] = mask[lane][(first + c) * step]


cdef inline void hide_across(real *b, const unsigned char *mask, Py_ssize_t count, Py_ssize_t width, real hidden) noexcept nogil:
    """b = hidden where the mask says so."""
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            b[c * LANES + l] = b[c * LANES + l] if mask[c * LANES + l] else hidden


cdef inline void count_across(const unsigned char *mask, Py_ssize_t count, Py_ssize_t width, real *alive) noexcept nogil:
    """alive = 1 for the rows of which an entry counts."""
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            alive[l] = <real>1.0 if mask[c * LANES + l] else alive[l]


cdef inline void hide_along(real *b, const char *mask, Py_ssize_t step, Py_ssize_t count, real hidden) noexcept nogil:
    cdef Py_ssize_t c
    if step == 1:
        for c in range(count):
            b[c] = b[c] if mask[c] else hidden
    else:
        for c in range(count):
            b[c] = b[c] if mask[c * step] else hidden


cdef inline bint any_along(const char *mask, Py_ssize_t step, Py_ssize_t count) noexcept nogil:
    """Whether an entry counts."""
    cdef Py_ssize_t c
    cdef int found = 0
    for c in range(count):
        found |= mask[c * step]
    return found != 0


# --- one number per row ---------------------------------------------------------------------------------------------------------

cdef inline void put_rows(const Panel *panel, const real *number) noexcept nogil:
    """The one result of each row."""
    cdef Py_ssize_t lane
    for lane in range(panel.lanes):
        (<real *> panel.y[lane])[0] = number[lane]


cdef inline void take_rows(const Panel *panel, real *number) noexcept nogil:
    """The one gradient of each row."""
    cdef Py_ssize_t lane
    for lane in range(panel.width):
        number[lane] = (<real *> panel.g[lane])[0]
