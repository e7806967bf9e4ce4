"""What the losses over the logits x @ W + b take: every layout, dtype and number of axes; out, and dx in place of x."""

import itertools

import numpy as np
import pytest
from helpers_arrays import DTYPE_RULE, FLOAT64, Tagged, layouts
from helpers_linear import assert_products, chunks, distribution, full, normal, whole
from helpers_losses import LABEL_FLOATS, LABEL_INTEGERS, REDUCTIONS, weights

from actloss_c import _products

# --- arrays as they come -----------------------------------------------------------------------------------------------------


def test_layouts(linear_loss_case, assert_same_bits):
    """BLAS may add up another layout in another order: whole numbers do not show it in the losses."""
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    x, w, b, t = whole(dtype)
    weight, y = weights(len(t)), distribution(dtype)
    for target in (t, y):
        more = {"reduction": "none", "sample_weight": weight}
        want, g = full(linear_loss_case).value_and_grad(x @ w + b, target, **more)
        for xs, ws, bs, ts, us in zip(*(layouts(a).values() for a in (x, w, b, target, weight)), strict=True):
            for a in (xs, ws, bs, ts, us):
                a.flags.writeable = False
            for chunk in (400, 1 << 20):
                more["sample_weight"] = us
                got, *slopes = f.value_and_grad(xs, ws, ts, b=bs, chunk_bytes=chunk, **more)
                assert_same_bits(got, want)
                assert_products(slopes, x, w, g)


def test_dw_lies_as_w_does(linear_loss_case):
    """Weights of shape (classes, d), given transposed, get a gradient that is one contiguous array transposed."""
    f, (x, w, _, t) = linear_loss_case.function, whole(linear_loss_case.dtype)
    for order in "CF":
        for chunk in chunks(linear_loss_case.dtype):
            dw = f.grad(x, np.array(w, order=order), t, chunk_bytes=chunk)[1]
            assert dw.flags.f_contiguous if order == "F" else dw.flags.c_contiguous


def test_parts_of_dw(linear_loss_case, monkeypatch):
    """However dW is cut up to add the next rows' product."""
    f, (x, w, _, t) = linear_loss_case.function, whole(linear_loss_case.dtype)
    g = full(linear_loss_case).grad(x @ w, t)
    for tall, order, chunk in itertools.product((1, 2, 4, 6), "CF", (1, 400, 1500)):
        monkeypatch.setattr(_products, "TALL", tall)
        assert_products(f.grad(x, np.array(w, order=order), t, chunk_bytes=chunk), x, w, g)


def test_strides_that_blas_cannot_read(linear_loss_case):
    f, (x, w, b, t) = linear_loss_case.function, whole(linear_loss_case.dtype)
    rows = np.broadcast_to(x[:1], x.shape)
    g = full(linear_loss_case).grad(rows @ w + b, t)
    assert_products(f.grad(rows, w, t, b=b, chunk_bytes=400), rows, w, g)
    columns = np.broadcast_to(w[:, :1], w.shape)
    g = full(linear_loss_case).grad(x @ columns + b, t)
    assert_products(f.grad(x, columns, t, b=b, chunk_bytes=400), x, columns, g)


def test_batch_of_several_axes_is_the_batch_flattened(linear_loss_case, assert_same_results):
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    x, w, b, t = normal(dtype, (24, 6, 13))
    weight, y = weights(24), distribution(dtype, (24, 6, 13))
    for (lead, order), target in itertools.product((((2, 12), "C"), ((2, 3, 4), "C"), ((2, 12), "F"), ((24, 1), "C")), (t, y)):
        shaped = [np.array(a.reshape(*lead, *a.shape[1:]), order=order) for a in (x, target, weight)]
        for reduction in REDUCTIONS:
            more = {"b": b, "chunk_bytes": 900, "reduction": reduction}
            loss, dx, *rest = f.value_and_grad(x, w, target, sample_weight=weight, **more)
            loss = loss.reshape(lead) if reduction == "none" else loss
            got = f.value_and_grad(shaped[0], w, shaped[1], sample_weight=shaped[2], **more)
            assert_same_results(got, (loss, dx.reshape(*lead, 6), *rest), f"{lead}, {order}, {reduction}")
    one = f.value_and_grad(x[0], w, t[0], b=b)
    assert_same_results(one[1:], tuple(a[0] if k == 0 else a for k, a in enumerate(f.grad(x[:1], w, t[:1], b=b))))
    assert np.ndim(f(x[0], w, int(t[0]), reduction="none")) == 0


@pytest.mark.parametrize("given", (*LABEL_INTEGERS, *LABEL_FLOATS, ">i2", ">f8"))
def test_label_dtypes(linear_loss_case, given, assert_same_results):
    f, (x, w, b, t) = linear_loss_case.function, normal(linear_loss_case.dtype)
    want = f.value_and_grad(x, w, t, b=b, chunk_bytes=500)
    assert_same_results(f.value_and_grad(x, w, t.astype(given), b=b, chunk_bytes=500), want)
    assert_same_results(f.value_and_grad(x, w, t.astype(given).tolist(), b=b, chunk_bytes=500), want)


def test_dtype_rule(linear_loss_case, assert_same_results):
    """x alone decides; the others are cast."""
    f, (x, w, b, t) = linear_loss_case.function, whole(FLOAT64)
    for given, dtype in DTYPE_RULE.items():
        for other in ("float32", "float64", "int8", ">f8", "float16"):
            mine, *others = (abs(x) > 2).astype(given), (4 * w).astype(other), (4 * b).astype(other)
            loss, *slopes = f.value_and_grad(mine, others[0], t, b=others[1], reduction="none")
            assert loss.dtype == dtype and all(slope.dtype == dtype for slope in slopes)
    mine = [a.tolist() for a in (x, w, t, b)]
    assert_same_results(f.value_and_grad(*mine[:3], b=mine[3]), f.value_and_grad(x, w, t, b=b))
    for slope in f.grad(x.view(Tagged), w.view(Tagged), t.view(Tagged), b=b.view(Tagged)):
        assert type(slope) is np.ndarray


# --- out ---------------------------------------------------------------------------------------------------------------------


def test_out_of_every_layout(linear_loss_case):
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    x, w, b, t = whole(dtype)
    g = full(linear_loss_case).grad(x @ w + b, t)
    for outs in zip(*(layouts(np.zeros_like(a)).values() for a in (x, w, b)), strict=True):
        for place, chunk in itertools.product(range(4), (1, 400, 1 << 20)):
            given = tuple(None if k == place else out for k, out in enumerate(outs))
            for out in outs:
                out[...] = 7
            got = f.grad(x, w, t, b=b, chunk_bytes=chunk, out=given)
            assert all(result is out for result, out in zip(got, given, strict=True) if out is not None)
            assert place == 3 or (outs[place] == 7).all()
            assert_products([a.astype(dtype) for a in got], x, w, g)
            if place == 2:
                got = f.value_and_grad(x, w, t, chunk_bytes=chunk, out=outs[:2])
                assert got[1] is outs[0] and got[2] is outs[1]


def test_out_of_another_float_dtype(linear_loss_case, assert_same_bits):
    """Results are rounded to it, as by a cast; of dW, computed some lines at a time, BLAS may add up products otherwise."""
    f, (x, w, b, t) = linear_loss_case.function, normal(linear_loss_case.dtype)
    want = f.grad(x, w, t, b=b, chunk_bytes=400)
    losses = f(x, w, t, reduction="none", chunk_bytes=400)
    for dtype in (np.float16, np.float32, np.float64, np.longdouble):
        outs = tuple(np.empty(a.shape, dtype) for a in want)
        for got, one, out in zip(f.grad(x, w, t, b=b, chunk_bytes=400, out=outs), want, outs, strict=True):
            assert got is out
            if got is outs[1]:
                products = 200 * np.finfo(one.dtype).eps * abs(x).mean(axis=0)[:, np.newaxis]
                rounding = np.finfo(dtype).eps * abs(one) + np.finfo(dtype).smallest_subnormal
                assert (abs(got - one) <= products + rounding).all() and np.array_equal(got, got.astype(one.dtype).astype(dtype))
            else:
                assert np.array_equal(got, one.astype(dtype))
        out = np.empty(len(t), dtype)
        assert f(x, w, t, reduction="none", chunk_bytes=400, out=out) is out and np.array_equal(out, losses.astype(dtype))


def test_out_of_losses(linear_loss_case, assert_same_bits):
    f, (x, w, b, t) = linear_loss_case.function, normal(linear_loss_case.dtype)
    want = f(x, w, t, b=b, reduction="none", chunk_bytes=400)
    for layout, out in layouts(np.zeros_like(want)).items():
        assert f(x, w, t, b=b, reduction="none", chunk_bytes=400, out=out) is out
        assert_same_bits(out.astype(want.dtype), want, layout)


@pytest.mark.parametrize("options", ({}, {"ignore_index": 3}), ids=str)
def test_dx_may_be_x(linear_loss_case, options):
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    x, w, b, t = whole(dtype)
    g = full(linear_loss_case).grad(x @ w + b, t, **options)
    for layout, chunk in itertools.product(layouts(x), chunks(dtype)):
        given = layouts(x)[layout]
        out = given[...]
        got = f.grad(given, w, t, b=b, chunk_bytes=chunk, out=(out, None, None), **options)
        assert got[0] is out
        assert_products([a.astype(dtype) for a in got], x, w, g)


def test_outs_that_interleave_are_accepted(linear_loss_case, assert_same_bits):
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    x, w, _, t = normal(dtype, (6, 6, 6))
    want, wide = f.grad(x, w, t), np.zeros((6, 12), dtype)
    for outs in ((wide[:, ::2], wide[:, 1::2]), (wide[:, 6:], wide[:, :6])):
        for got, one in zip(f.grad(x, w, t, out=outs), want, strict=True):
            assert_same_bits(got, one)
