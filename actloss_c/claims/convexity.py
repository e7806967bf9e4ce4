"""(i) A monotone activation keeps the single layer convex."""

import itertools

import numpy as np

import actloss_c as al

from . import data, draw
from .claim import Claim, Column, Panel
from .statistics import Comparison

DATA = ("breast cancer", "diabetes")
MONOTONE = ("sigmoid", "tanh", "softsign", "relu", "leaky_relu", "elu")
CONTROL = "sin"  # not monotone
LOSSES = ("squared error", "matching loss")
ROUNDING = 1e-12  # relative


def integral(name, z):
    """F with F′ = f, so that F(z) − t·z, f's matching loss, has the slope f(z) − t."""
    soft = np.logaddexp(0, z)
    return {
        "sigmoid": lambda: soft,
        "tanh": lambda: np.logaddexp(z, -z),
        "softsign": lambda: np.abs(z) - np.log1p(np.abs(z)),
        "relu": lambda: np.maximum(z, 0) ** 2 / 2,
        "leaky_relu": lambda: np.where(z > 0, 1, 0.01) * z**2 / 2,
        "elu": lambda: np.where(z > 0, z**2 / 2, np.expm1(np.minimum(z, 0)) - np.minimum(z, 0)),
        "sin": lambda: -np.cos(z),
    }[name]()


def value(name, z):
    return np.sin(z) if name == CONTROL else getattr(al, name)(z)


def settings(size):
    for name, loss, activation in itertools.product(DATA, LOSSES, (*MONOTONE, CONTROL)):
        yield {"data": name, "loss": loss, "activation": activation}


def measure(seed, size, data, loss, activation):
    x, target = _problem(data, seed, activation)
    a, b = _segments(seed, x.shape[1], size["segments"])

    def error(w):
        z = x @ w
        if loss == "squared error":
            return np.mean((value(activation, z) - target) ** 2 / 2, axis=0)
        return np.mean(integral(activation, z) - target * z, axis=0)

    ends, middle = (error(a) + error(b)) / 2, error((a + b) / 2)
    violated = middle - ends > ROUNDING * np.abs(ends)
    return {"violated": 100 * float(np.mean(violated)), "line": _line(error, a, b, middle - ends)}


def _segments(seed, rows, count):
    """Both ends of random segments: weights (rows, count), the last row of which is the bias.

    Logits of size 0.1 to 10 and lengths of 0.01 to 3, both log-uniform: a long segment sees valleys, a short one a single kink.
    """
    random = np.random.default_rng((seed, 2))
    a, direction = random.normal(0, 1, (2, rows, count))
    for part in (a, direction):
        part[:-1] /= np.sqrt(rows - 1)
    a *= 10 ** random.uniform(-1, 1, count)
    return a, a + direction * 10 ** random.uniform(-2, 0.5, count)


def _problem(name, seed, activation):
    """(rows and a column of ones, targets as a column within the activation's range)."""
    split = data.load(name, seed, "float64")
    low, high = split.target.min(), split.target.max()
    target = (split.target - low) / (high - low)
    if activation in ("tanh", "softsign", CONTROL):
        target = 2 * target - 1
    return np.column_stack([split.x, np.ones(len(split.x))]), target[:, None]


def _line(error, a, b, excess):
    """The loss along the segment that is least convex, from 0 at its lowest point to 1 at its highest."""
    k = int(np.argmax(excess))
    t = np.linspace(0, 1, 41)
    along = error(a[:, [k]] * (1 - t) + b[:, [k]] * t)
    spread = np.ptp(along)
    return ((along - along.min()) / (spread if spread > 0 else 1)).tolist()


def compare(results):
    for name, loss, activation in itertools.product(DATA, LOSSES, MONOTONE):
        factors = {"measure": "segments not convex, %", "loss": loss, "activation": activation, "data": name}
        yield Comparison(results.of("violated", data=name, loss=loss, activation=activation), factors, -np.inf, 1e-9)


def finding(results):
    def share(loss, name):
        return f"{np.mean([results.of('violated', data=d, loss=loss, activation=name) for d in DATA]):.1f} %"

    def shares(loss):
        return ", ".join(f"{name} {share(loss, name)}" for name in MONOTONE)

    count = results.size["segments"] * len(results.seeds)
    return (
        f"Of {count} random segments for each setting, squared error is not convex along: "
        f"{shares(LOSSES[0])}. With the loss that matches the activation: {shares(LOSSES[1])}; {CONTROL}, "
        f"which is not monotone, {share(LOSSES[1], CONTROL)}."
    )


def panels(results):
    for loss in LOSSES:

        def share(axes, loss=loss):
            rows = [
                (name, np.mean([results.of("violated", data=d, loss=loss, activation=name) for d in DATA], axis=0))
                for name in _all()
            ]
            draw.dots(axes, rows, unit="segments along which the loss is not convex, %")
            axes.set_xlim(-4, 104)

        yield Panel(
            f"{loss}: how often it is not convex",
            f"Share of random segments along which the {loss} of one layer lies above its chord, for each activation, mean of "
            "both data sets.",
            share,
        )
    for loss in LOSSES:

        def line(axes, loss=loss):
            for activation in ("sigmoid", "tanh", "relu", "elu"):
                values = results.of("line", data=DATA[0], loss=loss, activation=activation)[0]
                axes.plot(np.linspace(0, 1, len(values)), values, **{**draw.style(activation), "markevery": 5})
            axes.set(xlabel="from one random weight vector to another", ylabel="loss, scaled to 0–1")

        yield Panel(
            f"{loss} along its least convex segment",
            f"The {loss} on {DATA[0]} from one weight vector to another, along the segment of the first seed that is least "
            "convex. A bump upwards is what convexity forbids.",
            line,
        )


def _all():
    return (*MONOTONE, CONTROL)


CLAIM = Claim(
    key="i",
    title="a monotone activation keeps one layer convex",
    statement="If the activation is monotone, the error surface of a single layer is convex.",
    sources=(
        "Wu, Global exponential stability of a general class of recurrent neural networks, 2009 (as quoted for activations)",
        "Auer, Herbster and Warmuth, Exponentially many local minima for single neurons, NIPS 1995",
    ),
    method="One unit f(w·x + b) on scikit-learn's breast cancer and diabetes (targets scaled into f's range). {segments} "
    "random segments between weight vectors, logits of size 0.1 to 10 and lengths 0.01 to 3: is the mean loss at the"
    " middle above the mean of those at the ends? For squared error, and for the loss F(z) − t·z with F′ = f that "
    "matches the activation (sigmoid's is cross-entropy).",
    criterion="No segment violates convexity by more than a relative 1e-12, for each monotone activation, loss and data "
    "set. sin, which is not monotone, is shown beside and decides nothing.",
    sizes={"full": {"segments": 1000}, "quick": {"segments": 100}, "tiny": {"segments": 5}},
    settings=settings,
    measure=measure,
    compare=compare,
    finding=finding,
    panels=panels,
    columns={"violated": Column("segments not convex, %")},
)
