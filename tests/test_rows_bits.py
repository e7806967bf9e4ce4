"""The losses over rows: a row's bits wherever it stands and however it lies, alone, in a sum, in a mean, with weights."""

import math

import numpy as np
import pytest
from helpers_losses import REDUCTIONS
from helpers_rows import CLASSES, LONG, batch

# --- layouts --------------------------------------------------------------------------------------------------------------------


def layouts(z):
    """(name, axis, array): the same rows in the same order in other places of memory, classes along `axis`."""
    n = z.ndim
    yield "C order", -1, z.copy()
    yield "F order", -1, z.copy(order="F")
    for axis in range(n - 1):
        yield f"classes along axis {axis}", axis, np.moveaxis(z, -1, axis).copy()
        yield f"classes along axis {axis} of F order", axis, np.moveaxis(z, -1, axis).copy(order="F")
        yield f"stored with classes along axis {axis}", -1, np.moveaxis(np.moveaxis(z, -1, axis).copy(), axis, -1)
    for step, what in ((2, "every other element"), (-1, "backwards"), (-3, "every third one backwards")):
        wide = np.full([abs(step) * length for length in z.shape], 7, z.dtype)[(slice(None, None, step),) * n]
        wide[...] = z
        yield what, -1, wide
        yield f"{what}, classes along axis 0", 0, np.moveaxis(wide, -1, 0)
    gaps = np.full((*z.shape[:-1], z.shape[-1] + 5), 7, z.dtype)[..., 2:-3]
    gaps[...] = z
    yield "rows with gaps", -1, gaps
    rows_first = np.full((z.shape[0], 2, *z.shape[1:]), 7, z.dtype)[:, 1]
    rows_first[...] = z
    yield "every other row", -1, rows_first


def strided_like(a):
    """An array of a's shape and memory order with gaps between all elements, full of 9s."""
    order = np.argsort([-abs(step) for step in a.strides], kind="stable")
    buffer = np.full([2 * a.shape[d] for d in order], 9, a.dtype).transpose(np.argsort(order))
    return buffer[tuple(slice(None, None, 2 if step >= 0 else -2) for step in a.strides)]


# --- bits -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", (*CLASSES, *LONG))
def test_any_layout(loss_case, classes, assert_same_bits):
    """The class axis anywhere, any memory order and strides, in place or not: every row's bits, and those of sum and mean."""
    f = loss_case.function
    for shape, special in (((2, 3, 4), False), ((5, 17), True)) if classes < 1000 else (((2, 3), True),):
        z, target = batch(classes, loss_case.dtype, shape, seed=1, special=special, entry=loss_case.entry)
        weight = np.random.default_rng(2).uniform(0.1, 3, shape)
        for reduction in REDUCTIONS:
            options = {"reduction": reduction, "sample_weight": weight if special else None}
            loss, gradient, hessian = f.value_grad_and_hess(z, target, **options)
            for what, axis, there in layouts(z):
                out = strided_like(there), strided_like(there)
                in_place, in_place_2, h = there.copy(order="K"), np.array(there), strided_like(there)
                what = f"{loss_case}, {classes} classes, {reduction}, {what}"
                found = {
                    "fresh": f.value_grad_and_hess(there, target, axis=axis, **options),
                    "out": f.value_grad_and_hess(there, target, axis=axis, **options, out=out),
                    "in place": f.value_grad_and_hess(in_place, target, axis=axis, **options, out=(in_place, h)),
                    "gradient in place": f.value_and_grad(in_place_2, target, axis=axis, **options, out=in_place_2),
                    "loss alone": (f(there, target, axis=axis, **options),),
                    "gradient alone": (loss, f.grad(there, target, axis=axis, **options)),
                    "gradient and Hessian": (loss, *f.grad_and_hess(there, target, axis=axis, **options)),
                }
                for how, got in found.items():
                    assert_same_bits(got[0], loss, f"{what}, {how}: loss")
                    for k, want in enumerate((gradient, hessian)[: len(got) - 1]):
                        assert_same_bits(np.moveaxis(got[k + 1], axis, -1), want, f"{what}, {how}: {('gradient', 'Hessian')[k]}")
                assert found["out"][1] is out[0] and found["out"][2] is out[1] and found["in place"][1] is in_place


@pytest.mark.parametrize("classes", (1, 3, 10, 47, 48, 130))
def test_any_batch(loss_case, classes, assert_same_bits):
    """Batches of 1…130 rows and any order of rows: a row's loss, gradient and Hessian keep their bits; none are of no rows."""
    f = loss_case.function
    z, target = batch(classes, loss_case.dtype, (200,), seed=3, special=True, entry=loss_case.entry)
    want = f.value_grad_and_hess(z, target, reduction="none")
    order = np.random.default_rng(4).permutation(200)
    for k, got in enumerate(f.value_grad_and_hess(z[order], target[order], reduction="none")):
        assert_same_bits(got, want[k][order], f"{loss_case}, {classes} classes, permuted")
    for n in range(1, 131):
        rows = slice(n // 3, n // 3 + n)
        across = np.ascontiguousarray(z[rows].T)
        for axis, there in ((-1, z[rows]), (0, across)):
            for k, got in enumerate(f.value_grad_and_hess(there, target[rows], axis=axis, reduction="none")):
                got = np.moveaxis(got, axis, -1) if k else got
                assert_same_bits(got, want[k][rows], f"{loss_case}, {classes} classes, {n} rows, axis {axis}")
    for shape in ((0,), (3, 0), (0, 2)):
        z, target = np.empty((*shape, classes), loss_case.dtype), np.empty(shape, int)
        for reduction in ("sum", "mean"):
            loss, gradient = f.value_and_grad(z, target, reduction=reduction)
            assert loss == 0.0 and isinstance(loss, float) and gradient.shape == z.shape
        loss, gradient, hessian = f.value_grad_and_hess(z, target, reduction="none")
        assert loss.shape == shape and gradient.shape == hessian.shape == z.shape


def test_one_row_has_the_same_bits(loss_case, assert_same_bits):
    """z without an axis of rows: the loss is one number, whatever the reduction."""
    z, target = batch(10, loss_case.dtype, (20,), seed=5, entry=loss_case.entry)
    loss, gradient = loss_case.function.value_and_grad(z, target, reduction="none")
    for k in range(20):
        for reduction in REDUCTIONS:
            one, its_gradient = loss_case.function.value_and_grad(z[k], target[k], reduction=reduction)
            assert float(one) == float(loss[k])
            assert_same_bits(its_gradient, gradient[k], f"{loss_case}, {reduction}")


@pytest.mark.parametrize("classes", CLASSES)
def test_nan_stays_in_its_row(logit_case, classes, assert_same_bits):
    """A NaN makes its row's loss, gradient and Hessian NaN, wherever it stands, and touches no other row."""
    f = logit_case.function
    z, target = batch(classes, logit_case.dtype, (70,), seed=12, entry=logit_case.entry)
    want = f.value_grad_and_hess(z, target, reduction="none")
    for place in sorted({0, 1, classes // 2, classes - 2, classes - 1} & set(range(classes))):
        for row in (0, 15, 16, 63, 64, 69):
            spoilt = z.copy()
            spoilt[row, place] = np.nan
            expected = [w.copy() for w in want]
            for w in expected:
                w[row] = np.nan
            for axis, there in ((-1, spoilt), (0, np.ascontiguousarray(spoilt.T))):
                for k, got in enumerate(f.value_grad_and_hess(there, target, axis=axis, reduction="none")):
                    assert_same_bits(
                        np.moveaxis(got, axis, -1) if k else got, expected[k], f"{logit_case}, NaN at {row}, {place}"
                    )
                assert math.isnan(f(there, target, axis=axis))


# --- reductions and weights -----------------------------------------------------------------------------------------------------


def close(a, b, dtype):
    """Within a few units, where subnormal numbers have the absolute one. Both are float64 multiples of what had the dtype."""
    info = np.finfo(dtype)
    return np.allclose(a, b, rtol=4 * float(info.eps), atol=float(info.smallest_subnormal) * 300)


@pytest.mark.parametrize("rows", (1, 2, 63, 64, 65, 200))
def test_reductions(loss_case, rows):
    """sum adds the rows' losses in float64, mean divides by their number, as does its gradient; those of none and sum agree."""
    f = loss_case.function
    z, target = batch(10, loss_case.dtype, (rows,), seed=7, entry=loss_case.entry)
    z = np.where(np.isinf(z), loss_case.dtype.type(-50), z)
    loss, gradient, hessian = f.value_grad_and_hess(z, target, reduction="none")
    total, *of_sum = f.value_grad_and_hess(z, target, reduction="sum")
    mean, *of_mean = f.value_grad_and_hess(z, target)
    assert loss.dtype == loss_case.dtype and type(total) is float and type(mean) is float
    assert abs(total - math.fsum(loss.tolist())) <= 1e-15 * rows * total
    assert mean == total / rows
    for none, summed, averaged in zip((gradient, hessian), of_sum, of_mean, strict=True):
        assert np.array_equal(none, summed)
        assert close(averaged.astype(np.float64) * rows, none, loss_case.dtype)


def test_weights(loss_case, assert_same_bits):
    """A weight multiplies its row's loss, gradient and Hessian; a weighted mean divides by the sum of the weights."""
    f, dtype = loss_case.function, loss_case.dtype
    z, target = batch(17, dtype, (6, 11), seed=8, entry=loss_case.entry)
    z = np.where(np.isinf(z), dtype.type(-50), z)
    random = np.random.default_rng(9)
    plain = f.value_grad_and_hess(z, target, reduction="none")
    for weight in (2.0 ** random.integers(-3, 4, (6, 11)), random.uniform(0.1, 3, (6, 11))):
        loss, *others = f.value_grad_and_hess(z, target, reduction="none", sample_weight=weight)
        for got, unweighted in zip((loss, *others), plain, strict=True):
            want = unweighted.astype(np.float64) * weight.reshape(weight.shape + (1,) * (got.ndim - 2))
            assert close(got, want, dtype), f"{loss_case}: weights multiply"
        total, *of_sum = f.value_grad_and_hess(z, target, reduction="sum", sample_weight=weight)
        mean, *of_mean = f.value_grad_and_hess(z, target, sample_weight=weight)
        assert abs(total - math.fsum((plain[0].astype(np.float64) * weight).ravel())) <= 1e-13 * total
        assert abs(mean - total / math.fsum(weight.ravel())) <= 1e-13 * mean
        for none, summed, averaged in zip(others, of_sum, of_mean, strict=True):
            assert_same_bits(none, summed, f"{loss_case}: weighted sum")
            assert close(averaged.astype(np.float64) * weight.sum(), none, dtype)
    ones = np.ones((6, 11))
    for reduction in REDUCTIONS:
        unweighted = f.value_grad_and_hess(z, target, reduction=reduction)
        for got, want in zip(f.value_grad_and_hess(z, target, reduction=reduction, sample_weight=ones), unweighted, strict=True):
            assert_same_bits(got, want, f"{loss_case}: weights of 1, {reduction}")
    loss, gradient = f.value_and_grad(z, target, sample_weight=0 * ones)
    assert loss == 0.0 and not gradient.any(), "weights of 0"


def test_weight_of_0_silences_an_infinite_loss(logit_case):
    """0·inf is 0 for a row that does not count; NaN shows."""
    f, z = logit_case.function, np.array([[np.inf, -np.inf], [1, 2]], logit_case.dtype)
    assert f(z, [1, 0], sample_weight=[0, 1]) == f(z[1:], [0])
    assert f(z, [1, 0], sample_weight=[0, 1], reduction="none")[0] == 0.0
    assert np.isnan(f(np.array([[np.nan, 0], [1, 2]], logit_case.dtype), [1, 0], sample_weight=[0, 1]))


def test_tiny_and_huge_weights(logit_case):
    """Their sum is all that must be finite."""
    f, z = logit_case.function, np.zeros((2, 2), logit_case.dtype)
    each, gradient = f.value_and_grad(z, [0, 1], reduction="none")
    for weight in (1e-310, 1e-30, 1e300):
        loss, halved = f.value_and_grad(z, [0, 1], sample_weight=[weight, weight])
        assert np.isclose(loss, each[0]) and np.array_equal(halved, gradient / 2)
