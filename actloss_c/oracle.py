"""Evaluates the registry's formulas: under mpmath, as the judge, and on dual numbers of float64 arrays, as the judge of float32.

A formula is a Python expression over its variable, its parameters, numbers and this vocabulary:

    + - * / ** and comparisons (join two with & or |)       pi
    exp expm1 log log1p sqrt square sin cos erf erfc        abs sign
    tanh sinh cosh sigmoid
    maximum minimum clip(x, low, high) where(c, a, b)       logaddexp(a, b)
    logsumexp(z) pick(z, target)                            on rows of classes; softmax(z), onehot(target), column(r), which
                                                            makes a row's number meet its entries, under NumPy only

The variable is the one name that the keyword arguments do not give: with alpha for the positional argument and x= for a keyword,
the derivative is that by alpha.

Derivatives are those of forward-mode dual numbers, one rule per function. `where` follows its branch, so the formula's own
comparison decides what the derivative is at a kink; abs'(0) = 0, and at a tie maximum and minimum follow their second argument.
Under mpmath a decimal literal is that decimal number, and only the chosen branch of a `where` is evaluated.
"""

import ast
import functools
import math
import operator
from types import SimpleNamespace

import numpy as np

from .baseline import NUMPY, evaluate, numpy_value, variable
from .replay import recorded
from .ulp import ulp_error

__all__ = ["derivatives", "numpy_value", "numpy_value_and_derivative", "ulp_error", "value", "value_and_derivative"]

PI = "3.14159265358979323846264338327950288"


def _comparison(relation):
    return lambda a, b: relation(_innermost(a), _innermost(b))


class Dual:
    """value + derivative · ε with ε² = 0. Both parts may be duals: Dual(Dual(x, 1), 1) also carries the second derivative."""

    __array_ufunc__ = None  # array + dual is the dual's business
    __hash__ = None
    __lt__, __le__, __gt__, __ge__ = map(_comparison, (operator.lt, operator.le, operator.gt, operator.ge))
    __eq__, __ne__ = map(_comparison, (operator.eq, operator.ne))

    def __init__(self, value, derivative):
        self.value = value
        self.derivative = derivative

    def __neg__(self):
        return type(self)(-self.value, -self.derivative)

    def __add__(self, other):
        return Dual(self.value + _value(other), self.derivative + _derivative(other))

    def __mul__(self, other):
        if not isinstance(other, Dual):  # not by the general rule: it would add value · 0, which is NaN where the value is inf
            return Dual(self.value * other, self.derivative * other)
        return Dual(self.value * other.value, self.derivative * other.value + self.value * other.derivative)

    def __truediv__(self, other):
        """Not by a' − y·b', whose y is rounded: of x/(1 + |x|), 1 − |y| keeps nothing at 1e40, and (1 + |x|) − |x| everything."""
        if not isinstance(other, Dual):
            return Dual(self.value / other, self.derivative / other)
        b = other.value
        return Dual(self.value / b, (self.derivative * b - self.value * other.derivative) / b / b)

    def __pow__(self, n):
        """For a constant n; a whole one by products, which keep the corrections of a Corrected."""
        if n >= 1 and n == int(n):
            return self if n == 1 else self * self ** (n - 1)
        return type(self)(self.value**n, n * self.value ** (n - 1) * self.derivative)

    def __sub__(self, other):
        return self + -other

    def __rsub__(self, other):
        return -self + other

    def __radd__(self, other):
        return self + other

    def __rmul__(self, other):
        return self * other

    def __rtruediv__(self, other):
        y = other / self.value
        return Dual(y, -(y * self.derivative) / self.value)


class Corrected(Dual):
    """A float64 array and a first-order estimate of its rounding error: the exact number is nearly value + derivative.

    An error is a small change, so it travels as a derivative does; each operation adds the error of its own rounding (TwoSum,
    TwoProduct, the remainder of a quotient or square root). The quotient rule needs this: in the derivative of x/(1 + |x|) it
    takes the difference of 1 + |x| and |x|.
    """

    def __add__(self, other):
        a, b = self.value, _value(other)
        s = a + b
        t = s - a
        return Corrected(s, self.derivative + _derivative(other) + ((a - (s - t)) + (b - t)))

    def __mul__(self, other):
        a, b = self.value, _value(other)
        p = a * b
        return Corrected(p, self.derivative * b + a * _derivative(other) + _product_error(a, b, p))

    def __truediv__(self, other):
        a, b = self.value, _value(other)
        y = np.where(np.isinf(b) & ~np.isinf(a), 0.0, a / b)  # an exp that overflowed beats any numerator but an infinite one
        remainder = (a - y * b) - _product_error(y, b, y * b)
        return Corrected(y, (remainder + self.derivative - y * _derivative(other)) / b)

    def __rtruediv__(self, other):
        return Corrected(other, 0) / self


def _product_error(a, b, p):
    """a·b − p for p = fl(a·b): Dekker's product of Veltkamp's halves, exact without overflow and underflow."""
    splitter = 2.0 ** ((np.finfo(p.dtype).nmant + 2) // 2) + 1  # 2^27 + 1 in float64
    u, v = a * splitter, b * splitter
    u, v = u - (u - a), v - (v - b)
    return (a - u) * (b - v) - (((p - u * v) - (a - u) * v) - u * (b - v))


def _value(v):
    return v.value if isinstance(v, Dual) else v


def _derivative(v):
    return v.derivative if isinstance(v, Dual) else 0


def _innermost(v):
    return _innermost(v.value) if isinstance(v, Dual) else v


def _seed(x, order):
    return Dual(_seed(x, order - 1), 1) if order else x


def _parts(v, order):
    """[f, f', …] up to the derivative of the given order, from a nested dual or a constant."""
    return [*_parts(_value(v), order - 1), _parts(_derivative(v), order - 1)[-1]] if order else [v]


def _sech2(f, x, y):
    """1 − tanh² without its cancellation."""
    e = f.exp(-2 * f.abs(x))
    return 4 * e / ((1 + e) * (1 + e))


# y = name(x) has the derivative RULES[name](f, x, y); f holds the functions, for duals too
RULES = {
    "abs": lambda f, x, y: f.sign(x),
    "cos": lambda f, x, y: -f.sin(x),
    "cosh": lambda f, x, y: f.sinh(x),
    "erf": lambda f, x, y: 2 / f.sqrt(f.pi) * f.exp(-x * x),
    "erfc": lambda f, x, y: -2 / f.sqrt(f.pi) * f.exp(-x * x),
    "exp": lambda f, x, y: y,
    "expm1": lambda f, x, y: f.exp(x),
    "log": lambda f, x, y: 1 / x,
    "log1p": lambda f, x, y: 1 / (1 + x),
    "sigmoid": lambda f, x, y: y * f.sigmoid(-x),
    "sign": lambda f, x, y: 0,
    "sin": lambda f, x, y: f.cos(x),
    "sinh": lambda f, x, y: f.cosh(x),
    "sqrt": lambda f, x, y: 1 / (2 * y),
    "tanh": _sech2,
}


def _vocabulary(primitives, where):
    """The functions for numbers and duals, made of those for numbers."""
    f = SimpleNamespace(pi=primitives["pi"], where=where, square=lambda x: x * x)

    def lift(name, x):
        if not isinstance(x, Dual):
            return primitives[name](x)
        y = lift(name, x.value)
        remainder = (x.value - y * y) - _product_error(y, y, y * y) if name == "sqrt" and isinstance(x, Corrected) else 0
        return type(x)(y, RULES[name](f, x.value, y) * (x.derivative + remainder))

    for name in RULES:
        setattr(f, name, functools.partial(lift, name))

    def logaddexp(a, b):
        if not (isinstance(a, Dual) or isinstance(b, Dual)):
            return primitives["logaddexp"](a, b)
        y = logaddexp(_value(a), _value(b))
        dy = f.exp(_value(a) - y) * _derivative(a) + f.exp(_value(b) - y) * _derivative(b)
        return type(a if isinstance(a, Dual) else b)(y, dy)

    f.logaddexp = logaddexp
    f.maximum = lambda a, b: where((a > b) | (a != a), a, b)  # a NaN in either stays
    f.minimum = lambda a, b: where((a < b) | (a != a), a, b)
    f.clip = lambda x, low, high: f.minimum(f.maximum(x, low), high)
    return f


def value(formula, x, /, **params):
    """f(x) as mpf. x and the parameters are Python or NumPy scalars, taken exactly; an infinite x stands for the limit."""
    return derivatives(formula, x, 0, **params)[0]


def value_and_derivative(formula, x, /, **params):
    """(f(x), f'(x)) as mpf; arguments as for `value`."""
    return derivatives(formula, x, 1, **params)


def derivatives(formula, x, order, /, **params):
    """(f(x), f'(x), …) up to the derivative of the given order, as mpf; arguments as for `value`. NaN gives NaN.

    At ±inf the formula is evaluated at ±2^4096, where it is so close to its limit that both round to the same float.
    """
    if math.isnan(x):
        return (_mpf(x),) * (order + 1)

    def run(mp, code, f):
        at = _mpf(x) if math.isfinite(x) else mp.ldexp(1 if x > 0 else -1, 4096)
        names = {**vars(f), **{name: _mpf(p) for name, p in params.items()}, variable(formula, *params): _seed(at, order)}
        return _parts(evaluate(code, names), order)

    return tuple(_settle(run, formula))


def _mpf(x):
    from mpmath import mpf

    return mpf(int(x) if isinstance(x, int | np.integer | np.bool) else x if isinstance(x, mpf) else float(x))


def _settle(run, formula, bits=128):
    """run's numbers, as soon as those at two precisions, from that many bits on, agree to 2^-80.

    A zero may be what a cancellation has left, as of 1 − tanh(700); at 4096 bits no part that float64 can hold gets lost.
    """
    import mpmath

    code = _exact_code(formula)
    last = None
    while bits <= 16384:
        with mpmath.workprec(bits):
            new = [_mpf(v) for v in run(mpmath.mp, code, _exact_vocabulary(mpmath.mp))]
            if last and all(map(_agree, last, new)):
                return new
        bits, last = 4096 if bits < 4096 and not all(new) else 2 * bits, new
    raise ArithmeticError(f"{formula!r} does not settle: two runs differ even at {bits // 2} bits")


def _agree(a, b):
    """Within 2^-80, or both NaN, or both too small or too large for any format."""
    from mpmath import mag

    if a == b or (a != a and b != b) or abs(a - b) <= abs(b) * 2.0**-80:
        return True
    return max(mag(a), mag(b)) < -16500 or (min(mag(a), mag(b)) > 16500 and a * b > 0)


def _exact_vocabulary(mp):
    names = ("cos", "cosh", "erf", "exp", "log", "log1p", "sign", "sin", "sinh", "sqrt", "tanh")
    primitives = {name: getattr(mp, name) for name in names}
    primitives["sigmoid"] = lambda x: 1 / (1 + mp.exp(-x))
    primitives.update(abs=abs, pi=+mp.pi)
    # mpmath's erfc overflows from 2^512 on; the factor left out here, 1 − 1/(2x²) + …, is 1 to 200 bits
    primitives["erfc"] = lambda x: mp.erfc(x) if x < 2**100 else mp.exp(-x * x) / (x * mp.sqrt(mp.pi))
    primitives["expm1"] = lambda x: mp.expm1(x) if abs(x) < 1 else mp.exp(x) - 1  # mpmath's takes seconds at 2^4096
    primitives["logaddexp"] = lambda a, b: max(a, b) + mp.log1p(mp.exp(-abs(a - b)))
    f = _vocabulary(primitives, where=lambda c, a, b: a if c else b)
    f.pick = operator.getitem
    f.number = mp.mpf
    return f


class _Exact(ast.NodeTransformer):
    """Numbers as number(…), a decimal one from its text; `where` as a conditional expression, if so desired."""

    def __init__(self, formula, branches):
        self.formula = formula
        self.branches = branches

    def visit_Constant(self, node):
        text = node.value if isinstance(node.value, int) else ast.get_source_segment(self.formula, node)
        return ast.Call(ast.Name("number", ast.Load()), [ast.Constant(text)], [])

    def visit_Call(self, node):
        self.generic_visit(node)
        return ast.IfExp(*node.args) if self.branches and node.func.id == "where" else node


@functools.lru_cache
def _exact_code(formula, branches=True):
    return compile(ast.fix_missing_locations(_Exact(formula, branches).visit(ast.parse(formula, mode="eval"))), formula, "eval")


def numpy_value_and_derivative(formula, x, /, **params):
    """(f(x), f'(x)) as float64 arrays, without warnings, for finite x: the reference of float32, where it is well conditioned.

    Cancellation of what + − * / sqrt have rounded is made good, up to about 106 bits; that of what the functions have rounded is
    not: 1 + tanh(x) is lost at −20. Overflow does no harm in a denominator, as in 1/(1 + exp(−x)); elsewhere it may give NaN.
    """
    x = np.asarray(x, np.float64)
    given = {name: np.asarray(p, np.float64) for name, p in params.items()}
    with np.errstate(all="ignore"):
        return tuple(np.where(np.isnan(x), x, v + correction) for v, correction in on_arrays(formula, x, **given))


def on_arrays(formula, x, /, correct=True, **params):
    """The same, each as (value, correction), in the type of x and the parameters; x has no NaN, and may be replay.Recorded.

    Without corrections, exp stops where its square would overflow: infinite, it would make NaN of 0 = 1/∞ in the quotient rule.
    """
    number = x.dtype.type
    primitives = {**NUMPY, "pi": number(PI), **{name: recorded(x, NUMPY[name]) for name in ("erf", "erfc")}}
    if not correct:
        most = np.log(np.finfo(x.dtype).max) / 2 - 10
        primitives["exp"] = lambda x: np.exp(np.minimum(x, most))
        primitives["tanh"] = lambda x: _quick_tanh(x, primitives["exp"])
    names = {**vars(_vocabulary(primitives, _where)), "number": number, **params}
    names[variable(formula, *params)] = Dual(Corrected(x, 0) if correct else x, 1)
    pair = _parts(evaluate(_exact_code(formula, branches=False), names), 1)
    return [(_value(v), np.where(np.isfinite(_derivative(v)), _derivative(v), 0)) for v in pair]


def _quick_tanh(x, exp):
    """(1 − e) / (1 + e), e = exp(−2|x|), which the derivative needs, too; near 0 the series. To 5e-15: NumPy's may take 18 ns."""
    e, s = exp(-2 * np.abs(x)), x * x
    series = x * (1 + s * (-1 / 3 + s * (2 / 15 + s * (-17 / 315 + s * (62 / 2835)))))
    return np.where(np.abs(x) < 2.0**-6, series, np.sign(x) * ((1 - e) / (1 + e)))


def _where(c, a, b):
    if not (isinstance(a, Dual) or isinstance(b, Dual)):
        return np.where(c, a, b)
    return type(a if isinstance(a, Dual) else b)(_where(c, _value(a), _value(b)), _where(c, _derivative(a), _derivative(b)))
