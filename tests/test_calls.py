"""The compiled calls of activations against the general method in Python below them: same bits, and who takes which call."""

import contextlib
import functools
import gc
import sys
import threading

import numpy as np
import pytest
from helpers_activations import ACTIVATIONS, KINDS, Watched, build, calls, inputs, is_learned, method_of, sample
from helpers_arrays import Tagged, as_out

from actloss_c import _build, _dispatch, registry
from actloss_c.activation import Activation

WITH_FLOAT16 = True

EACH_KIND = pytest.mark.parametrize("kind", KINDS)
LENGTHS = (0, 1, 2, 15, 16, 17, 31, 500, 501, 512, 513, 1043, 5000)
NUMBERS = (0.0, -0.0, 0.3, -2.0, 1e-30, 1e-31, 1e30, -1e31, 1e300, 5e-324, np.inf, -np.inf, np.nan)  # as parameters


def arrays(kind, g, x):
    return (g, x) if kind == "backward" else (x,)


def general(function, kind, *args, **options):
    with np.errstate(all="ignore"):
        return getattr(function, f"_general_{kind}")(*args, **options)


def fresh(name, kind, x):
    """Outputs for out=: those of x's shape; None for the sum of a learned parameter's gradient."""
    outs = [np.full_like(x, 7) for _ in range(KINDS[kind])]
    return as_out([*outs, None] if kind == "backward" and is_learned(name) else outs)


def first(results):
    return results[0] if isinstance(results, tuple) else results


def lies(a):
    return a.flags.c_contiguous, a.flags.f_contiguous


# --- same bits ---------------------------------------------------------------------------------------------------------------


def test_compiled_and_general_agree(case, assert_same_results):
    name, function = case.entry.name, case.function
    for kind in KINDS:
        for n in LENGTHS:
            x, g = inputs(case.dtype, n)
            given = arrays(kind, g, x)
            want = general(function, kind, *given)
            method = method_of(function, kind)
            assert_same_results(method(*given), want, f"{kind} of {n}")
            assert_same_results(method(*given, out=fresh(name, kind, x)), want, f"{kind} of {n} with out")


def test_memory_order_is_kept(case, assert_same_results):
    """As NumPy's ufuncs do: the result lies like x, whatever lies otherwise."""
    for shape in ((3, 50), (1, 50), (50, 1), (4, 3, 7), (0, 3)):
        x, g = inputs(case.dtype, shape)
        for kind in KINDS:
            for order in "CF":
                given = [a.copy(order) for a in arrays(kind, g, x)]
                want = general(case.function, kind, *given)
                method = method_of(case.function, kind)
                assert_same_results(method(*given), want, f"{kind}, {order}")
                assert lies(first(method(*given))) == lies(given[0])
                for mixed in "CF":
                    outs = fresh(case.entry.name, kind, x.copy(mixed))
                    assert_same_results(method(*given, out=outs), want, f"{kind}, {order}, out {mixed}")
                    if kind == "backward":
                        assert_same_results(method(g.copy(mixed), x.copy(order)), want, f"g {mixed}, x {order}")


def test_numbers_as_parameters(case, assert_same_results):
    """Positional or by name; floats that float32 cannot hold are rounded as elsewhere, without a word."""
    x, g = inputs(case.dtype, 40)
    for parameter in case.entry.params:
        for kind in KINDS:
            for number in NUMBERS:
                given, method = arrays(kind, g, x), method_of(case.function, kind)
                want = general(case.function, kind, *given, number)
                with np.errstate(all="raise"):
                    assert_same_results(method(*given, number), want, f"{kind}, {number}")
                    assert_same_results(method(*given, **{parameter.name: number}), want, f"{kind}, {parameter.name}={number}")


def test_in_place(case, assert_same_results):
    for kind in KINDS:
        for n in (1, 40, 600):
            x, g = inputs(case.dtype, n)
            want = general(case.function, kind, *arrays(kind, g, x))
            for place in range(1 + (kind == "backward")):
                given = [a.copy() for a in arrays(kind, g, x)]
                outs = fresh(case.entry.name, kind, x)
                outs = (given[place], *outs[1:]) if isinstance(outs, tuple) else given[place]
                assert_same_results(method_of(case.function, kind)(*given, out=outs), want, f"{kind} over {place}")
    x, _ = inputs(case.dtype, 40)
    want, given = general(case.function, "backward", x, x), x.copy()
    outs = (given, None) if is_learned(case.entry.name) else given
    assert_same_results(case.function.backward(given, given, out=outs), want, "g, x and out are one array")


# --- who takes which call ----------------------------------------------------------------------------------------------------


@ACTIVATIONS
@EACH_KIND
def test_ordinary_calls_do_not_reach_python(name, kind, dtype):
    watched, params = build(Watched, name), registry.FUNCTIONS[name].params
    method = method_of(watched, kind)
    defaults = {} if kind == "backward" else {"where": True}
    for shape in (10, 600, (3, 40)):
        x, g = inputs(dtype, shape)
        given = arrays(kind, g, x)
        for p in ((), tuple(0.5 for _ in params), tuple(np.full(x.shape[-1], 0.5, dtype) for _ in params)):
            method(*given, *p, out=None, dtype=None, **defaults)
            method(*given, **{parameter.name: value for parameter, value in zip(params, p, strict=bool(p))})
            method(*given, *p, out=fresh(name, kind, x))
        for cut in (np.s_[..., ::2], np.s_[..., ::-1], np.s_[..., 3:7]):
            part = [a[cut] for a in given]
            method(*part)
            method(*part, out=fresh(name, kind, x[cut]))
            method(*part, out=fresh(name, kind, np.asfortranarray(x[cut])))
    assert watched.handed_on == 0


def others(name, kind, dtype):
    """{id: arguments and options that are for the general method}."""
    x, g = inputs(dtype, 40)
    given, params = arrays(kind, g, x), registry.FUNCTIONS[name].params
    swapped = dtype.newbyteorder()
    made = {
        "subclass": ([a.view(Tagged) for a in given], {}),
        "byte-swapped": ([a.astype(swapped) for a in given], {}),
        "integers": ([a.astype(np.int64) for a in given], {}),
        "list": ([a.tolist() for a in given], {}),
        "float": ([float(a[0]) for a in given], {}),
        "dtype": (given, {"dtype": np.float32}),
        "out in a tuple": (given, {"out": tuple(np.zeros_like(x) for _ in range(KINDS[kind]))}),
        "out of another dtype": (given, {"out": as_out([np.zeros(40, np.float16) for _ in range(KINDS[kind])])}),
        "byte-swapped out": (given, {"out": as_out([np.zeros(40, swapped) for _ in range(KINDS[kind])])}),
        "out of a subclass": (given, {"out": as_out([np.zeros_like(x).view(Tagged) for _ in range(KINDS[kind])])}),
    }
    if kind == "backward":
        made["g of another shape"] = ((g[:1], x), {})
        made["g of another dtype"] = ((g.astype(np.float16), x), {})
    else:
        made["where"] = (given, {"where": np.arange(40) % 2 == 0})
        made["where as a scalar"] = (given, {"where": np.True_})
    for p in params:
        made["half and a parameter"] = ([a.astype(np.float16) for a in given], {p.name: 0.5})
        made["parameter of another dtype"] = ((*given, np.full(40, 0.5, np.float16)), {})
        made["parameter as an integer"] = (given, {p.name: 1})
        if kind != "backward":
            made["parameter that widens"] = ((*given, np.full((3, 1), 0.5, dtype)), {})
    if kind == "value_and_grad":
        del made["out in a tuple"]
    if is_learned(name) and kind == "backward":
        made = {what: call for what, call in made.items() if "out" not in call[1]}
    return made


@ACTIVATIONS
@EACH_KIND
def test_other_calls_are_handed_on(name, kind, dtype, assert_same_results):
    for what, (given, options) in others(name, kind, dtype).items():
        watched = build(Watched, name)
        got = method_of(watched, kind)(*given, **options)
        assert watched.handed_on == 1, what
        assert_same_results(got, getattr(watched, f"_general_{kind}")(*given, **options), what)


@ACTIVATIONS
def test_keywords_of_any_make(name):
    """Names that are not interned, and dicts that are kept: functools.partial passes its own."""
    function, (x, out) = _build.functions()[name], (sample(np.dtype(np.float32)), np.empty(1043, np.float32))
    made_up = "".join(["o", "ut"])
    for call in (functools.partial(function, out=out), functools.partial(function, **{made_up: out})):
        assert call(x) is out
    for method in (function, function.grad):
        assert method(x, **{made_up: out}) is out
    assert function.value_and_grad(x, **{made_up: (out, None)})[0] is out


def test_writing_to_a_broadcast_array_warns_as_in_numpy(case):
    """Such a view looks writable and contiguous, but NumPy marks it: it will become read-only."""
    x = sample(case.dtype, 40)
    for kind in ("value", "value_and_grad", "backward"):
        if kind == "backward" and is_learned(case.entry.name):
            continue
        marked = np.broadcast_arrays(np.zeros(40, case.dtype), np.zeros((2, 1)))[0][0]
        outs = (marked, None) if kind == "value_and_grad" else marked
        with pytest.warns(DeprecationWarning, match="broadcast"):
            method_of(case.function, kind)(*arrays(kind, x, x), out=outs)


# --- classes -----------------------------------------------------------------------------------------------------------------


@ACTIVATIONS
def test_subclasses(name, assert_same_results):
    class Own(Activation):
        def grad(self, x, /):
            return "own", super().grad(x)

    class Called(Activation):
        def __call__(self, x, /, **options):
            return "own", super().__call__(x, **options)

    public, own, called = (build(cls, name) for cls in (Activation, Own, Called))
    x, g = inputs(np.dtype(np.float32))
    out = np.empty_like(x)
    for kind in KINDS:
        given = arrays(kind, g, x)
        want = method_of(public, kind)(*given)
        got = method_of(own, kind)(*given)
        assert_same_results(got[1] if kind == "grad" else got, want, kind)
    assert own.grad(x)[0] == called(x)[0] == called(x, out=out)[0] == "own"
    assert_same_results(called(x)[1], public(x))
    assert called(x, out=out)[1] is out
    Own.__call__ = lambda self, x, **options: "later"
    assert own(x) == own(x, out=out) == "later"
    del Own.__call__
    assert own(x, out=out) is out


def test_object_without_data_does_not_crash():
    empty = Activation.__new__(Activation)
    for call in (lambda x: empty(x), lambda x: empty.value_and_grad(x, out=None), lambda x: empty.backward(x, x)):
        with pytest.raises(AttributeError):
            call(np.ones(3))
    with pytest.raises(ValueError, match="inputs"):
        Activation(registry.FUNCTIONS["relu"], dict.fromkeys(_build.ufuncs(_dispatch.LEVEL), np.add))


# --- references and threads --------------------------------------------------------------------------------------------------


def left_behind(work, things):
    """Memory blocks and references to `things` that a thousand runs of `work` leave behind."""
    counts = []
    for runs in (20, 1000):
        for _ in range(runs):
            work()
        gc.collect()
        counts.append(np.array([sys.getallocatedblocks(), *map(sys.getrefcount, things)]))
    blocks, *references = counts[1] - counts[0]
    return blocks, references


@ACTIVATIONS
@EACH_KIND
def test_calls_leave_no_reference(name, kind):
    """Neither to an argument nor of a result, on success and on failure, whichever way the call takes."""
    method, params = method_of(_build.functions()[name], kind), registry.FUNCTIONS[name].params
    x, g = inputs(np.dtype(np.float32), 40)
    given, outs, number, wrong = arrays(kind, g, x), fresh(name, kind, x), float("0.1234"), np.empty(39, np.float32)
    bad = (wrong, wrong) if isinstance(outs, tuple) else wrong

    def work():
        method(*given)
        method(*given, out=outs)
        method(*(a[::2] for a in given))
        method(*given, *[number] * len(params), out=outs)
        method(*given, **{p.name: number for p in params})
        for mistake in ({"out": bad}, {"nonsense": number}):
            with contextlib.suppress(TypeError, ValueError):
                method(*given, **mistake)
                raise AssertionError("not refused")

    things = [*given, number, method, outs, wrong, bad]
    blocks, references = left_behind(work, things)
    assert blocks < 100
    assert not any(references)


@EACH_KIND
def test_other_threads_run_meanwhile(kind):
    """A thread that waits for the interpreter gets it during a long loop: nobody else makes this one give it up."""
    x = np.ones(1_000_000, np.float32)
    method, given, outs = method_of(_build.functions()["sigmoid"], kind), arrays(kind, x, x), fresh("sigmoid", kind, x)
    turn, interval, done = threading.Lock(), sys.getswitchinterval(), []
    turn.acquire()

    def wait():
        with turn:
            done.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    sys.setswitchinterval(1000)
    try:
        turn.release()
        for _ in range(2000):
            method(*given, out=outs)
            if done:
                break
        met = bool(done)
    finally:
        sys.setswitchinterval(interval)
        thread.join()
    assert met


def test_small_calls_agree_across_threads(level, assert_same_results):
    """Calls too small to let other threads in, many at once."""
    x, g = inputs(np.dtype(np.float32), 30)
    every = [call for name in ("sigmoid", "elu", "prelu") for call in calls(name, level, raw=False)]
    want, wrong = [call(g, x) for call in every], []
    start = threading.Barrier(4)

    def work():
        start.wait()
        try:
            for _ in range(50):
                for call, results in zip(every, want, strict=True):
                    assert_same_results(call(g, x), results, call.name)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
