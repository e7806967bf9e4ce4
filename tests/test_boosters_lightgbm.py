"""Objectives in LightGBM: the model that its own objective trains, native and by scikit-learn; needs the extra `boosters`."""

import numpy as np
import pytest
from helpers_objectives import LAYOUTS, data, is_of_classes, labels_for, least
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

import actloss_c as al
from actloss_c import objectives

lgb = pytest.importorskip("lightgbm")

PARAMS = {
    "num_threads": 1,
    "num_leaves": 15,
    "min_data_in_leaf": 5,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
}
ROUNDS = 30
SAME = [  # data, the library's objective, its metric, the loss
    (load_breast_cancer, "binary", "binary_logloss", "sigmoid_binary_cross_entropy"),
    (load_wine, "multiclass", "multi_logloss", "softmax_cross_entropy"),
    (load_digits, "multiclass", "multi_logloss", "softmax_cross_entropy"),
    (load_diabetes, "regression", "l2", "squared_error"),
]
ids = [f"{load.__name__}-{own}" for load, own, *_ in SAME]


def rows_of(start, n):
    """The initial score of every sample."""
    return np.tile(start, (n, 1)) if np.ndim(start) else np.full(n, start)


def train(params, x, y, weight, start=None, rounds=ROUNDS, **more):
    """(raw predictions, the log of the metrics on the training set)."""
    log = {}
    dataset = lgb.Dataset(x, y, weight=weight, init_score=None if start is None else rows_of(start, len(y)))
    callbacks = [lgb.record_evaluation(log)]
    model = lgb.train(
        {**PARAMS, **params}, dataset, rounds, valid_sets=[dataset], valid_names=["train"], callbacks=callbacks, **more
    )
    return model.predict(x, raw_score=True), log.get("train")


@pytest.mark.parametrize("load,own,metric,name", SAME, ids=ids)
@pytest.mark.parametrize("weighted", (False, True))
def test_model_is_that_of_the_own_objective(load, own, metric, name, weighted):
    """From the same start (boost_from_average): raw predictions to 1e-5 of their size, the same metric in every round."""
    x, y, weight = data(load)
    weight = weight if weighted else None
    classes = {"num_class": int(y.max()) + 1} if is_of_classes(name) else {}
    objective = al.objectives.lightgbm(name)
    want, own_log = train({**classes, "objective": own, "metric": metric}, x, y, weight)
    start = objective.initial_score(y, weight)
    got, log = train({**classes, "objective": objective, "metric": "None"}, x, y, weight, start, feval=objective.metric)
    assert np.ptp(want) > 1
    assert np.abs(start + got - want).max() <= 1e-5 * max(1, np.abs(want).max())
    values = np.array(log[name]) * (2 if metric == "l2" else 1)
    assert np.allclose(values, own_log[metric], rtol=1e-6)


@pytest.mark.parametrize("load,name", [(load_breast_cancer, SAME[0][3]), (load_wine, SAME[1][3])])
def test_scikit_learn_wrapper_is_the_native_model(load, name):
    """Weights and evaluation sets, too; clones train the same."""
    x, y, weight = data(load)
    objective = al.objectives.lightgbm(name)
    start = objective.initial_score(y, weight)
    options = {"n_estimators": 10, "n_jobs": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True}
    model = lgb.LGBMClassifier(**options, objective=objective)
    given = {"sample_weight": weight, "init_score": rows_of(start, len(y))}
    model.fit(
        x,
        y,
        **given,
        eval_X=x,
        eval_y=y,
        eval_sample_weight=[weight],
        eval_init_score=[given["init_score"]],
        eval_metric=objective.metric,
    )
    own = lgb.LGBMClassifier(**options).fit(x, y, sample_weight=weight)
    raw = start + model.predict(x, raw_score=True)
    assert np.abs(raw - own.predict(x, raw_score=True)).max() <= 1e-5
    (log,) = model.evals_result_.values()
    assert log[name][-1] == pytest.approx(objective.metric(y, raw, weight)[1], rel=1e-6)
    again = clone(model).fit(x, y, **given)
    assert np.allclose(start + again.predict(x, raw_score=True), raw, rtol=1e-12)


@pytest.mark.parametrize("name", objectives.LOSSES)
def test_every_loss_trains(name):
    """From its initial score, and most of the way down from it; LightGBM's arrays have the layout that other tests assume."""
    x, y, weight = data(load_wine if is_of_classes(name) else load_breast_cancer)
    y = labels_for(name, y)
    objective = al.objectives.lightgbm(name)
    start = objective.initial_score(y, weight)
    shape = (len(y), *np.shape(start))
    seen = []

    def watched(scores, dataset):
        seen.append((scores.dtype, scores.flags.f_contiguous, scores.shape, dataset.get_label().dtype))
        g, h = objective(scores, dataset)
        assert g.dtype == h.dtype == np.float32 and g.shape == h.shape == scores.shape and g.flags.f_contiguous
        return g, h

    classes = {"num_class": len(start)} if np.ndim(start) else {}
    raw, _ = train({**classes, "objective": watched, "metric": "None"}, x, y, weight, start, 2 * ROUNDS)
    assert set(seen) == {(np.dtype(LAYOUTS["lightgbm"][0]), True, shape, np.dtype(np.float32))}
    before = objective.metric(y, np.broadcast_to(start, shape), weight)[1]
    after = objective.metric(y, start + raw, weight)[1]
    assert after - least(objective, y, weight) < 0.3 * (before - least(objective, y, weight))
