"""Maxima over linear maps: whole numbers exactly, others within the stated bound of mpmath; ReLU; gradients; memory."""

import itertools
import tracemalloc

import mpmath
import numpy as np
import pytest
from helpers_arrays import DTYPE_RULE, FLOAT64, Tagged, layouts
from helpers_maxout import INTEGERS, picked, spread

from actloss_c import _build, linear_pieces

SHAPE = ((7,), 3, 4, 5)
SHAPES = (SHAPE, ((), 2, 3, 2), ((2, 3), 5, 1, 17), ((40,), 1, 2, 3), ((3, 0), 2, 4, 5), ((6,), 2, 0, 3), ((6,), 2, 3, 0))
EPSILON = {"float32": 2.0**-24, "float64": 2.0**-53}


def whole(dtype, lead, k, d, u):
    """x, W, b and g of small whole numbers, with which every product and sum is exact."""
    random = np.random.default_rng([k, d, u])
    return [random.integers(-4, 5, shape).astype(dtype) for shape in ((*lead, d), (k, d, u), (k, u), (*lead, u))]


def normal(dtype, lead, k, d, u):
    random = np.random.default_rng([k, d, u])
    return [random.normal(size=shape).astype(dtype) for shape in ((*lead, d), (k, d, u), (k, u), (*lead, u))]


def maps(x, w, b):
    """x W_k + b_k, with k first."""
    return np.einsum("...d,kdu->k...u", x, w) + b.reshape(len(b), *[1] * (x.ndim - 1), b.shape[1])


def gradients(g, x, w, which):
    """(dx, dW, db) of Σ g·y, term by term."""
    (k, d, u), n = w.shape, int(np.prod(x.shape[:-1]))
    dz, rows = spread(g, which, k, 0).reshape(k, n, u), x.reshape(n, d)
    return np.einsum("knu,kdu->nd", dz, w).reshape(x.shape), np.einsum("knu,nd->kdu", dz, rows), dz.sum(axis=1)


@pytest.fixture(params=["at once", "in parts"])
def parts(request, monkeypatch):
    """Few rows at a time, so that there are several parts and a shorter last one."""
    if request.param == "in parts":
        monkeypatch.setattr(linear_pieces, "TOGETHER", 0)
        monkeypatch.setattr(linear_pieces, "AT_LEAST", 3)


# --- the maximum -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_whole_numbers(linear_case, shape, parts, assert_same_bits):
    f, (x, w, b, _) = linear_case.function, whole(linear_case.dtype, *shape)
    for shift in (b, None):
        y, which = picked(maps(x, w, 0 * b if shift is None else b), 0)
        got, of = f.value_and_argmax(x, w, shift)
        assert_same_bits(got + 0, y + 0, f"{linear_case}")  # −0 + 0 = 0: BLAS's zeros have their own sign
        assert np.array_equal(of, which) and of.dtype == np.intp
        assert_same_bits(f(x, w, shift), got)
    assert_same_bits(f(x, w), f(x, w, None))


def test_values_within_the_stated_bound(linear_case, parts):
    """(d + 1) ε / (1 − (d + 1) ε) · max_k (|x| |W_k| + |b_k|), whatever the order of BLAS's sums."""
    for k, d, u in ((2, 30, 3), (3, 200, 2)):
        x, w, b, _ = normal(linear_case.dtype, (5,), k, d, u)
        y, which = linear_case.function.value_and_argmax(x, w, b)
        scale = maps(abs(x.astype(float)), abs(w.astype(float)), abs(b.astype(float))).max(axis=0)
        most = (d + 1) * EPSILON[linear_case.dtype.name] * 1.0001 * scale
        for i, j in np.ndindex(y.shape):
            with mpmath.workprec(200):
                exact = [mpmath.fdot(map(float, x[i]), map(float, w[m, :, j])) + float(b[m, j]) for m in range(k)]
                assert abs(mpmath.mpf(float(y[i, j])) - max(exact)) <= most[i, j]
                assert max(exact) - exact[which[i, j]] <= 2 * most[i, j]


def test_relu_is_the_maximum_of_a_map_and_nothing(linear_case, assert_same_bits):
    """With k = 2, W[1] = 0 and b[1] = 0: value and derivative. A tie, at 0, goes to the first map: as in ReLU if that is 0."""
    f, relu = linear_case.function, _build.functions(linear_case.level)["relu"]
    x, w, b, g = whole(linear_case.dtype, (50,), 2, 6, 9)
    w[1], b[1] = 0, 0
    z = x @ w[0] + b[0]
    assert (z == 0).any()
    want, slope = relu.value_and_grad(z)
    for order in ((0, 1), (1, 0)):
        y, which = f.value_and_argmax(x, w[list(order)], b[list(order)])
        assert_same_bits(y + 0, want)
        dz = np.where(z == 0, g if order == (0, 1) else 0, g * slope)
        dx, dw, db = f.backward(g, x, w[list(order)], which)
        first = order.index(0)
        assert_same_bits(dx + 0, dz @ w[0].T + 0)
        assert_same_bits(dw[first] + 0, x.T @ dz + 0)
        assert_same_bits(db[first] + 0, dz.sum(axis=0) + 0)


def test_nan_and_infinity(linear_case):
    f, dtype = linear_case.function, linear_case.dtype
    x, w, b, _ = whole(dtype, (20,), 3, 4, 5)
    x[3, 1], b[1, 2], b[2, 3], b[0, 4] = np.nan, np.inf, np.nan, -np.inf
    y, which = f.value_and_argmax(x, w, b)
    assert np.isnan(y[3]).all() and np.isnan(y[:, 3]).all() and (which[:3, 3] == 2).all()
    assert (y[:3, 2] == np.inf).all() and (which[:3, 2] == 1).all()
    assert np.isfinite(y[:3, 4]).all() and (which[:3, 4] != 0).all()
    top = np.full((20, 4), np.finfo(dtype).max)
    with np.errstate(all="raise"):
        assert (f(top, np.ones((2, 4, 5), dtype)) == np.inf).all()
        f.backward(np.full((20, 5), np.finfo(dtype).max), top, w, np.zeros((20, 5), int))


# --- backward ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradients_of_whole_numbers(linear_case, shape, parts, assert_same_bits):
    f, (x, w, b, g) = linear_case.function, whole(linear_case.dtype, *shape)
    which = f.value_and_argmax(x, w, b)[1]
    for given in INTEGERS:
        for got, want in zip(f.backward(g, x, w, which.astype(given)), gradients(g, x, w, which), strict=True):
            assert_same_bits(got + 0, want + 0, given)


def test_gradients_within_their_bounds(linear_case, parts):
    """Each a sum of products in any order: n of them, off by n ε / (1 − n ε) of the sum of their sizes."""
    f, (x, w, b, g) = linear_case.function, normal(linear_case.dtype, (100,), 3, 8, 5)
    which = f.value_and_argmax(x, w, b)[1]
    exact = gradients(*(a.astype(np.longdouble) for a in (g, x, w)), which)
    sizes = gradients(*(abs(a).astype(np.longdouble) for a in (g, x, w)), which)
    for got, want, size, terms in zip(f.backward(g, x, w, which), exact, sizes, (3 * 5, 100, 2), strict=True):
        assert got.dtype == linear_case.dtype
        assert (abs(got - want) <= (terms + 1) * EPSILON[linear_case.dtype.name] * size).all()


def test_gradients_are_the_derivatives(linear_case):
    """Exactly: y is linear in x, in W and in b, as long as the same maps are the largest, and whole numbers are exact."""
    f, dtype = linear_case.function, linear_case.dtype
    inputs = whole(dtype, (9,), 3, 4, 5)
    *inputs, g = inputs
    inputs[2] += np.arange(3, dtype=dtype)[:, np.newaxis] / 4  # no ties
    y, which = f.value_and_argmax(*inputs)
    steps = np.random.default_rng(5)
    for place, slope in enumerate(f.backward(g, *inputs[:2], which)):
        h = steps.integers(-3, 4, slope.shape).astype(dtype)
        moved = list(inputs)
        moved[place] = inputs[place] + h / 1024
        again, of = f.value_and_argmax(*moved)
        assert np.array_equal(of, which)
        assert ((again - y) * 1024 * g).sum() == (slope * h).sum()


# --- arrays as they come -----------------------------------------------------------------------------------------------------


def test_layouts(linear_case, assert_same_bits):
    f, (x, w, b, g) = linear_case.function, whole(linear_case.dtype, (2, 10), 3, 4, 5)
    y, which = f.value_and_argmax(x, w, b)
    slopes = f.backward(g, x, w, which)
    for these in zip(*(layouts(a).values() for a in (x, w, b, g, which)), strict=True):
        assert_same_bits(f.value_and_argmax(*these[:3])[0] + 0, y + 0)
        for got, want in zip(f.backward(these[3], *these[:2], these[4]), slopes, strict=True):
            assert_same_bits(got + 0, want + 0)
    assert_same_bits(f(x.tolist(), w.tolist(), b.tolist()) + 0, y.astype(FLOAT64) + 0)


def test_out(linear_case, assert_same_bits):
    """Of any layout and width; out comes back."""
    f, (x, w, b, g) = linear_case.function, whole(linear_case.dtype, (2, 10), 3, 4, 5)
    y, which = f.value_and_argmax(x, w, b)
    slopes = f.backward(g, x, w, which)
    y_outs = [*layouts(y).values(), *(np.empty(y.shape, d) for d in (np.float16, np.float32, np.float64))]
    which_outs = [*layouts(which).values(), *(np.empty(y.shape, d) for d in INTEGERS)]
    for outs in itertools.zip_longest(y_outs, which_outs):
        got = f.value_and_argmax(x, w, b, out=outs)
        assert all(result is out for result, out in zip(got, outs, strict=True) if out is not None)
        assert np.array_equal(got[0], y) and np.array_equal(got[1], which)
        if outs[0] is not None:
            outs[0][...] = 1
            assert f(x, w, b, out=outs[0]) is outs[0] and np.array_equal(outs[0], y)
    for outs in zip(*(layouts(a).values() for a in slopes), strict=True):
        for place in range(4):
            given = tuple(None if k == place else out for k, out in enumerate(outs))
            got = f.backward(g, x, w, which, out=given)
            assert all(result is out for result, out in zip(got, given, strict=True) if out is not None)
            for result, want in zip(got, slopes, strict=True):
                assert_same_bits(result.astype(linear_case.dtype) + 0, want + 0)


def test_dx_may_be_x(linear_case, parts, assert_same_bits):
    f, (x, w, b, g) = linear_case.function, whole(linear_case.dtype, *SHAPE)
    which = f.value_and_argmax(x, w, b)[1]
    want = f.backward(g, x.copy(), w, which)
    for given in layouts(x).values():
        out = given[...]
        got = f.backward(g, given, w, which, out=(out, None, None))
        assert got[0] is out
        for one, other in zip(got, want, strict=True):
            assert_same_bits(one.astype(linear_case.dtype) + 0, other + 0)


def test_dtype_rule(linear_case):
    """x alone decides; the others are cast."""
    f, (x, w, b, g) = linear_case.function, whole(FLOAT64, *SHAPE)
    for given, dtype in DTYPE_RULE.items():
        for other in ("float32", "float64", "int8", ">f8", "float16"):
            mine, *others = (abs(x) > 2).astype(given), w.astype(other), b.astype(other)
            y, which = f.value_and_argmax(mine, *others)
            assert y.dtype == f(mine, *others).dtype == dtype
            assert all(slope.dtype == dtype for slope in f.backward(g.astype(other), mine, others[0], which))


def test_g_is_broadcast_and_subclasses_do_not_come_back(linear_case, assert_same_bits):
    f, (x, w, b, g) = linear_case.function, whole(linear_case.dtype, *SHAPE)
    x, w, b, g = (a.view(Tagged) for a in (x, w, b, g))
    y, which = f.value_and_argmax(x, w, b)
    assert type(y) is type(which) is np.ndarray
    for given in (2.0, g[0], g[:, :1]):
        spread_out = np.broadcast_to(given, g.shape).astype(linear_case.dtype)
        for got, want in zip(f.backward(given, x, w, which), f.backward(spread_out, x, w, which), strict=True):
            assert type(got) is np.ndarray
            assert_same_bits(got, want)


def test_products_are_never_held_as_a_whole(linear_case):
    """Beyond the results: one part of the products, and of W its transpose and what one part adds to dW."""
    f, n, k, d, u = linear_case.function, 1 << 15, 4, 8, 64
    x, w, b, g = normal(linear_case.dtype, (n,), k, d, u)
    y, which = f.value_and_argmax(x, w, b)
    outs = np.empty_like(x), np.empty_like(w), np.empty_like(b)
    for call in (lambda: f.value_and_argmax(x, w, b, out=(y, which)), lambda: f.backward(g, x, w, which, out=outs)):
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= 1.1 * linear_pieces.TOGETHER + 4 * w.nbytes < n * k * u * x.itemsize
