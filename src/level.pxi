# What every level module is made of; setup.py writes one stub per level that includes this and the glue that follows from the
# registry. `module` hands everything over in dicts: a ufunc that were an attribute here would pickle by the level's name.

cimport cython
from libc.stdlib cimport malloc
from libc.string cimport memset

cimport numpy as cnp
from axes cimport WALKED, Panel, Walk, backward_learned, block_sum, walk_axis
from flags cimport al_flags, al_restore_flags, al_save_flags
from loops cimport Instance, Loop, copied as copied_kernel, map0, map1, map1_learned, map_value, operand, ufunc_loop
from real cimport AL_FUSED, al_infinity, int32_t, int64_t
from rows.labels cimport widen_labels

cnp.import_array()
cnp.import_ufunc()

cdef extern from *:
    """
    #if defined(AL_BASELINE) && defined(__AVX__)
    #error "the baseline must run on every x86-64-v2 machine: remove -mavx… or -march=… from CFLAGS"
    #endif
    #if defined(__FAST_MATH__)
    #error "remove -ffast-math (or -Ofast) from CFLAGS: it breaks NaN and switches flush-to-zero on for the whole process"
    #endif
    #if defined(__clang__)
    #define AL_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
    #define AL_COMPILER "GCC " __VERSION__
    #else
    #define AL_COMPILER "unknown"
    #endif
    """
    const char *AL_COMPILER

compiler = AL_COMPILER.decode().strip()
fused = bool(AL_FUSED)      # a·b + c is rounded once: which of the registry's bounds hold


cdef void elementwise(char **args, const cnp.npy_intp *dims, const cnp.npy_intp *steps, void *data) noexcept nogil:
    ufunc_loop(args, <const Py_ssize_t *> dims, <const Py_ssize_t *> steps, data)


cdef object make_ufunc(str name, str doc, int inputs, int outputs, Instance single, Instance double_):
    """A ufunc with a float32 and a float64 loop. NumPy keeps all these pointers as long as the process lives: so do we."""
    cdef cnp.PyUFuncGenericFunction *functions = <cnp.PyUFuncGenericFunction *> malloc(2 * sizeof(cnp.PyUFuncGenericFunction))
    cdef Loop *loops = <Loop *> malloc(2 * sizeof(Loop))
    cdef void **data = <void **> malloc(2 * sizeof(void *))
    cdef int operands = inputs + outputs
    cdef char *types = <char *> malloc(2 * operands)
    cdef bytes name_bytes = name.encode(), doc_bytes = doc.encode()
    cdef int k
    kept.extend((name_bytes, doc_bytes))
    loops[0] = Loop(single, inputs, outputs, sizeof(float))
    loops[1] = Loop(double_, inputs, outputs, sizeof(double))
    for k in range(2):
        functions[k] = <cnp.PyUFuncGenericFunction> elementwise
        data[k] = &loops[k]
        memset(types + k * operands, cnp.NPY_DOUBLE if k else cnp.NPY_FLOAT, operands)
    return cnp.PyUFunc_FromFuncAndData(functions, data, types, 2, inputs, outputs, cnp.PyUFunc_None, name_bytes, doc_bytes, 0)


kept = []


cdef void copy_twice_f(operand o0, operand o1, operand o2, operand o3, operand o4, Py_ssize_t groups) noexcept nogil:
    map0[float](copied_kernel[float], True, True, False, NULL, <float *> o0, <float *> o1, <float *> o2, groups)


cdef void copy_twice_d(operand o0, operand o1, operand o2, operand o3, operand o4, Py_ssize_t groups) noexcept nogil:
    map0[double](copied_kernel[double], True, True, False, NULL, <double *> o0, <double *> o1, <double *> o2, groups)


def machine_limit():
    """A ufunc that reads x once and writes it twice: what the machine allows value_and_grad at most."""
    return make_ufunc("machine_limit", "(x, x) from one read and two writes", 1, 2, copy_twice_f, copy_twice_d)


cdef void walk_arrays(Walk *walk, list arrays, cnp.ndarray like, int skip) except *:
    """A walk over arrays in the shape of `like`, to which they broadcast, leaving out axis `skip` (−1: none).

    None stands for an operand that is not there.
    """
    cdef Py_ssize_t step[WALKED]
    cdef cnp.ndarray array
    cdef int d, k, own
    memset(walk, 0, sizeof(Walk))
    walk.operands = len(arrays)
    for k in range(walk.operands):
        if arrays[k] is not None:
            array = arrays[k]
            walk.at[k] = cnp.PyArray_BYTES(array)
    for d in range(like.ndim):
        if d == skip:
            continue
        for k in range(walk.operands):
            step[k] = 0
            if arrays[k] is not None:
                array = arrays[k]
                own = d - like.ndim + array.ndim       # its axis d, counted from the last
                if own >= 0 and array.shape[own] == like.shape[d]:
                    step[k] = array.strides[own]
        walk_axis(walk, like.shape[d], step)


cdef object run_backward_learned(Instance single, Instance double_, cnp.ndarray g, cnp.ndarray x, cnp.ndarray a, cnp.ndarray dx,
                                 cnp.ndarray total):
    """dx has x's shape, g and a broadcast to it; all have x's dtype but total: float64, a's shape, zeroed."""
    cdef Walk walk
    cdef Loop loop
    cdef al_flags flags
    cdef bint is_float = cnp.PyArray_TYPE(x) == cnp.NPY_FLOAT
    if cnp.PyArray_SIZE(x) == 0:
        return
    walk_arrays(&walk, [g, x, a, dx, total], x, -1)
    with nogil:
        al_save_flags(&flags)
        if is_float:
            loop = Loop(single, 3, 2, sizeof(float))
            backward_learned[float](&loop, &walk, NULL)
        else:
            loop = Loop(double_, 3, 2, sizeof(double))
            backward_learned[double](&loop, &walk, NULL)
        al_restore_flags(&flags)


def check_labels(cnp.ndarray source, cnp.ndarray target, int64_t classes):
    """target (unless None) = source as int64; False if a label is not a whole number in [0, classes). Contiguous and native."""
    cdef Py_ssize_t n = cnp.PyArray_SIZE(source)
    cdef void *s = cnp.PyArray_DATA(source)
    cdef int64_t *t = NULL if target is None else <int64_t *> cnp.PyArray_DATA(target)
    cdef int size = cnp.PyArray_ITEMSIZE(source)
    cdef al_flags flags
    cdef bint good
    cdef str letter = source.dtype.kind
    al_save_flags(&flags)
    if letter == "f":
        good = widen_labels[float](<float *> s, t, n, classes) if size == 4 else widen_labels[double](<double *> s, t, n, classes)
    elif letter == "i":
        if size == 1:
            good = widen_labels[cython.schar](<signed char *> s, t, n, classes)
        elif size == 2:
            good = widen_labels[short](<short *> s, t, n, classes)
        elif size == 4:
            good = widen_labels[int](<int *> s, t, n, classes)
        else:
            good = widen_labels[cython.longlong](<long long *> s, t, n, classes)
    elif size == 1:
        good = widen_labels[cython.uchar](<unsigned char *> s, t, n, classes)
    elif size == 2:
        good = widen_labels[cython.ushort](<unsigned short *> s, t, n, classes)
    elif size == 4:
        good = widen_labels[cython.uint](<unsigned int *> s, t, n, classes)
    else:
        good = widen_labels[cython.ulonglong](<unsigned long long *> s, t, n, classes)
    al_restore_flags(&flags)
    return bool(good)


ctypedef double (*RowLoss)(Walk *, Panel *, Py_ssize_t, const int64_t *, const double *, double, void *, bint, bint) noexcept nogil


cdef object run_rows(RowLoss single, RowLoss double_, cnp.ndarray z, int axis, cnp.ndarray target, cnp.ndarray weight, bint mean,
                     cnp.ndarray losses, cnp.ndarray g, cnp.ndarray h):
    """The weighted sum or mean of a row loss; g, h, losses and weight may be None.

    Labels (int64) and weights (float64) are contiguous, one per row in C order, and checked; losses likewise, of z's dtype.
    """
    cdef Walk walk
    cdef Panel panel
    cdef al_flags flags
    cdef Py_ssize_t rows = cnp.PyArray_SIZE(target)
    cdef const int64_t *labels = <const int64_t *> cnp.PyArray_DATA(target)
    cdef const double *weights = NULL
    cdef void *row_losses = NULL
    cdef bint is_float = cnp.PyArray_TYPE(z) == cnp.NPY_FLOAT
    cdef bint grad = g is not None, hess = h is not None
    cdef double total, sum_of_weights, divisor = 1.0
    walk_arrays(&walk, [z, g, h], z, axis)
    panel.classes = z.shape[axis]
    panel.z_step = z.strides[axis]
    panel.g_step = g.strides[axis] if grad else 0
    panel.h_step = h.strides[axis] if hess else 0
    if weight is not None:
        weights = <const double *> cnp.PyArray_DATA(weight)
    if losses is not None:
        row_losses = cnp.PyArray_DATA(losses)
    with nogil:
        al_save_flags(&flags)
        sum_of_weights = block_sum(weights, rows) if weights != NULL else <double> rows
        if mean:        # of nothing: 0, with a gradient of 0
            divisor = sum_of_weights if sum_of_weights != 0.0 else al_infinity()
        total = 0.0
        if rows > 0:
            if is_float:
                total = single(&walk, &panel, rows, labels, weights, divisor, row_losses, grad, hess)
            else:
                total = double_(&walk, &panel, rows, labels, weights, divisor, row_losses, grad, hess)
        total /= divisor
        al_restore_flags(&flags)
    return total


include "level_maxout.pxi"
