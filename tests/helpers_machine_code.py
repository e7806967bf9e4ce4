"""Machine code as objdump prints it, and what must not or must be in it."""

import re
import subprocess
from dataclasses import dataclass

LIBM = re.compile(
    r"(exp|exp2|expm1|log|log1p|log2|log10|tanh|sinh|cosh|sin|cos|pow|sqrt|fma|erf|erfc|rint|floor|fabs|nan)f?|_ZGV\w+"
    r"|fe(get|set)exceptflag"
)
BLOCKS = {"memcpy", "memset", "memmove"}
EXPONENTIAL = r"\b(exp|expm1|tanh|sigmoid|logsumexp|softmax)\("  # in a formula: its kernel has a polynomial


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


def imported(module, nm="nm"):
    """Symbols that a module wants from others."""
    command = [nm, "-D", "--undefined-only", str(module)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    names = [line.split()[-1].partition("@")[0] for line in listed.splitlines()]
    assert any(name.startswith("Py") for name in names), "nm lists nothing"
    return names
