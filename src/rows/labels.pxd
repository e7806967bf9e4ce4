# The label policy: a label is an integer in [0, classes), in any integer width or as a float that is exactly one.
#
# The pre-pass reads all labels before anything else is touched and widens them to int64. It only says whether all are good, so
# it vectorises; the caller looks for the offending row when it is told that there is one.

from real cimport int64_t, uint64_t

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


cdef inline bint widen_labels(const label *source, int64_t *target, Py_ssize_t n, int64_t classes) noexcept nogil:
    """target (unless NULL) = source as int64; whether every label lies in [0, classes) and is whole."""
    cdef Py_ssize_t i
    cdef int64_t t
    cdef bint bad = False
    for i in range(n):
        if label is float or label is double:
            # Converted only if it fits; NaN fails both comparisons, and −1 is then neither the source nor in range.
            t = <int64_t> source[i] if <label> 0 <= source[i] < <label> 4.6e18 else -1
            bad |= <label> t != source[i]
        else:
            t = <int64_t> source[i]
        bad |= <uint64_t> t >= <uint64_t> classes       # a negative label, and one beyond int64, is a huge unsigned one
        if target != NULL:
            target[i] = t
    return not bad
