"""(a) Without an activation, depth adds nothing."""

import itertools

import numpy as np

from . import data, draw
from .claim import Claim, Column, Panel
from .network import classifier
from .statistics import Comparison

DATA = ("digits", "odd digits")
NOTHING = 1.0  # percentage points of held-out accuracy
ROUNDING = -9.0  # log10 of the largest relative difference that rounding in float64 explains


def settings(size):
    for name, layers in itertools.product(DATA, size["depths"]):
        yield {"data": name, "activation": "none", "depth": layers}
    for name, activation, layers in itertools.product(DATA, ("relu", "tanh"), size["depths"][1:]):
        yield {"data": name, "activation": activation, "depth": layers}


def measure(seed, size, data, activation, depth):
    split = _load(data, seed)
    width, rate = size["width"], 0.05 if depth <= 2 else 0.02
    trained = classifier(activation, split, seed, [width] * depth, optimiser=rate, epochs=size["epochs"])
    found = {"held out": trained.accuracy(split.held_out, split.held_out_target)}
    found["training"] = trained.accuracy(split.x, split.target)
    found["collapse"] = collapse(trained.network, split.held_out) if activation == "none" else None
    return found


def _load(name, seed):
    return data.load(name, seed, "float64")


def collapse(network, x):
    """log10 of the largest difference between the network and the one layer x W + b that its layers multiply to, relative to
    the largest logit."""
    product, offset = network.layers[0]
    for weights, bias in network.layers[1:]:
        product, offset = product @ weights, offset @ weights + bias
    z = network.predict(x)
    difference = np.max(np.abs(x @ product + offset - z)) / np.max(np.abs(z))
    return float(np.log10(max(difference, np.finfo(float).eps)))


def gain(results, name, activation, depth):
    """Percentage points of held-out accuracy over the network without a hidden layer, for each seed."""
    one = results.of("held out", data=name, activation="none", depth=0)
    return results.of("held out", data=name, activation=activation, depth=depth) - one


def compare(results):
    for name, layers in itertools.product(DATA, results.size["depths"][1:]):
        same = {"data": name, "hidden layers": layers, "activation": "none"}
        yield Comparison(gain(results, name, "none", layers), {"measure": "gain, points", **same}, -np.inf, NOTHING)
        exact = results.of("collapse", data=name, activation="none", depth=layers)
        yield Comparison(exact, {"measure": "difference from one layer", **same}, -np.inf, ROUNDING, ratio=True)
    for activation in ("relu", "tanh"):
        factors = {"measure": "gain, points", "data": "odd digits", "hidden layers": 1, "activation": activation}
        yield Comparison(gain(results, "odd digits", activation, 1), factors, NOTHING)


def finding(results):
    deepest = results.size["depths"][-1]
    linear = gain(results, "odd digits", "none", deepest).mean()
    relu = gain(results, "odd digits", "relu", 1).mean()
    worst = max(results.of("collapse", data=name, activation="none", depth=deepest).max() for name in DATA)
    return (
        f"On odd against even digits {deepest} layers without an activation change held-out accuracy by {linear:+.1f} points, "
        f"one layer of ReLU by {relu:+.1f}. After training, {deepest} linear layers still are one: their product gives "
        f"the same logits to a relative {10**worst:.0e}."
    ).replace(" -", " −")


def panels(results):
    depths = results.size["depths"]
    for name in DATA:

        def paint(axes, name=name):
            for activation in ("none", "relu", "tanh"):
                drawn = depths if activation == "none" else depths[1:]
                values = results.over("depth", drawn, "held out", data=name, activation=activation)
                label = "no activation" if activation == "none" else activation
                draw.curve(axes, drawn, values, activation, label=label)
            axes.set_xticks(depths)
            axes.set(xlabel="hidden layers", ylabel="held-out accuracy, %")

        yield Panel(
            f"{name}: depth with and without an activation",
            f"Held-out accuracy on {name} over the number of hidden layers. Without an activation the line is level; "
            "with ReLU or tanh it lies higher, if the classes are not linearly separable.",
            paint,
        )


CLAIM = Claim(
    key="a",
    title="without an activation depth adds nothing",
    statement="Without an activation between them, layers multiply to a single one: depth adds nothing.",
    sources=(
        "Leshno, Lin, Pinkus and Schocken, Neural Networks 6, 1993, theorem 1",
        "Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning, ICLR 2014",
    ),
    method="Perceptrons with {depths} hidden layers of {width} units, without an activation, with ReLU and with tanh, on "
    "scikit-learn's digits: ten classes, and odd against even, which one layer cannot separate. Stochastic gradient "
    "descent, batches of 32, {epochs} epochs, rate 0.05 (0.02 beyond two layers), float64.",
    criterion="Linear layers gain less than 1 percentage point of held-out accuracy over the network without a hidden "
    "layer, and the product of the trained layers gives the same logits to a relative 1e-9, for each depth and "
    "data set. As a control that the experiment could see a gain, one layer of ReLU or tanh gains more than 1 "
    "point on odd against even.",
    sizes={
        "full": {"depths": [0, 1, 2, 4, 8], "width": 64, "epochs": 25},
        "quick": {"depths": [0, 1, 4], "width": 48, "epochs": 8},
        "tiny": {"depths": [0, 1], "width": 8, "epochs": 1},
    },
    settings=settings,
    measure=measure,
    compare=compare,
    finding=finding,
    panels=panels,
    columns={
        "training": Column("training accuracy, %"),
        "held out": Column("held-out accuracy, %"),
        "collapse": Column("difference from one layer", log=True),
    },
)
