"""Predictions of cross_entropy, which are read once: those that are no probabilities are found in any layout, by any number of
threads, before a byte is written, and the others give the same bits in any layout."""

import numpy as np
import pytest
from helpers_errors import refused

import actloss_c
from actloss_c import _build


@pytest.mark.parametrize("layout", ("rows", "every second", "every second, rows apart", "columns"))
@pytest.mark.parametrize("rows, classes", ((3, 7), (70, 3), (9_000, 10), (7, 30_000)))
def test_bad_predictions_are_found_in_any_part(level, dtype, layout, rows, classes):
    """Wherever they stand, on the label or off it, and before anything is written; one at a label counts for its row alone."""
    cross_entropy = _build.functions(level)["cross_entropy"]
    memory = np.full((classes, rows) if layout == "columns" else (rows, 2 * classes + 1), 0.5, dtype)
    if layout == "every second":
        memory = memory.reshape(-1)[: 2 * rows * classes].reshape(rows, 2 * classes)
    a = memory.T if layout == "columns" else memory[:, :classes] if layout == "rows" else memory[:, : 2 * classes : 2]
    if layout == "rows":
        a = np.ascontiguousarray(a)
    labels = np.random.default_rng(7).integers(0, classes, rows)
    out = np.full((rows, classes), 7.0, dtype)
    for row, c in ((0, 0), (0, classes - 1), (rows // 2, labels[rows // 2]), (rows - 1, classes - 1)):
        for threads in (1, 2, 5):
            with actloss_c.num_threads(threads):
                for bad in (1.5, -0.25):
                    a[row, c] = bad
                    with refused(ValueError, f"a[{row}, {c}]", bad, "[0, 1]", keeps=(out,)):
                        cross_entropy.value_and_grad(a, labels, out=out)
                a[row, c] = 0.5
        a[row, labels[row]] = 0.25
        want = (np.log(2) * (rows - 1) + np.log(4)) / rows
        loss, g = cross_entropy.value_and_grad(a, labels)
        assert abs(loss - want) < 1e-6 * want and np.count_nonzero(g) == rows
        assert g[row, labels[row]] == pytest.approx(-4 / rows, rel=1e-6)
        a[row, labels[row]] = 0.5


LAYOUTS = {  # (rows, classes) within a larger array, or turned
    "C": lambda a: a.copy(),
    "F": lambda a: a.copy(order="F"),
    "every second": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "rows apart": lambda a: np.pad(a, ((0, 0), (0, 3)), constant_values=7)[:, : a.shape[1]],
    "backwards": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "rows backwards": lambda a: a[::-1].copy()[::-1],
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("rows, classes", ((1, 1), (1, 5), (64, 1), (64, 3), (65, 3), (9_000, 10), (3, 3_000)))
def test_kept_predictions_give_the_same_bits(level, dtype, layout, rows, classes, assert_same_bits):
    """Those of labels in another dtype, which go the general way; fresh, in place, and with a NaN."""
    cross_entropy = _build.functions(level)["cross_entropy"]
    random = np.random.default_rng(8)
    a, labels = random.random((rows, classes)).astype(dtype), random.integers(0, classes, rows)
    want, want_g = cross_entropy.value_and_grad(a, labels.astype(np.int32))
    given = LAYOUTS[layout](a)
    for out in (None, np.full((rows, classes), 7, dtype), given):
        loss, g = cross_entropy.value_and_grad(given, labels, out=out)
        assert loss == want
        assert_same_bits(g, want_g, f"{layout}, out={out is not None}")
    given = LAYOUTS[layout](a)
    assert cross_entropy(given, labels) == want
    given[-1, -1] = np.nan
    assert np.isnan(cross_entropy(given, labels)) == (labels[-1] == classes - 1)
    several, many = np.stack([a, a[::-1]]), np.stack([labels, labels[::-1]])
    assert cross_entropy(several, many) == cross_entropy(several, many.astype(np.int32))
    assert cross_entropy(np.moveaxis(several, -1, 0), many, axis=0) == cross_entropy(several, many)
    same = np.broadcast_to(a[:1], a.shape)
    assert cross_entropy(same, labels) == cross_entropy(same.copy(), labels)
