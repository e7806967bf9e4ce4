"""README.md and docs/*.md: their examples run as written, in an empty folder, and their commands exist.

A Python block that imports actloss_c is a program of its own; one that does not goes on where the page's last one ended.
"""

import ast
import importlib.metadata
import importlib.util
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from helpers_process import python, succeeds

from actloss_c import __main__

ROOT = Path(__file__).resolve().parent.parent
PAGES = {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8") for p in [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]}
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
OPTIONAL = ("dask", "lightgbm", "matplotlib", "scipy", "sklearn", "torch", "xgboost")
# On busy machines threads wait for each other, and matplotlib must not look for a screen.
QUIET = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "agg"}


def imports(code):
    """The packages that it imports."""
    nodes = list(ast.walk(ast.parse(code)))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.partition(".")[0] for name in names}


def programs(text):
    """{line of its first block: program}; the page's other lines are left empty, so that errors name the page's lines."""
    made, begin = {}, None
    for block in re.finditer(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        first = text.count("\n", 0, block.start(1))
        if begin is None or "actloss_c" in imports(block[1]):
            begin, made[first + 1] = first + 1, ""
        made[begin] += "\n" * (first - made[begin].count("\n")) + block[1]
    return made


def missing(program):
    """The optional packages that it needs and that are not installed."""
    needed = imports(program) | ({"matplotlib"} if "al.plot(" in program else set())
    return sorted(name for name in needed if name in OPTIONAL and importlib.util.find_spec(name) is None)


def commands(text):
    """The shell commands of blocks and between backticks, one by one."""
    lines = [line for block in re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for line in block.splitlines()]
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    lines += [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", prose)]
    made = [command for line in lines for command in re.split(r"\s*&&\s*", line.partition("  #")[0].strip())]
    return [re.sub(r"^(\w+=\S+ )+", "", command) for command in made]


def of_pages(found):
    return [pytest.param(page, what, id=f"{page}:{what}") for page, text in PAGES.items() for what in dict.fromkeys(found(text))]


@pytest.mark.parametrize("page,line", of_pages(programs))
def test_examples_run_as_written(page, line, tmp_path):
    program = programs(PAGES[page])[line]
    if names := missing(program):
        pytest.skip(f"needs {', '.join(names)}")
    script, folder = tmp_path / Path(page).name, tmp_path / "empty"
    script.write_text(program, encoding="utf-8")
    folder.mkdir()
    succeeds(python(script, folder, "-W", "error", **QUIET))


def test_every_page_with_an_example_is_found():
    """The README's first stands alone, with NumPy only: what a newcomer tries."""
    first, *others = programs(PAGES["README.md"]).values()
    assert len(others) >= 4
    assert imports(first) == {"numpy", "actloss_c"}


@pytest.mark.parametrize("page,command", of_pages(lambda text: [c for c in commands(text) if re.match(r"actloss_c [a-z-]", c)]))
def test_commands_parse(page, command):
    arguments = __main__.parser().parse_args(shlex.split(command)[1:])
    assert callable(arguments.run)


def test_console_script():
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="actloss_c")
    assert script.load() is __main__.main


@pytest.mark.parametrize("arguments", (["info"], ["plot", "--help"], ["bench", "--help"], ["--version"]), ids=" ".join)
def test_quick_commands_run(arguments, tmp_path):
    code = f"import sys; from actloss_c.__main__ import main; sys.exit(main({arguments}))"
    assert importlib.metadata.version("actloss_c") in succeeds(python(code, tmp_path, "-W", "error")) or "--help" in arguments


@pytest.mark.parametrize("page", PAGES)
def test_extras_and_files_exist(page):
    extras = ",".join(re.findall(r"pip install (?:-e )?[\"'](?:\.|actloss_c)\[([\w,]+)\]", PAGES[page])).split(",")
    assert not set(extras) - {"", *EXTRAS}
    files = [c.split()[1] for c in commands(PAGES[page]) if re.match(r"python \w[\w/]*\.py", c)]
    assert not [file for file in files if not (ROOT / file).exists()]


def test_every_extra_is_explained():
    assert set(re.findall(r"^\| `(\w+)` \|", PAGES["docs/install.md"], re.MULTILINE)) == EXTRAS.keys()
