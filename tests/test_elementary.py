"""The functions that kernels are made of, against their formulas: bounds, limits, domain, and the same bits everywhere."""

import functools
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers_accuracy import check, probes
from hypothesis import given
from hypothesis import strategies as st

from actloss_c import _build, _dispatch, oracle, registry
from actloss_c.patterns import thresholds

ENTRIES = {entry.name: entry for entry in registry.ELEMENTARY}
FMA_LEVELS = [level for level in _dispatch.runnable_levels() if level != "baseline"]
SINGLE = np.dtype(np.float32)


def inside(entry, x):
    """Those of x that lie in the open domain."""
    return x[(x > entry.domain[0]) & (x < entry.domain[1])]


def judge(entry, x):
    """Exact values, by mpmath."""
    return [oracle.value(entry.formula, t) for t in x]


def judge_singles(entry, x):
    """The same for float32, in float64."""
    return oracle.numpy_value_and_derivative(entry.formula, x)[0]


@functools.cache
def judged(name, dtype, n):
    """(x, exact values), one result for all levels. A third lies near 1, the zero of log, by logarithm of |x − 1|."""
    entry = ENTRIES[name]
    near_one = 1 + np.random.default_rng(3).choice([-1, 1], n // 3) * 2.0 ** np.random.default_rng(4).uniform(-53, 0, n // 3)
    x = inside(entry, np.concatenate([probes(entry, dtype, n - n // 3, also=entry.thresholds), near_one.astype(dtype)]))
    return x, judge(entry, x)


@functools.cache
def judged_singles(name, n):
    x = inside(ENTRIES[name], probes(ENTRIES[name], SINGLE, n, seed=1, also=ENTRIES[name].thresholds))
    return x, judge_singles(ENTRIES[name], x)


# --- accuracy -----------------------------------------------------------------------------------------------------------------


def test_value(elementary_case):
    """Against mpmath."""
    x, exact = judged(elementary_case.entry.name, elementary_case.dtype, 600 if elementary_case.dtype == SINGLE else 2400)
    check(elementary_case.ufunc(x), exact, x, elementary_case.ulp, elementary_case)


def test_around_the_worst(elementary_case):
    """Rounds of closer and closer looks around the largest errors so far."""
    case, random = elementary_case, np.random.default_rng(2)
    single = case.dtype == SINGLE
    x, exact = judged_singles(case.entry.name, 1 << 17) if single else judged(case.entry.name, case.dtype, 2400)
    for width in (0.1, 0.03, 0.01, 0.003):
        error = check(case.ufunc(x), exact, x, case.ulp, case)
        pick = random.choice(np.argsort(error)[-12:], 1 << 16 if single else 300)
        x = inside(case.entry, (x[pick] * (1 + width * random.uniform(-1, 1, pick.size))).astype(case.dtype))
        exact = judge_singles(case.entry, x) if single else judge(case.entry, x)
    check(case.ufunc(x), exact, x, case.ulp, case)


@given(st.data())
def test_one_number(elementary_case, data):
    """Hypothesis looks for a number at which the formula and the function disagree."""
    width = 8 * elementary_case.dtype.itemsize
    numbers = st.floats(allow_nan=False, allow_infinity=False, width=width) | st.floats(-1e3, 1e3, width=width)
    x = inside(elementary_case.entry, np.array([data.draw(numbers)], elementary_case.dtype))
    if x.size:
        check(elementary_case.ufunc(x), judge(elementary_case.entry, x), x, elementary_case.ulp, elementary_case)


PHASES = 16


@pytest.mark.exhaustive
@pytest.mark.parametrize("phase", range(PHASES), ids="phase{}".format)
@pytest.mark.parametrize("name", ENTRIES)
def test_every_float32(name, phase):
    """Every 16th bit pattern, from `phase` on; on the levels with FMA, the same bits."""
    entry, step = ENTRIES[name], 1 << 20

    def walk(first):
        x = np.arange(first + phase, first + PHASES * step, PHASES, dtype=np.uint64).astype(np.uint32).view(SINGLE)
        x = inside(entry, x[np.isfinite(x)])
        exact = judge_singles(entry, x)
        for level in _dispatch.runnable_levels():
            bound = entry.ulp_baseline if level == "baseline" else entry.ulp
            if x.size:
                check(_build.elementary(level)[name](x), exact, x, bound["float32"][0], f"{name}-{level}")

    with ThreadPoolExecutor() as pool:
        list(pool.map(walk, range(0, 1 << 32, PHASES * step)))


# --- ends ---------------------------------------------------------------------------------------------------------------------


def test_limits(elementary_case):
    """±inf give the limits, NaN gives NaN, zeros have the sign of x, and nothing warns."""
    entry, dtype = elementary_case.entry, elementary_case.dtype
    x = np.array([-np.inf, np.inf, np.nan, 0.0, -0.0], dtype)
    with np.errstate(all="raise"):
        y = elementary_case.ufunc(x).tolist()
    for got, want in zip(y, (*entry.limits, math.nan), strict=False):
        assert got == want or (math.isnan(got) and math.isnan(want)), f"{elementary_case}: limit {got}, not {want}"
    if entry.domain[0] < 0:
        exact = float(dtype.type(float(oracle.value(entry.formula, 0.0))))
        assert y[3] == y[4] == exact if exact else (math.copysign(1, y[3]), math.copysign(1, y[4]), *y[3:]) == (1, -1, 0, 0)


@pytest.mark.parametrize("name", [entry.name for entry in registry.ELEMENTARY if math.isfinite(entry.domain[0])])
def test_domain(name, level, dtype):
    """−inf at the pole, NaN beyond it, finite just inside; from one vector of neighbours and far numbers."""
    pole = dtype.type(ENTRIES[name].domain[0])
    beyond = np.nextafter(pole, dtype.type(-np.inf))
    x = np.array([pole, beyond, 2 * beyond, -1.5, -(2.0**20), np.finfo(dtype).min, np.nextafter(pole, dtype.type(np.inf))], dtype)
    with np.errstate(all="raise"):
        y = _build.elementary(level)[name](x)
    assert y[0] == -np.inf and np.isnan(y[1:-1]).all() and np.isfinite(y[-1]), f"{name}: {x} → {y}"


# --- the same bits ------------------------------------------------------------------------------------------------------------


def test_every_length_and_stride(elementary_case, patterns, assert_same_bits):
    x = patterns(elementary_case.dtype, 600)
    want = elementary_case.ufunc(x)
    for n in range(131):
        assert_same_bits(elementary_case.ufunc(x[n : 2 * n]), want[n : 2 * n], f"{elementary_case}, length {n}")
    for stride in (2, 3, -1, -2):
        assert_same_bits(elementary_case.ufunc(x[::stride]), want[::stride], f"{elementary_case}, stride {stride}")


@pytest.mark.skipif(len(FMA_LEVELS) < 2, reason="needs two levels with FMA")
@pytest.mark.parametrize("name", ENTRIES)
def test_levels_agree(name, dtype, patterns, assert_same_bits):
    x = np.concatenate([patterns(dtype, 200_000), thresholds(ENTRIES[name], dtype)])
    want = _build.elementary(FMA_LEVELS[0])[name](x)
    for level in FMA_LEVELS[1:]:
        assert_same_bits(_build.elementary(level)[name](x), want, f"{name}: {level} against {FMA_LEVELS[0]}")
