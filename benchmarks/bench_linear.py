"""The losses over logits x @ W × shape: this package in chunks of rows, NumPy as typed and hand-tuned on all logits at once.

Cells of one group are comparable: same arrays, same run. `fresh` allocates its results, `out` writes into given ones.
"""

import numpy as np
import pytest

from actloss_c import _build, baseline, baseline_linear, registry

SHAPES = {"4096x64x1000": (4_096, 64, 1_000), "1024x256x8192": (1_024, 256, 8_192)}  # rows, numbers in, classes
pytestmark = pytest.mark.benchmark(max_time=0.1, min_rounds=3, warmup=True)


@pytest.mark.parametrize("side", ("ours_fresh", "ours_out", "numpy_naive", "numpy_out"))
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("entry", registry.LINEAR_LOSSES, ids=lambda entry: entry.name)
def bench_linear_loss(benchmark, entry, shape, side):
    benchmark.group = f"{entry.name} value_and_grad float32 {shape}"
    n, d, classes = SHAPES[shape]
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((n, d), np.float32), rng.standard_normal((d, classes), np.float32)
    labels = rng.integers(0, classes, n)
    outs = np.empty_like(x), np.empty_like(w)
    f = _build.functions()[entry.name]
    tuned = baseline_linear.LinearRowBaseline(n, classes, np.float32)
    value, gradient = (baseline.numpy_function(e, "target") for e in registry.FUNCTIONS[entry.loss].numpy)

    def naive():
        z = x @ w
        g = gradient(z, labels) / n
        return value(z, labels).mean(), g @ w.T, x.T @ g

    calls = {
        "ours_fresh": lambda: f.value_and_grad(x, w, labels),
        "ours_out": lambda: f.value_and_grad(x, w, labels, out=outs),
        "numpy_naive": naive,
        "numpy_out": lambda: tuned.value_and_grad(x, w, labels, *outs),
    }
    benchmark(calls[side])
