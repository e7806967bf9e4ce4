"""Infinities, NaN, ±0, the ends of the number range, kinks; and the floating-point status, which no call may change."""

import ctypes
import ctypes.util
import itertools
import platform
import warnings

import numpy as np
import pytest
from helpers_activations import ACTIVATIONS
from helpers_arrays import bits
from helpers_losses import inputs_of

import actloss_c as al
from actloss_c import _build, limits, oracle, registry, ulp

KINDS = ("value", "grad", "value_and_grad", "backward")
LENGTHS = range(131)
PARAMETERS = (None, 0.1, 1.7, 1e12)  # None: the default; 1e12: the largest with elu's bounds


def parameter_sets(case):
    return [case.parameters(value) for value in (PARAMETERS if case.entry.params else PARAMETERS[:1])]


# --- values ---------------------------------------------------------------------------------------------------------------------


def test_special_numbers(case, specials):
    """Every entry of docs/limits.md, other special numbers and other parameters: bit for bit, but for the bound's own choice."""
    x = np.array([*limits.points(case.entry, case.dtype).values(), *specials(case.dtype)], case.dtype)
    for params in parameter_sets(case):
        for t, *got in zip(x, *case.function.value_and_grad(x, **params), strict=True):
            want = limits.results(case.entry, t, **params)
            for what, result, right, bound in zip(("value", "derivative"), got, want, case.ulp, strict=True):
                if right.is_firm(bound):
                    agree = bits(result) == bits(right.number)
                else:
                    agree = ulp.ulp_error([result], [right.exact], case.dtype) <= bound
                assert agree, f"{case} {params}: {what} at {t!r} is {result!r}, not {right.number!r}"


@ACTIVATIONS
def test_kinks(name):
    """f' jumps at each of the registry's kinks, unless smooth_if holds."""
    entry = registry.FUNCTIONS[name]
    for kink in entry.kinks:
        x = [limits.points(entry, np.float64)[at] for at in limits.around(kink)]
        jumps = {}
        for value in (1, 0.25):
            params = dict.fromkeys((p.name for p in entry.params), value)
            before, _, after = (oracle.value_and_derivative(entry.formula, t, **params)[1] for t in x)
            jumps[value] = abs(after - before) > 1e-3
        assert jumps[0.25] and not (entry.smooth_if and jumps[1]), f"{name}: {jumps} at {kink}"


def test_remarks(level, dtype):
    """What the registry remarks beside the tables."""
    f, one, inf = _build.functions(level), dtype.type(1), dtype.type(np.inf)
    for name in ("leaky_relu", "prelu"):
        y, dy = f[name].value_and_grad(-inf, alpha=0)
        assert np.isnan(y) and dy == 0
    dx, dalpha = f["prelu"].backward(inf, one)
    assert dx == inf and np.isnan(dalpha)
    largest = np.ldexp(one, 64 if dtype == np.float32 else 512)
    assert f["elu"].grad(0 * one, alpha=largest) == inf and f["elu"].grad(0 * one, alpha=largest / 2) == largest / 2


@ACTIVATIONS
def test_saturation(name):
    """f' has the limit 0 on the sides where the registry says that f saturates, and reaches it if and only if that is "hard"."""
    entry = registry.FUNCTIONS[name]
    params = {p.name: p.default for p in entry.params}
    for how, sign in zip(entry.saturation, (-1, 1), strict=True):
        far, limit = (oracle.value_and_derivative(entry.formula, sign * x, **params)[1] for x in (1000, np.inf))
        assert (how is not None) == (abs(limit) < 1e-300), f"{name}: f' has the limit {limit}"
        assert (how == "hard") == (far == 0), f"{name}: f' is {far} at {sign * 1000}"


def test_nan_stays_in_its_place(case):
    """For every length and every position, in value and in derivative; the neighbours do not see it."""
    f = case.ufunc("value_and_grad")
    params = case.parameters().values()
    clean = np.full(len(LENGTHS), 0.75, case.dtype)
    want = [r[0] for r in f(clean, *params)]
    for n in LENGTHS:
        for k in range(n):
            x = clean[:n].copy()
            x[k] = np.nan
            for result, w in zip(f(x, *params), want, strict=True):
                if result[k] == result[k] or np.count_nonzero(result == w) != n - 1:
                    raise AssertionError(f"{case}: NaN at {k} of {n} gives {result}")


def test_nan_of_every_kind(case):
    """Quiet and signalling, of either sign, with any payload."""
    unsigned = np.dtype(f"u{case.dtype.itemsize}")
    exponent = np.array(np.inf, case.dtype).view(unsigned)
    payload = np.array([1, 2, 0x155555, 1 << (np.finfo(case.dtype).nmant - 1)], unsigned)
    x = np.concatenate([exponent | payload, exponent | payload | np.array(-0.0, case.dtype).view(unsigned)]).view(case.dtype)
    for params in parameter_sets(case):
        for result in (*case.function.value_and_grad(x, **params), case.function(x, **params), case.function.grad(x, **params)):
            assert np.isnan(result).all(), f"{case}: {result}"


# --- floating-point status ------------------------------------------------------------------------------------------------------


def flags():
    """(clear, read): the C library's floating-point exceptions without `inexact`, or None where they cannot be asked."""
    masks = {"x86_64": 0x1D, "amd64": 0x1D, "aarch64": 0x0F, "arm64": 0x0F}
    mask = masks.get(platform.machine().lower())
    if mask is None or platform.system() == "Windows":
        return None
    library = ctypes.CDLL(ctypes.util.find_library("m"))
    return lambda: library.feclearexcept(mask), lambda: library.fetestexcept(mask)


FLAGS = flags()


@pytest.fixture
def silent():
    """A block in which any floating-point exception, seen by NumPy or left in the processor, is an error."""

    class Silent:
        def __enter__(self):
            self.state = np.errstate(all="raise")
            self.warned = warnings.catch_warnings()
            self.state.__enter__()
            self.warned.__enter__()
            warnings.simplefilter("error")
            if FLAGS:
                FLAGS[0]()

        def __exit__(self, *error):
            left = FLAGS[1]() if FLAGS else 0
            self.warned.__exit__(*error)
            self.state.__exit__(*error)
            if error[0] is None:
                assert left == 0, f"floating-point exceptions left behind: {left:#x}"

    return Silent()


def test_silence_is_tested(silent):
    """The fixture itself: an exception that NumPy sees, and one that it does not."""
    with pytest.raises(FloatingPointError), silent:
        np.float64(1e300) * np.float64(1e300)
    if FLAGS:
        with pytest.raises(AssertionError, match="left behind"), silent:
            ctypes.CDLL(ctypes.util.find_library("m")).feraiseexcept(4)


@pytest.mark.parametrize("through", ("facade", "ufunc"))
def test_no_warning(case, through, specials, silent):
    """Special numbers at every length, contiguous, strided and in place, under errstate(all="raise")."""
    numbers = np.concatenate([specials(case.dtype), np.array([-745, -104, -88, 30, 88, 104, 745, 1e30], case.dtype)])
    x_all = np.resize(np.concatenate([np.roll(numbers, k) for k in range(4)]), 400)
    g_all = np.resize(np.roll(numbers, 7), 400)
    for kind, n in itertools.product(KINDS, LENGTHS):
        for x, g in ((x_all[:n], g_all[:n]), (x_all[: 2 * n : 2], g_all[2 * n :: -2][:n]), (np.resize(x_all[n], n), g_all[:n])):
            inputs = (g, x) if kind == "backward" else (x,)
            with silent:
                if through == "ufunc":
                    case.ufunc(kind)(*inputs, *case.parameters().values())
                else:
                    (case.function if kind == "value" else getattr(case.function, kind))(*inputs)
    with silent:
        for kind in KINDS:
            x, g = x_all.copy(), g_all.copy()
            inputs, out = ((g, x), (x,)) if kind == "backward" else ((x,), (x, g)[: 1 + (kind == "value_and_grad")])
            case.ufunc(kind)(*inputs, *case.parameters().values(), out=out)


def test_no_warning_from_parameters_and_casts(case, specials, silent):
    """Array parameters, extreme ones, and inputs that the facade converts, overflow included."""
    x = np.resize(specials(case.dtype), 100)
    with silent:
        for number in (0.0, -1.0, 1e-30, 1e30, np.inf, np.nan):
            params = {p: np.full(100, number, case.dtype) for p in case.parameters()}
            case.function.value_and_grad(x, **params)
            case.function.backward(x, x, **params)
        for other in (np.array([1e300, -1e300, np.nan]), np.array([1e-300, 5e-324]), np.arange(-5, 5), np.array([True])):
            case.function.value_and_grad(other, dtype=case.dtype)
            case.function.backward(other, np.ones(other.shape, case.dtype))
            case.function.value_and_grad(np.ones(other.shape, case.dtype), **dict.fromkeys(case.parameters(), other))


def test_no_warning_from_public_functions(specials, silent):
    """The package's own objects and actloss_c.ufuncs, which are those of the level that was chosen."""
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        x = np.resize(specials(dtype), 131)
        for entry in registry.ACTIVATIONS:
            numbers = [dtype.type(p.default) for p in entry.params]
            with silent:
                getattr(al, entry.name).value_and_grad(x)
                getattr(al.ufuncs, entry.name)(x, *numbers)
                getattr(al.ufuncs, f"{entry.name}_grad")(x, *numbers)
                getattr(al.ufuncs, f"{entry.name}_value_and_grad")(x, *numbers)
                getattr(al.ufuncs, f"{entry.name}_backward")(x, x, *numbers)


@pytest.mark.parametrize("classes", (1, 2, 5, 16, 17, 48, 49, 130, 300))
def test_no_warning_from_rows(loss_case, classes, specials, silent):
    """Rows of special numbers, both axes, every reduction, with weights; batches of 0…130 rows."""
    f, dtype = loss_case.function, loss_case.dtype
    numbers = specials(dtype)
    random = np.random.default_rng(classes)
    z = random.choice(np.concatenate([numbers, -numbers, np.linspace(-200, 200, 40).astype(dtype)]), (130, classes))
    z[::3] = random.choice(z[::3][np.isfinite(z[::3])], z[::3].shape)  # a third of them without NaN and inf
    z[1], z[4], z[7] = -np.inf, np.inf, np.nan
    z = inputs_of(loss_case.entry, z)
    across = np.ascontiguousarray(z.T)
    target = random.integers(0, classes, 130)
    weight = random.uniform(0, 1e30, 130)
    for n in range(0, 131, 1 if classes == 5 else 13):
        for (there, axis), reduction in itertools.product(((z[:n], -1), (across[:, :n], 0)), ("mean", "sum", "none")):
            with silent:
                f.value_grad_and_hess(there, target[:n], axis=axis, reduction=reduction)
                f(there, target[:n], axis=axis, reduction=reduction, sample_weight=weight[:n])
                f.value_and_grad(there, target[:n].astype(np.float32), axis=axis, reduction=reduction, sample_weight=weight[:n])


def test_arithmetic_is_untouched(case, specials):
    """After a call NumPy still rounds to nearest and still has subnormal numbers, and its own exceptions still come."""
    x = np.resize(specials(case.dtype), 131)
    for kind in KINDS:
        inputs = (x, x) if kind == "backward" else (x,)
        case.ufunc(kind)(*inputs, *case.parameters().values())
        with np.errstate(all="raise"):
            assert np.array_equal(np.ones(40) + np.ones(40), np.full(40, 2.0))
            assert np.exp(np.zeros(3, case.dtype)).sum() == 3
            info = np.finfo(case.dtype)
            assert (np.full(40, info.smallest_normal) * case.dtype.type(0.5) != 0).all()
            assert (np.full(40, case.dtype.type(1)) + info.eps / 2 == 1).all() and (
                np.full(40, case.dtype.type(1)) + info.eps > 1
            ).all()
            with pytest.raises(FloatingPointError):
                np.full(3, info.max) * case.dtype.type(2)
