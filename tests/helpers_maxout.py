"""Pieces of every kind, and the maximum as NumPy picks it."""

import numpy as np

SHAPES = ((4,), (1,), (7, 5), (70, 2), (70, 3), (70, 4), (33, 1), (3, 16), (17, 34), (16, 40))
SHAPES += ((5, 3, 16), (4, 5, 7), (3, 2, 65), (2, 3, 4, 33))
INTEGERS = tuple(kind + str(n) for kind in ("int", "uint") for n in (8, 16, 32, 64))


def pieces(dtype, shape, seed=0):
    """Few different numbers, so ties; zeros of both signs, ±inf and NaN of both signs; and rows without any of these."""
    random = np.random.default_rng([seed, *shape])
    z = random.integers(-2, 3, shape).astype(dtype)
    rare = np.array([-0.0, np.nan, -np.nan, np.inf, -np.inf, np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal], dtype)
    some = random.random(shape) < 0.3
    z[some] = random.choice(rare, int(some.sum()))
    plain = random.random(shape[:1]) < 0.3
    z[plain] = random.normal(size=(int(plain.sum()), *shape[1:]))
    return z


def picked(z, axis):
    """(the maximum, its piece): NumPy's argmax takes the first of equal ones, and the first NaN."""
    which = np.argmax(z, axis)
    return np.take_along_axis(z, np.expand_dims(which, axis), axis).squeeze(axis), which


def spread(g, which, count, axis):
    """g at the pieces, 0 elsewhere."""
    g, which = np.asarray(g), np.asarray(which)
    axis %= which.ndim + 1
    dz = np.zeros((*which.shape[:axis], count, *which.shape[axis:]), g.dtype)
    np.put_along_axis(dz, np.expand_dims(which.astype(np.intp), axis), np.expand_dims(g, axis), axis)
    return dz


def axes(shape):
    return range(-len(shape), len(shape))


def without(shape, axis):
    """The shape of the rows."""
    axis %= len(shape)
    return shape[:axis] + shape[axis + 1 :]


def slopes(dtype, shape):
    """Numbers for g, a NaN, an infinity and a −0 among them."""
    g = np.random.default_rng(1).normal(size=shape).astype(dtype)
    if g.size > 3:
        g.flat[:3] = np.nan, np.inf, -0.0
    return g
