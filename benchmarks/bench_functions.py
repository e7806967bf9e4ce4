"""Every function of the registry × size × {value, value_and_grad, backward}: this package, NumPy as typed, NumPy hand-tuned.

    pytest benchmarks --benchmark-only                       all of it
    pytest benchmarks --benchmark-only -k "sigmoid and 16k"  some of it

Cells of one group are comparable: same arrays, same run. `fresh` allocates its results, `out` writes into given ones.
"""

import numpy as np
import pytest

from actloss_c import _build, baseline, baseline_losses, baseline_rows, registry

SIZES = {"10": 10, "1k": 1_000, "16k": 16_000, "256k": 256_000, "4M": 4_000_000, "16M": 16_000_000}
ROWS = {"1000x3": (1_000, 3), "65536x10": (65_536, 10), "65536x100": (65_536, 100), "4096x1000": (4_096, 1_000)}
KINDS = ("value", "value_and_grad", "backward")
SIDES = ("ours_fresh", "ours_out", "numpy_naive", "numpy_out")
FUNCTIONS = _build.functions()
pytestmark = pytest.mark.benchmark(max_time=0.1, min_rounds=3, warmup=True)  # the whole suite takes minutes, not an hour


def activation_calls(entry, kind, n):
    """{side: call} on the same arrays."""
    rng = np.random.default_rng(0)
    x, g = ((rng.standard_normal(n) * 3).astype(np.float32) for _ in range(2))
    y, dy = np.empty_like(x), np.empty_like(x)
    f = FUNCTIONS[entry.name]
    params = {p.name: p.default for p in entry.params}
    value = baseline.numpy_function(entry.numpy[0], *params)
    derivative = baseline.numpy_function(entry.numpy[1], *params, "y") if "y" in entry.numpy[1] else None
    plain = baseline.numpy_function(entry.numpy[1], *params) if derivative is None else None
    tuned = baseline.Baseline(*entry.numpy, np.float32, (n,))

    def naive_pair():
        y = value(x, **params)
        return y, (plain(x, **params) if derivative is None else derivative(x, **params, y=y))

    if kind == "value":
        return {
            "ours_fresh": lambda: f(x),
            "ours_out": lambda: f(x, out=y),
            "numpy_naive": lambda: value(x, **params),
            "numpy_out": lambda: tuned.value(x, y, **params),
        }
    if kind == "value_and_grad":
        return {
            "ours_fresh": lambda: f.value_and_grad(x),
            "ours_out": lambda: f.value_and_grad(x, out=(y, dy)),
            "numpy_naive": naive_pair,
            "numpy_out": lambda: tuned.value_and_grad(x, y, dy, **params),
        }
    learned = any(p.learned for p in entry.params)
    return {
        "ours_fresh": lambda: f.backward(g, x),
        "ours_out": lambda: f.backward(g, x, out=(dy, None) if learned else dy),
        "numpy_naive": lambda: g * naive_pair()[1],
        "numpy_out": lambda: tuned.backward(g, x, dy, **params),
    }


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("entry", registry.ACTIVATIONS, ids=lambda entry: entry.name)
def bench_activation(benchmark, entry, kind, size, side):
    benchmark.group = f"{entry.name} {kind} float32 {size}"
    call = activation_calls(entry, kind, SIZES[size])[side]
    with np.errstate(all="ignore"):
        benchmark(call)


@pytest.mark.parametrize("side", ("ours_fresh", "ours_out", "ours_in_place", "numpy_naive", "numpy_out"))
@pytest.mark.parametrize("shape", ROWS)
@pytest.mark.parametrize("entry", registry.LOSSES, ids=lambda entry: entry.name)
def bench_loss(benchmark, entry, shape, side):
    benchmark.group = f"{entry.name} value_and_grad float32 {shape}"
    rows, classes = ROWS[shape]
    rng = np.random.default_rng(0)
    z = (rng.standard_normal((rows, classes)) * 3).astype(np.float32)
    if entry.variable == "a":
        z = baseline.NUMPY["softmax"](z)
    labels = rng.integers(0, classes, rows)
    g, there = np.empty_like(z), z.copy()
    f = FUNCTIONS[entry.name]
    tuned = baseline_losses.tuned_rows(entry, rows, classes, np.float32)
    value, gradient = (baseline.numpy_function(e, "target", *entry.constants) for e in entry.numpy)
    calls = {
        "ours_fresh": lambda: f.value_and_grad(z, labels),
        "ours_out": lambda: f.value_and_grad(z, labels, out=g),
        "ours_in_place": lambda: f.value_and_grad(there, labels, out=there),
        "numpy_naive": lambda: (value(z, labels, **entry.constants).mean(), gradient(z, labels, **entry.constants) / rows),
        "numpy_out": lambda: tuned.value_and_grad(z, labels, g),
    }
    if side == "ours_in_place" and entry.variable == "a":
        calls[side] = calls["ours_out"]  # a gradient is no probability: the second round would be refused
    benchmark(calls[side])


@pytest.mark.parametrize("side", ("ours_fresh", "ours_out", "ours_in_place", "numpy_naive"))
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("entry", registry.PAIR_LOSSES, ids=lambda entry: entry.name)
def bench_pair_loss(benchmark, entry, size, side):
    benchmark.group = f"{entry.name} value_and_grad float32 {size}"
    rng, f = np.random.default_rng(0), FUNCTIONS[entry.name]
    z, target = (baseline.inside(domain, SIZES[size], rng, np.float32) for domain in (entry.prediction, entry.target))
    g, params = np.empty_like(z), {p.name: p.none if p.default is None else p.default for p in entry.params if not p.choices}
    formulas = (baseline.with_terms(formula, *entry.terms.items()) for formula in (entry.formula, entry.gradient))
    value, gradient = (baseline.numpy_function(formula, "target", *params) for formula in formulas)
    calls = {
        "ours_fresh": lambda: f.value_and_grad(z, target),
        "ours_out": lambda: f.value_and_grad(z, target, out=g),
        "ours_in_place": lambda: f.value_and_grad(z, target, out=z),
        "numpy_naive": lambda: (value(z, target, **params).mean(), gradient(z, target, **params) / z.size),
    }
    if side == "ours_in_place" and entry.prediction is not None:
        calls[side] = calls["ours_out"]  # a gradient is no probability: the second round would be refused
    with np.errstate(all="ignore"):
        benchmark(calls[side])


def row_calls(entry, kind, rows, classes):
    """{side: call} on the same arrays."""
    rng = np.random.default_rng(0)
    z, g = ((rng.standard_normal((rows, classes)) * 3).astype(np.float32) for _ in range(2))
    g = g[:, 0].copy() if entry.reduces else g
    f = FUNCTIONS[entry.name]
    tuned = baseline_rows.RowFunctionBaseline(entry.name, rows, classes, np.float32)
    value, backward = baseline_rows.NAIVE[entry.name]
    if kind == "value":
        y = np.empty_like(g)
        return {
            "ours_fresh": lambda: f(z),
            "ours_out": lambda: f(z, out=y),
            "numpy_naive": lambda: value(z),
            "numpy_out": lambda: tuned.value(z, y),
        }
    dz = np.empty_like(z)
    return {
        "ours_fresh": lambda: f.backward(g, z),
        "ours_out": lambda: f.backward(g, z, out=dz),
        "numpy_naive": lambda: backward(g, z),
        "numpy_out": lambda: tuned.backward(g, z, dz),
    }


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("shape", ROWS)
@pytest.mark.parametrize("kind", ("value", "backward"))
@pytest.mark.parametrize("entry", registry.ROWS, ids=lambda entry: entry.name)
def bench_rows(benchmark, entry, kind, shape, side):
    benchmark.group = f"{entry.name} {kind} float32 {shape}"
    benchmark(row_calls(entry, kind, *ROWS[shape])[side])
