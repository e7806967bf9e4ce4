# The contiguous maps that the compiler vectorises: a kernel over whole groups of elements. Knows no mathematics: kernels come in by
# name and become compile-time constants.
#
# uniform, value, grad, times_g are literals at each call: the branches fold away, and what is not wanted is never computed.

from loops cimport GROUP
from real cimport al_prefetch_write, real

cdef enum:
    LATER = 1024        # bytes; 512 and 2048 do as well
    ASKED_FOR = 4194304 # bytes of a result, at most


cdef inline Py_ssize_t how_far(Py_ssize_t groups, const real *type) noexcept nogil:
    """How many numbers later the results are written that are asked for, of so many groups in one go. Larger ones come from memory, and
    what asks for their lines disturbs what the processor itself foresees: 1.2 times the time (Zen 5, relu of 2 M). 0: not before."""
    return LATER // sizeof(real) if groups <= ASKED_FOR // (GROUP * <Py_ssize_t> sizeof(real)) else 0


cdef inline void ask_for(bint wanted, const real *results, Py_ssize_t later) noexcept nogil:
    """Asks for the lines of a group of results that is written somewhat later; `wanted` is a literal.

    Stores leave in their order: one that waits for its line in L2 holds up those behind it, whose lines are in L1 or on their way. With
    two results, or one and a block in L1, that takes up to 1.5 times the time of a kernel that computes little (Xeon, 16 k to 256 k).
    """
    if wanted:
        al_prefetch_write(results + later)
    if wanted and real is double:
        al_prefetch_write(results + later + GROUP // 2)


cdef inline void map0(real (*f)(real, real *) noexcept nogil, bint value, bint grad, bint times_g,
                      real *g, real *x, real *y, real *dy, Py_ssize_t groups) noexcept nogil:
    """y = f(x), dy = f'(x) or g·f'(x), for a kernel without parameters."""
    cdef Py_ssize_t i, j, k, later = how_far(groups, x)
    cdef real v, d
    for k in range(groups):
        ask_for(value, y + GROUP * k, later)
        ask_for(grad, dy + GROUP * k, later)
        for j in range(GROUP):
            i = GROUP * k + j
            v = f(x[i], &d)
            if value:
                y[i] = v
            if grad:
                dy[i] = g[i] * d if times_g else d


cdef inline void map1(real (*f)(real, real, real *) noexcept nogil, bint uniform, bint value, bint grad, bint times_g,
                      real *g, real *x, real *a, real *y, real *dy, Py_ssize_t groups) noexcept nogil:
    """The same for a kernel with one parameter; uniform, a literal too: it is the number a[0]."""
    cdef Py_ssize_t i, j, k, later = how_far(groups, x)
    cdef real v, d
    for k in range(groups):
        ask_for(value, y + GROUP * k, later)
        ask_for(grad, dy + GROUP * k, later)
        for j in range(GROUP):
            i = GROUP * k + j
            v = f(x[i], a[0] if uniform else a[i], &d)
            if value:
                y[i] = v
            if grad:
                dy[i] = g[i] * d if times_g else d


cdef inline void map1_learned(real (*f)(real, real, real *) noexcept nogil, real (*df_da)(real, real) noexcept nogil,
                              bint uniform, real *g, real *x, real *a, real *dx, double *sum, Py_ssize_t groups) noexcept nogil:
    """dx = g·f'(x) for a kernel whose parameter is learned. The terms g·∂f/∂a are added to the sums, each to its own; where the
    parameter is one number, those of the k-th elements of all groups to the k-th of GROUP sums."""
    cdef double s[GROUP]
    cdef Py_ssize_t i, k
    cdef int j
    cdef real d
    if not uniform:
        for i in range(GROUP * groups):
            f(x[i], a[i], &d)
            dx[i] = g[i] * d
            sum[i] += <double> (g[i] * df_da(x[i], a[i]))
        return
    for j in range(GROUP):      # in registers
        s[j] = sum[j]
    for i in range(groups):
        ask_for(True, dx + GROUP * i, LATER // sizeof(real))
        for j in range(GROUP):
            k = i * GROUP + j
            f(x[k], a[0], &d)
            dx[k] = g[k] * d
            s[j] += <double> (g[k] * df_da(x[k], a[0]))
    for j in range(GROUP):
        sum[j] = s[j]


cdef inline void map_value(real (*f)(real) noexcept nogil, real *x, real *y, Py_ssize_t groups) noexcept nogil:
    """y = f(x), for an elementary function."""
    cdef Py_ssize_t i
    for i in range(GROUP * groups):
        y[i] = f(x[i])


cdef inline real copied(real x, real *dy) noexcept nogil:
    """The kernel that computes nothing: through map0, the machine's limit of one read and two writes."""
    dy[0] = x
    return x
