"""Objectives in XGBoost: the model that its own objective trains, native and through scikit-learn; needs the extra `boosters`."""

import numpy as np
import pytest
from helpers_objectives import LAYOUTS, data, is_of_classes, labels_for, least
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine

import actloss_c as al
from actloss_c import objectives

xgb = pytest.importorskip("xgboost")

PARAMS = {"nthread": 1, "max_depth": 4, "verbosity": 0, "seed": 0}
ROUNDS = 30
SAME = [  # data, the library's objective, its metric, the loss
    (load_breast_cancer, "binary:logistic", "logloss", "sigmoid_binary_cross_entropy"),
    (load_wine, "multi:softprob", "mlogloss", "softmax_cross_entropy"),
    (load_digits, "multi:softprob", "mlogloss", "softmax_cross_entropy"),
    (load_diabetes, "reg:squarederror", "rmse", "squared_error"),
]
ids = [f"{load.__name__}-{own}" for load, own, *_ in SAME]


def training_set(x, y, weight, start):
    n = len(y)
    return xgb.DMatrix(
        x, y, weight=weight, base_margin=np.tile(start, (n, 1)) if np.ndim(start) else np.full(n, start), nthread=1
    )


@pytest.mark.parametrize("load,own,metric,name", SAME, ids=ids)
@pytest.mark.parametrize("weighted", (False, True))
def test_model_is_that_of_the_own_objective(load, own, metric, name, weighted):
    """The same start, raw predictions to 1e-5 of their size, the same metric in every round."""
    x, y, weight = data(load)
    classes = {"num_class": int(y.max()) + 1} if is_of_classes(name) else {}
    objective = al.objectives.xgboost(name)
    train = training_set(x, y, weight if weighted else None, objective.initial_score(y, weight if weighted else None))
    own_log, log = {}, {}
    given = {"num_boost_round": ROUNDS, "evals": [(train, "train")], "verbose_eval": False}
    theirs = xgb.train({**PARAMS, **classes, "objective": own, "eval_metric": metric}, train, evals_result=own_log, **given)
    ours = xgb.train({**PARAMS, **classes}, train, obj=objective, custom_metric=objective.metric, evals_result=log, **given)
    want, got = (model.predict(train, output_margin=True) for model in (theirs, ours))
    assert np.ptp(want) > 1
    assert np.abs(got - want).max() <= 1e-5 * max(1, np.abs(want).max())
    values = np.array(log["train"][name])
    # The square root of twice ours, or the mean loss itself; XGBoost reads our values from six printed digits.
    same = np.sqrt(2 * values) if metric == "rmse" else values
    assert np.allclose(same, own_log["train"][metric], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("load,name", [(load_breast_cancer, SAME[0][3]), (load_wine, SAME[1][3])])
def test_scikit_learn_wrapper_is_the_native_model(load, name):
    """Weights and evaluation sets, too; clones train the same."""
    x, y, weight = data(load)
    objective = al.objectives.xgboost(name)
    model = xgb.XGBClassifier(
        n_estimators=10, max_depth=4, n_jobs=1, base_score=0.5, objective=objective, eval_metric=objective.metric
    )
    model.fit(x, y, sample_weight=weight, eval_set=[(x, y)], sample_weight_eval_set=[weight], verbose=False)
    own = xgb.XGBClassifier(n_estimators=10, max_depth=4, n_jobs=1, base_score=0.5).fit(x, y, sample_weight=weight)
    assert np.abs(model.predict_proba(x) - own.predict_proba(x)).max() <= 1e-5
    raw = model.predict(x, output_margin=True)
    assert model.evals_result()["validation_0"][name][-1] == pytest.approx(objective.metric(y, raw, weight), abs=1e-6)
    again = clone(model).fit(x, y, sample_weight=weight, eval_set=[(x, y)], verbose=False)
    assert np.array_equal(again.predict_proba(x), model.predict_proba(x))


@pytest.mark.parametrize("name", objectives.LOSSES)
def test_every_loss_trains(name):
    """From its initial score, and most of the way down from it; XGBoost's arrays have the layout that other tests assume."""
    x, y, weight = data(load_wine if is_of_classes(name) else load_breast_cancer)
    y = labels_for(name, y)
    objective = al.objectives.xgboost(name)
    start = objective.initial_score(y, weight)
    train = training_set(x, y, weight, start)
    seen = []

    def watched(scores, dtrain):
        seen.append((scores.dtype, scores.flags.c_contiguous, scores.shape, dtrain.get_label().dtype))
        g, h = objective(scores, dtrain)
        assert g.dtype == h.dtype == np.float32 and g.shape == h.shape == scores.shape and g.flags.c_contiguous
        return g, h

    classes = {"num_class": len(start)} if np.ndim(start) else {}
    model = xgb.train({**PARAMS, **classes, "learning_rate": 0.1}, train, 2 * ROUNDS, obj=watched)
    shape = (len(y), *np.shape(start))
    assert set(seen) == {(np.dtype(LAYOUTS["xgboost"][0]), True, shape, np.dtype(np.float32))}
    before = objective.metric(np.broadcast_to(start, shape), train)[1]
    after = objective.metric(model.predict(train, output_margin=True), train)[1]
    assert after - least(objective, y, weight) < 0.3 * (before - least(objective, y, weight))


def test_distributions_over_the_classes_train():
    x, y, _ = data(load_wine)
    soft = 0.9 * np.eye(3)[y] + 0.1 / 3
    name = SAME[1][3]
    objective = al.objectives.xgboost(name)
    train = xgb.DMatrix(x, soft, base_margin=np.tile(objective.initial_score(soft), (len(y), 1)), nthread=1)
    raw = xgb.train(PARAMS, train, ROUNDS, obj=objective).predict(train, output_margin=True)
    assert np.abs(al.softmax(raw) - soft).max() < 0.1
