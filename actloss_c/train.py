"""`actloss_c train`: a multilayer perceptron in NumPy on real handwritten digits, with the fused kernels and with NumPy formulas.

Both backends see the same split, initial weights and shuffles, so they reach the same accuracy; what differs is the time
they spend in activations and loss. scikit-learn (the digits) and rich (the table) are needed only while training.
"""

import argparse
import functools
import math
import statistics
import sys
from time import perf_counter
from typing import NamedTuple

import numpy as np

import actloss_c as al
from actloss_c import registry
from actloss_c.baseline import numpy_function
from actloss_c.network import Adam, Network, initial_gain

IMAGES, PIXELS, CLASSES = 1797, 64, 10
TRAINING = 1437  # four fifths of the images


def load_digits_split(seed, dtype="float32"):
    """The digits, shuffled by seed and stratified: (training x, held-out x, training labels, held-out labels)."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    return train_test_split((pixels / 16).astype(dtype), labels, train_size=TRAINING, random_state=seed, stratify=labels)


def timed(total):
    """Decorator of a method: adds its time to the attribute named `total`."""

    def decorate(method):
        @functools.wraps(method)
        def call(self, *arguments):
            start = perf_counter()
            try:
                return method(self, *arguments)
            finally:
                setattr(self, total, getattr(self, total) + perf_counter() - start)

        return call

    return decorate


class Backend:
    """One way to compute a network's activation and its loss, with the time spent in each.

    See network.py for the methods. `value` and `loss` serve evaluation and are not timed.
    """

    pieces = 1

    def __init__(self, entry):
        self.entry = entry
        self.learned = {p.name: p.default for p in entry.params if p.learned}
        self.gain = initial_gain(entry)
        self.activation_seconds = self.loss_seconds = 0.0


class Fused(Backend):
    """The kernels of this package: value and derivative in one pass, into buffers kept for each layer."""

    label = "actloss_c"

    def __init__(self, entry):
        super().__init__(entry)
        self.function = getattr(al, entry.name)
        self.buffers = {}

    def value(self, x, learned):
        return self.function(x, **learned)

    @timed("activation_seconds")
    def forward(self, layer, x, learned):
        if layer not in self.buffers or self.buffers[layer][0].shape != x.shape:
            self.buffers[layer] = np.empty_like(x), np.empty_like(x)
        y, dy = self.buffers[layer]
        if learned:  # their gradients come with backward, which starts from x
            return self.function(x, **learned, out=y), x
        return self.function.value_and_grad(x, out=(y, dy))

    @timed("activation_seconds")
    def backward(self, g, saved, learned):
        if learned:
            dx, *gradients = self.function.backward(g, saved, **learned)
            return dx, gradients
        return np.multiply(g, saved, out=g), []

    def loss(self, z, labels):
        return al.softmax_cross_entropy(z, labels)

    @timed("loss_seconds")
    def loss_and_gradient(self, z, labels):
        return al.softmax_cross_entropy.value_and_grad(z, labels, out=z)


class PureNumPy(Backend):
    """The registry's NumPy formulas, as one would write them without this package."""

    label = "NumPy"

    def __init__(self, entry):
        super().__init__(entry)
        names = [p.name for p in entry.params]
        self.function = numpy_function(entry.numpy[0], *names)
        self.derivative = numpy_function(entry.numpy[1], "y", *names)
        self.slopes = {p.name: numpy_function(p.learned, *names) for p in entry.params if p.learned}
        loss, gradient = registry.FUNCTIONS["softmax_cross_entropy"].numpy
        self.row_loss, self.row_gradient = numpy_function(loss, "target"), numpy_function(gradient, "target")

    def _parameters(self, x, learned):
        """All parameters, in x's dtype: a Python float would turn where() into float64."""
        return [np.asarray(learned.get(p.name, p.default), x.dtype) for p in self.entry.params]

    def value(self, x, learned):
        return self.function(x, *self._parameters(x, learned))

    @timed("activation_seconds")
    def forward(self, layer, x, learned):
        y = self.value(x, learned)
        return y, (x, y)

    @timed("activation_seconds")
    def backward(self, g, saved, learned):
        x, y = saved
        parameters = self._parameters(x, learned)
        gradients = [(g * self.slopes[name](x, *parameters)).sum(axis=0) for name in learned]
        return g * self.derivative(x, y, *parameters), gradients

    def loss(self, z, labels):
        return float(np.mean(self.row_loss(z, labels)))

    @timed("loss_seconds")
    def loss_and_gradient(self, z, labels):
        return self.loss(z, labels), self.row_gradient(z, labels) / len(z)


BACKENDS = (Fused, PureNumPy)


class Result(NamedTuple):
    """One training: accuracy in percent and loss on the held-out fifth, and seconds."""

    accuracy: float
    loss: float
    activation_seconds: float
    loss_seconds: float
    seconds: float


def train(activation, backend, seed, *, depth=2, width=128, epochs=40, batch=32, rate=0.002, dtype="float32", after_epoch=None):
    """Train one network on the digits and judge it on the held-out fifth."""
    x, held_out, labels, held_out_labels = load_digits_split(seed, dtype)
    network = Network(backend(registry.FUNCTIONS[activation]), (PIXELS, *[width] * depth, CLASSES), seed, dtype)
    with np.errstate(all="ignore"):  # a rate too high shows as a loss of nan
        seconds = network.fit(x, labels, epochs=epochs, batch=batch, optimiser=Adam(rate), seed=seed, after_epoch=after_epoch)
        z = network.predict(held_out)
        loss = network.backend.loss(z, held_out_labels)
    accuracy = 100 * float(np.mean(z.argmax(axis=1) == held_out_labels))
    return Result(accuracy, loss, network.backend.activation_seconds, network.backend.loss_seconds, seconds)


def _number(kind, low, high=math.inf):
    """An argparse type: an integer from low, or a float above low, to high."""
    word, bound = ("an integer", f"at least {low}") if kind is int else ("a finite number", f"above {low}")
    bound += f" and at most {high}" if high < math.inf else ""

    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"must be {word}, {bound}; got {text!r}") from None
        if not low <= value <= high or value == math.inf or (kind is float and value == low):
            raise argparse.ArgumentTypeError(f"must be {word}, {bound}; got {text}")
        return value

    return parse


def add_arguments(parser):
    """Declare the options of `actloss_c train`."""
    defaults = {"activation": "relu", "seed": 0, "seeds": 5, **train.__kwdefaults__}

    def add(name, text, **settings):
        parser.add_argument("--" + name, default=defaults[name], help=f"{text} (default: {defaults[name]})", **settings)

    count = {"type": _number(int, 1), "metavar": "N"}
    add("activation", "of the hidden layers", choices=[entry.name for entry in registry.ACTIVATIONS])
    add("depth", "number of hidden layers", **count)
    add("width", "units of each hidden layer", **count)
    add("epochs", "passes over the training images", **count)
    add("batch", "images per step", type=_number(int, 1, TRAINING), metavar="N")
    add("rate", "initial learning rate of Adam", type=_number(float, 0), metavar="R")
    add("seed", "first seed, of split, weights and shuffles", type=_number(int, 0, 2**31), metavar="N")
    add("seeds", "number of consecutive seeds", type=_number(int, 1, 1000), metavar="N")
    add("dtype", "of all arrays", choices=("float32", "float64"))


def run(arguments):
    """Train with every seed and both backends, and print the table; return the exit status."""
    try:
        import rich  # noqa: F401
        import sklearn  # noqa: F401
    except ModuleNotFoundError as error:
        print(f'actloss_c train needs {error.name}, which is not installed: pip install "actloss_c[train]"', file=sys.stderr)
        return 1
    from rich.console import Console
    from rich.progress import Progress

    a = arguments
    settings = {key: getattr(a, key) for key in ("depth", "width", "epochs", "batch", "rate", "dtype")}
    seeds = range(a.seed, a.seed + a.seeds)
    results = {backend: [] for backend in BACKENDS}
    stderr, console = Console(stderr=True), Console(highlight=False, markup=False)
    # Refreshed between epochs only: a refreshing thread would compete with the work that is timed.
    with Progress(console=stderr, transient=True, auto_refresh=False, disable=not stderr.is_terminal) as progress:
        task = progress.add_task("", total=a.seeds * len(BACKENDS) * a.epochs)
        tick = functools.partial(progress.update, task, advance=1, refresh=True)
        for seed in seeds:
            for backend in BACKENDS:
                progress.update(task, description=f"seed {seed}, {backend.label}")
                results[backend].append(train(a.activation, backend, seed, after_epoch=tick, **settings))

    sizes = "-".join(map(str, (PIXELS, *[a.width] * a.depth, CLASSES)))
    data = f"{IMAGES} digits, {PIXELS} pixels, {TRAINING} train / {IMAGES - TRAINING} held out; "
    console.print(data + (f"medians of seeds {a.seed} to {seeds[-1]}" if a.seeds > 1 else f"seed {a.seed}"))
    console.print(f"{a.activation} {sizes}, {a.epochs} epochs, batch {a.batch}, {a.dtype}, level {al._dispatch.LEVEL}")
    console.print(_table(results))
    return 0


def _table(results):
    """The table that compares the backends: medians over the seeds, and the ratios of the times."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column("\nbackend", no_wrap=True)
    for title in ("accuracy %\n(min-max)", "held-out\nloss", "time in\nactivations", "time in\nloss", "training\ntime"):
        table.add_column(title, justify="right", no_wrap=True)
    times = []
    for backend, runs in results.items():
        accuracies, losses, *seconds = zip(*runs, strict=True)
        times.append([statistics.median(values) for values in seconds])
        accuracy = f"{statistics.median(accuracies):.1f} ({min(accuracies):.1f}-{max(accuracies):.1f})"
        table.add_row(backend.label, accuracy, f"{statistics.median(losses):.3g}", *(f"{t:.3f} s" for t in times[-1]))
    fused, plain = times
    table.add_row("NumPy/actloss_c", "", "", *(f"{p / f:.2f} x" for p, f in zip(plain, fused, strict=True)))
    return table
