"""What the compiler made of the kernels, read from the installed modules with objdump.

No measurement: a loop that stopped vectorising, became a call into libm or went through double would still give right results,
only several times slower. So the machine code itself is looked at.
"""

import platform
import re
import shutil
import subprocess
import sys

import pytest
from helpers_machine_code import (
    ARITHMETIC,
    BLOCKS,
    EXPONENTIAL,
    FUSED,
    LETTER,
    LIBM,
    REGISTER,
    code,
    functions,
    imported,
    is_packed,
    loops,
    module_file,
)

from actloss_c import _dispatch, registry

pytestmark = [
    pytest.mark.skipif(shutil.which("objdump") is None, reason="objdump is not installed"),
    pytest.mark.skipif(platform.machine() != "x86_64" or sys.platform != "linux", reason="reads x86-64 ELF files only"),
]

KINDS = ("value", "grad", "value_and_grad", "backward")
BUILT = _dispatch.built_levels()  # also those that do not run here
EACH_LEVEL = pytest.mark.parametrize("level", BUILT)
ELEMENTARY = [(f"elementary_{e.name}", "value") for e in registry.ELEMENTARY]
PAIRS = [(e, str(kind)) for e in registry.PAIR_LOSSES for kind in range(5)]
FORMS = {e.name: ("", "_uniform") if e.params else ("",) for e in registry.ACTIVATIONS}  # of parameters: arrays or numbers
OF_ACTIVATIONS = [(e, f"{kind}{form}") for e in registry.ACTIVATIONS for kind in KINDS for form in FORMS[e.name]]
INSTANCES = [(e.name, kind) for e, kind in OF_ACTIVATIONS] + ELEMENTARY + [(e.name, kind) for e, kind in PAIRS]
POLYNOMIALS = [(e.name, kind) for e, kind in OF_ACTIVATIONS if re.search(EXPONENTIAL, e.formula)] + ELEMENTARY
POLYNOMIALS += [(e.name, kind) for e, kind in PAIRS if re.search(EXPONENTIAL, f"{e.gradient} {e.terms}")]
EACH_INSTANCE = pytest.mark.parametrize("name,kind", INSTANCES)
ROWS = {f"{e.name}{part}": e for e in registry.LOSSES for part in ("", "_general") if e.soft or not part}
EACH_TYPE = pytest.mark.parametrize("suffix", LETTER, ids=("float32", "float64"))


def calls(lines):
    """Symbols that are called or jumped to outside; "?" for an address from memory or a register."""
    inside = {line.address for line in lines}
    made = set()
    for line in lines:
        if line.op.startswith("call") or line.op.startswith("j"):
            address, symbol = line.target
            if address not in inside:
                made.add(symbol or "?")
    return made


def moves_vectors(line, level):
    """Whether it loads, stores, selects, compares or combines whole vectors: a select needs no arithmetic."""
    return re.search(r"p[sd]$", line.op) is not None and f"%{REGISTER[level]}" in line.operands


def is_scalar(line):
    """Arithmetic, comparison or conversion of one number; broadcasts and moves are not meant."""
    return re.fullmatch(rf"({ARITHMETIC}|v?u?comi|v?cmp\w*|v?cvt\w+2)s[sd]|v?cvtt?s[sd]2\w+", line.op) is not None


def text(lines):
    return "\n".join(map(str, lines))


# --- elementwise -------------------------------------------------------------------------------------------------------------


@EACH_LEVEL
@EACH_INSTANCE
@EACH_TYPE
def test_hot_loop_is_packed(level, name, kind, suffix):
    """Every loop of the instance works on whole vectors of its level: there is no scalar one, not even for a remainder."""
    lines = code(level, f"{name}_{kind}_{suffix}")
    found = loops(lines)
    assert found, f"no loop:\n{text(lines)}"
    for loop in found:
        assert any(moves_vectors(line, level) for line in loop), f"no packed {REGISTER[level]}:\n{text(loop)}"
        assert not [str(line) for line in loop if is_scalar(line)], text(loop)


@EACH_LEVEL
@EACH_INSTANCE
@EACH_TYPE
def test_instance_calls_nothing(level, name, kind, suffix):
    """Everything is inlined: no function, no libm, no libmvec."""
    assert not calls(code(level, f"{name}_{kind}_{suffix}"))


@EACH_LEVEL
@EACH_INSTANCE
def test_float_stays_float(level, name, kind):
    """A bare Python literal is a C double and would take the loop with it."""
    lines = code(level, f"{name}_{kind}_f")
    double = re.compile(rf"v?cvtt?(s[sd]2s|p[sd]2p)[sd]|{ARITHMETIC}[ps]d")
    wrong = [line for line in lines if double.fullmatch(line.op)]
    assert not wrong, text(wrong)


@EACH_LEVEL
@pytest.mark.parametrize("name,kind", POLYNOMIALS)
@EACH_TYPE
def test_polynomials_use_fma(level, name, kind, suffix):
    """Fused where the level has the instruction, nowhere else: contraction is off and `fma` is explicit."""
    lines = code(level, f"{name}_{kind}_{suffix}")
    fused = [line for line in lines if re.match(FUSED, line.op)]
    if level == "baseline":  # the module may be one that does not run here
        assert not fused
    else:
        packed = [line for line in fused if is_packed(line, level, LETTER[suffix])]
        assert len(packed) >= 5, f"{len(packed)} packed fused multiply-adds:\n{text(lines)}"


@EACH_LEVEL
@pytest.mark.parametrize("name,parameter", [(e.name, p.name) for e in registry.ACTIVATIONS for p in e.params if p.learned])
@pytest.mark.parametrize("form", ("", "_uniform"))
@EACH_TYPE
def test_learned_gradients_are_packed_too(level, name, parameter, form, suffix):
    """Their sums as well; some compilers leave loops that fetch and put back the accumulators, which compute nothing."""
    lines = code(level, f"{name}_backward_{parameter}{form}_{suffix}")
    assert not calls(lines)
    packed = [any(is_packed(line, level, LETTER[suffix]) for line in loop) for loop in loops(lines)]
    others = [loop for loop, is_work in zip(loops(lines), packed, strict=True) if not is_work]
    assert any(packed)
    assert all(any(moves_vectors(line, level) for line in loop) and not any(map(is_scalar, loop)) for loop in others)


CLAMPED = [(e.name, kind) for e, kind in OF_ACTIVATIONS if e.name in ("sigmoid", "tanh", "elu", "softsign")]
CLAMPED += [("prelu", "backward_alpha"), ("prelu", "backward_alpha_uniform")]


@EACH_LEVEL
@pytest.mark.parametrize("name,kind", CLAMPED)
@EACH_TYPE
def test_clamps_are_one_operation(level, name, kind, suffix):
    """maxps or minps in every clamp: elu has two, and what selects nothing beside them compares nothing."""
    ops = [line.op for loop in loops(code(level, f"{name}_{kind}_{suffix}")) for line in loop]
    clamps = [op for op in ops if re.fullmatch(rf"v?(max|min)p{LETTER[suffix]}", op)]
    assert len(clamps) >= (2 if name == "elu" else 1)
    if name in ("tanh", "softsign"):
        assert not [op for op in ops if re.fullmatch(rf"v?cmp\w*p{LETTER[suffix]}", op)]


# --- losses ------------------------------------------------------------------------------------------------------------------


@EACH_LEVEL
@pytest.mark.parametrize("name", ROWS)
@EACH_TYPE
def test_rows_are_packed(level, name, suffix):
    """The exponentials of a row: loops of many packed operations, fused where the level can, and no scalar one beside them.

    The compiler adds scalar remainders, which panels of whole groups never enter.
    """
    fuses = level != "baseline" and re.search(EXPONENTIAL, ROWS[name].formula)
    counted = re.compile(FUSED if fuses else ARITHMETIC)
    lines = code(level, f"{name}_{suffix}")
    found = loops(lines)
    packed = [sum(is_packed(line, level, LETTER[suffix]) for line in loop if counted.match(line.op)) for loop in found]
    work = [loop for loop, count in zip(found, packed, strict=True) if count >= 5]
    # One along and one across, or the sums and the derivatives. One logarithm per row is no loop where a panel is four vectors.
    least = 2 if ROWS[name].variable == "z" else 0
    assert len(work) >= least, f"of {len(found)} loops, {len(work)} compute with {REGISTER[level]}, {least} is the least"
    assert sum(is_packed(line, level, LETTER[suffix]) for line in lines if counted.match(line.op)) >= 5
    for loop in work:
        assert not [str(line) for line in loop if is_scalar(line)], text(loop)


@EACH_LEVEL
@pytest.mark.parametrize("name", ROWS)
@EACH_TYPE
def test_rows_call_only_block_copies(level, name, suffix):
    made = calls(code(level, f"{name}_{suffix}"))
    assert made <= BLOCKS, f"also calls {sorted(made - BLOCKS)}"


# --- functions of rows -------------------------------------------------------------------------------------------------------

ROW_FUNCTIONS = pytest.mark.parametrize("name", [f"{e.name}{kind}" for e in registry.ROWS for kind in ("", "_backward")])


@EACH_LEVEL
@ROW_FUNCTIONS
@EACH_TYPE
def test_functions_of_rows_are_packed(level, name, suffix):
    """As the losses are: one loop along and one across at least, of many packed operations, fused where the level can."""
    counted = re.compile(ARITHMETIC if level == "baseline" else FUSED)
    found = loops(code(level, f"{name}_{suffix}"))
    packed = [sum(is_packed(line, level, LETTER[suffix]) for line in loop if counted.match(line.op)) for loop in found]
    work = [loop for loop, count in zip(found, packed, strict=True) if count >= 5]
    assert len(work) >= 2, f"of {len(found)} loops, {len(work)} compute with {REGISTER[level]}"
    for loop in work:
        assert not [str(line) for line in loop if is_scalar(line)], text(loop)


@EACH_LEVEL
@ROW_FUNCTIONS
@EACH_TYPE
def test_functions_of_rows_call_only_block_copies(level, name, suffix):
    made = calls(code(level, f"{name}_{suffix}"))
    assert made <= BLOCKS, f"also calls {sorted(made - BLOCKS)}"


# --- maxima over pieces ------------------------------------------------------------------------------------------------------


@EACH_LEVEL
@pytest.mark.parametrize("kind", ("", "_backward"))
@pytest.mark.parametrize("name", [e.name for e in registry.MAXOUT if not e.linear])
@EACH_TYPE
def test_pieces_are_packed(level, name, kind, suffix):
    """Comparisons of whole vectors, in rows where they lie and in those collected in a block; of numbers, no other comparison."""
    lines = code(level, f"{name}{kind}_{suffix}")
    compares = re.compile(r"v?p?cmp\w+")
    found = loops(lines)
    packed = [[line for line in loop if compares.match(line.op) and f"%{REGISTER[level]}" in line.operands] for loop in found]
    assert sum(map(bool, packed)) >= 3, f"of {len(found)} loops, {sum(map(bool, packed))} compare with {REGISTER[level]}"
    assert not [str(line) for line in lines if is_scalar(line)]
    made = calls(lines)
    assert made <= BLOCKS, f"also calls {sorted(made - BLOCKS)}"


# --- al.diagnose -------------------------------------------------------------------------------------------------------------


@EACH_LEVEL
@EACH_TYPE
def test_diagnoses_are_packed(level, suffix):
    """Sums in float64, across and along; comparisons in the inputs' own type. One call is to an address: f's own loop."""
    lines = code(level, f"study_{suffix}")
    made = calls(lines)
    assert made <= BLOCKS | {"?"}, f"also calls {sorted(made - BLOCKS)}"
    found = loops(lines)

    def with_vectors(ops, least):
        """Loops of so many of them on whole vectors."""
        wanted = re.compile(ops)
        return [lines for lines in found if sum(bool(wanted.match(i.op)) and moves_vectors(i, level) for i in lines) >= least]

    sums, counts = with_vectors("v?addpd", 3), with_vectors(rf"v?cmp\w*p{LETTER[suffix]}", 2)
    assert len(sums) >= 2 and len(counts) >= 3, f"of {len(found)} loops, {len(sums)} add and {len(counts)} compare vectors"
    for loop in sums + counts:
        assert not [str(line) for line in loop if is_scalar(line)], text(loop)


# --- modules -----------------------------------------------------------------------------------------------------------------


@EACH_LEVEL
def test_module_imports_no_mathematics(level):
    """Own polynomials: results must not depend on the C library of the machine."""
    assert not [name for name in imported(module_file(level)) if LIBM.fullmatch(name)]


@EACH_LEVEL
def test_level_keeps_to_its_instructions(level):
    """The baseline must run without AVX, x86_v3 without AVX-512, in every function of the module."""
    forbidden = {"baseline": r"%[yz]mm|%k[0-7]", "x86_v3": r"%zmm|%[xy]mm(1[6-9]|2\d|3[01])\b|%k[0-7]", "x86_v4": r"(?!)"}[level]
    every = [line for lines in functions(level).values() for line in lines]
    wrong = [str(line) for line in every if re.search(forbidden, line.operands)]
    if level == "baseline":
        later = re.compile(r"v\w+|andn|bextr|blsi|blsr|bzhi|lzcnt|movbe|mulx|pdep|pext|rorx|sarx|shlx|shrx")
        wrong += [str(line) for line in every if later.fullmatch(line.op)]
    assert not wrong, wrong[:5]


@EACH_LEVEL
def test_nothing_switches_flush_to_zero_on(level):
    """crtfastmath.o, which the linker adds for -ffast-math, sets the bits in a constructor before main."""
    assert "set_fast_math" not in functions(level)
    listed = subprocess.run(["nm", module_file(level)], capture_output=True, text=True, check=True).stdout
    assert "set_fast_math" not in listed


@EACH_LEVEL
def test_large_results_are_streamed(level):
    """The driver has stores that go past the caches, and waits for them before it returns."""
    ops = {line.op for line in code(level, "elementwise")}
    assert any("movnt" in op for op in ops) and "sfence" in ops
