"""Inputs for every function of actloss_c.torch; needs PyTorch."""

import numpy as np
import pytest
import torch
from helpers_losses import inputs_of, labels, logits

from actloss_c import baseline, registry

LOSSES = (*registry.LOSSES, *registry.PAIR_LOSSES, *registry.LINEAR_LOSSES)
ROWS, CLASSES, D, UNITS = 6, 5, 4, 3


def each(entries):
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


def numbers(t):
    return t.detach().numpy()


def arrays(entry):
    """(arrays that have gradients, arrays that have none): the arguments of a call, floats of them float64."""
    random = np.random.default_rng(7)
    z = logits(np.dtype(np.float64), (ROWS, CLASSES)) / 2
    if entry in registry.ACTIVATIONS:
        return (z, *(np.linspace(0.1, 0.6, CLASSES) for p in entry.params if p.learned)), ()
    if entry in registry.PAIR_LOSSES:
        (a,), (target,) = ((baseline.inside(d, z.shape, random, z.dtype),) for d in (entry.prediction, entry.target))
        return (a,), (target,)
    if entry in registry.LOSSES:
        return (inputs_of(entry, z),), (labels((ROWS,), CLASSES),)
    if entry in registry.LINEAR_LOSSES:
        return (random.normal(size=(ROWS, D)), random.normal(size=(D, CLASSES))), (labels((ROWS,), CLASSES),)
    if getattr(entry, "linear", False):
        return (random.normal(size=(ROWS, D)), random.normal(size=(2, D, UNITS)), random.normal(size=(2, UNITS))), ()
    return (z,), ()


def tensors(entry, dtype=torch.float64):
    """The same as tensors; those that have gradients are leaves of this dtype that require them."""
    inputs, others = arrays(entry)
    return tuple(torch.tensor(a, dtype=dtype, requires_grad=True) for a in inputs), tuple(map(torch.from_numpy, others))


def weights(entry):
    """One weight per row or element of a loss's batch."""
    _, (target,) = arrays(entry)
    return torch.linspace(0.2, 2, target.size, dtype=torch.float64).reshape(target.shape)
