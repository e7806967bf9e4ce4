"""Losses over the logits x @ W + b: the loss of the full logits for every option, reduction and chunk; mpmath; memory."""

import functools
import itertools
import tracemalloc

import mpmath
import numpy as np
import pytest
from helpers_arrays import FLOAT64, layouts
from helpers_linear import EPSILON, OPTIONS, assert_products, chunks, distribution, full, normal, whole
from helpers_losses import REDUCTIONS, weights

from actloss_c import _build, linear, registry

# What a call holds is decided in Python, where no level counts: memory is measured on the active one.
PUBLIC = pytest.mark.parametrize("f", [_build.functions()[e.name] for e in registry.LINEAR_LOSSES], ids=lambda f: f.name)
EACH_REDUCTION = pytest.mark.parametrize("reduction", REDUCTIONS)


def targets(dtype, t, options):
    """Labels, and soft labels if the options are for them too."""
    return (t,) if options.get("ignore_index") is not None else (t, distribution(dtype))


def assert_losses(got, want, each, assert_same_bits):
    """The same bits of each row's loss; sums of them in float64 in another order."""
    if np.ndim(want):
        assert_same_bits(got, want)
    else:
        assert type(got) is float and abs(got - want) <= 2.0**-50 * abs(each).sum(dtype=float)


# --- the full logits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options) or "plain")
@EACH_REDUCTION
def test_is_the_loss_of_the_full_logits(linear_loss_case, reduction, options, assert_same_bits):
    """Logits that no order of summing rounds: each row's loss has the same bits, and the gradients differ by products alone."""
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    x, w, b, t = whole(dtype)
    for shift, weight in itertools.product((None, b), (None, weights(len(x)))):
        z = x @ w if shift is None else x @ w + shift
        for target in targets(dtype, t, options):
            more = {"sample_weight": weight, **options}
            want, g = full(linear_loss_case).value_and_grad(z, target, reduction=reduction, **more)
            each = full(linear_loss_case)(z, target, reduction="none", **more)
            for chunk in chunks(dtype):
                got, *slopes = f.value_and_grad(x, w, target, b=shift, reduction=reduction, chunk_bytes=chunk, **more)
                assert len(slopes) == (2 if shift is None else 3) and all(slope.dtype == dtype for slope in slopes)
                assert_losses(got, want, each, assert_same_bits)
                assert_products(slopes, x, w, g)


@EACH_REDUCTION
def test_methods_agree(linear_loss_case, reduction, assert_same_results):
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    x, w, b, t = normal(dtype)
    for shift, chunk in itertools.product((None, b), chunks(dtype)):
        more = {"b": shift, "reduction": reduction, "chunk_bytes": chunk}
        loss, *slopes = f.value_and_grad(x, w, t, **more)
        assert type(loss) is float if reduction != "none" else loss.shape == t.shape and loss.dtype == dtype
        assert_same_results(f(x, w, t, **more), loss)
        assert_same_results(f.grad(x, w, t, **more), tuple(slopes))
        assert_same_results(f.value_and_grad(x, w, t, **more), (loss, *slopes), "again")


def test_losses_and_gradients_within_the_stated_bound(linear_loss_case):
    """Of mpmath. A logit is off by δ ≤ (d + 1) ε (|x| |W| + |b|), so logsumexp and the label's logit by max δ each, p by a factor
    e^{2 max δ}; on top come the 4 ULP of the loss over rows, which are 8 ε, and the products."""
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    epsilon = EPSILON[dtype.name]
    for shape in ((9, 3, 5), (7, 300, 12)):
        x, w, b, t = normal(dtype, shape)
        n, d, _ = shape
        with mpmath.workprec(200):
            exact = np.vectorize(lambda a: mpmath.mpf(float(a)), otypes=[object])
            z = exact(x) @ exact(w) + exact(b)
            e = np.vectorize(mpmath.exp, otypes=[object])(z)
            p = (e / e.sum(axis=1, keepdims=True)).astype(np.longdouble)
            losses = np.array([mpmath.log(e[i].sum()) - z[i, t[i]] for i in range(n)]).astype(np.longdouble)
            others = np.array([sum(e[i, j] for j in range(shape[2]) if j != t[i]) / e[i].sum() for i in range(n)])
        delta = (d + 1) * epsilon * 1.0001 * (abs(x) @ abs(w) + abs(b)).astype(np.longdouble).max(axis=1)
        g = p.copy()
        g[range(n), t] = -others.astype(np.longdouble)
        slack = p * np.expm1(2 * delta)[:, np.newaxis]
        slack[range(n), t] = abs(g[range(n), t]) * np.expm1(2 * delta)
        slack += 8 * epsilon * (abs(g) + slack)
        for chunk in chunks(dtype, shape):
            got, *slopes = f.value_and_grad(x, w, t, b=b, reduction="none", chunk_bytes=chunk)
            assert (abs(got - losses) <= 2 * delta + 8 * epsilon * (losses + 2 * delta)).all()
            assert_products(slopes, x, w, g, slack)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: " ".join(options) or "plain")
def test_gradients_are_the_derivatives(linear_loss_case, options):
    """Along random directions: the slope of the loss in float64, by central differences."""
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    *given, t = normal(dtype)
    random, step = np.random.default_rng(7), 2.0**-13
    for target in targets(dtype, t, options):
        slopes = f.grad(*given[:2], target, b=given[2], chunk_bytes=500, sample_weight=weights(len(t)), **options)
        for place, slope in enumerate(slopes):
            along = random.normal(size=slope.shape)
            ends = []
            for sign in (-1, 1):
                moved = [a.astype(FLOAT64) for a in given]
                moved[place] += sign * step * along
                ends.append(f(*moved[:2], target, b=moved[2], sample_weight=weights(len(t)), **options))
            found, size = (slope * along).sum(dtype=float), abs(slope * along).sum(dtype=float)
            assert abs((ends[1] - ends[0]) / (2 * step) - found) <= (1e-6 + 64 * EPSILON[dtype.name]) * (1 + size)


# --- rows that count nothing -------------------------------------------------------------------------------------------------


def test_ignored_rows_take_no_part(linear_loss_case, assert_same_results):
    """NaN and infinities in their x change no bit of anything; their loss and dx are 0, of weight NaN's neighbours too."""
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    x, w, b, t = normal(dtype)
    t[::3] = -1
    spoilt = x.copy()
    spoilt[::3] = np.array([np.nan, np.inf, -np.inf, 0, 1, np.finfo(dtype).max], dtype)
    for reduction, chunk in itertools.product(REDUCTIONS, chunks(dtype)):
        more = {"b": b, "reduction": reduction, "chunk_bytes": chunk, "ignore_index": -1}
        want, got = (f.value_and_grad(rows, w, t, **more) for rows in (x, spoilt))
        assert_same_results(got, want, f"{reduction}, {chunk}")
        assert not got[1][::3].any() and got[1][1::3].all()
        assert reduction != "none" or (not got[0][::3].any() and got[0][1::3].all())
        assert_same_results(f(spoilt, w, t, **more), want[0])
    mean, total = (f(x, w, t, ignore_index=-1, reduction=reduction) for reduction in ("mean", "sum"))
    assert np.isclose(mean, total / (t != -1).sum(), rtol=1e-14)


def test_batch_of_nothing(linear_loss_case):
    """No row, all ignored, all of weight 0: loss 0, or NaN as in PyTorch; the gradients are 0 in either case."""
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    x, w, b, t = whole(dtype)
    batches = {
        "no row": (x[:0], t[:0], {}),
        "no row of several axes": (x[:0].reshape(3, 0, 6), t[:0].reshape(3, 0), {}),
        "no row in a list": (x[:0], [], {}),
        "ignored": (x, np.full(len(x), 7), {"ignore_index": 7}),
        "classes of weight 0": (x, t, {"class_weight": np.zeros(13)}),
        "rows of weight 0": (x, t, {"sample_weight": np.zeros(len(x))}),
        "distributions of weight 0": (x, distribution(dtype), {"sample_weight": np.zeros(len(x))}),
    }
    for (what, (rows, target, more)), chunk in itertools.product(batches.items(), (1, 1 << 20)):
        for empty, want in (("zero", 0.0), ("nan", np.nan)):
            loss, dx, *slopes = f.value_and_grad(rows, w, target, b=b, empty=empty, chunk_bytes=chunk, **more)
            assert np.array_equal(loss, want, equal_nan=True), what
            assert dx.shape == rows.shape and not any(slope.any() for slope in (dx, *slopes)), what
            assert [slope.shape for slope in slopes] == [w.shape, b.shape]
        losses = f(rows, w, target, reduction="none", chunk_bytes=chunk, **more)
        assert losses.shape == rows.shape[:-1] and not losses.any()
        assert f(rows, w, target, reduction="sum", chunk_bytes=chunk, empty="nan", **more) == 0


def test_rows_of_no_numbers(linear_loss_case, assert_same_results):
    """Then the logits are b."""
    f, (_, _, b, t) = linear_loss_case.function, whole(linear_loss_case.dtype)
    x, w = np.empty((len(t), 0), b.dtype), np.empty((0, len(b)), b.dtype)
    want, g = full(linear_loss_case).value_and_grad(np.tile(b, (len(t), 1)), t, reduction="none")
    got, dx, dw, db = f.value_and_grad(x, w, t, b=b, reduction="none", chunk_bytes=300)
    assert_same_results(got, want)
    assert dx.shape == x.shape and dw.shape == w.shape
    assert_products((dx, dw, db), x, w, g)


def test_extreme_numbers_raise_no_flag(linear_loss_case):
    """Overflowing logits, infinities and NaN stay in their rows; nothing warns."""
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    x, w, b, t = whole(dtype)
    top = np.finfo(dtype).max
    x[3, 0], x[5, 1], x[7], x[11] = np.nan, np.inf, top, top / 16
    with np.errstate(all="raise"):
        for chunk, reduction in itertools.product(chunks(dtype), REDUCTIONS):
            loss, dx, *_ = f.value_and_grad(x, w, t, b=b, chunk_bytes=chunk, reduction=reduction)
            assert np.isfinite(np.delete(dx, (3, 5, 7), axis=0)).all()
        assert np.isnan(loss[3]) and np.isfinite(np.delete(loss, (3, 5, 7))).all()
        f.value_and_grad(x, np.full_like(w, top), t, out=(np.zeros(x.shape, np.float16), np.zeros(w.shape, np.float16)))
        wide = w.astype(FLOAT64) * 1e300
        f.value_and_grad(x.astype(FLOAT64), wide, t.astype(np.float16), b=b, sample_weight=np.full(len(t), 1e300))
        f.value_and_grad(whole(np.float32)[0], wide, t, b=wide[0])


# --- memory ------------------------------------------------------------------------------------------------------------------


def peak(call, chunk):
    """Bytes that a call allocates at most at a time."""
    tracemalloc.start()
    try:
        call(chunk_bytes=chunk)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def numbers(n, classes):
    """Bytes of some numbers per row and class, of small objects and of NumPy's own buffers."""
    return 64 * n + 24 * classes + 20_000 + 3 * 8 * np.getbufsize()


@PUBLIC
def test_the_logits_are_never_held_as_a_whole(f, dtype):
    """Beyond inputs and outputs a call takes chunk_bytes, and little else. Many rows, and many classes."""
    for n, d, classes in ((2_048, 16, 500), (256, 32, 4_000)):
        x, w, b, t = normal(dtype, (n, d, classes))
        outs, few = tuple(np.empty_like(a) for a in (x, w, b)), numbers(n, classes)
        more = {"sample_weight": np.ones(n), "class_weight": np.ones(classes)}
        for chunk in (1 << 17, 1 << 19):
            calls = {
                "value": functools.partial(f, x, w, t, b=b),
                "gradients": functools.partial(f.value_and_grad, x, w, t, b=b, out=outs),
                "of V.T": functools.partial(f.grad, x, w.T.copy().T, t, out=(outs[0], w.T.copy().T)),
                "weights": functools.partial(f.grad, x, w, t.astype(np.int32), out=outs[:2], **more),
                "ignored": functools.partial(f.grad, x, w, t, ignore_index=0, out=outs[:2]),
                "distribution": functools.partial(f.grad, x, w, np.ones((n, classes), dtype), out=outs[:2]),
            }
            for what, call in calls.items():
                assert peak(call, chunk) <= 1.01 * chunk + few < n * classes * dtype.itemsize / 2, what
            fresh = peak(functools.partial(f.value_and_grad, x, w, t, b=b), chunk)
            inputs = sum(a.nbytes for a in (x, w, b, t))
            assert inputs + fresh <= 1.2 * (inputs + sum(a.nbytes for a in outs) + chunk)


@PUBLIC
def test_no_layout_is_copied_as_a_whole(f, dtype):
    """Of x, W, dx, dW, labels or distributions, in any layout or dtype: within 1.2 times inputs, outputs and chunk_bytes."""
    n, d, classes = 256, 128, 300
    x, w, _, t = normal(dtype, (n, d, classes))
    plain, chunk = {"x": x, "W": w, "target": t, "dx": np.empty_like(x), "dW": np.empty_like(w)}, 1 << 17
    other = np.dtype(np.float32 if dtype == np.float64 else np.float64)
    soft = np.ones((n, classes), dtype)
    cases = [{name: a} for name, given in plain.items() for a in layouts(given).values()]
    cases += [{"W": w.astype(other)}, {"dx": np.empty(x.shape, other)}, {"x": np.broadcast_to(x[:1], x.shape)}]
    cases += [{"dW": np.empty(w.shape, t, order)} for t in (other, np.float16, np.longdouble) for order in "CF"]
    cases += [{"x": a} for a in (x.astype(np.float16), (4 * x).astype(np.int8))] if dtype == np.float32 else []
    cases += [{"target": a} for y in (soft, soft.astype(other)) for a in layouts(y).values()]
    for order, target in itertools.product("CF", (t, soft, soft.astype(other))):
        shaped = (np.array(a.reshape(n // 8, 8, *a.shape[1:]), order=order) for a in (x, target, plain["dx"]))
        cases.append(dict(zip(("x", "target", "dx"), shaped, strict=True)))
    for changed in cases:
        given = plain | changed
        outs = given.pop("dx"), given.pop("dW")
        arrays = sum(a.nbytes for a in (*given.values(), *outs))
        most = peak(functools.partial(f.value_and_grad, **given, out=outs), chunk)
        assert arrays + most <= 1.2 * (arrays + chunk), (list(changed), given["target"].strides, most / chunk)


def test_many_short_rows(linear_loss_case):
    """Labels and weights are converted for the rows whose turn it is, not as a whole."""
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    x, w, _, t = normal(dtype, (40_000, 1, 5))
    outs, chunk = (np.empty_like(x), np.empty_like(w)), 1 << 16
    for labels, weight in ((t, np.ones(len(x), np.float32)), (t.astype(np.float32), np.ones(len(x))), (t, None)):
        for reduction, out in (("mean", None), ("none", np.empty(len(x), dtype))):
            more = {"ignore_index": 3, "sample_weight": weight, "reduction": reduction}
            calls = [
                functools.partial(f.grad, x, w, labels, out=outs, **more),
                functools.partial(f, x, w, labels, out=out, **more),
            ]
            for call in calls:
                arrays = sum(a.nbytes for a in (x, w, labels, weight, *outs, out) if a is not None)
                assert arrays + peak(call, chunk) <= 1.2 * (arrays + chunk) + numbers(0, 5)


@pytest.mark.parametrize("live", (0, 1, 5, 100, 1000))
def test_few_rows_that_count(linear_loss_case, live):
    """Ignored rows cost neither memory nor steps: labels are read as many at a time as ever."""
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    x, w, _, t = normal(dtype, (40_000, 8, 10))
    t[np.random.default_rng(live).permutation(len(t))[live:]] = -100
    outs, chunk, steps = (np.empty_like(x), np.empty_like(w)), 1 << 16, []
    call = functools.partial(f.value_and_grad, x, w, t, ignore_index=-100, out=outs)
    arrays = sum(a.nbytes for a in (x, w, t, *outs))
    assert arrays + peak(call, chunk) <= 1.2 * (arrays + chunk)
    with pytest.MonkeyPatch.context() as patch:
        convert = linear._Batch._converted
        patch.setattr(linear._Batch, "_converted", lambda *a: steps.append(1) or convert(*a))
        call(chunk_bytes=chunk)
    assert len(steps) < 40_000 / 300
    keep = t != -100
    want = f.value_and_grad(x[keep], w, t[keep])
    got = call(chunk_bytes=chunk)
    assert (
        np.allclose(got[0], want[0], rtol=1e-14) and np.array_equal(outs[0][keep] != 0, want[1] != 0) and not outs[0][~keep].any()
    )


def test_the_least_is_a_row(linear_loss_case):
    f, dtype = linear_loss_case.function, linear_loss_case.dtype
    n, d, classes = 20, 8, 20_000
    x, w, b, t = normal(dtype, (n, d, classes))
    outs = tuple(np.empty_like(a) for a in (x, w, b))
    most = 3 * (classes + 2 * d) * dtype.itemsize + numbers(n, classes)
    for chunk in (1, most // 3):
        assert peak(functools.partial(f.value_and_grad, x, w, t, b=b, out=outs), chunk) <= most


def test_default_chunk(linear_loss_case, assert_same_results):
    """The default stands in the signature and in the docstring."""
    f, (x, w, b, t) = linear_loss_case.function, normal(linear_loss_case.dtype)
    chunk = f.__signature__.parameters["chunk_bytes"].default
    assert f"default {chunk:,}" in f.__doc__
    assert_same_results(f.value_and_grad(x, w, t, b=b), f.value_and_grad(x, w, t, b=b, chunk_bytes=chunk))
