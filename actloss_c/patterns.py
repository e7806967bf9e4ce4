"""Where an error may hide: the numbers of a type by their bit patterns, and the places where activations do something."""

import math

import numpy as np

TASK = 1 << 22  # numbers that one process takes at a time


def thresholds(entry, dtype):
    """Where something happens: kinks, small integers, e^-x, e^-2x, e^-x² or e^(-x²/2) leaving a range or being lost beside 1."""
    info = np.finfo(dtype)
    limits = [float(v) for v in (info.max, info.smallest_normal, info.smallest_subnormal, info.eps / 2, info.eps**2)]
    logs = [abs(math.log(v)) for v in limits] + [-math.log(info.smallest_subnormal) + math.log(2)]
    at = [f(v) for v in logs for f in (float, lambda v: v / 2, math.sqrt, lambda v: math.sqrt(2 * v))]
    at += [0.5, 1, 2, 3, 4, 5, 6, math.log(2), math.log(2) / 2, *entry.kinks]
    return np.array([s * v for v in at for s in (-1, 1)], dtype)


class Patterns:
    """The finite numbers of a type by their bit patterns: 0 to +largest from 0 on, −0 to −largest from `sign` on.

    Runs of them are (first, step, count); a task is a tuple of runs.
    """

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)
        info = np.finfo(dtype)
        self.unsigned = np.dtype(f"u{self.dtype.itemsize}")
        self.sign = 1 << (info.bits - 1)
        self.finite = ((1 << info.nexp) - 1) << info.nmant

    def numbers(self, task):
        """The numbers of a task, one run after another."""
        runs = [np.arange(first, first + step * count, step, self.unsigned) for first, step, count in task]
        return np.concatenate(runs).view(self.dtype)

    def spread(self, count, low=0, high=None):
        """At least `count` numbers of either sign, evenly over the patterns of |x| from low to high, by an odd step."""
        high = self.finite if high is None else high
        step = max(1, (high - low) // count - 1 | 1)
        total = len(range(low, high, step))
        for sign in (0, self.sign):
            for first in range(0, total, TASK):
                yield ((sign + low + first * step, step, min(TASK, total - first)),)

    def around(self, points, reach):
        """The neighbours of some numbers."""
        runs = []
        for bits in np.unique(np.asarray(points, self.dtype).view(self.unsigned)).tolist():
            sign, bits = bits & self.sign, bits & ~self.sign
            low, high = max(bits - reach, 0), min(bits + reach, self.finite)
            runs.append((sign + low, 1, high - low))
        per_task = max(1, TASK // (2 * reach))
        return [tuple(runs[k : k + per_task]) for k in range(0, len(runs), per_task)]

    def every(self):
        """All of them."""
        return list(self.spread(self.finite))

    def even(self, count):
        """About `count` numbers evenly over all patterns, and as many over |x| from 2^-64 to 2^11, where something happens."""
        ordinary = [int(self.dtype.type(v).view(self.unsigned)) for v in (2.0**-64, 2.0**11)]
        return [*self.spread(count // 2), *self.spread(count // 2, *ordinary)]

    def sample(self, entry):
        """17 million numbers: evenly, and the neighbours of thresholds, powers of two and the largest."""
        info = np.finfo(self.dtype)
        powers = [*np.ldexp(self.dtype.type(1), np.arange(info.minexp - info.nmant, info.maxexp)), info.max]
        return [
            *self.even(1 << 23),
            *self.around(thresholds(entry, self.dtype), 1 << 12),
            *self.around([s * v for v in powers for s in (-1, 1)], 1 << 8),
        ]
