"""Every refusal: the error's class, a message that names function, argument and what is allowed, and no byte changed."""

import contextlib
import os
import re
import subprocess
import sys

import numpy as np
import pytest

from actloss_c import _build, _dispatch, registry

KINDS = ("value", "grad", "value_and_grad", "backward")
METHODS = {"__call__": 0, "grad": 1, "value_and_grad": 1, "grad_and_hess": 2, "value_grad_and_hess": 2}  # arrays of z's shape
EACH = pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS])
EACH_KIND = pytest.mark.parametrize("kind", KINDS)
WITH_PARAMETERS = pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS if e.params])
REAL = "float32"  # every message about a dtype says what to use instead
N = 50


def allocation(a):
    """The array that owns a's memory."""
    while isinstance(a.base, np.ndarray):
        a = a.base
    return a


@contextlib.contextmanager
def refused(error, *words, keeps=()):
    """The block raises `error` with these words in its message, and leaves every byte of the arrays in `keeps` as it is."""
    arrays = [allocation(a) for a in keeps if isinstance(a, np.ndarray) and a.dtype != object]
    before = [a.tobytes("A") for a in arrays]
    with pytest.raises(error) as caught:
        yield
    assert [a.tobytes("A") for a in arrays] == before, "an array was written before the error"
    message = str(caught.value)
    for word in words:  # a NumPy scalar has two spellings
        spelled = "|".join(re.escape(w) for w in {str(word), f"{word}"})
        assert re.search(rf"(?<![A-Za-z0-9_])({spelled})(?![A-Za-z0-9_])", message), f"{word!r} is not in {message!r}"


def sentinel(shape, dtype=np.float32):
    """An output full of bytes that no function writes."""
    return np.frombuffer(bytearray(b"\xa5" * (int(np.prod(shape)) * np.dtype(dtype).itemsize)), dtype).reshape(shape)


def numbers(dtype=np.float32, shape=N):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


class Activation:
    """One kind of an activation, called alike whatever its arguments."""

    def __init__(self, name, kind, level=_dispatch.LEVEL):
        function = _build.functions(level)[name]
        self.name = name
        self.takes_g = kind == "backward"
        self.learned = self.takes_g and any(p.learned for p in registry.FUNCTIONS[name].params)
        self.outputs = 2 if kind == "value_and_grad" or self.learned else 1
        self.method = function if kind == "value" else getattr(function, kind)

    def __call__(self, x, *params, g=None, **options):
        return self.method(*((np.ones_like(x) if g is None else g,) if self.takes_g else ()), x, *params, **options)

    def shape(self, place, x):
        """Shape of an output, for scalar parameters."""
        return () if self.learned and place == 1 else np.shape(x)

    def out(self, place, array, x, others=None):
        """(out=, all outputs): `array` in one place, good outputs or `others` in the other."""
        outs = [sentinel(self.shape(k, x), x.dtype) if others is None else others for k in range(self.outputs)]
        outs[place] = array
        return (outs[0] if self.outputs == 1 else tuple(outs)), outs

    def label(self, place):
        return f"out[{place}]" if self.outputs > 1 else "out"


NOT_REAL = {
    "complex": np.array([1j] * N),
    "strings": np.array(["1"] * N),
    "bytes": np.array([b"1"] * N),
    "objects": np.array([1.0] * N, object),
    "dates": np.array(["2020-01-01"] * N, "datetime64[D]"),
    "time spans": np.array([1] * N, "timedelta64[s]"),
    "records": np.zeros(N, [("a", "f4")]),
    "long doubles": np.array([1] * N, np.longdouble),
    "None": None,
    "a string": "1.0",
    "huge integers": [10**30] * N,
    "a ragged list": [[1.0, 2.0], [3.0]],
}
if np.dtype(np.longdouble) == np.float64:
    del NOT_REAL["long doubles"]


# --- activations -------------------------------------------------------------------------------------------------------------


@EACH
@EACH_KIND
def test_x_that_is_not_real(name, kind):
    call = Activation(name, kind)
    for what, x in NOT_REAL.items():
        out, outs = call.out(0, sentinel(N), numbers())
        for options in ({}, {"out": out}, {"dtype": np.float32}):
            if what == "long doubles" and "dtype" in options:
                continue  # the user said how
            words = (name, "x") if what == "a ragged list" else (name, "x", REAL)
            with refused(TypeError, *words, keeps=[x, *outs]):
                call(x, g=1.0, **options)


@EACH
def test_g_that_is_not_real(name):
    call = Activation(name, "backward")
    for g in NOT_REAL.values():
        if g is not None:
            out, outs = call.out(0, sentinel(N), numbers())
            words = (name, "g") if g is NOT_REAL["a ragged list"] else (name, "g", REAL)
            with refused(TypeError, *words, keeps=[g, *outs]):
                call(numbers(), g=g, out=out)


@WITH_PARAMETERS
@EACH_KIND
def test_parameter_that_is_not_real(name, kind):
    call = Activation(name, kind)
    for k, parameter in enumerate(registry.FUNCTIONS[name].params):
        for value in NOT_REAL.values():
            out, outs = call.out(0, sentinel(N), numbers())
            words = (name, parameter.name) if value is NOT_REAL["a ragged list"] else (name, parameter.name, REAL)
            good = [p.default for p in registry.FUNCTIONS[name].params]
            with refused(TypeError, *words, keeps=[value, *outs]):
                call(numbers(), *good[:k], value, out=out)
            with refused(TypeError, *words, keeps=[value, *outs]):
                call(numbers(), **{parameter.name: value}, out=out)


@EACH
@EACH_KIND
def test_dtype_that_is_not_offered(name, kind):
    call = Activation(name, kind)
    for dtype in (np.float16, np.longdouble, np.int32, complex, bool, object, ">f4"):
        if np.dtype(np.longdouble) == np.float64 and dtype is np.longdouble:
            continue
        out, outs = call.out(0, sentinel(N), numbers())
        with refused(TypeError, name, "dtype", "float32", "float64", keeps=outs):
            call(numbers(), dtype=dtype, out=out)


@EACH
@EACH_KIND
def test_dtype_that_does_not_exist(name, kind):
    with refused(TypeError, name, "dtype", "float32", "float64"):
        Activation(name, kind)(numbers(), dtype="no such dtype")


@EACH
@EACH_KIND
def test_unknown_parameter(name, kind):
    call, x = Activation(name, kind), numbers()
    out, outs = call.out(0, sentinel(N), x)
    known = [p.name for p in registry.FUNCTIONS[name].params]
    with refused(TypeError, name, "nonsense", *known, keeps=outs):
        call(x, nonsense=1.0, out=out)


@WITH_PARAMETERS
@EACH_KIND
def test_parameter_given_twice(name, kind):
    call, x = Activation(name, kind), numbers()
    for k, parameter in enumerate(registry.FUNCTIONS[name].params):
        out, outs = call.out(0, sentinel(N), x)
        with refused(TypeError, name, parameter.name, "twice", keeps=outs):
            call(x, *[0.5] * (k + 1), **{parameter.name: 0.5}, out=out)


@EACH
@EACH_KIND
def test_too_many_arguments(name, kind):
    """A second positional array is no out: it is refused, not overwritten."""
    call, x = Activation(name, kind), numbers()
    count = len(registry.FUNCTIONS[name].params)
    extra = sentinel(N)
    with refused(TypeError, name, count, keeps=[x, extra]):
        call(x, *[0.5] * count, extra)


@EACH
def test_too_few_arguments(name):
    for kind in KINDS:
        method = Activation(name, kind).method
        with pytest.raises(TypeError, match=r"\bx\b"):
            method(*([1.0] if kind == "backward" else []))


@WITH_PARAMETERS
@EACH_KIND
def test_shapes_that_do_not_broadcast(name, kind):
    call, x = Activation(name, kind), numbers()
    out, outs = call.out(0, sentinel(N), x)
    with refused(ValueError, name, "(50,)", "(7,)", "broadcast", keeps=outs):
        call(x, np.ones(7), out=out)


@EACH
def test_backward_does_not_widen(name):
    """Its result has x's shape: a larger g or parameter is refused."""
    call, x = Activation(name, "backward"), numbers()
    for g in (np.ones(7), np.ones((3, N)), np.ones((N, 1))):
        out, outs = call.out(0, sentinel(N), x)
        with refused(ValueError, name, "(50,)", keeps=[g, *outs]):
            call(x, g=g, out=out)
        with refused(ValueError, name, "(50,)"):
            call(x, g=g)
    for k in range(len(registry.FUNCTIONS[name].params)):
        with refused(ValueError, name, "(50,)", "(3, 50)"):
            call(x, *[0.5] * k, np.ones((3, 1)))


# --- activations: out and where ----------------------------------------------------------------------------------------------


def each_out(name, kind, dtype=np.float32):
    """(call, place, x) for every output, on both ways through the code: plain arguments, and with a dtype override."""
    call = Activation(name, kind)
    for place in range(call.outputs):
        for options in ({}, {"dtype": dtype}):
            yield call, place, numbers(dtype), options


@EACH
@EACH_KIND
def test_out_that_is_no_array(name, kind):
    for call, place, x, options in each_out(name, kind):
        for bad in ([0.0] * N, 1.0, np.float32(1), "out"):
            out, outs = call.out(place, bad, x)
            with refused(TypeError, name, call.label(place), "array", keeps=outs):
                call(x, out=out, **options)


@EACH
@EACH_KIND
def test_out_of_a_dtype_that_holds_no_result(name, kind):
    for call, place, x, options in each_out(name, kind):
        for dtype in (np.int32, np.int64, np.uint8, bool, np.complex64, "S4", "M8[s]"):
            out, outs = call.out(place, sentinel(call.shape(place, x), dtype), x)
            with refused(TypeError, name, call.label(place), np.dtype(dtype), "floating-point", keeps=outs):
                call(x, out=out, **options)


@EACH
@EACH_KIND
def test_out_that_is_read_only(name, kind):
    for call, place, x, options in each_out(name, kind):
        bad = sentinel(call.shape(place, x))
        bad.flags.writeable = False
        for others in (None, "none"):
            out, outs = call.out(place, bad, x)
            if others:
                outs = [o if o is bad else None for o in outs]
                out = outs[0] if len(outs) == 1 else tuple(outs)
            with refused(ValueError, name, call.label(place), "read-only", "writable", keeps=outs):
                call(x, out=out, **options)


@EACH
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


@EACH
@EACH_KIND
def test_out_of_the_wrong_number(name, kind):
    call, x = Activation(name, kind), numbers()
    outs = [sentinel(N) for _ in range(3)]
    for bad in (tuple(outs), (), tuple(outs[: 3 - call.outputs]), *([outs[0], outs[:2]] if call.outputs == 2 else [])):
        with refused(TypeError, name, "out", keeps=outs):
            call(x, out=bad)


def overlapping(shape, dtype):
    """{id: two arrays of this shape that share an element}."""
    a = sentinel(shape, dtype)
    count = a.size
    b = sentinel(3 * count, dtype)
    made = {
        "the same array": (a, a),
        "two views of the same elements": (a[...], a.reshape(shape)),
        "one shared element": (b[:count].reshape(shape), b[count - 1 : 2 * count - 1].reshape(shape)),
        "strided and not": (b[: 2 * count : 2].reshape(shape), b[count : 2 * count].reshape(shape)),
    }
    if count > 1:
        made["reversed"] = (b[:count].reshape(shape), b[:count][::-1].reshape(shape))
        made["shifted by one"] = (b[:count].reshape(shape), b[1 : count + 1].reshape(shape))
        other = np.dtype(np.float64 if dtype == np.float32 else np.float32)
        wide = sentinel(2 * count, np.float64)
        made["of two dtypes"] = (wide.view(dtype)[:count].reshape(shape), wide.view(other)[:count].reshape(shape))
    else:
        made.pop("strided and not")
    return made


@EACH
@pytest.mark.parametrize("dtype", (np.float32, np.float64), ids=("float32", "float64"))
def test_two_outputs_that_overlap(name, dtype):
    call = Activation(name, "value_and_grad")
    for shape in ((N,), (5, 10), ()):
        x = numbers(dtype, shape)
        for options in ({}, {"where": np.ones(shape, bool)}, {"dtype": dtype}):
            for y, dy in overlapping(shape, dtype).values():
                with refused(ValueError, name, "out[0]", "out[1]", "overlap", keeps=[x, y, dy]):
                    call(x, out=(y, dy), **options)


@pytest.mark.parametrize("name", [e.name for e in registry.ACTIVATIONS if any(p.learned for p in e.params)])
def test_gradients_that_overlap(name):
    """dx and the parameter's gradient."""
    call, x, a = Activation(name, "backward"), numbers(), np.float32(0.5)
    dx = sentinel(N)
    with refused(ValueError, name, "out[0]", "out[1]", "overlap", keeps=[dx]):
        call(x, a, out=(dx, dx[3:4].reshape(())))
    for first, second in overlapping((N,), np.float32).values():
        with refused(ValueError, name, "out[0]", "out[1]", "overlap", keeps=[first, second]):
            call(x, np.full(N, a), out=(first, second))


@EACH
def test_outputs_that_interleave_are_accepted(name, assert_same_bits):
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
        assert_same_bits(y, want[0])
        assert_same_bits(dy, want[1])


@EACH
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


# --- losses: labels ----------------------------------------------------------------------------------------------------------


def batch(dtype, rows=(70,), classes=5):
    """Good logits and labels."""
    rng = np.random.default_rng(0)
    return rng.normal(size=(*rows, classes)).astype(dtype), rng.integers(0, classes, rows)


def each_method(loss, z, **options):
    """(call of (z, target, **more), outputs): every method, with and without outputs."""
    for method, arrays in METHODS.items():
        for given in (False, True):
            outs = [sentinel(z.shape, z.dtype if z.dtype.kind == "f" else np.float32) for _ in range(arrays)] if given else []
            more = {"out": outs[0] if arrays == 1 else tuple(outs)} if outs else {}
            if given and not arrays:
                if options.get("reduction") != "none":
                    continue
                outs = [sentinel(z.shape[:-1], z.dtype)]
                more = {"out": outs[0]}
            yield lambda *a, m=method, more=more, **o: getattr(loss, m)(*a, **options, **more, **o), outs


INTEGERS = [k + str(n) for k in ("int", "uint") for n in (8, 16, 32, 64)]
FLOATS = ["float16", "float32", "float64"]


@pytest.mark.parametrize("given", (*INTEGERS, *FLOATS, ">i4", ">f8"))
def test_label_out_of_range(loss_case, given):
    """On both sides, up to the ends of the labels' dtype: row, value, range."""
    loss, dtype = loss_case.function, np.dtype(given)
    info = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    z, t = batch(loss_case.dtype)
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
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
    for given in ("float32", "float64"):
        for bad in (9.3e18, -9.3e18, 2.0**63, 2.0**64, -(2.0**63), 1e30, np.inf, -np.inf):
            target = t.astype(given)
            target[41] = bad
            for call, outs in each_method(loss, z):
                with refused(IndexError, loss.name, "target[41]", target[41], "[0, 5)", keeps=[z, target, *outs]):
                    call(z, target)


@pytest.mark.parametrize("given", FLOATS)
def test_label_that_is_not_whole(loss_case, given):
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
    for bad in (np.nan, 0.5, -0.5, 3.75, 4.5, -1e-7):
        for row in (0, 69):
            target = t.astype(given)
            target[row] = bad
            for call, outs in each_method(loss, z):
                with refused(ValueError, loss.name, f"target[{row}]", target[row], "whole", keeps=[z, target, *outs]):
                    call(z, target)


def test_first_bad_label_is_named(loss_case):
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
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
    loss = loss_case.function
    z, _ = batch(loss_case.dtype, (N,))
    for target in NOT_REAL.values():
        for call, outs in each_method(loss, z):
            words = (loss.name, "target") if target is NOT_REAL["a ragged list"] else (loss.name, "target", REAL)
            with refused(TypeError, *words, keeps=[z, *outs]):
                call(z, target)


def test_target_of_another_shape(loss_case):
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
    for target in (t[:-1], np.append(t, 0), t[:, None], t[None], 1, np.zeros((70, 5), int), np.zeros(0, int), []):
        for call, outs in each_method(loss, z):
            with refused(ValueError, loss.name, "target", np.shape(target), "(70,)", keeps=[z, *outs]):
                call(z, target)


# --- losses: everything else -------------------------------------------------------------------------------------------------


def test_logits_that_are_not_real(loss_case):
    loss = loss_case.function
    for bad in NOT_REAL.values():
        z = np.stack([bad] * 3, axis=1) if isinstance(bad, np.ndarray) else bad
        t = np.zeros(N, int)
        out = sentinel((N, 3))
        words = (loss.name, "z") if bad is NOT_REAL["a ragged list"] else (loss.name, "z", REAL)
        for call in (lambda z=z, t=t: loss(z, t), lambda z=z, t=t, out=out: loss.value_and_grad(z, t, out=out)):
            with refused(TypeError, *words, keeps=[out]):
                call()


def test_logits_without_an_axis(loss_case):
    loss = loss_case.function
    for z in (1.0, np.array(1.0, loss_case.dtype)):
        with refused(ValueError, loss.name, "z", "axis"):
            loss(z, 0)


def test_logits_without_classes(loss_case):
    loss = loss_case.function
    for shape, axis in (((7, 0), -1), ((0, 7), 0), ((0, 0), 1), ((0,), 0)):
        z = np.empty(shape, loss_case.dtype)
        for method in METHODS:
            with refused(ValueError, loss.name, "z", "classes", shape):
                getattr(loss, method)(z, np.zeros(np.delete(shape, axis), int), axis=axis)


@pytest.mark.parametrize("axis", (2, 3, -3, 100))
def test_axis_out_of_range(loss_case, axis):
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
    for call, outs in each_method(loss, z):
        with refused(
            np.exceptions.AxisError, loss.name, "axis", axis.__index__() if axis > 0 else str(axis), 2, keeps=[z, *outs]
        ):
            call(z, t, axis=axis)


@pytest.mark.parametrize("axis", (1.0, "last", None, (0, 1)), ids=repr)
def test_axis_that_is_no_integer(loss_case, axis):
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
    for call, outs in each_method(loss, z):
        with refused(TypeError, keeps=[z, *outs]):
            call(z, t, axis=axis)


@pytest.mark.parametrize("reduction", ("average", "", "Mean", None, True, 0))
def test_unknown_reduction(loss_case, reduction):
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
    for call, outs in each_method(loss, z):
        with refused(ValueError, loss.name, "reduction", "mean", "sum", "none", keeps=[z, *outs]):
            call(z, t, reduction=reduction)


def test_unknown_option(loss_case):
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
    for call, outs in each_method(loss, z):
        with refused(TypeError, "nonsense", keeps=[z, *outs]):
            call(z, t, nonsense=1)
        with refused(TypeError, keeps=[z, *outs]):
            call(z, t, 1)  # options have names
        with refused(TypeError, "target", keeps=[z, *outs]):
            call(z)


def test_weight_of_another_shape(loss_case):
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
    for weight in (np.ones(69), np.ones(71), np.ones((70, 1)), 1.0, np.ones((70, 5)), []):
        for call, outs in each_method(loss, z):
            with refused(ValueError, loss.name, "sample_weight", np.shape(weight), "(70,)", keeps=[z, *outs]):
                call(z, t, sample_weight=weight)


@pytest.mark.parametrize("bad", (np.nan, np.inf, -np.inf), ids=str)
def test_weight_that_is_not_finite(loss_case, bad):
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
    for given in FLOATS:
        for row in (0, 69):
            weight = np.ones(70, given)
            weight[row] = bad
            for call, outs in each_method(loss, z):
                with refused(ValueError, loss.name, f"sample_weight[{row}]", bad, "finite", keeps=[z, weight, *outs]):
                    call(z, t, sample_weight=weight)


def test_bad_weight_of_a_batch_of_several_axes(loss_case):
    loss = loss_case.function
    z, t = batch(loss_case.dtype, (3, 4))
    weight = np.ones((3, 4))
    weight[1, 2] = np.nan
    with refused(ValueError, loss.name, "sample_weight[1, 2]", "nan"):
        loss(z, t, sample_weight=weight)


def test_weight_that_is_not_real(loss_case):
    loss = loss_case.function
    z, t = batch(loss_case.dtype, (N,))
    for weight in NOT_REAL.values():
        if weight is not None:
            words = (loss.name, "sample_weight")
            for call, outs in each_method(loss, z):
                with refused(TypeError, *words, *(() if weight is NOT_REAL["a ragged list"] else (REAL,)), keeps=[z, *outs]):
                    call(z, t, sample_weight=weight)


# --- losses: out -------------------------------------------------------------------------------------------------------------


def each_loss_out(loss, z, t):
    """(call of out=, label, shape): every output of every method."""
    yield lambda out: loss(z, t, reduction="none", out=out), "out", t.shape
    for method, arrays in METHODS.items():
        for place in range(arrays):

            def call(out, method=method, arrays=arrays, place=place):
                """The other output is a good one, and must stay as it is."""
                other = sentinel(z.shape, z.dtype)
                before = other.tobytes()
                outs = (out,) if arrays == 1 else (out, other) if place == 0 else (other, out)
                try:
                    return getattr(loss, method)(z, t, out=outs[0] if arrays == 1 else outs)
                finally:
                    assert other.tobytes() == before, "the other output was written"

            yield call, "out" if arrays == 1 else f"out[{place}]", z.shape


def test_loss_out_that_is_no_array(loss_case):
    z, t = batch(loss_case.dtype)
    for call, label, shape in each_loss_out(loss_case.function, z, t):
        for bad in ([0.0], 1.0, "out", (sentinel(shape),)):
            with refused(TypeError, loss_case.entry.name, label, "array", keeps=[z]):
                call(bad)


def test_loss_out_of_a_dtype_that_holds_no_result(loss_case):
    z, t = batch(loss_case.dtype)
    for call, label, shape in each_loss_out(loss_case.function, z, t):
        for dtype in (np.int64, np.uint8, bool, complex, "S4"):
            bad = sentinel(shape, dtype)
            with refused(TypeError, loss_case.entry.name, label, np.dtype(dtype), "floating-point", keeps=[z, bad]):
                call(bad)


def test_loss_out_that_is_read_only(loss_case):
    z, t = batch(loss_case.dtype)
    for call, label, shape in each_loss_out(loss_case.function, z, t):
        bad = sentinel(shape, loss_case.dtype)
        bad.flags.writeable = False
        with refused(ValueError, loss_case.entry.name, label, "read-only", "writable", keeps=[z, bad]):
            call(bad)


def test_loss_out_of_another_shape(loss_case):
    z, t = batch(loss_case.dtype)
    for call, label, shape in each_loss_out(loss_case.function, z, t):
        for wrong in ((69, 5), (70, 6), (5, 70), (350,), (1, 70, 5), (70,), (70, 1), (1,), ()):
            if wrong != shape:
                bad = sentinel(wrong, loss_case.dtype)
                with refused(ValueError, loss_case.entry.name, label, wrong, shape, keeps=[z, bad]):
                    call(bad)


def test_loss_out_of_the_wrong_number(loss_case):
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
    outs = [sentinel(z.shape) for _ in range(3)]
    for method in (loss.grad_and_hess, loss.value_grad_and_hess):
        for bad in (outs[0], outs[:2], tuple(outs), (outs[0],), ()):
            with refused(TypeError, loss.name, "out", "two", keeps=outs):
                method(z, t, out=bad)


def test_out_for_a_loss_that_is_a_number(loss_case):
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
    for reduction in ("mean", "sum"):
        out = sentinel((70,))
        with refused(ValueError, loss.name, "out", "none", keeps=[out]):
            loss(z, t, reduction=reduction, out=out)


def test_gradient_and_hessian_that_overlap(loss_case):
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
    for g, h in overlapping(z.shape, loss_case.dtype).values():
        for method in (loss.grad_and_hess, loss.value_grad_and_hess):
            with refused(ValueError, loss.name, "out[0]", "out[1]", "overlap", keeps=[z, g, h]):
                method(z, t, out=(g, h))


def test_gradient_and_hessian_that_interleave_are_accepted(loss_case, assert_same_bits):
    loss = loss_case.function
    z, t = batch(loss_case.dtype)
    want = loss.grad_and_hess(z, t)
    wide, tall = sentinel((70, 10), loss_case.dtype), sentinel((140, 5), loss_case.dtype)
    for outs in ((wide[:, ::2], wide[:, 1::2]), (wide[:, 5:], wide[:, :5]), (tall[::2], tall[1::2])):
        got = loss.grad_and_hess(z, t, out=outs)
        for k in (0, 1):
            assert got[k] is outs[k]
            assert_same_bits(got[k], want[k])


def test_loss_out_that_overlaps_the_logits(loss_case):
    """Only the gradient may lie on z, and only exactly."""
    loss, dtype = loss_case.function, loss_case.dtype
    good, t = batch(dtype)
    memory = sentinel(3 * good.size, dtype)
    at = {shift: memory[good.size + shift :][: good.size].reshape(good.shape) for shift in (-5, -1, 0, 1, 5)}
    z = at[0]
    z[...] = good
    partial = {"5 back": at[-5], "1 back": at[-1], "1 ahead": at[1], "5 ahead": at[5], "rows reversed": z[::-1]}
    partial["classes reversed"] = z[:, ::-1]
    for overlap, out in partial.items():
        for method, arrays in METHODS.items():
            for place in range(arrays):
                outs = [None] * arrays
                outs[place] = out
                label = "out" if arrays == 1 else f"out[{place}]"
                with refused(ValueError, loss.name, label, "overlaps", keeps=[memory, z]):
                    getattr(loss, method)(z, t, out=outs[0] if arrays == 1 else tuple(outs))
                assert overlap
    for method in (loss.grad_and_hess, loss.value_grad_and_hess):
        with refused(ValueError, loss.name, "out[1]", "overlaps", keeps=[memory]):
            method(z, t, out=(None, z))
    for losses in (z[:, 0], z.reshape(-1)[:70]):
        with refused(ValueError, loss.name, "out", "overlaps", keeps=[memory]):
            loss(z, t, reduction="none", out=losses)


def test_loss_out_that_overlaps_the_labels(loss_case):
    loss = loss_case.function
    z, t = batch(np.float64, (6,), 5)
    memory = sentinel(30, np.float64)
    target = memory[3:9]
    target[...] = t
    for label_view in (target, memory.view(np.int64)[3:9]):
        label_view[...] = t
        for method, arrays in METHODS.items():
            for place in range(arrays):
                outs = [None] * arrays
                outs[place] = memory.reshape(6, 5)
                label = "out" if arrays == 1 else f"out[{place}]"
                with refused(ValueError, loss.name, label, "overlaps", keeps=[memory, z]):
                    getattr(loss, method)(z, label_view, out=outs[0] if arrays == 1 else tuple(outs))
        with refused(ValueError, loss.name, "out", "overlaps", keeps=[memory, z]):
            loss(z, label_view, reduction="none", out=memory[:6])


def test_loss_out_that_overlaps_the_weights(loss_case):
    loss = loss_case.function
    z, t = batch(np.float64, (6,), 5)
    memory = np.ones(30)
    weight = memory[3:9]
    for method, arrays in METHODS.items():
        for place in range(arrays):
            outs = [None] * arrays
            outs[place] = memory.reshape(6, 5)
            label = "out" if arrays == 1 else f"out[{place}]"
            with refused(ValueError, loss.name, label, "overlaps", keeps=[memory, z]):
                getattr(loss, method)(z, t, sample_weight=weight, out=outs[0] if arrays == 1 else tuple(outs))
    with refused(ValueError, loss.name, "out", "overlaps", keeps=[memory, z]):
        loss(z, t, reduction="none", sample_weight=weight, out=weight)


# --- levels ------------------------------------------------------------------------------------------------------------------


def test_unknown_level(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {"ACTLOSS_C_LEVEL": "x86_v9"}
    child = subprocess.run(
        [sys.executable, "-c", "import actloss_c"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    last = child.stderr.strip().splitlines()[-1]
    assert child.returncode == 1 and last.startswith("ImportError")
    assert all(word in last for word in ("ACTLOSS_C_LEVEL", "x86_v9", *_dispatch.runnable_levels())), last


def test_level_that_cannot_run_is_never_imported(monkeypatch):
    """A wrong import would die of an illegal instruction."""

    class OldProcessor:
        @staticmethod
        def runnable():
            return ("baseline",)

    imported = []
    monkeypatch.setattr(_dispatch, "_cpu", lambda: OldProcessor)
    monkeypatch.setattr(_dispatch.importlib, "import_module", imported.append)
    for level in _dispatch.ALL_LEVELS[1:]:
        monkeypatch.setenv("ACTLOSS_C_LEVEL", level)
        with refused(ImportError, level, "ACTLOSS_C_LEVEL", "baseline"):
            _dispatch.choose()
    monkeypatch.delenv("ACTLOSS_C_LEVEL")
    assert _dispatch.choose() == "baseline"
    assert not imported
