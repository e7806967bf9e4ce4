"""The dtype in which an activation computes: x alone decides, dtype= overrides."""

import itertools

import numpy as np
import pytest
from helpers_activations import ACTIVATIONS, calls, inputs
from helpers_arrays import ACTIVATION_RULE, UFUNC_RULE

import actloss_c


@ACTIVATIONS
@pytest.mark.parametrize("given", ACTIVATION_RULE)
def test_dtype_rule(name, level, given, assert_same_results):
    x = np.array([0, 1, 3, 100, 1] * 20).astype(given)
    if x.dtype.kind in "if":
        x[1::2] *= -1
    for call in calls(name, level):
        expected = (UFUNC_RULE if isinstance(call.function, np.ufunc) else ACTIVATION_RULE)[given]
        params = [expected.type(p) for p in call.defaults]
        want = call(x.astype(expected), x.astype(expected), *params)
        assert_same_results(call(x, x, *params), want, f"{call.name} of {given}")


@ACTIVATIONS
@pytest.mark.parametrize("given", ACTIVATION_RULE)
def test_x_alone_decides_the_dtype(name, level, given, assert_same_results):
    """Neither parameters nor g widen or narrow the result."""
    x = np.array([-2, 0, 1, 3, 100] * 4).astype(np.int64).astype(given)
    expected = ACTIVATION_RULE[given]
    for call in calls(name, level, raw=False):
        want = call(np.full(20, 1.5, expected), x.astype(expected), *(expected.type(p) for p in call.defaults))
        for other in (np.float16, np.float32, np.float64):
            assert_same_results(call(np.full(20, 1.5, other), x), want, f"{call.name} of {given}, g of {np.dtype(other)}")


@ACTIVATIONS
def test_dtype_overrides(name, level, assert_same_results):
    for given, dtype in itertools.product((*ACTIVATION_RULE, ">f2", ">f4", ">f8"), map(np.dtype, ("f2", "f4", "f8"))):
        x = np.array([0, 1, 3, 100, 1] * 20).astype(given)
        for call in calls(name, level, raw=False):
            want = call(x.astype(dtype), x.astype(dtype))
            for spelling in (dtype, dtype.type, dtype.name):
                assert_same_results(call(x, x, dtype=spelling), want, f"{call.name} of {given}")


@ACTIVATIONS
def test_float16_ufuncs_take_python_numbers_as_float16(name, level):
    """As NumPy's own do: with the float32 loop first, a default as a Python float would widen the result."""
    x = np.ones(3, np.float16)
    for call in calls(name, level):
        assert all(result.dtype == np.float16 for result in call(x, x)), call.name


@ACTIVATIONS
def test_dtype_overrides_in_place(name, level, assert_same_results):
    """Computed in float32, stored in float64."""
    x, g = inputs(np.float64)
    for call in calls(name, level, raw=False):
        want = call(g, x, dtype=np.float32)
        outs = call.outs(x.shape, np.float64)
        outs[0] = x.copy()
        got = call.into(outs, g, outs[0], dtype=np.float32)
        assert_same_results(tuple(result.astype(np.float32) for result in got), want, call.name)


class Foreign:
    """An array that answers NumPy's ufuncs by itself."""

    def __init__(self, array):
        self.array = array
        self.dtype = array.dtype

    def astype(self, dtype):
        return Foreign(self.array.astype(dtype))

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return getattr(ufunc, method)(*(i.array if isinstance(i, Foreign) else i for i in inputs), **options)


@ACTIVATIONS
@pytest.mark.parametrize("given", ACTIVATION_RULE)
def test_foreign_arrays_follow_the_same_rule(name, given):
    x = np.array([0, 1, 3]).astype(given)
    function = getattr(actloss_c, name)
    assert function(Foreign(x)).dtype == function.grad(Foreign(x)).dtype == ACTIVATION_RULE[given]
