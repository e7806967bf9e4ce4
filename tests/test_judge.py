"""The judge is right about errors, finds the one wrong result among many, and adds up what its processes found."""

import math

import mpmath
import numpy as np
import pytest

from actloss_c import accuracy, judge, oracle, registry, ulp
from actloss_c.patterns import Patterns, thresholds
from actloss_c.replay import Tape

NAMES = pytest.mark.parametrize("name", [entry.name for entry in registry.ACTIVATIONS])
DTYPE = pytest.mark.parametrize("dtype", judge.WIDE)


def question(name, dtype="float32", **options):
    return judge.Question(name, dtype, tuple((p.name, p.default) for p in registry.FUNCTIONS[name].params), **options)


# --- units in the last place ----------------------------------------------------------------------------------------------------


def crafted(dtype):
    """(result, exact in the wider type): at powers of two and beside them, ties, subnormal, zero, overflow, far off, NaN."""
    wide, info = judge.WIDE[dtype], np.finfo(dtype)
    tiny, largest, one = wide(info.smallest_subnormal), wide(info.max), wide(1)
    eps = wide(info.eps)
    exact = [one, one - eps / 8, one + eps / 2, one + eps * 3 / 2, -one * 3 + eps / 16, wide(0), tiny / 2, tiny * 3 / 2]
    exact += [-tiny * wide(1) / 64, wide(info.smallest_normal) - tiny / 4, wide(info.smallest_normal) * 3 / 2 + tiny / 4]
    exact += [largest, largest * (1 + eps / 8), largest * (1 + eps), -largest * 4]
    for number in exact:
        with np.errstate(over="ignore"):
            nearest = np.dtype(dtype).type(number)
        for result in (nearest, np.nextafter(nearest, np.dtype(dtype).type(-np.inf)), -nearest, 0, info.max, np.inf, np.nan):
            yield np.dtype(dtype).type(result), number


def exactly(number):
    """A number of a wider type as mpf."""
    fraction, exponent = np.frexp(number)
    return mpmath.ldexp(mpmath.mpf(float(fraction)) + float(fraction - float(fraction)), int(exponent))


@DTYPE
def test_error_of_arrays_is_that_of_mpmath(dtype):
    results, exact = zip(*crafted(dtype), strict=True)
    with mpmath.workprec(200):
        want = ulp.ulp_error(results, [exactly(number) for number in exact], dtype)
    got = ulp.ulp_error(results, np.array(exact, judge.WIDE[dtype]), dtype)
    np.testing.assert_array_equal(got, want)
    assert {0, 0.5, np.inf} <= set(want) and np.isfinite(want).sum() > 50


@DTYPE
def test_nearest(dtype):
    with np.errstate(over="ignore"), mpmath.workprec(200):
        for _, exact in crafted(dtype):
            assert ulp.nearest(exactly(exact), dtype) == np.dtype(dtype).type(exact)
    assert ulp.nearest(mpmath.mpf("-inf"), dtype) == -np.inf and np.isnan(ulp.nearest(mpmath.nan, dtype))


# --- the reference --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("formula", [*{e.formula for e in registry.ACTIVATIONS}, "x * erfc(-x / sqrt(2)) / 2", "3 + 0 * x"])
@pytest.mark.parametrize("correct", (False, True))
def test_replayed_is_the_same(formula, correct):
    """Bit for bit, in whole blocks and a ragged end."""
    params = {"alpha": np.float64(0.25)} if "alpha" in formula else {}
    x = np.concatenate([np.linspace(-40, 40, 999), np.float32(10.0) ** np.arange(-45, 39), [0.0]])
    tape = Tape(np.float64, 128)
    with np.errstate(all="ignore"):
        tape.compile(sum(oracle.on_arrays(formula, tape.x, correct, **params), ()))
        results = [np.empty_like(x) for _ in range(4)]
        tape(x, *results)
        for result, want in zip(results, sum(oracle.on_arrays(formula, x, correct, **params), ()), strict=True):
            np.testing.assert_array_equal(result, np.broadcast_to(want, x.shape))


def test_constants_are_as_exact_as_the_type():
    for wide in judge.WIDE.values():
        got = sum(oracle.on_arrays("pi * x + 0.1", np.ones(1, wide))[0])[0]
        with mpmath.workprec(200):
            assert abs(exactly(got) - mpmath.pi - mpmath.mpf("0.1")) < float(4 * np.finfo(wide).eps)


def test_nothing_is_computed_twice():
    tape = Tape(np.float64, 16)
    x = tape.x
    tape.compile([np.exp(x) * np.exp(x) + 0 * x, 1 * np.exp(x)])
    np.tanh(x)  # not needed
    assert [call[0] for call in tape.calls] == [np.exp, np.multiply]


@DTYPE
@NAMES
def test_reference_keeps_to_its_tolerance(name, dtype):
    assert judge.Judge(question(name, dtype), {}).deviation() <= judge.TOLERANCE[dtype] / 4


def test_cancellation_is_noticed():
    """The numerator of softsign' is (1 + |x|) − |x|: of 1 + |x| float64 has lost the 1 at 1e20."""
    reference = judge.Reference(question("softsign"))
    reference.careful = None
    reference(np.linspace(1, 2, judge.CHUNK, dtype=np.float32))
    with pytest.raises(TypeError):  # calls the careful one
        reference(np.linspace(1e20, 2e20, judge.CHUNK, dtype=np.float32))


# --- where it looks -------------------------------------------------------------------------------------------------------------


def test_every_finite_number_is_looked_at_once():
    """float16 stands for float32: the same code."""
    patterns = Patterns(np.float16)
    numbers = np.concatenate([patterns.numbers(task) for task in patterns.every()])
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    np.testing.assert_array_equal(np.sort(numbers.view(np.uint16)), every[np.isfinite(every)].view(np.uint16))


def test_all_float32_are_counted():
    runs = sorted(run for task in Patterns(np.float32).every() for run in task)
    bits = {0: 0x7F800000, 0x80000000: 0xFF800000}
    for sign, end in bits.items():
        ours = [run for run in runs if sign <= run[0] < end]
        assert ours[0][0] == sign and ours[-1][0] + ours[-1][2] == end
        assert all(a[1] == 1 and a[0] + a[2] == b[0] for a, b in zip(ours, ours[1:], strict=False))


@DTYPE
def test_sample_has_the_neighbours_of_each_threshold(dtype):
    entry, kind = registry.FUNCTIONS["elu"], np.dtype(dtype)
    patterns = Patterns(dtype)
    tasks = patterns.sample(entry)
    assert sum(map(judge.size, tasks)) >= 10**7
    bits = np.concatenate([patterns.numbers(task) for task in tasks if len(task) > 1]).view(patterns.unsigned)
    powers = np.ldexp(kind.type(1), np.arange(np.finfo(dtype).minexp, np.finfo(dtype).maxexp))
    points = np.concatenate([thresholds(entry, kind), powers, -powers, [np.finfo(dtype).max]])
    points = points.astype(dtype)
    with np.errstate(over="ignore"):
        towards = [points, np.nextafter(points, kind.type(0)), np.nextafter(points, np.copysign(kind.type(np.inf), points))]
    missing = np.setdiff1d(np.concatenate(towards), bits.view(dtype))
    assert not missing[np.isfinite(missing)].size, missing


# --- what it finds --------------------------------------------------------------------------------------------------------------


def rounded(entry_question):
    """One who answers with the nearest numbers, as the reference has them."""
    reference = judge.Reference(entry_question)

    def call(x):
        reference(x)
        return [r.copy() for r in reference.rounded]

    return call


def broken(call, at, kind, change):
    """The same, but `change` of the result of one number."""

    def wrong(x):
        results = call(x)
        results[kind][x == at] = change(results[kind][x == at])
        return results

    return wrong


def found(entry_question, call, *tasks):
    """{kind: Verdict} of the tasks."""
    made = judge.Judge(entry_question, {"other": call})
    verdicts = judge.verdicts(entry_question, [made.walk(task) for task in tasks], made.limits())
    return {v.kind: v for v in verdicts}


def around(dtype, number, reach):
    return Patterns(dtype).around([number], reach)[0]


@DTYPE
@pytest.mark.parametrize("kind", range(2))
def test_finds_three_units(dtype, kind):
    """In 50 000 numbers, all others of which are the nearest, with its witness."""
    asked, typed = question("sigmoid", dtype), np.dtype(dtype).type
    at, right = typed(-1.2345), rounded(asked)
    task = around(dtype, -1.2, 1 << 12) + around(dtype, at, 1 << 14) + around(dtype, 5, 1 << 10)
    good = found(asked, right, task)
    bad = found(asked, broken(right, at, kind, lambda y: y + 3 * np.spacing(y)), task)
    name, other = judge.KINDS[kind], judge.KINDS[1 - kind]
    exact = judge.exact_results(asked, at)[kind]
    want = ulp.nearest(exact, dtype)
    witness = bad[name]
    slack = 0 if dtype == "float32" else 1e-3  # rounded to long double first
    assert good[name].ulp <= good[name].most <= 0.5 + slack and 1 - slack <= good[name].right <= 1
    assert (witness.x, witness.got, witness.want) == (at, typed(want + 3 * np.spacing(want)), want)
    assert 2.5 <= witness.ulp <= 3.5 and witness.ulp == ulp.ulp_error([witness.got], [exact], dtype)[0] == witness.most
    assert witness.right == pytest.approx(good[name].right - 1 / witness.count, abs=1e-9) and witness.count == judge.size(task)
    assert witness.mean * witness.count > good[name].mean * good[name].count + 2
    assert bad[other] == good[other]


def test_finds_nan():
    asked, at = question("relu"), np.float32(3)
    bad = found(asked, broken(rounded(asked), at, 0, lambda y: y * np.nan), around("float32", at, 100))["value"]
    assert (bad.ulp, bad.x, bad.want, bad.count) == (math.inf, at, at, 200) and np.isnan(bad.got) and bad.mean == math.inf


def test_beyond_the_largest_number():
    """4x is infinite from a quarter of the largest on, rightly."""
    asked = judge.Question("leaky_relu", "float32", (("alpha", 4.0),), formula=True)
    answer = judge.answers(asked)[judge.FORMULA]
    task = around("float32", -np.finfo(np.float32).max / 4, 1000)
    good = found(asked, answer, task)["value"]
    assert (good.ulp, good.most, good.mean, good.right) == (0, 0, 0, 1)
    largest = np.finfo(np.float32).max
    bad = found(asked, lambda x: [np.clip(y, -largest, largest) for y in answer(x)], task)["value"]
    assert (bad.got, bad.want) == (-largest, -np.inf) and 1900 < bad.ulp < 2100 and bad.right == pytest.approx(0.5, abs=1e-3)


def test_products_are_judged_exactly():
    """A product of two float64 has more digits than long double."""
    asked = question("leaky_relu", "float64", formula=True)
    good = found(asked, judge.answers(asked)[judge.FORMULA], Patterns("float64").even(1 << 21)[-1])["value"]
    assert 0.4999 < good.ulp <= good.most <= 0.5 and good.right == 1


def test_limits_must_be_exact():
    asked = question("sigmoid")
    right = rounded(asked)

    def wrong(x):
        y, dy = right(np.clip(x, -200, 200))
        return np.where(x == -np.inf, np.float32(1e-45), y), np.where(np.isinf(x), np.float32(np.nan), dy)

    task = around("float32", 1, 100)
    assert not any(v.limits for v in found(asked, lambda x: right(np.clip(x, -200, 200)), task).values())
    bad = found(asked, wrong, task)
    assert bad["value"].limits == ((-np.inf, np.float32(1e-45), 0),)
    assert [(x, want) for x, _, want in bad["derivative"].limits] == [(np.inf, 0), (-np.inf, 0)]


def test_mpmath_has_the_last_word():
    """The errors as the reference sees them decide nothing within its tolerance."""
    asked = question("sigmoid")
    many = np.linspace(0.5, 0.7, 1 << 16, dtype=np.float32)
    results = np.nextafter(1 / (1 + np.exp(-many)), np.float32(2))
    errors = ulp.ulp_error(results, oracle.numpy_value_and_derivative("1 / (1 + exp(-x))", many)[0], "float32")
    order = np.argsort(errors)
    pair = order[(k := np.argmin(np.where(np.diff(errors[order]) > 1e-9, np.diff(errors[order]), 1))) : k + 2]
    x, got = many[pair], results[pair]
    exact = ulp.ulp_error(got, [judge.exact_results(asked, v)[0] for v in x], "float32")
    best = int(np.argmax(exact))
    seen = np.where(np.arange(2) == best, exact.min() - 1e-7, exact.max() + 1e-7)  # the other one seems larger
    tally = judge.Tally("float32")
    tally.add(x, got, judge.Errors(seen.max(), seen.sum(), lambda: seen), 0)
    verdict = judge.verdict(asked, "other", "value", tally, ())
    assert (verdict.ulp, verdict.x, verdict.most) == (exact[best], x[best], exact[best])
    tally.error += 1e-3  # a reference that is wrong does not pass for one that is right
    assert judge.verdict(asked, "other", "value", tally, ()).most == np.inf


def test_says_what_it_has_not_seen(monkeypatch):
    """More candidates for the maximum than are kept: it may be as much larger as the reference was seen to be off."""
    asked = question("sigmoid", "float64")
    task = around("float64", 1.1, 1 << 15)
    all_seen = found(asked, rounded(asked), task)["value"]
    monkeypatch.setattr(judge, "KEPT", 4)
    some_seen = found(asked, rounded(asked), task)["value"]
    assert all_seen.ulp == all_seen.most and some_seen.ulp <= all_seen.ulp < some_seen.most < all_seen.ulp + 5e-3


def test_parts_add_up():
    """Numbers in one task, in several, and in several chunks of one."""
    asked = question("tanh", formula=True)
    made = judge.Judge(asked, {"formula": judge.answers(asked)[judge.FORMULA]})
    runs = [((0x3F000000 + (k << 16), 1, 1 << 16),) for k in range(3)]
    whole = judge.verdicts(asked, [made.walk(sum(runs, ()))], made.limits())
    parts = judge.verdicts(asked, [made.walk(run) for run in runs], made.limits())
    assert len(whole) == len(parts) == 2
    for a, b in zip(whole, parts, strict=True):
        assert (a.ulp, a.x, a.got, a.want, a.right, a.count) == (b.ulp, b.x, b.got, b.want, b.right, 3 << 16)
        assert a.mean == pytest.approx(b.mean, rel=1e-12)
    x = Patterns("float32").numbers(sum(runs, ()))
    with np.errstate(all="ignore"):
        error = ulp.ulp_error(np.tanh(x), oracle.numpy_value_and_derivative("tanh(x)", x)[0], "float32")
    assert whole[0].mean == pytest.approx(error.mean(), abs=1e-7) and whole[0].ulp == pytest.approx(error.max(), abs=1e-6)


def test_this_package_fails_beyond_its_bound():
    asked = question("relu")
    at = np.float32(2)
    good = judge.Verdict(asked.levels[0], "value", 0.0, at, at, at, 0.0, 0.0, 1.0, 1, ())
    assert not accuracy.fails(asked, good)
    assert accuracy.fails(asked, good._replace(most=1e-9))
    assert accuracy.fails(asked, good._replace(most=math.nan))
    assert accuracy.fails(asked, good._replace(limits=((math.inf, 1.0, math.inf),)))
    assert not accuracy.fails(asked, good._replace(who="PyTorch", most=9.0))
