"""Docstrings of the package as Markdown: paragraphs, lines set apart, and what is named with a colon as Sphinx's fields."""

import inspect
import re
import textwrap
from typing import NamedTuple

HEADINGS = {"Arguments": "param", "Args": "param", "Attributes": "ivar", "Raises": "raises"}
KINDS = {"Method": "methods", "Properties": "properties", "Error bound": "bound", "Source:": "source"}  # parts of one kind
STARTS = rf"{'|'.join(KINDS)}|Limits: |Conventions: |Error: |No bound|Here |Source of|Returns |Gradients? |Attributes: "
FIRST = "Errors are raised before anything is written."
OBJECTIVE = "actloss_c._objective.Objective"


class Block(NamedTuple):
    """A part of a docstring."""

    kind: str  # "text", "lines" that are set apart, one of KINDS, or, for named items, a field of HEADINGS
    text: str
    items: tuple[tuple[str, str], ...] = ()


def escaped(text):
    """The text such that Markdown shows it as it stands; what is in backticks is code."""
    return re.sub(r"(`[^`]+`)|([\\*_|<>\[\]{}~#$`])", lambda found: found[1] or f"\\{found[2]}", text)


def one_line(lines):
    return " ".join(line.strip() for line in lines)


def blocks(doc):
    """The parts of a docstring, in order. A line that starts like STARTS begins a part of its own."""
    return [block for part in _parts(inspect.cleandoc(doc)) for block in _blocks(part)]


def _parts(doc):
    part = []
    for line in doc.splitlines():
        if part and (not line.strip() or re.match(STARTS, line)):
            yield part
            part = []
        if line.strip():
            part.append(line)
    if part:
        yield part


def _blocks(lines):
    for start, kind in KINDS.items():
        if lines[0].startswith(start):
            yield Block(kind, "\n".join(lines) if kind == "bound" else one_line(lines))
            return
    heading = re.match(rf"({'|'.join(HEADINGS)})\b[^:]*:?$", lines[0])
    if heading and len(lines) > 1 and lines[1].startswith("    "):
        items, rest = _items(lines[1:])
        yield Block(HEADINGS[heading[1]], lines[0].rstrip(":"), items)
        yield from _blocks(rest) if rest else ()
        return
    apart = [line.startswith("    ") for line in lines]
    while lines:
        count = apart.index(not apart[0]) if not all(apart) and any(apart) else len(lines)
        some, lines, is_apart, apart = lines[:count], lines[count:], apart[0], apart[count:]
        yield Block("lines", textwrap.dedent("\n".join(some))) if is_apart else Block("text", one_line(some))


def _items(lines):
    """((name, text) of each indented item, the lines behind them)."""
    items = []
    for k, line in enumerate(lines):
        if not line.startswith("    "):
            return tuple((name, one_line(text)) for name, text in items), lines[k:]
        named = re.match(r"    ([*\w][*\w, ]*): (.*)", line)
        if named:
            items.append((named[1], [named[2]]))
        elif items:
            items[-1][1].append(line)
    return tuple((name, one_line(text)) for name, text in items), []


def markdown(parts):
    """Markdown of some parts; items become fields, as they stand in a directive that describes an object."""
    paragraphs, fields = [], []
    for block in parts:
        if block.text.startswith("Returns "):
            fields.append(f":returns: {escaped(block.text.removeprefix('Returns '))}")
        elif block.kind == "lines":
            paragraphs.append(f"```text\n{block.text}\n```")
        elif not block.items:
            paragraphs.append(escaped(block.text))
        else:
            apart = [(name.replace(" ", "_"), text) for names, text in block.items for name in names.split(", ")]
            fields += [f":{block.kind} {escaped(name)}: {escaped(text)}" for name, text in apart]
            paragraphs += [FIRST] if block.text.endswith("before anything is written") else []
    text = "\n\n".join([*paragraphs, *(["\n".join(fields)] if fields else [])])
    return text.replace(escaped(OBJECTIVE), f"{{py:class}}`{OBJECTIVE}`")
