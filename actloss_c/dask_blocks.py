"""Tasks over the blocks of dask arrays, several results from one task.

Dimensions have names, as in dask.array.blockwise: arrays that share one are cut alike along it. A task returns a tuple; each of
its results becomes a dask array of its own. What is summed over blocks leaves a block as an array of length 1 along the
dimensions that the sum runs over.
"""

from functools import partial
from typing import Any, NamedTuple

import dask.array as da
import numpy as np
from dask.array.core import unify_chunks
from dask.layers import ArrayBlockwiseDep

from ._arrays import QUIET


class Result(NamedTuple):
    """One of the arrays that the tasks make."""

    index: tuple  # names of its dimensions, in order
    dtype: Any
    lengths: dict = {}  # {dimension: what a block gives along it}, where that is not the block's own length


class Places(ArrayBlockwiseDep):
    """Gives each task the place of its block among the others."""

    def __getitem__(self, place):
        return place

    def __dask_tokenize__(self):
        return "actloss_c places", self.chunks


def names(ndim):
    """Names for the dimensions of an array."""
    return tuple(range(ndim))


def broadcast_names(index, ndim):
    """The names of an array that broadcasts to one with the names `index`."""
    return index[len(index) - ndim :]


def run(label, function, arguments, results, new=None):
    """The results of function(*blocks), one task for each block; dask's displays show the label.

    arguments: (dask array, names of its dimensions) each. new: {dimension that no argument has: its length}.
    """
    new = new or {}
    index = (*dict.fromkeys(i for _, own in arguments for i in own), *new)
    order = {name: i for i, name in enumerate(index)}  # dask sorts its names
    chunks, arrays = unify_chunks(*(a for array, own in arguments for a in (array, _numbers(own, order))))
    pairs = [a for array, (_, own) in zip(arrays, arguments, strict=True) for a in (array, _numbers(own, order))]
    old = range(len(index) - len(new))
    whole = da.blockwise(
        partial(_on_block, function),
        tuple(order.values()),
        Places(tuple(chunks[i] for i in old)),
        tuple(old),
        *pairs,
        new_axes={order[name]: length for name, length in new.items()},
        align_arrays=False,
        token=label,
        dtype=object,
        meta=np.empty((0,) * len(index), object),
    )
    return tuple(_taken(f"{label}-result", whole, order, k, result) for k, result in enumerate(results))


def _numbers(own, order):
    return tuple(order[name] for name in own)


def _on_block(function, place, *blocks):
    try:
        return tuple(map(np.asanyarray, function(*blocks)))  # masks stay
    except (TypeError, ValueError, IndexError) as error:
        error.add_note(f"In the block {place}, from whose start the indices above count.")
        raise


def _taken(label, whole, order, k, result):
    return da.blockwise(
        partial(_take, k, whole.ndim - len(result.index)),
        _numbers(result.index, order),
        whole,
        tuple(order.values()),
        adjust_chunks={order[name]: length for name, length in result.lengths.items()},
        align_arrays=False,
        token=label,
        dtype=result.dtype,
        meta=np.empty((0,) * len(result.index), result.dtype),
    )


def _take(k, gone, block):
    """Result k of a block. dask puts the blocks along a dimension that the result lacks into a list, and there is one of them."""
    for _ in range(gone):
        (block,) = block
    return block[k]


def total(parts, axis=None, keepdims=False):
    """The sum in float64 over some dimensions, by default all; as quiet as the kernels."""
    return da.reduction(parts, _sum, _sum, axis=axis, keepdims=keepdims, dtype=np.float64)


def _sum(parts, axis, keepdims):
    with np.errstate(**QUIET):
        return np.sum(parts, axis=axis, keepdims=keepdims, dtype=np.float64)


def as_dask(array, what, as_array):
    """The array as dask's; as_array(x, what) judges anything else."""
    return array if isinstance(array, da.Array) else da.from_array(as_array(array, what), chunks=-1)


def known(shape):
    """Whether all lengths are known; those of dask's may be NaN."""
    return not any(np.isnan(n) for n in shape)


def same_shape(a, b):
    """Whether two shapes agree as far as they are known."""
    return len(a) == len(b) and all(m == n or np.isnan(m) or np.isnan(n) for m, n in zip(a, b, strict=True))


def fits(shape, onto):
    """Whether a shape broadcasts to another, as far as they are known."""
    tail = onto[len(onto) - len(shape) :]
    return len(shape) <= len(onto) and all(m in (1, n) or np.isnan(m) or np.isnan(n) for m, n in zip(shape, tail, strict=True))


def broadcast(a, b):
    """The shape to which two broadcast, as far as they are known; None if they do not."""
    a, b = ((1,) * (max(len(a), len(b)) - len(shape)) + tuple(shape) for shape in (a, b))
    fitting = all(m == n or 1 in (m, n) or np.isnan(m) or np.isnan(n) for m, n in zip(a, b, strict=True))
    return tuple(n if m == 1 else m for m, n in zip(a, b, strict=True)) if fitting else None


def in_one_block(array, axis, what, meaning):
    """ValueError unless the array is whole along the axis."""
    if array.numblocks[axis] != 1:
        raise ValueError(
            f"{what} is cut into {array.numblocks[axis]} blocks along axis {axis}, that of {meaning}, which must be whole: "
            f"{what.rpartition(' ')[2]}.rechunk({{{axis}: -1}})"
        )
