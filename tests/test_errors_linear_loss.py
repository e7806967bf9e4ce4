"""Every refusal of the losses over the logits x @ W + b: class, name, argument, place and value, and no byte changed."""

import itertools

import numpy as np
import pytest
from helpers_arrays import out_label, sentinel
from helpers_errors import NOT_REAL, N, advice, overlapping, refused
from helpers_linear import distribution, whole

CHUNKS = (1, 400, 1 << 20)  # a bad row is found before the first chunk, wherever it stands
REMEDY = {TypeError: "[0, 13)", ValueError: "whole", IndexError: "[0, 13)"}


@pytest.fixture
def f(linear_loss_case):
    return linear_loss_case.function


@pytest.fixture
def batch(linear_loss_case):
    """x, W, b, labels."""
    return whole(linear_loss_case.dtype)


def outs_for(*arrays):
    return tuple(sentinel(a.shape, a.dtype) for a in arrays)


def each_call(f, x, w, b, shift=True):
    """(call of (target, **more), outputs): every method, with and without outputs, in chunks of every size."""
    for chunk, given in itertools.product(CHUNKS, (False, True)):
        more = {"b": b if shift else None, "chunk_bytes": chunk}
        outs = outs_for(x, w, b) if given else None
        for method in (f.grad, f.value_and_grad):
            options = {**more, "out": outs[: 2 + shift]} if given else more
            yield lambda *a, m=method, o=options, **k: m(x, w, *a, **o, **k), outs or ()
        yield lambda *a, o=more, **k: f(x, w, *a, **o, **k), ()


# --- targets -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ("int64", "int8", "uint64", "float32", ">i4"))
def test_bad_label(f, batch, given):
    """The row is that of the whole batch."""
    x, w, b, t = batch
    for row, bad in itertools.product((0, 17, 40), (13, 100, -1, 0.5, np.nan)):
        if (bad == -1 and given[0] == "u") or (isinstance(bad, float) and given != "float32"):
            continue
        target = t.astype(given)
        target[row] = bad
        error = ValueError if isinstance(bad, float) else IndexError
        for call, outs in each_call(f, x, w, b):
            with refused(error, f.name, f"target[{row}]", target[row], "[0, 13)", keeps=[*batch, target, *outs]):
                call(target)


def test_first_bad_label_of_several_axes(f, batch):
    x, w, b, t = batch
    x, t = x[:40].reshape(2, 20, 6), t[:40].reshape(2, 20).copy()
    t[1, 7], t[1, 9] = 99, 98
    for call, outs in each_call(f, x, w, b):
        with refused(IndexError, f.name, "target[1, 7]", 99, keeps=[x, w, b, *outs]):
            call(t)
        with refused(IndexError, f.name, "target[1, 9]", 98, "ignore_index=99", keeps=[x, w, b, *outs]):
            call(t, ignore_index=99)


def test_bad_distribution(f, linear_loss_case, batch):
    x, w, b, _ = batch
    y = distribution(linear_loss_case.dtype)
    for bad in (-0.5, np.nan, np.inf):
        y[38, 4] = bad
        for call, outs in each_call(f, x, w, b):
            with refused(ValueError, f.name, "target[38, 4]", bad, "distribution", keeps=[x, w, b, *outs]):
                call(y)


def test_target_that_does_not_fit(f, batch):
    x, w, b, t = batch
    for target in (t[:-1], np.append(t, 0), t[:, None], t[None], 1, np.zeros((41, 12)), np.zeros((41, 6)), []):
        for call, outs in each_call(f, x, w, b):
            with refused(ValueError, f.name, "target", np.shape(target), "(41,)", "(41, 13)", keeps=[*batch, *outs]):
                call(target)
    with refused(ValueError, f.name, "ignore_index", 3, "distribution"):
        f(x, w, np.zeros((41, 13)), ignore_index=3)


# --- x, W, b, weights --------------------------------------------------------------------------------------------------------


def test_inputs_that_are_not_real(f):
    good = {"x": np.ones((N, 1)), "W": np.ones((1, N)), "target": np.zeros(N, int), "b": np.ones(N), "sample_weight": np.ones(N)}
    for (name, _), (what, bad) in itertools.product(good.items(), NOT_REAL.items()):
        if bad is None and name in ("b", "sample_weight"):
            continue
        given = good | {name: bad}
        for method in (f, f.grad, f.value_and_grad):
            with refused(TypeError, f.name, name, *advice(what)):
                method(**given)


def test_shapes_that_do_not_fit(f, batch):
    x, w, b, t = batch
    for wrong in (w[0], w[None], w[:, :0], w[0, 0]):
        with refused(ValueError, f.name, "W", wrong.shape, "classes"):
            f.value_and_grad(x, wrong, t)
    for wrong in (x[:, :5], x.T, x[0, 0], np.ones((41, 1))):
        with refused(ValueError, f.name, "x", np.shape(wrong), 6, w.shape):
            f.value_and_grad(wrong, w, t)
    for wrong in (b[:-1], b[None], b[:, None], 1.0, w, []):
        for call, outs in each_call(f, x, w, b, shift=False):
            with refused(TypeError, "b"):
                call(t, b=wrong)
            del outs
        with refused(ValueError, f.name, "b", np.shape(wrong), "(13,)"):
            f.value_and_grad(x, w, t, b=wrong)


@pytest.mark.parametrize("bad", (np.nan, np.inf))
def test_weight_that_is_not_finite(f, batch, bad):
    x, w, b, t = batch
    weight = np.ones(41)
    weight[33] = bad
    for call, outs in each_call(f, x, w, b):
        with refused(ValueError, f.name, "sample_weight[33]", bad, "finite", keeps=[*batch, weight, *outs]):
            call(t, sample_weight=weight)
        with refused(ValueError, f.name, "sample_weight", "(40,)", "(41,)", keeps=[*batch, *outs]):
            call(t, sample_weight=weight[:40])


# --- options -----------------------------------------------------------------------------------------------------------------


def test_bad_options(f, batch):
    x, w, b, t = batch
    wrong = {
        "axis": (-1, TypeError, "options"),
        "nonsense": (1, TypeError, "label_smoothing"),
        "reduction": ("average", ValueError, "mean"),
        "temperature": (0, ValueError, "positive"),
        "label_smoothing": (2, ValueError, "[0, 1]"),
        "class_weight": (np.ones(12), ValueError, "(13,)"),
        "ignore_index": (1.5, TypeError, "integer"),
        "empty": (0, ValueError, "nan"),
    }
    for name, (value, error, word) in wrong.items():
        for call, outs in each_call(f, x, w, b):
            with refused(error, f.name, name, word, keeps=[*batch, *outs]):
                call(t, **{name: value})
    with refused(TypeError):
        f(x, w, t, b)  # all but the first three have names


def test_bad_chunk_bytes(f, batch):
    x, w, b, t = batch
    outs = outs_for(x, w, b)
    for method in (f, f.grad, f.value_and_grad):
        more = {"b": b} if method == f else {"b": b, "out": outs}
        for bad in (0, -1, -(1 << 40)):
            with refused(ValueError, f.name, "chunk_bytes", bad, "at least", keeps=[*batch, *outs]):
                method(x, w, t, chunk_bytes=bad, **more)
        for bad in (1e6, None, "1", np.float64(1), [1]):
            with refused(TypeError, f.name, "chunk_bytes", "integer", keeps=[*batch, *outs]):
                method(x, w, t, chunk_bytes=bad, **more)


# --- out ---------------------------------------------------------------------------------------------------------------------


def each_out(f, batch):
    """(call of out=, label, shape): every output of every method, the others good ones that must stay as they are."""
    x, w, b, t = batch
    yield lambda out: f(x, w, t, reduction="none", out=out), "out", t.shape
    for method, place in itertools.product((f.grad, f.value_and_grad), range(3)):

        def call(out, method=method, place=place):
            outs = list(outs_for(x, w, b))
            outs[place] = out
            others = [other for k, other in enumerate(outs) if k != place]
            before = [other.tobytes() for other in others]
            try:
                return method(x, w, t, b=b, chunk_bytes=400, out=tuple(outs))
            finally:
                assert [other.tobytes() for other in others] == before, "another output was written"

        yield call, out_label(place, 3), (x, w, b)[place].shape


def test_out_of_the_wrong_number(f, batch):
    x, w, b, t = batch
    dx, dw, db = outs_for(x, w, b)
    for method in (f.grad, f.value_and_grad):
        for bad in (dx, [dx, dw], (dx,), (dx, dw, db), (), "out"):
            with refused(TypeError, f.name, "out", "two", keeps=[dx, dw, db]):
                method(x, w, t, out=bad)
        for bad in (dx, [dx, dw, db], (dx, dw), (dx, dw, db, db), ()):
            with refused(TypeError, f.name, "out", "three", keeps=[dx, dw, db]):
                method(x, w, t, b=b, out=bad)
    for reduction in ("mean", "sum"):
        with refused(ValueError, f.name, "out", "none", keeps=[dx]):
            f(x, w, t, reduction=reduction, out=dx[:, 0])


def test_out_that_cannot_be_written(f, linear_loss_case, batch):
    dtype = linear_loss_case.dtype
    for call, label, shape in each_out(f, batch):
        for bad in ([0.0], 1.0, "out", (sentinel(shape),)):
            with refused(TypeError, f.name, label, "array", keeps=batch):
                call(bad)
        for wrong in (np.int64, bool, complex, "S4"):
            bad = sentinel(shape, wrong)
            with refused(TypeError, f.name, label, np.dtype(wrong), "floating-point", keeps=[*batch, bad]):
                call(bad)
        bad = sentinel(shape, dtype)
        bad.flags.writeable = False
        with refused(ValueError, f.name, label, "read-only", keeps=[*batch, bad]):
            call(bad)
        for wrong in ((40, 6), (6, 12), (12,), (41, 1), (1, *shape), ()):
            bad = sentinel(wrong, dtype)
            with refused(ValueError, f.name, label, wrong, shape, keeps=[*batch, bad]):
                call(bad)


def test_outs_that_overlap_each_other(f, linear_loss_case):
    dtype = linear_loss_case.dtype
    x, w, _, t = whole(dtype, (6, 6, 6))
    for one, other in overlapping((6, 6), dtype).values():
        with refused(ValueError, f.name, "out[0]", "out[1]", "overlap", keeps=[x, w, one, other]):
            f.grad(x, w, t, out=(one, other))
    memory = sentinel(40, dtype)
    with refused(ValueError, f.name, "out[1]", "out[2]", "overlap", keeps=[memory]):
        f.grad(x, w, t, b=w[0], out=(None, memory[:36].reshape(6, 6), memory[34:]))


def test_out_that_overlaps_an_input(f, linear_loss_case):
    """Only dx may lie on x, and only exactly."""
    dtype = linear_loss_case.dtype
    good_x, good_w, _, t = whole(dtype, (6, 6, 6))
    memory = sentinel(3 * 36, dtype)
    at = {shift: memory[36 + shift :][:36].reshape(6, 6) for shift in (-6, -1, 0, 1, 6)}
    x = at[0]
    x[...] = good_x
    for out in (at[-6], at[-1], at[1], at[6], x[::-1], x[:, ::-1], x.T):
        with refused(ValueError, f.name, "out[0]", "overlaps", "x itself", keeps=[memory]):
            f.value_and_grad(x, good_w, t, out=(out, None))
    windows = np.lib.stride_tricks.sliding_window_view(memory, 6, writeable=True)
    with refused(ValueError, f.name, "out[0]", "overlaps", keeps=[memory]):
        f.value_and_grad(windows, good_w, np.zeros(len(windows), int), out=(windows, None))
    w, b, weight = good_w, good_w[0].copy(), np.ones(6)
    target, classes = np.zeros(6), np.ones(6)
    more = {"b": b, "sample_weight": weight, "class_weight": classes}
    flat = {"b": b, "target": target, "sample_weight": weight, "class_weight": classes}
    for place, out in ((0, w), (0, w.T), (1, x), (1, w), (1, w[::-1]), *((2, a) for a in flat.values()), (2, x[0]), (2, w[:, 0])):
        outs = [None] * 3
        outs[place] = out
        with refused(ValueError, f.name, f"out[{place}]", "overlaps", keeps=[x, w, *flat.values()]):
            f.value_and_grad(x, w, target, out=tuple(outs), **more)
    for out in (x[0], x[:, 0], w[0], *flat.values()):
        with refused(ValueError, f.name, "out", "overlaps", keeps=[x, w, *flat.values()]):
            f(x, w, target, reduction="none", out=out, **more)
