"""(g) Squared error against cross-entropy from a badly wrong start."""

import itertools

import numpy as np

import actloss_c as al

from .. import registry
from ..network import Descent, Network
from ..train import Fused
from . import data, draw
from .claim import Claim, Panel
from .statistics import Comparison, best_elsewhere

GOALS = {"breast cancer": 0.9, "odd digits": 0.85}  # share of the training rows to get right
DRAWN = 0.1  # the rate of the figure
STAYS = 10
LOSSES = {"squared error": "sigmoid_squared_error", "cross-entropy": "sigmoid_binary_cross_entropy"}


def settings(size):
    for name, wrong, loss in itertools.product(GOALS, size["wrong"], LOSSES):
        yield {"data": name, "wrong": wrong, "loss": loss}


class Binary(Fused):
    """tanh in the hidden layer, one logit, and one of the two losses."""

    def __init__(self, loss):
        super().__init__(registry.FUNCTIONS["tanh"])
        self.pair_loss = getattr(al, LOSSES[loss])

    def loss_and_gradient(self, z, target):
        loss, g = self.pair_loss.value_and_grad(z[:, 0], target)
        return loss, g[:, None]


def measure(seed, size, data, wrong, loss):
    split = _load(data, seed)
    wrong_start = start(split, seed, size["width"], wrong)
    found = {"steps": [], "slope": None, "factor": None}
    for rate in size["rates"]:
        network = Network(Binary(loss), (split.x.shape[1], size["width"], 1), seed)
        network.vector[...] = wrong_start
        count, course = descend(network, split, seed, rate, size["steps"], GOALS[data])
        found["steps"].append(float(np.log10(count)))
        if rate == DRAWN:
            found["slope"], found["factor"] = course
    return found


def _load(name, seed):
    return data.load(name, seed)


def start(split, seed, width, wrong):
    """A network's weights after training on the opposite labels, the last layer scaled to a mean |logit| of `wrong`."""
    network = Network(Binary("cross-entropy"), (split.x.shape[1], width, 1), seed)
    opposite = (1 - split.target).astype(split.x.dtype)
    network.fit(split.x, opposite, epochs=5, batch=32, optimiser=Descent(0.1), seed=seed)
    scale = wrong / np.abs(network.predict(split.x)).mean()
    for part in network.layers[-1]:
        part *= scale
    return network.vector


def descend(network, split, seed, rate, steps, goal):
    """Steps until a share `goal` of the training rows lies on the right side and stays so for STAYS steps, `steps` at most; and
    the course: log10 of the mean slope |dL/dz| and of the mean σ′(z) before each step."""
    random, stays, slopes, factors = np.random.default_rng((seed, 1)), 0, [], []
    target = split.target.astype(split.x.dtype)
    at_goal = None
    with np.errstate(all="ignore"):
        for step in range(steps):
            z = network.predict(split.x)[:, 0]
            slope = network.backend.pair_loss.grad(z, target, reduction="sum")
            slopes.append(np.abs(slope, dtype=float).mean())
            factors.append(al.sigmoid.grad(z).mean(dtype=float))
            stays = stays + 1 if np.mean((z > 0) == split.target) >= goal else 0
            if stays == STAYS and at_goal is None:
                at_goal = max(step - STAYS + 1, 1)
                if rate != DRAWN:
                    break
            chosen = random.integers(len(target), size=32)
            network.loss_and_gradient(split.x[chosen], target[chosen])
            network.vector -= network.vector.dtype.type(rate) * network.gradient
        course = [np.log10(np.maximum(one, 1e-12)).tolist() for one in (slopes, factors)]
    return at_goal or steps, course


def steps(results, name, wrong, policy):
    """log10 of the steps of (squared error, cross-entropy) for each seed."""
    squared, entropy = (results.of("steps", data=name, wrong=wrong, loss=loss) for loss in LOSSES)
    each, chosen = np.arange(len(squared)), best_elsewhere(entropy)
    return squared[each, chosen if policy == "the same" else best_elsewhere(squared)], entropy[each, chosen]


def compare(results):
    for name, wrong, policy in itertools.product(GOALS, results.size["wrong"], ("the same", "each its best")):
        squared, entropy = steps(results, name, wrong, policy)
        factors = {
            "measure": "squared error's steps over cross-entropy's",
            "data": name,
            "|logit| at the start": wrong,
            "rate": policy,
        }
        yield Comparison(squared - entropy, factors, ratio=True)


def finding(results):
    parts = []
    for name, wrong in itertools.product(GOALS, (results.size["wrong"][0], results.size["wrong"][-1])):
        ratios = [10 ** np.subtract(*steps(results, name, wrong, policy)).mean() for policy in ("the same", "each its best")]
        parts.append(f"{name}, |logit| {wrong:g}: {ratios[0]:.3g} and {ratios[1]:.3g}")
    return (
        "How many times as many steps squared error takes, at cross-entropy's best rate and at its own best one: "
        f"{'; '.join(parts)}. Its slope carries the factor σ′, which is small exactly where the start is confidently wrong."
    )


def panels(results):
    def slopes(axes):
        z = np.linspace(-10, 10, 401)
        for k, (loss, name) in enumerate(LOSSES.items()):
            axes.plot(z, np.abs(getattr(al, name).grad(z, np.zeros_like(z), reduction="sum")), **_plain(loss, k))
        axes.plot(z, al.sigmoid.grad(z), **_plain("σ′(z)", 2))
        axes.set(xlabel="logit z; the target is 0", ylabel="size of the slope")

    yield Panel(
        "the slope in z, and the factor σ′",
        "The slope of both losses over the logit for target 0. Cross-entropy's rises to one, the more wrong the logit; "
        "squared error's is that times the derivative of the sigmoid and falls back to zero.",
        slopes,
    )
    worst = results.size["wrong"][-1]
    for name in GOALS:

        def course(axes, name=name):
            for k, loss in enumerate(LOSSES):
                values = results.of("slope", data=name, wrong=worst, loss=loss)
                draw.curve(axes, range(1, values.shape[1] + 1), values, loss, k, log=True)
            values = results.of("factor", data=name, wrong=worst, loss="squared error")
            draw.curve(axes, range(1, values.shape[1] + 1), values, "σ′", 2, log=True, label="mean σ′(z), squared error")
            axes.set(xscale="log", yscale="log", xlabel=f"step, at rate {DRAWN:g}", ylabel="mean over the rows")

        yield Panel(
            f"{name}: the slope on the way, from |logit| {worst:g}",
            f"Mean size of the slope over the steps of gradient descent on {name} from the worst start, for both losses, and the "
            "mean derivative of the sigmoid, which is what holds squared error back.",
            course,
        )

        def ratio(axes, name=name):
            for k, policy in enumerate(("the same", "each its best")):
                pairs = [np.subtract(*steps(results, name, wrong, policy)) for wrong in results.size["wrong"]]
                draw.curve(axes, results.size["wrong"], np.stack(pairs, axis=1), policy, k, log=True, label=f"rate: {policy}")
            axes.axhline(1, color="0.4", lw=1, ls=(0, (4, 2)))
            axes.set(yscale="log", xlabel="mean |logit| of the wrong start", ylabel="ratio of steps")

        yield Panel(
            f"{name}: squared error's steps over cross-entropy's",
            f"The ratio of steps until the goal on {name}, over how wrong the start is. Above one, cross-entropy is faster.",
            ratio,
        )


def _plain(label, k):
    return {**draw.style(label, k), "marker": ""}


CLAIM = Claim(
    key="g",
    title="cross-entropy recovers faster from a wrong start",
    statement="From a badly wrong start squared error behind a sigmoid learns slowly, as its slope carries σ′; "
    "cross-entropy does not.",
    sources=(
        "Solla, Levin and Fleisher, Accelerated learning in layered neural networks, Complex Systems 2, 1988",
        "Golik, Doetsch and Ney, Cross-entropy vs. squared error training, Interspeech 2013",
    ),
    method="A network of {width} tanh units and one sigmoid on scikit-learn's breast cancer and on its digits, odd against "
    "even. It is first trained on the opposite labels, and its last layer scaled to a mean |logit| of {wrong}: "
    "confidently wrong. Then stochastic gradient descent, batches of 32, rates {rates}, until 90 % (digits 85 %) of "
    "the training rows are on their right side and stay so for ten steps, at most {steps} steps.",
    criterion="Squared error takes more steps than cross-entropy, on each data set and from each start, at the rate that is"
    " best for cross-entropy on the other seeds, and also with each loss at its own best rate (a run that does "
    "not get there counts with the limit).",
    sizes={
        "full": {"wrong": [1, 2, 4, 8, 12], "rates": [0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0], "steps": 600, "width": 16},
        "quick": {"wrong": [2, 8], "rates": [0.1, 1.0, 10.0, 100.0], "steps": 200, "width": 16},
        "tiny": {"wrong": [2, 8], "rates": [0.1], "steps": 5, "width": 4},
    },
    settings=settings,
    measure=measure,
    compare=compare,
    finding=finding,
    panels=panels,
    columns={},
)
