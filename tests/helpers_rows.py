"""Batches of rows of every kind, for the losses over rows."""

import itertools
import math

import numpy as np
from helpers_losses import inputs_of

CLASSES = (1, 2, 3, 10, 16, 17, 33, 47, 48, 49, 100, 128, 129, 130, 300)
LONG = (1024, 1025, 2500)


def kinds_of_rows(classes, dtype, random):
    """(z, target), without end: random ones of every scale, confident ones, right or wrong, ties and −inf."""
    while True:
        for scale in (0.1, 1, 5, 30):
            yield random.normal(0, scale, classes).astype(dtype), int(random.integers(classes))
        for gap in (5, 10, 20, 40, 80):
            z, top = random.normal(0, 1, classes), int(random.integers(classes))
            z[top] = z.max() + gap
            yield z.astype(dtype), top
            yield z.astype(dtype), int(random.integers(classes))
        z = random.integers(-2, 3, classes).astype(dtype)
        yield z, int(z.argmax())
        yield z, int(z.argmin())
        yield np.full(classes, z[0]), int(random.integers(classes))
        z = random.normal(0, 5, classes).astype(dtype)
        z[random.random(classes) < 0.5] = -np.inf
        z[top] = 0.5
        yield z, top
        yield z, int(random.integers(classes))


def batch(classes, dtype, shape, seed=0, special=False, entry=None):
    """(z, target) of that shape of rows; special: NaN and +inf as well; entry: the loss, if its inputs are no logits."""
    random = np.random.default_rng([seed, classes])
    count = math.prod(shape)
    z, target = zip(*itertools.islice(kinds_of_rows(classes, dtype, random), count), strict=True) if count else ((), ())
    z = np.array(z, dtype).reshape(count, classes)
    if special:
        z[random.integers(0, count, 4), random.integers(0, classes, 4)] = np.array([np.nan, np.inf, np.inf, -np.inf], dtype)
        z[random.integers(0, count)] = -np.inf
    z = z if entry is None else inputs_of(entry, z)
    return z.reshape(*shape, classes), np.array(target, np.int64).reshape(shape)
