"""Prints the tables of docs/performance.md on layouts, memory and 16 bits: value and gradient, one thread.

    python benchmarks/layouts_table.py [--seconds 60]

Medians of rounds that take turns in one process (bench.paired). Layouts: the share of the contiguous speed, float32, outputs
given, 4096 elements, which a core keeps close. Memory: ns per element, up to far beyond the caches. 16 bits: against NumPy's
float16 with `out=` and PyTorch's bfloat16, forward and backward kernels without autograd.
"""

import argparse

import numpy as np

import actloss_c as al
from actloss_c import _build, baseline, bench, peers, registry

LAYOUTS = {
    "every 2nd": lambda a, n: a[::2][:n],
    "3rd": lambda a, n: a[::3][:n],
    "4th": lambda a, n: a[::4][:n],
    "7th": lambda a, n: a[::7][:n],
    "backwards": lambda a, n: a[:n][::-1],
    "half of each row": lambda a, n: a[: 2 * n].reshape(-1, 128)[:, :64],
    "transposed": lambda a, n: a[:n].reshape(64, -1).T,
}
LAID_OUT = ("sigmoid", "tanh", "elu", "softsign", "relu", "leaky_relu")
IN_MEMORY = ("sigmoid", "tanh", "elu", "softsign", "relu")
NARROW = ("sigmoid", "tanh", "relu", "elu")


def filled(n, dtype):
    return np.resize(np.random.default_rng(0).normal(scale=3, size=1 << 16), n).astype(dtype)


def written(x):
    """An array like x whose memory is there."""
    return np.full_like(x, 7)


def layouts(seconds, n=4096):
    print("| | " + " | ".join((*LAYOUTS, "outputs every 2nd")) + " |\n|---|" + "--:|" * (len(LAYOUTS) + 1))
    wide = filled(8 * n, np.float32)
    for name in LAID_OUT:
        f = getattr(al, name)
        inputs = {"contiguous": wide[:n], **{what: view(wide, n) for what, view in LAYOUTS.items()}}
        cases = [(x, (np.empty(x.shape, x.dtype), np.empty(x.shape, x.dtype))) for x in inputs.values()]
        cases.append((wide[:n], tuple(written(wide[: 2 * n])[::2] for _ in range(2))))
        calls = [lambda f=f, x=x, o=outs: f.value_and_grad(x, out=o) for x, outs in cases]
        own, *others = bench.paired(calls, seconds / len(LAID_OUT))
        print(f"| {name} | " + " | ".join(f"{own / other:.2f}" for other in others) + " |")


def memory(seconds, sizes=(1 << 20, 1 << 22, 1 << 24)):
    print("\n| | " + " | ".join(f"{n >> 20} M, `out=` | fresh" for n in sizes) + " |\n|---|" + "--:|" * (2 * len(sizes)))
    rows = {name: [] for name in ("the loop that copies twice", *IN_MEMORY)}
    for n in sizes:
        x = filled(n, np.float32)
        outs, calls = (written(x), written(x)), []
        for name in rows:
            f = getattr(al, name).value_and_grad if name in IN_MEMORY else _build.machine_limit()
            calls += [lambda f=f, x=x, o=outs: f(x, out=o), lambda f=f, x=x: f(x)]
        times = bench.paired(calls, seconds / len(sizes))
        for k, row in enumerate(rows.values()):
            row += [f"{time / n * 1e9:.2f}" for time in times[2 * k : 2 * k + 2]]
    for name, row in rows.items():
        print(f"| {name} | " + " | ".join(row) + " |")


def torch_calls(name, n):
    """The forward and backward kernels on bfloat16, one after the other."""
    torch = peers.Torch().library
    x = torch.from_numpy(filled(n, np.float32)).to(torch.bfloat16)
    y, dx, g = torch.empty_like(x), torch.empty_like(x), torch.ones_like(x)
    aten = torch.ops.aten
    if name == "relu":
        return lambda: (torch.clamp_min(x, 0, out=y), aten.threshold_backward.grad_input(g, x, 0, grad_input=dx))
    if name == "elu":
        return lambda: (aten.elu.out(x, 1.0, out=y), aten.elu_backward.grad_input(g, 1.0, 1, 1, False, x, grad_input=dx))
    forward, backward = getattr(torch, name), getattr(aten, f"{name}_backward").grad_input
    return lambda: (forward(x, out=y), backward(g, y, grad_input=dx))


def narrow(seconds, sizes=(1 << 14, 1 << 18)):
    import ml_dtypes

    print("\n| | " + " | ".join(f"{n >> 10} k, ns, float16 | × NumPy | ns, bfloat16 | × PyTorch" for n in sizes) + " |")
    print("|---|" + "--:|" * (4 * len(sizes)))
    for name in NARROW:
        entry, row = registry.FUNCTIONS[name], []
        params = {p.name: p.default for p in entry.params}
        for n in sizes:
            half, brain = filled(n, np.float16), filled(n, ml_dtypes.bfloat16)
            outs = [(written(x), written(x)) for x in (half, brain)]
            tuned, f = baseline.Baseline(*entry.numpy, half.dtype, (n,)), getattr(al, name)
            calls = [
                lambda f=f, x=half, o=outs[0]: f.value_and_grad(x, out=o),
                lambda t=tuned, x=half, o=outs[0], p=params: t.value_and_grad(x, *o, **p),
                lambda f=f, x=brain, o=outs[1]: f.value_and_grad(x, out=o),
                torch_calls(name, n),
            ]
            with np.errstate(all="ignore"):
                ours, numpy, ours_too, torch = bench.paired(calls, seconds / len(NARROW) / len(sizes))
            row += [f"{ours / n * 1e9:.2f}", f"{numpy / ours:.1f}", f"{ours_too / n * 1e9:.2f}", f"{torch / ours_too:.2f}"]
        print(f"| {name} | " + " | ".join(row) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60, help="for all tables")
    seconds = parser.parse_args().seconds / 3
    peers.use_one_thread()
    layouts(seconds)
    memory(seconds)
    narrow(seconds)


if __name__ == "__main__":
    main()
