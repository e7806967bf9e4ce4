# The label policy: a label is an integer in [0, classes), in any integer width or as a float that is exactly one.
#
# The pre-pass reads all labels before anything else is touched and widens them to int64. It only says whether all are good, so
# it vectorises; the caller looks for the offending row when it is told that there is one. A label that stands for an ignored row
# becomes IGNORED.

cimport cython
from real cimport al_bits, int64_t, uint64_t

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

ctypedef fused float_label:
    float
    double


cdef inline bint widen_floats(const float_label *source, int64_t *target, Py_ssize_t n, int64_t classes, bint ignoring,
                              int64_t ignored) noexcept nogil:
    """widen_labels for floats. A whole number of less than 2^51 leaves its integer in the low bits of its sum with 1.5·2^52, which
    rounds any other: AVX2 converts no float64 to int64, and one by one that took a tenth of a call on three classes."""
    cdef Py_ssize_t i
    cdef double magic = 6755399441055744.0
    cdef double d, limit = <double> classes, alike = <double> ignored
    cdef bint skipped, good, bad = False
    cdef bint exact = ignoring and alike < 9.2e18 and <int64_t> alike == ignored
    for i in range(n):
        d = <double> source[i]
        good = (d >= 0.0) & (d < limit) & ((d + magic) - magic == d)
        skipped = exact & (d == alike)
        bad |= not (good | skipped)
        if target != NULL:
            target[i] = IGNORED if skipped else al_bits(d + magic) - al_bits(magic)
    return not bad


cdef inline bint widen_each(const label *source, int64_t *target, Py_ssize_t n, int64_t classes, bint ignoring,
                            int64_t ignored) noexcept nogil:
    """widen_labels for literals `ignoring` and NULL."""
    cdef Py_ssize_t i
    cdef int64_t t
    cdef bint skipped, bad = False
    if label is float or label is double:
        bad = not widen_floats(source, target, n, classes, ignoring, ignored)
    else:
        for i in range(n):
            t = <int64_t> source[i]
            skipped = ignoring and t == ignored
            if label is cython.ulonglong:      # one beyond int64 has wrapped and is no negative number
                skipped = skipped and t >= 0
            bad |= not skipped and <uint64_t> t >= <uint64_t> classes
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
