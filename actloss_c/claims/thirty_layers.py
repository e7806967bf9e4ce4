"""(e) Thirty layers without normalisation, under fan-in and fan-out initialisation."""

import itertools

import numpy as np

from ..network import Descent
from . import data, draw
from .claim import Claim, Column, Panel
from .network import backend, classifier
from .statistics import Comparison, best_elsewhere

ACTIVATIONS = ("relu", "prelu", "elu", "tanh")
INITIAL = {"fan-in": {"fan": "in"}, "fan-out": {"fan": "out"}, "Glorot": {"fan": "mean", "gain": 1.0}}
GOAL = 90.0  # percent of the training rows


def settings(size):
    for activation, initial, rate in itertools.product(ACTIVATIONS, INITIAL, size["rates"]):
        yield {"activation": activation, "initialisation": initial, "rate": rate}


def widths(size):
    """Hidden layers that taper: with one width, fan-in and fan-out would be the same."""
    return np.linspace(size["widest"], size["narrowest"], size["layers"]).round().astype(int).tolist()


def measure(seed, size, activation, initialisation, rate):
    split = data.load("digits", seed)
    common = {"hidden": widths(size), "batch": 64, **INITIAL[initialisation]}
    step = Descent(rate, momentum=0.9)
    trained = classifier(activation, split, seed, optimiser=step, epochs=size["epochs"], **common)
    accuracies = np.full(size["epochs"] + 1, trained.accuracies[-1])  # a run that ends in nan keeps 0
    accuracies[: len(trained.accuracies)] = trained.accuracies
    found = {"training": float(accuracies[-1]), "held out": trained.accuracy(split.held_out, split.held_out_target)}
    return found | {"curve": accuracies.tolist(), "gain": backend(activation).gain}


def best(results, name, activation, initial):
    """What was measured at the rate that was best for the other seeds."""
    cell = {"activation": activation, "initialisation": initial}
    chosen = best_elsewhere(-results.over("rate", results.size["rates"], "training", **cell))
    values = results.over("rate", results.size["rates"], name, **cell)
    return values[np.arange(len(values)), chosen]


def compare(results):
    for activation, initial in itertools.product(ACTIVATIONS, ("fan-in", "fan-out")):
        factors = {"measure": "training accuracy, %", "activation": activation, "initialisation": initial}
        yield Comparison(best(results, "training", activation, initial), factors, GOAL)


def finding(results):
    def ends(activation):
        means = (f"{initial} {best(results, 'training', activation, initial).mean():.0f} %" for initial in INITIAL)
        return f"{activation} {', '.join(means)}"

    parts = "; ".join(map(ends, ACTIVATIONS))
    return f"Training accuracy after {results.size['epochs']} epochs, each at its best rate: {parts}."


def panels(results):
    for activation in ACTIVATIONS:

        def paint(axes, activation=activation):
            for k, initial in enumerate(INITIAL):
                values = best(results, "curve", activation, initial)
                label = "Glorot, gain 1" if initial == "Glorot" else f"{initial}, gain {backend(activation).gain:.2f}"
                draw.curve(axes, range(values.shape[1]), values, initial, k, label=label)
            axes.set(xlabel="epoch", ylabel="training accuracy, %", ylim=(0, 103))

        yield Panel(
            f"{activation}: {results.size['layers']} layers, no normalisation",
            f"Training accuracy over the epochs for {activation}, a line for fan-in, fan-out and Glorot's initial weights, each "
            "at its best rate. A line that stays at 10 percent is a network that does not learn.",
            paint,
        )


CLAIM = Claim(
    key="e",
    title="30 layers train with fan-in or fan-out weights",
    statement="With initial weights scaled by fan-in or by fan-out and the activation's gain, 30 layers train without "
    "normalisation.",
    sources=("He, Zhang, Ren and Sun, Delving deep into rectifiers, ICCV 2015, section 2.2 and figure 3",),
    method="{layers} hidden layers that taper from {widest} to {narrowest} units (with one width, fan-in and fan-out would "
    "be the same), on scikit-learn's digits; stochastic gradient descent with momentum 0.9, batches of 64, {epochs} "
    "epochs, rates {rates}. Normal weights of variance g²/fan-in or g²/fan-out, where g² is one over the mean of f′²"
    " under a standard normal input (He's √2 for ReLU); for contrast Glorot's 2/(fan-in + fan-out).",
    criterion="At the rate that was best on the other seeds, training accuracy ends above 90 % for each activation with "
    "fan-in and with fan-out. Glorot's line is shown but decides nothing.",
    sizes={
        "full": {"layers": 30, "widest": 96, "narrowest": 32, "epochs": 25, "rates": [0.002, 0.01]},
        "quick": {"layers": 30, "widest": 48, "narrowest": 16, "epochs": 10, "rates": [0.004]},
        "tiny": {"layers": 3, "widest": 8, "narrowest": 4, "epochs": 1, "rates": [0.01]},
    },
    settings=settings,
    measure=measure,
    compare=compare,
    finding=finding,
    panels=panels,
    columns={"training": Column("training accuracy, %"), "held out": Column("held-out accuracy, %")},
)
