"""The documentation's site: every function has a page with all its parts, every formula is LaTeX, every example runs.

Sphinx is not needed here: `.ci/run` builds the site itself.
"""

import ast
import doctest
import inspect
import re
import sys
from pathlib import Path

import pytest

import actloss_c
from actloss_c import baseline, registry

DOCS = Path(__file__).resolve().parent.parent / "docs"
sys.path.append(str(DOCS / "_ext"))

import function_pages  # noqa: E402
from function_pages import api, docstrings, examples, markdown, pages, parts  # noqa: E402
from function_pages.latex import RULES, UPRIGHT, latex, word  # noqa: E402

LIMITS = (DOCS / "limits.md").read_text(encoding="utf-8")
EACH_FUNCTION = pytest.mark.parametrize("name", registry.FUNCTIONS)
PARTS = ("Call", "Methods", "Properties", "Error bounds", "Limits", "Example", "Source")


def page(name):
    """{title: Markdown} of a function's page."""
    return pages.function_page(registry.FUNCTIONS[name], LIMITS)


def plain(markdown):
    """The text as it is read: without Markdown's backslashes, spaces single."""
    return " ".join(re.sub(r"\\([!-/:-@[-`{-~])", r"\1", markdown).split())


def words(text):
    return set(re.findall(r"\w{3,}", text.lower()))


# --- LaTeX -------------------------------------------------------------------------------------------------------------------

AS_LATEX = {
    "1 / (1 + exp(-x))": r"\frac{1}{1 + e^{-x}}",
    "where(x > 0, x, alpha * expm1(x))": r"\begin{cases} x & x > 0 \\ \alpha (e^{x} - 1) & \text{otherwise} \end{cases}",
    "where(x < 1, 2, where(x <= 3, 4, x))": r"\begin{cases} 2 & x < 1 \\ 4 & x \le 3 \\ x & \text{otherwise} \end{cases}",
    "log1p(square(sinh(a - target))) / 2": r"\frac{\log(1 + \sinh^{2}(a - \text{target}))}{2}",
    "1 / cosh(a - target) ** 2": r"\frac{1}{\cosh^{2}(a - \text{target})}",
    "logaddexp(0, -z) + target * log(a)": r"\log(1 + e^{-z}) + \text{target}\,\log\,a",
    "logsumexp(z) - pick(z, target)": r"\log\,\sum_{k} e^{z_{k}} - z_{\text{target}}",
    "x * (1 + erf(x / sqrt(2))) / 2": r"\frac{x\,\left(1 + \text{erf}\left(\frac{x}{\sqrt{2}}\right)\right)}{2}",
    "pos_weight * abs(x)": r"\text{pos\_weight}\,\left\lvert x \right\rvert",
    "max_k (x W_k + b_k)": r"\max_{k}\,(x\,W_{k} + b_{k})",
    "a - (b - c) + (d - e)": "a - (b - c) + (d - e)",  # one pair of parentheses too many is right, one too few is not
    "(a + b) * (-c) ** 2": "(a + b)\\,(-c)^{2}",
    "-a ** 2 / b / c": r"-\frac{\frac{a^{2}}{b}}{c}",
    "log(x) * y * 2": r"(\log\,x)\,y \cdot 2",
    "(x ** 2) ** y": "(x^{2})^{y}",
    "1e-7 * x": r"10^{-7}\,x",
    "-(a + b) - (-c)": "-(a + b) - (-c)",
}


@pytest.mark.parametrize("formula", AS_LATEX)
def test_latex(formula):
    assert latex(formula) == AS_LATEX[formula]


def test_latex_has_a_rule_for_every_function_of_the_vocabulary():
    assert baseline.NUMPY.keys() - {"pi"} <= RULES.keys() | UPRIGHT.keys()


def all_formulas():
    """Every executable formula of the registry."""
    for entry in (*registry.ALL, *registry.ELEMENTARY):
        yield entry.formula
        if entry in registry.PAIR_LOSSES:
            yield from (entry.gradient, entry.hessian, *entry.terms.values(), *filter(None, (*entry.scale, entry.optimum)))


@pytest.mark.parametrize("formula", dict.fromkeys(all_formulas()))
def test_latex_of_the_registry(formula):
    """Braces and \\left … \\right in pairs, and every name of the formula."""
    tex = latex(formula)
    bare = tex.replace(r"\{", "").replace(r"\}", "")
    assert bare.count("{") == bare.count("}") and tex.count(r"\left") == tex.count(r"\right")
    if formula.startswith("max_k"):
        return
    called = {node.func.id for node in ast.walk(ast.parse(formula)) if isinstance(node, ast.Call)}
    names = {node.id for node in ast.walk(ast.parse(formula)) if isinstance(node, ast.Name)} - called
    assert not [name for name in names if not re.search(rf"{re.escape(word(name))}(?![a-zA-Z])", tex)], tex


@pytest.mark.parametrize("formula", ["x if y else z", "x < y < z", "x[1]", "not x", "x // y", "[x]"])
def test_latex_says_what_it_cannot_write(formula):
    with pytest.raises(ValueError, match="no LaTeX for"):
        latex(formula)


@EACH_FUNCTION
def test_formulas_are_mathml(name):
    """Nothing of the LaTeX is left over."""
    pytest.importorskip("latex2mathml")
    for sides in parts.formulas(registry.FUNCTIONS[name]):
        made = function_pages.mathml(" = ".join(sides), "block")
        assert made.startswith("<math") and "\\" not in made and "<mi>&</mi>" not in made
        assert made.count("<mtr>") == " = ".join(sides).count(r"\\") + " = ".join(sides).count(r"\begin{cases}")


# --- pages of functions ------------------------------------------------------------------------------------------------------


@EACH_FUNCTION
def test_page_has_every_part(name):
    entry, found = registry.FUNCTIONS[name], page(name)
    assert tuple(found) == (name, *PARTS)
    assert all(text.strip() for text in found.values())
    first = parts.formulas(entry)[0][1]
    assert f"= {first}\n" in found[name] and f"pictures/{name}.svg" in found[name]
    assert entry.paper in plain(found["Source"])


@EACH_FUNCTION
def test_page_has_every_bound(name):
    """Of every type, with and without FMA."""
    entry, text = registry.FUNCTIONS[name], page(name)["Error bounds"]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]
    for level, bounds in ((parts.WITH_FMA, entry.ulp), (parts.WITHOUT_FMA, entry.ulp_baseline)):
        for dtype, numbers in (bounds or {}).items():
            assert [level, dtype, *(f"{b:g}" for b in numbers)] in rows
    if entry.ulp is None:
        assert "ULP" in text and "2^-24" in text


@EACH_FUNCTION
def test_page_has_every_argument_and_method(name):
    f, found = getattr(actloss_c, name), page(name)
    assert f"{name}{inspect.signature(f)}" in found["Call"]
    for argument in inspect.signature(f).parameters:
        assert f":param {argument}: " in found["Call"].replace("\\", "")
    for method in parts.methods(f):
        assert f"{name}.{method}(" in found["Methods"]
        assert words(getattr(f, method).__doc__) <= words(plain(found["Methods"]))
    given = getattr(f, "options", getattr(f, "params", {}))
    for argument, default in given.items():
        assert f"{argument}={default!r}" in found["Methods"]


@EACH_FUNCTION
def test_page_has_the_docstring(name):
    """Word by word, but for headings and what is set as a formula or a table; what is raised to the letter."""
    entry, doc = registry.FUNCTIONS[name], inspect.cleandoc(getattr(actloss_c, name).__doc__)
    text = plain(" ".join(page(name).values()))
    unsaid = words(doc) - words(text) - words(doc.partition("Properties:")[2].partition(".\n")[0])
    as_formula = [getattr(entry, "written", entry.formula)]
    if entry in registry.PAIR_LOSSES:
        as_formula += [entry.gradient, entry.hessian, *entry.terms.values()]
    assert unsaid <= words(f"Properties, Method, Methods, Arguments, Source, levels {as_formula}")
    for error, why in re.findall(r"^    (\w+Error): ((?:.|\n {8})+)", doc, flags=re.MULTILINE):
        assert f":raises {error}: {' '.join(why.split())}" in text


@EACH_FUNCTION
def test_page_has_the_properties(name):
    entry, text = registry.FUNCTIONS[name], plain(page(name)["Properties"])
    for bound in getattr(entry, "range", ()):
        assert markdown.number(bound) in text
    if entry in registry.ACTIVATIONS:
        f = getattr(actloss_c, name)
        for side in ("left", "right"):
            assert f"Saturation on the {side} | {f.saturation[side] or 'none'} |" in text
        for title, value in (("Bounded", f.bounded), ("Monotone", f.monotone), ("Zero-centred", f.zero_centred)):
            assert f"{title} | {'yes' if value else 'no'}" in text
        assert all(f"x = {kink:g}" in text for kink in f.kinks)
        assert f"everywhere | {'no' if f.kinks else 'yes'}" in text


@EACH_FUNCTION
def test_limits(name):
    """An activation's are those of docs/limits.md, the others' are of the function itself."""
    entry, text = registry.FUNCTIONS[name], page(name)["Limits"]
    if entry in registry.ACTIVATIONS:
        for line in LIMITS.partition(f"\n## {name}\n\n")[2].partition("\n## ")[0].strip().splitlines()[1:]:
            assert line in text
    elif examples.ends(entry):
        assert "inf" in text and "NaN" in text
    else:
        assert re.search(r"\[(\w+)\]\(\1\.md\)", text)


@EACH_FUNCTION
def test_example_runs(name):
    """Typed anew it gives what the page shows."""
    text = page(name)["Example"].removeprefix("```pycon\n").removesuffix("```")
    test = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    assert f"al.{name}" in text and any(example.want for example in test.examples)
    failures = []
    doctest.DocTestRunner(verbose=False).run(test, out=failures.append)
    assert not failures, "".join(failures)


# --- all pages ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def texts():
    """{file name: Markdown} of the generated pages."""
    return {**pages.pages(LIMITS), "api.md": api.page()}


def test_tables_have_cells_for_every_column(texts):
    for name, text in texts.items():
        for rows in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
            assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows.splitlines()}) == 1, f"{name}: {rows}"


def test_every_function_is_in_its_group_and_in_the_comparison(texts):
    for entry in registry.ALL:
        assert sum(f"\n{entry.name}\n" in texts[f"{group.page}.md"] for group in pages.GROUPS) == 1
        for file in (f"{pages.group_of(entry).page}.md", "index.md"):
            (row,) = re.findall(rf"^\| \[{entry.name}\]\({entry.name}\.md\) \|.*", texts[file], flags=re.MULTILINE)
            assert pages.bounds_cell(entry) in row


def test_every_other_public_name_is_described(texts):
    names = set(actloss_c.__all__) | set(actloss_c.LAZY)
    described = re.findall(r"^`+\{py:\w+\} (\w+)|\bal\.(\w+)", texts["api.md"], flags=re.MULTILINE)
    assert names - registry.FUNCTIONS.keys() <= {name for pair in described for name in pair}
    for module in ("threads", "objectives", "sklearn"):  # whose functions are all for users
        functions = {n.name for n in api.tree(module).body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")}
        assert functions <= {name for where, members in api.PARTS.values() if where == module for name in members}
    for module, members in api.PARTS.values():
        nodes = [n for n in api.tree(module).body if members and getattr(n, "name", None) in members]
        for node in nodes or [api.tree(module)]:
            assert words(ast.get_docstring(node)) - {"raises", "args", "arguments", "returns"} <= words(plain(texts["api.md"]))


def test_signatures_are_complete(texts):
    """Classes that are called have their arguments, and defaults are values, not the names of constants."""
    assert "\n`````{py:class} GradientFlow(layers=(), *, threshold=0.05)\n" in texts["api.md"]
    assert "diagnose(z, activation, axis=0, *, threshold=0.05, bins=20, range=None, **params)\n" in texts["api.md"]
    assert not re.findall(r"^`+\{py:.*=[A-Z_]{2,}.*", texts["api.md"], flags=re.MULTILINE)


def test_front_page_leads_to_every_page(texts):
    front = (DOCS / "index.md").read_text(encoding="utf-8")
    others = [f"reference/{group.page}" for group in pages.GROUPS] + ["reference/index", "reference/api", "reference/changes"]
    for path in (*others, *(p.stem for p in DOCS.glob("*.md") if p.stem != "index")):
        assert f"\n{path}\n" in front


def test_files_are_written_where_they_changed(tmp_path):
    folder = tmp_path / "reference"
    function_pages.write(folder, {"a.md": "one\n", "b.md": "two\n"})
    before = (folder / "a.md").stat().st_mtime_ns
    function_pages.write(folder, {"a.md": "one\n", "c.md": "three\n"})
    assert {p.name: p.read_text() for p in folder.iterdir()} == {"a.md": "one\n", "c.md": "three\n"}
    assert (folder / "a.md").stat().st_mtime_ns == before


def test_docstrings_in_parts():
    doc = """f(x) = x, plainly

    Method: .g → *g*,
        which is all.

    Arguments
        x: a number,
            or | two
        *more: others
    Then
        a = b
    follows.

    Raises ValueError, and that is a sentence
    in two lines.

    Raises:
        TypeError, ValueError: never
    """
    found = docstrings.blocks(doc)
    assert [block.kind for block in found] == ["text", "methods", "param", "text", "lines", "text", "text", "raises"]
    assert found[6].text == "Raises ValueError, and that is a sentence in two lines."
    assert found[2].items == (("x", "a number, or | two"), ("*more", "others"))
    assert docstrings.markdown(found[2:5]) == (
        "Then\n\n```text\na = b\n```\n\n:param x: a number, or \\| two\n:param \\*more: others"
    )
    assert docstrings.markdown(found[-1:]) == ":raises TypeError: never\n:raises ValueError: never"
    assert docstrings.escaped("a_b `c_d` <e>") == "a\\_b `c_d` \\<e\\>"
