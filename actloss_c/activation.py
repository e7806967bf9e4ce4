"""The class of the elementwise activations: arguments in order, then one call into a compiled loop.

Loops for bfloat16 are added to the ufuncs at the first call that needs them: before, its package need not be there.
"""

import inspect
import threading

import numpy as np

from . import _docs
from ._arrays import (
    QUIET,
    as_array,
    check_distinct,
    check_out,
    check_shape,
    compute_dtype,
    is_bfloat16,
    is_foreign,
    is_usable,
    partly_over,
    usable,
)
from ._call import Calls, backward_learned, called_directly
from ._named import Named

_ADDING = threading.Lock()


@called_directly
class Activation(Named, Calls):
    """An activation function of NumPy arrays with its derivative. Calling it gives the value.

    `.grad` gives f'(x), `.value_and_grad` both from one pass, `.backward` g·f'(x). Metadata stands in attributes: `formula`,
    `params`, `range`, `bounded`, `differentiable`, `monotone`, `kinks`, `saturation`, `zero_centred`, `ulp`, `paper`.
    """

    def __init__(self, entry, ufuncs, learned=None, *, fused=True):
        name = entry.name
        self._publish(entry, _docs.activation(entry))
        self.params = {p.name: p.default for p in entry.params}
        self.range = entry.range
        self.bounded = all(np.isfinite(entry.range))
        self.kinks = entry.kinks
        self.differentiable = not entry.kinks or entry.smooth_if or False
        self.monotone = entry.monotone
        self.saturation = {"left": entry.saturation[0], "right": entry.saturation[1]}
        self.zero_centred = entry.odd
        self.ulp = entry.ulp if fused else entry.ulp_baseline
        own = tuple(ufuncs[name + kind] for kind in ("", "_grad", "_value_and_grad", "_backward"))
        super().__init__(own, self.params, learned)
        self._value, self._grad, self._value_and_grad, self._backward = own
        self._learns = learned is not None
        kinds = inspect.Parameter
        self.__signature__ = inspect.Signature(
            [
                kinds("x", kinds.POSITIONAL_ONLY),
                *(kinds(p, kinds.POSITIONAL_OR_KEYWORD, default=value) for p, value in self.params.items()),
                *(kinds(k, kinds.KEYWORD_ONLY, default=v) for k, v in (("out", None), ("where", True), ("dtype", None))),
            ]
        )

    # What the compiled calls do not take: any array-like, broadcasting, casts, where, dtype, foreign arrays, and every mistake.

    def _general_value(self, x, /, *params, out=None, where=True, dtype=None, **named):
        return self._elementwise(self._value, x, params, named, _single(out), where, dtype)

    def _general_grad(self, x, /, *params, out=None, where=True, dtype=None, **named):
        return self._elementwise(self._grad, x, params, named, _single(out), where, dtype)

    def _general_value_and_grad(self, x, /, *params, out=None, where=True, dtype=None, **named):
        return self._elementwise(self._value_and_grad, x, params, named, self._pair(out), where, dtype)

    def _general_backward(self, g, x, /, *params, out=None, dtype=None, **named):
        if self._learns:
            return self._learned(g, x, params, named, *self._pair(out), dtype)
        return self._elementwise(self._backward, x, params, named, _single(out), True, dtype, g=g)

    def _pair(self, out):
        if out is None:
            return (None, None)
        if not isinstance(out, tuple) or len(out) != 2:
            raise TypeError(f"{self.name}: out must be a tuple of two arrays (or None in a place)")
        return out

    def _parameters(self, params, named):
        """The parameters in the registry's order, defaults filled in."""
        names = tuple(self.params)
        if len(params) > len(names):
            raise TypeError(f"{self.name} takes {len(names)} parameter(s) ({', '.join(names) or 'none'}), got {len(params)}")
        values = dict(self.params, **dict(zip(names, params, strict=False)))
        for name, value in named.items():
            if name not in values:
                raise TypeError(f"{self.name} has no parameter {name!r}; it takes {', '.join(names) or 'none'}")
            if name in names[: len(params)]:
                raise TypeError(f"{self.name}: parameter {name!r} is given twice")
            values[name] = value
        return values

    def _inputs(self, x, params, named, dtype, g=None):
        """x, parameters and g as arrays of one dtype, and that dtype."""
        x = as_array(x, f"{self.name}: x", may_be_masked=True)
        dtype = compute_dtype(x.dtype, dtype, f"{self.name}: x", narrow=True)
        if is_bfloat16(dtype):
            with _ADDING:
                self._add_bfloat16(dtype)
        others = []
        for name, value in (*self._parameters(params, named).items(), *((("g", g),) if g is not None else ())):
            array = as_array(value, f"{self.name}: {name}", may_be_masked=True)
            compute_dtype(array.dtype, None, f"{self.name}: {name}", narrow=True)
            others.append(array.astype(dtype, copy=False))
        return x, others, dtype

    def _elementwise(self, ufunc, x, params, named, out, where, dtype, g=None):
        if is_foreign(x) or is_foreign(g):
            if ufunc.nout > 1 and type(x).__module__.partition(".")[0] == "dask":
                raise TypeError(f"{self.name}: dask takes no ufunc of two results; al.dask.{self.name}.value_and_grad gives both")
            own = getattr(x, "dtype", None)
            if isinstance(own, np.dtype) and own.kind in "biu":  # which the ufuncs, like NumPy's, take as other floats
                x = x.astype(compute_dtype(own, None, f"{self.name}: x"))
            given = {"out": out} if any(o is not None for o in out) else {}
            if where is not True:
                given["where"] = where
            if dtype is not None:
                given["dtype"] = dtype
            return ufunc(*(() if g is None else (g,)), x, *self._parameters(params, named).values(), **given)
        with np.errstate(**QUIET):
            x, inputs, dtype = self._inputs(x, params, named, dtype, g)
            inputs = (x, *inputs) if g is None else (inputs[-1], x, *inputs[:-1])
            shape = self._result_shape(inputs, g is not None)
            filled = self._outputs(ufunc, out, shape, where, dtype)
            signature = (dtype,) * (ufunc.nin + ufunc.nout)
            results = ufunc(*inputs, out=filled, where=where, signature=signature, casting="unsafe")  # all are numbers by now
            return results if where is True else _scalars(results, out)

    def _result_shape(self, inputs, is_backward):
        x = inputs[1 if is_backward else 0]
        try:
            plain = all(i.shape in ((), x.shape) for i in inputs)
            shape = x.shape if plain else np.broadcast_shapes(*(i.shape for i in inputs))
        except ValueError:
            shapes = ", ".join(str(i.shape) for i in inputs)
            raise ValueError(f"{self.name}: arguments of shapes {shapes} cannot be broadcast together") from None
        if is_backward and shape != x.shape:
            raise ValueError(f"{self.name}.backward: g and parameters must broadcast to x's shape {x.shape}, not to {shape}")
        return shape

    def _outputs(self, ufunc, out, shape, where, dtype):
        """Checked outputs; fresh ones are zero where `where` is false."""
        if len(out) != ufunc.nout:
            raise TypeError(f"{self.name}: out must hold {ufunc.nout} array(s), not {len(out)}")
        labels = [f"{self.name}: out[{k}]" if ufunc.nout > 1 else f"{self.name}: out" for k in range(ufunc.nout)]
        if where is not True:
            where = np.asarray(where)
            if where.dtype != bool:
                raise TypeError(f"{self.name}: where has dtype {where.dtype}; it must be bool")
            try:
                shape = np.broadcast_shapes(shape, where.shape)
            except ValueError:
                raise ValueError(f"{self.name}: where of shape {where.shape} does not broadcast with {shape}") from None
        for array, label in zip(out, labels, strict=True):
            if array is not None:
                check_out(array, label, narrow=True)
                check_shape(array, shape, label)
        if len(out) == 2 and out[0] is not None and out[1] is not None:
            check_distinct(out[0], out[1], f"{self.name}: out[0] and out[1]")
        if where is not True:
            out = tuple(np.zeros(shape, dtype) if array is None else array for array in out)
        return out

    def _run_learned(self, g, x, a, dx=None):
        """dx and the gradient of the learned parameter, summed to its shape; fresh ones without axes become scalars."""
        a = np.asarray(a, x.dtype)
        result, total = np.empty_like(x) if dx is None else dx, np.zeros(a.shape)
        backward_learned(self, g, x, a, result, total)
        with np.errstate(**QUIET):
            slope = total.astype(x.dtype)[()]
        return (result[()] if dx is None and not result.ndim else result), slope

    def _learned(self, g, x, params, named, dx, da, dtype):
        """The same for arguments of any kind."""
        with np.errstate(**QUIET):
            x, (a, g), dtype = self._inputs(x, params, named, dtype, g)
            self._result_shape((g, x, a), True)
            for k, (array, shape) in enumerate(((dx, x.shape), (da, a.shape))):
                if array is not None:
                    check_out(array, f"{self.name}: out[{k}]", narrow=True)
                    check_shape(array, shape, f"{self.name}: out[{k}]")
            if dx is not None and da is not None:
                check_distinct(dx, da, f"{self.name}: out[0] and out[1]")
            result = None if dx is None else dx if is_usable(dx, dtype) else np.empty(x.shape, dtype)
            g, x, a = (np.asarray(usable(i, dtype)) for i in (g, x, a))
            g, x, a = (i.copy() if result is not None and partly_over(i, result) else i for i in (g, x, a))
            result, slope = self._run_learned(g, x, a, result)
            if dx is not None and result is not dx:
                np.copyto(dx, result, casting="unsafe")
            if da is not None:
                np.copyto(da, slope, casting="unsafe")
            return (dx if dx is not None else result), (da if da is not None else slope)


def _single(out):
    return out if isinstance(out, tuple) else (out,)


def _scalars(results, out):
    """The results; those without axes as scalars unless they are the caller's arrays, as NumPy returns them."""
    if not isinstance(results, tuple):
        return results[()] if out[0] is None and not results.ndim else results
    return tuple(_scalars(result, (given,)) for result, given in zip(results, out, strict=True))
