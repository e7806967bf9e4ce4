"""`actloss_c accuracy`: what it prints, what it refuses, and the peers it asks."""

import sys

import numpy as np
import pytest
from helpers_process import python, succeeds

from actloss_c import __main__, _build, accuracy, judge, peers, registry

LONG = {"float32": -np.float32(1e-30), "float64": -np.float64(1e-301)}  # with as many digits as a witness may have


def command(*arguments):
    return f"from actloss_c.__main__ import main; raise SystemExit(main({['accuracy', *arguments]!r}))"


def test_one_function(tmp_path):
    """In a terminal of 80 columns, and as Markdown."""
    text = succeeds(python(command("--function", "elu", "--parameter", "alpha=0.5", "--output", "table.md"), tmp_path))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert "elu(x) = where(x > 0, x, alpha * expm1(x)), alpha = 0.5" in lines
    level = accuracy.LABELS[accuracy.Question("elu", "float32", ()).levels[0]]
    for who in (level, "NumPy formula", *(f"{peer.name} {peer.version}" for peer in peers.installed() if peer.has("elu"))):
        rows = [line for line in lines if line.startswith(f"  {who} ")]
        assert len(rows) == 2 and all(row.split()[len(who.split())].isascii() for row in rows), who
    assert sum("right " in line and "≤" in line for line in lines) == 2
    markdown = (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|")[1:-1] for line in markdown if line.startswith("|")]
    assert len(rows) >= 6 and {len(row) for row in rows} == {10}
    assert all(word in "\n".join(markdown) for word in (level, f"NumPy {np.__version__}", _build.compiler()))


@pytest.mark.parametrize("dtype", judge.WIDE)
def test_width(dtype):
    """With the longest numbers and names."""
    asked = judge.Question("sigmoid", dtype, (), ("baseline",))
    number = LONG[dtype]
    names = {**accuracy.LABELS, "PyTorch": "PyTorch 2.14.1+cpu"}
    wrong = ((np.inf, number, number), (-np.inf, np.nan, number))
    verdicts = [
        judge.Verdict(who, kind, ulp, number, number, number, 1.1 * ulp, ulp / 3, 0.123456789, 1 << 32, wrong)
        for kind in judge.KINDS
        for who in ("baseline", "PyTorch")
        for ulp in (1.2345678e25, np.inf)
    ]
    lines = accuracy.report(asked, verdicts, names)
    assert max(map(len, lines)) <= 80 and all(accuracy.hexadecimal(number) in line for line in lines if " got" in line)
    assert sum("wrong" in line for line in lines) == 8


def test_numbers_as_text():
    assert accuracy.rounded_up(2.3391) == "2.34" and accuracy.rounded_up(0.50000001) == "0.5001"
    assert accuracy.rounded_up(0.5) == "0.5" and accuracy.rounded_up(16777215.2) == "1.678e+07"
    assert accuracy.percent(1.0) == "100.0000 %" and accuracy.percent(1 - 1e-9) == "99.9999 %"
    assert [accuracy.hexadecimal(v) for v in (1, 0.0, -1.5, np.inf)] == ["0x1p+0", "0x0p+0", "-0x1.8p+0", "inf"]


@pytest.mark.parametrize(
    "arguments, named",
    (
        (("--exhaustive", "--dtype", "float64"), "--exhaustive"),
        (("--function", "relu", "--parameter", "alpha=2"), "--parameter"),
        (("--parameter", "alpha"), "--parameter"),
        (("--parameter", "alpha=inf"), "--parameter"),
        (("--function", "nothing"), "--function"),
        (("--level", "nothing"), "--level"),
        (("--jobs", "0"), "--jobs"),
        (("--output", "nowhere/at/all.md"), "--output"),
        (("--output", "."), "--output"),
    ),
)
def test_refused(arguments, named, capsys):
    with pytest.raises(SystemExit) as exit_:
        __main__.main(["accuracy", *arguments])
    assert exit_.value.code == 2 and f"argument {named}: " in capsys.readouterr().err


@pytest.mark.parametrize("module", ("rich", "mpmath"))
def test_says_what_to_install(module, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, "rich.console", raising=False)
    assert __main__.main(["accuracy"]) == 1
    error = capsys.readouterr().err
    assert f"needs {module}, which" in error and 'pip install "actloss_c[accuracy]"' in error


def test_exit_status_tells_of_errors(monkeypatch, capsys, tmp_path):
    """And an absent peer is named."""
    at = np.float32(1)
    bad = judge.Verdict(judge.Question("relu", "float32", ()).levels[0], "value", 1.0, at, at, at, 1.0, 1.0, 0.5, 2, ())
    monkeypatch.setattr(accuracy, "judged", lambda *_: ([bad], 1e-9))
    monkeypatch.setattr(peers, "PEERS", (Missing(),))
    assert __main__.main(["accuracy", "--function", "relu"]) == 1
    shown = capsys.readouterr()
    assert "not installed: Missing" in shown.out and "> 0" in shown.out and "relu float32 value" in shown.err


# --- peers ----------------------------------------------------------------------------------------------------------------------


class Missing(peers.Peer):
    name = "Missing"


def test_absent_peer(monkeypatch):
    monkeypatch.setattr(peers, "PEERS", (*peers.PEERS, Missing()))
    assert "Missing" not in [peer.name for peer in peers.installed()]


def test_table_of_peers():
    modules = {peer.module for peer in peers.PEERS}
    assert all(set(expressions) <= modules for expressions in peers.EXPRESSIONS.values())
    assert set(peers.EXPRESSIONS) <= set(registry.FUNCTIONS)


@pytest.mark.parametrize("peer", peers.PEERS, ids=lambda peer: peer.module)
@pytest.mark.parametrize("dtype", judge.WIDE)
def test_peer_computes_the_same(peer, dtype):
    """Where all are well: the right function, its derivative, its parameters, in x's type."""
    if not peer.is_installed:
        pytest.skip(f"{peer.name} is not installed")
    x = np.concatenate([np.linspace(-3, -0.125, 50), np.linspace(0.125, 3, 50)]).astype(dtype)
    asked = [entry for entry in registry.ACTIVATIONS if peer.has(entry.name)]
    assert asked and peer.value_and_grad("nothing", {}) is None and peer.value("nothing", {}) is None
    for entry in asked:
        params = {p.name: p.default / 2 for p in entry.params}
        ours = _build.functions()[entry.name].value_and_grad(x, **params)
        theirs = peer.value_and_grad(entry.name, params)(peer.array(x))
        for got, want in zip((*theirs, peer.value(entry.name, params)(peer.array(x))), (*ours, ours[0]), strict=True):
            assert np.asarray(got).dtype == x.dtype
            np.testing.assert_allclose(np.asarray(got), want, rtol=200 * np.finfo(dtype).eps)
