"""Charts the error in ULP against the time per element for every step of front.pxi, and for peers that are installed.

    python benchmarks/front.py -o docs      writes docs/accuracy_front.png and prints the tables of docs/accuracy.md
    python benchmarks/front.py --exhaustive --function elu

Float32, value and derivative together, arrays of 16 k in cache, outputs preallocated. Times are medians of rounds that take
turns in one process per level (bench.paired), the least of a few visits, because a processor changes its clock; for x86_v3 the
peers are held to AVX2. Errors are judge.py's maxima over its sample
of 17 million numbers and then over all numbers of those binades where the sample's maxima lie; --exhaustive walks all float32.
"""

import argparse
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import front_build
import numpy as np

from actloss_c import accuracy, baseline, bench, judge, peers, registry

N = 1 << 14
VISITS = 4
PANELS = {  # title: function, parameters
    "sigmoid": ("sigmoid", {}),
    "tanh": ("tanh", {}),
    "elu, alpha = 1": ("elu", {"alpha": 1.0}),
    "elu, alpha = 0.7": ("elu", {"alpha": 0.7}),
    "softsign": ("softsign", {}),
}
TORCH = peers.Torch()
PEERS = ("NumPy", TORCH.name)


# --- who is measured: calls without arguments, bound to arrays ------------------------------------------------------------------


def arrays(n):
    """x, y and dy on cache lines, a kilobyte apart in their pages: where an allocator puts them moves a time by a fifth."""
    apart = n + 256
    memory = np.empty(3 * apart + 16, np.float32)
    start = -memory.ctypes.data % 64 // memory.itemsize
    return memory[start : start + 3 * apart].reshape(3, apart)[:, :n]


def step_calls(points, title, x, y, dy):
    """{step: call} of a panel; points as of front_build."""
    function, params = PANELS[title]
    numbers = [np.array(value, np.float32) for value in params.values()]
    return {step: functools.partial(points[function, step], x, *numbers, y, dy) for step in front_build.STEPS[function]}


def peer_calls(title, x, y, dy):
    """{peer: call}: NumPy as the registry's `numpy` has it, with `out=`, and the kernels of PyTorch's forward and backward."""
    function, params = PANELS[title]
    tuned = baseline.Baseline(*registry.FUNCTIONS[function].numpy, x.dtype, x.shape)
    made = {"NumPy": functools.partial(tuned.value_and_grad, x, y, dy, **params)}
    if TORCH.is_installed and function != "softsign":  # which is composed of several kernels there
        made[TORCH.name] = torch_call(function, *map(TORCH.array, (x, y, dy)), **params)
    return made


def torch_call(function, x, y, dy, alpha=None):
    torch = TORCH.library
    torch.set_num_threads(1)
    g, backward = torch.ones_like(x), getattr(torch.ops.aten, f"{function}_backward").grad_input
    if function == "elu":
        forward = torch.ops.aten.elu.out

        def call():
            forward(x, alpha, out=y)
            backward(g, alpha, 1, 1, False, x, grad_input=dy)

    else:
        forward = getattr(torch, function)

        def call():
            forward(x, out=y)
            backward(g, y, grad_input=dy)

    return call


# --- measuring ----------------------------------------------------------------------------------------------------------------


def question(title):
    """What the judge is asked."""
    function, params = PANELS[title]
    return judge.Question(function, "float32", tuple(params.items()), levels=())


def judged(title, calls, x, y, dy, tasks):
    """Verdicts on calls that are bound to arrays of the judge's chunk, over some of its tasks."""

    def answer(numbers, call):
        x[:] = numbers
        call()
        return y, dy

    walker = judge.Judge(question(title), {label: functools.partial(answer, call=call) for label, call in calls.items()})
    return judge.verdicts(walker.question, map(walker.walk, tasks), walker.limits())


def largest(title, calls, x, y, dy, exhaustive):
    """The verdict with the largest error, for every call in every kind."""
    found = judged(title, calls, x, y, dy, judge.tasks(question(title), exhaustive))
    if exhaustive:
        return found
    worst = np.array([v.x for v in found if v.who not in PEERS], np.float32).view(np.uint32)
    binades = [((first, 1, 1 << 23),) for first in np.unique(worst >> 23 << 23).tolist()]
    closer = judged(title, calls, x, y, dy, binades)
    return [max(pair, key=lambda v: v.ulp) for pair in zip(found, closer, strict=True)]


def measure(file, titles, seconds, exhaustive):
    """{panel: {label: {"ns": …, "ulp": [value, derivative], "at": [their x in hex]}}} of one level's module."""
    peers.use_one_thread()
    points, result, name = front_build.points(file), {}, file.name.partition(".")[0]
    for title in VISITS * titles:
        x, y, dy = arrays(N)
        x[:] = np.random.default_rng(0).standard_normal(N) * 3
        calls = step_calls(points, title, x, y, dy) | peer_calls(title, x, y, dy)
        with np.errstate(all="ignore"):
            times = bench.paired(list(calls.values()), seconds / len(titles) / VISITS)
        rows = result.setdefault(title, {label: {"ns": np.inf, "ulp": [], "at": []} for label in calls})
        for row, time in zip(rows.values(), times, strict=True):
            row["ns"] = min(row["ns"], time / N * 1e9)
        print(f"{name}: {title} timed", file=sys.stderr)
    for title in titles:
        chunk = arrays(judge.CHUNK)
        for verdict in largest(title, step_calls(points, title, *chunk) | peer_calls(title, *chunk), *chunk, exhaustive):
            row = result[title][verdict.who]
            row["ulp"].append(verdict.ulp)
            row["at"].append(accuracy.hexadecimal(verdict.x))
        print(f"{name}: {title} judged", file=sys.stderr)
    return result


def held_to(level):
    """The environment in which NumPy and PyTorch use no more than the level."""
    if level != "x86_v3":
        return os.environ
    from numpy._core._multiarray_umath import __cpu_dispatch__, __cpu_features__

    wider = [name for name in __cpu_dispatch__ if name.startswith(("AVX512", "X86_V4")) and __cpu_features__[name]]
    return {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(wider), "ATEN_CPU_CAPABILITY": "avx2"}


def measure_levels(levels, titles, arguments):
    """{level: result of measure}, a process per level."""
    with tempfile.TemporaryDirectory() as folder:
        files = front_build.build(levels, Path(folder) / "tree")
        results = {}
        for level in levels:
            command = [sys.executable, __file__, "--module", files[level], "--seconds", str(arguments.seconds)]
            command += ["--exhaustive"] * arguments.exhaustive + [w for title in titles for w in ("--panel", title)]
            done = subprocess.run(command, env=held_to(level), stdout=subprocess.PIPE, check=True)
            results[level] = json.loads(done.stdout)
    return results


def check_same_errors(results):
    """The levels with FMA compute the same bits, so their steps have the same errors at the same places."""
    first, *others = results.values()
    for other in others:
        for title, rows in first.items():
            for label, row in rows.items():
                if label not in PEERS and (row["ulp"], row["at"]) != (other[title][label]["ulp"], other[title][label]["at"]):
                    sys.exit(f"{title}, {label}: the levels differ: {row}, {other[title][label]}")


# --- showing ------------------------------------------------------------------------------------------------------------------


def ulp_text(error):
    """As a bound."""
    return accuracy.rounded_up(error, 3)


def table(title, results):
    """Markdown lines: the steps of a panel and its peers."""
    levels = list(results)
    lines = [f"| {title} | step | {' | '.join(f'ns, {level}' for level in levels)} | ULP, value | ULP, derivative |"]
    lines += ["|---|---|" + "---:|" * (len(levels) + 2)]
    what = front_build.STEPS[PANELS[title][0]]
    for k, label in enumerate(results[levels[0]][title]):
        rows = [results[level][title][label] for level in levels]
        ulp = [ulp_text(max(row["ulp"][kind] for row in rows)) for kind in (0, 1)]
        mark = "**" * (label == front_build.SHIPPED)
        number = str(k + 1) if label in what else ""
        cells = [number, what.get(label, label), *(f"{row['ns']:.3f}" for row in rows), *ulp]
        lines.append("| " + " | ".join(f"{mark}{cell}{mark}" if cell else "" for cell in cells) + " |")
    shipped = results[levels[0]][title][front_build.SHIPPED]
    at = " and ".join(f"{kind} at {x}" for kind, x in zip(judge.KINDS, shipped["at"], strict=True))
    return [*lines, "", f"Largest errors of the shipped step: {at}.", ""]


def main():
    """Builds, measures, prints, draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, help="folder for accuracy_front.png; without it nothing is drawn")
    parser.add_argument("--function", action="append", choices=list(front_build.STEPS), help="only this one (repeatable)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of timing, for each level (default %(default)g)")
    parser.add_argument("--exhaustive", action="store_true", help="judge all float32")
    parser.add_argument("--module", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--panel", action="append", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.module:
        print(json.dumps(measure(arguments.module, arguments.panel, arguments.seconds, arguments.exhaustive)))
        return
    titles = [title for title, (function, _) in PANELS.items() if not arguments.function or function in arguments.function]
    results = measure_levels(front_build.charted(), titles, arguments)
    check_same_errors(results)
    versions = {"NumPy": np.__version__, **({TORCH.name: TORCH.version} if TORCH.is_installed else {})}
    print(*accuracy.provenance(versions), "", *(line for title in titles for line in table(title, results)), sep="\n")
    if arguments.output:
        import front_chart

        front_chart.draw(results, titles, arguments.output / "accuracy_front.png")


if __name__ == "__main__":
    main()
