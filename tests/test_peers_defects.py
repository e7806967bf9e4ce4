"""What other libraries' losses get wrong, one case each: here the exact answer stands. Cases of SciPy's rows, of maxout and of
labels stand with the functions that they are about."""

import math

import numpy as np
import pytest

from actloss_c import _build


@pytest.fixture
def losses(level):
    return _build.functions(level)


def test_loss_that_is_no_square_of_its_gradient(losses):
    """thinc's CategoricalCrossentropy reports Σ grad²: 0.14 for a right prediction of 0.7 among three; −log 0.7 is 0.3567."""
    a = np.array([[0.7, 0.2, 0.1]])
    assert math.isclose(losses["cross_entropy"](a, [0]), -math.log(0.7), rel_tol=1e-15)


def test_no_saturation(losses, dtype):
    """Keras clips probabilities: its binary cross-entropy of a wrong prediction ends at 16.118."""
    z = np.array([-20, -100, -1000], dtype)
    loss = losses["sigmoid_binary_cross_entropy"](z, np.ones(3), reduction="none")
    assert np.allclose(loss, -z, rtol=1e-6)
    assert losses["binary_cross_entropy"](np.zeros(1, dtype), [1.0]) == np.inf


@pytest.mark.parametrize("z", (-800.0, -37.0, -18.5, 18.5, 37.0, 100.0, 800.0))
def test_one_loss(losses, dtype, z):
    """scikit-learn's loss() and loss_gradient() differ in the tails, with a relative error from 18 on."""
    for target in (0.0, 1.0):
        f, pair = losses["sigmoid_binary_cross_entropy"], (np.full(3, z, dtype), np.full(3, target, dtype))
        exact = math.log1p(math.exp(-abs(z))) + max(z if target == 0 else -z, 0.0)
        alone, fused = f(*pair, reduction="none"), f.value_and_grad(*pair, reduction="none")[0]
        assert alone.tolist() == fused.tolist()
        assert abs(alone[0] - exact) <= 2 * np.spacing(dtype.type(exact))


def test_both_tails(losses, dtype):
    """PyTorch's gradient is σ(z) − y: 0 for a sure positive, where −σ(−z) is an ordinary number."""
    z = np.array([40, -40], dtype)
    grad = losses["sigmoid_binary_cross_entropy"].grad(z, np.array([1, 0], dtype), reduction="none")
    assert np.allclose(grad, [-math.exp(-40), math.exp(-40)], rtol=1e-6, atol=0)


def test_nan_stays_in_its_row(losses, dtype):
    """PyTorch's gradients of a NaN differ between short rows and long ones."""
    for classes in (2, 9, 47, 48, 300):
        z = np.zeros((3, classes), dtype)
        z[1, classes // 2] = np.nan
        grad = losses["softmax_cross_entropy"].grad(z, [0, 0, 0], reduction="none")
        assert np.isnan(grad[1]).all() and np.isfinite(grad[[0, 2]]).all()


def test_rows_of_large_negative_logits(losses, dtype):
    """XGBoost starts its maximum at 0, so rows of negative logits are not shifted and underflow."""
    z = np.array([[-1000, -1001], [-3e4, -3e4 - 1]], dtype)
    loss, grad = losses["softmax_cross_entropy"].value_and_grad(z, [0, 1], reduction="none")
    assert np.allclose(loss, [math.log1p(math.exp(-1)), 1 + math.log1p(math.exp(-1))], rtol=1e-6)
    assert np.isfinite(grad).all() and (grad != 0).all()


@pytest.mark.parametrize("label", (-1.0, 2.0))
def test_labels_of_two_classes(losses, label):
    """LightGBM takes −1 and 2 for binary labels."""
    with pytest.raises(ValueError, match=r"target\[1\] is"):
        losses["sigmoid_binary_cross_entropy"](np.zeros(2), np.array([1.0, label]))
    with pytest.raises(IndexError, match=r"target\[1\] is"):
        losses["softmax_cross_entropy"](np.zeros((2, 2)), np.array([1.0, label]))


def test_masks_are_not_lost(losses):
    """A masked array's hidden entries would count: refused, with what to do; without any it is an array like others."""
    hidden = np.ma.masked_array([1.0, 1e9], [0, 1])
    for call in (
        lambda: losses["squared_error"](hidden, np.zeros(2)),
        lambda: losses["squared_error"](np.zeros(2), hidden),
        lambda: losses["softmax_cross_entropy"](np.zeros((2, 2)), np.ma.masked_array([0, 1], [0, 1])),
        lambda: losses["softmax"](hidden),
    ):
        with pytest.raises(TypeError, match="masked"):
            call()
    assert losses["squared_error"](np.ma.masked_array([1.0, 2.0]), np.zeros(2)) == 1.25


def test_targets_as_the_kernel_sees_them(losses):
    """A float64 target that is inf or 0 in float32 is refused where it must be positive and finite."""
    for name, value in (("poisson", 1e39), ("gamma", 1e39), ("gamma", 1e-50)):
        with pytest.raises(ValueError, match="target"):
            losses[name](np.zeros(1, np.float32), np.array([value]))
