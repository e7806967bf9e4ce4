"""The class of the losses over rows: arguments in order, labels checked, then one call into a compiled row kernel."""

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

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
    is_usable,
    overlap,
    same_memory,
    usable,
)

REDUCTIONS = ("mean", "sum", "none")
FLOAT16, INT64 = np.dtype(np.float16), np.dtype(np.int64)


class Loss:
    """A loss of NumPy arrays with its gradient and Hessian. Calling it gives the loss.

    Metadata stands in attributes: `formula`, `gradient`, `hessian`, `range`, `convex`, `ulp`, `paper`.
    """

    def __init__(self, entry, rows, check_labels, *, fused=True):
        self._describe(entry, fused)
        self.__doc__ = _docs.loss(entry)
        self._rows = rows
        self._check_labels = check_labels

    def _describe(self, entry, fused):
        """Name and metadata."""
        self.name = self.__name__ = self.__qualname__ = entry.name
        self.__module__ = "actloss_c"
        self.formula = entry.formula
        self.gradient = entry.gradient
        self.hessian = entry.hessian
        self.range = entry.range
        self.convex = entry.convex
        self.paper = entry.paper
        self.ulp = entry.ulp if fused else entry.ulp_baseline

    def _pair(self, out):
        if not isinstance(out, tuple) or len(out) != 2:
            raise TypeError(f"{self.name}: out must be a tuple of two arrays (or None in a place)")
        return out

    def __repr__(self):
        return f"<actloss_c.{self.name}: {self.formula}>"

    def __reduce__(self):
        return self.name  # by public name: a pickle made on one level loads on another

    def __call__(self, z, target, *, axis=-1, reduction="mean", sample_weight=None, out=None):
        """The loss."""
        return self._run(z, target, axis, reduction, sample_weight, losses=out)[0]

    def grad(self, z, target, *, axis=-1, reduction="mean", sample_weight=None, out=None):
        """The gradient with respect to z."""
        return self._run(z, target, axis, reduction, sample_weight, g=out, want_g=True)[1]

    def value_and_grad(self, z, target, *, axis=-1, reduction="mean", sample_weight=None, out=None):
        """(loss, gradient) in one pass; out takes the gradient and may be z."""
        return self._run(z, target, axis, reduction, sample_weight, g=out, want_g=True)[:2]

    def grad_and_hess(self, z, target, *, axis=-1, reduction="mean", sample_weight=None, out=(None, None)):
        """(gradient, Hessian diagonal) in one pass; out=(g, h)."""
        return self.value_grad_and_hess(z, target, axis=axis, reduction=reduction, sample_weight=sample_weight, out=out)[1:]

    def value_grad_and_hess(self, z, target, *, axis=-1, reduction="mean", sample_weight=None, out=(None, None)):
        """(loss, gradient, Hessian diagonal) in one pass; out=(g, h)."""
        g, h = self._pair(out)
        return self._run(z, target, axis, reduction, sample_weight, g=g, h=h, want_g=True, want_h=True)

    def _run(self, z, target, axis, reduction, sample_weight, *, losses=None, g=None, h=None, want_g=False, want_h=False):
        """(loss, g, h); everything is checked before the first byte is written."""
        if not isinstance(reduction, str) or reduction not in REDUCTIONS:
            raise ValueError(f"{self.name}: reduction={reduction!r}; it must be one of {', '.join(REDUCTIONS)}")
        z = as_array(z, f"{self.name}: z")
        dtype = compute_dtype(z.dtype, None, f"{self.name}: z")
        if z.ndim == 0:
            raise ValueError(f"{self.name}: z is a scalar; it needs an axis of classes")
        try:
            axis = normalize_axis_index(axis, z.ndim)
        except TypeError:
            raise TypeError(f"{self.name}: axis={axis!r} is not an integer") from None
        except np.exceptions.AxisError:
            raise np.exceptions.AxisError(f"{self.name}: axis={axis} is out of range; z has {z.ndim} axes") from None
        shape = z.shape[:axis] + z.shape[axis + 1 :]
        if z.shape[axis] == 0:
            raise ValueError(f"{self.name}: z has no classes along axis {axis} (shape {z.shape})")
        labels = self._labels(target, shape, z.shape[axis])
        weight = self._weight(sample_weight, shape, dtype, reduction)
        g_array = self._gradient_array(g, "out[0]" if want_h else "out", z, dtype, (target, sample_weight)) if want_g else None
        h_array = self._gradient_array(h, "out[1]", z, dtype, (target, sample_weight, z)) if want_h else None
        if g is not None and h is not None:
            check_distinct(g, h, f"{self.name}: out[0] and out[1]")
        row_losses = self._losses_array(losses, shape, reduction, dtype, (target, sample_weight, z))
        logits = np.asarray(usable(z, dtype))
        total = self._rows(logits, axis, labels, weight, reduction == "mean", row_losses, g_array, h_array)
        g_array, h_array = _deliver(g_array, g), _deliver(h_array, h)
        if reduction != "none":
            return total, g_array, h_array
        row_losses = _deliver(row_losses, losses)
        return (row_losses if row_losses.ndim or losses is not None else row_losses[()]), g_array, h_array

    def _gradient_array(self, out, label, z, dtype, others):
        """Where to compute a gradient: `out` if the kernel can write there, else a fresh array in z's memory order."""
        if out is None:
            return np.empty_like(z, dtype=dtype, subok=False)
        label = f"{self.name}: {label}"
        check_out(out, label)
        check_shape(out, z.shape, label)
        if _meets(out, others) or (out is not z and overlap(out, z) and not same_memory(out, z)):
            raise ValueError(f"{label} overlaps an input; only z itself, exactly, may be overwritten")
        return out if is_usable(out, dtype) and type(out) is np.ndarray else np.empty_like(z, dtype=dtype, subok=False)

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

    def _weight(self, sample_weight, shape, dtype, reduction):
        """One float64 per row, contiguous, within the range of dtype; None for no weights."""
        if sample_weight is None:
            return None
        what = f"{self.name}: sample_weight"
        weight = as_array(sample_weight, what)
        compute_dtype(weight.dtype, None, what)
        if weight.shape != shape:
            raise ValueError(f"{what} has shape {weight.shape}; one weight per row of z is needed, shape {shape}")
        weight = np.ascontiguousarray(weight, FLOAT64).reshape(shape)
        range_of = FLOAT64 if reduction == "mean" else dtype  # a mean divides before it rounds
        fitting = abs(weight) <= np.finfo(range_of).max
        if not fitting.all():
            row = np.unravel_index(np.argmin(fitting), shape)
            raise ValueError(f"{what}{_index(row)} is {weight[row]}; weights must be finite in {range_of}")
        with np.errstate(**QUIET):
            total = weight.sum()
        if reduction == "mean" and not np.isfinite(total):
            raise ValueError(f"{what} has the sum {total}; the mean divides by it: scale the weights down")
        return weight

    def _labels(self, target, shape, classes):
        """The labels as contiguous int64, all known to be good."""
        what = f"{self.name}: target"
        labels = as_array(target, what)
        if labels.size == 0 and labels.dtype == FLOAT64:
            labels = labels.astype(np.int64)  # an empty list
        compute_dtype(labels.dtype, None, what)
        if labels.shape != shape:
            raise ValueError(f"{what} has shape {labels.shape}; one label per row of z is needed, shape {shape}")
        native = labels.dtype if labels.dtype.isnative else labels.dtype.newbyteorder("=")
        if native == FLOAT16:
            native = FLOAT32
        plain = np.ascontiguousarray(labels, native).reshape(shape)
        widened = None if native == INT64 else np.empty(shape, INT64)
        if not self._check_labels(plain, widened, classes):
            self._complain(plain, classes, what)
        return plain if widened is None else widened

    @staticmethod
    def _complain(labels, classes, what):
        """Names the first bad label."""
        with np.errstate(**QUIET):
            good = (labels >= 0) & (labels < classes) & (labels == np.trunc(labels))
        row = np.unravel_index(np.argmin(good), labels.shape)
        label = labels[row]
        if label != np.trunc(label):
            raise ValueError(f"{what}{_index(row)} is {label}; labels must be whole numbers in [0, {classes})")
        raise IndexError(
            f"{what}{_index(row)} is {label}; labels must lie in [0, {classes}), as z has {classes} classes: "
            "correct the label, drop the row or check the axis"
        )


def _meets(out, others):
    """Whether `out` shares an element with one of the arrays among `others`."""
    return any(isinstance(other, np.ndarray) and overlap(out, other) for other in others)


def _deliver(computed, out):
    """What was computed, in the caller's array if there is one."""
    if out is None or computed is out:
        return computed
    with np.errstate(**QUIET):
        np.copyto(out, computed, casting="same_kind")
    return out


def _index(row):
    return "[" + ", ".join(str(int(i)) for i in row) + "]" if row else ""
