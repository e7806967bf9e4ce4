# The ordinary call of a loss over rows without a frame that looks at each argument in Python: exact, native, aligned arrays of any
# layout, int64 labels in C order, no weights, no options. Everything else, every mistake included, is left to loss.py.

from plain cimport C_ORDER, has, has_own_elements, has_steps_of, is_apart, is_like, is_plain, is_writable

cdef extern from "Python.h":
    long PyLong_AsLongAndOverflow(object number, int *overflow)     # never raises for an exact int

cdef extern from "numpy/arrayobject.h":
    object new_like "PyArray_NewLikeArray"(cnp.ndarray prototype, cnp.NPY_ORDER order, void *dtype, int subok)

cdef enum:
    RELEASE_ROWS_FROM = 500     # elements from which other threads may run meanwhile, as in NumPy's ufuncs
    PLAIN = C_ORDER | cnp.NPY_ARRAY_ALIGNED


cdef inline bint is_label_of(object target, cnp.ndarray z, int axis) noexcept:
    """Whether it is a plain int64 array with one entry per row of z, whose classes lie along that axis."""
    cdef int d
    if not cnp.PyArray_CheckExact(target) or cnp.PyArray_TYPE(<cnp.ndarray> target) != cnp.NPY_INT64:
        return False
    if cnp.PyArray_NDIM(<cnp.ndarray> target) != cnp.PyArray_NDIM(z) - 1 or not has(target, PLAIN):
        return False
    for d in range(cnp.PyArray_NDIM(z) - 1):
        if cnp.PyArray_DIM(<cnp.ndarray> target, d) != cnp.PyArray_DIM(z, d + (d >= axis)):
            return False
    return cnp.PyArray_ISNOTSWAPPED(<cnp.ndarray> target)


cdef inline bint takes_slopes(object out, cnp.ndarray z, cnp.ndarray target) noexcept:
    """Whether a derivative for each entry of z may be written to `out`: None, apart from both inputs, or z itself.

    Bit 31: NumPy warns of writing to such a view.
    """
    if out is None:
        return True
    if not is_like(out, z) or not has(out, cnp.NPY_ARRAY_ALIGNED) or not is_writable(<cnp.ndarray> out):
        return False
    if cnp.PyArray_FLAGS(<cnp.ndarray> out) < 0 or not is_apart(target, out):
        return False
    if not (has(out, C_ORDER) or has_own_elements(<cnp.ndarray> out)):     # rows may be copied there before they are summed
        return False
    return is_apart(z, out) if cnp.PyArray_DATA(<cnp.ndarray> out) != cnp.PyArray_DATA(z) else has_steps_of(<cnp.ndarray> out, z)


cdef inline object slopes_like(cnp.ndarray z):
    """A new array for derivatives, in z's memory order."""
    if has(z, C_ORDER):
        return cnp.PyArray_EMPTY(cnp.PyArray_NDIM(z), cnp.PyArray_DIMS(z), cnp.PyArray_TYPE(z), 0)
    return new_like(z, cnp.NPY_KEEPORDER, NULL, 0)


cdef inline int axis_of(object axis, int axes) noexcept:
    """The axis counted from the first; −1 for what is none."""
    cdef int overflow
    cdef long d
    if type(axis) is not int:
        return -1
    d = PyLong_AsLongAndOverflow(axis, &overflow)
    if overflow != 0 or not -axes <= d < axes:
        return -1
    return <int> (d if d >= 0 else d + axes)


cdef inline void walk_rows(Walk *walk, cnp.ndarray z, object out, int axis) noexcept:
    """A walk in C order over the rows of z and of its derivative, if there is one."""
    cdef Py_ssize_t step[WALKED]
    cdef int d
    walk_start(walk, 3)
    walk.at[0] = cnp.PyArray_BYTES(z)
    for d in range(WALKED):
        step[d] = 0
    if out is not None:
        walk.at[1] = walk.at[2] = cnp.PyArray_BYTES(<cnp.ndarray> out)
    if axis == cnp.PyArray_NDIM(z) - 1 and has(z, C_ORDER) and (out is None or has(out, C_ORDER)):
        step[0] = step[1] = step[2] = cnp.PyArray_DIM(z, axis) * cnp.PyArray_ITEMSIZE(z)
        walk_axis(walk, cnp.PyArray_SIZE(z) // cnp.PyArray_DIM(z, axis), step)
        return
    for d in range(cnp.PyArray_NDIM(z)):
        if d != axis:
            step[0] = cnp.PyArray_STRIDE(z, d)
            if out is not None:
                step[1] = step[2] = cnp.PyArray_STRIDE(<cnp.ndarray> out, d)
            walk_axis(walk, cnp.PyArray_DIM(z, d), step)


# --- predictions that are probabilities ------------------------------------------------------------------------------------------

cdef struct Predictions:
    # The arguments of take_predictions over all rows.
    const char *a
    Py_ssize_t step
    Py_ssize_t classes
    Py_ssize_t rows
    Py_ssize_t together
    const int64_t *label
    char *taken
    int size              # of a number
    bint outside          # whether a part has a prediction that is no probability


cdef void some_predictions(void *data, Py_ssize_t part) noexcept nogil:
    cdef Predictions *all = <Predictions *> data
    cdef Py_ssize_t first = part * all.together, count = length_of(part, all.together, all.rows)
    cdef const char *a = all.a + first * all.classes * all.step
    cdef char *taken = all.taken + first * all.size
    cdef bint good
    if all.size == sizeof(float):
        good = take_predictions(a, all.step, all.classes, count, all.label + first, <float *> taken)
    else:
        good = take_predictions(a, all.step, all.classes, count, all.label + first, <double *> taken)
    if not good:
        all.outside = True


cdef inline bint take_probabilities(cnp.ndarray a, int axis, Target *to, Py_ssize_t rows, void *taken) noexcept:
    """Whether every prediction lies in [0, 1]; NaN, which may pass, is left to the general way. Where rows continue each other, those
    at the labels come to `taken`, and it to to.taken: large predictions are not read again for them."""
    cdef Walk walk
    cdef Predictions all
    cdef Py_ssize_t classes = cnp.PyArray_DIM(a, axis), step = cnp.PyArray_STRIDE(a, axis)
    walk_rows(&walk, a, None, axis)
    if walk.dims > 1 or (walk.dims == 1 and walk.step[0][0] != classes * step):
        return lies_inside(a, 0.0, 1.0, 0.0, 1.0)
    all = Predictions(cnp.PyArray_BYTES(a), step, classes, rows, rows_together(rows, classes), to.labels, <char *> taken,
                      cnp.PyArray_ITEMSIZE(a), False)
    run_parts(some_predictions, &all, parts_of(all.together, rows))
    to.taken = taken
    return not all.outside


# --- the call --------------------------------------------------------------------------------------------------------------------

cdef bint sum_plain(RowLoss run, bint probabilities, cnp.ndarray z, int axis, object out, Py_ssize_t rows, Target *to,
                    double *total, double divisor, bint grad):
    """total = Σ of the losses, divided, and its gradient to `out`; False for the general way."""
    cdef Walk walk
    cdef Panel panel
    cdef al_flags flags
    cdef double few[LANES]
    cdef void *taken = few
    cdef bint good = True
    al_save_flags(&flags)
    if probabilities:
        if rows > LANES:
            taken = malloc(<size_t> (rows * cnp.PyArray_ITEMSIZE(z)))
        good = taken != NULL and take_probabilities(z, axis, to, rows, taken)
    if good:
        walk_rows(&walk, z, out, axis)
        panel.classes = cnp.PyArray_DIM(z, axis)
        panel.z_step = cnp.PyArray_STRIDE(z, axis)
        panel.g_step = panel.h_step = cnp.PyArray_STRIDE(<cnp.ndarray> out, axis) if grad else 0
        if rows * panel.classes > RELEASE_ROWS_FROM:
            with nogil:
                total[0] = run_losses(run, &walk, &panel, rows, to, NULL, divisor, NULL, cnp.PyArray_ITEMSIZE(z), grad, False)
        else:
            total[0] = run(&walk, &panel, rows, to, NULL, divisor, NULL, grad, False)
        total[0] /= divisor
    if taken != few:
        free(taken)
    al_restore_flags(&flags)
    return good


cdef object run_plain(RowLoss single, RowLoss double_, bint probabilities, double gamma, object z, object target, object axis,
                      object reduction, object out, bint grad):
    """The loss, with its gradient if `grad`; None for the general way."""
    cdef Target to
    cdef Py_ssize_t rows
    cdef int along
    cdef double total, divisor
    if not is_plain(z) or not has(z, cnp.NPY_ARRAY_ALIGNED) or cnp.PyArray_SIZE(<cnp.ndarray> z) == 0:
        return None
    along = axis_of(axis, cnp.PyArray_NDIM(<cnp.ndarray> z))
    if along < 0 or not is_label_of(target, <cnp.ndarray> z, along):
        return None
    if type(reduction) is not str or (reduction != "mean" and reduction != "sum"):
        return None
    if not takes_slopes(out, <cnp.ndarray> z, <cnp.ndarray> target) or (out is not None and not grad):
        return None
    array = <cnp.ndarray> z
    rows = cnp.PyArray_SIZE(<cnp.ndarray> target)
    plain_target(&to)
    to.gamma = gamma
    to.labels = <const int64_t *> cnp.PyArray_DATA(<cnp.ndarray> target)
    if not widen_labels[cython.longlong](<const long long *> to.labels, NULL, rows, cnp.PyArray_DIM(array, along), False, 0):
        return None
    to.streaming = grad and out is not None and 2 * cnp.PyArray_NBYTES(array) >= cheap_from
    if grad and out is None:
        out = slopes_like(array)
    divisor = <double> rows if reduction == "mean" else 1.0
    run = single if cnp.PyArray_TYPE(array) == cnp.NPY_FLOAT else double_
    if not sum_plain(run, probabilities, array, along, out, rows, &to, &total, divisor, grad):
        return None
    return (total, out) if grad else total
