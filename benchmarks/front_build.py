"""Names the steps of front.pxi and builds them as setup.py builds a level: in a copy of the tree, with its flags.

Started as a program (by build), it is the part that runs setup.py's own command in that copy.
"""

import importlib.machinery
import importlib.util
import sys
from pathlib import Path

from actloss_c import _dispatch

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from helpers_cross import build_modules, copy_tree, finished, setup

SOURCE = "front.pxi"
SHIPPED = "shipped"  # the step that is src's own kernel
ASIDE = {"table"}  # what was tried and does not lie on the way
OWN_SECOND = {"sigmoid": {"plain", "residual", "power_first"}, "tanh": {"plain", "residual", "difference"}}  # second half

# function: {step: what it does beyond the one before}
STEPS = {
    "sigmoid": {
        "plain": "degree 4, one division, nothing corrected",
        "residual": "division and 1 + e corrected",
        "power_first": "2^n·t first, then (1 + p)",
        "two_part": "e as high + low",
        "low_last": "low part of r added last",
        SHIPPED: "degree 5",
        "rest": "rounding of p kept",
        "table": "aside: 4, with 2^(j/16) from a table",
    },
    "tanh": {
        "plain": "degree 4, one division, nothing corrected",
        "residual": "division and 1 + e corrected",
        SHIPPED: "e as high + low",
        "low_last": "low part of r added last",
        "degree5": "degree 5",
        "rest": "rounding of p kept",
        "difference": "rounding of e − 1 kept",
    },
    "elu": {
        "plain": "degree 4, r rounded",
        "low_last": "low part of r added last",
        SHIPPED: "degree 5",
        "rest": "value as high + low, rounding of p kept",
        "both": "derivative as high + low",
    },
    "softsign": {
        "plain": "1 / q",
        SHIPPED: "division and 1 + abs(x) corrected",
        "two_sum": "1 + abs(x) split by TwoSum instead",
    },
}


def charted():
    """The levels with FMA that run here, slowest first: the others have bits of their own."""
    return [level for level in _dispatch.runnable_levels() if _dispatch.load(level).fused]


def glue(here):
    """Cython lines: an instance of the loop per step, and a dict of them."""
    lines, made = [], []
    for function, steps in STEPS.items():
        entry = here.load_registry().FUNCTIONS[function]
        shipped = [f"{kernel}[float]" for kernel in here.kernels(entry)]
        lines.append(f"from activations.{function} cimport {', '.join(here.kernels(entry))}")
        operands = ["x", *(p.name for p in entry.params), "y", "dy"]
        arguments = "NULL, " + ", ".join(f"<float *> o{k}" for k in range(len(operands)))
        for step in steps:
            name = f"{function}_{step}"
            kernels = shipped if step == SHIPPED else [name]
            if entry.halves and step != SHIPPED:
                kernels = [f"{name}_first", f"{name}_second" if step in OWN_SECOND[function] else shipped[1]]
            call = here.map_call(entry, "float", kernels, here.FORMS[bool(entry.params)], "True, True, False", arguments)
            lines += here.instance(name, "value_and_grad", call, "float")
            made.append(f'    ("{function}", "{step}"): make_point({name}_value_and_grad_f, {len(operands) - 2}),')
    return [*lines, "points = {", *made, "}"]


def build_here(levels):
    """A module per level that holds the steps, in the working folder."""
    here = setup(Path.cwd())
    modules = [module for module in here.extensions() if module.name.rpartition("._")[2] in levels]
    stubs = [here.GLUE / f"front{module.name.rpartition('.')[2]}.pyx" for module in modules]
    for module, stub in zip(modules, stubs, strict=True):
        module.name, module.sources = module.name.replace("actloss_c", "front"), [str(stub)]

    def write_glue():
        here.write(here.GLUE / "front_points.pxi", glue(here))
        for stub in stubs:
            here.write(stub, [f'include "{part}"' for part in ("level.pxi", SOURCE, "front_points.pxi")])

    here.write_glue = write_glue
    build_modules(here, modules)


def build(levels, folder):
    """{level: file of its module}; the folder must not exist."""
    copy_tree(folder, f"benchmarks/{SOURCE}")
    finished([sys.executable, __file__, *levels], cwd=folder)
    return {level: next(folder.glob(f"lib/front/_{level}.*")) for level in levels}


def points(file):
    """{(function, step): call} of a module that `build` made; call(x, y, dy) or call(x, alpha, y, dy), all float32."""
    name = f"front.{file.name.partition('.')[0]}"  # as it was built: its last part names the function that initialises it
    loader = importlib.machinery.ExtensionFileLoader(name, str(file))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(name, loader))
    loader.exec_module(module)
    return module.points


if __name__ == "__main__":
    build_here(sys.argv[1:])
