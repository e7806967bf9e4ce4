"""The two figures of `actloss_c bench --peers`, for every eye: Okabe and Ito's colours with markers, and blue against orange."""

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from .bench_report import by_setting, label, setting, size_as_text, three_digits
from .bench_sides import OURS

# Dark orange for a peer that is twice as fast, white for a draw, dark blue for a peer that takes eight times as long.
COLOURS = LinearSegmentedColormap.from_list("ratio", ("#8c3800", "#e69040", "#ffffff", "#6aaedc", "#084a85"), bad="0.9")
SLOWEST, FASTEST = np.log2(0.5), np.log2(8)
LINES = {  # side: colour, marker
    OURS: ("#000000", "o"),
    "NumPy": ("#0072B2", "s"),
    "NumPy as typed": ("#56B4E9", "D"),
    "SciPy": ("#009E73", "^"),
    "numexpr": ("#CC79A7", "v"),
    "numba": ("#D55E00", "P"),
    "PyTorch": ("#E69F00", "X"),
    "torch.compile": ("#8a6d00", "<"),
    "JAX": ("#7A3E9D", ">"),
    "scikit-learn": ("#777777", "*"),
}
OTHER = ("#777777", ".")
LIMIT = {"color": "0.35", "ls": (0, (4, 2)), "lw": 1.4}
COLUMNS = 4  # of panels of the roofline


def save(figure, path):
    """Without pyplot: no window, no state of the process."""
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110, bbox_inches="tight", pad_inches=0.1)  # constrained, the colour bar's label touches the edge


# --- ratios -----------------------------------------------------------------------------------------------------------------


def heat_panel(axes, functions, names, sizes):
    """A cell per function and size. A peer that is faster has an orange cell with a frame and a bold number."""
    ratios = np.full((len(names), len(sizes)), np.nan)
    for (k, name), (m, size) in ((a, b) for a in enumerate(names) for b in enumerate(sizes)):
        result = functions.get(name, {}).get(size)
        ratios[k, m] = result.ratio if result else np.nan
    heat = np.clip(np.log2(ratios), SLOWEST, FASTEST)
    image = axes.imshow(heat, cmap=COLOURS, norm=TwoSlopeNorm(0, SLOWEST, FASTEST), aspect="auto")
    for (k, m), ratio in np.ndenumerate(ratios):
        if np.isfinite(ratio):
            dark = ratio < 2**-0.75 or ratio > 4
            weight = {"weight": "bold"} if ratio < 1 else {}
            axes.text(m, k, three_digits(ratio), ha="center", va="center", size=7.5, color="white" if dark else "black", **weight)
        if ratio < 1:
            axes.add_patch(Rectangle((m - 0.47, k - 0.47), 0.94, 0.94, fill=False, ec="black", lw=1.3))
    axes.set_xticks(range(len(sizes)), [size_as_text(size) for size in sizes], size=8)
    axes.set_xlabel("elements", size=8)
    axes.set_yticks(range(len(names)), names, size=8)
    axes.tick_params(length=0)
    return image


def ratios(results, title):
    """A panel for each setting: the settings of a dtype and number of threads side by side."""
    panels = by_setting(results)
    names = list(dict.fromkeys(label(r.cell) for r in results))
    sizes = sorted({r.cell.size for r in results})
    groups = {}
    for r in results:
        groups.setdefault((r.cell.dtype, r.cell.threads), dict.fromkeys([]))[setting(r.cell)] = None
    columns = max(map(len, groups.values()))
    width = 2.9 + columns * max(2.6, 0.42 * len(sizes))
    figure = Figure(figsize=(max(width, 7.5), 1.3 + len(groups) * (0.7 + max(0.21 * len(names), 0.9))), layout="constrained")
    grid = figure.subplots(len(groups), columns, squeeze=False, sharey=True)
    for line, found in zip(grid, groups.values(), strict=True):
        for axes, its in zip(line, [*found, *[None] * (columns - len(found))], strict=True):
            if its is None:
                axes.axis("off")
                continue
            image = heat_panel(axes, panels[its], names, sizes)
            words = its.split(", ")
            axes.set_title(", ".join(words[:2]) + "\n" + ", ".join(words[2:]), size=9)
    bar = figure.colorbar(image, ax=grid, location="bottom", shrink=min(0.5, 6 / width), aspect=40, pad=0.03)
    bar.set_ticks([-1, 0, 1, 2, 3], labels=["½ or less", "1", "2", "4", "8 or more"])
    bar.set_label("framed, orange: the best peer is faster        blue: this package is", size=9)
    figure.suptitle(f"Time of the best peer over that of actloss_c\n{title}", size=11)
    return figure


# --- roofline ---------------------------------------------------------------------------------------------------------------


def roof_panel(axes, name, found):
    """Nanoseconds an element over size, a line per side, above the limit."""
    sizes = sorted(found)
    axes.plot(sizes, [found[n].limit / n * 1e9 for n in sizes], **LIMIT, zorder=2)
    for side in dict.fromkeys(side for r in found.values() for side in r.seconds):
        colour, marker = LINES.get(side, OTHER)
        points = [(n, found[n].seconds[side] / n * 1e9) for n in sizes if side in found[n].seconds]
        ours = side == OURS
        style = {"lw": 2.2 if ours else 1.1, "ms": 5.5 if ours else 4.5, "zorder": 4 if ours else 3}
        axes.plot(*zip(*points, strict=True), color=colour, marker=marker, **style)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(sizes, [size_as_text(n) for n in sizes], size=8)
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(matplotlib.ticker.FuncFormatter(lambda ns, _: f"{ns:g}"))
    axes.tick_params(axis="y", labelsize=8)
    axes.grid(color="0.9", lw=0.7)
    axes.set_title(name, size=10)


def roofline(results, title):
    """A panel per function, all in the first setting of the results."""
    first = setting(results[0].cell)
    panels = by_setting(results)[first]
    sides = list(dict.fromkeys(side for found in panels.values() for r in found.values() for side in r.seconds))
    columns = min(COLUMNS, len(panels))
    lines = -(-len(panels) // columns)
    width, height = max(7.5, 3.4 * columns), 1.6 + 2.7 * lines
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes, (name, found) in zip(grid.flat, panels.items(), strict=False):
        roof_panel(axes, name, found)
    for axes in grid.flat[len(panels) :]:
        axes.axis("off")
    for axes in grid[:, 0]:
        axes.set_ylabel("ns per element", size=9)
    styles = {side: LINES.get(side, OTHER) for side in sides}
    handles = [Line2D([], [], color=c, marker=m, lw=2.2 if side == OURS else 1.1, label=side) for side, (c, m) in styles.items()]
    handles.append(Line2D([], [], label="the same bytes merely copied", **LIMIT))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=min(len(handles), int(width / 1.7)), frameon=False, fontsize=9
    )
    figure.suptitle(f"Time per element by size: {first}\n{title}", size=11)
    return figure


def draw(results, folder, title):
    """Writes ratios.png and roofline.png."""
    for name, figure in (("ratios", ratios(results, title)), ("roofline", roofline(results, title))):
        save(figure, folder / f"{name}.png")
