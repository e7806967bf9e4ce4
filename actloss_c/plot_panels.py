"""Draws a panel of plot_data.py or a surface of plot_surfaces.py on a matplotlib Axes, for every eye and for print.

Okabe and Ito's colours, each with dashes of its own; surfaces in one hue, light enough for black lines and numbers on it.
"""

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from matplotlib.tri import Triangulation

from .plot_data import Panel, number
from .plot_surfaces import CORNERS

STYLES = {
    "value": {"color": "#0072B2", "lw": 2.0, "ls": "-", "zorder": 4},
    "grad": {"color": "#D55E00", "lw": 1.6, "ls": (0, (5, 1.6)), "zorder": 3},
    "piece": {"color": "0.55", "lw": 0.9, "ls": (0, (1, 1.5)), "zorder": 2},
    0: {"color": "#0072B2", "lw": 1.8, "ls": "-", "zorder": 3},
    1: {"color": "#D55E00", "lw": 1.8, "ls": (0, (5, 1.6)), "zorder": 4},
    2: {"color": "#009E73", "lw": 1.8, "ls": (0, (1, 1)), "zorder": 5},
    3: {"color": "#CC79A7", "lw": 1.8, "ls": (0, (6, 1.5, 1, 1.5)), "zorder": 6},
}
TARGET_STYLES = 4
SHADE = "0.92"
HUES = LinearSegmentedColormap.from_list("actloss_c", ("#f3f9fd", "#c3dff2", "#6fb7e3"))
PLACES, FAR = (0.94, 0.06, 0.5, 0.75, 0.25), 0.12  # for a word, and what is far enough from a curve
LEVELS = 7  # of a surface
ANCHORS = np.array([[0.4, 0.2], [0.45, 0.7], [0.85, 0.65]])  # shares of a surface's axes that the lines' heights are near
STEEP = 8  # a surface whose largest height is so many times the median has levels 1, 3, 10, 30 …


def style(key):
    return STYLES[key if key in STYLES else key % TARGET_STYLES]


def draw(axes, panel, *, small=False):
    """Draws; returns the handles for a legend. `small` leaves out words: for a picture of many."""
    if isinstance(panel, Panel):
        return draw_curves(axes, panel, small)
    return draw_surface(axes, panel, small)


# --- curves -----------------------------------------------------------------------------------------------------------------


def mark(axes, curve, scale):
    """A filled point at each kink, with the curve's own value; open ones at the limits of a jump."""
    colour, above = style(curve.key)["color"], {"zorder": 9, "ls": "none", "marker": "o", "ms": 5 * scale, "mew": 1.1 * scale}
    for kink in curve.kinks:
        axes.plot([kink.x], [kink.at], color=colour, **above)
        for limit in (kink.before, kink.after):
            if kink.jumps and limit != kink.at:
                axes.plot([kink.x], [limit], mfc="white", mec=colour, **above)


def free_height(panel, band):
    """Where a word in the band is furthest from all curves, as a share of the axes' height; the highest of equal places."""
    bottom, top = panel.limits
    inside = [curve.y[(curve.x >= band.low) & (curve.x <= band.high)] for curve in panel.curves]
    taken = (np.concatenate(inside) - bottom) / (top - bottom)
    return max(PLACES, key=lambda place: min(FAR, np.abs(taken - place).min(initial=1.0)))


def draw_curves(axes, panel, small):
    scale = 0.6 if small else 1.0
    handles = {}
    for band in panel.bands:
        if band.shaded:
            axes.axvspan(band.low, band.high, color=SHADE, lw=0, zorder=0)
    axes.axhline(0, color="0.7", lw=0.7 * scale, ls="-", marker="none", zorder=1)
    for curve in panel.curves:
        look = {**style(curve.key), "lw": style(curve.key)["lw"] * scale, "marker": "none"}
        for x, y in curve.segments():
            axes.plot(x, y, **look)
        mark(axes, curve, scale)
        handles.setdefault(curve.label, Line2D([], [], label=curve.label, **look))
    axes.set_xlim(min(c.x[0] for c in panel.curves), max(c.x[-1] for c in panel.curves))
    axes.set_ylim(*panel.limits)
    if small:
        return []
    for band in () if panel.band_label else panel.bands:
        place = {"transform": axes.get_xaxis_transform(), "ha": "center", "va": "center", "size": 8, "color": "0.35"}
        axes.text((band.low + band.high) / 2, free_height(panel, band), band.text, **place)
    axes.set_xlabel(panel.xlabel, fontsize=9)
    handles = list(handles.values())
    if panel.band_label:
        handles.append(Patch(fc=SHADE, ec="0.7", lw=0.6, label=panel.band_label))
    if panel.kink_label:
        key = "grad" if panel.curves[0].key in ("value", "piece") else None
        colour = style(key)["color"] if key else "0.2"
        handles += [Line2D([], [], color=colour, ls="none", marker="o", ms=5, label=t) for t in panel.kink_label.split("\n")]
    return handles


# --- surfaces ---------------------------------------------------------------------------------------------------------------


def levels(heights):
    """Round heights for contour lines, none if there is but one height: evenly spaced, or 1, 3, 10, 30 … where it is steep."""
    low, high = float(heights.min()), float(heights.max())
    size = np.abs(heights)
    if low == high:
        return np.empty(0)
    if low * high > 0 and size.max() > STEEP * np.median(size) and 30 < size.max() / size.min() < 1e4:
        first, last = np.floor(np.log10([size.min(), size.max()])).astype(int)
        steps = np.outer(10.0 ** np.arange(first, last + 1), [1, 3]).ravel()
        inside = steps[(steps > size.min()) & (steps < size.max())]
        found = np.sort(np.sign(high) * inside)
    else:
        found = MaxNLocator(LEVELS, steps=[1, 2, 5, 10]).tick_values(low, high)
        found = found[(found > low) & (found < high)]
    return found


def label(axes, drawn):
    """A height beside each line, well inside the picture; neighbours bear theirs in different places, as they may be close."""
    lower, upper = np.transpose([axes.get_xlim(), axes.get_ylim()])
    places = []
    for k, parts in enumerate(drawn.allsegs):
        points = np.concatenate([np.empty((0, 2)), *parts])
        shares = (points - lower) / (upper - lower)
        inside = (abs(shares - 0.5) < 0.42).all(axis=1)
        if inside.any():
            apart = np.hypot(*(shares[inside] - ANCHORS[k % len(ANCHORS)]).T)
            places.append(points[inside][np.argmin(apart)])
    for text in axes.clabel(drawn, fontsize=7, fmt=number, colors="black", inline=False, manual=places) if places else ():
        text.set_path_effects([withStroke(linewidth=2.2, foreground="white", alpha=0.8)])


def draw_surface(axes, surface, small):
    """Filled between contour lines, which bear their heights."""
    triangles, lines = Triangulation(surface.x, surface.y), levels(surface.heights)
    below, above = surface.heights.min() - 1, surface.heights.max() + 1
    colours = HUES(np.linspace(0, 1, lines.size + 1))
    axes.tricontourf(triangles, surface.heights, [below, *lines, above], colors=colours, zorder=0)
    axes.set_aspect("equal")
    if lines.size:
        look = {"colors": "0.25", "linewidths": 0.5 if small else 0.8, "linestyles": "solid"}
        drawn = axes.tricontour(triangles, surface.heights, lines, **look)
        if not small:
            label(axes, drawn)
    elif not small:
        axes.text(surface.x.mean(), surface.y.mean(), number(surface.heights[0]), ha="center", va="center", size=9)
    if surface.arrows and np.any(surface.arrows[2:]):  # else their scale would be a division by 0
        axes.quiver(*surface.arrows, color="#D55E00", width=0.006, pivot="mid", zorder=3)
    if surface.is_simplex:
        draw_corners(axes, surface, small)
    elif not small:
        axes.set_xlabel(surface.labels[0], fontsize=9)
        axes.set_ylabel(surface.labels[1], fontsize=9)
    return []


def draw_corners(axes, surface, small):
    """The simplex's sides and names of its corners instead of axes."""
    axes.plot(*CORNERS[[0, 1, 2, 0]].T, color="0.2", lw=0.6 if small else 1.0, ls="-", marker="none")
    axes.set_axis_off()
    if small:
        return
    axes.set_xlim(-0.08, 1.08)
    axes.set_ylim(-0.1, 0.97)
    places = (("left", -12), ("right", -12), ("center", 4))
    for corner, label, (ha, up) in zip(CORNERS, surface.labels, places, strict=True):
        axes.annotate(label, corner, (0, up), textcoords="offset points", ha=ha, size=9)
