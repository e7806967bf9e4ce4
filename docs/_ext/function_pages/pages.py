"""The pages of functions, of their groups, and of all, as Markdown for MyST. Pictures are drawn apart."""

from typing import NamedTuple

import actloss_c
from actloss_c import registry
from actloss_c.entries import ActivationEntry

from . import examples, parts
from .docstrings import escaped
from .markdown import fenced, number, table


class Group(NamedTuple):
    """A page of functions of one kind."""

    page: str
    title: str
    words: str
    entries: tuple


GROUPS = (
    Group("activations", "Activations", "Functions of one number, elementwise, with their derivative f′.", registry.ACTIVATIONS),
    Group(
        "pair_losses",
        "Losses of pairs",
        "Losses of one prediction and its target, elementwise, reduced over all of them, with gradient and Hessian by the "
        "prediction: z is a logit or linear predictor, a the quantity itself.",
        registry.PAIR_LOSSES,
    ),
    Group(
        "row_losses",
        "Losses over rows",
        "Losses of a row of classes and its target, with gradient and the Hessian's diagonal: z are logits, a probabilities.",
        registry.LOSSES,
    ),
    Group("row_functions", "Functions of rows", "Functions of a row of logits, with the gradient's way back.", registry.ROWS),
    Group(
        "layers",
        "Layers",
        "Maximum over pieces, and what ends in matrix products.",
        (*registry.MAXOUT, *registry.LINEAR_LOSSES),
    ),
)


def group_of(entry):
    return next(group for group in GROUPS if entry in group.entries)


def function_page(entry, limits_page):
    """The page of one function: {title of a part: its Markdown} in order, the first one under the function's name."""
    f, group = getattr(actloss_c, entry.name), group_of(entry)
    return {
        entry.name: f"{{doc}}`{group.title} <{group.page}>`\n\n{parts.formula_part(entry)}\n\n{parts.picture(entry)}",
        "Call": parts.call_part(f),
        "Methods": parts.method_part(f),
        "Properties": table(("property", escaped(entry.name)), parts.properties(entry)),
        "Error bounds": parts.bound_part(entry),
        "Limits": parts.limit_part(entry, limits_page),
        "Example": f"```pycon\n{examples.example(entry)}\n```",
        "Source": f"{escaped(entry.paper)}.",
    }


def text_of(page):
    """A page of these parts, the first of which gives it its title."""
    titles = [f"# {escaped(next(iter(page)))}", *(f"## {title}" for title in list(page)[1:])]
    return "\n\n".join(f"{title}\n\n{text}" for title, text in zip(titles, page.values(), strict=True)) + "\n"


# --- tables of functions -----------------------------------------------------------------------------------------------------

OVERVIEW = "All functions, small: value blue, derivative dashed, kinks as points, saturated parts grey"
BOUNDS = """The bounds are those of value / derivative / Hessian on levels with FMA, in units in the last place of the exact
result; where terms cancel, see the function's page."""
HEADINGS = ("function", "formula", "range", "shape", "saturates, left / right", "≤ ULP")
SPACE = "\N{NO-BREAK SPACE}"


def bounds_cell(entry):
    if entry.ulp is None:
        return "that of the products"
    each = (f"{SPACE}/{SPACE}".join(map(number, bounds)) for bounds in dict.fromkeys(entry.ulp.values()))
    return ", ".join(each)


def shape_cells(entry):
    """(shape, saturation) of a function, as far as these words are said of its kind."""
    f = getattr(actloss_c, entry.name)
    if not isinstance(entry, ActivationEntry):
        return {True: "convex", False: "not convex", None: ""}[getattr(f, "convex", None)], ""
    facts = ["monotone" if f.monotone else "not monotone"]
    facts.append(f"kink at{SPACE}{', '.join(map(number, f.kinks))}" if f.kinks else "smooth")
    facts += ["zero-centred"] if f.zero_centred else []
    return ", ".join(facts), " / ".join(f.saturation[side] or "–" for side in ("left", "right"))


def comparison(group):
    """The table of a group, without columns that would be empty."""
    rows = [
        [
            f"[{entry.name}]({entry.name}.md)",
            f"{{math}}`{parts.formulas(entry)[0][1]}`",
            parts.extent(entry) if hasattr(entry, "range") else "",
            *shape_cells(entry),
            bounds_cell(entry),
        ]
        for entry in group.entries
    ]
    kept = [k for k in range(len(HEADINGS)) if any(row[k] for row in rows)]
    return table([HEADINGS[k] for k in kept], [[row[k] for k in kept] for row in rows])


def group_page(group):
    tree = fenced("toctree", "\n".join((":hidden:", "", *(entry.name for entry in group.entries))))
    return f"# {group.title}\n\n{group.words}\n\n{comparison(group)}\n\n{tree}\n"


def comparison_page():
    picture = fenced("container picture several", fenced("image pictures/overview.svg", f":alt: {OVERVIEW}"), "`````")
    tables = (f"## {group.title}\n\n{comparison(group)}" for group in GROUPS)
    return "\n\n".join(("# All functions", picture, BOUNDS, *tables)) + "\n"


def pages(limits_page):
    """{file name: text} of every page but that of the other names, which is api.page()."""
    found = {f"{entry.name}.md": text_of(function_page(entry, limits_page)) for entry in registry.ALL}
    found |= {f"{group.page}.md": group_page(group) for group in GROUPS}
    return found | {"index.md": comparison_page()}
