# sigmoid_binary_cross_entropy(z, y) = w y log(1 + e^−z) + (1 − y) log(1 + e^z), w = pos_weight; gradient
# (1 − y) σ(z) − w y σ(−z), Hessian (w y + 1 − y) σ(z) σ(−z): p − y without the σ' that makes squared error stall.
#
# With L = log(1 + e^−|z|) both logarithms are L or L + |z|, so the loss is (w y + 1 − y) L + |z| (1 − y or w y): a sum of terms that
# are not negative, where max(z, 0) − y z + L loses everything for a sure and right prediction. A factor of 0 makes its term 0, be
# z infinite. σ(z) and σ(−z) are the two quotients of logistic.pxd, so the gradient of a label 0 or 1 has one term, to the last place.
# Weights multiply what still has its exponential's factor 2^64 (2^512): 12 times a subnormal number is off by 12 units. L, w y, 1 − y and
# w y + 1 − y come with what they round off.

from elementary.exp cimport unscaled
from elementary.log_parts cimport log1p_scaled
from elementary.logistic cimport exp_minus_absolute, logistic_parts
from real cimport absolute, fma, product_low, real, two_sum


cdef inline real sigmoid_binary_cross_entropy_first(real z, real y, real *low) noexcept nogil:
    return exp_minus_absolute(z, True, low)


cdef inline real sigmoid_binary_cross_entropy_second(real z, real y, real pos_weight, real e, real low, real *g,
                                                     real *h) noexcept nogil:
    cdef real i, d, rest
    cdef real s = logistic_parts(e, low, <real>1.0, &i, &d)
    cdef real large = fma(i, d, i)
    cdef real wrong = <real>1.0 - y
    cdef real right = pos_weight * y
    cdef real wrong_low = (<real>1.0 - wrong) - y
    cdef real right_low = product_low(pos_weight, y, right)
    cdef real both_low
    cdef real both = two_sum(right, wrong, &both_low)
    both_low = both_low + (right_low + wrong_low)
    cdef bint left = z < <real>0.0
    cdef real far = right if left else wrong
    cdef real near = wrong if left else right
    cdef real size = absolute(z)
    cdef real u = unscaled(near * s)
    cdef real v = far * large
    g[0] = u - v if left else v - u
    v = s * large
    h[0] = unscaled(fma(both, v, both_low * v))
    v = log1p_scaled(e, low, &rest)
    u = unscaled(fma(both, v, fma(both_low, v, both * rest)))
    return fma(far, size, u) if far != <real>0.0 else u
