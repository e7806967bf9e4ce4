"""`actloss_c claims`: what the literature says of activations and losses, measured, with a verdict from the numbers.

Each claim is an experiment over several seeds. The result is one HTML file with figures, and a JSON file with all numbers.
"""

import argparse
import sys
import time
from pathlib import Path

from ..accuracy import cores
from ..plot_command import _folder
from ..train import _number
from . import CLAIMS, experiment

NEEDED = ("matplotlib", "sklearn", "rich")
SEEDS = {"full": 10, "quick": 5}
FEWEST = 5  # an interval over fewer seeds says little


def _chosen(text):
    keys = {claim.key: claim for claim in CLAIMS}
    letters = [letter.strip() for letter in text.split(",")]
    unknown = [letter for letter in letters if letter not in keys]
    if unknown:
        known = ", ".join(f"{key} ({claim.title})" for key, claim in keys.items())
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is no claim; name some of {known}, with commas between")
    return [claim for key, claim in keys.items() if key in letters]


def add_arguments(parser):
    """Declares the options of `actloss_c claims`."""
    add = parser.add_argument
    add("-o", "--output", type=_folder, default=Path("claims"), metavar="DIR", help="folder for claims.html and claims.json")
    add("--only", type=_chosen, default=CLAIMS, metavar="LETTERS", help="some of the claims, such as a,g (default: all)")
    add("--quick", action="store_true", help="fewer seeds, smaller experiments: under a minute, and said so in the report")
    add("--seeds", type=_number(int, FEWEST, 1000), metavar="N", help=f"(default {SEEDS['full']}, with --quick {SEEDS['quick']})")
    add("--seed", type=_number(int, 0, 2**31), default=0, metavar="N", help="the first seed (default 0)")
    add("--jobs", type=_number(int, 1, 1024), default=cores(), metavar="N", help="processes (default %(default)s)")


def run(arguments):
    """Measures, writes the report and prints the verdicts; returns the exit status."""
    try:
        for name in NEEDED:
            __import__(name)
    except ModuleNotFoundError as error:
        missing = {"sklearn": "scikit-learn"}.get(error.name, error.name)
        print(f'actloss_c claims needs {missing}, which is not installed: pip install "actloss_c[claims]"', file=sys.stderr)
        return 1
    from . import report

    a = arguments
    scale = "quick" if a.quick else "full"
    seeds = range(a.seed, a.seed + (a.seeds or SEEDS[scale]))
    start = time.perf_counter()
    measured = _measured(a.only, scale, seeds, a.jobs)
    about = report.About(scale, seeds, a.jobs, time.perf_counter() - start)
    try:
        path = report.write(a.output, measured, about)
    except OSError as error:
        print(f"actloss_c claims cannot write to {a.output}: {error.strerror}", file=sys.stderr)
        return 1
    _print(measured, about, path)
    return 0


def _measured(claims, scale, seeds, jobs):
    """All Measured, with a bar for each claim on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bars = {claim.key: progress.add_task(f"({claim.key}) {claim.title}", total=1, start=False) for claim in claims}

        def advance(claim, done, total):
            progress.start_task(bars[claim.key])
            progress.update(bars[claim.key], completed=done, total=total)

        return list(experiment.run_all(claims, scale, seeds, jobs, advance))


def _print(measured, about, path):
    """The verdicts in a table for 80 columns, and where the report is."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, width=80)
    table.add_column("", no_wrap=True)
    table.add_column("claim", ratio=1)
    table.add_column("verdict", no_wrap=True)
    table.add_column("as claimed", justify="right", no_wrap=True)
    for one in measured:
        outcomes = [outcome for *_, outcome in one.judgement.compared]
        count = f"{outcomes.count('as claimed')} of {len(outcomes)}"
        table.add_row(one.claim.key, one.claim.title, one.judgement.verdict, count)
    console = Console(highlight=False, markup=False, soft_wrap=True)
    console.print(table)
    console.print(f"{about.words()}\n{path}")
