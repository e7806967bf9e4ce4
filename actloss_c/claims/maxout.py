"""(f) One maxout fits any convex function, the difference of two any continuous one, and maxout degenerates to ReLU."""

import itertools

import numpy as np

import actloss_c as al

from ..network import Adam
from . import data, draw
from .claim import Claim, Column, Panel
from .statistics import Comparison

CONVEX = {
    "squared norm": lambda x: (x**2).sum(axis=1),
    "sum of |x|": lambda x: np.abs(x).sum(axis=1),
    "exp": lambda x: np.exp(2 * x.mean(axis=1)),
    "log-sum-exp": lambda x: np.log(1 + np.exp(4 * x).sum(axis=1)),
}
CONTINUOUS = {
    "sine": lambda x: np.sin(4 * x.mean(axis=1)),
    "bump": lambda x: np.exp(-4 * (x**2).sum(axis=1)),
    "root of |x|": lambda x: np.sqrt(np.abs(x).sum(axis=1)),
    "cubic": lambda x: x[:, 0] * x[:, -1] ** 2,
}
FUNCTIONS = CONVEX | CONTINUOUS
LIMIT = np.log10(0.05)  # of the error, relative to the function's standard deviation
CURVATURES = (2.0, 8.0, 32.0)
FLOOR = 1e-4  # errors below count as this: their logarithms say nothing


def settings(size):
    for name, inputs, pieces in itertools.product(FUNCTIONS, size["inputs"], size["pieces"]):
        for maxouts in (1, 2)[: 1 if name in CONVEX else 2]:
            yield {"function": name, "inputs": inputs, "maxouts": maxouts, "pieces": pieces}
    yield {"function": "ReLU", "inputs": 64, "maxouts": 1, "pieces": 2}


def measure(seed, size, function, inputs, maxouts, pieces):
    if function == "ReLU":
        return {"error": float(np.log10(relu_differences(seed) + 1e-16)), "line": None}
    f, random = FUNCTIONS[function], np.random.default_rng((seed, 4))
    x, unseen = (random.uniform(-1, 1, (rows, inputs)) for rows in (size["rows"], 2000))
    mean, spread = f(unseen).mean(), f(unseen).std()
    target = (f(x) - mean) / spread
    if maxouts == 2:
        starts = [start(x, target, 2, pieces, bend, random) for bend in CURVATURES]
    else:  # and from nearly nothing: planes that touch a function which is not convex lie above it
        starts = [start(x, shrunk * target, 1, pieces, 0.0, random) for shrunk in (1.0, 0.1)]
    fits = [descend(x, target, one, size["steps"]) for one in starts]
    weights = min(fits, key=lambda one: np.mean((predict(x, one) - target) ** 2))
    error = np.sqrt(np.mean((predict(unseen, weights) - (f(unseen) - mean) / spread) ** 2))
    line = np.zeros((81, inputs))
    line[:, 0] = np.linspace(-1, 1, 81)
    return {"error": float(np.log10(max(error, FLOOR))), "line": (predict(line, weights) * spread + mean).tolist()}


def predict(x, weights):
    """max over pieces, minus, if there are two maxouts, that of the second; weights: [(W, b), …]."""
    return sum(sign * al.maxout_linear(x, w, b)[:, 0] for sign, (w, b) in zip((1, -1), weights, strict=False))


def start(x, target, maxouts, pieces, bend, random):
    """Pieces that touch at random points: planes fitted to the nearest rows.

    With two maxouts the first starts from f(x) + c‖x‖²/2 and the second from c‖x‖²/2, both convex if c = `bend` outweighs
    f's curvature: the difference of convex functions that the proof uses.
    """
    bowl = bend * (x**2).sum(axis=1) / 2
    columns = np.column_stack([x, np.ones(len(x))])
    nearest = max(2 * (x.shape[1] + 1), len(x) // pieces)
    weights = []
    for values in (target + bowl, bowl)[:maxouts]:
        planes = []
        for centre in x[random.choice(len(x), pieces, replace=pieces > len(x))]:
            rows = np.argsort(((x - centre) ** 2).sum(axis=1))[:nearest]
            planes.append(np.linalg.lstsq(columns[rows], values[rows], rcond=None)[0])
        planes = np.array(planes)
        weights.append((planes[:, :-1, None].copy(), planes[:, -1:].copy()))
    return weights


def descend(x, target, weights, steps):
    """Least squares by Adam over all rows."""
    shapes = [part.shape for pair in weights for part in pair]
    vector = np.concatenate([part.ravel() for pair in weights for part in pair])
    parts = np.split(vector, np.cumsum([np.prod(shape) for shape in shapes])[:-1])
    parts = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
    weights = list(zip(parts[::2], parts[1::2], strict=True))
    optimiser = Adam(0.02)
    for step in range(steps):
        found = [al.maxout_linear.value_and_argmax(x, w, b) for w, b in weights]
        p = found[0][0] - (found[1][0] if len(found) > 1 else 0)
        g = (p - target[:, None]) / len(x)
        gradients = []
        for sign, (w, _), (_, which) in zip((1, -1), weights, found, strict=False):
            gradients += [part.ravel() for part in al.maxout_linear.backward(sign * g, x, w, which)[1:]]
        optimiser.step(vector, np.concatenate(gradients), step, steps)
    return weights


def relu_differences(seed):
    """How much a layer's maxout over (x W + b, 0) differs from its ReLU on digits, in value and in the gradient for x."""
    split = data.load("digits", seed, "float64")
    random = np.random.default_rng((seed, 5))
    w, b = random.standard_normal((64, 16)), random.standard_normal(16)
    y, which = al.maxout_linear.value_and_argmax(split.x, np.stack([w, np.zeros_like(w)]), np.stack([b, np.zeros_like(b)]))
    g = random.standard_normal(y.shape)
    dx = al.maxout_linear.backward(g, split.x, np.stack([w, np.zeros_like(w)]), which)[0]
    z = split.x @ w + b
    wanted = al.relu.backward(g, z) @ w.T
    return max(np.max(np.abs(y - al.relu(z))), np.max(np.abs(dx - wanted)) / np.max(np.abs(wanted)))


def compare(results):
    most = results.size["pieces"][-1]
    for name, inputs in itertools.product(FUNCTIONS, results.size["inputs"]):
        maxouts = 1 if name in CONVEX else 2
        error = results.of("error", function=name, inputs=inputs, maxouts=maxouts, pieces=most)
        factors = {"measure": "error over the function's spread", "maxouts": maxouts, "function": name, "inputs": inputs}
        yield Comparison(error, factors, -np.inf, LIMIT, ratio=True)
    same = results.of("error", function="ReLU", inputs=64, maxouts=1, pieces=2)
    yield Comparison(
        same, {"measure": "difference from ReLU", "maxouts": 1, "function": "ReLU", "inputs": 64}, -np.inf, -12.0, ratio=True
    )


def finding(results):
    most, widest = results.size["pieces"][-1], results.size["inputs"][-1]

    def worst(functions, maxouts, inputs):
        errors = {n: results.of("error", function=n, inputs=inputs, maxouts=maxouts, pieces=most).mean() for n in functions}
        name = max(errors, key=errors.get)
        return f"{100 * 10 ** errors[name]:.1f} % ({name})"

    same = results.of("error", function="ReLU", inputs=64, maxouts=1, pieces=2).max()
    return (
        f"With {most} pieces the worst error, as a share of the function's standard deviation, is for one maxout on a convex "
        f"function {worst(CONVEX, 1, 1)} in one dimension and {worst(CONVEX, 1, widest)} in {widest}; for two on the others "
        f"{worst(CONTINUOUS, 2, 1)} and {worst(CONTINUOUS, 2, widest)}; one alone leaves up to {worst(CONTINUOUS, 1, 1)}. Maxout "
        f"over (z, 0) differs from ReLU by {'nothing' if same <= -15.5 else f'a relative {10**same:.0e}'}."
    )


def panels(results):
    pieces = results.size["pieces"]
    for title, functions, maxouts in (
        ("one maxout, convex functions", CONVEX, 1),
        ("difference of two, continuous functions", CONTINUOUS, 2),
        ("one maxout, functions that are not convex", CONTINUOUS, 1),
    ):

        def errors(axes, functions=functions, maxouts=maxouts):
            for k, name in enumerate(functions):
                for inputs in results.size["inputs"][-1:]:
                    values = results.over("pieces", pieces, "error", function=name, inputs=inputs, maxouts=maxouts)
                    draw.curve(axes, pieces, values, name, k, log=True)
            axes.axhline(10**LIMIT, color="0.4", lw=1, ls=(0, (4, 2)))
            axes.set_xscale("log", base=2)
            axes.set(yscale="log", xlabel="pieces of each maxout", ylabel="error over standard deviation")

        yield Panel(
            f"{title}, {results.size['inputs'][-1]} inputs",
            f"Root mean square error on unseen points over the number of pieces: {title}. Dashed: five percent, the criterion.",
            errors,
        )

    def shapes(axes):
        t = np.linspace(-1, 1, 81)
        for k, (name, maxouts) in enumerate((("squared norm", 1), ("bump", 2), ("bump", 1))):
            line = results.of("line", function=name, inputs=1, maxouts=maxouts, pieces=pieces[-1])[0]
            axes.plot(t, FUNCTIONS[name](t[:, None]), color="0.8", lw=5, zorder=0)
            label = f"{name}, {'one maxout' if maxouts == 1 else 'difference of two'}"
            axes.plot(t, line, **{**draw.style(name, k), "label": label, "marker": ""})
        axes.set(xlabel="x", ylabel="function (grey) and fit")

    yield Panel(
        f"fits in one dimension, {pieces[-1]} pieces",
        "A convex function and its fit by one maxout, and a bump with the fits by one maxout, which is convex and misses "
        "it, and by the difference of two, which follows it.",
        shapes,
    )


CLAIM = Claim(
    key="f",
    title="maxout fits convex, two fit continuous, and is ReLU",
    statement="One maxout unit fits any convex function, the difference of two any continuous one, and ReLU is a maxout of "
    "two pieces.",
    sources=(
        "Goodfellow, Warde-Farley, Mirza, Courville and Bengio, Maxout networks, ICML 2013, section 4",
        "Wang, General constructive representations for continuous piecewise-linear functions, IEEE Transactions on "
        "Circuits and Systems I 51, 2004",
    ),
    method="Four convex and four other continuous functions on [−1, 1]^d, d = {inputs}; maxouts of {pieces} pieces are "
    "fitted to {rows} random points by {steps} steps of Adam from pieces that touch the function, or a tenth of it "
    "(two maxouts: f + c‖x‖²/2 and c‖x‖²/2, c = 2, 8 or 32), and judged on 2000 others (errors below 1e-4 count as "
    "1e-4). And a layer's maxout over (x W + b, 0) against ReLU on digits, value and gradient.",
    criterion="With the most pieces the root mean square error is below 5 % of the function's standard deviation, for one "
    "maxout on each convex function and for the difference of two on each other; maxout over (z, 0) differs from "
    "ReLU by no more than a relative 1e-12.",
    sizes={
        "full": {"inputs": [1, 2], "pieces": [4, 16, 64], "rows": 1000, "steps": 300},
        "quick": {"inputs": [1, 2], "pieces": [4, 48], "rows": 300, "steps": 60},
        "tiny": {"inputs": [1], "pieces": [2, 4], "rows": 30, "steps": 2},
    },
    settings=settings,
    measure=measure,
    compare=compare,
    finding=finding,
    panels=panels,
    columns={"error": Column("error over the function's spread", log=True)},
)
