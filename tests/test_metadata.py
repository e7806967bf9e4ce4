"""Signatures and attributes of the public objects."""

import inspect

import numpy as np
import pytest

from actloss_c import _build, _dispatch, registry


def test_signature_of_activations(activation):
    entry = registry.FUNCTIONS[activation.name]
    parameters = list(inspect.signature(activation).parameters.values())
    assert [p.name for p in parameters] == ["x", *(p.name for p in entry.params), "out", "where", "dtype"]
    assert [p.default for p in parameters[1:-3]] == [p.default for p in entry.params]
    assert [p.default for p in parameters[-3:]] == [None, True, None]
    assert all(p.kind == p.KEYWORD_ONLY for p in parameters[-3:])


def test_signature_of_losses(loss):
    options = {"axis": -1, "reduction": "mean", "sample_weight": None}
    own = {o.name: o.default for o in registry.FUNCTIONS[loss.name].options}
    assert loss.options == own
    parameters = inspect.signature(loss).parameters
    assert {name: parameters[name].default for name in own} == own and list(parameters)[6:] == list(own)
    for method in (loss.grad, loss.value_and_grad, loss.grad_and_hess, loss.value_grad_and_hess):
        parameters = inspect.signature(method).parameters
        assert list(parameters)[:2] == ["z", "target"]
        assert {name: parameters[name].default for name in options} == options
        assert list(parameters)[-2:] == ["out", "options"]


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


def test_signature_of_functions_of_rows(row_function):
    keepdims = {"keepdims": False} if registry.FUNCTIONS[row_function.name].reduces else {}
    for method, first, last in ((row_function, ["z"], {"dtype": None}), (row_function.backward, ["g", "z"], {})):
        parameters = inspect.signature(method).parameters
        options = {"axis": -1, "where": True} | keepdims | {"out": None} | last
        assert list(parameters) == [*first, *options]
        assert {name: parameters[name].default for name in options} == options
        assert all(parameters[name].kind == inspect.Parameter.KEYWORD_ONLY for name in list(options)[1:])


def test_metadata_of_functions_of_rows(row_function):
    entry = registry.FUNCTIONS[row_function.name]
    assert row_function.__name__ == row_function.name == entry.name and entry.name in repr(row_function)
    assert (row_function.formula, row_function.range, row_function.units) == (entry.formula, entry.range, entry.units)
    assert row_function.range[0] < row_function.range[1] and row_function.units in row_function.__doc__
    assert isinstance(row_function.paper, str) and any(c.isdigit() for c in row_function.paper)


def test_metadata_of_linear_losses(linear_loss_case):
    loss, entry = linear_loss_case.function, linear_loss_case.entry
    assert loss.__name__ == loss.name == entry.name and entry.name in repr(loss)
    assert (loss.formula, loss.gradient, loss.paper) == (entry.formula, entry.gradient, entry.paper)
    assert loss.options == {o.name: o.default for o in registry.FUNCTIONS[entry.loss].options}
    parameters = inspect.signature(loss).parameters
    fixed = ["x", "W", "target", "b", "reduction", "sample_weight", "chunk_bytes", "out"]
    assert list(parameters) == [*fixed, *loss.options]
    assert {name: parameters[name].default for name in loss.options} == loss.options
    for method in (loss.grad, loss.value_and_grad):
        assert list(inspect.signature(method).parameters) == [*fixed, "options"]


@pytest.mark.parametrize("name", [name for name, entry in registry.FUNCTIONS.items() if entry.ulp])
def test_bounds_are_those_of_the_level(name, level):
    entry, function = registry.FUNCTIONS[name], _build.functions(level)[name]
    assert function.ulp == (entry.ulp if _dispatch.load(level).fused else entry.ulp_baseline)
    assert function.ulp.keys() == {"float32", "float64"}
    fused, elementwise = _dispatch.load(level).fused, entry not in (*registry.LOSSES, *registry.ROWS)
    for value, grad, *hess in function.ulp.values():
        assert 0 <= value <= ((2 if fused or name != "sigmoid_squared_error" else 2.3) if elementwise else 4)
        assert 0 <= grad <= (4 if fused or name != "softmax_focal" else 4.6)
        assert len(hess) == (entry in (*registry.LOSSES, *registry.PAIR_LOSSES))
        assert all(0 <= bound <= (5.5 if fused else 7.5) for bound in hess)
