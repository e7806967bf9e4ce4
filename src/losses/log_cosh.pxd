# log_cosh(a, y) = log cosh r, r = a − y: ½ r² near the target, |r| − log 2 far from it. Gradient tanh r, Hessian sech² r.
#
# For |r| < 1, |r| − log 2 + log1p(e^−2|r|) cancels: there it is ½ log1p(sinh² r), with sinh² r = m² / (4 e), m = 1 − e, e = e^−2|r|.
# m is taken from high + low of e, so small r keep all their digits; q + rest is the quotient with its roundings undone, and rest goes
# through the logarithm by its derivative, 1 / cosh² r. One log1p serves both branches.
# The rounding of a − y alone would cost sech² 160 last places at |r| = 80: it goes into the exponential's reduced argument.

from axes cimport two_sum
from elementary.exp cimport exp_parts_sum, exp_scaled, scaled_one, unscaled
from elementary.log1p cimport log1p_nonnegative
from elementary.logistic cimport logistic_parts
from real cimport absolute, fma, product_low, real, with_sign


cdef inline real sinh_squared(real e, real low, real *rest) noexcept nogil:
    """q + rest = (1 − e − low)² / (4 (e + low)) for e in [0.1, 1]."""
    cdef real m = <real>1.0 - e
    cdef real v = m - low
    cdef real i = <real>0.25 / e
    cdef real n = v * v
    cdef real lost = product_low(v, v, n) + (v + v) * ((m - v) - low)
    cdef real q = n * i
    cdef real f = <real>4.0 * q
    rest[0] = ((n - f * e) - product_low(f, e, f * e) + (lost - f * low)) * i
    return q


cdef inline real log_cosh(real a, real y, real *g, real *h) noexcept nogil:
    cdef real scale, rest, low, i, d, m, s, e, v, lost
    cdef real r = two_sum(a, -y, &lost)
    cdef real size = absolute(r)
    cdef bint near = size < <real>1.0
    lost = lost if size < <real>800.0 else <real>0.0
    lost = -lost if r > <real>0.0 else lost
    v = exp_parts_sum(<real>-2.0 * size, <real>2.0 * lost, &scale, &rest)
    e = exp_scaled(scale, v, &low)
    low = fma(scale, rest, low)
    s = logistic_parts(e, low, <real>4.0, &i, &d)
    m = scaled_one(e) - e
    i = unscaled(<real>0.25) * i
    h[0] = s * fma(i, d, i)
    g[0] = with_sign(fma(m, i, fma(m, d, -low) * i), r)
    v = sinh_squared(unscaled(e) if near else <real>1.0, unscaled(low) if near else <real>0.0, &rest)
    v = log1p_nonnegative(v if near else unscaled(e))
    return <real>0.5 * fma(rest, h[0], v) if near else (size - <real>0.6931471805599453) + v
