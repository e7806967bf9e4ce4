"""The package as a whole: every place knows every function, generated files are current, an import changes nothing else."""

import ast
import importlib.metadata
import importlib.util
import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import actloss_c
from actloss_c import _build, _dispatch, registry

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(actloss_c.__file__).parent
KINDS = ("", "_grad", "_value_and_grad", "_backward")
LEVELS = _dispatch.runnable_levels()
UFUNCS = {entry.name + kind for entry in registry.ACTIVATIONS for kind in KINDS}


def python(code, folder, *options, level=None):
    """Runs the code in a fresh interpreter, started in `folder`, that sees the installed package and a bare environment."""
    kept = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMPDIR")
    environment = {k: os.environ[k] for k in kept if k in os.environ}
    if level is not None:
        environment["ACTLOSS_C_LEVEL"] = level
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def succeeds(child):
    assert child.returncode == 0, child.stderr
    return child.stdout


# --- every place knows every function ----------------------------------------------------------------------------------------


def kernel_files():
    kernels = {path.stem for path in (ROOT / "src" / "activations").glob("*.pxd")}
    return kernels | {path.stem for path in (ROOT / "src" / "rows").glob("*.pxd")} - {"labels"}


def readme_rows():
    """The names in the first cells of the table of functions."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tables = re.findall(r"(?:^\|.*\n)+", readme, flags=re.MULTILINE)
    named = [re.findall(r"^\| *`(\w+)` *\|", table, flags=re.MULTILINE) for table in tables]
    table = next((names for names in named if registry.ACTIVATIONS[0].name in names), [])
    assert len(table) == len(set(table)), "a function has two rows"
    return set(table)


def stub_names(file):
    """Public names that a stub declares, without its dunders."""
    tree = ast.parse((ROOT / "actloss_c" / file).read_text(encoding="utf-8"))
    return {node.target.id for node in tree.body if isinstance(node, ast.AnnAssign) and not node.target.id.startswith("_")}


def benchmark_names():
    """Functions that the ids of the benchmarks name."""
    pytest.importorskip("pytest_benchmark")
    command = [sys.executable, "-P", "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "benchmarks"]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stdout + child.stderr
    return {word for test in child.stdout.splitlines() if "[" in test for word in re.findall(r"\w+", test)} & {
        *registry.FUNCTIONS
    }


PLACES = {  # where a function must stand: the names found there, the names expected
    "kernel files": (kernel_files, set(registry.FUNCTIONS)),
    "__all__": (lambda: set(actloss_c.__all__), {*registry.FUNCTIONS, "ufuncs"}),
    "attributes": (
        lambda: {n for n in registry.FUNCTIONS if getattr(actloss_c, n, None) is _build.functions()[n]},
        {*registry.FUNCTIONS},
    ),
    "ufuncs": (lambda: set(actloss_c.ufuncs.__all__), UFUNCS),
    "README": (readme_rows, set(registry.FUNCTIONS)),
    "stub": (lambda: stub_names("__init__.pyi"), set(registry.FUNCTIONS)),
    "ufuncs' stub": (lambda: stub_names("ufuncs.pyi"), UFUNCS),
    "benchmarks": (benchmark_names, set(registry.FUNCTIONS)),
}


@pytest.mark.parametrize("place", PLACES)
def test_place_knows_every_function(place):
    found, expected = PLACES[place][0](), PLACES[place][1]
    assert found == expected, f"missing: {sorted(expected - found)}, without an entry: {sorted(found - expected)}"


def test_registry_names_each_function_once():
    names = [entry.name for entry in (*registry.ACTIVATIONS, *registry.LOSSES)]
    assert len(names) == len(set(names)) == len(registry.FUNCTIONS)


def test_kernels_stand_in_the_folder_of_their_entry():
    assert not [n for n, entry in registry.FUNCTIONS.items() if not (ROOT / "src" / entry.folder / f"{n}.pxd").exists()]


def generated():
    path = ROOT / "docs" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.outputs()


@pytest.mark.parametrize("path", ("README.md", "actloss_c/__init__.pyi", "actloss_c/ufuncs.pyi"))
def test_generated_file_is_current(path):
    expected = generated()[path]
    assert (ROOT / path).read_text(encoding="utf-8") == expected, f"{path} is stale: run python docs/generate.py"


def test_every_generated_file_is_tested():
    assert generated().keys() == {"README.md", "actloss_c/__init__.pyi", "actloss_c/ufuncs.pyi"}


@pytest.mark.parametrize("name", registry.FUNCTIONS)
def test_stub_has_the_methods_and_arguments_of_the_object(name):
    function = getattr(actloss_c, name)
    tree = ast.parse((ROOT / "actloss_c" / "__init__.pyi").read_text(encoding="utf-8"))
    types = {
        node.target.id: node.annotation.id for node in tree.body if isinstance(node, ast.AnnAssign) and name == node.target.id
    }
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == types[name]).body
    methods = {node.name: node.args for node in body if isinstance(node, ast.FunctionDef)}
    public = {m for m in vars(type(function)) if not m.startswith("_") and callable(getattr(function, m))}
    assert methods.keys() == public | {"__call__"}
    declared = [a.arg for a in (*methods["__call__"].posonlyargs, *methods["__call__"].args, *methods["__call__"].kwonlyargs)]
    assert declared == ["self", *inspect.signature(function).parameters]
    attributes = {node.target.id for node in body if isinstance(node, ast.AnnAssign)}
    assert attributes == {a for a in vars(function) if not a.startswith("_")}


def test_installed_version():
    assert actloss_c.__version__ == importlib.metadata.version("actloss_c")
    assert f'version = "{actloss_c.__version__}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_type_stubs_are_installed():
    assert (PACKAGE / "py.typed").exists()
    for stub in ("__init__.pyi", "ufuncs.pyi"):
        assert (PACKAGE / stub).read_text(encoding="utf-8") == (ROOT / "actloss_c" / stub).read_text(encoding="utf-8")


# --- docstrings --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", registry.FUNCTIONS)
def test_docstring(name):
    """Formula, shapes, dtypes, arguments, what is raised, bound and source."""
    entry, doc = registry.FUNCTIONS[name], getattr(actloss_c, name).__doc__
    words = [
        name,
        entry.formula,
        entry.paper,
        "shape",
        "float32",
        "float64",
        "integer",
        "Raises",
        "TypeError",
        "ValueError",
        "ULP",
    ]
    words += [f"{bound} ULP" for bounds in entry.ulp.values() for bound in bounds]
    for parameter in getattr(entry, "params", ()):
        words += [f"{parameter.name}: {parameter.meaning}", f"default {parameter.default}"]
    assert not [word for word in words if word not in doc]


@pytest.mark.parametrize("name", registry.FUNCTIONS)
def test_every_argument_stands_in_the_docstring(name):
    function = getattr(actloss_c, name)
    arguments = inspect.signature(function).parameters
    assert not [a for a in arguments if not re.search(rf"^    {a}: ", function.__doc__, flags=re.MULTILINE)]


@pytest.mark.parametrize("name", registry.FUNCTIONS)
def test_every_method_stands_in_the_docstring(name):
    function = getattr(actloss_c, name)
    methods = [m for m in vars(type(function)) if not m.startswith("_") and callable(getattr(function, m))]
    assert methods and not [m for m in methods if f".{m}" not in function.__doc__ or not getattr(function, m).__doc__]


def test_modules_have_docstrings():
    for path in PACKAGE.glob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path.name
    assert actloss_c.ufuncs.__doc__


# --- what importing changes --------------------------------------------------------------------------------------------------

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
def call_all():
    x = np.linspace(-100, 100, 1001)
    for name in al.registry.FUNCTIONS:
        function = getattr(al, name)
        for dtype in (np.float32, np.float64):
            if hasattr(function, "backward"):
                function.value_and_grad(x.astype(dtype))
                function.backward(x.astype(dtype), x.astype(dtype))
            else:
                for classes in (7, 143):
                    z = x.astype(dtype).reshape(-1, classes)
                    function.value_grad_and_hess(z, np.arange(len(z)) % classes)
"""


@pytest.mark.parametrize("level", LEVELS)
def test_subnormals_survive(tmp_path, level):
    """Nothing switches flush-to-zero on, neither the import nor a call, in no thread."""
    code = SUBNORMALS + "check()\nimport actloss_c as al\ncheck()\n" + CALL_ALL + "call_all()\ncheck()\nin_thread()\n"
    succeeds(python(code, tmp_path, "-W", "error", level=level))


@pytest.mark.parametrize("level", LEVELS)
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


def test_import_loads_one_level(tmp_path):
    code = "import sys, actloss_c; print(*[n for n in sys.modules if n.startswith('actloss_c._')])"
    names = succeeds(python(code, tmp_path)).split()
    assert [name for name in names if name.removeprefix("actloss_c._") in _dispatch.ALL_LEVELS] == [f"actloss_c._{LEVELS[-1]}"]


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


# --- levels ------------------------------------------------------------------------------------------------------------------

REPORT = "from actloss_c import _dispatch; print(_dispatch.LEVEL)"


@pytest.mark.parametrize("level", LEVELS)
def test_level_can_be_forced(tmp_path, level):
    assert succeeds(python(REPORT, tmp_path, level=level)).split() == [level]


def test_fastest_level_is_the_default(tmp_path):
    assert succeeds(python(REPORT, tmp_path)).split() == [LEVELS[-1]]
    assert succeeds(python(REPORT, tmp_path, level="")).split() == [LEVELS[-1]]


@pytest.mark.parametrize("made,loaded", [(LEVELS[0], LEVELS[-1]), (LEVELS[-1], LEVELS[0])])
def test_pickle_of_one_level_loads_on_another(tmp_path, made, loaded):
    everything = "[getattr(al, n) for n in al.registry.FUNCTIONS] + [getattr(al.ufuncs, n) for n in al.ufuncs.__all__]"
    dump = f"import pickle, actloss_c as al; open('things', 'wb').write(pickle.dumps({everything}))"
    succeeds(python(dump, tmp_path, level=made))
    load = f"""
import pickle, actloss_c as al
from actloss_c import _dispatch
things = pickle.load(open('things', 'rb'))
assert len(things) > len(al.registry.FUNCTIONS) and all(a is b for a, b in zip(things, {everything}, strict=True))
print(_dispatch.LEVEL)
"""
    assert succeeds(python(load, tmp_path, level=loaded)).split() == [loaded]


def test_pickle_loads_without_importing_first(tmp_path):
    """Unpickling imports the package itself."""
    code = "import pickle, actloss_c as al; print(pickle.dumps(getattr(al, next(iter(al.registry.FUNCTIONS)))).hex())"
    data = succeeds(python(code, tmp_path)).strip()
    succeeds(python(f"import pickle; pickle.loads(bytes.fromhex('{data}')).grad", tmp_path))


# --- a checkout --------------------------------------------------------------------------------------------------------------


def test_source_folder_that_hides_the_package_says_so(tmp_path):
    """A checkout's flat folder without compiled modules comes first on the path: the ImportError explains it."""
    (tmp_path / "actloss_c").mkdir()
    for path in PACKAGE.glob("*.py"):
        shutil.copy(path, tmp_path / "actloss_c")
    code = f"import sys; sys.path.append({str(Path(np.__file__).parent.parent)!r}); import actloss_c"
    child = python(code, tmp_path, "-S")  # without site no finder of an editable install supplies the modules
    last = child.stderr.strip().splitlines()[-1]
    assert child.returncode == 1 and last.startswith("ImportError")
    assert all(word in last for word in (str(tmp_path / "actloss_c"), "source folder", "hides", "installed", "pip install")), last
    succeeds(python("import actloss_c", tmp_path, "-P"))
