# The entries of the functions of rows; part of level.pxi.

from rows.softmax_phases cimport ALONG_FROM

ctypedef void (*RowFunction)(Walk *, Panel *, Py_ssize_t) noexcept nogil


cdef object run_function(RowFunction single, RowFunction double_, cnp.ndarray z, int axis, cnp.ndarray g, cnp.ndarray y,
                         cnp.ndarray mask):
    """y from z, or from z and the gradient g; mask (bytes) and g may be None.

    g and y have z's shape, or 1 along the axis, where there is one number per row; mask has z's shape. y may be z, or g.
    """
    cdef Walk walk
    cdef Panel panel
    cdef al_flags flags
    cdef bint is_float = cnp.PyArray_TYPE(z) == cnp.NPY_FLOAT
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
        if is_float:
            single(&walk, &panel, rows)
        else:
            double_(&walk, &panel, rows)
        al_restore_flags(&flags)
    if target is not y:
        cnp.PyArray_CopyInto(y, target)
