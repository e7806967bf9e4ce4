"""The class of the maximum over linear maps: products by NumPy's BLAS on some rows at a time, maxima by the compiled kernel."""

import itertools
import math

import numpy as np

from . import _docs
from ._arrays import QUIET, as_array, check_distinct, compute_dtype, may_replace, usable
from ._named import Named
from ._products import slices
from .loss import _deliver
from .pieces import fresh_or, fresh_or_which, slopes, two

TOGETHER = 1 << 22  # bytes of products that are held at a time: they stay in cache between BLAS and the kernel
AT_LEAST = 256  # rows of x at a time, so that BLAS reads W for enough of them


class MaxoutLinear(Named):
    """The maximum over linear maps of NumPy arrays, unit by unit, with its backward. Calling it gives the maximum.

    Metadata stands in attributes: `formula`, `paper`.
    """

    def __init__(self, entry, maxout):
        self._publish(entry, _docs.maxout_linear(entry))
        self._maxout = maxout

    def __call__(self, x, W, b=None, *, out=None):  # noqa: N803
        """The maximum over the maps."""
        return self._run(x, W, b, out, None, False)[0]

    def value_and_argmax(self, x, W, b=None, *, out=None):  # noqa: N803
        """(maximum, index of its map) in one pass; out=(y, which)."""
        y, which = two(out, self.name)
        return self._run(x, W, b, y, which, True)

    def backward(self, g, x, W, which, *, out=None):  # noqa: N803
        """(dx, dW, db) for g, the gradient for the maximum, and the maps that value_and_argmax named; out=(dx, dW, db)."""
        name = f"{self.name}.backward"
        if out is not None and (not isinstance(out, tuple) or len(out) != 3):
            raise TypeError(f"{name}: out must be a tuple of three arrays (or None in a place)")
        outs = out or (None, None, None)
        rows, maps, dtype = self._inputs(x, W, name)
        k, d, u = maps.shape
        shape = (*rows.shape[:-1], u)
        chosen = self._maxout._checked_which(which, k, name)
        if chosen.shape != shape:
            raise ValueError(f"{name}: which has shape {chosen.shape}; one map per row of x and unit is needed, shape {shape}")
        given = as_array(g, f"{name}: g")
        given = slopes(given, dtype, shape, name)
        over_x = all(isinstance(a, np.ndarray) for a in (x, outs[0])) and may_replace(outs[0], x)
        made = []
        for place, array_shape in enumerate((rows.shape, maps.shape, (k, u))):
            others = (g, W, which) if place == 0 and over_x else (g, x, W, which)
            made.append(fresh_or(outs[place], array_shape, dtype, f"{name}: out[{place}]", others, contiguous=True))
        for one, other in itertools.combinations(range(3), 2):
            if outs[one] is not None and outs[other] is not None:
                check_distinct(outs[one], outs[other], f"{name}: out[{one}] and out[{other}]")
        n = math.prod(shape[:-1])
        with np.errstate(**QUIET):
            inputs = given.reshape(n, u), rows.reshape(n, d), maps, chosen.reshape(n, u)
            self._products_backward(*inputs, made[0].reshape(n, d), *made[1:])
            return tuple(_deliver(*pair) for pair in zip(made, outs, strict=True))

    def _inputs(self, x, w, name):
        """x and W as arrays of one dtype, and that dtype."""
        x, w = as_array(x, f"{name}: x"), as_array(w, f"{name}: W")
        dtype = compute_dtype(x.dtype, None, f"{name}: x")
        compute_dtype(w.dtype, None, f"{name}: W")
        if w.ndim != 3 or w.shape[0] == 0:
            raise ValueError(f"{name}: W has shape {w.shape}; it must be (k, d, u): k ≥ 1 maps from d numbers to u units")
        if x.ndim == 0 or x.shape[-1] != w.shape[1]:
            raise ValueError(f"{name}: x has shape {x.shape}; its last axis must have W's d = {w.shape[1]} (W: {w.shape})")
        return np.asarray(usable(x, dtype)), np.asarray(usable(w, dtype)), dtype

    def _run(self, x, W, b, out, which_out, want_which):  # noqa: N803
        """(y, which); everything is checked before the first byte is written."""
        name = self.name
        rows, maps, dtype = self._inputs(x, W, name)
        k, d, u = maps.shape
        shape = (*rows.shape[:-1], u)
        shift = None
        if b is not None:
            shift = as_array(b, f"{name}: b")
            compute_dtype(shift.dtype, None, f"{name}: b")
            if shift.shape != (k, u):
                raise ValueError(f"{name}: b has shape {shift.shape}; one number per map and unit is needed, shape {(k, u)}")
            shift = np.asarray(usable(shift, dtype))[:, np.newaxis]
        y = fresh_or(out, shape, dtype, f"{name}: out[0]" if want_which else f"{name}: out", (x, W, b), contiguous=True)
        which = None
        if want_which:
            which = fresh_or_which(which_out, shape, k, f"{name}: out[1]", (x, W, b), contiguous=True)
        if out is not None and which_out is not None:
            check_distinct(out, which_out, f"{name}: out[0] and out[1]")
        n = math.prod(shape[:-1])
        with np.errstate(**QUIET):
            self._products(rows.reshape(n, d), maps, shift, y.reshape(n, u), which if which is None else which.reshape(n, u))
            return _deliver(y, out), _deliver(which, which_out)

    def _products(self, x, w, b, y, which):
        """y and which, some rows at a time: the k products never exist as a whole."""
        k, _, u = w.shape
        buffer = np.empty((k, _together(len(x), k * u * x.itemsize), u), x.dtype)
        for part in slices(len(x), buffer.shape[1]):
            z = buffer[:, : part.stop - part.start]
            np.matmul(x[part], w, out=z)
            if b is not None:
                np.add(z, b, out=z)
            self._maxout._fill(z, 0, y[part], None if which is None else which[part])

    def _products_backward(self, g, x, w, which, dx, dw, db):
        """dx may be x. db is summed in float64; dW by BLAS, some rows at a time."""
        k, d, u = w.shape
        back = w.transpose(0, 2, 1).reshape(k * u, d)
        buffer = np.empty((_together(len(x), k * u * x.itemsize), k, u), x.dtype)
        total, more = np.zeros((k, u)), None
        dw[...] = 0
        for part in slices(len(x), len(buffer)):
            dz = buffer[: part.stop - part.start]
            self._maxout._fill_backward(dz, 1, g[part], which[part])
            total += dz.sum(axis=0, dtype=np.float64)
            if part.start == 0:
                np.matmul(x[part].T, dz.transpose(1, 0, 2), out=dw)
            else:
                more = np.matmul(x[part].T, dz.transpose(1, 0, 2), out=more)
                np.add(dw, more, out=dw)
            np.matmul(dz.reshape(len(dz), k * u), back, out=dx[part])
        db[...] = total


def _together(n, size):
    """Rows at a time, of n, each of which needs `size` bytes."""
    return min(n, max(AT_LEAST, TOGETHER // max(size, 1)))
