# Which numbers an argument of a loss may take: two points and an open interval. The pre-pass reads everything before anything is
# written and only says whether all lies inside, so it vectorises; the caller looks for the offender when it is told that there is one.

from pairs cimport number


cdef inline bint all_in(const number *source, Py_ssize_t n, number a, number b, number low, number high, bint closed,
                        bint pair) noexcept nogil:
    """all_inside; `closed` and `pair` are literals: of [a, b] and of {a, b} two comparisons say everything."""
    cdef Py_ssize_t i
    cdef bint bad = False
    for i in range(n):
        if closed:
            bad |= not ((source[i] >= a) & (source[i] <= b))
        elif pair:
            bad |= not ((source[i] == a) | (source[i] == b))
        else:
            bad |= not ((source[i] == a) | (source[i] == b) | ((source[i] > low) & (source[i] < high)))
    return not bad


cdef inline bint all_inside(const number *source, Py_ssize_t n, double a, double b, double low, double high) noexcept nogil:
    """Whether every number is a or b or lies between low and high; NaN never does."""
    cdef Py_ssize_t i
    cdef bint bad = False
    if number is float or number is double:
        if not low < high:
            bad = not all_in(source, n, <number> a, <number> b, <number> low, <number> high, False, True)
        elif a == low and b == high:
            bad = not all_in(source, n, <number> a, <number> b, <number> low, <number> high, True, False)
        else:
            bad = not all_in(source, n, <number> a, <number> b, <number> low, <number> high, False, False)
    else:
        for i in range(n):
            bad |= not ((<double> source[i] == a) | (<double> source[i] == b)
                        | ((<double> source[i] > low) & (<double> source[i] < high)))
    return not bad
