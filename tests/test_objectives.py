"""Objectives for boosters without a booster: the loss's own numbers in each library's form, weights, floors, copies."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
from helpers_errors import refused
from helpers_objectives import BOOSTER, CLASSES, LOSS, MAKERS, SOFTMAX, TrainingSet, batch, is_of_classes, own_options
from helpers_process import python, succeeds

import actloss_c
from actloss_c import objectives, registry

FACTORS = {"exact": 1, "xgboost": 2, "lightgbm": CLASSES / (CLASSES - 1)}
SIGNS = [name for name, entry in objectives.LOSSES.items() if getattr(entry, "target", None) == "sign"]
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
        want_h[target == options.get("ignore_index")] = 0
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
def test_ignored_label_drops_a_sample(booster, assert_same_results):
    """As a weight of 0 does, whatever the floor."""
    for name in (n for n in objectives.LOSSES if is_of_classes(n)):
        z, target, _ = batch(name, booster)
        dropped, kept = np.where(np.arange(len(z)) % 3 == 0, -1, target), (np.arange(len(z)) % 3 > 0).astype(np.float32)
        got = MAKERS[booster](name, hess_min=0.5, ignore_index=-1)(dropped, z)
        assert_same_results(got, MAKERS[booster](name, hess_min=0.5)(target, z, kept))


@BOOSTER
def test_blocks_change_no_bit(booster, monkeypatch, assert_same_results):
    z, target, weight = batch(SOFTMAX, booster, 1000)
    objective = MAKERS[booster](SOFTMAX)
    want = objective(target, z, weight)
    for block in (1, 37 * CLASSES, 999 * CLASSES):
        monkeypatch.setattr(objectives, "BLOCK", block)
        assert_same_results(objective(target, z, weight), want, f"blocks of {block}")


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
