# The steps between the plainest kernel and the most accurate one, each spelled as what it leaves out of the shipped kernel or adds
# to it, for docs/accuracy.md. Float32 alone: front_build.py names them, front.py measures them. A step's name says what is done.
#
# The plain exponential: the polynomial of degree 4, and r rounded before it (exp_parts_rounded).

from activations.softsign cimport clamped_absolute
from clamp cimport at_most_zero
from elementary.exp cimport exp_clamp, exp_clamp_minus, exp_parts, exp_parts_rounded, exp_reduce, exp_scaled, expm1_quotient
from elementary.exp cimport scaled_one, unscaled
from elementary.logistic cimport logistic_parts, one_plus
from loops cimport OPERANDS
from real cimport absolute, al_bitsf, al_floatf, fma, int32_t, low_bits_to_exponent, two_sum, with_sign


# --- exp(x) − 1 of the reduced argument, and the exponential as high + low ----------------------------------------------------

cdef inline float low_part_last(float z, float *scale) noexcept nogil:
    """p, with exp(z) = (1 + p)·scale, from the same polynomial, with r's high part added last, to r² q plus its low part."""
    cdef float low = <float>0.0
    cdef float high = exp_reduce(z, scale, &low)
    cdef float r = high + low
    cdef float s = r * r
    return high + fma(expm1_quotient(r, s), s, low)


cdef inline float exp_two_part(float z, float *low) noexcept nogil:
    cdef float scale
    cdef float p = exp_parts_rounded(z, &scale)
    return exp_scaled(scale, p, low)


cdef inline float exp_low_last(float z, float *low) noexcept nogil:
    cdef float scale
    cdef float p = low_part_last(z, &scale)
    return exp_scaled(scale, p, low)


cdef inline float exp_degree5(float z, float *low) noexcept nogil:
    cdef float scale, rest
    cdef float p = exp_parts(z, &scale, &rest)
    return exp_scaled(scale, p, low)


cdef inline float exp_rest(float z, float *low) noexcept nogil:
    cdef float scale, rest
    cdef float p = exp_parts(z, &scale, &rest)
    cdef float e = exp_scaled(scale, p, low)
    low[0] = fma(scale, rest, low[0])
    return e


cdef inline float complement(float e) noexcept nogil:
    """1 / (1 + e) for the rounded e, with both roundings undone."""
    cdef float i = <float>1.0 / one_plus(e)
    return fma(i, fma(-e, unscaled(i), <float>1.0 - i), i)


# --- sigmoid, in halves ------------------------------------------------------------------------------------------------------
#
# A step without a second half of its own has the shipped one.

cdef inline float sigmoid_plain_first(float x, float *low) noexcept nogil:
    cdef float scale
    cdef float p = exp_parts_rounded(exp_clamp_minus(absolute(x)), &scale)
    low[0] = <float>0.0
    return unscaled(fma(scale, p, scale))


cdef inline float sigmoid_plain_second(float x, float e, float low, float *dy) noexcept nogil:
    cdef float s = e / (<float>1.0 + e)
    cdef float t = <float>1.0 - s
    dy[0] = s * t
    return s if x < <float>0.0 else t


cdef inline float sigmoid_of(float s, float t, float x, float *dy) noexcept nogil:
    dy[0] = s * unscaled(t)
    return unscaled(s) if x < <float>0.0 else t


cdef inline float sigmoid_residual_first(float x, float *low) noexcept nogil:
    cdef float scale
    cdef float p = exp_parts_rounded(exp_clamp_minus(absolute(x)), &scale)
    low[0] = <float>0.0
    return fma(scale, p, scale)


cdef inline float sigmoid_residual_second(float x, float e, float low, float *dy) noexcept nogil:
    cdef float t = complement(e)
    return sigmoid_of(e * t, t, x, dy)


cdef inline float sigmoid_power_first_first(float x, float *p) noexcept nogil:
    cdef float scale
    p[0] = exp_parts_rounded(exp_clamp_minus(absolute(x)), &scale)
    return scale


cdef inline float sigmoid_power_first_second(float x, float scale, float p, float *dy) noexcept nogil:
    cdef float t = complement(fma(scale, p, scale))
    cdef float w = scale * t
    return sigmoid_of(fma(w, p, w), t, x, dy)


cdef inline float sigmoid_two_part_first(float x, float *low) noexcept nogil:
    return exp_two_part(exp_clamp_minus(absolute(x)), low)


cdef inline float sigmoid_low_last_first(float x, float *low) noexcept nogil:
    return exp_low_last(exp_clamp_minus(absolute(x)), low)


cdef inline float sigmoid_rest_first(float x, float *low) noexcept nogil:
    return exp_rest(exp_clamp_minus(absolute(x)), low)


cdef extern from *:
    """
    static const float front_power[16] = {   // 2^(j/16)
        0x1.000000p0f, 0x1.0b5586p0f, 0x1.172b84p0f, 0x1.2387a6p0f, 0x1.306fe0p0f, 0x1.3dea64p0f, 0x1.4bfdaep0f, 0x1.5ab07ep0f,
        0x1.6a09e6p0f, 0x1.7a1148p0f, 0x1.8ace54p0f, 0x1.9c4918p0f, 0x1.ae89fap0f, 0x1.c199bep0f, 0x1.d5818ep0f, 0x1.ea4afap0f
    };
    """
    const float front_power[16]


cdef inline float exp_table(float z, float *low) noexcept nogil:
    """z = (16 n + j) ln 2 / 16 + r: 2^n from a shift as in exp_reduce, 2^(j/16) from a table, so degree 2 is enough for r."""
    cdef float t = fma(z, <float>23.083120346069336, <float>12585968.0)      # 1.5·2^23 + 16·(127 + 64)
    cdef float k = t - <float>12585968.0
    cdef float high = fma(k, <float>-0.04332160949707031, z)
    cdef float tail = k * <float>-8.928792283313669e-08
    cdef float r = high + tail
    cdef float q = fma(fma(r, <float>0.0416666679084301, <float>0.1666666716337204), r, <float>0.5)
    cdef float p = high + fma(q, r * r, tail)
    cdef int32_t bits = al_bitsf(t)
    cdef float power = low_bits_to_exponent(al_floatf(bits >> 4)) * front_power[bits & 15]
    return exp_scaled(power, p, low)


cdef inline float sigmoid_table_first(float x, float *low) noexcept nogil:
    return exp_table(exp_clamp_minus(absolute(x)), low)


# --- tanh, in halves ---------------------------------------------------------------------------------------------------------

cdef inline float tanh_plain_first(float x, float *m) noexcept nogil:
    """e, and 1 − e in m."""
    cdef float scale
    cdef float p = exp_parts_rounded(exp_clamp_minus(<float>2.0 * absolute(x)), &scale)
    m[0] = fma(-scale, p, scaled_one(scale) - scale)
    return fma(scale, p, scale)


cdef inline float tanh_plain_second(float x, float e, float m, float *dy) noexcept nogil:
    cdef float t = unscaled(<float>1.0 / one_plus(e))
    cdef float s = e * t
    dy[0] = <float>4.0 * s * (<float>1.0 - s)
    return with_sign(m * t, x)


cdef inline float tanh_residual_first(float x, float *m) noexcept nogil:
    return tanh_plain_first(x, m)


cdef inline float tanh_residual_second(float x, float e, float m, float *dy) noexcept nogil:
    cdef float t = complement(e)
    dy[0] = <float>4.0 * (e * t) * unscaled(t)
    return with_sign(m * unscaled(t), x)


cdef inline float tanh_low_last_first(float x, float *low) noexcept nogil:
    return exp_low_last(exp_clamp_minus(<float>2.0 * absolute(x)), low)


cdef inline float tanh_degree5_first(float x, float *low) noexcept nogil:
    return exp_degree5(exp_clamp_minus(<float>2.0 * absolute(x)), low)


cdef inline float tanh_rest_first(float x, float *low) noexcept nogil:
    return exp_rest(exp_clamp_minus(<float>2.0 * absolute(x)), low)


cdef inline float tanh_difference_first(float x, float *low) noexcept nogil:
    return exp_rest(exp_clamp_minus(<float>2.0 * absolute(x)), low)


cdef inline float tanh_difference_second(float x, float e, float low, float *dy) noexcept nogil:
    """The shipped one with what e − 1 rounds off."""
    cdef float i, d
    cdef float s = logistic_parts(e, low, <float>4.0, &i, &d)
    cdef float m = scaled_one(e) - e
    low = low + (e - (scaled_one(e) - m))
    i = unscaled(<float>0.25) * i
    dy[0] = s * fma(i, d, i)
    return with_sign(fma(m, i, fma(m, d, -low) * i), x)


# --- elu ----------------------------------------------------------------------------------------------------------------------

cdef inline float elu_by(float (*p_of)(float, float *) noexcept nogil, float x, float alpha, float *dy) noexcept nogil:
    """The shipped elu on any exp(r) − 1."""
    cdef float scale
    cdef float p = p_of(exp_clamp(at_most_zero(x)), &scale)
    dy[0] = <float>1.0 if x > <float>0.0 else unscaled(alpha * fma(scale, p, scale))
    return x if x > <float>0.0 else alpha * unscaled(fma(scale, p, scale - scaled_one(scale)))


cdef inline float elu_plain(float x, float alpha, float *dy) noexcept nogil:
    return elu_by(exp_parts_rounded, x, alpha, dy)


cdef inline float elu_low_last(float x, float alpha, float *dy) noexcept nogil:
    return elu_by(low_part_last, x, alpha, dy)


cdef inline float elu_high_and_low(float x, float alpha, bint derivative, float *dy) noexcept nogil:
    """alpha times an exponential in two parts, minus 1, with one rounding; derivative: that in one rounding, too."""
    cdef float low
    cdef float e = exp_rest(exp_clamp(at_most_zero(x)), &low)
    cdef float m = e - scaled_one(e)
    cdef float d = fma(alpha, e, alpha * low) if derivative else alpha * e
    low = low + (e - (m + scaled_one(e)))
    dy[0] = <float>1.0 if x > <float>0.0 else unscaled(d)
    return x if x > <float>0.0 else fma(alpha, unscaled(m), alpha * unscaled(low))


cdef inline float elu_rest(float x, float alpha, float *dy) noexcept nogil:
    return elu_high_and_low(x, alpha, False, dy)


cdef inline float elu_both(float x, float alpha, float *dy) noexcept nogil:
    return elu_high_and_low(x, alpha, True, dy)


# --- softsign -----------------------------------------------------------------------------------------------------------------

cdef inline float softsign_plain(float x, float *dy) noexcept nogil:
    cdef float a = clamped_absolute(x)
    cdef float i = <float>1.0 / (<float>1.0 + a)
    dy[0] = i * i
    return with_sign(a * i, x)


cdef inline float softsign_two_sum(float x, float *dy) noexcept nogil:
    cdef float low
    cdef float a = clamped_absolute(x)
    cdef float q = two_sum(<float>1.0, a, &low)
    cdef float i = <float>1.0 / q
    cdef float d = fma(-low, i, fma(-q, i, <float>1.0))
    cdef float w = i * i
    dy[0] = fma(w, d + d, w)
    return with_sign(fma(a, i, a * i * d), x)


# --- what Python calls --------------------------------------------------------------------------------------------------------

cdef class Point:
    """The loop of one step: point(x, y, dy), or point(x, alpha, y, dy) with alpha a float32 of no dimension."""
    cdef Loop loop

    def __call__(self, *operands):
        cdef char *at[OPERANDS]
        cdef Py_ssize_t step[OPERANDS]
        cdef Py_ssize_t n = len(operands[0])
        cdef cnp.ndarray operand
        cdef int k
        for k in range(self.loop.inputs + self.loop.outputs):
            operand = operands[k]
            at[k] = cnp.PyArray_BYTES(operand)
            step[k] = operand.strides[0] if operand.ndim else 0
        elementwise(at, <cnp.npy_intp *> &n, <cnp.npy_intp *> step, &self.loop)


cdef Point make_point(Instance instance, int inputs):
    point = Point()
    point.loop = loop_of(instance, inputs, 2, sizeof(float))
    return point
