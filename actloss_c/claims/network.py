"""The networks of the claims: this package's activations, none at all, a centred sigmoid or maxout, on softmax cross-entropy."""

from typing import NamedTuple

import numpy as np

import actloss_c as al

from .. import registry
from ..network import Descent, Network
from ..train import Fused

PIECES = 2  # of maxout
DEAD = 1e-3  # |f'| at or below which a sample moves nothing: a tenth of leaky_relu's slope


class Linear(Fused):
    """No activation: y = z."""

    def __init__(self):
        super().__init__(registry.FUNCTIONS["relu"])
        self.gain = 1.0

    def value(self, z, learned):
        return z

    def forward(self, layer, z, learned):
        return z, None

    def backward(self, g, saved, learned):
        return g, []


class CentredSigmoid(Fused):
    """σ(z) − ½: sigmoid's derivative exactly, but around zero."""

    def __init__(self):
        super().__init__(registry.FUNCTIONS["sigmoid"])

    def value(self, z, learned):
        return self.function(z) - z.dtype.type(0.5)

    def forward(self, layer, z, learned):
        y, dy = super().forward(layer, z, learned)
        y -= z.dtype.type(0.5)
        return y, dy


class Maxout(Fused):
    """The largest of each unit's pieces."""

    pieces = PIECES

    def __init__(self):
        super().__init__(registry.FUNCTIONS["relu"])
        self.gain = 1.0  # the derivative is 1 for one piece of each unit
        self.function = al.maxout

    def _pieces(self, z):
        return z.reshape(len(z), -1, PIECES)

    def value(self, z, learned):
        return self.function(self._pieces(z))

    def forward(self, layer, z, learned):
        return self.function.value_and_argmax(self._pieces(z))

    def backward(self, g, saved, learned):
        return self.function.backward(g, saved, PIECES).reshape(len(g), -1), []

    def slopes(self, z):
        """The derivative after each piece."""
        y, which = self.function.value_and_argmax(self._pieces(z))
        return self.function.backward(np.ones_like(y), which, PIECES)


OWN = {"none": Linear, "centred sigmoid": CentredSigmoid, "maxout": Maxout}


def backend(name):
    """The backend of an activation by name; besides the registry's, those of OWN."""
    return OWN[name]() if name in OWN else Fused(registry.FUNCTIONS[name])


def dead_share(z, activation, threshold=DEAD, **params):
    """The share of units whose derivative is at most `threshold` in size for every sample; z: (samples, units).

    al.diagnose calls a unit dead that has no positive input, whatever slope is left there: leaky_relu's would be, too.
    """
    dy = getattr(al, activation).grad(z, **params)
    return float(np.mean(np.all(np.abs(dy) <= threshold, axis=0)))


class Trained(NamedTuple):
    """A network, its training loss before and after each epoch, and the same for the share of rows that it gets right."""

    network: Network
    losses: np.ndarray
    accuracies: np.ndarray

    @property
    def diverged(self):
        """Whether the loss is not finite, or higher than before training."""
        return not self.losses[-1] <= self.losses[0]

    def accuracy(self, x, labels):
        """In percent; 0 if the network computes nan."""
        with np.errstate(all="ignore"):
            z = self.network.predict(x)
        return 100 * float(np.mean((z.argmax(axis=1) == labels) & np.isfinite(z).all(axis=1)))


def classifier(activation, split, seed, hidden, *, optimiser, epochs, batch=32, goal=None, **initial):
    """Trains a perceptron on a Split; ends early at a training loss of `goal`, or when the loss is not finite.

    `optimiser` may be a number, the rate of plain stochastic gradient descent; `initial` goes to Network.
    """
    sizes = (split.x.shape[1], *hidden, split.classes)
    network = Network(backend(activation), sizes, seed, split.x.dtype, **initial)
    losses, accuracies = [], []

    def look():
        z = network.predict(split.x)
        fine = bool(np.isfinite(z).all())
        losses.append(network.backend.loss(z, split.target) if fine else np.inf)
        accuracies.append(100 * float(np.mean(z.argmax(axis=1) == split.target)) if fine else 0.0)
        return not np.isfinite(losses[-1]) or (goal is not None and losses[-1] <= goal)

    with np.errstate(all="ignore"):  # a rate too high ends in inf and nan, which is what is counted
        if not look():
            step = Descent(optimiser) if np.isscalar(optimiser) else optimiser
            network.fit(split.x, split.target, epochs=epochs, batch=batch, optimiser=step, seed=seed, after_epoch=look)
    return Trained(network, np.array(losses), np.array(accuracies))
