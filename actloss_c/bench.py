"""Times value and gradient of every function against hand-tuned NumPy and against the machine's own limit, in one run.

Every figure of a row comes from rounds that take turns, so a machine that drifts drifts for all of them. NumPy's side is the
registry's `numpy` expressions with `out=` and preallocated temporaries (baseline.py); the limit is a compiled loop that reads an
array once and writes two. Outputs are preallocated on all sides.
"""

import argparse
import platform
import sys
import time
from pathlib import Path

import numpy as np

from . import _build, baseline, baseline_linear, baseline_losses, baseline_pieces, baseline_rows, registry

SECONDS = 45.0
SIZES = (1_000, 16_000, 256_000, 4_000_000)
ROWS = ((1_000, 3), (16_384, 10), (4_096, 1_000))
PAIRS = (256_000,)
PIECES = ((1_000_000, 2), (65_536, 4), (65_536, 5))
MAPS = ((65_536, 4, 64, 16), (4_096, 2, 256, 256))  # rows, maps, numbers in, units out
LOGITS = ((4_096, 64, 1_000), (1_024, 256, 8_192))  # rows, numbers in, classes
INSTALL = 'actloss_c bench needs {}, which is missing: pip install "actloss_c[bench]"'


def processor():
    """The processor's name, as the operating system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def paired(calls, seconds, pause=0.0):
    """Median seconds of each call, taken in turns until the time is up; a turn repeats short calls to last a while.

    Before each turn `pause` seconds in which the threads of the one before fall asleep, and a tenth of that in calls that wake
    its own.
    """
    repeats = []
    for call in calls:
        call()
        start = time.perf_counter()
        call()
        repeats.append(max(1, int(2e-4 / max(time.perf_counter() - start, 1e-7))))
    samples = [[] for _ in calls]
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(samples[0]) < 3:
        for call, repeat, sample in zip(calls, repeats, samples, strict=True):
            if pause:
                time.sleep(pause)
                awake = time.perf_counter() + pause / 10
                while time.perf_counter() < awake:
                    call()
            start = time.perf_counter()
            for _ in range(repeat):
                call()
            sample.append((time.perf_counter() - start) / repeat)
    return [float(np.median(sample)) for sample in samples]


def activation_case(entry, n, dtype):
    """(this package, NumPy, limit) as calls on the same preallocated arrays, and the bytes they move."""
    x = (np.random.default_rng(0).standard_normal(n) * 3).astype(dtype)
    y, dy = np.empty_like(x), np.empty_like(x)
    function, limit = _build.functions()[entry.name], _build.machine_limit()
    tuned = baseline.Baseline(*entry.numpy, dtype, (n,))
    params = {p.name: p.default for p in entry.params}
    calls = (
        lambda: function.value_and_grad(x, out=(y, dy)),
        lambda: tuned.value_and_grad(x, y, dy, **params),
        lambda: limit(x, out=(y, dy)),
    )
    return calls, 3 * x.nbytes


def loss_case(entry, rows, classes, dtype):
    """The same for a loss over rows. It moves two arrays, so the limit loop runs over two thirds of the elements."""
    rng = np.random.default_rng(0)
    z = (rng.standard_normal((rows, classes)) * 3).astype(dtype)
    if entry.variable == "a":
        z = baseline.NUMPY["softmax"](z)
    labels = rng.integers(0, classes, rows)
    g = np.empty_like(z)
    function, limit = _build.functions()[entry.name], _build.machine_limit()
    tuned = baseline_losses.tuned_rows(entry, rows, classes, dtype)
    part = z.size * 2 // 3
    x, y, dy = z.reshape(-1)[:part], np.empty(part, dtype), np.empty(part, dtype)
    calls = (
        lambda: function.value_and_grad(z, labels, out=g),
        lambda: tuned.value_and_grad(z, labels, g),
        lambda: limit(x, out=(y, dy)),
    )
    return calls, 2 * z.nbytes


def row_case(entry, rows, classes, dtype):
    """The same for the value and then the backward of a function of rows, the limit for as many bytes."""
    rng = np.random.default_rng(0)
    z, g, y = ((rng.standard_normal((rows, classes)) * 3).astype(dtype) for _ in range(3))
    dz, slope, value = np.empty_like(z), (g[:, 0].copy() if entry.reduces else g), (y[:, 0].copy() if entry.reduces else y)
    function, limit = _build.functions()[entry.name], _build.machine_limit()
    tuned = baseline_rows.RowFunctionBaseline(entry.name, rows, classes, dtype)
    moved = 3 * z.nbytes + value.nbytes + slope.nbytes
    parts = [np.ones(moved // (3 * z.itemsize), dtype) for _ in range(3)]
    calls = (
        lambda: (function(z, out=value), function.backward(slope, z, out=dz)),
        lambda: (tuned.value(z, value), tuned.backward(slope, z, dz)),
        lambda: limit(parts[0], out=(parts[1], parts[2])),
    )
    return calls, moved


def maxout_case(rows, pieces, dtype, function):
    """The same for value_and_argmax over the pieces of a last axis."""
    z = np.random.default_rng(0).standard_normal((rows, pieces)).astype(dtype)
    y, which = np.empty(rows, dtype), np.empty(rows, np.intp)
    tuned = baseline_pieces.PiecesBaseline(rows)
    calls = (
        lambda: function.value_and_argmax(z, out=(y, which)),
        lambda: tuned.value_and_argmax(z.T, y, which),
    )
    return calls, z.nbytes + y.nbytes + which.nbytes


def linear_case(rows, k, d, u, dtype, function):
    """The same for a maximum over linear maps."""
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(shape).astype(dtype) for shape in ((rows, d), (k, d, u), (k, u)))
    y, which = np.empty((rows, u), dtype), np.empty((rows, u), np.intp)
    tuned = baseline_pieces.LinearBaseline(rows, w, b)
    calls = (
        lambda: function.value_and_argmax(x, w, b, out=(y, which)),
        lambda: tuned.value_and_argmax(x, y, which),
    )
    return calls, x.nbytes + y.nbytes + which.nbytes


def with_limit(calls, moved, dtype):
    """The calls and the limit: a loop that reads one array and writes two, of as many bytes in all."""
    x, y, dy = (np.ones(moved // (3 * np.dtype(dtype).itemsize), dtype) for _ in range(3))
    limit = _build.machine_limit()
    return (*calls, lambda: limit(x, out=(y, dy))), moved


def linear_loss_case(entry, n, d, classes, dtype):
    """The same for a loss over the logits x @ W. It moves x, W and their gradients."""
    rng = np.random.default_rng(0)
    x, w = (rng.standard_normal(shape).astype(dtype) for shape in ((n, d), (d, classes)))
    labels = rng.integers(0, classes, n)
    outs = np.empty_like(x), np.empty_like(w)
    function, limit = _build.functions()[entry.name], _build.machine_limit()
    tuned = baseline_linear.LinearRowBaseline(n, classes, dtype)
    moved = 2 * (x.nbytes + w.nbytes)
    source, y, dy = (np.ones(moved // (3 * x.itemsize), dtype) for _ in range(3))
    calls = (
        lambda: function.value_and_grad(x, w, labels, out=outs),
        lambda: tuned.value_and_grad(x, w, labels, *outs),
        lambda: limit(source, out=(y, dy)),
    )
    return calls, moved


def pair_case(entry, n, dtype):
    """The same for a loss over pairs, NumPy as typed."""
    rng, function, limit = np.random.default_rng(0), _build.functions()[entry.name], _build.machine_limit()
    z, target = (baseline.inside(domain, n, rng, dtype) for domain in (entry.prediction, entry.target))
    g, h = np.empty_like(z), np.empty_like(z)
    params = {p.name: p.none if p.default is None else p.default for p in entry.params if not p.choices}
    formulas = (baseline.with_terms(formula, *entry.terms.items()) for formula in (entry.formula, entry.gradient))
    value, gradient = (baseline.numpy_function(formula, "target", *params) for formula in formulas)
    calls = (
        lambda: function.value_and_grad(z, target, out=g),
        lambda: (value(z, target, **params).mean(), gradient(z, target, **params) / n),
        lambda: limit(z, out=(g, h)),
    )
    return calls, 3 * z.nbytes


def cases(names, sizes, dtype):
    """(name, size as text, elements, calls, bytes) of every row of the table."""
    for entry in registry.ACTIVATIONS:
        if entry.name in names:
            for n in sizes:
                yield entry.name, f"{n:,}", n, *activation_case(entry, n, dtype)
    for entry in registry.PAIR_LOSSES:
        if entry.name in names:
            for n in PAIRS:
                yield entry.name, f"{n:,}", n, *pair_case(entry, n, dtype)
    for entry in registry.LOSSES:
        if entry.name in names:
            for rows, classes in ROWS:
                yield entry.name, f"{rows:,}×{classes:,}", rows * classes, *loss_case(entry, rows, classes, dtype)
    for entry in registry.ROWS:
        if entry.name in names:
            for rows, classes in ROWS:
                yield entry.name, f"{rows:,}×{classes:,}", rows * classes, *row_case(entry, rows, classes, dtype)
    for entry in registry.MAXOUT:
        if entry.name in names:
            for sizes in MAPS if entry.linear else PIECES:
                case = (linear_case if entry.linear else maxout_case)(*sizes, dtype, _build.functions()[entry.name])
                elements = sizes[0] * sizes[1] * sizes[-1] if entry.linear else sizes[0] * sizes[1]
                yield entry.name, "×".join(f"{size:,}" for size in sizes), elements, *with_limit(*case, dtype)
    for entry in registry.LINEAR_LOSSES:
        if entry.name in names:
            for n, d, classes in LOGITS:
                size = f"{n:,}×{d:,}×{classes:,}"
                yield entry.name, size, n * classes, *linear_loss_case(entry, n, d, classes, dtype)


def seconds_as_text(s):
    for unit, scale in (("s", 1), ("ms", 1e3), ("µs", 1e6)):
        if s * scale >= 1:
            return f"{s * scale:.3g} {unit}"
    return f"{s * 1e9:.3g} ns"


def size_list(text):
    try:
        sizes = tuple(int(float(part)) for part in text.split(","))
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as 1000,16e3") from None
    if min(sizes) < 1:
        raise argparse.ArgumentTypeError("sizes must be at least 1")
    return sizes


def positive(text):
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def add_arguments(parser):
    from . import bench_peers  # which imports this module

    add = parser.add_argument
    add("--function", action="append", choices=list(registry.FUNCTIONS), help="only this one (repeatable)")
    add("--size", "--sizes", dest="sizes", type=size_list, metavar="N,…", help="elements of the arrays, e.g. 1000,16e3")
    add("--dtype", choices=("float32", "float64"), help="only this (without --peers float32)")
    add(
        "--seconds",
        type=positive,
        help=f"time for the whole table ({SECONDS:g}), or with --peers for a cell ({bench_peers.SECONDS:g})",
    )
    add("--peers", action="store_true", help="activations and losses against the best of all installed peers, cell by cell")
    bench_peers.add_arguments(parser)
    parser.set_defaults(error=parser.error)


def defaults(arguments):
    """What the table of NumPy alone has where nothing was asked for; an option that it has not is an error."""
    for name in ("quick", "kind", "form", "layout", "threads", "without", "output"):
        if getattr(arguments, name):
            arguments.error(f"argument --{name}: only with --peers")
    arguments.sizes, arguments.dtype = arguments.sizes or SIZES, arguments.dtype or "float32"
    arguments.seconds = arguments.seconds or SECONDS


def run(arguments):
    """Prints the table."""
    if arguments.peers:
        from . import bench_peers

        return bench_peers.run(arguments)
    defaults(arguments)
    try:
        from rich.console import Console
        from rich.progress import Progress
        from rich.table import Table
    except ImportError:
        print(INSTALL.format("rich"), file=sys.stderr)
        return 1
    names = arguments.function or list(registry.FUNCTIONS)
    table = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    table.add_column("value_and_grad", no_wrap=True)
    for head in ("size", "time", "ns/elem.", "× NumPy", "of limit"):
        table.add_column(head, justify="right", no_wrap=True)
    own = {e.name: ROWS for e in (*registry.LOSSES, *registry.ROWS)}
    own |= {e.name: MAPS if e.linear else PIECES for e in registry.MAXOUT}
    own |= {e.name: PAIRS for e in registry.PAIR_LOSSES}
    own |= {e.name: LOGITS for e in registry.LINEAR_LOSSES}
    count = sum(len(own.get(name, arguments.sizes)) for name in names)
    previous = None
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("timing", total=count)
        for name, size, elements, calls, _ in cases(names, arguments.sizes, arguments.dtype):
            with np.errstate(all="ignore"):
                ours, tuned, limit = paired(calls, 0.9 * arguments.seconds / count)
            if previous not in (None, name):
                table.add_section()
            table.add_row(
                name if name != previous else "",
                size,
                seconds_as_text(ours),
                f"{ours / elements * 1e9:.3g}",
                f"{tuned / ours:.2f}",
                f"{limit / ours:.0%}",
            )
            previous = name
            progress.advance(task)
    console = Console()
    console.print(
        f"{arguments.dtype}, level {_build.LEVEL}, one thread, outputs preallocated (out=)\n"
        f"{processor()}, NumPy {np.__version__}, {_build.compiler()}\n"
        "functions of rows: the value, then the backward\n"
        "max over pieces: value_and_argmax; over maps: rows×maps×numbers in×units out\n"
        "× NumPy: time of hand-tuned NumPy (out=, no temporaries) over ours\n"
        "         (losses over pairs: of NumPy as typed)\n"
        "of limit: share of the speed at which the same bytes are merely copied\n",
        highlight=False,
    )
    console.print(table)
    return 0
