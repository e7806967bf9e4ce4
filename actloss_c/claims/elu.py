"""(j) ELU's soft left side: noise and the mean."""

import itertools

import numpy as np

import actloss_c as al

from . import data, draw
from .claim import Claim, Column, Panel
from .network import classifier
from .statistics import Comparison

DATA = ("digits", "wine", "breast cancer")
OTHERS = ("relu", "leaky_relu", "prelu")
ACTIVATIONS = (*OTHERS, "elu")
DRAWS = 5  # of noise per held-out row


def settings(size):
    for name, activation in itertools.product(DATA, ACTIVATIONS):
        yield {"data": name, "activation": activation}


def measure(seed, size, data, activation):
    split = _load(data, seed)
    trained = classifier(activation, split, seed, [size["width"]] * size["layers"], optimiser=size["rate"], epochs=size["epochs"])
    random = np.random.default_rng((seed, 3))
    shape = (DRAWS, *split.held_out.shape)
    noise = random.standard_normal(shape, "float32").reshape(-1, shape[-1])
    x, labels = np.tile(split.held_out, (DRAWS, 1)), np.tile(split.held_out_target, DRAWS)
    accuracies = [trained.accuracy(x + np.float32(level) * noise, labels) for level in size["noise"]]
    network = trained.network
    pairs = zip(network.outputs(split.x), network.learned, strict=True)
    layers = [al.diagnose(z, activation, **learned) for (z, _), learned in pairs]
    mean, shift = np.mean([abs(d.units.mean).mean() for d in layers]), np.mean([d.shift for d in layers])
    return {"accuracies": accuracies, "mean": float(mean), "shift": float(shift), "clean": accuracies[0], "noisy": accuracies[-1]}


def _load(name, seed):
    return data.load(name, seed)


def loss_by_noise(results, name, activation):
    """Percentage points of accuracy that the strongest noise costs, for each seed."""
    accuracies = results.of("accuracies", data=name, activation=activation)
    return accuracies[:, 0] - accuracies[:, -1]


def compare(results):
    for name, other in itertools.product(DATA, OTHERS):
        factors = {"rival": other, "data": name}
        cost = loss_by_noise(results, name, other) - loss_by_noise(results, name, "elu")
        yield Comparison(cost, {"measure": "points lost to noise: its − elu's", **factors})
        shifts = [results.of("shift", data=name, activation=activation) for activation in (other, "elu")]
        yield Comparison(shifts[0] - shifts[1], {"measure": "shift of outputs: its − elu's", **factors})


def finding(results):
    costs = [f"{a} {np.mean([loss_by_noise(results, name, a).mean() for name in DATA]):.1f}" for a in ACTIVATIONS]
    shifts = [f"{a} {np.mean([results.of('shift', data=name, activation=a).mean() for name in DATA]):.2f}" for a in ACTIVATIONS]
    return (
        f"Points of accuracy that noise of standard deviation {results.size['noise'][-1]:g} costs, mean of the data sets: "
        f"{', '.join(costs)}. Shift of the hidden outputs: {', '.join(shifts)}."
    )


def panels(results):
    for name in DATA:

        def paint(axes, name=name):
            for activation in ACTIVATIONS:
                values = results.of("accuracies", data=name, activation=activation)
                draw.curve(
                    axes, results.size["noise"], values - results.of("accuracies", data=name, activation="relu"), activation
                )
            axes.set(xlabel="standard deviation of the noise, in that of the inputs", ylabel="points of accuracy over relu's")

        yield Panel(
            f"{name}: accuracy under input noise, against ReLU",
            f"Held-out accuracy on {name} minus that of ReLU under the same noise, over the strength of normal noise on the "
            "inputs, a line per activation.",
            paint,
        )

    def means(axes):
        rows = [(f"{a}, {n}", results.of("shift", data=n, activation=a)) for n in DATA for a in ACTIVATIONS]
        draw.dots(axes, rows, unit="shift of hidden outputs, 0 to 1")

    yield Panel(
        "the outputs' shift from zero after training",
        "Root mean square of the units' mean outputs over that of their outputs, for each activation and data set; zero is "
        "centred.",
        means,
    )


CLAIM = Claim(
    key="j",
    title="ELU resists input noise and centres outputs",
    statement="ELU's soft saturation on the left makes it robust to noise in the inputs and shifts the outputs' mean "
    "towards zero.",
    sources=("Clevert, Unterthiner and Hochreiter, Fast and accurate deep network learning by ELUs, ICLR 2016, section 3",),
    method="Networks of {layers} hidden layers of {width} units on scikit-learn's digits, wine and breast cancer, "
    "stochastic gradient descent, batches of 32, rate {rate}, {epochs} epochs without noise. Then normal noise of "
    "standard deviation {noise} (times the inputs') on the held-out rows, five draws each; and the shift "
    "of the hidden outputs on the training rows, mean of the layers: √(mean m² over units)/√(mean of y²), m a unit's mean output "
    "(al.diagnose).",
    criterion="Under the strongest noise ReLU, Leaky ReLU and PReLU lose more points of accuracy than ELU, and their outputs "
    "are more shifted, on each data set.",
    sizes={
        "full": {"layers": 3, "width": 64, "rate": 0.03, "epochs": 25, "noise": [0, 0.25, 0.5, 0.75, 1, 1.5]},
        "quick": {"layers": 3, "width": 32, "rate": 0.03, "epochs": 8, "noise": [0, 0.5, 1, 1.5]},
        "tiny": {"layers": 1, "width": 8, "rate": 0.03, "epochs": 1, "noise": [0, 1]},
    },
    settings=settings,
    measure=measure,
    compare=compare,
    finding=finding,
    panels=panels,
    columns={
        "clean": Column("accuracy, %"),
        "noisy": Column("with the strongest noise, %"),
        "shift": Column("shift of outputs"),
        "mean": Column("mean |mean output|"),
    },
)
