"""The steps that docs/accuracy.md charts: they build, the shipped ones are the installed kernels, its tables hold."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from actloss_c import _build, judge, ulp
from actloss_c.patterns import Patterns

sys.path.append(str(Path(__file__).resolve().parent.parent / "benchmarks"))

import front
import front_build

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "accuracy.md"
EACH_PANEL = pytest.mark.parametrize("title", front.PANELS)
EACH_LEVEL = pytest.mark.parametrize("charted", front_build.charted())


@pytest.fixture(scope="module")
def points(tmp_path_factory):
    """{level: {(function, step): call}} of every level in the chart."""
    files = front_build.build(front_build.charted(), tmp_path_factory.mktemp("front") / "tree")
    return {level: front_build.points(file) for level, file in files.items()}


def documented(title):
    """({step: texts of its largest errors}, the numbers at which the shipped one has them), of value and derivative."""
    text = DOCUMENT.read_text(encoding="utf-8").partition(f"\n| {title} |")[2]
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in text.partition("\n\n")[0].splitlines()[2:]]
    at = re.search(r"shipped step: value at (\S+) and derivative at (\S+)\.\n", text).groups()
    names = {what: step for step, what in front_build.STEPS[front.PANELS[title][0]].items()}
    return {names[row[1]]: row[-2:] for row in rows if row[0]}, np.array([float.fromhex(x) for x in at], np.float32)


@EACH_LEVEL
@pytest.mark.parametrize("function", front_build.STEPS)
def test_shipped_step_is_the_installed_kernel(function, charted, points, patterns, assert_same_bits):
    ufunc = _build.ufuncs(charted)[f"{function}_value_and_grad"]
    x = patterns(np.dtype(np.float32), 50_000)
    numbers = [np.array(0.7, np.float32)] * (ufunc.nin - 1)
    y, dy = np.empty_like(x), np.empty_like(x)
    points[charted][function, front_build.SHIPPED](x, *numbers, y, dy)
    for got, want in zip((y, dy), ufunc(x, *numbers), strict=True):
        assert_same_bits(got, want, function)


@EACH_LEVEL
@EACH_PANEL
def test_shipped_step_has_the_errors_of_its_table(title, charted):
    """A kernel that was changed has other errors where the one in the chart has its largest."""
    texts, at = documented(title)
    function, params = front.PANELS[title]
    question = front.question(title)
    results = _build.functions(charted)[function].value_and_grad(at, **params)
    exact = [judge.exact_results(question, x)[kind] for kind, x in enumerate(at)]
    errors = [ulp.ulp_error([results[kind][kind]], [exact[kind]], "float32")[0] for kind in (0, 1)]
    assert [front.ulp_text(error) for error in errors] == texts[front_build.SHIPPED]


@EACH_LEVEL
@EACH_PANEL
def test_no_step_is_beyond_its_table(title, charted, points):
    texts, _ = documented(title)
    assert list(texts) == list(front_build.STEPS[front.PANELS[title][0]])
    tasks, chunk = Patterns("float32").even(1 << 18), front.arrays(judge.CHUNK)
    for verdict in front.judged(title, front.step_calls(points[charted], title, *chunk), *chunk, tasks):
        assert verdict.most <= float(texts[verdict.who][verdict.kind == "derivative"]), verdict
