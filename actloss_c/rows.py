"""The classes of the functions of rows of classes: arguments in order, then one call into a compiled row kernel."""

import numpy as np

from . import _docs
from ._arrays import as_array, axis_of, check_out, check_shape, compute_dtype, is_usable, partly_over, usable
from ._named import Named
from .loss import _deliver, _meets
from .pieces import _memory_order, _pieces_last, slopes


class RowFunction(Named):
    """A function of rows of classes of NumPy arrays, with its backward. Calling it gives the value, of z's shape.

    Metadata stands in attributes: `formula`, `range`, `ulp`, `units`, `paper`.
    """

    def __init__(self, entry, rows, backward_rows, plain, *, fused=True):
        self._publish(entry, _docs.rows(entry))
        self.range = entry.range
        self.units = entry.units
        self.ulp = entry.ulp if fused else entry.ulp_baseline
        self._rows = rows
        self._backward_rows = backward_rows
        self._plain = plain

    def __call__(self, z, axis=-1, *, where=True, out=None, dtype=None):
        """The value; out may be z."""
        if where is True and dtype is None:
            y = self._plain(z, axis, out)
            if y is not None:
                return y
        z, axis, dtype = _logits(z, axis, dtype, self.name)
        mask = _mask(where, z.shape, self.name)
        y = _result(out, z.shape, dtype, self.name, {"z": z}, (where,), like=z)
        _call(self._rows, axis, np.asarray(usable(z, dtype)), y, mask)
        return _deliver(y, out)

    def backward(self, g, z, axis=-1, *, where=True, out=None):
        """The gradient for z from g, that for the value, in one pass; out may be z or g."""
        name = f"{self.name}.backward"
        z, axis, dtype = _logits(z, axis, None, name)
        mask = _mask(where, z.shape, name)
        g = as_array(g, f"{name}: g")
        given = slopes(g, dtype, z.shape, name, "the value")
        y = _result(out, z.shape, dtype, name, {"z": z, "g": g}, (where,), like=z)
        _call(self._backward_rows, axis, np.asarray(usable(z, dtype)), given, y, mask)
        return _deliver(y, out)


class RowReduction(RowFunction):
    """The same with one value per row."""

    def __call__(self, z, axis=-1, *, where=True, keepdims=False, out=None, dtype=None):
        """The value of each row."""
        if where is True and dtype is None and keepdims is False and out is None:
            y = self._plain(z, axis, None)
            if y is not None:
                return y
        z, axis, dtype = _logits(z, axis, dtype, self.name)
        mask = _mask(where, z.shape, self.name)
        y = _result(out, _reduced(z.shape, axis, keepdims), dtype, self.name, {}, (z, where))
        _call(self._rows, axis, np.asarray(usable(z, dtype)), y if keepdims else np.expand_dims(y, axis), mask)
        y = _deliver(y, out)
        return y if y.ndim or out is not None else y[()]

    def backward(self, g, z, axis=-1, *, where=True, keepdims=False, out=None):
        """The gradient for z from g, that for the values, in one pass; out may be z."""
        name = f"{self.name}.backward"
        z, axis, dtype = _logits(z, axis, None, name)
        mask = _mask(where, z.shape, name)
        g = as_array(g, f"{name}: g")
        given = slopes(g, dtype, _reduced(z.shape, axis, keepdims), name, "the value")
        y = _result(out, z.shape, dtype, name, {"z": z}, (g, where), like=z)
        given = given if keepdims else np.expand_dims(given, axis)
        _call(self._backward_rows, axis, np.asarray(usable(z, dtype)), given, y, mask)
        return _deliver(y, out)


def _logits(z, axis, dtype, name):
    """z as an array, the axis of the classes counted from the first, and the dtype to compute in."""
    z = as_array(z, f"{name}: z")
    dtype = compute_dtype(z.dtype, dtype, f"{name}: z")
    if z.ndim == 0:
        raise ValueError(f"{name}: z is a scalar; it needs an axis of classes")
    axis = axis_of(axis, z.ndim, name, "z")
    if z.shape[axis] == 0:
        raise ValueError(f"{name}: z has no classes along axis {axis} (shape {z.shape})")
    return z, axis, dtype


def _mask(where, shape, name):
    """`where` as bytes of this shape; None for no mask."""
    if where is True:
        return None
    where = as_array(where, f"{name}: where")
    if where.dtype != bool:
        raise TypeError(f"{name}: where has dtype {where.dtype}; it must be bool, True for the entries that count")
    try:
        return np.broadcast_to(where, shape).view(np.uint8)
    except ValueError:
        raise ValueError(f"{name}: where has shape {where.shape}; it must broadcast to that of z, {shape}") from None


def _reduced(shape, axis, keepdims):
    """The shape of one number per row."""
    return (*shape[:axis], *((1,) if keepdims else ()), *shape[axis + 1 :])


def _result(out, shape, dtype, name, replaceable, others, like=None):
    """Where to compute: `out` if the kernel can write there, else a fresh array.

    An input in `replaceable`, by name, may be overwritten, if `out` is exactly it; `others` must not be.
    """
    if out is not None:
        label = f"{name}: out"
        check_out(out, label)
        check_shape(out, shape, label)
        if any(partly_over(a, out) for a in replaceable.values()) or _meets(out, others):
            may = f"only {' or '.join(replaceable)} itself, exactly, may be overwritten" if replaceable else "give another array"
            raise ValueError(f"{label} overlaps an input; {may}")
        if is_usable(out, dtype) and type(out) is np.ndarray:
            return out
    return np.empty(shape, dtype) if like is None else np.empty_like(like, dtype=dtype, subok=False)


def _call(rows, axis, z, *operands):
    """The kernel, the rows in the order of z's memory: no result depends on it."""
    order = _memory_order(z, axis)
    rows(*(None if a is None else _pieces_last(a, axis, order) for a in (z, *operands)))
