# main() of a program without Python: reads the operands of one function from standard input, runs the level's own loop over them
# and writes the results. tests/same_bits_arm64.py includes it behind a level module's glue, with loop_at, rows_of, pairs_of and
# function_of, which follow from the registry.

from libc.stdio cimport FILE, fread, fwrite, stdin, stdout
from libc.stdlib cimport atoll, calloc, exit
from loops cimport GROUP

cdef extern from "<fenv.h>" nogil:
    const int FE_ALL_EXCEPT
    const int FE_DIVBYZERO
    int feclearexcept(int)
    int feraiseexcept(int)
    int fetestexcept(int)

cdef enum:
    BAD_INPUT = 2
    BAD_FLAGS = 3     # a loop changed the floating-point flags


cdef char *room(Py_ssize_t size) noexcept nogil:
    return <char *> calloc(size + 1, 1)


cdef char *taken(Py_ssize_t size) noexcept nogil:
    cdef char *data = room(size)
    if <Py_ssize_t> fread(data, 1, size, stdin) != size:
        exit(BAD_INPUT)
    return data


cdef void give(const void *data, Py_ssize_t size) noexcept nogil:
    fwrite(data, 1, size, stdout)


cdef Loop with_uniform(Loop loop, Instance uniform) noexcept nogil:
    loop.uniform = uniform
    return loop


cdef void activation(Loop loop, Py_ssize_t n) noexcept nogil:
    """The loop over n elements; operands as the ufunc takes them."""
    cdef char *at[WALKED]
    cdef Py_ssize_t step[WALKED]
    cdef al_flags flags
    cdef int k
    for k in range(loop.inputs + loop.outputs):
        at[k] = taken(n * loop.size) if k < loop.inputs else room(n * loop.size)
        step[k] = loop.size
    al_save_flags(&flags)
    run(&loop, at, step, n, False)
    al_restore_flags(&flags)
    for k in range(loop.inputs, loop.inputs + loop.outputs):
        give(at[k], n * loop.size)


cdef void learned(Loop loop, Py_ssize_t outer, Py_ssize_t channels, Py_ssize_t inner) noexcept nogil:
    """dx and the gradient of one parameter per channel, of g, x (outer, channels, inner) and a (channels)."""
    cdef Walk walk
    cdef al_flags flags
    cdef Py_ssize_t size = loop.size, n = outer * channels * inner
    cdef Py_ssize_t step[WALKED]
    cdef int k
    memset(&walk, 0, sizeof(Walk))
    walk.operands = 5
    for k in range(3):
        walk.at[k] = taken((channels if k == 2 else n) * size)
    walk.at[3] = room(n * size)
    walk.at[4] = room(channels * sizeof(double))
    cdef char *dx = walk.at[3]
    cdef char *total = walk.at[4]
    step[0] = step[1] = step[3] = channels * inner * size
    step[2] = step[4] = 0
    walk_axis(&walk, outer, step)
    step[0] = step[1] = step[3] = inner * size
    step[2], step[4] = size, sizeof(double)
    walk_axis(&walk, channels, step)
    step[0] = step[1] = step[3] = size
    step[2] = step[4] = 0
    walk_axis(&walk, inner, step)
    al_save_flags(&flags)
    if size == sizeof(float):
        backward_learned[float](&loop, &walk, NULL)
    else:
        backward_learned[double](&loop, &walk, NULL)
    al_restore_flags(&flags)
    give(dx, n * size)
    give(total, channels * sizeof(double))


cdef void loss(RowLoss function, Py_ssize_t size, Py_ssize_t rows, Py_ssize_t classes, bint across) noexcept nogil:
    """Each row's loss, gradient and Hessian and the sum, of z (rows, classes; across: transposed), labels, weights, divisor."""
    cdef Walk walk
    cdef Panel panel
    cdef Target target
    cdef al_flags flags
    cdef Py_ssize_t n = rows * classes
    cdef Py_ssize_t step[WALKED]
    cdef char *z = taken(n * size)
    cdef int64_t *labels = <int64_t *> taken(rows * sizeof(int64_t))
    cdef double *weights = <double *> taken(rows * sizeof(double))
    cdef double *divisor = <double *> taken(sizeof(double))
    cdef char *losses = room(rows * size)
    cdef char *g = room(n * size)
    cdef char *h = room(n * size)
    cdef double total
    memset(&walk, 0, sizeof(Walk))
    walk.operands = 3
    walk.at[0], walk.at[1], walk.at[2] = z, g, h
    step[0] = step[1] = step[2] = size if across else classes * size
    walk_axis(&walk, rows, step)
    panel.classes = classes
    panel.z_step = panel.g_step = panel.h_step = rows * size if across else size
    plain_target(&target)
    target.labels = labels
    target.gamma = 2.0
    al_save_flags(&flags)
    total = function(&walk, &panel, rows, &target, weights, divisor[0], losses, True, True)
    al_restore_flags(&flags)
    give(losses, rows * size)
    give(g, n * size)
    give(h, n * size)
    give(&total, sizeof(double))


cdef void pairs(PairInstance function, Py_ssize_t size, Py_ssize_t n) noexcept nogil:
    """Losses, gradients and Hessians of n pairs, a multiple of GROUP: of predictions, targets, three parameters and a scale."""
    cdef char *at[9]
    cdef al_flags flags
    cdef int k
    cdef Py_ssize_t done = 0, count
    for k in range(9):
        at[k] = taken(n * size) if k < 6 else room(n * size)
    al_save_flags(&flags)
    while done < n:
        count = n - done if n - done < TILE else TILE
        function(at[0] + done * size, at[1] + done * size, at[2] + done * size, at[3] + done * size, at[4] + done * size,
                 at[5] + done * size, at[6] + done * size, at[7] + done * size, at[8] + done * size, count // GROUP)
        done += count
    al_restore_flags(&flags)
    for k in range(6, 9):
        give(at[k], n * size)


cdef void row_function(RowFunction function, Py_ssize_t size, Py_ssize_t rows, Py_ssize_t classes, bint reduces, bint backward,
                       bint across) noexcept nogil:
    """The value of each row, or of each entry, of z (rows, classes; across: transposed); backward: the gradient, from g too."""
    cdef Walk walk
    cdef Panel panel
    cdef al_flags flags
    cdef Py_ssize_t n = rows * classes
    cdef Py_ssize_t own = size if across else classes * size
    cdef Py_ssize_t step[WALKED]
    cdef char *z = taken(n * size)
    cdef char *g = taken((rows if reduces else n) * size) if backward else NULL
    cdef char *y = room(n * size)
    cdef bint one = reduces and not backward
    memset(&walk, 0, sizeof(Walk))
    walk.operands = 5
    walk.at[0], walk.at[1], walk.at[3] = z, g, y
    step[0] = own
    step[1] = 0 if g == NULL else size if reduces else own
    step[2] = step[4] = 0
    step[3] = size if one else own
    walk_axis(&walk, rows, step)
    panel.classes = classes
    panel.z_step = panel.y_step = rows * size if across else size
    panel.g_step = 0 if reduces or g == NULL else panel.z_step
    panel.mask_step = 0
    al_save_flags(&flags)
    function(&walk, &panel, rows)
    al_restore_flags(&flags)
    give(y, (rows if one else n) * size)


cdef public int same_bits "main"(int argc, char **argv) noexcept nogil:
    """Arguments: a for activation, l for learned, r for rows, p for pairs or f for functions of rows; which one; bytes of a number;
    sizes."""
    cdef char what = argv[1][0]
    cdef Py_ssize_t given[8]
    cdef int k
    for k in range(2, argc):
        given[k - 2] = atoll(argv[k])
    feclearexcept(FE_ALL_EXCEPT)
    feraiseexcept(FE_DIVBYZERO)
    if what == c"a":
        activation(loop_at(given[0]), given[2])
    elif what == c"l":
        learned(loop_at(given[0]), given[2], given[3], given[4])
    elif what == c"p":
        pairs(pairs_of(given[0]), given[1], given[2])
    elif what == c"f":
        row_function(function_of(given[0]), given[1], given[2], given[3], given[4], given[5], given[6])
    else:
        loss(rows_of(given[0]), given[1], given[2], given[3], given[4])
    return 0 if fetestexcept(FE_ALL_EXCEPT) == FE_DIVBYZERO else BAD_FLAGS
