"""The classes behind actloss_c.dask: which blocks a function takes, and what it gives for each."""

from functools import partial

import dask.array as da
import numpy as np

from ._arrays import QUIET, as_array, axis_of, compute_dtype
from .dask_blocks import Result, as_dask, broadcast, broadcast_names, fits, in_one_block, names, run, same_shape, total
from .pieces import INTP, _count
from .rows import RowReduction

LATER = """of dask arrays, block by block; results are lazy, and there is no out=. See actloss_c.dask for how blocks are cut and
summed. For the rest, it is the function of NumPy arrays:

"""


class DaskFunction:
    """A function of the registry for dask arrays."""

    def __init__(self, function):
        self.name = self.__name__ = self.__qualname__ = function.name
        self.__module__ = "actloss_c.dask"
        self.__doc__ = f"{self.name} {LATER}{function.__doc__}"
        self.function = function

    def __repr__(self):
        return f"<actloss_c.dask.{self.name}: {self.function.formula}>"

    def __reduce__(self):
        return _remade, (type(self), self.function)

    def _array(self, array, argument):
        return as_dask(array, f"{self.name}: {argument}", as_array)

    def _dtype(self, array, argument, dtype=None, *, narrow=False):
        return compute_dtype(array.dtype, dtype, f"{self.name}: {argument}", narrow=narrow)

    def _split(self, given, shape, index, *, grows=False):
        """({name: scalar}, names of the arrays, [(array, dimensions)]); arrays must broadcast to the shape, or with it: grows."""
        fixed, arrays = {}, {}
        for name, value in given.items():
            if isinstance(value, (str, bytes, type(None))) or (not isinstance(value, da.Array) and np.ndim(value) == 0):
                array, fixed[name] = np.asarray(value), value
            else:
                array = arrays[name] = self._array(value, name)
                together = broadcast(array.shape, shape)
                if together is None or not (grows or fits(array.shape, shape)):
                    raise ValueError(f"{self.name}: {name} has shape {array.shape}, which does not broadcast to {shape}")
                shape = together if grows else shape
            if name == "where" and array.dtype != bool:
                raise TypeError(f"{self.name}: where has dtype {array.dtype}; it must be bool, True for what counts")
        return fixed, tuple(arrays), [(a, broadcast_names(index, a.ndim)) for a in arrays.values()]


def _remade(kind, function):
    return kind(function)


def _call(method, leading, fixed, named, *blocks):
    """The method's results, in a tuple, for `leading` blocks by position and the others by name."""
    results = method(*blocks[:leading], **dict(zip(named, blocks[leading:], strict=True)), **fixed)
    return results if isinstance(results, tuple) else (results,)


class DaskActivation(DaskFunction):
    """An activation of dask arrays with its derivative. Calling it gives the value."""

    def __call__(self, x, /, *params, where=True, dtype=None, **named):
        """f(x), of the shape to which x, parameters and `where` broadcast."""
        return self._elementwise(self.function, 1, x, params, named, where, dtype)[0]

    def grad(self, x, /, *params, where=True, dtype=None, **named):
        """f'(x)."""
        return self._elementwise(self.function.grad, 1, x, params, named, where, dtype)[0]

    def value_and_grad(self, x, /, *params, where=True, dtype=None, **named):
        """(f(x), f'(x)), one task per block."""
        return self._elementwise(self.function.value_and_grad, 2, x, params, named, where, dtype)

    def backward(self, g, x, /, *params, dtype=None, **named):
        """dx = g f'(x); with a learned parameter (dx, its gradient, summed over the blocks to its shape)."""
        x, g = self._array(x, "x"), self._array(g, "g")
        kind, index = self._dtype(x, "x", dtype, narrow=True), names(x.ndim)
        if not fits(g.shape, x.shape):
            raise ValueError(f"{self.name}.backward: g has shape {g.shape}, which does not broadcast to that of x, {x.shape}")
        given, leading = self.function._parameters(params, named), [(g, broadcast_names(index, g.ndim)), (x, index)]
        fixed, arrays, pairs = self._split(given, x.shape, index)
        if self.function._learns:
            return self._learned(next(iter(given.items())), leading, kind, index, dtype)
        task = partial(_call, self.function.backward, 2, {**fixed, "dtype": dtype}, arrays)
        return run(self.name, task, [*leading, *pairs], [Result(index, kind)])[0]

    def _elementwise(self, method, count, x, params, named, where, dtype):
        x, given = self._array(x, "x"), self.function._parameters(params, named)
        kind = self._dtype(x, "x", dtype, narrow=True)
        if where is not True:
            given["where"] = where
        ndim = max(x.ndim, *(getattr(a, "ndim", np.ndim(a)) for a in given.values())) if given else x.ndim
        index = names(ndim)
        fixed, arrays, pairs = self._split(given, x.shape, index, grows=True)
        task = partial(_call, method, 1, {**fixed, "dtype": dtype}, arrays)
        return run(self.name, task, [(x, broadcast_names(index, x.ndim)), *pairs], [Result(index, kind)] * count)

    def _learned(self, parameter, leading, kind, index, dtype):
        name, value = parameter
        a = self._array(value, name)
        ahead = len(index) - a.ndim
        summed = tuple(i for i in index if i < ahead or a.shape[i - ahead] == 1)
        results = [Result(index, kind), Result(index, kind, dict.fromkeys(summed, 1))]
        task = partial(_learned_backward, self.function.backward, ahead, dtype)
        dx, parts = run(self.name, task, [*leading, (a, broadcast_names(index, a.ndim))], results)
        return dx, total(parts, summed, keepdims=True)[(0,) * ahead].map_blocks(_rounded, kind, dtype=kind)


def _learned_backward(method, ahead, dtype, g, x, a):
    dx, slope = method(g, x, a, dtype=dtype)
    return dx, np.reshape(slope, (1,) * ahead + np.shape(slope))


class DaskRows(DaskFunction):
    """A function of rows of dask arrays, which lie in one block each, with its backward. Calling it gives the value."""

    def __call__(self, z, axis=-1, *, where=True, keepdims=False, dtype=None):
        """The value, of z's shape; with one number per row, without the axis unless keepdims=True."""
        z, axis, index = rows_of(self, z, axis, "z", "classes")
        kind = self._dtype(z, "z", dtype)
        fixed, arrays, pairs = self._split({} if where is True else {"where": where}, z.shape, index)
        result, options = self._of_rows(axis, index, kind, keepdims)
        task = partial(_call, self.function, 1, {**fixed, **options, "dtype": dtype}, arrays)
        return run(self.name, task, [(z, index), *pairs], [result])[0]

    def backward(self, g, z, axis=-1, *, where=True, keepdims=False):
        """The gradient for z from g, that for the value."""
        z, axis, index = rows_of(self, z, axis, "z", "classes")
        g, kind = self._array(g, "g"), self._dtype(z, "z")
        result, options = self._of_rows(axis, index, kind, keepdims)
        shape = tuple(result.lengths.get(i, z.shape[i]) for i in result.index)
        if not fits(g.shape, shape):
            raise ValueError(f"{self.name}.backward: g has shape {g.shape}, which does not broadcast to the value's, {shape}")
        fixed, arrays, pairs = self._split({} if where is True else {"where": where}, z.shape, index)
        own = broadcast_names(result.index, g.ndim)
        task = partial(_call, self.function.backward, 2, {**fixed, **options}, arrays)
        return run(self.name, task, [(g, own), (z, index), *pairs], [Result(index, kind)])[0]

    def _of_rows(self, axis, index, kind, keepdims):
        """(the value as a result, the options that it takes)."""
        if isinstance(self.function, RowReduction):
            one = Result(index, kind, {axis: 1}) if keepdims else Result(index[:axis] + index[axis + 1 :], kind)
            return one, {"axis": axis, "keepdims": keepdims}
        if keepdims is not False:
            raise TypeError(f"{self.name}: keepdims={keepdims!r} is for functions with one value per row")
        return Result(index, kind), {"axis": axis}


def rows_of(self, z, axis, argument, meaning):
    """(z as dask's, the axis counted from the first, z's dimensions); ValueError for rows in several blocks."""
    what = f"{self.name}: {argument}"
    z = self._array(z, argument)
    if z.ndim == 0:
        raise ValueError(f"{what} is a scalar; it needs an axis of {meaning}")
    axis = axis_of(axis, z.ndim, self.name, argument)
    in_one_block(z, axis, what, meaning)
    return z, axis, names(z.ndim)


class DaskMaxout(DaskFunction):
    """The maximum over pieces of dask arrays, which lie in one block each. Calling it gives the maximum."""

    def __call__(self, z, axis=-1, *, dtype=None):
        """The maximum over the pieces."""
        return self._run(self.function, 1, z, axis, dtype)[0]

    def value_and_argmax(self, z, axis=-1, *, dtype=None):
        """(maximum, index of its piece), one task per block."""
        return self._run(self.function.value_and_argmax, 2, z, axis, dtype)

    def backward(self, g, which, pieces, axis=-1):
        """dz: g at the piece that was the maximum, 0 at the others, along a new `axis` of that many pieces, in one block."""
        g, which = self._array(g, "g"), self._array(which, "which")
        if not fits(g.shape, which.shape):
            raise ValueError(f"{self.name}.backward: g has shape {g.shape}, which does not broadcast to which's, {which.shape}")
        kind, index = self._dtype(g, "g"), names(which.ndim)
        axis, pieces = axis_of(axis, which.ndim + 1, self.name, "dz"), _count(pieces, f"{self.name}.backward")
        task = partial(_call, self.function.backward, 2, {"pieces": pieces, "axis": axis}, ())
        result = Result((*index[:axis], "piece", *index[axis:]), kind)
        return run(self.name, task, [(g, broadcast_names(index, g.ndim)), (which, index)], [result], {"piece": pieces})[0]

    def _run(self, method, count, z, axis, dtype):
        z, axis, index = rows_of(self, z, axis, "z", "pieces")
        own = index[:axis] + index[axis + 1 :]
        results = [Result(own, self._dtype(z, "z", dtype)), Result(own, INTP)]
        return run(self.name, partial(_call, method, 1, {"axis": axis, "dtype": dtype}, ()), [(z, index)], results[:count])


class DaskLinear(DaskFunction):
    """What functions of x @ W have in common: x in blocks of rows, all of W in each task."""

    def _inputs(self, x, w, w_index, b):
        """(x, its dtype, dimensions of its rows, [(array, dimensions)] of x, W and b)."""
        x, w = self._array(x, "x"), self._array(w, "W")
        if w.ndim != len(w_index):
            raise ValueError(f"{self.name}: W has shape {w.shape}; it must have {len(w_index)} axes ({', '.join(w_index)})")
        if x.ndim == 0 or not same_shape(x.shape[-1:], w.shape[-2:-1]):
            raise ValueError(f"{self.name}: x has shape {x.shape}; its last axis must have W's d = {w.shape[-2]}")
        in_one_block(x, x.ndim - 1, f"{self.name}: x", "the sum")
        rows = names(x.ndim - 1)
        pairs = [(x, (*rows, "d")), (w.rechunk(-1), w_index)]
        if b is not None:
            b, b_index = self._array(b, "b"), tuple(i for i in w_index if i != "d")
            shape = tuple(n for n, i in zip(w.shape, w_index, strict=True) if i != "d")
            if not same_shape(b.shape, shape):
                raise ValueError(f"{self.name}: b has shape {b.shape}; it must be {shape}")
            pairs.append((b.rechunk(-1), b_index))
        return x, self._dtype(x, "x"), rows, pairs

    def _totals(self, indices, rows, kind):
        """Results that each block gives a part of."""
        return [Result((*rows, *own), kind, dict.fromkeys(rows, 1)) for own in indices]


def ahead_of(parts, count):
    """Each with `count` axes of length 1 ahead: what a block adds to a sum over blocks."""
    return tuple(np.reshape(part, (1,) * count + np.shape(part)) for part in parts)


def over_rows(parts, rows, kind):
    """The sums over all blocks."""
    return tuple(total(part, rows).map_blocks(_rounded, kind, dtype=kind) for part in parts)


def _rounded(sums, kind):
    with np.errstate(**QUIET):
        return sums.astype(kind)


class DaskMaxoutLinear(DaskLinear):
    """The maximum over linear maps of dask arrays. Calling it gives the maximum."""

    def __call__(self, x, W, b=None):  # noqa: N803
        """The maximum over the maps."""
        return self._run(self.function, 1, x, W, b)[0]

    def value_and_argmax(self, x, W, b=None):  # noqa: N803
        """(maximum, index of its map), one task per block."""
        return self._run(self.function.value_and_argmax, 2, x, W, b)

    def backward(self, g, x, W, which):  # noqa: N803
        """(dx, dW, db) for g, the gradient for the maximum; dW and db are summed over the blocks."""
        x, kind, rows, pairs = self._inputs(x, W, ("k", "d", "u"), None)
        g, which, w = self._array(g, "g"), self._array(which, "which"), pairs[1][0]
        index, shape = (*rows, "u"), (*x.shape[:-1], w.shape[-1])
        if not same_shape(which.shape, shape) or not fits(g.shape, shape):
            raise ValueError(f"{self.name}.backward: g and which have shapes {g.shape} and {which.shape}; they must be {shape}")
        given = [(g, broadcast_names(index, g.ndim)), *pairs, (which, index)]
        results = [Result((*rows, "d"), kind), *self._totals([("k", "d", "u"), ("k", "u")], rows, kind)]
        dx, *parts = run(self.name, partial(_linear_backward, self.function.backward, len(rows)), given, results)
        return dx, *over_rows(parts, rows, kind)

    def _run(self, method, count, x, w, b):
        _, kind, rows, pairs = self._inputs(x, w, ("k", "d", "u"), b)
        results = [Result((*rows, "u"), kind), Result((*rows, "u"), INTP)]
        return run(self.name, partial(_call, method, len(pairs), {}, ()), pairs, results[:count])


def _linear_backward(method, rows, *blocks):
    dx, *parts = method(*blocks)
    return dx, *ahead_of(parts, rows)
