# The entries of the maxima over pieces; part of level.pxi.

cdef object run_pieces(RowFunction single, RowFunction double_, cnp.ndarray z, cnp.ndarray y, cnp.ndarray which):
    """z, the maxima y and which (or None); or dz, g and which. The pieces' axis is the last one, 1 long in y, g and which."""
    cdef Walk walk
    cdef Panel panel
    cdef al_flags flags
    cdef int axis = z.ndim - 1
    cdef Py_ssize_t rows = cnp.PyArray_SIZE(y)
    cdef bint is_float = cnp.PyArray_TYPE(z) == cnp.NPY_FLOAT
    if rows == 0:
        return
    walk_arrays(&walk, [z, y, which], z, axis)
    panel.classes = z.shape[axis]
    panel.z_step = z.strides[axis]
    panel.whole = 0 if which is None else <int> cnp.PyArray_ITEMSIZE(which)
    with nogil:
        al_save_flags(&flags)
        run_all_rows(single if is_float else double_, &walk, &panel, rows)
        al_restore_flags(&flags)
