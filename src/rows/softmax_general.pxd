# One panel of softmax_cross_entropy for any target and all options:
#   loss = Σ_j q_j (L − u_j) + ζ L²,   L = log Σ_j e^{u_j},   u = s / T,   s = c tanh(z / c)
# q: targets.pxd; softcap c (Gemma Team 2024, section 2), temperature T (Hinton, Vinyals and Dean 2015), z_loss ζ (Chowdhery et al.
# 2022, section 5). With p = softmax(u), Q = Σ q and A = Q + 2 ζ L:
#   ∂/∂u_j   = A p_j − q_j = (Σ_{k≠j} q_k + 2 ζ L) p_j − q_j (1 − p_j)     both parts without cancellation; for a label one is 0
#   ∂²/∂u_j² = A p_j (1 − p_j) + 2 ζ p_j²
#   ∂u/∂z    = (1 − tanh²) / T,   ∂²u/∂z² = −2 tanh (1 − tanh²) / (c T)
# The temperature divides s_j − max s, not s: two logits of 3e38 stay apart for T = ½, and the quotient's remainder goes into the
# exponential with that of the difference.
# Rows run along the vector in every layout. Three passes over PART classes at a time, each from z itself, so that the gradient may
# replace the logits; the third takes the exponentials again, which costs less than a block of them beside the cache.

from axes cimport LANES, Panel, gather, scatter
from elementary.exp cimport exp_close, scaled_one, unscaled
from elementary.tanh cimport tanh, tanh_and_derivative
from loops cimport GROUP
from real cimport al_infinity, fma, int64_t, real
from rows.softmax_finish cimport finish_lanes, others_of, scaled_others, with_others
from rows.softmax_phases cimport CHUNK, HALF, SETS, add_short, add_wide, empty_sets, max_across, scaled, split_max
from rows.targets cimport PART, Target, add_to, fill_q

cdef enum:
    # A row's numbers, LANES of each.
    TOP, NEAR, AWAY, HITS, BELOW, BELOW_LOW, REST, REST_LOW, INVERSE, FACTOR, LOW, DOWN, MASS, MASS_LOW, GAP, GAP_LOW, PULL, UNUSED, NUMBERS


cdef inline real tempered_exp(real z, real m, real near, real rest, real temperature, real inverse) noexcept nogil:
    """2^64 e^{(z − m) / T} for z ≤ m with the roundings of difference and quotient carried along; 2^64 for z = m, infinities included.

    near and rest as in shifted_exp, whose result this is for T = 1; a TwoSum, as z − m may be large where T is.
    """
    cdef real d = z - near
    cdef real t = d - z
    cdef real low = (z - (d - t)) - (near + t)
    cdef real x = d / temperature
    low = (low + fma(-x, temperature, d)) * inverse
    return scaled_one(z) if z >= m else exp_close(x, rest * inverse, low)


cdef inline void cap(real *z, Py_ssize_t count, Py_ssize_t width, real softcap) noexcept nogil:
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            z[c * LANES + l] = softcap * tanh(z[c * LANES + l] / softcap)


cdef inline void bend(const real *z, real *g, real *h, Py_ssize_t count, Py_ssize_t width, real softcap) noexcept nogil:
    """Derivatives by s as those by z."""
    cdef Py_ssize_t c, l
    cdef real t, slope
    for c in range(count):
        for l in range(width):
            t = tanh_and_derivative(z[c * LANES + l] / softcap, &slope)
            h[c * LANES + l] = h[c * LANES + l] * slope * slope - g[c * LANES + l] * (<real>2.0 * t * slope / softcap)
            g[c * LANES + l] *= slope


cdef inline void load(real *s, Panel *panel, const Target *target, Py_ssize_t first, Py_ssize_t count) noexcept nogil:
    gather(s, panel, panel.z, panel.z_step, first, count)
    if target.softcap != al_infinity():
        cap(s, count, panel.width, <real> target.softcap)


cdef inline void sum_targets(const real *s, const real *q, real *row, Py_ssize_t count, Py_ssize_t width,
                             real temperature) noexcept nogil:
    """MASS += Σ q_j and GAP += Σ q_j (max u − u_j), where 0·inf is 0."""
    cdef Py_ssize_t c, l
    cdef real gap, z
    for c in range(count):
        for l in range(width):
            z = s[c * LANES + l]
            gap = <real>0.0 if z >= row[TOP * LANES + l] else <real>2.0 * ((<real>0.5 * row[TOP * LANES + l] - <real>0.5 * z) / temperature)
            gap = q[c * LANES + l] * gap if q[c * LANES + l] > <real>0.0 else <real>0.0
            add_to(&row[MASS * LANES + l], &row[MASS_LOW * LANES + l], q[c * LANES + l])
            add_to(&row[GAP * LANES + l], &row[GAP_LOW * LANES + l], gap)


cdef inline void sum_exps_lanes(const real *s, real *row, real *sum, bint two, Py_ssize_t width, real temperature) noexcept nogil:
    """One class of all lanes, or with the one that is 16 on."""
    cdef Py_ssize_t l
    cdef real m, z, e, t, hit
    cdef real inverse = <real>1.0 / temperature
    for l in range(width):
        z, m = s[l], row[TOP * LANES + l]
        e = tempered_exp(z, m, row[NEAR * LANES + l], row[AWAY * LANES + l], temperature, inverse)
        t = <real>0.0 if z >= m else e
        hit = <real>1.0 if z >= m else <real>0.0
        if two:
            z = s[GROUP * LANES + l]
            e = tempered_exp(z, m, row[NEAR * LANES + l], row[AWAY * LANES + l], temperature, inverse)
            t += <real>0.0 if z >= m else e
            hit += <real>1.0 if z >= m else <real>0.0
        sum[l] += t
        row[HITS * LANES + l] += hit


cdef inline void sum_exps(const real *s, real *row, real *sums, Py_ssize_t count, Py_ssize_t width,
                          real temperature) noexcept nogil:
    """A set's sums += the exponentials below the maximum, in the order of softmax_phases.pxd; HITS += those at it. A part has 32
    classes."""
    cdef Py_ssize_t c
    for c in range(count if count < GROUP else GROUP):
        if c + GROUP < count:
            sum_exps_lanes(s + c * LANES, row, sums + c * LANES, True, width, temperature)
        else:
            sum_exps_lanes(s + c * LANES, row, sums + c * LANES, False, width, temperature)


cdef inline void finish_loss(real *row, real *loss, Py_ssize_t width, real temperature, real z_loss) noexcept nogil:
    """The loss from L − max u, which it holds, and PULL = 2 ζ L."""
    cdef Py_ssize_t l
    cdef real rest, whole
    for l in range(width):
        rest = loss[l]
        whole = row[TOP * LANES + l] / temperature + rest
        row[PULL * LANES + l] = <real>2.0 * z_loss * whole if z_loss > <real>0.0 else <real>0.0
        loss[l] = (row[GAP * LANES + l] + row[MASS * LANES + l] * rest) + (row[GAP_LOW * LANES + l] + row[MASS_LOW * LANES + l] * rest)
        loss[l] += z_loss * whole * whole if z_loss > <real>0.0 else <real>0.0


cdef inline void derive(const real *s, const real *q, const real *row, real *g, real *h, Py_ssize_t count, Py_ssize_t width,
                        real temperature, real z_loss, bint hess) noexcept nogil:
    """Gradient and Hessian by s. An exponential of 0, or others of 0, beat an infinite L."""
    cdef Py_ssize_t c, l
    cdef real z, e, y, p, shared, others, pull, a, b, inverse = <real>1.0 / temperature
    for c in range(count):
        for l in range(width):
            z = s[c * LANES + l]
            y = q[c * LANES + l]
            e = tempered_exp(z, row[TOP * LANES + l], row[NEAR * LANES + l], row[AWAY * LANES + l], temperature, inverse)
            shared = scaled(e, row[FACTOR * LANES + l], row[LOW * LANES + l])
            p = shared * row[DOWN * LANES + l]
            pull = <real>0.0 if e == <real>0.0 else p * row[PULL * LANES + l]
            a = p * ((row[MASS * LANES + l] - y) + row[MASS_LOW * LANES + l]) + pull
            b = scaled_others(e, row[REST * LANES + l], row[REST_LOW * LANES + l], row[FACTOR * LANES + l], row[LOW * LANES + l])
            b = y * (b * row[DOWN * LANES + l])
            g[c * LANES + l] = (-b if a == <real>0.0 and y > <real>0.0 else a - b) * inverse
            if hess:
                others = others_of(e, row[REST * LANES + l]) * row[INVERSE * LANES + l]
                pull = <real>0.0 if others == <real>0.0 else pull * unscaled(others)
                a = with_others(e, shared, others, row[DOWN * LANES + l])
                a = a * (row[MASS * LANES + l] + row[MASS_LOW * LANES + l]) + pull
                h[c * LANES + l] = (a + <real>2.0 * z_loss * (p * unscaled(e * row[INVERSE * LANES + l]))) * inverse * inverse


cdef inline void sum_panel(Panel *panel, const Target *target, const int64_t *labels, real *s, real *q, real *row) noexcept nogil:
    """TOP, NEAR, AWAY, HITS, BELOW, MASS and GAP of all rows, the exponentials in the order of the other panels."""
    cdef real sums[SETS * GROUP * LANES]
    cdef double wide[GROUP * LANES]
    cdef double lost[GROUP * LANES]
    cdef double wide_hits[LANES]
    cdef Py_ssize_t part, first, count, classes = panel.classes
    cdef Py_ssize_t parts = (classes + PART - 1) // PART
    cdef int l
    for l in range(NUMBERS * LANES):
        row[l] = <real>0.0
    for l in range(SETS * GROUP * LANES):
        sums[l] = <real>0.0
    for l in range(GROUP * LANES):
        wide[l] = lost[l] = 0.0
    for l in range(LANES):
        row[TOP * LANES + l] = -<real>al_infinity()
        wide_hits[l] = 0.0
    for part in range(parts):
        first = part * PART
        count = classes - first if classes - first < PART else PART
        load(s, panel, target, first, count)
        max_across(s, LANES, count, panel.width, row + TOP * LANES)
    split_max(row + TOP * LANES, row + NEAR * LANES, row + AWAY * LANES, panel.width)
    for part in range(parts):
        first = part * PART
        count = classes - first if classes - first < PART else PART
        if parts > 1:
            load(s, panel, target, first, count)
        fill_q(q, target, labels, panel, first, count)
        sum_targets(s, q, row, count, panel.width, <real> target.temperature)
        sum_exps(s, row, sums + first // HALF % SETS * GROUP * LANES, count, panel.width, <real> target.temperature)
        if classes > CHUNK and (first + count == classes or (first + count) % CHUNK == 0):
            empty_sets(wide, lost, sums)
            for l in range(LANES):
                wide_hits[l] += <double> row[HITS * LANES + l]
                row[HITS * LANES + l] = <real>0.0
    if classes <= CHUNK:
        add_short(sums, row + BELOW * LANES, row + BELOW_LOW * LANES, panel.width, classes)
    else:
        add_wide(wide, lost, row + BELOW * LANES, row + BELOW_LOW * LANES, panel.width)
        for l in range(LANES):
            row[HITS * LANES + l] = <real> wide_hits[l]


cdef inline void softmax_cross_entropy_general(Panel *panel, const Target *target, const int64_t *labels, const real *scale,
                                               real *loss, bint grad, bint hess) noexcept nogil:
    cdef real s[PART * LANES]
    cdef real q[PART * LANES]
    cdef real g[PART * LANES]
    cdef real h[PART * LANES]
    cdef real row[NUMBERS * LANES]
    cdef Py_ssize_t part, first, count, classes = panel.classes
    cdef bint capped = target.softcap != al_infinity()
    sum_panel(panel, target, labels, s, q, row)
    finish_lanes(row + TOP * LANES, row + TOP * LANES, row + BELOW * LANES, row + BELOW_LOW * LANES, row + HITS * LANES, scale,
                 row + REST * LANES, row + REST_LOW * LANES, row + INVERSE * LANES, row + FACTOR * LANES, row + LOW * LANES,
                 row + DOWN * LANES, row + UNUSED * LANES, loss, panel.width)
    finish_loss(row, loss, panel.width, <real> target.temperature, <real> target.z_loss)
    if not grad:
        return
    for part in range((classes + PART - 1) // PART):
        first = part * PART
        count = classes - first if classes - first < PART else PART
        if classes > PART:
            load(s, panel, target, first, count)
            fill_q(q, target, labels, panel, first, count)
        derive(s, q, row, g, h, count, panel.width, <real> target.temperature, <real> target.z_loss, hess)
        if capped:
            gather(s, panel, panel.z, panel.z_step, first, count)
            bend(s, g, h, count, panel.width, <real> target.softcap)
        scatter(g, panel, panel.g, panel.g_step, first, count)
        if hess:
            scatter(h, panel, panel.h, panel.h_step, first, count)
