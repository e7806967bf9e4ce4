"""Every refusal of a function of rows: the error's class, a message that names the argument, and no byte changed."""

import numpy as np
import pytest
from helpers_arrays import sentinel
from helpers_errors import NOT_REAL, N, advice, refused


def calls(f, shape=(70, 5), dtype=np.float32):
    """(name in messages, call of z=, g= and options, out's shape, a good z, a good g) of value and backward."""
    random = np.random.default_rng(0)
    z = random.normal(size=shape).astype(dtype)
    reduces = f.name == "logsumexp"
    g = random.normal(size=shape[:-1] if reduces else shape).astype(dtype)
    yield f.name, lambda z=z, g=g, **o: f(z, **o), g.shape, z, g
    yield f"{f.name}.backward", lambda z=z, g=g, **o: f.backward(g, z, **o), z.shape, z, g


def test_values_that_are_not_real(row_function):
    for what, bad in NOT_REAL.items():
        z = np.stack([bad] * 3, axis=1) if isinstance(bad, np.ndarray) else bad
        for name, call, _, _, _ in calls(row_function):
            for given in ("z", "g") if name.endswith("backward") else ("z",):
                out = sentinel((N, 3))
                options = {"z": z} if given == "z" else {"z": np.zeros((N, 3)), "g": z}
                with refused(TypeError, name, given, *advice(what), keeps=[out]):
                    call(**options, out=out)


def test_logits_without_an_axis_or_classes(row_function):
    for name, call, _, _, _ in calls(row_function):
        for z in (1.0, np.array(1.0)):
            with refused(ValueError, name, "z", "axis"):
                call(z=z)
        for shape, axis in (((7, 0), -1), ((0, 7), 0), ((0, 0), 1), ((0,), 0)):
            with refused(ValueError, name, "z", "classes", shape):
                call(z=np.empty(shape), axis=axis)


def test_axis(row_function):
    for name, call, shape, z, g in calls(row_function):
        out = sentinel(shape)
        for axis in (2, -3, 100):
            with refused(np.exceptions.AxisError, name, "axis", axis, 2, keeps=[out]):
                call(axis=axis, out=out)
        for axis in (1.0, "last", None, (0, 1)):
            with refused(TypeError, name, "axis", keeps=[out, z, g]):
                call(axis=axis, out=out)


def test_g_of_another_shape(row_function):
    *_, (name, call, shape, _, good) = calls(row_function)
    for wrong in ((69,), (69, 5), (70, 6), (1, 70, 5), (71, 1), (70, 70, 5)):
        with refused(ValueError, name, "g", wrong, good.shape, keeps=[out := sentinel(shape)]):
            call(g=np.ones(wrong), out=out)


def test_mask_of_another_shape_or_dtype(row_function):
    for name, call, shape, _, _ in calls(row_function):
        out = sentinel(shape)
        for wrong in ((69, 5), (6,), (1, 70, 5), (70, 5, 1)):
            with refused(ValueError, name, "where", wrong, (70, 5), keeps=[out]):
                call(where=np.ones(wrong, bool), out=out)
        for bad in (1, 1.0, None, np.ones((70, 5), int), np.ones((70, 5), np.uint8), "yes"):
            with refused(TypeError, name, "where", "bool", keeps=[out]):
                call(where=bad, out=out)


def test_dtype_that_is_not_supported(row_function):
    name, call, shape, _, _ = next(calls(row_function))
    for bad in (np.float16, int, complex, "nonsense", np.longdouble):
        if np.dtype(np.longdouble) != np.float64 or bad is not np.longdouble:
            with refused(TypeError, name, "dtype", "float32", "float64", keeps=[out := sentinel(shape)]):
                call(dtype=bad, out=out)


def test_unknown_options(row_function):
    z, g = np.zeros((70, 5)), np.zeros(70 if row_function.name == "logsumexp" else (70, 5))
    for call in (lambda *a, **o: row_function(z, -1, *a, **o), lambda *a, **o: row_function.backward(g, z, -1, *a, **o)):
        with refused(TypeError, "nonsense"):
            call(nonsense=1)
        with refused(TypeError):
            call(True)  # options have names
    with refused(TypeError, "z"):
        row_function()
    with refused(TypeError, "z"):
        row_function.backward(g)


# --- out ------------------------------------------------------------------------------------------------------------------------


def test_out_that_takes_no_result(row_function):
    for name, call, shape, z, g in calls(row_function):
        for bad in ([0.0], 1.0, "out", (sentinel(shape),)):
            with refused(TypeError, name, "out", "array", keeps=[z, g]):
                call(out=bad)
        for dtype in (np.int64, np.uint8, bool, complex, "S4"):
            bad = sentinel(shape, dtype)
            with refused(TypeError, name, "out", np.dtype(dtype), "floating-point", keeps=[z, g, bad]):
                call(out=bad)
        bad = sentinel(shape)
        bad.flags.writeable = False
        with refused(ValueError, name, "out", "read-only", "writable", keeps=[z, g, bad]):
            call(out=bad)
        with refused(ValueError, name, "out", "step of 0"):
            call(out=np.lib.stride_tricks.as_strided(sentinel((1,)), shape, (0,) * len(shape)))
        for wrong in ((69, 5), (70, 6), (5, 70), (350,), (1, 70, 5), (70,), (70, 1), (1,), ()):
            if wrong != shape:
                bad = sentinel(wrong)
                with refused(ValueError, name, "out", wrong, shape, keeps=[z, g, bad]):
                    call(out=bad)


def test_out_that_overlaps(row_function):
    """Only z or g itself may be overwritten, exactly, and only by a result of its shape."""
    reduces = row_function.name == "logsumexp"
    for name, call, shape, good, g in calls(row_function):
        memory = sentinel(3 * good.size)
        at = {shift: memory[good.size + shift :][: good.size].reshape(good.shape) for shift in (-5, -1, 0, 1, 5)}
        at[0][...] = good
        if shape == good.shape:
            over = [at[-5], at[-1], at[1], at[5], at[0][::-1], at[0][:, ::-1]]
        else:
            over = [at[0][:, 0], at[0].reshape(-1)[:70]]
        for out in over:
            with refused(ValueError, name, "out", "overlaps", keeps=[memory, g]):
                call(z=at[0], out=out)
            if name.endswith("backward") and not reduces:
                with refused(ValueError, name, "out", "overlaps", keeps=[memory, good]):
                    call(g=at[0], out=out)
                with refused(ValueError, name, "out", "overlaps", keeps=[memory]):
                    call(z=at[0], g=at[1], out=at[1])


def test_out_that_overlaps_a_gradient_of_another_shape(row_function):
    *_, (name, call, shape, good, _) = calls(row_function)
    memory = sentinel(shape)
    memory[...] = 1
    for g in (memory[:, 0],) if row_function.name == "logsumexp" else (memory[:1], memory[:, :1], memory[0], memory[0, 0, ...]):
        with refused(ValueError, name, "out", "overlaps", keeps=[memory, good]):
            call(g=g, out=memory)


def test_out_that_overlaps_the_mask(row_function):
    for name, call, shape, good, _ in calls(row_function):
        memory = sentinel(shape)
        mask = memory.reshape(-1).view(bool)[: good.size]
        if mask.size == good.size:
            with refused(ValueError, name, "out", "overlaps", keeps=[memory, good]):
                call(where=mask.reshape(good.shape), out=memory)


@pytest.mark.parametrize("bad", (np.nan, np.inf), ids=str)
def test_nothing_else_is_refused(row_function, bad):
    """Numbers of any kind are accepted."""
    for _, call, _, z, g in calls(row_function):
        call(z=np.full_like(z, bad), g=np.full_like(g, bad))
