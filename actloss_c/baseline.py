"""The registry's formulas in pure NumPy, as benchmarks compare with them: as typed, and with `out=` in preallocated arrays.

`numpy_function` is the formula as a user would type it. `Baseline` is what an experienced user makes of it: one NumPy call per
operation, each into an array that is there already. `RowBaseline` is the same for a loss over rows of classes.
"""

import ast
import functools
import math

import numpy as np


def _by_element(function):
    """NumPy has no erf."""
    ufunc = np.frompyfunc(function, 1, 1)
    return lambda x: np.asarray(ufunc(x), np.asarray(x).dtype)


def _logsumexp(z):
    m = np.max(z, axis=-1, keepdims=True)
    return np.log(np.sum(np.exp(z - m), axis=-1)) + m[..., 0]


def _softmax(z):
    e = np.exp(z - np.max(z, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)


def _pick(z, target):
    return np.take_along_axis(z, np.asarray(target)[..., None], axis=-1)[..., 0]


def _column(row_numbers):
    return row_numbers[..., None]


class _OneHot:
    """onehot(target), to be subtracted from an array, whose shape it takes."""

    __array_ufunc__ = None

    def __init__(self, target):
        self.index = np.asarray(target)[..., None]

    def __rsub__(self, p):
        p = p.copy()
        np.put_along_axis(p, self.index, np.take_along_axis(p, self.index, axis=-1) - 1, axis=-1)
        return p


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


UNARY = ("abs", "cos", "cosh", "exp", "expm1", "log", "log1p", "sign", "sin", "sinh", "sqrt", "square", "tanh")
NUMPY = {name: getattr(np, name) for name in (*UNARY, "clip", "logaddexp", "maximum", "minimum", "where")}
NUMPY.update(pi=math.pi, erf=_by_element(math.erf), erfc=_by_element(math.erfc))
NUMPY.update(sigmoid=_sigmoid, logsumexp=_logsumexp, softmax=_softmax, pick=_pick, column=_column, onehot=_OneHot)


def evaluate(code, names):
    """The expression under these names alone."""
    return eval(code, {"__builtins__": {}, **names})


@functools.lru_cache
def variable(formula, *params):
    """The one name in the formula that is neither vocabulary nor one of the parameters; "x" where there is none."""
    names = {node.id for node in ast.walk(ast.parse(formula)) if isinstance(node, ast.Name)}
    free = sorted(names - NUMPY.keys() - set(params))
    if len(free) > 1:
        raise TypeError(f"{formula!r} has the free names {', '.join(free)}: give all but one of them as keywords")
    return free[0] if free else "x"


class _Terms(ast.NodeTransformer):
    def __init__(self, terms):
        self.terms = terms

    def visit_Name(self, node):
        return ast.parse(self.terms[node.id], mode="eval").body if node.id in self.terms else node


@functools.lru_cache
def with_terms(formula, *terms):
    """The formula with each (name, expression) put in."""
    return ast.unparse(_Terms(dict(terms)).visit(ast.parse(formula, mode="eval")))


class _Fold(ast.NodeTransformer):
    def generic_visit(self, node):
        super().generic_visit(node)
        if isinstance(node, ast.Name) and node.id == "pi":
            return ast.Constant(math.pi)
        operands = node.args if isinstance(node, ast.Call) else [n for n in ast.iter_child_nodes(node) if isinstance(n, ast.expr)]
        if isinstance(node, ast.BinOp | ast.UnaryOp | ast.Call) and all(isinstance(n, ast.Constant) for n in operands):
            number = evaluate(ast.unparse(node), NUMPY)
            return ast.Constant(number if isinstance(number, int) else float(number))
        return node


@functools.lru_cache
def fold(formula):
    """The formula's ast.Expression with constant parts as Python numbers: the float64 that np.sqrt(2) is would widen float32."""
    return ast.fix_missing_locations(_Fold().visit(ast.parse(formula, mode="eval")))


@functools.lru_cache
def numpy_function(formula, *params):
    """The formula as a Python function of its variable and these parameters, in plain NumPy."""
    arguments = ", ".join([variable(formula, *params), *params])
    return evaluate(f"lambda {arguments}: {ast.unparse(fold(formula))}", NUMPY)


def numpy_value(formula, x, /, **params):
    """The formula in plain NumPy on an array x, without warnings. For a loss x is z, (…, classes), and target the labels."""
    with np.errstate(all="ignore"):
        return numpy_function(formula, *params)(x, *params.values())


def inside(domain, shape, random, dtype):
    """Random numbers of a domain of the registry, of any size for None."""
    draw = {
        None: lambda: random.normal(0, 3, shape),
        "unit": lambda: random.random(shape),
        "nonnegative": lambda: random.poisson(2, shape),
        "positive": lambda: random.gamma(2, 1, shape) + 1e-3,
        "binary": lambda: random.integers(0, 2, shape),
        "sign": lambda: 2 * random.integers(0, 2, shape) - 1,
    }
    return np.asarray(draw[domain](), dtype)


CALLS = {ast.Add: "add", ast.Sub: "subtract", ast.Mult: "multiply", ast.Div: "divide", ast.Pow: "power", ast.USub: "negative"}
CALLS |= {ast.Gt: "greater", ast.GtE: "greater_equal", ast.Lt: "less", ast.LtE: "less_equal", ast.Eq: "equal"}
CALLS |= {ast.NotEq: "not_equal", ast.BitAnd: "logical_and", ast.BitOr: "logical_or"}


def _call(node):
    """(NumPy's function, its operands) of one operation."""
    if isinstance(node, ast.Call):
        return node.func.id, node.args
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return CALLS[type(node.ops[0])], [node.left, *node.comparators]
    if isinstance(node, ast.UnaryOp) and type(node.op) in CALLS:
        return CALLS[type(node.op)], [node.operand]
    if isinstance(node, ast.BinOp) and type(node.op) in CALLS:
        if isinstance(node.op, ast.Pow) and ast.unparse(node.right) == "2":
            return "square", [node.left]
        return CALLS[type(node.op)], [node.left, node.right]
    raise ValueError(f"no NumPy call does {ast.unparse(node)!r}")


class _Steps:
    """Compiles expressions to NumPy calls, one per line, with as few temporaries as the order of evaluation allows.

    The target of an expression is its first scratch, so the expression must not read it. Of several operands the one that needs
    most arrays comes first and lies in the target: then it leaves all but one of its arrays to the next (Sethi and Ullman 1970).
    """

    def __init__(self, arrays, scratch=()):
        self.arrays = arrays  # names that stand for arrays; all others are numbers or parameters
        self.free = {"t": list(scratch), "m": []}  # temporaries and masks not in use
        self.made = []
        self.lines = []

    def take(self, kind="t"):
        if not self.free[kind]:
            name = f"{kind}{sum(n[0] == kind for n in self.made)}"
            self.made.append(name)
            return name
        return self.free[kind].pop()

    def is_array(self, node):
        return any(isinstance(n, ast.Name) and n.id in self.arrays for n in ast.walk(node))

    def is_leaf(self, node):
        """An array by name, or a number: what is made of constants and parameters alone is left to Python."""
        return isinstance(node, ast.Name) or not self.is_array(node)

    def need(self, node):
        """How many arrays the expression needs, its target included."""
        if self.is_leaf(node):
            return 0
        needs = sorted((self.need(operand) for operand in _call(node)[1]), reverse=True)
        return max(1, *(i + n for i, n in enumerate(needs) if n)) if any(needs) else 1

    def operands(self, nodes, scratch):
        """(names or numbers, temporaries to give back); `scratch` takes the first operand that has to be computed."""
        temporaries = []
        places = {}
        for node in sorted((n for n in nodes if not self.is_leaf(n)), key=self.need, reverse=True):
            place = self.take() if places else scratch
            temporaries += [place] if places else []
            self.assign(node, place)
            places[node] = place
        return [places.get(node) or ast.unparse(node) for node in nodes], temporaries

    def assign(self, node, target):
        if self.is_leaf(node):
            self.lines.append(f"np.copyto({target}, {ast.unparse(node)})")
            return
        name, nodes = _call(node)
        if name == "where":
            self.where(*nodes, target)
            return
        texts, temporaries = self.operands(nodes, target)
        if name in ("add", "multiply") and texts[1] == target:
            texts.reverse()
        if name in ("erf", "erfc"):
            self.lines.append(f"np.copyto({target}, {name}({texts[0]}))")
        else:
            unsafe = ', casting="unsafe"' if isinstance(node, ast.Compare) else ""
            self.lines.append(f"np.{name}({', '.join(texts)}, out={target}{unsafe})")
        self.free["t"] += temporaries

    def where(self, condition, a, b, target):
        mask = self.take("m")
        self.condition(condition, mask, target)
        self.assign(b, target)
        texts, temporaries = self.operands([a], None if self.is_leaf(a) else self.take())
        if isinstance(a, ast.Constant) or self.is_array(a):
            self.lines.append(f"np.putmask({target}, {mask}, {texts[0]})")  # 1.3 times as fast as copyto, but does not broadcast
        else:
            self.lines.append(f"np.copyto({target}, {texts[0]}, where={mask})")
        self.free["t"] += temporaries if self.is_leaf(a) else [texts[0]]
        self.free["m"].append(mask)

    def condition(self, node, mask, scratch):
        name, nodes = _call(node)
        if name in ("logical_and", "logical_or"):
            other = self.take("m")
            self.condition(nodes[0], mask, scratch)
            self.condition(nodes[1], other, scratch)
            self.lines.append(f"np.{name}({mask}, {other}, out={mask})")
            self.free["m"].append(other)
            return
        texts, temporaries = self.operands(nodes, scratch)
        self.lines.append(f"np.{name}({', '.join(texts)}, out={mask})")
        self.free["t"] += temporaries


class Baseline:
    """An activation as an experienced NumPy user writes it, for contiguous arrays of one dtype and shape.

    value_expr is an expression of x and the parameters, derivative_expr of x, the parameters and y, the value just computed.
    The methods are compiled Python functions. They write into the arrays given, which must not be x nor each other:

        value(x, y, **params)                 y = f(x)
        value_and_grad(x, y, dy, **params)    y = f(x), dy = f'(x)
        backward(g, x, dx, **params)          dx = g · f'(x)

    Parameters are Python numbers, or arrays of the dtype that broadcast against x; those named in `arrays` have x's shape, and
    what is made of them alone gets a temporary, too. NumPy's warnings are the caller's.
    """

    def __init__(self, value_expr, derivative_expr, dtype, shape, arrays=()):
        value, derivative = fold(value_expr).body, fold(derivative_expr).body
        names = {n.id for tree in (value, derivative) for n in ast.walk(tree) if isinstance(n, ast.Name)}
        uses_y = any(isinstance(n, ast.Name) and n.id == "y" for n in ast.walk(derivative))
        params = "".join(f", {name}" for name in sorted(names - NUMPY.keys() - {"x", "y"}))

        arrays = ("x", "y", *arrays)
        alone = _Steps(arrays)
        alone.assign(value, "y")

        both = _Steps(arrays, scratch=["dy"])
        both.assign(value, "y")
        both.free["t"].remove("dy")
        both.assign(derivative, "dy")

        back = _Steps(arrays, scratch=["dx"])
        if uses_y:
            back.made.append("y")
            back.assign(value, "y")
        back.free["t"].remove("dx")
        back.assign(derivative, "dx")
        back.lines.append("np.multiply(dx, g, out=dx)")

        scratch = {*alone.made, *both.made, *back.made}
        names = {name: np.empty(shape, bool if name[0] == "m" else dtype) for name in sorted(scratch)}
        names |= {"np": np, **NUMPY}
        self._source = {}
        for head, steps in (("value(x, y", alone), ("value_and_grad(x, y, dy", both), ("backward(g, x, dx", back)):
            exec("\n    ".join([f"def {head}{params}):", *steps.lines]), names)
            name = head.partition("(")[0]
            self._source[name] = steps.lines
            setattr(self, name, names.pop(name))

    def source(self, method="value_and_grad"):
        """The calls of a method, one per line; t0, t1, … are preallocated temporaries and m0, … masks."""
        return "\n".join(self._source[method])


class RowBaseline:
    """Softmax cross-entropy, mean of logsumexp(z) − pick(z, target), with its gradient (softmax(z) − onehot(target)) / n.

    For contiguous logits z and gradient g of shape (n, classes) and integer labels of shape (n,). Few classes are worked on
    transposed: NumPy reduces along a short last axis at 7 ns per element, and along the first one at 0.2. einsum sums along the
    last axis 1.5 to 4 times as fast as np.sum.
    """

    TRANSPOSED_BELOW = 64  # classes

    def __init__(self, n, classes, dtype):
        self.n = n
        self.work = np.empty((classes, n), dtype) if classes < self.TRANSPOSED_BELOW else None
        self.row = np.empty(n, dtype)
        self.picked = np.empty(n, dtype)
        self.index = np.empty(n, np.intp)
        self.start = np.arange(n) * (1 if self.work is not None else classes)
        self.step = n if self.work is not None else 1

    def exponentials(self, z, labels, g):
        """(e^(z − max z), in g or transposed; a view of `row` to go with it); row = the sums, picked = z − max z at the label."""
        row, index = self.row, self.index
        if self.work is None:
            e, axis, rows = g, 1, row[:, None]
            np.max(z, axis=1, out=row)
            np.subtract(z, rows, out=e)
        else:
            e, axis, rows = self.work, 0, row
            np.copyto(e, z.T)
            np.max(e, axis=0, out=row)
            np.subtract(e, rows, out=e)
        np.multiply(labels, self.step, out=index)
        np.add(index, self.start, out=index)
        np.take(e.reshape(-1), index, out=self.picked, mode="clip")  # "raise" would buffer `out`
        np.exp(e, out=e)
        if axis:
            np.einsum("nc->n", e, out=row)
        else:
            np.sum(e, axis=0, out=row)
        return e, rows

    def value_and_grad(self, z, labels, g):
        """The mean loss, a Python float; its gradient goes into g, which may be z."""
        row, picked, index = self.row, self.picked, self.index
        e, rows = self.exponentials(z, labels, g)
        flat = e.reshape(-1)
        loss = -float(picked.sum(dtype=np.float64))
        np.log(row, out=picked)
        loss += float(picked.sum(dtype=np.float64))
        np.multiply(row, self.n, out=row)
        np.divide(1, row, out=row)
        np.multiply(e, rows, out=e)
        np.take(flat, index, out=picked, mode="clip")
        np.subtract(picked, 1 / self.n, out=picked)
        flat[index] = picked
        if e is not g:
            np.copyto(g, e.T)
        return loss / self.n


class ProbabilityBaseline:
    """Cross-entropy of probabilities a, mean of −log(pick(a, target)), with its gradient: only the picked entries are not 0."""

    def __init__(self, n, classes, dtype):
        self.picked = np.empty(n, dtype)
        self.index = np.empty(n, np.intp)
        self.start = np.arange(n) * classes

    def value_and_grad(self, a, labels, g):
        """The mean loss, a Python float; its gradient goes into g, which may be a."""
        picked, n = self.picked, self.picked.size
        np.add(labels, self.start, out=self.index)
        np.take(a.reshape(-1), self.index, out=picked, mode="clip")
        g.fill(0)
        g.reshape(-1)[self.index] = -1 / n / picked
        np.log(picked, out=picked)
        return -float(picked.sum(dtype=np.float64)) / n
