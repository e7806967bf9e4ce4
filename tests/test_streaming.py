"""Results that are more than caches hold go past them: the same bits, wherever the outputs lie, from any number of threads."""

import numpy as np
import pytest
from helpers_process import python, succeeds

import actloss_c
from actloss_c import _build, _cpu

BYTES = _cpu.stream_from(True) + 2_000_000  # of all operands: loops of cheap kernels stream their results
PIECE = 1 << 18
CASES = {  # outputs, inputs behind x
    "sigmoid.value_and_grad": (2, ()),
    "relu": (1, ()),
    "prelu.value_and_grad": (2, (0.3,)),
    "elu.grad": (1, (0.7,)),
    "tanh.backward": (1, ()),
    "leaky_relu.backward": (1, (0.3,)),
    "softsign.value_and_grad": (2, ()),
}
LOSSES = {"squared_error": (0, 1), "hinge": (-1, 1), "huber": (0, 1), "sigmoid_binary_cross_entropy": (0, 1)}  # its targets


def placed(n, dtype, off):
    """An array whose first element lies `off` elements behind the start of a line."""
    memory = np.empty(n * dtype.itemsize + 128, np.uint8)
    start = -memory.ctypes.data % 64 + off * dtype.itemsize
    return memory[start : start + n * dtype.itemsize].view(dtype)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("threads", (1, 2))
def test_streamed_results_have_the_same_bits(name, level, dtype, threads, assert_same_bits):
    outputs, params = CASES[name]
    n = BYTES // ((1 + outputs) * dtype.itemsize) + 37
    random = np.random.default_rng(0)
    x = placed(n, dtype, 5)
    x[...] = np.resize(random.normal(scale=20, size=1 << 18), n)
    function, _, kind = name.partition(".")
    method = _build.functions(level)[function]
    method = getattr(method, kind) if kind else method
    given = (x[::-1].copy(), x) if kind == "backward" else (x,)
    for places in ((0, 0), (3, 3), (3, 4)):  # in the last one the second output cannot be streamed with the first
        outs = [placed(n, dtype, off) for off in places[:outputs]]
        for out in outs:
            out[...] = 7
        with actloss_c.num_threads(threads):
            got = method(*given, *params, out=tuple(outs) if outputs > 1 else outs[0])
        assert (got[0] if outputs > 1 else got) is outs[0]
        for first in range(0, n, PIECE):
            pieces = [a[first : first + PIECE] for a in given]
            want = method(*pieces, *params)
            for out, expected in zip(outs, want if outputs > 1 else (want,), strict=True):
                assert_same_bits(out[first : first + PIECE], expected, f"{name} from {first}, outputs at {places}")


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("threads", (1, 2))
def test_streamed_gradients_of_pairs_have_the_same_bits(name, level, dtype, threads, assert_same_bits):
    n = BYTES // (3 * dtype.itemsize) + 37
    random = np.random.default_rng(0)
    z, target = (placed(n, dtype, 5) for _ in range(2))
    z[...] = np.resize(random.normal(scale=2, size=1 << 18), n)
    target[...] = np.resize(random.choice(LOSSES[name], 1 << 18), n)
    loss = _build.functions(level)[name]
    want, want_g = loss.value_and_grad(z, target)  # fresh ones come through the caches
    for off in (0, 3):
        g = placed(n, dtype, off)
        g[...] = 7
        with actloss_c.num_threads(threads):
            got = loss.value_and_grad(z, target, out=g)
        assert got[0] == want and got[1] is g
        assert_same_bits(g, want_g, f"{name}, gradient {off} elements behind a line")
    g[...] = 7
    want_h, h = loss.grad_and_hess(z, target)[1], placed(n, dtype, 2)
    loss.grad_and_hess(z, target, out=(g, h))
    assert_same_bits(g, want_g, f"{name}, with its Hessian")
    assert_same_bits(h, want_h, f"{name}, the Hessian")
    g[...] = 7
    assert loss.value_and_grad(z, target.astype(np.int8), out=g)[0] == want
    assert_same_bits(g, want_g, f"{name}, targets of 8 bits")
    loss.value_and_grad(z, target, out=z)
    assert_same_bits(z, want_g, f"{name}, in place")


@pytest.mark.parametrize("classes", (3, 1000))
@pytest.mark.parametrize("threads", (1, 2))
def test_streamed_zeros_have_the_same_bits(classes, level, dtype, threads, assert_same_bits):
    rows = BYTES // (2 * dtype.itemsize) // classes + 5
    random = np.random.default_rng(0)
    a = random.random((rows, classes)).astype(dtype)
    labels = random.integers(0, classes, rows)
    loss = _build.functions(level)["cross_entropy"]
    want, want_g = loss.value_and_grad(a, labels)
    for off in (0, 3):
        g = placed(rows * classes, dtype, off).reshape(rows, classes)
        g[...] = 7
        with actloss_c.num_threads(threads):
            assert loss.value_and_grad(a, labels, out=g)[0] == want
        assert_same_bits(g, want_g, f"gradient {off} elements behind a line")


# stream_from is asked when a level is imported: actloss_c._cpu is loaded without the package, which would import one.
STREAMING_ALL = """
import importlib.machinery, importlib.util, sys
package = importlib.util.find_spec("actloss_c").submodule_search_locations
spec = importlib.machinery.PathFinder.find_spec("actloss_c._cpu", package)
cpu = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cpu)
asked = []

class Stub:
    runnable = staticmethod(cpu.runnable)
    stream_from = staticmethod(lambda cheap: asked.append(cheap) or 1)  # a byte

sys.modules["actloss_c._cpu"] = Stub
import numpy as np
import actloss_c as al

assert sorted(asked) == [False, True]
def placed(n, dtype, off):
    memory = np.full(n + 128, 7, dtype)
    start = -memory.ctypes.data % 64 // memory.itemsize + off
    return memory[start : start + n]

def alone(a):  # nothing was written around it
    first = (a.ctypes.data - a.base.ctypes.data) // a.itemsize
    return (a.base[:first] == 7).all() and (a.base[first + a.size :] == 7).all()

for f in (al.sigmoid, al.elu):
    for dtype, n in (("f", 5_000_037), ("d", 300_041), ("f", 16), ("f", 100), ("d", 1000)):
        x, g = np.resize(np.random.default_rng(0).normal(scale=9, size=99991).astype(dtype), (2, n))
        for off in (0, 3) if n > 1024 else (0,):
            for threads in (1, 2):
                y, dy, dx = (placed(n, dtype, off) for _ in range(3))
                with al.num_threads(threads):
                    f.value_and_grad(x, out=(y, dy))
                    f.backward(g, x, out=dx)
                for got, want in zip((y, dy, dx), (*f.value_and_grad(x), f.backward(g, x)), strict=True):
                    assert got.tobytes() == want.tobytes() and alone(got), (f, dtype, n, off, threads)
                f(x, out=y)
                assert y.tobytes() == f(x).tobytes()

for dtype in "fd":
    for rows, classes in ((1, 3), (9, 2), (64, 1), (70, 3), (300, 17), (5, 1000), (2, 40_000)):
        a = np.random.default_rng(0).random((rows, classes)).astype(dtype)
        t = np.random.default_rng(1).integers(0, classes, rows)
        t[:2], t[-1] = 0, classes - 1
        for off in (0, 1, 15):
            g = placed(rows * classes, dtype, off).reshape(rows, classes)
            for out in (g, a.copy()):  # in place, too
                got = al.cross_entropy.value_and_grad(out if out is not g else a, t, out=out)
                want = al.cross_entropy.value_and_grad(a, t)
                assert got[0] == want[0] and out.tobytes() == want[1].tobytes(), (dtype, rows, classes, off)
            assert alone(g), (dtype, rows, classes, off)
"""


def test_kernels_that_compute_stream_as_well(level, tmp_path):
    """As they do on some processors, from some size on: actloss_c/_cpu.pyx."""
    succeeds(python(STREAMING_ALL, tmp_path, level=level))
