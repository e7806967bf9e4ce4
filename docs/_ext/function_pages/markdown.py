"""Pieces of Markdown for MyST."""


def number(value):
    if isinstance(value, str | bool) or value is None:
        return f"{value}"
    return f"{value:g}".replace("-", "−").replace("inf", "∞")


def table(headings, rows):
    """A table of cells that are Markdown already."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def fenced(directive, text, fence="```"):
    """A directive of MyST; what holds another takes a longer fence."""
    name, _, argument = directive.partition(" ")
    return f"{fence}{{{name}}} {argument}".rstrip() + f"\n{text}\n{fence}"


def described(kind, call, text, module="actloss_c"):
    """The directive of one Python object."""
    return fenced(f"py:{kind} {call}", f":module: {module}\n\n{text}", "`````")
