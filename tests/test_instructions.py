"""The comparison in .ci/instructions. What it counts takes valgrind and a minute; the figures here are made up."""

import importlib.util
import json
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
from helpers_machine_code import Line

SCRIPT = Path(__file__).resolve().parent.parent / ".ci/instructions"
pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="needs the checkout's .ci")
KEY = "x86_64 baseline, GCC 12"


@pytest.fixture
def guard():
    """The script, freshly loaded."""
    loader = SourceFileLoader("instructions", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("instructions", loader))
    loader.exec_module(module)
    return module


@pytest.fixture
def check(guard, monkeypatch, tmp_path):
    """check(stored, counted): the exit status with these figures in the file and these counts measured."""
    monkeypatch.setattr(guard, "FIGURES", tmp_path / "instructions.json")

    def run(stored, counted, tolerance=0.03, key=KEY):
        guard.FIGURES.write_text(json.dumps({KEY: stored}), encoding="utf-8")
        monkeypatch.setattr(guard, "measured", lambda: [(key, tolerance, counted)])
        return guard.check()

    return run


@pytest.mark.parametrize("now,status", [(1000, 0), (1029, 0), (1031, 1), (971, 0), (969, 1)])
def test_three_percent_either_way(check, now, status):
    assert check({"f": 1000, "g": 10}, {"f": now, "g": 10}) == status


@pytest.mark.parametrize("now,status", [(3.3125, 0), (3.34375, 1), (3.28125, 1)])
def test_loops_are_compared_exactly(check, now, status):
    assert check({"f": 3.3125}, {"f": now}, tolerance=0) == status


def test_unknown_key_only_reports(check, capsys):
    assert check({"f": 1000}, {"f": 2000}, key="x86_64 baseline, GCC 13") == 0
    assert "GCC 13" in (said := capsys.readouterr().out) and "`.ci/instructions record`" in said


@pytest.mark.parametrize("stored,counted,word", [({}, {"f": 9}, "new"), ({"f": 9}, {}, "gone")])
def test_another_set_of_calls_fails(check, capsys, stored, counted, word):
    assert check(stored | {"g": 1}, counted | {"g": 1}) == 1
    assert any(line.split()[0] == word and line.endswith("  f") for line in capsys.readouterr().out.splitlines())


def test_worst_first_and_what_fails(check, capsys):
    names = [f"call {k}" for k in range(20)]
    check(dict.fromkeys(names, 1000), {name: 1000 + 9 * k * (-1) ** k for k, name in enumerate(names)})
    shown = [line.split("  ")[-1] for line in capsys.readouterr().out.splitlines() if "call" in line]
    assert shown == names[:3:-1]
    many = [f"call {k}" for k in range(50)]
    check(dict.fromkeys(many, 1), dict.fromkeys(many, 2))
    assert "  and 30 more\n" in capsys.readouterr().out


def test_table_fits_80_columns(guard):
    names = [call.name for call in guard.calls()]
    assert len(set(names)) == len(names)
    assert max(len(str(guard.Deviation(name, 9_999_999, 10_999_999))) for name in names) <= 80


def test_record_keeps_other_keys(check, guard):
    check({"f": 1}, {"f": 2, "é": 3}, key="another")
    assert guard.record() == 0
    assert json.loads(guard.FIGURES.read_text(encoding="utf-8")) == {KEY: {"f": 1}, "another": {"f": 2, "é": 3}}


def test_without_tools_nothing_is_counted(guard, monkeypatch, capsys):
    monkeypatch.setattr(guard.shutil, "which", lambda name: None)
    assert guard.check() == 0
    assert "valgrind is not installed" in capsys.readouterr().out


def test_count_is_the_difference_of_n_and_2n_calls(guard):
    call = guard.Call("f", "f(x)", (10,), "f4")
    n = call.repeats
    assert guard.per_call([call, call], [10**6, 50 + 300 * n, 50 + 600 * n, 7, 50 + 4 * n, 50 + 8 * n]) == {"f 10 f4": 4}
    assert guard.per_call([call], [10**6, 50 + 300 * n, 50 + 600 * n]) == {"f 10 f4": 300}
    with pytest.raises(SystemExit, match="wrote 4 parts"):
        guard.per_call([call], [1, 2, 3, 4])


@pytest.mark.parametrize("step", ["add $0x40,%rax", "sub $0xffffffffffffffc0,%r11"])
def test_elements_follow_from_the_step(guard, step):
    lines = ["vmovups (%rdx,%rax,1),%zmm0", "vaddps %zmm0,%zmm0,%zmm1", step, "jne 40 <f>"]
    loop = [Line(64 + 4 * k, *line.split(" ", 1)) for k, line in enumerate(lines)]
    assert guard.per_element(loop, 4) == 4 / 16
