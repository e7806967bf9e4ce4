"""What SciPy's optimizers minimise: a loss as a function of one flat vector, value and gradient from one pass."""

import math

import numpy as np

from ._arrays import FLOAT64, QUIET, as_array, compute_dtype, usable
from ._row_options import classes_of, options_of
from .entries import LossEntry


class Objective:
    """A loss as a function of one flat float64 vector; calling it gives (loss, gradient).

        fun = al.sigmoid_binary_cross_entropy.objective(y, X, l2=1.0, reduction="sum")
        result = scipy.optimize.minimize(fun, np.zeros(fun.size), jac=True, method="L-BFGS-B")
        W, b = fun.split(result.x)

    fun(v) = loss(X @ W + b, target) + l2/2 Σ W², with W and b in v one after the other, W in C order; without X
    fun(v) = loss(v, target) + l2/2 Σ v². scikit-learn's LogisticRegression(C=c) is reduction="sum" with l2 = 1/c, its
    PoissonRegressor(alpha=a) the default "mean" with l2 = a.

    Arguments
        target: real, as for the loss. Of a loss over rows labels of shape (n,) or a distribution of shape (n, classes), of any
            other (n,), (n, k), or, without X, any shape
        X: real, shape (n, d), or a SciPy sparse matrix or array; None for no model. float32 and float64 are the dtype of the
            products and predictions, float16, bool and integers up to 16 bits become float32, wider integers float64
        bias: whether there is a b, which l2 leaves alone; without X there is none
        classes: their number, for labels; default the largest one + 1
        l2: ≥ 0 and finite
        reduction: "mean" or "sum"
        sample_weight, options: as for the loss

    Attributes: size, the vector's length; shapes, of W and b (None without); loss, X, target.

    Raises
        ValueError: shapes do not fit, reduction is "none", l2 is negative or not finite, the vector has another length; and what
            the loss raises, as it does for predictions outside its domain: bounds= keeps a vector of probabilities in [0, 1]
        TypeError: an argument is not real; an unknown option
    """

    def __init__(self, loss, target, X, bias, classes, l2, reduction, sample_weight, options):  # noqa: N803
        self.loss = loss
        self._name = f"{loss.name}.objective"
        if reduction not in ("mean", "sum"):
            raise ValueError(f"{self._name}: reduction={reduction!r}; a function to minimise is one number: 'mean' or 'sum'")
        self._l2 = self._penalty(l2)
        self._over_rows = isinstance(loss._entry, LossEntry)
        self.target = as_array(target, f"{self._name}: target")
        if self._over_rows:
            if "axis" in options:
                raise TypeError(f"{self._name} has no option 'axis'; the classes are the last axis of the predictions")
            outputs = (self._classes(classes, options.get("ignore_index")),)
        elif classes is not None:
            raise TypeError(f"{self._name}: classes={classes!r}, but {loss.name} has none; it is for losses over rows")
        else:
            outputs = self.target.shape if X is None else self.target.shape[1:]
        self.X = None if X is None else self._matrix(X)
        rows = self.target.shape[:1] if self._over_rows else ()
        if self.X is None:
            self.shapes = ((*rows, *outputs), None)
        else:
            self.shapes = ((self.X.shape[1], *outputs), outputs if bias else None)
        self.size = sum(math.prod(shape) for shape in self.shapes if shape is not None)
        self._options = {"reduction": reduction, "sample_weight": sample_weight, **options}
        if "out" in options:
            raise TypeError(f"{self._name} has no option 'out'; each call returns a fresh gradient")
        self._check_batch(options, sample_weight, reduction == "mean")

    def _check_batch(self, options, weight, mean):
        """What the loss would say at the first call, without the memory of predictions."""
        loss, shape = self.loss, self.target.shape
        dtype = FLOAT64 if self.X is None else self.X.dtype
        if not self._over_rows:
            loss._parameters(options, shape, dtype)
            loss._targets(self.target, shape, dtype)
            loss._weights(weight, shape, dtype, mean)
            return
        rows, classes = shape[:1], self.shapes[0][-1]
        chosen = options_of(loss._entry, options, classes, dtype)
        loss._batch(self.target, np.broadcast_to(dtype.type(0), (*rows, classes)), rows, classes, dtype, mean, weight, chosen)

    def __call__(self, v):
        """(loss, gradient): a float and a fresh float64 vector."""
        w, b = self.split(v)
        with np.errstate(**QUIET):
            if self.X is None:
                loss, g = self.loss.value_and_grad(w, self.target, **self._options)
                gradient = g.reshape(-1)
            else:
                z = self._predictions(w, b)
                loss, g = self.loss.value_and_grad(z, self.target, out=z, **self._options)
                gradient = np.empty(self.size)
                gradient[: w.size] = (self.X.T @ g).reshape(-1)
                if b is not None:
                    gradient[w.size :] = g.sum(axis=0, dtype=np.float64).reshape(-1)
            if self._l2:
                gradient[: w.size] += self._l2 * w.reshape(-1)
                loss += self._l2 / 2 * float(np.vdot(w, w))
        return loss, gradient

    def split(self, v):
        """(W, b) as views of the vector, b None without; (the predictions, None) where there is no X."""
        v = as_array(v, f"{self._name}: the vector")
        compute_dtype(v.dtype, None, f"{self._name}: the vector")
        if v.shape != (self.size,):
            parts = " and ".join(f"{name} {shape}" for name, shape in zip("Wb", self.shapes, strict=True) if shape is not None)
            raise ValueError(f"{self._name}: the vector has shape {v.shape}; it must have ({self.size},), for {parts}")
        v = np.asarray(usable(v, FLOAT64))
        of_w, of_b = self.shapes
        size = math.prod(of_w)
        return v[:size].reshape(of_w), None if of_b is None else v[size:].reshape(of_b)

    def _predictions(self, w, b):
        """X @ W + b in X's dtype, in an array that may be overwritten."""
        z = np.asarray(self.X @ w.astype(self.X.dtype, copy=False))
        if b is not None:
            np.add(z, b, out=z, casting="same_kind")
        return z

    def _classes(self, classes, ignored):
        """The number of classes: what is given, a distribution's own, or what the labels need."""
        target, name = self.target, self._name
        if target.ndim == 2:
            if classes not in (None, target.shape[1]):
                raise ValueError(f"{name}: classes={classes!r}, but target is a distribution of shape {target.shape}")
            return target.shape[1]
        if target.ndim != 1:
            also = ", or a distribution (n, classes)" if self.loss._entry.soft else ""
            raise ValueError(f"{name}: target has shape {target.shape}; it must be labels, of shape (n,){also}")
        compute_dtype(target.dtype, None, f"{name}: target")
        if classes is None:
            return classes_of(target, ignored)
        if not isinstance(classes, int | np.integer) or classes < 1:
            raise ValueError(f"{name}: classes={classes!r}; it must be an integer from 1 on")
        return int(classes)

    def _matrix(self, x):
        """X as an array or sparse matrix of floats, with a row for each target."""
        what = f"{self._name}: X"
        sparse = hasattr(x, "tocsr")
        x = x.tocsr() if sparse else as_array(x, what)
        dtype = compute_dtype(x.dtype, None, what)
        n = self.target.shape[0] if self.target.ndim else None
        if x.ndim != 2 or x.shape[0] != n:
            raise ValueError(f"{what} has shape {x.shape}; one row per sample is needed, as target has shape {self.target.shape}")
        if not self._over_rows and self.target.ndim > 2:
            raise ValueError(f"{self._name}: target has shape {self.target.shape}; with X it must be (n,) or (n, k)")
        return x.astype(dtype, copy=False) if sparse else np.asarray(usable(x, dtype))

    def _penalty(self, l2):
        try:
            penalty = float(l2)
        except (TypeError, ValueError):
            raise TypeError(f"{self._name}: l2={l2!r} is not a real number") from None
        if not 0 <= penalty < math.inf:
            raise ValueError(f"{self._name}: l2={l2!r}; it must be ≥ 0 and finite")
        return penalty
