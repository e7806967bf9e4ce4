# The losses over pairs as Python calls them; included by every level module after level.pxi.

from cpython.float cimport PyFloat_AS_DOUBLE
from cpython.object cimport PyObject
from halves cimport map_pair_halves
from pairs cimport GRAD, HESS, LOSS, PARAMETER, TARGET, Z, PairInstance, map_pair
from turned_pairs cimport run_part

cdef enum:
    KINDS = 5         # value, grad, value_and_grad, grad_and_hess, value_grad_and_hess


cdef struct Pairs:
    # The arguments of run_part over all pairs.
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
    bint streaming
    double sums[MOST_PARTS]


cdef void some_pairs(void *data, Py_ssize_t part) noexcept nogil:
    cdef Pairs *all = <Pairs *> data
    cdef Py_ssize_t first = part * all.together
    cdef Py_ssize_t n = length_of(part, all.together, all.n)
    cdef bint value = all.which == 0 or all.which == 2 or all.which == 4
    cdef bint grad = all.which > 0, hess = all.which > 2
    if all.is_float:
        all.sums[part] = run_part[float](all.run, all.walk, first, n, all.kind, all.weight, all.divisor, value, all.keep, grad, hess,
                                         all.streaming, NULL)
    else:
        all.sums[part] = run_part[double](all.run, all.walk, first, n, all.kind, all.weight, all.divisor, value, all.keep, grad, hess,
                                          all.streaming, NULL)


cdef double run_all_pairs(PairInstance run, int which, bint is_float, const Walk *walk, Py_ssize_t n, const Kind *kind,
                          const double *weight, double divisor, bint keep, bint streaming) noexcept nogil:
    """Σ of the weighted losses of all pairs."""
    cdef Pairs all
    cdef Py_ssize_t together = pairs_together(n), part
    cdef double total = 0.0
    all.run, all.walk, all.n, all.together, all.kind, all.weight, all.divisor = run, walk, n, together, kind, weight, divisor
    all.which, all.is_float, all.keep, all.streaming = which, is_float, keep, streaming
    if n <= together:
        some_pairs(&all, 0)
    else:
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
        total = run_all_pairs(single[which] if is_float else double_[which], which, is_float, &walk, n, kind, weights, divisor, keep,
                              False)
        total /= divisor
        al_restore_flags(&flags)
    return total


# --- the ordinary call ---------------------------------------------------------------------------------------------------------
#
# Exact, native, aligned arrays of any layout, no weights, parameters as they are by default, mean or sum. Everything else, every
# mistake included, is left to pair_loss.py.

cdef inline bint is_target_of(object target, cnp.ndarray z) noexcept:
    """Whether it is an exact array of numbers with one entry per element of z."""
    cdef int number
    if not cnp.PyArray_CheckExact(target) or not has(target, cnp.NPY_ARRAY_ALIGNED):
        return False
    if not cnp.PyArray_SAMESHAPE(<cnp.ndarray> target, z):
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


cdef bint is_ordinary(tuple ordinary, object z, object target, object reduction, object g, object h) noexcept:
    """Whether these are the arguments of an ordinary call, and all numbers lie in their domains."""
    cdef al_flags flags
    cdef bint good
    if not is_plain(z) or not has(z, cnp.NPY_ARRAY_ALIGNED) or cnp.PyArray_SIZE(<cnp.ndarray> z) == 0 or type(reduction) is not str:
        return False
    if not is_target_of(target, <cnp.ndarray> z) or (reduction != "mean" and reduction != "sum"):
        return False
    if not takes_slopes(g, <cnp.ndarray> z, <cnp.ndarray> target) or not takes_slopes(h, <cnp.ndarray> z, <cnp.ndarray> target):
        return False
    if h is not None and (not is_apart(h, z) or (g is not None and not is_apart(g, h))):
        return False
    if ordinary[1] is not None and cnp.PyArray_TYPE(<cnp.ndarray> target) == cnp.NPY_DOUBLE:
        if cnp.PyArray_TYPE(<cnp.ndarray> z) == cnp.NPY_FLOAT:
            return False    # it must lie in its domain as a float, too
    al_save_flags(&flags)
    good = lies_in(ordinary[0], z) and lies_in(ordinary[1], target)
    al_restore_flags(&flags)
    return good


cdef inline void walk_pairs(Walk *walk, cnp.ndarray z, PyObject **array) noexcept:
    """A walk in C order over the arrays that are there, of z's shape; the other operands have a step of 0 everywhere."""
    cdef Py_ssize_t step[WALKED]
    cdef bint direct = True
    cdef int k, d
    for k in range(WALKED):
        step[k] = 0
        if array[k] != NULL:
            walk.at[k] = cnp.PyArray_BYTES(<cnp.ndarray> array[k])
            step[k] = cnp.PyArray_ITEMSIZE(<cnp.ndarray> array[k])
            direct = direct and has(<object> array[k], C_ORDER)
    if direct:
        walk_axis(walk, cnp.PyArray_SIZE(z), step)
        return
    for d in range(cnp.PyArray_NDIM(z)):
        for k in range(WALKED):
            step[k] = cnp.PyArray_STRIDE(<cnp.ndarray> array[k], d) if array[k] != NULL else 0
        walk_axis(walk, cnp.PyArray_DIM(z, d), step)


cdef object run_plain_pairs(PairInstance *single, PairInstance *double_, bint cheap, int which, tuple ordinary, object z, object target,
                            object reduction, object g, object h):
    """What `which` gives, or None for the general way. ordinary: the domains of z and target and the parameters, up to three
    numbers."""
    cdef Walk walk
    cdef Kind[WALKED] kind
    cdef PyObject *array[WALKED]
    cdef al_flags flags
    cdef double[3] wide
    cdef float[3] narrow
    cdef PairInstance run
    cdef bint is_float, streaming
    cdef Py_ssize_t n
    cdef double total = 0.0, divisor
    cdef int k
    if not is_ordinary(ordinary, z, target, reduction, g, h):
        return None
    n = cnp.PyArray_SIZE(<cnp.ndarray> z)
    streaming = cheap and g is not None and (which < 3 or h is not None) and n * cnp.PyArray_ITEMSIZE(<cnp.ndarray> z) * (3 + (which > 2)) >= cheap_from
    if which > 0 and g is None:
        g = slopes_like(<cnp.ndarray> z)
    if which > 2 and h is None:
        h = slopes_like(<cnp.ndarray> z)
    is_float = cnp.PyArray_TYPE(<cnp.ndarray> z) == cnp.NPY_FLOAT
    walk_start(&walk, WALKED)
    for k in range(WALKED):
        kind[k] = Kind.FLOAT if is_float else Kind.DOUBLE
        array[k] = NULL
    kind[TARGET] = kind_of(<cnp.ndarray> target)
    array[Z], array[TARGET] = <PyObject *> z, <PyObject *> target
    array[GRAD] = <PyObject *> g if g is not None else NULL
    array[HESS] = <PyObject *> h if h is not None else NULL
    walk_pairs(&walk, <cnp.ndarray> z, array)
    for k in range(len(ordinary) - 2):
        wide[k] = PyFloat_AS_DOUBLE(ordinary[2 + k])
        narrow[k] = <float> wide[k]
        walk.at[PARAMETER + k] = <char *> &narrow[k] if is_float else <char *> &wide[k]
    divisor = <double> n if reduction == "mean" else 1.0
    run = single[which] if is_float else double_[which]
    al_save_flags(&flags)
    if n > RELEASE_ROWS_FROM:
        with nogil:
            total = run_all_pairs(run, which, is_float, &walk, n, kind, NULL, divisor, False, streaming)
    else:
        total = run_all_pairs(run, which, is_float, &walk, n, kind, NULL, divisor, False, False)
    total /= divisor
    al_restore_flags(&flags)
    if which == 0:
        return total
    if which == 1:
        return g
    if which == 2:
        return total, g
    return (g, h) if which == 3 else (total, g, h)
