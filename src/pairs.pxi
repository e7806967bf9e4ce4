# The losses over pairs as Python calls them; included by every level module after level.pxi.

from cpython.float cimport PyFloat_AS_DOUBLE
from halves cimport map_pair_halves
from losses.domains cimport all_inside
from pairs cimport GRAD, HESS, LOSS, TILE, Kind, PairInstance, map_pair, run_pairs

cdef enum:
    KINDS = 5     # value, grad, value_and_grad, grad_and_hess, value_grad_and_hess


cdef Kind kind_of(cnp.ndarray array) noexcept:
    """Of an array of numbers that compiled code can read."""
    cdef int number = cnp.PyArray_TYPE(array)
    cdef int size = cnp.PyArray_ITEMSIZE(array)
    if number == cnp.NPY_FLOAT or number == cnp.NPY_DOUBLE:
        return Kind.FLOAT if size == 4 else Kind.DOUBLE
    if cnp.PyTypeNum_ISSIGNED(number):
        return Kind.INT8 if size == 1 else Kind.INT16 if size == 2 else Kind.INT32 if size == 4 else Kind.INT64
    return Kind.UINT8 if size == 1 else Kind.UINT16 if size == 2 else Kind.UINT32 if size == 4 else Kind.UINT64


cdef bint lies_inside(cnp.ndarray source, double a, double b, double low, double high) noexcept:
    """Whether every number is a or b or lies between low and high. Contiguous and native."""
    cdef Py_ssize_t n = cnp.PyArray_SIZE(source)
    cdef void *s = cnp.PyArray_DATA(source)
    cdef Kind kind = kind_of(source)
    if kind == Kind.FLOAT:
        return all_inside(<float *> s, n, a, b, low, high)
    if kind == Kind.DOUBLE:
        return all_inside(<double *> s, n, a, b, low, high)
    if kind == Kind.INT8:
        return all_inside(<signed char *> s, n, a, b, low, high)
    if kind == Kind.UINT8:
        return all_inside(<unsigned char *> s, n, a, b, low, high)
    if kind == Kind.INT16:
        return all_inside(<short *> s, n, a, b, low, high)
    if kind == Kind.UINT16:
        return all_inside(<unsigned short *> s, n, a, b, low, high)
    if kind == Kind.INT32:
        return all_inside(<int *> s, n, a, b, low, high)
    if kind == Kind.UINT32:
        return all_inside(<unsigned int *> s, n, a, b, low, high)
    if kind == Kind.INT64:
        return all_inside(<long long *> s, n, a, b, low, high)
    return all_inside(<unsigned long long *> s, n, a, b, low, high)


def inside(cnp.ndarray source, double a, double b, double low, double high):
    """The same, from Python."""
    cdef al_flags flags
    cdef bint good
    al_save_flags(&flags)
    good = lies_inside(source, a, b, low, high)
    al_restore_flags(&flags)
    return bool(good)


cdef enum:
    PAIRS = 65536     # of a part at least: what begins a part costs nothing beside them

cdef struct Pairs:
    # The arguments of run_pairs over all pairs.
    PairInstance run
    const Walk *walk
    Py_ssize_t n
    Py_ssize_t together
    const Kind *kind
    const double *weight
    double divisor
    int which
    bint is_float
    bint keep
    double sums[MOST_PARTS]


cdef void some_pairs(void *data, Py_ssize_t part) noexcept nogil:
    cdef Pairs *all = <Pairs *> data
    cdef Py_ssize_t first = part * all.together
    cdef Py_ssize_t n = length_of(part, all.together, all.n)
    cdef bint value = all.which == 0 or all.which == 2 or all.which == 4
    cdef bint grad = all.which > 0, hess = all.which > 2
    if all.is_float:
        all.sums[part] = run_pairs[float](all.run, all.walk, first, n, all.kind, all.weight, all.divisor, value, all.keep, grad, hess,
                                          NULL)
    else:
        all.sums[part] = run_pairs[double](all.run, all.walk, first, n, all.kind, all.weight, all.divisor, value, all.keep, grad, hess,
                                           NULL)


cdef double run_all_pairs(PairInstance run, int which, bint is_float, const Walk *walk, Py_ssize_t n, const Kind *kind,
                          const double *weight, double divisor, bint keep) noexcept nogil:
    """Σ of the weighted losses of all pairs."""
    cdef Pairs all
    cdef Py_ssize_t together = TILE * parts_of(MOST_PARTS * TILE, n), part
    cdef double total = 0.0
    together = together if together > PAIRS else PAIRS
    all.run, all.walk, all.n, all.together, all.kind, all.weight, all.divisor = run, walk, n, together, kind, weight, divisor
    all.which, all.is_float, all.keep = which, is_float, keep
    run_parts(some_pairs, &all, parts_of(together, n))
    for part in range(parts_of(together, n)):
        total += all.sums[part]
    return total


cdef object run_pair_loss(PairInstance *single, PairInstance *double_, int which, cnp.ndarray z, cnp.ndarray target, tuple params,
                          cnp.ndarray weight, bint mean, cnp.ndarray losses, cnp.ndarray g, cnp.ndarray h):
    """The weighted sum or mean of a loss over pairs; `which` is the place of the instance among KINDS.

    target, g, h and losses have z's shape, the parameters broadcast to it and have z's dtype; weight is float64, contiguous, of z's
    shape. All of them native and aligned; g, h, losses float32 or float64; they and weight may be None.
    """
    cdef Walk walk
    cdef Kind[8] kind
    cdef al_flags flags
    cdef list arrays = [z, target, *params, *(3 - len(params)) * [None], losses, g, h]
    cdef const double *weights = NULL
    cdef bint is_float = cnp.PyArray_TYPE(z) == cnp.NPY_FLOAT
    cdef bint keep = losses is not None
    cdef double total = 0.0, divisor = 1.0
    cdef Py_ssize_t n = cnp.PyArray_SIZE(z)
    cdef int k
    for k in range(8):
        kind[k] = Kind.FLOAT if arrays[k] is None else kind_of(arrays[k])
    walk_arrays(&walk, arrays, z, -1)
    if weight is not None:
        weights = <const double *> cnp.PyArray_DATA(weight)
    if n == 0:
        return 0.0
    with nogil:
        al_save_flags(&flags)
        if mean:        # of weights that cancel: 0, with a gradient of 0
            divisor = block_sum(weights, n) if weights != NULL else <double> n
            divisor = divisor if divisor != 0.0 else al_infinity()
        total = run_all_pairs(single[which] if is_float else double_[which], which, is_float, &walk, n, kind, weights, divisor, keep)
        total /= divisor
        al_restore_flags(&flags)
    return total


# --- the ordinary call ---------------------------------------------------------------------------------------------------------
#
# Exact, native, aligned arrays in C order, no weights, parameters as they are by default, mean or sum. Everything else, every mistake
# included, is left to pair_loss.py.

cdef inline bint is_target_of(object target, cnp.ndarray z) noexcept:
    """Whether it is an exact array of numbers with one entry per element of z."""
    cdef int number
    if not cnp.PyArray_CheckExact(target) or not has(target, PLAIN) or not cnp.PyArray_SAMESHAPE(<cnp.ndarray> target, z):
        return False
    number = cnp.PyArray_TYPE(<cnp.ndarray> target)
    if not (cnp.PyTypeNum_ISINTEGER(number) or number == cnp.NPY_BOOL or number == cnp.NPY_FLOAT or number == cnp.NPY_DOUBLE):
        return False
    return cnp.PyArray_ISNOTSWAPPED(<cnp.ndarray> target)


cdef inline bint lies_in(object domain, object array) noexcept:
    """Whether all numbers do; domain: (a, b, low, high) as in `inside`, or None."""
    if domain is None:
        return True
    return lies_inside(<cnp.ndarray> array, PyFloat_AS_DOUBLE((<tuple> domain)[0]), PyFloat_AS_DOUBLE((<tuple> domain)[1]),
                       PyFloat_AS_DOUBLE((<tuple> domain)[2]), PyFloat_AS_DOUBLE((<tuple> domain)[3]))


cdef object run_plain_pairs(PairInstance *single, PairInstance *double_, int which, tuple ordinary, object z, object target,
                            object reduction, object g, object h):
    """(loss, g, h), or None for the general way. ordinary: the domains of z and target and the parameters, up to three numbers."""
    cdef Walk walk
    cdef Kind[8] kind
    cdef al_flags flags
    cdef Py_ssize_t step[WALKED]
    cdef double[3] wide
    cdef float[3] narrow
    cdef bint mean, good, is_float
    cdef Py_ssize_t n
    cdef double total = 0.0, divisor
    cdef int k
    if not is_plain(z) or not has(z, PLAIN) or cnp.PyArray_SIZE(<cnp.ndarray> z) == 0 or type(reduction) is not str:
        return None
    if not is_target_of(target, <cnp.ndarray> z):
        return None
    mean = reduction == "mean"
    if not mean and reduction != "sum":
        return None
    if g is not None and not takes_gradient(g, <cnp.ndarray> z, <cnp.ndarray> target):
        return None
    if h is not None:
        if not takes_gradient(h, <cnp.ndarray> z, <cnp.ndarray> target) or not is_apart(h, z) or (g is not None and not is_apart(g, h)):
            return None
    array = <cnp.ndarray> z
    if ordinary[1] is not None and cnp.PyArray_TYPE(<cnp.ndarray> target) == cnp.NPY_DOUBLE and cnp.PyArray_TYPE(array) == cnp.NPY_FLOAT:
        return None     # it must lie in its domain as a float, too
    al_save_flags(&flags)
    good = lies_in(ordinary[0], z) and lies_in(ordinary[1], target)
    al_restore_flags(&flags)
    if not good:
        return None
    n = cnp.PyArray_SIZE(array)
    is_float = cnp.PyArray_TYPE(array) == cnp.NPY_FLOAT
    if which > 0 and g is None:
        g = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(array), cnp.PyArray_DIMS(array), cnp.PyArray_TYPE(array), 0)
    if which > 2 and h is None:
        h = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(array), cnp.PyArray_DIMS(array), cnp.PyArray_TYPE(array), 0)
    walk_start(&walk, 8)
    for k in range(8):
        kind[k] = Kind.FLOAT if is_float else Kind.DOUBLE
        step[k] = cnp.PyArray_ITEMSIZE(array)
    kind[1] = kind_of(<cnp.ndarray> target)
    step[1] = cnp.PyArray_ITEMSIZE(<cnp.ndarray> target)
    walk.at[0] = cnp.PyArray_BYTES(array)
    walk.at[1] = cnp.PyArray_BYTES(<cnp.ndarray> target)
    for k in range(3):
        step[2 + k] = 0
        walk.at[2 + k] = NULL
        if 2 + k < len(ordinary):
            wide[k] = PyFloat_AS_DOUBLE(ordinary[2 + k])
            narrow[k] = <float> wide[k]
            walk.at[2 + k] = <char *> &narrow[k] if is_float else <char *> &wide[k]
    walk.at[5] = NULL
    walk.at[6] = NULL if g is None else cnp.PyArray_BYTES(<cnp.ndarray> g)
    walk.at[7] = NULL if h is None else cnp.PyArray_BYTES(<cnp.ndarray> h)
    walk_axis(&walk, n, step)
    divisor = <double> n if mean else 1.0
    al_save_flags(&flags)
    if n > RELEASE_ROWS_FROM:
        with nogil:
            total = run_all_pairs(single[which] if is_float else double_[which], which, is_float, &walk, n, kind, NULL, divisor, False)
    else:
        total = run_all_pairs(single[which] if is_float else double_[which], which, is_float, &walk, n, kind, NULL, divisor, False)
    al_restore_flags(&flags)
    return total / divisor, g, h
