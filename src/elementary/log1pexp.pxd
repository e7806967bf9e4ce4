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


cdef inline real log1pexp(real x) noexcept nogil:
    """log(1 + exp(x)) for every x."""
    cdef real least, small, shift, back, z, head, tail, scale, e, g, d, f, k, m, a, b, low
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
    g = <real>0.0 if z < small else e
    k = <real>1.0 if g >= <real>0.5 else <real>0.0
    f = fma(<real>0.5, g, <real>-0.5) if g >= <real>0.5 else g
    m = x if x > <real>0.0 else <real>0.0
    a = times_ln2(k, &low)
    b = a + m
    low += m - (b - a)
    a = b + f
    low += f - (a - b)
    low = fma(d, fma(g, <real>-0.5, <real>0.957), low) + log1p_tail(f)
    return (x if x > <real>0.0 else back * e) if z < small else a + low
