# sigmoid_binary_cross_entropy(z, y) = w y log(1 + e^−z) + (1 − y) log(1 + e^z), w = pos_weight; gradient
# (1 − y) σ(z) − w y σ(−z), Hessian (w y + 1 − y) σ(z) σ(−z): p − y without the σ' that makes squared error stall.
#
# With L = log(1 + e^−|z|) both logarithms are L or L + |z|, so the loss is (w y + 1 − y) L + |z| (1 − y or w y): a sum of terms that
# are not negative, where max(z, 0) − y z + L loses everything for a sure and right prediction. A factor of 0 makes its term 0, be
# z infinite. σ(z) and σ(−z) are the two quotients of logistic.pxd, so the gradient of a label 0 or 1 has one term, to the last place.
# Weights multiply what still has its exponential's factor 2^64 (2^512): 12 times a subnormal number is off by 12 units. L comes from the
# quotient s = e / (1 + e) as −log(1 − s): no second division, and half of the operations of log1p.

from elementary.exp cimport exp_parts, exp_scaled, scaled_one, unscaled
from elementary.logistic cimport logistic_parts, logistic_rest, minus_log1m
from real cimport absolute, fma, minus_absolute, real


cdef inline real sigmoid_binary_cross_entropy(real z, real y, real pos_weight, real *g, real *h) noexcept nogil:
    cdef real scale, rest, low, i, d
    cdef real p = exp_parts(minus_absolute(z), &scale, &rest)
    cdef real e = exp_scaled(scale, p, &low)
    cdef real s = logistic_parts(e, low, <real>1.0, &i, &d)
    cdef real large = fma(i, d, i)
    cdef real wrong = <real>1.0 - y
    cdef real right = pos_weight * y
    cdef real both = fma(pos_weight, y, wrong)
    cdef bint left = z < <real>0.0
    cdef real far = right if left else wrong
    cdef real near = wrong if left else right
    cdef real u = unscaled(near * s)
    cdef real v = far * large
    g[0] = u - v if left else v - u
    h[0] = unscaled(both * s * large)
    u = minus_log1m(s, logistic_rest(e, low, s, i, d))
    u = unscaled(fma(both, s, both * (u * scaled_one(u))))
    return fma(far, absolute(z), u) if far != <real>0.0 else u
