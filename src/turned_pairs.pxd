# Pairs in matrices that lie column by column: what run_pairs does, through groups of rows that are turned. Knows no mathematics.

from axes cimport Walk
from contiguous_pairs cimport is_contiguous, run_contiguous
from pairs cimport HESS, LOSS, TARGET, Kind, PairInstance, run_pairs
from real cimport real
from turned cimport Turned, turned_next, turned_start


cdef inline double run_part(PairInstance f, const Walk *walk, Py_ssize_t first, Py_ssize_t n, const Kind *kind,
                            const double *weight, double divisor, bint value, bint losses, bint grad, bint hess,
                            bint streaming, const real *type) noexcept nogil:
    """run_pairs over n pairs from `first` on, contiguous ones by themselves. `type` only selects the instance."""
    cdef Kind own = Kind.FLOAT if real is float else Kind.DOUBLE
    cdef Turned turned
    cdef double total = 0.0
    cdef int k, may = 0
    for k in range(HESS + 1 if walk.dims == 2 else 0):
        if (k <= TARGET or k >= LOSS) and kind[k] == own:
            may |= 1 << k
    turned_start(&turned, walk, first, n, LOSS, may, type)
    while turned_next(&turned, type):
        if weight == NULL and not losses and is_contiguous(turned.here, kind, type):
            total = run_contiguous(f, turned.here, turned.first - turned.start, turned.count, kind, divisor, value,
                                   streaming and turned.memory == NULL, total, type)
        else:
            total = run_pairs(f, turned.here, turned.first - turned.start, turned.count, kind,
                              weight + turned.start if weight != NULL else NULL, divisor, value, losses, grad, hess, total, type)
    return total
