# log_cosh(a, y) = log cosh r, r = a − y: ½ r² near the target, |r| − log 2 far from it. Gradient tanh r, Hessian sech² r.
#
# Near, where |r| − log 2 + log1p(e^−2|r|) cancels, it is ½ log cosh² r = ½ log(p / q), p = (1 + e)², q = 4 e, e = e^−2|r|: p − q is
# m², m = 1 − e, and (p + q) / 2 is m² / 2 + q. m is taken from high + low of e, so small r keep all their digits. The logarithm
# of a quotient begins with p − q over (p + q) / 2, as does that of 1 + e with e over 1 + e / 2: one of them serves both
# branches. It comes as head + low, and far out it is added to |r| − log 2 with what all sums round off.
# The rounding of a − y alone would cost sech² 160 last places at |r| = 80: it goes into the exponential's reduced argument.

from elementary.exp cimport exp_clamp_minus, exp_parts_sum, exp_scaled, scaled_one, unscaled
from elementary.log_parts cimport atanh_parts
from elementary.logistic cimport logistic_parts
from ln2 cimport times_ln2
from real cimport absolute, fma, product_low, real, two_sum, with_sign


cdef inline real log_of_two(real size, real lost, real e, real low, real *rest) noexcept nogil:
    """2 log cosh(size) for size < 0.65, else log cosh(size + lost); e + low = e^−2(size + lost)."""
    cdef bint near = size < <real>0.65
    cdef real m = <real>1.0 - e
    cdef real f = low - ((<real>1.0 - m) - e)
    cdef real v = m - f
    cdef real n = v * v
    cdef real n_low = product_low(v, v, n) + (v + v) * ((m - v) - f)
    cdef real half_low, c, c_low, s
    n = n if near else e
    n_low = n_low if near else low
    cdef real half = two_sum(<real>4.0 * e if near else <real>1.0, <real>0.5 * n, &half_low)
    half_low = fma(<real>0.5, n_low, fma(<real>4.0, low, half_low) if near else half_low)
    v = atanh_parts(n, n_low, half, half_low, rest)
    c = times_ln2(<real>1.0, &c_low)
    m = size - c
    f = (((size - m) - c) - c_low) + lost
    m = <real>0.0 if near else m
    s = two_sum(m, v, &low)
    rest[0] = rest[0] + low + (<real>0.0 if near else f)
    return s


cdef inline real difference(real a, real y, real *lost) noexcept nogil:
    """r = a − y; −|r| + lost is exact."""
    cdef real r = two_sum(a, -y, lost)
    lost[0] = lost[0] if absolute(r) < <real>800.0 else <real>0.0
    lost[0] = -lost[0] if r > <real>0.0 else lost[0]
    return r


cdef inline real log_cosh_first(real a, real y, real *low) noexcept nogil:
    """e, scaled."""
    cdef real scale, rest, lost
    cdef real r = difference(a, y, &lost)
    cdef real p = exp_parts_sum(exp_clamp_minus(<real>2.0 * absolute(r)), <real>2.0 * lost, &scale, &rest)
    cdef real e = exp_scaled(scale, p, low)
    low[0] = fma(scale, rest, low[0])
    return e


cdef inline real log_cosh_second(real a, real y, real e, real low, real *g, real *h) noexcept nogil:
    cdef real rest, i, d, m, s, v, lost
    cdef real r = difference(a, y, &lost)
    cdef real size = absolute(r)
    s = logistic_parts(e, low, <real>4.0, &i, &d)
    m = scaled_one(e) - e
    i = unscaled(<real>0.25) * i
    h[0] = s * fma(i, d, i)
    g[0] = with_sign(fma(m, i, fma(m, d, -low) * i), r)
    v = log_of_two(size, -lost, unscaled(e), unscaled(low), &rest)
    v = v + rest if size < <real>800.0 else size - <real>0.6931471805599453
    return <real>0.5 * v if size < <real>0.65 else v
