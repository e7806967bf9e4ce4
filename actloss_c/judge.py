"""The walk over bit patterns that finds each function's largest error: for this package, the naive formula and the peers.

mpmath arbitrates whatever the reference puts within TOLERANCE of the maximum, so the maximum, its witness and the verdict on a
bound are exact; and it is asked at random places whether the reference keeps to its tolerance.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from . import _build, oracle, peers, registry
from .baseline import Baseline
from .patterns import Patterns
from .reference import CHUNK, WIDE, Reference
from .ulp import nearest, ulp_error

KINDS = ("value", "derivative")
TOLERANCE = {"float32": 1e-6, "float64": 1e-2}  # ULP, of the reference
KEPT = 256  # the worst of each tally
SPARSE = 0.125  # share of wrong results up to which they are taken one by one: most chunks have fewer
FORMULA = "formula"


# --- who is judged ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Question:
    """A function at a type, with its parameters as (name, number), and who answers: levels of this package, and others."""

    name: str
    dtype: str
    params: tuple
    levels: tuple = (_build.LEVEL,)
    formula: bool = False
    peers: bool = False

    @property
    def entry(self):
        return registry.FUNCTIONS[self.name]

    @property
    def kinds(self):
        """What there is a bound for; an entry may have a value alone."""
        return KINDS[: len(self.entry.ulp[self.dtype])]

    @property
    def tolerance(self):
        return TOLERANCE[self.dtype]

    def exact_params(self, wide):
        """The parameters as the functions see them, in a wider type."""
        return {name: wide(np.dtype(self.dtype).type(value)) for name, value in self.params}


def answers(question):
    """{who: function that gives (value, derivative) of a whole chunk of x}."""
    entry, params = question.entry, dict(question.params)
    found = {level: functools.partial(_build.functions(level)[entry.name].value_and_grad, **params) for level in question.levels}
    if question.formula:
        found[FORMULA] = _as_typed(entry, question.dtype, params)
    for peer in peers.installed() if question.peers else ():
        if peer.has(entry.name):
            found[peer.name] = _of_peer(peer, peer.value_and_grad(entry.name, params))
    return found


def _as_typed(entry, dtype, params):
    """The registry's formula as it stands, under NumPy in x's type, and its derivative as NumPy users write it."""
    run = Baseline(entry.formula, entry.numpy[1], dtype, (CHUNK,)).value_and_grad
    y, dy = np.empty(CHUNK, dtype), np.empty(CHUNK, dtype)

    def call(x):
        run(x, y, dy, **params)
        return y, dy

    return call


def _of_peer(peer, function):
    return lambda x: [np.asarray(result) for result in function(peer.array(x))]


# --- counting -----------------------------------------------------------------------------------------------------------------


class Errors(NamedTuple):
    """Of some results, in units in the last place."""

    largest: float
    total: float
    each: Callable[[], np.ndarray]


class Tally:
    """The errors of one who answers in one kind: how many, their sum, how many results are rounded right, and the worst.

    Only errors above `floor` are kept: a larger one is known.
    """

    def __init__(self, dtype, floor=-1.0):
        self.count = self.right = 0
        self.total = 0.0
        self.floor = floor
        self.error, self.x, self.got = np.empty(0), np.empty(0, dtype), np.empty(0, dtype)  # the worst, largest error first

    def add(self, x, result, errors, right):
        """Counts numbers x with their results and Errors, `right` of which are the nearest numbers."""
        self.count += x.size
        self.right += right
        self.total += errors.total
        least = max(self.floor, self.error[-1]) if self.error.size == KEPT else self.floor
        if not errors.largest > least:
            return
        each = errors.each()
        some = np.flatnonzero(each > least)
        if some.size > KEPT:
            some = some[each[some] >= np.partition(each[some], -KEPT)[-KEPT]]
        self._keep(each[some], x[some], result[some])

    def merge(self, later):
        """Adds the tally of numbers that come later in the walk."""
        self.count += later.count
        self.total += later.total
        self.right += later.right
        self._keep(later.error, later.x, later.got)

    def _keep(self, error, x, got):
        error, x, got = (np.concatenate(pair) for pair in ((self.error, error), (self.x, x), (self.got, got)))
        first = np.argsort(-error, kind="stable")[:KEPT]
        self.error, self.x, self.got = error[first].astype(float), x[first], got[first]


class Judge:
    """Walks over patterns and counts; made once per process and question."""

    def __init__(self, question, who=None):
        self.question = question
        self.who = answers(question) if who is None else who
        self.patterns = Patterns(question.dtype)
        self.reference = Reference(question)
        self.error = np.empty(CHUNK, WIDE[question.dtype])
        self.least = [np.empty_like(self.error) for _ in question.kinds]
        self.mask = np.empty(CHUNK, bool)
        self.floor = {(who, kind): -1.0 for who in self.who for kind in question.kinds}

    def walk(self, task):
        """{(who, kind): Tally} of the numbers of a task. Errors that cannot be the largest, after earlier tasks, are not kept."""
        tallies = {key: Tally(self.question.dtype, floor) for key, floor in self.floor.items()}
        numbers = self.patterns.numbers(task)
        for start in range(0, numbers.size, CHUNK):
            x = numbers[start : start + CHUNK]
            with np.errstate(all="ignore"):
                self._chunk(np.resize(x, CHUNK), x.size, tallies)  # filled up: PyTorch and JAX see one shape only
        for key, tally in tallies.items():
            if tally.error.size:
                self.floor[key] = max(self.floor[key], tally.error[0] - 4 * self.question.tolerance)
        return tallies

    def _chunk(self, x, count, tallies):
        self.reference(x)
        least = [None for _ in self.question.kinds]  # the Errors of one who rounds every result of the chunk right
        for who, function in self.who.items():
            for k, (kind, result) in enumerate(zip(self.question.kinds, function(x), strict=False)):
                wrong = np.flatnonzero(np.not_equal(result, self.reference.rounded[k], out=self.mask)[:count])
                right = count - wrong.size
                if self.reference.is_double:  # rounded twice, to a wrong neighbour once in 2^12
                    errors = self._errors(result, k, count, self.error)
                    right = np.count_nonzero(errors.each() <= 0.5)
                elif wrong.size > SPARSE * count:
                    errors = self._errors(result, k, count, self.error)
                else:
                    least[k] = least[k] or self._errors(self.reference.rounded[k], k, count, self.least[k])
                    errors = self._but_for(least[k], result, k, wrong) if wrong.size else least[k]
                tallies[who, kind].add(x[:count], result[:count], errors, right)

    def _but_for(self, least, result, k, wrong):
        """The Errors of one whose results are those of `least` but for some, which are `wrong`."""
        scaled, inverse = self.reference.scaled[k][wrong], self.reference.inverse[k][wrong]
        own = np.abs(result[wrong] * inverse - scaled)
        largest = own.max()
        if not largest < np.inf:
            own = ulp_error(result[wrong], scaled / inverse, self.question.dtype)
            largest = own.max()

        def each():
            every = least.each().copy()
            every[wrong] = own
            return every

        return Errors(max(float(largest), least.largest), least.total + float(np.sum(own - least.each()[wrong])), each)

    def _errors(self, result, k, count, error):
        """The Errors of the first `count` results of kind k, in the buffer `error`."""
        scaled, inverse = self.reference.scaled[k], self.reference.inverse[k]
        np.copyto(error, result)
        np.multiply(error, inverse, out=error)
        np.subtract(error, scaled, out=error)
        if self.reference.is_double:
            np.subtract(error, self.reference.low[k], out=error)
        np.absolute(error, out=error)
        largest = error[error.argmax()]
        if not largest < np.inf:  # NaN or infinite results, or exact ones beyond the type
            error[:] = ulp_error(result, scaled / inverse, self.question.dtype)
            largest = error[error.argmax()]
        return Errors(float(largest), float(np.add.reduce(error[:count])), lambda: error[:count])

    def limits(self):
        """{(who, kind): [(x, got, want), …]} of wrong results at ±inf, where only the limit itself, rounded, is right."""
        x = np.resize(np.array([np.inf, -np.inf], self.question.dtype), CHUNK)
        wrong = {(who, kind): [] for who in self.who for kind in self.question.kinds}
        exact = [exact_results(self.question, infinity) for infinity in x[:2]]
        for who, function in self.who.items():
            with np.errstate(all="ignore"):
                results = [np.array(result) for result in function(x)]
            for k, (kind, result) in enumerate(zip(self.question.kinds, results, strict=False)):
                for first in range(2):
                    want = nearest(exact[first][k], self.question.dtype)
                    bad = result[first::2][result[first::2] != want]
                    wrong[who, kind] += [(x[first], got, want) for got in bad[:1]]
        return wrong

    def deviation(self, count=64):
        """How far the reference is off, in units in the last place: the most at some places, by mpmath."""
        import mpmath

        x = np.concatenate([self.patterns.numbers(task) for task in self.patterns.even(CHUNK)])
        x = x[:: x.size // CHUNK][:CHUNK]
        with np.errstate(all="ignore"):
            self.reference(x)
        worst = 0.0
        for place in range(0, CHUNK, CHUNK // count):
            for k, exact in enumerate(exact_results(self.question, x[place])[: len(self.question.kinds)]):
                numbers = (self.reference.scaled[k][place], self.reference.low[k][place] if self.reference.is_double else 0.0)
                unit = 1 - int(np.frexp(self.reference.inverse[k][place])[1])
                with mpmath.workprec(256):
                    high = [mpmath.mpf(float(number)) for number in numbers]
                    low = [float(number - float(number)) for number in numbers]
                    worst = max(worst, float(abs(mpmath.fsum([*high, *low, -mpmath.ldexp(exact, -unit)]))))
        return worst


# --- the verdict --------------------------------------------------------------------------------------------------------------


def exact_results(question, x):
    """(value, derivative) at a number of the type, as mpf."""
    return oracle.value_and_derivative(question.entry.formula, x, **question.exact_params(np.dtype(question.dtype).type))


class Verdict(NamedTuple):
    """The errors of one who answers in one kind; `ulp` is the largest, at x, where `got` stands for `want`."""

    who: str
    kind: str
    ulp: float
    x: np.floating
    got: np.floating
    want: np.floating
    most: float  # what no error exceeds: `ulp`, unless there are more candidates for it than mpmath has seen
    mean: float
    right: float  # share of results that are the nearest number
    count: int
    limits: tuple  # of what is wrong at ±inf: (x, got, want)


def verdict(question, who, kind, tally, limits):
    """Arbitrated by mpmath: the worst of the tally, one after another, until the rest cannot be worse."""
    ulp, witness, off, rest = -1.0, None, 0.0, 0.0
    for error, x, got in zip(tally.error, tally.x, tally.got, strict=True):
        if error < ulp - question.tolerance:
            break
        exact = exact_results(question, x)[KINDS.index(kind)]
        found = float(ulp_error([got], [exact], question.dtype)[0])
        if found > ulp:
            ulp, witness = found, (x, got, nearest(exact, question.dtype))
        if found != error:
            off = max(off, abs(found - error) / max(1, found))
    else:
        if tally.error.size == KEPT and tally.error[-1] != tally.error[0]:  # equal ones are 0, or ½ of products: nothing is off
            rest = tally.error[-1] + 4 * off
    most = max(ulp, rest) if off <= question.tolerance else np.inf
    share = tally.right / tally.count
    return Verdict(who, kind, ulp, *witness, most, tally.total / tally.count, share, tally.count, tuple(limits))


@functools.lru_cache(maxsize=1)
def judge(question):
    """The process's judge; peers are imported once and jitted functions kept as long as the question is the same."""
    return Judge(question)


def walk(question, task):
    """Judge.walk in a pool of processes."""
    return judge(question).walk(task)


def rest(question):
    """(Judge.limits, Judge.deviation) in a pool of processes."""
    return judge(question).limits(), judge(question).deviation()


def size(task):
    """How many numbers a task has."""
    return sum(count for _, _, count in task)


def tasks(question, exhaustive):
    """The tasks of a walk."""
    patterns = Patterns(question.dtype)
    return patterns.every() if exhaustive else patterns.sample(question.entry)


def verdicts(question, tallies, limits):
    """A Verdict for everyone who answers, in every kind, from the tallies of all tasks in their order."""
    merged = {}
    for found in tallies:
        for key, tally in found.items():
            if key in merged:
                merged[key].merge(tally)
            else:
                merged[key] = tally
    return [verdict(question, *key, tally, limits[key]) for key, tally in merged.items() if tally.count]
