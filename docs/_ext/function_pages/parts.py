"""The parts of a function's page, as Markdown for MyST: from its registry entry and its public object."""

import inspect
import re

import actloss_c
from actloss_c import registry
from actloss_c.entries import DOMAINS, ActivationEntry, LinearLossEntry, LossEntry, MaxoutEntry, PairLossEntry, RowEntry

from . import docstrings, examples
from .docstrings import escaped
from .latex import latex, word
from .markdown import described, fenced, number, table

# --- formulas ----------------------------------------------------------------------------------------------------------------


def terms_in(entry, *texts):
    """Names of the entry's terms that stand in the texts, or in a term that does."""
    found = entry.terms.keys() & re.findall(r"\w+", " ".join(texts))
    more = [entry.terms[name] for name in sorted(found)]
    return found if set(more) <= set(texts) else terms_in(entry, *texts, *more)


def written(entry):
    """What stands among the formulas of a loss over pairs."""
    return entry.formula, entry.gradient, entry.hessian


def formulas(entry):
    """[(left side, right side)] of the formulas on a page, the function's own first, all as LaTeX."""
    formula = getattr(entry, "written", entry.formula)
    if isinstance(entry, PairLossEntry):
        by = word(entry.variable)
        shown = [("L", latex(formula)), (rf"\frac{{\partial L}}{{\partial {by}}}", latex(entry.gradient))]
        shown.append((rf"\frac{{\partial^{{2}} L}}{{\partial {by}^{{2}}}}", latex(entry.hessian)))
        return shown + [
            (word(name), latex(term)) for name, term in entry.terms.items() if name in terms_in(entry, *written(entry))
        ]
    if isinstance(entry, LossEntry | LinearLossEntry):
        return [("L", latex(formula))]
    if isinstance(entry, RowEntry):
        name = word(entry.name)
        return [(f"{name}(z)", latex(formula)) if entry.reduces else (f"{name}(z)_{{j}}", latex(formula, "j"))]
    if isinstance(entry, ActivationEntry):
        return [("f(x)", latex(formula))]
    return [("y", latex(formula))]


def formula_part(entry):
    return "\n\n".join(fenced("math", f"{left} = {right}") for left, right in formulas(entry))


def picture(entry):
    """The function's picture; one of several panels scrolls where there is no room for it."""
    panels = "one" if isinstance(entry, ActivationEntry | MaxoutEntry) else "several"
    image = fenced(f"image pictures/{entry.name}.svg", f":alt: {entry.name} and its derivatives")
    return fenced(f"container picture {panels}", image, "`````")


# --- calls -------------------------------------------------------------------------------------------------------------------


def signature(f, method):
    """A method's signature, with the function's own parameters where it takes any."""
    given = inspect.signature(method).parameters.values()
    if all(p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in given):
        return inspect.signature(method)
    own = [p for p in inspect.signature(f).parameters.values() if p.name in getattr(f, "options", getattr(f, "params", {}))]
    fixed = [p for p in given if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    return inspect.Signature(sorted((*fixed, *own), key=lambda p: p.kind))


BOTH = r"^Gradient .*; both by (.*?)(, with|\.)$"  # of a loss over pairs, which no formula says


def call_part(f):
    """The function's signature and docstring, less what has a part of its own."""
    own = {"methods", "properties", "bound", "source"}
    first, *parts = docstrings.blocks(f.__doc__)
    parts = [p for p in parts if p.kind not in own and not p.text.startswith(ON_BOUNDS)]
    tail = first.text.partition(f" = {getattr(registry.FUNCTIONS[f.name], 'written', f.formula)}, ")[2]
    parts[:0] = [first._replace(text=f"{tail[0].upper()}{tail[1:]}.")] if tail else []
    if isinstance(registry.FUNCTIONS[f.name], PairLossEntry):  # whose derivatives and terms are set as formulas
        parts = [p._replace(text=re.sub(BOTH, r"Both derivatives are by \1.", p.text)) for p in parts if p.kind != "lines"]
    return described("function", f"{f.name}{inspect.signature(f)}", docstrings.markdown(parts))


def methods(f):
    return [name for name in dir(type(f)) if not name.startswith("_") and callable(getattr(f, name))]


def method_part(f):
    shown = [escaped(p.text.partition(": ")[2]) for p in docstrings.blocks(f.__doc__) if p.kind == "methods"]
    for name in methods(f):
        method = getattr(f, name)
        text = docstrings.markdown(docstrings.blocks(method.__doc__))
        shown.append(described("method", f"{f.name}.{name}{signature(f, method)}", text))
    return "\n\n".join(shown)


# --- properties, bounds, limits ----------------------------------------------------------------------------------------------


def yes(value):
    return "yes" if value else "no"


def extent(entry):
    return "\N{NO-BREAK SPACE}…\N{NO-BREAK SPACE}".join(map(number, entry.range))


def smooth(f):
    """Whether f' has no jumps, and if not, unless what."""
    return "yes" if f.differentiable is True else f"no, unless `{f.differentiable}`" if f.differentiable else "no"


def properties(entry):
    """[(name, Markdown)] of what is known of a function beside its formula."""
    f = getattr(actloss_c, entry.name)
    known = [("Range", extent(entry))] if hasattr(entry, "range") else []
    if isinstance(entry, ActivationEntry):
        known += [
            ("Bounded", yes(f.bounded)),
            ("Monotone", yes(f.monotone) + (" (for parameters ≥ 0)" if entry.params and f.monotone else "")),
            ("Differentiable everywhere", smooth(f)),
            ("Kinks", ", ".join(f"x = {number(x)}" for x in f.kinks) or "none"),
            ("Saturation on the left", f.saturation["left"] or "none"),
            ("Saturation on the right", f.saturation["right"] or "none"),
            ("Zero-centred", yes(f.zero_centred)),
        ]
        return known
    if isinstance(entry, PairLossEntry):
        known += [(f"Prediction {entry.variable}", domain(entry.prediction)), ("Target", domain(entry.target))]
        if entry.optimum:
            known.append(("The gradient is 0 at", f"{{math}}`{word(entry.variable)} = {latex(entry.optimum)}`"))
    if hasattr(entry, "convex"):
        known.append(("Convex", yes(entry.convex)))
    for name in ("gradient", "hessian", "backward"):
        if hasattr(entry, name) and not isinstance(entry, PairLossEntry):
            known.append((name.capitalize(), escaped(getattr(entry, name))))
    if isinstance(entry, RowEntry):
        known.append(("A masked entry gives", number(entry.hidden)))
    if hasattr(entry, "soft"):
        known.append(("Target", "labels, or a distribution" if entry.soft else "labels"))
    return known


def domain(name):
    return f"must {DOMAINS[name][0]}" if name else "any number"


def kinds_of_bounds(entry):
    """What an entry's bounds are of, in order."""
    if isinstance(entry, LossEntry | PairLossEntry):
        return ("loss", "gradient", "Hessian")
    return ("value", "backward" if isinstance(entry, RowEntry) else "derivative")


ON_BOUNDS = ("Here ", "No bound", "Error: ")  # how a docstring's sentences about its bounds begin
WITH_FMA = "with FMA: `x86_v3`, `x86_v4`, arm64"
WITHOUT_FMA = "`baseline` of x86-64, without FMA"


def bound_part(entry):
    """The error bounds of every level and type, and what their unit is."""
    f = getattr(actloss_c, entry.name)
    parts = docstrings.blocks(f.__doc__)
    words = [escaped(p.text) for p in parts if p.text.startswith(ON_BOUNDS)]
    if entry.ulp is None:
        return "\n\n".join(words)
    (bound,) = (p.text for p in parts if p.kind == "bound")
    sentence, _, lines = bound.partition(":\n")
    rows = []
    for line in lines.splitlines():
        dtype, _, bounds = line.strip().partition(": ")
        rows.append([WITH_FMA, dtype, *re.findall(r"≤ (\S+) ULP", bounds)])
    rows += [[WITHOUT_FMA, dtype, *map(number, bounds)] for dtype, bounds in entry.ulp_baseline.items()]
    unit = (
        f"{sentence.replace(' (all levels with FMA)', '')}: in units in the last place (ULP) of the exact result, subnormal "
        "results included. The tests check every level against them, over all exponents."
    )
    return "\n\n".join([escaped(unit), *words, *scale_part(entry), table(["level", "type", *kinds_of_bounds(entry)], rows)])


def scale_part(entry):
    """What cancels, where it does: the unit is then the last place of that."""
    if not isinstance(entry, PairLossEntry):
        return []
    scales = zip(kinds_of_bounds(entry), entry.scale, strict=True)
    text = [f"For the {what} the unit is the last place of {{math}}`{latex(scale)}`." for what, scale in scales if scale]
    hidden = terms_in(entry, *filter(None, entry.scale)) - terms_in(entry, *written(entry))
    return text + [f"Here {{math}}`{word(name)} = {latex(term)}`." for name, term in entry.terms.items() if name in hidden]


def limit_part(entry, limits_page):
    """Results at the ends of the number range: for an activation from docs/limits.md, else computed."""
    if isinstance(entry, ActivationEntry):
        section = re.search(rf"^## {entry.name}\n\n`.*\n\n((?:.|\n)*?)(?=^## |\Z)", limits_page, flags=re.MULTILINE)
        return f"{section[1].strip()}\n\nNames of numbers as in [limits and kinks](../limits.md)."
    found = examples.ends(entry)
    if found is None:
        return f"Those of the products, and of [{entry.file}]({entry.file}.md) for their results."
    headings, rows = found
    return f"Results of float64, computed with this page.\n\n{table(headings, rows)}"
