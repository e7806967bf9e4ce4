"""Batches for the losses over the logits x @ W + b, and what their gradients are."""

import numpy as np

from actloss_c import _build

SHAPE = (41, 6, 13)  # rows, numbers in, classes
EPSILON = {"float32": 2.0**-24, "float64": 2.0**-53}
OPTIONS = (
    {},
    {"class_weight": np.arange(13) / 4},
    {"ignore_index": 3},
    {"label_smoothing": 0.1, "class_weight": np.arange(13) / 4, "ignore_index": -100},
    {"softcap": 5.0, "temperature": 0.7},
    {"z_loss": 0.01},
)


def full(case):
    """The loss of the logits as a whole."""
    return _build.functions(case.level)[case.entry.loss]


def whole(dtype, shape=SHAPE):
    """x, W, b and labels: quarters of small whole numbers, so that no logit is rounded, in whatever order it is summed."""
    n, d, classes = shape
    random = np.random.default_rng([n, d, classes])
    x, w, b = (random.integers(-4, 5, size).astype(dtype) for size in ((n, d), (d, classes), classes))
    return x, w / 4, b / 4, random.integers(0, classes, n)


def normal(dtype, shape=SHAPE):
    """The same of numbers that are rounded."""
    n, d, classes = shape
    random = np.random.default_rng([n, d, classes])
    x, w, b = (random.normal(size=size).astype(dtype) for size in ((n, d), (d, classes), classes))
    return x, w, b, random.integers(0, classes, n)


def distribution(dtype, shape=SHAPE):
    """Soft labels, some of them 0."""
    n, _, classes = shape
    y = np.maximum(np.random.default_rng(3).normal(size=(n, classes)), 0) + np.eye(n, classes)
    return (y / y.sum(axis=1, keepdims=True)).astype(dtype)


def chunks(dtype, shape=SHAPE):
    """chunk_bytes for one row at a time, for a few, and for all."""
    n, d, classes = shape
    row = (classes + 2 * d) * np.dtype(dtype).itemsize
    return (1, 2 * row, 5 * row, 9 * row, n * row - 1, n * row, 1 << 30)


def assert_products(got, x, w, g, slack=None):
    """(dx, dW[, db]) of rows x and the logits' gradient g, each within the error of its sums in any order.

    Products and sums of k terms are off by (k + 1) ε of the sum of their sizes, db's in float64 by one rounding. slack: what g
    itself may be off by, as sizes.
    """
    epsilon, (x, w, g) = EPSILON[got[0].dtype.name], (a.astype(np.longdouble) for a in (x, w, g))
    slack, n, classes = np.zeros(g.shape) if slack is None else slack, len(x), w.shape[1]
    sizes = abs(g) + slack
    wants = (g @ w.T, x.T @ g, g.sum(axis=0))
    off = (
        slack @ abs(w).T + (classes + 1) * epsilon * (sizes @ abs(w).T),
        abs(x).T @ slack + (n + 1) * epsilon * (abs(x).T @ sizes),
        slack.sum(axis=0) + (n + 1) * 2.0**-53 * sizes.sum(axis=0) + epsilon * abs(wants[2]),
    )
    for what, one, want, most in zip(("dx", "dW", "db"), got, wants, off, strict=False):
        assert one.shape == want.shape
        assert (abs(one - want) <= most + np.finfo(one.dtype).smallest_subnormal * (n + classes)).all(), what
