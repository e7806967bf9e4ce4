"""Where to look for the largest errors, and what a bound says of them."""

import math

import numpy as np

from actloss_c import oracle
from actloss_c.patterns import thresholds


def probes(entry, dtype, n, seed=0, also=()):
    """About n finite numbers: random bits, ±0.1…100 by logarithm and evenly, first underflow to last, near thresholds, `also`."""
    random = np.random.default_rng([seed, dtype.itemsize])
    near = np.concatenate([thresholds(entry, dtype), np.array([s * v for v in also for s in (-1, 1)], dtype)])
    tiny = float(np.finfo(dtype).eps)
    first, last = sorted(-math.log(v) for v in (np.finfo(dtype).smallest_normal, np.finfo(dtype).smallest_subnormal))
    part = n // 8
    sign = random.choice([-1.0, 1.0], part)
    some = random.choice(near, part)
    x = [
        random.integers(0, 2 ** (8 * dtype.itemsize), 2 * part, dtype=f"u{dtype.itemsize}").view(dtype),
        random.choice([-1.0, 1.0], 3 * part) * 10 ** random.uniform(-1, 2, 3 * part),
        random.uniform(-20, 20, part),
        sign * random.uniform(0.97 * first, 1.03 * last, part) / random.choice([1, 2], part),
        some + np.maximum(abs(some), 1) * sign * tiny ** random.uniform(0.2, 1.2, part),
        *(near, np.nextafter(near, dtype.type(np.inf)), np.nextafter(near, dtype.type(-np.inf))),
    ]
    x = np.concatenate([v.astype(dtype) for v in x])
    return x[np.isfinite(x)]


def check(result, exact, x, bound, what, params=None):
    """The errors, each within bound ULP; the worst one is the witness."""
    error = oracle.ulp_error(result, exact, result.dtype)
    k = int(np.argmax(error))
    if not error[k] <= bound:
        at = {name: np.broadcast_to(p, x.shape)[k] for name, p in (params or {}).items()}
        raise AssertionError(
            f"{what}: {error[k]:.4g} ULP, bound {bound}; {np.sum(~(error <= bound))} of {error.size} are beyond. "
            f"x = {float(x[k]).hex()} ({x[k]!r}) {at or ''}: got {float(result[k]).hex()}, want {float(exact[k]).hex()}"
        )
    return error
