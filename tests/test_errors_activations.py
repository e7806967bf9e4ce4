"""Every refusal of the activations, but those of out and where: the error's class, its message, and no byte changed."""

import numpy as np
import pytest
from helpers_activations import ACTIVATIONS, KINDS, WITH_PARAMETERS
from helpers_arrays import sentinel
from helpers_errors import NOT_REAL, Activation, N, advice, numbers, refused

from actloss_c import registry

EACH_KIND = pytest.mark.parametrize("kind", KINDS)


# --- dtypes ------------------------------------------------------------------------------------------------------------------


@ACTIVATIONS
@EACH_KIND
def test_x_that_is_not_real(name, kind):
    call = Activation(name, kind)
    for what, x in NOT_REAL.items():
        out, outs = call.out(0, sentinel(N), numbers())
        for options in ({}, {"out": out}, {"dtype": np.float32}):
            if what == "long doubles" and "dtype" in options:
                continue  # the user said how
            with refused(TypeError, name, "x", *advice(what), keeps=[x, *outs]):
                call(x, g=1.0, **options)


@ACTIVATIONS
def test_g_that_is_not_real(name):
    call = Activation(name, "backward")
    for what, g in NOT_REAL.items():
        if g is not None:
            out, outs = call.out(0, sentinel(N), numbers())
            with refused(TypeError, name, "g", *advice(what), keeps=[g, *outs]):
                call(numbers(), g=g, out=out)


@WITH_PARAMETERS
@EACH_KIND
def test_parameter_that_is_not_real(name, kind):
    call, params = Activation(name, kind), registry.FUNCTIONS[name].params
    for k, parameter in enumerate(params):
        for what, value in NOT_REAL.items():
            out, outs = call.out(0, sentinel(N), numbers())
            for before, named in (([p.default for p in params[:k]] + [value], {}), ([], {parameter.name: value})):
                with refused(TypeError, name, parameter.name, *advice(what), keeps=[value, *outs]):
                    call(numbers(), *before, **named, out=out)


@ACTIVATIONS
@EACH_KIND
def test_dtype_that_is_not_offered(name, kind):
    call = Activation(name, kind)
    for dtype in (np.longdouble, np.int32, complex, bool, object, ">f2", ">f4"):
        if np.dtype(np.longdouble) == np.float64 and dtype is np.longdouble:
            continue
        out, outs = call.out(0, sentinel(N), numbers())
        with refused(TypeError, name, "dtype", "float16", "bfloat16", "float32", "float64", keeps=outs):
            call(numbers(), dtype=dtype, out=out)


@ACTIVATIONS
@EACH_KIND
def test_dtype_that_does_not_exist(name, kind):
    with refused(TypeError, name, "dtype", "float32", "float64"):
        Activation(name, kind)(numbers(), dtype="no such dtype")


# --- number and names of arguments -------------------------------------------------------------------------------------------


@ACTIVATIONS
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


@ACTIVATIONS
@EACH_KIND
def test_too_many_arguments(name, kind):
    """A second positional array is no out: it is refused, not overwritten."""
    call, x = Activation(name, kind), numbers()
    count = len(registry.FUNCTIONS[name].params)
    extra = sentinel(N)
    with refused(TypeError, name, count, keeps=[x, extra]):
        call(x, *[0.5] * count, extra)


@ACTIVATIONS
def test_too_few_arguments(name):
    for kind in KINDS:
        method = Activation(name, kind).method
        with pytest.raises(TypeError, match=rf"^{name} takes .*\bx by position"):
            method(*([1.0] if kind == "backward" else []))


@ACTIVATIONS
def test_backward_has_no_where(name):
    call = Activation(name, "backward")
    for where in (True, np.ones(N, bool)):
        with refused(TypeError, name, "where"):
            call(numbers(), where=where)


# --- shapes ------------------------------------------------------------------------------------------------------------------


@WITH_PARAMETERS
@EACH_KIND
def test_shapes_that_do_not_broadcast(name, kind):
    call, x = Activation(name, kind), numbers()
    out, outs = call.out(0, sentinel(N), x)
    for dtype in (np.float32, np.float64):
        with refused(ValueError, name, "(50,)", "(7,)", "broadcast", keeps=outs):
            call(x, np.ones(7, dtype), out=out)
        with refused(ValueError, name, "(50,)", "(7,)", "broadcast"):
            call(x, np.ones(7, dtype))


@ACTIVATIONS
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
        for dtype in (np.float32, np.float64):
            with refused(ValueError, name, "(50,)", "(3, 50)"):
                call(x, *[0.5] * k, np.ones((3, 1), dtype))
            with refused(ValueError, name, "(1, 50)", "(3, 50)"):
                call(x[None], *[0.5] * k, np.ones((3, 1), dtype))
