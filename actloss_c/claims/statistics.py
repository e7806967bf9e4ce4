"""Intervals over seeds, and what a set of comparisons says about a claim."""

import itertools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
VERDICTS = CONFIRMED, NOT_CONFIRMED, DEPENDS = "confirmed", "not confirmed", "depends"
OUTCOMES = AS_CLAIMED, OTHERWISE, OPEN = "as claimed", "otherwise", "open"


class Interval(NamedTuple):
    """A mean over n seeds and its confidence interval; without two finite numbers it is the whole line."""

    mean: float
    low: float
    high: float
    n: int


def interval(values, confidence=CONFIDENCE):
    """Student's interval for the mean: m ± t · s / √n. Numbers that are not finite are left out.

    Source: Student (Gosset), The probable error of a mean, Biometrika 6, 1908.
    """
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    n = values.size
    if n < 2:
        return Interval(float(values[0]) if n else math.nan, -math.inf, math.inf, n)
    from scipy.special import stdtrit

    mean, half = float(values.mean()), float(stdtrit(n - 1, (1 + confidence) / 2) * values.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


@dataclass(frozen=True, eq=False)
class Comparison:
    """One number per seed, mostly a paired difference, and the open region where a claim puts its mean.

    `factors` name what was compared, so that a verdict can say on which of them it depends. With `ratio` the numbers are
    log10 of ratios, which is how they are averaged; they are shown as ratios. At least `least` seeds must give a number.
    """

    values: np.ndarray
    factors: dict = field(default_factory=dict)
    low: float = 0.0
    high: float = math.inf
    ratio: bool = False
    least: int = 3

    def judged(self, confidence=CONFIDENCE):
        """(interval, outcome): as claimed if the interval lies in the region, otherwise if it lies outside, else open."""
        found = interval(self.values, confidence)
        if found.n < max(2, self.least):
            return found, OPEN
        if self.low < found.low and found.high < self.high:
            return found, AS_CLAIMED
        return found, OTHERWISE if found.high <= self.low or found.low >= self.high else OPEN


class Judgement(NamedTuple):
    """The verdict on a claim: the word, the factors that it depends on, and (comparison, interval, outcome) of all."""

    verdict: str
    depends_on: tuple
    compared: list

    def sentence(self):
        """The verdict in words, with its counts."""
        outcomes = [outcome for _, _, outcome in self.compared]
        n, counts = len(outcomes), {outcome: outcomes.count(outcome) for outcome in OUTCOMES}
        rest = " and ".join(
            f"{counts[outcome]} {words}" for outcome, words in ((OTHERWISE, "not"), (OPEN, "undecided")) if counts[outcome]
        )
        if self.verdict == CONFIRMED:
            return f"Confirmed: {'the comparison comes' if n == 1 else f'all {n} comparisons come'} out as claimed."
        if self.verdict == NOT_CONFIRMED:
            return f"Not confirmed: of {n} comparison{'s' * (n > 1)} none comes out as claimed, {rest}."
        listed = " and ".join(filter(None, (", ".join(self.depends_on[:-1]), *self.depends_on[-1:])))
        on = f"Depends on {listed}" if listed else "Depends"
        return f"{on}: of {n} comparisons {counts[AS_CLAIMED]} come{'s' * (counts[AS_CLAIMED] == 1)} out as claimed, {rest}."

    def by_factor(self):
        """How many come out as claimed for each value of the factors that the verdict depends on: "data: wine 1 of 2, …"."""
        parts = []
        for name in self.depends_on:
            counts = {}
            for comparison, _, outcome in self.compared:
                counts.setdefault(comparison.factors.get(name, "–"), []).append(outcome == AS_CLAIMED)
            parts.append(f"{name}: " + ", ".join(f"{value} {sum(one)} of {len(one)}" for value, one in counts.items()))
        return "; ".join(parts)


def judge(comparisons):
    """The verdict of comparisons, by intervals that hold all at once: each at the level 1 − 0.05 / their number.

    Confirmed if all come out as claimed, not confirmed if none does, and otherwise it depends.

    Source of the level: Dunn, Multiple comparisons among means, JASA 56, 1961 (Bonferroni's inequality).
    """
    if not comparisons:
        raise ValueError("comparisons=[]: a verdict needs at least one")
    level = 1 - (1 - CONFIDENCE) / len(comparisons)
    compared = [(comparison, *comparison.judged(level)) for comparison in comparisons]
    claimed = [outcome == AS_CLAIMED for *_, outcome in compared]
    if all(claimed):
        return Judgement(CONFIRMED, (), compared)
    if not any(claimed):
        return Judgement(NOT_CONFIRMED, (), compared)
    return Judgement(DEPENDS, deciding([c.factors for c in comparisons], claimed), compared)


def deciding(factors, claimed):
    """The factor whose value alone tells the comparisons that come out as claimed from the others; if there is none, every
    factor that tells two comparisons apart which are equal in all others."""
    names = list(dict.fromkeys(name for one in factors for name in one))
    for name in names:
        seen = {}
        for one, yes in zip(factors, claimed, strict=True):
            seen.setdefault(one.get(name), set()).add(yes)
        if all(len(outcomes) == 1 for outcomes in seen.values()):
            return (name,)
    changed = set()
    for (one, yes), (other, no) in itertools.combinations(zip(factors, claimed, strict=True), 2):
        different = [name for name in names if one.get(name) != other.get(name)]
        if yes != no and len(different) == 1:
            changed.update(different)
    return tuple(name for name in names if name in changed)


def best_elsewhere(costs):
    """For each seed the index of the setting that is cheapest in the mean over the *other* seeds; costs: (seeds, settings).

    So no seed takes part in the choice that it is then judged by. Costs that are not finite count as worse than all others.
    """
    costs = np.asarray(costs, float)
    finite = np.isfinite(costs)
    costs = np.where(finite, costs, costs[finite].max() + np.ptp(costs[finite]) + 1 if finite.any() else 0.0)
    return (costs.sum(axis=0) - costs).argmin(axis=1)
