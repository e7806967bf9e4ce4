# sigmoid_squared_error(z, y) = ½ (σ(z) − y)²; gradient (σ − y) σ', Hessian σ'² + (σ − y) σ'', σ'' = σ' (1 − 2σ).
#
# The factor σ' is what makes it learn slowly from a wrong start: at z = −20 and y = 1 the gradient is 2e-9, that of cross-entropy 1.
# With e = e^−|z|, s = e / (1 + e) is the smaller of σ(z) and σ(−z): σ − y is s − y on the left and (1 − y) − s on the right, so
# nothing cancels for y = 0 and y = 1. 1 − 2σ is ∓(1 − e) / (1 + e), formed from e as in tanh.pxd. A square doubles the relative
# error: for it σ − y keeps its low part, and σ' for its derivatives.

from elementary.exp cimport scaled_one, unscaled
from elementary.logistic cimport exp_minus_absolute, logistic_parts, logistic_rest
from real cimport fma, product_low, real, two_sum


cdef inline real sigmoid_squared_error_first(real z, real y, real *low) noexcept nogil:
    return exp_minus_absolute(z, False, low)


cdef inline real sigmoid_squared_error_second(real z, real y, real e, real low, real *g, real *h) noexcept nogil:
    cdef real i, d, m, t, lost
    cdef real s = logistic_parts(e, low, <real>1.0, &i, &d)
    cdef real large = unscaled(fma(i, d, i))
    cdef real slope = s * large
    cdef bint left = z < <real>0.0
    cdef real r = two_sum(-y if left else <real>1.0 - y, unscaled(s) if left else -unscaled(s), &lost)
    t = logistic_rest(e, low, s, i, d)
    lost += unscaled(t) if left else -unscaled(t)
    t = fma(t, large, product_low(s, large, slope))
    g[0] = fma(r, slope, fma(r, t, lost * slope if lost == lost else <real>0.0))
    m = scaled_one(e) - e
    i = unscaled(i)
    m = fma(m, i, fma(m, d, -low) * i)
    m = fma(r, m if left else -m, slope) + t
    h[0] = fma(slope, m, t * m)
    return (<real>0.5 * r) * r + (r * lost if lost == lost else <real>0.0)
