"""No floating-point flag is raised, whatever the numbers: np.errstate(all="raise") stays quiet."""

import ctypes
import ctypes.util
import platform
import sys

import numpy as np
import pytest
from helpers_activations import ACTIVATIONS, calls
from helpers_losses import inputs_of, labels
from helpers_row_functions import along, masks

from actloss_c import _build

WITH_FLOAT16 = True
INVALID = 1  # FE_INVALID of x86 and arm64
UNDERFLOW = 16 if platform.machine().lower() in ("x86_64", "amd64") else 8


def careless(dtype):
    """Numbers that set floating-point flags in careless code."""
    f = np.finfo(dtype)
    size = [f.smallest_subnormal, f.tiny, f.eps, 1, 17, 88, 89, 104, 709, 746, f.max / 2, f.max, np.inf]
    return np.array([np.nan, 0.0, -0.0, *size, *(-np.array(size))] * 3, dtype)


def test_nothing_raises_a_flag(case):
    x = careless(case.dtype)
    with np.errstate(all="raise"):
        for call in calls(case.entry.name, case.level):
            for g in (x, x[::-1], np.full_like(x, np.finfo(case.dtype).max)):
                call(g, x)
                call(g[::-1][::2], x[::2])
                call.into(call.outs(x.shape, case.dtype), g, x)


@ACTIVATIONS
def test_no_cast_raises_a_flag(name, level):
    """Numbers that overflow, underflow or are inexact in float32 and float16, in every argument."""
    wide = np.concatenate([careless(np.float64), [1e300, -1e300, 1e-300, 1e39, 1e-46]])
    with np.errstate(all="raise"):
        for call in calls(name, level, raw=False):
            call(wide, wide, dtype=np.float32)
            call(wide, np.ones(wide.size, np.float32))
            call(wide, wide.astype(">f8"), dtype=np.float32)
            for x in (np.float32(1), np.array(1, np.float32), np.ones(50, np.float32), np.ones(50, np.int8)):
                for p in (1e300, -1e300, 1e-300, np.float64(1e300), np.array(1e300), 2**62, np.float16(6e-8)):
                    if call.defaults:
                        call(x, x, *[p] * len(call.defaults))
                        call(x, x, *[np.full(x.shape, p)] * len(call.defaults))
            for dtype in (np.float16, np.float32):
                call.into([np.zeros(o.shape, dtype) for o in call.outs(wide.shape, np.float32)], wide, wide)
            call(1.0, [2**62, -(2**63)])
            call(1.0, np.array([np.inf, np.nan, 6e-8, 65504], np.float16))


def test_loss_raises_no_flag(loss_case):
    loss, dtype = loss_case.function, loss_case.dtype
    top = np.finfo(dtype).max
    with np.errstate(all="raise"):
        for classes in (3, 60, 300):
            z = np.resize(careless(dtype), (50, classes))
            z[0], z[1], z[2] = -np.inf, np.inf, top
            z[3, ::2] = -top
            z, t = inputs_of(loss_case.entry, z), labels(50, classes)
            for options in ({}, {"reduction": "sum"}, {"reduction": "none"}, {"sample_weight": np.full(50, 1e300)}):
                loss.value_grad_and_hess(z, t, **options)
                loss.value_grad_and_hess(z.T, t, axis=0, **options)
            outs = np.zeros(z.shape, np.float16), np.zeros(z.shape, np.float32)
            loss.value_grad_and_hess(z, t, reduction="sum", sample_weight=np.full(50, 1e30), out=outs)
            loss(z, t, reduction="none", sample_weight=np.full(50, 1e38), out=np.zeros(50, np.float16))
            loss.value_grad_and_hess(z.astype(dtype.newbyteorder()), t.astype(np.float16))


@pytest.mark.skipif(sys.platform != "linux", reason="asks the C library, which elsewhere has other names for it")
def test_ordinary_call_leaves_the_flags_as_they_were(loss_case):
    """np.errstate sees those of NumPy's own loops alone."""
    libm = ctypes.CDLL(ctypes.util.find_library("m"))
    z, t = inputs_of(loss_case.entry, np.resize(careless(loss_case.dtype), (50, 60))), labels(50, 60)
    for there, axis in ((z, -1), (np.asfortranarray(z), -1), (z.T, 0), (np.repeat(z, 2, axis=-1)[:, ::2], 1)):
        for method in (loss_case.function, loss_case.function.grad, loss_case.function.value_and_grad):
            libm.feclearexcept(INVALID)
            method(there, t, axis=axis)
            assert not libm.fetestexcept(INVALID)


@pytest.mark.skipif(sys.platform != "linux", reason="asks the C library, which elsewhere has other names for it")
def test_a_mean_that_is_subnormal_leaves_the_flags_as_they_were(level):
    libm, functions = ctypes.CDLL(ctypes.util.find_library("m")), _build.functions(level)
    pairs = np.array([np.finfo(np.float64).smallest_subnormal, 0, 0]), np.zeros(3)
    rows = np.array([[744.4, 0], [5000, 0], [5000, 0]]), np.zeros(3, np.int64)
    for name, given in (("absolute_error", pairs), ("softmax_cross_entropy", rows)):
        for method in (functions[name], functions[name].value_and_grad):
            libm.feclearexcept(UNDERFLOW)
            method(*given)
            assert not libm.fetestexcept(UNDERFLOW), name


@pytest.mark.parametrize("masked", (False, True), ids=("all", "masked"))
def test_function_of_rows_raises_no_flag(row_case, masked):
    f, dtype, entry = row_case.function, row_case.dtype, row_case.entry
    top = np.finfo(dtype).max
    with np.errstate(all="raise"):
        for classes in (3, 60, 300):
            z = np.resize(careless(dtype), (50, classes))
            z[0], z[1], z[2] = -np.inf, np.inf, top
            z[3, ::2] = -top
            mask = masks(z.shape) if masked else np.ones((), bool)
            for g in (z[::-1], np.full_like(z, top), np.resize(careless(dtype)[::-1], z.shape)):
                g = g[:, 0] if entry.reduces else g
                for axis, there in ((-1, z), (0, z.T)):
                    options = {"axis": axis, "where": mask.T if axis == 0 else mask}
                    f(there, **options)
                    f.backward(along(entry, g, axis), there, **options)
                    f.backward(along(entry, g, axis).astype(np.float64), there.astype(dtype.newbyteorder()), **options)
            f(z, where=mask, out=np.zeros(f(z).shape, np.float16))
            f.backward(g, z, where=mask, out=np.zeros(z.shape, np.float16))
            f(np.resize([1e300, -1e300, 1e-300, 1e39], z.shape), where=mask, dtype=np.float32)
