"""A Sphinx extension: writes the pages of functions before Sphinx looks for sources, and sets mathematics as MathML.

The pages go to docs/reference, which git ignores. What is unchanged is left alone, so that Sphinx reads again only what is new.
"""

import re
from pathlib import Path

REFERENCE = "reference"


def write(folder, texts):
    """{name in the folder: text} as files; whatever else stood there is removed."""
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.md"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def draw(folder):
    """The picture of each function, and the overview, unless those that are there are newer than the package."""
    import actloss_c
    from actloss_c import plot_command, plotting, registry

    folder.mkdir(exist_ok=True)
    changed = max(path.stat().st_mtime for path in Path(actloss_c.__file__).parent.iterdir() if path.is_file())
    for name in (*registry.FUNCTIONS, "overview"):
        path = folder / f"{name}.svg"
        if not path.exists() or path.stat().st_mtime < changed:
            plot_command.save(plotting.overview() if name == "overview" else plotting.plot(name), path)


def generate(app):
    """All of docs/reference."""
    from . import api, pages

    docs = Path(app.srcdir)
    texts = pages.pages((docs / "limits.md").read_text(encoding="utf-8"))
    texts |= {"api.md": api.page(), "changes.md": (docs.parent / "CHANGES.md").read_text(encoding="utf-8")}
    write(docs / REFERENCE, texts)
    draw(docs / REFERENCE / "pictures")


def mathml(tex, display):
    """A formula as MathML, which browsers set by themselves."""
    from latex2mathml.converter import convert

    formula = convert(tex.replace(r"\_", "_"), display=display)  # it would leave the backslash
    formula = re.sub("<mo>(max|min)</mo>", r"<mi>\1</mi>", formula)  # operators stand apart, functions do not
    return re.sub("((?:&#x00028;|&#x0003D;|,)</mo>)<mo>&#x02212;", r'\1<mo form="prefix">&#x02212;', formula)  # nor do signs


def setter(display):
    """What Sphinx calls for a formula."""

    def visit(translator, node):
        from docutils.nodes import SkipNode

        formula = mathml(node.astext(), display)
        translator.body.append(formula if display == "inline" else f'<div class="math">{formula}</div>')
        raise SkipNode

    return visit


def setup(app):
    app.connect("builder-inited", generate)
    app.add_html_math_renderer("mathml", (setter("inline"), None), (setter("block"), None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
