"""Which instruction-set level an import takes: the fastest that runs, or the one that is forced; any other is refused."""

from helpers_errors import refused
from helpers_process import fails_to_import, python, succeeds

from actloss_c import _dispatch

FASTEST = _dispatch.runnable_levels()[-1]
REPORT = "from actloss_c import _dispatch; print(_dispatch.LEVEL)"


def test_level_can_be_forced(tmp_path, level):
    assert succeeds(python(REPORT, tmp_path, level=level)).split() == [level]


def test_fastest_level_is_the_default(tmp_path):
    assert succeeds(python(REPORT, tmp_path)).split() == [FASTEST]
    assert succeeds(python(REPORT, tmp_path, level="")).split() == [FASTEST]


def test_import_loads_one_level(tmp_path):
    code = "import sys, actloss_c; print(*[n for n in sys.modules if n.startswith('actloss_c._')])"
    names = succeeds(python(code, tmp_path)).split()
    assert [name for name in names if name.removeprefix("actloss_c._") in _dispatch.ALL_LEVELS] == [f"actloss_c._{FASTEST}"]


def test_unknown_level(tmp_path):
    message = fails_to_import(python("import actloss_c", tmp_path, level="x86_v9"))
    assert all(word in message for word in ("ACTLOSS_C_LEVEL", "x86_v9", *_dispatch.runnable_levels())), message


def test_level_that_cannot_run_is_never_imported(monkeypatch):
    """A wrong import would die of an illegal instruction."""

    class OldProcessor:
        @staticmethod
        def runnable():
            return ("baseline",)

    imported = []
    monkeypatch.setattr(_dispatch, "_cpu", lambda: OldProcessor)
    monkeypatch.setattr(_dispatch.importlib, "import_module", imported.append)
    for level in _dispatch.ALL_LEVELS[1:]:
        monkeypatch.setenv("ACTLOSS_C_LEVEL", level)
        with refused(ImportError, level, "ACTLOSS_C_LEVEL", "baseline"):
            _dispatch.choose()
    monkeypatch.delenv("ACTLOSS_C_LEVEL")
    assert _dispatch.choose() == "baseline"
    assert not imported
