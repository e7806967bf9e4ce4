"""Prints the tables of docs/boosters.md: one call of an objective, and what it takes of training; needs the extra `boosters`.

    python benchmarks/boosters_table.py [--rounds 40] [--samples 100000]

Processor time, medians of what takes turns in one process. Calls: the scores as each library hands them over, results of float32.
The recipe is that of the libraries' own examples in NumPy, with the row's maximum subtracted. Training: the same data, rounds and
start for the library's own objective, this package's and the recipe, one thread.
"""

import argparse
import statistics
import time

import lightgbm as lgb
import numpy as np
import xgboost as xgb
from sklearn.datasets import make_classification

import actloss_c as al

LOSS = {1: "sigmoid_binary_cross_entropy", None: "softmax_cross_entropy"}
FACTOR = {"xgboost": lambda classes: 2.0, "lightgbm": lambda classes: classes / (classes - 1)}
CALLS = ((1_000_000, 1), (10_000, 1), (200_000, 5), (100_000, 10), (20_000, 100))


def recipe(booster):
    """objective(labels, scores, weights) as users type it; float32 as the booster stores it."""

    def binary(y, z, w=None):
        p = 1 / (1 + np.exp(-z))
        return p - y, np.maximum(p * (1 - p), 1e-16)

    def classes(y, z, w=None):
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        h = np.maximum(FACTOR[booster](z.shape[1]) * p * (1 - p), 1e-16)
        p[np.arange(len(y)), y.astype(int)] -= 1
        return p, h

    def call(y, z, sample_weight=None):
        g, h = (binary if z.ndim == 1 else classes)(y, z)
        if sample_weight is not None:
            g, h = (r * (sample_weight if r.ndim == 1 else sample_weight[:, None]) for r in (g, h))
        return g.astype(np.float32, copy=False), h.astype(np.float32, copy=False)

    return call


def ours(booster, classes):
    return getattr(al.objectives, booster)(LOSS.get(classes, LOSS[None]))


def in_turns(calls, turns):
    """{name: median seconds of the processor}."""
    times = {name: [] for name in calls}
    for _ in range(turns):
        for name, call in calls.items():
            start = time.process_time()
            call()
            times[name].append(time.process_time() - start)
    return {name: statistics.median(t) for name, t in times.items()}


def calls_table(turns):
    print("| scores | library | weights | this package | recipe | ratio |\n|---|---|---|--:|--:|--:|")
    random = np.random.default_rng(0)
    for n, classes in CALLS:
        for booster in FACTOR:
            dtype, order = {"xgboost": ("f4", "C"), "lightgbm": ("f8", "F")}[booster]
            shape = (n,) if classes == 1 else (n, classes)
            z = random.normal(scale=3, size=shape).astype(dtype, order=order)
            y = random.integers(0, max(classes, 2), n).astype("f4")
            for weight in (None, random.uniform(0.5, 2, n).astype("f4")):
                sides = {"ours": ours(booster, classes), "recipe": recipe(booster)}
                results = [side(y, z, weight) for side in sides.values()]
                assert all(np.allclose(a, b, rtol=1e-3, atol=1e-5) for a, b in zip(*results, strict=True))
                calls = {name: lambda side=side, y=y, z=z, w=weight: side(y, z, w) for name, side in sides.items()}
                t = in_turns(calls, turns)
                what = " × ".join(map(str, shape))
                cells = [what, booster, "no" if weight is None else "yes", *(f"{s * 1e3:.3g} ms" for s in t.values())]
                print("|", " | ".join(cells), f"| {t['recipe'] / t['ours']:.1f} |", flush=True)


class Timed:
    """An objective that counts its own processor time."""

    def __init__(self, objective):
        self.objective, self.seconds = objective, 0.0

    def __deepcopy__(self, memo):
        """Itself: LightGBM copies its parameters."""
        return self

    def __call__(self, scores, data):
        start = time.process_time()
        weight = data.get_weight()
        weight = None if weight is None or weight.size == 0 else weight
        results = self.objective(data.get_label(), scores, weight)
        self.seconds += time.process_time() - start
        return results


def train_xgboost(x, y, classes, rounds, objective):
    params = {
        "nthread": 1,
        "max_depth": 6,
        "verbosity": 0,
        "tree_method": "hist",
        "base_score": 0.5 if objective is None else 0.0,
    }
    params |= {"num_class": classes} if classes > 1 else {}
    data = xgb.QuantileDMatrix(x, y, nthread=1)
    if objective is None:
        params["objective"] = "multi:softprob" if classes > 1 else "binary:logistic"
    start = time.process_time()
    xgb.train(params, data, rounds, obj=objective)
    return time.process_time() - start


def train_lightgbm(x, y, classes, rounds, objective):
    params = {"num_threads": 1, "num_leaves": 31, "verbosity": -1, "force_row_wise": True, "boost_from_average": False}
    params |= {"num_class": classes} if classes > 1 else {}
    params["objective"] = ("multiclass" if classes > 1 else "binary") if objective is None else objective
    data = lgb.Dataset(x, y).construct()
    start = time.process_time()
    lgb.train(params, data, rounds)
    return time.process_time() - start


def training_table(n, rounds, turns):
    print("\n| training | library | own objective | this package | recipe | ours, of training | recipe, of training |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for classes in (1, 5):
        kinds = {"n_samples": n, "n_features": 20, "n_informative": 10, "random_state": 0}
        x, y = make_classification(**kinds, n_classes=max(classes, 2))
        x = x.astype(np.float32)
        for booster, train in (("xgboost", train_xgboost), ("lightgbm", train_lightgbm)):
            times, shares = {"own": [], "ours": [], "recipe": []}, {"ours": [], "recipe": []}
            for _ in range(turns):
                for name in times:
                    objective = None if name == "own" else Timed(ours(booster, classes) if name == "ours" else recipe(booster))
                    times[name].append(train(x, y, classes, rounds, objective))
                    if objective is not None:
                        shares[name].append(objective.seconds / times[name][-1])
            what = f"{n} × 20, {'2 labels' if classes == 1 else f'{classes} classes'}, {rounds} rounds"
            cells = [what, booster, *(f"{statistics.median(t):.2f} s" for t in times.values())]
            cells += [f"{statistics.median(s) * 100:.1f} %" for s in shares.values()]
            print("|", " | ".join(cells), "|", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--turns", type=int, default=15)
    arguments = parser.parse_args()
    calls_table(arguments.turns)
    training_table(arguments.samples, arguments.rounds, max(arguments.turns // 5, 1))


if __name__ == "__main__":
    main()
