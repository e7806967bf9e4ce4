# What the sums of a row of softmax_focal give: its loss and the factors of its gradient and Hessian. softmax_focal.pxd has the
# formulas.

from axes cimport LANES
from elementary.exp cimport exp_clamp, exp_parts_sum, exp_scaled, scaled_one, unscaled
from elementary.log cimport log1p_tail, log_exponent, log_mantissa
from elementary.logistic cimport minus_log1m
from ln2 cimport times_ln2
from losses.sigmoid_focal cimport focal_exponent
from real cimport absolute, al_infinity, al_nan, fma, product_low, real, two_sum
from rows.exact_sums cimport risen_below
from rows.softmax_finish cimport with_others
from rows.softmax_phases cimport coarse, rest_of, scaled
from rows.targets cimport Target


cdef inline real largest(real like) noexcept nogil:
    """2^-32 (2^-256) times the largest number, in the type of `like`."""
    if real is float:
        return <real>7.9228157791897855e+28
    else:
        return <real>1.5525180923007088e+231


cdef inline real halfway(real x) noexcept nogil:
    """Half of what `unscaled` undoes: x·2^-32 (2^-256)."""
    if real is float:
        return x * <real>2.3283064365386963e-10
    else:
        return x * <real>8.636168555094445e-78


cdef inline real shares(real z_t, real m, real rest, real rest_low, real *i, real *d, real *others, real *lost, real *p,
                        real *p_low, real *q_low) noexcept nogil:
    """2^64 q and 2^64 p with their roundings, from 2^64 R; 1 / (1 + R) = i + i·d; others + lost = 2^64 q (1 + R)."""
    cdef real e, low, q, u
    cdef real near = coarse(m)
    cdef real one = scaled_one(m)
    cdef real whole = unscaled(two_sum(one, rest, &low))
    i[0] = <real>1.0 / whole
    d[0] = -fma(unscaled(low + rest_low), i[0], product_low(whole, i[0], <real>1.0))
    e = risen_below(z_t, m, near, rest_of(m, near), False, &low)
    e = one if z_t >= m else e
    u = two_sum(rest, -e, &q)
    u = two_sum(one, u, lost)
    others[0] = rest if z_t >= m else u
    lost[0] = rest_low if z_t >= m else (lost[0] + q) + (rest_low - low)
    p[0] = fma(e, i[0], fma(e, d[0], low) * i[0])
    p_low[0] = product_low(e, i[0], p[0]) + fma(e, d[0], low) * i[0]
    q = fma(others[0], i[0], fma(others[0], d[0], lost[0]) * i[0])
    q_low[0] = product_low(others[0], i[0], q) + fma(others[0], d[0], lost[0]) * i[0]
    return q


cdef inline real power(real z_t, real m, real r, real r_low, real p, real p_low, real q, real q_low, real gamma, real *low, real *l,
                       real *l_low) noexcept nogil:
    """q^γ + low, scaled; −log p = l + l_low."""
    cdef real s, tail, k, f, rest, gap, lost, scale
    cdef bint right = (z_t >= m) & (r <= <real>1.0)
    cdef real whole = two_sum(<real>1.0, r, &lost)
    lost += r_low
    # The logarithm of the larger one of p and q is −(s + tail), that of q or of 1 + R is k + f + rest.
    s = unscaled(q if right else p)
    tail = minus_log1m(q if right else p, q_low if right else p_low)
    k = log_exponent(q if right else whole)
    f = log_mantissa(q if right else whole) - <real>1.0
    rest = <real>64.0 if real is float else <real>512.0
    k = times_ln2(k - rest if right else k, &rest)
    rest += log1p_tail(f) + (q_low / q if right else lost / whole)
    k = -<real>al_infinity() if right & (q == <real>0.0) else k
    rest = <real>0.0 if right & (q == <real>0.0) else rest
    gap = two_sum(m, -z_t, &lost)
    gap = <real>0.0 if z_t >= m else gap
    l[0] = two_sum(k, f, l_low)
    l_low[0] += <real>0.0 if z_t >= m else lost
    l[0] = two_sum(gap, l[0], &lost)
    l_low[0] += rest + lost
    l[0] = s if right else l[0]
    l_low[0] = tail if right else (l_low[0] if l[0] < <real>al_infinity() else known(l_low[0]))
    l[0] = two_sum(l[0], l_low[0], &lost)
    l_low[0] = lost if l[0] < <real>al_infinity() else <real>0.0
    k = focal_exponent(-k if right else <real>0.0, -f if right else s, -rest if right else tail, gamma, &lost)
    f = exp_parts_sum(exp_clamp(k), lost, &scale, &rest)
    s = exp_scaled(scale, f, low)
    low[0] = fma(scale, rest, low[0])
    return s


cdef inline real known(real low) noexcept nogil:
    """What a sum or product has rounded, 0 where that is NaN beside an infinite one."""
    return low if low == low else <real>0.0


cdef inline real slope_of(real p, real p_low, real q, real q_low, real l, real l_low, real *low) noexcept nogil:
    """p λ, its rounding in low."""
    cdef real t = l / q
    cdef real t_low = ((l_low - product_low(t, q, l)) - t * q_low) / q
    t = <real>1.0 if q == <real>0.0 else t
    t_low = <real>0.0 if q == <real>0.0 else t_low
    l = <real>0.0 if p == <real>0.0 else p * t
    low[0] = <real>0.0 if p == <real>0.0 else product_low(p, t, l) + fma(p, t_low, p_low * t)
    return l


cdef inline real bend(real p, real p_low, real l, real l_low, real slope, real slope_low, real u, real u_low, real others,
                      real lost, real gamma) noexcept nogil:
    """γ (p l − 2 p − (γ − 1) p pλ) / (u·others) in scales of p and others, as good as its terms."""
    cdef real b, low, d, d_low, x
    x = (gamma - <real>1.0) * slope
    b = two_sum(<real>2.0, x, &low)
    low += fma(gamma - <real>1.0, slope_low, product_low(gamma - <real>1.0, slope, x))
    x = p * b
    low = product_low(p, b, x) + fma(p, low, p_low * b)
    b = p * l
    d_low = product_low(p, l, b) + fma(p, l_low, p_low * l)
    b = <real>0.0 if p == <real>0.0 else b
    d_low = <real>0.0 if p == <real>0.0 else d_low
    d = two_sum(b, -x, &b)
    d_low = known(d_low - low) + b
    x = gamma * d
    d_low = known(fma(gamma, d_low, product_low(gamma, d, x)))
    b = u * others
    low = product_low(u, others, b) + fma(u, lost, u_low * others)
    d = x / b
    return d + known((d_low - product_low(d, b, x)) - d * low) / b


cdef inline real focus(real m, real z_t, real below, real below_low, real hits, real scale, real gamma, real least, real *factor,
                       real *low, real *down, real *turn, real *lift, real *crown, real *g_t, real *h_t) noexcept nogil:
    """The loss of a row; (factor + low)·down = 2^-64 F·scale / (1 + R); turn, lift and crown as in turned_hessian."""
    cdef real rest, rest_low, r, i, d, others, lost, p, p_low, q, q_low, w, w_low, l, l_low, slope, slope_low, u, u_low
    cdef real f, f_low, a, a_low, inverse, share, weight
    cdef bint right, heavy, large
    rest = two_sum(scaled_one(m) * (hits - <real>1.0), below, &rest_low)
    rest = two_sum(<real>al_nan() if m == -<real>al_infinity() else rest, rest_low + below_low, &rest_low)
    r = unscaled(rest)
    share = shares(z_t, m, rest, rest_low, &i, &d, &others, &lost, &p, &p_low, &q_low)
    w = power(z_t, m, r, unscaled(rest_low), p, p_low, share, q_low, gamma, &w_low, &l, &l_low)
    q = unscaled(share)
    # F = w u, the gradient's factors
    slope = slope_of(unscaled(p), unscaled(p_low), q, unscaled(q_low), l, l_low, &slope_low)
    a = gamma * slope
    u = two_sum(<real>1.0, a, &u_low)
    u_low += known(fma(gamma, slope_low, product_low(gamma, slope, a)))
    f = w * u
    f_low = product_low(w, u, f) + fma(w, u_low, w_low * u)
    # F is 2^64 times as large until a weight above 1 is in it, which would magnify the rounding of a subnormal number.
    heavy = absolute(scale) > <real>1.0
    weight = unscaled(scale) if heavy else scale
    f = f if heavy else unscaled(f)
    f_low = f_low if heavy else unscaled(f_low)
    a = f * i
    a_low = product_low(f, i, a) + fma(a, d, f_low * i)
    inverse = fma(i, d, i)
    large = heavy & (absolute(weight * a) > <real>1.0)
    f = halfway(weight) if large else weight
    f_low = fma(f, a_low, product_low(f, a, f * a))
    f *= a
    # A weight at the end of the range, times F above 1: inf·0 would be NaN.
    low[0] = f_low if (w != <real>0.0) & (absolute(f) <= largest(a)) else <real>0.0
    f = largest(a) if f > largest(a) else f
    f = -largest(a) if f < -largest(a) else f
    f = f if w != <real>0.0 else <real>0.0
    factor[0] = halfway(f) if large else f
    low[0] = halfway(low[0]) if large else low[0]
    down[0] = <real>1.0 if large else unscaled(<real>1.0)
    # Not −fma(…), which a compiler may turn into (−others)·factor − …: where all is 0 the sign would hang on the machine.
    g_t[0] = (<real>0.0 - fma(others, factor[0], fma(others, low[0], lost * factor[0]))) * down[0]
    # the Hessian
    right = (z_t >= m) & (r <= <real>1.0)
    a = bend(unscaled(p) if right else p, unscaled(p_low) if right else p_low, l, l_low, slope, slope_low, u, u_low,
             others if right else unscaled(others), lost if right else unscaled(lost), gamma)
    a = <real>0.0 if (w == <real>0.0) | (share == <real>0.0) else a
    lift[0] = <real>1.0 if right else unscaled(<real>1.0)
    turn[0] = fma(inverse, unscaled(<real>1.0) if right else <real>1.0, a if right else unscaled(a))
    crown[0] = fma(rest, inverse, -(scaled_one(a) * (scaled_one(a) * a) if right else a))
    # 2^64 h_t: l is q, and subnormal, where q is
    a = share * unscaled(p) if right else q * p
    f = <real>0.0 if p == <real>0.0 else fma(p, l, p * l_low)
    f = a if right & (share < <real>1.0) else f
    a = halfway(w * halfway(fma(gamma * f, fma(gamma, unscaled(p), -q), fma(gamma, <real>2.0 * a, a))))
    a = a if w != <real>0.0 else <real>0.0
    a = weight * (least if a < least else a)
    h_t[0] = a if heavy else unscaled(a)
    a = unscaled(w_low) * l
    w = unscaled(w)
    return fma(w, l, fma(w, l_low, a if l < <real>al_infinity() else <real>0.0))


cdef inline void focus_lanes(const real *m, const real *z_t, const real *below, const real *hits, const real *scale,
                             const Target *target, real *factor, real *low, real *down, real *turn, real *g_t, real *h_t, real *loss,
                             Py_ssize_t width) noexcept nogil:
    cdef Py_ssize_t l
    cdef real gamma = <real> target.gamma, least = <real> target.least
    for l in range(width):
        loss[l] = focus(m[l], z_t[l], below[l], below[LANES + l], hits[l], scale[l], gamma, least, &factor[l], &low[l], &down[l],
                        &turn[l], &turn[LANES + l], &turn[2 * LANES + l], &g_t[l], &h_t[l])


cdef inline real turned_hessian(real e, real factor, real low, real down, real turn, real lift, real crown, real least) noexcept nogil:
    """p (1 − e·turn·lift)·scale below the maximum, where p < ½, p·crown·scale at it; e and crown are 2^64 times as large, lift is a
    power of 2 that keeps the products in the range."""
    cdef real curve = crown if e >= scaled_one(e) else scaled_one(e) * fma(-(e * turn), lift, <real>1.0)
    return with_others(e, scaled(e, factor, low), least if curve < least else curve, down)


cdef inline void turned_across(const real *b, real *h, Py_ssize_t count, Py_ssize_t width, const real *factor, const real *low,
                               const real *down, const real *turn, real least) noexcept nogil:
    cdef Py_ssize_t c, l
    for c in range(count):
        for l in range(width):
            h[c * LANES + l] = turned_hessian(b[c * LANES + l], factor[l], low[l], down[l], turn[l], turn[LANES + l],
                                              turn[2 * LANES + l], least)


cdef inline void turned_along(const real *b, real *h, Py_ssize_t count, real factor, real low, real down, real turn, real lift,
                              real crown, real least) noexcept nogil:
    cdef Py_ssize_t c
    for c in range(count):
        h[c] = turned_hessian(b[c], factor, low, down, turn, lift, crown, least)
