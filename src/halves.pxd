# Looping over kernels that come in two halves: of an activation first(x, &low) → high, then second(x, high, low, &dy); of a loss over
# pairs the same with their operands. Knows no mathematics.
#
# A processor sees about a hundred operations that wait for their inputs. Where those of one element are a long chain, few elements
# are in flight, and both arithmetic ports idle for a third of the time. So one loop takes second for an element and first for another
# that lies AHEAD: two chains side by side, each half as long, with a block in L1 between them. This takes 0.80 to 0.90 of the time of
# one chain (sigmoid and tanh, float32 and float64, x86_v3 and x86_v4). Two loops, one after the other, do as much in float32; in
# float64 on x86_v4 there is then nothing that the divisions could wait beside, and it takes up to 1.16. Bits are the same.

from loops cimport GROUP
from maps cimport LATER, ask_for, how_far
from real cimport real

cdef enum:
    SPAN = 512      # elements of a block, and of a tile of pairs: high and low take 10 KiB in float64
    AHEAD = 128     # with 32 or 64, what the one half stores is not in L1 yet when the other loads it: 4 to 10 % more time


cdef inline Py_ssize_t least(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return a if a < b else b


# --- activations ---------------------------------------------------------------------------------------------------------------

cdef inline void first_half(real (*first)(real, real *) noexcept nogil, const real *x, real *high, real *low,
                            Py_ssize_t groups) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(GROUP * groups):
        high[i] = first(x[i], &low[i])


cdef inline void both_halves(real (*first)(real, real *) noexcept nogil, real (*second)(real, real, real, real *) noexcept nogil,
                             bint value, bint grad, bint times_g, const real *g, const real *x, real *high, real *low,
                             real *y, real *dy, Py_ssize_t groups, bint ahead, Py_ssize_t later) noexcept nogil:
    """second of the elements, and with the literal `ahead` first of those ahead."""
    cdef Py_ssize_t i, j, k
    cdef real v, d
    for k in range(groups):
        ask_for(value, y + GROUP * k, later)
        ask_for(grad, dy + GROUP * k, later)
        for j in range(GROUP):
            i = GROUP * k + j
            v = second(x[i], high[i], low[i], &d)
            if value:
                y[i] = v
            if grad:
                dy[i] = g[i] * d if times_g else d
            if ahead:
                high[i + AHEAD] = first(x[i + AHEAD], &low[i + AHEAD])


cdef inline void map0_halves(real (*first)(real, real *) noexcept nogil, real (*second)(real, real, real, real *) noexcept nogil,
                             bint value, bint grad, bint times_g, real *g, real *x, real *y, real *dy,
                             Py_ssize_t groups) noexcept nogil:
    """What map0 does, for a kernel in two halves."""
    cdef real high[SPAN + AHEAD]
    cdef real low[SPAN + AHEAD]
    cdef Py_ssize_t count, ahead, done, later = how_far(groups, x)
    while groups > 0:
        count = least(groups, SPAN // GROUP)
        ahead = least(count, AHEAD // GROUP)
        done = (count - ahead) * GROUP
        first_half(first, x, high, low, ahead)
        both_halves(first, second, value, grad, times_g, g, x, high, low, y, dy, count - ahead, True, later)
        both_halves(first, second, value, grad, times_g, g + done if times_g else g, x + done, high + done, low + done,
                    y + done if value else y, dy + done if grad else dy, ahead, False, later)
        groups -= count
        x += count * GROUP
        g += count * GROUP if times_g else 0
        y += count * GROUP if value else 0
        dy += count * GROUP if grad else 0


# --- losses over pairs ---------------------------------------------------------------------------------------------------------

cdef inline void first_pair_half(real (*first)(real, real, real *) noexcept nogil, const real *z, const real *y, real *high,
                                 real *low, Py_ssize_t groups) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(GROUP * groups):
        high[i] = first(z[i], y[i], &low[i])


cdef inline void both_pair_halves(real (*first)(real, real, real *) noexcept nogil,
                                  real (*second)(real, real, real, real, real, real, real, real *, real *) noexcept nogil,
                                  bint value, bint grad, bint hess, const real *z, const real *y, const real *p, const real *q,
                                  const real *r, const real *scale, real *high, real *low, real *loss, real *g, real *h,
                                  Py_ssize_t groups, bint ahead) noexcept nogil:
    cdef Py_ssize_t i, j, k
    cdef real v, d, c
    for k in range(groups):
        ask_for(grad, g + GROUP * k, LATER // sizeof(real))
        ask_for(hess, h + GROUP * k, LATER // sizeof(real))
        for j in range(GROUP):
            i = GROUP * k + j
            v = second(z[i], y[i], p[i], q[i], r[i], high[i], low[i], &d, &c)
            if value:
                loss[i] = v
            if grad:
                g[i] = scale[i] * d
            if hess:
                h[i] = scale[i] * c
            if ahead:
                high[i + AHEAD] = first(z[i + AHEAD], y[i + AHEAD], &low[i + AHEAD])


cdef inline void map_pair_halves(real (*first)(real, real, real *) noexcept nogil,
                                 real (*second)(real, real, real, real, real, real, real, real *, real *) noexcept nogil,
                                 bint value, bint grad, bint hess, const real *z, const real *y, const real *p, const real *q,
                                 const real *r, const real *scale, real *loss, real *g, real *h, Py_ssize_t groups) noexcept nogil:
    """What map_pair does, for a kernel in two halves; SPAN elements at most, which is a tile."""
    cdef real high[SPAN + AHEAD]
    cdef real low[SPAN + AHEAD]
    cdef Py_ssize_t ahead = least(groups, AHEAD // GROUP)
    cdef Py_ssize_t done = (groups - ahead) * GROUP
    first_pair_half(first, z, y, high, low, ahead)
    both_pair_halves(first, second, value, grad, hess, z, y, p, q, r, scale, high, low, loss, g, h, groups - ahead, True)
    both_pair_halves(first, second, value, grad, hess, z + done, y + done, p + done, q + done, r + done, scale + done,
                     high + done, low + done, loss + done if value else loss, g + done if grad else g,
                     h + done if hess else h, ahead, False)
