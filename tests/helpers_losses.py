"""Batches for the losses over rows, and their methods."""

import numpy as np

METHODS = {"__call__": 0, "grad": 1, "value_and_grad": 1, "grad_and_hess": 2, "value_grad_and_hess": 2}  # arrays of z's shape
REDUCTIONS = ("mean", "sum", "none")
SHAPES = ((7, 5), (70, 5), (3, 60), (2, 300), (3, 4, 50), (5,), (6, 1))  # few and many classes, more rows than a panel holds
LABEL_INTEGERS = tuple(kind + str(n) for kind in ("int", "uint") for n in (8, 16, 32, 64))
LABEL_FLOATS = ("float16", "float32", "float64")


def logits(dtype, shape):
    return np.random.default_rng(0).normal(scale=4, size=shape).astype(dtype)


def labels(shape, classes):
    return np.random.default_rng(0).integers(0, classes, shape)


def weights(shape):
    """Positive, all different."""
    return np.random.default_rng(1).uniform(0.1, 3, shape)


def inputs_of(entry, z):
    """These logits for a loss of logits; their sigmoids, from 2^-60 to 1, for one of probabilities."""
    if entry.variable == "z":
        return z
    with np.errstate(all="ignore"):
        return np.maximum(1 / (1 + np.exp(-z.astype(np.float64))), 2.0**-60).astype(z.dtype)


def with_batch(loss_case, shape=(70, 5)):
    """(the loss, inputs of this shape, labels along its last axis)."""
    return loss_case.function, inputs_of(loss_case.entry, logits(loss_case.dtype, shape)), labels(shape[:-1], shape[-1])
