"""Machine code as objdump prints it, and what must not or must be in it."""

import functools
import importlib.util
import re
import subprocess
from dataclasses import dataclass

LIBM = re.compile(
    r"(exp|exp2|expm1|log|log1p|log2|log10|tanh|sinh|cosh|sin|cos|pow|sqrt|fma|erf|erfc|rint|floor|fabs|nan)f?|_ZGV\w+"
    r"|fe(get|set)exceptflag"
)
BLOCKS = {"memcpy", "memset", "memmove"}
EXPONENTIAL = r"\b(exp|expm1|tanh|sigmoid|logsumexp|softmax)\("  # in a formula: its kernel has a polynomial
REGISTER = {"baseline": "xmm", "x86_v3": "ymm", "x86_v4": "zmm"}
LETTER = {"f": "s", "d": "d"}  # suffix of an instance → last letter of its arithmetic: mulps, mulpd
FUSED = r"vfn?m(add|sub)(132|213|231)"
ARITHMETIC = rf"(v?(add|sub|mul|div|max|min|sqrt)|{FUSED})"


@dataclass(frozen=True)
class Line:
    address: int
    op: str
    operands: str

    def __str__(self):
        return f"{self.address:x}: {self.op} {self.operands}"

    @property
    def target(self):
        """(address, symbol) that a jump or call names; (None, None) for an indirect one."""
        found = re.match(r"([0-9a-f]+) <([^>+@]+)", self.operands)
        return (int(found[1], 16), found[2]) if found else (None, None)


def disassembled(file, objdump="objdump"):
    """{symbol: its instructions} of an object file or module."""
    command = [objdump, "-d", "--no-show-raw-insn", "--wide", str(file)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    made, lines = {}, []
    for line in text.splitlines():
        if header := re.match(r"[0-9a-f]+ <(.+)>:$", line):
            lines = made.setdefault(header[1], [])
        elif code := re.match(r" *([0-9a-f]+):\s+(?:(?:bnd|rep[nz]*|notrack|lock|data16|cs) )*(\S+)\s*(.*)$", line):
            lines.append(Line(int(code[1], 16), code[2], code[3]))
    return made


def module_file(level):
    return importlib.util.find_spec(f"actloss_c._{level}").origin


@functools.cache
def functions(level):
    """{symbol: its instructions} of a level's module."""
    return disassembled(module_file(level))


def code(level, function):
    """The instructions of one of our C functions, whatever the compiler appended to its name (.part, .cold …)."""
    pattern = re.compile(rf"__pyx_f_\d+actloss_c_\d+_{level}_{function}(\.\w+)*$")
    found = [lines for symbol, lines in functions(level).items() if pattern.match(symbol)]
    assert found, f"{function} is not in {module_file(level)}: stripped, or inlined away"
    return [line for lines in found for line in lines]


def loops(lines):
    """The innermost loops: what lies between a conditional jump back and its target, and holds no smaller one.

    An unconditional jump back is the end of code that was moved out of the way.
    """
    spans = []
    for line in lines:
        target, _ = line.target
        if re.match(r"j(?!mp)", line.op) and target is not None and lines[0].address <= target <= line.address:
            spans.append((target, line.address))
    inner = [s for s in spans if not any(o != s and s[0] <= o[0] and o[1] <= s[1] for o in spans)]
    return [[line for line in lines if first <= line.address <= last] for first, last in inner]


def is_packed(line, level, letter):
    """Whether it is arithmetic on whole vectors of the level."""
    return re.fullmatch(rf"{ARITHMETIC}p{letter}", line.op) is not None and f"%{REGISTER[level]}" in line.operands


def imported(module, nm="nm"):
    """Symbols that a module wants from others."""
    command = [nm, "-D", "--undefined-only", str(module)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1].partition("@")[0] for line in listed.splitlines()]
    assert any(name.startswith("Py") for name in names), "nm lists nothing"
    return names
