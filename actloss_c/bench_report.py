"""What `actloss_c bench --peers` shows and writes: tables for 80 columns, the lost cells, and the CSV."""

import contextlib
import csv

import numpy as np

from . import registry
from .bench_sides import OURS

COLUMNS = ("function", "kind", "dtype", "size", "form", "layout", "threads", "side", "version", "seconds", "ns_per_element")
COLUMNS += ("ratio", "best_peer", "limit_seconds", "of_limit", "absent_because", "made_by")


@contextlib.contextmanager
def writer(folder, sides, made_by):
    """A function that adds a result to the folder's CSV at once: a run that is stopped leaves what it has."""
    if folder is None:
        yield lambda result: None
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "peers.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        yield lambda result: (table.writerows(rows(result, sides, made_by)), file.flush())


def rows(result, sides, made_by):
    """A row of the CSV for every side. `ratio` is the side's time over ours, in our own row that of the best peer."""
    cell = result.cell
    for side in sides:
        seconds = result.seconds.get(side.name)
        row = dict.fromkeys(COLUMNS, "")
        row.update(vars(cell), side=side.name, made_by=made_by, limit_seconds=f"{result.limit:.4g}")
        row["version"] = side.version if side.is_installed else ""
        row["absent_because"] = result.absent.get(side.name, "")
        if seconds is not None:
            row.update(seconds=f"{seconds:.4g}", ns_per_element=f"{seconds / cell.size * 1e9:.4g}")
            row["of_limit"] = f"{result.limit / seconds:.4g}"
            row["ratio"] = f"{result.ratio_of(side.name):.4g}"
            row["best_peer"] = result.best or "" if side.name == OURS else ""
        yield row


def size_as_text(n):
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if n >= unit and n % unit == 0:
            return f"{n // unit}{letter}"
    return str(n)


def setting(cell):
    """What a table or a panel has in common."""
    threads = "1 thread" if cell.threads == 1 else f"{cell.threads} threads"
    return f"{cell.dtype}, {cell.layout}, {'out=' if cell.form == 'out' else 'fresh outputs'}, {threads}"


def label(cell):
    return f"{cell.function} {cell.kind}" if cell.family is registry.ACTIVATIONS else cell.function


def by_setting(results):
    """{setting: {label: {size: result}}}"""
    tables = {}
    for result in results:
        tables.setdefault(setting(result.cell), {}).setdefault(label(result.cell), {})[result.cell.size] = result
    return tables


def three_digits(ratio):
    return "–" if not np.isfinite(ratio) else f"{ratio:.2f}" if ratio < 9.995 else f"{ratio:.3g}" if ratio < 999.5 else ">999"


def ratio_and_style(ratio):
    return (f"*{ratio:.2f}", "bold reverse") if ratio < 1 else (three_digits(ratio), "bold")


def tables(results, sides):
    """(setting, rich table) of all: three lines a function; a star where a peer is faster, for terminals without styles."""
    from rich.table import Table
    from rich.text import Text

    short = {side.name: side.short for side in sides}
    for title, functions in by_setting(results).items():
        sizes = sorted({size for found in functions.values() for size in found})
        table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("elements", no_wrap=True)
        for size in sizes:
            table.add_column(size_as_text(size), justify="right", no_wrap=True)
        for name, found in functions.items():
            cells = [found.get(size) for size in sizes]
            ratios = (Text(*ratio_and_style(r.ratio)) if r else "" for r in cells)
            table.add_row(name, *ratios)
            table.add_row("  best peer", *(short.get(r.best, "–") if r else "" for r in cells), style="dim")
            table.add_row("  of limit", *(f"{r.of_limit:.0%}" if r else "" for r in cells), style="dim", end_section=True)
        yield title, table


def lost(results, most=20):
    """The cells in which a peer is faster, as lines: the worst of them, by setting."""
    slower = sorted((r for r in results if r.ratio < 1), key=lambda r: r.ratio)
    groups = {}
    for r in slower[:most]:
        line = f"    {r.ratio:.2f}  {label(r.cell)}, {size_as_text(r.cell.size)}: {r.best}"
        groups.setdefault(setting(r.cell), []).append(line)
    head = f"A peer is faster in {len(slower)} of {len(results)} cells" + (", the worst of them" if len(slower) > most else "")
    return [head, *(line for title, lines in groups.items() for line in (f"  {title}", *lines))]
