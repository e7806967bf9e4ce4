"""The constant score that minimises a loss over a training set, found from the loss's own derivatives.

No closed forms: the mean, a quantile, a logit or the log of the shares come out where they are the answer, and every other loss
has its own. Samples of one target count once, with the sum of their weights, so labels cost next to nothing.
"""

import math

import numpy as np

from . import _row_options, registry
from ._arrays import FLOAT64

SHARE = 1e-15  # what LightGBM takes for a share of 0, whose score would be −∞
REACH = -math.log(SHARE)
STEPS = 200  # of the search over classes: the labels' shares are exact at once, a focal loss takes some dozens
SETTLED = 1e-13  # the gradient, for weights whose sum is 1, that counts as none


def of_pairs(loss, target, weight, params):
    """A float; for targets of several columns one number for each."""
    if target.ndim == 2:
        return np.array([of_pairs(loss, column, weight, params) for column in target.T])
    values, counts = _grouped(loss.name, target, weight)
    loss(np.broadcast_to(0.0, target.shape), target, **params)  # names the row of a target that it does not take
    low, high = _bracket(registry.FUNCTIONS[loss.name], values)

    def slope(score):
        return float(loss.grad(np.full(values.shape, score), values, reduction="sum", sample_weight=counts, **params).sum())

    middle, near = low / 2 + high / 2, 2.0**-52 * max(abs(low), abs(high))
    while high - low > near and low < middle < high:
        rise = slope(middle)
        if rise == 0:
            break
        low, high = (middle, high) if rise < 0 else (low, middle)
        middle = low / 2 + high / 2
    return middle


def _grouped(name, target, weight):
    """(the different targets, their shares)."""
    if target.ndim != 1 or target.size == 0:
        raise ValueError(
            f"{name}: target has the shape {target.shape}; the initial score needs one target per sample, and a sample"
        )
    values, at = np.unique(target.astype(FLOAT64), return_inverse=True)
    if not np.isfinite(values).all():
        row = int(np.argmin(np.isfinite(target)))
        raise ValueError(f"{name}: target[{row}] is {target[row]}; it must be finite: correct it or drop the sample")
    counts = np.bincount(at, weight)
    return values, _shares(name, counts)


def _shares(name, counts):
    total = counts.sum()
    if not 0 < total < np.inf:
        raise ValueError(
            f"{name}: the samples' weights have the sum {total}; the initial score needs one that is positive and finite"
        )
    return counts / total


def _bracket(entry, values):
    """Where the slope is negative, and where it is positive; if it never changes its sign, as far as a share of 0 goes."""
    if entry.variable == "a":  # the targets' own scale
        return float(values[0]), float(values[-1])
    sizes = abs(values[values != 0])  # the score is a logit or a logarithm, and that of the least target may lie further out
    reach = max([REACH, *(abs(math.log(size)) + 1 for size in (sizes.min(), sizes.max()))] if sizes.size else [REACH])
    return -reach, reach


def of_classes(loss, target, weight, classes, params):
    """One number per class."""
    params = dict(params)
    target, shares, start = _rows(loss, target, weight, classes, params)
    z, step = np.log(np.maximum(start, SHARE)), 1.0

    def at(z):
        rows = np.repeat(z[None], len(shares), 0)
        value, g, h = loss.value_grad_and_hess(rows, target, reduction="sum", sample_weight=shares, **params)
        return value, g.sum(0), h.sum(0)

    value, g, h = at(z)
    for _ in range(STEPS):
        if abs(g).max() <= SETTLED:
            break
        # Twice the diagonal bounds the Hessian of a convex loss, so that the whole step goes down; others may need a shorter one.
        ahead = np.clip(z - step * g / np.maximum(2 * abs(h), SHARE), z - 1, z + 1)
        ahead = np.maximum(ahead, np.minimum(z, ahead.max() - REACH))  # a class without samples goes no further
        found = at(ahead)
        if found[0] <= value:
            z, (value, g, h), step = ahead, found, min(2 * step, 1.0)
        else:
            step /= 2
    return z


def _rows(loss, target, weight, classes, params):
    """(what stands for all rows' targets, their shares, the share of each class); takes ignore_index out of the params."""
    name = loss.name
    if target.ndim == 2 and registry.FUNCTIONS[name].soft:
        each = np.ones(len(target)) if weight is None else weight
        target = _row_options.distribution_of(f"{name}: target", target, FLOAT64, loss._level.check_entries)
        shares = _shares(name, np.asarray(each, FLOAT64) @ target)
        return shares[None], np.ones(1), shares
    if target.ndim != 1 or target.size == 0:
        raise ValueError(
            f"{name}: target has the shape {target.shape}; the initial score needs one label per sample, and a sample"
        )
    ignored = params.pop("ignore_index", None)
    if classes is None:
        classes = _row_options.classes_of(target, ignored)
    labels = _row_options.labels_of(f"{name}: target", target, target.shape, classes, ignored, loss._level.check_labels)
    counted = labels >= 0
    weight = None if weight is None else weight[counted]
    shares = _shares(name, np.bincount(labels[counted], weight, minlength=classes))
    present = np.flatnonzero(shares)
    return present, shares[present], shares
