"""An element's result depends on the element alone: the same bits from every kind of call, layout, length and position."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from helpers_arrays import block_sum

from actloss_c import oracle

WITH_FLOAT16 = True

KINDS = ("value", "grad", "value_and_grad", "backward")
STRIDES = (1, 2, 3, 4, 5, -1, -2)
LENGTHS = (*range(131), 512, 513, 1041)  # and blocks of 512, of which whole ones go where they belong
PARAMETERS = (None, 0.1, 1.7)  # None: the default


# --- helpers --------------------------------------------------------------------------------------------------------------------


def laid_out(a, stride=1, offset=0):
    """A copy of the 1-d array with its elements `stride` apart, `offset` elements into a buffer full of 7s."""
    buffer = np.full(offset + a.size * abs(stride) + 3, 7, a.dtype)
    view = buffer[offset : offset + a.size * abs(stride) : abs(stride)][:: 1 if stride > 0 else -1]
    view[...] = a
    return view, buffer


def layouts(a):
    """{name: a copy of the n-d array that looks the same and lies differently in memory}."""
    yield "C order", a.copy(order="C")
    yield "F order", a.copy(order="F")
    for axes in itertools.islice(itertools.permutations(range(a.ndim)), 1, 5):
        yield f"stored with axes {axes}", a.transpose(axes).copy().transpose(np.argsort(axes))
    every_other = np.full([2 * n for n in a.shape], 7, a.dtype)[(slice(None, None, 2),) * a.ndim]
    every_other[...] = a
    yield "every other element", every_other
    reverse = (slice(None, None, -1),) * a.ndim
    yield "backwards", a[reverse].copy()[reverse]
    wide = np.full([*a.shape[:-1], a.shape[-1] + 3], 7, a.dtype)[..., 1:-2]
    wide[...] = a
    yield "rows with gaps", wide


def operands(case, kind, x, g, value=None):
    """The ufunc's inputs, in its order, parameters as arrays."""
    params = [np.full(x.shape, p) for p in case.parameters(value).values()]
    return [g, x, *params] if kind == "backward" else [x, *params]


def results(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


@pytest.fixture
def pool(case, patterns):
    """(x, g): random bits, all specials among them."""
    return patterns(case.dtype, 1500, seed=3), patterns(case.dtype, 1500, seed=4)


# --- kinds of call --------------------------------------------------------------------------------------------------------------


def test_fused_is_separate(case, patterns, assert_same_bits):
    """value_and_grad has the bits of value and of grad, for every length and on many numbers."""
    x = patterns(case.dtype, 50_000)
    f = case.function
    for value in PARAMETERS if case.entry.params else PARAMETERS[:1]:
        params = case.parameters(value)
        y, dy = f.value_and_grad(x, **params)
        assert_same_bits(y, f(x, **params), f"{case}: value")
        assert_same_bits(dy, f.grad(x, **params), f"{case}: grad")
        for n in LENGTHS:
            fused, separate = f.value_and_grad(x[:n], **params), (f(x[:n], **params), f.grad(x[:n], **params))
            for k in range(2):
                assert_same_bits(fused[k], separate[k], f"{case}: {KINDS[k]}, length {n}")
                assert_same_bits(fused[k], (y, dy)[k][:n], f"{case}: {KINDS[k]}, length {n} of many")


def test_methods_are_the_ufuncs(case, pool, assert_same_bits):
    """The object and the ufuncs below it; no parameter is its default; keyword is positional."""
    x, g = pool
    defaults = case.parameters()
    for kind in KINDS:
        method = case.function if kind == "value" else getattr(case.function, kind)
        inputs = (g, x) if kind == "backward" else (x,)
        want = results(case.ufunc(kind)(*inputs, *defaults.values()))
        for got in (method(*inputs), method(*inputs, *defaults.values()), method(*inputs, **defaults)):
            for k, w in enumerate(want):
                assert_same_bits(results(got)[k], w, f"{case} {kind}")


@pytest.mark.parametrize("kind", KINDS)
def test_scalar_parameter_is_an_array(case, kind, pool, assert_same_bits):
    """A parameter given as a number, as an array of the same number and broadcast from fewer axes."""
    x, g = (a.reshape(3, 20, 25) for a in pool)
    f = case.ufunc(kind)
    for value in PARAMETERS if case.entry.params else ():
        numbers = list(case.parameters(value).values())
        inputs = [g, x] if kind == "backward" else [x]
        want = results(f(*inputs, *numbers))
        for shape in ((1,), (25,), (20, 1), (3, 1, 1), (3, 1, 25), (3, 20, 25)):
            got = results(f(*inputs, *(np.full(shape, p) for p in numbers)))
            for k, w in enumerate(want):
                assert_same_bits(got[k], w, f"{case} {kind}, parameters of shape {shape}")


# --- layouts --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_length_stride_and_offset(case, kind, pool, assert_same_bits):
    """All operands with one stride, then each with its own; offsets run through 0…17; nothing is written between elements."""
    f, (x, g) = case.ufunc(kind), pool
    inputs = operands(case, kind, x, g)
    want = results(f(*inputs))
    random = np.random.default_rng(1)
    for n in LENGTHS:
        for turn in range(len(STRIDES) + 2):
            count = len(inputs) + len(want)
            if turn < len(STRIDES):
                strides, offsets = [STRIDES[turn]] * count, [(n + 5 * turn) % 18] * count
            else:
                strides, offsets = random.choice(STRIDES, count).tolist(), random.integers(0, 18, count).tolist()
            first = int(random.integers(0, x.size - n))
            piece = slice(first, first + n)
            places = list(zip(strides, offsets, strict=True))
            given = [laid_out(a[piece], *place)[0] for a, place in zip(inputs, places, strict=False)]
            outs = [laid_out(np.zeros(n, case.dtype), *place) for place in places[len(inputs) :]]
            f(*given, out=tuple(view for view, _ in outs))
            for (view, buffer), w, place in zip(outs, want, places[len(inputs) :], strict=True):
                expected = laid_out(w[piece], *place)[1]
                if view.tobytes() != w[piece].tobytes() or buffer.tobytes() != expected.tobytes():
                    assert_same_bits(buffer, expected, f"{case} {kind}, length {n}, (stride, offset) {places}")


@pytest.mark.parametrize("kind", KINDS)
def test_axes_and_order(case, kind, pool, assert_same_bits):
    """Three axes in any memory order, inputs and outputs alike; a permutation of the elements; a broadcast input."""
    f, (x, g) = case.ufunc(kind), pool
    flat = operands(case, kind, x, g, 1.7)
    want = results(f(*flat))
    order = np.random.default_rng(2).permutation(x.size)
    for k, result in enumerate(results(f(*(a[order] for a in flat)))):
        assert_same_bits(result, want[k][order], f"{case} {kind}, permuted")
    shape = (5, 12, 25)
    stored = [dict(layouts(a.reshape(shape))) for a in flat]
    names = list(stored[0])
    for turn, what in enumerate(names):
        given = [a[what] for a in stored]
        for towards in (what, names[turn - 1]):
            outs = tuple(dict(layouts(np.zeros(shape, case.dtype)))[towards] for _ in want)
            f(*given, out=outs)
            for k, result in enumerate((*outs, *results(f(*given)))):
                assert_same_bits(result, want[k % len(want)].reshape(shape), f"{case} {kind}, {what} to {towards}")
    rows = [np.broadcast_to(a[:25], (4, 25)) for a in flat]
    columns = [np.broadcast_to(a[:25, None], (25, 7)) for a in flat]
    for k, (result, other) in enumerate(zip(results(f(*rows)), results(f(*columns)), strict=True)):
        assert_same_bits(result, np.tile(want[k][:25], (4, 1)), f"{case} {kind}, one row for all")
        assert_same_bits(other, np.tile(want[k][:25, None], (1, 7)), f"{case} {kind}, one column for all")


@pytest.mark.parametrize("stride", STRIDES)
def test_in_place(case, stride, pool, assert_same_bits):
    """An output that is an input has the bits of one of its own, for each method and each output."""
    f = case.function
    learned = any(p.learned for p in case.entry.params)
    for n in (0, 1, 15, 16, 17, 31, 32, 33, 130, 1500):
        x, g = (a[:n] for a in pool)
        y, dy, dx = f(x), f.grad(x), results(f.backward(g, x))[0]

        def here(a=x, offset=n % 18):
            return laid_out(a, stride, offset)[0]

        a = here()
        assert_same_bits(f(a, out=a), y, f"{case}: f(x, out=x), length {n}")
        a = here()
        assert_same_bits(f.grad(a, out=a), dy, f"{case}.grad(x, out=x), length {n}")
        for first in (True, False):
            a, other = here(), np.empty(n, case.dtype)
            got = f.value_and_grad(a, out=(a, other) if first else (other, a))
            assert_same_bits(got[0], y, f"{case}.value_and_grad, value, x is out[{int(not first)}], length {n}")
            assert_same_bits(got[1], dy, f"{case}.value_and_grad, derivative, x is out[{int(not first)}], length {n}")
            assert a is got[0 if first else 1]
            assert_same_bits(a, y if first else dy, f"{case}.value_and_grad, in x, length {n}")
        for onto_g in (True, False):
            a, b = here(), here(g)
            out = b if onto_g else a
            got = f.backward(b, a, out=(out, None) if learned else out)
            assert_same_bits(results(got)[0], dx, f"{case}.backward(g, x, out={'g' if onto_g else 'x'}), length {n}")
        for p in case.entry.params:
            a, c = here(), here(np.full(n, case.dtype.type(p.default)))
            assert_same_bits(f.value_and_grad(a, **{p.name: c}, out=(c, a))[0], y, f"{case}: out is the parameter")


# --- the gradient of a learned parameter ----------------------------------------------------------------------------------------

SHAPE = (4, 6, 9, 11)
PARAMETER_SHAPES = ((), (11,), (9, 1), (6, 1, 1), (4, 1, 1, 1), (1, 6, 1, 1), (4, 6, 1, 1), (6, 1, 11), SHAPE)


@pytest.fixture
def learned_inputs(learned_case):
    """(g, x): ordinary numbers."""
    random = np.random.default_rng(6)
    return tuple(random.normal(0, 2, SHAPE).astype(learned_case.dtype) for _ in range(2))


def learned_name(entry):
    return next(p.name for p in entry.params if p.learned)


def exact_terms(case, g, x):
    """g·∂f/∂parameter of every element as a Fraction, by the oracle, where all parameters are ¼."""
    params = case.parameters(0.25)
    a = params.pop(learned_name(case.entry))
    slope = [oracle.value_and_derivative(case.entry.formula, a, x=t, **params) for t in x.ravel()]
    slope = [Fraction(float(s)) + Fraction(float(s - float(s))) for _, s in slope]
    terms = [Fraction(float(a)) * s for a, s in zip(g.ravel(), slope, strict=True)]
    return np.array(terms, object).reshape(x.shape)


def summed_to(terms, shape):
    """The sum over the axes along which an array of `shape` is broadcast."""
    padded = (1,) * (terms.ndim - len(shape)) + shape
    axes = tuple(d for d, n in enumerate(padded) if n == 1 and terms.shape[d] != 1)
    return np.asarray(terms.sum(axis=axes, keepdims=True), object).reshape(shape)


def test_learned_gradient_is_accurate(learned_case, learned_inputs):
    """Each term is rounded once, the terms are added in float64, the sum is rounded once."""
    g, x = learned_inputs
    f, name = learned_case.function, learned_name(learned_case.entry)
    others = {k: v for k, v in learned_case.parameters(0.25).items() if k != name}
    terms = exact_terms(learned_case, g, x)
    unit = float(np.finfo(learned_case.dtype).eps) / 2
    for shape in PARAMETER_SHAPES:
        dx, da = f.backward(g, x, **{name: np.full(shape, 0.25, learned_case.dtype)}, **others)
        assert da.shape == shape and da.dtype == learned_case.dtype and dx.shape == x.shape
        want, size = summed_to(terms, shape), summed_to(abs(terms), shape)
        count = x.size // max(1, int(np.prod(shape)))
        for k in np.ndindex(shape):
            allowed = (unit + count * 2.0**-53) * float(size[k]) + unit * abs(float(want[k])) + 1e-300
            assert abs(Fraction(float(da[k])) - want[k]) <= allowed, f"{learned_case}, {name} of shape {shape}, {k}: {da[k]!r}"


def test_nan_reaches_its_own_parameter(learned_case, learned_inputs):
    """NaN in x makes NaN of the gradients of the parameters that it meets, and of no other."""
    g, x = learned_inputs
    x[1, 2, 3, 4] = np.nan
    f, name = learned_case.function, learned_name(learned_case.entry)
    for shape in PARAMETER_SHAPES:
        da = f.backward(g, x, **{name: np.full(shape, 0.25, x.dtype)})[1]
        met = np.zeros(SHAPE, bool)
        met[1, 2, 3, 4] = True
        assert np.array_equal(np.isnan(da), summed_to(met, shape).astype(bool)), f"{learned_case}, {name} of shape {shape}"


def test_learned_gradient_in_any_layout(learned_case, learned_inputs, assert_same_bits):
    """dx and the parameter's gradient do not see how g, x, the parameter and the outputs lie in memory."""
    g, x = learned_inputs
    f, name = learned_case.function, learned_name(learned_case.entry)
    random = np.random.default_rng(7)
    for shape in PARAMETER_SHAPES:
        a = random.uniform(0.1, 2, shape).astype(learned_case.dtype)
        dx, da = f.backward(g, x, **{name: a})
        assert_same_bits(dx, learned_case.ufunc("backward")(g, x, a), f"{learned_case}: dx")
        lying = list(zip(layouts(g), layouts(x), strict=True))
        of_a = dict(layouts(a)) if a.ndim else {"": a}
        for turn, ((what, g_there), (_, x_there)) in enumerate(lying):
            a_there = list(of_a.values())[turn % len(of_a)]
            for xs, gs in ((x_there, g_there), (x, g_there), (x_there, g)):
                got = f.backward(gs, xs, **{name: a_there})
                assert_same_bits(got[0], dx, f"{learned_case}, {name} of shape {shape}, {what}: dx")
                assert_same_bits(got[1], da, f"{learned_case}, {name} of shape {shape}, {what}: d{name}")
            out = np.empty_like(x_there), np.empty_like(a_there)
            f.backward(g_there, x_there, **{name: a_there}, out=out)
            assert_same_bits(out[0], dx, f"{learned_case}, {name} of shape {shape}, {what}: out[0]")
            assert_same_bits(out[1], da, f"{learned_case}, {name} of shape {shape}, {what}: out[1]")


def test_learned_gradient_of_every_length(learned_case, learned_inputs, assert_same_bits):
    """One parameter for 0…130 and for a thousand elements; a sum of nothing is 0; one term is that term, in place or not."""
    f, name = learned_case.function, learned_name(learned_case.entry)
    g, x = (a.ravel() for a in learned_inputs)
    full = f.backward(g, x, **{name: np.full(x.shape, 0.25, x.dtype)})[1]
    for n in (*LENGTHS, 511, 512, 513, 1023, 1024, 1025, 2000):
        want = f.backward(g[:n], x[:n], **{name: 0.25})
        tolerance = 2 * np.finfo(x.dtype).eps * float(abs(full[:n].astype(np.float64)).sum())
        assert abs(float(want[1]) - float(full[:n].astype(np.float64).sum())) <= tolerance, f"{learned_case}, length {n}"
        for stride, offset in ((2, n % 18), (-1, n % 17), (3, 1)):
            gs, xs = laid_out(g[:n], stride, offset)[0], laid_out(x[:n], stride, offset)[0]
            for k, result in enumerate(f.backward(gs, xs, **{name: 0.25})):
                assert_same_bits(result, want[k], f"{learned_case}, length {n}, stride {stride}: result {k}")
            result = f.backward(gs, xs, **{name: 0.25}, out=(xs, None))
            assert_same_bits(result[1], want[1], f"{learned_case}, length {n}, stride {stride}, onto x")


def test_learned_gradient_is_added_in_the_stated_order(learned_case, learned_inputs, assert_same_bits):
    """Neighbours that share a parameter in blocks of 512, all others one by one: src/learned.pxd."""
    g, x = learned_inputs
    f, name = learned_case.function, learned_name(learned_case.entry)
    for shape in PARAMETER_SHAPES:
        a = np.full(shape, 0.25, x.dtype)
        terms = f.backward(g, x, **{name: np.broadcast_to(a, SHAPE).copy()})[1].astype(np.float64)
        padded = (1,) * (x.ndim - len(shape)) + shape
        outer = max((d + 1 for d, n in enumerate(padded) if n > 1), default=0)
        want = np.zeros(padded[:outer])
        for index in np.ndindex(SHAPE[:outer]):
            run = terms[index].ravel()
            for k in range(0, run.size, 512):
                want[tuple(i % n for i, n in zip(index, padded, strict=False))] += block_sum(run[k : k + 512])
        got = f.backward(g, x, **{name: a})[1]
        assert_same_bits(got, want.reshape(shape).astype(x.dtype), f"{learned_case}, {name} of shape {shape}")


def test_learned_gradient_of_turned_matrices(learned_case, assert_same_bits):
    """More rows than are turned at a time; all rows share a parameter, or each has its own."""
    random = np.random.default_rng(8)
    g, x = (random.normal(0, 2, (531, 263)).astype(learned_case.dtype) for _ in range(2))
    f, name = learned_case.function, learned_name(learned_case.entry)
    lying = {
        "rows": np.ascontiguousarray,
        "columns": np.asfortranarray,
        "columns backwards": lambda a: np.asfortranarray(a[:, ::-1])[:, ::-1],
        "columns with gaps": lambda a: np.asfortranarray(np.repeat(a, 3, 1))[:, ::3],
    }
    for shape in ((), (531, 1)):
        a = random.uniform(0.1, 2, shape).astype(x.dtype)
        want = f.backward(g, x, **{name: a})
        for (what, lie), (there, lie_there) in itertools.product(lying.items(), lying.items()):
            given, out = lie(x.copy()), lie_there(np.zeros_like(x))
            for dx in (None, out, given):
                got = f.backward(lie(g), given, **{name: a}, out=(dx, None))
                for k, result in enumerate(got):
                    assert_same_bits(result, want[k], f"{learned_case}, {name} of shape {shape}, {what} to {there}: result {k}")
