"""Judges the errors of value and derivative: this package, the naive formula and each installed peer, in units in the last place.

`actloss_c accuracy` takes a sample, `--exhaustive` every float32. judge.py counts, mpmath has the last word about each maximum.
"""

import argparse
import contextlib
import decimal
import itertools
import math
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from . import __version__, _build, _dispatch, judge, peers, registry
from .bench import processor
from .judge import FORMULA, Question

LABELS = {FORMULA: "NumPy formula", **{level: f"actloss_c {level}" for level in _dispatch.ALL_LEVELS}}
WIDTH = 78


def cores():
    """The processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_worker():
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops the pool
    peers.use_one_thread()


@contextlib.contextmanager
def workers(jobs):
    """A pool of fresh processes, one thread each: a fork would inherit the locks of the libraries' threads."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def judged(question, pool, exhaustive=False, advance=lambda numbers: None):
    """(verdicts of everyone in every kind, deviation of the reference); `advance` is told how many numbers have been walked."""
    todo = judge.tasks(question, exhaustive)
    rest = pool.submit(judge.rest, question)

    def tallies():
        for task, found in zip(todo, pool.map(judge.walk, itertools.repeat(question), todo), strict=True):
            advance(judge.size(task))
            yield found

    found = list(tallies())
    limits, deviation = rest.result()
    return judge.verdicts(question, found, limits), deviation


# --- text ---------------------------------------------------------------------------------------------------------------------


def rounded_up(number, digits=4):
    """A bound in few digits."""
    if not math.isfinite(number):
        return str(number)
    context = decimal.Context(prec=digits, rounding=decimal.ROUND_CEILING)
    return f"{float(context.create_decimal_from_float(number)):.{digits}g}"


def percent(share):
    """Rounded down: 100 % are all."""
    return f"{math.floor(share * 1e6) / 1e4:.4f} %"


def hexadecimal(number):
    """As C writes it with %a: no zeros at the end."""
    number = float(number)
    if not math.isfinite(number):
        return str(number)
    digits, p, exponent = number.hex().partition("p")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + p + exponent


def witness(x, got, want):
    return f"x {hexadecimal(x)}, got {hexadecimal(got)}, want {hexadecimal(want)}"


def bound(question, verdict):
    """The registry's bound of this package's result, or None."""
    if verdict.who not in question.levels:
        return None
    return _build.functions(verdict.who)[question.name].ulp[question.dtype][judge.KINDS.index(verdict.kind)]


def fails(question, verdict):
    """Whether a result of this package is beyond its bound, or wrong at ±inf."""
    limit = bound(question, verdict)
    return limit is not None and (not verdict.most <= limit or bool(verdict.limits))


def most(verdict):
    """The largest error as text; with ≤ if mpmath could not see every candidate for it."""
    largest, bound = rounded_up(verdict.ulp), rounded_up(verdict.most)
    return largest if largest == bound else f"≤ {bound}"


def report(question, verdicts, names):
    """The lines for one function."""
    lines = []
    for kind in question.kinds:
        lines.append(f"{kind:<22}{'max ULP':>11}{'mean ULP':>11}{'rounded right':>15}{'±inf':>7}{'bound':>8}")
        for v in (v for v in verdicts if v.kind == kind):
            limit = bound(question, v)
            verdict = "" if limit is None else f"{'≤ ' if v.most <= limit else '> '}{limit:g}"
            right = "wrong" if v.limits else "right"
            lines.append(f"  {names[v.who]:<20}{most(v):>11}{v.mean:>11.4g}{percent(v.right):>15}{right:>7}{verdict:>8}")
            texts = [witness(v.x, v.got, v.want), *(witness(*wrong) for wrong in v.limits)]
            for text in texts:
                lines += textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="      ")
    return lines


def table(judgements, names):
    """The same of all functions as a Markdown table."""
    heads = ("function", "kind", "by", "max ULP", "at x", "got", "want", "mean ULP", "rounded right", "wrong at ±inf")
    lines = ["| " + " | ".join(heads) + " |", "|---|---|---|--:|--:|--:|--:|--:|--:|---|"]
    for question, verdicts in judgements:
        for kind in question.kinds:
            for v in (v for v in verdicts if v.kind == kind):
                numbers = (f"`{hexadecimal(number)}`" for number in (v.x, v.got, v.want))
                wrong = "; ".join(f"{x}: {got} for {want}" for x, got, want in v.limits)
                cells = (question.name, kind, names[v.who], most(v), *numbers, f"{v.mean:.4g}", percent(v.right), wrong)
                lines.append("| " + " | ".join(cells) + " |")
    return lines


def commit():
    """The commit of the checkout that runs, or None."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        subprocess.run([*git, "ls-files", "--error-unmatch", "registry.py"], capture_output=True, check=True)
        words = subprocess.run([*git, "describe", "--always", "--dirty"], capture_output=True, check=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return words.stdout.strip()


def provenance(versions):
    """Whose results these are, and where they were made."""
    here = commit()
    return [
        f"actloss_c {__version__}" + (f" (commit {here})" if here else "") + f", {_build.compiler()}; {processor()}",
        ", ".join(f"{name} {version}" for name, version in versions.items()),
    ]


# --- the command --------------------------------------------------------------------------------------------------------------


def _assignment(text):
    name, _, number = text.partition("=")
    try:
        value = float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=NUMBER, such as alpha=0.2")
    return name, value


def _jobs(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes from 1 on")
    return int(text)


def _new_file(text):
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is {'a folder' if path.is_dir() else 'in a folder that does not exist'}")
    return path


def add_arguments(parser):
    """Declares the options of `actloss_c accuracy`."""
    add = parser.add_argument
    names = [entry.name for entry in registry.ACTIVATIONS]
    levels = _dispatch.runnable_levels()
    add("--function", action="append", choices=names, help="only this one (repeatable)")
    add("--exhaustive", action="store_true", help="all finite float32 instead of 17 million")
    add("--dtype", choices=tuple(judge.WIDE), default="float32")
    add("--level", action="append", choices=levels, help=f"of this package (repeatable; default {_build.LEVEL})")
    add("--parameter", action="append", type=_assignment, default=[], metavar="NAME=NUMBER", help="instead of its default")
    add("--no-peers", action="store_true", help="this package and the naive formula only")
    add("--jobs", type=_jobs, default=cores(), metavar="N", help="processes (default %(default)s)")
    add("--output", type=_new_file, metavar="FILE", help="write the results to this file, in Markdown")
    parser.set_defaults(error=parser.error)


def questions(arguments):
    """A Question for each function that was asked for; what does not fit is an error of the command line."""
    a = arguments
    entries = [entry for entry in registry.ACTIVATIONS if not a.function or entry.name in a.function]
    if a.exhaustive and a.dtype != "float32":
        a.error(f"argument --exhaustive: {a.dtype} has 2^64 patterns; without --exhaustive 17 million of them are looked at")
    if a.dtype == "float64" and np.finfo(np.longdouble).nmant < 63:
        a.error("argument --dtype: float64 is judged in long double, which is no wider than float64 on this machine")
    known = {p.name for entry in entries for p in entry.params}
    for name, _ in a.parameter:
        if name not in known:
            a.error(
                f"argument --parameter: none of these functions has a parameter {name!r}: {', '.join(e.name for e in entries)}"
            )
    given = dict(a.parameter)
    levels = tuple(dict.fromkeys(a.level or [_build.LEVEL]))
    for entry in entries:
        params = tuple((p.name, given.get(p.name, p.default)) for p in entry.params)
        yield Question(entry.name, a.dtype, params, levels, formula=True, peers=not a.no_peers)


def heading(question, exhaustive, count, seconds, deviation):
    """What has been looked at."""
    params = "".join(f", {name} = {value:g}" for name, value in question.params)
    entry = question.entry
    how = "all" if exhaustive else "a sample of"
    return [
        f"{entry.name}(x) = {entry.formula}{params}",
        f"{question.dtype}, {how} {count:,} finite numbers in {seconds:.0f} s, judged to {rounded_up(deviation, 2)} ULP",
    ]


def run(arguments):
    """Prints the errors; exit status 1 if one of this package is beyond its bound."""
    asked = list(questions(arguments))
    try:
        import mpmath  # noqa: F401
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
    except ModuleNotFoundError as error:
        print(
            f'actloss_c accuracy needs {error.name.partition(".")[0]}, which is not installed: pip install "actloss_c[accuracy]"',
            file=sys.stderr,
        )
        return 1
    present = [] if arguments.no_peers else peers.installed()
    versions = {"NumPy": np.__version__, **{peer.name: peer.version for peer in present}}
    names = {**LABELS, **{peer.name: f"{peer.name} {peer.version}" for peer in present}}
    absent = [peer.name for peer in peers.PEERS if peer not in present]
    lines = [*provenance(versions), *([f"not judged, as not installed: {', '.join(absent)}"] if absent else [])]
    lines.append("The NumPy formula's derivative and SciPy's are written as users do, y * (1 - y) for sigmoid.")
    print("\n".join(itertools.chain(*(textwrap.wrap(line, WIDTH) for line in lines))))
    judgements, sections = [], []
    stderr = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeRemainingColumn())
    with (
        workers(arguments.jobs) as pool,
        Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as progress,
    ):
        for question in asked:
            start = time.perf_counter()
            total = sum(map(judge.size, judge.tasks(question, arguments.exhaustive)))
            bar = progress.add_task(question.name, total=total)
            verdicts, deviation = judged(question, pool, arguments.exhaustive, lambda n, bar=bar: progress.advance(bar, n))
            head = heading(question, arguments.exhaustive, total, time.perf_counter() - start, deviation)
            judgements.append((question, verdicts))
            sections.append(" ".join(head))
            progress.remove_task(bar)
            print("\n" + "\n".join([*head, *report(question, verdicts, names)]), flush=True)
    if arguments.output:
        parts = ["\n".join(f"- {line}" for line in [*lines, *sections]), "\n".join(table(judgements, names))]
        arguments.output.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    failed = [f"{v.who} {q.name} {q.dtype} {v.kind}" for q, found in judgements for v in found if fails(q, v)]
    if failed:
        print(f"\nbeyond the registry's bound, or wrong at ±inf: {'; '.join(failed)}", file=sys.stderr)
    return int(bool(failed))
