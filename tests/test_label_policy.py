"""Which targets, options and predictions the losses over rows take, what ignoring and weights of nothing give, exact limits."""

import itertools

import numpy as np
import pytest
from helpers_errors import each_method, refused
from helpers_losses import LABEL_FLOATS, LABEL_INTEGERS, REDUCTIONS, inputs_of, labels, logits, with_batch
from helpers_rows import batch
from helpers_targets import distributions

INF, NAN = float("inf"), float("nan")


# --- ignored rows ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", (*LABEL_INTEGERS, *LABEL_FLOATS, ">i4", ">f8"))
def test_ignored_rows_are_as_if_absent(loss_case, given, assert_same_bits):
    """Loss 0 and derivatives of 0, of NaN logits too; the mean is that of the others. In the range, beyond it, in every dtype."""
    loss, z, t = with_batch(loss_case, (70, 5))
    signed = np.dtype(given).kind != "u"
    for ignored in (2, 5, 100, *((-1, -100) if signed else ())):
        target = np.where(np.arange(70) % 3 == 1, ignored, t).astype(given)
        gone = np.asarray(target, np.float64) == ignored
        spoilt = z.copy()
        spoilt[gone, 3] = NAN
        for reduction in REDUCTIONS:
            got = loss.value_grad_and_hess(spoilt, target, ignore_index=ignored, reduction=reduction)
            want = loss.value_grad_and_hess(z[~gone], t[~gone], reduction=reduction)
            for k, (one, other) in enumerate(zip(got, want, strict=True)):
                if k or reduction == "none":
                    assert not one[gone].any()
                    assert_same_bits(one[~gone], other, f"{loss_case}, ignore {ignored}, {reduction}, result {k}")
                else:
                    assert np.isclose(one, other, rtol=1e-14)


def test_a_label_that_only_looks_ignored(loss_case):
    """2^64 − 100 has the bits of −100, 2^63 is not −2^63, and NaN no label; each is refused for what it is."""
    loss, z, t = with_batch(loss_case)
    for given, bad, ignored in (
        ("uint64", 2**64 - 100, -100),
        ("uint64", 2**63, -(2**63)),
        ("uint8", 156, -100),
        ("uint64", 2**64 - 1, -1),
    ):
        target = t.astype(given)
        target[9] = bad
        with refused(IndexError, loss.name, "target[9]", bad, f"ignore_index={ignored}"):
            loss(z, target, ignore_index=ignored)
    target = t.astype(np.float64)
    target[9] = NAN
    with refused(ValueError, loss.name, "target[9]", "nan", "whole"):
        loss(z, target, ignore_index=-1)


def test_large_float_labels(loss_case):
    """Ignored if they are exactly that integer; else the row is named, not the first one."""
    loss, z = loss_case.function, batch(3, loss_case.dtype, (4,), entry=loss_case.entry)[0]
    for kind, label, ignored in ((np.float64, 2.0**62, 2**62), (np.float64, -(2.0**63), -(2**63)), (np.float32, 2.0**24, 2**24)):
        target = np.array([0, label, 2, 1], kind)
        assert loss(z, target, ignore_index=ignored) == loss(z[[0, 2, 3]], target[[0, 2, 3]])
        with refused(IndexError, loss.name, "target[1]"):
            loss(z, target, ignore_index=ignored + 1)
    for bad in (2.0**51, 2.0**53 + 2, 1e300, -1.0, 3.0):
        with refused(IndexError, loss.name, "target[1]"):
            loss(z, np.array([0, bad, 2, 1]))
    for bad in (0.5, 1 + 2.0**-52, np.nan, 5e-324):
        with refused(ValueError, loss.name, "target[1]"):
            loss(z, np.array([0, bad, 2, 1]))


def test_only_the_ignored_label_may_be_out_of_range(loss_case):
    loss, z, t = with_batch(loss_case)
    t[[11, 12]] = -100, -101
    for call, outs in each_method(loss, z):
        with refused(IndexError, loss.name, "target[12]", -101, "[0, 5)", "ignore_index=-100", keeps=[z, t, *outs]):
            call(z, t, ignore_index=-100)
    with refused(IndexError, loss.name, "target[11]", "pass ignore_index=-100 to skip it"):
        loss(z, t)


def test_batch_of_nothing(loss_case):
    """No row, all ignored, all of weight 0: loss 0, or NaN as in PyTorch; the gradient is 0 in either case."""
    loss, z, t = with_batch(loss_case, (7, 5))
    batches = {
        "no row": (z[:0], t[:0], {}),
        "ignored": (z, np.full(7, -100), {"ignore_index": -100}),
        "class of weight 0": (z, np.zeros(7, int), {"class_weight": [0, 1, 1, 1, 1]}),
        "rows of weight 0": (z, t, {"sample_weight": np.zeros(7)}),
        "distributions of weight 0": (z, np.full((7, 5), 0.2), {"sample_weight": np.zeros(7)}),
    }
    if not loss_case.entry.soft:
        del batches["distributions of weight 0"]
    for what, (rows, target, options) in batches.items():
        for empty, want in (("zero", 0.0), ("nan", NAN)):
            value, g, h = loss.value_grad_and_hess(rows, target, empty=empty, **options)
            assert np.array_equal(value, want, equal_nan=True) and not g.any() and not h.any(), f"{what}, {empty}"
            assert loss(rows, target, empty=empty, reduction="sum", **options) == 0.0
    assert np.isfinite(loss(z, t, empty="nan"))


# --- weights -----------------------------------------------------------------------------------------------------------------


def test_class_weights_are_sample_weights_by_label(loss_case, assert_same_results):
    loss, z, t = with_batch(loss_case, (70, 5))
    w, own = np.array([0.5, 2, 0, 1, 3]), np.random.default_rng(1).uniform(0.1, 3, 70)
    for reduction, sample_weight in itertools.product(REDUCTIONS, (None, own)):
        want = loss.value_grad_and_hess(z, t, reduction=reduction, sample_weight=w[t] if sample_weight is None else w[t] * own)
        for given in (w, w.tolist(), w.astype(np.float16), np.repeat(w, 2)[::2], w.astype(">f8")):
            got = loss.value_grad_and_hess(z, t, reduction=reduction, class_weight=given, sample_weight=sample_weight)
            assert_same_results(got, want, f"{loss_case}, {reduction}")


def test_class_weights_multiply_a_distribution(soft_case):
    """Each entry of it; the mean divides by the number of rows all the same, as PyTorch's does."""
    loss, z, _ = with_batch(soft_case, (70, 5))
    w, q = np.array([0.5, 2, 0, 1, 3]), distributions((70, 5)).astype(soft_case.dtype)
    tolerance = 20 * np.finfo(soft_case.dtype).eps
    for reduction in REDUCTIONS:
        got = loss.value_grad_and_hess(z, q, reduction=reduction, class_weight=w)
        for one, want in zip(got, loss.value_grad_and_hess(z, q * w, reduction=reduction), strict=True):
            assert np.allclose(one, want, rtol=tolerance, atol=tolerance)


# --- distributions -----------------------------------------------------------------------------------------------------------


def test_distribution_of_every_layout_and_dtype(soft_case, assert_same_results):
    """The class axis anywhere, any order and dtype, for both arrays: the bits of contiguous rows."""
    loss, base = soft_case.function, inputs_of(soft_case.entry, logits(soft_case.dtype, (5, 6, 70)))
    q = distributions(base.shape).astype(soft_case.dtype)
    want = loss.value_grad_and_hess(base, q, reduction="none")
    for axis, order in itertools.product((0, 1, 2), "CF"):
        z, y = (np.array(np.moveaxis(a, -1, axis), order=order) for a in (base, q))
        for there in (
            y,
            y[::-1].copy()[::-1],
            y.astype(soft_case.dtype.newbyteorder()),
            y.astype(np.longdouble).astype(np.float64),
        ):
            got = loss.value_grad_and_hess(z, there, axis=axis, reduction="none")
            assert_same_results((got[0], *(np.moveaxis(g, axis, -1) for g in got[1:])), want, f"axis {axis}, {order}")
    whole = (q > 0.02).astype(np.int8)
    want = loss.value_grad_and_hess(base, whole.astype(soft_case.dtype))
    for given in (bool, "uint8", "int64", "float16", ">i4"):
        assert_same_results(loss.value_grad_and_hess(base, whole.astype(given)), want, given)
    assert_same_results(loss.value_grad_and_hess(base, whole.tolist()), want, "list")


@pytest.mark.parametrize("bad", (NAN, INF, -INF, -0.5, -1e-30), ids=str)
def test_distribution_with_a_bad_entry(soft_case, bad):
    """Its row, class and value, wherever the classes lie."""
    loss, z, _ = with_batch(soft_case, (70, 5))
    q = distributions((70, 5))
    for row, c in ((0, 0), (37, 4), (69, 2)):
        target = q.copy()
        target[row, c] = bad
        for call, outs in each_method(loss, z):
            with refused(ValueError, loss.name, f"target[{row}, {c}]", bad, "≥ 0", keeps=[z, target, *outs]):
                call(z, target)
        with refused(ValueError, f"target[{c}, {row}]"):
            loss(z.T, target.T, axis=0)
        with refused(ValueError, f"target[{row}, {c}]"):
            loss(z, np.repeat(target, 2, axis=1)[:, ::2])


def test_in_place_with_a_distribution(soft_case, assert_same_results):
    """The gradient over the logits, of few and many classes; over the distribution it is refused."""
    for shape in ((70, 5), (3, 300)):
        loss, z, _ = with_batch(soft_case, shape)
        q = distributions(shape).astype(soft_case.dtype)
        want = loss.value_and_grad(z, q)
        there = z.copy()
        assert_same_results(loss.value_and_grad(there, q, out=there), want)
        with refused(ValueError, loss.name, "out overlaps an input", keeps=[q]):
            loss.grad(z, q, out=q)


# --- options -----------------------------------------------------------------------------------------------------------------

REFUSED = {  # option: (values that are refused, the error, a word of its message)
    "class_weight": (([1, 2], [-1, 1, 1, 1, 1], [NAN, 1, 1, 1, 1], [INF, 1, 1, 1, 1], 1.0), ValueError, "class"),
    "ignore_index": ((1.5, "5", [1]), TypeError, "integer"),
    "empty": (("none", None, True), ValueError, "'zero' or 'nan'"),
    "label_smoothing": ((-0.1, 1.1, NAN), ValueError, "[0, 1]"),
    "softcap": ((0, -1, INF, NAN, 1e-320), ValueError, "positive"),
    "temperature": ((0, -1, INF, NAN, 1e-320), ValueError, "positive"),
    "z_loss": ((-1, INF, NAN), ValueError, "≥ 0"),
    "gamma": ((-1, INF, NAN), ValueError, "≥ 0"),
    "hess": (("full", "", None, True, 0.0), ValueError, "exact, clipped"),
}


def test_every_option_refuses_nonsense(loss_case):
    loss, z, t = with_batch(loss_case)
    for option in loss_case.entry.options:
        values, error, word = REFUSED[option.name]
        for call, outs in each_method(loss, z):
            for value in values:
                with refused(error, loss.name, option.name, word, keeps=[z, t, *outs]):
                    call(z, t, **{option.name: value})
            if isinstance(option.default, float):
                with refused(TypeError, loss.name, option.name, "real number", keeps=[z, t, *outs]):
                    call(z, t, **{option.name: "1j"})
            call(z, t, **{option.name: option.default})


def test_ignore_index_is_for_labels(soft_case):
    loss, z, _ = with_batch(soft_case, (7, 5))
    with refused(ValueError, loss.name, "ignore_index=3", "distribution", "sample_weight"):
        loss(z, np.full((7, 5), 0.2), ignore_index=3)
    with refused(ValueError, loss.name, "ignore_index", "int64"):
        loss(z, np.zeros(7, int), ignore_index=2**63)


def test_bool_labels_tell_two_classes_apart(loss_case, assert_same_results):
    loss, z, t = with_batch(loss_case, (9, 2))
    assert_same_results(loss.value_grad_and_hess(z, t == 1), loss.value_grad_and_hess(z, t))
    loss, z, t = with_batch(loss_case, (9, 3))
    with refused(TypeError, loss.name, "bool", "2 classes", "3", "astype"):
        loss(z, t == 1)


# --- exact limits --------------------------------------------------------------------------------------------------------------


def test_zero_times_infinity_is_zero(softmax_case):
    """PyTorch answers NaN where a soft label of 0 meets a logit of −inf."""
    f = softmax_case.function
    z = np.array([[0.0, -INF, 0.0], [1.0, 2.0, -INF]], softmax_case.dtype)
    loss, g, h = f.value_grad_and_hess(z, [[0.5, 0.0, 0.5], [0.25, 0.75, 0.0]], reduction="none")
    assert np.isclose(loss[0], np.log(2)) and np.isfinite(loss).all() and np.isfinite(g).all() and np.isfinite(h).all()
    assert g[0, 1] == g[1, 2] == h[0, 1] == h[1, 2] == 0.0
    assert f(z, [[0.5, 0.1, 0.4], [1.0, 0.0, 0.0]], reduction="none")[0] == INF
    assert f.grad(z, [[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]], reduction="none")[0, 1] == -0.25
    loss, g = f.value_and_grad(z, [0, 1], label_smoothing=0.3, reduction="none")
    assert (loss == INF).all() and np.allclose(g[0, 1], -0.1) and np.isfinite(g).all()
    assert np.isfinite(f(z, [0, 1], label_smoothing=0.3, class_weight=[1, 1, 0], reduction="none")[1])


def test_infinite_logits_with_options(softmax_case):
    """+inf at the target: loss and derivatives 0 (torch, optax: NaN). Softcap makes all finite, a temperature nothing."""
    f = softmax_case.function
    z = np.array([[INF, 0.0, -INF]], softmax_case.dtype)
    for options in ({}, {"temperature": 2.0}, {"temperature": 0.5}):
        for target in ([0], [[1.0, 0.0, 0.0]]):
            loss, g, h = f.value_grad_and_hess(z, target, **options)
            assert loss == 0.0 and not g.any() and not h.any()
    loss, g, h = f.value_grad_and_hess(z, [1], softcap=2.0)
    assert np.isclose(loss, np.log(np.exp(2) + 1 + np.exp(-2))) and np.isfinite(g).all() and np.isfinite(h).all()
    assert g[0, 0] == g[0, 2] == 0.0
    loss, g, h = f.value_grad_and_hess(z, [0], z_loss=0.5)
    assert loss == INF and g[0, 0] == INF and not g[0, 1:].any() and h[0, 0] == 1.0


def test_huge_logits_with_a_temperature(softmax_case):
    """z / T alone would overflow; the difference does not."""
    f, top = softmax_case.function, np.finfo(softmax_case.dtype).max
    z = np.array([[top, top / 2, -top]], softmax_case.dtype)
    for temperature in (0.25, 1.0, 3.0):
        loss, g, h = f.value_grad_and_hess(z, [0], temperature=temperature)
        assert loss == 0.0 and not g.any() and not h.any()
        assert np.isclose(f(z, [1], temperature=temperature), float(top) / 2 / temperature) or temperature == 0.25


def test_probabilities_at_their_ends(dtype, level):
    """No clipping: inf at 0 where the target is, 0 where it is not, whatever stands there; −0 is 0."""
    from actloss_c import _build

    f = _build.functions(level)["cross_entropy"]
    a = np.array([[0.0, 1.0, NAN], [-0.0, 1.0, 0.0], [0.5, 0.5, 0.0]], dtype)
    loss, g, h = f.value_grad_and_hess(a, [1, 0, 1], reduction="none")
    assert loss[0] == 0.0 and not np.signbit(loss[0]) and g[0].tolist() == [0, -1, 0] and h[0].tolist() == [0, 1, 0]
    assert loss[1] == INF and g[1].tolist() == [-INF, 0, 0] and h[1].tolist() == [INF, 0, 0]
    assert np.isclose(loss[2], np.log(2)) and g[2].tolist() == [0, -2, 0] and h[2].tolist() == [0, 4, 0]
    soft = f.value_grad_and_hess(a, [[0, 1, 0], [1, 0, 0], [0, 1, 0]], reduction="none")
    assert all(np.array_equal(one, other) for one, other in zip(soft, (loss, g, h), strict=True))
    assert np.isnan(f(a, [2, 1, 0], reduction="none")).tolist() == [True, False, False]


@pytest.mark.parametrize("bad", (1.0000001, 2.0, -1e-30, -0.5, INF, -INF), ids=str)
def test_prediction_outside_its_range(level, dtype, bad):
    """Row, class and value; NaN passes."""
    from actloss_c import _build

    f = _build.functions(level)["cross_entropy"]
    for (row, c), axis in itertools.product(((0, 0), (37, 4), (69, 2)), (0, 1)):
        a = np.full((70, 5), 0.2, dtype)
        a[row, c] = bad
        there, place = (a, (row, c)) if axis else (a.T.copy(), (c, row))
        for call, outs in each_method(f, there):
            with refused(
                ValueError,
                "cross_entropy",
                f"a[{place[0]}, {place[1]}]",
                dtype.type(bad),
                f"class {c}",
                "[0, 1]",
                keeps=[there, *outs],
            ):
                call(there, np.zeros(70, int), axis=axis)


# --- the bits of every layout ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", (3, 31, 33, 129, 300))
def test_rows_with_options_keep_their_bits(softmax_case, classes, assert_same_bits):
    """A row gives the same alone, among others, along and across, with a Hessian or without."""
    f, dtype = softmax_case.function, softmax_case.dtype
    z, t = batch(classes, dtype, (70,), seed=31, special=True)
    options = {
        "label_smoothing": 0.1,
        "z_loss": 0.01,
        "temperature": 1.7,
        "softcap": 20.0,
        "class_weight": np.linspace(0, 2, classes),
    }
    for target in (t, distributions(z.shape).astype(dtype)):
        loss, g, h = f.value_grad_and_hess(z, target, reduction="none", **options)
        across = f.value_grad_and_hess(np.asfortranarray(z.T), target.T, axis=0, reduction="none", **options)
        assert_same_bits(across[0], loss)
        assert_same_bits(across[1].T, g)
        assert_same_bits(across[2].T, h)
        assert_same_bits(f.grad(z, target, reduction="none", **options), g)
        for row in (0, 16, 69):
            one = f.value_grad_and_hess(z[row], target[row], reduction="none", **options)
            for got, want in zip(one, (loss[row], g[row], h[row]), strict=True):
                assert_same_bits(got, want, f"row {row}")


def test_labels_are_never_truncated_nor_wrapped(logit_case):
    """optax and thinc take −1 for the last class, scikit-learn reads beside the row, Keras answers 0 and cuts 1.7 down to 1."""
    f, z = logit_case.function, np.zeros((2, 3), logit_case.dtype)
    for bad, error in ((5, IndexError), (-1, IndexError), (3, IndexError), (1.7, ValueError), (NAN, ValueError)):
        for method in (f, f.grad, f.value_and_grad, f.grad_and_hess, f.value_grad_and_hess):
            with refused(error, f.name, "target[1]", bad):
                method(z, [0, bad])


def test_labels_of_int32_and_float32(logit_case):
    """What boosters hand over; torch takes int64 and uint8 alone."""
    f, z, t = logit_case.function, logits(logit_case.dtype, (70, 5)), labels(70, 5)
    assert f(z, t.astype(np.int32)) == f(z, t.astype(np.float32)) == f(np.asfortranarray(z), t)
