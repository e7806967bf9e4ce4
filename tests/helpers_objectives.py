"""What the tests of objectives share: batches as each booster hands them over, and training sets."""

import numpy as np
import pytest
from helpers_losses import labels, weights
from helpers_pairs import OPTIONS, numbers

import actloss_c
from actloss_c import objectives, registry

MAKERS = {"xgboost": objectives.xgboost, "lightgbm": objectives.lightgbm}
LAYOUTS = {"xgboost": (np.float32, "C"), "lightgbm": (np.float64, "F")}  # of the scores
CLASSES = 4
BOOSTER = pytest.mark.parametrize("booster", MAKERS)
LOSS = pytest.mark.parametrize("name", objectives.LOSSES)
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


def is_of_classes(name):
    return registry.FUNCTIONS[name] in registry.LOSSES


def own_options(name):
    """{} and each of the loss's own options by itself."""
    values = OPTIONS_OF_CLASSES if is_of_classes(name) else OPTIONS
    loss = getattr(actloss_c, name)
    yield {}
    for option in loss.options if is_of_classes(name) else loss.params:
        if option not in objectives.OWN:
            yield from ({option: value} for value in values[option])


# That whose Hessian is p (1 − p)
SOFTMAX = next(name for name in objectives.LOSSES if is_of_classes(name) and registry.FUNCTIONS[name].convex)


class TrainingSet:
    """What both libraries' have: labels and weights of float32."""

    def __init__(self, label, weight=None, nothing=None):
        self.label = np.asarray(label, np.float32)
        self.weight = nothing if weight is None else np.asarray(weight, np.float32)

    def get_label(self):
        return self.label

    def get_weight(self):
        return self.weight


def targets(name, n):
    """float32, as training sets have them."""
    entry = registry.FUNCTIONS[name]
    if is_of_classes(name):
        return labels((n,), CLASSES).astype(np.float32)
    target = numbers(entry.target, np.dtype(np.float32), np.random.default_rng(2), n)
    return np.clip(target, 1e-3, 30) if entry.target == "positive" else np.clip(target, -30, 30)


def batch(name, booster, n=300):
    """(scores, float32 targets, float32 weights)."""
    dtype, order = LAYOUTS[booster]
    shape = (n, CLASSES) if is_of_classes(name) else (n,)
    z = np.random.default_rng(0).normal(scale=3, size=shape).astype(dtype, order=order)
    return z, targets(name, n), weights((n,)).astype(np.float32)


def data(load, rows=600):
    """(samples, target, weights) of one of scikit-learn's data sets, mixed."""
    x, y = load(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))[:rows]
    return x[order], y[order], np.random.default_rng(1).uniform(0.5, 2, len(order))


def labels_for(name, y):
    """Labels 0 and 1 as targets that the loss takes."""
    return np.where(y == 1, 1.0, 0.25) if getattr(registry.FUNCTIONS[name], "target", None) == "positive" else y


def least(objective, y, weight):
    """The loss that no model falls below: that of the best score for each label."""
    if is_of_classes(objective.loss.name):
        return 0.0
    scores = np.linspace(-40, 40, 4001)
    signs = 2 * y - 1 if registry.FUNCTIONS[objective.loss.name].target == "sign" else y
    best = {t: objective.loss(scores, np.full(scores.shape, t), reduction="none", **objective.params).min() for t in set(signs)}
    return np.average([best[t] for t in signs], weights=weight)
