# exp(x) for x ≤ 0, the only sign that saturating functions and shifted softmax need.
#
# Method: n = round(x·log2 e), r = x − n·ln 2 in two parts (Cody and Waite 1980), exp(x) = 2^n (1 + p), p = r + r² q(r).
#   n:  adding 1.5·2^23 (1.5·2^52) rounds x·log2 e to an integer in the lowest mantissa bits; with the exponent's bias
#       added along, one shift turns it into 2^n. No rint, no conversion.
#   r:  its high part x − n·(ln 2)_high is exact. The low part −n·(ln 2)_low joins r² q first and the high part last, so p is
#       rounded once; rounding r before that costs a further quarter of a last place of the exponential.
#   q:  minimax for the relative error of exp(r) − 1 on |r| ≤ ln 2 / 2 + 2^-12, degree 5 (float) and 10 (double), Horner in r²
#       over pairs, which halves the chain of dependent operations (coefficients/exp.py). One degree less leaves a third of a
#       last place in exp(r) − 1. exp_parts_rounded, for float, saves that degree and rounds r: tanh takes it.
#   2^n reaches into the subnormals (n ≥ −150, −1075), which one shift cannot build. So the shift builds 2^(n+64)
#       (2^(n+512)), and one late multiplication by 2^-64 (2^-512) rounds into the subnormals once. It is exact elsewhere.
# As far as that shift reaches (x ≥ −131, −1062) a caller may multiply the scaled exponential by a factor before it unscales, and
# loses nothing to the subnormals. Below, x is clamped to where n + 64 + 127 (n + 512 + 1023) is 0 and the shift builds a plain 0:
# an underflow on the way to 0 would cost over a hundred cycles on Intel processors, for every −inf in a row. The clamp is the
# caller's, as one of −|x| is cheaper where |x| is clamped and the sign joins the operations that follow.

from clamp cimport at_least, at_most
from ln2 cimport less_times_ln2
from real cimport absolute, al_infinity, fma, low_bits_to_exponent, real

cdef extern from *:
    """
    AL_LIMIT(float, al_exp_leastf, -132.4f);
    AL_LIMIT(double, al_exp_least, -1064.0);
    AL_LIMIT(float, al_minus_exp_leastf, 132.4f);
    AL_LIMIT(double, al_minus_exp_least, 1064.0);
    """
    const float al_exp_leastf
    const double al_exp_least
    const float al_minus_exp_leastf
    const double al_minus_exp_least


cdef inline real exp_clamp(real x) noexcept nogil:
    """x ≤ 0 for exp_reduce and exp_parts: −132.4 (double: −1064) at least."""
    if real is float:
        return at_least(x, al_exp_leastf)
    else:
        return at_least(x, al_exp_least)


cdef inline real exp_clamp_minus(real a) noexcept nogil:
    """The same of −a for a ≥ 0."""
    if real is float:
        return -at_most(a, al_minus_exp_leastf)
    else:
        return -at_most(a, al_minus_exp_least)


cdef inline real exp_reduce(real z, real *scale, real *low) noexcept nogil:
    """r = z − n·(ln 2)_high, exact, for a clamped z; the rest is added to low; scale = 2^(n+64) (double: 2^(n+512)).

    scale is 0 for −132.4 (−1064).
    """
    cdef real t
    if real is float:
        t = fma(z, <real>1.4426950216293335, <real>12583103.0)
        scale[0] = low_bits_to_exponent(t)
        return less_times_ln2(z, t - <real>12583103.0, low)
    else:
        t = fma(z, <real>1.4426950408889634, <real>6755399441057279.0)
        scale[0] = low_bits_to_exponent(t)
        return less_times_ln2(z, t - <real>6755399441057279.0, low)


cdef inline real expm1_reduced(real high, real low, real *rest) noexcept nogil:
    """p = exp(high + low) − 1 for a reduced argument; p + rest is the same with the rounding of the last addition undone.

    Relative error of p 2^-28.7 (float), 2^-59.6 (double) before rounding.
    """
    cdef real q, p
    cdef real r = high + low
    cdef real s = r * r
    if real is float:
        q = fma(r, <real>0.00019845884526148438, <real>0.0013940689386799932)
        q = fma(q, s, fma(r, <real>0.008333389647305012, <real>0.04166635870933533))
        q = fma(q, s, fma(r, <real>0.1666666567325592, <real>0.5))
    else:
        q = fma(s, <real>2.087532783114351e-09, fma(r, <real>2.510904766723026e-08, <real>2.755740284596108e-07))
        q = fma(q, s, fma(r, <real>2.7557244193105836e-06, <real>2.480158717206778e-05))
        q = fma(q, s, fma(r, <real>0.0001984126988612815, <real>0.0013888888888962728))
        q = fma(q, s, fma(r, <real>0.008333333333321636, <real>0.041666666666666505))
        q = fma(q, s, fma(r, <real>0.16666666666666677, <real>0.5))
    q = fma(q, s, low)
    p = high + q
    rest[0] = q - (p - high)
    return p


cdef inline real exp_parts_sum(real z, real low, real *scale, real *rest) noexcept nogil:
    """p with exp(z + low) = (1 + p + rest)·scale·2^-64 (double: 2^-512), z clamped; rest is less than half a last place of p."""
    cdef real high = exp_reduce(z, scale, &low)
    return expm1_reduced(high, low, rest)


cdef inline real exp_parts(real z, real *scale, real *rest) noexcept nogil:
    """The same for low = 0."""
    return exp_parts_sum(z, <real>0.0, scale, rest)


cdef inline float expm1_quotient(float r, float s) noexcept nogil:
    """q of exp(r) − 1 = r + r² q, s = r²; relative error of exp(r) − 1 2^-25.8 before rounding."""
    cdef float q
    q = fma(s, <float>0.0013882513158023357, fma(r, <float>0.008366560563445091, <float>0.04166720062494278))
    q = fma(q, s, fma(r, <float>0.1666654348373413, <float>0.4999999701976776))
    return q


cdef inline float exp_parts_rounded(float z, float *scale) noexcept nogil:
    """p of exp_parts from an r of one number and a polynomial of one degree less (coefficients/exp_rounded.py)."""
    cdef float low = <float>0.0
    cdef float r = exp_reduce(z, scale, &low)
    exp_reduce(z, scale, &r)    # for the low part alone: one fma adds it to the high one, rounded once, where `low` is not used
    cdef float s = r * r
    return fma(expm1_quotient(r, s), s, r)


cdef inline real exp_scaled(real scale, real p, real *rest) noexcept nogil:
    """(1 + p)·scale, rounded, with the rounding in rest (exact: 1 + p lies in [½, 2])."""
    cdef real e = fma(scale, p, scale)
    rest[0] = fma(scale, p, scale - e)
    return e


cdef inline real unscaled(real x) noexcept nogil:
    """Undoes the 2^64 (2^512) in exp_reduce's scale: the one multiplication that can round to a subnormal."""
    if real is float:
        return x * <real>5.421010862427522e-20
    else:
        return x * <real>7.458340731200207e-155


cdef inline real scaled_one(real like) noexcept nogil:
    """2^64 (2^512): 1 in that scale, in the type of `like`."""
    if real is float:
        return <real>18446744073709551616.0
    else:
        return <real>1.3407807929942597e+154


# --- close to a largest number, unclamped ------------------------------------------------------------------------------------
#
# A softmax needs exp(z − m) alone, no exp − 1: with one degree less (coefficients/exp_short.py) the polynomial adds 0.08 of a
# last place to it at most (double: 0.1). Its leading terms join while the others are computed: the chain of dependent operations,
# not their number, is what a loop of exponentials waits for. Instead of a clamp the result is put to 0 from −132.4 (−1064) down,
# where 2^n has wrapped. The 2^64 (2^512) stays in: sums of exponentials, and their products with a row's weight, are brought down
# as a whole. 64 is more than the subnormals need, as a sum may have 2^31 terms.


cdef inline real exp_short(real high, real low) noexcept nogil:
    """exp(high + low) − 1 for a reduced argument, to 2^-27.7 (double: 2^-56.4) of exp(high + low) before rounding."""
    cdef real q
    cdef real r = high + low
    cdef real s = r * r
    if real is float:
        q = fma(s, <real>0.001381451147608459, fma(r, <real>0.008368759416043758, <real>0.04166839271783829))
        q = fma(q, s * s, fma(fma(r, <real>0.1666651964187622, <real>0.4999999403953552), s, low))
    else:
        q = fma(r, <real>2.4999992111620797e-08, <real>2.763033582938907e-07)
        q = fma(q, s, fma(r, <real>2.7557587040882253e-06, <real>2.4801492873304458e-05))
        q = fma(q, s, fma(r, <real>0.00019841269505340307, <real>0.001388888894382638))
        q = fma(q, s, fma(r, <real>0.008333333333495252, <real>0.04166666666652951))
        q = fma(q, s * s, fma(fma(r, <real>0.1666666666666641, <real>0.5000000000000011), s, low))
    return high + q


cdef inline real exp_close(real x, real near, real far) noexcept nogil:
    """2^64 exp(x + near + far) (2^512) for x ≤ 2^-16 (2^-42) and small near and far; near is known before x."""
    cdef real scale, high, e
    cdef real least = <real>-132.4 if real is float else <real>-1064.0
    high = exp_reduce_low(x, exp_origin(<real>64.0 if real is float else <real>512.0), &scale, &near)
    e = fma(scale, exp_short(high, near + far), scale)
    return <real>0.0 if x < least else e


# --- both signs, rounded once -------------------------------------------------------------------------------------------------
#
# exp(x) for every x. Method: as above, but nothing that is rounded stands beside the leading terms: with c = low − n·(ln 2's
# low part) and p = r + c,
#   exp(x + low) = 2^n (1 + r + [c + p²/2 + p³ S(p)]),   r exact, 1 + r split into a head and its rounding error (Dekker 1971).
# What is in brackets is below 0.07, so its roundings count little. S is minimax for exp(r) − 1 on |r| ≤ ln 2 / 2 + 2^-12,
# degree 4 (float) and 9 (double): coefficients/exp_cubic.py.
# 2^n is built away from the end that it may pass, and one late multiplication brings it there: to the left it rounds into the
# subnormals, to the right it overflows to inf as it must. Clamps and zero scale as above.
#
# max error, in units in the last place, on x86_v3 and x86_v4 (all float32; 10^7 and more float64), subnormal results included:
#   float   0.759 at -0x1.5ef9d2p+6: got 0x1.54aaa8p-127, want 0x1.54aaa4f6cp-127
#   double  0.781 at -0x1.6261faed2c8cep+9: got 0x0.b0feea7dca112p-1022, want 0x0.b0feea7dca112c7dp-1022
# Both witnesses are subnormal results, rounded twice. Rounding p first and taking expm1_reduced instead (1.00 and 1.02) saves an
# eighth of the time.


cdef inline real exp_origin(real shift) noexcept nogil:
    """1.5·2^23 + 127 + shift (double: 1.5·2^52 + 1023 + shift): added to x·log2 e, it leaves the bits of 2^(n + shift)."""
    if real is float:
        return <real>12583039.0 + shift
    else:
        return <real>6755399441056767.0 + shift


cdef inline real exp_cubic(real p) noexcept nogil:
    """S of exp(r) = 1 + r + r²/2 + r³ S(r); relative error of exp(r) − 1: 2^-29.8 (float), 2^-59.0 (double) before rounding."""
    cdef real s
    if real is float:
        s = <real>0.00019824104674626142
        s = fma(s, p, <real>0.0013933306327089667)
        s = fma(s, p, <real>0.0083334194496274)
        s = fma(s, p, <real>0.041666481643915176)
        s = fma(s, p, <real>0.1666666567325592)
    else:
        s = <real>2.0878922833574514e-09
        s = fma(s, p, <real>2.5108755619625642e-08)
        s = fma(s, p, <real>2.7557387181429363e-07)
        s = fma(s, p, <real>2.755724511339284e-06)
        s = fma(s, p, <real>2.4801587197878448e-05)
        s = fma(s, p, <real>0.00019841269885102793)
        s = fma(s, p, <real>0.001388888888894291)
        s = fma(s, p, <real>0.008333333333322104)
        s = fma(s, p, <real>0.041666666666666574)
        s = fma(s, p, <real>0.16666666666666677)
    return s


cdef inline real exp_reduce_low(real x, real origin, real *scale, real *low) noexcept nogil:
    """r = x − n·(ln 2's high part), exact; low −= n·(its low part); scale = 2^(n + shift) for origin = exp_origin(shift)."""
    cdef real t
    if real is float:
        t = fma(x, <real>1.4426950216293335, origin)
    else:
        t = fma(x, <real>1.4426950408889634, origin)
    scale[0] = low_bits_to_exponent(t)
    return less_times_ln2(x, t - origin, low)


cdef inline real exp_split(real x, real low, real origin, real *scale, real *tail) noexcept nogil:
    """head of exp(x + low) = 2^n (head + tail), head = 1 + r rounded, |tail| < 0.07; scale as in exp_reduce_low."""
    cdef real r = exp_reduce_low(x, origin, scale, &low)
    cdef real p = r + low
    cdef real head = <real>1.0 + r
    tail[0] = fma(fma(exp_cubic(p), p, <real>0.5) * p, p, low + (r - (head - <real>1.0)))
    return head


cdef inline real exp_times(real x, real y) noexcept nogil:
    """y·exp(x) for every x; exp(x) itself may lie beyond the largest number, up to x = 132 (1062).

    The power of two that exp(x) lacks goes to y at once or to the product, whichever keeps the digits: to y if |y| leaves the
    range's middle on the other side. A product 2^-64 as large as the result, of a y of 1e-25, would underflow on its way.
    """
    cdef real least, most, shift, up, z, head, scale, tail, power
    cdef bint at_once = (absolute(y) < <real>1.0) == (x > <real>0.0)
    if real is float:
        least, most, shift, up = <real>-104.0, <real>132.0, <real>64.0, <real>18446744073709551616.0
    else:
        least, most, shift, up = <real>-746.0, <real>1062.0, <real>512.0, <real>1.3407807929942597e+154
    z = least if x < least else x
    z = most if z > most else z
    head = exp_split(z, <real>0.0, exp_origin(-shift) if x > <real>0.0 else exp_origin(shift), &scale, &tail)
    scale = <real>0.0 if x < least else scale
    power = up if x > <real>0.0 else <real>1.0 / up
    y = y * power if at_once else y
    z = (fma(scale, tail, scale * head) * y) * (<real>1.0 if at_once else power)
    return <real>al_infinity() if x > most else z


cdef inline real exp(real x) noexcept nogil:
    """exp(x) for every x."""
    return exp_times(x, <real>1.0)
