"""scikit-learn's multilayer perceptrons on this package's kernels, for as long as a block lasts.

with al.sklearn.accelerate_mlp():
    model = MLPClassifier((256,), activation="tanh").fit(x, labels)
"""

import contextlib
import threading
import weakref

import numpy as np

try:
    from sklearn.neural_network import _base
except ImportError as error:
    raise ImportError(f'actloss_c.sklearn needs scikit-learn ({error}): pip install "actloss_c[sklearn]"') from error

from . import _build

_AL = _build.functions()
_TABLES = ("ACTIVATIONS", "DERIVATIVES", "LOSS_FUNCTIONS")
_ENTERING = threading.Lock()
_entered, _before = 0, {}


@contextlib.contextmanager
def accelerate_mlp():
    """with accelerate_mlp(): MLPClassifier and MLPRegressor compute activations, derivatives and losses by this package.

    In place of scikit-learn's NumPy formulas, for float32 and float64 alike: the activations logistic, tanh and relu, with
    derivatives that the forward pass stores, as it has them at no further pass; the outputs' softmax and logistic; the losses
    log_loss (of classes and of labels) and squared_error. What remains is scikit-learn's: identity, exp, Poisson loss, products.

    Results agree to rounding. Predicted probabilities are clipped before their logarithm, as scikit-learn does. The tables in
    sklearn.neural_network._base are changed for the whole process, its other threads included, and put back when the last
    of nested or concurrent blocks ends, by an exception or not. Processes that joblib starts have tables of their own.

    Raises ImportError if scikit-learn is not installed, RuntimeError if its tables are not where versions 1.4 to 1.9 have them.
    """
    global _entered
    with _ENTERING:
        if _entered == 0:
            _before.update(_replace(_replacements()))
        _entered += 1
    try:
        yield
    finally:
        with _ENTERING:
            _entered -= 1
            if _entered == 0:
                _replace(_before)
                _before.clear()


def _replacements():
    """{table: {name: function}}."""
    tables = {
        "ACTIVATIONS": {
            "relu": _inplace(_AL["relu"]),
            "logistic": _Remembering(_AL["sigmoid"]),
            "tanh": _Remembering(_AL["tanh"]),
            "softmax": _inplace(_AL["softmax"]),
        },
        "LOSS_FUNCTIONS": {"squared_error": _squared_error, "log_loss": _log_loss, "binary_log_loss": _binary_log_loss},
    }
    before = {name: getattr(_base, name, {}) for name in _TABLES}
    needed = {**tables, "DERIVATIVES": ("relu", "logistic", "tanh")}
    missing = [f"{t}[{name!r}]" for t in needed for name in needed[t] if name not in before[t]]
    if missing:
        import sklearn

        raise RuntimeError(
            f"scikit-learn {sklearn.__version__} has no {', '.join(missing)} in sklearn.neural_network._base: use 1.4 to 1.9"
        )
    tables["DERIVATIVES"] = {
        "relu": _relu_derivative,
        **{n: tables["ACTIVATIONS"][n].derivative_or(before["DERIVATIVES"][n]) for n in ("logistic", "tanh")},
    }
    return tables


def _replace(tables):
    """Puts the functions into scikit-learn's tables; returns, in the same form, those that were there."""
    before = {t: {name: getattr(_base, t)[name] for name in functions} for t, functions in tables.items()}
    for table, functions in tables.items():
        getattr(_base, table).update(functions)
    return before


# --- activations -------------------------------------------------------------------------------------------------------------


def _inplace(function):
    def compute(X):  # noqa: N803
        function(X, out=X)

    return compute


class _Remembering:
    """An activation in place that keeps its derivative, by the array that holds the value, until that array is gone.

    The derivative comes from the same pass, right in the tails, where scikit-learn's, from the value, is 0.
    """

    def __init__(self, function):
        self.function = function
        self.known = {}  # {id of the array: (weak reference to it, derivative)}

    def __call__(self, X):  # noqa: N803
        dy = np.empty_like(X)
        self.function.value_and_grad(X, out=(X, dy))
        key, known = id(X), self.known
        known[key] = weakref.ref(X, lambda gone: known.pop(key) if known[key][0] is gone else None), dy

    def derivative_or(self, plain):
        """delta *= f'(x); plain(Z, delta) does it for an array that another function has filled."""

        def multiply(Z, delta):  # noqa: N803
            reference, dy = self.known.get(id(Z), (None, None))
            if reference is None or reference() is not Z:
                plain(Z, delta)
            else:
                np.multiply(delta, dy, out=delta)

        return multiply


def _relu_derivative(Z, delta):  # noqa: N803
    _AL["relu"].backward(delta, Z, out=delta)  # of the value: it is above 0 where the input is


# --- losses ------------------------------------------------------------------------------------------------------------------


def _checked(sample_weight):
    """The weights; ZeroDivisionError if their sum is 0, as of NumPy's average: scikit-learn divides by it."""
    if sample_weight is not None and np.sum(sample_weight) == 0:
        raise ZeroDivisionError("sample_weight of a batch sums to 0: drop the samples of weight 0, or take larger batches")
    return sample_weight


def _spread(sample_weight, shape):
    """One weight per element from one per row."""
    return None if sample_weight is None else np.broadcast_to(np.reshape(_checked(sample_weight), (-1, 1)), shape)


def _clipped(p):
    eps = np.finfo(p.dtype).eps
    return np.clip(p, eps, 1 - eps)


def _squared_error(y_true, y_pred, sample_weight=None):
    return _AL["squared_error"](y_pred, y_true, sample_weight=_spread(sample_weight, y_pred.shape))


def _log_loss(y_true, y_prob, sample_weight=None):
    if y_prob.shape[1] == 1:
        return _binary_log_loss(y_true, y_prob, sample_weight)
    return _AL["cross_entropy"](_clipped(y_prob), y_true, sample_weight=_checked(sample_weight))


def _binary_log_loss(y_true, y_prob, sample_weight=None):
    weight = _spread(sample_weight, y_prob.shape)
    return y_prob.shape[1] * _AL["binary_cross_entropy"](_clipped(y_prob), y_true, sample_weight=weight)
