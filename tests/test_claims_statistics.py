"""What decides about claims: intervals, outcomes, verdicts, on numbers made for the purpose."""

import math

import numpy as np
import pytest

scipy_stats = pytest.importorskip("scipy.stats")

from actloss_c.claims.claim import Results  # noqa: E402
from actloss_c.claims.statistics import (  # noqa: E402
    AS_CLAIMED,
    CONFIRMED,
    DEPENDS,
    NOT_CONFIRMED,
    OPEN,
    OTHERWISE,
    Comparison,
    best_elsewhere,
    deciding,
    interval,
    judge,
)

YES, NO, NOISE = (
    np.array([1.0, 1.1, 0.9, 1.05, 0.95]),
    np.array([-1.0, -1.1, -0.9, -1.05, -0.95]),
    np.array([1.0, -1.1, 0.9, -1, 0.1]),
)


@pytest.mark.parametrize("confidence", [0.5, 0.95, 0.999])
def test_interval_is_students(confidence):
    values = np.random.default_rng(0).standard_normal(9)
    found = interval(values, confidence)
    wanted = scipy_stats.t.interval(confidence, 8, values.mean(), scipy_stats.sem(values))
    assert (found.low, found.high) == pytest.approx(wanted, rel=1e-12) and found.n == 9


def test_interval_covers_as_often_as_it_says():
    draws = np.random.default_rng(1).standard_normal((4000, 5)) + 3
    hits = [found.low < 3 < found.high for found in map(interval, draws)]
    assert abs(np.mean(hits) - 0.95) < 0.012


def test_interval_leaves_out_what_is_not_finite():
    assert interval([1.0, math.nan, 2.0, math.inf]) == interval([1.0, 2.0])
    alone, none = interval([4.0]), interval([math.nan])
    assert (alone.mean, alone.low, alone.high, alone.n) == (4.0, -math.inf, math.inf, 1)
    assert math.isnan(none.mean) and none.n == 0


@pytest.mark.parametrize(
    "values, region, outcome",
    [
        (YES, (0, math.inf), AS_CLAIMED),
        (NO, (0, math.inf), OTHERWISE),
        (NOISE, (0, math.inf), OPEN),
        (YES, (0.5, 1.5), AS_CLAIMED),
        (YES, (1.5, math.inf), OTHERWISE),
        (YES, (1.0, math.inf), OPEN),
        (YES, (-math.inf, 0), OTHERWISE),
        (np.zeros(5), (0, math.inf), OTHERWISE),
        (np.zeros(5), (-1, 1), AS_CLAIMED),
        (np.array([1.0, 1.0, math.nan, math.nan, math.nan]), (0, math.inf), OPEN),
    ],
)
def test_outcome(values, region, outcome):
    assert Comparison(values, {}, *region).judged()[1] == outcome


@pytest.mark.parametrize(
    "values, verdict",
    [
        ([YES], CONFIRMED),
        ([YES, YES], CONFIRMED),
        ([NO], NOT_CONFIRMED),
        ([NOISE], NOT_CONFIRMED),
        ([NO, NOISE], NOT_CONFIRMED),
        ([YES, NO], DEPENDS),
        ([YES, NOISE], DEPENDS),
    ],
)
def test_verdict(values, verdict):
    found = judge([Comparison(one, {"data": str(k)}) for k, one in enumerate(values)])
    assert found.verdict == verdict and found.sentence().lower().startswith(verdict)
    assert found.depends_on == (("data",) if verdict == DEPENDS else ())


def test_verdict_needs_a_comparison():
    with pytest.raises(ValueError, match="at least one"):
        judge([])


def test_more_comparisons_ask_for_more():
    """The same numbers that are enough alone are not among forty: the intervals hold all at once."""
    values = np.array([0.4, 1.6, 0.5, 1.5, 1.0]) + 0.1
    assert judge([Comparison(values)]).verdict == CONFIRMED
    assert judge([Comparison(values)] * 40).verdict == NOT_CONFIRMED


def test_sentence_counts():
    found = judge([Comparison(one, {"data": name}) for name, one in (("x", YES), ("y", NO), ("z", NOISE), ("w", YES))])
    assert found.sentence() == "Depends on data: of 4 comparisons 2 come out as claimed, 1 not and 1 undecided."
    factors = [{"data": d, "rate": r, "depth": n} for d, r, n in ((1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2))]
    found = judge([Comparison(YES if k == 0 else NO, one) for k, one in enumerate(factors)])
    assert found.sentence().startswith("Depends on data, rate and depth: of 4 comparisons 1 comes out as claimed, 3 not.")
    assert judge([Comparison(NO)]).sentence() == "Not confirmed: of 1 comparison none comes out as claimed, 1 not."


def test_what_a_verdict_depends_on():
    grid = [{"data": d, "rate": r} for d in "xy" for r in (1, 2)]
    assert deciding(grid, [one["rate"] == 2 for one in grid]) == ("rate",)
    assert deciding(grid, [one["data"] == "x" for one in grid]) == ("data",)
    assert deciding(grid, [True, False, False, False]) == ("data", "rate")
    assert deciding([{"a": 1, "b": 1}, {"a": 1, "b": 1}], [True, False]) == ()


def test_best_elsewhere_leaves_the_own_seed_out():
    """Each seed's own column is the cheapest for it alone: the choice follows the others."""
    assert best_elsewhere([[0.0, 1.0], [9.0, 1.0], [9.0, 1.0]]).tolist() == [1, 1, 1]
    assert best_elsewhere([[0.0, 5.0], [1.0, 0.0]]).tolist() == [1, 0]
    assert best_elsewhere([[math.nan, 1.0], [math.nan, 2.0]]).tolist() == [1, 1]
    assert best_elsewhere([[3.0], [4.0]]).tolist() == [0, 0]


def test_results_by_setting():
    cells = [({"data": "x", "rate": r}, [{"loss": r + seed, "none": None} for seed in (0, 10)]) for r in (1, 2)]
    results = Results({}, [0, 10], cells)
    assert results.of("loss", rate=1, data="x").tolist() == [1, 11]
    assert results.over("rate", [2, 1], "loss", data="x").tolist() == [[2, 1], [12, 11]]
    assert np.isnan(results.of("none", data="x", rate=1)).all()
    with pytest.raises(KeyError):
        results.of("loss", data="x")
