# What a softmax-type row's sums give: the loss of its target and the factors of its gradient and Hessian.
# softmax_cross_entropy.pxd has the formulas.

from axes cimport LANES
from elementary.log1p cimport log1p_nonnegative
from real cimport al_infinity, al_nan, fma, real
from rows.softmax_phases cimport coarse, rest_of, scaled, shifted_exp


cdef inline real finish(real m, real z_t, real below, real hits, real scale, real *rest, real *inverse, real *factor, real *low,
                        real *g_t) noexcept nogil:
    """The loss, from below = Σ_{z_j < m} e_j; rest = R, inverse = 1 / (1 + R), g_t the target's gradient, scaled.

    factor + low = scale / (1 + R) without the roundings of sum, quotient and product, which would cost the gradient a last place.
    """
    cdef real r, q, b, i, d, e, gap, others
    cdef real near = coarse(m)
    cdef bint top = z_t >= m
    r = below + (hits - <real>1.0)
    r = <real>al_nan() if m == -<real>al_infinity() else r
    q = <real>1.0 + r
    b = q - <real>1.0
    i = <real>1.0 / q
    d = fma(-((<real>1.0 - (q - b)) + (r - b)), i, fma(-q, i, <real>1.0))
    e = shifted_exp(z_t, m, near, rest_of(m, near))
    gap = <real>0.0 if top else m - z_t
    others = r if top else <real>1.0 + (r - e)
    rest[0] = r
    inverse[0] = fma(i, d, i)
    factor[0] = scale * i
    low[0] = fma(scale, i, -factor[0]) + factor[0] * d
    g_t[0] = -scaled(others, factor[0], low[0])
    return gap + log1p_nonnegative(r)


cdef inline void finish_lanes(const real *m, const real *z_t, const real *below, const real *hits, const real *scale, real *rest,
                              real *inverse, real *factor, real *low, real *g_t, real *loss, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t l
    for l in range(width):
        loss[l] = finish(m[l], z_t[l], below[l], hits[l], scale[l], &rest[l], &inverse[l], &factor[l], &low[l], &g_t[l])


cdef inline real hessian(real e, real r, real inverse, real factor, real low) noexcept nogil:
    """p (1 − p)·scale, with 1 − p from the sum of the others."""
    cdef real others = r if e >= <real>1.0 else <real>1.0 + (r - e)
    return scaled(e, factor, low) * (others * inverse)


cdef inline void hessian_across(const real *b, real *h, Py_ssize_t count, Py_ssize_t width, const real *rest,
                                const real *inverse, const real *factor, const real *low) noexcept nogil:
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            h[c * LANES + l] = hessian(b[c * LANES + l], rest[l], inverse[l], factor[l], low[l])


cdef inline void hessian_along(const real *b, real *h, Py_ssize_t count, real rest, real inverse, real factor,
                               real low) noexcept nogil:
    cdef Py_ssize_t c
    for c in range(count):
        h[c] = hessian(b[c], rest, inverse, factor, low)
