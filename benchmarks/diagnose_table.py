"""Prints the table in docs/diagnosis.md: al.diagnose against the same figures in NumPy.

    python benchmarks/diagnose_table.py [--seconds 2] [--function sigmoid …] [--dtype float32 float64]

NumPy's side is tuned: formulas of `actloss_c bench` with `out=`, temporaries that are there already, sums over flags of one byte,
float64 accumulators as here, no care for NaN where a check finds none. Its histogram is np.histogram's, or np.bincount's, which
takes less than half as long but may miss the bin of an input next to an edge. All take turns; ratios are those of the best times.
"""

import argparse
import itertools
import time

import numpy as np

import actloss_c as al
from actloss_c import baseline, registry
from actloss_c.diagnosis import BINS, THRESHOLD

SHAPES = {(1024, 512): 0, (64, 64, 28, 28): (0, 2, 3)}


class Tuned:
    """The figures of one activation in NumPy, for finite inputs of one dtype and shape."""

    def __init__(self, entry, z, axis, exact):
        self.entry, self.axis, self.exact = entry, axis, exact
        self.params = {p.name: p.default for p in entry.params}
        self.step = baseline.Baseline(*entry.numpy, z.dtype, z.shape).value_and_grad
        self.y, self.d, self.t = (np.empty_like(z) for _ in range(3))
        self.small, self.positive, self.flags = (np.empty(z.shape, bool) for _ in range(3))
        self.bins = np.empty(z.size, np.intp)
        self.units = "".join(letter for d, letter in enumerate("abcd"[: z.ndim]) if d not in np.atleast_1d(axis))
        self.all_axes = "abcd"[: z.ndim]
        self.length = z.size // np.prod([n for d, n in enumerate(z.shape) if d not in np.atleast_1d(axis)])

    def share(self, combine):
        """Of flags that `combine` makes of those of small slopes and of positive inputs, per unit."""
        combine(self.small, self.positive, out=self.flags)
        return self.flags.view(np.uint8).sum(self.axis, dtype=np.uint16) / self.length

    def bincount(self, z, low, high):
        np.subtract(z, low, out=self.t)
        np.multiply(self.t, z.dtype.type(BINS / (high - low)), out=self.t)
        np.minimum(self.t, z.dtype.type(BINS - 1), out=self.t)
        np.copyto(self.bins, self.t.reshape(-1), casting="unsafe")
        return np.bincount(self.bins, minlength=BINS)

    def __call__(self, z):
        low, high = z.min(), z.max()
        if not np.isfinite(high - low):
            raise NotImplementedError
        self.step(z, self.y, self.d, **self.params)
        np.abs(self.d, out=self.d)
        np.less(self.d, THRESHOLD, out=self.small)
        np.greater(z, 0, out=self.positive)
        left, right = self.entry.saturation
        squares = f"{self.all_axes},{self.all_axes}->{self.units}"
        mean = self.y.sum(self.axis, dtype=np.float64) / self.length
        square = np.einsum(squares, self.y, self.y, dtype=np.float64) / self.length
        return {
            "saturated_left": self.share(np.greater) if left else np.zeros(mean.shape),
            "saturated_right": self.share(np.logical_and) if right else np.zeros(mean.shape),
            "dead": ~self.positive.any(self.axis),
            "mean": mean,
            "shift": np.sqrt(mean * mean / np.where(square == 0, 1, square)),
            "mean_abs_grad": self.d.sum(self.axis, dtype=np.float64) / self.length,
            "layer": (mean.mean(), np.sqrt(np.mean(mean * mean) / square.mean())),
            "histogram": np.histogram(z, BINS, (low, high))[0] if self.exact else self.bincount(z, low, high),
        }


def check(ours, theirs):
    """Both sides say the same."""
    for name in ("saturated_left", "saturated_right", "dead", "mean", "shift", "mean_abs_grad"):
        np.testing.assert_allclose(getattr(ours.units, name), theirs[name], rtol=1e-4, atol=1e-4, err_msg=name)  # of float32
    np.testing.assert_allclose((ours.mean, ours.shift), theirs["layer"], rtol=1e-4, atol=1e-6)
    assert abs(ours.histogram.counts - theirs["histogram"]).sum() <= 1e-4 * theirs["histogram"].sum()


def best(calls, seconds):
    """The shortest time of each, in turns."""
    shortest, end = [np.inf] * len(calls), time.perf_counter() + seconds
    while time.perf_counter() < end:
        for k, call in enumerate(calls):
            for _ in range(3):
                start = time.perf_counter()
                call()
                shortest[k] = min(shortest[k], time.perf_counter() - start)
    return shortest


def line(name, z, axis, seconds):
    """Of the table."""
    exact, rough = (Tuned(registry.FUNCTIONS[name], z, axis, exact) for exact in (True, False))
    for side in (exact, rough):
        check(al.diagnose(z, name, axis), side(z))
    ours, first, second = best((lambda: al.diagnose(z, name, axis), lambda: exact(z), lambda: rough(z)), seconds)
    times = f"{1e3 * first:.2f} | {1e3 * second:.2f} | {1e3 * ours:.2f} | {1e9 * ours / z.size:.2f}"
    return f"| {name} | {' × '.join(map(str, z.shape))}, {z.dtype} | {times} | {first / ours:.1f} | {second / ours:.1f} |"


def main():
    names = [entry.name for entry in registry.ACTIVATIONS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2, help="for each line")
    parser.add_argument("--function", nargs="+", default=names, choices=names, metavar="FUNCTION")
    parser.add_argument("--dtype", nargs="+", default=["float32"], choices=("float32", "float64"))
    arguments = parser.parse_args()
    print("| function | z | np.histogram, ms | np.bincount, ms | al.diagnose, ms | ns per input | ratio | to bincount |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    for (shape, axis), dtype, name in itertools.product(SHAPES.items(), arguments.dtype, arguments.function):
        z = np.random.default_rng(0).normal(0, 3, shape).astype(dtype)
        print(line(name, z, axis, arguments.seconds), flush=True)


if __name__ == "__main__":
    main()
