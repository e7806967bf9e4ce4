# The entries of the functions of rows; part of level.pxi.

cdef object run_function(RowFunction single, RowFunction double_, cnp.ndarray z, cnp.ndarray g, cnp.ndarray y, cnp.ndarray mask):
    """y from z, or from z and the gradient g; mask (bytes) and g may be None. The classes' axis is the last one.

    g and y have z's shape, or 1 along that axis, where there is one number per row; mask has z's shape. y may be z, or g.
    """
    cdef Walk walk
    cdef Panel panel
    cdef al_flags flags
    cdef bint is_float = cnp.PyArray_TYPE(z) == cnp.NPY_FLOAT
    cdef int axis = z.ndim - 1
    cdef Py_ssize_t rows
    cdef cnp.ndarray target = y
    if cnp.PyArray_SIZE(z) == 0:
        return
    panel.classes = z.shape[axis]
    if g is not None and cnp.PyArray_DATA(g) == cnp.PyArray_DATA(y) and panel.classes >= ALONG_FROM:
        # y holds exponentials while g is still to be read; shorter rows have both in blocks
        target = cnp.PyArray_EMPTY(z.ndim, z.shape, cnp.PyArray_TYPE(z), 0)
    rows = cnp.PyArray_SIZE(z) // panel.classes
    walk_arrays(&walk, [z, g, None, target, mask], z, axis)
    panel.z_step = z.strides[axis]
    panel.g_step = 0 if g is None else g.strides[axis]
    panel.y_step = target.strides[axis]
    panel.mask_step = 0 if mask is None else mask.strides[axis]
    with nogil:
        al_save_flags(&flags)
        run_all_rows(single if is_float else double_, &walk, &panel, rows)
        al_restore_flags(&flags)
    if target is not y:
        cnp.PyArray_CopyInto(y, target)


cdef inline bint takes_values(object out, cnp.ndarray z) noexcept:
    """Whether results for each entry of z may be written to `out`. Bit 31: NumPy warns of writing to such a view."""
    if not is_like(out, z) or not has(out, PLAIN) or not is_writable(<cnp.ndarray> out) or cnp.PyArray_FLAGS(<cnp.ndarray> out) < 0:
        return False
    return cnp.PyArray_DATA(<cnp.ndarray> out) == cnp.PyArray_DATA(z) or is_apart(z, out)


cdef object run_plain_function(RowFunction single, RowFunction double_, bint reduces, object z, object axis, object y):
    """The value of the ordinary call: an exact, native, aligned array in C order, classes last, no mask; None for the general way."""
    cdef Walk walk
    cdef Panel panel
    cdef al_flags flags
    cdef Py_ssize_t step[WALKED]
    cdef Py_ssize_t n, size
    cdef int k, axes
    cdef RowFunction run
    if not is_plain(z) or not has(z, PLAIN) or type(axis) is not int or cnp.PyArray_SIZE(<cnp.ndarray> z) == 0:
        return None
    array = <cnp.ndarray> z
    axes = cnp.PyArray_NDIM(array)
    if axes == 0 or (axis != -1 and axis != axes - 1) or (reduces and (axes == 1 or y is not None)):
        return None
    if y is not None and not takes_values(y, array):
        return None
    if y is None:
        y = cnp.PyArray_EMPTY(axes - reduces, cnp.PyArray_DIMS(array), cnp.PyArray_TYPE(array), 0)
    n, size = cnp.PyArray_SIZE(array), cnp.PyArray_ITEMSIZE(array)
    panel.classes = cnp.PyArray_DIM(array, axes - 1)
    panel.z_step = panel.y_step = size
    panel.g_step = panel.mask_step = 0
    walk_start(&walk, 5)
    for k in range(5):
        step[k] = 0
        walk.at[k] = NULL
    walk.at[0], walk.at[3] = cnp.PyArray_BYTES(array), cnp.PyArray_BYTES(<cnp.ndarray> y)
    step[0], step[3] = panel.classes * size, size if reduces else panel.classes * size
    walk_axis(&walk, n // panel.classes, step)
    run = single if cnp.PyArray_TYPE(array) == cnp.NPY_FLOAT else double_
    al_save_flags(&flags)
    if n > RELEASE_ROWS_FROM:
        with nogil:
            run_all_rows(run, &walk, &panel, n // panel.classes)
    else:
        run(&walk, &panel, n // panel.classes)
    al_restore_flags(&flags)
    return y
