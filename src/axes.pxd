# Looping over axes: any number of them, any strides, always in C order of the index; panels of rows for the kernels in rows/. Knows no
# mathematics.

from libc.string cimport memcpy

from loops cimport GROUP
from real cimport real
from transpose cimport transpose4, turn8_in, turn8_out, turns_eight

cdef enum:
    DIMS = 64         # NPY_MAXDIMS
    WALKED = 8        # operands of a walk at most

cdef struct Walk:
    # The elements of several operands of one shape, in C order of the index whatever the memory order.
    int dims
    int operands
    Py_ssize_t shape[DIMS]
    Py_ssize_t step[DIMS][WALKED]
    Py_ssize_t index[DIMS]
    char *at[WALKED]


cdef inline void walk_start(Walk *walk, int operands) noexcept nogil:
    """A walk over one element: no axes yet, no operand there. Clearing all of it would take longer than a small call."""
    cdef int k
    walk.dims = 0
    walk.operands = operands
    for k in range(WALKED):
        walk.at[k] = NULL


cdef inline void walk_axis(Walk *walk, Py_ssize_t length, const Py_ssize_t *step) noexcept nogil:
    """Adds the next axis, outermost first; one that continues its neighbour in every operand is merged into it."""
    cdef int k, d = walk.dims - 1
    cdef bint merges = d >= 0
    if length == 1:
        return
    if d >= 0:
        for k in range(walk.operands):
            merges = merges and walk.step[d][k] == length * step[k]
    if merges:
        walk.shape[d] *= length
    else:
        d += 1
        walk.dims = d + 1
        walk.shape[d] = length
        walk.index[d] = 0
    for k in range(walk.operands):
        walk.step[d][k] = step[k]


cdef inline void walk_from(Walk *walk, const Walk *origin, Py_ssize_t index, int inner) noexcept nogil:
    """origin, which has not moved, as another walk that begins at `index`, in C order, of the axes outside the `inner` last ones."""
    cdef int k, d
    walk.dims = origin.dims
    walk.operands = origin.operands
    for k in range(WALKED):
        walk.at[k] = origin.at[k]
    for d in range(walk.dims):
        walk.shape[d] = origin.shape[d]
        walk.index[d] = 0
        for k in range(walk.operands):
            walk.step[d][k] = origin.step[d][k]
    d = walk.dims - inner - 1
    while d >= 0 and index > 0:
        walk.index[d] = index % walk.shape[d]
        index = index // walk.shape[d]
        for k in range(walk.operands):
            if walk.at[k] != NULL:
                walk.at[k] += walk.index[d] * walk.step[d][k]
        d -= 1


cdef inline bint walk_next(Walk *walk, int inner) noexcept nogil:
    """Moves to the next index of the axes outside the `inner` last ones; False after the last."""
    cdef int k, d = walk.dims - inner - 1
    while d >= 0:
        walk.index[d] += 1
        for k in range(walk.operands):
            walk.at[k] += walk.step[d][k]
        if walk.index[d] < walk.shape[d]:
            return True
        for k in range(walk.operands):
            walk.at[k] -= walk.shape[d] * walk.step[d][k]
        walk.index[d] = 0
        d -= 1
    return False


cdef inline void walk_on(Walk *walk, Py_ssize_t n) noexcept nogil:
    """Moves by n elements along the innermost axis, which has as many left."""
    cdef int k, d = walk.dims - 1
    walk.index[d] += n - 1
    for k in range(walk.operands):
        walk.at[k] += (n - 1) * walk.step[d][k]
    walk_next(walk, 0)


cdef enum:
    LANES = 64        # rows of a panel: four vectors of floats in flight hide the latency of one

# --- panels of rows ----------------------------------------------------------------------------------------------------------

cdef struct Panel:
    # Up to LANES rows side by side. `width` is `lanes` rounded up to a multiple of GROUP; the lanes past the last live one repeat
    # the first: they are computed and never stored. A loss has logits, gradient and Hessian, a function of rows logits, incoming
    # gradient, result and mask; what is not there is NULL.
    Py_ssize_t classes
    Py_ssize_t lanes
    Py_ssize_t width
    char *z[LANES]
    char *g[LANES]
    char *h[LANES]
    char *y[LANES]
    char *mask[LANES]
    Py_ssize_t z_step      # bytes from one class to the next
    Py_ssize_t g_step
    Py_ssize_t h_step
    Py_ssize_t y_step
    Py_ssize_t mask_step
    int whole              # bytes of a row's integer, in functions that have one; 0: it is not there


cdef inline void copy_steps(Panel *panel, const Panel *origin) noexcept nogil:
    """What does not change from panel to panel."""
    panel.classes = origin.classes
    panel.z_step = origin.z_step
    panel.g_step = origin.g_step
    panel.h_step = origin.h_step
    panel.y_step = origin.y_step
    panel.mask_step = origin.mask_step
    panel.whole = origin.whole


cdef inline bint side_by_side(char **row, const Panel *panel, Py_ssize_t size) noexcept nogil:
    """Whether all lanes are live and neighbours in memory: then a class is a few vectors."""
    cdef Py_ssize_t lane
    cdef bint neighbours = True
    if panel.lanes != panel.width or row[1] - row[0] != size:
        return False
    for lane in range(1, panel.lanes):
        neighbours &= row[lane] - row[0] == lane * size
    return neighbours


cdef inline void gather(real *block, const Panel *panel, char **row, Py_ssize_t step, Py_ssize_t first,
                        Py_ssize_t count) noexcept nogil:
    """block[c][lane] = row[lane][first + c] for `count` classes."""
    cdef Py_ssize_t c, lane, quad
    cdef const real *s0
    cdef const real *s1
    cdef const real *s2
    cdef const real *s3
    cdef real *to
    if side_by_side(row, panel, sizeof(real)):
        for c in range(count):
            memcpy(block + c * LANES, row[0] + (first + c) * step, <size_t> panel.width * sizeof(real))
    elif step == sizeof(real) and turns_eight(block) and count >= 8:
        for lane in range(0, panel.width, 8):
            c = 0
            while c < count:
                c = c if c < count - 8 else count - 8       # the last step repeats classes instead of taking them singly
                turn8_in(row + lane, first + c, block + c * LANES + lane, LANES)
                c += 8
    elif step == sizeof(real):
        for quad in range(panel.width // 4):
            s0 = <const real *> row[4 * quad] + first
            s1 = <const real *> row[4 * quad + 1] + first
            s2 = <const real *> row[4 * quad + 2] + first
            s3 = <const real *> row[4 * quad + 3] + first
            to = block + 4 * quad
            if count < 4:
                for c in range(count):
                    to[c * LANES] = s0[c]
                    to[c * LANES + 1] = s1[c]
                    to[c * LANES + 2] = s2[c]
                    to[c * LANES + 3] = s3[c]
            c = 0 if count >= 4 else count
            while c < count:
                c = c if c < count - 4 else count - 4
                transpose4(s0 + c, s1 + c, s2 + c, s3 + c,
                           to + c * LANES, to + (c + 1) * LANES, to + (c + 2) * LANES, to + (c + 3) * LANES)
                c += 4
    else:
        for lane in range(panel.width):
            for c in range(count):
                block[c * LANES + lane] = (<const real *> (row[lane] + (first + c) * step))[0]


cdef inline void scatter(const real *block, const Panel *panel, char **row, Py_ssize_t step, Py_ssize_t first,
                         Py_ssize_t count) noexcept nogil:
    """row[lane][first + c] = block[c][lane] for the live lanes."""
    cdef Py_ssize_t c, lane, quad, live = 0
    cdef real *t0
    cdef real *t1
    cdef real *t2
    cdef real *t3
    cdef const real *source
    if side_by_side(row, panel, sizeof(real)):
        for c in range(count):
            memcpy(row[0] + (first + c) * step, block + c * LANES, <size_t> panel.width * sizeof(real))
        return
    if step == sizeof(real) and turns_eight(block) and count >= 8:
        live = panel.lanes & ~<Py_ssize_t> 7
        for lane in range(0, live, 8):
            c = 0
            while c < count:
                c = c if c < count - 8 else count - 8
                turn8_out(block + c * LANES + lane, LANES, row + lane, first + c)
                c += 8
    if step == sizeof(real):
        for quad in range(live // 4, panel.lanes // 4):
            t0 = <real *> row[4 * quad] + first
            t1 = <real *> row[4 * quad + 1] + first
            t2 = <real *> row[4 * quad + 2] + first
            t3 = <real *> row[4 * quad + 3] + first
            source = block + 4 * quad
            if count < 4:
                for c in range(count):
                    t0[c] = source[c * LANES]
                    t1[c] = source[c * LANES + 1]
                    t2[c] = source[c * LANES + 2]
                    t3[c] = source[c * LANES + 3]
            c = 0 if count >= 4 else count
            while c < count:
                c = c if c < count - 4 else count - 4
                transpose4(source + c * LANES, source + (c + 1) * LANES, source + (c + 2) * LANES, source + (c + 3) * LANES,
                           t0 + c, t1 + c, t2 + c, t3 + c)
                c += 4
        live = panel.lanes & ~<Py_ssize_t> 3
    for lane in range(live, panel.lanes):
        for c in range(count):
            (<real *> (row[lane] + (first + c) * step))[0] = block[c * LANES + lane]


cdef inline void spread(char **row, char **at, Py_ssize_t step, Py_ssize_t lanes) noexcept nogil:
    """row = at, at + step …; at moves on past the last."""
    cdef char *first = at[0]
    cdef Py_ssize_t lane
    for lane in range(lanes):
        row[lane] = first + lane * step
    at[0] = first + lanes * step


cdef inline void next_panel(Walk *walk, Panel *panel, Py_ssize_t left) noexcept nogil:
    """Fills the lanes with the next rows in C order, at most `left`; operands of the walk are z, g and h, or these and y and mask.

    Written out by name: in a loop over the operands it costs a panel of two or three classes a tenth of its time.
    """
    cdef Py_ssize_t lane, d = walk.dims - 1
    cdef bint all_five = walk.operands > 3
    panel.lanes = left if left < LANES else LANES
    panel.width = (panel.lanes + GROUP - 1) & ~(<Py_ssize_t> GROUP - 1)
    if d >= 0 and walk.index[d] + panel.lanes < walk.shape[d]:      # all on one axis
        spread(panel.z, &walk.at[0], walk.step[d][0], panel.lanes)
        spread(panel.g, &walk.at[1], walk.step[d][1], panel.lanes)
        spread(panel.h, &walk.at[2], walk.step[d][2], panel.lanes)
        if all_five:
            spread(panel.y, &walk.at[3], walk.step[d][3], panel.lanes)
            spread(panel.mask, &walk.at[4], walk.step[d][4], panel.lanes)
        walk.index[d] += panel.lanes
    else:
        for lane in range(panel.lanes):
            panel.z[lane] = walk.at[0]
            panel.g[lane] = walk.at[1]
            panel.h[lane] = walk.at[2]
            if all_five:
                panel.y[lane] = walk.at[3]
                panel.mask[lane] = walk.at[4]
            walk_next(walk, 0)
    for lane in range(panel.lanes, panel.width):
        panel.z[lane] = panel.z[0]
        panel.g[lane] = panel.g[0]
        panel.h[lane] = panel.h[0]
        if all_five:
            panel.y[lane] = panel.y[0]
            panel.mask[lane] = panel.mask[0]
