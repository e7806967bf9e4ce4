"""The losses over rows: loss, gradient and Hessian of each row against the differentiated formula, and what follows from it."""

import functools
import math

import mpmath
import numpy as np
import pytest
from helpers_losses import inputs_of
from helpers_rows import CLASSES, LONG, batch, check, check_rows, judged_rows
from hypothesis import given, settings
from hypothesis import strategies as st

from actloss_c import oracle, registry

# --- the judge ------------------------------------------------------------------------------------------------------------------


def judged(name, dtype, classes, count):
    """(z, target, losses, gradients, Hessians, the Hessians' units) by mpmath, which takes a time that grows with classes²."""
    z, target = batch(classes, dtype, (count,))
    z = inputs_of(registry.FUNCTIONS[name], z)
    return z, target, *judged_rows(registry.FUNCTIONS[name], z, target)


judged_once = functools.cache(judged)  # for all levels


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
    z = inputs_of(loss_case.entry, random.normal(0, 3, (5, classes)).astype(loss_case.dtype))
    target = random.integers(0, classes, 5)
    loss, gradient = loss_case.function.value_and_grad(z, target, reduction="none")
    loosen = 1 if loss_case.dtype == np.float32 else 100
    for result, formula, bound in ((loss, loss_case.entry.formula, 0), (gradient, loss_case.entry.numpy[1], 1)):
        exact = oracle.numpy_value(formula, z.astype(np.float64), target=target, **loss_case.entry.constants)
        error = oracle.ulp_error(result, exact, result.dtype)
        assert error.max() <= loosen * loss_case.ulp[bound], f"{loss_case}, {classes} classes: {error.max()} ULP"


@settings(max_examples=40)
@given(st.data())
def test_one_row(logit_case, data):
    """Hypothesis looks for a row at which the formula and the function disagree."""
    width = 8 * logit_case.dtype.itemsize
    numbers = st.floats(-100, 100, width=width) | st.floats(allow_nan=False, allow_infinity=False, width=width) | st.just(-np.inf)
    z = np.array([data.draw(st.lists(numbers, min_size=1, max_size=5).filter(lambda z: max(z) > -np.inf))], logit_case.dtype)
    target = np.array([data.draw(st.integers(0, z.size - 1))])
    check_rows(logit_case, z, target, *judged_rows(logit_case.entry, z, target))


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
def test_rows_of_the_largest_errors(logit_case, row):
    z, target = np.array([WORST[row][0]], logit_case.dtype), [WORST[row][1]]
    check_rows(logit_case, z, target, *judged_rows(logit_case.entry, z, target))


# --- small parts ----------------------------------------------------------------------------------------------------------------


def small_parts(classes, dtype):
    """Rows whose largest logit dwarfs the rest, and rows where one of the rest dwarfs the others."""
    random = np.random.default_rng(classes)
    tiny, digits = -math.log(np.finfo(dtype).tiny), math.log(2) * np.finfo(dtype).nmant
    for least, most in ((tiny - 3, tiny + 3), (tiny, tiny + digits), (tiny + digits - 3, tiny + digits + 3), (20, tiny + digits)):
        yield -random.uniform(least, most, classes)
    for octaves in (1, 3, 7):
        z = -math.log(2) * octaves - random.uniform(0.3 * digits, 0.8 * digits, classes)
        z[random.permutation(classes)[:8]] = -math.log(2) * octaves + 0.1 / classes
        yield z


@pytest.mark.parametrize("classes", (2, 16, 33, 64, 129))
def test_small_parts(softmax_case, classes):
    """The small part of a row, subnormal numbers included, in the gradient whatever its weight; from labels and distributions."""
    f, dtype, ulp = softmax_case.function, softmax_case.dtype, softmax_case.ulp
    z = np.array(list(small_parts(classes, dtype)), dtype)
    top = np.arange(len(z)) % classes
    z[np.arange(len(z)), top] = 0
    losses, gradients = [], []
    for row, label in zip(z, top, strict=True):
        with mpmath.workprec(160):
            e = [mpmath.exp(float(logit)) for logit in row]
            rest = mpmath.fsum(e[:label] + e[label + 1 :])
            losses.append(mpmath.log1p(rest))
            gradients.append([p / (1 + rest) for p in e])
            gradients[-1][label] = -rest / (1 + rest)
    onehot = np.zeros_like(z)
    onehot[np.arange(len(z)), top] = 1
    losses, gradients = np.array(losses), np.array(gradients)
    for target, weight in ((top, 1), (onehot, 1), (top, 1e-25), (onehot, 0.1), (top, 1e6), (onehot, 1e30)):
        given = dtype.type(weight)
        loss, gradient = f.value_and_grad(z, target, reduction="none", sample_weight=np.full(len(z), given))
        weight = mpmath.mpf(float(given))
        if weight == 1:
            check(loss, losses, losses, z, top, ulp[0], f"{softmax_case}: loss")
        check(gradient, weight * gradients, weight * gradients, z, top, ulp[1], f"{softmax_case}, weight {given}: gradient")


def test_weighted_curvature(softmax_case):
    """The two entries of a row of two classes are p₀ p₁ both, subnormal p₁ and large weights included."""
    f, dtype, most = softmax_case.function, softmax_case.dtype, softmax_case.ulp[2]
    gaps = np.linspace(80, 103, 24) if dtype == np.float32 else np.linspace(690, 744, 24)
    z = np.stack([np.zeros(24), -gaps], axis=1).astype(dtype)
    onehot = np.tile(np.array([1, 0], dtype), (24, 1))
    for target, weight in ((np.zeros(24, int), 1), (np.zeros(24, int), 30), (np.zeros(24, int), 1e6), (onehot, 1e6)):
        h = f.grad_and_hess(z, target, reduction="none", sample_weight=np.full(24, float(weight)))[1]
        exact = np.array([[weight * mpmath.exp(float(v)) / (1 + mpmath.exp(float(v))) ** 2] * 2 for v in z[:, 1]])
        check(h, exact, exact, z, np.zeros(24, int), most, f"{softmax_case}, weight {weight}: Hessian")


def test_scores_of_boosters(logit_case, assert_same_bits):
    """float64 scores in F order, float32 labels, results in float32 in either order: rounded, nothing else."""
    if logit_case.dtype != np.float64:
        return
    z, labels = batch(5, logit_case.dtype, (400,), seed=14)
    want = logit_case.function.grad_and_hess(z, labels, reduction="sum")
    for order in "CF":
        outs = tuple(np.empty(z.shape, np.float32, order) for _ in range(2))
        with np.errstate(all="raise"):
            got = logit_case.function.grad_and_hess(np.asfortranarray(z), labels.astype(np.float32), reduction="sum", out=outs)
        for k in range(2):
            with np.errstate(all="ignore"):
                assert_same_bits(got[k], want[k].astype(np.float32))


# --- what follows from the formula ----------------------------------------------------------------------------------------------


def test_gradient_sums_to_zero(logit_case):
    """A loss of logits does not change when all of them are shifted."""
    for classes in CLASSES:
        z, target = batch(classes, logit_case.dtype, (40,), seed=10)
        gradient = logit_case.function.grad(z, target, reduction="none").astype(np.float64)
        allowed = 8 * np.finfo(logit_case.dtype).eps * abs(gradient).sum(axis=-1)
        assert (abs(gradient.sum(axis=-1)) <= allowed).all(), f"{logit_case}, {classes} classes"


def test_range_and_convexity(logit_case):
    """Losses lie in the registry's range, Hessians of convex losses are not negative, chords lie above the curve."""
    f, dtype = logit_case.function, logit_case.dtype
    random = np.random.default_rng(11)
    for classes in (1, 2, 5, 17, 60):
        a, b = (random.normal(0, random.choice([1, 10, 40], (300, 1)), (300, classes)).astype(dtype) for _ in range(2))
        t = random.uniform(0, 1, (300, 1)).astype(dtype)
        target = random.integers(0, classes, 300)
        at_a, at_b, at_mid = (f(z, target, reduction="none") for z in (a, b, a + t * (b - a)))
        for loss in (at_a, at_b, at_mid):
            assert (loss >= logit_case.entry.range[0]).all() and (loss <= logit_case.entry.range[1]).all()
        if logit_case.entry.convex:
            chord = (1 - t[:, 0]) * at_a.astype(np.float64) + t[:, 0] * at_b
            tiny = 8 * np.finfo(dtype).eps * np.maximum(abs(a).max(axis=1), abs(b).max(axis=1))
            assert (at_mid <= chord + tiny).all(), f"{logit_case}, {classes} classes: not convex"
            assert (f.grad_and_hess(a, target, reduction="none")[1] >= 0).all()


@pytest.mark.parametrize("classes", (2, 3, 10, 47, 48, 130, 300))
def test_confident_rows(logit_case, classes):
    """Sure of the target the loss is the least that there is; a confident row keeps the small part of loss and gradient."""
    f, dtype = logit_case.function, logit_case.dtype
    z, target = np.zeros((3, classes), dtype), np.array([0, classes // 2, classes - 1])
    for height in (1e4, np.finfo(dtype).max, np.inf):
        z[np.arange(3), target] = height
        loss, gradient, hessian = f.value_grad_and_hess(z, target, reduction="none")
        assert (loss == logit_case.entry.range[0]).all() and not gradient.any() and not hessian.any(), height
    order = 1 + logit_case.entry.constants.get("gamma", 0)  # of the loss, in the sum of the other probabilities
    z[np.arange(3), target] = 60 / order
    loss, gradient = f.value_and_grad(z, target, reduction="none")
    assert (loss > 0).all() and (gradient[np.arange(3), target] < 0).all(), "the small part is lost"
    small = ((classes - 1) * math.exp(-60 / order)) ** order
    assert np.allclose(loss, small, rtol=1e-5, atol=0)
    assert np.allclose(gradient[np.arange(3), target], -order * small, rtol=1e-5, atol=0)


@pytest.mark.parametrize("classes", (1, 2, 3, 10, 47, 48, 130, 300))
def test_infinite_logits(softmax_case, classes):
    """p is 1 at +inf, shared between several; −inf has p = 0; a row of −inf alone has no limit; all along both axes."""
    f, dtype = softmax_case.function, softmax_case.dtype
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
