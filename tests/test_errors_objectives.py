"""What objectives for boosters refuse, and in which words: when they are made, and when they are called."""

from types import SimpleNamespace

import numpy as np
from helpers_errors import refused
from helpers_objectives import BOOSTER, CLASSES, LOSS, MAKERS, SOFTMAX, TrainingSet, batch, is_of_classes, own_options

import actloss_c
from actloss_c import objectives, registry

FACTORS = ("exact", "xgboost", "lightgbm")


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
    stranger = SimpleNamespace(name=SOFTMAX)  # as the functions of al.torch and al.dask
    for loss in (None, 3, np.ones(3), stranger):
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
    for number in (np.nan, np.inf, -3.0):
        if number == -3.0 and not is_of_classes(name) and registry.FUNCTIONS[name].target is None:
            continue
        target[5] = number
        with refused((ValueError, IndexError), name, "target[5]", str(number)):
            objective.initial_score(target)


@LOSS
def test_bad_starts_are_refused(name):
    """Numbers of classes, weights beside a training set, a training set that is not there yet."""
    _, target, weight = batch(name, "lightgbm", 50)
    objective = objectives.lightgbm(name)
    for bad in (0, -1, 2.0, "a", True):
        with refused(ValueError if is_of_classes(name) else TypeError, name, f"classes={bad!r}"):
            objective.initial_score(target, classes=bad)
    if is_of_classes(name) and registry.FUNCTIONS[name].soft:
        with refused(ValueError, name, "classes=3", "(50, 2)"):
            objective.initial_score(np.full((50, 2), 0.5), classes=3)
    with refused(TypeError, name, "sample_weight", "training set"):
        objective.initial_score(TrainingSet(target), weight)

    class Early(TrainingSet):
        def get_weight(self):
            raise Exception("Cannot get weight before construct Dataset")

    with refused(ValueError, name, "before construct", "call its construct()"):
        objective.initial_score(Early(target))


def test_bad_label_is_named_by_its_own_row(monkeypatch):
    """Whatever the block that it stands in."""
    z, target, weight = batch(SOFTMAX, "lightgbm", 1000)
    monkeypatch.setattr(objectives, "BLOCK", 100 * CLASSES)
    target[733] = CLASSES
    with refused(IndexError, "target[733]", f"{CLASSES}.0"):
        objectives.lightgbm(SOFTMAX)(target, z, weight)
