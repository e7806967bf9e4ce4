"""out and where of the activations, compared with the same call on fresh, contiguous, native arrays, bit for bit."""

import numpy as np
from helpers_activations import N, calls, inputs, sample
from helpers_arrays import as_out, layouts

WITH_FLOAT16 = True

EVERY_THIRD_OUT = np.arange(N) % 3 > 0


def test_out(case, assert_same_results):
    x, g = inputs(case.dtype)
    for call in calls(case.entry.name, case.level):
        want = call(g, x)
        assert_same_results(call.into(call.outs(x.shape, case.dtype), g, x), want, call.name)


def test_zero_dimensional_out(case, assert_same_results):
    x, g = np.array(-0.75, case.dtype), np.array(2, case.dtype)
    for call in calls(case.entry.name, case.level):
        want = call(g, x)
        assert_same_results(call.into(call.outs((), case.dtype), g, x), want, call.name)


def test_out_in_a_tuple(case, assert_same_results):
    """A single output may be given as (y,); None leaves an output to the function."""
    x, g = inputs(case.dtype)
    for call in calls(case.entry.name, case.level):
        want, fresh = call(g, x), call.outs(x.shape, case.dtype)
        for given in {tuple(k in chosen for k in range(len(fresh))) for chosen in ((), (0,), (1,), (0, 1))}:
            outs = tuple(out if use else None for out, use in zip(fresh, given, strict=True))
            if len(outs) == 1 and outs[0] is None and isinstance(call.function, np.ufunc):
                continue
            got = call(g, x, out=outs)
            assert all(out is None or out is result for out, result in zip(outs, got, strict=True)), call.name
            assert_same_results(got, want, f"{call.name}, out given {given}")


def test_out_of_every_layout(case, assert_same_results):
    x, g = inputs(case.dtype, (6, 7, 40))
    for call in calls(case.entry.name, case.level):
        want = call(g, x)
        for place in range(call.like_x):
            for layout, out in layouts(np.zeros_like(x)).items():
                outs = call.outs(x.shape, case.dtype)
                outs[place] = out
                call.into(outs, g, x)
                assert_same_results(tuple(o.astype(case.dtype) for o in outs), want, f"{call.name}, out[{place}] {layout}")
                if layout == "every second":
                    assert np.all(out.base[1::2] == 7) and np.all(out.base[..., 1::2] == 7), f"{call.name} wrote between"


def test_out_of_another_float_dtype(case):
    x, g = inputs(case.dtype)
    for call in calls(case.entry.name, case.level):
        want = call(g, x)
        for dtype in (np.float16, np.float32, np.float64, np.longdouble):
            outs = [np.zeros(out.shape, dtype) for out in call.outs(x.shape, case.dtype)]
            for k, got in enumerate(call.into(outs, g, x)):
                assert got.dtype == dtype
                if k < call.like_x:
                    assert np.array_equal(got, want[k].astype(dtype)), f"{call.name} into {np.dtype(dtype)}"
                else:  # summed in float64 and rounded once
                    np.testing.assert_allclose(got, want[k], rtol=max(np.finfo(d).eps for d in (dtype, case.dtype)))


def masked(mask, results, rest):
    """The results where the mask is true, `rest` (of each) elsewhere."""
    return tuple(np.where(mask, result, other) for result, other in zip(results, rest, strict=True))


def test_where_without_out_fills_with_zeros(case, assert_same_results):
    x, zeros = sample(case.dtype), np.zeros(N, case.dtype)
    for mask in (EVERY_THIRD_OUT, np.zeros(N, bool), np.ones(N, bool), [i % 2 == 0 for i in range(N)], False, np.True_):
        for call in calls(case.entry.name, case.level, raw=False, backward=False):
            want = masked(mask, call(None, x), [zeros] * call.like_x)
            assert_same_results(call(None, x, where=mask), want, f"{call.name} where {type(mask)}")


def test_where_with_out_leaves_the_rest(case, assert_same_results):
    x, g = inputs(case.dtype)
    for mask in (EVERY_THIRD_OUT, np.zeros(N, bool), np.arange(N) < 700):
        for call in calls(case.entry.name, case.level):
            if call.takes_g and not isinstance(call.function, np.ufunc):
                continue  # backward has no where
            before = call.outs(x.shape, case.dtype)
            want = masked(mask, call(g, x), before)
            assert_same_results(call.into([b.copy() for b in before], g, x, where=mask), want, call.name)


def test_where_broadcasts(case, assert_same_results):
    x, zeros = sample(case.dtype, 40), np.zeros((3, 40), case.dtype)
    mask = np.arange(120).reshape(3, 40) % 7 > 2
    for call in calls(case.entry.name, case.level, raw=False, backward=False):
        full, rest = call(None, x), [zeros] * call.like_x
        assert_same_results(call(None, x, where=mask), masked(mask, full, rest), call.name)
        assert_same_results(call(None, np.stack([x] * 3), where=mask[0]), masked(mask[0], full, rest), call.name)


def test_where_of_a_scalar(case, assert_same_results):
    """A scalar comes back for a scalar, the value or 0, but the caller's array where one is given."""
    x, out = case.dtype.type(-0.75), np.zeros((), case.dtype)
    for call in calls(case.entry.name, case.level, raw=False, backward=False):
        full, rest = call(None, x), [case.dtype.type(0)] * call.like_x
        for mask in (True, False, np.True_, np.False_, np.array(True)):
            got = call(None, x, where=mask)
            assert all(type(result) is case.dtype.type for result in got), f"{call.name} where {mask!r}"
            assert_same_results(got, masked(mask, full, rest), f"{call.name} where {mask!r}")
            assert call(None, x, where=mask, out=as_out([out] + [None] * (call.like_x - 1)))[0] is out
