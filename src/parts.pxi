# How the work of a call is cut into parts for several threads; part of level.pxi.
#
# What is summed is cut by its shape alone, and the sums of the parts are added in their order: the number of threads changes no bit.
# Elements of their own are cut where lines of the first output begin.

from actloss_c._pool cimport run_parts, width
from pairs cimport TILE

ctypedef double (*RowLoss)(Walk *, Panel *, Py_ssize_t, const Target *, const double *, double, void *, bint, bint) noexcept nogil
ctypedef void (*RowFunction)(Walk *, Panel *, Py_ssize_t) noexcept nogil

cdef enum:
    ELEMENTS = 16384      # of a part of an elementwise function: some microseconds, with three arrays of float32 in L2
    SHARED_FROM = 131072  # elements: with fewer, the cheapest of them takes less than waking another thread
    PAIRS = 65536         # of a part at least: what begins a part costs nothing beside them
    ROW_ELEMENTS = 32768  # at least, of a part of rows
    MOST_PARTS = 256      # whose sums stand on the stack


cdef inline Py_ssize_t length_of(Py_ssize_t part, Py_ssize_t together, Py_ssize_t n) noexcept nogil:
    """Of a part of `together` of n elements or rows; the last one has what is left."""
    cdef Py_ssize_t left = n - part * together
    return left if left < together else together


cdef inline Py_ssize_t parts_of(Py_ssize_t together, Py_ssize_t n) noexcept nogil:
    return (n + together - 1) // together


# --- elements --------------------------------------------------------------------------------------------------------------------

cdef struct Elements:
    const Loop *loop
    char **args
    const Py_ssize_t *step
    Py_ssize_t n
    Py_ssize_t head       # elements before the first that begins a line of the first output, if it is contiguous: part 0 has them, too
    bint streaming


cdef inline bint in_any_order(const Loop *loop, char **args, const Py_ssize_t *step, Py_ssize_t n) noexcept nogil:
    """Whether no element is read that another one's result is written to: every output lies apart from every input, or is it."""
    cdef int i, j
    for j in range(loop.inputs, loop.inputs + loop.outputs):
        if step[j] == 0:
            return False
        for i in range(loop.inputs):
            if not (args[i] == args[j] and step[i] == step[j]) and not never_meet(loop, args, step, i, j, n):
                return False
    return True


cdef void some_elements(void *data, Py_ssize_t part) noexcept nogil:
    cdef Elements *all = <Elements *> data
    cdef Py_ssize_t first = part * ELEMENTS + all.head if part > 0 else 0
    cdef Py_ssize_t behind = (part + 1) * ELEMENTS + all.head
    cdef char *args[OPERANDS]
    cdef int k
    for k in range(all.loop.inputs + all.loop.outputs):
        args[k] = all.args[k] + first * all.step[k]
    run(all.loop, args, all.step, (behind if behind < all.n else all.n) - first, all.streaming)


cdef void elementwise(char **args, const cnp.npy_intp *dims, const cnp.npy_intp *steps, void *data) noexcept nogil:
    """The inner loop of every ufunc of this package; `data` is its Loop."""
    cdef al_flags flags
    cdef Elements all
    cdef Py_ssize_t n = dims[0]
    cdef const Loop *loop = <const Loop *> data
    cdef Py_ssize_t moved = n * loop.size * (loop.inputs - loop.parameters + loop.outputs)
    cdef bint streaming = loop.reused and 0 < loop.stream_from <= moved
    al_save_flags(&flags)
    if width > 1 and n >= SHARED_FROM and in_any_order(loop, args, <const Py_ssize_t *> steps, n):
        all = Elements(loop, args, <const Py_ssize_t *> steps, n, before_a_line(args[loop.inputs], size_of(loop, loop.inputs)), streaming)
        run_parts(some_elements, &all, parts_of(ELEMENTS, n - all.head))
    else:
        run(loop, args, <const Py_ssize_t *> steps, n, streaming)
    al_restore_flags(&flags)


cdef void elementwise_walk(void *walk, const void *loop) noexcept nogil:
    """The same over several axes, from which NumPy would call once for each row."""
    cdef al_flags flags
    cdef Walk *w = <Walk *> walk
    cdef int d = w.dims - 1
    al_save_flags(&flags)
    if not has_walked(<const Loop *> loop, w):
        while True:
            if w.shape[d] >= SHARED_FROM:
                elementwise(w.at, <cnp.npy_intp *> &w.shape[d], <cnp.npy_intp *> w.step[d], <void *> loop)
            else:
                run(<const Loop *> loop, w.at, w.step[d], w.shape[d], False)
            if not walk_next(w, 1):
                break
    al_restore_flags(&flags)


# --- pairs -----------------------------------------------------------------------------------------------------------------------

cdef inline Py_ssize_t pairs_together(Py_ssize_t n) noexcept nogil:
    """Of a part, of n in all: whole tiles."""
    cdef Py_ssize_t together = TILE * parts_of(MOST_PARTS * TILE, n)
    return together if together > PAIRS else PAIRS


# --- rows ------------------------------------------------------------------------------------------------------------------------

cdef inline Py_ssize_t rows_together(Py_ssize_t rows, Py_ssize_t classes) noexcept nogil:
    """Rows of a part: whole panels, but for rows that are worked on one by one anyway."""
    cdef Py_ssize_t unit = LANES if classes < TOGETHER else 1
    cdef Py_ssize_t most = ROW_ELEMENTS if classes < TOGETHER else 4 * ROW_ELEMENTS
    cdef Py_ssize_t units = most // (unit * classes) + (1 if classes < TOGETHER else 0)
    cdef Py_ssize_t least = parts_of(unit, parts_of(MOST_PARTS, rows))
    units = units if units > least else least
    return unit * (units if units > 1 else 1)


cdef struct Losses:
    # The arguments of a RowLoss over all rows.
    RowLoss run
    const Walk *walk
    const Panel *panel
    Py_ssize_t rows
    Py_ssize_t together
    const Target *target
    const double *weight
    double divisor
    char *losses
    int size              # of a number
    bint grad
    bint hess
    double sums[MOST_PARTS]


cdef void some_losses(void *data, Py_ssize_t part) noexcept nogil:
    cdef Losses *all = <Losses *> data
    cdef Walk walk, target_walk
    cdef Panel panel, target_panel
    cdef Target target = all.target[0]
    cdef const double *weight = all.weight
    cdef char *losses = all.losses
    cdef Py_ssize_t first = part * all.together
    cdef Py_ssize_t count = length_of(part, all.together, all.rows)
    walk_from(&walk, all.walk, first, 0)
    copy_steps(&panel, all.panel)
    if target.labels != NULL:
        target.labels += first
        if target.taken != NULL:
            target.taken = <const char *> target.taken + first * all.size
    else:
        walk_from(&target_walk, target.walk, first, 0)
        copy_steps(&target_panel, target.panel)
        target.walk = &target_walk
        target.panel = &target_panel
    if weight != NULL:
        weight += first
    if losses != NULL:
        losses += first * all.size
    all.sums[part] = all.run(&walk, &panel, count, &target, weight, all.divisor, losses, all.grad, all.hess)


cdef double run_losses(RowLoss run, Walk *walk, Panel *panel, Py_ssize_t rows, const Target *target, const double *weight,
                       double divisor, void *losses, int size, bint grad, bint hess) noexcept nogil:
    """Σ of the weighted losses of all rows; losses takes each one's, `size` bytes apart."""
    cdef Losses all
    cdef Py_ssize_t together = rows_together(rows, panel.classes), parts, part
    cdef double total = 0.0
    if rows <= together:
        return run(walk, panel, rows, target, weight, divisor, losses, grad, hess)
    parts = parts_of(together, rows)
    all.run, all.walk, all.panel, all.rows, all.together, all.target = run, walk, panel, rows, together, target
    all.weight, all.divisor, all.losses, all.size, all.grad, all.hess = weight, divisor, <char *> losses, size, grad, hess
    run_parts(some_losses, &all, parts)
    for part in range(parts):
        total += all.sums[part]
    return total


cdef struct Rows:
    # The arguments of a RowFunction over all rows.
    RowFunction run
    const Walk *walk
    const Panel *panel
    Py_ssize_t rows
    Py_ssize_t together


cdef void some_rows(void *data, Py_ssize_t part) noexcept nogil:
    cdef Rows *all = <Rows *> data
    cdef Walk walk
    cdef Panel panel
    walk_from(&walk, all.walk, part * all.together, 0)
    copy_steps(&panel, all.panel)
    all.run(&walk, &panel, length_of(part, all.together, all.rows))


cdef void run_all_rows(RowFunction run, Walk *walk, Panel *panel, Py_ssize_t rows) noexcept nogil:
    cdef Py_ssize_t together = rows_together(rows, panel.classes)
    cdef Rows all = Rows(run, walk, panel, rows, together)
    if rows > together and width > 1:
        run_parts(some_rows, &all, parts_of(together, rows))
    else:
        run(walk, panel, rows)
