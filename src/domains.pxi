# Whether the numbers of a prediction or target lie in a loss's domain, before anything is written; part of level.pxi.

from copies cimport copy_in
from losses.domains cimport all_inside
from pairs cimport Kind, size_of_kind
from plain cimport C_ORDER, F_ORDER, has, outermost_first

cdef enum:
    STRETCH = 131072    # numbers that are checked before those in front of them: 4096 leave no time to see them coming from memory


cdef Kind kind_of(cnp.ndarray array) noexcept:
    """Of an array of numbers that compiled code can read."""
    cdef int number = cnp.PyArray_TYPE(array)
    cdef int size = cnp.PyArray_ITEMSIZE(array)
    if number == cnp.NPY_FLOAT or number == cnp.NPY_DOUBLE:
        return Kind.FLOAT if size == 4 else Kind.DOUBLE
    if cnp.PyTypeNum_ISSIGNED(number):
        return Kind.INT8 if size == 1 else Kind.INT16 if size == 2 else Kind.INT32 if size == 4 else Kind.INT64
    return Kind.UINT8 if size == 1 else Kind.UINT16 if size == 2 else Kind.UINT32 if size == 4 else Kind.UINT64


cdef inline bint all_of_kind_inside(Kind kind, const void *s, Py_ssize_t n, double a, double b, double low, double high) noexcept nogil:
    """all_inside for numbers of that kind."""
    if kind == Kind.FLOAT:
        return all_inside(<const float *> s, n, a, b, low, high)
    if kind == Kind.DOUBLE:
        return all_inside(<const double *> s, n, a, b, low, high)
    if kind == Kind.INT8:
        return all_inside(<const signed char *> s, n, a, b, low, high)
    if kind == Kind.UINT8:
        return all_inside(<const unsigned char *> s, n, a, b, low, high)
    if kind == Kind.INT16:
        return all_inside(<const short *> s, n, a, b, low, high)
    if kind == Kind.UINT16:
        return all_inside(<const unsigned short *> s, n, a, b, low, high)
    if kind == Kind.INT32:
        return all_inside(<const int *> s, n, a, b, low, high)
    if kind == Kind.UINT32:
        return all_inside(<const unsigned int *> s, n, a, b, low, high)
    if kind == Kind.INT64:
        return all_inside(<const long long *> s, n, a, b, low, high)
    return all_inside(<const unsigned long long *> s, n, a, b, low, high)


cdef struct Numbers:
    # What all_of_kind_inside takes, of all numbers.
    Kind kind
    const char *source
    Py_ssize_t n
    Py_ssize_t together
    double a
    double b
    double low
    double high
    bint outside      # whether a part has a number that is not inside


cdef void some_numbers(void *data, Py_ssize_t part) noexcept nogil:
    """A part, from its last stretch to the first: what the loss reads first is then still in a cache."""
    cdef Numbers *all = <Numbers *> data
    cdef Py_ssize_t left = length_of(part, all.together, all.n), count, first
    cdef const char *source
    while left > 0:
        count = left if left < STRETCH else STRETCH
        left -= count
        first = part * all.together + left
        source = all.source + first * size_of_kind(all.kind)
        if not all_of_kind_inside(all.kind, source, count, all.a, all.b, all.low, all.high):
            all.outside = True
            return


cdef inline bint contiguous_inside(Kind kind, const void *source, Py_ssize_t n, double a, double b, double low, double high) noexcept:
    """Whether all are. Several threads take the parts that they have in run_all_pairs, too, if the numbers lie in C order; one has a
    part alone, so that it ends at the beginning."""
    cdef Numbers all = Numbers(kind, <const char *> source, n, n if width == 1 else pairs_together(n), a, b, low, high, False)
    if n > 0:
        run_parts(some_numbers, &all, parts_of(all.together, n))
    return not all.outside


cdef inline void collect_row(char *block, const char *source, Py_ssize_t step, Py_ssize_t count, int size) noexcept nogil:
    """copy_in, of single bytes, too."""
    cdef Py_ssize_t i
    if size > 1:
        copy_in(block, source, step, count, size)
        return
    for i in range(count):
        block[i] = source[i * step]


cdef inline void walk_in_memory(Walk *walk, cnp.ndarray array) noexcept:
    """A walk over one array, the axis of the smallest step innermost."""
    cdef int axis[cnp.NPY_MAXDIMS]
    cdef Py_ssize_t step[WALKED]
    cdef int k
    outermost_first(array, axis)
    walk_start(walk, 1)
    walk.at[0] = cnp.PyArray_BYTES(array)
    for k in range(cnp.PyArray_NDIM(array)):
        step[0] = cnp.PyArray_STRIDE(array, axis[k])
        walk_axis(walk, cnp.PyArray_DIM(array, axis[k]), step)


cdef bint lies_inside(cnp.ndarray source, double a, double b, double low, double high) noexcept:
    """Whether every number is a or b or lies between low and high. Native and aligned."""
    cdef double block[TILE]
    cdef Walk walk
    cdef Kind kind = kind_of(source)
    cdef Py_ssize_t n = cnp.PyArray_SIZE(source), done, count, step
    cdef int size = cnp.PyArray_ITEMSIZE(source), d
    if has(source, C_ORDER) or has(source, F_ORDER):
        return contiguous_inside(kind, cnp.PyArray_DATA(source), n, a, b, low, high)
    if n == 0:
        return True
    walk_in_memory(&walk, source)
    d = walk.dims - 1
    n, step = walk.shape[d], walk.step[d][0]
    while True:
        done = 0
        while done < n:
            count = n if step == size else TILE if n - done > TILE else n - done
            if step != size:
                collect_row(<char *> block, walk.at[0] + done * step, step, count, size)
            if not all_of_kind_inside(kind, walk.at[0] if step == size else <char *> block, count, a, b, low, high):
                return False
            done += count
        if not walk_next(&walk, 1):
            return True


def inside(cnp.ndarray source, double a, double b, double low, double high):
    """The same, from Python."""
    cdef al_flags flags
    cdef bint good
    al_save_flags(&flags)
    good = lies_inside(source, a, b, low, high)
    al_restore_flags(&flags)
    return bool(good)
