"""Parametrisation over registry × runnable level × dtype, by argument name, and the helpers that several test files share.

A test that takes one of these arguments runs once for each of its values:

    case          an activation of a level at a dtype: .entry (registry), .level, .dtype, .function (the public object), …
    loss_case     the same for the losses over rows
    pair_case     the same for the losses over pairs
    logit_case    the same for those whose variable is z, of logits
    soft_case     the same for those that take distributions, too
    softmax_case  the same for those that are both: they have all options
    focal_case    the same for softmax_focal
    learned_case  the same for the activations whose backward also returns a parameter's gradient
    maxout_case   the same for the maxima over pieces; linear_case for those over linear maps
    linear_loss_case  the same for the losses over the logits x @ W + b
    elementary_case  the same for the functions that kernels are made of, value only: .ufunc
    activation    an activation of a level (the public object); its registry entry is registry.FUNCTIONS[activation.name]
    loss          a loss of a level
    row_case      a function of rows of a level at a dtype, like case
    row_function  a function of rows of a level
    level, dtype  one of the levels that run here; float32 or float64

In a test file that says WITH_FLOAT16 = True, `case` is of float16, too: laws of calls, not of errors.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from helpers_arrays import bits
from hypothesis import settings

from actloss_c import _build, _dispatch, registry

settings.register_profile("laws", derandomize=True, deadline=None, database=None)
settings.load_profile("laws")

LEVELS = _dispatch.runnable_levels()
DTYPES = (np.dtype(np.float32), np.dtype(np.float64))
FLOAT16 = (np.dtype(np.float16),)


@dataclass(frozen=True, repr=False)
class Case:
    """One function of one level at one dtype."""

    entry: Any
    level: str
    dtype: np.dtype

    @property
    def function(self):
        return _build.functions(self.level)[self.entry.name]

    @property
    def ulp(self):
        """(bound of the value or loss, bound of the derivative or gradient)."""
        return self.function.ulp[self.dtype.name]

    def ufunc(self, kind):
        """The level's ufunc of a kind: value, grad, value_and_grad or backward (which takes g first)."""
        return _build.ufuncs(self.level)[self.entry.name if kind == "value" else f"{self.entry.name}_{kind}"]

    def parameters(self, value=None):
        """{name: the parameter's default, or `value`, as a number of the dtype}."""
        return {p.name: self.dtype.type(p.default if value is None else value) for p in self.entry.params}

    def __repr__(self):
        return f"{self.entry.name}-{self.level}-{self.dtype}"


@dataclass(frozen=True, repr=False)
class ElementaryCase:
    """One elementary function of one level at one dtype."""

    entry: Any
    level: str
    dtype: np.dtype

    @property
    def ufunc(self):
        return _build.elementary(self.level)[self.entry.name]

    @property
    def ulp(self):
        """The bound of the value."""
        return (self.entry.ulp_baseline if self.level == "baseline" else self.entry.ulp)[self.dtype.name][0]

    def __repr__(self):
        return f"{self.entry.name}-{self.level}-{self.dtype}"


def cases(entries, case=Case, dtypes=DTYPES):
    return {str(c): c for entry in entries for level in LEVELS for dtype in dtypes for c in [case(entry, level, dtype)]}


def objects(entries):
    return {f"{e.name}-{level}": _build.functions(level)[e.name] for e in entries for level in LEVELS}


VALUES = {  # argument: {id: value}
    "case": cases(registry.ACTIVATIONS),
    "loss_case": cases(registry.LOSSES),
    "pair_case": cases(registry.PAIR_LOSSES),
    "logit_case": cases(e for e in registry.LOSSES if e.variable == "z"),
    "row_case": cases(registry.ROWS),
    "row_function": objects(registry.ROWS),
    "soft_case": cases(e for e in registry.LOSSES if e.soft),
    "softmax_case": cases(e for e in registry.LOSSES if e.variable == "z" and e.soft),
    "focal_case": cases(e for e in registry.LOSSES if "gamma" in e.constants),
    "learned_case": cases(e for e in registry.ACTIVATIONS if any(p.learned for p in e.params)),
    "maxout_case": cases(e for e in registry.MAXOUT if not e.linear),
    "linear_case": cases(e for e in registry.MAXOUT if e.linear),
    "linear_loss_case": cases(registry.LINEAR_LOSSES),
    "elementary_case": cases(registry.ELEMENTARY, ElementaryCase),
    "activation": objects(registry.ACTIVATIONS),
    "loss": objects(registry.LOSSES),
    "level": {level: level for level in LEVELS},
    "dtype": {dtype.name: dtype for dtype in DTYPES},
}


def pytest_generate_tests(metafunc):
    named = {argument for mark in metafunc.definition.iter_markers("parametrize") for argument in mark.args[0].split(",")}
    for argument, values in VALUES.items():
        if argument == "case" and getattr(metafunc.module, "WITH_FLOAT16", False):
            values = {**values, **cases(registry.ACTIVATIONS, dtypes=FLOAT16)}
        if argument in metafunc.fixturenames and argument not in named:
            metafunc.parametrize(argument, list(values.values()), ids=list(values))


@pytest.fixture(scope="session")
def assert_same_bits():
    """assert_same_bits(got, want, what=""): same dtype, shape and bits; −0 is not +0, and a NaN is a NaN."""

    def check(got, want, what=""):
        got, want = np.asarray(got), np.asarray(want)
        assert got.dtype == want.dtype, f"{what}: dtype {got.dtype}, not {want.dtype}"
        assert got.shape == want.shape, f"{what}: shape {got.shape}, not {want.shape}"
        wrong = np.flatnonzero(bits(got) != bits(want))
        if wrong.size:
            k = wrong[0]
            raise AssertionError(f"{what}: {wrong.size} of {got.size} differ; [{k}] is {got.flat[k]!r}, not {want.flat[k]!r}")

    return check


@pytest.fixture(scope="session")
def assert_same_results(assert_same_bits):
    """assert_same_results(got, want, what=""): the same for what two calls return, single or in a tuple; a float is a float."""

    def check(got, want, what=""):
        got, want = (result if isinstance(result, tuple) else (result,) for result in (got, want))
        for k, (one, expected) in enumerate(zip(got, want, strict=True)):
            assert type(one) is float or type(expected) is not float, f"{what}: result {k} is a {type(one)}, not a float"
            assert_same_bits(one, expected, f"{what}, result {k}")

    return check


def special(dtype):
    """±: 0, smallest subnormal, largest subnormal, smallest normal, 1 and its neighbours, largest, inf; and NaN."""
    info = np.finfo(dtype)
    one, inf = dtype.type(1), dtype.type(np.inf)
    below = np.nextafter(info.smallest_normal, dtype.type(0))
    near_one = [np.nextafter(one, -inf), one, np.nextafter(one, inf)]
    positive = np.array([0, info.smallest_subnormal, below, info.smallest_normal, *near_one, info.max, inf], dtype)
    return np.concatenate([positive, -positive, np.array([np.nan], dtype)])


@pytest.fixture(scope="session")
def specials():
    """specials(dtype): the special numbers above, as an array."""
    return special


@pytest.fixture(scope="session")
def patterns():
    """patterns(dtype, n, seed=0): n numbers of random bits, so of every exponent, a quarter of them in ±120 instead.

    The special numbers are among them, NaN and ±inf included; finite=True leaves those three out.
    """

    def draw(dtype, n, seed=0, finite=False):
        random = np.random.default_rng([seed, dtype.itemsize])
        x = random.integers(0, 2 ** (8 * dtype.itemsize), n, dtype=f"u{dtype.itemsize}").view(dtype)
        usual = random.random(n) < 0.25
        x[usual] = random.uniform(-120, 120, int(usual.sum()))
        some = special(dtype)[:n]
        x[random.permutation(n)[: some.size]] = some
        if finite:
            odd_ones = ~np.isfinite(x)
            x[odd_ones] = random.uniform(-120, 120, int(odd_ones.sum()))
        return x

    return draw
