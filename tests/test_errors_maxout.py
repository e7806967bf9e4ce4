"""Every refusal of the maxima over pieces and over linear maps: class, name, argument, place and value, and no byte changed."""

import numpy as np
import pytest
from helpers_arrays import sentinel
from helpers_errors import NOT_REAL, N, advice, refused
from helpers_maxout import INTEGERS

from actloss_c import _build, registry

SHAPE = (70, 5)


@pytest.fixture
def f(maxout_case):
    return maxout_case.function


@pytest.fixture
def linear(maxout_case):
    return _build.functions(maxout_case.level)[next(entry.name for entry in registry.MAXOUT if entry.linear)]


@pytest.fixture
def z(maxout_case):
    return np.random.default_rng(0).normal(size=SHAPE).astype(maxout_case.dtype)


@pytest.fixture
def inputs(maxout_case):
    """g, x, W, b."""
    random = np.random.default_rng(0)
    return [random.normal(size=shape).astype(maxout_case.dtype) for shape in ((9, 4), (9, 3), (2, 3, 4), (2, 4))]


def results(f, z):
    """(y, which) for comparison, and outputs for both, full of a sentinel."""
    return *f.value_and_argmax(z), sentinel(z.shape[:1], z.dtype), sentinel(z.shape[:1], np.intp)


# --- which -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", (*INTEGERS, ">i4"))
def test_piece_out_of_range(f, z, given):
    """thinc 9.1 writes in front of the array for a negative one."""
    y, which, *_ = results(f, z)
    info = np.iinfo(given)
    for bad in (5, 6, info.max, info.min, -1):
        if info.min <= bad <= info.max and bad:
            for row in (0, 37, 69):
                wrong, dz = which.astype(given), sentinel(SHAPE, z.dtype)
                wrong[row] = bad
                for out in (None, dz):
                    with refused(IndexError, f"{f.name}.backward", f"which[{row}]", wrong[row], "[0, 5)", keeps=[y, wrong, dz]):
                        f.backward(y, wrong, 5, out=out)


def test_first_bad_piece_is_named_by_its_place_in_which(f, z):
    which = np.zeros((4, 6), np.int64)
    which[1, 2], which[1, 4], which[3, 0] = 3, -1, 7
    for given in (which, np.asfortranarray(which), which[::-1].copy()[::-1], which.astype(np.int8), which.tolist()):
        with refused(IndexError, f.name, "which[1, 2]", 3, "[0, 3)"):
            f.backward(1.0, given, 3, 1)
    with refused(IndexError, f.name, "which", 2, "[0, 2)"):
        f.backward(1.0, 2, 2)


def test_map_out_of_range(linear, inputs):
    g, x, w, b = inputs
    which = linear.value_and_argmax(x, w, b)[1]
    for bad in (2, -1, 2**40):
        wrong, outs = which.copy(), tuple(sentinel(a.shape, a.dtype) for a in (x, w, b))
        wrong[4, 3] = bad
        with refused(IndexError, f"{linear.name}.backward", "which[4, 3]", bad, "[0, 2)", keeps=[*inputs, wrong, *outs]):
            linear.backward(g, x, w, wrong, out=outs)


def test_which_that_is_no_integer(f, z, linear, inputs):
    y, which, *_ = results(f, z)
    g, x, w, _ = inputs
    for bad in (which.astype(float), which.astype(np.float16), [0.5], [None], ["a"], which.astype(complex)):
        with refused(TypeError, f"{f.name}.backward", "which", "integers", keeps=[y]):
            f.backward(1.0, bad, 5)
        with refused(TypeError, f"{linear.name}.backward", "which", "integers", keeps=[g, x, w]):
            linear.backward(g, x, w, bad)


# --- the other inputs --------------------------------------------------------------------------------------------------------


def test_inputs_that_are_not_real(f, linear):
    maps = np.ones((2, 1, N)), np.ones((2, N))
    for what, bad in NOT_REAL.items():
        for call in (f, f.value_and_argmax):
            with refused(TypeError, f.name, "z", *advice(what)):
                call(bad)
        with refused(TypeError, f"{f.name}.backward", "g", *advice(what)):
            f.backward(bad, np.zeros(N, int), 2)
        for k, name in enumerate("xWb"):
            arguments = [np.ones((3, 1)), *maps]
            arguments[k] = bad
            if name != "b" or bad is not None:  # no b at all
                with refused(TypeError, linear.name, name, *advice(what)):
                    linear(*arguments)
        for k, name in enumerate("gxW"):
            arguments = [np.ones((3, N)), np.ones((3, 1)), maps[0], np.zeros((3, N), int)]
            arguments[k] = bad
            with refused(TypeError, f"{linear.name}.backward", name, *advice(what)):
                linear.backward(*arguments)


def test_no_pieces(f, maxout_case):
    for shape, axis in (((3, 0), 1), ((0,), 0), ((0, 3), 0)):
        with refused(ValueError, f.name, 0, shape):
            f.value_and_argmax(np.empty(shape, maxout_case.dtype), axis)
    for scalar in (1.0, np.array(1.0, maxout_case.dtype)):
        with refused(ValueError, f.name, "z", "axis"):
            f(scalar)
    with refused(ValueError, f.name, 2**31, 2**31 - 1):
        f(np.broadcast_to(maxout_case.dtype.type(0), (2**31,)))


def test_number_of_pieces(f):
    for bad in (0, -1, 2**31):
        with refused(ValueError, f"{f.name}.backward", bad, 1):
            f.backward([1.0], [0], bad)
    for bad in (2.0, "2", None, [2]):
        with refused(TypeError, f"{f.name}.backward", "pieces", "integer"):
            f.backward([1.0], [0], bad)


def test_axis(f, z):
    y, which, *_ = results(f, z)
    for call in (lambda axis: f(z, axis), lambda axis: f.value_and_argmax(z, axis), lambda axis: f.backward(y, which, 5, axis)):
        for bad in (2, -3, 2**70):
            with refused(np.exceptions.AxisError, f.name, bad, 2):
                call(bad)
        for bad in (1.0, None, (0, 1), "1"):
            with refused(TypeError, f.name, "axis", "integer"):
                call(bad)


def test_dtype(f, z):
    for bad in (np.float16, int, complex, "nothing", object()):
        with refused(TypeError, f.name, "float32", "float64"):
            f(z, dtype=bad)


def test_shapes_of_the_gradient(f, z, linear, inputs):
    _, which, *_ = results(f, z)
    g, x, w, b = inputs
    maps = linear.value_and_argmax(x, w, b)[1]
    for shape in ((69,), (70, 5), (2, 70), (0,)):
        with refused(ValueError, f"{f.name}.backward", "g", shape, (70,)):
            f.backward(np.ones(shape), which, 5)
    for shape in ((9, 5), (8, 4), (2, 9, 4)):
        with refused(ValueError, f"{linear.name}.backward", "g", shape, (9, 4)):
            linear.backward(np.ones(shape), x, w, maps)
        with refused(ValueError, f"{linear.name}.backward", "which", shape, (9, 4)):
            linear.backward(g, x, w, np.zeros(shape, int))


def test_shapes_of_the_maps(linear, inputs):
    g, x, w, b = inputs
    maps = linear.value_and_argmax(x, w, b)[1]
    for shape in ((3, 4), (2, 1, 3, 4), (0, 3, 4), ()):
        for call in (lambda bad: linear(x, bad), lambda bad: linear.backward(g, x, bad, maps)):
            with refused(ValueError, linear.name, "W", shape, "(k, d, u)"):
                call(np.ones(shape))
    for shape in ((9, 4), (), (3, 9), (0,)):
        for call in (lambda bad: linear(bad, w), lambda bad: linear.backward(g, bad, w, maps)):
            with refused(ValueError, linear.name, "x", shape, 3):
                call(np.ones(shape))
    for shape in ((4,), (2, 1), (1, 4), (2, 9, 4), ()):
        with refused(ValueError, linear.name, "b", shape, (2, 4)):
            linear(x, w, np.ones(shape))


# --- out ---------------------------------------------------------------------------------------------------------------------


def each_out(f, z, linear, inputs):
    """(call of out=, name, label, shape, whether it takes integers): every output, alone among its fellows."""
    g, x, w, b = inputs
    y, which, *_ = results(f, z)
    maps = linear.value_and_argmax(x, w, b)[1]
    yield lambda out: f(z, out=out), f.name, "out", y.shape, False
    yield lambda out: f.value_and_argmax(z, out=(out, None)), f.name, "out[0]", y.shape, False
    yield lambda out: f.value_and_argmax(z, out=(None, out)), f.name, "out[1]", y.shape, True
    yield lambda out: f.backward(y, which, 5, out=out), f"{f.name}.backward", "out", z.shape, False
    yield lambda out: linear(x, w, b, out=out), linear.name, "out", g.shape, False
    yield lambda out: linear.value_and_argmax(x, w, b, out=(out, None)), linear.name, "out[0]", g.shape, False
    yield lambda out: linear.value_and_argmax(x, w, b, out=(None, out)), linear.name, "out[1]", g.shape, True
    for k, array in enumerate((x, w, b)):
        yield (
            lambda out, k=k: linear.backward(g, x, w, maps, out=tuple(out if k == j else None for j in range(3))),
            f"{linear.name}.backward",
            f"out[{k}]",
            array.shape,
            False,
        )


@pytest.fixture
def outs(f, z, linear, inputs):
    return list(each_out(f, z, linear, inputs))


def test_out_that_is_no_array(outs):
    for call, name, label, shape, _ in outs:
        for bad in ([0.0], 1.0, "out", (sentinel(shape),)):
            with refused(TypeError, name, label, "array"):
                call(bad)


def test_out_of_a_dtype_that_holds_no_result(outs):
    for call, name, label, shape, takes_integers in outs:
        for dtype in (bool, complex, "S4", object, *((np.float32, np.float64) if takes_integers else (np.int64, np.uint8))):
            bad = sentinel(shape, dtype) if dtype is not object else np.empty(shape, object)
            with refused(
                TypeError, name, label, np.dtype(dtype), "integers" if takes_integers else "floating-point", keeps=[bad]
            ):
                call(bad)


def test_out_that_is_read_only_repeats_itself_or_has_another_shape(outs):
    for call, name, label, shape, takes_integers in outs:
        dtype = np.int64 if takes_integers else np.float32
        bad = sentinel(shape, dtype)
        bad.flags.writeable = False
        with refused(ValueError, name, label, "read-only", "writable", keeps=[bad]):
            call(bad)
        bad = np.lib.stride_tricks.as_strided(sentinel((1,), dtype), shape, (0,) * len(shape))
        with refused(ValueError, name, label, "repeats", keeps=[bad]):
            call(bad)
        for wrong in (shape[1:], (*shape, 1), (1, *shape), (shape[0] + 1, *shape[1:]), ()):
            bad = sentinel(wrong, dtype)
            with refused(ValueError, name, label, wrong, shape, keeps=[bad]):
                call(bad)


def test_out_that_is_too_narrow_for_the_pieces(f, maxout_case):
    for given, count in (("int8", 129), ("uint8", 257), ("int16", 2**15 + 1), ("uint16", 2**16 + 1)):
        bad = sentinel((2,), given)
        with refused(ValueError, f.name, "out[1]", given, count - 1, keeps=[bad]):
            f.value_and_argmax(np.zeros((2, count), maxout_case.dtype), out=(None, bad))


def test_outs_of_the_wrong_number(f, z, linear, inputs):
    g, x, w, b = inputs
    maps = linear.value_and_argmax(x, w, b)[1]
    one, three = sentinel((70,)), tuple(sentinel(a.shape) for a in (x, w, b))
    for bad in (one, [one, one], (one,), (one, one, one), ()):
        with refused(TypeError, f.name, "out", "two", keeps=[one]):
            f.value_and_argmax(z, out=bad)
        with refused(TypeError, linear.name, "out", "two", keeps=[one]):
            linear.value_and_argmax(x, w, b, out=bad)
    for bad in (one, list(three), three[:2], (*three, None), ()):
        with refused(TypeError, f"{linear.name}.backward", "out", "three", keeps=three):
            linear.backward(g, x, w, maps, out=bad)


# --- overlap -----------------------------------------------------------------------------------------------------------------


def test_outs_that_overlap_each_other(f, z, linear, inputs):
    g, x, w, b = inputs
    memory = sentinel((1000,), np.float64)
    whole = memory.view(np.int64)
    for y, which in ((memory[:70], whole[69:139]), (memory[:70], whole[:70]), (memory[:140:2], whole[40:110])):
        with refused(ValueError, f.name, "out[0]", "out[1]", "overlap", keeps=[z, memory]):
            f.value_and_argmax(z, out=(y, which))
    with refused(ValueError, linear.name, "out[0]", "out[1]", "overlap", keeps=[*inputs, memory]):
        linear.value_and_argmax(x, w, b, out=(memory[:36].reshape(9, 4), whole[35:71].reshape(9, 4)))
    maps = linear.value_and_argmax(x, w, b)[1]
    for k, j in ((0, 1), (0, 2), (1, 2)):
        start = [0, 100, 200]
        start[j] = start[k] + 1
        given = tuple(memory[first:][: a.size].reshape(a.shape) for first, a in zip(start, (x, w, b), strict=True))
        with refused(ValueError, f"{linear.name}.backward", f"out[{k}]", f"out[{j}]", "overlap", keeps=[*inputs, memory]):
            linear.backward(g, x, w, maps, out=given)


def test_outs_that_interleave_are_accepted(f, z):
    memory = sentinel((1000,), np.float64)
    got = f.value_and_argmax(z, out=(memory[:140:2], memory.view(np.int64)[1:141:2]))
    assert np.array_equal(got[0], z.max(1)) and np.array_equal(got[1], z.argmax(1))


def test_out_that_overlaps_z(f, z):
    over, whole = z.reshape(-1)[7:77], z.reshape(-1).view(f"i{z.itemsize}")[7:77]
    for call in (lambda: f(z, out=over), lambda: f.value_and_argmax(z, out=(over, None)), lambda: f(z, out=z[:, 0])):
        with refused(ValueError, f.name, "overlaps", keeps=[z]):
            call()
    for outs in ((None, whole), (over, np.zeros(70, int))):
        with refused(ValueError, f.name, "overlaps", keeps=[z]):
            f.value_and_argmax(z, out=outs)


def test_gradient_that_overlaps_g_or_which(f):
    memory = np.zeros(350)
    dz = memory.reshape(70, 5)
    whole = memory.view(np.int64)
    for g, which in ((memory[:70], np.zeros(70, int)), (1.0, whole[100:170]), (1.0, whole.view(">i8")[100:170])):
        with refused(ValueError, f"{f.name}.backward", "out", "overlaps", keeps=[memory]):
            f.backward(g, which, 5, out=dz)


def test_out_that_overlaps_an_input_of_the_maps(linear, inputs):
    """Only dx may lie on an input: on x itself."""
    g, x, w, b = inputs
    maps = linear.value_and_argmax(x, w, b)[1]
    square = [np.ones(shape, x.dtype) for shape in ((9, 4), (2, 4, 4), (2, 4))]
    for out in (square[0], square[1].reshape(-1)[:8].reshape(2, 4)):
        with refused(ValueError, linear.name, "out", "overlaps", keeps=square):
            linear(square[0] if out.shape == (9, 4) else square[0][:2], *square[1:], out=out)
    eights = w.reshape(-1)[:8].reshape(2, 4)
    for k, outs in enumerate(((x[::-1], None, None), (None, w, None), (None, None, eights))):
        with refused(ValueError, f"{linear.name}.backward", f"out[{k}]", "overlaps", keeps=inputs):
            linear.backward(g, x, w, maps, out=outs)
    memory = np.ones(11, x.dtype)
    windows = np.lib.stride_tricks.sliding_window_view(memory, 3, writeable=True)
    with refused(ValueError, f"{linear.name}.backward", "out[0]", "overlaps", keeps=[memory]):
        linear.backward(g, windows, w, maps, out=(windows, None, None))
    with refused(ValueError, f"{linear.name}.backward", "out[0]", "overlaps", keeps=square):
        linear.backward(square[0], np.ones((9, 4), x.dtype), square[1], np.zeros((9, 4), int), out=(square[0], None, None))
