"""What NumPy's users take for granted: out, where, broadcasting, overlap, any layout and dtype, scalars, pickling, threads.

Most tests compare with the same call on fresh, contiguous, native arrays, bit for bit: whether the numbers are right is tested
elsewhere. Activations are called through the public object and through the ufunc below it.
"""

import array
import copy
import inspect
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import pytest

import actloss_c
from actloss_c import _build, _dispatch, registry

KINDS = {"value": 1, "grad": 1, "value_and_grad": 2, "backward": 1}  # outputs of the ufunc
N = 1043  # two blocks of the loops and a ragged end
ACTIVATIONS = pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS])
WITH_PARAMETERS = pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS if e.params])
FLOAT32, FLOAT64 = np.dtype(np.float32), np.dtype(np.float64)
DTYPE_RULE = {
    **dict.fromkeys(("bool", "int8", "uint8", "int16", "uint16", "float16", "float32"), FLOAT32),
    **dict.fromkeys(("int32", "uint32", "int64", "uint64", "float64"), FLOAT64),
}


@dataclass(frozen=True)
class Call:
    """One way to call an activation: a kind, through the public object or through the ufunc below it."""

    name: str
    function: Callable
    takes_g: bool
    defaults: tuple
    like_x: int  # outputs of x's shape
    sums: bool  # a last output of the parameter's shape follows

    def __call__(self, g, x, *params, **options):
        """All results, in a tuple."""
        result = self.function(*((g,) if self.takes_g else ()), x, *(params or self.defaults), **options)
        return result if isinstance(result, tuple) else (result,)

    def into(self, outs, g, x, *params, **options):
        """The same with out=, which must come back."""
        given = outs[0] if len(outs) == 1 else tuple(outs)
        results = self(g, x, *params, out=given, **options)
        assert all(result is out for result, out in zip(results, outs, strict=True)), f"{self.name} does not return out"
        return results

    def outs(self, shape, dtype):
        """Fresh outputs for scalar parameters, filled with a value that no function gives."""
        return [np.full(shape, 1.5e30, dtype) for _ in range(self.like_x)] + [np.full((), 1.5e30, dtype)] * self.sums


def calls(name, level, facade=True, raw=True):
    entry, function, ufuncs = registry.FUNCTIONS[name], _build.functions(level)[name], _build.ufuncs(level)
    defaults = tuple(p.default for p in entry.params)
    learned = any(p.learned for p in entry.params)
    made = []
    for kind, outputs in KINDS.items():
        is_backward = kind == "backward"
        method = function if kind == "value" else getattr(function, kind)
        ufunc = ufuncs[name if kind == "value" else f"{name}_{kind}"]
        if facade:
            made.append(Call(f"{name} {kind}", method, is_backward, defaults, outputs, learned and is_backward))
        if raw:
            made.append(Call(f"ufunc {ufunc.__name__}", ufunc, is_backward, defaults, outputs, False))
    return made


def sample(dtype, shape=N, seed=0):
    """Finite numbers of all sizes that matter to an activation, with zeros of both signs."""
    x = np.random.default_rng(seed).normal(scale=3, size=shape)
    x.flat[::37] = 0.0
    x.flat[5::37] = -0.0
    x.flat[7::41] *= 1e-4
    x.flat[9::43] *= 40
    return x.astype(dtype)


def parameters(entry, dtype, shape=()):
    """Positive values around the defaults."""
    return [(p.default * np.linspace(0.5, 1.5, int(np.prod(shape))).reshape(shape)).astype(dtype) for p in entry.params]


def special(dtype):
    """Numbers that set floating-point flags in careless code."""
    f = np.finfo(dtype)
    size = [f.smallest_subnormal, f.tiny, f.eps, 1, 17, 88, 89, 104, 709, 746, f.max / 2, f.max, np.inf]
    return np.array([np.nan, 0.0, -0.0, *size, *(-np.array(size))] * 3, dtype)


def layouts(a):
    """{id: an array equal to `a` in another layout, writable}."""
    wide = np.full([2 * n for n in a.shape], 7, a.dtype)
    swapped = np.empty(a.shape, a.dtype.newbyteorder())
    misaligned = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
    packed = np.zeros(a.shape, [("pad", "u1"), ("a", a.dtype)])["a"]
    backwards = (slice(None, None, -1),) * a.ndim
    made = {
        "C": np.empty_like(a, order="C"),
        "F": np.empty_like(a, order="F"),
        "axes swapped": np.empty(np.moveaxis(a, 0, -1).shape, a.dtype).transpose(-1, *range(a.ndim - 1)),
        "every second": wide[(slice(None, None, 2),) * a.ndim],
        "reversed": np.empty_like(a, order="C")[backwards],
        "byte-swapped": swapped,
        "misaligned": misaligned,
        "packed": packed,
    }
    for view in made.values():
        view[...] = a
    assert not misaligned.flags.aligned and not packed.flags.aligned and not swapped.dtype.isnative
    return made


# --- the ufuncs --------------------------------------------------------------------------------------------------------------


def test_ufuncs(level):
    ufuncs = _build.ufuncs(level)
    expected = {e.name if kind == "value" else f"{e.name}_{kind}": (e, kind) for e in registry.ACTIVATIONS for kind in KINDS}
    assert ufuncs.keys() == expected.keys()
    for name, (entry, kind) in expected.items():
        ufunc = ufuncs[name]
        assert isinstance(ufunc, np.ufunc)
        assert ufunc.__name__ == name
        assert (ufunc.nin, ufunc.nout) == (1 + len(entry.params) + (kind == "backward"), KINDS[kind])
        assert ufunc.types == [letter * ufunc.nin + "->" + letter * ufunc.nout for letter in "fd"], "float32 must come first"
        assert entry.formula in ufunc.__doc__


def test_ufuncs_module_holds_the_active_level():
    ufuncs = _build.ufuncs(_dispatch.LEVEL)
    assert set(actloss_c.ufuncs.__all__) == ufuncs.keys()
    assert all(getattr(actloss_c.ufuncs, name) is ufunc for name, ufunc in ufuncs.items())


def test_level_modules_show_no_ufunc(level):
    """One found there would be pickled by the level's name."""
    assert not [name for name, thing in vars(_dispatch.load(level)).items() if isinstance(thing, np.ufunc)]


# --- out and where -----------------------------------------------------------------------------------------------------------


def test_out(case, assert_same_bits):
    x, g = sample(case.dtype), sample(case.dtype, seed=1)
    for call in calls(case.entry.name, case.level):
        want = call(g, x)
        outs = call.outs(x.shape, case.dtype)
        for k, got in enumerate(call.into(outs, g, x)):
            assert_same_bits(got, want[k], call.name)


def test_out_in_a_tuple(case, assert_same_bits):
    """A single output may be given as (y,); None leaves an output to the function."""
    x, g = sample(case.dtype), sample(case.dtype, seed=1)
    for call in calls(case.entry.name, case.level):
        want, fresh = call(g, x), call.outs(x.shape, case.dtype)
        for given in {tuple(k in chosen for k in range(len(fresh))) for chosen in ((), (0,), (1,), (0, 1))}:
            outs = tuple(out if use else None for out, use in zip(fresh, given, strict=True))
            if len(outs) == 1 and outs[0] is None and isinstance(call.function, np.ufunc):
                continue
            for out, got, expected in zip(outs, call(g, x, out=outs), want, strict=True):
                assert out is None or got is out, call.name
                assert_same_bits(got, expected, f"{call.name}, out given {given}")


def test_out_of_every_layout(case, assert_same_bits):
    x, g = sample(case.dtype, (6, 7, 40)), sample(case.dtype, (6, 7, 40), seed=1)
    for call in calls(case.entry.name, case.level):
        want = call(g, x)
        for place in range(call.like_x):
            for layout, out in layouts(np.zeros_like(x)).items():
                outs = call.outs(x.shape, case.dtype)
                outs[place] = out
                call.into(outs, g, x)
                for k, got in enumerate(outs):
                    assert_same_bits(got.astype(case.dtype), want[k], f"{call.name}, out[{place}] {layout}")
                if layout == "every second":
                    assert np.all(out.base[1::2] == 7) and np.all(out.base[..., 1::2] == 7), f"{call.name} wrote between"


def test_out_of_another_float_dtype(case, assert_same_bits):
    x, g = sample(case.dtype), sample(case.dtype, seed=1)
    for call in calls(case.entry.name, case.level):
        want = call(g, x)
        for dtype in (np.float16, np.float32, np.float64, np.longdouble):
            outs = [np.zeros(out.shape, dtype) for out in call.outs(x.shape, case.dtype)]
            for k, got in enumerate(call.into(outs, g, x)):
                assert got.dtype == dtype
                if k < call.like_x:
                    assert np.array_equal(got, want[k].astype(dtype)), f"{call.name} into {np.dtype(dtype)}"
                else:  # summed in float64 and rounded once
                    np.testing.assert_allclose(got, want[k], rtol=max(np.finfo(d).eps for d in (dtype, case.dtype)))


def test_where_without_out_fills_with_zeros(case, assert_same_bits):
    x = sample(case.dtype)
    for mask in (np.arange(N) % 3 > 0, np.zeros(N, bool), np.ones(N, bool), [i % 2 == 0 for i in range(N)], False, np.True_):
        for call in calls(case.entry.name, case.level, raw=False):
            if not call.takes_g:
                for got, full in zip(call(None, x, where=mask), call(None, x), strict=True):
                    assert_same_bits(got, np.where(mask, full, case.dtype.type(0)), f"{call.name} where {type(mask)}")


def test_where_with_out_leaves_the_rest(case, assert_same_bits):
    x, g = sample(case.dtype), sample(case.dtype, seed=1)
    for mask in (np.arange(N) % 3 > 0, np.zeros(N, bool), np.arange(N) < 700):
        for call in calls(case.entry.name, case.level):
            if call.takes_g and not isinstance(call.function, np.ufunc):
                continue  # backward has no where
            before, full = call.outs(x.shape, case.dtype), call(g, x)
            for k, got in enumerate(call.into([b.copy() for b in before], g, x, where=mask)):
                assert_same_bits(got, np.where(mask, full[k], before[k]), call.name)


def test_where_broadcasts(case, assert_same_bits):
    x = sample(case.dtype, 40)
    mask = np.arange(120).reshape(3, 40) % 7 > 2
    for call in calls(case.entry.name, case.level, raw=False):
        if not call.takes_g:
            for got, full in zip(call(None, x, where=mask), call(None, x), strict=True):
                assert_same_bits(got, np.where(mask, full, case.dtype.type(0)), call.name)
            for got, full in zip(call(None, np.stack([x] * 3), where=mask[0]), call(None, x), strict=True):
                assert_same_bits(got, np.stack([np.where(mask[0], full, case.dtype.type(0))] * 3), call.name)


# --- parameters --------------------------------------------------------------------------------------------------------------


@WITH_PARAMETERS
def test_parameters_broadcast_against_x(name, level, dtype, assert_same_bits):
    """One value per channel, as in a convolution: every channel as if it had been called alone."""
    x, g = sample(dtype, (4, 3, 50)), sample(dtype, (4, 3, 50), seed=1)
    per_channel = parameters(registry.FUNCTIONS[name], dtype, (3, 1))
    for call in calls(name, level):
        got = call(g, x, *per_channel)
        for channel in range(3):
            want = call(g[:, channel], x[:, channel], *(p[channel, 0] for p in per_channel))
            for k in range(call.like_x):
                assert_same_bits(got[k][:, channel], want[k], call.name)
            if call.sums:  # the order of a sum depends on the whole shape
                np.testing.assert_allclose(got[-1][channel, 0], want[-1], rtol=8 * np.finfo(dtype).eps)


@WITH_PARAMETERS
def test_parameters_widen_the_result(name, level, dtype, assert_same_bits):
    x, params = sample(dtype, 50), parameters(registry.FUNCTIONS[name], dtype, (3, 1))
    for call in calls(name, level):
        if not call.takes_g:
            want = call(None, np.broadcast_to(x, (3, 50)).copy(), *(np.repeat(p, 50, axis=1) for p in params))
            for got, expected in zip(call(None, x, *params), want, strict=True):
                assert_same_bits(got, expected, call.name)


@WITH_PARAMETERS
def test_parameters_by_position_and_by_name(name, level, dtype, assert_same_bits):
    entry, x, g = registry.FUNCTIONS[name], sample(dtype), sample(dtype, seed=1)
    values = [0.75 * p.default for p in entry.params]
    for call in calls(name, level, raw=False):
        want = call(g, x, *values)
        assert not np.array_equal(want[0], call(g, x)[0]) or not np.array_equal(want[-1], call(g, x)[-1]), "no effect"
        for by_position in range(len(values)):
            named = {p.name: v for p, v in zip(entry.params[by_position:], values[by_position:], strict=True)}
            arguments = ((g,) if call.takes_g else ()) + (x, *values[:by_position])
            got = call.function(*arguments, **named)
            for one, expected in zip(got if isinstance(got, tuple) else (got,), want, strict=True):
                assert_same_bits(one, expected, call.name)


@WITH_PARAMETERS
def test_parameters_are_cast_to_the_dtype_of_x(name, level, dtype, assert_same_bits):
    x, g = sample(dtype, (3, 50)), sample(dtype, (3, 50), seed=1)
    for given in (np.float16, np.float32, np.float64, np.int64, np.uint8):
        for shape in ((), (3, 1), (3, 50)):
            params = [np.ceil(p).astype(given) for p in parameters(registry.FUNCTIONS[name], np.float64, shape)]
            for call in calls(name, level, raw=False):
                want = call(g, x, *(p.astype(dtype) for p in params))
                for got, expected in zip(call(g, x, *params), want, strict=True):
                    assert_same_bits(got, expected, f"{call.name}, parameters of {np.dtype(given)}")


# --- overlap -----------------------------------------------------------------------------------------------------------------

ROOM = 4 * N
OVERLAPS = {
    "in place": lambda b: (b[N : 2 * N], b[N : 2 * N]),
    **{f"out {k:+} elements": lambda b, k=k: (b[N : 2 * N], b[N + k : 2 * N + k]) for k in (1, -1, 16, -16, 600, -600)},
    "reversed": lambda b: (b[:N], b[:N][::-1]),
    "reversed, one off": lambda b: (b[:N][::-1], b[1 : N + 1]),
    "every second to the front": lambda b: (b[: 2 * N : 2], b[:N]),
    "front to every second": lambda b: (b[:N], b[: 2 * N : 2]),
    "every second, in place": lambda b: (b[: 2 * N : 2], b[: 2 * N : 2]),
    "transposed": lambda b: (b[: 32 * 32].reshape(32, 32), b[: 32 * 32].reshape(32, 32).T),
}


def test_out_may_overlap_x(case, assert_same_bits):
    for overlap, views in OVERLAPS.items():
        for call in calls(case.entry.name, case.level):
            for place in range(call.like_x):
                x, out = views(sample(case.dtype, ROOM))
                g = sample(case.dtype, x.shape, seed=1)
                want = call(g.copy(), x.copy())
                outs = call.outs(x.shape, case.dtype)
                outs[place] = out
                for k, got in enumerate(call.into(outs, g, x)):
                    assert_same_bits(got, want[k], f"{call.name}, out[{place}] {overlap}")


def test_both_outputs_may_overlap_x(case, assert_same_bits):
    for start in (0, 1, 16, 500, N - 1, N):
        for call in calls(case.entry.name, case.level):
            if call.like_x == 2:
                b = sample(case.dtype, 2 * N)
                x = b[start : start + N]
                want = call(None, x.copy())
                for k, got in enumerate(call.into([b[:N], b[N:]], None, x)):
                    assert_same_bits(got, want[k], f"{call.name}, x from {start}")


def test_out_may_overlap_g(case, assert_same_bits):
    for overlap, views in OVERLAPS.items():
        for call in calls(case.entry.name, case.level):
            if call.takes_g:
                b = sample(case.dtype, ROOM)
                g, out = views(b)
                for x in (sample(case.dtype, g.shape, seed=1), g, out):
                    b[...] = sample(case.dtype, ROOM)
                    want = call(g.copy(), x.copy())
                    outs = call.outs(g.shape, case.dtype)
                    outs[0] = out
                    for k, got in enumerate(call.into(outs, g, x)):
                        assert_same_bits(got, want[k], f"{call.name}, out and g: {overlap}")


@WITH_PARAMETERS
def test_out_may_overlap_a_parameter(name, level, dtype, assert_same_bits):
    x, g = sample(dtype), sample(dtype, seed=1)
    for where_in_out in (slice(0, 1), slice(700, 701), slice(0, N), slice(1, N + 1), slice(N, 0, -1)):
        for call in calls(name, level):
            for place in range(call.like_x):
                b = np.abs(sample(dtype, N + 1, seed=2)) + dtype.type(0.5)
                params = [b[where_in_out]] * len(call.defaults)
                want = call(g, x, *(p.copy() for p in params))
                outs = call.outs(x.shape, dtype)
                outs[place] = b[:N]
                if call.sums:
                    outs[-1] = np.empty_like(params[0])
                for k, got in enumerate(call.into(outs, g, x, *params)):
                    assert_same_bits(got, want[k], f"{call.name}, parameter is {where_in_out} of out[{place}]")


def test_gradients_may_replace_x_and_the_parameter(learned_case, assert_same_bits):
    entry, dtype = learned_case.entry, learned_case.dtype
    g, x, (a,) = sample(dtype, (3, 50)), sample(dtype, (3, 50), seed=1), parameters(entry, dtype, (3, 1))
    want = learned_case.function.backward(g, x, a)
    got = learned_case.function.backward(g, x, a, out=(x, a))
    assert got[0] is x and got[1] is a
    assert_same_bits(x, want[0])
    assert_same_bits(a, want[1])


def test_sum_may_be_part_of_x(learned_case, assert_same_bits):
    dtype = learned_case.dtype
    g, x = sample(dtype), sample(dtype, seed=1)
    want = learned_case.function.backward(g, x)
    got = learned_case.function.backward(g, x, out=(None, x[3:4].reshape(())))
    assert_same_bits(got[0], want[0])
    assert_same_bits(x[3], want[1])


# --- layouts, shapes, dtypes -------------------------------------------------------------------------------------------------


def test_every_layout_of_the_input(case, assert_same_bits):
    shape = (6, 7, 40)
    x, g = sample(case.dtype, shape), sample(case.dtype, shape, seed=1)
    for call in calls(case.entry.name, case.level):
        want = call(g, x)
        for (layout, x_view), g_view in zip(layouts(x).items(), reversed(layouts(g).values()), strict=True):
            x_view.flags.writeable = g_view.flags.writeable = False
            for k, got in enumerate(call(g_view, x_view)):
                assert_same_bits(got, want[k], f"{call.name}, x {layout}")


def test_stride_zero(case, assert_same_bits):
    for base in (sample(case.dtype, (1, 50)), sample(case.dtype, (40, 1)), sample(case.dtype, (1, 1)) + 2):
        x = np.broadcast_to(base, (40, 50))
        g = sample(case.dtype, (40, 50), seed=1)
        for call in calls(case.entry.name, case.level):
            want = call(g, x.copy())
            for k, got in enumerate(call(g, x)):
                assert_same_bits(got, want[k], call.name)


def test_results_are_always_writable_arrays_of_their_own(case):
    x = np.broadcast_to(sample(case.dtype, 50), (40, 50))
    for call in calls(case.entry.name, case.level):
        results = call(x, x)
        assert all(r.ndim == 0 or (r.flags.writeable and not np.shares_memory(r, x)) for r in results), call.name


def test_scalars(case, assert_same_bits):
    scalar = case.dtype.type(-0.75)
    forms = {"scalar": scalar, "0-d": np.array(scalar)}
    if case.dtype == FLOAT64:
        forms["Python float"] = -0.75
    for call in calls(case.entry.name, case.level):
        want = call(np.array([2], case.dtype), np.array([scalar]))
        for form, x in forms.items():
            for k, got in enumerate(call(type(x)(2) if form != "0-d" else np.array(2, case.dtype), x)):
                assert type(got) is case.dtype.type, f"{call.name} of a {form} gives {type(got)} as result {k}"
                assert_same_bits(got, want[k].reshape(()), f"{call.name} of a {form}")


def test_zero_dimensional_out(case, assert_same_bits):
    x, g = np.array(-0.75, case.dtype), np.array(2, case.dtype)
    for call in calls(case.entry.name, case.level):
        want = call(g, x)
        for k, got in enumerate(call.into(call.outs((), case.dtype), g, x)):
            assert_same_bits(got, want[k], call.name)


def test_python_integers(activation, assert_same_bits):
    """As NumPy takes them: int is int64, bool is bool."""
    assert_same_bits(activation(-3), activation(-3.0))
    assert_same_bits(activation(True), activation(np.float32(1)))


def test_empty_arrays(case):
    for shape in ((0,), (3, 0), (0, 3), (2, 0, 5)):
        x = np.empty(shape, case.dtype)
        for call in calls(case.entry.name, case.level):
            results = call(x, x)
            assert all(r.shape == shape and r.dtype == case.dtype for r in results[: call.like_x]), call.name
            if call.sums:
                assert results[-1] == 0 and results[-1].dtype == case.dtype
            call.into(call.outs(shape, case.dtype), x, x)


def test_empty_list(activation):
    assert activation([]).shape == (0,)


@ACTIVATIONS
@pytest.mark.parametrize("given", DTYPE_RULE)
def test_dtype_rule(name, level, given, assert_same_bits):
    expected = DTYPE_RULE[given]
    x = np.array([0, 1, 3, 100, 1] * 20).astype(given)
    if x.dtype.kind in "if":
        x[1::2] *= -1
    for call in calls(name, level):
        params = [expected.type(p) for p in call.defaults]
        want = call(x.astype(expected), x.astype(expected), *params)
        for k, got in enumerate(call(x, x, *params)):
            assert_same_bits(got, want[k], f"{call.name} of {given}")


@ACTIVATIONS
@pytest.mark.parametrize("given", DTYPE_RULE)
def test_x_alone_decides_the_dtype(name, level, given, assert_same_bits):
    """Neither parameters nor g widen or narrow the result."""
    x = np.array([-2, 0, 1, 3, 100] * 4).astype(np.int64).astype(given)
    expected = DTYPE_RULE[given]
    for call in calls(name, level, raw=False):
        want = call(np.full(20, 1.5, expected), x.astype(expected), *(expected.type(p) for p in call.defaults))
        for other in (np.float16, np.float32, np.float64):
            for k, got in enumerate(call(np.full(20, 1.5, other), x)):
                assert_same_bits(got, want[k], f"{call.name} of {given}, g of {np.dtype(other)}")


@ACTIVATIONS
def test_dtype_overrides(name, level, dtype, assert_same_bits):
    for given in (*DTYPE_RULE, ">f4", ">f8"):
        x = np.array([0, 1, 3, 100, 1] * 20).astype(given)
        for call in calls(name, level, raw=False):
            want = call(x.astype(dtype), x.astype(dtype))
            for spelling in (dtype, dtype.type, dtype.name):
                for k, got in enumerate(call(x, x, dtype=spelling)):
                    assert_same_bits(got, want[k], f"{call.name} of {given}")


@ACTIVATIONS
def test_dtype_overrides_in_place(name, level, assert_same_bits):
    """Computed in float32, stored in float64."""
    x, g = sample(np.float64), sample(np.float64, seed=1)
    for call in calls(name, level, raw=False):
        want = call(g, x, dtype=np.float32)
        outs = call.outs(x.shape, np.float64)
        outs[0] = x.copy()
        for k, got in enumerate(call.into(outs, g, outs[0], dtype=np.float32)):
            assert_same_bits(got.astype(np.float32), want[k], call.name)


@ACTIVATIONS
def test_anything_that_numpy_takes(name, level, assert_same_bits):
    numbers = [-2.0, -0.5, 0.0, 1.5]
    for call in calls(name, level):
        want = call(np.array(numbers), np.array(numbers))
        for x in (numbers, tuple(numbers), array.array("d", numbers), memoryview(array.array("d", numbers))):
            for k, got in enumerate(call(x, x)):
                assert_same_bits(got, want[k], f"{call.name} of a {type(x).__name__}")
        nested = call([numbers, numbers], [numbers, numbers])
        assert_same_bits(nested[0], np.stack([want[0]] * 2), call.name)


def test_g_broadcasts_to_x(case, assert_same_bits):
    x = sample(case.dtype, (3, 4, 50))
    for g in (2.0, case.dtype.type(2), np.full(1, 2.0, case.dtype), sample(case.dtype, 50), sample(case.dtype, (4, 1))):
        for call in calls(case.entry.name, case.level):
            if call.takes_g:
                want = call(np.broadcast_to(g, x.shape).astype(case.dtype), x)
                for k, got in enumerate(call(g, x)):
                    assert_same_bits(got, want[k], call.name)


# --- other array types -------------------------------------------------------------------------------------------------------


class Tagged(np.ndarray):
    """A subclass without behaviour."""


def test_subclasses_come_back(case, assert_same_bits):
    x = sample(case.dtype)
    for call in calls(case.entry.name, case.level):
        if not call.sums:  # not a ufunc
            want = call(x, x)
            for k, got in enumerate(call(x.view(Tagged), x.view(Tagged))):
                assert type(got) is Tagged, call.name
                assert_same_bits(got, want[k], call.name)


class Foreign:
    """An array type of someone else's: tells what NumPy hands it."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return ufunc, method, inputs, options


@ACTIVATIONS
def test_foreign_arrays_get_the_ufunc(name, level):
    activation, ufuncs = _build.functions(level)[name], _build.ufuncs(level)
    foreign, mask, defaults = Foreign(), np.ones(3, bool), tuple(activation.params.values())
    for kind in ("value", "grad", "value_and_grad"):
        ufunc = ufuncs[name if kind == "value" else f"{name}_{kind}"]
        method = activation if kind == "value" else getattr(activation, kind)
        assert method(foreign) == (ufunc, "__call__", (foreign, *defaults), {})
        assert method(foreign, **dict.fromkeys(activation.params, 0.5))[2] == (foreign, *[0.5] * len(defaults))
        assert method(foreign, where=mask)[3] == {"where": mask}
        out = (np.empty(3),) * KINDS[kind]
        given = method(foreign, out=out[0] if len(out) == 1 else out)[3]["out"]
        assert len(given) == len(out) and all(a is b for a, b in zip(given, out, strict=True))
    if not any(p.learned for p in registry.FUNCTIONS[name].params):  # else two results of different shapes, which no ufunc has
        backward = ufuncs[f"{name}_backward"]
        assert activation.backward(foreign, 2.0) == (backward, "__call__", (foreign, 2.0, *defaults), {})
        assert activation.backward(2.0, foreign) == (backward, "__call__", (2.0, foreign, *defaults), {})


def test_foreign_arrays_get_the_dtype(activation):
    """It is the user's wish; to drop it would be silent."""
    for method in (activation, activation.grad, activation.value_and_grad):
        options = method(Foreign(), dtype=np.float32)[3]
        assert options.get("dtype") == np.float32 or np.float32 in options.get("signature", ())


# --- floating-point flags ----------------------------------------------------------------------------------------------------


def test_nothing_raises_a_flag(case):
    x = special(case.dtype)
    with np.errstate(all="raise"):
        for call in calls(case.entry.name, case.level):
            for g in (x, x[::-1], np.full_like(x, np.finfo(case.dtype).max)):
                call(g, x)
                call(g[::-1][::2], x[::2])
                call.into(call.outs(x.shape, case.dtype), g, x)


@ACTIVATIONS
def test_no_cast_raises_a_flag(name, level):
    """Numbers that overflow, underflow or are inexact in float32 and float16, in every argument."""
    wide = np.concatenate([special(np.float64), [1e300, -1e300, 1e-300, 1e39, 1e-46]])
    with np.errstate(all="raise"):
        for call in calls(name, level, raw=False):
            call(wide, wide, dtype=np.float32)
            call(wide, np.ones(wide.size, np.float32))
            call(wide, wide.astype(">f8"), dtype=np.float32)
            for x in (np.float32(1), np.array(1, np.float32), np.ones(50, np.float32), np.ones(50, np.int8)):
                for p in (1e300, -1e300, 1e-300, np.float64(1e300), np.array(1e300), 2**62, np.float16(6e-8)):
                    if call.defaults:
                        call(x, x, *[p] * len(call.defaults))
                        call(x, x, *[np.full(x.shape, p)] * len(call.defaults))
            for dtype in (np.float16, np.float32):
                call.into([np.zeros(o.shape, dtype) for o in call.outs(wide.shape, np.float32)], wide, wide)
            call(1.0, [2**62, -(2**63)])
            call(1.0, np.array([np.inf, np.nan, 6e-8, 65504], np.float16))


# --- objects -----------------------------------------------------------------------------------------------------------------


def public():
    """Everything that a user may put into a pickle."""
    functions = [getattr(actloss_c, name) for name in registry.FUNCTIONS]
    return functions + [getattr(actloss_c.ufuncs, name) for name in actloss_c.ufuncs.__all__]


@pytest.mark.parametrize("thing", public(), ids=lambda thing: f"{type(thing).__name__}-{thing.__name__}")
def test_pickles_and_copies_are_the_object_itself(thing):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(thing, protocol)
        assert pickle.loads(data) is thing
        assert not [level for level in _dispatch.ALL_LEVELS if level.encode() in data], data
    assert copy.copy(thing) is thing
    assert copy.deepcopy(thing) is thing
    assert copy.deepcopy([{"a": thing}])[0]["a"] is thing


@pytest.mark.parametrize("name", registry.FUNCTIONS)
def test_methods_pickle(name):
    method = getattr(actloss_c, name).value_and_grad
    assert pickle.loads(pickle.dumps(method)) == method


def test_signature_of_activations(activation):
    entry = registry.FUNCTIONS[activation.name]
    parameters = list(inspect.signature(activation).parameters.values())
    assert [p.name for p in parameters] == ["x", *(p.name for p in entry.params), "out", "where", "dtype"]
    assert [p.default for p in parameters[1:-3]] == [p.default for p in entry.params]
    assert [p.default for p in parameters[-3:]] == [None, True, None]
    assert all(p.kind == p.KEYWORD_ONLY for p in parameters[-3:])


def test_signature_of_losses(loss):
    options = {"axis": -1, "reduction": "mean", "sample_weight": None}
    for method in (loss, loss.grad, loss.value_and_grad, loss.grad_and_hess, loss.value_grad_and_hess):
        parameters = inspect.signature(method).parameters
        assert list(parameters)[:2] == ["z", "target"]
        assert {name: parameters[name].default for name in options} == options
        assert list(parameters)[-1] == "out"


def test_metadata_of_activations(activation):
    entry = registry.FUNCTIONS[activation.name]
    assert activation.__name__ == activation.name == entry.name and entry.name in repr(activation)
    assert activation.formula == entry.formula
    assert activation.params == {p.name: p.default for p in entry.params}
    low, high = activation.range
    assert low < high
    assert activation.bounded is bool(np.isfinite(low) and np.isfinite(high))
    assert activation.differentiable is True or isinstance(activation.differentiable, str) or activation.kinks
    assert type(activation.monotone) is bool and type(activation.zero_centred) is bool
    assert all(isinstance(kink, float) for kink in activation.kinks)
    assert activation.saturation.keys() == {"left", "right"}
    assert set(activation.saturation.values()) <= {"soft", "hard", None}
    assert isinstance(activation.paper, str) and any(c.isdigit() for c in activation.paper)


def test_metadata_of_losses(loss):
    entry = registry.FUNCTIONS[loss.name]
    assert loss.__name__ == loss.name == entry.name and entry.name in repr(loss)
    assert (loss.formula, loss.gradient, loss.hessian) == (entry.formula, entry.gradient, entry.hessian)
    assert loss.range[0] < loss.range[1]
    assert type(loss.convex) is bool
    assert isinstance(loss.paper, str) and any(c.isdigit() for c in loss.paper)


@pytest.mark.parametrize("name", registry.FUNCTIONS)
def test_bounds_are_those_of_the_level(name, level):
    entry, function = registry.FUNCTIONS[name], _build.functions(level)[name]
    assert function.ulp == (entry.ulp_baseline if level == "baseline" else entry.ulp)
    assert function.ulp.keys() == {"float32", "float64"}
    assert all(0 <= value <= 4 and 0 <= grad <= 4 for value, grad in function.ulp.values())


# --- losses: arguments -------------------------------------------------------------------------------------------------------

METHODS = {  # method: (has a loss, arrays of z's shape)
    "__call__": (True, 0),
    "grad": (False, 1),
    "value_and_grad": (True, 1),
    "grad_and_hess": (False, 2),
    "value_grad_and_hess": (True, 2),
}
SHAPES = ((7, 5), (70, 5), (3, 60), (2, 300), (3, 4, 50), (5,), (6, 1))  # few and many classes, more rows than a panel holds


def logits(dtype, shape, seed=0):
    return np.random.default_rng(seed).normal(scale=4, size=shape).astype(dtype)


def labels(shape, classes, seed=0):
    return np.random.default_rng(seed).integers(0, classes, shape)


def compare(got, want, what, assert_same_bits):
    """Results of one method."""
    got, want = (r if isinstance(r, tuple) else (r,) for r in (got, want))
    for one, expected in zip(got, want, strict=True):
        if isinstance(expected, float):
            assert type(one) is float and (one == expected or one != one and expected != expected), what
        else:
            assert_same_bits(one, expected, what)


def run(loss, method, *arguments, **options):
    return getattr(loss, method)(*arguments, **options)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_loss_methods_agree(loss_case, shape, assert_same_bits):
    """Every method gives the parts of value_grad_and_hess."""
    loss, z = loss_case.function, logits(loss_case.dtype, shape)
    t = labels(shape[:-1], shape[-1])
    for reduction in ("mean", "sum", "none"):
        value, g, h = loss.value_grad_and_hess(z, t, reduction=reduction)
        assert type(value) is float if reduction != "none" else value.shape == t.shape and value.dtype == loss_case.dtype
        assert g.shape == h.shape == z.shape and g.dtype == h.dtype == loss_case.dtype
        wants = {"__call__": value, "grad": g, "value_and_grad": (value, g), "grad_and_hess": (g, h)}
        for method, want in wants.items():
            compare(run(loss, method, z, t, reduction=reduction), want, f"{method}, {reduction}", assert_same_bits)


def test_loss_of_every_axis_and_layout(loss_case, assert_same_bits):
    loss, base = loss_case.function, logits(loss_case.dtype, (5, 6, 70))
    for axis in (0, 1, 2, -1, -2, -3):
        rows = np.ascontiguousarray(np.moveaxis(base, axis, -1))
        t = labels(rows.shape[:-1], rows.shape[-1])
        for reduction in ("mean", "none"):
            value, g, h = loss.value_grad_and_hess(rows, t, reduction=reduction)
            want = value, np.moveaxis(g, -1, axis), np.moveaxis(h, -1, axis)
            for layout, z in layouts(base).items():
                z.flags.writeable = False
                got = loss.value_grad_and_hess(z, t, axis=axis, reduction=reduction)
                compare(got, want, f"axis {axis}, {layout}, {reduction}", assert_same_bits)


def test_batch_of_several_axes_is_the_batch_flattened(loss_case, assert_same_bits):
    loss, z = loss_case.function, logits(loss_case.dtype, (3, 4, 50))
    t, w = labels((3, 4), 50), np.random.default_rng(1).uniform(0.1, 3, (3, 4))
    for reduction in ("mean", "none"):
        value, g, h = loss.value_grad_and_hess(z.reshape(12, 50), t.ravel(), reduction=reduction, sample_weight=w.ravel())
        want = value if reduction == "mean" else value.reshape(3, 4), g.reshape(z.shape), h.reshape(z.shape)
        for order in "CF":
            views = [np.array(a, order=order) for a in (z, t, w)]
            got = loss.value_grad_and_hess(*views[:2], reduction=reduction, sample_weight=views[2])
            compare(got, want, f"{reduction}, order {order}", assert_same_bits)


def test_loss_into_every_layout(loss_case, assert_same_bits):
    loss, base = loss_case.function, logits(loss_case.dtype, (5, 6, 70))
    for axis in (0, 2):
        t = labels(np.delete(base.shape, axis), base.shape[axis])
        want = loss.value_grad_and_hess(base, t, axis=axis)
        for (layout, g), h in zip(layouts(np.zeros_like(base)).items(), reversed(layouts(base).values()), strict=True):
            got = loss.value_grad_and_hess(base, t, axis=axis, out=(g, h))
            assert got[1] is g and got[2] is h
            got = got[0], g.astype(base.dtype), h.astype(base.dtype)
            compare(got, want, f"axis {axis}, out {layout}", assert_same_bits)


def test_loss_of_stride_zero(loss_case, assert_same_bits):
    loss, row = loss_case.function, logits(loss_case.dtype, (1, 60))
    for base in (row, row.T):
        z = np.broadcast_to(base, (60, 60))
        t = labels(60, 60)
        compare(loss.value_grad_and_hess(z, t), loss.value_grad_and_hess(z.copy(), t), "", assert_same_bits)


LABEL_DTYPES = (*(k + str(n) for k in ("int", "uint") for n in (8, 16, 32, 64)), "float16", "float32", "float64")
LABEL_DTYPES = (*LABEL_DTYPES, ">i2", ">u4", ">i8", ">u8", ">f4", ">f8")


@pytest.mark.parametrize("given", LABEL_DTYPES)
def test_label_dtypes(loss_case, given, assert_same_bits):
    loss = loss_case.function
    for shape in ((70, 5), (3, 4, 120)):
        z, t = logits(loss_case.dtype, shape), labels(shape[:-1], shape[-1])
        want = loss.value_grad_and_hess(z, t)
        compare(loss.value_grad_and_hess(z, t.astype(given)), want, given, assert_same_bits)


def test_label_layouts(loss_case, assert_same_bits):
    loss, shape = loss_case.function, (6, 7, 20)
    z, t = logits(loss_case.dtype, shape), labels(shape[:-1], shape[-1])
    want = loss.value_grad_and_hess(z, t)
    for given in ("int64", "uint8", "float32"):
        for layout, view in layouts(t.astype(given)).items() if given != "uint8" else [("F", np.asfortranarray(t.astype(given)))]:
            view.flags.writeable = False
            compare(loss.value_grad_and_hess(z, view), want, f"{given} labels, {layout}", assert_same_bits)
    compare(loss.value_grad_and_hess(z, t.tolist()), want, "list", assert_same_bits)
    compare(loss.value_grad_and_hess(z, np.asarray(t).view(Tagged)), want, "subclass", assert_same_bits)


def test_labels_of_one_row_and_of_two_classes(loss_case, assert_same_bits):
    loss, z = loss_case.function, logits(loss_case.dtype, (9, 2))
    want = loss.value_grad_and_hess(z[0], np.array(1))
    for label in (1, 1.0, True, np.int8(1), np.float32(1)):
        compare(loss.value_grad_and_hess(z[0], label), want, f"label {label!r}", assert_same_bits)
    t = labels(9, 2)
    compare(loss.value_grad_and_hess(z, t == 1), loss.value_grad_and_hess(z, t), "bool", assert_same_bits)


def test_logit_dtypes(loss, assert_same_bits):
    t = labels(40, 7)
    for given, expected in (*DTYPE_RULE.items(), (">f4", FLOAT32), (">f8", FLOAT64)):
        z = np.abs(logits(np.float64, (40, 7))).astype(given)
        want = loss.value_grad_and_hess(z.astype(expected), t, reduction="none")
        compare(loss.value_grad_and_hess(z, t, reduction="none"), want, given, assert_same_bits)
    z = logits(np.float64, (40, 7))
    compare(loss.value_grad_and_hess(z.tolist(), t), loss.value_grad_and_hess(z, t), "list", assert_same_bits)


def test_reductions(loss_case, assert_same_bits):
    loss, z, t = loss_case.function, logits(loss_case.dtype, (300, 9)), labels(300, 9)
    mean, total, each = (loss.value_grad_and_hess(z, t, reduction=r) for r in ("mean", "sum", "none"))
    eps = np.finfo(loss_case.dtype).eps
    assert mean[0] == total[0] / 300
    assert abs(total[0] - np.sum(each[0], dtype=np.float64)) <= eps * total[0]
    for k in (1, 2):
        assert_same_bits(each[k], total[k], "none is unscaled")
        np.testing.assert_allclose(mean[k], total[k] / 300, rtol=4 * eps)


def test_weights(loss_case):
    loss, dtype = loss_case.function, loss_case.dtype
    z, t, w = logits(dtype, (300, 9)), labels(300, 9), np.random.default_rng(1).uniform(0.1, 3, 300)
    rtol = 4 * np.finfo(dtype).eps
    plain = loss.value_grad_and_hess(z, t, reduction="none")
    each = loss.value_grad_and_hess(z, t, reduction="none", sample_weight=w)
    total = loss.value_grad_and_hess(z, t, reduction="sum", sample_weight=w)
    mean = loss.value_grad_and_hess(z, t, sample_weight=w)
    np.testing.assert_allclose(each[0], w * plain[0], rtol=rtol)
    np.testing.assert_allclose(total[0], np.sum(w * plain[0]), rtol=rtol)
    np.testing.assert_allclose(mean[0], np.sum(w * plain[0]) / np.sum(w), rtol=rtol)
    for k in (1, 2):
        np.testing.assert_allclose(each[k], w[:, None] * plain[k], rtol=rtol)
        np.testing.assert_allclose(total[k], w[:, None] * plain[k], rtol=rtol)
        np.testing.assert_allclose(mean[k], w[:, None] * plain[k] / np.sum(w), rtol=2 * rtol)


def test_weight_dtypes_and_layouts(loss_case, assert_same_bits):
    loss, z, t = loss_case.function, logits(loss_case.dtype, (6, 7, 9)), labels((6, 7), 9)
    w = np.random.default_rng(1).integers(0, 4, (6, 7)).astype(float)
    want = loss.value_grad_and_hess(z, t, sample_weight=w)
    given = (
        {dtype: w.astype(dtype) for dtype in (*DTYPE_RULE, ">f4", ">i4") if dtype != "bool"} | layouts(w) | {"list": w.tolist()}
    )
    for what, weight in given.items():
        if what != "list":
            weight.flags.writeable = False
        compare(loss.value_grad_and_hess(z, t, sample_weight=weight), want, what, assert_same_bits)
    got = loss.value_grad_and_hess(z, t, sample_weight=w > 1)
    compare(got, loss.value_grad_and_hess(z, t, sample_weight=(w > 1).astype(float)), "bool", assert_same_bits)


def test_weights_of_one_are_no_weights(loss_case, assert_same_bits):
    loss, z, t = loss_case.function, logits(loss_case.dtype, (70, 9)), labels(70, 9)
    for reduction in ("mean", "sum", "none"):
        want = loss.value_grad_and_hess(z, t, reduction=reduction)
        got = loss.value_grad_and_hess(z, t, reduction=reduction, sample_weight=np.ones(70))
        compare(got, want, reduction, assert_same_bits)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradient_may_replace_the_logits(loss_case, shape, assert_same_bits):
    loss, t = loss_case.function, labels(shape[:-1], shape[-1])
    for layout in layouts(np.zeros(shape, loss_case.dtype)):
        for method, (has_loss, arrays) in METHODS.items():
            if not arrays:
                continue
            z = layouts(logits(loss_case.dtype, shape))[layout]
            want = run(loss, method, z.copy(), t)
            out = z if arrays == 1 else (z, None)
            got = run(loss, method, z, t, out=out)
            got, want = (r if isinstance(r, tuple) else (r,) for r in (got, want))
            assert got[has_loss] is z
            native = tuple(np.asarray(r).astype(loss_case.dtype) if isinstance(r, np.ndarray) else r for r in got)
            compare(native, want, f"{method}, {layout}", assert_same_bits)


def test_out_of_losses(loss_case, assert_same_bits):
    loss, base = loss_case.function, logits(loss_case.dtype, (6, 7, 9))
    t = labels((6, 7), 9)
    want = loss(base, t, reduction="none")
    for layout, out in layouts(np.zeros_like(want)).items():
        assert loss(base, t, reduction="none", out=out) is out
        assert_same_bits(out.astype(want.dtype), want, layout)


def test_loss_into_another_float_dtype(loss_case):
    loss, shape = loss_case.function, (70, 9)
    z, t = logits(loss_case.dtype, shape), labels(70, 9)
    value, g, h = loss.value_grad_and_hess(z, t, reduction="none")
    for dtype in (np.float16, np.float32, np.float64, np.longdouble):
        got = np.zeros(70, dtype), np.zeros(shape, dtype), np.zeros(shape, dtype)
        assert loss(z, t, reduction="none", out=got[0]) is got[0]
        results = loss.grad_and_hess(z, t, reduction="none", out=got[1:])
        assert results[0] is got[1] and results[1] is got[2]
        for one, want in zip(got, (value, g, h), strict=True):
            assert np.array_equal(one, want.astype(dtype)), np.dtype(dtype)


def test_outs_of_gradient_and_hessian(loss_case, assert_same_bits):
    loss, z, t = loss_case.function, logits(loss_case.dtype, (70, 9)), labels(70, 9)
    want = loss.value_grad_and_hess(z, t)
    for use_g, use_h in ((True, True), (True, False), (False, True), (False, False)):
        g, h = (np.full_like(z, 7) if use else None for use in (use_g, use_h))
        for method, first in (("grad_and_hess", 1), ("value_grad_and_hess", 0)):
            got = run(loss, method, z, t, out=(g, h))
            compare(got, want[first:], method, assert_same_bits)
            assert (g is None or got[-2] is g) and (h is None or got[-1] is h)


def test_empty_batch(loss_case):
    loss = loss_case.function
    for shape, axis in (((0, 5), -1), ((5, 0), 0), ((0, 3, 5), 2), ((3, 0, 5), -1)):
        z = np.empty(shape, loss_case.dtype)
        rows = tuple(np.delete(shape, axis))
        for t in (np.empty(rows, np.int64), np.empty(rows, np.float64).tolist() if len(rows) == 1 else np.empty(rows, np.uint8)):
            for reduction in ("mean", "sum"):
                value, g, h = loss.value_grad_and_hess(z, t, axis=axis, reduction=reduction)
                assert value == 0.0 and g.shape == h.shape == shape and g.dtype == loss_case.dtype
            assert loss(z, t, axis=axis, reduction="none").shape == rows


def test_loss_raises_no_flag(loss_case):
    loss, dtype = loss_case.function, loss_case.dtype
    top = np.finfo(dtype).max
    with np.errstate(all="raise"):
        for classes in (3, 60, 300):
            z = np.resize(special(dtype), (50, classes))
            z[0], z[1], z[2] = -np.inf, np.inf, top
            z[3, ::2] = -top
            t = labels(50, classes)
            for options in ({}, {"reduction": "sum"}, {"reduction": "none"}, {"sample_weight": np.full(50, 1e300)}):
                loss.value_grad_and_hess(z, t, **options)
                loss.value_grad_and_hess(z.T, t, axis=0, **options)
            outs = np.zeros(z.shape, np.float16), np.zeros(z.shape, np.float32)
            loss.value_grad_and_hess(z, t, reduction="sum", sample_weight=np.full(50, 1e30), out=outs)
            loss(z, t, reduction="none", sample_weight=np.full(50, 1e39), out=np.zeros(50, np.float16))
            loss.value_grad_and_hess(z.astype(dtype.newbyteorder()), t.astype(np.float16))


# --- threads -----------------------------------------------------------------------------------------------------------------


def test_threads_at_the_same_time(level, assert_same_bits):
    """Eight threads that start together, on all functions, with shared inputs: the bits of one thread."""
    workers, x, g = 8, sample(np.float32, 20_000), sample(np.float32, 20_000, seed=1)
    z, t = x.reshape(400, 50), labels(400, 50)

    def everything():
        results = [r for e in registry.ACTIVATIONS for call in calls(e.name, level) for r in call(g, x)]
        for e in registry.LOSSES:
            loss = _build.functions(level)[e.name]
            results += [
                np.asarray(r) for axis in (0, 1) for r in loss.value_grad_and_hess(z, t[: z.shape[1 - axis]] % 50, axis=axis)
            ]
        return results

    want = everything()
    start = threading.Barrier(workers)

    def work(_):
        start.wait()
        return everything()

    with ThreadPoolExecutor(workers) as pool:
        for results in pool.map(work, range(workers)):
            for k, got in enumerate(results):
                assert_same_bits(got, want[k], f"result {k}")
