"""Every refusal of a loss's out: the error's class, a message that names the output, and no byte changed."""

import numpy as np
from helpers_arrays import sentinel
from helpers_errors import each_loss_out, overlapping, refused
from helpers_losses import inputs_of, labels, logits, with_batch


def test_loss_out_that_is_no_array(loss_case):
    loss, z, t = with_batch(loss_case)
    for call, label, shape in each_loss_out(loss, z, t):
        for bad in ([0.0], 1.0, "out", (sentinel(shape),)):
            with refused(TypeError, loss.name, label, "array", keeps=[z]):
                call(bad)


def test_loss_out_of_a_dtype_that_holds_no_result(loss_case):
    loss, z, t = with_batch(loss_case)
    for call, label, shape in each_loss_out(loss, z, t):
        for dtype in (np.int64, np.uint8, bool, complex, "S4"):
            bad = sentinel(shape, dtype)
            with refused(TypeError, loss.name, label, np.dtype(dtype), "floating-point", keeps=[z, bad]):
                call(bad)


def test_loss_out_that_is_read_only(loss_case):
    loss, z, t = with_batch(loss_case)
    for call, label, shape in each_loss_out(loss, z, t):
        bad = sentinel(shape, loss_case.dtype)
        bad.flags.writeable = False
        with refused(ValueError, loss.name, label, "read-only", "writable", keeps=[z, bad]):
            call(bad)


def test_loss_out_of_another_shape(loss_case):
    loss, z, t = with_batch(loss_case)
    for call, label, shape in each_loss_out(loss, z, t):
        for wrong in ((69, 5), (70, 6), (5, 70), (350,), (1, 70, 5), (70,), (70, 1), (1,), ()):
            if wrong != shape:
                bad = sentinel(wrong, loss_case.dtype)
                with refused(ValueError, loss.name, label, wrong, shape, keeps=[z, bad]):
                    call(bad)


def test_loss_out_of_the_wrong_number(loss_case):
    loss, z, t = with_batch(loss_case)
    outs = [sentinel(z.shape) for _ in range(3)]
    for method in (loss.grad_and_hess, loss.value_grad_and_hess):
        for bad in (outs[0], outs[:2], tuple(outs), (outs[0],), ()):
            with refused(TypeError, loss.name, "out", "two", keeps=outs):
                method(z, t, out=bad)


def test_out_for_a_loss_that_is_a_number(loss_case):
    loss, z, t = with_batch(loss_case)
    for reduction in ("mean", "sum"):
        out = sentinel((70,))
        with refused(ValueError, loss.name, "out", "none", keeps=[out]):
            loss(z, t, reduction=reduction, out=out)


# --- overlap -----------------------------------------------------------------------------------------------------------------


def test_gradient_and_hessian_that_overlap(loss_case):
    loss, z, t = with_batch(loss_case)
    for g, h in overlapping(z.shape, loss_case.dtype).values():
        for method in (loss.grad_and_hess, loss.value_grad_and_hess):
            with refused(ValueError, loss.name, "out[0]", "out[1]", "overlap", keeps=[z, g, h]):
                method(z, t, out=(g, h))


def test_gradient_and_hessian_that_interleave_are_accepted(loss_case, assert_same_results):
    loss, z, t = with_batch(loss_case)
    want = loss.grad_and_hess(z, t)
    wide, tall = sentinel((70, 10), loss_case.dtype), sentinel((140, 5), loss_case.dtype)
    for outs in ((wide[:, ::2], wide[:, 1::2]), (wide[:, 5:], wide[:, :5]), (tall[::2], tall[1::2])):
        got = loss.grad_and_hess(z, t, out=outs)
        assert got[0] is outs[0] and got[1] is outs[1]
        assert_same_results(got, want)


def test_loss_out_that_overlaps_the_logits(loss_case):
    """Only the gradient may lie on z, and only exactly."""
    loss, good, t = with_batch(loss_case)
    memory = sentinel(3 * good.size, loss_case.dtype)
    at = {shift: memory[good.size + shift :][: good.size].reshape(good.shape) for shift in (-5, -1, 0, 1, 5)}
    z = at[0]
    z[...] = good
    over = {
        z.shape: [at[-5], at[-1], at[1], at[5], z[::-1], z[:, ::-1]],
        t.shape: [z[:, 0], z.reshape(-1)[:70]],
    }
    for call, label, shape in each_loss_out(loss, z, t, fill=False):
        for out in over[shape]:
            with refused(ValueError, loss.name, label, "overlaps", keeps=[memory, z]):
                call(out)
    for method in (loss.grad_and_hess, loss.value_grad_and_hess):
        with refused(ValueError, loss.name, "out[1]", "overlaps", keeps=[memory]):
            method(z, t, out=(None, z))


def test_windows_onto_themselves_are_not_overwritten(loss_case):
    """A row's gradient would replace logits of the rows that follow."""
    loss = loss_case.function
    memory = inputs_of(loss_case.entry, logits(loss_case.dtype, (90,)))
    z = np.lib.stride_tricks.sliding_window_view(memory, 5, writeable=True)
    for call, label, shape in each_loss_out(loss, z, labels(z.shape[:1], 5), fill=False):
        if shape == z.shape:
            with refused(ValueError, loss.name, label, "overlaps", "of its own", keeps=[memory]):
                call(z)


def test_loss_out_that_overlaps_the_labels(loss_case):
    loss, z, t = loss_case.function, inputs_of(loss_case.entry, logits(np.float64, (6, 5))), labels(6, 5)
    memory = sentinel(30, np.float64)
    for target in (memory[3:9], memory.view(np.int64)[3:9]):
        target[...] = t
        for call, label, shape in each_loss_out(loss, z, target, fill=False):
            with refused(ValueError, loss.name, label, "overlaps", keeps=[memory, z]):
                call(memory[: np.prod(shape)].reshape(shape))


def test_loss_out_that_overlaps_the_weights(loss_case):
    loss, z, t = loss_case.function, inputs_of(loss_case.entry, logits(np.float64, (6, 5))), labels(6, 5)
    memory = np.ones(30)
    weight = memory[3:9]
    for call, label, shape in each_loss_out(loss, z, t, fill=False, sample_weight=weight):
        with refused(ValueError, loss.name, label, "overlaps", keeps=[memory, z]):
            call(weight if shape == t.shape else memory.reshape(shape))
