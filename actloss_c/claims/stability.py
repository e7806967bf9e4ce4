"""(h) Bounded outputs train more stably, unbounded ones want a smaller learning rate."""

import itertools

import numpy as np

from . import data, draw
from .claim import Claim, Column, Panel
from .network import classifier
from .statistics import Comparison, interval

BOUNDED = ("sigmoid", "tanh", "softsign")
UNBOUNDED = ("relu", "leaky_relu", "prelu", "elu", "maxout")
WORKS = 90.0  # percent of the training rows


def settings(size):
    for layers, activation, rate in itertools.product(size["layers"], BOUNDED + UNBOUNDED, size["rates"]):
        yield {"layers": layers, "activation": activation, "rate": rate}


def measure(seed, size, layers, activation, rate):
    split = data.load("digits", seed)
    trained = classifier(activation, split, seed, [size["width"]] * layers, optimiser=rate, epochs=size["epochs"])
    rises = np.mean(trained.losses[1:] > 1.1 * trained.losses[:-1]) if np.isfinite(trained.losses[-1]) else 1.0
    found = {"training": float(trained.accuracies[-1]), "held out": trained.accuracy(split.held_out, split.held_out_target)}
    return found | {"diverged": float(trained.diverged), "rises": float(rises)}


def summary(results, layers, activation):
    """{what: one number per seed} of a whole row of rates."""
    rates = np.log10(results.size["rates"])

    def row(name):
        return results.over("rate", results.size["rates"], name, layers=layers, activation=activation)

    training, held_out = row("training"), row("held out")
    works = training >= WORKS
    largest = np.where(works.any(axis=1), np.where(works, rates, -np.inf).max(axis=1), np.nan)
    best = np.where(works.any(axis=1), rates[held_out.argmax(axis=1)], np.nan)
    return {"largest rate": largest, "best rate": best, "unstable": 100 * row("rises").mean(axis=1)}


def compare(results):
    for layers in results.size["layers"]:
        bounded = [summary(results, layers, activation) for activation in BOUNDED]
        worst = {name: np.min([one[name] for one in bounded], axis=0) for name in ("largest rate", "best rate")}
        worst["unstable"] = np.max([one["unstable"] for one in bounded], axis=0)
        for other in UNBOUNDED:
            one = summary(results, layers, other)
            factors = {"rival": other, "hidden layers": layers}
            for name, what in (
                ("largest rate", "largest rate that works, bounded over its"),
                ("best rate", "best rate, bounded over its"),
            ):
                yield Comparison(worst[name] - one[name], {"measure": what, **factors}, ratio=True)
            yield Comparison(
                one["unstable"] - worst["unstable"], {"measure": "epochs with a rise, points: its − bounded", **factors}
            )


def finding(results):
    parts = []
    for layers in results.size["layers"]:
        names = [*BOUNDED, *UNBOUNDED]
        rates = {name: summary(results, layers, name)["largest rate"] for name in names}
        words = ", ".join(
            f"{name} {10 ** np.nanmean(r):.2g}" if np.isfinite(r).any() else f"{name} none" for name, r in rates.items()
        )
        parts.append(f"{layers} hidden layer{'s' * (layers > 1)}: {words}")
    return f"The largest learning rate that still trains to {WORKS:.0f} %, {'; '.join(parts)}."


def panels(results):
    rates = results.size["rates"]
    for layers in results.size["layers"]:
        depth = f"{layers} hidden layer{'s' * (layers > 1)}"

        def accuracy(axes, layers=layers):
            for activation in BOUNDED + UNBOUNDED:
                values = results.over("rate", rates, "training", layers=layers, activation=activation)
                draw.curve(axes, rates, values, activation)
            axes.set(xscale="log", xlabel="learning rate", ylabel="training accuracy, %", ylim=(0, 103))

        yield Panel(
            f"{depth}: accuracy by rate",
            f"Training accuracy over the learning rate with {depth}, a line per activation. Where a line falls, the rate has "
            "become too large.",
            accuracy,
        )

        def largest(axes, layers=layers):
            rows = [(name, summary(results, layers, name)["largest rate"]) for name in BOUNDED + UNBOUNDED]
            finite = [one for _, values in rows for one in values if np.isfinite(one)]
            middle = interval(finite).mean if len(finite) > 1 else 0.0
            draw.dots(axes, rows, unit="largest rate that trains to 90 % (dashed: mean of all)", ratio=True, reference=middle)
            axes.axhline(len(BOUNDED) - 0.5, color="0.6", lw=0.8)

        yield Panel(
            f"{depth}: largest rate that works",
            f"The largest learning rate that trains to 90 percent with {depth}, for each activation: the bounded ones above the "
            "line, the unbounded ones below it.",
            largest,
        )


CLAIM = Claim(
    key="h",
    title="bounded outputs are stabler, unbounded want small rates",
    statement="Activations of bounded range train more stably; unbounded ones want a smaller learning rate.",
    sources=(
        "Snyman, Practical Mathematical Optimization, 2005 (as quoted for activations' range)",
        "Glorot and Bengio, AISTATS 2010",
    ),
    method="Networks of {layers} hidden layers of {width} units on scikit-learn's digits, stochastic gradient descent, "
    "batches of 32, {epochs} epochs, each at the rates {rates}, initial weights matched to each activation. Bounded:"
    " sigmoid, tanh, softsign; unbounded: ReLU, Leaky ReLU, PReLU, ELU, maxout. Sigmoid, (1 + tanh(z/2))/2, makes "
    "tanh's steps at four times the rate, so that its rates alone would say nothing.",
    criterion="Compared with the worst of the bounded ones on each seed, each unbounded one has a smaller largest rate that "
    "still gets 90 % of the training rows, a smaller best rate (highest held-out accuracy, the smallest of equal ones),"
    " and more epochs in which the training loss rises by more than a tenth (a run that ends in nan counts as all), over "
    "all rates.",
    sizes={
        "full": {"layers": [1, 4], "width": 48, "epochs": 8, "rates": [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]},
        "quick": {"layers": [2], "width": 32, "epochs": 4, "rates": [0.03, 0.3, 3.0]},
        "tiny": {"layers": [1], "width": 8, "epochs": 1, "rates": [0.1, 1.0]},
    },
    settings=settings,
    measure=measure,
    compare=compare,
    finding=finding,
    panels=panels,
    columns={
        "training": Column("training accuracy, %"),
        "held out": Column("held-out accuracy, %"),
        "rises": Column("share of epochs with a rise"),
        "diverged": Column("share diverged"),
    },
)
