"""scikit-learn's perceptrons on this package's kernels: the same results to rounding, the tables put back whatever happens."""

import inspect
import re
import threading
import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

from helpers_process import fails_to_import, python
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor, _base

import actloss_c as al

TABLES = (_base.ACTIVATIONS, _base.DERIVATIVES, _base.LOSS_FUNCTIONS)
REPLACED = (
    {"logistic", "tanh", "relu", "softmax"},
    {"logistic", "tanh", "relu"},
    {"squared_error", "log_loss", "binary_log_loss"},
)
ACTIVATION = pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])


def tables():
    return [dict(table) for table in TABLES]


def fitted(kind, x, y, fast, weight=None, **settings):
    """(predictions, losses of the epochs or the last one, weights) of a short training."""
    model = kind(hidden_layer_sizes=(20, 12), max_iter=3, tol=0, random_state=3, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        if fast:
            with al.sklearn.accelerate_mlp():
                model.fit(x, y, **weight)
                predicted = predictions(model, x)
        else:
            model.fit(x, y, **weight)
            predicted = predictions(model, x)
    return predicted, np.array(getattr(model, "loss_curve_", [model.loss_])), np.concatenate([w.ravel() for w in model.coefs_])


def predictions(model, x):
    return model.predict_proba(x) if hasattr(model, "predict_proba") else model.predict(x)


def problems():
    """{name: (kind, y)} for each output and loss."""
    labels = load_digits().target
    several = np.stack([labels > 4, labels % 2 == 0], axis=1)
    return {
        "classes": (MLPClassifier, labels),
        "two classes": (MLPClassifier, labels > 4),
        "several labels": (MLPClassifier, several.astype(int)),
        "a number": (MLPRegressor, labels / 9),
        "numbers": (MLPRegressor, several * 1.5),
    }


@ACTIVATION
@pytest.mark.parametrize("problem", problems())
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_results_to_rounding(activation, problem, dtype):
    kind, y = problems()[problem]
    x = (load_digits().data[:300] / 16).astype(dtype)
    weights = [{}]
    if "sample_weight" in inspect.signature(kind.fit).parameters:  # from version 1.7 on
        weights.append({"sample_weight": np.arange(300) % 3 + 0.5})
    for weight in weights:
        plain, fast = (fitted(kind, x, y[:300], fast, weight, activation=activation) for fast in (False, True))
        eps = np.finfo(dtype).eps
        for one, other in zip(plain, fast, strict=True):
            np.testing.assert_allclose(one, other, rtol=300 * eps, atol=300 * eps)


def test_same_results_with_lbfgs():
    x, y = load_digits(return_X_y=True)
    plain, fast = (fitted(MLPClassifier, x[:300] / 16, y[:300], fast, {}, solver="lbfgs", activation="tanh") for fast in (0, 1))
    np.testing.assert_allclose(plain[0], fast[0], atol=1e-9)


@pytest.mark.parametrize("problem", problems())
def test_weights_without_a_sum_are_refused(problem):
    """As by scikit-learn alone; the weights of the network would all be NaN."""
    kind, y = problems()[problem]
    if "sample_weight" not in inspect.signature(kind.fit).parameters:
        pytest.skip("no weights before version 1.7")
    weight = {"sample_weight": np.arange(100) // 99.0}
    for fast in (False, True):
        with pytest.raises(ZeroDivisionError, match="sum"):
            fitted(kind, load_digits().data[:100], y[:100], fast, weight, batch_size=20)


def test_other_ways_to_train():
    """Batch by batch, with early stopping, from where the last training ended."""
    x, y = load_digits().data[:200] / 16, load_digits().target[:200]

    def trained(**settings):
        model = MLPClassifier((9,), activation="tanh", max_iter=5, random_state=0, tol=0, **settings)
        for _ in range(3):
            model.partial_fit(x, y, classes=range(10)) if not settings else model.fit(x, y)
        return model.predict_proba(x)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for settings in ({}, {"early_stopping": True}, {"warm_start": True}, {"solver": "sgd"}):
            want = trained(**settings)
            with al.sklearn.accelerate_mlp():
                np.testing.assert_allclose(trained(**settings), want, atol=1e-13, err_msg=str(settings))


def test_example_runs_as_written():
    page = (Path(__file__).resolve().parent.parent / "docs" / "sklearn.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        exec(block, names := {})
    assert names["model"].n_iter_ > 1 and tables()[0]["tanh"] is _base.inplace_tanh


def test_missing_library_is_named_with_its_extra(tmp_path):
    code = "import sys; sys.modules['sklearn'] = None; import actloss_c as al; al.sklearn"
    assert 'pip install "actloss_c[sklearn]"' in fails_to_import(python(code, tmp_path))


def test_what_is_replaced_and_put_back():
    before = tables()
    with al.sklearn.accelerate_mlp():
        for table, old, names in zip(TABLES, before, REPLACED, strict=True):
            assert {name for name in table if table[name] is not old[name]} == names
        inside = tables()
        with al.sklearn.accelerate_mlp():
            assert tables() == inside
        assert tables() == inside
    assert tables() == before


def test_put_back_after_exceptions():
    before = tables()
    for depth in (1, 2):
        with pytest.raises(RuntimeError, match="of the block"), al.sklearn.accelerate_mlp():
            if depth == 2:
                with pytest.raises(KeyError), al.sklearn.accelerate_mlp():
                    raise KeyError
                assert tables() != before
            raise RuntimeError("of the block")
        assert tables() == before


def test_blocks_of_several_threads_may_overlap():
    before, entered, leave = tables(), threading.Event(), threading.Event()

    def longer():
        with al.sklearn.accelerate_mlp():
            entered.set()
            leave.wait(60)

    thread = threading.Thread(target=longer)
    with al.sklearn.accelerate_mlp():
        thread.start()
        entered.wait(60)
    assert tables() != before
    leave.set()
    thread.join(60)
    assert tables() == before


@pytest.mark.parametrize(
    "table,name", [(t, n) for t, names in zip(al.sklearn._TABLES, REPLACED, strict=True) for n in sorted(names)]
)
def test_other_tables_are_named(table, name, monkeypatch):
    before = tables()
    monkeypatch.delitem(getattr(_base, table), name)
    with pytest.raises(RuntimeError, match=rf"{table}\['{name}'\]"), al.sklearn.accelerate_mlp():
        pass
    monkeypatch.undo()
    assert tables() == before


@pytest.mark.parametrize("name", sorted(REPLACED[1]))
def test_derivatives_are_those_of_the_input(name, dtype):
    """Right in the tails, where those from the value are 0; for arrays that are no outputs of the activation, scikit-learn's."""
    x = np.linspace(-40, 40, 161).reshape(7, 23).astype(dtype)
    with al.sklearn.accelerate_mlp():
        y, delta, other = x.copy(), np.ones_like(x), np.ones_like(x)
        _base.ACTIVATIONS[name](y)
        _base.DERIVATIVES[name](y, delta)
        _base.DERIVATIVES[name](y.copy(), other)
        function = getattr(al, {"logistic": "sigmoid"}.get(name, name))
        np.testing.assert_array_equal(y, function(x))
        np.testing.assert_array_equal(delta, function.grad(x))
        np.testing.assert_allclose(other, function.grad(x), atol=np.finfo(dtype).eps)
        _base.ACTIVATIONS[name](y)  # once more into the same array
        np.testing.assert_array_equal(y, function(function(x)))


def test_derivatives_are_forgotten_with_their_values():
    with al.sklearn.accelerate_mlp():
        for name in REPLACED[1]:
            known = getattr(_base.ACTIVATIONS[name], "known", {})
            y = np.ones((3, 3))
            _base.ACTIVATIONS[name](y)
            _base.ACTIVATIONS[name](y)
            del y
            assert not known


@pytest.mark.parametrize("name", sorted(REPLACED[2]))
def test_losses_are_those_of_scikit_learn(name, dtype):
    """At predictions of 0 and 1, too, where they clip."""
    random, plain = np.random.default_rng(0), _base.LOSS_FUNCTIONS[name]
    for columns in (1, 3):
        p = random.random((40, columns)).astype(dtype)
        p[:4], p[4:8] = 0, 1
        y = random.random(p.shape) < 0.5
        weights = [{}, {"sample_weight": np.arange(40.0)}] if "sample_weight" in inspect.signature(plain).parameters else [{}]
        for y_true in (y.astype(int), y.astype(dtype), y) if name != "squared_error" else (y.astype(dtype),):
            for weight in weights:
                want = plain(y_true, p, **weight)
                with al.sklearn.accelerate_mlp():
                    np.testing.assert_allclose(
                        _base.LOSS_FUNCTIONS[name](y_true, p, **weight), want, rtol=20 * np.finfo(dtype).eps
                    )
