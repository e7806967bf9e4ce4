# log(1 + exp(x)) = max(x, 0) + log1p(exp(−|x|)) for every x.
#
# Method: e = exp(−|x|) in (0, 1] with its rounding error d, from exp.pxd's exp_split. 1 + e = 2^k (1 + f): for e < ½ f = e and
# k = 0, else f = (e − 1)/2, exact, and k = 1; then log.pxd's tail, and d / (1 + e) with 1 / (1 + e) ≈ 0.957 − e/2 (to 0.043).
# In
#   (max(x, 0) + k·ln 2) + f
# each sum is kept with its rounding error; the term that comes second is the smaller one (k = 1 only where |x| ≤ ln 2) or the
# first is 0. So nothing above 0.1 is rounded beside the result.
# From |x| = 21 (42) on, where e < 2^-30 (2^-60), the sum rounds to x on the right and to e on the left, which is rounded once,
# down through the subnormals, by exp.pxd's late multiplication. The rest goes on with e = 0 there, as its square would be an
# underflow, which is slow; for the same reason e is not formed beyond x = 50.
#
# max error, in units in the last place, on x86_v3 and x86_v4 (all float32; 10^7 and more float64), subnormal results included:
#   float   0.893 at -0x1.6da408p-1: got 0x1.98147cp-2, want 0x1.98147dc91p-2
#   double  0.916 at -0x1.6fcfcfbe53411p-1: got 0x1.96a7a89f58796p-2, want 0x1.96a7a89f58795158p-2

from elementary.exp cimport exp_origin, exp_split, unscaled
from elementary.log cimport log1p_tail
from ln2 cimport times_ln2
from real cimport absolute, fma, real


cdef inline real log1p_sum(real e, real d, real m, bint shifted, real *low) noexcept nogil:
    """m + log(1 + e + d) − low for e in [0, 1], d less than a last place of e; without m unless `shifted`, a literal. |low| < 0.1."""
    cdef real k = <real>1.0 if e >= <real>0.5 else <real>0.0
    cdef real f = fma(<real>0.5, e, <real>-0.5) if e >= <real>0.5 else e
    cdef real a = times_ln2(k, low)
    cdef real b = a
    if shifted:
        b = a + m
        low[0] += m - (b - a)
    a = b + f
    low[0] += f - (a - b)
    low[0] = fma(d, fma(e, <real>-0.5, <real>0.957), low[0]) + log1p_tail(f)
    return a


cdef inline real log1p_unit(real e, real d, real *low) noexcept nogil:
    """log(1 + e + d) − low for e in [0, 1], e the rounded and d what is left of an exponential."""
    cdef real tiny = <real>9.313225746154785e-10 if real is float else <real>8.673617379884035e-19
    cdef real y = log1p_sum(<real>0.0 if e < tiny else e, d, <real>0.0, False, low)
    low[0] = <real>0.0 if e < tiny else low[0]
    return e if e < tiny else y


cdef inline real log1pexp(real x) noexcept nogil:
    """log(1 + exp(x)) for every x."""
    cdef real least, small, shift, back, z, head, tail, scale, a, e, d, low
    if real is float:
        least, small, shift, back = <real>-104.0, <real>-21.0, <real>64.0, <real>5.421010862427522e-20
    else:
        least, small, shift, back = <real>-746.0, <real>-42.0, <real>512.0, <real>7.458340731200207e-155
    z = least if (x < least) | (x > <real>50.0) else -absolute(x)
    head = exp_split(z, <real>0.0, exp_origin(shift if z < small else <real>0.0), &scale, &tail)
    scale = <real>0.0 if (x < least) | (x > <real>50.0) else scale
    a = scale * head
    e = fma(scale, tail, a)
    d = fma(scale, tail, a - e)
    a = log1p_sum(<real>0.0 if z < small else e, d, x if x > <real>0.0 else <real>0.0, True, &low)
    return (x if x > <real>0.0 else back * e) if z < small else a + low
