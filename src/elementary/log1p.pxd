# log(1 + x) for every x: −inf at −1, NaN below.
#
# Method: 1 + x = 2^k (1 + f), then as in log.pxd. k is read off the rounded 1 + x; f = 2^-k x + (2^-k − 1) is formed from x
# itself, so the bits that 1 + x loses come back (the arrangement of FreeBSD's log1p). With the octave that begins at ¾, f is
# exact: for k ≤ −1 because x is a multiple of 2^-25 (2^-54) and doubled at least, for k = 0 because it is x, for k ≥ 1 because
# x ≥ ½. (Two harmless exceptions: x = ½ − 2^-25, whose 1 + x rounds up to 1½, and from 2^24 on 2^-k − 1 is rounded.)
# Below 2^-30 (2^-60) the result is x, −0 included: the square of so small a number is an underflow, which is slow.
#
# max error, in units in the last place, on x86_v3 and x86_v4 (all float32; 10^7 and more float64), subnormal results included:
#   float   0.860 at -0x1.12c874p-2: got -0x1.3ff11cp-2, want -0x1.3ff11a479p-2
#   double  0.908 at -0x1.000409fb76612p-2: got -0x1.269b83bb8ba16p-2, want -0x1.269b83bb8ba1517ap-2

from elementary.log cimport log1p_tail, log_assemble_parts, log_exponent, log_power
from real cimport absolute, al_infinity, al_nan, fma, real


cdef inline real log1p_nonnegative_parts(real x, real *rest) noexcept nogil:
    """log(1 + x) for 0 ≤ x, +inf and NaN: cheaper by the selects that this range does not need. Its last rounding is in rest."""
    cdef real c = log_power(<real>1.0 + x)
    cdef real f = fma(x, c, c - <real>1.0)
    cdef real y = log_assemble_parts(log_exponent(<real>1.0 + x), f, log1p_tail(f), rest)
    rest[0] = rest[0] if x < <real>al_infinity() else <real>0.0
    return y if x < <real>al_infinity() else x


cdef inline real log1p_nonnegative(real x) noexcept nogil:
    """The same without the rounding."""
    cdef real rest
    return log1p_nonnegative_parts(x, &rest)


cdef inline real log1p(real x) noexcept nogil:
    """log(1 + x) for every x."""
    cdef real tiny = <real>9.313225746154785e-10 if real is float else <real>8.673617379884035e-19
    cdef real y = log1p_nonnegative(<real>0.0 if absolute(x) < tiny else x)
    y = x if absolute(x) < tiny else y
    return y if x > <real>-1.0 else (-<real>al_infinity() if x == <real>-1.0 else <real>al_nan())
