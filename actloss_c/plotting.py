"""Pictures of the functions, from their registry entries: `al.plot` and what the command `actloss_c plot` writes.

plot_data.py and plot_surfaces.py say what there is to see, plot_panels.py draws it; matplotlib is imported at the first picture.
"""

import difflib
import importlib
import inspect
import re
import textwrap
from typing import NamedTuple

import numpy as np

from . import _build, plot_data, plot_surfaces, registry
from ._named import Named
from .entries import ActivationEntry, LinearLossEntry, LossEntry, MaxoutEntry, PairLossEntry, RowEntry


class Kind(NamedTuple):
    """How functions of one kind are drawn."""

    panels: object  # (f, entry, params, **options) → panels
    options: tuple[str, ...]  # of plot()
    words: str


KINDS = {
    ActivationEntry: Kind(plot_data.activation, ("span", "threshold"), "an activation"),
    PairLossEntry: Kind(plot_data.pair_loss, ("span", "targets"), "a loss over pairs"),
    LossEntry: Kind(plot_surfaces.loss, ("span", "over"), "a loss over rows"),
    RowEntry: Kind(plot_surfaces.rows, ("span", "over"), "a function of rows"),
    MaxoutEntry: Kind(plot_data.maxout, ("span",), "a maximum over pieces"),
    LinearLossEntry: Kind(plot_surfaces.linear_loss, ("span",), "a loss of linear maps"),
}
CHARACTERS = 15  # of a title, to an inch
LONG = 44  # of a legend's text: such a legend has one column
LINE = 0.18  # inches, of a heading or legend
COLUMNS = 8  # of the overview
WIDEST, NARROWEST = 1e30, 1e-6  # ends of a span, and its length, relative to them


def plot(f, ax=None, *, panel=None, span=None, threshold=None, targets=None, over=None, legend=True, **params):
    """Draws a function: its value f(x), its derivative f′(x) and, for a loss, its Hessian.

    An activation: f and f′, with filled points at its kinks, open ones at the limits of f′ there, and shaded where it has
    saturated. A loss over pairs: loss, gradient and Hessian over the prediction, a curve per target. A function of rows and its
    derivatives: contour lines over two of three logits, the third 0, or over the simplex; the target is class 0.
    maxout: pieces, their maximum and its derivative. Everything is computed in float64 by the function itself.

    Arguments
        f: a function of the package, such as al.sigmoid, or its name
        ax: an Axes with plain linear scales, for one panel; or a sequence of them, for all. Default None: a new Figure, unknown
            to pyplot
        panel: the panel to draw alone, default the first: "value", "grad" or "hess" for a loss, "value" or "grad" without a
            Hessian, "value" or "backward" for softmax and its like, "value_and_grad" for the others, which have but this
        span: (low, high) of x, of the prediction or of both logits; no units; default chosen to show what there is
        threshold: |f′| below which an activation counts as saturated, up to the end of the span; default 0.01
        targets: numbers, a curve each, for a loss over pairs; default two or three that its domain holds
        legend: whether there is one: below a Figure of its own, inside an ax, where it may take more room than there is
        over: "plane" or "simplex", for functions of rows; default the simplex for probabilities
        params: the function's own parameters or options, such as alpha=0.5; scalars, for activations and losses over pairs

    Returns the Figure, or ax if it was given; save with figure.savefig("sigmoid.png").

    Raises
        ImportError: matplotlib is not installed
        TypeError: f is no function of the package, ax no Axes; an option does not go with it; it has no such parameter
        ValueError: an unknown name, panel or place; a bad span, threshold, target or parameter, or nothing finite to draw;
            more or fewer axes than panels

    Source of the colours: Okabe and Ito, Color Universal Design, 2008.
    """
    f, entry = function_of(f)
    options = {"span": span, "threshold": threshold, "targets": targets, "over": over}
    panels = panels_of(f, entry, {name: value for name, value in options.items() if value is not None}, params)
    axes = None if ax is None else axes_of(ax)
    if panel is not None or (axes is not None and len(axes) == 1):
        panels = (chosen(panels, panel, entry.name),)
    if axes is None:
        return _figure(panels, title(f, entry, params), legend)
    if len(axes) != len(panels):
        names = ", ".join(p.name for p in panels)
        raise ValueError(f"ax holds {len(axes)} axes; {entry.name} has {len(panels)} panel(s) ({names}): give as many, or one")
    _panels = drawing()
    for axis, part in zip(axes, panels, strict=True):
        handles = _panels.draw(axis, part)
        axis.set_title(f"{entry.name}: {part.title}", fontsize=10)
        if handles and legend:
            axis.legend(handles=handles, fontsize=7.5)
    return ax


# --- arguments --------------------------------------------------------------------------------------------------------------


def function_of(f):
    """(public object, registry entry) of a function or its name."""
    if isinstance(f, str):
        if f not in registry.FUNCTIONS:
            close = difflib.get_close_matches(f, registry.FUNCTIONS, 3, 0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else f"they are {', '.join(registry.FUNCTIONS)}"
            raise ValueError(f"f={f!r} is not one of the package's functions; {hint}")
        return _build.functions()[f], registry.FUNCTIONS[f]
    if not isinstance(f, Named):
        raise TypeError(f"f={f!r} is not a function of this package; give one, such as al.sigmoid, or its name")
    return f, registry.FUNCTIONS[f.name]


def panels_of(f, entry, options, params):
    """What there is to draw, from checked arguments."""
    kind = KINDS[type(entry)]
    for name in options.keys() - set(kind.options):
        raise TypeError(f"{name}={options[name]!r}: {entry.name} is {kind.words}, whose picture takes {', '.join(kind.options)}")
    known = getattr(f, "params", getattr(f, "options", {}))
    for name in params.keys() - known.keys():
        raise TypeError(f"{entry.name} has no parameter {name!r}; it takes {', '.join(known) or 'none'}")
    if isinstance(entry, ActivationEntry | PairLossEntry):
        for name, value in params.items():
            if np.ndim(value):
                raise ValueError(f"{name} has shape {np.shape(value)}; a picture shows one value of it: give a scalar")
    checks = {"span": _span, "threshold": _threshold, "targets": _targets}
    return kind.panels(f, entry, params, **{k: checks.get(k, lambda v: v)(v) for k, v in options.items()})


def chosen(panels, name, function):
    """The panel of that name; the first for None."""
    for panel in panels:
        if name in (None, panel.name):
            return panel
    raise ValueError(f"panel={name!r}; {function} has {', '.join(p.name for p in panels)}")


def axes_of(ax):
    axes = np.asarray(ax, object).ravel().tolist()
    if not axes or not all(hasattr(axis, "tricontourf") for axis in axes):
        raise TypeError(f"ax={ax!r}; give a matplotlib Axes, or a sequence of them")
    for axis in axes:
        if axis.name != "rectilinear":
            raise ValueError(f"ax has the projection {axis.name!r}; it must be a plain Axes")
        for side in "xy":
            if (scale := getattr(axis, f"get_{side}scale")()) in ("log", "logit"):
                raise ValueError(
                    f"ax has the {side}scale {scale!r}, which cannot show 0: ax.set_{side}scale('linear'), or 'symlog'"
                )
    return axes


def _numbers(name, value, what):
    try:
        numbers = np.atleast_1d(np.asarray(value, float))
    except (TypeError, ValueError, OverflowError):
        numbers = None
    if numbers is None or numbers.ndim != 1 or not numbers.size or not np.isfinite(numbers).all():
        raise ValueError(f"{name}={value!r}; give {what}") from None
    return tuple(numbers.tolist())


def _span(value):
    """The span, between whose ends are many numbers, and whose sums and squares do not overflow as it is drawn."""
    what = f"two numbers from −{WIDEST:g} to {WIDEST:g}, the lower first, further apart than {NARROWEST:g} of their size"
    span = _numbers("span", value, what)
    size = max(map(abs, span))
    if len(span) != 2 or size > WIDEST or not span[1] - span[0] >= max(NARROWEST * size, 1 / WIDEST):
        raise ValueError(f"span={value!r}; give {what}")
    return span


def _targets(value):
    return _numbers("targets", value, "finite numbers, one for each curve")


def _threshold(value):
    (threshold, *more) = _numbers("threshold", value, "one number above 0")
    if more or threshold <= 0:
        raise ValueError(f"threshold={value!r}; give one number above 0")
    return threshold


# --- figures ----------------------------------------------------------------------------------------------------------------


def drawing(module="plot_panels", what="al.plot"):
    """A module that draws, which needs matplotlib."""
    try:
        return importlib.import_module(f".{module}", __package__)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing == "actloss_c":
            raise
        words = f'{what} needs {missing}, which is not installed: pip install "actloss_c[plot]"'
        raise ImportError(words, name=missing) from error


def title(f, entry, params):
    """The function's formula, what stands for its terms, and its parameters: those of the formula, and those that were given."""
    positional = [p.name for p in inspect.signature(f).parameters.values() if p.default is p.empty and p.kind != p.KEYWORD_ONLY]
    arguments = ", ".join([getattr(entry, "variable", positional[0]), *positional[1:]])
    parts = [f"{entry.name}({arguments}) = {getattr(entry, 'written', entry.formula)}"]
    if isinstance(entry, PairLossEntry):
        parts += [f"{name} = {term}" for name, term in entry.terms.items() if re.search(rf"\b{name}\b", entry.formula)]
    shown = {**getattr(f, "params", getattr(entry, "constants", {})), **params}
    return [*parts, *(f"{name} = {value}" for name, value in shown.items() if value is not None)]


def wrapped(parts, characters):
    """The parts in lines, each in one piece if it can be."""
    texts = (part + "," * (part is not parts[-1]) for part in parts)
    words = " ".join(text.replace(" ", "\N{NO-BREAK SPACE}") if len(text) <= characters else text for text in texts)
    lines = textwrap.wrap(words, characters, break_on_hyphens=False)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _figure(panels, words, legend):
    """A Figure of its own, which pyplot does not know: nothing to close."""
    _panels = drawing()
    from matplotlib.figure import Figure

    single = len(panels) == 1
    width = 5.6 if single else 3.1 * len(panels)
    heading = wrapped(words, int(width * CHARACTERS))
    figure = Figure(figsize=(width, 3.0), layout="constrained")
    labelled = {}
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels, strict=True):
        handles = _panels.draw(axes, panel)
        labelled |= {handle.get_label(): handle for handle in handles if legend}
        axes.tick_params(labelsize=8)
        axes.set_title("" if panel.name == "value_and_grad" else panel.title, fontsize=9.5)
    columns = 1 if max(map(len, labelled), default=0) > LONG else 2 if single else len(labelled)
    lines = len(heading) + (-(-len(labelled) // columns) if labelled else 0)
    figure.set_figheight((3.2 if single else 2.6) + LINE * lines)
    if labelled:
        place = {"loc": "outside lower center", "ncols": columns, "frameon": False, "fontsize": 8}
        figure.legend(handles=list(labelled.values()), **place)
    figure.suptitle("\n".join(heading), fontsize=9.5)
    return figure


def overview():
    """A Figure of all functions, small: the first panel of each."""
    _panels = drawing()
    from matplotlib.figure import Figure

    lines = -(-len(registry.FUNCTIONS) // COLUMNS)
    figure = Figure(figsize=(1.4 * COLUMNS, 1.4 * lines), layout="constrained")
    grid = figure.subplots(lines, COLUMNS).ravel()
    for axes, name in zip(grid, registry.FUNCTIONS, strict=False):
        f, entry = function_of(name)
        _panels.draw(axes, panels_of(f, entry, {}, {})[0], small=True)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_title(name, fontsize=6.5)
    for axes in grid[len(registry.FUNCTIONS) :]:
        axes.set_axis_off()
    return figure
