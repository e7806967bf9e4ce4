"""Outputs of the activations that overlap their inputs: the bits of a call on copies."""

import numpy as np
from helpers_activations import WITH_PARAMETERS, N, calls, inputs, parameters, sample

WITH_FLOAT16 = True

ROOM = 4 * N
OVERLAPS = {
    "in place": lambda b: (b[N : 2 * N], b[N : 2 * N]),
    **{f"out {k:+} elements": lambda b, k=k: (b[N : 2 * N], b[N + k : 2 * N + k]) for k in (1, -1, 16, -16, 600, -600)},
    "reversed": lambda b: (b[:N], b[:N][::-1]),
    "reversed, one off": lambda b: (b[:N][::-1], b[1 : N + 1]),
    "every second to the front": lambda b: (b[: 2 * N : 2], b[:N]),
    "front to every second": lambda b: (b[:N], b[: 2 * N : 2]),
    "every second, in place": lambda b: (b[: 2 * N : 2], b[: 2 * N : 2]),
    "transposed": lambda b: (b[: 32 * 32].reshape(32, 32), b[: 32 * 32].reshape(32, 32).T),
}


def test_out_may_overlap_x(case, assert_same_results):
    for overlap, views in OVERLAPS.items():
        for call in calls(case.entry.name, case.level):
            for place in range(call.like_x):
                x, out = views(sample(case.dtype, ROOM))
                g = sample(case.dtype, x.shape, seed=1)
                want = call(g.copy(), x.copy())
                outs = call.outs(x.shape, case.dtype)
                outs[place] = out
                assert_same_results(call.into(outs, g, x), want, f"{call.name}, out[{place}] {overlap}")


def test_both_outputs_may_overlap_x(case, assert_same_results):
    for start in (0, 1, 16, 500, N - 1, N):
        for call in calls(case.entry.name, case.level):
            if call.like_x == 2:
                b = sample(case.dtype, 2 * N)
                x = b[start : start + N]
                want = call(None, x.copy())
                assert_same_results(call.into([b[:N], b[N:]], None, x), want, f"{call.name}, x from {start}")


def test_out_may_overlap_g(case, assert_same_results):
    for overlap, views in OVERLAPS.items():
        for call in calls(case.entry.name, case.level):
            if call.takes_g:
                b = sample(case.dtype, ROOM)
                g, out = views(b)
                for x in (sample(case.dtype, g.shape, seed=1), g, out):
                    b[...] = sample(case.dtype, ROOM)
                    want = call(g.copy(), x.copy())
                    outs = call.outs(g.shape, case.dtype)
                    outs[0] = out
                    assert_same_results(call.into(outs, g, x), want, f"{call.name}, out and g: {overlap}")


@WITH_PARAMETERS
def test_out_may_overlap_a_parameter(name, level, dtype, assert_same_results):
    x, g = inputs(dtype)
    for where_in_out in (slice(0, 1), slice(700, 701), slice(0, N), slice(1, N + 1), slice(N, 0, -1)):
        for call in calls(name, level):
            for place in range(call.like_x):
                b = np.abs(sample(dtype, N + 1, seed=2)) + dtype.type(0.5)
                params = [b[where_in_out]] * len(call.defaults)
                want = call(g, x, *(p.copy() for p in params))
                outs = call.outs(x.shape, dtype)
                outs[place] = b[:N]
                if call.sums:
                    outs[-1] = np.empty_like(params[0])
                what = f"{call.name}, parameter is {where_in_out} of out[{place}]"
                assert_same_results(call.into(outs, g, x, *params), want, what)


def test_gradients_may_replace_x_and_the_parameter(learned_case, assert_same_results):
    entry, dtype = learned_case.entry, learned_case.dtype
    (g, x), (a,) = inputs(dtype, (3, 50)), parameters(entry, dtype, (3, 1))
    want = learned_case.function.backward(g, x, a)
    got = learned_case.function.backward(g, x, a, out=(x, a))
    assert got[0] is x and got[1] is a
    assert_same_results(got, want)


def test_only_dx_may_overlap(learned_case, assert_same_results):
    """The sum is left to the function; dx over x, over g or over a parameter per element."""
    for overlap, views in OVERLAPS.items():
        for place in range(3):
            memory, dx = views(sample(learned_case.dtype, ROOM))
            arrays = [sample(learned_case.dtype, dx.shape, seed=k) for k in range(3)]
            memory[...] = arrays[place]
            arrays[place] = memory
            want = learned_case.function.backward(*(a.copy() for a in arrays))
            got = learned_case.function.backward(*arrays, out=(dx, None))
            assert got[0] is dx
            assert_same_results(got, want, f"{place}, {overlap}")


def test_gradients_of_one_shape(learned_case, assert_same_results):
    """A parameter for each element: both gradients have x's shape."""
    (g, x), (a,) = inputs(learned_case.dtype), parameters(learned_case.entry, learned_case.dtype, N)
    want = learned_case.function.backward(g, x, a)
    for outs in ((np.zeros_like(x), np.zeros_like(x)), (g.copy(), a.copy()), (None, x.copy()), (a, g)):
        got = learned_case.function.backward(g, x, a, out=outs)
        assert all(result is out or out is None for result, out in zip(got, outs, strict=True))
        assert_same_results(got, want)
        (g, x), (a,) = inputs(learned_case.dtype), parameters(learned_case.entry, learned_case.dtype, N)


def test_sum_may_be_part_of_x(learned_case, assert_same_bits):
    g, x = inputs(learned_case.dtype)
    want = learned_case.function.backward(g, x)
    got = learned_case.function.backward(g, x, out=(None, x[3:4].reshape(())))
    assert_same_bits(got[0], want[0])
    assert_same_bits(x[3], want[1])
