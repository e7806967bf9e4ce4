"""Every level with FMA gives the same bits. arm64's are compared with them by same_bits_arm64.py, on demand."""

import itertools
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers_activations import KINDS, ufunc_name
from helpers_losses import REDUCTIONS
from helpers_row_functions import masks, rows_and_slopes
from helpers_row_functions import results as row_results
from helpers_rows import CLASSES, LONG, batch

from actloss_c import _build, _dispatch, registry

LEVELS = [level for level in _dispatch.runnable_levels() if level != "baseline"]
CHUNK = 1 << 15  # numbers whose results, from two levels, stay in L2

pytestmark = pytest.mark.skipif(len(LEVELS) < 2, reason="needs two levels with FMA")
EACH_ACTIVATION = pytest.mark.parametrize("entry", registry.ACTIVATIONS, ids=lambda entry: entry.name)
EACH_LOSS = pytest.mark.parametrize("entry", registry.LOSSES, ids=lambda entry: entry.name)


def of_each_level(entry, kind):
    return [_build.ufuncs(level)[ufunc_name(entry.name, kind)] for level in LEVELS]


def results(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


@EACH_ACTIVATION
def test_activations_agree(entry, dtype, patterns, assert_same_bits):
    """Every kind, default parameters and one value per element; the sum for a learned parameter."""
    x, g = patterns(dtype, 1 << 18, seed=8), patterns(dtype, 1 << 18, seed=9)
    defaults = [dtype.type(p.default) for p in entry.params]
    spread = [np.where(abs(g) < 1, g, default) for default in defaults]
    for kind, params in itertools.product(KINDS, (defaults, spread) if defaults else ((),)):
        inputs = (g, x, *params) if kind == "backward" else (x, *params)
        want, *others = (results(f(*inputs)) for f in of_each_level(entry, kind))
        for level, got in zip(LEVELS[1:], others, strict=True):
            for k, w in enumerate(want):
                assert_same_bits(got[k], w, f"{entry.name} {kind}: {level} and {LEVELS[0]}")
    usual, its_g = np.clip(x, -9, 9), np.clip(g, -9, 9)
    want, *others = (results(_build.functions(level)[entry.name].backward(its_g, usual)) for level in LEVELS)
    for got, (k, w) in itertools.product(others, enumerate(want)):
        assert_same_bits(got[k], w, f"{entry.name}.backward, result {k}")


@EACH_LOSS
def test_losses_agree(entry, dtype, assert_same_bits):
    """Rows of every length, and their sum."""
    for classes in (*CLASSES, *LONG):
        z, target = batch(classes, dtype, (200 if classes < 1000 else 20,), seed=6, special=True, entry=entry)
        for reduction in REDUCTIONS:
            losses = [_build.functions(level)[entry.name] for level in LEVELS]
            want, *others = (loss.value_grad_and_hess(z, target, reduction=reduction) for loss in losses)
            for got, (k, w) in itertools.product(others, enumerate(want)):
                assert_same_bits(got[k], w, f"{entry.name}, {classes} classes, {reduction}, result {k}")


@pytest.mark.parametrize("entry", registry.ROWS, ids=lambda entry: entry.name)
def test_functions_of_rows_agree(entry, dtype, assert_same_bits):
    """Rows of every length, with and without a mask."""
    for classes in (*CLASSES, *LONG):
        z, g = rows_and_slopes(entry, classes, dtype, (200 if classes < 1000 else 20,), seed=6, special=True)
        for options in ({}, {"where": masks(z.shape)}):
            want, *others = (row_results(_build.functions(level)[entry.name], g, z, **options) for level in LEVELS)
            for got, kind in itertools.product(others, want):
                assert_same_bits(got[kind], want[kind], f"{entry.name} {kind}, {classes} classes")


@pytest.mark.exhaustive
@EACH_ACTIVATION
def test_levels_agree_on_every_float32(entry, patterns, assert_same_bits):
    """Every kind on all 2^32 bit patterns: a minute or less on one core."""
    g = patterns(np.dtype(np.float32), CHUNK, seed=10)
    defaults = [np.float32(p.default) for p in entry.params]
    functions = {kind: of_each_level(entry, kind) for kind in KINDS}

    def walk(first):
        """2^28 patterns from `first` on; integers are compared, and only where they differ is a NaN a NaN."""
        numbers = np.arange(first, first + CHUNK, dtype=np.uint64).astype(np.uint32)
        x = numbers.view(np.float32)
        outs = {kind: [tuple(np.empty((n, CHUNK), np.float32)) for _ in LEVELS] for kind, n in KINDS.items()}
        for _ in range((1 << 28) // CHUNK):
            for kind, (out, *others) in outs.items():
                inputs = (g, x, *defaults) if kind == "backward" else (x, *defaults)
                for f, o in zip(functions[kind], (out, *others), strict=True):
                    f(*inputs, out=o)
                for other, k in itertools.product(others, range(len(out))):
                    if (other[k].view(np.uint64) != out[k].view(np.uint64)).any():
                        assert_same_bits(other[k], out[k], f"{entry.name} {kind}, result {k}, from {numbers[0]:#x} on")
            numbers += np.uint32(CHUNK)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(walk, range(0, 1 << 32, 1 << 28)))
