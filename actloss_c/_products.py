"""Products of NumPy's BLAS with matrices in any layout and dtype, of which no copy is ever made as a whole.

BLAS reads and writes matrices with one contiguous axis. Any other is copied in parts that fit the space at hand, whose cost is
nothing beside the product's: a number is copied once and then used for each of the rows.
"""

import math

import numpy as np

from ._arrays import QUIET, is_usable

TALL = 512  # rows that a part of a matrix has at most, so that it has columns enough


class Rows:
    """An array whose first axes count rows, to read and write some rows at a time."""

    def __init__(self, a, shape):
        """shape: that of the first axes; one row if there are none."""
        steps, ahead = a.strides[: len(shape)], zip(shape[1:], a.strides[1:], strict=False)
        merges = a.size == 0 or all(step == n * inner for step, (n, inner) in zip(steps, ahead, strict=False))
        self._a = a.reshape(math.prod(shape), *a.shape[len(shape) :]) if merges else a
        self._shape = None if merges else shape

    def _place(self, part):
        if self._shape is None:
            return part
        rows = np.arange(part.start, part.stop) if isinstance(part, slice) else part
        return np.unravel_index(rows, self._shape)

    def __getitem__(self, part):
        """The rows of a slice or of indices; a view where that is possible."""
        return self._a[self._place(part)]

    def cast(self, part, dtype):
        """The rows of a slice in another dtype; those in their own are there a few at a time."""
        result = np.empty((part.stop - part.start, *self._a.shape[1 if self._shape is None else len(self._shape) :]), dtype)
        with np.errstate(**QUIET):
            for few in slices(len(result), len(result) // 16):
                result[few] = self[slice(part.start + few.start, part.start + few.stop)]
        return result

    def __setitem__(self, part, values):
        self._a[self._place(part)] = values


def blas_reads(a, dtype):
    """Whether a matrix is of this dtype, with one axis contiguous and the other ahead of it."""
    if not is_usable(a, dtype) or a.flags.forc:
        return is_usable(a, dtype)
    ways = (a.shape[1], *a.strides), (a.shape[0], *a.strides[::-1])
    return any(short == a.itemsize and long >= count * a.itemsize and long % a.itemsize == 0 for count, long, short in ways)


def slices(n, count):
    """Slices of n rows, `count` at a time, at least one."""
    count = max(1, count)
    return (slice(first, min(first + count, n)) for first in range(0, n, count))


def is_f(a):
    """Whether the first axis has the shorter step."""
    return abs(a.strides[0]) < abs(a.strides[1])


def times(a, w, out, space):
    """out = a w: some columns of w at a time if need be. `space` holds at least one."""
    if blas_reads(w, out.dtype):
        return np.matmul(a, w, out=out)
    for columns in slices(w.shape[1], space.size // max(1, w.shape[0])):
        np.matmul(a, _copied(w[:, columns], space), out=out[:, columns])
    return out


def times_transposed(g, w, out, space):
    """out = g wᵀ: some rows of w at a time if need be. `space` holds at least one."""
    if blas_reads(w, out.dtype):
        return np.matmul(g, w.T, out=out)
    for rows in slices(w.shape[0], space.size // w.shape[1]):
        np.matmul(g, _copied(w[rows], space).T, out=out[:, rows])
    return out


def set_product(total, a, g, space):
    """total = aᵀ g."""
    if blas_reads(total, g.dtype):
        np.matmul(a.T, g, out=total)
    else:
        _each_product(total, a, g, space, lambda here, more: np.copyto(here, more))


def add_product(total, a, g, space):
    """total += aᵀ g: BLAS adds to what is there, but NumPy does not offer it."""
    _each_product(total, a, g, space, lambda here, more: np.add(here, more, out=here))


def _each_product(total, a, g, space, put):
    """put(part of total, its part of aᵀ g), in parts as large as `space`."""
    if is_f(total):
        total, a, g = total.T, g, a
    rows, columns = total.shape
    width = max(1, min(columns, space.size // max(1, min(rows, TALL))))
    for top in slices(rows, space.size // width):
        for left in slices(columns, width):
            here = total[top, left]
            put(here, np.matmul(a[:, top].T, g[:, left], out=space[: here.size].reshape(here.shape)))


def _copied(a, space):
    copy = space[: a.size].reshape(a.shape)
    np.copyto(copy, a, casting="unsafe")
    return copy
