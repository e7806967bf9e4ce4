"""The pictures' common parts: one colour, marker and dash per activation, means with their intervals, pictures without state.

Colours are Okabe and Ito's (Color Universal Design, 2008); no two activations share colour, marker and dash.
"""

import io

import numpy as np

from .statistics import interval

DPI, COLOURS = 180, 96
INCHES = 4.4, 3.4  # of a panel: as wide as a phone, so that words keep their size there
STYLES = {
    "sigmoid": ("#D55E00", "o", "-"),
    "centred sigmoid": ("#E69F00", "D", (0, (3, 1))),
    "tanh": ("#0072B2", "s", "-"),
    "softsign": ("#56B4E9", "p", (0, (3, 1))),
    "relu": ("#000000", "^", "-"),
    "leaky_relu": ("#777777", "v", (0, (5, 1.5))),
    "prelu": ("#CC79A7", "P", (0, (4, 1, 1, 1))),
    "elu": ("#009E73", "X", "-"),
    "maxout": ("#7A3E9D", "*", (0, (1, 1))),
    "none": ("#A08000", "h", (0, (2, 2))),
}
OTHERS = [
    ("#0072B2", "o", "-"),
    ("#D55E00", "s", (0, (4, 1.2))),
    ("#009E73", "^", (0, (1, 1))),
    ("#CC79A7", "D", (0, (4, 1, 1, 1))),
]
OTHERS += [("#000000", "v", "-"), ("#E69F00", "P", (0, (5, 2)))]
SETTINGS = {"font.size": 9, "axes.titlesize": 9.5, "legend.fontsize": 8}


def style(name, k=0):
    """Keywords for plot(): of an activation, or the k-th of others."""
    colour, marker, dash = STYLES.get(name) or OTHERS[k % len(OTHERS)]
    return {"color": colour, "marker": marker, "ls": dash, "ms": 4.5, "lw": 1.4, "label": name}


def curve(axes, x, values, name, k=0, *, log=False, label=None):
    """The mean over seeds at each x, with its 95 % interval; values: (seeds, len(x)), with `log` log10 of what is drawn."""
    found = np.array([interval(column)[:3] for column in np.asarray(values, float).T])
    mean, low, high = (10**found if log else found).T
    keywords = style(name, k)
    keywords["label"] = label or name
    if len(x) > 12:
        keywords["markevery"] = max(1, len(x) // 6)
    axes.plot(x, mean, **keywords)
    fine = np.isfinite(low) & np.isfinite(high)
    axes.fill_between(x, low, high, where=fine, color=keywords["color"], alpha=0.13, lw=0)


def dots(axes, rows, *, unit="", ratio=False, reference=0.0):
    """A row for each (label, values): the mean as a point and its 95 % interval as a bar; a line at `reference`."""
    for k, (_, values) in enumerate(rows):
        found = np.array(interval(values)[:3])
        mean, low, high = 10**found if ratio else found
        colour = OTHERS[0][0]
        if np.isfinite([low, high]).all():
            axes.plot([low, high], [k, k], color=colour, lw=2.2, solid_capstyle="butt")
        axes.plot([mean], [k], "o", color=colour, ms=5)
    axes.axvline(10**reference if ratio else reference, color="0.4", lw=1, ls=(0, (4, 2)))
    axes.set_yticks(range(len(rows)), [label for label, _ in rows], size=8)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", color="0.92")
    axes.set_xlabel(unit)
    if ratio:
        axes.set_xscale("log")


def figure(panel):
    """The Figure of a Panel; its legend stands below the axes, where it hides nothing."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(SETTINGS):
        made = Figure(figsize=INCHES, layout="constrained")
        axes = made.subplots()
        axes.spines[["top", "right"]].set_visible(False)
        panel.draw(axes)
        made.suptitle(panel.title, x=0.01, ha="left", fontsize=SETTINGS["axes.titlesize"])
        for axis in (axes.xaxis, axes.yaxis):
            if axis.get_scale() == "log":
                _number(axis)
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            longest = max(map(len, labels))
            columns = 4 if longest <= 10 else 3 if longest <= 16 else 2 if longest <= 28 else 1
            made.legend(handles, labels, loc="outside lower center", ncols=min(columns, len(labels)), frameon=False)
    return made


def _number(axis):
    """Numbers along a logarithmic axis that do not crowd: 1, 2 and 5 of each decade where there are few, else powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    if axis.get_transform().base == 10 and np.log10(high / low) < 2.5:
        axis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    elif axis.get_transform().base != 10:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def png(panel):
    """The panel as bytes of PNG, in few colours: a fifth of SVG's bytes, and the same for the same numbers."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image  # matplotlib brings it along

    made, file = figure(panel), io.BytesIO()
    canvas = FigureCanvasAgg(made)
    made.set_dpi(DPI)
    canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
    pixels.quantize(COLOURS).save(file, "png", optimize=True)
    return file.getvalue()
