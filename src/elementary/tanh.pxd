# tanh(x) and its derivative from one exponential and one division.
#
# Method: with e = exp(−2|x|), tanh|x| = (1 − e) / (1 + e) and tanh'(x) = 4 s (1 − s), s = e / (1 + e). e is carried as high +
# low, so 1 − high keeps what small x leave of it: it is exact for e ≥ ½, and low holds the rest down to the smallest x. The
# division's error is undone as in logistic.pxd, and it is 4 that is divided, which saves a product. The rounding of exp(r) − 1
# costs a quarter of a last place at |x| = ½; undoing it takes an eleventh of the time (docs/accuracy.md), so only levels without
# fma do, whose value would pass 2. For float with fma, the reduced argument is rounded and the polynomial a degree shorter: a
# tenth of a last place in the derivative for an eighteenth (x86_v4) or a thirteenth (x86_v3) of the time. The derivative never
# sees y: even from a correctly rounded y, 1 − y² is off by 95 units in the last place for |x| in [2, 3) and is 0 from 9.011 on,
# where the true value is 6e-8. The factor 2^64 (2^512) that the exponential still carries is taken off last, so the derivative
# runs down through the subnormals.

from elementary.exp cimport exp_clamp_minus, exp_parts, exp_parts_rounded, exp_scaled, scaled_one, unscaled
from elementary.logistic cimport logistic_parts
from real cimport AL_FUSED, absolute, fma, real, with_sign


cdef inline real tanh_exponential(real x, real *low) noexcept nogil:
    """e, scaled."""
    cdef real scale, rest
    cdef real z = exp_clamp_minus(<real>2.0 * absolute(x))
    cdef real p, e
    if real is float:
        p = exp_parts_rounded(z, &scale) if AL_FUSED else exp_parts(z, &scale, &rest)
    else:
        p = exp_parts(z, &scale, &rest)
    e = exp_scaled(scale, p, low)
    low[0] = low[0] if AL_FUSED else fma(scale, rest, low[0])
    return e


cdef inline real tanh_of_exponential(real x, real e, real low, real *dy) noexcept nogil:
    """tanh(x) and its derivative from what tanh_exponential gives."""
    cdef real i, d
    cdef real s = logistic_parts(e, low, <real>4.0, &i, &d)
    cdef real m = scaled_one(e) - e
    i = unscaled(<real>0.25) * i
    dy[0] = s * fma(i, d, i)
    return with_sign(fma(m, i, fma(m, d, -low) * i), x)


cdef inline real tanh_and_derivative(real x, real *dy) noexcept nogil:
    cdef real low
    cdef real e = tanh_exponential(x, &low)
    return tanh_of_exponential(x, e, low, dy)


cdef inline real tanh(real x) noexcept nogil:
    """tanh(x) alone."""
    cdef real unused
    return tanh_and_derivative(x, &unused)
