"""Predictions that are no probabilities: found in any layout, by any number of threads, before a byte is written."""

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
