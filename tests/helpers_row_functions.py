"""Rows, gradients and masks for the functions of rows, and ways to call them."""

import numpy as np
from helpers_rows import batch

CAREFUL = 2.0**32  # float32's bounds hold up to this |g|


def slopes(z, target, dtype, seed=0):
    """Gradients for all entries of rows z (n, classes), of a different kind for each row."""
    random = np.random.default_rng([seed, 1, z.shape[-1]])
    g = random.normal(size=z.shape)
    kind = np.arange(len(z))[:, np.newaxis] % 9
    at_target = np.arange(z.shape[-1]) == target[:, np.newaxis]
    at_top = np.arange(z.shape[-1]) == np.argmax(z, axis=-1)[:, np.newaxis]
    g = np.where(kind == 1, g * at_target, g)
    g = np.where(kind == 2, g * at_top, g)
    g = np.where(kind == 3, 1 + 1e-3 * g, g)
    g = np.where(kind == 4, g * 10 ** random.uniform(-3, 3, z.shape), g)
    g = np.where(kind == 5, np.clip(g * CAREFUL / 2, -CAREFUL, CAREFUL), g)
    g = np.where(kind == 6, g * 1e-30, g)
    g = np.where(kind == 7, abs(g), g)
    return np.where(kind == 8, 1.0, g).astype(dtype)


def rows_and_slopes(entry, classes, dtype, shape, seed=0, special=False):
    """(z, g) of that shape of rows; special: NaN and ±inf as well."""
    z, target = batch(classes, dtype, shape, seed, special)
    g = slopes(z.reshape(-1, classes), target.ravel(), dtype, seed).reshape(z.shape)
    if special and g.size > 40:
        g.flat[np.random.default_rng(seed).integers(0, g.size, 3)] = [np.nan, np.inf, -np.inf]
    return z, (g[..., 0] if entry.reduces else g)


def along(entry, g, axis):
    """g, which goes with rows along the last axis, for rows along another."""
    return g if entry.reduces else np.moveaxis(g, -1, axis)


def results(f, g, z, **options):
    """{kind: result} of value and backward."""
    return {"value": f(z, **options), "backward": f.backward(g, z, **options)}


def masks(shape, seed=0):
    """A mask of this shape (…, classes) for all kinds of rows: none, one or all entries masked, and any."""
    random = np.random.default_rng([seed, 2])
    share = random.choice([0.0, 0.2, 0.5, 0.9, 1.0], (*shape[:-1], 1))
    return random.random(shape) >= share
