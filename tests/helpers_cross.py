"""Builds a level module for another machine, with a main() that runs its loops without Python.

Started as a program (by build), it is the part that runs setup.py's own command in a copy of the tree.
"""

import dataclasses
import functools
import importlib.util
import itertools
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
DTYPES = {"float": np.dtype(np.float32), "double": np.dtype(np.float64)}
SECTIONS = "-ffunction-sections -fdata-sections"  # so that the linker drops what main() does not reach, and Python with it
LINK = ["-static", "-Wl,--gc-sections"]
MAIN = "same_bits_arm64.pxi"
ALL_THREE = 4  # among the kinds of a loss over pairs


@functools.cache
def setup(folder=ROOT):
    """setup.py as a module."""
    spec = importlib.util.spec_from_file_location("setup", folder / "setup.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# --- the loops ------------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Case:
    """One loop of one activation."""

    entry: object
    kind: str
    instance: str
    dtype: np.dtype
    inputs: list
    outputs: list
    learned: bool = False


@functools.cache
def activation_cases():
    """Every loop of every activation, in the order of loop_at."""
    found = []
    for entry in setup().load_registry().ACTIVATIONS:
        kinds = [(kind, inputs, outputs, False) for kind, _, inputs, outputs in setup().kinds(entry)]
        names = [p.name for p in entry.params if p.learned]
        kinds += [(f"backward_{name}", ["g", "x", name], ["dx", f"d{name}"], True) for name in names]
        for (kind, inputs, outputs, learned), (c_type, suffix) in itertools.product(kinds, setup().SUFFIX.items()):
            found.append(Case(entry, kind, f"{entry.name}_{kind}_{suffix}", DTYPES[c_type], inputs, outputs, learned))
    return found


def losses():
    """(name, C type) of every loss, in the order of rows_of."""
    return list(itertools.product((entry.name for entry in setup().load_registry().LOSSES), setup().SUFFIX))


def pair_losses():
    """(name, C type) of every loss over pairs, in the order of pairs_of."""
    return list(itertools.product((entry.name for entry in setup().load_registry().PAIR_LOSSES), setup().SUFFIX))


def row_functions():
    """(name, whether backward, C type) of every function of rows, in the order of function_of."""
    return list(itertools.product((entry.name for entry in setup().load_registry().ROWS), (False, True), setup().SUFFIX))


# --- two programs from one source -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Target:
    """A machine, the level that is built for it, and how to build and run there."""

    name: str
    machine: str
    level: str
    compiler: str
    emulator: str = ""

    @property
    def symbol(self):
        """What Cython puts before the name of a C function of the level's module."""
        return f"__pyx_f_9actloss_c_{len(self.level) + 1}_{self.level}_"


def dispatch():
    """Cython lines: the tables behind the numbers that main() takes."""
    lines = ["cdef Loop loop_at(Py_ssize_t which) noexcept nogil:"]
    for k, case in enumerate(activation_cases()):
        counts = f"{len(case.inputs)}, {1 if case.learned else len(case.outputs)}, {case.dtype.itemsize}"
        loop = f"loop_of({case.instance}, {counts})"
        if case.learned:
            loop = f"with_uniform({loop}, {case.entry.name}_{case.kind}_uniform_{case.instance[-1]})"
        lines.append(f"    if which == {k}: return {loop}")
    lines += ["    exit(BAD_INPUT)", "cdef RowLoss rows_of(Py_ssize_t which) noexcept nogil:"]
    for k, (name, c_type) in enumerate(losses()):
        lines.append(f"    if which == {k}: return {name}_{setup().SUFFIX[c_type]}")
    lines += ["    exit(BAD_INPUT)", "cdef PairInstance pairs_of(Py_ssize_t which) noexcept nogil:"]
    for k, (name, c_type) in enumerate(pair_losses()):
        lines.append(f"    if which == {k}: return {name}_{ALL_THREE}_{setup().SUFFIX[c_type]}")
    lines += ["    exit(BAD_INPUT)", "cdef RowFunction function_of(Py_ssize_t which) noexcept nogil:"]
    for k, (name, backward, c_type) in enumerate(row_functions()):
        lines.append(f"    if which == {k}: return {name}{'_backward' * backward}_{setup().SUFFIX[c_type]}")
    return [*lines, "    exit(BAD_INPUT)"]


def copy_tree(folder, source):
    """What setup.py builds from, in a new folder, and one more source."""
    for part in ("src", "actloss_c"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    shutil.copy(ROOT / "setup.py", folder)
    shutil.copy(ROOT / source, folder / "src")


def build_modules(here, modules, parallel=None):
    """The command of the setup.py `here`, in its folder, for these modules: temp/ holds the objects, lib/ the modules."""
    from setuptools.dist import Distribution

    command = Distribution({"ext_modules": modules, "cmdclass": {"build_ext": here.BuildLevels}}).get_command_obj("build_ext")
    command.build_lib, command.build_temp, command.parallel = "lib", "temp", parallel
    command.ensure_finalized()
    command.run()


def build_here(machine, level):
    """One level, and the module that asks the CPU, in the working folder."""
    platform.machine = lambda: machine
    here = setup(Path.cwd())
    write_glue = here.write_glue

    def write_glue_and_main():
        write_glue()
        here.write(here.GLUE / "dispatch.pxi", dispatch())
        here.write(
            here.GLUE / f"_{level}.pyx",
            [f'include "{p}"' for p in ("level.pxi", "pairs.pxi", "functions.pxi", "dispatch.pxi", MAIN)],
        )

    here.write_glue = write_glue_and_main
    wanted = [module for module in here.extensions() if module.name in ("actloss_c._cpu", f"actloss_c._{level}")]
    build_modules(here, wanted, parallel=1)


def build(target, folder):
    """(the program, the module that it was linked from, what the compiler said)."""
    copy_tree(folder, f"tests/{MAIN}")
    # SECTIONS as part of the compiler's name: CFLAGS would replace those of Python, warnings among them.
    environment = {**os.environ, "CC": f"{target.compiler} {SECTIONS}", "LDSHARED": f"{target.compiler} -shared"}
    log = finished([sys.executable, __file__, target.machine, target.level], cwd=folder, env=environment)
    (compiled,) = (folder / "temp").rglob(f"_{target.level}.o")
    (module,) = (folder / "lib").rglob(f"_{target.level}.*so")
    program = folder / "same_bits"
    finished([*shlex.split(target.compiler), *LINK, str(compiled), "-lm", "-o", str(program)])
    return program, module, log


def finished(command, **options):
    """Runs the command; what it printed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options)
    if done.returncode:
        sys.exit(f"{done.stdout}\n{shlex.join(command)}: exit status {done.returncode}")
    return done.stdout


if __name__ == "__main__":
    build_here(*sys.argv[1:])
