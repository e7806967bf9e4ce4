"""Weighted minimax polynomials with rounded coefficients (Remez exchange in mpmath)."""

import math
import struct

from mpmath import cos, lu_solve, matrix, mpf, pi, workprec

POINTS = 1200
PRECISION = 160  # bits


def to_float32(x):
    return struct.unpack("f", struct.pack("f", float(x)))[0]


ROUND = {"float": to_float32, "double": float}


def horner(c, r):
    """Σ c_k r^k."""
    value = mpf(0)
    for ck in reversed(c):
        value = value * r + ck
    return value


class Fit:
    """Σ c_k r^k ≈ f(r) on [lo, hi], with max |weight·(Σ − f)| minimal, then each c_k rounded to the format.

    `weight` must turn the error of Σ into the relative error of the function that it serves. In all uses it falls
    with a power of r towards 0, which leaves the rounding of c_0 far below the format's own; `error` is taken after
    rounding.
    """

    def __init__(self, f, weight, lo, hi, degree, form):
        with workprec(PRECISION):
            self._fit(f, weight, lo, hi, degree, form)

    def _fit(self, f, weight, lo, hi, degree, form):
        step = [(1 - cos(pi * (i + mpf(1) / 2) / POINTS)) / 2 for i in range(POINTS)]
        self.r = [lo + (hi - lo) * s for s in step]
        self.w = [weight(r) for r in self.r]
        y = [f(r) for r in self.r]
        powers = range(degree + 1)
        self.coefficients = [ROUND[form](c) for c in self._remez(y, powers)]
        self.error = max(abs(e) for e in self._error(self.coefficients, y))

    def _error(self, c, y):
        return [w * (horner(c, r) - v) for w, r, v in zip(self.w, self.r, y, strict=True)]

    def _remez(self, y, powers):
        """Coefficients of the best weighted approximation of the samples y."""
        n = len(powers)
        last = len(self.r) - 1
        reference = [round(last * i / n) for i in range(n + 1)]  # the samples already lie as a Chebyshev polynomial's extrema do
        if len(set(reference)) < n + 1:
            raise ValueError("too few sample points for this degree")
        for _ in range(30):
            a = matrix(n + 1, n + 1)
            b = matrix(n + 1, 1)
            for row, i in enumerate(reference):
                for k, power in enumerate(powers):
                    a[row, k] = self.w[i] * self.r[i] ** power
                a[row, n] = (-1) ** row
                b[row] = self.w[i] * y[i]
            solution = lu_solve(a, b)
            c = [solution[k] for k in range(n)]
            exchanged = self._extrema(self._error(c, y), n + 1)
            if exchanged == reference:
                break
            reference = exchanged
        return c

    @staticmethod
    def _extrema(error, count):
        """Indices of alternating extrema of the error: the largest of each run of one sign, `count` adjacent ones."""
        runs = []
        for i, e in enumerate(error):
            if runs and (error[runs[-1]] > 0) == (e > 0):
                if abs(e) > abs(error[runs[-1]]):
                    runs[-1] = i
            else:
                runs.append(i)
        while len(runs) > count:
            runs.pop(0 if abs(error[runs[0]]) < abs(error[runs[-1]]) else -1)
        if len(runs) < count:  # the grid hides a zero: keep what is there and fill evenly
            spare = [i for i in range(0, len(error), len(error) // (2 * count)) if i not in runs]
            runs = sorted(runs + spare[: count - len(runs)])
        return runs


def show(name, fit, bits):
    """The literals as they stand in elementary/, highest power first, and the error they leave."""
    print(f"{name}: max error 2^{math.log2(fit.error):.2f} (format 2^-{bits})")
    for c in reversed(fit.coefficients):
        print(f"  {c!r}")
