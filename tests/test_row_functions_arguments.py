"""What a function of rows takes: z and g of any axis, layout and dtype, masks, keepdims, out; compared with plain calls."""

import numpy as np
import pytest
from helpers_arrays import DTYPE_RULE, Tagged, layouts
from helpers_row_functions import along, masks, results, rows_and_slopes

from actloss_c import baseline_rows

FLOATS = (np.float16, np.float32, np.float64, np.longdouble)


def sample(case, shape=(6, 7, 9)):
    """(the function, its entry, finite z of this shape, g)."""
    random = np.random.default_rng(0)
    z, g = (random.normal(scale=4, size=shape).astype(case.dtype) for _ in range(2))
    return case.function, case.entry, z, (g[..., 0].copy() if case.entry.reduces else g)


def test_shapes_and_dtypes_of_the_results(row_case):
    for shape in ((9,), (4, 9), (2, 3, 4, 50), (5, 1)):
        f, entry, z, g = sample(row_case, shape)
        for axis in range(-len(shape), len(shape)):
            there = np.moveaxis(z, -1, axis)
            values, gradient = f(there, axis), f.backward(along(entry, g, axis), there, axis)
            assert values.shape == (shape[:-1] if entry.reduces else there.shape) and values.dtype == row_case.dtype
            assert gradient.shape == there.shape and gradient.dtype == row_case.dtype
    if row_case.entry.reduces:
        assert type(f(z[0])) is row_case.dtype.type, "one row's value is a scalar, as NumPy's reductions return it"


def test_every_layout(row_case, assert_same_bits):
    f, entry, base, g = sample(row_case)
    want = results(f, g, base)
    for (layout, z), slope in zip(layouts(base).items(), reversed(layouts(g).values()), strict=True):
        z.flags.writeable = slope.flags.writeable = False
        for kind, got in results(f, slope, z).items():
            assert_same_bits(got, want[kind], f"{kind}, {layout}")
    for kind, got in results(f, g.view(Tagged), base.view(Tagged)).items():
        assert type(got) is np.ndarray
        assert_same_bits(got, want[kind], f"{kind}, subclass")


def test_stride_zero(row_case, assert_same_bits):
    f, entry, row, _ = sample(row_case, (1, 60))
    for base in (row, row.T):
        z = np.broadcast_to(base, (60, 60))
        g = z[:, 0] if entry.reduces else z[::-1]
        want = results(f, g.copy(), z.copy())
        for kind, got in results(f, g, z).items():
            assert_same_bits(got, want[kind], kind)


def test_dtype_rule(row_function, assert_same_bits):
    """z alone decides; g is cast; dtype= overrides."""
    z = np.abs(np.random.default_rng(0).normal(scale=4, size=(40, 7)))
    g = np.random.default_rng(1).normal(size=40 if row_function.name == "logsumexp" else (40, 7))
    for given, expected in (*DTYPE_RULE.items(), (">f4", np.float32), (">f8", np.float64)):
        there = z.astype(given)
        want = results(row_function, g.astype(expected), there.astype(expected))
        for slope in (g, g.astype(expected), g.astype(">f8")):
            for kind, got in results(row_function, slope, there).items():
                assert_same_bits(got, want[kind], f"{kind}, {given}")
        for dtype in (np.float32, np.float64, "f4", "float64"):
            got = row_function(there, dtype=dtype)
            assert_same_bits(got, row_function(there.astype(dtype)), f"{given}, dtype={dtype}")
    want = results(row_function, g, z)
    for kind, got in results(row_function, g.tolist(), z.tolist()).items():
        assert_same_bits(got, want[kind], f"{kind}, lists")


def test_g_is_broadcast(row_case, assert_same_bits):
    f, entry, z, g = sample(row_case)
    shape = z.shape[:2] if entry.reduces else z.shape
    for given in (2.0, 2, np.float32(2), g[:1], g[:, :1], g[0, 0], g[0], [[0.5]]):
        want = f.backward(np.ascontiguousarray(np.broadcast_to(given, shape)), z)
        assert_same_bits(f.backward(given, z), want, f"g of shape {np.shape(given)}")


def test_keepdims(row_case, assert_same_bits):
    if not row_case.entry.reduces:
        return
    f, _, z, g = sample(row_case)
    for axis in range(-3, 3):
        there = np.moveaxis(z, -1, axis)
        values = f(there, axis)
        out = np.empty(np.expand_dims(values, axis).shape, z.dtype)
        for got in (f(there, axis, keepdims=True), f(there, axis, keepdims=True, out=out)):
            assert_same_bits(got, np.expand_dims(values, axis))
        got = f.backward(np.expand_dims(g, axis), there, axis, keepdims=True)
        assert_same_bits(got, f.backward(g, there, axis))
    assert f(z[0, 0], keepdims=True).shape == (1,)


def test_masks_of_every_layout(row_case, assert_same_bits):
    f, entry, z, g = sample(row_case)
    mask = masks(z.shape)
    want = results(f, g, z, where=mask)
    wide = np.zeros([2 * n for n in z.shape], bool)[::2, ::-2, ::2]
    wide[...] = mask
    bytes_of_255 = (mask * np.uint8(255)).view(bool)
    views = {"F": np.asfortranarray(mask), "strided": wide, "list": mask.tolist(), "subclass": mask.view(Tagged)}
    views["bytes of 255"] = bytes_of_255
    for layout, view in views.items():
        for kind, got in results(f, g, z, where=view).items():
            assert_same_bits(got, want[kind], f"{kind}, mask {layout}")
    for nothing in (False, np.False_, np.zeros(z.shape, bool), np.zeros(9, bool)):
        values, gradient = results(f, g, z, where=nothing).values()
        assert (values == entry.hidden).all() and not gradient.any()


def test_out(row_case, assert_same_bits):
    """Of every layout and float dtype; out comes back."""
    f, entry, z, g = sample(row_case)
    calls = {"value": lambda **o: f(z, **o), "backward": lambda **o: f.backward(g, z, **o)}
    for kind, call in calls.items():
        want = call()
        for layout, out in layouts(np.zeros_like(want)).items():
            assert call(out=out) is out
            assert_same_bits(out.astype(want.dtype), want, f"{kind}, {layout}")
        for dtype in FLOATS:
            out = np.zeros(want.shape, dtype)
            assert call(out=out) is out
            with np.errstate(all="ignore"):
                assert np.array_equal(out, want.astype(dtype)), (kind, dtype)
    if entry.reduces:
        out = np.zeros((), row_case.dtype)
        assert f(z[0, 0], out=out) is out and out == f(z[0, 0])


@pytest.mark.parametrize("shape", ((7, 5), (70, 5), (3, 60), (2, 300), (3, 4, 50), (5,)), ids=str)
def test_in_place(row_case, shape, assert_same_bits):
    """The value in place of z, the gradient in place of z or g, or of both where they are one array."""
    f, entry, start, g = sample(row_case, shape)
    want = results(f, g, start)
    for layout in layouts(start):
        native = row_case.dtype
        z = layouts(start)[layout]
        assert f.backward(g, z, out=z) is z
        assert_same_bits(z.astype(native), want["backward"], layout)
        if not entry.reduces:
            z, slope = layouts(start)[layout], layouts(g)[layout]
            assert f.backward(slope, start, out=slope) is slope
            assert_same_bits(slope.astype(native), want["backward"], layout)
            assert f(z, out=z) is z
            assert_same_bits(z.astype(native), want["value"], layout)
            z = layouts(start)[layout]
            assert f.backward(z, z, out=z) is z
            assert_same_bits(z.astype(native), f.backward(start, start), layout)


def test_out_that_shares_no_element_is_accepted(row_case, assert_same_bits):
    f, entry, z, g = sample(row_case, (70, 5))
    if entry.reduces:
        return
    want = results(f, g, z)
    wide = np.zeros((70, 10), z.dtype)
    wide[:, ::2] = z
    assert_same_bits(f(wide[:, ::2], out=wide[:, 1::2]), want["value"])
    assert_same_bits(f.backward(g, wide[:, ::2], out=wide[:, 1::2]), want["backward"])


def test_numpy_baselines_compute_the_same(row_function):
    """Those that benchmarks compare with."""
    random = np.random.default_rng(0)
    for classes in (5, 100):
        z, g = random.normal(size=(2, 30, classes))
        g = g[:, 0].copy() if row_function.name == "logsumexp" else g
        value, backward = baseline_rows.NAIVE[row_function.name]
        tuned = baseline_rows.RowFunctionBaseline(row_function.name, 30, classes, np.float64)
        y, dz = np.empty_like(g), np.empty_like(z)
        tuned.value(z, y)
        tuned.backward(g, z, dz)
        for got in (y, value(z)):
            assert np.allclose(got, row_function(z), rtol=1e-12)
        for got in (dz, backward(g, z)):
            assert np.allclose(got, row_function.backward(g, z), rtol=1e-12)


def test_no_rows(row_case):
    for shape, axis in (((0, 5), -1), ((5, 0), 0), ((0, 3, 5), 2), ((3, 0, 5), -1)):
        z = np.empty(shape, row_case.dtype)
        rows = tuple(np.delete(shape, axis))
        g = np.empty(rows if row_case.entry.reduces else shape)
        assert row_case.function(z, axis).shape == g.shape
        assert row_case.function.backward(g, z, axis, where=np.ones(shape, bool)).shape == shape


def test_rows_of_many_kinds_in_one_call(row_case, assert_same_bits):
    """A mask that leaves out whole rows does not change the others."""
    z, g = rows_and_slopes(row_case.entry, 17, row_case.dtype, (40,), special=True)
    some = np.arange(40) % 3 > 0
    want = results(row_case.function, g, z)
    for kind, got in results(row_case.function, g, z, where=some[:, np.newaxis]).items():
        assert_same_bits(got[some], want[kind][some], kind)
