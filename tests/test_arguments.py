"""What an activation takes: any layout and shape, scalars, whatever NumPy makes an array of, parameters that broadcast.

Compared with the same call on fresh, contiguous, native arrays, bit for bit.
"""

import array

import numpy as np
from helpers_activations import ACTIVATIONS, WITH_PARAMETERS, calls, inputs, parameters, sample
from helpers_arrays import FLOAT64, layouts

from actloss_c import registry

WITH_FLOAT16 = True

# --- layouts and shapes ------------------------------------------------------------------------------------------------------


def test_every_layout_of_the_input(case, assert_same_results):
    x, g = inputs(case.dtype, (6, 7, 40))
    for call in calls(case.entry.name, case.level):
        want = call(g, x)
        for (layout, x_view), g_view in zip(layouts(x).items(), reversed(layouts(g).values()), strict=True):
            x_view.flags.writeable = g_view.flags.writeable = False
            assert_same_results(call(g_view, x_view), want, f"{call.name}, x {layout}")


def test_stride_zero(case, assert_same_results):
    for base in (sample(case.dtype, (1, 50)), sample(case.dtype, (40, 1)), sample(case.dtype, (1, 1)) + 2):
        x = np.broadcast_to(base, (40, 50))
        g = sample(case.dtype, (40, 50), seed=1)
        for call in calls(case.entry.name, case.level):
            assert_same_results(call(g, x), call(g, x.copy()), call.name)


def test_results_are_always_writable_arrays_of_their_own(case):
    x = np.broadcast_to(sample(case.dtype, 50), (40, 50))
    for call in calls(case.entry.name, case.level):
        results = call(x, x)
        assert all(r.ndim == 0 or (r.flags.writeable and not np.shares_memory(r, x)) for r in results), call.name


def test_scalars(case, assert_same_results):
    scalar = case.dtype.type(-0.75)
    forms = {"scalar": scalar, "0-d": np.array(scalar)}
    if case.dtype == FLOAT64:
        forms["Python float"] = -0.75
    for call in calls(case.entry.name, case.level):
        want = tuple(result.reshape(()) for result in call(np.array([2], case.dtype), np.array([scalar])))
        for form, x in forms.items():
            got = call(type(x)(2) if form != "0-d" else np.array(2, case.dtype), x)
            assert all(type(r) is case.dtype.type for r in got), f"{call.name} of a {form} gives {[type(r) for r in got]}"
            assert_same_results(got, want, f"{call.name} of a {form}")


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
def test_anything_that_numpy_takes(name, level, assert_same_results):
    numbers = [-2.0, -0.5, 0.0, 1.5]
    for call in calls(name, level):
        want = call(np.array(numbers), np.array(numbers))
        for x in (numbers, tuple(numbers), array.array("d", numbers), memoryview(array.array("d", numbers))):
            assert_same_results(call(x, x), want, f"{call.name} of a {type(x).__name__}")
        nested = call([numbers, numbers], [numbers, numbers])
        assert_same_results(nested[0], np.stack([want[0]] * 2), call.name)


def test_g_broadcasts_to_x(case, assert_same_results):
    x = sample(case.dtype, (3, 4, 50))
    for g in (2.0, case.dtype.type(2), np.full(1, 2.0, case.dtype), sample(case.dtype, 50), sample(case.dtype, (4, 1))):
        for call in calls(case.entry.name, case.level):
            if call.takes_g:
                want = call(np.broadcast_to(g, x.shape).astype(case.dtype), x)
                assert_same_results(call(g, x), want, call.name)


# --- parameters --------------------------------------------------------------------------------------------------------------


@WITH_PARAMETERS
def test_parameters_broadcast_against_x(name, level, dtype, assert_same_bits):
    """One value per channel, as in a convolution: every channel as if it had been called alone."""
    x, g = inputs(dtype, (4, 3, 50))
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
def test_parameters_widen_the_result(name, level, dtype, assert_same_results):
    x, params = sample(dtype, 50), parameters(registry.FUNCTIONS[name], dtype, (3, 1))
    for call in calls(name, level, backward=False):
        want = call(None, np.broadcast_to(x, (3, 50)).copy(), *(np.repeat(p, 50, axis=1) for p in params))
        assert_same_results(call(None, x, *params), want, call.name)


@WITH_PARAMETERS
def test_parameters_by_position_and_by_name(name, level, dtype, assert_same_results):
    entry, (x, g) = registry.FUNCTIONS[name], inputs(dtype)
    values = [0.75 * p.default for p in entry.params]
    for call in calls(name, level, raw=False):
        want, usual = call(g, x, *values), call(g, x)
        assert not np.array_equal(want[0], usual[0]) or not np.array_equal(want[-1], usual[-1]), "no effect"
        for by_position in range(len(values)):
            named = {p.name: v for p, v in zip(entry.params[by_position:], values[by_position:], strict=True)}
            arguments = ((g,) if call.takes_g else ()) + (x, *values[:by_position])
            assert_same_results(call.function(*arguments, **named), want, call.name)


@WITH_PARAMETERS
def test_parameters_are_cast_to_the_dtype_of_x(name, level, dtype, assert_same_results):
    x, g = inputs(dtype, (3, 50))
    for given in (np.float16, np.float32, np.float64, np.int64, np.uint8):
        for shape in ((), (3, 1), (3, 50)):
            params = [np.ceil(p).astype(given) for p in parameters(registry.FUNCTIONS[name], np.float64, shape)]
            for call in calls(name, level, raw=False):
                want = call(g, x, *(p.astype(dtype) for p in params))
                assert_same_results(call(g, x, *params), want, f"{call.name}, parameters of {np.dtype(given)}")
