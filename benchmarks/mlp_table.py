"""scikit-learn's perceptrons with and without al.sklearn.accelerate_mlp(), and where their time goes.

    OPENBLAS_NUM_THREADS=1 python benchmarks/mlp_table.py [rounds]

Prints the table of docs/sklearn.md: milliseconds of an epoch of Adam, and of predict_proba, on the digits repeated to 7188 rows:
processor time, the least of rounds in which both sides take turns, so that a machine with other work does for it. `share` is that
of the replaced functions in scikit-learn's own epoch.
"""

import statistics
import sys
import warnings
from contextlib import nullcontext
from time import process_time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, _base

import actloss_c as al

EPOCHS = 2
CASES = [  # activation, hidden layers, batch, dtype
    ("relu", (100,), 200, "float64"),
    ("tanh", (100,), 200, "float64"),
    ("logistic", (100,), 200, "float64"),
    ("relu", (100,), 200, "float32"),
    ("tanh", (100,), 200, "float32"),
    ("logistic", (100,), 200, "float32"),
    ("tanh", (1000,), 1000, "float32"),
    ("logistic", (20,) * 5, 1000, "float32"),
]


class Timed:
    """A function that adds up its seconds."""

    total = 0.0

    def __init__(self, function):
        self.function = function

    def __call__(self, *given):
        start = process_time()
        result = self.function(*given)
        Timed.total += process_time() - start
        return result


def share(train):
    """The part of a training that scikit-learn spends in what is replaced."""
    tables = [getattr(_base, name) for name in ("ACTIVATIONS", "DERIVATIVES", "LOSS_FUNCTIONS")]
    before, Timed.total = [dict(table) for table in tables], 0.0
    for table in tables:
        table.update({name: Timed(function) for name, function in table.items()})
    try:
        start = process_time()
        train()
        return Timed.total / (process_time() - start)
    finally:
        for table, old in zip(tables, before, strict=True):
            table.update(old)


def seconds(call):
    start = process_time()
    call()
    return process_time() - start


def row(case, x, y, rounds):
    """One row of the table."""
    activation, layers, batch, dtype = case
    x = x.astype(dtype)
    make = lambda: MLPClassifier(layers, activation=activation, batch_size=batch, max_iter=EPOCHS, tol=0, random_state=0)  # noqa: E731
    model = make().fit(x, y)
    times = {(what, fast): [] for what in ("fit", "predict") for fast in (False, True)}
    for _ in range(rounds):
        for fast in (False, True):
            with al.sklearn.accelerate_mlp() if fast else nullcontext():
                times["fit", fast].append(seconds(lambda: make().fit(x, y)) / EPOCHS)
                times["predict", fast].append(seconds(lambda: model.predict_proba(x)))
    ms = {key: 1e3 * min(value) for key, value in times.items()}
    part = statistics.median(share(lambda: make().fit(x, y)) for _ in range(rounds))
    cells = [activation, "-".join(map(str, layers)), batch, dtype, f"{100 * part:.0f} %"]
    for what in ("fit", "predict"):
        plain, fast = ms[what, False], ms[what, True]
        cells += [f"{plain:.1f}", f"{fast:.1f}", f"{plain / fast:.2f}"]
    return "| " + " | ".join(map(str, cells)) + " |"


def main(rounds="7"):
    warnings.simplefilter("ignore", ConvergenceWarning)
    x, y = load_digits(return_X_y=True)
    x, y = np.tile(x / 16, (4, 1)), np.tile(y, 4)
    print("| hidden | layers | batch | dtype | share | epoch, ms | accelerated | ratio | predict, ms | accelerated | ratio |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for case in CASES:
        print(row(case, x, y, int(rounds)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
