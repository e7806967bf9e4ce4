"""Every refusal of a loss's logits, options and weights: the error's class, its message, and no byte changed."""

import numpy as np
import pytest
from helpers_arrays import sentinel
from helpers_errors import NOT_REAL, N, advice, each_method, refused
from helpers_losses import LABEL_FLOATS, METHODS, with_batch

# --- logits ------------------------------------------------------------------------------------------------------------------


def test_logits_that_are_not_real(loss_case):
    loss, t = loss_case.function, np.zeros(N, int)
    for what, bad in NOT_REAL.items():
        z = np.stack([bad] * 3, axis=1) if isinstance(bad, np.ndarray) else bad
        out = sentinel((N, 3))
        for method, options in ((loss, {}), (loss.value_and_grad, {"out": out})):
            with refused(TypeError, loss.name, loss_case.entry.variable, *advice(what), keeps=[out]):
                method(z, t, **options)


def test_logits_without_an_axis(loss_case):
    loss = loss_case.function
    for z in (1.0, np.array(1.0, loss_case.dtype)):
        with refused(ValueError, loss.name, loss_case.entry.variable, "axis"):
            loss(z, 0)


def test_logits_without_classes(loss_case):
    loss = loss_case.function
    for shape, axis in (((7, 0), -1), ((0, 7), 0), ((0, 0), 1), ((0,), 0)):
        z = np.empty(shape, loss_case.dtype)
        for method in METHODS:
            with refused(ValueError, loss.name, loss_case.entry.variable, "classes", shape):
                getattr(loss, method)(z, np.zeros(np.delete(shape, axis), int), axis=axis)


# --- options -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", (2, 3, -3, 100))
def test_axis_out_of_range(loss_case, axis):
    loss, z, t = with_batch(loss_case)
    for call, outs in each_method(loss, z):
        with refused(np.exceptions.AxisError, loss.name, "axis", axis, 2, keeps=[z, *outs]):
            call(z, t, axis=axis)


@pytest.mark.parametrize("axis", (1.0, "last", None, (0, 1)), ids=repr)
def test_axis_that_is_no_integer(loss_case, axis):
    loss, z, t = with_batch(loss_case)
    for call, outs in each_method(loss, z):
        with refused(TypeError, keeps=[z, *outs]):
            call(z, t, axis=axis)


@pytest.mark.parametrize("reduction", ("average", "", "Mean", None, True, 0))
def test_unknown_reduction(loss_case, reduction):
    loss, z, t = with_batch(loss_case)
    for call, outs in each_method(loss, z):
        with refused(ValueError, loss.name, "reduction", "mean", "sum", "none", keeps=[z, *outs]):
            call(z, t, reduction=reduction)


def test_unknown_option(loss_case):
    loss, z, t = with_batch(loss_case)
    for call, outs in each_method(loss, z):
        with refused(TypeError, "nonsense", keeps=[z, *outs]):
            call(z, t, nonsense=1)
        with refused(TypeError, keeps=[z, *outs]):
            call(z, t, 1)  # options have names
        with refused(TypeError, "target", keeps=[z, *outs]):
            call(z)


# --- weights -----------------------------------------------------------------------------------------------------------------


def test_weight_of_another_shape(loss_case):
    loss, z, t = with_batch(loss_case)
    for weight in (np.ones(69), np.ones(71), np.ones((70, 1)), 1.0, np.ones((70, 5)), []):
        for call, outs in each_method(loss, z):
            with refused(ValueError, loss.name, "sample_weight", np.shape(weight), "(70,)", keeps=[z, *outs]):
                call(z, t, sample_weight=weight)


@pytest.mark.parametrize("bad", (np.nan, np.inf, -np.inf), ids=str)
def test_weight_that_is_not_finite(loss_case, bad):
    loss, z, t = with_batch(loss_case)
    for given in LABEL_FLOATS:
        for row in (0, 69):
            weight = np.ones(70, given)
            weight[row] = bad
            for call, outs in each_method(loss, z):
                with refused(ValueError, loss.name, f"sample_weight[{row}]", bad, "finite", keeps=[z, weight, *outs]):
                    call(z, t, sample_weight=weight)


def test_weights_beyond_the_range(loss_case):
    """Of the dtype for an unscaled gradient, of float64 for the sum that a mean divides by."""
    loss, z = loss_case.function, np.zeros((2, 2), loss_case.dtype)
    with refused(ValueError, loss.name, "sample_weight has the sum inf", "scale", keeps=[z]):
        loss.grad(z, [0, 1], sample_weight=[1e308, 1e308], out=z)
    if loss_case.dtype == np.float32:
        with refused(ValueError, loss.name, "sample_weight[1]", "4e+38", "finite in float32", keeps=[z]):
            loss.grad(z, [0, 1], sample_weight=[1, 4e38], reduction="sum", out=z)


def test_bad_weight_of_a_batch_of_several_axes(loss_case):
    loss, z, t = with_batch(loss_case, (3, 4, 5))
    weight = np.ones((3, 4))
    weight[1, 2] = np.nan
    with refused(ValueError, loss.name, "sample_weight[1, 2]", "nan"):
        loss(z, t, sample_weight=weight)


def test_weight_that_is_not_real(loss_case):
    loss, z, t = with_batch(loss_case, (N, 5))
    for what, weight in NOT_REAL.items():
        if weight is not None:
            for call, outs in each_method(loss, z):
                with refused(TypeError, loss.name, "sample_weight", *advice(what), keeps=[z, *outs]):
                    call(z, t, sample_weight=weight)
