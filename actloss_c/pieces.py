"""The class of the maximum over pieces: arguments in order, then one call into a compiled row kernel."""

import operator

import numpy as np

from . import _docs
from ._arrays import (
    as_array,
    axis_of,
    check_distinct,
    check_out,
    check_shape,
    check_writable,
    compute_dtype,
    is_usable,
    meets,
    usable,
)
from ._named import Named
from ._row_options import index_text
from .loss import _deliver

INTP = np.dtype(np.intp)
MOST = 2**31 - 1  # pieces: beside float32, a kernel's indices are int32


class Maxout(Named):
    """The maximum over the pieces along an axis of NumPy arrays, and the piece that it is. Calling it gives the maximum.

    Metadata stands in attributes: `formula`, `ulp`, `paper`.
    """

    def __init__(self, entry, rows, backward_rows, check_labels):
        self._publish(entry, _docs.maxout(entry))
        self.ulp = entry.ulp
        self._rows = rows
        self._backward_rows = backward_rows
        self._check_labels = check_labels

    def __call__(self, z, axis=-1, *, out=None, dtype=None):
        """The maximum over the pieces."""
        return self._run(z, axis, out, None, dtype, False)[0]

    def value_and_argmax(self, z, axis=-1, *, out=None, dtype=None):
        """(maximum, index of its piece) in one pass; out=(y, which)."""
        y, which = two(out, self.name)
        return self._run(z, axis, y, which, dtype, True)

    def backward(self, g, which, pieces, axis=-1, *, out=None):
        """dz in one pass: g at the piece that was the maximum, 0 at the others, along a new `axis` of that many pieces."""
        name = f"{self.name}.backward"
        g = as_array(g, f"{name}: g")
        dtype = compute_dtype(g.dtype, None, f"{name}: g")
        pieces = _count(pieces, name)
        chosen = self._checked_which(which, pieces, name)
        axis = axis_of(axis, chosen.ndim + 1, name, "dz")
        shape = (*chosen.shape[:axis], pieces, *chosen.shape[axis:])
        dz = fresh_or(out, shape, dtype, f"{name}: out", (g, which))
        self._fill_backward(dz, axis, slopes(g, dtype, chosen.shape, name), chosen)
        return _deliver(dz, out)

    def _run(self, z, axis, out, which_out, dtype, want_which):
        """(y, which); everything is checked before the first byte is written."""
        name = self.name
        z = as_array(z, f"{name}: z")
        dtype = compute_dtype(z.dtype, dtype, f"{name}: z")
        if z.ndim == 0:
            raise ValueError(f"{name}: z is a scalar; it needs an axis of pieces")
        axis = axis_of(axis, z.ndim, name, "z")
        pieces = z.shape[axis]
        if not 0 < pieces <= MOST:
            raise ValueError(f"{name}: z has {pieces} pieces along axis {axis} (shape {z.shape}); it needs 1 to {MOST}")
        shape = z.shape[:axis] + z.shape[axis + 1 :]
        numbers = np.asarray(usable(z, dtype))
        order = _memory_order(numbers, axis)
        y = fresh_or(out, shape, dtype, f"{name}: out[0]" if want_which else f"{name}: out", (z,), order)
        which = fresh_or_which(which_out, shape, pieces, f"{name}: out[1]", (z,), order) if want_which else None
        if out is not None and which_out is not None:
            check_distinct(out, which_out, f"{name}: out[0] and out[1]")
        self._fill(numbers, axis, y, which)
        y, which = _deliver(y, out), _deliver(which, which_out)
        return _scalar(y, out), _scalar(which, which_out)

    def _fill(self, z, axis, y, which):
        """The kernel on arrays that fit, in the order of z's memory; which may be None."""
        order = _memory_order(z, axis)
        self._rows(_pieces_last(z, axis, order), _as_rows(y, order), None if which is None else _as_rows(which, order))

    def _fill_backward(self, dz, axis, g, which):
        """The same backward, in the order of dz's memory."""
        order = _memory_order(dz, axis)
        self._backward_rows(_pieces_last(dz, axis, order), _as_rows(g, order), _as_rows(which, order))

    def _checked_which(self, which, pieces, name):
        """`which` as native integers in [0, pieces)."""
        which = as_array(which, f"{name}: which")
        if which.size == 0 and which.dtype == np.float64:
            which = which.astype(np.intp)  # an empty list
        if which.dtype.kind not in "iub":
            raise TypeError(f"{name}: which has dtype {which.dtype}; it must be the integers that value_and_argmax returned")
        which = np.asarray(usable(which, which.dtype))
        if not self._check_labels(which.ravel(order="K"), None, pieces, None):
            row = np.unravel_index(np.argmax((which < 0) | (which >= pieces)), which.shape)
            raise IndexError(
                f"{name}: which{index_text(row)} is {which[row]}; it must lie in [0, {pieces}), as there are {pieces} pieces: "
                "give what value_and_argmax returned, and its number of pieces"
            )
        return which


def slopes(g, dtype, shape, name, of="which"):
    """g, an array, as numbers of this dtype and shape, that `of` something."""
    compute_dtype(g.dtype, None, f"{name}: g")
    try:
        return np.broadcast_to(usable(g, dtype), shape)
    except ValueError:
        raise ValueError(f"{name}: g has shape {g.shape}; it must broadcast to that of {of}, {shape}") from None


def two(out, name):
    """The outputs of value_and_argmax."""
    if out is None:
        return None, None
    if not isinstance(out, tuple) or len(out) != 2:
        raise TypeError(f"{name}: out must be a tuple of two arrays (or None in a place)")
    return out


def fresh_or(out, shape, dtype, label, others, order=None, contiguous=False):
    """Where to compute floats: `out` if that can be written directly, else a fresh array. `others` must not be overwritten."""
    if out is not None:
        check_out(out, label)
        check_shape(out, shape, label)
        _check_apart(out, others, label)
        if is_usable(out, dtype) and type(out) is np.ndarray and (out.flags.c_contiguous or not contiguous):
            return out
    return _empty(shape, dtype, order)


def fresh_or_which(out, shape, pieces, label, others, order=None, contiguous=False):
    """The same for the pieces' indices: intp, or the integers of `out`."""
    dtype = INTP
    if out is not None:
        check_writable(out, label)
        if out.dtype.kind not in "iu":
            raise TypeError(f"{label} has dtype {out.dtype}; the pieces are integers")
        if (pieces - 1) >> (8 * out.itemsize - (out.dtype.kind == "i")):
            raise ValueError(f"{label} has dtype {out.dtype}, which does not hold {pieces - 1}, the last of {pieces} pieces")
        check_shape(out, shape, label)
        _check_apart(out, others, label)
        dtype = out.dtype if out.dtype.isnative else out.dtype.newbyteorder("=")
        if is_usable(out, dtype) and type(out) is np.ndarray and (out.flags.c_contiguous or not contiguous):
            return out
    return _empty(shape, dtype, order)


def _check_apart(out, others, label):
    for other in others:
        if meets(out, other):
            raise ValueError(f"{label} overlaps an input; give an array of its own")


def _count(pieces, name):
    try:
        count = operator.index(pieces)
    except TypeError:
        raise TypeError(f"{name}: pieces={pieces!r} is not an integer") from None
    if not 0 < count <= MOST:
        raise ValueError(f"{name}: pieces={count}; there must be 1 to {MOST}")
    return count


# --- memory order: rows are independent, so they are taken as they follow each other in memory ---------------------------------


def _memory_order(a, axis):
    """The axes of a's rows (numbered without `axis`), outermost in memory first; None where that is their own order."""
    if a.flags.c_contiguous:
        return None
    steps = a.strides[:axis] + a.strides[axis + 1 :]
    order = sorted(range(a.ndim - 1), key=lambda d: -abs(steps[d]))
    return None if order == list(range(a.ndim - 1)) else order


def _pieces_last(a, axis, order):
    if order is None:
        if axis == a.ndim - 1:
            return a
        order = range(a.ndim - 1)
    return a.transpose(*(d + (d >= axis) for d in order), axis)


def _as_rows(a, order):
    """One element per row, with an axis for the pieces."""
    return (a if order is None else a.transpose(order))[..., np.newaxis]


def _empty(shape, dtype, order):
    """A fresh array whose axes lie in memory in this order."""
    if order is None:
        return np.empty(shape, dtype)
    return np.empty([shape[d] for d in order], dtype).transpose(np.argsort(order))


def _scalar(result, out):
    """A fresh result without axes as a scalar."""
    return result if result is None or result.ndim or out is not None else result[()]
