"""The score to start a booster from: no constant is better."""

import numpy as np
from helpers_objectives import CLASSES, LOSS, SOFTMAX, TrainingSet, is_of_classes, own_options, targets

from actloss_c import _initial_score, objectives, registry


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


def test_search_over_classes_takes_shorter_steps():
    """Where a whole one goes up: the focal loss is not convex."""
    for name in (n for n in objectives.LOSSES if is_of_classes(n) and not registry.FUNCTIONS[n].convex):
        objective, weight = objectives.xgboost(name, gamma=1.0), [66565.0, 425104.0]
        difference = np.diff(objective.initial_score([0, 1], weight))[0]
        others = difference + np.linspace(-2, 2, 41)
        losses = [objective.loss([[0, d]] * 2, [0, 1], sample_weight=weight, **objective.params) for d in others]
        assert np.argmin(losses) == 20


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
