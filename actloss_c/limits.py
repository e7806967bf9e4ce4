"""What every level must give at the ends of the number range, at 0 and around kinks: by the registry's formula, not by kernels.

At ±inf it is the limit; NaN gives NaN; at a kink the formula's own comparison chooses the side of f'. The exact result is rounded
to the nearest number of the type. A zero is +0, with two exceptions: a result that has rounded to 0 keeps its sign, and −0 stands
for the numbers just left of 0, so f(−0) = 0 has the sign of f there: −0 stays −0 where f goes upwards through 0.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from .oracle import value_and_derivative
from .ulp import nearest, ulp_error

CLOSE = 1e-3  # units in the last place


class Result(NamedTuple):
    """A value or a derivative."""

    number: np.floating  # the nearest of the type
    exact: Any  # mpf
    distance: float  # of the two, in units in the last place

    def is_firm(self, bound):
        """Whether a level must give the number's bits: its bound is correct rounding, or the exact result is all but it."""
        return bound <= 0.5 or self.distance <= CLOSE


def around(kink):
    """Names of the number before a kink, the kink, and the number behind it."""
    name = f"{kink:g}".replace("-", "−")
    return ("−s", "0", "s") if kink == 0 else (f"just below {name}", name, f"just above {name}")


def points(entry, dtype):
    """{name: number}, ascending, then NaN.

    s: smallest subnormal number, n: smallest normal, M: largest; half of n is a subnormal number in the middle of their range.
    """
    dtype, info = np.dtype(dtype), np.finfo(dtype)
    half = info.smallest_normal * dtype.type(0.5)
    sizes = {"0": 0, "s": info.smallest_subnormal, "n/2": half, "n": info.smallest_normal, "M": info.max, "inf": np.inf}
    named = {name: dtype.type(size) for name, size in sizes.items()}
    named |= {f"−{name}": -number for name, number in named.items()}
    for kink in map(dtype.type, entry.kinks):
        if kink != 0:
            sides = np.nextafter(kink, dtype.type(-np.inf)), kink, np.nextafter(kink, dtype.type(np.inf))
            named |= zip(around(kink), sides, strict=True)
    ascending = sorted(named.items(), key=lambda pair: (pair[1], not np.signbit(pair[1])))
    return dict(ascending) | {"NaN": dtype.type(np.nan)}


@functools.cache
def with_defaults(entry, dtype):
    """{name: (value, derivative)} at the points, for the default parameters."""
    params = {p.name: np.dtype(dtype).type(p.default) for p in entry.params}
    return {name: results(entry, x, **params) for name, x in points(entry, dtype).items()}


def results(entry, x, **params):
    """(value, derivative) at a number x, whose type is that of the results."""
    exact = value_and_derivative(entry.formula, x, **params)
    beside = (0, 0)
    if x == 0 and np.signbit(x):
        beside = value_and_derivative(entry.formula, -np.finfo(x.dtype).smallest_subnormal, **params)
    return tuple(_result(e, b, x.dtype) for e, b in zip(exact, beside, strict=True))


def _result(exact, beside, dtype):
    number = nearest(exact, dtype)
    if number == 0 and (exact or beside) < 0:
        number = -number
    return Result(number, exact, float(ulp_error([number], [exact], dtype)[0]))
