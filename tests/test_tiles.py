"""Arrays of several axes in any layout: each combination of how inputs and outputs lie gives the bits of contiguous arrays, and
nothing between the elements of an output is written."""

import numpy as np
import pytest

WITH_FLOAT16 = True
SHAPES = (
    (64, 64),
    (100, 100),
    (3, 5, 70),
    (2, 600),
    (600, 2),
    (17, 33),
    (1, 40),
    (5, 1, 7),
    (4, 3, 4, 5),
    (9, 520),
    (520, 9),
    (40, 16),
    (2, 3, 20, 30),
    (300, 2, 2),
)
KINDS = ("value", "grad", "value_and_grad", "backward")
ROUNDS = 28


def lay(a, random, steps=(1, 1, 1, 2, 3, -1, -2)):
    """(a copy of `a` with axes stored in any order, any step along each and gaps between, the memory it lies in)."""
    order = random.permutation(a.ndim)
    step = random.choice(steps, a.ndim)
    gap = random.choice((0, 0, 3), a.ndim)
    sizes = [n * abs(along) + beyond for n, along, beyond in zip(a.shape, step, gap, strict=True)]
    memory = np.frombuffer(bytearray(b"\xa5" * (int(np.prod(sizes)) * a.itemsize)), a.dtype)
    stored = memory.reshape([sizes[d] for d in order])
    view = stored[tuple(slice(0, a.shape[d] * abs(step[d]), abs(step[d])) for d in order)]
    view = view[tuple(slice(None, None, -1) if step[d] < 0 else slice(None) for d in order)].transpose(np.argsort(order))
    assert view.shape == a.shape
    view[...] = a
    return view, memory


def call(function, kind, g, x, out):
    """Its results in a tuple."""
    if kind == "value":
        return (function(x, out=out and out[0]),)
    if kind == "backward":
        return (function.backward(g, x, out=out and out[0]),)
    results = getattr(function, kind)(x, out=out if out and kind == "value_and_grad" else out and out[0])
    return results if kind == "value_and_grad" else (results,)


@pytest.fixture
def numbers(case, patterns):
    def some(shape, seed):
        return patterns(case.dtype, int(np.prod(shape)), seed=seed).reshape(shape)

    return some


def kinds(case):
    """backward of a learned parameter has two results and a walk of its own, which test_bits.py looks at."""
    learned = any(p.learned for p in case.entry.params)
    return KINDS[:-1] if learned else KINDS


def test_any_layout_has_the_same_bits(case, numbers, assert_same_bits):
    random = np.random.default_rng(21)
    for turn in range(ROUNDS):
        shape = SHAPES[turn % len(SHAPES)]
        x, g = numbers(shape, 1), numbers(shape, 2)
        for kind in kinds(case):
            want = call(case.function, kind, g, x, None)
            xs, gs = (lay(a, random)[0] if random.random() < 0.8 else a for a in (x, g))
            what = f"{case}.{kind} of {shape}, turn {turn}"
            for k, result in enumerate(call(case.function, kind, gs, xs, None)):
                assert_same_bits(result, want[k], f"{what}, fresh result {k}")
            outs = [lay(np.zeros(shape, case.dtype), random) for _ in want]
            clean = [memory.copy() for _, memory in outs]
            results = call(case.function, kind, gs, xs, tuple(view for view, _ in outs))
            for k, (result, (view, memory)) in enumerate(zip(results, outs, strict=True)):
                assert result is view
                assert_same_bits(view, want[k], f"{what}, result {k}")
                view[...] = 0
                assert_same_bits(memory, clean[k], f"{what}: between the elements of result {k}")


def test_in_place_in_any_layout(case, numbers, assert_same_bits):
    """The first result onto x, and of backward onto g, which lies as x does or not."""
    random = np.random.default_rng(22)
    for turn in range(ROUNDS):
        shape = SHAPES[turn % len(SHAPES)]
        x, g = numbers(shape, 3), numbers(shape, 4)
        for kind in kinds(case):
            want = call(case.function, kind, g, x, None)
            for onto_g in (False, True) if kind == "backward" else (False,):
                (xs, _), (gs, _) = lay(x, random), lay(g, random)
                outs = (gs if onto_g else xs, *(np.empty_like(x) for _ in want[1:]))
                what = f"{case}.{kind} of {shape}, turn {turn}, onto {'g' if onto_g else 'x'}"
                for k, result in enumerate(call(case.function, kind, gs, xs, outs)):
                    assert_same_bits(result, want[k], f"{what}: result {k}")


def test_repeated_input(case, numbers, assert_same_bits):
    """Views that show an element many times, along one axis or all, have an ordinary result."""
    for shape, part in (((6, 70), (6, 1)), ((6, 70), (1, 70)), ((5, 4, 30), (1, 4, 1)), ((40, 40), (1, 1))):
        x = np.broadcast_to(numbers(part, 5), shape)
        g = np.broadcast_to(numbers((1, shape[-1]), 6), shape)
        for kind in kinds(case):
            want = call(case.function, kind, g.copy(), x.copy(), None)
            outs = tuple(np.empty(shape, case.dtype) for _ in want)
            for k, result in enumerate(call(case.function, kind, g, x, outs)):
                assert_same_bits(result, want[k], f"{case}.{kind} of {part} as {shape}: result {k}")
            for k, result in enumerate(call(case.function, kind, g, x, None)):
                assert result.flags.writeable and result.flags.owndata
                assert_same_bits(result, want[k], f"{case}.{kind} of {part} as {shape}: fresh result {k}")


def test_in_place_where_elements_share_memory(case, numbers, assert_same_bits):
    """Sliding windows onto themselves: all is read before any of it is written, as in NumPy's ufuncs; who writes last is open."""
    for shape, steps in (((3001, 3), (1, 1)), ((3, 3001), (1, 1)), ((700, 5), (2, 1)), ((40, 50), (10, 1))):
        memory = numbers((shape[0] * steps[0] + shape[1] * steps[1],), 7).copy()
        x = np.lib.stride_tricks.as_strided(memory, shape, [s * memory.itemsize for s in steps])
        want = call(case.function, "value", None, x.copy(), None)[0]
        call(case.function, "value", None, x, (x,))
        assert_same_bits(x, want, f"{case} of {shape} in steps of {steps}")
