"""Builds one extension module per instruction-set level from one source, and the module that asks the CPU.

What a level module needs per function (instances of the loops, ufuncs, row entries) follows from the registry alone and is
written to build/glue/ here. There is no mathematics in it.
"""

import importlib
import itertools
import os
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from types import ModuleType

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
GLUE = Path("build/glue")
SOURCES = sorted(
    str(p.relative_to(ROOT)) for pattern in ("src/**/*.pxd", "src/**/*.pxi", "actloss_c/*.pxd") for p in ROOT.glob(pattern)
)

X86_64 = platform.machine().lower() in ("x86_64", "amd64") and sys.maxsize > 2**32
# First the instruction set, without which a compiler builds no such level; then what it may know.
LEVELS = {"baseline": ["-march=x86-64-v2"] if X86_64 else []}
if X86_64:
    LEVELS["x86_v3"] = ["-march=x86-64-v3"]
    LEVELS["x86_v4"] = ["-march=x86-64-v4", "-mprefer-vector-width=512"]
    # Its 32 registers hold two vectors side by side, which keeps both arithmetic ports busy: sigmoid 0.61 → 0.58 ns. The limit on
    # a loop's length is lifted so that tanh gets it, too.
    LEVELS["x86_v4"] += ["-funroll-loops", "--param=max-unroll-times=2", "--param=max-average-unrolled-insns=150"]
    LEVELS["x86_v4"] += ["-fschedule-insns", "-fsched-pressure"]

# Never -ffast-math: it switches flush-to-zero on for the whole process. -fno-trapping-math lets selects vectorise (the loops put
# the flags back themselves), -fno-thread-jumps keeps a clamp from duplicating the polynomial behind it (3× slower).
FLAGS = ["-O3", "-fno-math-errno", "-fno-trapping-math", "-fno-thread-jumps", "-ffp-contract=off", "-fvisibility=hidden", "-g0"]
# Never -flto, however the interpreter was built: it loses the second names of the limits in src/clamp.pxd and does not link.
FLAGS += ["-fno-lto"]
# Loops over 16 lanes must reach the vectoriser as loops, and small fills must stay stores (as `rep stos` they cost 30 ns each).
FLAGS += ["--param=max-completely-peel-times=4", "-fno-tree-loop-distribute-patterns"]
# Without forced inlining the elementary functions stay calls and nothing vectorises.
INLINE = ("CYTHON_INLINE", "inline __attribute__((always_inline))")

SUFFIX = {"float": "f", "double": "d"}
FORMS = ("", "_uniform")  # of a loop with parameters: arrays, or a number for all elements


def load_registry():
    """registry.py past the package's __init__, which wants what is about to be built."""
    package = sys.modules.setdefault("actloss_c_source", ModuleType("actloss_c_source"))
    package.__path__ = [str(ROOT / "actloss_c")]
    return importlib.import_module("actloss_c_source.registry")


def kinds(entry):
    """(kind, literals, inputs, outputs) of an activation: what map0/map1 computes and which operands the ufunc takes."""
    inputs = ["x", *(p.name for p in entry.params)]
    return [
        ("value", "True, False, False", inputs, ["y"]),
        ("grad", "False, True, False", inputs, ["dy"]),
        ("value_and_grad", "True, True, False", inputs, ["y", "dy"]),
        ("backward", "False, True, True", ["g", *inputs], ["dy"]),
    ]


def instance(name, kind, call, c_type):
    return [
        f"cdef void {name}_{kind}_{SUFFIX[c_type]}(operand o0, operand o1, operand o2, operand o3, operand o4,"
        " Py_ssize_t groups) noexcept nogil:",
        f"    {call}",
    ]


def kernels(entry):
    """Names in the kernel file of an activation or a loss over pairs: of the kernel, or of its two halves."""
    return [f"{entry.name}_first", f"{entry.name}_second"] if entry.halves else [entry.name]


def map_call(entry, c_type, kernels, form, literals, arguments):
    """The loop over an activation's kernel, called."""
    loop = "map0_halves" if entry.halves else f"map{len(entry.params)}"
    literals = f"{bool(form)}, {literals}" if entry.params else literals
    return f"{loop}[{c_type}]({', '.join(kernels)}, {literals}, {arguments}, groups)"


def activation_glue(entry):
    """Cython lines for one activation, and the lines that register its ufuncs."""
    name, params = entry.name, [p.name for p in entry.params]
    if len(params) > (0 if entry.halves else 1):
        raise NotImplementedError(f"{name}: src/maps.pxd has maps for no parameter and one, src/halves.pxd only for none")
    learned = [p.name for p in entry.params if p.learned]
    imported = [*kernels(entry), *(f"{name}_d{p}" for p in learned)]
    lines = [f"from activations.{name} cimport " + ", ".join(f"{f} as {f}_kernel" for f in imported)]
    made = []
    for kind, literals, inputs, outputs in kinds(entry):
        ufunc = name if kind == "value" else f"{name}_{kind}"
        for c_type in SUFFIX:
            position = {operand: f"<{c_type} *> o{k}" for k, operand in enumerate([*inputs, *outputs])}
            arguments = ", ".join(position.get(operand, "NULL") for operand in ["g", "x", *params, "y", "dy"])
            for form in FORMS if params else FORMS[:1]:
                own = [f"{k}_kernel[{c_type}]" for k in kernels(entry)]
                lines += instance(name, kind + form, map_call(entry, c_type, own, form, literals, arguments), c_type)
        instances = [f"{name}_{kind}{form}_{suffix}" for form in FORMS for suffix in SUFFIX.values()]
        instances = [*instances[:2], str(len(params)), *instances[2:]] if params else instances[:2]
        made.append(
            f'    made["{ufunc}"] = make_ufunc("{ufunc}", docs["{ufunc}"], {len(inputs)}, {len(outputs)}, {entry.cheap},'
            f" {', '.join(instances)})"
        )
    for p in learned:
        for form, c_type in itertools.product(FORMS, SUFFIX):
            arguments = ", ".join([*(f"<{c_type} *> o{k}" for k in range(4)), "<double *> o4"])
            own = f"{name}_kernel[{c_type}], {name}_d{p}_kernel[{c_type}], {bool(form)}"
            lines += instance(name, f"backward_{p}{form}", f"map1_learned[{c_type}]({own}, {arguments}, groups)", c_type)
    return lines, made


def elementary_glue(entry):
    """Cython lines for one elementary function, and the line that makes its ufunc, for tests alone."""
    name = entry.name
    lines = [f"from elementary.{entry.file} cimport {name} as {name}_elementary"]
    for c_type in SUFFIX:
        call = f"map_value[{c_type}]({name}_elementary[{c_type}], <{c_type} *> o0, <{c_type} *> o1, groups)"
        lines += instance(f"elementary_{name}", "value", call, c_type)
    instances = f"elementary_{name}_value_f, elementary_{name}_value_d"
    return lines, f'    made["{name}"] = make_ufunc("{name}", "{entry.formula}", 1, 1, False, {instances})'


def loss_glue(entry):
    """Two kernels: for a label per row and nothing else, and for any target and all options (see rows/targets.pxd); the first
    alone where only labels are taken."""
    name = entry.name
    kernels = [name, f"{name}_general"] if entry.soft else [name]
    gamma = next((option.default for option in entry.options if option.name == "gamma"), 0.0)
    lines = [f"from rows.{name} cimport " + ", ".join(f"{kernel} as {kernel}_kernel" for kernel in kernels)]
    for kernel, (c_type, suffix) in itertools.product(kernels, SUFFIX.items()):
        lines += [
            f"cdef double {kernel}_{suffix}(Walk *walk, Panel *panel, Py_ssize_t rows, const Target *target,"
            " const double *weight, double divisor, void *losses, bint grad, bint hess) noexcept nogil:",
            f"    return each_panel[{c_type}]({kernel}_kernel[{c_type}], walk, panel, rows, target, weight, divisor,"
            f" <{c_type} *> losses, grad, hess)",
        ]
    instances = ", ".join(f"{kernel}_{suffix}" for kernel in kernels for suffix in SUFFIX.values())
    instances += "" if entry.soft else ", NULL, NULL"
    return [
        *lines,
        f"def {name}_rows(z, axis, target, weight, counted, mean, empty, losses, g, h, settings):",
        f"    cdef RowLosses kernels = RowLosses({instances})",
        "    return run_rows(&kernels, z, axis, target, weight, counted, mean, empty, losses, g, h, settings)",
        f"cdef object {name}_plain(object z, object target, object axis, object reduction, object out, bint grad):",
        f"    return run_plain({name}_f, {name}_d, {entry.variable == 'a'}, {gamma}, z, target, axis, reduction, out, grad)",
    ]


PAIR_KINDS = ("True, False, False", "False, True, False", "True, True, False", "False, True, True", "True, True, True")


def pair_loss_glue(entry):
    """Cython lines for a loss over pairs: the kernel with all three parameters, an instance of the loop per kind, its entry."""
    name = entry.name
    taken = ["z", "y", *"pqr"[: len(entry.params)], *(["high", "low"] if entry.halves else []), "g", "h"]
    lines = [f"from losses.{name} cimport " + ", ".join(f"{kernel} as {kernel}_kernel" for kernel in kernels(entry))]
    for c_type, suffix in SUFFIX.items():
        whole = f"{name}_pair_{suffix}"
        given = ["z", "y", "p", "q", "r", *(["high", "low"] if entry.halves else []), "*g", "*h"]
        lines += [
            f"cdef inline {c_type} {whole}({', '.join(f'{c_type} {g}' for g in given)}) noexcept nogil:",
            f"    return {kernels(entry)[-1]}_kernel[{c_type}]({', '.join(taken)})",
        ]
        loop = f"map_pair[{c_type}]({whole}"
        if entry.halves:
            loop = f"map_pair_halves[{c_type}]({kernels(entry)[0]}_kernel[{c_type}], {whole}"
        for k, literals in enumerate(PAIR_KINDS):
            arguments = ", ".join(f"<{c_type} *> o{i}" for i in range(9))
            operands = ", ".join(f"operand o{i}" for i in range(9))
            lines += [
                f"cdef void {name}_{k}_{suffix}({operands}, Py_ssize_t groups) noexcept nogil:",
                f"    {loop}, {literals}, {arguments}, groups)",
            ]
        lines.append(f"cdef PairInstance[5] {name}_{suffix}")
        lines += [f"{name}_{suffix}[{k}] = {name}_{k}_{suffix}" for k in range(len(PAIR_KINDS))]
    return [
        *lines,
        f"def {name}_pairs(which, z, target, params, weight, mean, losses, g, h):",
        f"    return run_pair_loss({name}_f, {name}_d, which, z, target, params, weight, mean, losses, g, h)",
        f"cdef object {name}_plain(int which, tuple ordinary, object z, object target, object reduction, object g, object h):",
        f"    return run_plain_pairs({name}_f, {name}_d, {entry.cheap}, which, ordinary, z, target, reduction, g, h)",
    ]


def row_glue(entry):
    name = entry.name
    lines = []
    for kind in (name, f"{name}_backward"):
        lines.append(f"from rows.{name} cimport {kind} as {kind}_kernel")
        for c_type, suffix in SUFFIX.items():
            lines += [
                f"cdef void {kind}_{suffix}(Walk *walk, Panel *panel, Py_ssize_t rows) noexcept nogil:",
                f"    {kind}_kernel[{c_type}](walk, panel, rows, NULL)",
            ]
    return [
        *lines,
        f"def {name}_rows(z, y, mask):",
        f"    run_function({name}_f, {name}_d, z, None, y, mask)",
        f"def {name}_plain(z, axis, y):",
        f"    return run_plain_function({name}_f, {name}_d, {entry.reduces}, z, axis, y)",
        f"def {name}_backward_rows(z, g, y, mask):",
        f"    run_function({name}_backward_f, {name}_backward_d, z, g, y, mask)",
    ]


def maxout_glue(entry):
    name = entry.name
    lines = []
    for kind in (name, f"{name}_backward"):
        lines.append(f"from rows.{name} cimport {kind} as {kind}_kernel")
        for c_type, suffix in SUFFIX.items():
            whole = {"float": "int32_t", "double": "int64_t"}[c_type]
            lines += [
                f"cdef void {kind}_{suffix}(Walk *walk, Panel *panel, Py_ssize_t rows) noexcept nogil:",
                f"    {kind}_kernel[{c_type}, {whole}](walk, panel, rows, panel.whole, NULL, NULL)",
            ]
        lines += [f"def {kind}_rows(z, y, which):", f"    run_pieces({kind}_f, {kind}_d, z, y, which)"]
    return lines


def write(path, lines):
    """Only if it changed: an untouched file is not compiled again."""
    text = "\n".join(lines) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text() != text:
        path.write_text(text)


def write_glue():
    registry = load_registry()
    lines, made = [], ["def ufuncs(docs):", '    """{name: ufunc}; docs: {name: docstring}."""', "    made = {}"]
    learned, rows = [], []
    for entry in registry.ACTIVATIONS:
        glue, ufuncs = activation_glue(entry)
        lines += glue
        made += ufuncs
        for p in entry.params:
            if p.learned:
                instances = (f"{entry.name}_backward_{p.name}{form}_{suffix}" for form in FORMS for suffix in SUFFIX.values())
                learned.append(f'"{entry.name}": make_learned({", ".join(instances)})')
    for entry in registry.LOSSES:
        lines += loss_glue(entry)
        rows.append(f'"{entry.name}": ({entry.name}_rows, capsule(<void *> {entry.name}_plain, b"actloss_c.rows"))')
    for entry in registry.ROWS:
        lines += row_glue(entry)
        kinds = (f"{entry.name}_rows", f"{entry.name}_backward_rows", f"{entry.name}_plain")
        rows.append(f'"{entry.name}": ({", ".join(kinds)})')
    pairs = []
    for entry in registry.PAIR_LOSSES:
        lines += pair_loss_glue(entry)
        pairs.append(f'"{entry.name}": ({entry.name}_pairs, capsule(<void *> {entry.name}_plain, b"actloss_c.pairs"))')
    for entry in registry.MAXOUT:
        if not entry.linear:
            lines += maxout_glue(entry)
            rows += [f'"{kind}": {kind}_rows' for kind in (entry.name, f"{entry.name}_backward")]
    lines += [*made, "    return made"]
    made = ["def elementary():", '    """{name: ufunc} of the functions that kernels are made of."""', "    made = {}"]
    for entry in registry.ELEMENTARY:
        glue, ufunc = elementary_glue(entry)
        lines += glue
        made.append(ufunc)
    lines += [*made, "    return made"]
    lines += [f"backward_learned_by_name = {{{', '.join(learned)}}}", f"rows_by_name = {{{', '.join(rows)}}}"]
    lines += [f"pairs_by_name = {{{', '.join(pairs)}}}"]
    write(ROOT / GLUE / "functions.pxi", lines)
    for level in LEVELS:
        write(ROOT / GLUE / f"_{level}.pyx", ['include "level.pxi"', 'include "pairs.pxi"', 'include "functions.pxi"'])


def extensions():
    import numpy

    macros = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION")]
    modules = [
        Extension("actloss_c._cpu", ["actloss_c/_cpu.pyx"]),
        Extension("actloss_c._pool", ["actloss_c/_pool.pyx"]),
        Extension("actloss_c._call", ["actloss_c/_call.pyx"], include_dirs=[numpy.get_include()], define_macros=macros),
        Extension("actloss_c._loss_call", ["actloss_c/_loss_call.pyx"], define_macros=macros),
    ]
    for level, flags in reversed(LEVELS.items()):  # the one that takes longest first
        modules.append(
            Extension(
                f"actloss_c._{level}",
                [str(GLUE / f"_{level}.pyx")],
                include_dirs=[numpy.get_include()],
                define_macros=macros + ([("AL_BASELINE", "1")] if level == "baseline" else []),
                extra_compile_args=flags,
                depends=SOURCES,
            )
        )
    return modules


class BuildLevels(build_ext):
    """Compiles the levels side by side, with the flags that this compiler knows."""

    def finalize_options(self):
        from Cython.Build import cythonize

        write_glue()
        # Directives must be global: those of a .pyx do not reach functions inlined from a .pxd.
        directives = {
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "freethreading_compatible": True,
        }
        self.distribution.ext_modules[:] = cythonize(
            self.distribution.ext_modules,
            include_path=[".", "src", str(GLUE)],
            compiler_directives=directives,
            build_dir="build/c",
            language_level=3,
            nthreads=(os.cpu_count() or 1) if sys.platform == "linux" else 0,
        )
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self):
        if self.compiler.compiler_type == "msvc":
            self.take_clang_cl()
        common = [f for f in FLAGS if self.knows(f)]
        runnable = []
        for module in self.extensions:
            known = [flag for flag in module.extra_compile_args if self.knows(flag)]
            if known[:1] != module.extra_compile_args[:1] and not module.name.endswith("._baseline"):
                continue
            module.extra_compile_args = self.spelled(common + known)
            if not module.name.endswith("._cpu"):
                module.define_macros.append(INLINE)
            runnable.append(module)
        self.extensions[:] = runnable
        super().build_extensions()

    def take_clang_cl(self):
        """clang-cl with MSVC's headers and linker. MSVC itself knows neither the builtins nor how to vectorise the loops."""
        clang = shutil.which("clang-cl")
        if clang is None:
            sys.exit("actloss_c: no clang-cl on PATH, and MSVC cannot compile the kernels: install LLVM for Windows")
        if not self.compiler.initialized:
            self.compiler.initialize()
        self.compiler.cc = clang
        # MSVC's link-time code generation: clang-cl would warn about it in each probe.
        self.compiler.compile_options[:] = [option for option in self.compiler.compile_options if option != "/GL"]

    def spelled(self, flags):
        """GCC's flags as the compiler's command line takes them."""
        return [f"/clang:{flag}" for flag in flags] if self.compiler.compiler_type == "msvc" else flags

    def knows(self, flag):
        """Whether the compiler takes this flag, without a word unless CFLAGS alone make it talk."""
        strict = ["-Werror"] if self.compiles(["-Werror"]) else []
        known = self.compiles([*strict, *self.spelled([flag])])
        if not known:
            print(f"actloss_c: the compiler does not know {flag}", file=sys.stderr)
        return known

    def compiles(self, flags):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "probe.c"
            source.write_text("int main(void) { return 0; }\n")
            try:
                self.compiler.compile([str(source)], output_dir=folder, extra_postargs=flags)
            except Exception:
                return False
        return True


if __name__ == "__main__":
    setup(ext_modules=extensions(), cmdclass={"build_ext": BuildLevels})
