# What every level module is made of; setup.py writes one stub per level that includes this and the glue that follows from the
# registry. `module` hands everything over in dicts: a ufunc that were an attribute here would pickle by the level's name.

cimport cython
from cpython.pycapsule cimport PyCapsule_New
from libc.stdlib cimport free, malloc
from libc.string cimport memset

cimport numpy as cnp
from axes cimport LANES, WALKED, Panel, Walk, copy_steps, walk_axis, walk_from, walk_next, walk_start
from flags cimport al_flags, al_restore_flags, al_save_flags
from halves cimport map0_halves
from learned cimport backward_learned
from loops cimport BFLOAT16, HALF, OPERANDS, STREAMED, Format, Instance, Loop, before_a_line, loop_of, never_meet, operand, run, size_of
from maps cimport copied as copied_kernel, map0, map1, map1_learned, map_value
from real cimport AL_FUSED, al_infinity, int32_t, int64_t
from rows.labels cimport weigh_rows, widen_labels
from rows.predictions cimport entries_lie_in, take_predictions
from rows.reduction cimport each_panel
from rows.softmax_phases cimport ALONG_FROM, TOGETHER
from rows.targets cimport Target
from stream cimport SLICE
from sums cimport block_sum
from tiles cimport has_walked

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

from actloss_c._cpu import stream_from

cdef Py_ssize_t cheap_from = stream_from(True), computing_from = stream_from(False)
compiler = AL_COMPILER.decode().strip()
fused = bool(AL_FUSED)      # a·b + c is rounded once: which of the registry's bounds hold


include "parts.pxi"


cdef object make_ufunc(str name, str doc, int inputs, int outputs, bint cheap, Instance single, Instance double_,
                       int parameters=0, Instance uniform_single=NULL, Instance uniform_double=NULL):
    """A ufunc with a loop for float16, float32 and float64: that order makes NumPy choose the narrowest which holds its inputs.
    NumPy keeps all these pointers as long as the process lives: so do we."""
    cdef cnp.PyUFuncGenericFunction *functions = <cnp.PyUFuncGenericFunction *> malloc(3 * sizeof(cnp.PyUFuncGenericFunction))
    cdef Loop *loops = <Loop *> malloc(3 * sizeof(Loop))
    cdef void **data = <void **> malloc(3 * sizeof(void *))
    cdef int operands = inputs + outputs
    cdef char *types = <char *> malloc(3 * operands)
    cdef int[3] numbers = [cnp.NPY_FLOAT16, cnp.NPY_FLOAT, cnp.NPY_DOUBLE]
    cdef bytes name_bytes = name.encode(), doc_bytes = doc.encode()
    cdef int k
    kept.extend((name_bytes, doc_bytes))
    for k in range(3):
        loops[k] = loop_of(double_ if k == 2 else single, inputs, outputs, sizeof(double) if k == 2 else sizeof(float))
        loops[k].uniform = uniform_double if k == 2 else uniform_single
        loops[k].parameters = parameters
        loops[k].over_axes = elementwise_walk
        loops[k].streamed = SLICE // loops[k].size if cheap else STREAMED
        loops[k].stream_from = cheap_from if cheap else computing_from
    loops[0].format, loops[0].narrow = HALF, (1 << operands) - 1
    for k in range(3):
        functions[k] = <cnp.PyUFuncGenericFunction> elementwise
        data[k] = &loops[k]
        memset(types + k * operands, numbers[k], operands)
    return cnp.PyUFunc_FromFuncAndData(functions, data, types, 3, inputs, outputs, cnp.PyUFunc_None, name_bytes, doc_bytes, 0)


kept = []


cdef void copy_twice_f(operand o0, operand o1, operand o2, operand o3, operand o4, Py_ssize_t groups) noexcept nogil:
    map0[float](copied_kernel[float], True, True, False, NULL, <float *> o0, <float *> o1, <float *> o2, groups)


cdef void copy_twice_d(operand o0, operand o1, operand o2, operand o3, operand o4, Py_ssize_t groups) noexcept nogil:
    map0[double](copied_kernel[double], True, True, False, NULL, <double *> o0, <double *> o1, <double *> o2, groups)


def machine_limit():
    """A ufunc that reads x once and writes it twice: what the machine allows value_and_grad at most."""
    cdef cnp.ufunc made = make_ufunc("machine_limit", "(x, x) from one read and two writes", 1, 2, True, copy_twice_f, copy_twice_d)
    for k in range(made.ntypes):
        (<Loop *> made.data[k]).reused = True       # it is always given its outputs
    return made


cdef void copy_once_f(operand o0, operand o1, operand o2, operand o3, operand o4, Py_ssize_t groups) noexcept nogil:
    map0[float](copied_kernel[float], True, False, False, NULL, <float *> o0, <float *> o1, NULL, groups)


cdef object make_conversion(Format format, bint rounds):
    """A ufunc that does nothing but widen numbers of 16 bits, given as uint16, or round to them."""
    cdef cnp.PyUFuncGenericFunction *function = <cnp.PyUFuncGenericFunction *> malloc(sizeof(cnp.PyUFuncGenericFunction))
    cdef Loop *loop = <Loop *> malloc(sizeof(Loop))
    cdef void **data = <void **> malloc(sizeof(void *))
    cdef char *types = <char *> malloc(2)
    cdef int narrow = 0b10 if rounds else 0b01
    cdef Instance instance = copy_once_f
    function[0] = <cnp.PyUFuncGenericFunction> elementwise
    loop[0] = loop_of(instance, 1, 1, sizeof(float))
    loop.format, loop.narrow, loop.over_axes = format, narrow, elementwise_walk
    data[0] = loop
    types[0] = cnp.NPY_FLOAT if rounds else cnp.NPY_UINT16
    types[1] = cnp.NPY_UINT16 if rounds else cnp.NPY_FLOAT
    return cnp.PyUFunc_FromFuncAndData(function, data, types, 1, 1, 1, cnp.PyUFunc_None, b"conversion", b"", 0)


def conversions():
    """{type: (uint16 → float32, float32 → uint16)}, for tests alone."""
    return {name: (make_conversion(f, False), make_conversion(f, True)) for name, f in (("float16", HALF), ("bfloat16", BFLOAT16))}


cdef void walk_arrays(Walk *walk, list arrays, cnp.ndarray like, int skip) except *:
    """A walk over arrays in the shape of `like`, to which they broadcast, leaving out axis `skip` (−1: none).

    None stands for an operand that is not there.
    """
    cdef Py_ssize_t step[WALKED]
    cdef cnp.ndarray array
    cdef int d, k, own
    walk_start(walk, len(arrays))
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


cdef void learned_walk(void *walk, const void *loop) noexcept nogil:
    cdef al_flags flags
    al_save_flags(&flags)
    if (<const Loop *> loop).size == sizeof(double):
        backward_learned[double](<const Loop *> loop, <Walk *> walk, NULL)
    else:
        backward_learned[float](<const Loop *> loop, <Walk *> walk, NULL)
    al_restore_flags(&flags)


cdef object make_learned(Instance single, Instance double_, Instance uniform_single, Instance uniform_double):
    """The loops of a learned parameter for float32 and float64, for actloss_c/_call.pyx, which keeps them for good."""
    cdef Loop *loops = <Loop *> malloc(2 * sizeof(Loop))
    cdef int k
    for k in range(2):
        loops[k] = loop_of(double_ if k else single, 3, 1, sizeof(double) if k else sizeof(float))
        loops[k].uniform, loops[k].parameters, loops[k].over_axes = uniform_double if k else uniform_single, 1, learned_walk
    return capsule(loops, b"actloss_c.learned")


cdef bint widen(cnp.ndarray source, int64_t *t, int64_t classes, bint ignoring, int64_t ignored):
    """widen_labels for the dtype of `source`."""
    cdef Py_ssize_t n = cnp.PyArray_SIZE(source)
    cdef void *s = cnp.PyArray_DATA(source)
    cdef int size = cnp.PyArray_ITEMSIZE(source)
    cdef str letter = source.dtype.kind
    if letter == "f":
        if size == 4:
            return widen_labels[float](<float *> s, t, n, classes, ignoring, ignored)
        return widen_labels[double](<double *> s, t, n, classes, ignoring, ignored)
    if letter == "i":
        if size == 1:
            return widen_labels[cython.schar](<signed char *> s, t, n, classes, ignoring, ignored)
        if size == 2:
            return widen_labels[short](<short *> s, t, n, classes, ignoring, ignored)
        if size == 4:
            return widen_labels[int](<int *> s, t, n, classes, ignoring, ignored)
        return widen_labels[cython.longlong](<long long *> s, t, n, classes, ignoring, ignored)
    if size == 1:
        return widen_labels[cython.uchar](<unsigned char *> s, t, n, classes, ignoring, ignored)
    if size == 2:
        return widen_labels[cython.ushort](<unsigned short *> s, t, n, classes, ignoring, ignored)
    if size == 4:
        return widen_labels[cython.uint](<unsigned int *> s, t, n, classes, ignoring, ignored)
    return widen_labels[cython.ulonglong](<unsigned long long *> s, t, n, classes, ignoring, ignored)


def check_labels(cnp.ndarray source, cnp.ndarray target, int64_t classes, ignored=None):
    """target (unless None) = source as int64, IGNORED for the label `ignored`; False if another is not a whole number in
    [0, classes). Both contiguous and native."""
    cdef int64_t *t = NULL if target is None else <int64_t *> cnp.PyArray_DATA(target)
    cdef al_flags flags
    cdef bint good
    al_save_flags(&flags)
    good = widen(source, t, classes, ignored is not None, 0 if ignored is None else <int64_t> ignored)
    al_restore_flags(&flags)
    return bool(good)


def check_entries(cnp.ndarray array, double high, bint nan_passes):
    """Whether every entry lies in [0, high]; fastest where the last axis is contiguous."""
    cdef Walk walk
    cdef al_flags flags
    cdef bint good
    if cnp.PyArray_SIZE(array) == 0:
        return True
    walk_arrays(&walk, [array], array, -1)
    with nogil:
        al_save_flags(&flags)
        if cnp.PyArray_TYPE(array) == cnp.NPY_FLOAT:
            good = entries_lie_in[float](&walk, <float> high, nan_passes)
        else:
            good = entries_lie_in[double](&walk, high, nan_passes)
        al_restore_flags(&flags)
    return bool(good)


cdef object capsule(void *f, const char *name):
    """A C function for another module of this package, which asks for it by what it takes."""
    return PyCapsule_New(f, name, NULL)


cdef double *doubles(cnp.ndarray array):
    """Its data, NULL for None."""
    return NULL if array is None else <double *> cnp.PyArray_DATA(array)


def row_weights(cnp.ndarray labels, cnp.ndarray class_weight, cnp.ndarray sample_weight, cnp.ndarray weight):
    """weight = that of each row's class (None: 1) times its own (None: 1), 0 where it is ignored. All float64, contiguous."""
    cdef const double *of_class = doubles(class_weight)
    cdef const double *of_row = doubles(sample_weight)
    weigh_rows(
        <int64_t *> cnp.PyArray_DATA(labels), of_class, of_row, <double *> cnp.PyArray_DATA(weight), cnp.PyArray_SIZE(labels)
    )


def weight_sum(cnp.ndarray counted):
    """Σ counted, float64 and contiguous, as run_rows divides a mean by it."""
    cdef al_flags flags
    cdef double total
    al_save_flags(&flags)
    total = block_sum(doubles(counted), cnp.PyArray_SIZE(counted))
    al_restore_flags(&flags)
    return total


cdef struct RowLosses:
    RowLoss single
    RowLoss double_
    RowLoss general_single
    RowLoss general_double


cdef object run_rows(const RowLosses *kernels, cnp.ndarray z, int axis, cnp.ndarray target, cnp.ndarray weight,
                     cnp.ndarray counted, bint mean, double empty, cnp.ndarray losses, cnp.ndarray g, cnp.ndarray h,
                     tuple settings):
    """The weighted sum or mean of a row loss; weight, counted, losses, g, h and settings may be None.

    target: labels (int64), or a distribution of z's shape and dtype. Labels, weight and counted (float64) are contiguous, one per
    row in C order, and checked; losses likewise, of z's dtype. A mean divides by Σ counted (by the number of rows without), and is
    `empty` where that is 0. settings: see set_target; None for labels alone.
    """
    cdef Walk walk, target_walk
    cdef Panel panel, target_panel
    cdef Target to
    cdef RowLoss run
    cdef al_flags flags
    cdef Py_ssize_t rows
    cdef const double *weights = doubles(weight)
    cdef const double *count = doubles(counted)
    cdef void *row_losses = NULL if losses is None else cnp.PyArray_DATA(losses)
    cdef bint is_float = cnp.PyArray_TYPE(z) == cnp.NPY_FLOAT
    cdef bint grad = g is not None, hess = h is not None, nothing
    cdef double total = 0.0, divisor = 1.0
    walk_arrays(&walk, [z, g, h], z, axis)
    panel.classes = z.shape[axis]
    panel.z_step = z.strides[axis]
    panel.g_step = g.strides[axis] if grad else 0
    panel.h_step = h.strides[axis] if hess else 0
    rows = cnp.PyArray_SIZE(z) // panel.classes
    set_target(&to, settings)
    if target.ndim == z.ndim:
        walk_arrays(&target_walk, [target, None, None], target, axis)
        target_panel.classes = panel.classes
        target_panel.z_step = target.strides[axis]
        to.walk = &target_walk
        to.panel = &target_panel
        to.plain = False
    else:
        to.labels = <const int64_t *> cnp.PyArray_DATA(target)
    if is_float:
        run = kernels.single if to.plain else kernels.general_single
    else:
        run = kernels.double_ if to.plain else kernels.general_double
    with nogil:
        al_save_flags(&flags)
        if mean:
            divisor = block_sum(count, rows) if count != NULL else <double> rows
        nothing = divisor == 0.0
        if nothing:         # a mean of nothing has a gradient of 0
            divisor = al_infinity()
        if rows > 0:
            total = run_losses(run, &walk, &panel, rows, &to, weights, divisor, row_losses, cnp.PyArray_ITEMSIZE(z), grad, hess)
        total = empty if nothing else total / divisor
        al_restore_flags(&flags)
    return total


cdef void plain_target(Target *to) noexcept nogil:
    """No options."""
    memset(to, 0, sizeof(Target))
    to.plain = True
    to.softcap = al_infinity()
    to.temperature = 1.0
    to.least = -al_infinity()


cdef void set_target(Target *to, tuple settings) except *:
    """settings: (whether a label is IGNORED, class weights for a distribution or for smoothing, smoothing, softcap, temperature,
    z_loss, gamma, least), the weights in float64 or None."""
    plain_target(to)
    if settings is None:
        return
    to.ignoring = settings[0]
    to.class_weight = doubles(settings[1])
    to.smoothing, to.softcap, to.temperature, to.z_loss, to.gamma, to.least = settings[2:]
    to.plain = to.smoothing == 0.0 and to.softcap == al_infinity() and to.temperature == 1.0 and to.z_loss == 0.0


include "domains.pxi"
include "level_rows.pxi"
include "level_row_functions.pxi"
include "level_maxout.pxi"
include "level_diagnosis.pxi"
