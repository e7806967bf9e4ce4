"""Every place knows every function: kernels, exports, stubs, docstrings, README, benchmarks; generated files are current."""

import ast
import importlib.metadata
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers_activations import KINDS, ufunc_name

import actloss_c
from actloss_c import _build, registry

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path(actloss_c.__file__).parent
FUNCTIONS = set(registry.FUNCTIONS)
UFUNCS = {ufunc_name(entry.name, kind) for entry in registry.ACTIVATIONS for kind in KINDS}
STUBS = ("__init__.pyi", "ufuncs.pyi")
GENERATED = ("README.md", "docs/limits.md", *(f"actloss_c/{stub}" for stub in STUBS))
EACH_FUNCTION = pytest.mark.parametrize("name", registry.FUNCTIONS)


def text(path):
    """A file of the checkout."""
    return (ROOT / path).read_text(encoding="utf-8")


def stub(file):
    """Body of a stub."""
    return ast.parse(text(f"actloss_c/{file}")).body


def declared(body):
    """{name: annotation} of the public names that a module or class declares, without its dunders."""
    nodes = [node for node in body if isinstance(node, ast.AnnAssign) and not node.target.id.startswith("_")]
    return {node.target.id: node.annotation for node in nodes}


def methods_of(function):
    return {m for m in dir(type(function)) if not m.startswith("_") and callable(getattr(function, m))}


# --- the places --------------------------------------------------------------------------------------------------------------


def file_of(entry):
    """The kernel file of a function: its own, unless the entry names another."""
    return getattr(entry, "file", entry.name)


# Parts that several kernels share
PARTS = {"at_labels", "domains", "exact_sums", "focal_finish", "labels", "predictions", "reduction", "targets"}
PARTS |= {f"softmax_{part}" for part in ("finish", "general", "phases", "rows", "sums", "across", "along")}


def kernel_files():
    return {path.stem for folder in ("activations", "losses", "rows") for path in (ROOT / "src" / folder).glob("*.pxd")} - PARTS


def elementary_files():
    shared = {"logistic", "log_parts"}
    return {path.stem for path in (ROOT / "src" / "elementary").glob("*.pxd")} - shared


def readme_rows():
    """The names in the first cells of the table of functions."""
    tables = re.findall(r"(?:^\|.*\n)+", text("README.md"), flags=re.MULTILINE)
    named = [re.findall(r"^\| *`(\w+)` *\|", table, flags=re.MULTILINE) for table in tables]
    table = next((names for names in named if registry.ACTIVATIONS[0].name in names), [])
    assert len(table) == len(set(table)), "a function has two rows"
    return set(table)


def benchmark_names():
    """Functions that the ids of the benchmarks name."""
    pytest.importorskip("pytest_benchmark")
    command = [sys.executable, "-P", "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "benchmarks"]
    child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert child.returncode == 0, child.stdout + child.stderr
    tests = [line for line in child.stdout.splitlines() if "[" in line]
    return {word for test in tests for word in re.findall(r"\w+", test)} & FUNCTIONS


PLACES = {  # where a function must stand: the names found there, the names expected
    "kernel files": (kernel_files, {file_of(entry) for entry in registry.FUNCTIONS.values()}),
    "elementary files": (elementary_files, {entry.file for entry in registry.ELEMENTARY}),
    "elementary functions": (lambda: set(_build.elementary()), {entry.name for entry in registry.ELEMENTARY}),
    "__all__": (lambda: set(actloss_c.__all__), FUNCTIONS | {"ufuncs", "get_num_threads", "num_threads", "set_num_threads"}),
    "attributes": (lambda: {n for n in FUNCTIONS if getattr(actloss_c, n, None) is _build.functions()[n]}, FUNCTIONS),
    "ufuncs": (lambda: set(actloss_c.ufuncs.__all__), UFUNCS),
    "README": (readme_rows, FUNCTIONS),
    "stub": (lambda: declared(stub("__init__.pyi")).keys(), FUNCTIONS),
    "ufuncs' stub": (lambda: declared(stub("ufuncs.pyi")).keys(), UFUNCS),
    "benchmarks": (benchmark_names, FUNCTIONS),
}


@pytest.mark.parametrize("place", PLACES)
def test_place_knows_every_function(place):
    found, expected = PLACES[place][0](), PLACES[place][1]
    assert found == expected, f"missing: {sorted(expected - found)}, without an entry: {sorted(found - expected)}"


def test_registry_names_each_function_once():
    names = [entry.name for entry in registry.ALL]
    assert len(names) == len(set(names)) == len(registry.FUNCTIONS)
    names = [entry.name for entry in registry.ELEMENTARY]
    assert len(names) == len(set(names))


def test_kernels_stand_in_the_folder_of_their_entry():
    entries = registry.FUNCTIONS.values()
    assert not [e.name for e in entries if not (ROOT / "src" / e.folder / f"{file_of(e)}.pxd").exists()]


# --- generated files, stubs, version -----------------------------------------------------------------------------------------


def generated():
    path = ROOT / "docs" / "generate.py"
    spec = importlib.util.spec_from_file_location("generate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.outputs()


@pytest.mark.parametrize("path", GENERATED)
def test_generated_file_is_current(path):
    assert text(path) == generated()[path], f"{path} is stale: run python docs/generate.py"


def test_every_generated_file_is_tested():
    assert generated().keys() == set(GENERATED)


@EACH_FUNCTION
def test_stub_has_the_methods_and_arguments_of_the_object(name):
    function, module = getattr(actloss_c, name), stub("__init__.pyi")
    kind = declared(module)[name].id
    body = next(node for node in module if isinstance(node, ast.ClassDef) and node.name == kind).body
    methods = {node.name: node.args for node in body if isinstance(node, ast.FunctionDef)}
    assert methods.keys() == methods_of(function) | {"__call__"}
    call = methods["__call__"]
    arguments = [a.arg for a in (*call.posonlyargs, *call.args, *call.kwonlyargs)]
    assert arguments == ["self", *inspect.signature(function).parameters]
    assert declared(body).keys() == {a for a in vars(function) if not a.startswith("_")}


def test_installed_version():
    assert actloss_c.__version__ == importlib.metadata.version("actloss_c")
    assert f'version = "{actloss_c.__version__}"' in text("pyproject.toml")


def test_type_stubs_are_installed():
    assert (PACKAGE / "py.typed").exists()
    for file in STUBS:
        assert (PACKAGE / file).read_text(encoding="utf-8") == text(f"actloss_c/{file}")


# --- docstrings --------------------------------------------------------------------------------------------------------------

IN_EVERY_DOCSTRING = ("shape", "float32", "float64", "integer", "Raises", "TypeError", "ValueError", "ULP")


@EACH_FUNCTION
def test_docstring(name):
    """Formula, shapes, dtypes, arguments, what is raised, bound and source."""
    entry, doc = registry.FUNCTIONS[name], getattr(actloss_c, name).__doc__
    words = [name, entry.formula, entry.paper, *IN_EVERY_DOCSTRING]
    words += [f"{bound} ULP" for bounds in (entry.ulp or {}).values() for bound in bounds]
    for parameter in getattr(entry, "params", ()):
        words += [f"{parameter.name}: {parameter.meaning}", f"default {parameter.default}"]
    assert not [word for word in words if word not in doc]


@EACH_FUNCTION
def test_every_argument_stands_in_the_docstring(name):
    function = getattr(actloss_c, name)
    arguments = inspect.signature(function).parameters
    assert not [a for a in arguments if not re.search(rf"^    {a}: ", function.__doc__, flags=re.MULTILINE)]


@EACH_FUNCTION
def test_every_method_stands_in_the_docstring(name):
    function = getattr(actloss_c, name)
    methods = methods_of(function)
    assert methods and not [m for m in methods if f".{m}" not in function.__doc__ or not getattr(function, m).__doc__]


def test_modules_have_docstrings():
    for path in PACKAGE.glob("*.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path.name
    assert actloss_c.ufuncs.__doc__


def test_fields_of_ufuncs_come_from_their_struct():
    """NumPy 2.5 declares no `types` for Cython: `ufunc.types[k]` would compile, and read the list of strings that Python sees."""
    sources = [*(ROOT / "src").rglob("*.p*"), *(ROOT / "actloss_c").glob("*.pyx"), ROOT / "setup.py"]
    assert len(sources) > 50
    found = [path.name for path in sources if re.search(r"(?<!<Fields \*> ufunc\))\.types\[", path.read_text(encoding="utf-8"))]
    assert not found, f"{found}: read (<Fields *> ufunc).types of ufunc_fields.pxd"
