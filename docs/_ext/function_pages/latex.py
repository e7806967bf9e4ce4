"""Formulas of the registry as LaTeX, by walking their syntax tree: one rule per function of the formulas' vocabulary.

Beside what can be evaluated (see actloss_c/oracle.py) it takes what stands there for readers alone: `max_k z_k`, `x @ W`, and
calls of the package's own functions.
"""

import ast
import re

COMPARE, SUM, PRODUCT, SIGN, FUNCTION, POWER, ATOM = range(7)  # how tightly the outermost operation binds; FUNCTION: log x

GREEK = ("alpha", "beta", "gamma", "delta", "epsilon", "lambda", "mu", "pi", "sigma", "tau", "theta", "zeta")
SYMBOL = rf"(?:[a-zA-Z]\b|\\(?:{'|'.join(GREEK)})\b)"
RELATIONS = {ast.Gt: ">", ast.GtE: r"\ge", ast.Lt: "<", ast.LtE: r"\le", ast.Eq: "=", ast.NotEq: r"\ne"}


def word(name):
    r"""A name: Greek letters and single ones as such, an index behind _ below, words upright."""
    letter, _, index = name.rstrip("_").partition("_")
    if index and len(letter) == len(index) == 1:
        return f"{letter}_{{{index}}}"
    name = name.rstrip("_")
    return rf"\{name}" if name in GREEK else name if len(name) == 1 else rf"\text{{{name}}}".replace("_", r"\_")


def number(value):
    mantissa, _, exponent = f"{value:.15g}".partition("e")
    if not exponent:
        return mantissa
    power = f"10^{{{int(exponent)}}}"
    return power if mantissa == "1" else rf"{mantissa} \cdot {power}"


def parenthesised(tex):
    return rf"\left({tex}\right)" if r"\begin" in tex or r"\frac" in tex or r"\sum" in tex else f"({tex})"


def exponential(x):
    return ast.Call(ast.Name("exp"), [x])


class Formula(ast.NodeVisitor):
    """Each visit returns (LaTeX, how tightly it binds).

    terms: names that stand for an expression. index: that of the entry of a row which the bare name of the row stands for.
    """

    def __init__(self, index=None):
        self.index = index
        self.bound = None  # the index of the sum that is being written

    def tex(self, node, at_least=COMPARE):
        """LaTeX of a node, in parentheses if it binds less tightly than its place asks."""
        tex, binds = self.visit(node)
        return tex if binds >= at_least else parenthesised(tex)

    def unsigned(self, node):
        """For behind a sign, which another sign may not follow."""
        tex, binds = self.visit(node)
        return parenthesised(tex) if binds in (COMPARE, SUM, SIGN) else tex

    def generic_visit(self, node):
        raise ValueError(f"no LaTeX for {ast.unparse(node)!r}")

    def visit_Expression(self, node):
        return self.visit(node.body)

    def visit_Constant(self, node):
        return number(node.value), ATOM

    def visit_Name(self, node):
        index = self.bound or self.index
        if node.id == "max_k":
            return r"\max_{k}", ATOM
        return word(f"{node.id}_{index}" if index and node.id in ("z", "a") else node.id), ATOM

    def visit_UnaryOp(self, node):
        if not isinstance(node.op, ast.USub):
            self.generic_visit(node)
        return f"-{self.unsigned(node.operand)}", SIGN

    def visit_Compare(self, node):
        if len(node.ops) != 1:
            self.generic_visit(node)
        return f"{self.tex(node.left, SUM)} {RELATIONS[type(node.ops[0])]} {self.tex(node.comparators[0], SUM)}", COMPARE

    def visit_BinOp(self, node):
        rule = getattr(self, f"binary_{type(node.op).__name__.lower()}", None)
        return rule(node.left, node.right) if rule else self.generic_visit(node)

    def binary_add(self, a, b):
        return f"{self.tex(a, SUM)} + {self.unsigned(b)}", SUM

    def binary_sub(self, a, b):
        return f"{self.tex(a, SUM)} - {self.unsigned(b)}", SUM

    def binary_bitand(self, a, b):
        return rf"{self.tex(a)} \;\text{{and}}\; {self.tex(b)}", COMPARE

    def binary_bitor(self, a, b):
        return rf"{self.tex(a)} \;\text{{or}}\; {self.tex(b)}", COMPARE

    def binary_mult(self, a, b):
        left, binds = self.visit(a)
        left, right = left if binds in (PRODUCT, SIGN, POWER, ATOM) else parenthesised(left), self.tex(b, FUNCTION)
        if right[0].isdigit():
            return rf"{left} \cdot {right}", PRODUCT
        tight = re.search(rf"(^|[ -])(\d+|{SYMBOL})$", left) and re.match(rf"({SYMBOL}|\()", right)
        return left + (" " if tight else r"\,") + right, PRODUCT

    binary_matmult = binary_mult

    def binary_div(self, a, b):
        tex, binds = self.visit(a)
        sign, tex = ("-", tex[1:]) if binds == SIGN else ("", tex)  # stands before the fraction
        return rf"{sign}\frac{{{tex}}}{{{self.tex(b)}}}", SIGN if sign else POWER

    def binary_pow(self, a, b):
        if isinstance(a, ast.Call) and a.func.id in UPRIGHT:
            return self.applied(a.func.id, a.args[0], power=self.tex(b))
        return f"{self.tex(a, ATOM)}^{{{self.tex(b)}}}", POWER

    def visit_Call(self, node):
        name = node.func.id
        if name in UPRIGHT:
            return self.applied(name, *node.args)
        if name in RULES:
            return RULES[name](self, *node.args)
        arguments = ", ".join(self.tex(a) for a in node.args)
        return f"{word(name)}({arguments})", ATOM

    def applied(self, name, argument, power=None):
        r"""\log x, \sinh^{2}(a - b): parentheses only around what is more than one symbol."""
        head = UPRIGHT[name] + (f"^{{{power}}}" if power else "")
        tex = self.tex(argument)
        symbol = isinstance(argument, ast.Name) or (isinstance(argument, ast.Call) and argument.func.id in ("pick", "sum"))
        bare = symbol and UPRIGHT[name] in WITHOUT_PARENTHESES
        return (rf"{head}\,{tex}" if bare else head + parenthesised(tex)), FUNCTION if bare else POWER

    # --- one rule per function that is not written as its name ------------------------------------------------------------

    def exp(self, x):
        tex = self.tex(x)
        tall = r"\frac" in tex or r"\begin" in tex or r"\sum" in tex
        return (rf"\exp{parenthesised(tex)}", POWER) if tall else (f"e^{{{tex}}}", POWER)

    def expm1(self, x):
        return f"{self.exp(x)[0]} - 1", SUM

    def log1p(self, x):
        negative = isinstance(x, ast.UnaryOp)
        tex = self.tex(x.operand if negative else x, PRODUCT)
        return r"\log" + parenthesised(f"1 {'-' if negative else '+'} {tex}"), POWER

    def logaddexp(self, a, b):
        first = "1" if isinstance(a, ast.Constant) and a.value == 0 else self.exp(a)[0]
        return rf"\log{parenthesised(f'{first} + {self.exp(b)[0]}')}", POWER

    def square(self, x):
        return self.binary_pow(x, ast.Constant(2))

    def sqrt(self, x):
        return rf"\sqrt{{{self.tex(x)}}}", ATOM

    def abs(self, x):
        return rf"\left\lvert {self.tex(x)} \right\rvert", ATOM

    def maximum(self, a, b):
        return rf"\max({self.tex(a)}, {self.tex(b)})", ATOM

    def minimum(self, a, b):
        return rf"\min({self.tex(a)}, {self.tex(b)})", ATOM

    def clip(self, x, low, high):
        return rf"\min(\max({self.tex(x)}, {self.tex(low)}), {self.tex(high)})", ATOM

    def where(self, condition, a, b):
        lines = [f"{self.tex(a)} & {self.tex(condition)}"]
        while isinstance(b, ast.Call) and b.func.id == "where":
            condition, a, b = b.args
            lines.append(f"{self.tex(a)} & {self.tex(condition)}")
        lines.append(rf"{self.tex(b)} & \text{{otherwise}}")
        return r"\begin{cases} " + r" \\ ".join(lines) + r" \end{cases}", ATOM

    def sum(self, x):
        self.bound, before = "k", self.bound
        tex = rf"\sum_{{k}} {self.tex(x, PRODUCT)}"
        self.bound = before
        return tex, FUNCTION

    def log_of_sum(self, z):
        return rf"\log\,{self.sum(exponential(z))[0]}", FUNCTION

    def softmax(self, z):
        bound = self.index or "j"
        return rf"\frac{{e^{{{word(f'{z.id}_{bound}')}}}}}{{{self.sum(exponential(z))[0]}}}", POWER

    def pick(self, z, target):
        inner = f"{z.id}_{{{self.tex(target)}}}" if isinstance(z, ast.Name) else f"{self.tex(z, ATOM)}_{{{self.tex(target)}}}"
        return inner, ATOM

    def onehot(self, target):
        return rf"[j = {self.tex(target)}]", ATOM

    def column(self, x):
        return self.visit(x)

    def max_k(self, x):
        return rf"\max_{{k}}\,{parenthesised(self.tex(x))}", POWER


WITHOUT_PARENTHESES = {rf"\{name}" for name in ("cos", "cosh", "log", "sin", "sinh", "tanh")}  # before a single symbol
UPRIGHT = {tex[1:]: tex for tex in sorted(WITHOUT_PARENTHESES)}
UPRIGHT |= {"erf": r"\text{erf}", "erfc": r"\text{erfc}", "sign": r"\text{sign}", "sigmoid": r"\sigma"}
OWN = ("exp", "expm1", "log1p", "square", "sqrt", "abs", "maximum", "minimum", "clip", "logaddexp", "where", "sum", "softmax")
RULES = {name: getattr(Formula, name) for name in (*OWN, "pick", "onehot", "column", "max_k")} | {"logsumexp": Formula.log_of_sum}


def latex(formula, index=None):
    """The formula as LaTeX. index: of a formula for one entry of a row z, that entry's."""
    side_by_side = re.sub(r"(?<=\w) (?=\w)", " @ ", formula) if formula.startswith("max_k") else formula
    return Formula(index).visit(ast.parse(side_by_side, mode="eval"))[0]
