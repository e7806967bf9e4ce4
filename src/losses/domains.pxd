# Which numbers an argument of a loss may take: two points and an open interval. The pre-pass reads everything before anything is
# written and only says whether all lies inside, so it vectorises; the caller looks for the offender when it is told that there is one.

from pairs cimport number


cdef inline bint all_inside(const number *source, Py_ssize_t n, double a, double b, double low, double high) noexcept nogil:
    """Whether every number is a or b or lies between low and high; NaN never does."""
    cdef Py_ssize_t i
    cdef bint bad = False
    cdef number p, q, least, most
    if number is float or number is double:
        p, q, least, most = <number> a, <number> b, <number> low, <number> high
        for i in range(n):
            bad |= not ((source[i] == p) | (source[i] == q) | ((source[i] > least) & (source[i] < most)))
    else:
        for i in range(n):
            bad |= not ((<double> source[i] == a) | (<double> source[i] == b)
                        | ((<double> source[i] > low) & (<double> source[i] < high)))
    return not bad
