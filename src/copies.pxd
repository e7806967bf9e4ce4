# Copies between any stride and a contiguous block, whatever the elements mean. Knows no mathematics.

from half cimport uint16_t
from libc.string cimport memcpy
from real cimport int32_t, int64_t, real

cdef extern from *:
    ctypedef char *disjoint "char *__restrict"      # from the other: so shuffles need no check

ctypedef fused unit:     # an element, whatever it means
    uint16_t
    int32_t
    int64_t


cdef inline void take_each(disjoint block, disjoint source, Py_ssize_t each, Py_ssize_t count, const unit *type) noexcept nogil:
    """block[i] = source[each·i] for a literal `each`: shuffles of whole vectors. `type` only selects the instance."""
    cdef Py_ssize_t i
    for i in range(count):
        (<unit *> block)[i] = (<const unit *> source)[each * i]


cdef inline void take(char *block, const char *source, Py_ssize_t stride, Py_ssize_t count, const unit *type) noexcept nogil:
    """block[i] = source[i·stride]. What slices have most, every second to fourth element and backwards, becomes vectors; any other
    step is taken element by element, which is faster than to gather them."""
    cdef Py_ssize_t i
    if stride == 2 * <Py_ssize_t> sizeof(unit):
        take_each(<disjoint> block, <disjoint> source, 2, count, type)
    elif stride == 3 * <Py_ssize_t> sizeof(unit):
        take_each(<disjoint> block, <disjoint> source, 3, count, type)
    elif stride == 4 * <Py_ssize_t> sizeof(unit):
        take_each(<disjoint> block, <disjoint> source, 4, count, type)
    elif stride == -<Py_ssize_t> sizeof(unit):
        take_each(<disjoint> block, <disjoint> source, -1, count, type)
    else:
        for i in range(count):
            (<unit *> block)[i] = (<const unit *> (source + i * stride))[0]


cdef inline void repeat(char *block, const char *source, Py_ssize_t count, int size) noexcept nogil:
    """block[i] = source[0]. Not one more case of take: of five the compiler makes a table of jumps in every row's loop."""
    if size == 2:
        take_each(<disjoint> block, <disjoint> source, 0, count, <const uint16_t *> NULL)
    elif size == 4:
        take_each(<disjoint> block, <disjoint> source, 0, count, <const int32_t *> NULL)
    else:
        take_each(<disjoint> block, <disjoint> source, 0, count, <const int64_t *> NULL)


cdef inline void copy_in(char *block, const char *source, Py_ssize_t stride, Py_ssize_t count, int size) noexcept nogil:
    """block[i] = source[i·stride]; the caller guarantees alignment."""
    if stride == size:
        memcpy(block, source, <size_t> (count * size))
    elif stride == 0:
        repeat(block, source, count, size)
    elif size == 2:
        take(block, source, stride, count, <const uint16_t *> NULL)
    elif size == 4:
        take(block, source, stride, count, <const int32_t *> NULL)
    else:
        take(block, source, stride, count, <const int64_t *> NULL)


cdef inline void copy_out(char *target, Py_ssize_t stride, const char *block, Py_ssize_t count, int size) noexcept nogil:
    """target[i·stride] = block[i]."""
    cdef Py_ssize_t i
    if stride == size:
        memcpy(target, block, <size_t> (count * size))
    elif size == 2:
        for i in range(count):
            (<uint16_t *> (target + i * stride))[0] = (<const uint16_t *> block)[i]
    elif size == 4:
        for i in range(count):
            (<int32_t *> (target + i * stride))[0] = (<const int32_t *> block)[i]
    else:
        for i in range(count):
            (<int64_t *> (target + i * stride))[0] = (<const int64_t *> block)[i]


cdef inline void fill(real *block, Py_ssize_t count, real number) noexcept nogil:
    """block[i] = number."""
    cdef Py_ssize_t i
    for i in range(count):
        block[i] = number
