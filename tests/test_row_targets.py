"""Distributions and options of the losses over rows, against the differentiated formula, PyTorch's definitions and each other."""

import functools
import importlib.util

import numpy as np
import pytest
from helpers_losses import REDUCTIONS, labels, logits
from helpers_rows import CLASSES, batch
from helpers_targets import distributions, grid, reference, spread, torch_reference

from actloss_c import oracle_rows, registry

OPTIONS = (
    {},
    {"class_weight": True},
    {"label_smoothing": 0.1},
    {"label_smoothing": 1.0, "class_weight": True},
    {"z_loss": 0.25},
    {"temperature": 2.0},
    {"temperature": 0.3, "z_loss": 1e-4},
    {"softcap": 5.0},
    {"softcap": 30.0, "temperature": 0.7, "z_loss": 0.1, "label_smoothing": 0.1, "class_weight": True},
)


def chosen(options, classes, dtype):
    """The options in numbers of the dtype, with weights in place of True."""
    weight = np.random.default_rng(classes).uniform(0.1, 3, classes).astype(dtype)
    return {name: weight if name == "class_weight" else float(dtype.type(value)) for name, value in options.items()}


@functools.cache
def judged(name, dtype, classes, which, soft):
    """(z, target, exact loss, gradient and Hessian) of a few rows under OPTIONS[which]."""
    z, target = batch(classes, dtype, (4,), seed=21 + which)
    z = np.clip(z, -30, 30)
    target = distributions(z.shape, classes).astype(dtype) if soft else target
    given = chosen(OPTIONS[which], classes, dtype)
    formula = registry.FUNCTIONS[name].formula
    found = [oracle_rows.row_loss(formula, row, y, **given) for row, y in zip(z, target, strict=True)]
    return z, target, [np.array(part, object) for part in zip(*found, strict=True)]


# --- the judge ------------------------------------------------------------------------------------------------------------------


def sizes(z, target, loss, options):
    """The size of what loss, gradient and Hessian are sums of, and the largest |u|, in float64.

    No result is promised to a unit of its own where two of its terms cancel, as p does against a q that is nearly right.
    """
    q = spread(target, z.shape[1], options.get("class_weight"), options.get("label_smoothing", 0.0))
    cap, temperature = options.get("softcap"), options.get("temperature", 1.0)
    t = np.tanh(z.astype(np.float64) / cap) if cap else 0.0
    slope, curve = 1 - t * t, 2 * abs(t) * (1 - t * t) / (cap or 1)
    u = (cap * t if cap else z.astype(np.float64)) / temperature
    lse = np.logaddexp.reduce(u, axis=1, keepdims=True)
    e = np.exp(u - u.max(axis=1, keepdims=True))
    p, rest = (part / e.sum(axis=1, keepdims=True) for part in (e, e @ (1 - np.eye(u.shape[1]))))
    pull = 2 * options.get("z_loss", 0.0) * (abs(lse) + 1)
    total = q.sum(axis=1, keepdims=True)
    first = (p * (total - q + pull) + q * rest) / temperature
    second = p * rest * (total + pull) + pull * p * p
    of_loss = loss.astype(np.float64) + (total + pull)[:, 0] * (1 if cap or temperature != 1 else 0)
    return (of_loss, first * slope, second * (slope / temperature) ** 2 + first * curve), abs(u).max()


@pytest.mark.parametrize("which", range(len(OPTIONS)), ids=lambda which: str(OPTIONS[which]))
def test_targets_and_options(softmax_case, which):
    """Within two units beyond the bounds of a label's, by the size of the terms; the logits after softcap are off by some units,
    those after a temperature on the baseline alone."""
    dtype, options = softmax_case.dtype, OPTIONS[which]
    units = 6 if "softcap" in options else 2 if "temperature" in options and softmax_case.level == "baseline" else 0
    for classes in (2, 5, 33):
        given = chosen(options, classes, dtype)
        for soft in (False, True):
            z, target, exact = judged(softmax_case.entry.name, dtype, classes, which, soft)
            terms, reach = sizes(z, target, exact[0], given)
            got = softmax_case.function.value_grad_and_hess(z, target, reduction="none", **given)
            for k, (one, want, size) in enumerate(zip(got, exact, terms, strict=True)):
                error = np.abs((one.astype(object) - want).astype(float))
                allowed = np.finfo(dtype).eps * (
                    (softmax_case.ulp[k] + 2 + units * reach) * size + np.finfo(dtype).smallest_normal
                )
                assert (error <= allowed).all(), f"{softmax_case}, {classes} classes, result {k}: {np.max(error / allowed)} of it"


@pytest.mark.parametrize("classes", CLASSES)
def test_onehot_distribution_is_its_label(soft_case, classes, assert_same_bits):
    """Bit for bit, the small part of confident rows included."""
    f = soft_case.function
    z, target = batch(classes, soft_case.dtype, (70,), seed=22, entry=soft_case.entry)
    onehot = np.eye(classes)[target]
    for reduction in REDUCTIONS:
        want = f.value_grad_and_hess(z, target, reduction=reduction)
        for k, got in enumerate(f.value_grad_and_hess(z, onehot, reduction=reduction)):
            assert_same_bits(got, want[k], f"{soft_case}, {reduction}, result {k}")


@pytest.mark.parametrize("classes", (2, 10, 33, 130))
def test_options_of_no_effect(softmax_case, classes, assert_same_bits):
    """They give the plain kernel's bits: weights of 1, a smoothing that rounds away, a label that is not there."""
    f, dtype = softmax_case.function, softmax_case.dtype
    z, target = batch(classes, dtype, (70,), seed=23)
    z = np.where(np.isinf(z), dtype.type(-50), z)
    want = f.value_grad_and_hess(z, target)
    for options in ({"class_weight": np.ones(classes)}, {"label_smoothing": 1e-300}, {"ignore_index": -100}, {"temperature": 1}):
        for k, got in enumerate(f.value_grad_and_hess(z, target, **options)):
            assert_same_bits(got, want[k], f"{softmax_case}, {options}, result {k}")


# --- PyTorch's definitions ------------------------------------------------------------------------------------------------------

TORCH = importlib.util.find_spec("torch") is not None


@pytest.mark.parametrize("classes", (1, 3, 60, 130))
def test_options_mean_what_they_mean_in_torch(softmax_case, classes):
    """weight, ignore_index, label_smoothing and reduction, for labels and distributions: F.cross_entropy where it is installed,
    and its definition in NumPy."""
    z, t = logits(np.float64, (40, classes)), labels(40, classes)
    y = distributions(z.shape)
    given = z.astype(softmax_case.dtype)
    tolerance = 40 * np.finfo(softmax_case.dtype).eps
    if TORCH:
        import torch
    for soft, options in grid(classes, REDUCTIONS):
        target = y if soft else t.copy()
        if options["ignore_index"] is not None:
            target[::3] = options["ignore_index"]
        got = softmax_case.function.value_and_grad(given, target, **options)
        wants = [reference(given, target, **options)]
        if TORCH and (classes > 1 or options["ignore_index"] != 0):  # all rows ignored: PyTorch's mean is NaN
            wants.append(torch_reference(torch, given, target, **options))
        for want in wants:
            for one, expected in zip(got, want, strict=True):
                assert np.allclose(one, expected, rtol=tolerance, atol=tolerance), f"{softmax_case}, {soft}, {options}"
