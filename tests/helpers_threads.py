"""Every function on the same numbers, for tests of threads: ours and the caller's."""

import numpy as np
from helpers_activations import calls
from helpers_losses import inputs_of, labels
from helpers_pairs import pairs

from actloss_c import _build, registry


def elementwise(level, x, g):
    """Results of all activations."""
    return [result for entry in registry.ACTIVATIONS for call in calls(entry.name, level) for result in call(g, x)]


def of_pairs(level, dtype, n):
    """Results of all losses over n pairs, weighted or not."""
    results, weight = [], np.linspace(0.5, 2, n)
    for entry in registry.PAIR_LOSSES:
        loss, given = _build.functions(level)[entry.name], pairs(entry, np.dtype(dtype), n)
        for more in ({}, {"sample_weight": weight}, {"reduction": "none"}):
            results += loss.value_grad_and_hess(*given, **more)
    return [np.asarray(result) for result in results]


def of_rows(level, z, g, axis):
    """Results of all losses over the rows of z along an axis, of functions of rows and of maxima."""
    functions, results = _build.functions(level), []
    rows, classes = z.shape[1 - axis], z.shape[axis]
    t = labels(rows, classes)
    onehot = np.moveaxis(np.eye(classes, dtype=z.dtype)[t], -1, axis)
    for entry in registry.LOSSES:
        loss, logits = functions[entry.name], inputs_of(entry, z)
        for more in ({}, {"sample_weight": np.linspace(0.5, 2, rows)}, {"reduction": "none"}, {"ignore_index": 1}):
            results += loss.value_grad_and_hess(logits, t, axis=axis, **more)
        if entry.soft:
            results += loss.value_grad_and_hess(logits, onehot, axis=axis)
    for entry in registry.ROWS:
        f = functions[entry.name]
        results += [f(z, axis=axis), f.backward(g.max(axis) if entry.reduces else g, z, axis=axis)]
        results.append(f(z, axis=axis, where=onehot == 0) if classes > 1 else f(z, axis=axis))
    for entry in registry.MAXOUT:
        if not entry.linear:
            f = functions[entry.name]
            y, which = f.value_and_argmax(z, axis)
            results += [y, which.astype(float), f.backward(y, which, classes, axis)]
    return [np.asarray(result) for result in results]
