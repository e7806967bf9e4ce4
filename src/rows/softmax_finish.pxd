# What a softmax-type row's sums give: the loss of its target and the factors of its gradient and Hessian.
# softmax_cross_entropy.pxd has the formulas; softmax_phases.pxd says why exponentials and their sums are 2^64 (2^512) times as large.

from axes cimport LANES
from elementary.exp cimport scaled_one, unscaled
from elementary.log1p cimport log1p_nonnegative_parts
from real cimport al_infinity, al_nan, fma, real, two_sum
from rows.softmax_phases cimport coarse, rest_of, scaled, shifted_exp, split_scale


cdef inline real others_of(real e, real rest) noexcept nogil:
    """2^64 Σ_{k≠j} e_k of an entry e = 2^64 e_j, from rest = 2^64 R."""
    cdef real one = scaled_one(e)
    return rest if e >= one else one + (rest - e)


cdef inline real scaled_others(real e, real rest, real rest_low, real factor, real low) noexcept nogil:
    """(others_of(e, rest) + rest_low)·(factor + low), rounded once."""
    cdef real others = others_of(e, rest)
    return fma(others, factor, fma(others, low, rest_low * factor))


cdef inline real finish(real m, real z_t, real below, real below_low, real hits, real scale, real *rest, real *rest_low, real *inverse,
                        real *factor, real *low, real *down, real *g_t) noexcept nogil:
    """The loss, from below + below_low = 2^64 Σ_{z_j < m} e_j; rest + rest_low = 2^64 R, inverse = 1 / (1 + R), g_t the target's gradient,
    scaled.

    (factor + low)·down = scale·2^-64 / (1 + R) without the roundings of sum, quotient and product, which would cost the gradient a last
    place.
    """
    cdef real r, r_low, q, b, i, d, e, gap
    cdef real near = coarse(m)
    rest[0] = two_sum(scaled_one(m) * (hits - <real>1.0), below, rest_low)
    rest_low[0] += below_low
    rest[0] = <real>al_nan() if m == -<real>al_infinity() else rest[0]
    r = unscaled(rest[0])
    r_low = unscaled(rest_low[0])
    q = <real>1.0 + r
    b = q - <real>1.0
    i = <real>1.0 / q
    d = fma(-((<real>1.0 - (q - b)) + ((r - b) + r_low)), i, fma(-q, i, <real>1.0))
    e = shifted_exp(z_t, m, near, rest_of(m, near))
    gap = <real>0.0 if z_t >= m else m - z_t
    scale = split_scale(scale, down)
    inverse[0] = fma(i, d, i)
    factor[0] = scale * i
    low[0] = fma(scale, i, -factor[0]) + factor[0] * d
    g_t[0] = -scaled_others(e, rest[0], rest_low[0], factor[0], low[0]) * down[0]
    e = log1p_nonnegative_parts(r, &d)
    return gap + (e + fma(r_low, i, d))


cdef inline void finish_lanes(const real *m, const real *z_t, const real *below, const real *below_low, const real *hits,
                              const real *scale, real *rest, real *rest_low, real *inverse, real *factor, real *low,
                              real *down, real *g_t, real *loss, Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t l
    for l in range(width):
        loss[l] = finish(m[l], z_t[l], below[l], below_low[l], hits[l], scale[l], &rest[l], &rest_low[l], &inverse[l], &factor[l],
                         &low[l], &down[l], &g_t[l])


cdef inline real with_others(real e, real p, real others, real down) noexcept nogil:
    """p·others·down, others = 2^64 (1 − p). Where a large weight is in p already (down = 1) and 1 − p may be a subnormal number, p
    gives way: the weight would magnify the other's rounding."""
    cdef bint top = (e >= scaled_one(e)) & (down == <real>1.0)
    return (unscaled(p) if top else p * down) * (others if top else unscaled(others))


cdef inline real hessian(real e, real rest, real inverse, real factor, real low, real down) noexcept nogil:
    """p (1 − p)·scale, with 1 − p from the sum of the others."""
    return with_others(e, scaled(e, factor, low), others_of(e, rest) * inverse, down)


cdef inline void hessian_across(const real *b, real *h, Py_ssize_t count, Py_ssize_t width, const real *rest, const real *inverse,
                                const real *factor, const real *low, const real *down) noexcept nogil:
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            h[c * LANES + l] = hessian(b[c * LANES + l], rest[l], inverse[l], factor[l], low[l], down[l])


cdef inline void hessian_along(const real *b, real *h, Py_ssize_t count, real rest, real inverse, real factor, real low,
                               real down) noexcept nogil:
    cdef Py_ssize_t c
    for c in range(count):
        h[c] = hessian(b[c], rest, inverse, factor, low, down)
