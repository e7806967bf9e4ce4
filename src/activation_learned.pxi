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


cdef inline bint takes_slope(Given *given, cnp.ndarray x) noexcept:
    """Whether the parameter's gradient may be written to out[1], after all else was read and written: it has the parameter's shape."""
    cdef object out = <object> given.out[1]
    cdef PyObject *a = given.parameter[0]
    if not is_of_dtype(out, x) or not has(out, C_ORDER | cnp.NPY_ARRAY_ALIGNED) or not is_writable(<cnp.ndarray> out):
        return False
    if cnp.PyArray_FLAGS(<cnp.ndarray> out) < 0 or (given.out[0] != NULL and not is_apart(out, <object> given.out[0])):
        return False
    if PyFloat_CheckExact(a):
        return cnp.PyArray_NDIM(<cnp.ndarray> out) == 0
    return cnp.PyArray_SAMESHAPE(<cnp.ndarray> out, <cnp.ndarray> a)


cdef object run_learned(Functions f, Given *given, int at):
    """The first or the second way, unless gradients must be brought into place."""
    cdef PyObject *a = given.parameter[0]
    cdef cnp.ndarray x = <cnp.ndarray> given.x
    cdef Learned o
    if not PyFloat_CheckExact(a):
        if not has(<object> a, cnp.NPY_ARRAY_ALIGNED) or (given.out[0] != NULL and not is_apart(<object> a, <object> given.out[0])):
            return NotImplemented
    if given.out[1] != NULL and (at < NARROW or not takes_slope(given, x)):
        return NotImplemented
    dx = <object> given.out[0] if given.out[0] != NULL else new_like(x, cnp.NPY_KEEPORDER, NULL, 0)
    if at < NARROW:
        return f._run_learned(<object> given.g, x, <object> a, dx)
    put_learned(&o, 0, cnp.PyArray_DATA(<cnp.ndarray> given.g), given.g)
    put_learned(&o, 1, cnp.PyArray_DATA(x), given.x)
    put_learned(&o, 3, cnp.PyArray_DATA(<cnp.ndarray> dx), <PyObject *> dx)
    if PyFloat_CheckExact(a):
        slope = learned_number(f, at, x, &o, PyFloat_AS_DOUBLE(a), given.out[1])
    else:
        slope = learned_array(f, at, x, &o, <object> a, given.out[1])
    return <object> given.pair if given.out[0] != NULL and given.out[1] != NULL else (dx, slope)


cdef inline void round_sums(const double *sums, void *to, int at, cnp.npy_intp n) noexcept:
    """Sums as numbers of the parameter's dtype."""
    cdef al_flags flags
    cdef cnp.npy_intp i
    al_save_flags(&flags)
    for i in range(n):
        if at == AT_FLOAT64:
            (<double *> to)[i] = sums[i]
        else:
            (<float *> to)[i] = <float> sums[i]
    al_restore_flags(&flags)


cdef inline object learned_number(Functions f, int at, cnp.ndarray x, Learned *o, double a, PyObject *out):
    """The gradient of one number, in `out` or as a number."""
    cdef float single = <float> a
    cdef double total = 0.0, rounded
    put_learned(o, 2, <void *> &a if at == AT_FLOAT64 else <void *> &single, NULL)
    put_learned(o, 4, &total, NULL)
    walk_learned(f, at, x, o)
    round_sums(&total, &rounded if out == NULL else cnp.PyArray_DATA(<cnp.ndarray> out), at, 1)
    return cnp.PyArray_ToScalar(&rounded, x) if out == NULL else <object> out


cdef object learned_array(Functions f, int at, cnp.ndarray x, Learned *o, cnp.ndarray a, PyObject *out):
    """The gradient of each of the array's numbers."""
    cdef cnp.ndarray total = cnp.PyArray_ZEROS(cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), cnp.NPY_DOUBLE, 0)
    cdef cnp.ndarray slope = total
    cdef double *sums = <double *> cnp.PyArray_DATA(total)
    put_learned(o, 2, cnp.PyArray_DATA(a), <PyObject *> a)
    put_learned(o, 4, sums, <PyObject *> total)
    walk_learned(f, at, x, o)
    if out != NULL:
        slope = <cnp.ndarray> out
    elif at == AT_FLOAT32:
        slope = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), cnp.NPY_FLOAT, 0)
    if slope is not total:
        round_sums(sums, cnp.PyArray_DATA(slope), at, cnp.PyArray_SIZE(a))
    return slope if out != NULL or cnp.PyArray_NDIM(a) > 0 else slope[()]


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
