# The losses over pairs as Python calls them; included by every level module after level.pxi.

from losses.domains cimport all_inside
from pairs cimport GRAD, HESS, LOSS, Kind, PairInstance, map_pair, run_pairs

cdef enum:
    KINDS = 5     # value, grad, value_and_grad, grad_and_hess, value_grad_and_hess


cdef Kind kind_of(cnp.ndarray array) except *:
    cdef str code = array.dtype.kind
    cdef int size = cnp.PyArray_ITEMSIZE(array)
    if code == "f":
        return Kind.FLOAT if size == 4 else Kind.DOUBLE
    if code == "i":
        return Kind.INT8 if size == 1 else Kind.INT16 if size == 2 else Kind.INT32 if size == 4 else Kind.INT64
    return Kind.UINT8 if size == 1 else Kind.UINT16 if size == 2 else Kind.UINT32 if size == 4 else Kind.UINT64


def inside(cnp.ndarray source, double a, double b, double low, double high):
    """Whether every number is a or b or lies between low and high. Contiguous and native."""
    cdef Py_ssize_t n = cnp.PyArray_SIZE(source)
    cdef void *s = cnp.PyArray_DATA(source)
    cdef Kind kind = kind_of(source)
    cdef al_flags flags
    cdef bint good
    al_save_flags(&flags)
    if kind == Kind.FLOAT:
        good = all_inside(<float *> s, n, a, b, low, high)
    elif kind == Kind.DOUBLE:
        good = all_inside(<double *> s, n, a, b, low, high)
    elif kind == Kind.INT8:
        good = all_inside(<signed char *> s, n, a, b, low, high)
    elif kind == Kind.UINT8:
        good = all_inside(<unsigned char *> s, n, a, b, low, high)
    elif kind == Kind.INT16:
        good = all_inside(<short *> s, n, a, b, low, high)
    elif kind == Kind.UINT16:
        good = all_inside(<unsigned short *> s, n, a, b, low, high)
    elif kind == Kind.INT32:
        good = all_inside(<int *> s, n, a, b, low, high)
    elif kind == Kind.UINT32:
        good = all_inside(<unsigned int *> s, n, a, b, low, high)
    elif kind == Kind.INT64:
        good = all_inside(<long long *> s, n, a, b, low, high)
    else:
        good = all_inside(<unsigned long long *> s, n, a, b, low, high)
    al_restore_flags(&flags)
    return bool(good)


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
    cdef bint value = which == 0 or which == 2 or which == 4
    cdef bint grad = which > 0, hess = which > 2, keep = losses is not None
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
        if is_float:
            total = run_pairs[float](single[which], &walk, kind, weights, divisor, value, keep, grad, hess, NULL)
        else:
            total = run_pairs[double](double_[which], &walk, kind, weights, divisor, value, keep, grad, hess, NULL)
        total /= divisor
        al_restore_flags(&flags)
    return total
