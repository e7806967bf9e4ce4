"""A multilayer perceptron in NumPy, its initial weights and two optimisers: what `actloss_c train` and `actloss_c claims` train.

What a layer and the loss compute is left to a backend, such as train.py's `Fused`:

    learned                        {name: first value} of the parameters that each unit learns
    gain                           of the initial weights, see `initial_gain`
    pieces                         pre-activations of each unit, 1 but for maxout
    value(z, learned)              y
    forward(layer, z, learned)     (y, what backward needs)
    backward(g, saved, learned)    (dz, the learned parameters' gradients)
    loss(z, target), loss_and_gradient(z, target)
"""

import math
from time import perf_counter

import numpy as np

from .baseline import numpy_function

FANS = {"mean": lambda m, n: (m + n) / 2, "in": lambda m, n: m, "out": lambda m, n: n}


def initial_gain(entry):
    """The gain that keeps the gradient's variance: 1 / rms of f'(x) over a standard normal x.

    That is He's sqrt(2) for relu and sqrt(2 / (1 + alpha^2)) for its leaky kin, and near Glorot's 4 and 1 for sigmoid and tanh.
    """
    x = np.linspace(-6, 6, 4801)
    w = np.exp(-x * x / 2)
    parameters = {p.name: p.default for p in entry.params}
    y = numpy_function(entry.numpy[0], *parameters)(x, **parameters)
    dy = numpy_function(entry.numpy[1], "y", *parameters)(x, y, **parameters)
    return math.sqrt(w.sum() / (w * dy * dy).sum())


class Network:
    """A multilayer perceptron; `sizes` are those of the input, the hidden layers and the output.

    Weights, biases and learned parameters (one per unit) are views into one vector, so that the optimiser needs no loop.
    Weights are normal of variance gain² / fan, where fan is a layer's number of inputs ("in"), of outputs ("out") or their
    "mean"; the last layer's gain is 1. Biases start at 0.
    """

    def __init__(self, backend, sizes, seed, dtype="float32", *, gain=None, fan="mean"):
        self.backend = backend
        gain = backend.gain if gain is None else gain
        *hidden, last = zip(sizes[:-1], sizes[1:], strict=True)
        k = backend.pieces
        shapes = [[(m, n * k), (n * k,)] + [(n,)] * len(backend.learned) for m, n in hidden] + [[last, last[1:]]]
        self.vector = np.zeros(sum(math.prod(shape) for layer in shapes for shape in layer), dtype)
        self.gradient = np.zeros_like(self.vector)
        self.layers = _views(self.vector, shapes)
        self.gradients = _views(self.gradient, shapes)
        self.learned = [dict(zip(backend.learned, own, strict=True)) for _, _, *own in self.layers[:-1]]
        for own in self.learned:
            for name, first in backend.learned.items():
                own[name][...] = first
        rng = np.random.default_rng(seed)
        gains = [gain] * len(hidden) + [1]
        for layer_gain, pair, (weights, *_) in zip(gains, [*hidden, last], self.layers, strict=True):
            weights[...] = rng.normal(0, layer_gain * math.sqrt(1 / FANS[fan](*pair)), weights.shape)

    def outputs(self, x):
        """(pre-activations z, outputs y) of each hidden layer for the inputs x."""
        for (w, b, *_), learned in zip(self.layers, self.learned, strict=False):
            z = x @ w + b
            x = self.backend.value(z, learned)
            yield z, x

    def predict(self, x):
        """The logits of x."""
        for _, x in self.outputs(x):  # noqa: B007, B020
            pass
        weights, bias = self.layers[-1]
        return x @ weights + bias

    def loss_and_gradient(self, x, target):
        """The mean loss of a batch; its gradient goes to `self.gradient`."""
        inputs, saved = [x], []
        for i, (weights, bias, *_) in enumerate(self.layers):
            z = inputs[i] @ weights + bias
            if i < len(self.learned):
                y, keep = self.backend.forward(i, z, self.learned[i])
                inputs.append(y)
                saved.append(keep)
        loss, g = self.backend.loss_and_gradient(z, target)
        for i in reversed(range(len(self.layers))):
            dweights, dbias, *dlearned = self.gradients[i]
            if i < len(self.learned):
                g, gradients = self.backend.backward(g, saved[i], self.learned[i])
                for into, value in zip(dlearned, gradients, strict=True):
                    into[...] = value
            np.matmul(inputs[i].T, g, out=dweights)
            np.sum(g, axis=0, out=dbias)
            if i:
                g = g @ self.layers[i][0].T
        return loss

    def fit(self, x, target, *, epochs, batch, optimiser, seed, after_epoch=None):
        """Train; return the seconds it took.

        Every epoch shuffles and leaves the last incomplete batch out, so that all batches have one size. What `after_epoch()`
        takes is not counted; training ends early when it returns true.
        """
        rng, batch = np.random.default_rng((seed, 1)), min(batch, len(x))
        starts = range(0, len(x) - batch + 1, batch)
        step, steps, seconds = 0, epochs * len(starts), 0.0
        for _ in range(epochs):
            begin = perf_counter()
            order = rng.permutation(len(x))
            for start in starts:
                chosen = order[start : start + batch]
                self.loss_and_gradient(x[chosen], target[chosen])
                optimiser.step(self.vector, self.gradient, step, steps)
                step += 1
            seconds += perf_counter() - begin
            if after_epoch and after_epoch():
                break
        return seconds


def _views(vector, shapes):
    """Consecutive parts of the vector, in the given shapes: one list per layer."""
    parts = iter(np.split(vector, np.cumsum([math.prod(shape) for layer in shapes for shape in layer])))
    return [[next(parts).reshape(shape) for shape in layer] for layer in shapes]


class Adam:
    """Kingma and Ba, Adam, ICLR 2015, algorithm 1; the rate falls linearly to zero."""

    def __init__(self, rate):
        self.rate = rate
        self.first = self.second = 0.0  # arrays from the first step on

    def step(self, vector, gradient, step, steps):
        """Changes the vector; `step` counts from 0 to `steps`."""
        self.first += 0.1 * (gradient - self.first)
        self.second += 0.001 * (gradient * gradient - self.second)
        now = self.rate * (1 - step / steps) * math.sqrt(1 - 0.999 ** (step + 1)) / (1 - 0.9 ** (step + 1))
        vector -= now * self.first / (np.sqrt(self.second) + 1e-8)


class Descent:
    """Stochastic gradient descent at a constant rate, with momentum (Polyak, 1964): v ← momentum · v − rate · gradient."""

    def __init__(self, rate, momentum=0.0):
        self.rate, self.momentum = rate, momentum
        self.velocity = 0.0

    def step(self, vector, gradient, _step, _steps):
        """Changes the vector."""
        if not self.momentum:
            vector -= self.rate * gradient
            return
        self.velocity = self.momentum * self.velocity - self.rate * gradient
        vector += self.velocity
