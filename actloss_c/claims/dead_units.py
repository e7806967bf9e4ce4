"""(d) Dead units by learning rate."""

import itertools

import numpy as np

from ..network import Adam, Descent
from . import data, draw
from .claim import Claim, Column, Panel
from .network import DEAD, classifier, dead_share
from .statistics import Comparison

ACTIVATIONS = ("relu", "leaky_relu", "prelu", "elu")
WEAK = 0.05
OPTIMISERS = {"SGD": Descent, "Adam": Adam}


def settings(size):
    for optimiser, activation in itertools.product(OPTIMISERS, ACTIVATIONS):
        for rate in size[optimiser]:
            yield {"optimiser": optimiser, "activation": activation, "rate": rate}


def measure(seed, size, optimiser, activation, rate):
    split, hidden = data.load("digits", seed), [size["width"]] * size["layers"]
    trained = classifier(activation, split, seed, hidden, optimiser=OPTIMISERS[optimiser](rate), epochs=size["epochs"])
    finite = bool(np.isfinite(trained.losses[-1]))
    found = {"accuracy": trained.accuracy(split.held_out, split.held_out_target), "diverged": float(trained.diverged)}
    network = trained.network
    for name, threshold in (("dead", DEAD), ("weak", WEAK)):
        shares = [
            dead_share(z, activation, threshold, **learned)
            for (z, _), learned in zip(network.outputs(split.x) if finite else (), network.learned, strict=False)
        ]
        found[name] = 100 * float(np.mean(shares)) if finite else None
    return found


def compare(results):
    for optimiser in OPTIMISERS:
        low, *_, high, highest = results.size[optimiser]

        def dead(activation, rate, optimiser=optimiser):
            return results.of("dead", optimiser=optimiser, activation=activation, rate=rate)

        factors = {"measure": "dead, points: at the high rate − at the lowest", "activation": "relu", "optimiser": optimiser}
        yield Comparison(dead("relu", highest) - dead("relu", low), {**factors, "rate": highest})
        for rate, other in itertools.product((high, highest), ACTIVATIONS[1:]):
            factors = {"measure": "dead, points: relu's − its", "activation": other, "optimiser": optimiser, "rate": rate}
            yield Comparison(dead("relu", rate) - dead(other, rate), factors)


def finding(results):
    def share(optimiser, activation, rate):
        dead = results.of("dead", optimiser=optimiser, activation=activation, rate=rate)
        return f"{activation} {np.nanmean(dead):.1f} %" if np.isfinite(dead).any() else f"{activation} diverged"

    parts = []
    for optimiser in OPTIMISERS:
        for rate in results.size[optimiser][-2:]:
            parts.append(f"{optimiser} at {rate:g} {', '.join(share(optimiser, activation, rate) for activation in ACTIVATIONS)}")
    return f"Dead units (|f′| ≤ {DEAD:g} on every training row): {'; '.join(parts)}."


def panels(results):
    heads = {
        "dead": ("dead units", f"units with |f′| ≤ {DEAD:g} on every row, %"),
        "weak": ("units with hardly a gradient", f"units with |f′| ≤ {WEAK:g} on every row, %"),
        "accuracy": ("what becomes of accuracy", "held-out accuracy, %"),
    }
    for optimiser, (name, (title, label)) in itertools.product(OPTIMISERS, heads.items()):

        def paint(axes, optimiser=optimiser, name=name, label=label):
            rates = results.size[optimiser]
            for activation in ACTIVATIONS:
                values = results.over("rate", rates, name, optimiser=optimiser, activation=activation)
                draw.curve(axes, rates, values, activation)
            axes.set(xscale="log", xlabel="learning rate", ylabel=label)
            axes.set_ylim(bottom=0 if name == "accuracy" else None)

        yield Panel(
            f"{optimiser}: {title}",
            f"{label[0].upper() + label[1:]}, over the learning rate of {optimiser}, for ReLU, Leaky ReLU, PReLU and ELU.",
            paint,
        )


CLAIM = Claim(
    key="d",
    title="large rates kill ReLU units, not its leaky kin's",
    statement="Large learning rates leave ReLU units dead, without a gradient for any input; Leaky ReLU, PReLU and ELU have"
    " none.",
    sources=(
        "Maas, Hannun and Ng, ICML 2013, section 2",
        "Lu, Shin, Su and Karniadakis, Dying ReLU and initialization, Communications in Computational Physics 28, 2020",
    ),
    method="Networks of {layers} hidden layers of {width} units on scikit-learn's digits, batches of 32, {epochs} epochs of"
    " stochastic gradient descent at the rates {SGD} and of Adam at {Adam} (falling to zero), initial weights "
    "matched to each activation. A unit is dead if |f′| ≤ 0.001 on every training row (Leaky ReLU's slope is ten "
    "times that); |f′| ≤ 0.05 is shown beside. A run diverges if its loss is not finite or higher than before "
    "training.",
    criterion="With both optimisers ReLU has more dead units at the largest rate than at the smallest, and at the two "
    "largest rates more than each of the others. Runs that end in nan are left out.",
    sizes={
        "full": {
            "SGD": [0.01, 0.03, 0.1, 0.3, 0.5],
            "Adam": [0.001, 0.003, 0.01, 0.03, 0.1],
            "layers": 3,
            "width": 64,
            "epochs": 12,
        },
        "quick": {"SGD": [0.01, 0.1, 0.5], "Adam": [0.001, 0.03, 0.1], "layers": 3, "width": 32, "epochs": 5},
        "tiny": {"SGD": [0.01, 0.1, 1.0], "Adam": [0.01, 0.1, 1.0], "layers": 1, "width": 8, "epochs": 1},
    },
    settings=settings,
    measure=measure,
    compare=compare,
    finding=finding,
    panels=panels,
    columns={
        "dead": Column("dead, %"),
        "weak": Column("|f′| ≤ 0.05, %"),
        "diverged": Column("share diverged"),
        "accuracy": Column("held-out accuracy, %"),
    },
)
