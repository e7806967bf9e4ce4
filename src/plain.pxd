# Which arrays and parameters compiled code takes as they are. Arguments typed as objects may be anything up to is_plain, exact
# ndarrays behind it.

cimport numpy as cnp
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_CheckExact

cdef enum:
    C_ORDER = cnp.NPY_ARRAY_C_CONTIGUOUS
    F_ORDER = cnp.NPY_ARRAY_F_CONTIGUOUS


cdef inline bint has(object a, int flags) noexcept:
    return cnp.PyArray_FLAGS(<cnp.ndarray> a) & flags == flags


cdef inline bint is_plain(object a) noexcept:
    """Whether it is an exact ndarray of native float32 or float64."""
    cdef int number
    if not cnp.PyArray_CheckExact(a):
        return False
    number = cnp.PyArray_TYPE(<cnp.ndarray> a)
    return (number == cnp.NPY_FLOAT or number == cnp.NPY_DOUBLE) and cnp.PyArray_ISNOTSWAPPED(<cnp.ndarray> a)


cdef inline bint is_of_dtype(object a, cnp.ndarray x) noexcept:
    """Whether it is an exact ndarray of x's dtype, which is native."""
    if not cnp.PyArray_CheckExact(a) or cnp.PyArray_TYPE(<cnp.ndarray> a) != cnp.PyArray_TYPE(x):
        return False
    return cnp.PyArray_ISNOTSWAPPED(<cnp.ndarray> a)


cdef inline bint is_like(object a, cnp.ndarray x) noexcept:
    """Whether it is an exact ndarray of x's dtype and shape."""
    return is_of_dtype(a, x) and cnp.PyArray_SAMESHAPE(<cnp.ndarray> a, x)


cdef inline bint is_within(object a, cnp.ndarray x) noexcept:
    """Whether it is an exact ndarray of x's dtype, and broadcasts against x without enlarging it."""
    cdef int d, extra
    cdef cnp.npy_intp n
    if not is_of_dtype(a, x):
        return False
    extra = cnp.PyArray_NDIM(x) - cnp.PyArray_NDIM(<cnp.ndarray> a)
    for d in range(cnp.PyArray_NDIM(<cnp.ndarray> a)):
        n = cnp.PyArray_DIM(<cnp.ndarray> a, d)
        if extra < 0 or (n != 1 and n != cnp.PyArray_DIM(x, extra + d)):
            return False
    return True


cdef inline bint is_exact(object p) noexcept:
    """Whether it is a float that float32 takes without overflow or underflow."""
    cdef double v
    if not PyFloat_CheckExact(p):
        return False
    v = PyFloat_AS_DOUBLE(p)
    return v == 0.0 or 1e-30 < v < 1e30 or -1e30 < v < -1e-30


cdef inline bint is_writable(cnp.ndarray a) noexcept:
    """Whether it may be written, and no element stands for many; has_own_elements sees all that share memory."""
    cdef int d
    for d in range(cnp.PyArray_NDIM(a)):
        if cnp.PyArray_STRIDE(a, d) == 0 and cnp.PyArray_DIM(a, d) > 1:
            return False
    return has(a, cnp.NPY_ARRAY_WRITEABLE)


cdef inline void extent(cnp.ndarray a, const char **low, const char **high) noexcept:
    """From the first byte of its elements to behind the last."""
    cdef int d
    cdef cnp.npy_intp along
    low[0] = high[0] = cnp.PyArray_BYTES(a)
    if cnp.PyArray_SIZE(a) == 0:
        return
    high[0] += cnp.PyArray_ITEMSIZE(a)
    for d in range(cnp.PyArray_NDIM(a)):
        along = (cnp.PyArray_DIM(a, d) - 1) * cnp.PyArray_STRIDE(a, d)
        if along > 0:
            high[0] += along
        else:
            low[0] += along


cdef inline bint is_apart(object a, object b) noexcept:
    """Whether all of one lies before the other in memory; arrays that take turns in it do not."""
    cdef const char *a_low
    cdef const char *a_high
    cdef const char *b_low
    cdef const char *b_high
    extent(<cnp.ndarray> a, &a_low, &a_high)
    extent(<cnp.ndarray> b, &b_low, &b_high)
    return a_high <= b_low or b_high <= a_low


cdef inline cnp.npy_intp size_of_step(cnp.ndarray a, int d) noexcept:
    cdef cnp.npy_intp step = cnp.PyArray_STRIDE(a, d)
    return step if step > 0 else -step


cdef inline void outermost_first(cnp.ndarray a, int *axis) noexcept:
    """The axes of a by falling steps."""
    cdef int d, k
    cdef cnp.npy_intp step
    for d in range(cnp.PyArray_NDIM(a)):
        step = size_of_step(a, d)
        k = d
        while k > 0 and size_of_step(a, axis[k - 1]) < step:
            axis[k] = axis[k - 1]
            k -= 1
        axis[k] = d


cdef inline bint has_own_elements(cnp.ndarray a) noexcept:
    """Whether no two elements share memory, as they do in sliding windows: each axis steps over all that the nearer ones reach."""
    cdef int axis[cnp.NPY_MAXDIMS]
    cdef cnp.npy_intp reach = cnp.PyArray_ITEMSIZE(a)
    cdef int k
    outermost_first(a, axis)
    for k in range(cnp.PyArray_NDIM(a) - 1, -1, -1):
        if cnp.PyArray_DIM(a, axis[k]) > 1:
            if size_of_step(a, axis[k]) < reach:
                return False
            reach += (cnp.PyArray_DIM(a, axis[k]) - 1) * size_of_step(a, axis[k])
    return True


cdef inline bint has_steps_of(cnp.ndarray a, cnp.ndarray b) noexcept:
    """Whether both, of one shape, lie in memory alike."""
    cdef int d
    for d in range(cnp.PyArray_NDIM(a)):
        if cnp.PyArray_STRIDE(a, d) != cnp.PyArray_STRIDE(b, d) and cnp.PyArray_DIM(a, d) > 1:
            return False
    return True


cdef inline bint is_read_in_time(object a, cnp.ndarray out) noexcept:
    """Whether the loop has read each element of `a` when it writes to its memory, if both, of one shape and dtype, lie alike."""
    return cnp.PyArray_DATA(<cnp.ndarray> a) == cnp.PyArray_DATA(out) or is_apart(a, out)
