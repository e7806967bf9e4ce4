"""(b) The gradient's norm by layer."""

import itertools

import numpy as np

from . import data, draw
from .claim import Claim, Column, Panel
from .network import Network, backend
from .statistics import Comparison

INITIAL = ("Glorot", "He", "matched")
GAINS = {"Glorot": 1.0, "He": 2**0.5, "matched": None}  # None: the backend's own
VANISHING = ("sigmoid", "tanh")
KEEPING = ("relu", "leaky_relu", "prelu", "elu", "maxout")
LIMIT = 2.0  # log10 of the factor beyond which a gradient counts as vanished or exploded


def settings(size):
    for initial, activation, depth in itertools.product(INITIAL, VANISHING + KEEPING, size["depths"]):
        yield {"initialisation": initial, "activation": activation, "depth": depth}


def measure(seed, size, initialisation, activation, depth):
    split = data.load("digits", seed, "float64")
    sizes = (split.x.shape[1], *[size["width"]] * depth, split.classes)
    own = backend(activation)
    signals, backward = [], own.backward

    def recorded(*arguments):
        dz, learned = backward(*arguments)
        signals.append(np.linalg.norm(dz))
        return dz, learned

    own.backward = recorded
    network = Network(own, sizes, seed, "float64", gain=GAINS[initialisation])
    network.loss_and_gradient(split.x[: size["rows"]], split.target[: size["rows"]])
    weights = [np.linalg.norm(dweights) for dweights, *_ in network.gradients[:-1]]
    signals, weights = (np.log10(np.maximum(norms, np.finfo(float).tiny)) for norms in (signals[::-1], weights))
    found = {"signals": signals.tolist(), "weights": weights.tolist()}
    return found | {"factor": float(signals[0] - signals[-1]), "weights' factor": float(weights[0] - weights[-1])}


def compare(results):
    deepest = results.size["depths"][-1]
    for initial, activation in itertools.product(INITIAL, VANISHING + KEEPING):
        values = results.of("factor", initialisation=initial, activation=activation, depth=deepest)
        low, high = (-np.inf, -LIMIT) if activation in VANISHING else (-LIMIT, LIMIT)
        yield Comparison(values, {"activation": activation, "initialisation": initial}, low, high, ratio=True)


def finding(results):
    deepest = results.size["depths"][-1]

    def factor(activation, initial):
        mean = results.of("factor", initialisation=initial, activation=activation, depth=deepest).mean()
        return f"{10**mean:.2g}".replace("e-0", "e-").replace("e+0", "e").replace("-", "−")

    parts = [f"{name} {', '.join(factor(name, initial) for initial in INITIAL)}" for name in VANISHING + KEEPING]
    return (
        f"From the last of {deepest} hidden layers to the first the gradient's norm is multiplied by, with Glorot's, He's and "
        f"matched initial weights: {'; '.join(parts)}."
    )


def panels(results):
    depths = results.size["depths"]
    deepest = depths[-1]
    for name, what in (("signals", "pre-activations"), ("weights", "weights")):
        for initial in INITIAL:

            def by_layer(axes, initial=initial, name=name, what=what):
                for activation in VANISHING + KEEPING:
                    values = results.of(name, initialisation=initial, activation=activation, depth=deepest)
                    draw.curve(axes, range(1, deepest + 1), values, activation, log=True)
                axes.set_yscale("log")
                axes.set(xlabel="hidden layer, from the input", ylabel=f"gradient norm, {what}")

            yield Panel(
                f"{initial}: gradient for {what} by layer",
                f"Norm of the gradient for each layer's {what} at initialisation ({initial}) in {deepest} layers, on a log "
                "scale, a line per activation. A line that falls towards the input is a vanishing gradient.",
                by_layer,
            )
    for initial in INITIAL:

        def by_depth(axes, initial=initial):
            for activation in VANISHING + KEEPING:
                values = results.over("depth", depths, "factor", initialisation=initial, activation=activation)
                draw.curve(axes, depths, values, activation, log=True)
            axes.set_yscale("log")
            axes.axhspan(10**-LIMIT, 10**LIMIT, color="0.93", zorder=0)
            axes.set(xlabel="hidden layers", ylabel="first layer's norm over the last's")

        yield Panel(
            f"{initial}: first layer against last, by depth",
            f"The first layer's norm of the gradient for pre-activations divided by that of the last hidden layer, over the "
            f"depth ({initial}). Grey: within a factor of 100, which counts as kept.",
            by_depth,
        )


CLAIM = Claim(
    key="b",
    title="saturating activations let gradients vanish",
    statement="In deep networks the gradient vanishes with sigmoid and tanh; ReLU, Leaky ReLU, PReLU, ELU and maxout keep it.",
    sources=(
        "Bengio, Simard and Frasconi, IEEE Transactions on Neural Networks 5, 1994",
        "Glorot and Bengio, AISTATS 2010",
        "Glorot, Bordes and Bengio, Deep sparse rectifier neural networks, AISTATS 2011",
    ),
    method="The norm of the loss's gradient at initialisation, for the pre-activations of each layer over {rows} of "
    "scikit-learn's digits, and for its weights, in networks of {depths} hidden layers of {width} units, float64. "
    "Normal weights of variance g²·2/(fan-in + fan-out): Glorot's g = 1, He's g = √2, and g matched to each "
    "activation, so that the mean of f′² over a standard normal input is 1/g².",
    criterion="From the last to the first hidden layer of the deepest network the norm of the gradient for pre-activations "
    "falls to less than 1/100 with sigmoid and tanh, and stays within a factor of 100 with the others, for each "
    "initialisation. (The gradient for weights is shown, too; it also carries the size of the forward signal.)",
    sizes={
        "full": {"depths": [2, 5, 10, 20, 30], "width": 64, "rows": 256},
        "quick": {"depths": [2, 10, 30], "width": 48, "rows": 64},
        "tiny": {"depths": [2, 5], "width": 8, "rows": 16},
    },
    settings=settings,
    measure=measure,
    compare=compare,
    finding=finding,
    panels=panels,
    columns={
        "factor": Column("first layer's norm over the last's", log=True),
        "weights' factor": Column("the same for weights", log=True),
    },
)
