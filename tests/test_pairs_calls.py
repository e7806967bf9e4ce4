"""The losses over pairs as functions of arrays: methods agree, layouts and types of target change no bit, reductions, weights."""

import itertools
import math

import numpy as np
import pytest
from helpers_pairs import METHODS, options, pairs

import actloss_c

SHAPES = ((), (1,), (5,), (16,), (511,), (512,), (513,), (3, 700), (600, 3), (4, 5, 60), (0,), (3, 0))


def shaped(case, shape, seed=0):
    n = math.prod(shape)
    z, target = pairs(case.entry, case.dtype, max(n, 1), seed)
    return z[:n].reshape(shape), target[:n].reshape(shape)


def call(case, method, z, target, **given):
    """{place in (loss, gradient, Hessian): result} of a method."""
    found = getattr(case.function, method)(z, target, **given)
    return dict(zip(METHODS[method], found if isinstance(found, tuple) else (found,), strict=True))


@pytest.mark.parametrize("shape", SHAPES)
def test_methods_agree(pair_case, shape, assert_same_bits):
    """Value, gradient and Hessian alone, in pairs and all together: the same bits, for every reduction, and as floats."""
    z, target = shaped(pair_case, shape)
    for given in options(pair_case.entry):
        for reduction in ("none", "mean", "sum"):
            want = call(pair_case, "value_grad_and_hess", z, target, reduction=reduction, **given)
            assert (type(want[0]) is float) == (reduction != "none")
            for method in METHODS:
                for k, result in call(pair_case, method, z, target, reduction=reduction, **given).items():
                    assert_same_bits(result, want[k], f"{pair_case}.{method} {reduction} {given} {shape}, result {k}")


@pytest.mark.parametrize("shape", ((700,), (60, 30), (5, 6, 40), (600, 3)))
def test_layouts_change_no_bit(pair_case, shape, assert_same_bits):
    """Memory order, steps and signs of them, of each operand by itself; the sums, too."""
    z, target = shaped(pair_case, shape)
    weight = np.random.default_rng(1).random(shape)

    def wide(a):
        padded = np.empty([2 * n for n in a.shape], a.dtype)[tuple(slice(None, None, 2) for _ in a.shape)]
        padded[...] = a
        return padded

    layouts = (np.asfortranarray, wide, lambda a: np.ascontiguousarray(a[::-1])[::-1], lambda a: wide(a.T).T)
    want = pair_case.function.value_grad_and_hess(z, target, sample_weight=weight)
    each = pair_case.function(z, target, reduction="none", sample_weight=weight)
    for other in layouts:
        for a, b in ((other(z), target), (z, other(target)), (other(z), other(target))):
            got = pair_case.function.value_grad_and_hess(a, b, sample_weight=other(weight))
            for k in range(3):
                assert_same_bits(got[k], want[k], f"{pair_case} {shape}, result {k}")
            assert_same_bits(pair_case.function(a, b, reduction="none", sample_weight=weight), each)
        outs = (other(np.empty(shape, pair_case.dtype)), other(np.empty(shape, pair_case.dtype)))
        got = pair_case.function.grad_and_hess(z, target, sample_weight=weight, out=outs)
        assert got[0] is outs[0] and got[1] is outs[1]
        for k in range(2):
            assert_same_bits(got[k], want[k + 1], f"{pair_case} {shape}, out[{k}]")


@pytest.mark.parametrize("shape", ((300, 700), (77, 2049), (900, 131)))
def test_matrices_column_by_column_change_no_bit(pair_case, shape, assert_same_bits):
    """More rows than are turned at a time, cut anywhere; weights, in place, forwards and backwards, on one thread and three."""
    z, target = shaped(pair_case, shape)
    weight, f = np.random.default_rng(1).integers(0, 3, shape).astype(float), pair_case.function
    want = f.value_grad_and_hess(z, target, sample_weight=weight)
    each = f(z, target, reduction="none", sample_weight=weight)
    turned = (np.asfortranarray, lambda a: np.asfortranarray(a[:, ::-1])[:, ::-1])
    for threads, order in itertools.product((1, 3), turned):
        with actloss_c.num_threads(threads):
            for a, b in ((order(z), target), (z, order(target)), (order(z), order(target))):
                outs = order(np.empty_like(z)), order(np.empty_like(z))
                for k, got in enumerate(f.value_grad_and_hess(a, b, sample_weight=weight, out=outs)):
                    assert_same_bits(got, want[k], f"{pair_case}, result {k}")
                assert_same_bits(f(a, b, reduction="none", sample_weight=weight, out=outs[0]), each)
            over = order(z.copy())
            loss, gradient = f.value_and_grad(over, order(target), out=over)
            assert gradient is over
            assert_same_bits(loss, f(z, target))
            assert_same_bits(gradient, f.grad(z, target))


def test_positions_change_no_bit(pair_case, assert_same_bits):
    z, target = shaped(pair_case, (1500,))
    order = np.random.default_rng(2).permutation(z.size)
    want = pair_case.function.value_grad_and_hess(z, target, reduction="none")
    mixed = pair_case.function.value_grad_and_hess(z[order], target[order], reduction="none")
    part = pair_case.function.value_grad_and_hess(z[7:1238], target[7:1238], reduction="none")
    for k in range(3):
        assert_same_bits(mixed[k], want[k][order])
        assert_same_bits(part[k], want[k][7:1238])


@pytest.mark.parametrize(
    "kind", ("bool", *(s + str(n) for s in ("int", "uint") for n in (8, 16, 32, 64)), "f2", "f4", "f8", ">i4", ">f8")
)
def test_targets_of_every_type(pair_case, kind, assert_same_bits):
    """Whatever the type of the targets, the results are those of the same numbers in the type of the predictions."""
    z, _ = shaped(pair_case, (17, 150))  # turned in groups of rows, where it lies column by column
    numbers = np.random.default_rng(3).integers(0, 2, z.shape)
    if pair_case.entry.target == "sign":
        numbers = 2 * numbers - 1 if np.dtype(kind).kind in "if" else np.ones_like(numbers)
    if pair_case.entry.target == "positive":
        numbers = np.ones_like(numbers)
    want = pair_case.function.value_grad_and_hess(z, numbers.astype(pair_case.dtype))
    for target in (numbers.astype(kind), np.asfortranarray(numbers.astype(kind))):
        for order in "CF":
            for k, got in enumerate(pair_case.function.value_grad_and_hess(z.copy(order), target)):
                assert_same_bits(got, want[k], f"{pair_case}, {order}, target {kind}, result {k}")


def test_scores_of_boosters(pair_case, assert_same_bits):
    """float64 scores in F order, float32 labels, results in float32 in either order: rounded, nothing else."""
    if pair_case.dtype != np.float64:
        return
    z, target = shaped(pair_case, (400, 3))
    if pair_case.entry.target in ("positive", "nonnegative"):
        target = np.clip(target, np.finfo(np.float32).tiny, np.finfo(np.float32).max)
    target = target.astype(np.float32)
    scores = np.asfortranarray(z)
    want = pair_case.function.grad_and_hess(scores, target.astype(np.float64), reduction="sum")
    for order in "CF":
        outs = tuple(np.empty(z.shape, np.float32, order) for _ in range(2))
        with np.errstate(all="raise"):
            got = pair_case.function.grad_and_hess(scores, target, reduction="sum", out=outs)
        for k in range(2):
            with np.errstate(all="ignore"):
                assert_same_bits(got[k], want[k].astype(np.float32))


def test_in_place_and_over_the_target(pair_case, assert_same_bits):
    for shape in ((1300,), (40, 50)):
        z, target = shaped(pair_case, shape)
        want = pair_case.function.value_grad_and_hess(z, target)
        for over in (0, 1):
            arrays = [z.copy(), target.copy()]
            loss, gradient = pair_case.function.value_and_grad(*arrays, out=arrays[over])
            assert gradient is arrays[over]
            assert_same_bits(gradient, want[1])
            assert_same_bits(loss, want[0])
        arrays = [z.copy(), target.copy()]
        pair_case.function.grad_and_hess(*arrays, out=tuple(arrays))
        for k in range(2):
            assert_same_bits(arrays[k], want[k + 1])
    memory = np.concatenate([z.ravel(), np.zeros(8, z.dtype)])  # shifted by less than a block: as if there were no overlap
    memory[8:] = z.ravel()
    got = pair_case.function.grad(memory[8:], target.ravel(), out=memory[:-8])
    assert_same_bits(got, want[1].ravel())


def test_results_over_the_weights(pair_case, assert_same_bits):
    """The weights are read before and after an element's results are written."""
    z, target = shaped(pair_case, (1024,))
    weight = np.random.default_rng(6).integers(0, 3, z.size).astype(pair_case.dtype)
    for reduction in ("mean", "sum"):
        want = pair_case.function.value_grad_and_hess(z, target, sample_weight=weight, reduction=reduction)
        for place in range(2):
            out = [None, None]
            out[place] = over = weight.copy()
            got = pair_case.function.value_grad_and_hess(z, target, sample_weight=over, reduction=reduction, out=tuple(out))
            for k in range(3):
                assert_same_bits(got[k], want[k])
    over = weight.copy()
    got = pair_case.function(z, target, sample_weight=over, reduction="none", out=over)
    assert_same_bits(got, pair_case.function(z, target, sample_weight=weight, reduction="none"))


def test_reductions(pair_case):
    z, target = shaped(pair_case, (50, 40))
    z, target = np.clip(z, -30, 30), np.clip(target, -30, 30)
    losses, g, h = pair_case.function.value_grad_and_hess(z, target, reduction="none")
    eps = np.finfo(pair_case.dtype).eps
    for reduction, divisor in (("sum", 1), ("mean", z.size)):
        loss, scaled_g, scaled_h = pair_case.function.value_grad_and_hess(z, target, reduction=reduction)
        exact = math.fsum(losses.ravel().tolist()) / divisor
        assert loss == pytest.approx(exact, rel=1e-13, abs=1e-13 * float(abs(losses.astype(float)).sum()) / divisor)
        for scaled, plain in ((scaled_g, g), (scaled_h, h)):
            assert np.allclose(scaled, plain.astype(np.float64) / divisor, rtol=2 * eps, atol=np.finfo(pair_case.dtype).tiny)
    empty = pair_case.function.value_and_grad(z[:0], target[:0])
    assert empty[0] == 0.0 and empty[1].shape == (0, 40)


def test_weights(pair_case, assert_same_bits):
    """A weight of 2 is an element taken twice, one of 0 one left out, be it infinitely wrong; the mean divides by Σ weights."""
    z, target = shaped(pair_case, (300,))
    z, target = np.clip(z, -30, 30), np.clip(target, -30, 30)
    if pair_case.entry.prediction == "unit":
        z = np.clip(z, 0.01, 0.99)
    weight = np.random.default_rng(5).integers(0, 3, z.size)
    again, repeated = np.repeat(z, weight), np.repeat(target, weight)
    eps = np.finfo(pair_case.dtype).eps
    plain = pair_case.function.value_grad_and_hess(z, target, reduction="none")
    for reduction, divisor in (("sum", 1), ("mean", weight.sum())):
        loss, g, h = pair_case.function.value_grad_and_hess(z, target, reduction=reduction, sample_weight=weight)
        wanted = pair_case.function(again, repeated, reduction=reduction)
        assert loss == pytest.approx(wanted, rel=1e-12, abs=1e-12 * float(abs(plain[0].astype(float)).sum()))
        for got, one in ((g, plain[1]), (h, plain[2])):
            tiny = np.finfo(pair_case.dtype).tiny
            assert np.allclose(got, one * (weight / divisor), rtol=3 * eps, atol=tiny)
    wrong = {"unit": 0.0}.get(pair_case.entry.prediction, -np.inf)
    z[:50] = wrong
    target[:50] = 1
    weight[:50] = 0
    loss, g, h = pair_case.function.value_grad_and_hess(z, target, sample_weight=weight)
    left = pair_case.function(z[50:], target[50:], sample_weight=weight[50:])
    assert loss == pytest.approx(left, rel=1e-12) and not g[:50].any() and not h[:50].any()
    one = pair_case.function.value_grad_and_hess(z, target, sample_weight=np.ones(z.size), reduction="sum")
    none = pair_case.function.value_grad_and_hess(z, target, reduction="sum")
    for k in range(3):
        assert_same_bits(one[k], none[k])


def test_parameters_broadcast(pair_case, assert_same_bits):
    """One value per column is the same as the columns by themselves."""
    z, target = shaped(pair_case, (90, 4))
    for parameter in pair_case.entry.params:
        if parameter.choices:
            continue
        values = np.array([0.2, 0.4, 0.6, 0.8])
        whole = pair_case.function.value_grad_and_hess(z, target, reduction="none", **{parameter.name: values})
        for column, value in enumerate(values):
            alone = pair_case.function.value_grad_and_hess(
                z[:, column], target[:, column], reduction="none", **{parameter.name: value}
            )
            for k in range(3):
                assert_same_bits(whole[k][:, column], alone[k], f"{pair_case} {parameter.name}")


def test_other_inputs(pair_case, assert_same_bits):
    """Lists, scalars, small integers, float16, big-endian and read-only arrays."""
    f, domain = pair_case.function, pair_case.entry.target
    one = 1.0 if domain in ("sign", "positive", "binary", "unit", "nonnegative", None) else 0.5
    loss = f(0.5, one, reduction="none")
    assert isinstance(loss, np.float64) and f([0.5], [one]) == loss
    assert f.grad(np.float16(0.5), one).dtype == np.float32
    z, target = shaped(pair_case, (40,))
    z.flags.writeable = target.flags.writeable = False
    want = f.value_and_grad(z, target)
    got = f.value_and_grad(z.astype(z.dtype.newbyteorder(">")), target)
    for k in range(2):
        assert_same_bits(got[k], want[k])
    assert f.grad(np.ones(3, np.int8), np.ones(3, np.int8)).dtype == np.float32


def test_nothing_warns(pair_case):
    z, target = shaped(pair_case, (3000,))
    if pair_case.entry.prediction is None:
        z[::7] = np.inf
        z[1::7] = np.nan
    for given in options(pair_case.entry):
        with np.errstate(all="raise"):
            pair_case.function.value_grad_and_hess(z, target, **given)
