"""Infinities, NaN, ±0, the ends of the number range, kinks; and the floating-point status, which no call may change."""

import ctypes
import ctypes.util
import itertools
import platform
import warnings

import numpy as np
import pytest

import actloss_c as al
from actloss_c import oracle, registry

KINDS = ("value", "grad", "value_and_grad", "backward")
LENGTHS = range(131)
PARAMETERS = (None, 0.1, 1.7)  # None: the default


def parameter_sets(case):
    return [case.parameters(value) for value in (PARAMETERS if case.entry.params else PARAMETERS[:1])]


def around(at, dtype):
    """Each number and its two neighbours."""
    at = np.array(at, dtype)
    return np.concatenate([np.nextafter(at, dtype.type(-np.inf)), at, np.nextafter(at, dtype.type(np.inf))])


def results(outputs):
    return outputs if isinstance(outputs, tuple) else (outputs,)


# --- values ---------------------------------------------------------------------------------------------------------------------


def test_special_numbers(case, specials):
    """Value and derivative at ±0, the smallest and largest numbers, ±1, and kinks with their neighbours, against the oracle."""
    x = np.concatenate([specials(case.dtype), around([0, *case.entry.kinks], case.dtype)])
    x = x[np.isfinite(x)]
    for params in parameter_sets(case):
        exact = zip(*(oracle.value_and_derivative(case.entry.formula, t, **params) for t in x), strict=True)
        for got, want, bound, what in zip(
            case.function.value_and_grad(x, **params), exact, case.ulp, ("value", "derivative"), strict=True
        ):
            error = oracle.ulp_error(got, want, case.dtype)
            k = int(np.argmax(error))
            assert error[k] <= bound, f"{case} {params}: {what} at {x[k]!r} is {got[k]!r}, not {float(want[k])!r}"


def test_limits_at_infinity(case):
    """The mathematical limit, exactly rounded; NaN gives NaN."""
    x = np.array([np.inf, -np.inf], case.dtype)
    for params in parameter_sets(case):
        y, dy = case.function.value_and_grad(x, **params)
        for k, t in enumerate(x):
            value, derivative = oracle.value_and_derivative(case.entry.formula, t, **params)
            with np.errstate(over="ignore", under="ignore"):
                want = case.dtype.type(float(value)), case.dtype.type(float(derivative))
            assert (y[k], dy[k]) == want, f"{case} {params} at {t}"
        assert all(np.isnan(r) for r in case.function.value_and_grad(case.dtype.type(np.nan), **params))


def test_kinks(case):
    """f' jumps at a kink, and there it is what the formula's own comparison gives."""
    for kink in np.array(case.entry.kinks, case.dtype):
        jumps = False
        for params in parameter_sets(case):
            x = around([kink], case.dtype)
            before, at, after = (float(oracle.value_and_derivative(case.entry.formula, t, **params)[1]) for t in x)
            jumps |= abs(after - before) > 1e-3
            got = case.function.grad(x, **params)
            assert np.allclose(got, [before, at, after], rtol=1e-6, atol=1e-30), f"{case} {params}: f' around {kink} is {got}"
        assert jumps, f"{case}: f' does not jump at {kink}"


def test_signed_zero(case, assert_same_bits):
    """−0 is kept where f is odd; elsewhere f(−0) is at least the same number as f(0)."""
    zeros = np.array([0.0, -0.0], case.dtype)
    for params in parameter_sets(case):
        y, dy = case.function.value_and_grad(zeros, **params)
        assert y[0] == y[1] and dy[0] == dy[1]
        if case.entry.odd:
            assert_same_bits(y, zeros, case)


def test_saturation(case):
    """Where the registry says that f saturates, f' has the limit 0, and reaches it if and only if that is "hard"."""
    f = case.function
    for how, sign in zip(case.entry.saturation, (-1, 1), strict=True):
        if how is not None:
            far = oracle.value_and_derivative(case.entry.formula, sign * 1000.0, **case.parameters())[1]
            assert (far == 0) == (how == "hard"), f"{case}: the formula's derivative at {sign * 1000} is {far}"
            assert f.grad(case.dtype.type(sign * np.inf)) == 0
            assert f.grad(case.dtype.type(sign * 1000)) == 0 if how == "hard" else f.grad(case.dtype.type(sign * 3)) != 0


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
