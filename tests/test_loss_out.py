"""out of the losses: every layout and dtype, in place of the logits, compared with fresh results, bit for bit."""

import numpy as np
import pytest
from helpers_arrays import as_out, layouts
from helpers_losses import METHODS, SHAPES, inputs_of, labels, logits, with_batch


def test_loss_into_every_layout(loss_case, assert_same_results):
    loss, base = loss_case.function, inputs_of(loss_case.entry, logits(loss_case.dtype, (5, 6, 70)))
    for axis in (0, 2):
        t = labels(np.delete(base.shape, axis), base.shape[axis])
        want = loss.value_grad_and_hess(base, t, axis=axis)
        for (layout, g), h in zip(layouts(np.zeros_like(base)).items(), reversed(layouts(base).values()), strict=True):
            got = loss.value_grad_and_hess(base, t, axis=axis, out=(g, h))
            assert got[1] is g and got[2] is h
            got = got[0], g.astype(base.dtype), h.astype(base.dtype)
            assert_same_results(got, want, f"axis {axis}, out {layout}")


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_gradient_may_replace_the_logits(loss_case, shape, assert_same_results):
    loss, start, t = with_batch(loss_case, shape)
    for layout in layouts(start):
        for method, arrays in METHODS.items():
            if arrays:
                z = layouts(start)[layout]
                want = getattr(loss, method)(z.copy(), t)
                got = getattr(loss, method)(z, t, out=as_out([z, None][:arrays]))
                got, want = (r if isinstance(r, tuple) else (r,) for r in (got, want))
                assert got[-arrays] is z
                native = tuple(r.astype(loss_case.dtype) if isinstance(r, np.ndarray) else r for r in got)
                assert_same_results(native, want, f"{method}, {layout}")


def test_the_loss_beside_a_gradient_in_windows_onto_themselves(loss_case, assert_same_bits):
    """What such a gradient holds in the end is nobody's business, but rows are not summed from it."""
    for classes in (5, 60, 600):
        loss, base, t = with_batch(loss_case, (70, classes))
        want = loss(base, t)
        for z in (base, np.repeat(base, 2, axis=-1)[:, ::2], base[:, ::-1].copy()[:, ::-1], np.asfortranarray(base)):
            for method in (loss.value_and_grad, loss.value_grad_and_hess):
                out = np.lib.stride_tricks.sliding_window_view(np.zeros(69 + classes, base.dtype), classes, writeable=True)
                got = method(z, t, out=out if method == loss.value_and_grad else (out, None))
                assert_same_bits(got[0], want, f"{classes} {z.strides}")


def test_out_of_losses(loss_case, assert_same_bits):
    loss, base, t = with_batch(loss_case, (6, 7, 9))
    want = loss(base, t, reduction="none")
    for layout, out in layouts(np.zeros_like(want)).items():
        assert loss(base, t, reduction="none", out=out) is out
        assert_same_bits(out.astype(want.dtype), want, layout)


def test_loss_into_another_float_dtype(loss_case):
    loss, z, t = with_batch(loss_case, (70, 9))
    value, g, h = loss.value_grad_and_hess(z, t, reduction="none")
    for dtype in (np.float16, np.float32, np.float64, np.longdouble):
        got = np.zeros(70, dtype), np.zeros(z.shape, dtype), np.zeros(z.shape, dtype)
        assert loss(z, t, reduction="none", out=got[0]) is got[0]
        results = loss.grad_and_hess(z, t, reduction="none", out=got[1:])
        assert results[0] is got[1] and results[1] is got[2]
        for one, want in zip(got, (value, g, h), strict=True):
            with np.errstate(over="ignore"):
                assert np.array_equal(one, want.astype(dtype)), np.dtype(dtype)


def test_outs_of_gradient_and_hessian(loss_case, assert_same_results):
    loss, z, t = with_batch(loss_case, (70, 9))
    want = loss.value_grad_and_hess(z, t)
    for use_g, use_h in ((True, True), (True, False), (False, True), (False, False)):
        g, h = (np.full_like(z, 7) if use else None for use in (use_g, use_h))
        for method, first in ((loss.grad_and_hess, 1), (loss.value_grad_and_hess, 0)):
            got = method(z, t, out=(g, h))
            assert_same_results(got, want[first:], method.__name__)
            assert (g is None or got[-2] is g) and (h is None or got[-1] is h)
