"""`actloss_c bench --peers`: all sides compute the same, whoever does not is named, and nothing stays changed."""

import contextlib
import csv
import dataclasses
import io
import os
import sys
import types

import numpy as np
import pytest
from helpers_process import python, succeeds

import actloss_c
from actloss_c import __main__, bench_peers, bench_report, registry, threads
from actloss_c.bench_sides import OURS, Cell, Ours, Side, UnfitError

NUMPY = [side for side in bench_peers.SIDES if side.module in ("actloss_c", "numpy")]
# What a side may say for itself; anything else is an error in its code.
EXCUSES = ("not installed", "has no such function", "has no activations", "no softmax in its language")
EXCUSES += ("returns results that lie as x does, where the cell's outputs lie otherwise",)
REFUSED = ("ndarray is not C-contiguous", "Function call with ambiguous argument types")  # scikit-learn, of views of pairs
SLOW = ("torch.compile", "numba")  # to compile: here they run uncompiled
CELL = Cell("sigmoid", "value_and_grad", "float32", 12, "out", "contiguous", 1)


def all_cells(name, *setting, threads=1, size=40):  # four rows of ten classes
    form, layout, dtype = setting
    return list(bench_peers.cells((name,), bench_peers.KINDS, (dtype,), (size,), (form,), (layout,), (threads,)))


def assert_agree(cells, sides, excuses=EXCUSES):
    for cell in cells:
        with contextlib.ExitStack() as threads, np.errstate(all="ignore"):
            calls, absent = bench_peers.ready(bench_peers.work(cell), sides, threads)
        assert {**calls, **absent}.keys() == {side.name for side in sides}
        assert {OURS, "NumPy"} <= calls.keys() or len(sides) < 3
        assert not {name: why for name, why in absent.items() if why not in excuses}, cell


# --- the sides ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", bench_peers.FUNCTIONS)
def test_sides_agree(name):
    sides = [side for side in bench_peers.SIDES if side.name not in SLOW]
    cells = all_cells(name, "out", "contiguous", "float32")
    assert_agree([cell for cell in cells if cell.kind == "value_and_grad"], sides)
    sides = [side for side in sides if side.name != "JAX"]  # which compiles each cell; test_jax has the other kinds
    assert_agree([cell for cell in cells if cell.kind != "value_and_grad"], sides)
    assert_agree(all_cells(name, "fresh", "strided", "float64"), sides, EXCUSES + REFUSED)
    assert_agree(all_cells(name, "out", "transposed", "float32"), sides, EXCUSES + REFUSED)


def test_jax():
    jax = [Ours(), next(side for side in bench_peers.SIDES if side.name == "JAX")]
    for name in ("sigmoid", "prelu", "huber", "softmax_cross_entropy"):
        assert_agree(all_cells(name, "fresh", "transposed", "float64"), jax)


def test_bodies_of_torch_compile(monkeypatch):
    """Not compiled: that takes seconds each."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch, "compile", lambda body, **options: body)
    monkeypatch.setattr(torch.compiler, "reset", lambda: None)
    sides = [Ours(), next(side for side in bench_peers.SIDES if side.name == "torch.compile")]
    for name in bench_peers.FUNCTIONS:
        assert_agree(all_cells(name, "out", "contiguous", "float64") + all_cells(name, "fresh", "transposed", "float32"), sides)


def test_loops_of_numba(monkeypatch):
    """As Python runs them."""
    plain = types.SimpleNamespace(njit=lambda f, **options: f, prange=range, get_num_threads=lambda: 1, set_num_threads=print)
    monkeypatch.setitem(sys.modules, "numba", plain)
    numba = type(next(side for side in bench_peers.SIDES if side.name == "numba"))
    monkeypatch.setattr(numba, "is_installed", True)
    for name in bench_peers.FUNCTIONS:
        cells = all_cells(name, "out", "contiguous", "float64") + all_cells(name, "fresh", "transposed", "float32")
        assert_agree(cells, [Ours(), numba()])


class Wrong(Side):
    """Off by a tenth."""

    name, short, module = "Wrong", "wrong", "numpy"

    def activation(self, work):
        return lambda: tuple(1.1 * y for y in Ours().activation(work)())


class Broken(Wrong):
    name = "Broken"

    def activation(self, work):
        raise TypeError("cannot\n do this")


class Missing(Wrong):
    name, module = "Missing", "no_such_module"


def test_who_takes_no_part():
    """A side that computes something else, one that fails, one that is not installed; each with its reason."""
    result = bench_peers.measure(CELL, (*NUMPY, Wrong(), Broken(), Missing()), 1e-4)
    assert result.seconds.keys() == {side.name for side in NUMPY}
    assert result.absent.keys() == {"Wrong", "Broken", "Missing"}
    assert result.absent["Wrong"].startswith("computes something else: 12 of 12 numbers differ")
    assert (result.absent["Broken"], result.absent["Missing"]) == ("cannot do this", "not installed")


def test_who_lies_otherwise_takes_no_part():
    """With outputs given, a matrix in x's order is less work than one in theirs."""
    cell = bench_peers.Cell("sigmoid", "value", "float32", 10_000, "out", "transposed", 1)
    result = bench_peers.measure(cell, NUMPY, 1e-4)
    assert "lie otherwise" in result.absent["NumPy as typed"] and "NumPy" in result.seconds
    fresh = bench_peers.measure(dataclasses.replace(cell, form="fresh"), NUMPY, 1e-4)
    assert not fresh.absent


def test_difference_in_words():
    y = np.ones(3, np.float32)
    for got, word in (
        ([y], "1 results"),
        ([y, y[:2]], "shape"),
        ([y, np.ones(3)], "float64"),
        ([y, np.full(3, np.nan, "f4")], "nan"),
    ):
        assert word in bench_peers.difference(got, [y, y], "float32")
    assert bench_peers.difference([y, np.float64(1.001)], [y, np.float64(1)], "float32") is None


# --- settings -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name, get", (("PyTorch", "get_num_threads"), ("numexpr", "get_num_threads")))
def test_thread_settings_are_restored(name, get):
    side = next(side for side in bench_peers.SIDES if side.name == name)
    library = pytest.importorskip(side.module)
    now = getattr(library, get, None) or (lambda: library.utils.num_threads if hasattr(library.utils, "num_threads") else None)
    before = now()
    for count in {1, 2, before}:
        with contextlib.suppress(ZeroDivisionError), side.threads(count):
            assert now() == count
            1 / 0  # noqa: B018
        assert now() == before


def test_measure_restores_them(monkeypatch):
    """For as long as the cell takes."""
    seen = []

    @contextlib.contextmanager
    def threads(self, count):
        seen.append(count)
        yield
        seen.append("restored")

    monkeypatch.setattr(Wrong, "threads", threads)
    bench_peers.measure(CELL, (Ours(), Wrong()), 1e-4)
    assert seen == [1, "restored"]


def test_environment_is_restored():
    before, dispatches = dict(os.environ), bench_peers.peers.Jax.dispatches_to_a_thread
    with contextlib.suppress(ZeroDivisionError), bench_peers.one_thread():
        assert os.environ["OMP_NUM_THREADS"] == "1" and not bench_peers.peers.Jax.dispatches_to_a_thread
        1 / 0  # noqa: B018
    assert dict(os.environ) == before and bench_peers.peers.Jax.dispatches_to_a_thread == dispatches


def test_several_threads(monkeypatch):
    """This package is told how many; a side without a setting is left to the cells of one thread."""
    asked = []
    monkeypatch.setattr(threads, "num_threads", lambda n: asked.append(n) or contextlib.nullcontext())
    cell = Cell("sigmoid", "value", "float32", 12, "out", "contiguous", 2)
    result = bench_peers.measure(cell, NUMPY, 1e-4)
    assert asked == [2] and list(result.seconds) == [OURS] and "see threads = 1" in result.absent["NumPy"]
    assert np.isnan(result.ratio) and result.best is None
    with pytest.raises(UnfitError):
        NUMPY[1].threads(2)


def test_help_imports_no_peer(tmp_path):
    code = "import sys\nfrom actloss_c.__main__ import main\ntry:\n    main(['bench', '--help'])\nexcept SystemExit:\n    pass\n"
    names = "{'torch', 'jax', 'scipy', 'numexpr', 'numba', 'sklearn', 'rich', 'matplotlib'}"
    succeeds(python(f"{code}assert not sys.modules.keys() & {names}, sys.modules.keys() & {names}", tmp_path))


# --- results ------------------------------------------------------------------------------------------------------------------


def result(size=1_000, ours=1.0, **others):
    cell = Cell("sigmoid_binary_cross_entropy", "value_and_grad", "float64", size, "fresh", "transposed", 1)
    return bench_peers.Result(cell, {OURS: ours, **others}, 0.5, {"SciPy": "not installed"})


def test_ratio():
    one = result(ours=2.0, NumPy=3.0, numba=1.0)
    assert (one.best, one.ratio, one.ratio_of("NumPy"), one.of_limit) == ("numba", 0.5, 1.5, 0.25)
    assert bench_report.lost([one, result(NumPy=2.0)]) == [
        "A peer is faster in 1 of 2 cells",
        "  float64, transposed, fresh outputs, 1 thread",
        "    0.50  sigmoid_binary_cross_entropy, 1k: numba",
    ]


def test_table_fits_80_columns():
    from rich.console import Console

    results = [result(n, 0.01 if n == 10 else 3.0, **{"torch.compile": 123.4 if n == 10 else 1.0}) for n in bench_peers.SIZES]
    console = Console(width=80, record=True, file=io.StringIO())
    for title, table in bench_report.tables(results, bench_peers.SIDES):
        console.print(title, table, sep="\n")
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert len(lines) == 5 and max(map(len, lines)) <= 80 and "…" not in "".join(lines)
    assert lines[0] == "float64, transposed, fresh outputs, 1 thread"
    assert lines[1].split() == ["elements", "10", "100", "1k", "16k", "256k", "4M", "16M"]
    assert lines[2].split() == ["sigmoid_binary_cross_entropy", ">999", *["*0.33"] * 6] and lines[3].count("t.comp") == 7


def run(*arguments):
    few = ("--peers", "--size", "10,30", "--dtype", "float32", "--layout", "contiguous", "--threads", "1", "--seconds", "1e-3")
    without = (f"--without={side.name}" for side in bench_peers.SIDES if side not in NUMPY)
    return __main__.main(["bench", *few, *without, *arguments])


def test_command(tmp_path, capsys):
    """The CSV has a row for every cell and side, and the charts are there."""
    assert run("--function", "relu", "--function", "huber", "--form", "out", "-o", str(tmp_path / "new")) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80 + len(str(tmp_path)) and "relu backward" in shown
    with (tmp_path / "new" / "peers.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    keys = {(row["function"], row["kind"], row["size"], row["side"]) for row in rows}
    assert len(rows) == len(keys) == 4 * 2 * len(NUMPY)
    for row in (row for row in rows if row["side"] == OURS):
        its = [r for r in rows if all(r[name] == row[name] for name in ("function", "kind", "size")) and r is not row]
        best = min(its, key=lambda r: float(r["seconds"]))
        assert row["best_peer"] == best["side"] and np.__version__ in row["made_by"]
        assert float(row["ratio"]) == pytest.approx(float(best["seconds"]) / float(row["seconds"]), rel=2e-3)
    for name in ("ratios.png", "roofline.png"):
        assert (tmp_path / "new" / name).read_bytes().startswith(b"\x89PNG") and name in shown


def test_missing_peer_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(bench_peers, "SIDES", (*NUMPY, Missing()))
    arguments = ("--peers", "--size", "10", "--function", "huber", "--dtype", "float32", "--seconds", "1e-3", "--threads", "1")
    assert __main__.main(["bench", *arguments, "--form", "out", "--layout", "strided", "-o", str(tmp_path)]) == 0
    assert "not installed: Missing" in capsys.readouterr().out
    assert "Missing,,,,,,,0" not in (tmp_path / "peers.csv").read_text(encoding="utf-8")
    with (tmp_path / "peers.csv").open(encoding="utf-8") as file:
        (row,) = (row for row in csv.DictReader(file) if row["side"] == "Missing")
    assert row["absent_because"] == "not installed" and row["seconds"] == row["ratio"] == row["version"] == ""


def test_stopped(tmp_path, monkeypatch, capsys):
    """What there is is shown and written."""
    measure, asked = bench_peers.measure, []

    def stop(cell, *rest):
        asked.append(cell)
        if len(asked) > 2:
            raise KeyboardInterrupt
        return measure(cell, *rest)

    monkeypatch.setattr(bench_peers, "measure", stop)
    assert run("--function", "relu", "--form", "fresh", "-o", str(tmp_path)) == 130
    assert "relu value" in capsys.readouterr().out and (tmp_path / "ratios.png").exists()
    assert len((tmp_path / "peers.csv").read_text(encoding="utf-8").splitlines()) == 1 + 2 * len(NUMPY)


@pytest.mark.parametrize(
    "arguments, named",
    (
        (("--quick",), "--quick"),
        (("--output", "somewhere"), "--output"),
        (("--peers", "--function", "softmax"), "--function"),
        (("--peers", "--seconds", "0"), "--seconds"),
        (("--peers", "--without", "nobody"), "--without"),
    ),
)
def test_refused(arguments, named, capsys):
    with pytest.raises(SystemExit) as exit_:
        __main__.main(["bench", *arguments])
    assert exit_.value.code == 2 and named in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("module", ("rich", "matplotlib"))
def test_says_what_to_install(module, monkeypatch, capsys, tmp_path):
    monkeypatch.setitem(sys.modules, module, None)
    for name in ("rich.console", "actloss_c.bench_chart"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr(actloss_c, "bench_chart", raising=False)
    assert run("--function", "relu", "-o", str(tmp_path)) == 1
    error = capsys.readouterr().err
    assert f"needs {module}," in error and 'pip install "actloss_c[bench]"' in error


def test_every_function_has_cells():
    assert set(bench_peers.FUNCTIONS) == {e.name for e in (*registry.ACTIVATIONS, *registry.PAIR_LOSSES, *registry.LOSSES)}
    assert {c.kind for c in all_cells("huber", "out", "contiguous", "float32")} == {"value_and_grad"}
    for name, kind, arrays in (("relu", "value", 2), ("relu", "backward", 3), ("huber", "value_and_grad", 3)):
        assert bench_peers.moved(Cell(name, kind, "float32", 10, "out", "contiguous", 1)) == arrays
    assert bench_peers.shape(Cell("relu", "value", "float32", 16_000_000, "out", "transposed", 1)) == (4_000, 4_000)
    assert bench_peers.shape(Cell("softmax_focal", "value_and_grad", "float32", 256_000, "out", "strided", 1)) == (256, 1_000)
