"""More sides of `actloss_c bench --peers`: numexpr, numba and JAX, which compile an expression of the registry."""

import ast
import contextlib
import functools
import importlib
import os

import numpy as np

from . import baseline, peer_losses, peers, registry
from .bench_sides import Side, UnfitError, expanded, function, learned, texts, threads_of

VOCABULARY = (*baseline.UNARY, "logaddexp", "maximum", "minimum", "where")


class _Choices(ast.NodeTransformer):
    """Comparisons as the numbers 0 and 1, but for those that select."""

    def visit_Call(self, node):
        selects = node.func.id == "where"
        node.args = [n if selects and k == 0 else self.visit(n) for k, n in enumerate(node.args)]
        return node

    def visit_Compare(self, node):
        return ast.parse(f"where({ast.unparse(node)}, 1, 0)", mode="eval").body


def plain(text):
    """The expression in arithmetic, exp, expm1, log, log1p, sinh, cosh, tanh, abs and where."""
    return ast.unparse(baseline.fold(ast.unparse(_Choices().visit(ast.parse(expanded(text), mode="eval")))))


def elementwise(work):
    """The texts of a cell; UnfitError for rows."""
    if work.cell.family is registry.LOSSES:
        raise UnfitError("no softmax in its language")
    return tuple(map(plain, texts(work.cell.entry)))


class _Operands(ast.NodeTransformer):
    """Fractions become the operands c0, c1, …, as do the whole numbers of an expression that has but those to choose from."""

    def __init__(self, text):
        top = ast.parse(text, mode="eval").body
        self.all = isinstance(top, ast.Call) and top.func.id == "where" and all(isinstance(n, ast.Constant) for n in top.args[1:])
        self.numbers = []

    def visit_Constant(self, node):
        if node.value == int(node.value) and not self.all:
            return ast.Constant(int(node.value))
        self.numbers.append(node.value)
        return ast.Name(f"c{len(self.numbers) - 1}", ast.Load())


class NumExpr(Side):
    """One expression, one pass; value and derivative are two."""

    name, short, module, has_threads = "numexpr", "nexpr", "numexpr", True

    @contextlib.contextmanager
    def threads(self, count):
        library = importlib.import_module(self.module)
        before = library.set_num_threads(count)
        try:
            yield
        finally:
            library.set_num_threads(before)

    def compiled(self, text, dtype, names):
        """The expression as a function of those of the named arrays that it holds, its numbers of the arrays' type.

        numexpr's own numbers are int32, which take the type of what they meet, or float64, which widen it: those are operands.
        """
        numexpr = importlib.import_module(self.module)
        its = {"float32": float, "float64": numexpr.necompiler.double}[dtype.name]  # as numexpr calls them
        lift = _Operands(text)
        text = ast.unparse(lift.visit(ast.parse(text, mode="eval")))
        held = [n for n in names if any(isinstance(node, ast.Name) and node.id == n for node in ast.walk(ast.parse(text)))]
        constants = [dtype.type(number) for number in lift.numbers]
        compiled = numexpr.NumExpr(text, signature=[(name, its) for name in (*held, *map("c{}".format, range(len(constants))))])
        options = {"order": "K", "casting": "same_kind", "ex_uses_vml": False}
        return lambda out=None, **arrays: compiled(*(arrays[n] for n in held), *constants, out=out, **options)

    def activation(self, work):
        x, g, kind, dtype, out = work.x, work.other, work.cell.kind, work.x.dtype, work.out or (None, None)
        value, derivative = elementwise(work)
        f, df = self.compiled(value, dtype, "x"), self.compiled(derivative, dtype, "xy")
        if kind == "value":
            return lambda: f(out[0], x=x)
        if kind == "value_and_grad":
            return lambda: (y := f(out[0], x=x), df(out[1], x=x, y=y))
        pull = self.compiled(f"g * ({baseline.with_terms(derivative, ('y', value))})", dtype, "xg")
        by_parameter = learned(work.cell.entry)
        if not by_parameter:
            return lambda: pull(out[0], x=x, g=g)
        da = self.compiled(f"g * ({plain(by_parameter)})", dtype, "xg")
        return lambda: (pull(out[0], x=x, g=g), da(x=x, g=g).sum())

    def loss(self, work):
        x, target, out = work.x, work.other, work.out[0] if work.out else None
        value, gradient = elementwise(work)
        f = self.compiled(value, x.dtype, ("x", "target"))
        df = self.compiled(f"({gradient}) * {1 / work.count!r}", x.dtype, ("x", "target"))
        return lambda: (f(x=x, target=target).mean(), df(out, x=x, target=target))


class _Scalars(ast.NodeTransformer):
    """Numbers in the arrays' type, choices as Python's; an exponent stays whole."""

    def visit_Constant(self, node):
        return ast.parse(f"real({node.value!r})", mode="eval").body

    def visit_BinOp(self, node):
        node.left = self.visit(node.left)
        if not (isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant)):
            node.right = self.visit(node.right)
        return node

    def visit_Call(self, node):
        self.generic_visit(node)
        return ast.IfExp(*node.args) if node.func.id == "where" else node


def scalar(text):
    """The expression of numbers, for numba."""
    return ast.unparse(_Scalars().visit(ast.parse(text, mode="eval")))


class Numba(Side):
    """A loop over the elements, as its users write it."""

    name, short, module, has_threads = "numba", "numba", "numba", True

    def threads(self, count):
        return threads_of(importlib.import_module(self.module), count)

    @functools.cache  # noqa: B019  (a side lives as long as the process)
    def kernel(self, steps, arguments, ndim, dtype, parallel):
        """The compiled loop: `steps` are statements on x_, other_ and out0, out1 at [i]; it returns what they add to `total`."""
        numba = importlib.import_module(self.module)
        index, pad = ", ".join("ij"[:ndim]), "    " * (ndim + 1)
        source = [f"def kernel({arguments}):", "    total = 0.0"]
        source += [f"{'    ' * (d + 1)}for {'ij'[d]} in {'prange' if d == 0 else 'range'}(x.shape[{d}]):" for d in range(ndim)]
        source += [pad + step.replace("[i]", f"[{index}]") for step in steps]
        names = {"prange": numba.prange, "real": np.dtype(dtype).type, "total": np.float64}
        names |= {name: getattr(np, name) for name in VOCABULARY}
        exec("\n".join([*source, "    return total"]), names)
        return numba.njit(names["kernel"], parallel=parallel, error_model="numpy")

    def loop(self, work, steps, arguments):
        return self.kernel(tuple(steps), arguments, work.x.ndim, work.cell.dtype, work.cell.threads > 1)

    def activation(self, work):
        x, g, kind, entry = work.x, work.other, work.cell.kind, work.cell.entry
        value, derivative = (scalar(baseline.with_terms(t, ("x", "x_"), ("y", "y_"))) for t in elementwise(work))
        steps = ["x_ = x[i]", f"y_ = {value}"]
        steps += [] if kind == "backward" else ["out0[i] = y_"]
        steps += [f"out1[i] = {derivative}"] if kind == "value_and_grad" else []
        steps += [f"out0[i] = g[i] * ({derivative})"] if kind == "backward" else []
        by_parameter = kind == "backward" and learned(entry)
        steps += [f"total += g[i] * ({scalar(baseline.with_terms(plain(by_parameter), ('x', 'x_')))})"] if by_parameter else []
        count = 2 if kind == "value_and_grad" else 1
        inputs = {"x": x} if g is None else {"x": x, "g": g}
        loop = self.loop(work, steps, ", ".join([*inputs, *(f"out{k}" for k in range(count))]))

        def call():
            out = work.out or tuple(np.empty(x.shape, x.dtype) for _ in range(count))
            total = loop(*inputs.values(), *out)
            return (out[0], total) if by_parameter else out if count > 1 else out[0]

        return call

    def loss(self, work):
        x, target, n = work.x, work.other, work.count
        value, gradient = (scalar(baseline.with_terms(t, ("x", "x_"), ("target", "t_"))) for t in elementwise(work))
        steps = ["x_ = x[i]", "t_ = target[i]", f"total += {value}", f"out0[i] = ({gradient}) * factor"]
        loop, factor = self.loop(work, steps, "x, target, out0, factor"), x.dtype.type(1 / n)

        def call():
            g = work.out[0] if work.out else np.empty(x.shape, x.dtype)
            return loop(x, target, g, factor) / n, g

        return call


class Jax(Side):
    """Jitted value, vjp, and value_and_grad of the mean; it takes no `out=`, and copies what is not contiguous."""

    name, short, module = "JAX", "JAX", "jax"

    def __init__(self):
        self.peer = next(peer for peer in peers.PEERS if isinstance(peer, peers.Jax))

    def threads(self, count):
        if count > 1 and "intra_op_parallelism_threads=1" in os.environ.get("XLA_FLAGS", ""):
            raise UnfitError("its threads are fixed when it starts: --threads all alone")
        return contextlib.nullcontext()

    def names(self):
        jax = self.peer.library
        names = {name: getattr(jax.numpy, name) for name in VOCABULARY}
        names |= {"sigmoid": jax.nn.sigmoid, "softmax": jax.nn.softmax, "column": lambda v: v[..., None]}
        names["logsumexp"] = functools.partial(jax.nn.logsumexp, axis=-1)
        names["pick"] = lambda z, t: jax.numpy.take_along_axis(z, t[..., None], axis=-1)[..., 0]
        return names

    def ready(self, work, f, *arrays):
        """The jitted call; contiguous arrays are JAX's before it starts."""
        jax = self.peer.library
        jitted = jax.jit(f)
        if work.cell.layout == "contiguous":
            arrays = tuple(map(self.peer.array, arrays))
        return lambda: jax.block_until_ready(jitted(*arrays))

    def activation(self, work):
        jax, entry, kind = self.peer.library, work.cell.entry, work.cell.kind
        expression = peers.EXPRESSIONS.get(entry.name, {}).get("jax")
        params = {p.name: p.default for p in entry.params}
        if not expression:
            expression, params = texts(entry)[0], {}
        by_parameter = kind == "backward" and learned(entry) and function(learned(entry), "x", self.names())
        f = eval(f"lambda x: {expression}", {"jax": jax, **self.names(), **params})

        def value_and_grad(x):
            y, pull = jax.vjp(f, x)
            return y, pull(jax.numpy.ones_like(y))[0]

        def backward(g, x):
            (dx,) = jax.vjp(f, x)[1](g)
            return (dx, (g * by_parameter(x)).sum()) if by_parameter else dx

        if kind == "backward":
            return self.ready(work, backward, work.other, work.x)
        return self.ready(work, f if kind == "value" else value_and_grad, work.x)

    def loss(self, work):
        if work.cell.function == "softmax_cross_entropy" and work.cell.layout == "contiguous":
            return peer_losses.jax_rows(work.x, work.other)
        f = function(texts(work.cell.entry)[0], "x, target", self.names())
        gradient = self.peer.library.value_and_grad(lambda x, target: f(x, target).mean())
        return self.ready(work, gradient, work.x, work.other)
