"""The functions of rows: values and gradients of each row against the differentiated formula, masks, limits, peers' defects."""

import functools
import math

import mpmath
import numpy as np
import pytest
from helpers_row_functions import CAREFUL, masks, rows_and_slopes
from helpers_rows import CLASSES, LONG, batch
from hypothesis import given
from hypothesis import strategies as st

from actloss_c import _build, oracle, oracle_row_functions, registry

KINDS = ("value", "backward")

# --- the judge ------------------------------------------------------------------------------------------------------------------


def judged(entry, z, g):
    """{kind: (exact results, sizes that set the unit)} of one row, by mpmath."""
    return judged_numbers(entry.name, tuple(map(float, z)), tuple(map(float, np.atleast_1d(g))))


@functools.cache  # for all levels
def judged_numbers(name, z, g):
    entry = registry.FUNCTIONS[name]
    values, gradient, sizes = oracle_row_functions.row_values(entry.formula, z, g)
    of_values = [abs(max(z)) + (values[0] - max(z))] if entry.reduces else values
    return {"value": (values, of_values), "backward": (gradient, sizes)}


def check(case, z, g):
    """The function on rows against what is exact."""
    f = case.function
    for kind, bound, result in zip(KINDS, case.ulp, (f(z), f.backward(g, z)), strict=True):
        for row in range(len(z)):
            numbers = judged(case.entry, z[row], g[row])
            error = oracle.ulp_error(np.atleast_1d(result[row]), numbers[kind][0], case.dtype, numbers[kind][1])
            k = int(np.argmax(error))
            assert error[k] <= bound, (
                f"{case} {kind}, {z.shape[-1]} classes: {error[k]:.4g} ULP, bound {bound}. At {row}, {k}: "
                f"got {np.atleast_1d(result[row])[k]!r}, want {mpmath.nstr(numbers[kind][0][k], 20)}; "
                f"z = {[float(v).hex() for v in z[row]]}, g = {[float(v).hex() for v in np.atleast_1d(g[row])]}"
            )


# --- accuracy -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", CLASSES)
def test_rows(row_case, classes):
    check(row_case, *rows_and_slopes(row_case.entry, classes, row_case.dtype, (max(3, min(90, 500 // classes)),)))


@pytest.mark.exhaustive
@pytest.mark.parametrize("classes", CLASSES)
def test_many_rows(row_case, classes):
    check(row_case, *rows_and_slopes(row_case.entry, classes, row_case.dtype, (30 * max(1, 300 // classes),)))


def check_in_wider_type(case, z, g):
    """The function on moderate rows against the naive formula in a wider type; within a hundred units if there is none."""
    f, dtype, entry = case.function, case.dtype, case.entry
    wide = np.float64 if dtype == np.float32 else np.longdouble
    loosen = 1 if np.finfo(wide).eps < np.finfo(dtype).eps else 100
    exact, slope = z.astype(wide, order="C"), g.astype(wide, order="C")  # along other axes NumPy's sums are not in pairs
    whole = np.log(np.sum(np.exp(exact), axis=-1, keepdims=True))
    p = np.exp(exact - whole)
    values = {"softmax": p, "log_softmax": exact - whole, "logsumexp": whole[:, 0]}[entry.name]
    b = {"softmax": p * slope, "log_softmax": slope, "logsumexp": slope}[entry.name]
    gradient = b - p * np.sum(b, axis=-1, keepdims=True)
    size = abs(b) + p * np.sum(abs(b), axis=-1, keepdims=True)
    gradient, size = (p * slope[:, :1],) * 2 if entry.reduces else (gradient, size)
    got = f.backward(g[:, 0] if entry.reduces else g, z)
    assert oracle.ulp_error(f(z), values, dtype).max() <= loosen * case.ulp[0]
    unit = np.spacing(abs(size).astype(dtype)).astype(wide)
    assert (abs(got - gradient) / unit).max() <= loosen * case.ulp[1]


@pytest.mark.parametrize("classes", LONG)
def test_long_rows(row_case, classes):
    random = np.random.default_rng(classes)
    check_in_wider_type(row_case, *(random.normal(0, s, (5, classes)).astype(row_case.dtype) for s in (3, 1)))


@pytest.mark.parametrize("classes", (65, 112, 128, 129, 300))
def test_terms_that_repeat(row_case, classes):
    """Every accumulator takes the same few terms, so that additions round the same way in all of them."""
    random = np.random.default_rng(classes)
    which = np.arange(classes) // 16 % 4
    z, g = (random.uniform(*ends, (1000, 4)).astype(row_case.dtype)[:, which] for ends in ((-2, 0), (0.5, 1)))
    z[:, 0] = 1
    check_in_wider_type(row_case, z, g)


NUMBERS = {
    np.dtype(dtype): st.floats(-100, 100, width=width)
    | st.floats(allow_nan=False, allow_infinity=False, width=width)
    | st.just(-math.inf)
    for dtype, width in ((np.float32, 32), (np.float64, 64))
}


@given(st.data())
def test_one_row(row_case, data):
    """Hypothesis looks for a row and a gradient at which the formula and the function disagree."""
    z = data.draw(st.lists(NUMBERS[row_case.dtype], min_size=1, max_size=5).filter(lambda z: max(z) > -math.inf))
    width = 8 * row_case.dtype.itemsize
    numbers = st.floats(-CAREFUL, CAREFUL, width=width)
    g = data.draw(numbers if row_case.entry.reduces else st.lists(numbers, min_size=len(z), max_size=len(z)))
    z, g = (np.array([a], row_case.dtype) for a in (z, g))
    check(row_case, z, g)


def test_gradients_of_every_size(row_case):
    """Exponentials that are subnormal, or 0 but for a large g: |g| to 2^32 (float64: 2^256), gaps to where all is 0."""
    dtype, entry = row_case.dtype, row_case.entry
    least = -math.log(np.finfo(dtype).smallest_subnormal)
    for size in (CAREFUL, 2.0**16, 1, 1e-30) if dtype == np.float32 else (2.0**256, 2.0**128, 1, 1e-300):
        for gap in np.linspace(0.8 * least, 1.02 * least, 7):
            z = np.array([[0, -gap, -gap / 2, -gap]], dtype)
            g = size * np.array([[0.3, -0.8, 0.6, 1.0]])
            for one in (1, np.array([0, 0, 0, 1]), np.array([1, 0, 0, 0]), np.array([1, 0, 0, 1])):
                slope = (g * one).astype(dtype)
                slope = slope[:, 3] if entry.reduces else slope
                check(row_case, z, slope)


def test_huge_gradients(row_case):
    """Gradients at the end of the range: sums that would overflow do not, and what is finite is."""
    dtype, entry = row_case.dtype, row_case.entry
    most = np.finfo(dtype).max / dtype.type(1.2)
    for classes in (3, 10, 60):
        random = np.random.default_rng(classes)
        z = random.normal(0, [[0], [0], [1], [1], [5], [5]], (6, classes)).astype(dtype)
        signs = random.choice([-1, 1], z.shape).astype(dtype)
        for g in (np.full(z.shape, most), signs * most):
            g = g[:, 0] if entry.reduces else g
            check(row_case, z, g)


WORST = (  # rows and gradients found by searches around the largest errors
    ([0.03022867441177368, 1.4525837898254395, 2.02701354, 0.7], [0.0, 0.0, 1.3, 0.0]),
    ([-2.0, -1.0, 0.0, 1.0, -1.0], [8.5309915e-02, -1.3427198e-01, -6.8915933e-02, 2.7305322e-02, -6.1614071e01]),
    ([4.480936, 4.365259, 15.0378685, -12.318533, -26.08013], [-146.65454, 0.1841915, -348.96225, -0.009720327, -19.875694]),
    ([-0.0080432175, -0.31582963], [0.9231723, 2.7744305]),
)


@pytest.mark.parametrize("row", range(len(WORST)))
def test_rows_of_the_largest_errors(row_case, row):
    z, g = (np.array([a], row_case.dtype) for a in WORST[row])
    for k in range(z.size) if row_case.entry.reduces else (slice(None),):
        check(row_case, z, g[:, k])


# --- masks ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", (1, 2, 5, 17, 48, 60, 130))
def test_masked_rows(row_case, classes):
    """What is not masked is as if the row held nothing else; what is masked has the value `hidden` and a gradient of 0."""
    f, entry = row_case.function, row_case.entry
    z, g = rows_and_slopes(entry, classes, row_case.dtype, (12,), seed=3)
    mask = masks(z.shape)
    mask[0], mask[1] = False, True
    values, gradient = f(z, where=mask), f.backward(g, z, where=mask)
    assert (gradient[~mask] == 0).all()
    if not entry.reduces:
        assert (values[~mask] == entry.hidden).all()
    for row in range(12):
        kept = mask[row]
        if not kept.any():
            assert (values[row] == entry.hidden).all()
        elif np.isfinite(z[row][kept]).any():
            slope = g[row] if entry.reduces else g[row][kept]
            exact = judged(entry, z[row][kept], slope)
            got = {"value": values[row] if entry.reduces else values[row][kept], "backward": gradient[row][kept]}
            for kind, bound in zip(KINDS, row_case.ulp, strict=True):
                error = oracle.ulp_error(np.atleast_1d(got[kind]), exact[kind][0], row_case.dtype, exact[kind][1])
                assert error.max() <= bound, f"{row_case} {kind}, {classes} classes, row {row}: {error.max()} ULP"
        else:
            assert np.isnan(np.atleast_1d(values[row])[0 if entry.reduces else kept]).all()


# --- limits and properties ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", (2, 3, 10, 47, 48, 130, 300))
def test_infinite_logits(row_case, classes):
    """p is 1 at +inf, shared between several; −inf has p = 0; a row of −inf alone has no limit; all along both axes."""
    f, entry, last = row_case.function, row_case.entry, classes - 1
    z = np.zeros((5, classes), row_case.dtype)
    z[0, last] = np.inf
    z[1, [0, last]] = np.inf
    z[2] = -np.inf
    z[3, :last] = -np.inf
    z[4] = np.inf
    p = np.zeros((5, classes))
    p[0, last] = p[3, last] = 1
    p[1, [0, last]] = 0.5
    p[2] = np.nan
    p[4] = 1 / classes
    with np.errstate(divide="ignore"):
        want = {"softmax": p, "log_softmax": np.log(p), "logsumexp": np.array([np.inf, np.inf, -np.inf, 0, np.inf])}[entry.name]
    g = np.linspace(1, 2, classes).astype(row_case.dtype)
    slope = {"softmax": p * (g - p @ g[:, np.newaxis]), "log_softmax": g - p * g.sum(), "logsumexp": 2 * p}[entry.name]
    g = np.full(5, 2.0) if entry.reduces else np.tile(g, (5, 1))
    eps = np.finfo(row_case.dtype).eps
    for axis, there in ((-1, z), (0, np.ascontiguousarray(z.T))):
        values = f(there, axis=axis)
        got = f.backward(g if entry.reduces else np.moveaxis(g, -1, axis), there, axis=axis)
        values = values if entry.reduces else np.moveaxis(values, axis, -1)
        assert np.allclose(values, want, rtol=4 * eps, atol=0, equal_nan=True)
        assert np.allclose(np.moveaxis(got, axis, -1), slope, rtol=4 * eps, atol=4 * eps, equal_nan=True)


def test_ranges(row_case):
    """No value leaves the range; probabilities of a row add to 1."""
    low, high = row_case.entry.range
    for classes in (1, 2, 5, 47, 48, 130, 2000):
        z = batch(classes, row_case.dtype, (30,), seed=7)[0]
        values = row_case.function(z)
        assert ((values >= low) & (values <= high)).all()
        if row_case.entry.name == "softmax":
            assert np.allclose(values.sum(axis=-1, dtype=np.longdouble), 1, rtol=4 * np.finfo(row_case.dtype).eps)


def test_huge_logits(row_case):
    """Differences beyond the range, and logits at its ends."""
    top = np.finfo(row_case.dtype).max / row_case.dtype.type(1.2)
    z = np.array([[top, -top, 0], [top, top, -top], [-top, -top, -top]], row_case.dtype)
    third = -math.log(3)
    want = {
        "softmax": [[1, 0, 0], [0.5, 0.5, 0], [1 / 3] * 3],
        "log_softmax": [[0, -np.inf, -top], [-math.log(2)] * 2 + [-np.inf], [third] * 3],
        "logsumexp": [top, top, -top],
    }[row_case.entry.name]
    assert np.allclose(row_case.function(z), want, rtol=1e-6, atol=0)
    g = np.ones(3) if row_case.entry.reduces else np.ones((3, 3))
    assert np.isfinite(row_case.function.backward(g, z)).all()


def test_confident_rows(level, dtype):
    """The small part stays, log p and 1 − p of a sure class, where peers give 0: SciPy's log_softmax, gradients y (g − Σ y g)."""
    functions = _build.functions(level)
    for classes in (2, 3, 10, 47, 48, 130, 300):
        z, one = np.zeros(classes, dtype), np.zeros(classes, dtype)
        z[classes // 2], one[classes // 2] = 60, 1
        small = (classes - 1) * math.exp(-60)
        assert np.isclose(functions["log_softmax"](z)[classes // 2], -small, rtol=1e-6, atol=0)
        assert np.isclose(functions["softmax"].backward(one, z)[classes // 2], small, rtol=1e-6, atol=0)
        assert np.isclose(functions["log_softmax"].backward(one, z)[classes // 2], small, rtol=1e-6, atol=0)


def test_defects_of_scipy(level, dtype):
    """log_softmax([0, inf, 0]) is [−inf, NaN, −inf] there, log_softmax of a sure class 0; both and softmax raise on underflow."""
    functions, inf = _build.functions(level), np.inf
    with np.errstate(all="raise"):
        assert functions["log_softmax"](np.array([0, inf, 0], dtype)).tolist() == [-inf, 0, -inf]
        assert functions["softmax"](np.array([0, inf, 0], dtype)).tolist() == [0, 1, 0]
        assert functions["softmax"](np.array([inf, inf, 0], dtype)).tolist() == [0.5, 0.5, 0]
        assert functions["logsumexp"](np.array([0, inf, 0], dtype)) == inf
        assert -1e-17 < functions["log_softmax"](np.array([40, 0, 0], dtype))[0] < 0
        assert functions["softmax"](np.array([0, -1000], dtype)).tolist() == [1, 0]
        assert functions["log_softmax"](np.array([0, -1000], dtype)).tolist() == [0, -1000]
        assert functions["logsumexp"](np.full(3, -inf, dtype)) == -inf
        assert np.isnan(functions["logsumexp"](np.array([-inf, np.nan, -inf], dtype)))
