"""Runs the experiments of claims: cells of settings by seeds, spread over processes, the same numbers on however many."""

import time
from concurrent.futures import as_completed
from typing import NamedTuple

import numpy as np

from ..accuracy import workers
from .claim import Claim, Results
from .statistics import Judgement, judge


class Measured(NamedTuple):
    """A claim, its numbers, the verdict, and the processor's seconds that it took."""

    claim: Claim
    results: Results
    judgement: Judgement
    seconds: float


def cells(claim, size, seeds):
    """Every (setting, seed)."""
    return [(setting, seed) for setting in claim.settings(size) for seed in seeds]


def measure(claim, size, chunk):
    """[what was measured for each (setting, seed)], and the seconds of processor time."""
    from threadpoolctl import threadpool_limits

    start = time.process_time()
    with threadpool_limits(1):  # BLAS adds in another order on several threads
        found = [claim.measure(seed, size, **setting) for setting, seed in chunk]
    return found, time.process_time() - start


def _by_key(key, scale, chunk):
    """In a worker: claims are found again by their letters, as functions of a module need not be sent."""
    from . import CLAIMS

    claim = next(claim for claim in CLAIMS if claim.key == key)
    return measure(claim, claim.sizes[scale], chunk)


def assemble(claim, scale, seeds, found, seconds):
    """The numbers in order, and the verdict."""
    size, settings = claim.sizes[scale], list(claim.settings(claim.sizes[scale]))
    rows = [found[k * len(seeds) : (k + 1) * len(seeds)] for k in range(len(settings))]
    results = Results(size, seeds, zip(settings, rows, strict=True))
    with np.errstate(all="ignore"):  # differences of what has diverged are nan, and left out
        return Measured(claim, results, judge(list(claim.compare(results))), seconds)


def run_here(claim, scale, seeds):
    """One claim, in this process."""
    found, seconds = measure(claim, claim.sizes[scale], cells(claim, claim.sizes[scale], seeds))
    return assemble(claim, scale, list(seeds), found, seconds)


def run_all(claims, scale, seeds, jobs, advance):
    """The claims one after another, their cells on `jobs` processes; yields each Measured when it is there.

    `advance(claim, done, total)` is told how many cells have been measured.
    """
    with workers(jobs) as pool:
        waiting = []
        for claim in claims:
            todo = cells(claim, claim.sizes[scale], seeds)
            length = max(1, min(len(seeds), len(todo) // (8 * jobs)))  # so that neither sending nor waiting for the last costs
            chunks = [todo[k : k + length] for k in range(0, len(todo), length)]
            waiting.append((claim, len(todo), [pool.submit(_by_key, claim.key, scale, chunk) for chunk in chunks]))
        for claim, total, futures in waiting:
            done = 0
            for future in as_completed(futures):
                done += len(future.result()[0])
                advance(claim, done, total)
            parts = [future.result() for future in futures]
            yield assemble(claim, scale, list(seeds), [one for found, _ in parts for one in found], sum(s for _, s in parts))
