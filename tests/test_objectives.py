"""Objectives for boosters without a booster: the loss's own numbers in each library's form, weights, floors, starts, refusals."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
from helpers_errors import refused
from helpers_objectives import CLASSES, MAKERS, TrainingSet, batch, is_of_classes, targets
from helpers_pairs import OPTIONS
from helpers_process import python, succeeds

import actloss_c
from actloss_c import _initial_score, objectives, registry

BOOSTER = pytest.mark.parametrize("booster", MAKERS)
LOSS = pytest.mark.parametrize("name", objectives.LOSSES)
FACTORS = {"exact": 1, "xgboost": 2, "lightgbm": CLASSES / (CLASSES - 1)}
SOFTMAX = next(name for name in objectives.LOSSES if is_of_classes(name) and registry.FUNCTIONS[name].convex)
SIGNS = [name for name, entry in objectives.LOSSES.items() if getattr(entry, "target", None) == "sign"]
OPTIONS_OF_CLASSES = {
    "class_weight": (range(1, CLASSES + 1),),
    "ignore_index": (1,),
    "empty": ("nan",),
    "label_smoothing": (0.1,),
    "softcap": (5.0,),
    "temperature": (2.0,),
    "z_loss": (1e-3,),
    "gamma": (0.0, 0.5, 5.0),
}


def own_options(name):
    """{} and each of the loss's own options by itself."""
    values = OPTIONS_OF_CLASSES if is_of_classes(name) else OPTIONS
    loss = getattr(actloss_c, name)
    yield {}
    for option in loss.options if is_of_classes(name) else loss.params:
        if option not in objectives.OWN:
            yield from ({option: value} for value in values[option])


# --- derivatives -------------------------------------------------------------------------------------------------------------


@LOSS
@BOOSTER
@pytest.mark.parametrize("hess", FACTORS)
@pytest.mark.parametrize("weighted", (False, True))
def test_results_are_those_of_the_loss(booster, name, hess, weighted, assert_same_bits):
    """Those of the sum, the Hessian times the rule's factor and at least the floor; then weighted; in the scores' layout."""
    z, target, weight = batch(name, booster)
    weight = weight if weighted else None
    factor = FACTORS[hess] if is_of_classes(name) else 1
    kept = z.copy("K")
    for options in own_options(name):
        objective = MAKERS[booster](name, hess=hess, **options)
        g, h = objective(target, z, weight)
        loss = getattr(actloss_c, name)
        want_g, want_h = loss.grad_and_hess(z, target, reduction="sum", **options)
        want_h = np.maximum((want_h * factor).astype(np.float32), np.float32(objective.hess_min))
        for result, want in ((g, want_g), (h, want_h)):
            want = want.astype(np.float32)
            assert_same_bits(result, (want.T * weight).T if weighted else want, f"{objective}")
        for result in (g, h):
            assert (result.flags.c_contiguous, result.flags.f_contiguous) == (z.flags.c_contiguous, z.flags.f_contiguous)
    assert_same_bits(z, kept, "the booster's own scores")


@LOSS
@BOOSTER
def test_native_call_is_that_of_scikit_learn(booster, name, assert_same_results):
    """A training set has the labels and the weights; without weights XGBoost's are empty, LightGBM's None."""
    z, target, weight = batch(name, booster)
    objective = MAKERS[booster](name)
    assert_same_results(objective(z, TrainingSet(target, weight)), objective(target, z, sample_weight=weight))
    for nothing in (None, np.empty(0, np.float32)):
        assert_same_results(objective(z, TrainingSet(target, nothing=nothing)), objective(target, z))


@LOSS
@BOOSTER
def test_hessian_has_a_floor(booster, name):
    """Nothing is negative or 0; where the loss is flat, a sample counts as much as its weight."""
    z, target, weight = batch(name, booster)
    for hess_min in (None, 0.0, 0.25):
        objective = MAKERS[booster](name, hess_min=hess_min)
        least = objective.hess_min
        assert least == hess_min or (hess_min is None and least == (1 if registry.FUNCTIONS[name].hessian == "0" else 1e-16))
        h = objective(target, z, weight)[1]
        assert (np.float32(least) * weight <= h.T).all() and (h.T >= 0).all()


@LOSS
@BOOSTER
def test_weight_of_two_is_a_sample_taken_twice(booster, name, assert_same_bits):
    z, target, _ = batch(name, booster)
    weight = np.random.default_rng(3).integers(0, 3, len(z)).astype(np.float32)
    objective = MAKERS[booster](name, hess_min=0.2)
    for got, one in zip(objective(target, z, weight), objective(target, z), strict=True):
        assert_same_bits(got + np.float32(0), (one.T * weight).T + np.float32(0))  # of a weight of 0 either zero


@BOOSTER
def test_weight_of_zero_drops_a_sample(booster):
    """Be it infinitely wrong."""
    for name in objectives.LOSSES:
        z, target, weight = batch(name, booster)
        z[3], weight[3] = -np.inf, 0
        for result in MAKERS[booster](name)(target, z, weight):
            assert (result[3] == 0).all() and np.isfinite(result).all()


@BOOSTER
def test_blocks_change_no_bit(booster, monkeypatch, assert_same_results):
    z, target, weight = batch(SOFTMAX, booster, 1000)
    objective = MAKERS[booster](SOFTMAX)
    want = objective(target, z, weight)
    for block in (1, 37 * CLASSES, 999 * CLASSES):
        monkeypatch.setattr(objectives, "BLOCK", block)
        assert_same_results(objective(target, z, weight), want, f"blocks of {block}")


def test_bad_label_is_named_by_its_own_row(monkeypatch):
    """Whatever the block that it stands in."""
    z, target, weight = batch(SOFTMAX, "lightgbm", 1000)
    monkeypatch.setattr(objectives, "BLOCK", 100 * CLASSES)
    target[733] = CLASSES
    with refused(IndexError, "target[733]", f"{CLASSES}.0"):
        objectives.lightgbm(SOFTMAX)(target, z, weight)


@LOSS
@BOOSTER
def test_memory_is_that_of_the_results(booster, name):
    """No copy of the scores, no results of their type beside those handed over; labels and weights are columns."""
    n = 200_000
    z, target, weight = batch(name, booster, n)
    objective = MAKERS[booster](name)
    tracemalloc.start()
    try:
        g, h = objective(target, z, weight)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    columns = 8 * n + 2 * n  # labels in int64, what is compared
    assert peak < g.nbytes + h.nbytes + columns + 24 * objectives.BLOCK


def test_other_layouts_and_several_targets(assert_same_bits):
    """Every second row; (n, targets) with a weight per row, one number per column to begin with."""
    for name in objectives.LOSSES:
        z, target, weight = batch(name, "xgboost")
        objective = objectives.xgboost(name)
        wide = np.repeat(z, 2, axis=0)[::2]
        for got, want in zip(objective(target, wide, weight), objective(target, z, weight), strict=True):
            assert_same_bits(got, want)
        if not is_of_classes(name):
            both, targets_ = np.stack([z, z[::-1]], 1), np.stack([target, target[::-1]], 1)
            got = objective(targets_, both, weight)
            for k, (column, t) in enumerate(((z, target), (z[::-1], target[::-1]))):
                for result, want in zip(got, objective(t, column, weight), strict=True):
                    assert_same_bits(result[:, k], want)
            starts = objective.initial_score(targets_, weight)
            assert starts[0] == objective.initial_score(target, weight) and starts.shape == (2,)
            assert objective.metric(targets_, both, weight) == pytest.approx(
                (objective.metric(target, z, weight) + objective.metric(target[::-1], z[::-1], weight)) / 2
            )
            assert_same_bits(objective(target, z[:, None])[0][:, 0], objective(target, z)[0])


# --- metric ------------------------------------------------------------------------------------------------------------------


@LOSS
def test_metric_is_the_mean_loss(name):
    for booster in MAKERS:
        z, target, weight = batch(name, booster)
        metric = MAKERS[booster](name).metric
        for w in (weight, None):
            value = getattr(actloss_c, name)(z, target, sample_weight=w)
            native, by_arrays = metric(z, TrainingSet(target, w)), metric(target, z, w)
            if booster == "xgboost":
                assert native == (name, value) and by_arrays == value and type(by_arrays) is float
            else:
                assert native == by_arrays == (name, value, False)
        assert metric.__name__ == name


# --- the start ---------------------------------------------------------------------------------------------------------------


@LOSS
def test_no_constant_is_better_than_the_initial_score(name):
    """Of the weighted loss, along each class and in random directions, near and far."""
    target, n = targets(name, 400), 400
    random = np.random.default_rng(7)
    weight = random.random(n)
    for options in own_options(name):
        objective = objectives.xgboost(name, **options)
        extra = {"classes": CLASSES} if is_of_classes(name) else {}
        start = np.asarray(objective.initial_score(target, weight, **extra))
        assert start.dtype == np.float64 and start.shape == ((CLASSES,) if extra else ()) and np.isfinite(start).all()

        def total(score, objective=objective, start=start):
            z = np.broadcast_to(score, (n, *start.shape)).copy()
            return objective.loss(z, target, reduction="sum", sample_weight=weight, **objective.params)

        steps = np.concatenate(
            [np.eye(max(start.size, 1)), -np.eye(max(start.size, 1)), random.normal(size=(5, max(start.size, 1)))]
        )
        for step in steps.reshape(-1, *start.shape):
            for size in (1e-3, 0.1, 2.0):
                assert total(start + size * step) >= total(start) * (1 - 1e-12) - 1e-12, f"{objective} {start} {size * step}"


def test_initial_score_of_labels_is_known():
    """The log of the shares for classes and, by training sets, too; a class without samples is LightGBM's share of 1e-15."""
    target = np.repeat([0, 1, 3], [5, 3, 2]).astype(np.float32)
    objective = objectives.lightgbm(SOFTMAX)
    for start in (objective.initial_score(target), objective.initial_score(TrainingSet(target))):
        assert np.allclose(start, np.log([0.5, 0.3, 1e-15, 0.2]), rtol=1e-12)
    assert objective.initial_score(target, classes=6).shape == (6,)
    soft = np.eye(CLASSES)[target.astype(int)]
    assert np.allclose(objective.initial_score(soft), objective.initial_score(target), rtol=1e-12)


@LOSS
def test_initial_score_at_the_ends_is_finite(name):
    """One label, one sample, weights of 0."""
    for value in (0, 1):
        if value == 0 and getattr(registry.FUNCTIONS[name], "target", None) == "positive":
            continue
        objective = objectives.lightgbm(name)
        start = objective.initial_score([value, value, 1], [1.0, 1.0, 0.0])
        assert np.isfinite(start).all() and np.abs(start).max() < 40


def test_classes_without_samples_go_no_further_than_a_share_of_none():
    """However long the search takes over the others."""
    target = np.repeat([0, 2, 3], [5, 30, 200])
    for name in (n for n in objectives.LOSSES if is_of_classes(n)):
        for options in own_options(name):
            start = objectives.xgboost(name, **options).initial_score(target)
            assert start.min() >= -_initial_score.REACH - 1, f"{name} {options} {start}"


def test_search_over_classes_settles(monkeypatch):
    """Long before it gives up: half of the steps lead to the same place."""
    target = np.repeat(np.arange(6), [1, 3, 10, 60, 200, 1000])
    for name in (n for n in objectives.LOSSES if is_of_classes(n)):
        for options in ({}, {"class_weight": [1, 5, 1, 0.2, 1, 2]}):
            objective = objectives.xgboost(name, **options)
            want = objective.initial_score(target)
            monkeypatch.setattr(_initial_score, "STEPS", 100)
            assert np.allclose(objective.initial_score(target), want, rtol=0, atol=1e-9)
            monkeypatch.undo()


# --- labels of classifiers, copies, imports ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SIGNS)
def test_labels_of_classifiers_count_as_signs(name, assert_same_results):
    z, target, _ = batch(name, "xgboost")
    objective = objectives.xgboost(name)
    for other in ((target + 1) / 2, target > 0, (target > 0).astype(np.int64)):
        assert_same_results(objective(other, z), objective(target, z))
        assert objective.initial_score(other) == objective.initial_score(target)
    with refused(ValueError, name, "target"):
        objective(np.where(np.arange(len(z)) < 3, 0, target), z)


@BOOSTER
def test_objectives_pickle_and_copy(booster, assert_same_results):
    """Wrappers are cloned, pickled, and deep-copied with their parameters."""
    for name in objectives.LOSSES:
        objective = MAKERS[booster](getattr(actloss_c, name), hess_min=0.5)
        z, target, weight = batch(name, booster)
        for other in (pickle.loads(pickle.dumps(objective)), copy.deepcopy(objective)):
            assert other.loss is objective.loss and repr(other) == repr(objective)
            assert_same_results(other(target, z, weight), objective(target, z, weight))
            assert other.metric(target, z, weight) == objective.metric(target, z, weight)


def test_lazy_names_are_loaded_when_asked_for(tmp_path):
    code = """
import sys, actloss_c
early = [name for name, module in actloss_c.LAZY.items() if f"actloss_c.{module}" in sys.modules]
late = [actloss_c.objectives.xgboost, actloss_c.objectives.lightgbm]
print(early, [name for name in ("xgboost", "lightgbm", "sklearn") if name in sys.modules])
"""
    assert succeeds(python(code, tmp_path)).split() == ["[]", "[]"]


# --- refusals ----------------------------------------------------------------------------------------------------------------


@BOOSTER
def test_what_is_no_loss_for_boosters_is_refused(booster):
    make = MAKERS[booster]
    others = [entry for entry in registry.FUNCTIONS.values() if entry.name not in objectives.LOSSES]
    assert others and SOFTMAX not in [entry.name for entry in others]
    for entry in others:
        probabilities = entry in (*registry.PAIR_LOSSES, *registry.LOSSES)
        for loss in (entry.name, getattr(actloss_c, entry.name)):
            error = ValueError if isinstance(loss, str) or probabilities else TypeError
            with refused(error, entry.name, SOFTMAX):
                make(loss)
    for loss in (None, 3, np.ones(3)):
        with refused(TypeError, "loss", SOFTMAX):
            make(loss)


@LOSS
@BOOSTER
def test_bad_options_are_refused_before_training(booster, name):
    make = MAKERS[booster]
    for option in ("out", "reduction", "sample_weight", "axis", "unheard_of"):
        with refused(TypeError, name, option):
            make(name, **{option: None})
    for hess in ("clipped", None, 2):
        with refused(ValueError, name, "hess", *FACTORS):
            make(name, hess=hess)
    for bad in (-1.0, np.nan, np.inf, 1e39):
        with refused(ValueError, name, "hess_min"):
            make(name, hess_min=bad)
    for bad in ("1", True, [0.5]):
        with refused(TypeError, name, "hess_min"):
            make(name, hess_min=bad)
    for options in own_options(name):
        for option in options:
            with refused((TypeError, ValueError), name, option):
                make(name, **{option: "nonsense"})
            if not is_of_classes(name):
                with refused(ValueError, name, option, "broadcast"):
                    make(name, **{option: np.full(3, 0.5)})


@LOSS
@BOOSTER
def test_bad_batches_are_refused(booster, name):
    z, target, weight = batch(name, booster, 50)
    objective = MAKERS[booster](name)
    for call in (objective, objective.metric):
        with refused(ValueError, name, "sample_weight", "(50,)"):
            call(target, z, weight[1:])
        for number in (-1.0, np.nan, np.inf):
            bad = weight.copy()
            bad[7] = number
            with refused(ValueError, name, "sample_weight[7]", str(number)):
                call(target, z, bad)
        with refused(TypeError, name, "sample_weight"):
            call(target, z, weight.astype(str))
        for other in (target[1:], np.append(target, target[:1])):
            with refused(ValueError, name, "target", str(other.shape)):
                call(other, z, weight)
        with refused(TypeError, name, "target"):
            call(target.astype(str), z, weight)
        with refused(ValueError, name, "scores", "classes" if is_of_classes(name) else "samples"):
            call(target, z[:, 0] if is_of_classes(name) else z[:, None, None])
        with refused(TypeError, name, "scores"):
            call(target, [[1.0, 2.0], [3.0]])
    with refused(ValueError, name, "target", "sample"):
        objective.initial_score(target[:0])
    with refused(ValueError, name, "weights", "0.0"):
        objective.initial_score(target, np.zeros(50))
    with refused(TypeError, name, "target"):
        objective.initial_score(target.astype(str))
    for number in (np.nan, -3.0):
        if number == -3.0 and not is_of_classes(name) and registry.FUNCTIONS[name].target is None:
            continue
        target[5] = number
        with refused((ValueError, IndexError), name, "target[5]", str(number)):
            objective.initial_score(target)
