# The ordinary call of a loss over rows without a frame that looks at each argument in Python: exact, native, aligned arrays in C
# order, classes last, int64 labels, no weights, no options. Everything else, every mistake included, is left to loss.py.

from plain cimport C_ORDER, has, is_apart, is_like, is_plain, is_writable

cdef enum:
    RELEASE_ROWS_FROM = 500     # elements from which other threads may run meanwhile, as in NumPy's ufuncs
    PLAIN = C_ORDER | cnp.NPY_ARRAY_ALIGNED


cdef inline bint is_label_of(object target, cnp.ndarray z) noexcept:
    """Whether it is a plain int64 array with one entry per row of z."""
    cdef int d, rows = cnp.PyArray_NDIM(z) - 1
    if not cnp.PyArray_CheckExact(target) or cnp.PyArray_TYPE(<cnp.ndarray> target) != cnp.NPY_INT64:
        return False
    if cnp.PyArray_NDIM(<cnp.ndarray> target) != rows or not has(target, PLAIN):
        return False
    for d in range(rows):
        if cnp.PyArray_DIM(<cnp.ndarray> target, d) != cnp.PyArray_DIM(z, d):
            return False
    return cnp.PyArray_ISNOTSWAPPED(<cnp.ndarray> target)


cdef inline bint takes_results(object out, cnp.ndarray z) noexcept:
    """Whether results for each entry of z may be written to `out`. Bit 31: NumPy warns of writing to such a view."""
    if not is_like(out, z) or not has(out, PLAIN) or not is_writable(<cnp.ndarray> out) or cnp.PyArray_FLAGS(<cnp.ndarray> out) < 0:
        return False
    return cnp.PyArray_DATA(<cnp.ndarray> out) == cnp.PyArray_DATA(z) or is_apart(z, out)


cdef inline bint takes_gradient(object out, cnp.ndarray z, cnp.ndarray target) noexcept:
    """Whether the gradient may be written to `out`."""
    return takes_results(out, z) and is_apart(target, out)


cdef inline bint inputs_are_good(cnp.ndarray z, const int64_t *labels, Py_ssize_t rows, Py_ssize_t classes,
                                 bint probabilities) noexcept:
    """Whether every label lies in [0, classes), and every prediction in [0, 1]."""
    cdef Py_ssize_t n = rows * classes
    if not widen_labels[cython.longlong](<const long long *> labels, NULL, rows, classes, False, 0):
        return False
    if not probabilities:
        return True
    if cnp.PyArray_TYPE(z) == cnp.NPY_FLOAT:
        return lie_in[float](<float *> cnp.PyArray_DATA(z), n, 1.0, True)
    return lie_in[double](<double *> cnp.PyArray_DATA(z), n, 1.0, True)


cdef object run_plain(RowLoss single, RowLoss double_, bint probabilities, double gamma, object z, object target, object axis,
                      object reduction, object out, bint grad):
    """The loss, with its gradient if `grad`; None for the general way."""
    cdef Walk walk
    cdef Panel panel
    cdef Target to
    cdef al_flags flags
    cdef Py_ssize_t step[WALKED]
    cdef Py_ssize_t rows
    cdef bint mean
    cdef RowLoss run
    cdef double total = 0.0, divisor = 1.0
    if not is_plain(z) or not has(z, PLAIN) or cnp.PyArray_NDIM(<cnp.ndarray> z) == 0 or cnp.PyArray_SIZE(<cnp.ndarray> z) == 0:
        return None
    if not is_label_of(target, <cnp.ndarray> z) or type(reduction) is not str:
        return None
    if type(axis) is not int or (axis != -1 and axis != cnp.PyArray_NDIM(<cnp.ndarray> z) - 1):
        return None
    mean = reduction == "mean"
    if not mean and reduction != "sum":
        return None
    if out is not None and not (grad and takes_gradient(out, <cnp.ndarray> z, <cnp.ndarray> target)):
        return None
    panel.classes = cnp.PyArray_DIM(<cnp.ndarray> z, cnp.PyArray_NDIM(<cnp.ndarray> z) - 1)
    panel.z_step = panel.g_step = panel.h_step = cnp.PyArray_ITEMSIZE(<cnp.ndarray> z)
    rows = cnp.PyArray_SIZE(<cnp.ndarray> target)
    plain_target(&to)
    to.gamma = gamma
    to.labels = <const int64_t *> cnp.PyArray_DATA(<cnp.ndarray> target)
    if not inputs_are_good(<cnp.ndarray> z, to.labels, rows, panel.classes, probabilities):
        return None
    if grad and out is None:
        array = <cnp.ndarray> z
        out = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(array), cnp.PyArray_DIMS(array), cnp.PyArray_TYPE(array), 0)
    walk_start(&walk, 3)
    walk.at[0] = cnp.PyArray_BYTES(<cnp.ndarray> z)
    walk.at[1] = walk.at[2] = cnp.PyArray_BYTES(<cnp.ndarray> out) if grad else NULL
    step[0] = step[1] = step[2] = panel.classes * panel.z_step
    walk_axis(&walk, rows, step)
    run = single if cnp.PyArray_TYPE(<cnp.ndarray> z) == cnp.NPY_FLOAT else double_
    divisor = <double> rows if mean else 1.0
    al_save_flags(&flags)
    if rows * panel.classes > RELEASE_ROWS_FROM:
        with nogil:
            total = run_losses(run, &walk, &panel, rows, &to, NULL, divisor, NULL, 0, grad, False)
    else:
        total = run(&walk, &panel, rows, &to, NULL, divisor, NULL, grad, False)
    al_restore_flags(&flags)
    total /= divisor
    return (total, out) if grad else total
