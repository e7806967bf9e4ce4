"""Objectives, metrics and initial scores for gradient boosting from this package's losses: XGBoost's and LightGBM's call.

Neither library is imported: an objective knows the training set that it is handed by its `get_label`.
"""

import numbers

import numpy as np

from . import _build, _initial_score, registry, threads
from ._arrays import FLOAT32, FLOAT64, QUIET, as_array, compute_dtype
from ._named import Named

# What the diagonal p (1 − p) of K classes is multiplied by. Boosters leave out what the Hessian has beside its diagonal: twice
# the diagonal bounds all of it from above (Gershgorin), K / (K − 1) makes two classes one sigmoid of the scores' difference.
FACTORS = {
    "exact": lambda classes: 1.0,
    "xgboost": lambda classes: 2.0,
    "lightgbm": lambda classes: classes / max(classes - 1, 1),
}
OWN = ("hess", "hess_min")  # options of the objective: a focal loss's "clipped" is a floor of 0
LEAST_HESS = 1e-16  # XGBoost's
BLOCK = 1 << 16  # float64 scores per thread whose derivatives are rounded to float32 at a time: 1 MiB beside the results

LOSSES = {
    **{entry.name: entry for entry in registry.PAIR_LOSSES if entry.prediction is None},
    **{entry.name: entry for entry in registry.LOSSES if entry.variable == "z"},
}


def xgboost(loss, *, hess="xgboost", hess_min=None, **params):
    """The objective of a loss for XGBoost: (gradient, Hessian) = w (∂L/∂z, max(c ∂²L/∂z², hess_min)) of each score z.

    Native: `xgb.train({"base_score": 0.0, …}, dtrain, obj=objective, custom_metric=objective.metric)`; for K classes with
    `"num_class": K`. scikit-learn: `XGBClassifier(objective=objective, eval_metric=objective.metric)`. See `Objective`.

    Args:
        loss: a loss over pairs or over classes of this package, or its name; one that takes any number for a score.
        hess: c for a loss over K classes: "exact" 1, "xgboost" 2, "lightgbm" K / (K − 1). 1 for a loss over pairs.
        hess_min: the floor, ≥ 0, of a sample of weight 1; None for 1 where the loss's Hessian is 0 everywhere, else 1e-16.
        **params: the loss's own parameters or options by name, each one value for all samples.

    Raises:
        TypeError: an option that the loss does not have; something that is no loss.
        ValueError: a loss of probabilities, or an option's value that is not allowed.

    Source: Chen and Guestrin, XGBoost, KDD 2016, eq. 3.
    """
    return Objective(XGBoostMetric, loss, hess, hess_min, params)


def lightgbm(loss, *, hess="lightgbm", hess_min=None, **params):
    """The objective of a loss for LightGBM: (gradient, Hessian) = w (∂L/∂z, max(c ∂²L/∂z², hess_min)) of each score z.

    Native: `lgb.train({"objective": objective, "metric": "None", …}, dtrain, feval=objective.metric)`; for K classes with
    `"num_class": K`. scikit-learn: `LGBMClassifier(objective=objective)`, `.fit(…, eval_metric=objective.metric)`. See
    `Objective`.

    Args:
        loss, hess, hess_min, **params: as those of `xgboost`; hess is "lightgbm" by default.

    Raises:
        TypeError, ValueError: as `xgboost`.

    Source: Ke et al., LightGBM, NIPS 2017; the factor K / (K − 1) is Friedman's, Annals of Statistics 29, 2001, algorithm 6.
    """
    return Objective(LightGBMMetric, loss, hess, hess_min, params)


class Objective:
    """objective(scores, training set) or objective(target, scores, sample_weight=None) gives (gradient, Hessian).

    Args:
        scores: raw ones, float32 or float64 of any layout: shape (n,), for a loss over K classes (n, K).
        training set: a DMatrix or Dataset, which has the labels and the weights.
        target: shape (n,), numeric: what the loss takes; where it takes −1 and 1, 0 counts as −1. Also the scores' shape, of
            several targets, or of distributions over the classes.
        sample_weight: shape (n,), ≥ 0; None for 1.

    The results, those of the sum of the losses, are float32 in the scores' shape and memory order: what both libraries store.

    Raises:
        ValueError, IndexError: scores, labels or weights of a wrong shape or value; the message names the first one.
        TypeError: what is not numeric.

    Attributes: `loss`, `params`, `hess`, `hess_min`, `metric` (the mean loss of raw scores, to be minimised). Pickles.
    """

    def __init__(self, metric, loss, hess, hess_min, params):
        self.loss = _loss_of(loss)
        self.__name__ = self.loss.name
        if not isinstance(hess, str) or hess not in FACTORS:
            raise ValueError(f"{self.__name__}: hess={hess!r}; it must be one of {', '.join(FACTORS)}")
        entry = registry.FUNCTIONS[self.loss.name]
        self._classes = entry in registry.LOSSES
        self._signs = not self._classes and entry.target == "sign"
        self.hess = hess
        self.hess_min = _floor(self.__name__, hess_min, 1.0 if entry.hessian == "0" else LEAST_HESS)
        self.params = dict(params)
        self._check_params()
        self.metric = metric(self)

    def __repr__(self):
        given = [f"hess={self.hess!r}", f"hess_min={self.hess_min!r}", *(f"{k}={v!r}" for k, v in self.params.items())]
        return f"<objective of {self.__name__}: {', '.join(given)}>"

    def __call__(self, first, second, sample_weight=None):
        return self._derivatives(*self._batch(first, second, sample_weight)[:3])

    def initial_score(self, target, sample_weight=None, *, classes=None):
        """The constant score that minimises the loss: argmin_c Σ wᵢ L(c, targetᵢ). A float, or K of them for a loss over classes.

        Neither library looks for the start of an objective that is not its own: hand it over as `base_margin` or `init_score` of
        every sample, and with LightGBM add it to the raw predictions. Where the minimum is at infinity, as for a class without
        samples, the score is that of a share of 1e-15, as in LightGBM.

        Args:
            target: as above, or a training set, which has the weights, too.
            sample_weight: shape (n,), ≥ 0; None for 1.
            classes: K, for a loss over classes; None for the largest label + 1.

        Raises:
            ValueError, IndexError, TypeError: as above; also for no samples, weights that are all 0, or a training set that
                cannot give its labels yet, as LightGBM's before construct().
        """
        if hasattr(target, "get_label"):
            if sample_weight is not None:
                raise TypeError(f"{self.__name__}: sample_weight is given beside a training set, which has its own: leave it out")
            target, sample_weight = _labels_and_weights(target, self.__name__)
        target = self._target(target)
        weight = self._weights(sample_weight, target.shape[:1])
        if classes is not None:
            self._check_classes(classes, target)
        if self._classes:
            return _initial_score.of_classes(self.loss, target, weight, classes, self.params)
        return _initial_score.of_pairs(self.loss, target, weight, self.params)

    # --- what is given --------------------------------------------------------------------------------------------------------

    def _check_params(self):
        """Unknown options, and the loss's own complaint about a value, before training starts."""
        known = self.loss.options if self._classes else self.loss.params
        for name in self.params:
            if name not in known or name in OWN:
                own = ", ".join(n for n in known if n not in OWN) or "none"
                raise TypeError(f"{self.__name__}: an objective has no option {name!r}; of the loss's it takes {own}")
        if self._classes:
            weights = self.params.get("class_weight")
            self.loss(np.zeros((1, 2 if weights is None else max(np.size(weights), 1))), [0], **self.params)
        else:
            self.loss(0.0, 1.0, **self.params)

    def _check_classes(self, classes, target):
        if not self._classes:
            raise TypeError(f"{self.__name__}: classes={classes!r}; it is for losses over classes: leave it out")
        if isinstance(classes, bool) or not isinstance(classes, numbers.Integral) or classes < 1:
            raise ValueError(f"{self.__name__}: classes={classes!r}; it must be an integer from 1 on")
        if target.ndim == 2 and classes != target.shape[1]:
            raise ValueError(f"{self.__name__}: classes={classes}, but target is a distribution of shape {target.shape}")

    def _batch(self, first, second, sample_weight):
        """(scores, target, weight, whether called with a training set)."""
        native = hasattr(second, "get_label")
        if native:
            z, (target, sample_weight) = first, _labels_and_weights(second, self.__name__)
        else:
            target, z = first, second
        z, target = as_array(z, f"{self.__name__}: scores"), self._target(target)
        if z.ndim != 2 if self._classes else z.ndim not in (1, 2):
            wanted = "(samples, classes): set num_class" if self._classes else "(samples,)"
            raise ValueError(f"{self.__name__}: the scores have the shape {z.shape}; it must be {wanted}")
        if not self._classes and target.size == z.size:
            target = target.reshape(z.shape)
        if target.shape[:1] != z.shape[:1]:
            raise ValueError(
                f"{self.__name__}: target has shape {target.shape}; the scores have one row per sample, shape {z.shape}"
            )
        return z, target, self._weights(sample_weight, z.shape[:1]), native

    def _target(self, target):
        what = f"{self.__name__}: target"
        target = as_array(target, what)
        compute_dtype(target.dtype, None, what)
        return np.where(target == 0, -1, target).astype(np.int8) if self._signs and _are_labels(target) else target

    def _weights(self, weight, shape):
        if weight is None:
            return None
        what = f"{self.__name__}: sample_weight"
        weight = as_array(weight, what)
        compute_dtype(weight.dtype, None, what)
        if weight.shape != shape:
            raise ValueError(f"{what} has shape {weight.shape}; one per sample is needed, shape {shape}")
        if weight.size and not (weight.min() >= 0 and weight.max() < np.inf):
            row = int(np.argmin((weight >= 0) & (weight < np.inf)))
            raise ValueError(f"{what}[{row}] is {weight[row]}; weights must be ≥ 0 and finite: 0 drops a sample")
        return weight

    # --- the derivatives ------------------------------------------------------------------------------------------------------

    def _derivatives(self, z, target, weight):
        g, h = (np.empty_like(z, dtype=FLOAT32, subok=False) for _ in range(2))
        # A loss over classes has derivatives of the scores' type: a block of them at a time is rounded while it is in cache.
        blocks = self._classes and z.dtype == FLOAT64
        rows = max(BLOCK * threads.get_num_threads() // max(z.shape[1], 1), 1) if blocks else max(len(z), 1)
        for start in range(0, len(z), rows):
            part = slice(start, start + rows)
            try:
                self._into(g[part], h[part], z[part], target[part])
            except (IndexError, ValueError):
                if rows < len(z):
                    self.loss.grad(z, target, **self.params)  # names the row among all of them
                raise
        ignored = self.params.get("ignore_index")
        if ignored is not None and target.ndim == 1:
            h[target == ignored] = 0  # dropped, as by a weight of 0: no floor
        with np.errstate(**QUIET):
            _weigh(g, h, weight)
        return g, h

    def _into(self, g, h, z, target):
        """The derivatives of samples of weight 1."""
        direct = not self._classes or z.dtype == FLOAT32
        fine = self.loss.grad_and_hess(z, target, reduction="sum", out=(g, h) if direct else (None, None), **self.params)
        factor = FACTORS[self.hess](z.shape[1]) if self._classes else 1.0
        with np.errstate(**QUIET):
            if not direct:
                g[...] = fine[0]
            if factor != 1.0 or not direct:
                np.multiply(fine[1], factor, out=h, casting="same_kind")
            if h.size and not h.min() >= self.hess_min:  # to look takes an eighth of the time to write; a NaN stays one
                np.maximum(h, self.hess_min, out=h)


def _weigh(g, h, weight):
    """Here, floors included, so that a weight of 2 is a sample taken twice: a loss would make its weights float64 first."""
    if weight is None:
        return
    if weight.size and weight.min() == 0:
        g[weight == 0] = h[weight == 0] = 0  # dropped, be it infinitely wrong
    each = weight if g.ndim == 1 else weight[:, None]
    for result in (g, h):
        np.multiply(result, each, out=result, casting="same_kind")


class Metric:
    """The mean loss of raw scores under an objective's loss and options, called as the objective is; to be minimised."""

    def __init__(self, objective):
        self._objective = objective
        self.__name__ = objective.__name__

    def __repr__(self):
        return f"<metric of {self._objective!r}>"

    def __call__(self, first, second, sample_weight=None):
        z, target, weight, native = self._objective._batch(first, second, sample_weight)
        if weight is not None and z.ndim == 2 and not self._objective._classes:
            weight = np.broadcast_to(weight[:, None], z.shape)
        value = self._objective.loss(z, target, sample_weight=weight, **self._objective.params)
        return self._answer(value, native)


class XGBoostMetric(Metric):
    """(name, value) for the native custom_metric, the value for the scikit-learn wrappers' eval_metric."""

    def _answer(self, value, native):
        return (self.__name__, value) if native else value


class LightGBMMetric(Metric):
    """(name, value, False: lower is better) for feval and eval_metric."""

    def _answer(self, value, native):
        return self.__name__, value, False


def _loss_of(loss):
    """The public object of a loss or of its name."""
    name = loss if isinstance(loss, str) else loss.name if isinstance(loss, Named) else None
    if name in LOSSES:
        return _build.functions()[name] if isinstance(loss, str) else loss
    usable = ", ".join(LOSSES)
    entry = registry.FUNCTIONS.get(name)
    if entry in (*registry.PAIR_LOSSES, *registry.LOSSES):
        raise ValueError(f"{name} takes probabilities, and boosters have scores that are any number: choose one of {usable}")
    if isinstance(loss, str):
        raise ValueError(f"loss={loss!r} is not the name of a loss for boosters; there are {usable}")
    raise TypeError(f"loss={loss!r} is not a loss of this package, nor its name: choose one of {usable}")


def _floor(name, hess_min, default):
    if hess_min is None:
        return default
    if isinstance(hess_min, bool) or not isinstance(hess_min, numbers.Real):
        raise TypeError(f"{name}: hess_min={hess_min!r} is not a real number; give one, or None for {default}")
    if not 0 <= hess_min <= float(np.finfo(FLOAT32).max):
        raise ValueError(f"{name}: hess_min={hess_min!r}; it must be ≥ 0 and finite in float32")
    return float(hess_min)


def _labels_and_weights(data, name):
    """Of a DMatrix, whose weights may be empty, or of a Dataset, where they may be None."""
    try:
        weight, label = data.get_weight(), data.get_label()
    except Exception as error:  # LightGBM has no narrower one
        raise ValueError(f"{name}: the training set gives no labels and weights ({error}): call its construct() first") from error
    return label, None if weight is None or np.size(weight) == 0 else weight


def _are_labels(target):
    """Whether all are 0 or 1, of which some are 0: as classifiers hand them over, whatever their users call them."""
    return target.dtype.kind in "fiub" and bool((target == 0).any()) and bool(((target == 0) | (target == 1)).all())
