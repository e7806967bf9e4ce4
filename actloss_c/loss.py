"""The class of the losses over rows: arguments in order, then one call into a compiled row kernel."""

import inspect
import math

import numpy as np

from . import _docs, _row_options
from ._arrays import (
    QUIET,
    as_array,
    axis_of,
    check_distinct,
    check_out,
    check_shape,
    compute_dtype,
    has_own_elements,
    is_usable,
    meets,
    partly_over,
    same_memory,
    usable,
)
from ._call import called_directly
from ._loss_call import LossCalls
from ._named import Named

REDUCTIONS = ("mean", "sum", "none")


@called_directly
class Loss(Named, LossCalls):
    """A loss of NumPy arrays with its gradient and Hessian. Calling it gives the loss.

    Metadata stands in attributes: `formula`, `gradient`, `hessian`, `options`, `range`, `convex`, `ulp`, `paper`.
    """

    def __init__(self, entry, level, *, fused=True):
        self._describe(entry, _docs.loss(entry), fused)
        self.options = {option.name: option.default for option in entry.options}
        self.__signature__ = signature(Loss._general_value, entry)
        self._entry = entry
        self._level = level
        self._rows, plain = level.rows_by_name[entry.name]
        super().__init__(plain)

    def _describe(self, entry, doc, fused):
        """Name and metadata."""
        self._publish(entry, doc)
        self.gradient = entry.gradient
        self.hessian = entry.hessian
        self.range = entry.range
        self.convex = entry.convex
        self.ulp = entry.ulp if fused else entry.ulp_baseline

    def objective(
        self,
        target,
        X=None,  # noqa: N803
        *,
        bias=True,
        classes=None,
        l2=0.0,
        reduction="mean",
        sample_weight=None,
        **options,
    ):
        """The loss as a function of one flat vector that returns (loss, gradient), for scipy.optimize.minimize(…, jac=True).

        With X the vector holds W, then b unless bias=False, of the predictions X @ W + b; without, the predictions themselves.
        `.size` is its length, `.split(vector)` gives (W, b). See actloss_c._objective.Objective for arguments and errors.
        """
        from ._objective import Objective

        return Objective(self, target, X, bias, classes, l2, reduction, sample_weight, options)

    def _pair(self, out):
        if out is None:
            return None, None
        if not isinstance(out, tuple) or len(out) != 2:
            raise TypeError(f"{self.name}: out must be a tuple of two arrays (or None in a place)")
        return out

    # What the compiled calls do not take: other array-likes and dtypes, weights, options, and every mistake.

    def _general_value(self, z, target, *, axis=-1, reduction="mean", sample_weight=None, out=None, **options):
        return self._run(z, target, axis, reduction, sample_weight, options, losses=out)[0]

    def _general_grad(self, z, target, *, axis=-1, reduction="mean", sample_weight=None, out=None, **options):
        return self._run(z, target, axis, reduction, sample_weight, options, g=out, want_g=True)[1]

    def _general_value_and_grad(self, z, target, *, axis=-1, reduction="mean", sample_weight=None, out=None, **options):
        return self._run(z, target, axis, reduction, sample_weight, options, g=out, want_g=True)[:2]

    def grad_and_hess(self, z, target, *, axis=-1, reduction="mean", sample_weight=None, out=(None, None), **options):
        """(gradient, Hessian diagonal) in one pass; out=(g, h)."""
        options |= {"axis": axis, "reduction": reduction, "sample_weight": sample_weight}
        return self.value_grad_and_hess(z, target, out=out, **options)[1:]

    def value_grad_and_hess(self, z, target, *, axis=-1, reduction="mean", sample_weight=None, out=(None, None), **options):
        """(loss, gradient, Hessian diagonal) in one pass; out=(g, h)."""
        g, h = self._pair(out)
        return self._run(z, target, axis, reduction, sample_weight, options, g=g, h=h, want_g=True, want_h=True)

    def _run(
        self, z, target, axis, reduction, sample_weight, options, *, losses=None, g=None, h=None, want_g=False, want_h=False
    ):
        """(loss, g, h); everything is checked before the first byte is written."""
        entry = self._entry
        check_reduction(self.name, reduction)
        z, axis, dtype = self._logits(z, axis)
        classes, mean = z.shape[axis], reduction == "mean"
        shape = z.shape[:axis] + z.shape[axis + 1 :]
        chosen = _row_options.options_of(entry, options, classes, dtype)
        q, weight, counted, settings = self._batch(target, z, shape, classes, dtype, mean, sample_weight, chosen)
        logits = np.asarray(usable(z, dtype))
        if entry.variable == "a":
            _row_options.check_predictions(f"{self.name}: a", logits, axis, self._level.check_entries)
        others = (target, sample_weight, options.get("class_weight"))
        g_array = self._gradient_array(g, "out[0]" if want_h else "out", z, dtype, others) if want_g else None
        h_array = self._gradient_array(h, "out[1]", z, dtype, (*others, z)) if want_h else None
        if g is not None and h is not None:
            check_distinct(g, h, f"{self.name}: out[0] and out[1]")
        row_losses = self._losses_array(losses, shape, reduction, dtype, (*others, z))
        empty = np.nan if chosen["empty"] == "nan" else 0.0
        total = self._rows(logits, axis, q, weight, counted, mean, empty, row_losses, g_array, h_array, settings)
        g_array, h_array = _deliver(g_array, g), _deliver(h_array, h)
        if reduction != "none":
            return total, g_array, h_array
        row_losses = _deliver(row_losses, losses)
        return (row_losses if row_losses.ndim or losses is not None else row_losses[()]), g_array, h_array

    def _logits(self, z, axis):
        """(z as an array, the axis counted from the first, the dtype to compute in)."""
        name = self._entry.variable
        z = as_array(z, f"{self.name}: {name}")
        dtype = compute_dtype(z.dtype, None, f"{self.name}: {name}")
        if z.ndim == 0:
            raise ValueError(f"{self.name}: {name} is a scalar; it needs an axis of classes")
        axis = axis_of(axis, z.ndim, self.name, name)
        if z.shape[axis] == 0:
            raise ValueError(f"{self.name}: {name} has no classes along axis {axis} (shape {z.shape})")
        return z, axis, dtype

    def _batch(self, target, z, shape, classes, dtype, mean, sample_weight, chosen):
        """(the target, each row's own weight, what a mean counts it as, settings) as the kernel takes them; z for its shape."""
        q = self._target(target, z, shape, classes, dtype, chosen["ignore_index"])
        weight, counted = self._weights(q, sample_weight, shape, dtype, mean, chosen)
        settings = _row_options.settings_of(chosen, q.ndim == z.ndim)
        if settings is None or settings[1] is None:
            weight = counted  # a row has one class weight, which multiplies its own
        return q, weight, counted, settings

    def _target(self, target, z, shape, classes, dtype, ignored):
        """The labels as contiguous int64 of that shape, or the distribution in z's shape and dtype: whichever shape it has."""
        what = f"{self.name}: target"
        target = as_array(target, what)
        if target.size == 0 and target.dtype == np.float64 and target.shape == shape:
            target = target.astype(np.int64)  # an empty list
        compute_dtype(target.dtype, None, what)
        if target.shape == shape:
            return _row_options.labels_of(what, target, shape, classes, ignored, self._level.check_labels)
        if target.shape != z.shape or not self._entry.soft:
            also = f", or a distribution of shape {z.shape}" if self._entry.soft else f" for z of shape {z.shape}; labels only"
            also += "; reshape it" if target.size == math.prod(shape) else ""
            raise ValueError(f"{what} has shape {target.shape}; one label per row is needed, shape {shape}{also}")
        if ignored is not None:
            raise ValueError(f"{self.name}: ignore_index={ignored} is for labels, not for a distribution: use sample_weight")
        return _row_options.distribution_of(what, target, dtype, self._level.check_entries)

    def _weights(self, q, sample_weight, shape, dtype, mean, options):
        """(each row's own weight, what a mean counts it as), float64 or None for 1."""
        what = f"{self.name}: sample_weight"
        weight = _row_options.sample_weights_of(what, sample_weight, shape)
        if weight is not None:
            _row_options.check_weights(what, weight, dtype, mean)
        if q.shape != shape or (options["class_weight"] is None and options["ignore_index"] is None):
            return weight, weight
        counted = np.empty(shape)
        self._level.row_weights(q, options["class_weight"], weight, counted)
        if options["class_weight"] is not None:
            _row_options.check_weights(f"{what} times class_weight", counted, dtype, mean)
        return weight, counted

    def _gradient_array(self, out, label, z, dtype, others):
        """Where to compute a gradient: `out` if the kernel can write there, else a fresh array in z's memory order."""
        if out is None:
            return np.empty_like(z, dtype=dtype, subok=False)
        label = f"{self.name}: {label}"
        check_out(out, label)
        check_shape(out, z.shape, label)
        if _meets(out, others) or partly_over(z, out):
            own = any(other is z for other in others) or same_memory(out, z)  # windows onto themselves among the latter
            may = "give an array of its own" if own else "only z itself, exactly, may be overwritten"
            raise ValueError(f"{label} overlaps an input; {may}")
        # The loss is summed from what is written there.
        fits = is_usable(out, dtype) and type(out) is np.ndarray and has_own_elements(out)
        return out if fits else np.empty_like(z, dtype=dtype, subok=False)

    def _losses_array(self, out, shape, reduction, dtype, others):
        if reduction != "none":
            if out is not None:
                raise ValueError(f"{self.name}: out= is for reduction='none'; with {reduction!r} the loss is a float")
            return None
        if out is None:
            return np.empty(shape, dtype)
        check_out(out, f"{self.name}: out")
        check_shape(out, shape, f"{self.name}: out")
        if _meets(out, others):
            raise ValueError(f"{self.name}: out overlaps an input; give an array of its own")
        return out if is_usable(out, dtype) and out.flags.c_contiguous and type(out) is np.ndarray else np.empty(shape, dtype)


def check_reduction(name, reduction):
    if not isinstance(reduction, str) or reduction not in REDUCTIONS:
        raise ValueError(f"{name}: reduction={reduction!r}; it must be one of {', '.join(REDUCTIONS)}")


def signature(call, entry):
    """The signature of a call, with the loss's own options by name."""
    fixed = [p for p in inspect.signature(call).parameters.values() if p.name != "self" and p.kind is not p.VAR_KEYWORD]
    own = [inspect.Parameter(o.name, inspect.Parameter.KEYWORD_ONLY, default=o.default) for o in entry.options]
    return inspect.Signature([*fixed, *own])


def _meets(out, others):
    """Whether `out` shares an element with one of the arrays among `others`."""
    return any(meets(out, other) for other in others)


def _deliver(computed, out):
    """What was computed, in the caller's array if there is one."""
    if out is None or computed is out:
        return computed
    with np.errstate(**QUIET):
        np.copyto(out, computed, casting="same_kind")
    return out
