"""What a picture of curves shows, as numbers: samples, kinks, saturated parts. NumPy only; plot_panels.py draws it."""

from dataclasses import dataclass

import numpy as np

from .entries import DOMAINS

POINTS = 801  # samples of a curve
NEAR = 1e-9  # the limits at a kink are taken so far from it, relative to it where it is beyond 1
STEP = 1e-6  # what a curve must do within that distance to have jumped
HALVINGS = 60  # of a distance between samples: what has not shrunk by then is a jump
THRESHOLD = 0.01  # of |f′|, below which an activation counts as saturated
WIDTHS = (4, 5, 6, 8, 10, 12, 16, 20, 40, 100)  # of half a span
LOSS_WIDTHS, HIGHEST = (6, 5, 4, 3, 2), 25  # the widest over which no loss is above this
TARGETS = {
    None: (-2.0, 0.0, 2.0),
    "unit": (0.0, 0.25, 1.0),
    "open unit": (0.25, 0.5, 0.75),
    "nonnegative": (0.0, 1.0, 3.0),
    "positive": (0.5, 1.0, 3.0),
    "binary": (0.0, 1.0),
    "sign": (-1.0, 1.0),
}
LARGEST = 1e300  # of what is drawn: margins are added to it
SLOPES = np.array([-1.5, -0.25, 0.75, 2.0])  # of maxout's pieces


@dataclass(frozen=True)
class Kink:
    """Where a curve or its slope jumps: the curve's limits and its value."""

    x: float
    before: float
    at: float
    after: float

    @property
    def jumps(self):
        """Whether the curve does, not only its slope."""
        return max(abs(self.before - self.at), abs(self.after - self.at)) > STEP * max(1.0, abs(self.at))


@dataclass(frozen=True)
class Curve:
    """Samples of one curve, all finite: see curve(). Curves of one `key` share colour and dashes."""

    label: str
    key: str | int
    x: np.ndarray
    y: np.ndarray
    kinks: tuple[Kink, ...] = ()

    def segments(self):
        """(x, y) of each part between jumps, with the limits at its ends."""
        x, y = self.x, self.y
        for k in self.kinks:
            if k.jumps:
                before, after = x < k.x, x > k.x
                yield np.append(x[before], k.x), np.append(y[before], k.before)
                x, y = np.append(k.x, x[after]), np.append(k.after, y[after])
        yield x, y


@dataclass(frozen=True)
class Band:
    """A part of the x-axis: its name, and whether it is shaded."""

    low: float
    high: float
    text: str
    shaded: bool = True


@dataclass(frozen=True)
class Panel:
    """Curves over one x-axis."""

    name: str
    title: str
    xlabel: str
    curves: tuple[Curve, ...]
    bands: tuple[Band, ...] = ()
    band_label: str = ""  # what shading means, for the legend; without it each band bears its name
    kink_label: str = ""  # what the marks are, for the legend

    @property
    def limits(self):
        """Of the y-axis: 0 and all curves but maxout's pieces; where one runs off to infinity, its inner nine tenths."""
        low = high = inner_low = inner_high = 0.0
        for curve in (c for c in self.curves if c.key != "piece"):
            margin = (curve.x[-1] - curve.x[0]) / 20
            inner = curve.y[(curve.x >= curve.x[0] + margin) & (curve.x <= curve.x[-1] - margin)]
            low, high = min(low, curve.y.min()), max(high, curve.y.max())
            inner_low, inner_high = min(inner_low, inner.min()), max(inner_high, inner.max())
        if high - low > 3 * (inner_high - inner_low) > 0:
            low, high = inner_low, inner_high
        margin = 0.06 * (high - low) or 1.0
        return float(low - margin), float(high + margin)


def curve(label, key, x, y, kinks=()):
    """A Curve of what is finite, and not as large as the largest numbers."""
    keep = drawable(y)
    if keep.sum() < 2:
        raise ValueError(f"{label}: not finite between {number(x[0])} and {number(x[-1])}: choose another span or parameter")
    sound = (kink for kink in kinks if drawable([kink.before, kink.at, kink.after]).all())
    return Curve(label, key, x[keep], y[keep], tuple(sound))


def drawable(y):
    return np.abs(y) <= LARGEST


def number(value):
    """A number as text, with a true minus."""
    return f"{value:.6g}".replace("-", "−")


def samples(span, kinks=()):
    """x over a span, kinks among them so that corners are sharp."""
    return np.union1d(np.linspace(*span, POINTS), [k for k in kinks if span[0] < k < span[1]])


def kinks_at(function, places):
    """A Kink of the function at each place; one call for all."""
    places = np.asarray(places, float)
    if not places.size:
        return ()
    apart = NEAR * np.maximum(1.0, abs(places))
    before, at, after = np.split(function(np.concatenate([places - apart, places, places + apart])), 3)
    return tuple(Kink(*map(float, k)) for k in zip(places, before, at, after, strict=True))


def jumps(function, x):
    """Where the function jumps between samples: each interval is halved, and the half with the larger step kept."""
    low, high = x[:-1], x[1:]
    below, above = function(low), function(high)
    with np.errstate(invalid="ignore"):  # inf − inf, at a pole
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            at = function(middle)
            left = abs(at - below) >= abs(above - at)
            low, below = np.where(left, low, middle), np.where(left, below, at)
            high, above = np.where(left, middle, high), np.where(left, at, above)
        step = abs(above - below)
    found = np.isfinite(below) & np.isfinite(above) & (step > STEP * np.maximum(1.0, abs(below)))
    return tuple(np.unique(np.round(((low + high) / 2)[found], 9) + 0.0).tolist())


# --- activations ------------------------------------------------------------------------------------------------------------


def saturated(x, dy, threshold):
    """Bands at the ends of the span on which |f′| stays below the threshold: hard where it is 0, else soft."""
    below = abs(dy) < threshold
    bands = []
    for side in (slice(None), slice(None, None, -1)):
        count = int(np.argmin(below[side])) if not below.all() else x.size
        if count > 1:
            ends = x[side][:count]
            bands.append(Band(float(ends.min()), float(ends.max()), "soft" if dy[side][:count].any() else "hard"))
    return tuple(dict.fromkeys(bands))


def saturation_words(bands, span, threshold):
    """What the bands mean, for the legend."""
    if not bands:
        return ""
    sides = {(band.low == span[0]) * "left" + (band.high == span[1]) * "right": band.text for band in bands}
    kinds = set(sides.values())
    where = ", ".join(f"{text} on the {side}" for side, text in sides.items())
    if "leftright" in sides:
        where = f"{bands[0].text} throughout"
    elif len(sides) == 2 and len(kinds) == 1:
        where = f"{bands[0].text} on both sides"
    return f"saturated, |f′| < {threshold:g}: {where}"


def activation_span(f, entry, threshold, params):
    """The narrowest span with all kinks well inside, at whose ends the function has saturated where it does at all."""
    for width in WIDTHS:
        ends = abs(f.grad(np.array([-0.8 * width, 0.8 * width]), **params))
        seen = all(end < threshold for end, kind in zip(ends, entry.saturation, strict=True) if kind)
        if seen and all(abs(kink) <= width / 2 for kink in entry.kinks):
            break
    return -width, width


def kink_words(kink, entry):
    """What the derivative does at a kink of the registry."""
    at = number(kink.x)
    if not kink.jumps:
        return f"at {at}: a kink unless {entry.smooth_if}" if entry.smooth_if else f"at {at}: a kink"
    like = f", as in {entry.kinks_as}" if entry.kinks_as else ""
    return f"kink: f′ jumps from {number(kink.before)} to {number(kink.after)}; f′({at}) = {number(kink.at)}{like}"


def activation(f, entry, params, *, span=None, threshold=THRESHOLD):
    """The one panel of an activation: value and derivative."""
    span = span or activation_span(f, entry, threshold, params)
    inside = [kink for kink in entry.kinks if span[0] <= kink <= span[1]]
    x = samples(span, inside)
    y, dy = f.value_and_grad(x, **params)
    slopes = kinks_at(lambda x: f.grad(x, **params), inside)
    curves = (
        curve("f(x), the value", "value", x, y, kinks_at(lambda x: f(x, **params), inside)),
        curve("f′(x), the derivative", "grad", x, dy, slopes),
    )
    words = "\n".join(kink_words(kink, entry) for kink in slopes)
    bands = saturated(x, dy, threshold)
    meaning = saturation_words(bands, span, threshold)
    return (Panel("value_and_grad", "value and derivative", "x", curves, bands, meaning, words),)


# --- losses over pairs ------------------------------------------------------------------------------------------------------


def loss_span(entry, losses):
    """The prediction's domain, or the widest span over which no loss is high."""
    interval = DOMAINS[entry.prediction][2] if entry.prediction else (-np.inf, np.inf)
    for width in LOSS_WIDTHS:
        span = max(-width, interval[0]), min(width, interval[1])
        found = [loss(np.linspace(*span, POINTS)) for loss in losses]
        if max(y[np.isfinite(y)].max(initial=0.0) for y in found) <= HIGHEST:
            break
    return span


def pair_loss(f, entry, params, *, span=None, targets=None):
    """Loss, gradient and Hessian over the prediction, a curve for each target."""
    targets = TARGETS[entry.target] if targets is None else targets
    words, _, (low, high), _ = DOMAINS.get(entry.prediction, ("", (), (-np.inf, np.inf), ""))
    if span is not None and not low <= span[0] < span[1] <= high:
        raise ValueError(f"span={span}; {entry.name} is a loss whose predictions must {words}: give a part of that")

    def result(which, target):
        return lambda z: f.value_grad_and_hess(z, np.full_like(z, target), reduction="none", **params)[which]

    span = span or loss_span(entry, [result(0, target) for target in targets])
    found = {which: [jumps(result(which, t), np.linspace(*span, POINTS)) for t in targets] for which in (1, 2)}
    places = {0: found[1], **found}  # a loss has its kinks where its gradient jumps
    panels = []
    titles = ("loss", f"gradient, by {entry.variable}", f"Hessian, by {entry.variable}")
    for which, (name, title) in enumerate(zip(("value", "grad", "hess"), titles, strict=True)):
        curves = []
        for key, target in enumerate(targets):
            kinks = places[which][key]
            by, x = result(which, target), samples(span, kinks)
            curves.append(curve(f"target = {number(target)}", key, x, by(x), kinks_at(by, kinks)))
        words = "filled: the result at a kink or jump" if any(c.kinks for c in curves) else ""
        panels.append(Panel(name, title, f"prediction {entry.variable}", tuple(curves), kink_label=words))
    return tuple(panels)


# --- maxout -----------------------------------------------------------------------------------------------------------------


def maxout(f, entry, params, *, span=None):
    """The largest of some tangents of x² / 2, its derivative, and which of them it is."""
    span = span or (-3.0, 3.0)
    heights = -(SLOPES**2) / 2

    def pieces(x):
        return x[:, None] * SLOPES + heights

    def results(x):
        if entry.linear:
            arguments = x[:, None], SLOPES[:, None, None], heights[:, None]
            y, which = f.value_and_argmax(*arguments)
            return y[:, 0], which[:, 0], f.backward(np.ones_like(y), *arguments[:2], which)[0][:, 0]
        y, which = f.value_and_argmax(pieces(x))
        return y, which, f.backward(np.ones_like(y), which, SLOPES.size) @ SLOPES

    places = jumps(lambda x: results(x)[2], np.linspace(*span, POINTS))
    x = samples(span, places)
    y, which, dy = results(x)
    curves = [curve("the pieces, tangents of x² / 2", "piece", x, piece) for piece in pieces(x).T]
    curves.append(curve("their maximum", "value", x, y, kinks_at(lambda x: results(x)[0], places)))
    curves.append(curve("its derivative", "grad", x, dy, kinks_at(lambda x: results(x)[2], places)))
    edges = [span[0], *places, span[1]]
    middles = [(a + b) / 2 for a, b in zip(edges, edges[1:], strict=False)]
    winners = results(np.array(middles))[1].tolist()
    bands = (Band(a, b, f"piece {k}", k % 2 == 0) for a, b, k in zip(edges, edges[1:], winners, strict=False))
    words = "a kink: ties go to the first piece"
    return (Panel("value_and_grad", "value and derivative", "x", tuple(curves), tuple(bands), "", words),)
