"""Draws what front.py measured: a panel per function, error in ULP over time per element."""

import front_build
import matplotlib.pyplot as plt
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, NullLocator

TOP = 5.2  # of the axis, in ULP
EDGE = 4.98  # where a larger error is drawn
SLOWEST = 5.0  # times the slowest step is the end of the axis of time
LINES = {1: "target of the value", 2: "bound of the value, target of the derivative", 4: "bound of the derivative"}
# Okabe and Ito's blue and vermilion differ for every eye, the markers also in grey.
STYLE = {"x86_v4": ("#0072B2", "o"), "x86_v3": ("#D55E00", "s")}
OTHER = ("#009E73", "D")
PEERS = {"NumPy": "^", "PyTorch": "v"}
TICKS = (0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.8, 1, 1.5, 2, 3, 4, 6)


def marker(axes, x, y, shape, colour, filled, size=5.5):
    axes.plot(x, y, ls="", marker=shape, ms=size, mfc=colour if filled else "white", mec=colour, mew=1.2, zorder=3)


def steps(axes, rows, colour, shape):
    """The steps of one level: values joined by a solid line, derivatives by a dotted one."""
    way = [row for label, row in rows.items() if label not in front_build.ASIDE]
    for kind, style in ((0, "-"), (1, ":")):
        axes.plot([row["ns"] for row in way], [row["ulp"][kind] for row in way], style, color=colour, lw=1, alpha=0.6, zorder=2)
    for label, row in rows.items():
        for kind in (0, 1):
            marker(axes, row["ns"], row["ulp"][kind], shape, colour, kind == 0)
            if label == front_build.SHIPPED:
                axes.plot(row["ns"], row["ulp"][kind], "o", ms=12, mfc="none", mec="black", mew=1.1, zorder=4)
    numbers(axes, list(rows.values()), colour)


def numbers(axes, rows, colour):
    """Each step's number below its lower marker; one text for those that would lie upon each other."""
    groups = []
    for k, row in enumerate(rows):
        text, x, y = str(k + 1), row["ns"], min(row["ulp"])
        if groups and abs(x / groups[-1][1] - 1) < 0.06 and abs(y - groups[-1][2]) < 0.25:
            before, _, lower = groups.pop()
            text, y = f"{before} {text}", min(y, lower)
        groups.append((text, x, y))
    for text, x, y in groups:
        below(axes, text, x, y, colour, fontsize=8)


def below(axes, text, x, y, colour, **options):
    place = {"xytext": (0, -7), "textcoords": "offset points", "ha": "center", "va": "top", "zorder": 5}
    axes.annotate(text, (x, y), color=colour, **place, **options)


def peer(axes, row, colour, shape, right):
    """A peer; what does not fit is drawn at the edge, with its number."""
    x, errors = min(row["ns"], right), [min(error, EDGE) for error in row["ulp"]]
    beyond = [f"{error:.0e}".replace("e+0", "e") for error in row["ulp"] if error > EDGE]
    axes.plot([x, x], errors, color=colour, lw=0.7, alpha=0.5, zorder=1.5)
    for kind in (1, 0):
        marker(axes, x, errors[kind], shape, colour, kind == 0)
    note = {"rotation": 90, "fontsize": 7.5, "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 0.6}}
    if beyond:
        below(axes, ", ".join(beyond), x, EDGE, colour, **note)
    if row["ns"] > right:
        below(axes, f"{row['ns']:.3g} ns", x, min(errors), colour, **note)


def panel(axes, title, by_level):
    """The points of all levels over the lines of the contract."""
    for ulp in LINES:
        axes.axhline(ulp, color="0.65", lw=0.9, ls=(0, (5, 3)), zorder=1)
    of_steps = [row["ns"] for rows in by_level.values() for label, row in rows.items() if label not in PEERS]
    low, right = min(of_steps) / 1.12, SLOWEST * max(of_steps)
    right = min(right, 1.06 * max(row["ns"] for rows in by_level.values() for row in rows.values()))
    for level, rows in by_level.items():
        colour, shape = STYLE.get(level, OTHER)
        steps(axes, {label: row for label, row in rows.items() if label not in PEERS}, colour, shape)
        for label, its_shape in PEERS.items():
            if label in rows:
                peer(axes, rows[label], colour, its_shape, right)
    axes.set_xscale("log")
    axes.set_xlim(low, right * 1.08)
    axes.set_xticks([t for t in TICKS if low <= t <= right], [f"{t:g}" for t in TICKS if low <= t <= right])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_ylim(0, TOP)
    axes.set_title(title, fontsize=11)
    axes.set_xlabel("ns per element")
    axes.set_ylabel("largest error, ULP")


def legend(axes, levels):
    """Its own cell of the grid."""
    axes.axis("off")
    grey = {"color": "0.3"}
    handles = []
    for level in levels:
        colour, shape = STYLE.get(level, OTHER)
        handles.append(Line2D([], [], lw=1, marker=shape, color=colour, label=f"steps on {level}, numbered as in the tables"))
    held = " (orange: held to AVX2)" if "x86_v3" in levels else ""
    handles += [Line2D([], [], ls="", marker=shape, label=name + held, **grey) for name, shape in PEERS.items()]
    handles += [
        Line2D([], [], lw=1, marker="o", label="filled: value", **grey),
        Line2D([], [], lw=1, ls=":", marker="o", mfc="white", mew=1.2, label="hollow: derivative", **grey),
        Line2D([], [], ls="", marker="o", ms=12, mfc="none", mec="black", label="ringed: the shipped kernel"),
        *(Line2D([], [], color="0.65", ls=(0, (5, 3)), label=f"{ulp} ULP: {text}") for ulp, text in LINES.items()),
        Line2D([], [], ls="", label="at an edge: beyond it, by the number beside it"),
    ]
    axes.legend(handles=handles, loc="center", fontsize=9.5, frameon=False, labelspacing=0.9)


def draw(results, titles, path):
    """Writes the chart; results as of front.measure, by level."""
    rows = (len(titles) + 2) // 2
    figure, grid = plt.subplots(rows, 2, figsize=(11, 3.9 * rows), squeeze=False, layout="constrained")
    cells = list(grid.flat)
    for axes, title in zip(cells, titles, strict=False):
        panel(axes, title, {level: result[title] for level, result in results.items()})
    for axes in cells[len(titles) :]:
        axes.axis("off")
    legend(cells[len(titles)], results)
    figure.suptitle("Error against time: float32, value and derivative together, 16 k elements in cache", fontsize=12)
    figure.savefig(path, dpi=130)
    plt.close(figure)
