"""The exact results that the judge counts by: the oracle's dual numbers in a wider type, a chunk at a time.

For float32 that is float64, whose relative error of 1e-14 and below is 2e-7 units in the last place; for float64 long double.
"""

import numpy as np

from . import oracle
from .replay import Tape
from .ulp import inverse_unit

WIDE = {"float32": np.float64, "float64": np.longdouble}
CHUNK = 1 << 16  # numbers at a time: a call of PyTorch or JAX costs 30 µs before any work; half as many took a quarter longer
BLOCK = 1 << 13  # numbers at a time on the tapes, so that their buffers stay in the second-level cache
CHECKS = 256


class Reference:
    """The exact results of a chunk, by kind: `scaled` in units of the last place, `inverse` of that unit, `rounded` to the type.

    For float32, dual numbers without the corrections of their roundings cost a quarter. They do where they agree with those that
    have them at CHECKS places of the chunk: what they lose, to cancellation or overflow, they lose to all numbers around.
    Long double has but 11 bits to spare, so for float64 the corrections stay apart, as `low`.
    """

    def __init__(self, question):
        wide = WIDE[question.dtype]
        self.dtype, self.kinds = np.dtype(question.dtype), range(len(question.kinds))
        self.is_double = wide is np.longdouble
        self.scaled, self.inverse, self.low = ([np.empty(CHUNK, wide) for _ in self.kinds] for _ in range(3))
        self.rounded = [np.empty(CHUNK, self.dtype) for _ in self.kinds]
        self.checked = [np.empty(CHECKS, wide) for _ in self.kinds]
        self.careful = self._tape(question, BLOCK, True)
        if not self.is_double:
            self.fast, self.few = self._tape(question, BLOCK, False), self._tape(question, CHECKS, True)

    def _tape(self, question, block, correct):
        tape = Tape(WIDE[question.dtype], block)
        params = question.exact_params(tape.dtype.type)
        parts = oracle.on_arrays(question.entry.formula, tape.x, correct, **params)[: len(self.kinds)]
        sums = [value + correction for value, correction in parts]
        low = [correction - (total - value) for (value, correction), total in zip(parts, sums, strict=True)]
        tape.compile([*sums, *low] if self.is_double else sums)
        return tape

    def __call__(self, x):
        if self.is_double:
            self.careful(x, *self.scaled, *self.low)
        else:
            self.few(x[:: CHUNK // CHECKS], *self.checked)
            self.fast(x, *self.scaled)
            if not all(map(self._agree, self.scaled, self.checked)):
                self.careful(x, *self.scaled)
        for k in self.kinds:
            np.copyto(self.rounded[k], self.scaled[k], casting="same_kind")
            inverse_unit(self.scaled[k], self.dtype, out=self.inverse[k])
            np.multiply(self.scaled[k], self.inverse[k], out=self.scaled[k])
            if self.is_double:
                np.multiply(self.low[k], self.inverse[k], out=self.low[k])

    def _agree(self, fast, checked):
        """Within 16 units of the wide type, of those at the smallest normal number where the result is below: 3e-8 ULP."""
        close = 16 * np.finfo(fast.dtype).eps * np.maximum(np.abs(checked), np.finfo(self.dtype).smallest_normal)
        return bool(np.all(np.abs(fast[:: CHUNK // CHECKS] - checked) <= close))
