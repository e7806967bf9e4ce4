"""The sides of `actloss_c bench --peers`: each turns the work of a cell into a call. A library is imported when it is asked.

    call = side.call(work)    UnfitError, with the reason, where the library has no such function or takes no such array
    results = call()          y; (y, dy); dx, or (dx, dalpha) for a learned alpha; for a loss (loss, gradient)

Here are this package, NumPy, SciPy and scikit-learn; bench_compilers.py has those that compile an expression.
"""

import ast
import contextlib
import importlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass

import numpy as np

from . import __version__, _build, baseline, baseline_losses, peer_losses, registry, threads

KINDS = ("value", "value_and_grad", "backward")
OURS = "actloss_c"


class UnfitError(Exception):
    """Why a side takes no part in a cell."""


@dataclass(frozen=True)
class Cell:
    """What is timed."""

    function: str
    kind: str
    dtype: str
    size: int
    form: str  # "out": into given arrays; "fresh"
    layout: str  # of the inputs; given outputs are contiguous
    threads: int

    @property
    def entry(self):
        return registry.FUNCTIONS[self.function]

    @property
    def family(self):
        """One of the registry's lists: an activation, a loss over pairs or one over rows."""
        return next(f for f in (registry.ACTIVATIONS, registry.PAIR_LOSSES, registry.LOSSES) if self.entry in f)


@dataclass(frozen=True, eq=False)
class Work:
    """A cell with its arrays: x is the input, prediction or logits, `other` the g of backward or a loss's target."""

    cell: Cell
    x: np.ndarray
    other: np.ndarray | None
    out: tuple  # of arrays; empty for fresh ones

    @property
    def count(self):
        """The samples that a mean divides by."""
        return len(self.x) if self.cell.family is registry.LOSSES else self.x.size

    def given(self):
        """`out` as this package takes it."""
        if not self.out:
            return None
        if self.cell.kind == "backward" and learned(self.cell.entry):
            return (self.out[0], None)
        return self.out if len(self.out) > 1 else self.out[0]


# --- expressions ------------------------------------------------------------------------------------------------------------


def numbers(entry):
    """{parameter: its default as a number}."""
    if entry in registry.LOSSES:
        return dict(entry.constants)
    return {p.name: p.none if p.default is None else p.default for p in entry.params if not p.choices}


def learned(entry):
    """∂f/∂parameter of a learned parameter, or None."""
    return next((p.learned for p in getattr(entry, "params", ()) if getattr(p, "learned", None)), None)


def texts(entry):
    """(value, derivative) as expressions of x, and of y, the value of an activation, or of a loss's target."""
    pair = entry in registry.PAIR_LOSSES
    value, derivative = (entry.formula, entry.gradient) if pair else (entry.formula, entry.numpy[1])
    given = tuple((name, repr(number)) for name, number in numbers(entry).items())
    renamed = (("z", "x"), ("a", "x"))
    terms = tuple(entry.terms.items()) if pair else ()
    return tuple(baseline.with_terms(baseline.with_terms(text, *terms), *given, *renamed) for text in (value, derivative))


EXPANSIONS = {
    "sigmoid": "1 / (1 + exp(-{0}))",
    "square": "({0}) * ({0})",
    "sign": "where({0} > 0, 1, where({0} < 0, -1, 0))",
    "maximum": "where({0} > {1}, {0}, {1})",
    "minimum": "where({0} < {1}, {0}, {1})",
    "logaddexp": "where({0} > {1}, {0}, {1}) + log1p(exp(-abs({0} - ({1}))))",
}


class _Expand(ast.NodeTransformer):
    def __init__(self, names):
        self.names = names

    def visit_Call(self, node):
        self.generic_visit(node)
        if node.func.id not in self.names:
            return node
        arguments = (f"({ast.unparse(argument)})" for argument in node.args)
        return ast.parse(EXPANSIONS[node.func.id].format(*arguments), mode="eval").body


def expanded(text, names=tuple(EXPANSIONS)):
    """The expression without these functions."""
    return ast.unparse(_Expand(names).visit(ast.parse(text, mode="eval")))


def function(text, arguments, vocabulary):
    """The expression as a Python function under these names."""
    return baseline.evaluate(f"lambda {arguments}: {ast.unparse(baseline.fold(text))}", vocabulary)


# --- sides ------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def threads_of(library, count):
    """The library at work with so many threads; its own number is restored."""
    before = library.get_num_threads()
    library.set_num_threads(count)
    try:
        yield
    finally:
        library.set_num_threads(before)


class Side:
    """One way to do the work. A subclass has the methods `activation` and `loss`, or one of them."""

    name: str
    short: str  # in the table, at most six characters
    module: str  # what is imported
    distribution: str | None = None  # its name among the installed, where that is another
    has_threads = False

    @property
    def is_installed(self):
        return importlib.util.find_spec(self.module) is not None

    @property
    def version(self):
        return importlib.metadata.version(self.distribution or self.module)

    def threads(self, count):
        """A context in which the library works with so many threads; its setting is restored. UnfitError if it has none."""
        if count > 1 and not self.has_threads:
            raise UnfitError("no thread setting: see threads = 1")
        return contextlib.nullcontext()

    def call(self, work):
        if not self.is_installed:
            raise UnfitError("not installed")
        return (self.activation if work.cell.family is registry.ACTIVATIONS else self.loss)(work)

    def activation(self, work):
        raise UnfitError("has no activations")

    def loss(self, work):
        raise UnfitError("has no losses")


class Ours(Side):
    """This package."""

    name, short, module = OURS, "ours", "actloss_c"
    version = __version__

    def threads(self, count):
        return threads.num_threads(count)

    def activation(self, work):
        f, x, g, out = _build.functions()[work.cell.function], work.x, work.other, work.given()
        f = f if work.cell.kind == "value" else getattr(f, work.cell.kind)
        if work.cell.kind == "backward":
            return (lambda: f(g, x)) if out is None else (lambda: f(g, x, out=out))
        return (lambda: f(x)) if out is None else (lambda: f(x, out=out))

    def loss(self, work):
        f, z, target = _build.functions()[work.cell.function].value_and_grad, work.x, work.other
        if work.out:
            return lambda g=work.out[0]: f(z, target, out=g)
        return lambda: f(z, target)


class NumPyAsTyped(Side):
    """The registry's expressions, as a user types them; it takes no `out=`."""

    name, short, module = "NumPy as typed", "typed", "numpy"

    def activation(self, work):
        x, g, kind, dtype = work.x, work.other, work.cell.kind, work.x.dtype
        value, derivative = texts(work.cell.entry)
        f, df = function(value, "x", baseline.NUMPY), function(derivative, "x, y", baseline.NUMPY)
        by_parameter = learned(work.cell.entry) and function(learned(work.cell.entry), "x", baseline.NUMPY)

        def value_and_grad():
            y = f(x)
            return y, np.asarray(df(x, y), dtype)

        def backward():
            dx = g * np.asarray(df(x, f(x)), dtype)
            return (dx, (g * by_parameter(x)).sum()) if by_parameter else dx

        return {"value": lambda: f(x), "value_and_grad": value_and_grad, "backward": backward}[kind]

    def loss(self, work):
        return self.as_typed(work, *texts(work.cell.entry), baseline.NUMPY)

    def as_typed(self, work, value, gradient, vocabulary):
        f, df = (function(text, "x, target", vocabulary) for text in (value, gradient))
        x, target, n, dtype = work.x, work.other, work.count, work.x.dtype
        return lambda: (f(x, target).mean(), np.asarray(df(x, target) / n, dtype))


class NumPy(Side):
    """Hand-tuned: each operation into an array that is there."""

    name, short, module = "NumPy", "NumPy", "numpy"

    def activation(self, work):
        x, g, entry, kind = work.x, work.other, work.cell.entry, work.cell.kind
        tuned = baseline.Baseline(*entry.numpy, x.dtype, x.shape)
        method, params = getattr(tuned, kind), {p.name: p.default for p in entry.params}
        by_parameter = kind == "backward" and learned(entry) and function(learned(entry), "x", baseline.NUMPY)
        arguments, count = ((g, x), 1) if kind == "backward" else ((x,), KINDS.index(kind) + 1)

        def call():
            out = work.out or tuple(np.empty(x.shape, x.dtype) for _ in range(count))
            method(*arguments, *out, **params)
            if by_parameter:
                return out[0], np.multiply(g, by_parameter(x)).sum()
            return out if count > 1 else out[0]

        return call

    def loss(self, work):
        return (self.row_loss if work.cell.family is registry.LOSSES else self.pair_loss)(work)

    def pair_loss(self, work):
        x, target, n = work.x, work.other, work.count
        value, gradient = (expanded(text, ("sigmoid",)) for text in texts(work.cell.entry))
        tuned = baseline.Baseline(value, gradient, x.dtype, x.shape, arrays=("target",))
        each = np.empty(x.shape, x.dtype)
        names = {n.id for text in (value, gradient) for n in ast.walk(ast.parse(text)) if isinstance(n, ast.Name)}
        given = {"target": target} if "target" in names else {}

        def call():
            g = work.out[0] if work.out else np.empty(x.shape, x.dtype)
            tuned.value_and_grad(x, each, g, **given)
            np.multiply(g, 1 / n, out=g)
            return each.mean(dtype=np.float64), g

        return call

    def row_loss(self, work):
        x, labels = work.x, work.other
        tuned = baseline_losses.tuned_rows(work.cell.entry, *x.shape, x.dtype)

        def call():
            g = work.out[0] if work.out else np.empty(x.shape, x.dtype)
            return tuned.value_and_grad(x, labels, g), g

        return call


class SciPy(NumPyAsTyped):
    """scipy.special has values; the derivative is what its users write in NumPy."""

    name, short, module = "SciPy", "SciPy", "scipy"
    LOSSES = {  # loss: (value, gradient, or None for the registry's)
        "sigmoid_binary_cross_entropy": ("(1 - target) * x - log_expit(x)", "expit(x) - target"),
        "huber": ("huber(1.0, x - target)", None),
        "kl_divergence": ("rel_entr(target, x)", None),
        "softmax_cross_entropy": ("logsumexp(x) - pick(x, target)", "softmax(x) - onehot(target)"),
    }

    def activation(self, work):
        if work.cell.function != "sigmoid":
            raise UnfitError("has no such function")
        expit, x, g, kind = importlib.import_module("scipy.special").expit, work.x, work.other, work.cell.kind
        given = work.out or (None, None)
        if kind == "value":
            return lambda: expit(x, out=given[0])

        def value_and_grad():
            y = expit(x, out=given[0])
            dy = np.subtract(1, y, out=given[1])
            return y, np.multiply(dy, y, out=dy)

        def backward():
            y = expit(x)
            dx = np.subtract(1, y, out=given[0])
            return np.multiply(np.multiply(dx, y, out=dx), g, out=dx)

        return backward if kind == "backward" else value_and_grad

    def loss(self, work):
        if work.cell.function not in self.LOSSES:
            raise UnfitError("has no such function")
        special = importlib.import_module("scipy.special")
        names = {name: getattr(special, name) for name in ("expit", "log_expit", "huber", "rel_entr")}
        names |= {"logsumexp": lambda z: special.logsumexp(z, axis=-1), "softmax": lambda z: special.softmax(z, axis=-1)}
        value, gradient = self.LOSSES[work.cell.function]
        return self.as_typed(work, value, gradient or texts(work.cell.entry)[1], {**baseline.NUMPY, **names})


class ScikitLearn(Side):
    """Its private Cython losses, which take contiguous vectors and any matrix."""

    name, short, module, distribution, has_threads = "scikit-learn", "sklrn", "sklearn", "scikit-learn", True

    def loss(self, work):
        make = peer_losses.SKLEARN.get(work.cell.function)
        if make is None:
            raise UnfitError("has no such function")
        return peer_losses.sklearn_loss(make, work.x, work.other, work.out[0] if work.out else None, work.cell.threads)
