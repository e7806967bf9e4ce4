"""The class of the losses over pairs of a prediction and its target: arguments in order, domains checked, one compiled call."""

import inspect

import numpy as np

from . import _docs
from ._arrays import (
    FLOAT32,
    FLOAT64,
    QUIET,
    as_array,
    check_distinct,
    check_out,
    check_shape,
    compute_dtype,
    overlap,
    partly_over,
    usable,
)
from ._call import called_directly
from ._loss_call import PairLossCalls
from ._row_options import FLOAT16, check_weights, index_text, sample_weights_of
from .entries import DOMAINS, REPAIR
from .loss import Loss, _deliver, check_reduction

VALUE, GRAD, VALUE_AND_GRAD, GRAD_AND_HESS, VALUE_GRAD_AND_HESS = range(5)


@called_directly
class PairLoss(PairLossCalls, Loss):
    """A loss over pairs of NumPy arrays with its gradient and Hessian. Calling it gives the loss.

    Metadata stands in attributes: `formula`, `gradient`, `hessian`, `params`, `range`, `convex`, `ulp`, `paper`.
    """

    def __init__(self, entry, pairs, plain, inside, *, fused=True):
        self._describe(entry, _docs.pair_loss(entry), fused)
        self.params = {p.name: p.default for p in entry.params}
        self._entry = entry
        self._pairs = pairs
        self._inside = inside
        self._defaults = {d: [self._parameter(p, p.default, (), d) for p in entry.params] for d in (FLOAT32, FLOAT64)}
        domains = (None if d is None else (*DOMAINS[d][1], *DOMAINS[d][2]) for d in (entry.prediction, entry.target))
        PairLossCalls.__init__(self, plain, (*domains, *(float(a) for a in self._defaults[FLOAT64])))
        kinds = inspect.Parameter
        options = (*self.params.items(), ("reduction", "mean"), ("sample_weight", None), ("out", None))
        self.__signature__ = inspect.Signature(
            [
                kinds("z", kinds.POSITIONAL_OR_KEYWORD),
                kinds("target", kinds.POSITIONAL_OR_KEYWORD),
                *(kinds(name, kinds.KEYWORD_ONLY, default=default) for name, default in options),
            ]
        )

    def _general_value(self, z, target, *, reduction="mean", sample_weight=None, out=None, **params):
        return self._run(VALUE, z, target, params, reduction, sample_weight, losses=out)[0]

    def _general_grad(self, z, target, *, reduction="mean", sample_weight=None, out=None, **params):
        return self._run(GRAD, z, target, params, reduction, sample_weight, g=out)[1]

    def _general_value_and_grad(self, z, target, *, reduction="mean", sample_weight=None, out=None, **params):
        return self._run(VALUE_AND_GRAD, z, target, params, reduction, sample_weight, g=out)[:2]

    def grad_and_hess(self, z, target, *, reduction="mean", sample_weight=None, out=(None, None), **params):
        """(gradient, Hessian) in one pass; out=(g, h)."""
        return self._with_hessian(GRAD_AND_HESS, z, target, params, reduction, sample_weight, out)

    def value_grad_and_hess(self, z, target, *, reduction="mean", sample_weight=None, out=(None, None), **params):
        """(loss, gradient, Hessian) in one pass; out=(g, h)."""
        return self._with_hessian(VALUE_GRAD_AND_HESS, z, target, params, reduction, sample_weight, out)

    def _with_hessian(self, which, z, target, params, reduction, sample_weight, out):
        g, h = self._pair(out)
        if not params and sample_weight is None:
            results = self._plain(which, z, target, reduction, g, h)
            if results is not None:
                return results
        results = self._run(which, z, target, params, reduction, sample_weight, g=g, h=h)
        return results if which == VALUE_GRAD_AND_HESS else results[1:]

    def _run(self, which, z, target, params, reduction, sample_weight, *, losses=None, g=None, h=None):
        """(loss, g, h); everything is checked before the first byte is written."""
        check_reduction(self.name, reduction)
        z = as_array(z, f"{self.name}: z")
        dtype = compute_dtype(z.dtype, None, f"{self.name}: z")
        shape = z.shape
        numbers = np.asarray(usable(z, dtype))
        self._check_domain(numbers, self._entry.prediction, "z")
        targets = self._targets(target, shape, dtype)
        values = self._parameters(params, shape, dtype)
        weight = self._weights(sample_weight, shape, dtype, reduction == "mean")
        results = self._results(which, shape, reduction, dtype, losses, g, h, z)
        written = [r for r, out in zip(results, (losses, g, h), strict=True) if r is out is not None]
        if written:
            numbers, targets, *values = (_apart(i, written) for i in (numbers, targets, *values))
            if weight is not None and any(overlap(weight, r) for r in written):
                weight = weight.copy()  # read again once an element's results are written
        total = self._pairs(which, numbers, targets, tuple(values), weight, reduction == "mean", *results)
        row_losses, g_array, h_array = (_deliver(r, out) for r, out in zip(results, (losses, g, h), strict=True))
        if reduction == "none" and row_losses is not None:
            total = row_losses if row_losses.ndim or losses is not None else row_losses[()]
        return total, g_array, h_array

    def _results(self, which, shape, reduction, dtype, losses, g, h, z):
        """(losses, g, h) to compute into, None for what is not wanted: the caller's arrays, or fresh ones like z."""
        if losses is not None and reduction != "none":
            raise ValueError(f"{self.name}: out= is for reduction='none'; with {reduction!r} the loss is a float")
        wanted = (which not in (GRAD, GRAD_AND_HESS) and reduction == "none", which != VALUE, which >= GRAD_AND_HESS)
        labels = ("out", "out[0]" if which >= GRAD_AND_HESS else "out", "out[1]")
        made = []
        for want, out, label in zip(wanted, (losses, g, h), labels, strict=True):
            if out is not None:
                check_out(out, f"{self.name}: {label}")
                check_shape(out, shape, f"{self.name}: {label}")
            made.append((out if _fits(out) else np.empty_like(z, dtype=dtype, subok=False)) if want else None)
        if g is not None and h is not None:
            check_distinct(g, h, f"{self.name}: out[0] and out[1]")
        return made

    def _weights(self, given, shape, dtype, mean):
        """One float64 weight per element, or None."""
        what = f"{self.name}: sample_weight"
        weight = sample_weights_of(what, given, shape)
        if weight is not None:
            check_weights(what, weight, dtype, mean)
        return weight

    def _targets(self, target, shape, dtype):
        """The targets as a native array that compiled code can read, inside the loss's domain, as numbers of z's dtype, too."""
        what = f"{self.name}: target"
        targets = as_array(target, what)
        compute_dtype(targets.dtype, None, what)
        if targets.shape != shape:
            remedy = "; nothing is broadcast: reshape it" if targets.size == np.prod(shape, dtype=int) else ""
            raise ValueError(f"{what} has shape {targets.shape}; one target per element of z is needed, shape {shape}{remedy}")
        native = FLOAT32 if targets.dtype.newbyteorder("=") == FLOAT16 else targets.dtype.newbyteorder("=")
        targets = np.asarray(usable(targets, native))
        self._check_domain(targets, self._entry.target, "target")
        if self._entry.target is not None and targets.dtype.itemsize > dtype.itemsize and targets.dtype.kind == "f":
            with np.errstate(**QUIET):
                self._check_domain(targets.astype(dtype), self._entry.target, "target")
        return targets

    def _parameters(self, params, shape, dtype):
        """The parameters in the registry's order as arrays that broadcast to z, defaults filled in."""
        if not params:
            return self._defaults[dtype]
        for name in params.keys() - self.params.keys():
            known = ", ".join(self.params) or "none"
            raise TypeError(f"{self.name} has no option {name!r}; it takes {known}, reduction, sample_weight and out")
        return [self._parameter(p, params.get(p.name, p.default), shape, dtype) for p in self._entry.params]

    def _parameter(self, parameter, value, shape, dtype):
        what = f"{self.name}: {parameter.name}"
        if parameter.choices is not None:
            if not isinstance(value, str) or value not in parameter.choices:
                raise ValueError(f"{what}={value!r}; it must be one of {', '.join(parameter.choices)}")
            return np.asarray(parameter.choices[value], dtype)
        if value is None and parameter.none is not None:
            return np.asarray(parameter.none, dtype)
        array = as_array(value, what)
        compute_dtype(array.dtype, None, what)
        try:
            fits = np.broadcast_shapes(array.shape, shape) == shape
        except ValueError:
            fits = False
        if not fits:
            raise ValueError(f"{what} has shape {array.shape}, which does not broadcast to z's, {shape}")
        with np.errstate(**QUIET):
            array = np.asarray(usable(array, dtype))
        self._check_domain(array, parameter.domain, parameter.name)
        return array

    def _check_domain(self, array, domain, argument):
        """ValueError that names the first number outside."""
        if domain is None:
            return
        words, points, interval, remedy = DOMAINS[domain]
        flat = array.ravel("K") if array.flags.forc else np.ascontiguousarray(array)
        if not self._inside(flat, *points, *interval):
            with np.errstate(**QUIET):
                inside = (array == points[0]) | (array == points[1]) | ((array > interval[0]) & (array < interval[1]))
            if argument == "z":
                inside |= np.isnan(array)  # a NaN prediction has NaN results
                if inside.all():
                    return
            at = np.unravel_index(np.argmin(inside), array.shape)
            kind = "prediction" if argument == "z" else argument
            if argument != "target":
                remedy = f"{REPAIR}; losses with logits take any number" if kind == "prediction" else "choose another"
            raise ValueError(f"{self.name}: {argument}{index_text(at)} is {array[at]!s}; each {kind} must {words}: {remedy}")


def _fits(out):
    """Whether compiled code may write there: rounding to either type of float is its business."""
    return type(out) is np.ndarray and out.dtype in (FLOAT32, FLOAT64) and out.dtype.isnative and out.flags.aligned


def _apart(array, results):
    """The array, or a copy if writing to one of the results in order would change what is still to be read of it."""
    return array.copy() if array.ndim and any(partly_over(array, r) for r in results) else array
