# Numbers stored in 16 bits: IEEE's half, and bfloat16, the upper half of a float32. They are computed in float32, which holds every
# one of them: the only error of their own is the rounding of the result.
#
# Integer operations and one float addition, of which compilers make vectors on every level. There is no multiplication, which takes
# processors a hundred cycles where a number is subnormal; additions take no longer. F16C has an instruction for a vector of halves,
# but from `_Float16` GCC 12 makes one element at a time: 2 to 3 times as slow on x86_v4. Rounding is to the nearest number, ties to
# even, as the hardware and NumPy do it.

cdef extern from *:
    """
    #include <stdint.h>
    #include <string.h>
    static inline float al_float_of(uint32_t i) { float x; memcpy(&x, &i, sizeof x); return x; }
    static inline int32_t al_int_of(float x) { int32_t i; memcpy(&i, &x, sizeof i); return i; }

    /* The exponent's bias is 15 there and 127 here. Its largest value, of inf and NaN, becomes the largest here. Where it is 0, the
       number is m / 2^24: the mantissa of 2^-14 (1 + m / 2^10), less 2^-14. */
    static inline float al_half_to_float(uint16_t h) {
        uint32_t m = h & 0x7FFFu, b = (m << 13) + (112u << 23);
        b = (int32_t) m >= 0x7C00 ? b + (112u << 23) : b;
        b = (int32_t) m < 0x400 ? (uint32_t) al_int_of(al_float_of((m << 13) + (113u << 23)) - 0x1p-14f) : b;
        return al_float_of(b | (uint32_t) (h & 0x8000u) << 16);
    }

    /* |x| of exponent e is rounded to a multiple of 2^(e-10), of 2^-24 below 2^-14, by adding 2^(e+13), at least 2^-1: the last bit
       of the sum is worth as much. Its distance from that power, in last bits, is the half's mantissa with the leading one, which goes
       into the exponent, as does a carry. So 2^16 and what is rounded up to it give inf, and 1.5 * 2^16 a NaN. */
    static inline uint16_t al_float_to_half(float x) {
        int32_t b = al_int_of(x), u = b & 0x7FFFFFFF, c = u < 143 << 23 ? u : 143 << 23, e, h;
        c = u > 0x7F800000 ? (143 << 23) + (1 << 22) : c;
        e = c & 0x7F800000;
        e = e > 113 << 23 ? e : 113 << 23;
        h = al_int_of(al_float_of((uint32_t) c) + al_float_of((uint32_t) (e + (13 << 23))));
        h = h - (e - (e >> 13)) - ((13 << 23) + (113 << 10));
        return (uint16_t) (h | (int32_t) ((uint32_t) b >> 16 & 0x8000u));
    }

    static inline float al_bfloat16_to_float(uint16_t h) { return al_float_of((uint32_t) h << 16); }

    /* A carry goes into the exponent, up to inf; it would carry a NaN beyond, and one whose upper half is that of inf must stay NaN. */
    static inline uint16_t al_float_to_bfloat16(float x) {
        uint32_t b = (uint32_t) al_int_of(x), rounded = (b + 0x7FFFu + (b >> 16 & 1u)) >> 16;
        return (uint16_t) ((int32_t) (b & 0x7FFFFFFFu) > 0x7F800000 ? b >> 16 | 0x40u : rounded);
    }
    """
    ctypedef unsigned short uint16_t
    float al_half_to_float(uint16_t h) noexcept nogil
    uint16_t al_float_to_half(float x) noexcept nogil
    float al_bfloat16_to_float(uint16_t h) noexcept nogil
    uint16_t al_float_to_bfloat16(float x) noexcept nogil
