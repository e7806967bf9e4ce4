"""Pairs of every kind for the elementwise losses, and the judge of their results."""

import functools
import math

import numpy as np

from actloss_c import baseline, oracle
from actloss_c.ulp import ulp_error

RESULTS = ("loss", "gradient", "Hessian")
METHODS = {"__call__": (0,), "grad": (1,), "value_and_grad": (0, 1), "grad_and_hess": (1, 2), "value_grad_and_hess": (0, 1, 2)}
OPTIONS = {  # values of a parameter that are tried beside its default
    "quantile": (0.1, 0.93),
    "delta": (0.37, 3.7627318, 20.0),
    "beta": (0.0, 0.2, 7.0),
    "pos_weight": (0.0, 0.3, 3.1435633, 12.5),
    "gamma": (0.0, 0.5, 1.0, 4.82626, 5.0),
    "alpha": (0.25, 0.315, 1.0),
    "hess": ("clipped",),
}


def defaults(entry):
    return {p.name: p.default for p in entry.params}


def options(entry):
    """The defaults, and each of OPTIONS with the others at their defaults."""
    yield {}
    for p in entry.params:
        yield from ({p.name: value} for value in OPTIONS[p.name])


def numbers(domain, dtype, random, n):
    """Numbers of a domain of the registry: ordinary ones, and of every size that it allows."""
    x = baseline.inside(domain, n, random, np.float64)
    some = random.random(n)
    if domain in (None, "nonnegative", "positive"):
        wide = np.exp(random.uniform(-40, 5, n))
        x = np.where(some < 0.3, wide * (1 if domain else random.choice([-1, 1], n)), x)
    if domain in ("nonnegative", "positive"):
        tiny, most = (np.log(float(number)) for number in (np.finfo(dtype).tiny, np.finfo(dtype).max))
        x = np.where(some > 0.85, np.exp(random.uniform(tiny, 0.999 * most, n)), x)
    if domain is None:
        x = np.where(some > 0.8, random.uniform(-110, 110, n), x)
    if domain == "unit":
        x = np.where(some < 0.2, np.exp(random.uniform(-40, 0, n)), x)
        x = np.where((some > 0.2) & (some < 0.4), -np.expm1(-np.exp(random.uniform(-15, 0, n))), x)
        x = np.where(some > 0.6, np.round(x), x)  # a label
    x = x.astype(dtype)
    if domain == "unit":
        return np.clip(x, 0, 1)
    return np.maximum(x, np.finfo(dtype).smallest_normal) if domain == "positive" else x


def pairs(entry, dtype, n, seed=0):
    """(z, target): pairs of every kind, some of them close to one another."""
    random = np.random.default_rng([seed, dtype.itemsize])
    target = numbers(entry.target, dtype, random, n)
    z = numbers(entry.prediction, dtype, random, n)
    if entry.prediction == "unit":  # the logarithms' poles are among the limits
        z = np.clip(z, np.finfo(dtype).smallest_normal, np.nextafter(dtype.type(1), dtype.type(0)))
    if entry.optimum == "target" and entry.prediction is None:
        near = random.random(n) < 0.3
        z[near] = target[near] * (1 + random.normal(0, 1e-3, int(near.sum()))).astype(dtype)
    if entry.prediction == entry.target == "unit":  # both small, of one size
        near = random.random(n) < 0.2
        z[near] = np.clip(target[near] * random.uniform(0.2, 5, int(near.sum())), np.finfo(dtype).smallest_normal, 0.9)
    return z, target


def exact_params(entry, given, dtype):
    """{name: number} of the parameters that stand in the formulas, as the kernels see them."""
    values = {**defaults(entry), **given}
    kept = {p.name: p.none if values[p.name] is None else values[p.name] for p in entry.params if not p.choices}
    return {name: dtype.type(value) for name, value in kept.items()}


def expression(entry, formula):
    return baseline.with_terms(formula, *entry.terms.items())


def exact(entry, z, target, given, dtype):
    """(loss, gradient, Hessian) as mpf by differentiating the formula; those of a clipped Hessian at least 0."""
    params = exact_params(entry, given, dtype)
    loss, gradient, hessian = oracle.derivatives(expression(entry, entry.formula), z, 2, target=target, **params)
    return loss, gradient, max(hessian, 0) if given.get("hess") == "clipped" else hessian


def by_string(entry, formula, z, target, given, dtype):
    """One of the entry's expressions as mpf."""
    params = exact_params(entry, given, dtype)
    return oracle.value(expression(entry, formula), z, target=target, **params)


@functools.cache
def judged(name, dtype, given, n, seed=0):
    """(z, target, [exact results], [their units]); units are those of the terms that cancel."""
    from actloss_c import registry

    entry, given = registry.FUNCTIONS[name], dict(given)
    z, target = pairs(entry, dtype, n, seed)
    results, units = [], []
    for a, b in zip(z, target, strict=True):
        row = exact(entry, a, b, given, dtype)
        results.append(row)
        sizes = [abs(by_string(entry, s, a, b, given, dtype)) if s else 0 for s in entry.scale]
        units.append([max(abs(r), size) for r, size in zip(row, sizes, strict=True)])
    return z, target, list(zip(*results, strict=True)), list(zip(*units, strict=True))


def errors(got, want, size, dtype):
    """In units in the last place of `size`; where it is beyond the type, 0 for an infinite result."""
    info = np.finfo(dtype)
    found = []
    for g, w, s in zip(got.tolist(), want, size, strict=True):
        if not math.isfinite(g) or s >= info.max or s == abs(w):
            found.append(ulp_error([dtype.type(g)], [w], dtype)[0])
        else:
            import mpmath

            exponent = max(mpmath.mag(s) - 1, info.minexp) if s else info.minexp
            found.append(float(abs(mpmath.mpf(g) - w) / mpmath.ldexp(1, int(exponent) - info.nmant)))
    return np.array(found)
