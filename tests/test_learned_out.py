"""Where the gradient of a learned parameter goes: an array of the caller's, into which compiled code or Python brings it."""

import numpy as np
import pytest
from helpers_activations import Watched, build, inputs, is_learned
from helpers_arrays import Tagged

from actloss_c import registry

LEARNED = pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS if is_learned(e.name)])


@LEARNED
def test_compiled(name, dtype, assert_same_results):
    """An array of the parameter's shape; over inputs, too."""
    f = build(Watched, name)
    for shape in ((30, 40), (0, 40)):
        x, g = inputs(dtype, shape)
        for a in (0.5, *(np.full(s, 0.5, dtype) for s in ((), (40,), (shape[0], 1), (1,), (1, 1), shape))):
            want = f.backward(g, x, a)
            for dx in (None, np.empty_like(x), np.empty_like(x, order="F")):
                out = dx, np.full(np.shape(a), 7, dtype)
                got = f.backward(g, x, a, out=out)
                assert_same_results(got, want, f"{shape}, {np.shape(a)}")
                assert got[1] is out[1] and (dx is None or got[0] is dx)
            here = np.array(a, dtype)
            assert f.backward(g, x, here, out=(None, here))[1] is here
            assert_same_results(here, np.asarray(want[1]), "over the parameter")
        assert f.handed_on == 0 or x.size == 0
    f.handed_on = 0
    x, g = inputs(dtype, (30, 40))
    gs, xs, want = g.copy(), x.copy(), f.backward(g, x)
    assert_same_results(f.backward(gs, xs, out=(xs, gs[3, 4, ...])), want, "over an element of g")
    assert f.handed_on == 0


@LEARNED
def test_by_python(name, dtype, assert_same_results):
    f = build(Watched, name)
    x, g = inputs(dtype, (30, 40))
    a, dx = np.full(40, 0.5, dtype), np.empty_like(x)
    for what, da in {
        "every second": np.zeros(80, dtype)[::2],
        "byte-swapped": np.zeros(40, dtype.newbyteorder()),
        "another dtype": np.zeros(40, np.float16),
        "subclass": np.zeros(40, dtype).view(Tagged),
    }.items():
        f.handed_on, want = 0, f.backward(g, x, a)[1].astype(da.dtype)
        dx[...] = 7
        assert f.backward(g, x, a, out=(dx, da))[1] is da and f.handed_on == 1, what
        assert_same_results(dx, f.backward(g, x, a)[0], what)
        assert_same_results(np.asarray(da), want, what)
    halves = [i.astype(np.float16) for i in (g, x, a)]
    want, out = f.backward(*halves), (np.empty(x.shape, np.float16), np.empty(40, np.float16))
    assert_same_results(f.backward(*halves, out=out), want, "float16")
    marked = np.broadcast_arrays(np.zeros(40, dtype), np.zeros((2, 1)))[0][0]
    with pytest.warns((DeprecationWarning, FutureWarning), match="broadcast"):
        f.backward(g, x, a, out=(dx, marked))


@LEARNED
def test_refused(name, dtype):
    """Before anything is written."""
    f = build(Watched, name)
    x, g = inputs(dtype, (30, 40))
    a, dx = np.full(40, 0.5, dtype), np.full_like(x, 7)
    frozen = np.zeros(40, dtype)
    frozen.flags.writeable = False
    for bad in (np.zeros(39, dtype), np.zeros((1, 40), dtype), np.zeros((), dtype), dx[3], frozen, "no array"):
        with pytest.raises((TypeError, ValueError), match=r"out\[1\]"):
            f.backward(g, x, a, out=(dx, bad))
    with pytest.raises(ValueError, match=r"out\[1\]"):
        f.backward(g, x, 0.5, out=(dx, np.zeros(1, dtype)))
    assert (dx == 7).all()
