"""softmax_focal over gamma: each result against the differentiated formula, and what it must share with the other losses."""

import functools
import itertools
import math

import mpmath
import numpy as np
import pytest
from helpers_errors import refused
from helpers_losses import METHODS, REDUCTIONS, labels, logits
from helpers_rows import batch, check, check_rows, judged_rows

from actloss_c import _build, oracle, registry

GAMMAS = (0.0, 0.05, 0.5, 1.0, 1.7, 2.0, 5.0)
ENTRY = registry.FUNCTIONS["softmax_focal"]
INF = math.inf


@functools.cache
def judged(dtype, classes, gamma, count, seed=0):
    """(z, target, exact results); a row has a logit above −inf beside the target's, as others have limits."""
    z, target = batch(classes, dtype, (count,), seed=41 + seed)
    z[np.isneginf(z)] = -70
    return z, target, *judged_rows(ENTRY, z, target, gamma=gamma)


# --- the judge ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "classes, gamma, count",
    [*((c, g, 16) for c in (2, 3) for g in GAMMAS), *((10, g, 4) for g in GAMMAS), (33, 1.7, 2), (60, 0.05, 1)],
)
def test_focal_rows(focal_case, classes, gamma, count):
    gamma = float(focal_case.dtype.type(gamma))
    check_rows(focal_case, *judged(focal_case.dtype, classes, gamma, count), gamma=gamma)


@pytest.mark.exhaustive
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("seed", range(1, 5))
def test_many_focal_rows(focal_case, gamma, seed):
    gamma = float(focal_case.dtype.type(gamma))
    for classes in (2, 3, 5, 10):
        check_rows(focal_case, *judged(focal_case.dtype, classes, gamma, 800, seed), gamma=gamma)


@pytest.mark.parametrize("gamma", (0.0, 1e-3, 0.05, 0.5, 2.0, 5.0))
def test_rows_at_the_ends_of_the_range(focal_case, gamma):
    """A target that is as good as sure or as good as impossible, down to subnormal probabilities: no power of q is singular."""
    dtype = focal_case.dtype
    gamma = float(dtype.type(gamma))
    far = 95.0 if dtype == np.float32 else 715.0
    z = np.array([[0, -far, -far - 0.3], [0, -far, far / -2], [far, 0, far - 3], [0, -far - 8, -1e4]], dtype)
    target = np.array([0, 1, 2, 0])
    z, target = np.repeat(z, 3, axis=0), np.concatenate([[t, 0, 1] for t in target])
    check_rows(focal_case, z, target, *judged_rows(ENTRY, z, target, gamma=gamma), gamma=gamma)


@pytest.mark.parametrize("gamma", (0.0, 0.5, 2.0, 5.0))
def test_weights_magnify_no_subnormal(focal_case, gamma):
    """Gradient and Hessian of a weighted row are as good as of one that has no weight, where 1 − p or its power is subnormal."""
    dtype, ulp = focal_case.dtype, focal_case.ulp
    gaps = np.linspace(8, 103, 20) if dtype == np.float32 else np.linspace(60, 744, 20)
    z = np.stack([np.zeros(20), -gaps, -gaps - 1], axis=1).astype(dtype)
    z, target = np.repeat(z, 3, axis=0), np.tile([0, 1, 2], 20)
    _, gradients, hessians, units = judged_rows(ENTRY, z, target, gamma=gamma)
    for weight in (30.0, 1e6, 1e15):
        given = mpmath.mpf(float(dtype.type(weight)))
        g, h = focal_case.function.grad_and_hess(
            z, target, gamma=gamma, reduction="none", sample_weight=np.full(60, dtype.type(weight))
        )
        exact, curves, sizes = (given * np.array(numbers) for numbers in (gradients, hessians, units))
        check(g, exact, exact, z, target, ulp[1], f"{focal_case}, gamma {gamma}, weight {weight}: gradient")
        check(h, curves, sizes, z, target, ulp[2], f"{focal_case}, gamma {gamma}, weight {weight}: Hessian")


# --- what it shares with others -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", (1, 2, 10, 48, 130))
def test_focal_without_focus_is_cross_entropy(focal_case, classes):
    """gamma = 0: loss, gradient and Hessian of softmax_cross_entropy, within the bounds of both."""
    z, target = batch(classes, focal_case.dtype, (300,), seed=42, special=True)
    ours = focal_case.function.value_grad_and_hess(z, target, gamma=0, reduction="none")
    other = _build.functions(focal_case.level)["softmax_cross_entropy"].value_grad_and_hess(z, target, reduction="none")
    for one, want in zip(ours, other, strict=True):
        tiny = 4 * np.finfo(focal_case.dtype).smallest_subnormal
        assert np.allclose(one, want, rtol=12 * np.finfo(focal_case.dtype).eps, atol=tiny, equal_nan=True)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("alpha", (None, 0.25))
@pytest.mark.parametrize("hess", ("exact", "clipped"))
def test_two_classes_are_sigmoid_focal(focal_case, gamma, alpha, hess):
    """Of the logits' difference, whose alpha is the weight of class 1, 1 − alpha that of class 0."""
    dtype = focal_case.dtype
    random = np.random.default_rng(43)
    x = np.concatenate([random.normal(0, 8, 500), random.uniform(-80, 80, 100), [0, 800, -800, INF, -INF]]).astype(dtype)
    z, target = np.stack([np.zeros_like(x), x], axis=1), random.integers(0, 2, x.size)
    options = {"gamma": gamma, "hess": hess, "reduction": "none"}
    loss, g, h = focal_case.function.value_grad_and_hess(
        z, target, class_weight=None if alpha is None else [1 - alpha, alpha], **options
    )
    other = _build.functions(focal_case.level)["sigmoid_focal"].value_grad_and_hess(x, target, alpha=alpha, **options)
    eps, tiny = np.finfo(dtype).eps, 8 * np.finfo(dtype).smallest_subnormal
    for one, want in ((loss, other[0]), (g[:, 1], other[1]), (-g[:, 0], other[1])):
        assert np.allclose(one, want, rtol=(12 + 4 * gamma) * eps, atol=tiny)
    right = np.clip(np.where(target == 1, x, -x), -800, 800).astype(np.float64)
    p, q = np.exp(-np.logaddexp(0, -right)), np.exp(-np.logaddexp(0, right))
    terms = q**gamma * p * np.maximum(gamma * np.logaddexp(0, -right) * np.maximum(gamma * p, q), (2 * gamma + 1) * q)
    for k in (0, 1):
        error = abs(h[:, k].astype(np.float64) - other[2])
        assert (error <= (16 + 4 * gamma) * eps * terms + tiny).all(), f"{np.max(error - 16 * eps * terms)}"


def test_defaults_are_gamma_2_and_exact(focal_case, assert_same_results):
    """Spelled out or not, along the ordinary way and the general one."""
    f, z, t = focal_case.function, logits(focal_case.dtype, (70, 5)), labels(70, 5)
    for method, reduction in itertools.product(METHODS, REDUCTIONS):
        call = getattr(f, method)
        want = call(z, t, reduction=reduction, gamma=2.0, hess="exact")
        assert_same_results(call(z, t, reduction=reduction), want, f"{method}, {reduction}")
    assert f(z, t, gamma=0.5) != f(z, t)


@pytest.mark.parametrize("classes", (2, 10, 48, 130))
def test_options_keep_a_rows_bits(focal_case, classes, assert_same_bits):
    """Along and across, alone and among others, ignored rows beside it, clipped or not."""
    f, dtype = focal_case.function, focal_case.dtype
    z, t = batch(classes, dtype, (70,), seed=44, special=True)
    w = np.random.default_rng(45).uniform(0.1, 3, classes)
    for gamma, hess in itertools.product((0.0, 0.5, 5.0), ("exact", "clipped")):
        options = {"gamma": gamma, "hess": hess, "class_weight": w, "ignore_index": 1, "reduction": "none"}
        results = f.value_grad_and_hess(z, t, **options)
        across = f.value_grad_and_hess(np.asfortranarray(z.T), t, axis=0, **options)
        for k, (one, other) in enumerate(zip(results, across, strict=True)):
            assert_same_bits(np.moveaxis(other, 0, -1) if k else other, one, f"gamma {gamma}, {hess}, result {k}")
            assert not one[t == 1].any()
        for row in (0, 16, 69):
            for k, one in enumerate(f.value_grad_and_hess(z[row], t[row], **options)):
                assert_same_bits(one, results[k][row], f"row {row}")


# --- what follows from the formula ----------------------------------------------------------------------------------------------


def test_clipped_hessian(focal_case):
    """No entry below 0, the others as they were; a weight comes after that."""
    f = focal_case.function
    z, t = batch(10, focal_case.dtype, (380,), seed=46)
    weight = np.random.default_rng(47).normal(size=380)
    for gamma in (0.5, 2.0, 5.0):
        full = f.grad_and_hess(z, t, gamma=gamma, reduction="none")[1]
        clipped = f.grad_and_hess(z, t, gamma=gamma, hess="clipped", reduction="none")[1]
        assert (full < 0).any() and np.array_equal(clipped, np.maximum(full, 0))
        weighed = f.grad_and_hess(z, t, gamma=gamma, hess="clipped", reduction="none", sample_weight=weight)[1]
        assert (np.sign(weighed) * np.sign(weight)[:, None] >= 0).all()
        assert (np.sign(clipped) >= abs(np.sign(weighed))).all()


@pytest.mark.parametrize("gamma", GAMMAS)
def test_the_loss_falls_with_the_targets_logit(focal_case, gamma):
    """Its one optimum is a sure target; the gradient pulls there, never beyond a cross-entropy's by more than its factor."""
    f, dtype = focal_case.function, focal_case.dtype
    heights = np.linspace(-60, 60, 2000).astype(dtype)
    z = np.random.default_rng(48).normal(0, 2, (2000, 6)).astype(dtype)[:1].repeat(2000, axis=0)
    z[:, 2] = heights
    loss, g = f.value_and_grad(z, np.full(2000, 2), gamma=gamma, reduction="none")
    assert (np.diff(loss) <= 8 * np.finfo(dtype).eps * loss[1:]).all() and loss[0] > 50 and loss[-1] < 1e-10
    assert (g[:, 2] <= 0).all() and (np.delete(g, 2, axis=1) >= 0).all()
    assert f(z, np.full(2000, 2), gamma=gamma + 1, reduction="none")[-1] <= loss[-1]


def test_gradient_of_every_class(focal_case):
    """It is cross-entropy's times one number per row."""
    z, t = batch(10, focal_case.dtype, (300,), seed=49)
    z = np.clip(z, -20, 20)
    ours = focal_case.function.grad(z, t, reduction="none").astype(np.float64)
    plain = _build.functions(focal_case.level)["softmax_cross_entropy"].grad(z, t, reduction="none").astype(np.float64)
    ratio = ours / plain
    assert np.allclose(ratio, ratio[:, :1], rtol=16 * np.finfo(focal_case.dtype).eps)


# --- limits ---------------------------------------------------------------------------------------------------------------------

ONE = math.log(2) * 0.25  # the loss of two equal logits at gamma = 2
F_ONE = 0.25 + 0.5 * math.log(2)
LIMITS = {  # (z, target): (loss, gradient, Hessian) at gamma = 2
    ((800, 0, -800), 0): (0, (0, 0, 0), (0, 0, 0)),
    ((800, 0, -800), 1): (800, (1, -1, 0), (0, 0, 0)),
    ((800, 0, -800), 2): (1600, (1, 0, -1), (0, 0, 0)),
    ((INF, 0, 1), 0): (0, (0, 0, 0), (0, 0, 0)),
    ((INF, 0, 1), 1): (INF, (1, -1, 0), (0, 0, 0)),
    ((INF, INF, 1), 1): (ONE, (F_ONE / 2, -F_ONE / 2, 0), None),
    ((-INF, -INF, 1), 2): (0, (0, 0, 0), (0, 0, 0)),
    ((-INF, -INF, 1), 1): (INF, (0, -1, 1), (0, 0, 0)),
    ((0,), 0): (0, (0,), (0,)),
}


def test_limits_of_focal(focal_case):
    """In both shapes; the result of two infinite logits is that of two equal ones."""
    f, dtype = focal_case.function, focal_case.dtype
    for (z, target), (loss, g, h) in LIMITS.items():
        z = np.array([z], dtype)
        if h is None:
            h = (*f.grad_and_hess(np.zeros((1, 2), dtype), [0])[1][0], 0)
        for axis, there in ((-1, z), (0, z.T)):
            got = f.value_grad_and_hess(there, [target], axis=axis, reduction="none")
            for one, want in zip(got, (loss, g, h), strict=True):
                assert np.allclose(one.ravel(), want, rtol=8 * np.finfo(dtype).eps, atol=0), f"{z}, {target}: {one}, not {want}"
    for z in ([-INF, -INF], [np.nan, 0]):
        assert all(np.isnan(result).all() for result in f.value_grad_and_hess(np.array([z], dtype), [1]))


def test_any_gamma(focal_case):
    """From 0 to the largest number, any logits, weights up to the range's end: NaN only from NaN, and no flag."""
    f, dtype = focal_case.function, focal_case.dtype
    top = np.finfo(dtype).max
    values = (0, 1, 800, -800, -95, -103.3, 0.01, top, -top, top / 2, INF, -INF)
    z = np.array([row for row in itertools.product(values, repeat=3) if max(row) > -INF], dtype)
    with np.errstate(all="raise"):
        for gamma, hess in itertools.product((0, 1e-30, 0.01, 0.5, 1, 3, 1e3, 1e12, 1e30, float(top)), ("exact", "clipped")):
            for t, weight in itertools.product(range(3), (1.0, float(top), -float(top))):
                results = f.value_grad_and_hess(
                    z, np.full(len(z), t), gamma=gamma, hess=hess, reduction="sum", sample_weight=np.full(len(z), weight)
                )
                for result in results[1:]:
                    assert not np.isnan(result).any(), f"gamma {gamma}, weight {weight}, label {t}"


def test_a_distribution_is_no_label(focal_case):
    """Nor is a label smoothed, softcapped, divided."""
    f, z = focal_case.function, logits(focal_case.dtype, (70, 5))
    with refused(ValueError, f.name, "target has shape (70, 5)", "(70,)", "labels only", keeps=[z]):
        f.grad(z, np.full((70, 5), 0.2), out=z)
    for option in ("label_smoothing", "softcap", "temperature", "z_loss", "alpha"):
        with refused(TypeError, f.name, option, "gamma", "class_weight", keeps=[z]):
            f.grad(z, labels(70, 5), out=z, **{option: 0.5})


def test_formulas_of_focal():
    """The registry's NumPy expressions are the formula and its gradient."""
    z, t = logits(np.float64, (40, 5)) / 4, labels(40, 5)
    for gamma in (0.0, 0.5, 2.0):
        exact = judged_rows(ENTRY, z, t, gamma=gamma)
        for expression, want in zip((ENTRY.formula, *ENTRY.numpy), (exact[0], exact[0], exact[1]), strict=True):
            got = oracle.numpy_value(expression, z, target=t, gamma=gamma)
            assert np.allclose(got, np.array(want, float), rtol=1e-12, atol=0)
