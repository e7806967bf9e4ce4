"""The class of the losses over logits x @ W + b: products by NumPy's BLAS on some rows at a time, losses by the row kernel.

The logits of some rows are made, turned into their gradients in place, and used up by the products for dx and dW, before those
of the next rows take their memory: n × classes numbers never exist.
"""

import itertools
import math
import operator

import numpy as np

from . import _docs, _row_options
from ._arrays import QUIET, as_array, check_distinct, check_out, check_shape, compute_dtype, is_usable, same_memory, usable
from .loss import _deliver, _meets, check_reduction, signature

# 8192×512 → 32000 in float32 takes 13.6 s with 16 MiB, 12.1 s with 32, 10.6 s with 64 and 10.2 s with 128; its products 10.0 s.
CHUNK_BYTES = 1 << 26
SHARE = 8  # one part in so many of the chunk is for dW's products, which need little to be fast
TALL = 512  # rows of dW that a part of it has at most, so that it has columns enough
IGNORED = -1  # the label of such a row, in rows/labels.pxd


class LinearLoss:
    """A loss of the logits x @ W + b, never held as a whole, and its gradients for x, W and b. Calling it gives the loss.

    Metadata stands in attributes: `formula`, `gradient`, `options`, `paper`.
    """

    def __init__(self, entry, loss):
        self.name = self.__name__ = self.__qualname__ = entry.name
        self.__module__ = "actloss_c"
        self.__doc__ = _docs.linear_loss(entry, CHUNK_BYTES)
        self.formula = entry.formula
        self.gradient = entry.gradient
        self.options = {option.name: option.default for option in entry.options}
        self.paper = entry.paper
        self.__signature__ = signature(LinearLoss.__call__, entry)
        self._entry = entry
        self._loss = loss
        loss.name = entry.name  # in what it says of a bad target or weight

    def __repr__(self):
        return f"<actloss_c.{self.name}: {self.formula}>"

    def __reduce__(self):
        return self.name  # by public name: a pickle made on one level loads on another

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
        loss, mean = self._loss, reduction == "mean"
        check_reduction(self.name, reduction)
        size = _chunk_size(chunk_bytes, self.name)
        x, w, b, dtype = self._inputs(*given)
        classes = w.shape[1]
        z = np.broadcast_to(np.zeros((), dtype), (*x.shape[:-1], classes))  # the logits' shape, without their memory
        chosen = _row_options.options_of(self._entry, options, classes, dtype)
        batch = loss._batch(target, z, z.shape[:-1], classes, dtype, mean, sample_weight, chosen)
        others = (target, sample_weight, options.get("class_weight"))
        made = [] if outs is None else self._gradients(outs, given, x, w, (*given, *others))
        row_losses = loss._losses_array(losses, z.shape[:-1], reduction, dtype, (*given, *others))
        rows = _Rows(loss, batch, z, mean, row_losses)
        with np.errstate(**QUIET):
            total = _walk(rows, x.reshape(rows.count, x.shape[-1]), w, b, size, *made)
            results = [_deliver(*pair) for pair in zip(made, outs or (), strict=True)]
        if reduction != "none":
            nothing = mean and rows.divisor == 0
            return float("nan" if chosen["empty"] == "nan" else 0) if nothing else total, *results
        row_losses = _deliver(row_losses, losses)
        return (row_losses if row_losses.ndim or losses is not None else row_losses[()]), *results

    def _inputs(self, x, w, b):
        """x, W and b (or None) as arrays of one dtype, and that dtype."""
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
        return np.asarray(usable(x, dtype)), _for_blas(np.asarray(usable(w, dtype))), b, dtype

    def _gradients(self, outs, given, x, w, inputs):
        """Where dx, dW and db are computed: `outs` where the walk can write there."""
        made = []
        for place, (out, shape) in enumerate(zip(outs, (x.shape, w.shape, w.shape[1:]), strict=False)):
            label = f"{self.name}: out[{place}]"
            if out is not None:
                check_out(out, label)
                check_shape(out, shape, label)
                over_x = place == 0 and isinstance(given[0], np.ndarray) and same_memory(given[0], out)
                if _meets(out, inputs[over_x:]):
                    raise ValueError(f"{label} overlaps an input; only x itself, exactly, may be overwritten, by dx")
            order = "F" if place == 1 and _is_f(w) else "C"
            made.append(out if _fits(out, place, x.dtype) else np.empty(shape, x.dtype, order))
        for one, other in itertools.combinations(range(len(outs)), 2):
            if outs[one] is not None and outs[other] is not None:
                check_distinct(outs[one], outs[other], f"{self.name}: out[{one}] and out[{other}]")
        return made


class _Rows:
    """The rows of a batch as the kernel takes them, some at a time."""

    def __init__(self, loss, batch, z, mean, losses):
        target, weight, counted, self.settings = batch
        self.count = n = math.prod(z.shape[:-1])
        self.kernel, self.mean = loss._rows, mean
        self.target = target.reshape(n, *target.shape[z.ndim - 1 :])
        self.weight = None if weight is None else weight.reshape(n)
        self.losses = None if losses is None else losses.reshape(n)
        self.divisor = (float(n) if counted is None else loss._level.weight_sum(counted)) if mean else 1.0
        ignoring = self.settings is not None and self.settings[0]
        self.ignored = np.flatnonzero(self.target == IGNORED) if ignoring else np.empty(0, int)
        self.live = np.flatnonzero(self.target != IGNORED) if self.ignored.size else range(n)

    def parts(self, size):
        """Where the rows are that are not ignored, `size` at a time: slices, or indices if some are."""
        for first in range(0, len(self.live), size):
            part = self.live[first : first + size]
            yield part if self.ignored.size else slice(part.start, part.stop)

    def loss(self, z, part, grad):
        """What these rows add to the loss; z becomes its gradient if that is wanted."""
        weight = None if self.weight is None else self.weight[part]
        counted = np.zeros(len(z))
        counted[0] = self.divisor  # the kernel divides by the sum of these
        losses = None if self.losses is None else np.empty(len(z), z.dtype)
        g = z if grad else None
        total = self.kernel(z, 1, self.target[part], weight, counted, self.mean, 0.0, losses, g, None, self.settings)
        if losses is not None:
            self.losses[part] = losses
        return total


def _walk(rows, x, w, b, size, dx=None, dw=None, db=None):
    """The loss, some rows at a time, of x (n, d); dx, dW and db become its gradients. dx may be x."""
    x, (d, classes) = _for_blas(x), w.shape
    grad, total, sums = dx is not None, 0.0, 0.0
    together, spare = _shares(len(rows.live), (classes + 2 * d) * x.itemsize, w.nbytes, size)
    buffer, space = np.empty((together, classes), x.dtype), np.empty(spare // x.itemsize if grad else 0, x.dtype)
    if grad:
        dx = dx.reshape(x.shape)
        if not len(rows.live):
            dw.fill(0)
    for k, part in enumerate(rows.parts(together)):
        a = x[part]
        z = np.matmul(a, w, out=buffer[: len(a)])
        if b is not None:
            np.add(z, b, out=z)
        total += rows.loss(z, part, grad)
        if not grad:
            continue
        if k == 0:
            np.matmul(a.T, z, out=dw)
        else:
            _add_product(dw, a, z, space)
        if db is not None:
            sums += z.sum(axis=0, dtype=np.float64)
        dx[part] = np.matmul(z, w.T)
    if db is not None:
        db[...] = np.asarray(sums, x.dtype)
    for array in (dx, rows.losses):
        if array is not None:
            array[rows.ignored] = 0
    return total


def _shares(count, row, whole, size):
    """(rows at a time, bytes for parts of dW) of `count` rows of `row` bytes each; dW has `whole`. At least one row, and as much
    for dW."""
    if count * row <= size:
        return max(count, 1), 0
    spare = min(whole, max(size // SHARE, row))
    return max(1, (size - spare) // row), spare


def _add_product(total, a, g, space):
    """total += aᵀ g, in parts as large as `space`: BLAS adds to what is there, but NumPy does not offer it."""
    if _is_f(total):
        total, a, g = total.T, g, a
    rows, columns = total.shape
    width = max(1, min(columns, space.size // max(1, min(rows, TALL))))
    height = max(1, min(rows, space.size // width))
    for top, left in itertools.product(range(0, rows, height), range(0, columns, width)):
        here = total[top : top + height, left : left + width]
        more = space[: here.size].reshape(here.shape)
        np.add(here, np.matmul(a[:, top : top + height].T, g[:, left : left + width], out=more), out=here)


def _fits(out, place, dtype):
    """Whether the walk can write to this output itself: BLAS to dW, assignments to dx and db."""
    if out is None:
        return False
    if place == 1:
        return type(out) is np.ndarray and is_usable(out, dtype) and (out.flags.c_contiguous or out.flags.f_contiguous)
    return out.ndim <= 2 or out.flags.c_contiguous


def _chunk_size(chunk_bytes, name):
    try:
        size = operator.index(chunk_bytes)
    except TypeError:
        raise TypeError(f"{name}: chunk_bytes={chunk_bytes!r} is not an integer") from None
    if size < 1:
        raise ValueError(f"{name}: chunk_bytes={size}; it must be at least 1, and a row is the least that is worked on")
    return size


def _is_f(a):
    return a.flags.f_contiguous and not a.flags.c_contiguous


def _for_blas(a):
    """The matrix if BLAS can read it, with one axis contiguous and the other ahead of it, else a copy."""
    for columns, long, short in ((a.shape[1], *a.strides), (a.shape[0], *a.strides[::-1])):
        if short == a.itemsize and long >= columns * a.itemsize and long % a.itemsize == 0:
            return a
    return np.ascontiguousarray(a)
