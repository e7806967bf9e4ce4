"""The class of the losses over logits x @ W + b: products by NumPy's BLAS on some rows at a time, losses by the row kernel.

The logits of some rows are made, turned into their gradients in place, and used up by the products for dx and dW, before those
of the next rows take their memory: n × classes numbers never exist.
"""

import itertools
import math
import operator

import numpy as np

from . import _docs, _row_options
from ._arrays import QUIET, as_array, check_distinct, check_out, check_shape, compute_dtype, may_replace, usable
from ._named import Named
from ._products import Rows, add_product, blas_reads, is_f, set_product, slices, times, times_transposed
from .loss import _deliver, _meets, check_reduction, signature

# 8192×512 → 32000 in float32 takes 13.6 s with 16 MiB, 12.1 s with 32, 10.6 s with 64 and 10.2 s with 128; its products 10.0 s.
CHUNK_BYTES = 1 << 26
SHARE = 8  # one part in so many of the chunk is for parts of W and of dW's products, which need little to be fast
ROW_BYTES = 24  # of a row's label, its weight, and what it counts as, once they are converted
LEAST = 1024  # labels that are looked at at a time
IGNORED = -1  # the label of such a row, in rows/labels.pxd


class LinearLoss(Named):
    """A loss of the logits x @ W + b, never held as a whole, and its gradients for x, W and b. Calling it gives the loss.

    Metadata stands in attributes: `formula`, `gradient`, `options`, `paper`.
    """

    def __init__(self, entry, loss):
        self._publish(entry, _docs.linear_loss(entry, CHUNK_BYTES))
        self.gradient = entry.gradient
        self.options = {option.name: option.default for option in entry.options}
        self.__signature__ = signature(LinearLoss.__call__, entry)
        self._entry = entry
        self._loss = loss
        loss.name = entry.name  # in what it says of a bad target or weight

    def __call__(
        self,
        x,
        W,  # noqa: N803
        target,
        *,
        b=None,
        reduction="mean",
        sample_weight=None,
        chunk_bytes=CHUNK_BYTES,
        out=None,
        **options,
    ):
        """The loss."""
        return self._run((x, W, b), target, reduction, sample_weight, chunk_bytes, options, losses=out)[0]

    def grad(
        self,
        x,
        W,  # noqa: N803
        target,
        *,
        b=None,
        reduction="mean",
        sample_weight=None,
        chunk_bytes=CHUNK_BYTES,
        out=None,
        **options,
    ):
        """The gradients (dx, dW), with b given (dx, dW, db); out takes them in a tuple."""
        outs = self._outs(out, b)
        return self._run((x, W, b), target, reduction, sample_weight, chunk_bytes, options, outs=outs)[1:]

    def value_and_grad(
        self,
        x,
        W,  # noqa: N803
        target,
        *,
        b=None,
        reduction="mean",
        sample_weight=None,
        chunk_bytes=CHUNK_BYTES,
        out=None,
        **options,
    ):
        """(loss, dx, dW), with b given (loss, dx, dW, db), in one pass; out=(dx, dW[, db]), of which dx may be x."""
        outs = self._outs(out, b)
        return self._run((x, W, b), target, reduction, sample_weight, chunk_bytes, options, outs=outs)

    def _outs(self, out, b):
        count = 2 if b is None else 3
        if out is None:
            return (None,) * count
        if not isinstance(out, tuple) or len(out) != count:
            words = "two arrays (dx, dW)" if b is None else "three arrays (dx, dW, db)"
            raise TypeError(f"{self.name}: out must be a tuple of {words}, or None in a place")
        return out

    def _run(self, given, target, reduction, sample_weight, chunk_bytes, options, *, losses=None, outs=None):
        """(loss, dx, dW[, db]), or (loss,) without `outs`; everything is checked before the first byte is written."""
        check_reduction(self.name, reduction)
        size = _chunk_size(chunk_bytes, self.name)
        x, w, b, dtype = self._inputs(*given)
        lead, classes = x.shape[:-1], w.shape[1]
        chosen = _row_options.options_of(self._entry, options, classes, dtype)
        batch = _Batch(self._loss, target, sample_weight, lead, classes, dtype, reduction == "mean", chosen, size)
        others = (target, sample_weight, options.get("class_weight"))
        results = () if outs is None else self._gradients(outs, given, x, w, dtype, (*given, *others))
        row_losses = self._loss._losses_array(losses, lead, reduction, dtype, (*given, *others))
        with np.errstate(**QUIET):
            total = _run(batch, x, w, b, results, row_losses, size)
        if reduction != "none":
            nothing = batch.mean and batch.divisor == 0
            return float("nan" if chosen["empty"] == "nan" else 0) if nothing else total, *results
        row_losses = _deliver(row_losses, losses)
        return (row_losses if row_losses.ndim or losses is not None else row_losses[()]), *results

    def _inputs(self, x, w, b):
        """x and W as they come, b (or None) in x's dtype, and the dtype to compute in."""
        x, w = as_array(x, f"{self.name}: x"), as_array(w, f"{self.name}: W")
        dtype = compute_dtype(x.dtype, None, f"{self.name}: x")
        compute_dtype(w.dtype, None, f"{self.name}: W")
        if w.ndim != 2 or w.shape[1] == 0:
            raise ValueError(f"{self.name}: W has shape {w.shape}; it must be (d, classes), with at least one class")
        if x.ndim == 0 or x.shape[-1] != w.shape[0]:
            raise ValueError(f"{self.name}: x has shape {x.shape}; its last axis must have W's d = {w.shape[0]} (W: {w.shape})")
        if b is not None:
            b = as_array(b, f"{self.name}: b")
            compute_dtype(b.dtype, None, f"{self.name}: b")
            if b.shape != w.shape[1:]:
                raise ValueError(f"{self.name}: b has shape {b.shape}; one number per class is needed, shape {w.shape[1:]}")
            b = np.asarray(usable(b, dtype))
        return np.asarray(x), np.asarray(w), b, dtype

    def _gradients(self, outs, given, x, w, dtype, inputs):
        """`outs`, checked, with fresh arrays where there is none."""
        made = []
        for place, (out, shape) in enumerate(zip(outs, (x.shape, w.shape, w.shape[1:]), strict=False)):
            label = f"{self.name}: out[{place}]"
            if out is not None:
                check_out(out, label)
                check_shape(out, shape, label)
                over_x = place == 0 and isinstance(given[0], np.ndarray) and may_replace(out, given[0])
                if _meets(out, inputs[over_x:]):
                    raise ValueError(f"{label} overlaps an input; only x itself, exactly, may be overwritten, by dx")
            made.append(out if out is not None else np.empty(shape, dtype, "F" if place == 1 and is_f(w) else "C"))
        for one, other in itertools.combinations(range(len(outs)), 2):
            if outs[one] is not None and outs[other] is not None:
                check_distinct(outs[one], outs[other], f"{self.name}: out[{one}] and out[{other}]")
        return made


class _Batch:
    """Targets and weights: all looked at before anything is written, and converted for the rows whose turn it is."""

    def __init__(self, loss, target, weight, lead, classes, dtype, mean, chosen, size):
        self.loss, self.classes, self.dtype, self.mean, self._chosen = loss, classes, dtype, mean, chosen
        self.lead, self.count, self.live, self.divisor = lead, math.prod(lead), math.prod(lead), float(mean)
        target = as_array(target, f"{loss.name}: target")
        weight = None if weight is None else as_array(weight, f"{loss.name}: sample_weight")
        if target.shape not in (lead, (*lead, classes)) or (weight is not None and weight.shape != lead) or not self.count:
            self._converted(target, weight, lead)  # raises unless there is no row
        self._target = Rows(np.asarray(target), lead)
        self._weight = None if weight is None else Rows(np.asarray(weight), lead)
        self.all = None  # what `of` gives for all rows, while it is known
        soft = target.ndim > len(lead)
        self._casts = soft and target.dtype != dtype and target.dtype.kind in "fiub"
        self.row = 2 * classes * dtype.itemsize if soft else ROW_BYTES  # gathered, and converted
        self._step = size // self.row if soft else max(LEAST, size // self.row)
        try:
            self._look_through(self._step)
        except (TypeError, ValueError, IndexError):
            self._converted(target, weight, lead)  # says where it is in the whole
            raise

    def _look_through(self, step):
        """Raises unless every row is good; counts those that are not ignored, and what a mean divides by."""
        live, divisor, rows = 0, 0.0, None
        for part in slices(self.count, step):
            q, _, counted, settings = rows = self.of(part)
            live += np.count_nonzero(q != IGNORED) if settings is not None and settings[0] else len(q)
            divisor += len(q) if counted is None else self.loss._level.weight_sum(counted)
        if self.mean and not np.isfinite(divisor):
            raise ValueError
        self.live, self.divisor = live, divisor if self.mean else 1.0
        self.all = rows if step >= self.count else None

    def of(self, part):
        """(the target, each row's own weight, what a mean counts it as, settings) of some rows, as the kernel takes them."""
        if self.all is not None and isinstance(part, slice) and part.stop - part.start == self.count:
            return self.all
        target = self._target.cast(part, self.dtype) if self._casts else self._target[part]
        return self._converted(target, None if self._weight is None else self._weight[part], target.shape[:1])

    def _converted(self, target, weight, shape):
        z = np.broadcast_to(np.zeros((), self.dtype), (*shape, self.classes))  # the logits' shape, without their memory
        return self.loss._batch(target, z, shape, self.classes, self.dtype, self.mean, weight, self._chosen)

    def parts(self, size):
        """(rows that count, `size` of them, and of those in between the ones that are ignored): slices or indices."""
        if self.live == self.count:
            yield from ((part, ()) for part in slices(self.count, size))
            return
        rows = np.empty(0, int)
        for part in slices(self.count, max(LEAST, self._step // 16)):
            skipped = self.of(part)[0] == IGNORED
            rows = np.concatenate((rows, part.start + np.flatnonzero(~skipped)))
            yield (), part.start + np.flatnonzero(skipped)
            while rows.size >= size:
                yield _as_slice(rows[:size]), ()
                rows = rows[size:]
        yield _as_slice(rows), ()


def _run(batch, x, w, b, results, losses, size):
    """The loss; results, if there are any, become its gradients.

    The products of the rows cannot be added in a dW of another dtype. Some of its lines are computed at a time then, in the dtype
    of the products, and the logits once for each: all of it would take as much memory as W. dx, which may be x, comes last.
    """
    if not results or not w.size or results[1].dtype.newbyteorder("=") == batch.dtype:
        return _Walk(batch, x, w, b, results, losses, size).run()
    dx, dw, *db = results
    lines = max(1, size // SHARE // (w.shape[1] * batch.dtype.itemsize))
    space = np.empty((min(lines, len(w)), w.shape[1]), batch.dtype)
    for strip in slices(len(w), lines):
        here = space[: strip.stop - strip.start]
        total = _Walk(batch, x, w, b, (dx if strip.stop == len(w) else None, here, *db), losses, size, strip).run()
        dw[strip] = here
    return total


class _Walk:
    """A way through the rows: some rows' logits, which become their gradients, and the products of these. dw is that of some
    lines of W, `strip`; dx may be missing."""

    def __init__(self, batch, x, w, b, results, losses, size, strip=slice(None)):
        self.batch, self.w, self.b, self.dtype, self.strip, self.grad = batch, w, b, batch.dtype, strip, len(results) > 0
        self.x, self.losses = Rows(x, batch.lead), None if losses is None else losses.reshape(-1)
        dx, self.dw, self.db = (*(None if a is None else np.asarray(a) for a in results), None, None, None)[:3]
        self.dx = None if dx is None else Rows(dx, batch.lead)
        d, classes = w.shape
        item = self.dtype.itemsize
        row = (classes + 2 * d) * item + (0 if x.dtype == self.dtype else d * x.itemsize) + batch.row
        self.together, spare = _shares(batch.live, row, w.size * item, size)
        if self.together < batch.count:
            batch.all = None
        self.logits = np.empty((self.together, classes), self.dtype)
        adds = self.grad and (self.together < batch.live or not blas_reads(self.dw, self.dtype))
        self.space = np.empty(spare // item if adds or not blas_reads(w, self.dtype) else 0, self.dtype)

    def run(self):
        """The loss; dx, dW and db become its gradients."""
        total, sums, put = 0.0, np.zeros(self.w.shape[1] if self.db is not None else 0), set_product
        if self.grad and not self.batch.live:
            self.dw[...] = 0
        for part, ignored in self.batch.parts(self.together):
            if len(ignored):
                self._silence(ignored)
            if isinstance(part, slice) or len(part):
                total += self._step(part, sums, put)
                put = add_product
        if self.db is not None:
            self.db[...] = sums.astype(self.dtype)
        return total

    def _silence(self, ignored):
        for rows in (self.dx, self.losses):
            if rows is not None:
                rows[ignored] = 0

    def _step(self, part, sums, put):
        """What some rows add to the loss."""
        a = self.x[part]
        if not blas_reads(a, self.dtype):
            a = a.astype(self.dtype.newbyteorder("="), order="C")
        z = times(a, self.w, self.logits[: len(a)], self.space)
        if self.b is not None:
            np.add(z, self.b, out=z)
        loss = self._loss(z, part)
        if self.grad:
            put(self.dw, a[:, self.strip], z, self.space)
        if self.db is not None:
            sums += z.sum(axis=0, dtype=np.float64)
        if self.dx is not None:
            del a
            self.dx[part] = times_transposed(z, self.w, np.empty((len(z), len(self.w)), self.dtype), self.space)
        return loss

    def _loss(self, z, part):
        """The loss of these rows; z becomes its gradient if that is wanted."""
        target, weight, _, settings = self.batch.of(part)
        counted = np.zeros(len(z))
        counted[0] = self.batch.divisor  # the kernel divides by the sum of these
        losses = None if self.losses is None else np.empty(len(z), z.dtype)
        g = z if self.grad else None
        total = self.batch.loss._rows(z, 1, target, weight, counted, self.batch.mean, 0.0, losses, g, None, settings)
        if losses is not None:
            self.losses[part] = losses
        return total


def _as_slice(rows):
    """Indices in ascending order, as a slice if none is left out."""
    return slice(rows[0], rows[-1] + 1) if rows.size and rows[-1] - rows[0] + 1 == rows.size else rows


def _shares(count, row, whole, size):
    """(rows at a time, bytes for parts of W and dW, which have `whole`) of `count` rows of `row` bytes each. At least one row,
    and as much for parts. The same for every layout and method: the losses are added in this order."""
    spare = min(whole, max(size // SHARE, row))
    return max(1, min(count, (size - spare) // row)), spare


def _chunk_size(chunk_bytes, name):
    try:
        size = operator.index(chunk_bytes)
    except TypeError:
        raise TypeError(f"{name}: chunk_bytes={chunk_bytes!r} is not an integer") from None
    if size < 1:
        raise ValueError(f"{name}: chunk_bytes={size}; it must be at least 1, and a row is the least that is worked on")
    return size
