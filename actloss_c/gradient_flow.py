"""`al.GradientFlow`: what al.diagnose finds in every layer, and the layer's gradient, over the steps of a training."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from . import diagnosis
from ._arrays import QUIET, as_array
from .diagnosis_result import SHARES, SIZES, jsonable, percent

COLUMNS = ("step", "sat left", "sat right", "dead", "shift", "mean |f'|", "gradient", "of last")
WIDTHS = (6, 8, 9, 7, 6, 9, 9, 8)
NAME = 9  # characters of a layer's name, at least
WIDEST = 80 - sum(WIDTHS) - len(WIDTHS)  # and at most


class Record(NamedTuple):
    """A layer at one step: figures of its Diagnosis, L2 norm and √(mean of squares) of its gradient, None without one."""

    step: int | float
    saturated_left: float
    saturated_right: float
    dead: float
    mean: float
    shift: float
    mean_abs_grad: float
    nan: int
    infinite: int
    gradient_norm: float | None
    gradient_rms: float | None


class GradientFlow:
    """Collects what al.diagnose finds, layer by layer and step by step, and the size of each layer's gradient.

        flow = al.GradientFlow()
        ...                                                    # in the training loop, after the backward pass
        flow.record("hidden", z, al.tanh, gradient=dz, step=step)
        print(flow)                                            # a line per layer, at its last step

    It keeps numbers, no arrays. Gradients that shrink from the last layer to the first vanish, those that grow explode: give it
    ∂loss/∂z of every layer, or ∂loss/∂W of every layer.

    Arguments
        layers: names of the layers, in the order of the network, if record() gets them in another one, as a backward pass does;
            default the order of their first records
        threshold: |f′| below which an input counts as saturated, see al.diagnose

    `layers` is a tuple of names, flow[layer] one of Records, by step. str() is a table, to_dict() for JSON, plot() a picture.

    Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010, whose
    sections 3 and 4 follow the saturation and the gradients of layers through a training.
    """

    def __init__(self, layers=(), *, threshold=diagnosis.THRESHOLD):
        if isinstance(layers, str) or not isinstance(layers, Iterable):
            raise TypeError(f"GradientFlow: layers={layers!r} is no sequence; give the names in a list or tuple")
        self._threshold = diagnosis.positive(threshold, "GradientFlow: threshold")
        self._records = {_name(layer): {} for layer in layers}
        self._kinds = {}  # {layer: (activation, saturation)}, of its last record

    @property
    def threshold(self):
        return self._threshold

    @property
    def layers(self):
        return tuple(self._records)

    def __getitem__(self, layer):
        if layer not in self._records:
            known = ", ".join(map(repr, self._records)) or "none yet"
            raise KeyError(f"GradientFlow: no layer {layer!r}; the layers are {known}")
        records = self._records[layer]
        return tuple(records[step] for step in sorted(records))

    def record(self, layer, z, activation, gradient=None, step=None, *, axis=0, **params):
        """Diagnoses a layer's pre-activations, keeps the figures, and returns the Diagnosis, which is not kept.

        layer: a string or an integer. z, activation, axis, params: see al.diagnose. gradient: any real array, such as ∂loss/∂z;
        its norm is taken in float64. step: a number; default one above the layer's largest, from 0. A second record of a layer
        and step replaces the first.

        Raises what al.diagnose does; TypeError for a layer, gradient or step of another kind.
        """
        layer = _name(layer)
        own = self._records.get(layer, {})
        step = max(own, default=-1) + 1 if step is None else _step(step)
        norm, rms = (None, None) if gradient is None else _size(gradient)
        found = diagnosis.diagnose(z, activation, axis, threshold=self._threshold, **params)
        figures = {name: getattr(found, name) for name in (*SHARES, *SIZES, "nan", "infinite")}
        own[step] = Record(step, **figures, gradient_norm=norm, gradient_rms=rms)
        self._records[layer] = own
        self._kinds[layer] = (found.activation, found.saturation)
        return found

    def __repr__(self):
        count = sum(map(len, self._records.values()))
        return f"<GradientFlow: {len(self._records)} layers, {count} records>"

    def __str__(self):
        layers = [layer for layer in self.layers if self._records[layer]]
        if not layers:
            return "GradientFlow: nothing recorded yet"
        names = [_shortened(str(layer)) for layer in layers]
        wide = max(NAME, *map(len, names))
        last = self[layers[-1]][-1].gradient_norm
        lines = [" ".join(["layer".ljust(wide), *(title.rjust(w) for title, w in zip(COLUMNS, WIDTHS, strict=True))])]
        for layer, name in zip(layers, names, strict=True):
            cells = _cells(self[layer][-1], last)
            lines.append(" ".join([name.ljust(wide), *(cell.rjust(w) for cell, w in zip(cells, WIDTHS, strict=True))]).rstrip())
        return "\n".join(lines)

    def to_dict(self):
        """Numbers, strings, lists and dicts alone: of each layer a list per figure, a number for each step. None is what was not
        given, and what is no finite number."""
        layers = []
        for layer in self.layers:
            columns = dict(zip(Record._fields, zip(*self[layer], strict=True), strict=True)) if self._records[layer] else {}
            activation, saturation = self._kinds.get(layer, (None, None))
            layers.append({"layer": layer, "activation": activation, "saturation": saturation, **columns})
        return jsonable({"threshold": self._threshold, "layers": layers})

    def plot(self, ax=None):
        """Draws each layer's gradient norm, on a log scale, and its saturated share, left and right together, over the steps.

        ax: two Axes; default a new Figure, unknown to pyplot. Returns the Figure, or ax if it was given. Needs matplotlib.
        """
        from .plotting import drawing

        return drawing("diagnosis_pictures", "GradientFlow.plot").draw_flow(self, ax)


def _name(layer):
    if not isinstance(layer, str | int | np.integer):
        raise TypeError(f"GradientFlow: layer={layer!r}; give its name, a string or an integer")
    return layer if isinstance(layer, str) else int(layer)


def _step(step):
    try:
        number = step.item() if isinstance(step, np.generic) else step
        if isinstance(number, int | float) and math.isfinite(number):
            return number
    except OverflowError:
        pass
    raise TypeError(f"GradientFlow: step={step!r}; give a finite number, or None for the next one")


def _size(gradient):
    """The L2 norm and √(mean of squares) in float64, without a temporary of its size."""
    what = "GradientFlow: gradient"
    g = np.asarray(as_array(gradient, what))
    if g.dtype.kind not in "fiub":
        raise TypeError(f"{what} has dtype {g.dtype}; it must be real")
    with np.errstate(**QUIET):
        largest = float(max(abs(float(g.max())), abs(float(g.min())))) if g.size else 0.0
        # Squares of what is far from 1 would overflow or vanish
        scale = 1.0 if not 0 < largest < math.inf or 1e-100 < largest < 1e100 else largest
        axes = list(range(g.ndim))
        flat = g if scale == 1.0 else g / scale
        norm = scale * math.sqrt(np.einsum(flat, axes, flat, axes, [], dtype=np.float64, casting="same_kind"))
    return norm, norm / math.sqrt(max(g.size, 1))


def _shortened(name):
    return name if len(name) <= WIDEST else name[: WIDEST - 1] + "…"


def _cells(record, last):
    """A record's line; last: the gradient norm that it is compared with."""
    norm = record.gradient_norm
    step = str(record.step) if isinstance(record.step, int) else f"{record.step:.4g}"
    ratio = "" if norm is None or not last else f"{norm / last:.3g}"
    shares = [percent(getattr(record, name)) for name in SHARES]
    return step, *shares, f"{record.shift:.2f}", f"{record.mean_abs_grad:.3g}", "" if norm is None else f"{norm:.2e}", ratio
