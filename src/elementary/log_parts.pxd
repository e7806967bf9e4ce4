# Logarithms as head + low, for losses that multiply or add them before they round.
#
# Method: log(p / q) = 2 atanh(s) = 2s + s z W(z), s = (p − q) / (p + q), z = s² ≤ 1/25, with W of log.pxd. The head 2s is all but a
# seventieth of it, so what is rounded in the rest hardly counts, and one division serves both: the residual p − q − 2s (p + q)/2 is
# exact (Dekker 1971), and the same reciprocal divides it. Arguments outside of [⅔, 1½] are 2^k times such a
# quotient; k ln 2 comes in two parts.
#
# log_ratio(y, a) never forms y / a: with 2^k a within [⅔ y, 1½ y], y − 2^k a is exact (Sterbenz 1974). k is the difference of the two
# numbers' bits, rounded to whole octaves: bits count a logarithm, linear within its octaves, so the difference of two is off by 0.086 of
# an octave at most. z then reaches 0.0403, where W is as good; for a = 1 the octaves begin at ¾ as in log.pxd.

from elementary.exp cimport scaled_one, unscaled
from elementary.log cimport log_series
from ln2 cimport times_ln2
from real cimport absolute, al_bits, al_bitsf, al_float, al_floatf, fma, int32_t, int64_t, real, residual, two_sum
from real cimport uint32_t, uint64_t


cdef inline real atanh_rest(real n, real n_low, real v, real u, real i, real half, real half_low) noexcept nogil:
    """What v = n·i, i = 1 / half, lacks of 2 atanh(s), s = (n + n_low) / (2 (half + half_low)), |s| ≤ 0.2. u is v; v, n, n_low
    may have a common factor.
    """
    cdef real tiny = <real>9.313225746154785e-10 if real is float else <real>8.673617379884035e-19
    cdef real s = <real>0.5 * (u if absolute(u) > tiny else <real>0.0)      # the square of less is an underflow, which is slow
    cdef real z = s * s
    return fma(<real>0.5 * v * z, log_series(z), fma(-v, half_low, residual(n, v, half) + n_low) * i)


cdef inline real atanh_parts(real n, real n_low, real half, real half_low, real *low) noexcept nogil:
    """2 atanh(s), s = (n + n_low) / (2 (half + half_low)), |s| ≤ 0.2: the head 2s, the rest in low."""
    cdef real i = <real>1.0 / half
    cdef real v = n * i
    low[0] = atanh_rest(n, n_low, v, v, i, half, half_low)
    return v


cdef inline real whole_octaves(real y, real a, real *k) noexcept nogil:
    """a·2^k within [⅔ y, 1½ y], for normal numbers y, a > 0."""
    cdef uint32_t n
    cdef uint64_t m
    if real is float:
        n = (<uint32_t> al_bitsf(y) - <uint32_t> al_bitsf(a)) + <uint32_t> 0x00400000
        k[0] = <real> (<int32_t> n >> 23)
        return al_floatf(<int32_t> (<uint32_t> al_bitsf(a) + (n & <uint32_t> 0xff800000)))
    else:
        # AVX2 has no arithmetic shift and no conversion of 64 bits: see log_exponent.
        m = (<uint64_t> al_bits(y) - <uint64_t> al_bits(a)) + <uint64_t> 0x0008000000000000
        k[0] = al_float(<int64_t> ((m >> 52) ^ 0x4330000000000800ULL)) - <real>4503599627372544.0
        return al_float(<int64_t> (<uint64_t> al_bits(a) + (m & <uint64_t> 0xfff0000000000000)))


cdef inline real log_ratio_parts(real y, real y_low, real a, real more, real *low) noexcept nogil:
    """log((y + y_low) / a) + more·ln 2 for normal numbers y, a > 0: the head, the rest in low."""
    cdef real k, half_low, v, h, b
    cdef real u = whole_octaves(y, a, &k)
    cdef real half = two_sum(<real>0.5 * y, <real>0.5 * u, &half_low)
    v = atanh_parts((y - u) + y_low, <real>0.0, half, fma(<real>0.5, y_low, half_low), low)
    b = times_ln2(k + more, &half_low)
    h = b + v
    low[0] = (v - (h - b)) + (half_low + low[0])
    return h


cdef inline real log1p_scaled(real e, real e_low, real *low) noexcept nogil:
    """log(1 + x) for x in [0, 1], like e + e_low = x·2^64 (double: 2^512) scaled: the head, the rest in low. Where x is subnormal,
    the digits are all there. Above ½ it is ln 2 + log((1 + x) / 2).
    """
    cdef bint large = e > <real>0.5 * scaled_one(e)
    cdef real x = <real>0.5 * unscaled(e)
    cdef real base = <real>1.5 if large else <real>1.0
    cdef real half = base + x
    cdef real half_low = fma(<real>0.5, unscaled(e_low), (base - half) + x)
    cdef real ln2_low
    cdef real b = times_ln2(scaled_one(e) if large else <real>0.0, &ln2_low)
    cdef real n = e - scaled_one(e) if large else e
    cdef real i = <real>1.0 / half
    cdef real v = n * i
    cdef real h = b + v
    low[0] = (v - (h - b)) + (ln2_low + atanh_rest(n, e_low, v, unscaled(v), i, half, half_low))
    return h
