"""The compiled calls of losses against the general method in Python below them: same bits, and who takes which call."""

import contextlib
import functools
import gc
import sys

import numpy as np
import pytest
from actloss_c._call import backward_learned
from helpers_losses import inputs_of, labels, logits
from helpers_pairs import pairs

import actloss_c
from actloss_c import _build, _dispatch, registry
from actloss_c.loss import Loss
from actloss_c.pair_loss import PairLoss

ENTRIES = (*registry.LOSSES, *registry.PAIR_LOSSES)
EACH_LOSS = pytest.mark.parametrize("entry", ENTRIES, ids=lambda e: e.name)
KINDS = ("value", "grad", "value_and_grad")
EACH_KIND = pytest.mark.parametrize("kind", KINDS)
REDUCTIONS = ("mean", "sum")


class Watched:
    """A loss that counts the calls which the compiled methods hand on to Python."""

    handed_on = 0

    def __getattribute__(self, name):
        if name.startswith("_general_"):
            self.handed_on += 1
        return super().__getattribute__(name)


class WatchedLoss(Watched, Loss):
    pass


class WatchedPairLoss(Watched, PairLoss):
    pass


def is_pair(entry):
    return entry in registry.PAIR_LOSSES


def build(entry, rows=Loss, over_pairs=PairLoss):
    module = _dispatch.load(_dispatch.LEVEL)
    return over_pairs(entry, *module.pairs_by_name[entry.name], module.inside) if is_pair(entry) else rows(entry, module)


def batch(entry, dtype, rows=5, classes=7):
    """(z, target)."""
    if is_pair(entry):
        return pairs(entry, np.dtype(dtype), classes * rows)
    z = inputs_of(entry, logits(dtype, (rows, classes)))
    return z, labels((rows,), classes)


def method_of(loss, kind):
    return loss if kind == "value" else getattr(loss, kind)


def ordinary(entry, kind, z):
    """Options that the compiled calls take."""
    yield from ({}, {"sample_weight": None}, {"out": None})
    yield from ({"reduction": reduction} for reduction in REDUCTIONS)
    if not is_pair(entry):
        yield from ({"axis": axis} for axis in (-1, z.ndim - 1))
    if kind != "value":
        yield {"out": np.empty_like(z)}
        yield {"out": np.empty_like(z), "reduction": "sum", "sample_weight": None}


# --- same bits, and who takes which call -------------------------------------------------------------------------------------


@EACH_LOSS
@EACH_KIND
def test_ordinary_calls_do_not_reach_python(entry, kind, dtype, assert_same_results):
    watched = build(entry, WatchedLoss, WatchedPairLoss)
    for rows in (1, 5, 300):
        z, target = batch(entry, dtype, rows)
        for options in ordinary(entry, kind, z):
            got = method_of(watched, kind)(z, target, **options)
            assert watched.handed_on == 0, options
            want = getattr(build(entry), f"_general_{kind}")(z, target, **options)
            assert_same_results(got, want, f"{kind} {options}")
            if options.get("out") is not None:
                assert (got if kind == "grad" else got[1]) is options["out"]


def layouts(a):
    """The same numbers: every second and third, backwards, column by column, with gaps between columns, as a part of rows."""
    yield from (np.repeat(a, k, axis=-1)[..., ::k] for k in (2, 3, 17))
    yield np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1]
    yield np.array(a, order="F")
    yield np.repeat(a.T, 2, axis=0)[::2].T
    yield np.concatenate([a, a], axis=1)[:, : a.shape[1]]


@EACH_LOSS
@EACH_KIND
def test_layouts_do_not_reach_python(entry, kind, dtype, assert_same_results):
    """Any steps of any operand, gradients in place and elsewhere; for rows any axis."""
    watched = build(entry, WatchedLoss, WatchedPairLoss)
    for rows, classes in ((5, 7), (3, 700), (130, 33), (40, 64), (1, 5)):
        z, target = batch(entry, dtype, rows, classes)
        targets = [target] * 7 if not is_pair(entry) else list(layouts(target.reshape(rows, classes)))
        z = z.reshape(rows, classes)
        want = getattr(build(entry), f"_general_{kind}")(z, targets[0])
        for own, other in zip(layouts(z), targets, strict=True):
            outs = [{}] if kind == "value" else [{}, {"out": own}, *({"out": o} for o in layouts(np.empty_like(z)))]
            for options in outs:
                before = own.copy()
                got = method_of(watched, kind)(own, other, **options)
                assert_same_results(got, want, f"{kind} {own.strides} {other.strides} {options}")
                own[...] = before
                if not is_pair(entry) and not options:
                    turned = method_of(watched, kind)(own.T, other, axis=0)
                    turned = turned if kind == "value" else turned.T if kind == "grad" else (turned[0], turned[1].T)
                    assert_same_results(turned, want, f"{kind} {own.strides}, axis 0")
    assert watched.handed_on == 0


@EACH_LOSS
@EACH_KIND
def test_other_calls_are_handed_on(entry, kind, dtype, assert_same_results):
    z, target = batch(entry, dtype)
    cases = {
        "by name": ((), {"z": z, "target": target}),
        "target by name": ((z,), {"target": target}),
        "each by itself": ((z, target), {"reduction": "none"}),
        "weights": ((z, target), {"sample_weight": np.ones(target.shape)}),
        "list": ((z.tolist(), target), {}),
        "byte-swapped": ((z.astype(z.dtype.newbyteorder()), target), {}),
    }
    if kind != "value":
        cases["out of another dtype"] = ((z, target), {"out": np.empty(z.shape, np.float16)})
    if not is_pair(entry):
        cases["labels with a step"] = ((z, np.repeat(target, 2)[::2]), {})
        cases["narrow labels"] = ((z, target.astype(np.int8)), {})
    for what, (given, options) in cases.items():
        watched = build(entry, WatchedLoss, WatchedPairLoss)
        got = method_of(watched, kind)(*given, **options)
        assert watched.handed_on == 1, what
        assert_same_results(got, getattr(build(entry), f"_general_{kind}")(*given, **options), what)


@EACH_LOSS
@EACH_KIND
def test_mistakes_reach_the_words_for_them(entry, kind):
    z, target = batch(entry, np.float32)
    method = method_of(_build.functions()[entry.name], kind)
    wrong = [((z,), {}), ((z, target, -1), {}), ((), {}), ((z, target), {"nonsense": 1}), ((z, target), {"z": z})]
    if is_pair(entry):
        wrong.append(((z, target), {"axis": -1}))
    for given, options in wrong:
        with pytest.raises(TypeError, match=entry.name if len(given) != 2 else None):
            method(*given, **options)
    wrong = [((z, target), {"reduction": "median"}), ((z, target[:-1]), {}), ((z, target), {"reduction": None})]
    for given, options in wrong:
        with pytest.raises(ValueError, match=entry.name):
            method(*given, **options)
    if kind == "value":
        with pytest.raises(ValueError, match="out= is for reduction='none'"):
            method(z, target, out=np.empty_like(z))


@EACH_LOSS
def test_keywords_of_any_make(entry):
    """Names that are not interned, and dicts that are kept: functools.partial passes its own."""
    z, target = batch(entry, np.float32)
    out, made_up = np.empty_like(z), {"".join(["o", "ut"]): np.empty_like(z)}
    loss = _build.functions()[entry.name]
    assert functools.partial(loss.grad, out=out)(z, target) is out
    assert loss.grad(z, target, **made_up) is made_up["out"]
    mean, total = loss(z, target), functools.partial(loss, **{"".join(["reduc", "tion"]): "sum"})(z, target)
    assert type(mean) is type(total) is float
    assert mean == loss(z, target, reduction="".join(["me", "an"]))


# --- classes and references --------------------------------------------------------------------------------------------------


@EACH_LOSS
def test_subclasses(entry):
    class OwnRows(Loss):
        def grad(self, z, target):
            return "own", super().grad(z, target)

    class OwnPairs(PairLoss):
        def grad(self, z, target):
            return "own", super().grad(z, target)

    z, target = batch(entry, np.float32)
    own, public = build(entry, OwnRows, OwnPairs), build(entry)
    found = own.grad(z, target)
    assert found[0] == "own"
    assert np.array_equal(found[1], public.grad(z, target), equal_nan=True)
    assert np.array_equal(own(z, target), public(z, target), equal_nan=True)


def test_object_without_data_does_not_crash():
    for cls in (Loss, PairLoss):
        empty = cls.__new__(cls)
        for call in (empty, empty.grad, empty.value_and_grad):
            with pytest.raises(AttributeError):
                call(np.ones((3, 4), np.float32), np.zeros(3, np.int64))


@EACH_LOSS
@EACH_KIND
def test_calls_leave_no_reference(entry, kind):
    """Neither to an argument nor of a result, on success and on failure, whichever way the call takes."""
    z, target = batch(entry, np.float32)
    out, bad = np.empty_like(z), target[:-1]
    method = method_of(_build.functions()[entry.name], kind)
    given = {} if kind == "value" else {"out": out}

    def work():
        method(z, target)
        method(z, target, reduction="sum", **given)
        method(z, target, reduction="none")
        for options in ({"nonsense": out}, {"reduction": "median"}):
            with contextlib.suppress(TypeError, ValueError):
                method(z, target, **options)
                raise AssertionError("not refused")
        with contextlib.suppress(ValueError):
            method(z, bad)
            raise AssertionError("not refused")

    counts = []
    for runs in (20, 500):
        for _ in range(runs):
            work()
        gc.collect()
        counts.append((sys.getallocatedblocks(), *map(sys.getrefcount, (z, target, out, bad, method))))
    before, after = counts
    assert after[0] - before[0] < 100
    assert after[1:] == before[1:]


@pytest.mark.parametrize("name", ("relu", "squared_error", "softmax_cross_entropy"))
def test_objects_are_called_without_a_tuple_and_a_dict(name):
    have_vectorcall = 1 << 11  # Py_TPFLAGS_HAVE_VECTORCALL; Python 3.11 sets it for no class that is written in Python
    assert type(getattr(actloss_c, name)).__flags__ & have_vectorcall


def test_unfinished_and_wrong_objects_raise():
    """What C reads must be there: a class whose __init__ was never called, a loss over rows asked as one over pairs."""
    x = np.ones(3)
    for call in (PairLoss.__new__(PairLoss).grad_and_hess, PairLoss.__new__(PairLoss), Loss.__new__(Loss).value_and_grad):
        with pytest.raises(AttributeError):
            call(x, x)
    for loss, which in ((actloss_c.softmax_cross_entropy, 0), (actloss_c.squared_error, -1), (actloss_c.squared_error, 5)):
        assert loss._plain(which, x, x, "mean", None, None) is None
    rows = _build.functions(_dispatch.LEVEL)["cross_entropy"]._level.rows_by_name["cross_entropy"]
    with pytest.raises(ValueError, match="PyCapsule"):
        PairLoss.__init__(PairLoss.__new__(PairLoss), registry.FUNCTIONS["squared_error"], *rows, None)
    with pytest.raises(TypeError, match="relu: no loop for a learned parameter"):
        backward_learned(actloss_c.relu, x, x, x, x, x)
