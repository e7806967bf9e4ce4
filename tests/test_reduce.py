"""reduce and accumulate of the ufuncs with two inputs, where each element reads the result before it."""

import numpy as np
import pytest

from actloss_c import _build, _dispatch

LEVELS = _dispatch.runnable_levels()
NAMES = sorted(name for name, u in _build.ufuncs(LEVELS[0]).items() if (u.nin, u.nout) == (2, 1))


@pytest.mark.parametrize("n", (1, 2, 15, 16, 17, 40, 600))
@pytest.mark.parametrize("dtype", (np.float32, np.float64))
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", NAMES)
def test_reduce_and_accumulate_go_one_by_one(name, level, dtype, n):
    ufunc = _build.ufuncs(level)[name]
    a = np.random.default_rng(n).uniform(-2, 2, n).astype(dtype)
    want = [a[0]]
    for x in a[1:]:
        want.append(ufunc(want[-1], x))
    assert ufunc.reduce(a) == want[-1]
    assert (ufunc.accumulate(a) == want).all()
    assert (ufunc.accumulate(a[::-1][::-1]) == want).all()


@pytest.mark.parametrize("name", NAMES)
def test_out_behind_and_ahead_of_an_input(name, level, assert_same_bits):
    """Shifted by one either way, longer than a block."""
    ufunc = _build.ufuncs(level)[name]
    a = np.random.default_rng(0).uniform(-2, 2, 2001).astype(np.float32)
    b = a[::-1].copy()
    for source, target in ((slice(1, None), slice(None, -1)), (slice(None, -1), slice(1, None))):
        memory = a.copy()
        want = ufunc(a[source], b[:-1])
        ufunc(memory[source], b[:-1], out=memory[target])
        assert_same_bits(memory[target], want, name)
