"""Compares the bits of arm64 with those of x86_v3: python tests/same_bits_arm64.py [--compiler COMMAND] [--keep FOLDER]

Needs an x86-64 machine with FMA, a compiler for aarch64 and QEMU's user-mode emulation (Debian: gcc-aarch64-linux-gnu,
libc6-dev-arm64-cross, qemu-user-static), Cython and NumPy; not the installed package. In a temporary folder it builds one level
module for each machine with setup.py's own command and flags, so this is also the test that the source builds for arm64. Behind
the glue that setup.py writes from the registry stands a main() (same_bits_arm64.pxi); only what it reaches is linked, without
Python. Both programs get the same operands; results must agree bit for bit, NaN as NaN, and leave no floating-point flag.

Then the machine code is looked at: every activation's loop works on whole NEON vectors, and nothing calls a function of libm.
The printed tables are those of docs/accuracy.md. The exit status is 1 if anything differs.
"""

import argparse
import collections
import contextlib
import dataclasses
import functools
import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from helpers_arrays import bits
from helpers_cross import DTYPES, Target, activation_cases, build, finished, losses, pair_losses, row_functions, setup
from helpers_machine_code import BLOCKS, EXPONENTIAL, LIBM, disassembled, imported
from helpers_rows import CLASSES, LONG, batch

LETTER = {4: "s", 8: "d"}  # size of a number: letter of its NEON vectors
TOOLS = "aarch64-linux-gnu-"
PACKAGES = "on Debian: apt-get install gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"
FAILED = {
    2: "did not get its operands",
    3: "changed the floating-point flags",
    -4: "died of an illegal instruction: this processor does not have the level",
}


# --- operands -------------------------------------------------------------------------------------------------------------------


@functools.cache
def x_of(dtype):
    """Bit patterns (of float32 every 1021st), 33 around the start of each exponent, and as many ordinary numbers as 2^20."""
    unsigned, random = np.dtype(f"u{dtype.itemsize}"), np.random.default_rng(dtype.itemsize)
    exponents = np.arange(1 << (dtype.itemsize * 8 - np.finfo(dtype).nmant), dtype=unsigned) << np.finfo(dtype).nmant
    around = (exponents[:, None] + np.arange(-16, 17).astype(unsigned)).ravel()
    if dtype == np.float32:
        some = np.arange(0, 1 << 32, 1021, dtype=np.uint64).astype(unsigned)  # a prime: 4 206 628 patterns
    else:
        some = random.integers(0, 1 << 64, 1 << 22, dtype=unsigned)
    ordinary = random.choice([-1.0, 1.0], 1 << 20) * 10 ** random.uniform(-4, 2.1, 1 << 20)
    return np.concatenate([some.view(dtype), around.view(dtype), ordinary.astype(dtype)])


def operand(name, entry, x):
    """x itself; g: x in another order; a parameter: its default, and anything from 0.1 to 3."""
    random = np.random.default_rng(len(name))
    if name == "x":
        return x
    if name == "g":
        return random.permutation(x)
    default = next(p.default for p in entry.params if p.name == name)
    return np.where(random.random(x.size) < 0.5, default, 10 ** random.uniform(-1, 0.5, x.size)).astype(x.dtype)


# --- running and comparing ------------------------------------------------------------------------------------------------------


def run(target, program, arguments, inputs, kinds):
    """Results of the program as arrays; kinds: (count, dtype) of each."""
    command = [*shlex.split(target.emulator), str(program), *map(str, arguments)]
    done = subprocess.run(command, input=b"".join(a.tobytes() for a in inputs), capture_output=True, check=False)
    if done.returncode:
        what = FAILED.get(done.returncode, f"exit status {done.returncode}")
        sys.exit(f"{target.name}: {shlex.join(command)}: {what}\n{done.stderr.decode()}")
    results, offset = [], 0
    for count, dtype in kinds:
        results.append(np.frombuffer(done.stdout, dtype, count, offset))
        offset += results[-1].nbytes
    assert offset == len(done.stdout), "the program and this script disagree on the results' sizes"
    return results


@dataclasses.dataclass
class Count:
    """How many results of one function and dtype were compared."""

    compared: int = 0
    different: int = 0
    first: str = ""

    def add(self, got, want, what):
        for k, (one, other) in enumerate(zip(got, want, strict=True)):
            wrong = np.flatnonzero(bits(one) != bits(other))
            self.compared += one.size
            self.different += wrong.size
            if wrong.size and not self.first:
                at = wrong[0]
                self.first = f"{what(at)}, result {k}: {float(one[at]).hex()} and {float(other[at]).hex()}"


def compare_activations(ask, counts):
    for which, case in enumerate(activation_cases()):
        x = x_of(case.dtype)
        if case.learned:
            compare_learned(ask, counts, which, case)
            continue
        inputs = [operand(name, case.entry, x) for name in case.inputs]

        def at(k, case=case, inputs=inputs):
            named = zip(case.inputs, inputs, strict=True)
            return f"{case.kind}, " + ", ".join(f"{name} = {float(values[k]).hex()}" for name, values in named)

        found = ask(("a", which, case.dtype.itemsize, x.size), inputs, [(x.size, case.dtype)] * len(case.outputs))
        counts[case.entry.name, case.dtype.name].add(*found, at)


def compare_learned(ask, counts, which, case):
    """dx and the sum for one parameter per channel, of ordinary numbers: most sums of random patterns are NaN."""
    random = np.random.default_rng(which)
    for outer, channels, inner in ((1, 1, 100_000), (1, 20_000, 1), (70, 30, 40), (3, 17, 129)):
        shape = (outer, channels, inner)
        g, x = (random.normal(0, 2, shape).astype(case.dtype) for _ in range(2))
        a = random.uniform(0.1, 2, channels).astype(case.dtype)
        found = ask(
            ("l", which, case.dtype.itemsize, *shape), (g, x, a), ((x.size, case.dtype), (channels, np.dtype(np.float64)))
        )
        counts[case.entry.name, case.dtype.name].add(*found, lambda k, shape=shape: f"{case.kind}, shape {shape}, [{k}]")


def compare_losses(ask, counts):
    entries = {entry.name: entry for entry in setup().load_registry().LOSSES}
    for which, (name, c_type) in enumerate(losses()):
        dtype = DTYPES[c_type]
        for classes, special, across in itertools.product((*CLASSES, *LONG), (False, True), (False, True)):
            rows = max(70, 60_000 // classes)
            z, target = batch(classes, dtype, (rows,), seed=13, special=special, entry=entries[name])
            weight = np.random.default_rng(classes).uniform(0.1, 3, rows)
            inputs = (z.T if across else z, target, weight, np.array([weight.sum() if special else 1.0]))
            kinds = ((rows, dtype), (z.size, dtype), (z.size, dtype), (1, np.dtype(np.float64)))
            found = ask(("r", which, dtype.itemsize, rows, classes, int(across)), inputs, kinds)
            what = f"{rows} rows of {classes} classes" + ", across" * across
            counts[name, dtype.name].add(*found, lambda k, what=what: f"{what}, [{k}]")


def compare_pairs(ask, counts):
    """Ordinary numbers and any bits, targets of every kind that a loss takes and does not take, parameters from 0.1 to 3."""
    for which, (name, c_type) in enumerate(pair_losses()):
        dtype, random = DTYPES[c_type], np.random.default_rng(which)
        z = x_of(dtype)
        z = random.permutation(np.concatenate([z[::5], z[-(1 << 20) :]]))
        z = z[: z.size // 16 * 16]
        y = np.choose(random.integers(0, 4, z.size), (0.0, 1.0, random.random(z.size), random.normal(0, 9, z.size))).astype(dtype)
        z = np.where(random.random(z.size) < 0.3, random.random(z.size).astype(dtype), z)
        others = [(10 ** random.uniform(-1, 0.5, z.size)).astype(dtype) for _ in range(4)]
        found = ask(("p", which, dtype.itemsize, z.size), (z, y, *others), [(z.size, dtype)] * 3)
        counts[name, dtype.name].add(*found, lambda k, z=z, y=y: f"z = {float(z[k]).hex()}, y = {float(y[k]).hex()}")


def compare_row_functions(ask, counts):
    entries = {entry.name: entry for entry in setup().load_registry().ROWS}
    for which, (name, backward, c_type) in enumerate(row_functions()):
        dtype, reduces = DTYPES[c_type], entries[name].reduces
        for classes, special, across in itertools.product((*CLASSES, *LONG), (False, True), (False, True)):
            rows = max(70, 60_000 // classes)
            z, _ = batch(classes, dtype, (rows,), seed=17, special=special)
            g = np.random.default_rng(classes).normal(0, 2, rows if reduces else z.shape).astype(dtype)
            inputs = [z.T if across else z, *([g.T if across and not reduces else g] if backward else [])]
            results = [(rows if reduces and not backward else z.size, dtype)]
            found = ask(("f", which, dtype.itemsize, rows, classes, int(reduces), int(backward), int(across)), inputs, results)
            what = f"{'backward, ' * backward}{rows} rows of {classes} classes" + ", across" * across
            counts[name, dtype.name].add(*found, lambda k, what=what: f"{what}, [{k}]")


# --- what the compiler made of it -----------------------------------------------------------------------------------------------


def check_machine_code(target, module):
    """(a sentence that describes arm64's machine code, what is wrong with it)."""
    code = disassembled(module, f"{TOOLS}objdump")
    arithmetic = re.compile(r"f(n?madd|n?msub|n?mul|add|sub|div|sqrt|cvt\w*|c?cmpe?)")
    wrong, fused = [], []
    for case in activation_cases():
        lines = code[target.symbol + case.instance]
        scalar = [str(line) for line in lines if arithmetic.fullmatch(line.op) and re.match(r"[sd]\d", line.operands)]
        calls = [str(line) for line in lines if line.op in ("bl", "blr")]
        packed = [line for line in lines if re.match(rf"v\d+\.[24]{LETTER[case.dtype.itemsize]}", line.operands)]
        for what, bad in (("scalar arithmetic", scalar), ("calls", calls), ("no vectors", [] if packed else ["scalar"])):
            wrong += [f"{case.instance}: {what}: {'; '.join(bad[:3])}"] if bad else []
        if re.search(EXPONENTIAL, case.entry.formula):
            fused.append(sum(line.op in ("fmla", "fmls") for line in packed))
    for name, c_type in losses():
        lines = code[f"{target.symbol}{name}_{setup().SUFFIX[c_type]}"]
        called = {line.target[1] or "?" for line in lines if line.op in ("bl", "blr")}
        wrong += [f"{name}: calls {other}" for other in called - BLOCKS]
        fused.append(sum(line.op in ("fmla", "fmls") for line in lines))
    wrong += [f"the module imports {name}" for name in imported(module, f"{TOOLS}nm") if LIBM.fullmatch(name)]
    if min(fused) < 5:
        wrong.append(f"a loop with an exponential has {min(fused)} packed fused multiply-adds")
    return (
        f"{len(activation_cases())} loops of activations: NEON vectors only, no calls; "
        f"at least {min(fused)} packed fused multiply-adds where there is an exponential, rows included; nothing of libm."
    ), wrong


# --- the report -----------------------------------------------------------------------------------------------------------------


def need(*commands):
    missing = [command for command in commands if shutil.which(shlex.split(command)[0]) is None]
    if missing:
        sys.exit(f"{', '.join(missing)}: not found; {PACKAGES}")


def version(command):
    return finished([*shlex.split(command), "--version"]).splitlines()[0]


def report(counts):
    yield "| function | dtype | results compared | different | the first |"
    yield "|---|---|---|---|---|"
    for (name, dtype), count in counts.items():
        numbers = f"{count.compared:,} | {count.different:,}".replace(",", "\u202f")
        yield f"| `{name}` | {dtype} | {numbers} | {count.first} |"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compiler", default=f"{TOOLS}gcc", help="for aarch64, with its options (%(default)s)")
    parser.add_argument("--keep", type=Path, help="a new folder to build in, which stays")
    given = parser.parse_args()
    emulator = next(filter(shutil.which, ("qemu-aarch64-static", "qemu-aarch64")), "qemu-aarch64-static")
    native = os.environ.get("CC", "gcc")
    need(native, given.compiler, emulator, f"{TOOLS}objdump", f"{TOOLS}nm")
    targets = (Target("x86_v3", "x86_64", "x86_v3", native), Target("arm64", "aarch64", "baseline", given.compiler, emulator))
    with contextlib.ExitStack() as stack:
        folder = given.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(exist_ok=True)
        wrong = compare(targets, folder, given.compiler == parser.get_default("compiler"))
    sys.exit("\n".join(wrong) or 0)


def compare(targets, folder, judge_code):
    """Prints everything; what is wrong. Other compilers need not make the same machine code."""
    programs, modules = {}, {}
    for target in targets:
        start = time.monotonic()
        programs[target], modules[target], log = build(target, folder / target.name)
        print(f"{target.name}: {version(target.compiler)}, level module built in {time.monotonic() - start:.0f} s")
        warnings = [line for line in log.splitlines() if "warning:" in line]
        print(f"    {len(warnings)} warnings", *warnings, sep="\n    ")
    arm = targets[-1]
    print(f"run by {version(arm.emulator)}")
    seconds = dict.fromkeys(targets, 0.0)

    def ask(arguments, inputs, kinds):
        found = []
        for target in targets:
            start = time.monotonic()
            found.append(run(target, programs[target], arguments, inputs, kinds))
            seconds[target] += time.monotonic() - start
        return found

    counts = collections.defaultdict(Count)
    compare_activations(ask, counts)
    compare_losses(ask, counts)
    compare_pairs(ask, counts)
    compare_row_functions(ask, counts)
    print(*report(counts), sep="\n")
    print(*(f"{target.name}: {spent:.0f} s" for target, spent in seconds.items()), sep=", ")
    different = sum(count.different for count in counts.values())
    wrong = [f"{different} results differ"] if different else []
    said, exceptions = check_machine_code(arm, modules[arm])
    print(f"not so, with {len(exceptions)} exceptions: {said}" if exceptions else said)
    return wrong + (exceptions if judge_code else [])


if __name__ == "__main__":
    main()
