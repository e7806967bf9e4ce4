# sigmoid_focal(z, y) = −w (1 − p)^gamma log p, p the probability of the label (Lin, Goyal, Girshick, He and Dollár 2017, eq. 5).
#
# With x = z for y = 1 and −z for y = 0: p = σ(x), q = σ(−x), L = −log p = log(1 + e^−x), and by x
#   gradient −w q^gamma (gamma p L + q)                                                a sum of terms of one sign
#   Hessian   w q^gamma p [gamma L (gamma p − q) + (2 gamma + 1) q]                    negative for many a wrong prediction
# p L is 0 at x = −inf. q^gamma = exp(−gamma (max(x, 0) + log1p(e^−|x|))): what the products and sums round off goes into the
# exponential's reduced argument, as an exponent of 100 magnifies a rounding by 100. L and the weight w q^gamma come with what they
# round off. p carries the factor 2^64 (2^512) of its exponential through the Hessian: subnormal, it would be magnified by L. The
# Hessian is not taken below `least`.

from elementary.exp cimport exp_clamp, exp_parts_sum, exp_scaled, scaled_one, unscaled
from elementary.log_parts cimport log1p_scaled
from elementary.logistic cimport exp_minus_absolute, logistic_parts
from real cimport absolute, al_infinity, fma, product_low, real, two_sum


cdef inline real focal_exponent(real m, real tail, real rest, real gamma, real *rounding) noexcept nogil:
    """−gamma (m + tail + rest), rounding what it has lost; 0 for gamma = 0, be m infinite."""
    cdef real low, lost
    cdef real u = gamma * m if gamma > <real>0.0 else <real>0.0
    cdef real v = gamma * tail
    cdef real sum = two_sum(u, v, &lost)
    sum = two_sum(sum, gamma * rest, &low)
    low = (low + lost) + (product_low(gamma, m, u) + product_low(gamma, tail, v))
    rounding[0] = -low if (sum < <real>800.0) & (low == low) else <real>0.0
    return -sum


cdef inline real focal_weight(real exponent, real rounding, real alpha, bint label, real *low) noexcept nogil:
    """w exp(exponent + rounding), w = alpha, 1 − alpha or 1, with what is rounded off in low."""
    cdef real scale, rest, lost
    cdef real p = exp_parts_sum(exp_clamp(exponent), rounding, &scale, &rest)
    cdef real e = unscaled(exp_scaled(scale, p, &lost))
    lost = unscaled(fma(scale, rest, lost))
    cdef real c = alpha if label else <real>1.0 - alpha
    cdef real c_low = <real>0.0 if label else (<real>1.0 - c) - alpha
    c = <real>1.0 if alpha < <real>0.0 else c
    c_low = <real>0.0 if alpha < <real>0.0 else c_low
    cdef real w = e * c
    low[0] = product_low(e, c, w) + fma(e, c_low, lost * c)
    return w


cdef inline real sigmoid_focal_first(real z, real y, real *low) noexcept nogil:
    return exp_minus_absolute(z, True, low)


cdef inline real sigmoid_focal_second(real z, real y, real gamma, real alpha, real least, real e, real low, real *g,
                                      real *h) noexcept nogil:
    cdef real rest, i, d, r, v
    cdef bint label = y > <real>0.5
    cdef real x = z if label else -z
    cdef real s = logistic_parts(e, low, <real>1.0, &i, &d)
    cdef real large = fma(i, d, i)
    cdef real p = s if x < <real>0.0 else scaled_one(large) * large
    cdef real q = large if x < <real>0.0 else unscaled(s)
    cdef real tail = unscaled(log1p_scaled(e, low, &rest))
    rest = unscaled(rest)
    r = focal_exponent(<real>0.0 if x < <real>0.0 else x, tail, rest, gamma, &low)
    cdef real w_low
    cdef real w = focal_weight(r, low, alpha, label, &w_low)
    cdef real head = two_sum(absolute(x) if x < <real>0.0 else <real>0.0, tail, &low)
    rest = rest + low if low == low else rest
    cdef real inner = fma(gamma, head, gamma * rest) if p != <real>0.0 else <real>0.0     # gamma L
    v = fma(unscaled(p), inner, q)
    v = fma(w, v, w_low * v) if w != <real>0.0 else <real>0.0
    g[0] = -v if label else v
    v = fma(inner, fma(gamma, unscaled(p), -q), fma(gamma + gamma, q, q)) * p
    h[0] = unscaled(fma(w, v, w_low * v)) if w != <real>0.0 else <real>0.0
    h[0] = least if h[0] < least else h[0]
    v = fma(w, rest, w_low * head if head < <real>al_infinity() else <real>0.0)
    return fma(w, head, v) if w != <real>0.0 else <real>0.0
