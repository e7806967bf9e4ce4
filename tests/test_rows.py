"""The losses over rows: each row against the differentiated formula, and its bits wherever it stands and however it lies."""

import functools
import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from actloss_c import _build, _dispatch, oracle, registry

CLASSES = (1, 2, 3, 10, 16, 17, 33, 47, 48, 49, 100, 128, 129, 130, 300)
LONG = (1024, 1025, 2500)
FMA_LEVELS = [level for level in _dispatch.runnable_levels() if level != "baseline"]
REDUCTIONS = ("none", "sum", "mean")


# --- rows -----------------------------------------------------------------------------------------------------------------------


def kinds_of_rows(classes, dtype, random):
    """(z, target), without end: random ones of every scale, confident ones, right or wrong, ties and −inf."""
    while True:
        for scale in (0.1, 1, 5, 30):
            yield random.normal(0, scale, classes).astype(dtype), int(random.integers(classes))
        for gap in (5, 10, 20, 40, 80):
            z, top = random.normal(0, 1, classes), int(random.integers(classes))
            z[top] = z.max() + gap
            yield z.astype(dtype), top
            yield z.astype(dtype), int(random.integers(classes))
        z = random.integers(-2, 3, classes).astype(dtype)
        yield z, int(z.argmax())
        yield z, int(z.argmin())
        yield np.full(classes, z[0]), int(random.integers(classes))
        z = random.normal(0, 5, classes).astype(dtype)
        z[random.random(classes) < 0.5] = -np.inf
        z[top] = 0.5
        yield z, top
        yield z, int(random.integers(classes))


def batch(classes, dtype, shape, seed=0, special=False):
    """(z, target) of that shape of rows; special: NaN and +inf as well."""
    random = np.random.default_rng([seed, classes])
    count = math.prod(shape)
    z, target = zip(*itertools.islice(kinds_of_rows(classes, dtype, random), count), strict=True) if count else ((), ())
    z = np.array(z, dtype).reshape(count, classes)
    if special:
        z[random.integers(0, count, 4), random.integers(0, classes, 4)] = np.array([np.nan, np.inf, np.inf, -np.inf], dtype)
        z[random.integers(0, count)] = -np.inf
    return z.reshape(*shape, classes), np.array(target, np.int64).reshape(shape)


def judged(name, dtype, classes, count):
    """(z, target, losses, gradients, Hessians) by mpmath, which takes a time that grows with classes²."""
    z, target = batch(classes, dtype, (count,))
    found = [oracle.row_loss(registry.FUNCTIONS[name].formula, row, t) for row, t in zip(z, target, strict=True)]
    losses, gradients, hessians = zip(*found, strict=True)
    return z, target, losses, gradients, hessians


judged_once = functools.cache(judged)  # for all levels


def layouts(z):
    """(name, axis, array): the same rows in the same order in other places of memory, classes along `axis`."""
    n = z.ndim
    yield "C order", -1, z.copy()
    yield "F order", -1, z.copy(order="F")
    for axis in range(n - 1):
        yield f"classes along axis {axis}", axis, np.moveaxis(z, -1, axis).copy()
        yield f"classes along axis {axis} of F order", axis, np.moveaxis(z, -1, axis).copy(order="F")
        yield f"stored with classes along axis {axis}", -1, np.moveaxis(np.moveaxis(z, -1, axis).copy(), axis, -1)
    for step, what in ((2, "every other element"), (-1, "backwards"), (-3, "every third one backwards")):
        wide = np.full([abs(step) * length for length in z.shape], 7, z.dtype)[(slice(None, None, step),) * n]
        wide[...] = z
        yield what, -1, wide
        yield f"{what}, classes along axis 0", 0, np.moveaxis(wide, -1, 0)
    gaps = np.full((*z.shape[:-1], z.shape[-1] + 5), 7, z.dtype)[..., 2:-3]
    gaps[...] = z
    yield "rows with gaps", -1, gaps
    rows_first = np.full((z.shape[0], 2, *z.shape[1:]), 7, z.dtype)[:, 1]
    rows_first[...] = z
    yield "every other row", -1, rows_first


def strided_like(a):
    """An array of a's shape and memory order with gaps between all elements, full of 9s."""
    order = np.argsort([-abs(step) for step in a.strides], kind="stable")
    buffer = np.full([2 * a.shape[d] for d in order], 9, a.dtype).transpose(np.argsort(order))
    return buffer[tuple(slice(None, None, 2 if step >= 0 else -2) for step in a.strides)]


def check(result, exact, z, target, bound, what):
    error = oracle.ulp_error(result, exact, result.dtype)
    k = int(np.argmax(error))
    if not error.flat[k] <= bound:
        row = np.unravel_index(k, error.shape)[0]
        want = np.asarray(exact, object).flat[k]
        raise AssertionError(
            f"{what}: {error.flat[k]:.4g} ULP, bound {bound}; {np.sum(~(error <= bound))} of {error.size} are beyond. "
            f"At {np.unravel_index(k, error.shape)}: got {float(result.flat[k]).hex()}, want {float(want).hex()}; "
            f"target {target[row]}, z = {[float(v).hex() for v in z[row]]}"
        )
    return error.flat[k]


def check_rows(case, z, target, losses, gradients, hessians):
    loss, gradient, hessian = case.function.value_grad_and_hess(z, target, reduction="none")
    what = f"{case}, {z.shape[-1]} classes"
    check(loss, losses, z, target, case.ulp[0], f"{what}: loss")
    check(gradient, gradients, z, target, case.ulp[1], f"{what}: gradient")
    check(hessian, hessians, z, target, case.ulp[2], f"{what}: Hessian")


# --- accuracy -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", CLASSES)
def test_rows(loss_case, classes):
    """Loss, gradient and Hessian of each row. The Hessian has 1 − p as another factor: three more roundings, two more units."""
    count = (
        76
        if classes <= 3
        else 38
        if classes <= 17
        else 19
        if classes <= 33
        else 10
        if classes < 100
        else 7
        if classes < 128
        else 3
    )
    check_rows(loss_case, *judged_once(loss_case.entry.name, loss_case.dtype, classes, count if classes < 300 else 1))


@pytest.mark.exhaustive
@pytest.mark.parametrize("classes", CLASSES)
def test_many_rows(loss_case, classes):
    check_rows(loss_case, *judged_once(loss_case.entry.name, loss_case.dtype, classes, 20 * max(1, 300 // classes)))


@pytest.mark.parametrize("classes", LONG)
def test_long_rows(loss_case, classes):
    """Ordinary logits, against the naive formula; in float64, or for float64 a hundred units."""
    random = np.random.default_rng(classes)
    z, target = random.normal(0, 3, (5, classes)).astype(loss_case.dtype), random.integers(0, classes, 5)
    loss, gradient = loss_case.function.value_and_grad(z, target, reduction="none")
    loosen = 1 if loss_case.dtype == np.float32 else 100
    for result, formula, bound in ((loss, loss_case.entry.formula, 0), (gradient, loss_case.entry.numpy[1], 1)):
        exact = oracle.numpy_value(formula, z.astype(np.float64), target=target)
        error = oracle.ulp_error(result, exact, result.dtype)
        assert error.max() <= loosen * loss_case.ulp[bound], f"{loss_case}, {classes} classes: {error.max()} ULP"


@given(st.data())
def test_one_row(loss_case, data):
    """Hypothesis looks for a row at which the formula and the function disagree."""
    width = 8 * loss_case.dtype.itemsize
    numbers = st.floats(-100, 100, width=width) | st.floats(allow_nan=False, allow_infinity=False, width=width) | st.just(-np.inf)
    z = np.array([data.draw(st.lists(numbers, min_size=1, max_size=5).filter(lambda z: max(z) > -np.inf))], loss_case.dtype)
    target = np.array([data.draw(st.integers(0, z.size - 1))])
    loss, gradient, hessian = oracle.row_loss(loss_case.entry.formula, z[0], target[0])
    check_rows(loss_case, z, target, [loss], [gradient], [hessian])


# --- bits -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", (*CLASSES, *LONG))
def test_any_layout(loss_case, classes, assert_same_bits):
    """The class axis anywhere, any memory order and strides, in place or not: every row's bits, and those of sum and mean."""
    f = loss_case.function
    for shape, special in (((2, 3, 4), False), ((5, 17), True)) if classes < 1000 else (((2, 3), True),):
        z, target = batch(classes, loss_case.dtype, shape, seed=1, special=special)
        weight = np.random.default_rng(2).uniform(0.1, 3, shape)
        for reduction in REDUCTIONS:
            options = {"reduction": reduction, "sample_weight": weight if special else None}
            loss, gradient, hessian = f.value_grad_and_hess(z, target, **options)
            for what, axis, there in layouts(z):
                out = strided_like(there), strided_like(there)
                in_place, in_place_2, h = there.copy(order="K"), np.array(there), strided_like(there)
                what = f"{loss_case}, {classes} classes, {reduction}, {what}"
                found = {
                    "fresh": f.value_grad_and_hess(there, target, axis=axis, **options),
                    "out": f.value_grad_and_hess(there, target, axis=axis, **options, out=out),
                    "in place": f.value_grad_and_hess(in_place, target, axis=axis, **options, out=(in_place, h)),
                    "gradient in place": f.value_and_grad(in_place_2, target, axis=axis, **options, out=in_place_2),
                    "loss alone": (f(there, target, axis=axis, **options),),
                    "gradient alone": (loss, f.grad(there, target, axis=axis, **options)),
                    "gradient and Hessian": (loss, *f.grad_and_hess(there, target, axis=axis, **options)),
                }
                for how, got in found.items():
                    assert_same_bits(got[0], loss, f"{what}, {how}: loss")
                    for k, want in enumerate((gradient, hessian)[: len(got) - 1]):
                        assert_same_bits(np.moveaxis(got[k + 1], axis, -1), want, f"{what}, {how}: {('gradient', 'Hessian')[k]}")
                assert found["out"][1] is out[0] and found["out"][2] is out[1] and found["in place"][1] is in_place


@pytest.mark.parametrize("classes", (1, 3, 10, 47, 48, 130))
def test_any_batch(loss_case, classes, assert_same_bits):
    """Batches of 1…130 rows and any order of rows: a row's loss, gradient and Hessian keep their bits; none are of no rows."""
    f = loss_case.function
    z, target = batch(classes, loss_case.dtype, (200,), seed=3, special=True)
    want = f.value_grad_and_hess(z, target, reduction="none")
    order = np.random.default_rng(4).permutation(200)
    for k, got in enumerate(f.value_grad_and_hess(z[order], target[order], reduction="none")):
        assert_same_bits(got, want[k][order], f"{loss_case}, {classes} classes, permuted")
    for n in range(1, 131):
        rows = slice(n // 3, n // 3 + n)
        across = np.ascontiguousarray(z[rows].T)
        for axis, there in ((-1, z[rows]), (0, across)):
            for k, got in enumerate(f.value_grad_and_hess(there, target[rows], axis=axis, reduction="none")):
                got = np.moveaxis(got, axis, -1) if k else got
                assert_same_bits(got, want[k][rows], f"{loss_case}, {classes} classes, {n} rows, axis {axis}")
    for shape in ((0,), (3, 0), (0, 2)):
        z, target = np.empty((*shape, classes), loss_case.dtype), np.empty(shape, int)
        for reduction in ("sum", "mean"):
            loss, gradient = f.value_and_grad(z, target, reduction=reduction)
            assert loss == 0.0 and isinstance(loss, float) and gradient.shape == z.shape
        loss, gradient, hessian = f.value_grad_and_hess(z, target, reduction="none")
        assert loss.shape == shape and gradient.shape == hessian.shape == z.shape


def test_one_row_has_the_same_bits(loss_case, assert_same_bits):
    """z without an axis of rows: the loss is one number, whatever the reduction."""
    z, target = batch(10, loss_case.dtype, (20,), seed=5)
    loss, gradient = loss_case.function.value_and_grad(z, target, reduction="none")
    for k in range(20):
        for reduction in REDUCTIONS:
            one, its_gradient = loss_case.function.value_and_grad(z[k], target[k], reduction=reduction)
            assert float(one) == float(loss[k])
            assert_same_bits(its_gradient, gradient[k], f"{loss_case}, {reduction}")


@pytest.mark.skipif(len(FMA_LEVELS) < 2, reason="needs two levels with FMA")
@pytest.mark.parametrize("entry", registry.LOSSES, ids=lambda entry: entry.name)
def test_levels_agree(entry, dtype, assert_same_bits):
    """Every level with FMA gives the same bits, and the same sum."""
    for classes in (*CLASSES, *LONG):
        z, target = batch(classes, dtype, (200 if classes < 1000 else 20,), seed=6, special=True)
        for reduction in REDUCTIONS:
            found = [
                _build.functions(level)[entry.name].value_grad_and_hess(z, target, reduction=reduction) for level in FMA_LEVELS
            ]
            for other in found[1:]:
                for got, want in zip(other, found[0], strict=True):
                    assert_same_bits(got, want, f"{entry.name}, {classes} classes, {reduction}")


# --- reductions and weights -----------------------------------------------------------------------------------------------------


def close(a, b, dtype):
    """Within a few units, where subnormal numbers have the absolute one. Both are float64 multiples of what had the dtype."""
    info = np.finfo(dtype)
    return np.allclose(a, b, rtol=4 * float(info.eps), atol=float(info.smallest_subnormal) * 300)


@pytest.mark.parametrize("rows", (1, 2, 63, 64, 65, 200))
def test_reductions(loss_case, rows):
    """sum adds the rows' losses in float64, mean divides by their number, as does its gradient; those of none and sum agree."""
    f = loss_case.function
    z, target = batch(10, loss_case.dtype, (rows,), seed=7)
    z = np.where(np.isinf(z), loss_case.dtype.type(-50), z)
    loss, gradient, hessian = f.value_grad_and_hess(z, target, reduction="none")
    total, *of_sum = f.value_grad_and_hess(z, target, reduction="sum")
    mean, *of_mean = f.value_grad_and_hess(z, target)
    assert loss.dtype == loss_case.dtype and type(total) is float and type(mean) is float
    assert abs(total - math.fsum(loss.tolist())) <= 1e-15 * rows * total
    assert mean == total / rows
    for none, summed, averaged in zip((gradient, hessian), of_sum, of_mean, strict=True):
        assert np.array_equal(none, summed)
        assert close(averaged.astype(np.float64) * rows, none, loss_case.dtype)


def test_weights(loss_case, assert_same_bits):
    """A weight multiplies its row's loss, gradient and Hessian; a weighted mean divides by the sum of the weights."""
    f, dtype = loss_case.function, loss_case.dtype
    z, target = batch(17, dtype, (6, 11), seed=8)
    z = np.where(np.isinf(z), dtype.type(-50), z)
    random = np.random.default_rng(9)
    plain = f.value_grad_and_hess(z, target, reduction="none")
    for weight in (2.0 ** random.integers(-3, 4, (6, 11)), random.uniform(0.1, 3, (6, 11))):
        loss, *others = f.value_grad_and_hess(z, target, reduction="none", sample_weight=weight)
        for got, unweighted in zip((loss, *others), plain, strict=True):
            want = unweighted.astype(np.float64) * weight.reshape(weight.shape + (1,) * (got.ndim - 2))
            assert close(got, want, dtype), f"{loss_case}: weights multiply"
        total, *of_sum = f.value_grad_and_hess(z, target, reduction="sum", sample_weight=weight)
        mean, *of_mean = f.value_grad_and_hess(z, target, sample_weight=weight)
        assert abs(total - math.fsum((plain[0].astype(np.float64) * weight).ravel())) <= 1e-13 * total
        assert abs(mean - total / math.fsum(weight.ravel())) <= 1e-13 * mean
        for none, summed, averaged in zip(others, of_sum, of_mean, strict=True):
            assert_same_bits(none, summed, f"{loss_case}: weighted sum")
            assert close(averaged.astype(np.float64) * weight.sum(), none, dtype)
    ones = np.ones((6, 11))
    for reduction in REDUCTIONS:
        unweighted = f.value_grad_and_hess(z, target, reduction=reduction)
        for got, want in zip(f.value_grad_and_hess(z, target, reduction=reduction, sample_weight=ones), unweighted, strict=True):
            assert_same_bits(got, want, f"{loss_case}: weights of 1, {reduction}")
    loss, gradient = f.value_and_grad(z, target, sample_weight=0 * ones)
    assert loss == 0.0 and not gradient.any(), "weights of 0"


# --- what follows from the formula ----------------------------------------------------------------------------------------------


def test_gradient_sums_to_zero(loss_case):
    """A loss of logits does not change when all of them are shifted."""
    for classes in CLASSES:
        z, target = batch(classes, loss_case.dtype, (40,), seed=10)
        gradient = loss_case.function.grad(z, target, reduction="none").astype(np.float64)
        allowed = 8 * np.finfo(loss_case.dtype).eps * abs(gradient).sum(axis=-1)
        assert (abs(gradient.sum(axis=-1)) <= allowed).all(), f"{loss_case}, {classes} classes"


def test_range_and_convexity(loss_case):
    """Losses lie in the registry's range, Hessians of convex losses are not negative, chords lie above the curve."""
    f, dtype = loss_case.function, loss_case.dtype
    random = np.random.default_rng(11)
    for classes in (1, 2, 5, 17, 60):
        a, b = (random.normal(0, random.choice([1, 10, 40], (300, 1)), (300, classes)).astype(dtype) for _ in range(2))
        t = random.uniform(0, 1, (300, 1)).astype(dtype)
        target = random.integers(0, classes, 300)
        at_a, at_b, at_mid = (f(z, target, reduction="none") for z in (a, b, a + t * (b - a)))
        for loss in (at_a, at_b, at_mid):
            assert (loss >= loss_case.entry.range[0]).all() and (loss <= loss_case.entry.range[1]).all()
        if loss_case.entry.convex:
            chord = (1 - t[:, 0]) * at_a.astype(np.float64) + t[:, 0] * at_b
            tiny = 8 * np.finfo(dtype).eps * np.maximum(abs(a).max(axis=1), abs(b).max(axis=1))
            assert (at_mid <= chord + tiny).all(), f"{loss_case}, {classes} classes: not convex"
            assert (f.grad_and_hess(a, target, reduction="none")[1] >= 0).all()


@pytest.mark.parametrize("classes", (2, 3, 10, 47, 48, 130, 300))
def test_confident_rows(loss_case, classes):
    """Sure of the target the loss is the least that there is; a confident row keeps the small part of loss and gradient."""
    f, dtype = loss_case.function, loss_case.dtype
    z, target = np.zeros((3, classes), dtype), np.array([0, classes // 2, classes - 1])
    for height in (1e4, np.finfo(dtype).max, np.inf):
        z[np.arange(3), target] = height
        loss, gradient, hessian = f.value_grad_and_hess(z, target, reduction="none")
        assert (loss == loss_case.entry.range[0]).all() and not gradient.any() and not hessian.any(), height
    z[np.arange(3), target] = 60
    loss, gradient = f.value_and_grad(z, target, reduction="none")
    assert (loss > 0).all() and (gradient[np.arange(3), target] < 0).all(), "the small part is lost"
    small = (classes - 1) * math.exp(-60)
    assert np.allclose(loss, small, rtol=1e-6, atol=0) and np.allclose(gradient[np.arange(3), target], -small, rtol=1e-6, atol=0)


@pytest.mark.parametrize("classes", (1, 2, 3, 10, 47, 48, 130, 300))
def test_infinite_logits(loss_case, classes):
    """p is 1 at +inf, shared between several; −inf has p = 0; a row of −inf alone has no limit; all along both axes."""
    f, dtype = loss_case.function, loss_case.dtype
    target = classes // 2
    last = classes - 1
    z = np.zeros((5, classes), dtype)
    z[0, last] = np.inf
    z[1, [0, last]] = np.inf
    z[2] = -np.inf
    z[3, :last] = -np.inf
    z[4] = np.inf
    wanted = np.zeros((5, classes))
    wanted[0, last] = 1
    wanted[1, [0, last]] = 1 / len({0, last})
    wanted[2] = np.nan
    wanted[3, last] = 1
    wanted[4] = 1 / classes
    probability = wanted.copy()
    wanted[:, target] -= 1
    eps = np.finfo(dtype).eps
    for axis, there in ((-1, z), (0, np.ascontiguousarray(z.T))):
        loss, gradient, hessian = f.value_grad_and_hess(there, np.full(5, target), axis=axis, reduction="none")
        assert np.allclose(np.moveaxis(gradient, axis, -1), wanted, rtol=4 * eps, atol=0, equal_nan=True)
        assert np.allclose(np.moveaxis(hessian, axis, -1), probability * (1 - probability), rtol=4 * eps, atol=0, equal_nan=True)
        with np.errstate(divide="ignore"):
            assert np.allclose(loss, -np.log(probability[:, target]), rtol=4 * eps, atol=0, equal_nan=True)


@pytest.mark.parametrize("classes", CLASSES)
def test_nan_stays_in_its_row(loss_case, classes, assert_same_bits):
    """A NaN makes its row's loss, gradient and Hessian NaN, wherever it stands, and touches no other row."""
    f = loss_case.function
    z, target = batch(classes, loss_case.dtype, (70,), seed=12)
    want = f.value_grad_and_hess(z, target, reduction="none")
    for place in sorted({0, 1, classes // 2, classes - 2, classes - 1} & set(range(classes))):
        for row in (0, 15, 16, 63, 64, 69):
            spoilt = z.copy()
            spoilt[row, place] = np.nan
            expected = [w.copy() for w in want]
            for w in expected:
                w[row] = np.nan
            for axis, there in ((-1, spoilt), (0, np.ascontiguousarray(spoilt.T))):
                for k, got in enumerate(f.value_grad_and_hess(there, target, axis=axis, reduction="none")):
                    assert_same_bits(np.moveaxis(got, axis, -1) if k else got, expected[k], f"{loss_case}, NaN at {row}, {place}")
                assert math.isnan(f(there, target, axis=axis))


WORST = (  # rows found by searches around the largest errors: (logits, target)
    ([-1.5645988192869398, -12.438401136302609, 3.9409724110710753, 17.23255520927841, 12.38061250271383], 3),
    ([3.027151107788086, 5.7809295654296875, -2.6655631065368652, -7.5070576667785645, -8.025368690490723], 1),
    (
        [
            *(2.673055648803711, 1.5129081010818481, -0.003997006453573704, 2.973559856414795),
            *(-1.8068450689315796, 0.9168472290039062, -3.5878357887268066, -1.8360652923583984),
        ],
        6,
    ),
)


@pytest.mark.parametrize("row", range(len(WORST)))
def test_rows_of_the_largest_errors(loss_case, row):
    z, target = np.array([WORST[row][0]], loss_case.dtype), [WORST[row][1]]
    loss, gradient, hessian = oracle.row_loss(loss_case.entry.formula, z[0], target[0])
    check_rows(loss_case, z, target, [loss], [gradient], [hessian])


def test_tiny_and_huge_weights(loss_case):
    """Their sum is all that must be finite."""
    z = np.zeros((2, 2), loss_case.dtype)
    for weight in (1e-310, 1e-30, 1e300):
        loss, gradient = loss_case.function.value_and_grad(z, [0, 1], sample_weight=[weight, weight])
        assert np.isclose(loss, np.log(2)) and (np.abs(gradient) == 0.25).all()
