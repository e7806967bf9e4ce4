# The pre-pass over probabilities, of predictions and of distributions that they are compared with: all are read before anything is
# written. It says whether all lie inside, and keeps the few that count; the caller looks for the offender when there is one.

from axes cimport Walk, walk_next
from copies cimport copy_in
from loops cimport BLOCK
from real cimport int64_t, real

cdef enum:
    IN_L1 = 2048      # predictions: those at the labels are still there when all of them have been compared


cdef inline bint lie_in(const real *a, Py_ssize_t n, real high, bint nan_passes) noexcept nogil:
    """entries_lie_in of contiguous ones; nan_passes is a literal."""
    cdef Py_ssize_t i
    cdef bint bad = False
    for i in range(n):
        if nan_passes:
            bad |= (a[i] < <real>0.0) | (a[i] > high)
        else:
            bad |= not ((a[i] >= <real>0.0) & (a[i] <= high))
    return not bad


cdef inline bint row_lies_in(const char *a, Py_ssize_t step, Py_ssize_t n, real high, bint nan_passes) noexcept nogil:
    """entries_lie_in of n, `step` bytes apart."""
    cdef real block[BLOCK]
    cdef Py_ssize_t done = 0, count, most = n if step == sizeof(real) else BLOCK
    cdef const real *entries
    cdef bint good = True
    while good and done < n:
        count = n - done if n - done < most else most
        entries = <const real *> (a + done * step)
        if step != sizeof(real):
            copy_in(<char *> block, a + done * step, step, count, sizeof(real))
            entries = block
        good = lie_in(entries, count, high, True) if nan_passes else lie_in(entries, count, high, False)
        done += count
    return good


cdef inline bint entries_lie_in(Walk *walk, real high, bint nan_passes) noexcept nogil:
    """Whether all entries lie in [0, high]; nan_passes: NaN counts as one that does."""
    cdef Py_ssize_t d = walk.dims - 1, n = walk.shape[d] if d >= 0 else 1
    cdef Py_ssize_t step = walk.step[d][0] if d >= 0 else sizeof(real)
    while row_lies_in(walk.at[0], step, n, high, nan_passes):
        if not walk_next(walk, 1):
            return True
    return False


cdef inline bint take_predictions(const char *a, Py_ssize_t step, Py_ssize_t classes, Py_ssize_t rows, const int64_t *label,
                                  real *taken) noexcept nogil:
    """Whether all predictions lie in [0, 1], as NaN does not; taken: each row's at its label, the only one that counts, so that none
    is read twice. The rows, whose classes are `step` bytes apart, continue each other, and their labels are good."""
    cdef Py_ssize_t row = 0, count, i, together = IN_L1 // classes if classes < IN_L1 else 1
    while row < rows:
        count = rows - row if rows - row < together else together
        if not row_lies_in(a + row * classes * step, step, count * classes, <real>1.0, False):
            return False
        for i in range(row, row + count):
            taken[i] = (<const real *> (a + (i * classes + label[i]) * step))[0]
        row += count
    return True
