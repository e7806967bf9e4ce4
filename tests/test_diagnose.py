"""`al.diagnose`: the figures of NumPy in float64, the same bits for any layout, thread and level, exact bins, and its errors."""

import tracemalloc

import numpy as np
import pytest
from helpers_arrays import layouts
from helpers_process import python, succeeds

import actloss_c as al
from actloss_c import _build, _dispatch, diagnosis, registry
from actloss_c.diagnosis_result import SHARES, SIZES

CASES = (  # shape, axes of the batch: units side by side, a unit's batch by itself; ragged, in chunks, on several axes
    ((70, 40), 0),
    ((17, 35), 0),
    ((40, 70), 1),
    ((5, 7, 3, 9), (0, 2, 3)),
    ((3, 300), 0),
    ((6, 4, 33), (0, 1)),
    ((8199, 3), 0),
    ((8193, 33), 0),
    ((20_011,), None),
    ((7,), ()),
    ((), None),
)
EACH_SHAPE = pytest.mark.parametrize("shape,axis", CASES, ids=str)
UNIT_FIGURES = (*SHARES, *SIZES, "nan", "infinite")


def sample(shape, dtype, *, odd=True):
    """Numbers, zeros of both signs among them; if odd, NaNs and infinities, too."""
    z = np.random.default_rng(len(shape)).normal(0, 3, shape).astype(dtype)
    z.flat[3::29], z.flat[5::31] = 0.0, -0.0
    if odd and z.size > 40:
        z.flat[7::997], z.flat[11::1999], z.flat[13::1511] = np.nan, np.inf, -np.inf
    return z


@pytest.fixture
def diagnose(monkeypatch):
    """diagnose(function, z, …) by the loops of a level."""

    def call(level, z, function, *given, **options):
        monkeypatch.setattr(diagnosis, "LOOPS", _dispatch.load(level))
        return al.diagnose(z, _build.functions(level)[function] if isinstance(function, str) else function, *given, **options)

    return call


def by_numpy(f, z, axis, threshold, params):
    """{figure: (layer, units)} from the function's own results, all in float64."""
    axis = tuple(range(z.ndim)) if axis is None else axis
    y, d = f.value_and_grad(z, **params)
    d, known = np.abs(d), z == z
    y, slope = (np.where(known, a, 0).astype(np.float64) for a in (y, d))
    n = known.sum(axis)
    left = (z <= 0) & (d < z.dtype.type(threshold)) if f.saturation["left"] else np.zeros(z.shape, bool)
    right = (z > 0) & (d < z.dtype.type(threshold)) if f.saturation["right"] else np.zeros(z.shape, bool)
    dead = ~(z > 0).any(axis) & (n > 0)
    with np.errstate(all="ignore"):
        mean = y.sum(axis) / n
        square, squares = (y * y).sum(axis) / n, (y * y).sum() / n.sum()
        shift = np.where(square == 0, 0, np.sqrt(mean**2 / square))
        layer_shift = np.sqrt(np.where(n > 0, mean**2, 0).sum() / (n > 0).sum() / squares) if squares else 0.0
        return {
            "saturated_left": (left.sum() / n.sum(), left.sum(axis) / n),
            "saturated_right": (right.sum() / n.sum(), right.sum(axis) / n),
            "dead": (dead.sum() / (n > 0).sum(), dead),
            "mean": (y.sum() / n.sum(), mean),
            "shift": (layer_shift if np.isfinite(squares) else np.nan, np.where(np.isfinite(square), shift, np.nan)),
            "mean_abs_grad": (slope.sum() / n.sum(), slope.sum(axis) / n),
            "nan": ((~known).sum(), (~known).sum(axis)),
            "infinite": (np.isinf(z).sum(), np.isinf(z).sum(axis)),
        }


def assert_agrees(d, want):
    for name, (layer, units) in want.items():
        bound = {"rtol": 2e-13, "atol": 1e-15} if name in SIZES else {"rtol": 0}
        np.testing.assert_allclose(getattr(d, name), layer, **bound, err_msg=name)
        np.testing.assert_allclose(getattr(d.units, name), units, **bound, err_msg=f"{name} of units")
        assert getattr(d.units, name).shape == np.shape(units)


def assert_same(got, want, assert_same_bits, what):
    for name in UNIT_FIGURES:
        one, other = (np.append(getattr(d.units, name), getattr(d, name)).astype(np.float64) for d in (got, want))
        assert_same_bits(one, other, f"{what}: {name} of units and of the layer")
    np.testing.assert_array_equal(got.histogram.counts, want.histogram.counts, what)
    assert_same_bits(got.histogram.edges, want.histogram.edges, f"{what}: edges")


# --- figures -----------------------------------------------------------------------------------------------------------------


@EACH_SHAPE
@pytest.mark.parametrize("odd", (False, True), ids=("finite", "NaN and inf"))
def test_figures_are_those_of_numpy(case, shape, axis, odd, diagnose):
    z = sample(shape, case.dtype, odd=odd)
    found = diagnose(case.level, z, case.function, axis)
    assert_agrees(found, by_numpy(case.function, z, axis, 0.05, {}))
    inside = z[np.isfinite(z)].astype(np.float64)
    counts, edges = np.histogram(inside, 20)
    np.testing.assert_array_equal(found.histogram.counts, counts)
    np.testing.assert_allclose(found.histogram.edges, edges, rtol=1e-14, atol=1e-15)
    assert found.nonfinite == found.nan + found.infinite == z.size - inside.size
    assert (found.shape, found.dtype, found.activation) == (shape, case.dtype.name, case.entry.name)


@pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS if e.params])
@pytest.mark.parametrize("shape,axis", CASES[:6], ids=str)
def test_parameters_broadcast(name, level, dtype, shape, axis, diagnose):
    """A number, one per unit, one per input."""
    z, f = sample(shape, dtype, odd=False), _build.functions(level)[name]
    units = tuple(1 if d in np.atleast_1d(axis) else n for d, n in enumerate(shape))
    for of in ((), units, shape):
        alpha = np.random.default_rng(1).uniform(0.02, 1, of)
        given = dict.fromkeys(f.params, alpha)
        cast = dict.fromkeys(f.params, alpha.astype(dtype))
        assert_agrees(diagnose(level, z, f, axis, **given), by_numpy(f, z, axis, 0.05, cast))


@EACH_SHAPE
def test_layout_changes_no_bit(case, shape, axis, diagnose, assert_same_bits):
    z = sample(shape, case.dtype)
    want = diagnose(case.level, z, case.function, axis)
    for layout, same in layouts(z).items() if shape else ():
        assert_same(diagnose(case.level, same, case.function, axis), want, assert_same_bits, layout)
    broadcast = np.broadcast_to(z, (3, *shape))
    again = diagnose(case.level, broadcast, case.function, () if axis == () else (0, *(d + 1 for d in want.axis)))
    assert again.nan == 3 * want.nan


@pytest.mark.parametrize(
    "shape,axis", (((3001, 100), 0), ((100, 3001), 1), ((90_001, 2), 0), ((13, 50, 30, 20), (0, 2, 3))), ids=str
)
def test_threads_change_no_bit(case, shape, axis, diagnose, assert_same_bits):
    z = sample(shape, case.dtype)
    want = diagnose(case.level, z, case.function, axis)
    for n in (2, 3, 8):
        with al.num_threads(n):
            assert_same(diagnose(case.level, z, case.function, axis), want, assert_same_bits, f"{n} threads")


@EACH_SHAPE
@pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS])
def test_levels_agree(name, dtype, shape, axis, diagnose, assert_same_bits):
    """The same function counted by each level's loops; and each level's own, where there is FMA."""
    z, levels = sample(shape, dtype), _dispatch.runnable_levels()
    f = _build.functions(levels[-1])[name]
    want = diagnose(levels[-1], z, f, axis)
    for level in levels:
        if _dispatch.load(level).fused or dtype == np.float32:  # squares of float32 are exact in float64, fused or not
            assert_same(diagnose(level, z, f, axis), want, assert_same_bits, level)
        if _dispatch.load(level).fused:
            assert_same(diagnose(level, z, name, axis), want, assert_same_bits, f"{name} of {level}")


@pytest.mark.parametrize("given", (np.float16, np.int8, np.uint16, np.int64, bool))
def test_other_dtypes_are_converted(given, diagnose, level):
    z = np.random.default_rng(3).integers(0 if np.dtype(given).kind in "bu" else -3, 4, (50, 20)).astype(given)
    found = diagnose(level, z, "tanh")
    dtype = np.float32 if z.dtype.itemsize <= 2 else np.float64
    assert found.dtype == np.dtype(dtype).name
    assert found.mean == diagnose(level, z.astype(dtype), "tanh").mean
    assert diagnose(level, z.tolist(), "tanh").shape == z.shape


def test_no_temporary_of_full_size():
    z = np.zeros((2000, 5000), np.float32)
    for array, axis in ((z, 0), (z.T, 0), (z[::2, ::3], 1)):
        al.diagnose(array[:10, :10], "tanh")
        tracemalloc.start()
        al.diagnose(array, "tanh", axis)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2_000_000, f"{peak} bytes beside the {array.nbytes} of z"


def test_a_thread_that_writes_meanwhile_crashes_nothing(tmp_path):
    """Figures are then of no one state of z, but nothing is written outside of the counters."""
    code = """
import threading, time
import numpy as np
import actloss_c as al
z, end = np.ones((4000, 512), np.float32), time.monotonic() + 2
def write():
    while time.monotonic() < end:
        z[2000:] = 3e9
        z[2000:] = 1
thread = threading.Thread(target=write)
thread.start()
while time.monotonic() < end:
    al.diagnose(z, "relu")
thread.join()
"""
    succeeds(python(code, tmp_path))


def test_nothing_warns_and_no_flag_is_left(level, dtype, diagnose, specials, patterns):
    z = np.concatenate([specials(dtype), patterns(dtype, 3000)])
    with np.errstate(all="raise"):
        for entry in registry.ACTIVATIONS:
            diagnose(level, z, entry.name)
            diagnose(level, z[:, None], entry.name)
            str(diagnose(level, np.full((3, 2), np.nan, dtype), entry.name))


# --- what they mean ----------------------------------------------------------------------------------------------------------


def test_saturation_begins_at_the_threshold(level, diagnose):
    """sigmoid′(2.89) = 0.05; a side without saturation has none, however small its slope."""
    z = np.array([-2.90, -2.88, 0.0, 2.88, 2.90, np.inf, -np.inf, np.nan])
    found = diagnose(level, z, "sigmoid")
    assert (found.saturated_left, found.saturated_right) == (2 / 7, 2 / 7)
    assert diagnose(level, z, "sigmoid", threshold=0.049).saturated_left == 1 / 7
    relu = diagnose(level, z, "relu")
    assert (relu.saturated_left, relu.saturated_right, relu.saturation["left"]) == (4 / 7, 0, "hard")
    for alpha in (1e-9, 0.0):
        assert diagnose(level, z, "leaky_relu", alpha=alpha).saturated_left == 0


def test_dead_units(level, dtype, diagnose):
    """No positive input; a unit without a number is neither dead nor alive."""
    z = np.ones((40, 37), dtype)
    z[:, 3], z[:, 5], z[:, 7], z[1:, 9] = 0, -1, np.nan, -np.inf
    z[0, 5] = np.nan
    found = diagnose(level, z, "relu")
    assert np.flatnonzero(found.units.dead).tolist() == [3, 5]
    assert found.dead == 2 / 36
    assert np.isnan(found.units.mean[7]) and found.units.nan[7] == 40


def test_shift(level, diagnose):
    """1 for constant outputs, 0 for balanced ones, also where all are 0; NaN where squares overflow."""
    z = np.tile([[-1.0, 2.0, 0.0], [1.0, 2.0, 0.0]], (20, 1))
    found = diagnose(level, z, "tanh")
    np.testing.assert_allclose(found.units.shift, [0, 1, 0], atol=1e-15)
    t1, t2 = np.tanh([1.0, 2.0]) ** 2
    assert found.shift == pytest.approx(np.sqrt(t2 / (2 * t1 / 2 + t2)))
    assert np.isnan(diagnose(level, 1e200 * z, "relu").shift)


def test_all_nan(level, dtype, diagnose):
    found = diagnose(level, np.full((4, 3), np.nan, dtype), "tanh")
    assert np.isnan([found.mean, found.shift, found.dead, found.saturated_left, found.mean_abs_grad]).all()
    assert found.nan == 12 and found.histogram.counts.sum() == 0 and found.histogram.edges[[0, -1]].tolist() == [0, 1]


# --- bins --------------------------------------------------------------------------------------------------------------------


def assert_exact(found, z):
    """Each bin counts edges[k] ≤ z < edges[k + 1], the last one with its upper edge."""
    counts, edges = found.histogram
    assert (np.diff(edges) > 0).all() and np.isfinite(edges).all()
    z = z[np.isfinite(z)].astype(np.float64)
    z = z[(z >= edges[0]) & (z <= edges[-1])]
    bins = np.minimum(np.searchsorted(edges, z, side="right") - 1, counts.size - 1)
    np.testing.assert_array_equal(counts, np.bincount(bins, minlength=counts.size))


@pytest.mark.parametrize("bins", (1, 2, 7, 20, 62, 63, 1024))
@pytest.mark.parametrize("span", ((-4, 4), (0.1, 0.7), (1e6, 1e6 + 1), (-1e-3, 1e30), (-3e38, 3e38), (1e-40, 2e-40)), ids=str)
def test_bins_are_exact_next_to_edges(level, dtype, bins, span, diagnose):
    edges = 2 * (span[0] / 2 + np.arange(bins + 1) * (span[1] / bins - span[0] / bins) / 2)
    near = edges.astype(dtype)
    infinity = dtype.type(np.inf)
    z = np.concatenate([near, np.nextafter(near, infinity), np.nextafter(near, -infinity), np.linspace(*span, 999).astype(dtype)])
    assert_exact(diagnose(level, z, "relu", bins=bins, range=span), z)
    assert_exact(diagnose(level, z, "relu", bins=bins), z)


def test_default_range_holds_all_that_is_finite(level, dtype, diagnose, patterns):
    info, some = np.finfo(dtype), patterns(dtype, 2000)
    extremes = (
        [info.max, -info.max],
        [1, 1 + info.eps],
        [0, info.smallest_subnormal],
        [info.max] * 2,
        [-0.0, -np.inf],
        [-1, -0.0],
    )
    for z in (some, some[:1], np.zeros(3, dtype), *(np.array(numbers, dtype) for numbers in extremes)):
        found = diagnose(level, z, "relu")
        assert found.histogram.counts.sum() == np.isfinite(z).sum()
        assert_exact(found, z)
        assert not np.signbit(found.histogram.edges[found.histogram.edges == 0]).any()


def test_range_leaves_the_rest_out(level, diagnose):
    z = np.array([-5.0, -1.0, 0.0, 1.0, 5.0, np.inf, np.nan])
    assert diagnose(level, z, "tanh", range=(-1, 1), bins=2).histogram.counts.tolist() == [1, 2]
    z = np.arange(-4096, 4096) / 128
    assert diagnose(level, z, "tanh", range=(-1, 1), bins=2).histogram.counts.tolist() == [128, 129]
    assert diagnose(level, z, "tanh", range=(-1, 40), bins=41).histogram.counts.tolist() == [128] * 33 + [0] * 8


# --- errors ------------------------------------------------------------------------------------------------------------------

Z = np.ones((4, 3))
ERRORS = {
    "softmax": (TypeError, "softmax, which takes whole rows", (Z, al.softmax), {}),
    "maxout": (TypeError, "give an elementwise one (sigmoid", (Z, "maxout"), {}),
    "a loss": (TypeError, "huber, which takes", (Z, "huber"), {}),
    "np.tanh": (TypeError, "activation is <ufunc 'tanh'>", (Z, np.tanh), {}),
    "a misspelt name": (ValueError, "'sigmod' is not one of the package's activations; did you mean sigmoid?", (Z, "sigmod"), {}),
    "another name": (ValueError, "they are sigmoid, tanh", (Z, "swiglu"), {}),
    "unknown parameter": (TypeError, "sigmoid has no parameter 'alpha'", (Z, "sigmoid"), {"alpha": 1}),
    "parameter's shape": (
        ValueError,
        "alpha of shape (2,) does not broadcast to z's shape (4, 3)",
        (Z, "elu"),
        {"alpha": [1, 2]},
    ),
    "larger parameter": (ValueError, "alpha of shape (2, 4, 3) does not", (Z, "elu"), {"alpha": np.ones((2, 4, 3))}),
    "complex": (TypeError, "z has dtype complex128", (Z * 1j, "relu"), {}),
    "words": (TypeError, "z has dtype <U1", (["a"], "relu"), {}),
    "masked": (TypeError, "z.filled(np.nan)", (np.ma.masked_equal([1.0, 2.0], 2), "relu"), {}),
    "empty": (ValueError, "shape (0, 3): there is nothing", (Z[:0], "relu"), {}),
    "axis": (np.exceptions.AxisError, "axis=2 is out of range; z has 2 axes", (Z, "relu", 2), {}),
    "axis twice": (ValueError, "axis=(0, -2) names an axis twice", (Z, "relu", (0, -2)), {}),
    "axis of a word": (TypeError, "axis='rows'", (Z, "relu", "rows"), {}),
    "axis of a number": (np.exceptions.AxisError, "z has 0 axes", (1.0, "relu"), {}),
    "threshold 0": (ValueError, "threshold=0; give", (Z, "relu"), {"threshold": 0}),
    "threshold": (ValueError, "threshold='low'; give", (Z, "relu"), {"threshold": "low"}),
    "no bins": (ValueError, "bins=0; give 1 to 1024", (Z, "relu"), {"bins": 0}),
    "edges": (TypeError, "edges of your own", (Z, "relu"), {"bins": [0, 1, 2]}),
    "range": (ValueError, "range=(1, 0); give two finite", (Z, "relu"), {"range": (1, 0)}),
    "infinite range": (ValueError, "give two finite", (Z, "relu"), {"range": (0, np.inf)}),
    "one number": (ValueError, "range=3; give two", (Z, "relu"), {"range": 3}),
    "digits": (ValueError, "range='01'; give two", (Z, "relu"), {"range": "01"}),
    "narrow": (ValueError, "too narrow for 20 bins", (Z, "relu"), {"range": (1, 1 + 1e-15)}),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_error(kind):
    error, words, given, options = ERRORS[kind]
    with pytest.raises(error) as caught:
        al.diagnose(*given, **options)
    assert words in str(caught.value), caught.value
    assert str(caught.value).startswith(("diagnose: ", "sigmoid has"))
