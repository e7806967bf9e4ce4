"""Every refusal of a loss's target: IndexError or ValueError with row, value and range, and no byte changed."""

import numpy as np
import pytest
from helpers_errors import NOT_REAL, N, advice, each_method, refused
from helpers_losses import LABEL_FLOATS, LABEL_INTEGERS, with_batch


@pytest.mark.parametrize("given", (*LABEL_INTEGERS, *LABEL_FLOATS, ">i4", ">f8"))
def test_label_out_of_range(loss_case, given):
    """On both sides, up to the ends of the labels' dtype: row, value, range."""
    (loss, z, t), dtype = with_batch(loss_case), np.dtype(given)
    info = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    for bad in (5, 6, info.max, info.max // 2 + 1, info.min, -1, -5):
        if bad < 0 and dtype.kind == "u" or bad == 0:
            continue
        for row in (0, 37, 69):
            target = t.astype(dtype)
            target[row] = bad
            for call, outs in each_method(loss, z):
                with refused(IndexError, loss.name, f"target[{row}]", target[row], "[0, 5)", keeps=[z, target, *outs]):
                    call(z, target)


def test_label_beside_the_floats(loss_case):
    """Beyond int64, and infinite."""
    loss, z, t = with_batch(loss_case)
    for given in ("float32", "float64"):
        for bad in (9.3e18, -9.3e18, 2.0**63, 2.0**64, -(2.0**63), 1e30, np.inf, -np.inf):
            target = t.astype(given)
            target[41] = bad
            for call, outs in each_method(loss, z):
                with refused(IndexError, loss.name, "target[41]", target[41], "[0, 5)", keeps=[z, target, *outs]):
                    call(z, target)


@pytest.mark.parametrize("given", LABEL_FLOATS)
def test_label_that_is_not_whole(loss_case, given):
    loss, z, t = with_batch(loss_case)
    for bad in (np.nan, 0.5, -0.5, 3.75, 4.5, -1e-7):
        for row in (0, 69):
            target = t.astype(given)
            target[row] = bad
            for call, outs in each_method(loss, z):
                with refused(ValueError, loss.name, f"target[{row}]", target[row], "whole", keeps=[z, target, *outs]):
                    call(z, target)


def test_first_bad_label_is_named(loss_case):
    loss, z, t = with_batch(loss_case)
    t[[11, 12, 60]] = 5, -1, 7
    with refused(IndexError, loss.name, "target[11]", 5):
        loss(z, t)


def test_bad_label_of_a_batch_of_several_axes(loss_case):
    """The row is an index of target, whatever the axis of the classes and the layout of the labels."""
    loss, z = loss_case.function, np.zeros((3, 5, 4), loss_case.dtype)
    t = np.zeros((3, 4), np.int64)
    t[1, 2] = 5
    for target in (t, np.asfortranarray(t), t[::-1].copy()[::-1], t.astype(">i4"), t.astype(np.float32), t.tolist()):
        for out in (None, z.copy()):
            with refused(IndexError, loss.name, "target[1, 2]", "[0, 5)", keeps=[z, target, out]):
                loss.grad(z, target, axis=1, out=out)


def test_bad_label_of_a_single_row(loss_case):
    loss, z = loss_case.function, np.zeros(5, loss_case.dtype)
    for bad, error in ((5, IndexError), (-1, IndexError), (np.nan, ValueError), (1.5, ValueError)):
        with refused(error, loss.name, "target", bad, "[0, 5)"):
            loss(z, bad)


def test_bool_labels_have_two_classes(loss_case):
    loss, z = loss_case.function, np.zeros((3, 1), loss_case.dtype)
    with refused(IndexError, loss.name, "target[1]", "[0, 1)"):
        loss(z, np.array([False, True, False]))


def test_target_that_is_not_real(loss_case):
    loss, z, _ = with_batch(loss_case, (N, 5))
    for what, target in NOT_REAL.items():
        for call, outs in each_method(loss, z):
            with refused(TypeError, loss.name, "target", *advice(what), keeps=[z, *outs]):
                call(z, target)


def test_target_of_another_shape(loss_case):
    loss, z, t = with_batch(loss_case)
    several = t[:, None], t[None], np.zeros((5, 70), int), np.zeros((70, 4))
    for target in (t[:-1], np.append(t, 0), *several, 1, np.zeros(0, int), []):
        for call, outs in each_method(loss, z):
            with refused(ValueError, loss.name, "target", np.shape(target), "(70,)", "(70, 5)", keeps=[z, *outs]):
                call(z, target)
