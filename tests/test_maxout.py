"""Maxima over pieces: a bit-for-bit copy of the piece that NumPy's argmax picks, and g at that piece, in any place and layout."""

import itertools

import numpy as np
import pytest
from helpers_arrays import DTYPE_RULE, FLOAT32, FLOAT64, Tagged, layouts, sentinel
from helpers_maxout import INTEGERS, SHAPES, axes, picked, pieces, slopes, spread, without

# --- the maximum -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_maximum_and_its_piece(maxout_case, shape, assert_same_bits):
    f = maxout_case.function
    for axis, seed in itertools.product(axes(shape), range(3)):
        z = pieces(maxout_case.dtype, shape, seed)
        y, which = picked(z, axis)
        got, of = f.value_and_argmax(z, axis)
        assert_same_bits(got, y, f"{maxout_case}, axis {axis}")
        assert_same_bits(f(z, axis), y, f"{maxout_case}, axis {axis}, alone")
        assert np.asarray(of).dtype == np.intp and np.array_equal(of, which), f"axis {axis}: {of}, not {which}"


def test_any_numbers(maxout_case, patterns, assert_same_bits):
    """Of every exponent, NaN and subnormals included, and of every number of pieces around the blocks."""
    for count in (*range(1, 19), 31, 32, 33, 34, 64, 65, 67, 100, 1000):
        z = patterns(maxout_case.dtype, 61 * count, seed=count).reshape(61, count)
        for axis, array in ((-1, z), (0, z.T.copy())):
            y, which = picked(array, axis)
            got, of = maxout_case.function.value_and_argmax(array, axis)
            assert_same_bits(got, y, f"{count} pieces along axis {axis}")
            assert np.array_equal(of, which)


def test_ties_go_to_the_first_piece(maxout_case):
    f, dtype = maxout_case.function, maxout_case.dtype
    rows = ([1, 3, 3], [0.0, -0.0], [-0.0, 0.0], [-np.inf] * 3, [np.inf, 1, np.inf], [2] * 70)
    for row, at in zip(rows, (1, 0, 0, 0, 0, 0), strict=True):
        for n in (1, 16, 40):
            y, which = f.value_and_argmax(np.array([row] * n, dtype))
            assert (which == at).all()
            assert (y == row[at]).all() and (np.signbit(y) == np.signbit(row[at])).all()


def test_nan_wins(maxout_case):
    """The first NaN: thinc 9.1 gives 1 for [1, NaN, 2], neither the NaN nor the largest number."""
    f, dtype, nan = maxout_case.function, maxout_case.dtype, np.nan
    rows = ([1, nan, 2], [nan, 2, 1], [1, 2, nan], [np.inf, nan, nan], [nan, nan], [nan, np.inf])
    for row, at in zip(rows, (1, 0, 2, 1, 0, 0), strict=True):
        for n in (1, 16, 40):
            for axis, z in ((-1, np.array([row] * n, dtype)), (0, np.array([row] * n, dtype).T.copy())):
                y, which = f.value_and_argmax(z, axis)
                assert np.isnan(y).all() and np.isnan(f(z, axis)).all()
                assert (which == at).all()


# --- backward ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_backward(maxout_case, shape, assert_same_bits):
    """Integers of any width name the pieces; what is not the maximum gets +0, be g NaN or infinite."""
    f = maxout_case.function
    for axis in axes(shape):
        count, which = shape[axis], picked(pieces(FLOAT32, shape), axis)[1]
        g = slopes(maxout_case.dtype, without(shape, axis))
        for given in (*INTEGERS, *(["bool"] if count <= 2 else []), ">i4", "<u2"):
            got = f.backward(g, np.asarray(which).astype(given), count, axis)
            assert_same_bits(got, spread(g, which, count, axis), f"axis {axis}, {given}")


def test_backward_takes_lists_and_broadcasts_g(maxout_case, assert_same_bits):
    f, dtype = maxout_case.function, maxout_case.dtype
    g, which = np.array([1.5, 2.5], dtype), [[0, 2], [1, 1], [2, 0]]
    want = spread(np.broadcast_to(g, (3, 2)), which, 3, 1)
    assert_same_bits(f.backward(g, which, 3, 1), want)
    assert_same_bits(f.backward(g, which, np.int8(3), np.int64(1)), want)
    assert_same_bits(f.backward(dtype.type(2), 1, 4), np.array([0, 2, 0, 0], dtype))
    assert_same_bits(f.backward([1.5, 2.5], [0, 1], 2), np.array([[1.5, 0], [0, 2.5]]))


def test_backward_is_the_derivative(maxout_case):
    """f(z + t·h) − f(z) = t·Σ dz·h, exactly: whole numbers, all different, a step too small to change which is the largest."""
    f, dtype, random = maxout_case.function, maxout_case.dtype, np.random.default_rng(3)
    for count, axis in ((2, -1), (4, 1), (5, 0), (40, -1)):
        z = np.moveaxis(random.permuted(np.tile(np.arange(count), (20, 6, 1)), axis=-1), -1, axis).astype(dtype)
        h = random.integers(-7, 8, z.shape).astype(dtype)
        y, which = f.value_and_argmax(z, axis)
        t = dtype.type(2.0**-6)
        slope = (f(z + t * h, axis) - y) / t
        assert np.array_equal((f.backward(np.ones_like(y), which, count, axis) * h).sum(axis), slope)


# --- arrays as they come -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(70, 4), (33, 5), (4, 5, 20), (3, 2, 17)], ids=str)
def test_layouts_give_the_same_bits(maxout_case, shape, assert_same_bits):
    f, dtype = maxout_case.function, maxout_case.dtype
    z = pieces(dtype, shape)
    for axis in axes(shape)[: len(shape)]:
        y, which = picked(z, axis)
        g = slopes(dtype, y.shape)
        dz = spread(g, which, shape[axis], axis)
        for layout, array in layouts(z).items():
            got, of = f.value_and_argmax(array, axis)
            assert_same_bits(got, y, f"{layout}, axis {axis}")
            assert np.array_equal(of, which), layout
            array[...] = 7
            assert f.backward(g, which, shape[axis], axis, out=array) is array
            assert_same_bits(np.array(array, dtype), dz, f"backward into {layout}, axis {axis}")
        for a, b in zip(layouts(g).items(), layouts(which).items(), strict=True):
            assert_same_bits(f.backward(a[1], b[1], shape[axis], axis), dz, f"backward of {a[0]}, {b[0]}, axis {axis}")


def test_every_row_wherever_it_stands(maxout_case, assert_same_bits):
    """Alone, in any length of batch, in any order, and through the steps that repeat rows."""
    f, z = maxout_case.function, pieces(maxout_case.dtype, (67, 3))
    y, which = picked(z, 1)
    for n in range(1, 68):
        for part in (slice(0, n), slice(67 - n, None), slice(None, None, n), slice(None, None, -n)):
            for array, axis in ((z[part], 1), (z[part].copy(), 1), (z[part].T, 0), (z[part].T.copy(), 0)):
                got, of = f.value_and_argmax(array, axis)
                assert_same_bits(got, y[part])
                assert np.array_equal(of, which[part])


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_out(maxout_case, axis, assert_same_bits):
    """Of any layout, any floating-point dtype, any integer width; nothing but the result is written, and out comes back."""
    f, dtype, shape = maxout_case.function, maxout_case.dtype, (6, 5, 20)
    z = np.random.default_rng(4).normal(size=shape).astype(dtype)
    y, which = picked(z, axis)
    y_outs = [*layouts(y).values(), *(np.empty(y.shape, d) for d in (np.float16, np.float32, np.float64))]
    which_outs = [*layouts(which).values(), *(np.empty(y.shape, d) for d in INTEGERS), np.empty(y.shape, ">u2")]
    for a, b in itertools.zip_longest(y_outs, which_outs):
        for outs in ((a, b), (a, None), (None, b)):
            for out in outs:
                if out is not None:
                    out[...] = 1
            got = f.value_and_argmax(z, axis, out=outs)
            assert all(result is out for result, out in zip(got, outs, strict=True) if out is not None)
            with np.errstate(over="ignore"):
                assert_same_bits(np.array(got[0], dtype), np.array(y.astype(got[0].dtype), dtype))
            assert np.array_equal(got[1], which)
        if a is not None:
            a[...] = 1
            assert f(z, axis, out=a) is a and np.array_equal(a, y.astype(a.dtype))
    wide, gaps = sentinel((2 * y.shape[0], *y.shape[1:]), dtype), sentinel((2 * y.shape[0], *y.shape[1:]), np.int16)
    f.value_and_argmax(z, axis, out=(wide[::2], gaps[::2]))
    for between in (wide[1::2], gaps[1::2]):
        assert between.tobytes() == sentinel(y.shape, between.dtype).tobytes()
    dz = np.empty(shape, np.float16)
    assert f.backward(y, which, shape[axis], axis, out=dz) is dz
    assert np.array_equal(dz, spread(y, which, shape[axis], axis).astype(np.float16))


def test_narrowest_out_that_holds_the_pieces(maxout_case):
    for (given, count), n in itertools.product((("int8", 128), ("uint8", 256), ("int16", 300), ("uint16", 1 << 16)), (3, 17)):
        z = np.arange(n * count, dtype=maxout_case.dtype).reshape(n, count) % 32771
        z[:, -1] = 40000
        which = maxout_case.function.value_and_argmax(z, out=(None, np.empty(n, given)))[1]
        assert (which == count - 1).all()
        for g in (z[:, 0], z[:, 0].copy()):
            assert np.array_equal(maxout_case.function.backward(g, which, count), spread(g, which, count, 1))


def test_fresh_results_lie_in_memory_like_z(maxout_case):
    """Rows are independent: they are taken, and left, as they follow each other in memory."""
    f, z = maxout_case.function, np.zeros((3, 4, 5, 6), maxout_case.dtype)
    for order in itertools.permutations(range(4)):
        array = z.transpose(order).copy().transpose(np.argsort(order))
        for axis in range(4):
            for result in f.value_and_argmax(array, axis):
                want = np.argsort([-s for s in without(array.strides, axis)])
                assert np.array_equal(np.argsort([-s for s in result.strides]), want)


def test_dtype_rule(maxout_case):
    f = maxout_case.function
    for given, dtype in DTYPE_RULE.items():
        z = np.array([[1, 0], [0, 1]], given)
        y, which = f.value_and_argmax(z)
        assert y.dtype == f(z).dtype == f.backward(z[:, 0], which, 2).dtype == dtype and which.dtype == np.intp
        assert y.tolist() == [1, 1] and which.tolist() == [0, 1]
        for chosen in (FLOAT32, FLOAT64):
            assert f(z, dtype=chosen).dtype == f.value_and_argmax(z, dtype=chosen)[0].dtype == chosen
    assert f([1, 2]).dtype == FLOAT64 and f(np.zeros((2, 2), ">f4")).dtype == FLOAT32


def test_results_without_axes_are_scalars(maxout_case):
    f, dtype = maxout_case.function, maxout_case.dtype
    y, which = f.value_and_argmax(np.array([1, 3, 2], dtype))
    assert isinstance(y, dtype.type) and isinstance(which, np.intp) and (y, which) == (3, 1)
    assert isinstance(f(np.array([1, 3, 2], dtype)), dtype.type)
    outs = np.empty((), dtype), np.empty((), np.int8)
    assert all(a is b for a, b in zip(f.value_and_argmax([1, 3, 2], out=outs), outs, strict=True)) and outs == (3, 1)


def test_subclasses_do_not_come_back(maxout_case):
    z = np.ones((3, 2), maxout_case.dtype).view(Tagged)
    y, which = maxout_case.function.value_and_argmax(z)
    assert type(y) is type(which) is type(maxout_case.function.backward(y.view(Tagged), which.view(Tagged), 2)) is np.ndarray
    out = np.empty(3, maxout_case.dtype).view(Tagged)
    assert maxout_case.function(z, out=out) is out and (out == 1).all()


def test_empty_batches(maxout_case):
    f, dtype = maxout_case.function, maxout_case.dtype
    for shape, axis in (((0, 3), 1), ((3, 0), 0), ((2, 0, 5), 2), ((0, 1), -1)):
        y, which = f.value_and_argmax(np.empty(shape, dtype), axis)
        assert y.shape == which.shape == without(shape, axis) and y.dtype == dtype
        assert f.backward(y, which, shape[axis], axis).shape == shape
    assert f.backward([], [], 4).shape == (0, 4)


def test_nothing_raises_a_flag(maxout_case, specials):
    f, dtype = maxout_case.function, maxout_case.dtype
    z = np.resize(specials(dtype), (50, 7))
    wide = np.resize(specials(FLOAT64), (50, 7))
    with np.errstate(all="raise"):
        for axis in (0, 1):
            y, which = f.value_and_argmax(z, axis, out=(np.empty(z.shape[1 - axis], np.float16), None))
            f.value_and_argmax(wide, axis, dtype=np.float32)
            f.backward(z[0, 0] if axis else z[0], which, z.shape[axis], axis, out=np.empty(z.shape, np.float16))
