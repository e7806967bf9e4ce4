"""float16 and bfloat16: stored in 16 bits, computed in float32, rounded once."""

import pickle

import numpy as np
import pytest
from helpers_activations import ACTIVATIONS, KINDS, calls, is_learned, method_of, ufunc_name
from helpers_arrays import Tagged, layouts
from helpers_process import python, succeeds

import actloss_c
from actloss_c import _build, _dispatch, oracle, registry

DIGITS = {"float16": (10, -14), "bfloat16": (7, -126)}  # bits of the mantissa, exponent of the smallest normal number
EVERY = np.arange(1 << 16, dtype=np.uint16)
STRIDES = (1, 2, 3, 4, 5, -1, -2, -3)
LENGTHS = (0, 1, 2, 15, 16, 17, 31, 33, 511, 512, 513, 1024, 1041)


@pytest.fixture(params=DIGITS)
def narrow(request):
    """The two dtypes."""
    if request.param == "float16":
        return np.dtype(np.float16)
    return np.dtype(pytest.importorskip("ml_dtypes").bfloat16)


def cast(a, dtype):
    with np.errstate(all="ignore"):
        return np.asarray(a).astype(dtype)


def inputs(dtype):
    """x, all numbers of the type, and g, all in another order."""
    return EVERY.view(dtype), np.random.default_rng(0).permutation(EVERY).view(dtype)


def params_of(entry, dtype, value=None):
    """The parameters as the functions see them, in float32."""
    return [cast(cast(p.default if value is None else value, dtype), np.float32) for p in entry.params]


# --- conversions ---------------------------------------------------------------------------------------------------------------


def check_rounding(level, narrow, x, assert_same_bits):
    got = _dispatch.load(level).conversions()[narrow.name][1](x).view(narrow)
    assert_same_bits(cast(got, np.float32), cast(cast(x, narrow), np.float32), "rounded")
    signed = ~np.isnan(x)
    assert np.array_equal(np.signbit(got[signed]), np.signbit(x[signed]))


def test_widening_is_exact(level, narrow, assert_same_bits):
    widen = _dispatch.load(level).conversions()[narrow.name][0]
    want = EVERY.view(narrow).astype(np.float32)
    assert_same_bits(widen(EVERY), want)
    for stride in STRIDES:
        assert_same_bits(widen(EVERY[::stride]), want[::stride], f"stride {stride}")


def test_rounding_is_to_nearest_even(level, narrow, assert_same_bits):
    """Every number, the middle between it and the next, the float32 numbers around both, every exponent of float32, every NaN."""
    wide = EVERY.view(narrow).astype(np.float32)
    wide = np.sort(wide[~np.isnan(wide)])
    finite = wide[np.isfinite(wide)].astype(np.float64)
    middles = cast((finite[1:] + finite[:-1]) / 2, np.float32)
    top = np.spacing(finite[-1:] / 2**8) * np.linspace(0, 2**8, 999) + finite[-1]
    points = np.concatenate([wide, middles, cast(top, np.float32), cast(-top, np.float32)])
    with np.errstate(all="ignore"):
        near = [np.nextafter(points, np.float32(side)) for side in (np.inf, -np.inf)]
    check_rounding(level, narrow, np.concatenate([points, *near]), assert_same_bits)
    check_rounding(level, narrow, np.arange(0, 1 << 32, 1021, dtype=np.uint32).view(np.float32), assert_same_bits)
    nans = (np.uint32(1) << np.arange(23, dtype=np.uint32)) | np.uint32(0x7F800000)
    nans = np.concatenate([nans, nans | np.uint32(1 << 31)]).view(np.float32)
    assert np.isnan(cast(_dispatch.load(level).conversions()[narrow.name][1](nans).view(narrow), np.float32)).all()


@pytest.mark.exhaustive
def test_rounding_of_every_float32(level, narrow, assert_same_bits):
    for first in range(0, 1 << 32, 1 << 24):
        check_rounding(level, narrow, np.arange(first, first + (1 << 24), dtype=np.uint32).view(np.float32), assert_same_bits)


# --- accuracy ------------------------------------------------------------------------------------------------------------------


@ACTIVATIONS
def test_errors_of_every_number(name, level, narrow):
    """Half a unit in the last place, and what float32 is off by: 2^-13 or 2^-16 of its bound."""
    entry, function = registry.FUNCTIONS[name], _build.functions(level)[name]
    digits, smallest = DIGITS[narrow.name]
    x = EVERY.view(narrow)
    x = x[np.isfinite(cast(x, np.float32))]
    params = {p.name: np.float64(v) for p, v in zip(entry.params, params_of(entry, narrow), strict=True)}
    with np.errstate(all="ignore"):
        exact = oracle.on_arrays(entry.formula, x.astype(np.float64), True, **params)
    for kind, got, (value, correction), bound in zip(
        ("value", "grad"), function.value_and_grad(x), exact, function.ulp["float32"], strict=True
    ):
        want, got = np.broadcast_to(value + correction, x.shape), got.astype(np.float64)
        exponent = np.maximum(np.where(want == 0, smallest, np.frexp(want)[1] - 1), smallest)
        error = np.ldexp(np.abs(got - want), digits - exponent)
        k = np.argmax(error)
        assert error[k] <= 0.5 + bound * 2.0 ** (digits - 23), f"{name} {kind} of {x[k]!r}: {error[k]} ULP"


@ACTIVATIONS
def test_results_are_those_of_float32_rounded(name, level, narrow, assert_same_bits):
    """Of every number, ±inf and NaN among them, in every kind of call, for parameters of one value and of many."""
    entry, (x, g) = registry.FUNCTIONS[name], inputs(narrow)
    wide_x, wide_g = x.astype(np.float32), g.astype(np.float32)
    for value in (None, 0.3, 1.7, "many") if entry.params else (None,):
        if value == "many":
            params = [np.linspace(0.1, 2, x.size).astype(narrow)] * len(entry.params)
            exact = [p.astype(np.float32) for p in params]
        else:
            params, exact = [] if value is None else [value] * len(entry.params), params_of(entry, narrow, value)
        for call in calls(name, level, raw=False):
            got, want = call(g, x, *params), call(wide_g, wide_x, *exact)
            for k in range(call.like_x):
                assert got[k].dtype == narrow
                assert_same_bits(got[k], cast(want[k], narrow), f"{call.name}, parameter {value}")


def test_gradient_of_a_learned_parameter(learned_case, narrow):
    """Its terms stay in float32 and are summed in float64: nothing of a long sum is lost but by the last rounding."""
    x = np.linspace(-1, 0.5, 60_000).astype(narrow)
    g = np.full(x.shape, 0.001).astype(narrow)
    wide = [a.astype(np.float64) for a in (g, x)]
    for alpha in (0.25, np.full((3, 1), 0.25, narrow)):
        shape = np.broadcast_shapes(np.shape(alpha), (3, 20_000) if np.ndim(alpha) else x.shape)
        _, got = learned_case.function.backward(g.reshape(shape), x.reshape(shape), alpha)
        terms = (wide[0] * np.minimum(wide[1], 0)).reshape(shape)
        want = terms.sum(axis=1, keepdims=True) if np.ndim(alpha) else terms.sum()
        assert got.dtype == narrow
        np.testing.assert_allclose(got.astype(np.float64), want, rtol=2.0 ** -DIGITS[narrow.name][0])


# --- calls ---------------------------------------------------------------------------------------------------------------------


@ACTIVATIONS
def test_places(name, level, narrow, assert_same_bits):
    """Whatever the length, the stride and the offset, and nothing is written beside the result."""
    x, g = inputs(narrow)
    x, g = x[::31], g[::31]
    for call in calls(name, level, raw=False):
        want = call(g, x)
        for k in range(call.like_x):
            for n, stride in ((n, s) for n in LENGTHS for s in STRIDES):
                views = []
                for a in (g, x):
                    buffer = np.zeros(n * abs(stride) + 3, narrow)
                    views.append(buffer[3:][:: abs(stride)][:n][:: np.sign(stride)])
                    views[-1][...] = a[:n]
                out = np.full(n * abs(stride) + 5, 0x1234, np.uint16)
                target = out[2:-3][:: abs(stride)][:: np.sign(stride)]
                outs = [None] * (call.like_x + call.sums)
                outs[k] = target.view(narrow)
                call(*views, out=tuple(outs) if len(outs) > 1 else outs[0])
                assert_same_bits(target.view(narrow), want[k][:n], f"{call.name}, {n} by {stride}")
                target[...] = 0x1234
                assert (out == 0x1234).all(), f"{call.name}, {n} by {stride}: written beside"


@ACTIVATIONS
def test_layouts_and_outputs(name, level, narrow, assert_same_results):
    x, g = (a[:: 1 << 5][:1800].reshape(6, 10, 30) for a in inputs(narrow))
    for call in calls(name, level, raw=False):
        want = call(g, x)
        made = layouts(x) if narrow == np.float16 else {"F": x.copy("F"), "moved": np.moveaxis(x, 0, 2).copy().transpose(2, 0, 1)}
        for layout, view in made.items():
            assert_same_results(call(g, view)[: call.like_x], want[: call.like_x], f"{call.name}, {layout}")
        assert_same_results(call(cast(g, np.float64), x), want, f"{call.name}, g of float64")
        for dtype in (np.float16, np.float32, np.float64, narrow):
            outs = [np.zeros(o.shape, dtype) for o in call.outs(x.shape, np.float32)]
            for got, expected in zip(call.into(outs, g, x), want, strict=True):
                assert_same_results(cast(got, narrow), cast(cast(expected, dtype), narrow), f"{call.name} into {np.dtype(dtype)}")
        given = x.copy()
        outs = [given, *call.outs(x.shape, np.float32)[1:]]
        assert_same_results(call.into(outs, g, given)[0], want[0], f"{call.name} in place")
        if not call.takes_g:
            mask = np.arange(x.size).reshape(x.shape) % 3 == 1
            masked = tuple(np.where(mask, result, np.zeros((), narrow)) for result in want)
            assert_same_results(call(None, x, where=mask), masked, f"{call.name} where")


@ACTIVATIONS
def test_scalars_and_subclasses(name, level, narrow):
    for call in calls(name, level, raw=False):
        for x in (narrow.type(-0.75), np.array(-0.75, narrow)):
            assert all(type(result) is narrow.type for result in call(x, x)), f"{call.name} of a {type(x).__name__}"
        if not call.sums:
            x = np.ones(3, narrow).view(Tagged)
            assert all(type(result) is Tagged and result.dtype == narrow for result in call(x, x)), call.name


@ACTIVATIONS
def test_dtypes(name, level, narrow, assert_same_results):
    """x alone decides, dtype= overrides, either way."""
    for call in calls(name, level, raw=False):
        x = np.linspace(-3, 3, 100).astype(narrow)
        wide = x.astype(np.float32)
        params = [cast(p, narrow) for p in call.defaults]
        assert_same_results(call(wide, wide, *params, dtype=narrow), call(x, x), f"{call.name} of float32 as {narrow}")
        for other in (np.float32, np.float64):
            want = call(x.astype(other), x.astype(other))
            assert_same_results(call(x, x, dtype=other), want, f"{call.name} of {narrow} as {np.dtype(other)}")
            assert_same_results(call(x, x.astype(other)), want, f"{call.name}, g of {narrow}")


@ACTIVATIONS
def test_no_flag_no_warning(name, level, narrow):
    x, g = inputs(narrow)
    with np.errstate(all="raise"):
        for call in calls(name, level, raw=False):
            for p in ((), (1e300,), (-1e-300,)) if call.defaults else ((),):
                call(g, x, *p)
                call(g[::2], x[::-2], *p)
            call(g, np.full(x.shape, 1e30), dtype=narrow)


def test_every_level_gives_the_same_bits(narrow, assert_same_results):
    """Of those with FMA; the baseline rounds differently, but so little that it is seldom seen in 16 bits."""
    x, g = inputs(narrow)
    levels = [level for level in _dispatch.runnable_levels() if _dispatch.load(level).fused]
    for entry in registry.ACTIVATIONS:
        for first, *others in zip(*(calls(entry.name, level, raw=False) for level in levels), strict=True):
            want = first(g, x)
            for other in others:
                assert_same_results(other(g, x), want, f"{first.name}, {levels}")


def test_threads_give_the_same_bits(level, narrow, assert_same_results):
    x, g = (np.tile(a, 5)[3:-5] for a in inputs(narrow))
    for entry in registry.ACTIVATIONS:
        for call in calls(entry.name, level, raw=False):
            want = call(g, x)
            with actloss_c.num_threads(3):
                assert_same_results(call(g, x), want, call.name)
                assert_same_results(call(g[::-1], x[::-1])[0][::-1], want[0], f"{call.name} backwards")
                for k in (0, 1):  # the output begins where the input does, or an element before it
                    given = np.concatenate([x[:1]] * k + [x])
                    outs = [given[: x.size], *[None] * (call.like_x - 1 + call.sums)]
                    got = call(g, given[k:], out=tuple(outs) if len(outs) > 1 else outs[0])
                    assert_same_results(got[0], want[0], f"{call.name}, output {k} elements before")


def test_compiled_calls_take_them(narrow):
    """Contiguous arrays with default parameters; a first call has given the ufuncs their loops."""
    for name in ("sigmoid", "elu", "prelu"):
        learned = _dispatch.load(_dispatch.LEVEL).backward_learned_by_name.get(name)
        handed_on = []

        class Watched(actloss_c.activation.Activation):
            def __getattribute__(self, name, handed_on=handed_on):
                if name.startswith("_general_"):
                    handed_on.append(name)
                return super().__getattribute__(name)

        watched = Watched(registry.FUNCTIONS[name], _build.ufuncs(_dispatch.LEVEL), learned)
        x = np.ones((3, 50), narrow)
        watched(x)
        handed_on.clear()
        for kind in KINDS:
            out = np.empty_like(x)
            outs = (out, None) if kind == "value_and_grad" or kind == "backward" and is_learned(name) else out
            method = method_of(watched, kind)
            given = (x, x) if kind == "backward" else (x,)
            method(*given)
            assert (method(*given, out=outs)[0] if isinstance(outs, tuple) else method(*given, out=outs)) is out
            if narrow == np.float16:
                method(*(a[:, ::2] for a in given))
        assert not handed_on


# --- the package of bfloat16 ---------------------------------------------------------------------------------------------------


def test_nothing_is_imported_for_float16(tmp_path):
    code = (
        "import sys, numpy as np, actloss_c as al\n"
        "assert al.elu(np.ones(3, np.float16)).dtype == np.float16\n"
        "try: al.elu(np.zeros(3, [('a', 'u2')]))\n"
        "except TypeError: pass\n"
        "assert 'ml_dtypes' not in sys.modules"
    )
    succeeds(python(code, tmp_path))


def test_ufuncs_have_bfloat16_after_the_first_call(tmp_path):
    pytest.importorskip("ml_dtypes")
    code = (
        "import numpy as np, actloss_c as al, ml_dtypes\n"
        "x = np.ones(3, ml_dtypes.bfloat16)\n"
        "assert al.ufuncs.sigmoid(x).dtype == np.float32\n"
        "assert al.sigmoid(x).dtype == al.sigmoid(x[::-1]).dtype == x.dtype\n"
        "assert al.ufuncs.sigmoid(x, dtype=x.dtype).dtype == x.dtype\n"
        "assert al.ufuncs.sigmoid(np.ones(3, np.float32)).dtype == np.float32\n"
        "assert al.ufuncs.sigmoid(np.ones(3, np.float16)).dtype == np.float16"
    )
    succeeds(python(code, tmp_path))


def test_losses_refuse_bfloat16_as_before():
    dtype = pytest.importorskip("ml_dtypes").bfloat16
    with pytest.raises(TypeError, match="bfloat16"):
        actloss_c.squared_error(np.ones(3, dtype), np.ones(3))
    with pytest.raises(TypeError, match="bfloat16"):
        actloss_c.softmax(np.ones(3), out=np.ones(3, dtype))


@ACTIVATIONS
def test_pickles_hold_names_alone(name, narrow):
    function = getattr(actloss_c, name)
    function(np.ones(3, narrow))
    for thing in (function, *(getattr(actloss_c.ufuncs, ufunc_name(name, kind)) for kind in KINDS)):
        assert pickle.loads(pickle.dumps(thing)) is thing
