"""What the tests of refusals share: the check itself, values that are not real numbers, outputs to be refused."""

import contextlib
import re

import numpy as np
import pytest
from helpers_activations import is_learned, method_of
from helpers_arrays import as_out, out_label, sentinel
from helpers_losses import METHODS

from actloss_c import _build, _dispatch

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


def advice(what):
    """Every message about a dtype says what to use instead; a ragged list has none."""
    return () if what == "a ragged list" else ("float32",)


def numbers(dtype=np.float32, shape=N):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


class Activation:
    """One kind of an activation, called alike whatever its arguments."""

    def __init__(self, name, kind):
        self.method = method_of(_build.functions(_dispatch.LEVEL)[name], kind)
        self.takes_g = kind == "backward"
        self.learned = self.takes_g and is_learned(name)
        self.outputs = 2 if kind == "value_and_grad" or self.learned else 1

    def __call__(self, x, *params, g=None, **options):
        return self.method(*((np.ones_like(x) if g is None else g,) if self.takes_g else ()), x, *params, **options)

    def shape(self, place, x):
        """Shape of an output, for scalar parameters."""
        return () if self.learned and place == 1 else np.shape(x)

    def out(self, place, array, x):
        """(out=, all outputs): `array` in one place, a good output in the other."""
        outs = [sentinel(self.shape(k, x), x.dtype) for k in range(self.outputs)]
        outs[place] = array
        return as_out(outs), outs

    def label(self, place):
        return out_label(place, self.outputs)


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


def each_method(loss, z):
    """(call of (z, target, **more), outputs): every method of a loss, with and without outputs."""
    for method, arrays in METHODS.items():
        for given in (False, True) if arrays else (False,):
            outs = [sentinel(z.shape, z.dtype) for _ in range(arrays)] if given else []
            more = {"out": as_out(outs)} if outs else {}
            yield lambda *a, m=method, more=more, **o: getattr(loss, m)(*a, **more, **o), outs


def each_loss_out(loss, z, t, fill=True, **options):
    """(call of out=, label, shape): every output of every method.

    The other output of two is a good one, and must stay as it is; without `fill` it is not given.
    """
    yield lambda out: loss(z, t, reduction="none", out=out, **options), "out", t.shape
    for method, arrays in METHODS.items():
        for place in range(arrays):

            def call(out, method=method, arrays=arrays, place=place):
                outs = [sentinel(z.shape, z.dtype) if fill else None for _ in range(arrays)]
                outs[place] = out
                others = [other for k, other in enumerate(outs) if k != place and fill]
                before = [other.tobytes() for other in others]
                try:
                    return getattr(loss, method)(z, t, out=as_out(outs), **options)
                finally:
                    assert [other.tobytes() for other in others] == before, "the other output was written"

            yield call, out_label(place, arrays), z.shape
