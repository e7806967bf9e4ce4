"""What a loss takes: logits of any axis, layout and dtype, labels, weights, reductions.

Compared with the same call on fresh, contiguous, native arrays, bit for bit: whether the numbers are right is tested elsewhere.
"""

import numpy as np
import pytest
from helpers_arrays import DTYPE_RULE, FLOAT32, FLOAT64, Tagged, layouts
from helpers_losses import LABEL_FLOATS, LABEL_INTEGERS, REDUCTIONS, SHAPES, inputs_of, labels, logits, weights, with_batch

from actloss_c import registry


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_loss_methods_agree(loss_case, shape, assert_same_results):
    """Every method gives the parts of value_grad_and_hess."""
    loss, z, t = with_batch(loss_case, shape)
    for reduction in REDUCTIONS:
        value, g, h = loss.value_grad_and_hess(z, t, reduction=reduction)
        assert type(value) is float if reduction != "none" else value.shape == t.shape and value.dtype == loss_case.dtype
        assert g.shape == h.shape == z.shape and g.dtype == h.dtype == loss_case.dtype
        wants = {"__call__": value, "grad": g, "value_and_grad": (value, g), "grad_and_hess": (g, h)}
        for method, want in wants.items():
            assert_same_results(getattr(loss, method)(z, t, reduction=reduction), want, f"{method}, {reduction}")


# --- logits ------------------------------------------------------------------------------------------------------------------


def test_loss_of_every_axis_and_layout(loss_case, assert_same_results):
    loss, base = loss_case.function, inputs_of(loss_case.entry, logits(loss_case.dtype, (5, 6, 70)))
    for axis in (0, 1, 2, -1, -2, -3):
        rows = np.ascontiguousarray(np.moveaxis(base, axis, -1))
        t = labels(rows.shape[:-1], rows.shape[-1])
        for reduction in ("mean", "none"):
            value, g, h = loss.value_grad_and_hess(rows, t, reduction=reduction)
            want = value, np.moveaxis(g, -1, axis), np.moveaxis(h, -1, axis)
            for layout, z in layouts(base).items():
                z.flags.writeable = False
                got = loss.value_grad_and_hess(z, t, axis=axis, reduction=reduction)
                assert_same_results(got, want, f"axis {axis}, {layout}, {reduction}")


def test_batch_of_several_axes_is_the_batch_flattened(loss_case, assert_same_results):
    loss, z, t = with_batch(loss_case, (3, 4, 50))
    w = weights((3, 4))
    for reduction in ("mean", "none"):
        value, g, h = loss.value_grad_and_hess(z.reshape(12, 50), t.ravel(), reduction=reduction, sample_weight=w.ravel())
        want = value if reduction == "mean" else value.reshape(3, 4), g.reshape(z.shape), h.reshape(z.shape)
        for order in "CF":
            views = [np.array(a, order=order) for a in (z, t, w)]
            got = loss.value_grad_and_hess(*views[:2], reduction=reduction, sample_weight=views[2])
            assert_same_results(got, want, f"{reduction}, order {order}")


def test_loss_of_stride_zero(loss_case, assert_same_results):
    loss, row = loss_case.function, inputs_of(loss_case.entry, logits(loss_case.dtype, (1, 60)))
    for base in (row, row.T):
        z = np.broadcast_to(base, (60, 60))
        t = labels(60, 60)
        assert_same_results(loss.value_grad_and_hess(z, t), loss.value_grad_and_hess(z.copy(), t))


def test_logit_dtypes(loss, assert_same_results):
    t = labels(40, 7)
    for given, expected in (*DTYPE_RULE.items(), (">f4", FLOAT32), (">f8", FLOAT64)):
        z = inputs_of(registry.FUNCTIONS[loss.name], np.abs(logits(np.float64, (40, 7)))).astype(given)
        want = loss.value_grad_and_hess(z.astype(expected), t, reduction="none")
        assert_same_results(loss.value_grad_and_hess(z, t, reduction="none"), want, given)
    z = inputs_of(registry.FUNCTIONS[loss.name], logits(np.float64, (40, 7)))
    assert_same_results(loss.value_grad_and_hess(z.tolist(), t), loss.value_grad_and_hess(z, t), "list")


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


# --- labels ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", (*LABEL_INTEGERS, *LABEL_FLOATS, ">i2", ">u4", ">i8", ">u8", ">f4", ">f8"))
def test_label_dtypes(loss_case, given, assert_same_results):
    for shape in ((70, 5), (3, 4, 120)):
        loss, z, t = with_batch(loss_case, shape)
        assert_same_results(loss.value_grad_and_hess(z, t.astype(given)), loss.value_grad_and_hess(z, t), given)


def test_label_layouts(loss_case, assert_same_results):
    loss, z, t = with_batch(loss_case, (6, 7, 20))
    want = loss.value_grad_and_hess(z, t)
    views = {f"{given}, {layout}": view for given in ("int64", "float32") for layout, view in layouts(t.astype(given)).items()}
    views["uint8, F"] = np.asfortranarray(t.astype("uint8"))
    for what, view in views.items():
        view.flags.writeable = False
        assert_same_results(loss.value_grad_and_hess(z, view), want, f"labels of {what}")
    assert_same_results(loss.value_grad_and_hess(z, t.tolist()), want, "list")
    assert_same_results(loss.value_grad_and_hess(z, t.view(Tagged)), want, "subclass")


def test_labels_of_one_row_and_of_two_classes(loss_case, assert_same_results):
    loss, z, t = with_batch(loss_case, (9, 2))
    want = loss.value_grad_and_hess(z[0], np.array(1))
    for label in (1, 1.0, True, np.int8(1), np.float32(1)):
        assert_same_results(loss.value_grad_and_hess(z[0], label), want, f"label {label!r}")
    assert_same_results(loss.value_grad_and_hess(z, t == 1), loss.value_grad_and_hess(z, t), "bool")


# --- reductions and weights --------------------------------------------------------------------------------------------------


def test_reductions(loss_case, assert_same_bits):
    loss, z, t = with_batch(loss_case, (300, 9))
    mean, total, each = (loss.value_grad_and_hess(z, t, reduction=r) for r in REDUCTIONS)
    eps = np.finfo(loss_case.dtype).eps
    assert mean[0] == total[0] / 300
    assert abs(total[0] - np.sum(each[0], dtype=np.float64)) <= eps * total[0]
    for k in (1, 2):
        assert_same_bits(each[k], total[k], "none is unscaled")
        np.testing.assert_allclose(mean[k], total[k] / 300, rtol=4 * eps)


def test_weights(loss_case):
    loss, z, t = with_batch(loss_case, (300, 9))
    w = weights(300)
    rtol = 4 * np.finfo(loss_case.dtype).eps
    plain = loss.value_grad_and_hess(z, t, reduction="none")
    mean, total, each = (loss.value_grad_and_hess(z, t, reduction=r, sample_weight=w) for r in REDUCTIONS)
    assert type(mean[0]) is type(total[0]) is float
    np.testing.assert_allclose(each[0], w * plain[0], rtol=rtol)
    np.testing.assert_allclose(total[0], np.sum(w * plain[0]), rtol=rtol)
    np.testing.assert_allclose(mean[0], np.sum(w * plain[0]) / np.sum(w), rtol=rtol)
    for k in (1, 2):
        np.testing.assert_allclose(each[k], w[:, None] * plain[k], rtol=rtol)
        np.testing.assert_allclose(total[k], w[:, None] * plain[k], rtol=rtol)
        np.testing.assert_allclose(mean[k], w[:, None] * plain[k] / np.sum(w), rtol=2 * rtol)


def test_weight_dtypes_and_layouts(loss_case, assert_same_results):
    loss, z, t = with_batch(loss_case, (6, 7, 9))
    w = np.random.default_rng(1).integers(0, 4, (6, 7)).astype(float)
    want = loss.value_grad_and_hess(z, t, sample_weight=w)
    given = {dtype: w.astype(dtype) for dtype in (*DTYPE_RULE, ">f4", ">i4") if dtype != "bool"} | layouts(w)
    for what, weight in given.items():
        weight.flags.writeable = False
        assert_same_results(loss.value_grad_and_hess(z, t, sample_weight=weight), want, what)
    assert_same_results(loss.value_grad_and_hess(z, t, sample_weight=w.tolist()), want, "list")
    got = loss.value_grad_and_hess(z, t, sample_weight=w > 1)
    assert_same_results(got, loss.value_grad_and_hess(z, t, sample_weight=(w > 1).astype(float)), "bool")


def test_weights_of_one_are_no_weights(loss_case, assert_same_results):
    loss, z, t = with_batch(loss_case, (70, 9))
    for reduction in REDUCTIONS:
        want = loss.value_grad_and_hess(z, t, reduction=reduction)
        got = loss.value_grad_and_hess(z, t, reduction=reduction, sample_weight=np.ones(70))
        assert_same_results(got, want, reduction)
