"""Pictures of a Diagnosis and of a GradientFlow, in the colours and with the dashes of plot_panels.py; needs matplotlib."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from . import _build
from .diagnosis_result import percent
from .plot_panels import SHADE, STYLES
from .plotting import axes_of

POINTS = 801  # at which saturation is looked for
DASHES = ("-", (0, (5, 1.6)), (0, (1, 1)), (0, (6, 1.5, 1, 1.5)))
MARKED = 40  # steps up to which each has a mark
NAMED = 12  # layers in a legend; of more, the first and the last


def draw_diagnosis(d, ax):
    """The histogram, shaded where f has saturated, with the figures above it."""
    figure = None
    if ax is None:
        figure = Figure(figsize=(5.6, 3.2), layout="constrained")
        ax = figure.subplots()
    (axes,) = _so_many(ax, 1)
    counts, edges = d.histogram
    axes.stairs(100 * counts / max(int(counts.sum()), 1), edges, fill=True, color=STYLES["value"]["color"], alpha=0.75, lw=0)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, axes.get_ylim()[1] * 1.16)  # room for words
    for side, where in _saturated(d).items():
        axes.fill_between(*where, color=SHADE, transform=axes.get_xaxis_transform(), lw=0, zorder=0, step="mid")
        share = percent(getattr(d, f"saturated_{side}"))
        place = {"left": 0.02, "right": 0.98}[side]
        look = {"transform": axes.transAxes, "ha": side, "va": "top", "size": 8, "color": "0.25"}
        axes.text(place, 0.97, f"{share} saturated,\n{d.saturation[side]}", **look)
    axes.set_xlabel("input z", fontsize=9)
    axes.set_ylabel("% of inputs", fontsize=9)
    axes.tick_params(labelsize=8)
    figures = (f"dead {percent(d.dead)}", f"mean {d.mean:.3g}", f"shift {d.shift:.2f}", f"mean |f′| {d.mean_abs_grad:.3g}")
    axes.set_title(f"{d.activation}: {', '.join(figures)}", fontsize=9.5)
    return figure or ax


def _saturated(d):
    """{side: x, bottom, top and where of fill_between} for sides that saturate; none if a parameter is an array."""
    if any(np.ndim(value) for value in d.params.values()):
        return {}
    x = np.linspace(d.histogram.edges[0], d.histogram.edges[-1], POINTS)
    small = np.abs(_build.functions()[d.activation].grad(x, **d.params)) < d.threshold
    sides = {"left": x <= 0, "right": x > 0}
    return {side: (x, 0, 1, small & of) for side, of in sides.items() if d.saturation[side]}


def draw_flow(flow, ax):
    """Gradient norms and saturated shares over the steps, a line per layer: dark ones are the first, light ones the last."""
    figure = None
    layers = [layer for layer in flow.layers if flow[layer]]
    if not layers:
        raise ValueError("GradientFlow.plot: nothing recorded yet; record() comes first")
    if ax is None:
        figure = Figure(figsize=(8, 3.2), layout="constrained")
        ax = figure.subplots(1, 2)
    gradients, saturations = _so_many(ax, 2)
    shades = colormaps["viridis"](np.linspace(0, 0.8, len(layers)))
    for k, layer in enumerate(layers):
        records = flow[layer]
        mark = "o" if len(records) <= MARKED else ""
        look = {"color": shades[k], "ls": DASHES[k % len(DASHES)], "lw": 1.5, "marker": mark, "ms": 3, "label": str(layer)}
        known = [(r.step, r.gradient_norm) for r in records if r.gradient_norm is not None and 0 < r.gradient_norm < np.inf]
        gradients.plot(*np.reshape(known, (-1, 2)).T, **look)
        saturations.plot([r.step for r in records], [100 * (r.saturated_left + r.saturated_right) for r in records], **look)
    if any(len(line.get_xdata()) for line in gradients.lines):
        gradients.set_yscale("log")
    else:
        gradients.text(0.5, 0.5, "no gradients above 0 recorded", transform=gradients.transAxes, ha="center", size=9)
    gradients.set_title("norm of the gradient", fontsize=9.5)
    saturations.set_title(f"saturated inputs, |f′| < {flow.threshold:g}, %", fontsize=9.5)
    saturations.set_ylim(-3, 103)
    for axes in (gradients, saturations):
        axes.set_xlabel("step", fontsize=9)
        axes.tick_params(which="both", labelsize=8)
        axes.grid(True, color="0.9", lw=0.6)
    handles = saturations.lines if len(layers) <= NAMED else [saturations.lines[0], saturations.lines[-1]]
    if figure:
        figure.legend(handles=handles, loc="outside right center", frameon=False, fontsize=8, title="layer", title_fontsize=8)
    else:
        saturations.legend(handles=handles, fontsize=7.5)
    return figure or ax


def _so_many(ax, count):
    axes = axes_of(ax)
    if len(axes) != count:
        raise ValueError(f"ax holds {len(axes)} axes; this picture takes {count}")
    return axes
