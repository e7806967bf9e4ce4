"""The page of all public names but the functions, read from the sources: what they import need not be installed."""

import ast
from pathlib import Path

import actloss_c
from actloss_c import __main__

from . import docstrings
from .markdown import described

PARTS = {  # title: (module, the names to describe there, or None for the module itself)
    "Threads": ("threads", ("get_num_threads", "set_num_threads", "num_threads")),
    "Pictures": ("plotting", ("plot",)),
    "Gradient boosting: al.objectives": ("objectives", ("xgboost", "lightgbm", "Objective")),
    "SciPy's optimizers: loss.objective": ("_objective", ("Objective",)),
    "PyTorch: al.torch": ("torch", None),
    "dask: al.dask": ("dask", None),
    "scikit-learn: al.sklearn": ("sklearn", ("accelerate_mlp",)),
    "NumPy's protocols: al.ufuncs": ("ufuncs", None),
}
GUIDES = {"Pictures": "pictures", "Gradient": "boosters", "SciPy": "torch_and_scipy", "PyTorch": "torch_and_scipy"}
GUIDES |= {"dask": "scale", "scikit-learn": "sklearn"}
IN_FRONT = {"threads", "plotting"}  # modules whose names stand in actloss_c itself


def tree(module):
    return ast.parse((Path(actloss_c.__file__).parent / f"{module}.py").read_text(encoding="utf-8"))


def text_of(node):
    return docstrings.markdown(docstrings.blocks(ast.get_docstring(node)))


def call_of(node):
    """name(arguments) of a function or a method, the latter without self."""
    arguments = node.args.args
    if arguments and arguments[0].arg == "self":
        del arguments[0]
    return f"{node.name}({ast.unparse(node.args)})"


def member(node, module):
    if isinstance(node, ast.FunctionDef):
        return described("function", call_of(node), text_of(node), module)
    public = [m for m in node.body if isinstance(m, ast.FunctionDef) and not m.name.startswith("_")]
    inner = "\n\n".join(described("method", f"{node.name}.{call_of(m)}", text_of(m), module) for m in public)
    return f"{described('class', node.name, text_of(node), module)}\n\n{inner}"


def part(title, module, names):
    parsed = tree(module)
    guide = next((f"Guide: [](../{page}.md)." for start, page in GUIDES.items() if title.startswith(start)), "")
    if names is None:
        return f"{guide}\n\n{text_of(parsed)}"
    found = {node.name: node for node in parsed.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    public = "actloss_c" if module in IN_FRONT else f"actloss_c.{module}"
    return "\n\n".join([guide, *(member(found[name], public) for name in names)])


def page():
    """Markdown of the whole page."""
    parts = [f"## {title}\n\n{part(title, *where)}" for title, where in PARTS.items()]
    commands = f"## Command line\n\n```text\n{__main__.parser().format_help().strip()}\n```"
    return "\n\n".join(["# Other names", *parts, commands]) + "\n"
