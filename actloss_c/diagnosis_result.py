"""The result of `al.diagnose`: figures, as text, as data for JSON, as a picture."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

BARS = " ▁▂▃▄▅▆▇█"
SHARES = ("saturated_left", "saturated_right", "dead")
SIZES = ("mean", "shift", "mean_abs_grad")


class Histogram(NamedTuple):
    """Counts per bin and the edges between bins, one more."""

    counts: np.ndarray
    edges: np.ndarray


@dataclass(frozen=True, eq=False)
class Units:
    """A layer's figures unit by unit: read-only arrays in the shape of the axes that are not of the batch."""

    saturated_left: np.ndarray
    saturated_right: np.ndarray
    dead: np.ndarray
    mean: np.ndarray
    shift: np.ndarray
    mean_abs_grad: np.ndarray
    nan: np.ndarray
    infinite: np.ndarray

    @property
    def nonfinite(self):
        """How many inputs are NaN or infinite."""
        return self.nan + self.infinite


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """What `al.diagnose` found. `str()` is a table, `to_dict()` goes through JSON, `plot()` draws."""

    activation: str
    params: dict[str, Any]  # a number, or an array of them
    shape: tuple[int, ...]
    axis: tuple[int, ...]  # of the batch
    dtype: str
    threshold: float
    saturation: dict[str, str | None]  # {"left", "right"}: "soft" (f′ → 0), "hard" (f′ = 0) or None
    saturated_left: float
    saturated_right: float
    dead: float
    mean: float
    shift: float
    mean_abs_grad: float
    nan: int
    infinite: int
    histogram: Histogram
    units: Units

    @property
    def nonfinite(self):
        """How many inputs are NaN or infinite."""
        return self.nan + self.infinite

    def __repr__(self):
        shares = ", ".join(f"{name}={getattr(self, name):.3g}" for name in (*SHARES, *SIZES))
        return f"<Diagnosis of {self.activation} {self.shape}: {shares}>"

    def __str__(self):
        size, n, units = math.prod(self.shape), self.units.dead.size, self.units
        layer = f"{self.activation}, {self.dtype}: {n} unit{'s' * (n > 1)}, batch of {size // n}"
        lines = [layer, f"{'':18}{'layer':>9}   least and most of a unit"]
        for name, words in zip((*SHARES, *SIZES), self._words(), strict=True):
            values = (getattr(self, name), *_ends(getattr(units, name)))
            texts = [percent(v) if name in SHARES else f"{v:.3g}" for v in values]
            ends = "" if name == "dead" else f"{texts[1]:>9}  {texts[2]:>9}"
            lines.append(f"{name.replace('_', ' '):18}{texts[0]:>9}   {ends:22} {words}".rstrip())
        counts, edges = self.histogram
        if self.nonfinite:
            kinds = f"of {size} inputs: {self.nan} NaN, left out; {self.infinite} infinite"
            lines.append(f"{'not finite':18}{self.nonfinite:>9}   {kinds}")
        lines.append(f"{'inputs':18}{edges[0]:>9.3g} {_bars(counts)} {edges[-1]:.3g}")
        return "\n".join(lines)

    def _words(self):
        """What stands behind each figure."""
        kinds = (self.saturation["left"], self.saturation["right"])
        saturated = [f"{kind}, |f'| < {self.threshold:g}" if kind else "does not saturate" for kind in kinds]
        return (*saturated, f"{int(self.units.dead.sum())} of {self.units.dead.size}", "", "rms of means / rms", "")

    def to_dict(self, units=True):
        """Numbers, strings, lists and dicts alone; what is no finite number becomes None, as JSON has neither NaN nor infinity.

        units: whether the figures of each unit are in it.
        """
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("histogram", "units")}
        fields["histogram"] = self.histogram._asdict()
        if units:
            fields["units"] = {name: getattr(self.units, name) for name in self.units.__dataclass_fields__}
        return jsonable(fields)

    def plot(self, ax=None):
        """Draws the histogram of the inputs, shaded where f has saturated, unless a parameter differs from input to input.

        ax: an Axes; default a new Figure, unknown to pyplot. Returns the Figure, or ax if it was given. Needs matplotlib.
        """
        from .plotting import drawing

        return drawing("diagnosis_pictures", "Diagnosis.plot").draw_diagnosis(self, ax)


# --- text -------------------------------------------------------------------------------------------------------------------


def percent(share):
    return f"{100 * share:.1f} %"


def _ends(values):
    """The least and most of them, NaNs aside."""
    values = values[values == values]
    return (values.min(), values.max()) if values.size else (math.nan, math.nan)


def _bars(counts, most=40):
    """The histogram in characters, eight heights; neighbours are put together where there are more than `most`."""
    together = -(-len(counts) // most)
    counts = np.add.reduceat(counts, np.arange(0, len(counts), together))
    heights = -(-8 * counts // max(counts.max(), 1))
    return "".join(BARS[h] for h in heights.tolist())


def jsonable(value):
    """The same in numbers, strings, lists and dicts; None for what is no finite number."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, dict):
        return {name: jsonable(v) for name, v in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
