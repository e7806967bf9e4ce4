"""The maxima over pieces × shape × {value_and_argmax, backward}: this package, NumPy as typed, NumPy hand-tuned.

Cells of one group are comparable: same arrays, same run. `fresh` allocates its results, `out` writes into given ones.
"""

import numpy as np
import pytest

from actloss_c import _build, baseline_pieces, registry

SHAPES = {"65536x4": (65_536, 4), "65536x5x16": (65_536, 5, 16), "1000000x2": (1_000_000, 2)}  # pieces along axis 1
MAPS = {"65536x4x64x16": (65_536, 4, 64, 16), "4096x2x256x256": (4_096, 2, 256, 256)}  # rows, maps, numbers in, units out
KINDS = ("value_and_argmax", "backward")
SIDES = ("ours_fresh", "ours_out", "numpy_naive", "numpy_out")
pytestmark = pytest.mark.benchmark(max_time=0.1, min_rounds=3, warmup=True)


def draw(*shapes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(shape).astype(np.float32) for shape in shapes]


def functions(linear):
    return [pytest.param(_build.functions()[e.name], id=e.name) for e in registry.MAXOUT if e.linear == linear]


def spread(g, which, pieces, axis):
    dz = np.zeros((*g.shape[:axis], pieces, *g.shape[axis:]), g.dtype)
    np.put_along_axis(dz, np.expand_dims(which, axis), np.expand_dims(g, axis), axis)
    return dz


def pieces_calls(f, kind, shape, axis):
    """{side: call} on the same arrays."""
    pieces, rows = shape[axis], shape[:axis] + shape[axis + 1 :]
    z, g = draw(shape, rows)
    y, which = f.value_and_argmax(z, axis)
    dz, tuned = np.empty_like(z), baseline_pieces.PiecesBaseline(rows)
    if kind == "backward":
        return {
            "ours_fresh": lambda: f.backward(g, which, pieces, axis),
            "ours_out": lambda: f.backward(g, which, pieces, axis, out=dz),
            "numpy_naive": lambda: spread(g, which, pieces, axis),
            "numpy_out": lambda: tuned.backward(g, which, np.moveaxis(dz, axis, 0)),
        }
    return {
        "ours_fresh": lambda: f.value_and_argmax(z, axis),
        "ours_out": lambda: f.value_and_argmax(z, axis, out=(y, which)),
        "numpy_naive": lambda: (z.max(axis), z.argmax(axis)),
        "numpy_out": lambda: tuned.value_and_argmax(np.moveaxis(z, axis, 0), y, which),
    }


def linear_calls(f, kind, rows, k, d, u):
    """The same."""
    x, w, b, g = draw((rows, d), (k, d, u), (k, u), (rows, u))
    y, which = f.value_and_argmax(x, w, b)
    outs, tuned = (np.empty_like(x), np.empty_like(w), np.empty_like(b)), baseline_pieces.LinearBaseline(rows, w, b)

    def naive():
        z = x @ w + b[:, np.newaxis]
        return z.max(axis=0), z.argmax(axis=0)

    def naive_backward():
        dz = spread(g, which, k, 0)
        return (dz @ w.transpose(0, 2, 1)).sum(axis=0), x.T @ dz, dz.sum(axis=1)

    if kind == "backward":
        return {
            "ours_fresh": lambda: f.backward(g, x, w, which),
            "ours_out": lambda: f.backward(g, x, w, which, out=outs),
            "numpy_naive": naive_backward,
            "numpy_out": lambda: tuned.backward(g, x, which, *outs),
        }
    return {
        "ours_fresh": lambda: f.value_and_argmax(x, w, b),
        "ours_out": lambda: f.value_and_argmax(x, w, b, out=(y, which)),
        "numpy_naive": naive,
        "numpy_out": lambda: tuned.value_and_argmax(x, y, which),
    }


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("f", functions(False))
def bench_pieces(benchmark, f, kind, shape, side):
    benchmark.group = f"{f.name} {kind} float32 {shape}"
    benchmark(pieces_calls(f, kind, SHAPES[shape], 1)[side])


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("shape", MAPS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("f", functions(True))
def bench_linear(benchmark, f, kind, shape, side):
    benchmark.group = f"{f.name} {kind} float32 {shape}"
    benchmark(linear_calls(f, kind, *MAPS[shape])[side])
