"""loss.objective: gradients by differences, what the vector holds, SciPy's minima beside scikit-learn's models."""

import functools

import numpy as np
import pytest
from helpers_losses import inputs_of, labels, logits

import actloss_c as al
from actloss_c import baseline, registry

LOSSES = (*registry.LOSSES, *registry.PAIR_LOSSES)
OF_LOGITS = [e for e in LOSSES if e.variable == "z" or getattr(e, "prediction", None) is None and e not in registry.LOSSES]
N, D, OUTPUTS = 12, 3, 4
MATRIX = np.random.default_rng(5).normal(size=(N, D))
WEIGHTS = np.linspace(0.2, 2, N)


def each(entries):
    return pytest.mark.parametrize("entry", entries, ids=lambda entry: entry.name)


def target_of(entry, outputs=()):
    """A target for N samples; outputs: (k,) for as many per sample of a loss over pairs."""
    if entry in registry.LOSSES:
        return labels((N,), OUTPUTS)
    return baseline.inside(entry.target, (N, *outputs), np.random.default_rng(6), np.float64)


def predictions_of(entry):
    """Predictions inside the loss's domain, flat."""
    z = logits(np.dtype(np.float64), (N, OUTPUTS)) / 3
    if entry in registry.LOSSES:
        return inputs_of(entry, z).ravel()
    return baseline.inside(entry.prediction, N, np.random.default_rng(7), np.float64)


def check_gradient(fun, v):
    """Within what central differences tell; and loss and gradient are a float and a fresh vector."""
    loss, gradient = fun(v)
    assert type(loss) is float and gradient.shape == v.shape == (fun.size,) and gradient.dtype == np.float64
    assert not np.shares_memory(gradient, v) and not np.shares_memory(gradient, fun(v)[1])
    steps = np.eye(v.size) * 1e-6
    by_differences = [(fun(v + h)[0] - fun(v - h)[0]) / 2e-6 for h in steps]
    np.testing.assert_allclose(gradient, by_differences, rtol=1e-6, atol=1e-6 * max(1, abs(gradient).max()))


@each(OF_LOGITS)
@pytest.mark.parametrize("bias", (True, False))
@pytest.mark.parametrize("outputs", ((), (2,)))
def test_gradient_of_a_linear_model(entry, bias, outputs):
    target = target_of(entry, outputs)
    options = {"reduction": "sum", "l2": 0.3, "bias": bias}
    if not outputs:
        options |= {"sample_weight": WEIGHTS, "reduction": "mean"}
    fun = getattr(al, entry.name).objective(target, MATRIX, **options)
    check_gradient(fun, np.random.default_rng(1).normal(scale=0.3, size=fun.size))


@each(LOSSES)
def test_gradient_of_the_predictions_themselves(entry):
    fun = getattr(al, entry.name).objective(target_of(entry), sample_weight=WEIGHTS, l2=0.1)
    v = predictions_of(entry)
    before = v.copy()
    check_gradient(fun, v)
    np.testing.assert_array_equal(v, before)


@each(OF_LOGITS)
def test_value_is_the_losss_own(entry):
    loss, target = getattr(al, entry.name), target_of(entry)
    fun = loss.objective(target, MATRIX, l2=0.7)
    w, b = fun.split(v := np.linspace(-1, 1, fun.size))
    assert np.shares_memory(w, v) and np.shares_memory(b, v) and w.size + b.size == v.size
    assert fun(v)[0] == pytest.approx(loss(MATRIX @ w + b, target) + 0.35 * (w**2).sum(), rel=1e-14)


@each([e for e in registry.LOSSES if e.variable == "z"])
def test_classes(entry):
    """As many as the largest label needs, not counting those that are ignored; or as many as are asked for."""
    objective, target = getattr(al, entry.name).objective, np.array([0, 2, 1, 255])
    x = MATRIX[:4]
    assert objective(target[:3], x[:3]).shapes == ((D, 3), (3,))
    assert objective(target, x, ignore_index=255).shapes == ((D, 3), (3,))
    assert objective(target, x, ignore_index=255, classes=7).shapes == ((D, 7), (7,))
    assert objective(target[:3]).shapes == ((3, 3), None)
    if entry.soft:
        assert objective(np.full((4, 6), 1 / 6), x, bias=False).shapes == ((D, 6), None)
        with pytest.raises(ValueError, match=r"classes=5.*distribution of shape \(4, 6\)"):
            objective(np.full((4, 6), 1 / 6), x, classes=5)
    for bad in (0, 2.5, "3"):
        with pytest.raises(ValueError, match="classes="):
            objective(target[:3], x[:3], classes=bad)


@pytest.mark.parametrize("dtype", (np.float16, np.float32, np.int8, np.bool_))
def test_products_are_in_the_dtype_of_x(dtype):
    x, y = (MATRIX * 3).astype(dtype), target_of(registry.FUNCTIONS["huber"])
    fun, double = (al.huber.objective(y, a) for a in (x, x.astype(np.float64)))
    assert fun.X.dtype == np.float32 and double.X.dtype == np.float64
    v = np.linspace(-1, 1, fun.size)
    np.testing.assert_allclose(fun(v)[1], double(v)[1], rtol=1e-5)


@pytest.mark.parametrize("layout", ("csr_array", "csc_matrix", "coo_array"))
def test_sparse_matrices(layout):
    sparse = pytest.importorskip("scipy.sparse")
    x = np.where(MATRIX > 0, MATRIX, 0)
    for entry in OF_LOGITS:
        dense, thin = (getattr(al, entry.name).objective(target_of(entry), a, l2=1) for a in (x, getattr(sparse, layout)(x)))
        v = np.linspace(-0.4, 0.5, dense.size)
        (loss, gradient), want = thin(v), dense(v)
        assert loss == pytest.approx(want[0], rel=1e-13)
        np.testing.assert_allclose(gradient, want[1], rtol=1e-12, atol=1e-13)


ERRORS = {  # (type, words): a call
    (ValueError, "reduction='none'"): lambda f: f(np.ones(3), reduction="none"),
    (ValueError, "l2=-1"): lambda f: f(np.ones(3), l2=-1),
    (ValueError, "l2=nan"): lambda f: f(np.ones(3), l2=float("nan")),
    (TypeError, "l2='much' is not a real number"): lambda f: f(np.ones(3), l2="much"),
    (TypeError, "classes=3"): lambda f: f(np.ones(3), classes=3),
    (TypeError, "no option 'axis'"): lambda f: f(np.ones(3), axis=0),
    (TypeError, "no option 'unheard_of'"): lambda f: f(np.ones(3), unheard_of=1),
    (ValueError, r"X has shape \(4, 2\).*\(3,\)"): lambda f: f(np.ones(3), np.ones((4, 2))),
    (ValueError, r"X has shape \(3,\)"): lambda f: f(np.ones(3), np.ones(3)),
    (ValueError, r"target has shape \(3, 1, 1\)"): lambda f: f(np.ones((3, 1, 1)), np.ones((3, 2))),
    (TypeError, "X has dtype complex"): lambda f: f(np.ones(3), np.ones((3, 2), complex)),
    (ValueError, r"vector has shape \(2,\); it must have \(3,\), for W \(2,\) and b \(\)"): lambda f: f(
        np.ones(3), np.ones((3, 2))
    )(np.zeros(2)),
    (TypeError, "vector has dtype complex"): lambda f: f(np.ones(3))(np.zeros(3, complex)),
}


@pytest.mark.parametrize("expected", ERRORS, ids=lambda expected: expected[1][:20])
def test_errors(expected):
    with pytest.raises(expected[0], match=rf"squared_error.*{expected[1]}"):
        ERRORS[expected](al.squared_error.objective)


@each(LOSSES)
@pytest.mark.parametrize("with_matrix", (False, True))
def test_a_bad_batch_is_found_before_the_first_call(entry, with_matrix):
    """Labels, targets and weights: an optimizer is no place to look for them."""
    objective, target = getattr(al, entry.name).objective, target_of(entry).astype(float)
    given = (MATRIX,) if with_matrix else ()
    objective(target, *given)
    for weight, words in ((np.ones(3), r"shape \(3,\)"), (np.where(np.arange(N) == 7, np.nan, 1), r"\[7\] is nan")):
        with pytest.raises(ValueError, match=rf"{entry.name}.*sample_weight.*{words}"):
            objective(target, *given, sample_weight=weight)
    with pytest.raises(TypeError, match=rf"{entry.name}\.objective has no option 'out'"):
        objective(target, *given, out=np.zeros(N))
    for bad in (-9.0, np.nan, np.inf):
        if entry in registry.LOSSES or entry.target is not None:
            target[5] = bad
            with pytest.raises((ValueError, IndexError), match=rf"{entry.name}: target\[5\] is {bad}"):
                objective(target, *given, **({"classes": 4} if entry in registry.LOSSES else {}))
            if entry in registry.LOSSES:
                with pytest.raises((ValueError, IndexError), match=rf"{entry.name}: target\[5\] is {bad}"):
                    objective(target, *given)


def test_errors_of_losses_over_rows():
    for entry in registry.LOSSES:
        objective = getattr(al, entry.name).objective
        with pytest.raises(IndexError, match=r"target\[1\] is 5"):
            objective([0, 5], classes=3)
        with pytest.raises(ValueError, match=r"target has shape \(\)"):
            objective(3)
        with pytest.raises(TypeError, match="no option 'axis'"):
            objective([1], axis=0)
        with pytest.raises(TypeError, match="no option 'unheard_of'"):
            objective([1], unheard_of=0)


# --- SciPy and scikit-learn --------------------------------------------------------------------------------------------------


def minimum(fun, **options):
    """(W, b) of the least value, by L-BFGS-B."""
    optimize = pytest.importorskip("scipy.optimize")
    result = optimize.minimize(
        fun, np.zeros(fun.size), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9}, **options
    )
    assert abs(fun(result.x)[1]).max() < 1e-4
    return fun.split(result.x)


@functools.cache
def problem():
    """(X, a linear score of each row, uniform noise)."""
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 5))
    return x, x @ random.normal(size=5) + 0.3, random.random(300)


@pytest.mark.parametrize("weighted", (False, True))
def test_logistic_regression_as_scikit_learns(weighted):
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, score, noise = problem()
    y, weight = noise < 1 / (1 + np.exp(-score)), 0.5 + noise[::-1] if weighted else None
    w, b = minimum(al.sigmoid_binary_cross_entropy.objective(y, x, l2=2, reduction="sum", sample_weight=weight))
    model = linear_model.LogisticRegression(C=1 / 2, tol=1e-10, max_iter=1000).fit(x, y, sample_weight=weight)
    np.testing.assert_allclose(w, model.coef_[0], atol=1e-6)
    np.testing.assert_allclose(b, model.intercept_[0], atol=1e-6)


def test_softmax_regression_as_scikit_learns():
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, score, noise = problem()
    y = np.digitize(score + np.log(noise / (1 - noise)), (-1, 1))
    w, b = minimum(al.softmax_cross_entropy.objective(y, x, l2=1, reduction="sum"))
    model = linear_model.LogisticRegression(C=1, tol=1e-10, max_iter=1000).fit(x, y)
    np.testing.assert_allclose(w.T, model.coef_, atol=1e-6)
    np.testing.assert_allclose(b - b.mean(), model.intercept_ - model.intercept_.mean(), atol=1e-6)


def test_poisson_regression_and_ridge_as_scikit_learns():
    linear_model = pytest.importorskip("sklearn.linear_model")
    x, score, noise = problem()
    counts = np.floor(np.exp(score / 4) * 3 * noise)
    w, b = minimum(al.poisson.objective(counts, x, l2=0.1))
    model = linear_model.PoissonRegressor(alpha=0.1, tol=1e-10, max_iter=1000).fit(x, counts)
    np.testing.assert_allclose((*w, b), (*model.coef_, model.intercept_), atol=1e-6)
    targets = np.stack((score + noise, noise), 1)
    w, b = minimum(al.squared_error.objective(targets, x, l2=3, reduction="sum"))
    model = linear_model.Ridge(alpha=3).fit(x, targets)
    np.testing.assert_allclose(w.T, model.coef_, atol=1e-6)
    np.testing.assert_allclose(b, model.intercept_, atol=1e-6)


def test_probabilities_between_bounds():
    """Without X, the vector holds the predictions: the best ones are the targets."""
    target = np.linspace(0.1, 0.9, 7)
    fun = al.binary_cross_entropy.objective(target, reduction="sum")
    optimize = pytest.importorskip("scipy.optimize")
    result = optimize.minimize(fun, np.full(7, 0.5), jac=True, method="L-BFGS-B", bounds=[(1e-9, 1 - 1e-9)] * 7)
    np.testing.assert_allclose(result.x, target, atol=1e-5)
