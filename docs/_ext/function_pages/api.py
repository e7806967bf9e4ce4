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
    "Diagnosis: al.diagnose": ("diagnosis", ("diagnose",)),
    "Diagnosis: its result": ("diagnosis_result", ("Diagnosis", "Units", "Histogram")),
    "Diagnosis: al.GradientFlow": ("gradient_flow", ("GradientFlow", "Record")),
    "Gradient boosting: al.objectives": ("objectives", ("xgboost", "lightgbm", "Objective")),
    "SciPy's optimizers: loss.objective": ("_objective", ("Objective",)),
    "PyTorch: al.torch": ("torch", None),
    "dask: al.dask": ("dask", None),
    "scikit-learn: al.sklearn": ("sklearn", ("accelerate_mlp",)),
    "NumPy's protocols: al.ufuncs": ("ufuncs", None),
}
GUIDES = {
    "Pictures": "pictures",
    "Diagnosis": "diagnosis",
    "Gradient": "boosters",
    "SciPy": "torch_and_scipy",
    "PyTorch": "torch_and_scipy",
}
GUIDES |= {"dask": "scale", "scikit-learn": "sklearn"}
IN_FRONT = {"threads", "plotting", "diagnosis", "gradient_flow"}  # modules whose names stand in actloss_c itself


def tree(module):
    return ast.parse((Path(actloss_c.__file__).parent / f"{module}.py").read_text(encoding="utf-8"))


def text_of(node):
    return docstrings.markdown(docstrings.blocks(ast.get_docstring(node)))


def constants(module):
    """{name: value} of what a module sets to a literal."""
    sets = [n for n in tree(module).body if isinstance(n, ast.Assign) and isinstance(n.value, ast.Constant)]
    return {node.targets[0].id: node.value for node in sets}


def literal(node, module):
    """A default as readers see it: a module's constant, of this one or an imported one, by its value."""
    if isinstance(node, ast.Name):
        return constants(module).get(node.id, node)
    if isinstance(node, ast.Attribute) and (Path(actloss_c.__file__).parent / f"{node.value.id}.py").exists():
        return constants(node.value.id).get(node.attr, node)
    return node


def call_of(node, module, name=None):
    """name(arguments) of a function or a method, the latter without self."""
    given = node.args
    if given.args and given.args[0].arg == "self":
        del given.args[0]
    given.defaults, given.kw_defaults = ([literal(d, module) for d in part] for part in (given.defaults, given.kw_defaults))
    return f"{name or node.name}({ast.unparse(given)})"


def member(node, module):
    public = "actloss_c" if module in IN_FRONT else f"actloss_c.{module}"
    if isinstance(node, ast.FunctionDef):
        return described("function", call_of(node, module), text_of(node), public)
    makers = [m for m in node.body if isinstance(m, ast.FunctionDef) and m.name == "__init__"]
    name = call_of(*makers, module, node.name) if makers and module in IN_FRONT else node.name  # of others, functions make them
    inner = [described(*entry, public) for m in node.body if (entry := entry_of(node.name, m, module))]
    return "\n\n".join([described("class", name, text_of(node), public), *inner])


def entry_of(owner, node, module):
    """(kind, name, text) of a public method or property with a docstring; else nothing."""
    if not isinstance(node, ast.FunctionDef) or node.name.startswith("_") or not ast.get_docstring(node):
        return None
    if any(ast.unparse(d) == "property" for d in node.decorator_list):
        return "property", f"{owner}.{node.name}", text_of(node)
    return "method", f"{owner}.{call_of(node, module)}", text_of(node)


def part(title, module, names):
    parsed = tree(module)
    guide = next((f"Guide: [](../{page}.md)." for start, page in GUIDES.items() if title.startswith(start)), "")
    if names is None:
        return f"{guide}\n\n{text_of(parsed)}"
    found = {node.name: node for node in parsed.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return "\n\n".join([guide, *(member(found[name], module) for name in names)])


def page():
    """Markdown of the whole page."""
    parts = [f"## {title}\n\n{part(title, *where)}" for title, where in PARTS.items()]
    commands = f"## Command line\n\n```text\n{__main__.parser().format_help().strip()}\n```"
    return "\n\n".join(["# Other names", *parts, commands]) + "\n"
