"""The losses over pairs: each result against the differentiated formula, and what follows from it."""

import itertools
import math

import numpy as np
import pytest
from helpers_pairs import OPTIONS, RESULTS, by_string, errors, exact, exact_params, expression, judged, options, pairs

from actloss_c import oracle, registry

COUNT = 60
EACH_LOSS = pytest.mark.parametrize("entry", registry.PAIR_LOSSES, ids=lambda entry: entry.name)


def check(case, given, n, seed=0):
    z, target, wanted, sizes = judged(case.entry.name, case.dtype, tuple(given.items()), n, seed)
    results = case.function.value_grad_and_hess(z, target, reduction="none", **given)
    for k, (result, want, size) in enumerate(zip(results, wanted, sizes, strict=True)):
        error, bound = errors(result, want, size, case.dtype), case.ulp[k]
        at = int(error.argmax())
        assert error[at] <= bound, (
            f"{case} {given}: {RESULTS[k]} off by {error[at]:.4g} ULP, bound {bound}, at z = {float(z[at]).hex()}, "
            f"target = {float(target[at]).hex()}: got {float(result[at]).hex()}, want {float(want[at]).hex()}"
        )


# --- accuracy -----------------------------------------------------------------------------------------------------------------


def test_pairs(pair_case):
    for given in options(pair_case.entry):
        check(pair_case, given, COUNT)


@pytest.mark.exhaustive
@pytest.mark.parametrize("seed", range(1, 9))
def test_many_pairs(pair_case, seed):
    for given in options(pair_case.entry):
        check(pair_case, given, 1000, seed)


WORST = (  # float32 pairs found by searches around the largest errors: name, z, target, parameters
    ("huber", 2.1958208, -1.8041961, {"delta": 3.7627318}),
    ("log_cosh", float.fromhex("0x1.9c5ec4p0"), float.fromhex("0x1.35b70ep-1"), {}),
    ("log_cosh", float.fromhex("0x1.24cec2p2"), float.fromhex("0x1.75301ep0"), {}),
    ("kl_divergence", 0.55831796, 0.41434878, {}),
    ("kl_divergence", 1e-20, 2e-20, {}),
    ("kl_divergence", 1e-19, 1.6e-19, {}),
    ("binary_cross_entropy", float.fromhex("0x1.5fa20cp-3"), float.fromhex("0x1.6a575ap-1"), {}),
    ("sigmoid_squared_error", float.fromhex("-0x1.0676bep0"), float.fromhex("0x1.bef672p-4"), {}),
    ("sigmoid_focal", 0.0631031, 0.0, {"gamma": 4.82626}),
    ("poisson", float.fromhex("0x1.e8e544p1"), float.fromhex("0x1.00e2c8p2"), {}),
    ("log_cosh", float.fromhex("0x1.a5293cp-2"), float.fromhex("-0x1.308284p-1"), {}),
    ("log_cosh", float.fromhex("0x1.5dfb3p-3"), float.fromhex("0x1.107474p-10"), {}),
    ("kl_divergence", float.fromhex("0x1.78f8d8p-2"), float.fromhex("0x1.1de44ap-1"), {}),
    ("binary_cross_entropy", float.fromhex("0x1.bac4dep-1"), float.fromhex("0x1.eab104p-9"), {}),
    ("sigmoid_binary_cross_entropy", float.fromhex("-0x1.0db232p-1"), float.fromhex("0x1.d3a108p-9"), {"pos_weight": 1.9544026}),
    ("sigmoid_binary_cross_entropy", float.fromhex("-0x1.a01bfcp-5"), float.fromhex("0x1.78c8d4p-1"), {"pos_weight": 3.0801148}),
    ("sigmoid_focal", float.fromhex("-0x1.ce1ea6p-2"), 0.0, {"gamma": 4.3636284, "alpha": 0.4404941}),
    ("sigmoid_focal", float.fromhex("0x1.770706p-3"), 0.0, {"gamma": 4.563523, "alpha": 0.8463925}),
    ("sigmoid_focal", float.fromhex("0x1.19f39cp-4"), 1.0, {"gamma": 4.961419, "alpha": 0.18526429}),
)


@pytest.mark.parametrize("k", range(len(WORST)))
def test_pairs_of_the_largest_errors(k, level, dtype):
    from actloss_c import _build

    name, z, target, given = WORST[k]
    entry, f, z, target = registry.FUNCTIONS[name], _build.functions(level)[name], dtype.type(z), dtype.type(target)
    results = f.value_grad_and_hess(z, target, reduction="none", **given)
    for result, want, scale, bound in zip(
        results, exact(entry, z, target, given, dtype), entry.scale, f.ulp[dtype.name], strict=True
    ):
        size = max(abs(want), abs(by_string(entry, scale, z, target, given, dtype)) if scale else 0)
        assert errors(np.array([result]), [want], [size], dtype)[0] <= bound


@EACH_LOSS
def test_formulas_of_the_derivatives(entry):
    """What the registry calls gradient and Hessian is what the formula's differentiation gives."""
    dtype = np.dtype(np.float64)
    z, target = pairs(entry, dtype, 25, seed=3)
    for given in options(entry):
        if given.get("hess") == "clipped":
            continue
        for a, b in zip(z, target, strict=True):
            for want, formula in zip(
                exact(entry, a, b, given, dtype), (entry.formula, entry.gradient, entry.hessian), strict=True
            ):
                got = by_string(entry, formula, a, b, given, dtype)
                assert abs(got - want) <= abs(want) * 2.0**-60, f"{entry.name} {given} at {a}, {b}: {formula} = {got}, not {want}"


def test_every_parameter_is_tried():
    assert {p.name for entry in registry.PAIR_LOSSES for p in entry.params} == OPTIONS.keys()


# --- what follows from the formula --------------------------------------------------------------------------------------------


def test_optimum(pair_case):
    """Where the registry puts the minimum, the gradient changes its sign, and no other prediction has a smaller loss."""
    entry, f, dtype = pair_case.entry, pair_case.function, pair_case.dtype
    if entry.optimum is None:
        return
    random = np.random.default_rng(4)
    target = random.uniform(0.1, 0.9, 200).astype(dtype)
    code = expression(entry, entry.optimum)
    params = exact_params(entry, {}, dtype)
    best = np.array([float(oracle.value(code, t, **{n: p for n, p in params.items() if n in code})) for t in target])
    apart = 1e-3
    below, above = ((best * (1 + s) if entry.prediction else best + s).astype(dtype) for s in (-apart, apart))
    assert (f.grad(below, target, reduction="none") < 0).all() and (f.grad(above, target, reduction="none") > 0).all()
    least = f(best.astype(dtype), target, reduction="none")
    for other in (below, above):
        assert (least <= f(other, target, reduction="none")).all()


def test_range_and_convexity(pair_case):
    entry, f, dtype = pair_case.entry, pair_case.function, pair_case.dtype
    (a, target), (b, _) = pairs(entry, dtype, 500, seed=5), pairs(entry, dtype, 500, seed=6)
    keep = (abs(a) < 80) & (abs(b) < 80)
    a, b, target = a[keep], b[keep], target[keep]
    t = np.random.default_rng(7).random(a.size).astype(dtype)
    middle = (a.astype(np.float64) + t * (b.astype(np.float64) - a)).astype(dtype)
    at_a, at_b, at_middle = (f(z, target, reduction="none").astype(np.float64) for z in (a, b, middle))
    for loss in (at_a, at_b, at_middle):
        assert (loss >= entry.range[0]).all() and (loss <= entry.range[1]).all()
    if entry.convex:
        chord = (1 - t) * at_a + t * at_b
        tiny = 64 * np.finfo(dtype).eps * (1 + np.maximum(abs(at_a), abs(at_b)) + abs(target.astype(np.float64)) * 80)
        assert (at_middle <= chord + tiny).all()
        assert (f.grad_and_hess(a, target, reduction="none")[1] >= 0).all()
    elif not any(p.choices for p in entry.params):
        assert (f.grad_and_hess(a, target, reduction="none")[1] < 0).any(), "it is convex after all"


def test_clipped_hessian(pair_case):
    if not any(p.name == "hess" for p in pair_case.entry.params):
        return
    z, target = pairs(pair_case.entry, pair_case.dtype, 500)
    _, full = pair_case.function.grad_and_hess(z, target, reduction="none")
    _, clipped = pair_case.function.grad_and_hess(z, target, reduction="none", hess="clipped")
    assert (full < 0).any() and np.array_equal(clipped, np.maximum(full, 0))


def test_focal_without_focus_is_cross_entropy(level, dtype):
    """gamma = 0 leaves sigmoid_binary_cross_entropy, within the bounds of both."""
    from actloss_c import _build

    functions = _build.functions(level)
    z, target = pairs(registry.FUNCTIONS["sigmoid_focal"], dtype, 2000)
    z = z[abs(z) < 80]
    target = target[: z.size]
    one = functions["sigmoid_focal"].value_grad_and_hess(z, target, gamma=0.0, reduction="none")
    other = functions["sigmoid_binary_cross_entropy"].value_grad_and_hess(z, target, reduction="none")
    for a, b in zip(one, other, strict=True):
        assert np.allclose(a, b, rtol=8 * np.finfo(dtype).eps, atol=0)


def test_bce_is_the_same_from_both_sides(level, dtype):
    """loss(z, y) = loss(−z, 1 − y), gradient with the other sign, bit for bit, for labels 0 and 1."""
    from actloss_c import _build

    for name in ("sigmoid_binary_cross_entropy", "sigmoid_squared_error", "sigmoid_focal"):
        f = _build.functions(level)[name]
        z, target = pairs(registry.FUNCTIONS["sigmoid_focal"], dtype, 3000, seed=8)
        loss, g, h = f.value_grad_and_hess(z, target, reduction="none")
        mirrored = f.value_grad_and_hess(-z, 1 - target, reduction="none")
        for a, b in zip((loss, -g, h), mirrored, strict=True):
            assert np.array_equal(a, b), name


# --- limits ---------------------------------------------------------------------------------------------------------------------

INF = math.inf
LIMITS = {  # (z, target): (loss, gradient, Hessian)
    "squared_error": {(INF, 0): (INF, INF, 1), (-INF, 1): (INF, -INF, 1)},
    "sigmoid_squared_error": {(INF, 1): (0, 0, 0), (INF, 0): (0.5, 0, 0), (-INF, 1): (0.5, 0, 0), (-INF, 0): (0, 0, 0)},
    "absolute_error": {(INF, 0): (INF, 1, 0), (-INF, 0): (INF, -1, 0), (2, 2): (0, 0, 0)},
    "pinball": {(INF, 0): (INF, 0.5, 0), (-INF, 0): (INF, -0.5, 0), (2, 2): (0, -0.5, 0)},
    "huber": {(INF, 0): (INF, 1, 0), (-INF, 0): (INF, -1, 0), (1, 0): (0.5, 1, 1), (0, 1): (0.5, -1, 1), (2, 2): (0, 0, 1)},
    "smooth_l1": {(INF, 0): (INF, 1, 0), (-INF, 0): (INF, -1, 0), (1, 0): (0.5, 1, 0), (0, 1): (0.5, -1, 0), (2, 2): (0, 0, 1)},
    "log_cosh": {(INF, 0): (INF, 1, 0), (-INF, 0): (INF, -1, 0), (2, 2): (0, 0, 1)},
    "hinge": {(INF, 1): (0, 0, 0), (INF, -1): (INF, 1, 0), (-INF, 1): (INF, -1, 0), (1, 1): (0, 0, 0), (-1, -1): (0, 0, 0)},
    "squared_hinge": {(INF, 1): (0, 0, 0), (INF, -1): (INF, INF, 2), (-INF, 1): (INF, -INF, 2), (1, 1): (0, 0, 0)},
    "poisson": {(INF, 2): (INF, INF, INF), (-INF, 2): (INF, -2, 0), (-INF, 0): (0, 0, 0), (INF, 0): (INF, INF, INF)},
    "gamma": {(INF, 2): (INF, 1, 0), (-INF, 2): (INF, -INF, INF)},
    "binary_cross_entropy": {
        (0, 0): (0, 1, 1),
        (1, 1): (0, -1, 1),
        (0, 1): (INF, -INF, INF),
        (1, 0): (INF, INF, INF),
        (0, 0.5): (INF, -INF, INF),
        (1, 0.5): (INF, INF, INF),
    },
    "kl_divergence": {(0, 0): (0, 0, 0), (0.5, 0): (0, 0, 0), (0, 1): (INF, -INF, INF), (1, 1): (0, -1, 1)},
    "sigmoid_binary_cross_entropy": {
        (INF, 1): (0, 0, 0),
        (INF, 0): (INF, 1, 0),
        (-INF, 1): (INF, -1, 0),
        (-INF, 0): (0, 0, 0),
        (INF, 0.25): (INF, 0.75, 0),
        (-INF, 0.25): (INF, -0.25, 0),
    },
    "sigmoid_focal": {(INF, 1): (0, 0, 0), (INF, 0): (INF, 1, 0), (-INF, 1): (INF, -1, 0), (-INF, 0): (0, 0, 0)},
}


def test_limits(pair_case, assert_same_bits):
    """±inf give the limit, the derivatives at kinks follow the registry's remark; no result of 0 is −0."""
    f, dtype = pair_case.function, pair_case.dtype
    (z, target), wanted = np.array(list(LIMITS[pair_case.entry.name]), dtype).T, LIMITS[pair_case.entry.name].values()
    for result, want in zip(f.value_grad_and_hess(z, target, reduction="none"), np.array(list(wanted), dtype).T, strict=True):
        assert_same_bits(result + dtype.type(0), want, str(pair_case))


def test_nan_stays(pair_case):
    entry, f, dtype = pair_case.entry, pair_case.function, pair_case.dtype
    target = pairs(entry, dtype, 5)[1]
    for result in f.value_grad_and_hess(np.full(5, np.nan, dtype), target, reduction="none"):
        assert np.isnan(result).all()
    if entry.target is None:
        for result in f.value_grad_and_hess(np.ones(5, dtype), np.full(5, np.nan), reduction="none"):
            assert np.isnan(result).all()


def test_far_out(pair_case):
    """|z| = 800 and the largest numbers: finite where the exact result is, and no flag."""
    entry, f, dtype = pair_case.entry, pair_case.function, pair_case.dtype
    if entry.prediction is not None:
        return
    target = pairs(entry, dtype, 40, seed=9)[1]
    big = np.finfo(dtype).max
    for size, given in itertools.product((800.0, 1e4, big / 4, big), options(entry)):
        for z in (np.full(40, size, dtype), np.full(40, -size, dtype)):
            with np.errstate(all="raise"):
                results = f.value_grad_and_hess(z, target, reduction="none", **given)
            for k, result in enumerate(results):
                assert not np.isnan(result).any(), f"{pair_case} {given}: {RESULTS[k]} at {z[0]}"
