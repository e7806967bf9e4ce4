"""Losses of dask arrays: means over unequal blocks are right, gradients have the bits that NumPy arrays get."""

import math

import numpy as np
import pytest

pytest.importorskip("dask.array")

import dask.array as da
from helpers_dask import CUTS, EACH_CUT, N, computed, cut
from helpers_losses import METHODS, REDUCTIONS, inputs_of, labels, logits
from helpers_pairs import options, pairs

import actloss_c as al
from actloss_c import dask_losses, registry

PAIRS = pytest.mark.parametrize("name", [e.name for e in registry.PAIR_LOSSES])
ROWS = pytest.mark.parametrize("name", [e.name for e in registry.LOSSES])
LINEAR = pytest.mark.parametrize("name", [e.name for e in registry.LINEAR_LOSSES])
CLASSES = 5


@pytest.fixture(scope="session")
def assert_same_loss(assert_same_bits):
    """The same bits, but a loss summed over blocks to a few last places of float64; `close` for all results."""

    def check(method, reduction, got, want, what, close=0.0):
        want = want if isinstance(want, tuple) else (want,)
        for k, (one, expected) in enumerate(zip(got, want, strict=True)):
            if k == 0 and method[:4] != "grad" and reduction != "none":
                np.testing.assert_allclose(one, expected, rtol=1e-14, err_msg=what)
            elif close:
                np.testing.assert_allclose(one, expected, rtol=close, atol=close * np.max(np.abs(expected)), err_msg=what)
            else:
                assert_same_bits(one, expected, what)

    return check


@PAIRS
@EACH_CUT
def test_pairs(name, rows, dtype, assert_same_loss):
    entry, ours, numpys = registry.FUNCTIONS[name], getattr(al.dask, name), getattr(al, name)
    z, target = (np.clip(a, -8, 8).reshape(N, 3) for a in pairs(entry, dtype, N * 3))
    weight = np.random.default_rng(2).integers(0, 4, (N, 3))
    for given in [*options(entry)][:: max(1, len(entry.params) * 2)]:
        for method, reduction, weights in ways(weight, ("value_grad_and_hess",)):
            more = {"reduction": reduction, **weights, **given}
            got = computed(getattr(ours, method)(cut(z, rows), target, **more))
            assert_same_loss(method, reduction, got, getattr(numpys, method)(z, target, **more), f"{method} {more}")


def ways(weight, methods):
    """(method, reduction, weights) of some calls that differ in each, all methods among them for a mean."""
    yield from ((method, "mean", {}) for method in methods)
    yield from ((methods[-1], reduction, {"sample_weight": weight}) for reduction in REDUCTIONS)
    yield "__call__", "mean", {"sample_weight": weight}


def row_options(entry):
    """Options that change what a row counts, and a few that do not."""
    yield {}
    yield {"ignore_index": 2}
    yield {"class_weight": np.array([0.5, 1, 2, 0, 4])}
    yield {"class_weight": np.array([0.5, 1, 2, 0, 4]), "ignore_index": 1}
    if any(o.name == "label_smoothing" for o in entry.options):
        yield {"label_smoothing": 0.25, "temperature": 2.0}


@ROWS
@EACH_CUT
def test_rows(name, rows, dtype, assert_same_loss):
    entry, ours, numpys = registry.FUNCTIONS[name], getattr(al.dask, name), getattr(al, name)
    z, target = inputs_of(entry, logits(dtype, (N, CLASSES))), labels((N,), CLASSES)
    for given in row_options(entry):
        for method, reduction, weights in ways(np.arange(N) % 4, tuple(METHODS) if not given else ("value_grad_and_hess",)):
            more = {"reduction": reduction, **weights, **given}
            got = computed(getattr(ours, method)(cut(z, rows), target, **more))
            assert_same_loss(method, reduction, got, getattr(numpys, method)(z, target, **more), f"{method} {more}")


@ROWS
@EACH_CUT
def test_axes_and_distributions(name, rows, dtype, assert_same_loss):
    entry, ours, numpys = registry.FUNCTIONS[name], getattr(al.dask, name), getattr(al, name)
    z = inputs_of(entry, logits(dtype, (CLASSES, N, 4)))
    blocks = da.from_array(z, chunks=(CLASSES, rows, 3))
    targets = [labels((N, 4), CLASSES)] + ([np.random.default_rng(3).random(z.shape)] if entry.soft else [])
    for target in targets:
        for weights in ({}, {"sample_weight": np.arange(4.0) * np.ones((N, 1))}):
            for given in (target, da.from_array(target, chunks=7)):
                got = computed(ours.value_grad_and_hess(blocks, given, axis=0, **weights))
                want = numpys.value_grad_and_hess(z, target, axis=0, **weights)
                assert_same_loss("value_grad_and_hess", "mean", got, want, f"{target.ndim} axes, {weights}")


@LINEAR
@EACH_CUT
def test_linear(name, rows, dtype, assert_same_loss):
    ours, numpys, random = getattr(al.dask, name), getattr(al, name), np.random.default_rng(0)
    x, w, b = random.normal(size=(N, 2, 6)), random.normal(size=(6, CLASSES)), random.normal(size=CLASSES)
    blocks = da.from_array(x, chunks=(rows, 1, 6))
    for target in (labels((N, 2), CLASSES), random.random((N, 2, CLASSES))):
        for more in ({"b": b}, {"class_weight": np.arange(5.0)}):
            for method, reduction, weights in ways(random.random((N, 2)), ("grad", "value_and_grad")):
                got = computed(getattr(ours, method)(blocks, w, target, reduction=reduction, **weights, **more))
                want = getattr(numpys, method)(x, w, target, reduction=reduction, **weights, **more)
                assert_same_loss(method, reduction, got, want, f"{method} {more}", close=1e-12)


@pytest.mark.parametrize("name", [e.name for e in (*registry.PAIR_LOSSES, *registry.LOSSES)])
def test_loss_and_derivatives_are_one_call_per_block(name, monkeypatch):
    calls, plain = [], dask_losses._losses
    monkeypatch.setattr(dask_losses, "_losses", lambda *given, **named: calls.append(given) or plain(*given, **named))
    entry = registry.FUNCTIONS[name]
    z = da.full((8, 2), 0.5, chunks=(2, 2), dtype="f4")
    target = np.zeros(8, int) if entry in registry.LOSSES else np.ones((8, 2))
    results = getattr(al.dask, name).value_grad_and_hess(z, target)
    assert not calls, "results are lazy"
    computed(results)
    assert len(calls) == 4


@ROWS
@pytest.mark.parametrize("reason", ["no rows", "ignored", "weights"])
def test_mean_over_nothing(name, reason):
    function = getattr(al.dask, name)
    z, target, more = np.full((0 if reason == "no rows" else 4, 3), 0.5), np.zeros(4, int), {}
    if reason == "no rows":
        target = target[:0]
    elif reason == "ignored":
        more = {"ignore_index": 0}
    else:
        more = {"sample_weight": np.zeros(4)}
    for empty, expected in (("zero", 0.0), ("nan", math.nan)):
        loss, g = computed(function.value_and_grad(da.from_array(z, chunks=(2, 3)), target, empty=empty, **more))
        assert np.array_equal(loss, expected, equal_nan=True)
        assert not g.any()


@ROWS
def test_unknown_lengths(name, assert_same_loss):
    entry = registry.FUNCTIONS[name]
    z, target = inputs_of(entry, logits(np.dtype("f4"), (N, CLASSES))), labels((N,), CLASSES)
    keep = cut(target, CUTS[1]) > 1
    for more in ({}, {"ignore_index": 3}):
        got = computed_unknown(getattr(al.dask, name).value_and_grad(cut(z, CUTS[1])[keep], cut(target, CUTS[1])[keep], **more))
        want = getattr(al, name).value_and_grad(z[target > 1], target[target > 1], **more)
        assert_same_loss("value_and_grad", "mean", got, want, str(more))


@pytest.mark.parametrize("name", [e.name for e in (*registry.PAIR_LOSSES, *registry.LOSSES)])
def test_unknown_lengths_cut_otherwise(name):
    """The error names the argument and says what to do."""
    z = cut(np.full((N, CLASSES), 0.5), CUTS[1])[cut(np.arange(N), CUTS[1]) > 3]
    good = z if registry.FUNCTIONS[name] in registry.PAIR_LOSSES else z[:, 0] > 0
    other = np.ones((N - 4, CLASSES)) if registry.FUNCTIONS[name] in registry.PAIR_LOSSES else np.ones(N - 4, int)
    with pytest.raises(ValueError, match=rf"{name}: target has .* blocks.*compute_chunk_sizes"):
        getattr(al.dask, name)(z, other)
    with pytest.raises(ValueError, match=rf"{name}: sample_weight has .* blocks.*compute_chunk_sizes"):
        getattr(al.dask, name)(z, good, sample_weight=other)


def computed_unknown(results):
    return tuple(result.compute() for result in results)


@ROWS
def test_bad_label_names_its_block(name):
    z, target = np.full((N, CLASSES), 0.2), labels((N,), CLASSES)
    target[16] = 9
    for more in ({}, {"ignore_index": 0}):
        with pytest.raises(IndexError, match=r"target\[5\] is 9.*") as caught:
            computed(getattr(al.dask, name)(cut(z, (11, 11, 1)), target, **more))
        assert "block (1" in "".join(caught.value.__notes__)


Z = np.full((4, 3), 0.5)
MISTAKES = {
    "target's shape": (lambda f: f(Z, np.zeros(5, int)), ValueError, r"target has shape \(5,\); it must be \(4,"),
    "weights' shape": (lambda f: f(Z, f.good, sample_weight=np.ones(5)), ValueError, r"sample_weight has shape \(5,\)"),
    "reduction": (lambda f: f(Z, f.good, reduction="median"), ValueError, "reduction='median'"),
    "option": (lambda f: f(Z, f.good, unheard_of=1), TypeError, "unheard_of"),
    "option, an array": (lambda f: f(Z, f.good, unheard_of=np.ones(3)), TypeError, "unheard_of"),
    "out": (lambda f: f(Z, f.good, out=Z), TypeError, "out"),
}


@pytest.mark.parametrize("name", [e.name for e in (*registry.PAIR_LOSSES, *registry.LOSSES)])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_found_before_computing(name, mistake, monkeypatch):
    call, error, says = MISTAKES[mistake]
    function = getattr(al.dask, name)
    good = np.zeros(4, int) if registry.FUNCTIONS[name] in registry.LOSSES else np.ones((4, 3))
    monkeypatch.setattr(function, "good", good, raising=False)
    with pytest.raises(error, match=says):
        call(function)


def test_infinite_sum_of_weights():
    for entry in registry.LOSSES:
        weight = da.full(4, 1e308, chunks=1)
        with pytest.raises(ValueError, match="sample_weight has the sum inf"):
            computed(getattr(al.dask, entry.name).grad(da.from_array(Z, chunks=(1, 3)), np.zeros(4, int), sample_weight=weight))


@LINEAR
def test_mistakes_with_linear_losses(name):
    function, w, good = getattr(al.dask, name), np.ones((3, 2)), np.zeros(4, int)
    for call, says in (
        (lambda: function(Z, w.T, good), r"x has shape \(4, 3\)"),
        (lambda: function(Z, w[0], good), r"W has shape"),
        (lambda: function(Z, w, good, b=np.ones(3)), r"b has shape \(3,\); it must be \(2,\)"),
        (lambda: function(Z, w, np.ones((4, 3))), r"target has shape \(4, 3\)"),
        (lambda: function(da.from_array(Z, chunks=(2, 2)), w, good), r"x is cut into 2 blocks along axis 1"),
    ):
        with pytest.raises(ValueError, match=says):
            call()
