"""The functions of actloss_c.torch: one class per kind of function, and the two ways in which they hand gradients to autograd.

What is computed is known before a node of the graph is made. A node holds either slopes, which backward multiplies by the
gradient that comes in (`Scaled`), or what a function's own backward needs (`Pulled`). Tensors are saved PyTorch's way, so that
one that is changed before its backward is an error, and memory goes once backward has run.
"""

import copy
import inspect

import numpy as np
import torch

from . import _torch_docs
from ._arrays import compute_dtype
from ._tensors import array_of, constant, tensor_of, wants_gradient
from .activation import Activation
from .linear import LinearLoss
from .linear_pieces import MaxoutLinear
from .loss import Loss
from .pair_loss import PairLoss
from .pieces import Maxout
from .registry import FUNCTIONS
from .rows import RowFunction


def check_final():
    """Refuses a backward whose results are to be differentiated again: PyTorch would take them for constants, unsaid."""
    if torch.is_grad_enabled():
        raise RuntimeError("actloss_c.torch has no second derivative: leave create_graph=True, or use PyTorch's own function")


class Scaled(torch.autograd.Function):
    """A result whose derivatives came with it."""

    @staticmethod
    def forward(ctx, y, axis, slopes, *inputs):
        """y; slopes: an array for each of the inputs; axis: the one that slopes have and y has not, or None."""
        ctx.axis = axis
        slopes = tuple(map(tensor_of, slopes))
        ctx.save_for_backward(*slopes)
        return tensor_of(y) if type(y) is not float else torch.tensor(y, dtype=slopes[0].dtype)

    @staticmethod
    def backward(ctx, g):
        check_final()
        if ctx.axis is not None:
            g = g.unsqueeze(ctx.axis)
        slopes = ctx.saved_tensors
        if len(slopes) == 1:
            return None, None, None, g * slopes[0]
        wanted = ctx.needs_input_grad[3:]
        return None, None, None, *(g * s if want else None for s, want in zip(slopes, wanted, strict=True))


class Pulled(torch.autograd.Function):
    """A result whose gradients are computed when they are asked for."""

    @staticmethod
    def forward(ctx, y, pull, kept, *inputs):
        """y; pull: (g, *the kept tensors as arrays) → a gradient for each of the inputs."""
        ctx.pull = pull
        ctx.save_for_backward(*kept)
        return tensor_of(y)

    @staticmethod
    def backward(ctx, g):
        check_final()
        gradients = ctx.pull(*(array_of(t, "g", narrow=True) for t in (g, *ctx.saved_tensors)))
        return None, None, None, *map(tensor_of, gradients)


class TorchFunction:
    """A function of tensors on the CPU with gradients for autograd; `name`, `formula` and `paper` as in actloss_c."""

    left_out = ("out", "dtype")

    def __init__(self, function):
        self._function = function
        self.name = self.__name__ = self.__qualname__ = function.name
        self.__module__ = "actloss_c.torch"
        self.formula = function.formula
        self.paper = function.paper
        whole = inspect.signature(function)
        self.__signature__ = whole.replace(parameters=[p for p in whole.parameters.values() if p.name not in self.left_out])
        self.__doc__ = _torch_docs.function(self, FUNCTIONS[function.name])

    def __repr__(self):
        return f"<actloss_c.torch.{self.name}: {self.formula}>"

    def __reduce__(self):
        return self.name

    def _arrays(self, **given):
        """Arguments that may have gradients, as arrays; None stays."""
        return [None if t is None else array_of(t, f"{self.name}: {name}") for name, t in given.items()]

    def _constants(self, given, *, narrow=False):
        """Arguments that have none, by name."""
        return {name: constant(value, f"{self.name}: {name}", narrow=narrow) for name, value in given.items()}


class TorchActivation(TorchFunction):
    """f(x, *params); params broadcast to x's shape."""

    left_out = ("out", "where", "dtype")

    def __init__(self, function):
        super().__init__(function)
        self._x = f"{self.name}: x"
        self._learned = [p.name for p in FUNCTIONS[self.name].params if p.learned]

    def __call__(self, x, /, *params, **named):
        f, a = self._function, array_of(x, self._x, narrow=True)
        values = ()
        if params or named:
            given = f._parameters(params, named)
            if wants_gradient(*(given[name] for name in self._learned)):
                return self._with_learned(x, a, **given)
            values = self._fitting(a, self._constants(given, narrow=True))
        if not (x.requires_grad and torch.is_grad_enabled()):
            return tensor_of(f(a, *values))
        y, dy = f.value_and_grad(a, *values)
        return Scaled.apply(y, None, (dy,), x)

    def _fitting(self, a, given):
        """The parameters' values, none of which makes the result larger than x."""
        for name, value in given.items():
            shape = np.shape(value)
            if shape and (len(shape) > a.ndim or any(n not in (1, m) for n, m in zip(shape[::-1], a.shape[::-1], strict=False))):
                raise ValueError(f"{self.name}: {name} has shape {shape}, which does not broadcast to x's shape {a.shape}")
        return given.values()

    def _with_learned(self, x, a, **given):
        """The one parameter is learned, too."""
        ((name, slope),) = given.items()
        values = self._fitting(a, {name: array_of(slope, f"{self.name}: {name}", narrow=True)})
        return Pulled.apply(self._function(a, *values), self._function.backward, (x, slope), x, slope)


class TorchLoss(TorchFunction):
    """L(z, target, *, reduction="mean", sample_weight=None, **options); the gradient is by z alone."""

    def __call__(self, z, target, **options):
        f, a = self._function, array_of(z, f"{self.name}: z")
        target, options = constant(target, f"{self.name}: target"), self._constants(options)
        if "out" in options:
            raise TypeError(f"{self.name} of tensors takes no out")
        if not wants_gradient(z):
            loss = f(a, target, **options)
            return tensor_of(loss) if type(loss) is not float else _number(loss, a)
        loss, g = f.value_and_grad(a, target, **options)
        rows = options.get("reduction") == "none" and not isinstance(f, PairLoss)
        return Scaled.apply(loss, options.get("axis", -1) if rows else None, (g,), z)


class TorchLinearLoss(TorchFunction):
    """L(x, W, target, *, b=None, reduction="mean", …); the gradients are by x, W and b."""

    def __call__(self, x, W, target, *, b=None, reduction="mean", sample_weight=None, **options):  # noqa: N803
        f, given = self._function, self._arrays(x=x, W=W, b=b)
        options, weight = self._constants(options), constant(sample_weight, f"{self.name}: sample_weight")
        labels = constant(target, f"{self.name}: target")
        options |= {"reduction": reduction, "sample_weight": weight}
        inputs = (x, W) if b is None else (x, W, b)
        if "out" in options:
            raise TypeError(f"{self.name} of tensors takes no out")
        if not wants_gradient(*inputs):
            loss = f(*given[:2], labels, b=given[2], **options)
            return tensor_of(loss) if type(loss) is not float else _number(loss, given[0])
        if reduction == "none":
            return self._row_losses(inputs, target, labels, f(*given[:2], labels, b=given[2], **options), options)
        loss, *slopes = f.value_and_grad(*given[:2], labels, b=given[2], **options)
        return Scaled.apply(loss, None, slopes, *inputs)

    def _row_losses(self, inputs, target, labels, losses, options):
        """One loss per row: what comes back for each of them is a weight of the sum."""
        saved = isinstance(target, torch.Tensor)  # with the inputs; other arguments are kept as they are now
        options, labels = copy.deepcopy((options, None if saved else labels))
        weight = options["sample_weight"]

        def pull(g, x, w, *rest):
            rest, own = (rest[:-1], rest[-1]) if saved else (rest, labels)
            weights = g if weight is None else np.multiply(g, weight, dtype=np.float64)
            lost = ~(abs(weights) <= np.finfo(compute_dtype(x.dtype, None, "x")).max)
            summed = options | {"reduction": "sum", "sample_weight": np.where(lost, 0, weights)}
            gradients = self._function.grad(x, w, own, b=rest[0] if rest else None, **summed)
            if lost.any():  # overflowed, in mixed precision say, whose scaler looks for this
                gradients[0][lost] = np.nan
                for of_all_rows in gradients[1:]:
                    of_all_rows[...] = np.nan
            return gradients

        kept = (*inputs, target) if saved else inputs
        return Pulled.apply(losses, pull, kept, *inputs)


class TorchRows(TorchFunction):
    """f(z, axis=-1, *, where=True[, keepdims=False])."""

    def __call__(self, z, axis=-1, *, where=True, **options):
        f, (a,) = self._function, self._arrays(z=z)
        if options.keys() - self.__signature__.parameters.keys():
            raise TypeError(f"{self.name} of tensors takes {', '.join(self.__signature__.parameters)}; got {', '.join(options)}")
        mask = constant(where, f"{self.name}: where")
        y = f(a, axis, where=mask, **options)
        if not wants_gradient(z):
            return tensor_of(y)
        if isinstance(where, torch.Tensor):
            return Pulled.apply(y, lambda g, z, m: (f.backward(g, z, axis, where=m, **options),), (z, where), z)
        mask = copy.deepcopy(mask)  # as it is now
        return Pulled.apply(y, lambda g, z: (f.backward(g, z, axis, where=mask, **options),), (z,), z)


class TorchMaxout(TorchFunction):
    """f(z, axis=-1)."""

    def __call__(self, z, axis=-1):
        f, (a,) = self._function, self._arrays(z=z)
        if not wants_gradient(z):
            return tensor_of(f(a, axis))
        y, which = f.value_and_argmax(a, axis)
        pieces = a.shape[axis]
        return Pulled.apply(y, lambda g, which: (f.backward(g, which, pieces, axis),), (tensor_of(which),), z)


class TorchMaxoutLinear(TorchFunction):
    """f(x, W, b=None)."""

    def __call__(self, x, W, b=None):  # noqa: N803
        f, given = self._function, self._arrays(x=x, W=W, b=b)
        inputs = (x, W) if b is None else (x, W, b)
        if not wants_gradient(*inputs):
            return tensor_of(f(*given))
        y, which = f.value_and_argmax(*given)
        count = len(inputs)
        return Pulled.apply(y, lambda *saved: f.backward(*saved)[:count], (x, W, tensor_of(which)), *inputs)


KINDS = {  # a class of actloss_c: that of its functions for tensors
    Activation: TorchActivation,
    Loss: TorchLoss,
    LinearLoss: TorchLinearLoss,
    RowFunction: TorchRows,
    Maxout: TorchMaxout,
    MaxoutLinear: TorchMaxoutLinear,
}


def for_tensors(function):
    """A public function of actloss_c, for tensors."""
    return next(made for kind, made in KINDS.items() if isinstance(function, kind))(function)


def _number(loss, a):
    """A loss that is a float, in the dtype in which it was computed."""
    return torch.tensor(loss, dtype=torch.float64 if compute_dtype(a.dtype, None, "z").itemsize == 8 else torch.float32)
