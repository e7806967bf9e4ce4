# Calling an activation's loop over its operands, without NumPy's ufunc machinery, which takes most of a microsecond where an array is not
# contiguous; part of actloss_c/_call.pyx.

cdef enum:
    RELEASE_FROM = 500      # elements from which other threads may run meanwhile; NumPy's ufuncs have the same bound
    KEPT_ORDER = 0          # beside C_ORDER and F_ORDER: of arrays that are not contiguous in one order

cdef struct Operands:
    char *at[OPERANDS]
    PyObject *array[OPERANDS]       # NULL: one number for all elements
    int count


cdef inline void put(Operands *o, void *data, PyObject *array) noexcept:
    o.at[o.count] = <char *> data
    o.array[o.count] = array
    o.count += 1


cdef inline void put_array(Operands *o, PyObject *array) noexcept:
    put(o, cnp.PyArray_DATA(<cnp.ndarray> array), array)


cdef inline object put_result(Operands *o, PyObject *out, cnp.ndarray x, int order):
    """`out`, or a new array like x, as the next operand."""
    if out != NULL:
        y = <object> out
    elif order == KEPT_ORDER:
        y = new_like(x, cnp.NPY_KEEPORDER, NULL, 0)
    else:
        y = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x), cnp.PyArray_TYPE(x), order == F_ORDER)
    put_array(o, <PyObject *> y)
    return y


cdef inline object run_loop(Functions f, int kind, Given *given, cnp.ndarray x, int order, int at):
    """The ufunc's loop over all elements; a parameter is an operand with a step of 0."""
    cdef cnp.npy_intp n = cnp.PyArray_SIZE(x)
    cdef Run run = f.loops[kind].run[at]
    cdef Loop loop = (<Loop *> f.loops[kind].data[at])[0]
    cdef double value[PARAMETERS]
    cdef float single[PARAMETERS]
    cdef Operands o
    cdef int k
    o.count = 0
    if given.g != NULL:
        put_array(&o, given.g)
    put_array(&o, given.x)
    for k in range(f.parameters):
        if at < NARROW:
            put(&o, &f.narrow_defaults[at][k], NULL)
            continue
        value[k] = PyFloat_AS_DOUBLE(given.parameter[k])
        single[k] = <float> value[k]
        put(&o, <void *> &value[k] if at == AT_FLOAT64 else <void *> &single[k], NULL)
    results = y = put_result(&o, given.out[0], x, order)
    if kind == VALUE_AND_GRAD:
        dy = put_result(&o, given.out[1], x, order)
        results = <object> given.pair if given.out[0] != NULL and given.out[1] != NULL else (y, dy)
    loop.reused = given.out[0] != NULL and (kind != VALUE_AND_GRAD or given.out[1] != NULL)
    if order == KEPT_ORDER:
        run_axes(run, &loop, &o, x, y, n)
    else:
        run_at_once(run, &loop, &o, n, cnp.PyArray_ITEMSIZE(x))
    return results


cdef inline void run_at_once(Run run, Loop *loop, Operands *o, cnp.npy_intp n, Py_ssize_t size) noexcept:
    """Over n elements that are contiguous in one order."""
    cdef cnp.npy_intp step[OPERANDS]
    cdef int k
    for k in range(o.count):
        step[k] = size if o.array[k] != NULL else 0
    if n > RELEASE_FROM:
        with nogil:
            run(o.at, &n, step, loop)
    else:
        run(o.at, &n, step, loop)


cdef void run_axes(Run run, Loop *loop, Operands *o, cnp.ndarray x, cnp.ndarray y, cnp.npy_intp n) noexcept:
    """Over arrays of any layout, along the axis that is the innermost one of y: stores that jump cost more than loads. n > 0."""
    cdef Walk walk
    cdef Py_ssize_t step[OPERANDS]
    cdef int axis[cnp.NPY_MAXDIMS]
    cdef int d, k
    outermost_first(y, axis)
    walk_start(&walk, o.count)
    for k in range(o.count):
        walk.at[k] = o.at[k]
    for d in range(cnp.PyArray_NDIM(x)):
        for k in range(o.count):
            step[k] = cnp.PyArray_STRIDE(<cnp.ndarray> o.array[k], axis[d]) if o.array[k] != NULL else 0
        walk_axis(&walk, cnp.PyArray_DIM(x, axis[d]), step)
    if n > RELEASE_FROM:
        with nogil:
            run_walk(run, loop, &walk)
    else:
        run_walk(run, loop, &walk)


cdef inline void run_walk(Run run, Loop *loop, Walk *walk) noexcept nogil:
    """Of a walk with an axis: arrays without one are contiguous."""
    if walk.dims == 1:
        run(walk.at, <cnp.npy_intp *> walk.shape, <cnp.npy_intp *> walk.step[0], loop)
    else:
        loop.over_axes(walk, loop)
