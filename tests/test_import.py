"""What an import changes: nothing but the package's own modules; and what it says where it cannot work."""

import importlib.metadata
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers_process import fails_to_import, python, succeeds

import actloss_c

SUBNORMALS = """
import threading
import numpy as np

def check():
    assert 5e-324 * 1.0 > 0 and 2.3e-308 / 4 > 0
    for dtype in (np.float32, np.float64):
        tiny = np.full(1000, np.finfo(dtype).tiny)
        assert (tiny / 2 > 0).all(), "flush to zero"
        small = np.full(1000, np.nextafter(dtype(0), dtype(1)))
        assert (small * 1 > 0).all() and (small + small > 0).all(), "denormals are zero"
        assert np.finfo(dtype).smallest_subnormal > 0

def in_thread():
    failed = []
    def run():
        try:
            check()
        except BaseException as error:
            failed.append(error)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert not failed, failed
"""
CALL_ALL = """
def call(entry, dtype):
    function, x = getattr(al, entry.name), np.linspace(-100, 100, 1001).astype(dtype)
    if entry in al.registry.ACTIVATIONS:
        function.value_and_grad(x)
        function.backward(x, x)
    elif entry in al.registry.PAIR_LOSSES:
        z = x if entry.prediction is None else abs(x) / 100
        function.value_grad_and_hess(z, np.ones_like(x))
    elif entry in al.registry.LOSSES:
        for classes in (7, 143):
            z = (x if entry.variable == "z" else abs(x) / 100).reshape(-1, classes)
            function.value_grad_and_hess(z, np.arange(len(z)) % classes)
    elif entry in al.registry.ROWS:
        for classes in (7, 143):
            z = x.reshape(-1, classes)
            function.backward(function(z), z)
    elif entry in al.registry.LINEAR_LOSSES:
        w = np.ones((7, 3), dtype)
        function.value_and_grad(x.reshape(143, 7), w, np.arange(143) % 3, b=w[0], chunk_bytes=1000)
    elif entry.linear:
        w = np.ones((2, 143, 3), dtype)
        y, which = function.value_and_argmax(x.reshape(7, 143), w)
        function.backward(y, x.reshape(7, 143), w, which)
    else:
        y, which = function.value_and_argmax(x.reshape(7, 143))
        function.backward(y, which, 143)

def call_all():
    for entry in al.registry.ALL:
        for dtype in (np.float32, np.float64):
            call(entry, dtype)
"""


def test_subnormals_survive(tmp_path, level):
    """Nothing switches flush-to-zero on, neither the import nor a call, in no thread."""
    code = SUBNORMALS + "check()\nimport actloss_c as al\ncheck()\n" + CALL_ALL + "call_all()\ncheck()\nin_thread()\n"
    succeeds(python(code, tmp_path, "-W", "error", level=level))


def test_import_and_calls_are_silent(tmp_path, level):
    child = python("import numpy as np, actloss_c as al\n" + CALL_ALL + "call_all()", tmp_path, "-W", "error", level=level)
    assert (child.returncode, child.stdout, child.stderr) == (0, "", "")


def test_import_brings_nothing_but_numpy_and_the_standard_library(tmp_path):
    code = """
import sys
before = set(sys.modules)
import actloss_c
roots = {name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)
print(*sorted(roots))
"""
    roots = succeeds(python(code, tmp_path)).split()
    # Cython's modules put these names into sys.modules themselves: they share types there and belong to no package.
    roots = [root for root in roots if not re.fullmatch(r"cython_runtime|_cython_[\d_]+\w*", root)]
    assert roots == ["actloss_c", "numpy"]


def test_version_is_looked_up_when_it_is_asked_for(tmp_path):
    """Its module takes longer to import than the package."""
    code = """
import sys
import actloss_c
print("importlib.metadata" in sys.modules, actloss_c.__version__, hasattr(actloss_c, "unheard_of"))
"""
    assert succeeds(python(code, tmp_path)).split() == ["False", importlib.metadata.version("actloss_c"), "False"]


@pytest.mark.parametrize("name", ("torch",))
def test_what_is_imported_when_it_is_asked_for(name, tmp_path):
    """Not before; and where what it needs is not installed, the ImportError names the extra."""
    blocked = "import sys, actloss_c as al; assert {0!r} not in sys.modules; sys.modules[{0!r}] = None; al.{1}"
    message = fails_to_import(python(blocked.format(name, name), tmp_path))
    assert f"actloss_c.{name}" in message and f"pip install 'actloss_c[{name}]'" in message


def test_import_changes_no_state_of_the_process(tmp_path):
    code = """
import decimal, gc, locale, os, random, signal, sys, threading, warnings
import numpy as np
def state():
    return {
        "environment": dict(os.environ),
        "threads": threading.active_count(),
        "kernel threads": len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 0,
        "errstate": np.geterr(),
        "print options": np.get_printoptions(),
        "warnings": list(warnings.filters),
        "signals": [signal.getsignal(s) for s in signal.valid_signals()],
        "locale": locale.setlocale(locale.LC_ALL),
        "folder": os.getcwd(),
        "path": list(sys.path),
        "hooks": (sys.excepthook, sys.displayhook, threading.excepthook, list(sys.meta_path)),
        "limits": (sys.getrecursionlimit(), sys.getswitchinterval(), gc.get_threshold()),
        "random": (random.getstate(), np.random.get_state()[1].tolist()),
        "decimal": str(decimal.getcontext()),
    }
before = state()
import actloss_c as al
""" + (CALL_ALL + "call_all()\nafter = state()\nprint(*[key for key in before if before[key] != after[key]])")
    assert succeeds(python(code, tmp_path)) == "\n"


def test_source_folder_that_hides_the_package_says_so(tmp_path):
    """A checkout's flat folder without compiled modules comes first on the path: the ImportError explains it."""
    (tmp_path / "actloss_c").mkdir()
    for path in Path(actloss_c.__file__).parent.glob("*.py"):
        shutil.copy(path, tmp_path / "actloss_c")
    code = f"import sys; sys.path.append({str(Path(np.__file__).parent.parent)!r}); import actloss_c"
    # Without site (-S) no finder of an editable install supplies the modules.
    message = fails_to_import(python(code, tmp_path, "-S"))
    assert all(w in message for w in (str(tmp_path / "actloss_c"), "source folder", "hides", "installed", "pip install")), message
    succeeds(python("import actloss_c", tmp_path, "-P"))
