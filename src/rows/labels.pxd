# The label policy: a label is an integer in [0, classes), in any integer width or as a float that is exactly one.
#
# The pre-pass reads all labels before anything else is touched and widens them to int64. It only says whether all are good, so
# it vectorises; the caller looks for the offending row when it is told that there is one. A label that stands for an ignored row
# becomes IGNORED.

cimport cython
from real cimport int64_t, uint64_t

cdef enum:
    IGNORED = -1

ctypedef fused label:
    signed char
    unsigned char
    short
    unsigned short
    int
    unsigned int
    long long
    unsigned long long
    float
    double


cdef inline bint widen_each(const label *source, int64_t *target, Py_ssize_t n, int64_t classes, bint ignoring,
                            int64_t ignored) noexcept nogil:
    """widen_labels for literals `ignoring` and NULL."""
    cdef Py_ssize_t i
    cdef int64_t t
    cdef bint whole, skipped, bad = False
    for i in range(n):
        whole = True
        if label is float or label is double:
            # Converted only if it fits; NaN fails both comparisons, and −1 is then not the source.
            t = <int64_t> source[i] if <label> -4.6e18 <= source[i] < <label> 4.6e18 else -1
            whole = <label> t == source[i]
        else:
            t = <int64_t> source[i]
        skipped = ignoring and whole and t == ignored
        if label is cython.ulonglong:      # one beyond int64 has wrapped and is no negative number
            skipped = skipped and t >= 0
        bad |= not skipped and (not whole or <uint64_t> t >= <uint64_t> classes)
        if target != NULL:
            target[i] = IGNORED if skipped else t
    return not bad


cdef inline bint widen_labels(const label *source, int64_t *target, Py_ssize_t n, int64_t classes, bint ignoring,
                              int64_t ignored) noexcept nogil:
    """target (unless NULL) = source as int64; whether every label lies in [0, classes) and is whole, or is the ignored one."""
    if ignoring:
        return widen_each(source, target, n, classes, True, ignored)
    if target != NULL:
        return widen_each(source, target, n, classes, False, 0)
    return widen_each(source, <int64_t *> NULL, n, classes, False, 0)


cdef inline void weigh_rows(const int64_t *target, const double *class_weight, const double *sample_weight, double *weight,
                            Py_ssize_t n) noexcept nogil:
    """weight = that of the row's class times that of the row, 0 for an ignored row. NULL stands for weights of 1."""
    cdef Py_ssize_t i
    cdef double w
    for i in range(n):
        w = 1.0 if sample_weight == NULL else sample_weight[i]
        if target[i] == IGNORED:
            w = 0.0
        elif class_weight != NULL:
            w *= class_weight[target[i]]
        weight[i] = w
