"""Every refusal of an activation's out and where: the error's class, a message that names the output, and no byte changed."""

import numpy as np
import pytest
from helpers_activations import ACTIVATIONS, KINDS, is_learned
from helpers_arrays import as_out, sentinel
from helpers_errors import Activation, N, numbers, overlapping, refused

from actloss_c import registry

EACH_KIND = pytest.mark.parametrize("kind", KINDS)
OVERLAP = ("out[0]", "out[1]", "overlap")


def each_out(name, kind):
    """(call, place, x, options) for every output, on both ways through the code: plain arguments, and with a dtype override."""
    call = Activation(name, kind)
    for place in range(call.outputs):
        for options in ({}, {"dtype": np.float32}):
            yield call, place, numbers(), options


@ACTIVATIONS
@EACH_KIND
def test_out_that_is_no_array(name, kind):
    for call, place, x, options in each_out(name, kind):
        for bad in ([0.0] * N, 1.0, np.float32(1), "out"):
            out, outs = call.out(place, bad, x)
            with refused(TypeError, name, call.label(place), "array", keeps=outs):
                call(x, out=out, **options)


@ACTIVATIONS
@EACH_KIND
def test_out_of_a_dtype_that_holds_no_result(name, kind):
    for call, place, x, options in each_out(name, kind):
        for dtype in (np.int32, np.int64, np.uint8, bool, np.complex64, "S4", "M8[s]"):
            out, outs = call.out(place, sentinel(call.shape(place, x), dtype), x)
            with refused(TypeError, name, call.label(place), np.dtype(dtype), "floating-point", keeps=outs):
                call(x, out=out, **options)


@ACTIVATIONS
@EACH_KIND
def test_out_that_is_read_only(name, kind):
    """With the other output given, and without."""
    for call, place, x, options in each_out(name, kind):
        bad = sentinel(call.shape(place, x))
        bad.flags.writeable = False
        _, outs = call.out(place, bad, x)
        for given in (outs, [out if out is bad else None for out in outs]):
            with refused(ValueError, name, call.label(place), "read-only", "writable", keeps=given):
                call(x, out=as_out(given), **options)


@ACTIVATIONS
@EACH_KIND
def test_out_that_repeats_its_elements(name, kind):
    """Writable, of the right shape, and one element in memory."""
    for call, place, x, options in each_out(name, kind):
        if call.shape(place, x):
            bad = np.lib.stride_tricks.as_strided(sentinel(1), (N,), (0,))
            out, outs = call.out(place, bad, x)
            with refused(ValueError, name, call.label(place), "repeats", keeps=outs):
                call(x, out=out, **options)


@ACTIVATIONS
@EACH_KIND
def test_out_of_another_shape(name, kind):
    """Also of one that NumPy would broadcast to: an array larger than the result is more likely a mistake."""
    for call, place, x, options in each_out(name, kind):
        right = call.shape(place, x)
        for shape in ((N - 1,), (2 * N,), (1, N), (3, N), (N, 1), (0,), (1,), ()):
            if shape != right:
                out, outs = call.out(place, sentinel(shape), x)
                with refused(ValueError, name, call.label(place), shape, right, keeps=outs):
                    call(x, out=out, **options)


@ACTIVATIONS
@EACH_KIND
def test_out_of_the_wrong_number(name, kind):
    call, x = Activation(name, kind), numbers()
    outs = [sentinel(N) for _ in range(3)]
    for bad in (tuple(outs), (), tuple(outs[: 3 - call.outputs]), *([outs[0], outs[:2]] if call.outputs == 2 else [])):
        with refused(TypeError, name, "out", keeps=outs):
            call(x, out=bad)


@ACTIVATIONS
@pytest.mark.parametrize("dtype", (np.float32, np.float64), ids=("float32", "float64"))
def test_two_outputs_that_overlap(name, dtype):
    call = Activation(name, "value_and_grad")
    for shape in ((N,), (5, 10), ()):
        x = numbers(dtype, shape)
        for options in ({}, {"where": np.ones(shape, bool)}, {"dtype": dtype}):
            for y, dy in overlapping(shape, dtype).values():
                with refused(ValueError, name, *OVERLAP, keeps=[x, y, dy]):
                    call(x, out=(y, dy), **options)


@pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS if is_learned(e.name)])
def test_gradients_that_overlap(name):
    """dx and the parameter's gradient."""
    call, x, a = Activation(name, "backward"), numbers(), np.float32(0.5)
    dx = sentinel(N)
    with refused(ValueError, name, *OVERLAP, keeps=[dx]):
        call(x, a, out=(dx, dx[3:4].reshape(())))
    for first, second in overlapping((N,), np.float32).values():
        with refused(ValueError, name, *OVERLAP, keeps=[first, second]):
            call(x, np.full(N, a), out=(first, second))


@ACTIVATIONS
def test_outputs_that_interleave_are_accepted(name, assert_same_results):
    """They share memory's range but no element."""
    call, x = Activation(name, "value_and_grad"), numbers(shape=(5, 10))
    want = call(x)
    flat, wide = sentinel(100), sentinel((5, 20))
    for y, dy in (
        (flat[::2].reshape(5, 10), flat[1::2].reshape(5, 10)),
        (wide[:, :10], wide[:, 10:]),
        (wide[:, 1::2], wide[:, ::2]),
    ):
        got = call(x, out=(y, dy))
        assert got[0] is y and got[1] is dy
        assert_same_results(got, want)


@ACTIVATIONS
def test_where_that_is_no_mask(name):
    x = numbers()
    for kind in ("value", "grad", "value_and_grad"):
        call = Activation(name, kind)
        out, outs = call.out(0, sentinel(N), x)
        for bad in (1, np.ones(N, int), np.ones(N), [1.0] * N, "True", None):
            with refused(TypeError, name, "where", "bool", keeps=outs):
                call(x, out=out, where=bad)
        for shape in ((7,), (N, 2)):
            with refused(ValueError, name, "where", shape, keeps=outs):
                call(x, out=out, where=np.ones(shape, bool))
        with refused(ValueError, name, "out", "(3, 50)", keeps=outs):
            call(x, out=out, where=np.ones((3, N), bool))
