# The normal distribution's tail Q(x) = ½ erfc(x/√2) and density φ(x) = exp(−x²/2)/√(2π), from one exponential.
#
# Method, for a = |x|: Q(a) = exp(−a²/2) N(a) / (a + 2), where N = exp(a²/2) Q(a) (a + 2) falls from 1 to 1/√(2π) = 0.3989 and
# is nearly straight in s = (a − 2)/(a + 2) = 1 − 4t, t = 1/(a + 2): N = 11/16 − (5/16) s + W(s), |W| < 0.03, W minimax for N,
# degree 11 (float, a ≤ 14.4) and 28 (double, a ≤ 38.7): coefficients/gaussian_tail.py. (A center above 2 needs a lower degree,
# but leaves a larger W.) Then nothing that is rounded beside the result is above a tenth of it, if these are kept:
#   - the low part of a², whose rounding alone would cost 100 units at a = 14: it goes into exp's reduced argument;
#   - e = 1 − t (a + 2), the error of t, with the low part of a + 2 (exact though a may be the larger term: a + 2 has no finer bits
#     than 2). The quotient is mended by 1 + e, and s by −4 t e and its own rounding, which N' ≈ −0.3 takes into N;
#   - the rounding of 11/16 − (5/16) s and of the product of the two heads.
# Q(x) = 1 − Q(−x) for x < 0: no cancellation, as Q(−x) ≤ ½. Above the clamp Q and φ are less than half of the smallest number;
# below 2^-30 (2^-60), where Q and φ no longer change, a is clamped too: its square would be an underflow, which is slow.
# gaussian_tail gives both times 2^64 (2^512): x Q(x), as in gelu, must be formed before Q rounds into the subnormals.
#
# max error, in units in the last place, on x86_v3 and x86_v4 (all float32; 10^7 and more float64), subnormal results included:
#   Q  float   0.920 at 0x1.1806dep+1: got 0x1.d611c8p-7, want 0x1.d611c9d70p-7
#      double  0.918 at 0x1.2bed84e571a14p+4: got 0x1.f3ba900ddb1a0p-260, want 0x1.f3ba900ddb19f151p-260
#   φ  float   0.812 at 0x1.a5fbb2p+3: got 0x1.2d33dp-127, want 0x1.2d33ccc0fp-127
#      double  0.818 at -0x1.2d0a5418784ddp+5: got 0x0.964acd5812640p-1022, want 0x0.964acd581263f2eap-1022
# With nothing kept but the low part of a²: 5.4 and 4.4 in 0.7 of the time. Without fma the errors of products are lost:
# Q 3.61 and 3.07, φ 1.16 and 1.13.

from elementary.exp cimport exp_origin, exp_split, unscaled
from real cimport absolute, fma, product_low, real


cdef inline real tail_polynomial(real s) noexcept nogil:
    """W of N = 11/16 − (5/16) s + W(s); relative error of N 2^-27.5 (float), 2^-56.6 (double) before rounding."""
    cdef real w
    if real is float:
        w = <real>-6.5992797317449e-05
        w = fma(w, s, <real>-0.0001488184934714809)
        w = fma(w, s, <real>0.00013462730566971004)
        w = fma(w, s, <real>0.0008361893706023693)
        w = fma(w, s, <real>0.0008218861767090857)
        w = fma(w, s, <real>-0.0019514623563736677)
        w = fma(w, s, <real>-0.0067338054068386555)
        w = fma(w, s, <real>-0.0004697531694546342)
        w = fma(w, s, <real>0.03671928122639656)
        w = fma(w, s, <real>0.028797371312975883)
        w = fma(w, s, <real>-0.018904469907283783)
        w = fma(w, s, <real>-0.015091994777321815)
    else:
        w = <real>1.5679638698767598e-08
        w = fma(w, s, <real>4.362882293208087e-08)
        w = fma(w, s, <real>-4.540643845641179e-08)
        w = fma(w, s, <real>-2.550119349336838e-07)
        w = fma(w, s, <real>-1.3362635008685516e-07)
        w = fma(w, s, <real>4.4644734163489335e-07)
        w = fma(w, s, <real>7.102388331127605e-07)
        w = fma(w, s, <real>2.897059193641888e-07)
        w = fma(w, s, <real>-3.549897483812202e-07)
        w = fma(w, s, <real>-1.3531212979649074e-06)
        w = fma(w, s, <real>-2.8356173253510884e-06)
        w = fma(w, s, <real>-2.8523064810560536e-06)
        w = fma(w, s, <real>1.9686063403319486e-06)
        w = fma(w, s, <real>1.2569082302011653e-05)
        w = fma(w, s, <real>2.1723147975672228e-05)
        w = fma(w, s, <real>9.682504909590852e-06)
        w = fma(w, s, <real>-4.605850129488611e-05)
        w = fma(w, s, <real>-0.00012855215301861664)
        w = fma(w, s, <real>-0.00011569250837690225)
        w = fma(w, s, <real>0.00020699176895739888)
        w = fma(w, s, <real>0.0008271989345053787)
        w = fma(w, s, <real>0.0007851181532844449)
        w = fma(w, s, <real>-0.001951124160469937)
        w = fma(w, s, <real>-0.00672490707800892)
        w = fma(w, s, <real>-0.0004695968344004339)
        w = fma(w, s, <real>0.03671836096891928)
        w = fma(w, s, <real>0.02879736034536297)
        w = fma(w, s, <real>-0.018904442388781018)
        w = fma(w, s, <real>-0.015091995107317577)
    return w


cdef inline real gaussian_tail(real a, real *density) noexcept nogil:
    """Q(a) for a ≥ 0 and φ(a), both times 2^64 (double: 2^512), which unscaled undoes."""
    cdef real least, most, shift, high, low, x, d, t, e, s, n, rest, p, q, head, tail, scale
    if real is float:
        least, most, shift = <real>9.313225746154785e-10, <real>14.4, <real>64.0
        high, low = <real>0.3989422917366028, <real>-1.1335170135851058e-08
    else:
        least, most, shift = <real>8.673617379884035e-19, <real>38.7, <real>512.0
        high, low = <real>0.3989422804014327, <real>-2.49232720227773e-17
    x = least if a < least else a
    x = most if x > most else x
    p = x * x
    head = exp_split(<real>-0.5 * p, <real>-0.5 * product_low(x, x, p), exp_origin(shift), &scale, &tail)
    scale = <real>0.0 if a > most else scale
    density[0] = scale * fma(head, high, fma(head, low, tail * high))
    d = x + <real>2.0
    t = <real>1.0 / d
    e = fma(-t, x - (d - <real>2.0), fma(-t, d, <real>1.0))
    p = <real>4.0 * t
    s = <real>1.0 - p
    n = fma(s, <real>-0.3125, <real>0.6875)
    rest = fma(s, <real>-0.3125, <real>0.6875 - n)
    rest += fma(fma(-p, e, (<real>1.0 - s) - p), <real>-0.3, tail_polynomial(s))
    p = head * n
    rest = fma(head, n, -p) + fma(head, rest, tail * (n + rest))
    q = p * t
    return scale * (q + fma(q, e, fma(t, rest, fma(p, t, -q))))


cdef inline real normal_tail(real x) noexcept nogil:
    """Q(x) for every x."""
    cdef real unused
    cdef real q = unscaled(gaussian_tail(absolute(x), &unused))
    return <real>1.0 - q if x < <real>0.0 else q


cdef inline real normal_density(real x) noexcept nogil:
    """φ(x) for every x."""
    cdef real y
    gaussian_tail(absolute(x), &y)
    return unscaled(y)
