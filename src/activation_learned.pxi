# Calling backward of a learned parameter, which gives dx and the parameter's gradient; part of actloss_c/_call.pyx.

cdef struct Learned:
    # Its operands: data, and arrays for their steps, NULL for one number.
    char *at[WALKED]
    PyObject *array[WALKED]


cdef inline void put_learned(Learned *o, int k, void *data, PyObject *array) noexcept:
    o.at[k] = <char *> data
    o.array[k] = array


cdef inline Py_ssize_t step_like(PyObject *array, cnp.ndarray x, int d) noexcept:
    """Of an array that broadcasts to x, along x's axis d."""
    cdef int own
    if array == NULL:
        return 0
    own = d - cnp.PyArray_NDIM(x) + cnp.PyArray_NDIM(<cnp.ndarray> array)
    if own < 0 or cnp.PyArray_DIM(<cnp.ndarray> array, own) != cnp.PyArray_DIM(x, d):
        return 0
    return cnp.PyArray_STRIDE(<cnp.ndarray> array, own)


cdef void walk_learned(Functions f, int at, cnp.ndarray x, Learned *o) noexcept:
    """The loop over g, x, the parameter, dx and its sum, in C order of the index."""
    cdef Loop loop = f.learned[at == AT_FLOAT64]
    cdef Walk walk
    cdef Py_ssize_t step[WALKED]
    cdef int d, k
    if cnp.PyArray_SIZE(x) == 0:
        return
    if at < NARROW:
        loop.format, loop.narrow = HALF if at == AT_FLOAT16 else BFLOAT16, 0b1111
    walk_start(&walk, 5)
    for k in range(5):
        walk.at[k] = o.at[k]
    for d in range(cnp.PyArray_NDIM(x)):
        for k in range(5):
            step[k] = step_like(o.array[k], x, d)
        walk_axis(&walk, cnp.PyArray_DIM(x, d), step)
    if cnp.PyArray_SIZE(x) > RELEASE_FROM:
        with nogil:
            loop.over_axes(&walk, &loop)
    else:
        loop.over_axes(&walk, &loop)


cdef object run_learned(Functions f, Given *given, int at):
    """The first or the second way, unless gradients must be brought into place."""
    cdef PyObject *a = given.parameter[0]
    cdef cnp.ndarray x = <cnp.ndarray> given.x
    cdef Learned o
    if given.out[1] != NULL or not (PyFloat_CheckExact(a) or has(<object> a, cnp.NPY_ARRAY_ALIGNED)):
        return NotImplemented
    if given.out[0] != NULL and not (PyFloat_CheckExact(a) or is_apart(<object> a, <object> given.out[0])):
        return NotImplemented
    dx = <object> given.out[0] if given.out[0] != NULL else new_like(x, cnp.NPY_KEEPORDER, NULL, 0)
    if at < NARROW:
        return f._run_learned(<object> given.g, x, <object> a, dx)
    put_learned(&o, 0, cnp.PyArray_DATA(<cnp.ndarray> given.g), given.g)
    put_learned(&o, 1, cnp.PyArray_DATA(x), given.x)
    put_learned(&o, 3, cnp.PyArray_DATA(<cnp.ndarray> dx), <PyObject *> dx)
    if PyFloat_CheckExact(a):
        return dx, learned_number(f, at, x, &o, PyFloat_AS_DOUBLE(a))
    return dx, learned_array(f, at, x, &o, <object> a)


cdef inline object learned_number(Functions f, int at, cnp.ndarray x, Learned *o, double a):
    """The gradient of one number, as one."""
    cdef float single = <float> a
    cdef double total = 0.0
    cdef al_flags flags
    put_learned(o, 2, <void *> &a if at == AT_FLOAT64 else <void *> &single, NULL)
    put_learned(o, 4, &total, NULL)
    walk_learned(f, at, x, o)
    if at == AT_FLOAT64:
        return cnp.PyArray_ToScalar(&total, x)
    al_save_flags(&flags)
    single = <float> total
    al_restore_flags(&flags)
    return cnp.PyArray_ToScalar(&single, x)


cdef object learned_array(Functions f, int at, cnp.ndarray x, Learned *o, cnp.ndarray a):
    """The gradient of each of the array's numbers."""
    cdef cnp.ndarray total = cnp.PyArray_ZEROS(cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), cnp.NPY_DOUBLE, 0)
    cdef cnp.ndarray slope = total
    cdef double *sums = <double *> cnp.PyArray_DATA(total)
    cdef float *single
    cdef al_flags flags
    cdef cnp.npy_intp i
    put_learned(o, 2, cnp.PyArray_DATA(a), <PyObject *> a)
    put_learned(o, 4, sums, <PyObject *> total)
    walk_learned(f, at, x, o)
    if at == AT_FLOAT32:
        slope = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), cnp.NPY_FLOAT, 0)
        single = <float *> cnp.PyArray_DATA(slope)
        al_save_flags(&flags)
        for i in range(cnp.PyArray_SIZE(a)):
            single[i] = <float> sums[i]
        al_restore_flags(&flags)
    return slope if cnp.PyArray_NDIM(a) > 0 else slope[()]


def backward_learned(Functions f, cnp.ndarray g, cnp.ndarray x, cnp.ndarray a, cnp.ndarray dx, cnp.ndarray total):
    """dx has x's shape, g and a broadcast to it; all have x's dtype, for which there are loops, but the total: that is float64,
    of a's shape, in C order, zeroed."""
    cdef Learned o
    cdef int k, at = place_of(f, x)
    if f.learned == NULL or at == DTYPES:
        raise TypeError(f"{f.name}: no loop for a learned parameter and x of dtype {x.dtype}")
    for k, array in enumerate((g, x, a, dx, total)):
        put_learned(&o, k, cnp.PyArray_DATA(<cnp.ndarray> array), <PyObject *> array)
    walk_learned(f, at, x, &o)
