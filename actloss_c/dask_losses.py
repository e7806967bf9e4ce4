"""The losses of actloss_c.dask. A mean divides by the count of all blocks before they are computed: as weights of the samples.

So a block's part of the mean and its gradients come from one call, and gradients have the bits of the call on a NumPy array. The
count is known from the shapes; with weights, or options that make rows count otherwise, it takes them and the labels, never z.
"""

import math
from functools import partial

import dask.array as da
import numpy as np

from . import _row_options
from ._arrays import FLOAT64
from .dask_blocks import Result, known, names, run, same_shape, total
from .dask_functions import DaskFunction, DaskLinear, ahead_of, over_rows, rows_of
from .linear import CHUNK_BYTES
from .loss import check_reduction

METHODS = {  # (whether it returns the loss, how many derivatives)
    "__call__": (True, 0),
    "grad": (False, 1),
    "value_and_grad": (True, 1),
    "grad_and_hess": (False, 2),
    "value_grad_and_hess": (True, 2),
}


class Batch:
    """What the tasks of a loss take: arrays by name with the names of their dimensions, and arguments that are no arrays."""

    def __init__(self, owner, reduction, shape, rows, arrays, fixed):
        check_reduction(owner.name, reduction)
        self.owner, self.reduction, self.shape, self.rows = owner, reduction, shape, rows  # of one loss per row
        self.arrays, self.fixed = arrays, fixed

    def cut(self, array, argument, like, index):
        """Takes an argument of the shape of `like`, or of its dimensions `index`, cut alike."""
        array = self.owner._array(array, argument)
        shape = tuple(like.shape[i] for i in index)
        if not same_shape(array.shape, shape):
            remedy = "; nothing is broadcast: reshape it" if array.size == math.prod(shape) else ""
            raise ValueError(f"{self.owner.name}: {argument} has shape {array.shape}; it must be {shape}{remedy}")
        chunks = tuple(like.chunks[i] for i in index)
        if array.chunks != chunks and known(shape):
            array = array.rechunk(chunks)
        blocks = tuple(map(len, chunks))
        if array.numblocks != blocks:
            raise ValueError(
                f"{self.owner.name}: {argument} has {array.numblocks} blocks and predictions have {blocks}, of unknown lengths: "
                "compute_chunk_sizes() finds them out, or choose the same rows of both while they are cut alike"
            )
        self.arrays[argument] = (array, index)

    def divide(self, count, by_target):
        """Makes the sum a mean. count(**blocks) is a block's, of its weights and, by_target, its target."""
        weighted = "sample_weight" in self.arrays
        if not weighted and not by_target and known(self.shape):
            self.fixed["divisor"] = float(math.prod(self.shape)) or math.inf
            return
        needed = [n for n in ("target", "sample_weight") if n in self.arrays and (n != "target" or by_target or not weighted)]
        task = partial(_count, count, len(self.rows), tuple(needed))
        (parts,) = run(f"{self.owner.name}-count", task, [self.arrays[n] for n in needed], [self.part()])
        divisor = total(parts).map_blocks(_divisor, self.owner.name, dtype=FLOAT64, meta=np.empty((), FLOAT64))
        self.arrays["divisor"] = (divisor, ())

    def part(self):
        """The result that is a block's part of a sum over all."""
        return Result(self.rows, FLOAT64, dict.fromkeys(self.rows, 1))

    def run(self, work, results):
        """The results of work(**blocks, **fixed)."""
        return run(self.owner.name, partial(_by_name, work, tuple(self.arrays), self.fixed), list(self.arrays.values()), results)

    def loss_result(self, dtype):
        return Result(self.rows, dtype) if self.reduction == "none" else self.part()

    def whole_loss(self, parts):
        """The loss of all blocks, 0 or NaN if nothing counts."""
        if self.reduction == "none":
            return parts
        loss = total(parts)
        if self.reduction == "sum" or self.fixed.get("empty") != "nan":
            return loss
        divisor = self.arrays["divisor"][0] if "divisor" in self.arrays else self.fixed["divisor"]
        return da.where(np.isinf(divisor), np.nan, loss)


def _by_name(work, named, fixed, *blocks):
    return work(**dict(zip(named, blocks, strict=True)), **fixed)


def _count(count, rows, named, *blocks):
    return (np.full((1,) * rows, count(**dict(zip(named, blocks, strict=True))), FLOAT64),)


def _divisor(count, name):
    """What the mean divides by; infinity, which leaves nothing, if nothing counts."""
    if not np.isfinite(count):
        raise ValueError(f"{name}: sample_weight has the sum {count}; the mean divides by it: scale the weights down")
    return np.where(count == 0, np.inf, count)


def _divided(weight, divisor, shape, name):
    """The weights of samples that make a sum the mean."""
    weight = _row_options.sample_weights_of(f"{name}: sample_weight", weight, shape)
    return np.full(shape, 1.0 / divisor) if weight is None else weight / divisor


def _add_up(name, *, target=None, sample_weight=None):
    """The count of a block of which each element of the target, or its weight, counts."""
    if sample_weight is None:
        return target.size
    weight = _row_options.sample_weights_of(f"{name}: sample_weight", sample_weight, sample_weight.shape)
    _row_options.check_weights(f"{name}: sample_weight", weight, FLOAT64, True)
    return weight.sum()


def _count_rows(loss, classes, dtype, axis, chosen, *, target, sample_weight=None):
    """The count of a block of rows, whose options are `chosen`; axis is that of classes where the target has them."""
    shape = target.shape if axis is None else target.shape[:axis] + target.shape[axis + 1 :]
    full = (*shape, classes) if axis is None else target.shape
    z = np.broadcast_to(np.zeros((), dtype), full)  # the logits' shape, without their memory
    counted = loss._batch(target, z, shape, classes, dtype, True, sample_weight, chosen)[2]
    return math.prod(shape) if counted is None else loss._level.weight_sum(counted)


def _is_weighing(fixed, is_label):
    """Whether options make rows count otherwise than by their weights."""
    return is_label and (fixed.get("class_weight") is not None or fixed.get("ignore_index") is not None)


def _losses(function, method, reduction, rows, *, z, target, sample_weight=None, divisor=None, **options):
    """A block's results: its part of the loss, with axes of length 1, or its losses, and derivatives."""
    if divisor is not None:
        axis = options.get("axis")
        shape = z.shape if axis is None else z.shape[:axis] + z.shape[axis + 1 :]
        sample_weight = _divided(sample_weight, divisor, shape, function.name)
    results = getattr(function, method)(z, target, reduction=reduction, sample_weight=sample_weight, **options)
    results = results if isinstance(results, tuple) else (results,)
    if not METHODS[method][0] or reduction == "none":
        return results
    return np.full((1,) * rows, results[0], FLOAT64), *results[1:]


class DaskLoss(DaskFunction):
    """A loss of dask arrays with its gradient and Hessian. Calling it gives the loss, a lazy float64 without axes.

    `_batch` of a subclass gives (the Batch, how a block counts, whether that takes the target).
    """

    def __call__(self, z, target, *, reduction="mean", sample_weight=None, **options):
        """The loss; with reduction="none" one per row or element."""
        return self._run("__call__", z, target, reduction, sample_weight, options)[0]

    def grad(self, z, target, *, reduction="mean", sample_weight=None, **options):
        """The gradient for z."""
        return self._run("grad", z, target, reduction, sample_weight, options)[0]

    def value_and_grad(self, z, target, *, reduction="mean", sample_weight=None, **options):
        """(loss, gradient), one task per block."""
        return self._run("value_and_grad", z, target, reduction, sample_weight, options)

    def grad_and_hess(self, z, target, *, reduction="mean", sample_weight=None, **options):
        """(gradient, Hessian diagonal), one task per block."""
        return self._run("grad_and_hess", z, target, reduction, sample_weight, options)

    def value_grad_and_hess(self, z, target, *, reduction="mean", sample_weight=None, **options):
        """(loss, gradient, Hessian diagonal), one task per block."""
        return self._run("value_grad_and_hess", z, target, reduction, sample_weight, options)

    def _run(self, method, z, target, reduction, weight, options):
        batch, count, by_target = self._batch(z, target, reduction, weight, dict(options))
        z, index = batch.arrays["z"]
        if reduction == "mean":
            batch.divide(count, by_target)
        dtype, (has_loss, derivatives) = self._dtype(z, "z"), METHODS[method]
        work = partial(_losses, self.function, method, "none" if reduction == "none" else "sum", len(batch.rows))
        results = [batch.loss_result(dtype)] * has_loss + [Result(index, dtype)] * derivatives
        made = batch.run(work, results)
        return (batch.whole_loss(made[0]), *made[1:]) if has_loss else made


class DaskPairLoss(DaskLoss):
    """The same for a loss over pairs."""

    def _batch(self, z, target, reduction, weight, options):
        z = self._array(z, "z")
        dtype, index = self._dtype(z, "z"), names(z.ndim)
        fixed, named, pairs = self._split(options, z.shape, index)
        unknown = dict.fromkeys(set(named) - self.function.params.keys())
        self.function._parameters({**fixed, **unknown}, (), dtype)  # raises for these; arrays are looked at block by block
        batch = Batch(self, reduction, z.shape, index, {"z": (z, index), **dict(zip(named, pairs, strict=True))}, fixed)
        batch.cut(target, "target", z, index)
        if weight is not None:
            batch.cut(weight, "sample_weight", z, index)
        return batch, partial(_add_up, self.name), False


class DaskRowLoss(DaskLoss):
    """The same for a loss over rows, which lie in one block each."""

    def _batch(self, z, target, reduction, weight, options):
        entry = self.function._entry
        z, axis, index = rows_of(self, z, options.pop("axis", -1), entry.variable, "classes")
        classes, dtype, rows = z.shape[axis], self._dtype(z, entry.variable), index[:axis] + index[axis + 1 :]
        chosen = _row_options.options_of(entry, options, classes, dtype)
        shape = tuple(z.shape[i] for i in rows)
        batch = Batch(self, reduction, shape, rows, {"z": (z, index)}, {**chosen, "axis": axis})
        target = self._array(target, "target")
        is_label = target.ndim != z.ndim or not entry.soft
        batch.cut(target, "target", z, rows if is_label else index)
        if weight is not None:
            batch.cut(weight, "sample_weight", z, rows)
        weighing = _is_weighing(chosen, is_label)
        by_rows = partial(_count_rows, self.function, classes, dtype, None if is_label else axis, chosen)
        return batch, by_rows if weighing or weight is None else partial(_add_up, self.name), weighing


class DaskLinearLoss(DaskLinear):
    """A loss of the logits x @ W + b of dask arrays, x in blocks of rows. Calling it gives the loss, a lazy float64."""

    def __call__(self, x, W, target, *, b=None, reduction="mean", sample_weight=None, chunk_bytes=CHUNK_BYTES, **options):  # noqa: N803
        """The loss; with reduction="none" one per row."""
        return self._run("__call__", x, W, target, b, reduction, sample_weight, chunk_bytes, options)[0]

    def grad(self, x, W, target, *, b=None, reduction="mean", sample_weight=None, chunk_bytes=CHUNK_BYTES, **options):  # noqa: N803
        """(dx, dW), with b given (dx, dW, db); dW and db are summed over the blocks."""
        return self._run("grad", x, W, target, b, reduction, sample_weight, chunk_bytes, options)

    def value_and_grad(self, x, W, target, *, b=None, reduction="mean", sample_weight=None, chunk_bytes=CHUNK_BYTES, **options):  # noqa: N803
        """(loss, dx, dW), with b given (loss, dx, dW, db), one task per block."""
        return self._run("value_and_grad", x, W, target, b, reduction, sample_weight, chunk_bytes, options)

    def _run(self, method, x, w, target, b, reduction, weight, chunk_bytes, options):
        x, dtype, rows, pairs = self._inputs(x, w, ("d", "c"), b)
        classes, loss = pairs[1][0].shape[1], self.function._loss
        chosen = _row_options.options_of(self.function._entry, options, classes, dtype)
        arrays = dict(zip(("x", "W", "b"), pairs, strict=False))
        batch = Batch(self, reduction, x.shape[:-1], rows, arrays, {**chosen, "chunk_bytes": chunk_bytes})
        target = self._array(target, "target")
        soft = target.ndim == x.ndim
        if soft and target.shape[-1] != classes:
            raise ValueError(f"{self.name}: target has shape {target.shape}; its last axis must be the {classes} classes")
        batch.cut(target[..., 0] if soft else target, "target", x, rows)
        if soft:
            arrays["target"] = (target.rechunk((*(x.chunks[i] for i in rows), -1)), (*rows, "c"))
        if weight is not None:
            batch.cut(weight, "sample_weight", x, rows)
        if reduction == "mean":
            count = partial(_count_rows, loss, classes, dtype, len(rows) if soft else None, chosen)
            by_target = _is_weighing(chosen, not soft)
            batch.divide(count if by_target or weight is None else partial(_add_up, self.name), by_target)
        has_loss, derivatives = METHODS[method]
        sums = [("d", "c"), ("c",)][: len(pairs) - 1] if derivatives else []
        results = [batch.loss_result(dtype)] * has_loss + [Result(pairs[0][1], dtype)] * derivatives
        work = partial(_linear_losses, self.function, method, "none" if reduction == "none" else "sum", len(rows))
        made = list(batch.run(work, results + self._totals(sums, rows, dtype)))
        first = has_loss + derivatives
        made[first:] = over_rows(made[first:], rows, dtype)
        return (batch.whole_loss(made[0]), *made[1:]) if has_loss else tuple(made)


def _linear_losses(function, method, reduction, rows, *, x, W, target, sample_weight=None, divisor=None, **options):  # noqa: N803
    """A block's results, with its parts of the sums over blocks."""
    if divisor is not None:
        sample_weight = _divided(sample_weight, divisor, x.shape[:-1], function.name)
    results = getattr(function, method)(x, W, target, reduction=reduction, sample_weight=sample_weight, **options)
    results = list(results) if isinstance(results, tuple) else [results]
    has_loss, derivatives = METHODS[method]
    if has_loss and reduction != "none":
        results[0] = np.full((1,) * rows, results[0], FLOAT64)
    first = has_loss + derivatives
    return *results[:first], *ahead_of(results[first:], rows)
