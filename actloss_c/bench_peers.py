"""Times activations and losses against every peer that is installed, and against the machine's own limit.

A cell is one function, kind, dtype, size, form (given or fresh outputs), layout and number of threads. All its sides get the same
arrays; each is called once and its numbers compared with this package's, since a side that computes something else is no peer;
then they take turns. Who takes no part in a cell stands in the results with the reason.
"""

import contextlib
import importlib
import itertools
import os
import sys
import textwrap
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from . import _build, accuracy, baseline, bench, bench_report, peers, registry
from .bench_compilers import Jax, Numba, NumExpr
from .bench_sides import KINDS, OURS, Cell, NumPy, NumPyAsTyped, Ours, ScikitLearn, SciPy, Work
from .bench_torch import Torch, TorchCompile

SIZES = (10, 100, 1_000, 16_000, 256_000, 4_000_000, 16_000_000)
DTYPES = ("float32", "float64")
FORMS = ("out", "fresh")
LAYOUTS = ("contiguous", "strided", "transposed")
SIDES = (Ours(), NumPy(), NumPyAsTyped(), SciPy(), NumExpr(), Numba(), Torch(), TorchCompile(), Jax(), ScikitLearn())
FUNCTIONS = tuple(entry.name for entry in (*registry.ACTIVATIONS, *registry.PAIR_LOSSES, *registry.LOSSES))
QUICK = {
    "function": ("sigmoid", "relu", "sigmoid_binary_cross_entropy", "softmax_cross_entropy"),
    "kind": ("value_and_grad",),
    "sizes": (1_000, 256_000),
    "dtype": ("float32",),
    "form": ("out",),
    "layout": ("contiguous",),
    "threads": ("1",),
}
SECONDS = 0.5
ASLEEP = 0.01  # seconds after which nobody's idle threads look for work any more; OpenMP's do for some milliseconds
# Of the size of the numbers compared. A sum over 16 million float32 is a matter of the order they are added in.
TOLERANCE = {"float32": 1e-3, "float64": 1e-9}
SUMS = {"float32": 2e-2, "float64": 1e-8}


@dataclass
class Result:
    """What one cell took."""

    cell: Cell
    seconds: dict  # {side: median seconds}
    limit: float
    absent: dict = field(default_factory=dict)  # {side: why}

    @property
    def best(self):
        """The fastest peer's name, or None."""
        return min((name for name in self.seconds if name != OURS), key=self.seconds.get, default=None)

    @property
    def ratio(self):
        """The best peer's time over ours: below 1 it is the faster; NaN without one."""
        return self.ratio_of(OURS)

    def ratio_of(self, name):
        """A peer's time over ours; for ours, that of the best peer."""
        name = self.best if name == OURS else name
        return self.seconds.get(name, np.nan) / self.seconds.get(OURS, np.nan)

    @property
    def of_limit(self):
        return self.limit / self.seconds.get(OURS, np.nan)


# --- cells ------------------------------------------------------------------------------------------------------------------


def cells(function, kind, dtype, sizes, form, layout, threads):
    """All cells of these, those with the same compiled expression next to each other."""
    for name in function:
        activation = registry.FUNCTIONS[name] in registry.ACTIVATIONS
        for each in kind if activation else set(kind) & {"value_and_grad"}:
            for d in dtype:
                for lay in layout:
                    for f in form:
                        for count in threads:
                            yield from (Cell(name, each, d, n, f, lay, count) for n in sizes)


def shape(cell):
    """Rows of 10 classes, of 1000 from 100 000 numbers on; matrices as square as can be where there is something to transpose."""
    n = cell.size
    if cell.family is registry.LOSSES:
        classes = 10 if n < 100_000 else 1_000
        return max(1, n // classes), classes
    if cell.layout != "transposed":
        return (n,)
    rows = next(r for r in range(int(n**0.5), 0, -1) if n % r == 0)
    return rows, n // rows


def laid_out(a, layout):
    """The same numbers, every second of a larger array or column by column."""
    if layout == "strided":
        larger = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
        larger[..., ::2] = a
        return larger[..., ::2]
    return np.asfortranarray(a) if layout == "transposed" else a


def work(cell):
    """The arrays of a cell."""
    random, dtype, dims, entry = np.random.default_rng(0), np.dtype(cell.dtype), shape(cell), cell.entry
    if cell.family is registry.PAIR_LOSSES:
        x, other = (baseline.inside(domain, dims, random, dtype) for domain in (entry.prediction, entry.target))
        # At the ends the sides differ by convention: PyTorch, for one, takes log 0 for −100.
        x, other = (a.clip(0.01, 0.99) if d == "unit" else a for a, d in ((x, entry.prediction), (other, entry.target)))
    else:
        x, other = random.standard_normal(dims, dtype) * dtype.type(3), None
    if cell.family is registry.LOSSES:
        x = x if entry.variable == "z" else baseline.NUMPY["softmax"](x)
        other = random.integers(0, dims[-1], dims[0])
    elif cell.kind == "backward":
        other = 1 + random.random(dims, dtype)  # of one sign: a learned parameter's sum shall not cancel
    if other is not None and other.ndim == x.ndim:
        other = laid_out(other, cell.layout)
    count = 2 if cell.kind == "value_and_grad" and cell.family is registry.ACTIVATIONS else 1
    out = tuple(np.empty(dims, dtype) for _ in range(count)) if cell.form == "out" else ()
    return Work(cell, laid_out(x, cell.layout), other, out)


def moved(cell):
    """How many arrays a call has to read or write at least; of probabilities a loss has to read a label's alone."""
    if cell.family is registry.LOSSES:
        return 2 if cell.entry.variable == "z" else 1
    return 2 if cell.kind == "value" else 3


# --- one cell ---------------------------------------------------------------------------------------------------------------


def numbers(results):
    """What a call returned, as NumPy arrays of its own."""
    return [np.asarray(r).copy() for r in (results if isinstance(results, tuple) else (results,))]


def difference(got, want, dtype):
    """In words, if the one is not the other; want may be a list of arrays and sums."""
    if len(got) != len(want):
        return f"{len(got)} results instead of {len(want)}"
    for one, right in zip(got, want, strict=True):
        if one.shape != right.shape:
            return f"shape {one.shape} instead of {right.shape}"
        if right.ndim and one.dtype != right.dtype:
            return f"{one.dtype} instead of {right.dtype}"
        size = np.abs(right)
        allowed = (TOLERANCE if right.ndim else SUMS)[dtype] * (size + size.mean(dtype=np.float64))
        wrong = ~(np.abs(one - right) <= allowed)
        if wrong.any():
            k = np.flatnonzero(wrong)[0]
            return f"{wrong.sum()} of {wrong.size} numbers differ, {one.flat[k]:g} is not {right.flat[k]:g}"
    return None


def lies_as(results, out):
    """Whether matrices among the results lie in memory as the given outputs do, for whom it is part of the work to get there."""
    given = results if isinstance(results, tuple) else (results,)
    return not out or all(np.asarray(r).flags.c_contiguous for r in given if np.ndim(r) > 1)


def ready(arrays, sides, threads):
    """({side: call}, {side: why not}) of the sides that compute the same as the first one, whose thread settings are entered."""
    calls, absent, want = {}, {}, None
    for side in sides:
        try:
            threads.enter_context(side.threads(arrays.cell.threads)) if side.is_installed else None
            call = side.call(arrays)
            for a in arrays.out:
                a.fill(np.nan)
            results = call()
            got, lies = numbers(results), lies_as(results, arrays.out)
        except Exception as error:  # a peer may fail in any way
            absent[side.name] = " ".join(str(error).split())[:200] or type(error).__name__
            continue
        want = got if want is None else want
        differs = difference(got, want, arrays.cell.dtype)
        if differs:
            absent[side.name] = f"computes something else: {differs}"
        elif not lies:
            absent[side.name] = "returns results that lie as x does, where the cell's outputs lie otherwise"
        else:
            calls[side.name] = call
    return calls, absent


def limit_call(work):
    """The loop that reads an array once and writes two, contiguous, for as many bytes as the cell has to move.

    It takes the cell's own arrays where they do: the sides before it leave those in the cache.
    """
    n = max(1, work.cell.size * moved(work.cell) // 3)
    own = [a.reshape(-1)[:n] for a in (work.x, *work.out) if a.flags.c_contiguous]
    x, y, dy = (*own, *(np.ones(n, work.x.dtype) for _ in range(3 - len(own))))
    limit = _build.machine_limit()
    return lambda: limit(x, out=(y, dy))


def measure(cell, sides=SIDES, seconds=SECONDS):
    """The cell's Result."""
    with contextlib.ExitStack() as threads, np.errstate(all="ignore"):
        arrays = work(cell)
        calls, absent = ready(arrays, sides, threads)
        pause = ASLEEP if cell.threads > 1 else 0.0
        *times, limit = bench.paired([*calls.values(), limit_call(arrays)], seconds, pause)
    return Result(cell, dict(zip(calls, times, strict=True)), limit, absent)


# --- the command ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def one_thread():
    """peers.use_one_thread(), and back."""
    before, dispatches = dict(os.environ), peers.Jax.dispatches_to_a_thread
    peers.use_one_thread()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        peers.Jax.dispatches_to_a_thread = dispatches


def add_arguments(parser):
    """Declares the options that `bench` has with --peers only."""
    add = parser.add_argument_group(
        "with --peers",
        "NumPy and whatever is installed of SciPy, numexpr, numba, PyTorch, JAX and scikit-learn, which nothing here installs: "
        "which of them, and in which version, is your choice.",
    ).add_argument
    add("--quick", action="store_true", help="four functions, two sizes: about a minute, most of it torch.compile's")
    add("--kind", action="append", choices=KINDS, help="of activations, only this (repeatable; losses are value_and_grad)")
    add("--form", action="append", choices=FORMS, help="only given outputs, or only fresh ones")
    add("--layout", action="append", choices=LAYOUTS, help="of the inputs, only this (repeatable)")
    add("--threads", action="append", choices=("1", "all"), help="only one thread, or only as many as there are processors")
    add("--without", action="append", choices=[side.name for side in SIDES[1:]], default=[], help="leave it out (repeatable)")
    add("-o", "--output", type=Path, metavar="DIR", help="write peers.csv, ratios.png and roofline.png there")


def chosen(arguments):
    """The ranges of the cells: what was asked for, else the quick ones or all."""
    everything = {"function": FUNCTIONS, "kind": KINDS, "sizes": SIZES, "dtype": DTYPES, "form": FORMS, "layout": LAYOUTS}
    everything["threads"] = ("1", "all")
    picked = {name: getattr(arguments, name) or (QUICK if arguments.quick else everything)[name] for name in everything}
    picked["dtype"] = (picked["dtype"],) if isinstance(picked["dtype"], str) else picked["dtype"]
    picked["threads"] = tuple(dict.fromkeys(1 if t == "1" else accuracy.cores() for t in picked["threads"]))
    for name in picked["function"]:
        if name not in FUNCTIONS:
            arguments.error(f"argument --function: with --peers, activations and losses of arrays; {name} is neither")
    return picked


def provenance(sides):
    """Whose results these are, as lines."""
    present = [side for side in sides if side.is_installed]
    absent = [side.name for side in sides if not side.is_installed]
    versions = {side.name: side.version for side in present if side.name not in (OURS, "NumPy as typed", "torch.compile")}
    lines = [*accuracy.provenance(versions), f"level {_build.LEVEL}; times are medians of rounds that take turns"]
    return [*lines, *([f"not installed: {', '.join(absent)}"] if absent else [])]


LEGEND = (
    "Ratio: time of the best peer over ours; * where the peer is faster.",
    "of limit: share of the speed at which a NumPy ufunc merely copies the same bytes, without a gap between them; "
    "of few elements its call takes longer than ours.",
    "A side that takes no out= has fresh outputs in every cell; one without a thread setting stands in those of one thread. "
    "This package uses one thread in all.",
)


def timed(asked, sides, seconds, progress, done):
    """The results of all cells, or of those that were done when the user stopped it."""
    results = []
    task = progress.add_task("", total=len(asked))
    with contextlib.suppress(KeyboardInterrupt):
        for cell in asked:
            progress.update(task, description=f"{bench_report.label(cell)} {bench_report.size_as_text(cell.size)}")
            results.append(measure(cell, sides, seconds))
            done(results[-1])
            progress.advance(task)
    return results


def run(arguments):
    """Prints the tables; exit status 130 if it was stopped."""
    picked = chosen(arguments)
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        chart = importlib.import_module("actloss_c.bench_chart") if arguments.output else None
    except ModuleNotFoundError as error:
        print(bench.INSTALL.format(error.name.partition(".")[0]), file=sys.stderr)
        return 1
    asked, sides = list(cells(**picked)), [side for side in SIDES if side.name not in arguments.without]
    head = provenance(sides)
    print("\n".join(itertools.chain(*(textwrap.wrap(line, accuracy.WIDTH) for line in (*head, *LEGEND)))))
    stderr, columns = Console(stderr=True), (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        one_thread() if 1 in picked["threads"] else contextlib.nullcontext(),
        bench_report.writer(arguments.output, sides, "; ".join(head)) as write,
        Progress(*columns, TimeRemainingColumn(), console=stderr, transient=True, disable=not stderr.is_terminal) as progress,
    ):
        results = timed(asked, sides, arguments.seconds or SECONDS, progress, write)
    console = Console()
    for title, table in bench_report.tables(results, sides):
        console.print("", f"[bold]{title}[/bold]", table, sep="\n", highlight=False)
    print("\n" + "\n".join(bench_report.lost(results)))
    if chart and results:
        chart.draw(results, arguments.output, "; ".join(head[:1]))
        print(f"{arguments.output}: {', '.join(sorted(path.name for path in arguments.output.iterdir()))}")
    return 0 if len(results) == len(asked) else 130
