"""Value and derivative of every activation against its formula, in units in the last place; and what follows from its shape.

float64 is judged by mpmath alone. float32 is judged by mpmath on few numbers and by float64 dual numbers on many. All float32 and
many float64 are the business of the judge behind `actloss_c accuracy` (-m exhaustive).
"""

import functools
import itertools

import numpy as np
import pytest
from helpers_accuracy import check, probes
from hypothesis import given
from hypothesis import strategies as st

from actloss_c import _dispatch, accuracy, oracle, registry
from actloss_c.judge import TOLERANCE, WIDE, Question
from actloss_c.patterns import thresholds

PARAMETERS = (None, 0.1, 1.7)  # None: the default


# --- where to look ------------------------------------------------------------------------------------------------------------


def mixed(entry, dtype, n, seed=0):
    """A value per element for every parameter, as arrays: those of PARAMETERS, and anything from 0.1 to 3."""
    random = np.random.default_rng([seed, 1])
    some = [np.array([p.default if v is None else v for v in PARAMETERS]) for p in entry.params]
    any_ones = [np.where(random.random(n) < 0.5, random.choice(v, n), 10 ** random.uniform(-1, 0.5, n)) for v in some]
    return {p.name: v.astype(dtype) for p, v in zip(entry.params, any_ones, strict=True)}


def judge(entry, x, params):
    """(values, derivatives) by mpmath."""
    rows = zip(*(np.broadcast_to(p, x.shape) for p in params.values()), strict=True) if params else itertools.repeat((), x.size)
    pairs = [dict(zip(params, row, strict=True)) for row in rows]
    return tuple(zip(*map(lambda t, p: oracle.value_and_derivative(entry.formula, t, **p), x, pairs), strict=True))


@functools.cache
def judged(name, dtype, n, spread):
    """(x, parameters, values, derivatives) by mpmath. One result serves all levels; spread: a parameter value per element."""
    entry = registry.FUNCTIONS[name]
    x = probes(entry, dtype, n)
    params = mixed(entry, dtype, x.size) if spread else {p.name: dtype.type(p.default) for p in entry.params}
    return x, params, *judge(entry, x, params)


def judge_by_duals(entry, x, params):
    """The same for float32 by float64 dual numbers."""
    return oracle.numpy_value_and_derivative(entry.formula, x, **{name: np.asarray(p, float) for name, p in params.items()})


@functools.cache
def judged_by_duals(name, n, value):
    """(x, parameters, values, derivatives) of float32 numbers; value: of all parameters, or "mixed"."""
    entry, single = registry.FUNCTIONS[name], np.dtype(np.float32)
    x = probes(entry, single, n, seed=1)
    if value == "mixed":
        params = mixed(entry, single, x.size)
    else:
        params = {p.name: single.type(p.default if value is None else value) for p in entry.params}
    return x, params, *judge_by_duals(entry, x, params)


def check_both(function, x, params, values, derivatives, bounds, what):
    y, dy = function.value_and_grad(x, **params)
    of_value = check(y, values, x, bounds[0], f"{what}: value", params)
    return of_value, check(dy, derivatives, x, bounds[1], f"{what}: derivative", params)


# --- accuracy -----------------------------------------------------------------------------------------------------------------


def test_value_and_derivative(case):
    """Against mpmath, default parameters and one value per element."""
    n = 600 if case.dtype == np.float32 else 2400
    for spread in (False, True) if case.entry.params else (False,):
        check_both(case.function, *judged(case.entry.name, case.dtype, n, spread), case.ulp, case)


def look_around_the_worst(case, start, count, judge):
    """Rounds of closer and closer looks around the largest errors so far, of value and of derivative, parameters included."""
    random = np.random.default_rng(2)
    x, params, *exact = start
    for width in (0.1, 0.03, 0.01, 0.003):
        errors = check_both(case.function, x, params, *exact, case.ulp, case)
        pick = random.choice(np.concatenate([np.argsort(error)[-12:] for error in errors]), count)

        def near(a, pick=pick, width=width):
            return (np.clip(a[pick].astype(float), -1e30, 1e30) * (1 + width * random.uniform(-1, 1, count))).astype(a.dtype)

        x, params = near(x), {name: near(p) for name, p in params.items()}
        exact = judge(case.entry, x, params)
    check_both(case.function, x, params, *exact, case.ulp, case)


def test_around_the_worst(case):
    """A bound that holds on a sample may fail beside the sample's worst numbers."""
    if case.dtype == np.float32:
        look_around_the_worst(case, judged_by_duals(case.entry.name, 1 << 17, "mixed"), 1 << 16, judge_by_duals)
    else:
        look_around_the_worst(case, judged(case.entry.name, case.dtype, 2400, bool(case.entry.params)), 300, judge)


def test_value_and_derivative_of_many_float32(activation):
    """Against float64 dual numbers."""
    for value in PARAMETERS if activation.params else PARAMETERS[:1]:
        check_both(activation, *judged_by_duals(activation.name, 1 << 18, value), activation.ulp["float32"], activation.name)


def test_large_parameters(case):
    """A large parameter must not lift a rounding of the subnormal range into the normal numbers."""
    x = probes(case.entry, case.dtype, 160, seed=2)
    for value in (-1000, 30, 1e12) if case.entry.params else ():
        params = case.parameters(value)
        check_both(case.function, x, params, *judge(case.entry, x, params), case.ulp, case)


def test_backward_is_one_multiplication(case, patterns, assert_same_bits):
    """g·f'(x) has the bits of NumPy's product of g and the derivative."""
    x, g = patterns(case.dtype, 20_000), patterns(case.dtype, 20_000, seed=1)
    for value in PARAMETERS if case.entry.params else PARAMETERS[:1]:
        params = case.parameters(value)
        result = case.function.backward(g, x, **params)
        with np.errstate(all="ignore"):
            want = g * case.function.grad(x, **params)
        assert_same_bits(result[0] if isinstance(result, tuple) else result, want, case)
        assert_same_bits(case.ufunc("backward")(g, x, *params.values()), want, case)


@pytest.mark.exhaustive
@pytest.mark.parametrize("dtype", WIDE)
@pytest.mark.parametrize("entry", registry.ACTIVATIONS, ids=lambda entry: entry.name)
def test_every_number(entry, dtype):
    """All float32, and 17 million float64, as `actloss_c accuracy` judges them."""
    levels = _dispatch.runnable_levels()
    for value in PARAMETERS if entry.params else PARAMETERS[:1]:
        params = tuple((p.name, p.default if value is None else value) for p in entry.params)
        question = Question(entry.name, dtype, params, levels)
        with accuracy.workers(accuracy.cores()) as pool:
            verdicts, deviation = accuracy.judged(question, pool, exhaustive=dtype == "float32")
        failed = [v for v in verdicts if accuracy.fails(question, v)]
        assert len(verdicts) == 2 * len(levels) and not failed, f"{params}: {failed}"
        assert deviation <= TOLERANCE[dtype]


# --- what follows from the formula's shape --------------------------------------------------------------------------------------


def check_shape_of_values(case, x):
    """Odd, monotone, inside its range, as far as the registry says so; x without NaN."""
    entry, f = case.entry, case.function
    for value in PARAMETERS if entry.params else PARAMETERS[:1]:
        params = case.parameters(value)
        y, dy = f.value_and_grad(x, **params)
        assert not np.isnan(y).any(), f"{case}: NaN at {x[np.isnan(y)][0]!r}"
        low, high = entry.range
        outside = np.flatnonzero((y < low) | (y > high))
        assert not outside.size, f"{case}: f({x[outside[0]]!r}) = {y[outside[0]]!r} is outside [{low}, {high}]"
        if entry.odd:
            mirrored, its_derivative = f.value_and_grad(-x, **params)
            unsigned = f"u{x.itemsize}"
            wrong = np.flatnonzero((mirrored.view(unsigned) != (-y).view(unsigned)) | (its_derivative != dy))
            assert not wrong.size, f"{case}: f(−x) is not −f(x) at x = {x[wrong[0]]!r}"
        if entry.monotone:
            falling = np.flatnonzero(~(dy >= 0))
            assert not falling.size, f"{case}: f'({x[falling[0]]!r}) = {dy[falling[0]]!r}"
            most = np.nextafter(np.finfo(y.dtype).max, y.dtype.type(0))  # whose spacing is finite
            y = np.clip(y[np.argsort(x, kind="stable")], -most, most)
            top = np.maximum.accumulate(y)
            drop = (top - y) / np.spacing(np.maximum(abs(top), abs(y)))
            worst = int(np.argmax(drop))
            assert drop[worst] <= 2 * case.ulp[0], f"{case}: falls by {drop[worst]} ULP from {top[worst]!r} to {y[worst]!r}"


def test_shape_of_values(case, patterns):
    """On random bits, evenly over ±20, and on runs of consecutive numbers, where only rounding can make it fall."""
    random = np.random.default_rng(5)
    starts = np.concatenate([random.uniform(-20, 20, 100), thresholds(case.entry, case.dtype)]).astype(case.dtype)
    start_bits = starts[starts != 0].view(f"u{case.dtype.itemsize}")
    runs = (start_bits[:, None] + np.arange(-20, 20)).astype(start_bits.dtype).view(case.dtype).ravel()
    x = np.concatenate([patterns(case.dtype, 20_000), random.uniform(-20, 20, 20_000).astype(case.dtype), runs])
    check_shape_of_values(case, x[~np.isnan(x)])


@given(st.data())
def test_shape_of_a_few_values(case, data):
    numbers = st.floats(allow_nan=False, width=8 * case.dtype.itemsize)
    check_shape_of_values(case, np.array(data.draw(st.lists(numbers, min_size=1, max_size=40)), case.dtype))


@given(st.data())
def test_one_number(case, data):
    """Hypothesis looks for a number, and finite parameters, at which the formula and the function disagree."""
    bounded = st.floats(-1e3, 1e3, width=8 * case.dtype.itemsize)
    x = np.array(
        [data.draw(st.floats(allow_nan=False, allow_infinity=False, width=8 * case.dtype.itemsize) | bounded)], case.dtype
    )
    params = {p.name: case.dtype.type(data.draw(st.sampled_from((p.default, 0.1, 0.5, 1.7)))) for p in case.entry.params}
    check_both(case.function, x, params, *judge(case.entry, x, params), case.ulp, case)
