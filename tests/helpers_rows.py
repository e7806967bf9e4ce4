"""Batches of rows of every kind, for the losses over rows."""

import itertools
import math

import numpy as np
from helpers_losses import inputs_of
from helpers_pairs import errors

from actloss_c import oracle_rows

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


# --- the judge ------------------------------------------------------------------------------------------------------------------


def judged_rows(entry, z, target, **constants):
    """(losses, gradients, Hessians, the Hessians' units) of rows by mpmath; constants: of the formula, if not the defaults."""
    constants = entry.constants | constants
    rows = list(zip(z, target, strict=True))
    losses, gradients, hessians = zip(*(oracle_rows.row_loss(entry.formula, *row, **constants) for row in rows), strict=True)
    if not entry.scale:
        return losses, gradients, hessians, hessians
    sizes = (oracle_rows.row_scale(entry, *row, **constants) for row in rows)
    units = [[max(abs(h), size) for h, size in zip(*pair, strict=True)] for pair in zip(hessians, sizes, strict=True)]
    return losses, gradients, hessians, units


def check(result, exact, units, z, target, bound, what):
    """Each number within the bound, in last places of its unit."""
    exact, units = (np.array(numbers, object).ravel() for numbers in (exact, units))
    error = errors(result.ravel(), list(exact), [abs(u) for u in units], result.dtype)
    k = int(np.argmax(error))
    if not error[k] <= bound:
        place = np.unravel_index(k, result.shape)
        raise AssertionError(
            f"{what}: {error[k]:.4g} ULP, bound {bound}; {np.sum(~(error <= bound))} of {error.size} are beyond. "
            f"At {place}: got {float(result.flat[k]).hex()}, want {float(exact[k]).hex()}; "
            f"target {target[place[0]]}, z = {[float(v).hex() for v in z[place[0]]]}"
        )


def check_rows(case, z, target, losses, gradients, hessians, units, **options):
    """Each result within the entry's bound."""
    results = case.function.value_grad_and_hess(z, target, reduction="none", **options)
    what = f"{case}, {z.shape[-1]} classes {options or ''}"
    for k, exact in enumerate((losses, gradients, hessians)):
        name = ("loss", "gradient", "Hessian")[k]
        check(results[k], exact, units if k == 2 else exact, z, target, case.ulp[k], f"{what}: {name}")
