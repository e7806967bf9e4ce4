# sigmoid_focal(z, y) = −w (1 − p)^gamma log p, p the probability of the label (Lin, Goyal, Girshick, He and Dollár 2017, eq. 5).
#
# With x = z for y = 1 and −z for y = 0: p = σ(x), q = σ(−x), L = −log p = log(1 + e^−x), and by x
#   gradient −w q^gamma (gamma p L + q)                                                a sum of terms of one sign
#   Hessian   w q^gamma p [gamma L (gamma p − q) + (2 gamma + 1) q]                    negative for many a wrong prediction
# p L is 0 at x = −inf. q^gamma = exp(−gamma (max(x, 0) + log1p(e^−|x|))): what the products and sums round off goes into the
# exponential's reduced argument, as an exponent of 100 magnifies a rounding by 100. p carries the factor 2^64 (2^512) of its
# exponential through the Hessian: subnormal, it would be magnified by L. The Hessian is not taken below `least`.

from axes cimport two_sum
from elementary.exp cimport exp_nonpositive_sum, exp_parts, exp_scaled, scaled_one, unscaled
from elementary.logistic cimport logistic_parts, logistic_rest, minus_log1m
from real cimport absolute, fma, minus_absolute, product_low, real


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


cdef inline real focal_power(real m, real tail, real rest, real gamma) noexcept nogil:
    """exp(−gamma (m + tail + rest)) for m, tail ≥ 0; 1 for gamma = 0."""
    cdef real low
    cdef real sum = focal_exponent(m, tail, rest, gamma, &low)
    return exp_nonpositive_sum(sum, low)


cdef inline real sigmoid_focal(real z, real y, real gamma, real alpha, real least, real *g, real *h) noexcept nogil:
    cdef real scale, rest, low, i, d
    cdef real x = z if y > <real>0.5 else -z
    cdef real r = exp_parts(minus_absolute(z), &scale, &rest)
    cdef real e = exp_scaled(scale, r, &low)
    cdef real s = logistic_parts(e, low, <real>1.0, &i, &d)
    cdef real large = fma(i, d, i)
    cdef real p = s if x < <real>0.0 else scaled_one(large) * large
    cdef real q = large if x < <real>0.0 else unscaled(s)
    cdef real tail = unscaled(s)
    rest = minus_log1m(s, logistic_rest(e, low, s, i, d))
    cdef real w = focal_power(<real>0.0 if x < <real>0.0 else x, tail, rest, gamma)
    cdef real head = two_sum(absolute(x) if x < <real>0.0 else <real>0.0, tail, &low)
    rest = rest + low if low == low else rest
    cdef real product = gamma * p
    product = fma(product, head, product * rest) if p != <real>0.0 else <real>0.0
    w = w if alpha < <real>0.0 else w * (alpha if y > <real>0.5 else <real>1.0 - alpha)
    g[0] = w * (unscaled(product) + q) if w != <real>0.0 else <real>0.0
    g[0] = -g[0] if y > <real>0.5 else g[0]
    h[0] = unscaled(w * fma(product, gamma * unscaled(p) - q, fma(gamma, <real>2.0, <real>1.0) * q * p))
    h[0] = h[0] if w != <real>0.0 else <real>0.0
    h[0] = least if h[0] < least else h[0]
    return fma(w, head, w * rest)
