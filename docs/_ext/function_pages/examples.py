"""What pages show of the functions at work: a session, and results at the ends of the number range, both computed now."""

import ast

import numpy as np

import actloss_c
from actloss_c.entries import ActivationEntry, LinearLossEntry, LossEntry, MaxoutEntry, PairLossEntry, RowEntry

PREDICTIONS = {None: (-1.0, 0.5, 2.0), "unit": (0.25, 0.5, 0.875)}
TARGETS = {  # one for each prediction
    None: (0.0, 0.5, 1.5),
    "unit": (0.0, 1.0, 1.0),
    "open unit": (0.25, 0.5, 0.75),
    "nonnegative": (0.0, 1.0, 3.0),
    "positive": (0.5, 1.0, 3.0),
    "binary": (0.0, 1.0, 1.0),
    "sign": (-1.0, 1.0, 1.0),
}
ROWS = {"z": ((2.0, 1.0, 0.0), (0.5, 2.5, -1.0)), "a": ((0.5, 0.25, 0.25), (0.125, 0.75, 0.125))}


def array(numbers):
    return f"np.array({[list(row) if isinstance(row, tuple) else row for row in numbers]})"


def activation(entry):
    named = "".join(f", {p.name}={p.default!r}" for p in entry.params)
    learned = [f"d{p.name}" for p in entry.params if p.learned]
    result = ", ".join(["dx", *learned])
    return f"""x = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
al.{entry.name}(x{named})
y, dy = al.{entry.name}.value_and_grad(x)
dy
g = np.ones_like(x)
{result} = al.{entry.name}.backward(g, x)
{result}"""


def pair_loss(entry):
    return f"""{entry.variable} = {array(PREDICTIONS[entry.prediction])}
target = {array(TARGETS[entry.target])}
al.{entry.name}({entry.variable}, target)
al.{entry.name}({entry.variable}, target, reduction="none")
loss, g = al.{entry.name}.value_and_grad({entry.variable}, target)
g
g, h = al.{entry.name}.grad_and_hess({entry.variable}, target, reduction="sum")
h"""


def row_loss(entry):
    return f"""{entry.variable} = {array(ROWS[entry.variable])}
labels = np.array([0, 1])
al.{entry.name}({entry.variable}, labels)
loss, g = al.{entry.name}.value_and_grad({entry.variable}, labels)
g
al.{entry.name}({entry.variable}, labels, reduction="none")"""


def rows(entry):
    g = "np.ones(2)" if entry.reduces else "np.array([1.0, 0.0, 0.0])"
    return f"""z = {array(ROWS["z"])}
al.{entry.name}(z)
g = {g}
al.{entry.name}.backward(g, z)"""


def maxout(entry):
    if entry.linear:
        return f"""x = np.array([[1.0, -2.0], [0.5, 3.0]])
W = np.arange(12.0).reshape(3, 2, 2) - 5.0
y, which = al.{entry.name}.value_and_argmax(x, W)
y
which
dx, dW, db = al.{entry.name}.backward(np.ones_like(y), x, W, which)
dx"""
    return f"""z = {array(ROWS["z"])}
y, which = al.{entry.name}.value_and_argmax(z)
y
which
al.{entry.name}.backward(np.ones(2), which, 3)"""


def linear_loss(entry):
    return f"""x = np.array([[1.0, -2.0], [0.5, 3.0]])
W = np.array([[1.0, 0.0, -1.0], [0.5, -0.5, 0.0]])
labels = np.array([0, 1])
al.{entry.name}(x, W, labels)
loss, dx, dW = al.{entry.name}.value_and_grad(x, W, labels)
dW"""


SOURCES = {
    ActivationEntry: activation,
    PairLossEntry: pair_loss,
    LossEntry: row_loss,
    RowEntry: rows,
    MaxoutEntry: maxout,
    LinearLossEntry: linear_loss,
}


def session(source):
    """The statements as typed into an interpreter, with what it answers."""
    names, lines = {}, []
    for statement in ast.parse(source).body:
        text = ast.get_source_segment(source, statement)
        lines.append(f">>> {text}")
        if isinstance(statement, ast.Expr):
            lines.append(repr(eval(text, names)))
        else:
            exec(text, names)
    return "\n".join(lines)


def example(entry):
    return session(f"import numpy as np\nimport actloss_c as al\n{SOURCES[type(entry)](entry)}")


# --- the ends of the number range --------------------------------------------------------------------------------------------

INF, NAN = float("inf"), float("nan")
ENDS = {None: (-INF, -1000.0, 0.0, 1000.0, INF, NAN), "unit": (0.0, 1e-300, 0.5, 1.0, NAN)}
END_ROWS = {
    "z": (
        (1000.0, 0.0, -1000.0),
        (0.0, 0.0, -INF),
        (INF, 0.0, 0.0),
        (0.0, INF, 0.0),
        (INF, INF, 0.0),
        (-INF, -INF, -INF),
        (NAN, 0.0, 0.0),
    ),
    "a": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.5, 0.5, 0.0), (NAN, 0.5, 0.5)),
}


def shown(number):
    """A number, or several, in a cell of a table."""
    if np.ndim(number):
        return ", ".join(map(shown, number))
    return "NaN" if np.isnan(number) else f"{number:.6g}".replace("-", "−")


def ends(entry):
    """(headings, rows of cells): results where arguments are infinite, large, on the border of their domain, or NaN; or None."""
    f = getattr(actloss_c, entry.name)
    if isinstance(entry, PairLossEntry):
        targets = tuple(dict.fromkeys((TARGETS[entry.target][0], TARGETS[entry.target][-1])))
        rows = [(z, t, *f.value_grad_and_hess([z], [t], reduction="sum")) for t in targets for z in ENDS[entry.prediction]]
        return (entry.variable, "target", "loss", "gradient", "Hessian"), [[shown(np.squeeze(c)) for c in row] for row in rows]
    if isinstance(entry, LossEntry):
        rows = [(row, *f.value_and_grad([row], [0])) for row in END_ROWS[entry.variable]]
        return (f"{entry.variable}, target 0", "loss", "gradient"), [[shown(np.squeeze(c)) for c in row] for row in rows]
    if isinstance(entry, RowEntry):
        return ("z", "value"), [[shown(row), shown(f(row))] for row in END_ROWS["z"]]
    if isinstance(entry, MaxoutEntry) and not entry.linear:
        return ("z", "value", "piece"), [[shown(row), *map(shown, f.value_and_argmax(row))] for row in END_ROWS["z"]]
    return None
