"""PyTorch as two sides of `actloss_c bench --peers`: its kernels one by one without autograd, and torch.compile."""

import dataclasses
import functools
import importlib

from . import baseline, peer_losses, registry
from .bench_sides import Side, UnfitError, function, learned, texts, threads_of

KERNELS = {  # activation: (forward, its arguments, backward, its arguments)
    "sigmoid": ("sigmoid", "x", "sigmoid_backward", "g, y"),
    "tanh": ("tanh", "x", "tanh_backward", "g, y"),
    "relu": ("threshold", "x, 0, 0", "threshold_backward", "g, x, 0"),
    "leaky_relu": ("leaky_relu", "x, alpha", "leaky_relu_backward", "g, x, alpha, False"),
    "prelu": ("leaky_relu", "x, alpha", "leaky_relu_backward", "g, x, alpha, False"),
    "elu": ("elu", "x, alpha, 1, 1", "elu_backward", "g, alpha, 1, 1, False, x"),
}


class Torch(Side):
    """Its kernels, each into a given array where it takes one."""

    name, short, module, has_threads = "PyTorch", "torch", "torch", True

    def threads(self, count):
        return threads_of(importlib.import_module(self.module), count)

    @property
    def version(self):
        return importlib.import_module("torch").__version__

    def names(self, dtype):
        """The vocabulary of the expressions, in tensors of this type."""
        torch = importlib.import_module("torch")
        names = {name: getattr(torch, name) for name in (*baseline.UNARY, "sigmoid")}

        def tensor(a):
            return torch.as_tensor(a, dtype=dtype)

        names |= {name: _on_tensors(getattr(torch, name), tensor) for name in ("maximum", "minimum", "logaddexp")}
        names["where"] = lambda c, a, b: torch.where(torch.as_tensor(c), tensor(a), tensor(b))
        names["softmax"], names["logsumexp"] = (functools.partial(f, dim=-1) for f in (torch.softmax, torch.logsumexp))
        names["pick"] = lambda z, t: z.gather(-1, t[..., None])[..., 0]
        names["column"] = lambda v: v[..., None]
        names["onehot"] = lambda t, z: (torch.arange(z.shape[-1]) == t[..., None]).to(dtype)
        return names

    def functions(self, entry, dtype, out=False):
        """(y = forward(x), dx = backward(g, x, y)); with `out` both take the tensor to write into as the last argument."""
        torch = importlib.import_module("torch")
        if entry.name not in KERNELS:
            f, df = (function(text, given, self.names(dtype)) for text, given in zip(texts(entry), ("x", "x, y"), strict=True))
            return f, lambda g, x, y: g * df(x, y)
        forward, given, backward, its = KERNELS[entry.name]
        params = {p.name: p.default for p in entry.params}
        f, df = getattr(torch.ops.aten, forward), getattr(torch.ops.aten, backward)
        if out:
            names = {"f": f.out, "df": df.grad_input, **params}
            return eval(f"lambda x, o: f({given}, out=o)", names), eval(f"lambda g, x, y, o: df({its}, grad_input=o)", names)
        names = {"f": f.default, "df": df.default, **params}
        return eval(f"lambda x: f({given})", names), eval(f"lambda g, x, y: df({its})", names)

    def activation(self, work):
        torch = importlib.import_module("torch")
        entry, kind, x, out = work.cell.entry, work.cell.kind, torch.from_numpy(work.x), tuple(map(torch.from_numpy, work.out))
        if kind == "backward" and learned(entry):
            g, alpha = torch.from_numpy(work.other), torch.tensor([p.default for p in entry.params], dtype=x.dtype)
            return lambda: (lambda dx, da: (dx, da.sum()))(*torch.ops.aten._prelu_kernel_backward(g, x, alpha))
        # An upstream of ones that is one number takes its kernels less time than an array of them.
        g = torch.ones((), dtype=x.dtype).expand(x.shape) if work.other is None else torch.from_numpy(work.other)
        f, df = self.functions(entry, x.dtype, bool(out) and entry.name in KERNELS)
        if entry.name == "softsign":
            return softsign(torch, kind, x, g, out)
        if not out:
            calls = {"value": lambda: f(x), "value_and_grad": lambda: (y := f(x), df(g, x, y))}
            calls["backward"] = lambda: df(g, x, self.saved(entry, f, x))
            return calls[kind]
        if kind == "value":
            return lambda: f(x, out[0])
        if kind == "value_and_grad":
            return lambda: (y := f(x, out[0]), df(g, x, y, out[1]))
        scratch = torch.empty_like(out[0])
        return lambda: df(g, x, self.saved(entry, lambda x: f(x, scratch), x), out[0])

    @staticmethod
    def saved(entry, f, x):
        """The value, if the backward kernel wants it."""
        return f(x) if KERNELS[entry.name][3].endswith("y") else None

    def loss(self, work):
        g, name = work.out[0] if work.out else None, work.cell.function
        own = {
            "sigmoid_binary_cross_entropy": peer_losses.torch_binary,
            "softmax_cross_entropy": peer_losses.torch_rows,
            "cross_entropy": peer_losses.torch_probabilities,
        }
        if name in own:
            return own[name](work.x, work.other, g)
        if name in peer_losses.TORCH_KERNELS:
            return peer_losses.torch_kernels(name, work.x, work.other, g)
        torch = importlib.import_module("torch")
        f, x, target = self.mean_and_gradient(work), torch.from_numpy(work.x), torch.from_numpy(work.other)
        if g is None:
            return lambda: f(x, target)
        out = torch.from_numpy(g)
        return lambda: (lambda mean, gradient: (mean, out.copy_(gradient)))(*f(x, target))

    def mean_and_gradient(self, work):
        """The registry's expressions on tensors."""
        n = work.count
        f, df = self.loss_functions(work)
        return lambda x, target: (f(x, target).mean(), df(x, target) / n)

    def loss_functions(self, work):
        """(loss of each sample, its gradient) of tensors x and target."""
        names = self.names(getattr(importlib.import_module("torch"), work.cell.dtype))
        expressions = (text.replace("onehot(target)", "onehot(target, x)") for text in texts(work.cell.entry))
        return tuple(function(text, "x, target", names) for text in expressions)


def _on_tensors(f, tensor):
    return lambda a, b: f(tensor(a), tensor(b))


def softsign(torch, kind, x, g, out):
    """x / (1 + |x|), which has no kernel; one temporary."""
    t = torch.empty(x.shape, dtype=x.dtype)
    y, dy = (*out, None, None)[:2] if kind != "backward" else (None, *(out or (None,)))

    def value():
        torch.add(torch.abs(x, out=t), 1, out=t)
        return torch.div(x, t, out=y)

    def slope():
        dx = torch.mul(t, t, out=dy)
        return torch.div(g, dx, out=dx)

    def backward():
        torch.add(torch.abs(x, out=t), 1, out=t)
        return slope()

    return {"value": value, "value_and_grad": lambda: (value(), slope()), "backward": backward}[kind]


class TorchCompile(Torch):
    """torch.compile of the same for arrays of any size: a function is compiled once for all of them."""

    name, short = "torch.compile", "t.comp"

    def __init__(self):
        self.key = self.compiled = None

    def call(self, work):
        if not self.is_installed:
            raise UnfitError("not installed")
        torch = importlib.import_module("torch")
        key = dataclasses.replace(work.cell, size=0)
        if key != self.key:
            torch.compiler.reset()  # It compiles one body eight times at most, and all functions share a few bodies.
            body = (self.activation_body if work.cell.family is registry.ACTIVATIONS else self.loss_body)(work)
            self.key, self.compiled = key, torch.compile(body, dynamic=True, fullgraph=True)
        f, arrays = self.compiled, [torch.from_numpy(a) for a in (work.x, work.other, *work.out) if a is not None]
        return lambda: f(*arrays)

    def activation_body(self, work):
        torch = importlib.import_module("torch")
        entry, kind = work.cell.entry, work.cell.kind
        names = self.names(getattr(torch, work.cell.dtype))
        f, df = self.functions(entry, getattr(torch, work.cell.dtype))
        by_parameter = kind == "backward" and learned(entry) and function(learned(entry), "x", names)

        def value(x, *out):
            return _put(out, f(x))

        def value_and_grad(x, *out):
            y = f(x)
            return _put(out, y, df(torch.ones_like(x), x, y))

        def backward(x, g, *out):
            dx = _put(out, df(g, x, f(x)))
            return (dx, (g * by_parameter(x)).sum()) if by_parameter else dx

        return {"value": value, "value_and_grad": value_and_grad, "backward": backward}[kind]

    def loss_body(self, work):
        rows = work.cell.family is registry.LOSSES
        f, df = self.loss_functions(work)

        def loss(x, target, *out):
            return f(x, target).mean(), _put(out, df(x, target) / (x.shape[0] if rows else x.numel()))

        return loss


def _put(out, *results):
    """The results, in the given tensors if there are any."""
    placed = tuple(o.copy_(r) for o, r in zip(out, results, strict=True)) if out else results
    return placed if len(placed) > 1 else placed[0]
