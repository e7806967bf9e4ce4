"""Prints the table of docs/torch_and_scipy.md: forward and backward by autograd, with actloss_c.torch and with PyTorch's own.

    python benchmarks/torch_table.py [--seconds 1] [--threads 1]

Both sides take turns on the same tensors, gradients that come in are given, and the shortest time counts.
"""

import argparse
import time

import numpy as np
import torch

import actloss_c as al
from actloss_c import bench

OWN = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "elu": torch.nn.functional.elu,
    "softmax_cross_entropy": torch.nn.functional.cross_entropy,
}
SHAPES = {False: ((16_000,), (1_000_000,)), True: ((1_600, 10), (16, 1_000), (100_000, 10), (1_000, 1_000))}


def step(f, x, others, g):
    """Forward and backward."""
    return lambda: torch.autograd.grad(f(x, *others), x, g)


def best(calls, seconds):
    """The shortest time of each call, in turns."""
    shortest, end = [np.inf] * len(calls), time.perf_counter() + seconds
    while time.perf_counter() < end:
        for k, call in enumerate(calls):
            call()
            for _ in range(5):
                start = time.perf_counter()
                call()
                shortest[k] = min(shortest[k], time.perf_counter() - start)
    return shortest


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=1, help="for each line")
    parser.add_argument("--threads", type=int, default=1, help="of both sides")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    al.set_num_threads(arguments.threads)
    print(f"{bench.processor()}, PyTorch {torch.__version__}, {arguments.threads} thread(s)\n")
    print("| function | shape | dtype | PyTorch | actloss_c.torch | ratio |\n|---|---|---|--:|--:|--:|")
    for name, own in OWN.items():
        rows = not hasattr(getattr(al, name), "kinks")
        for dtype in (torch.float32, torch.float64):
            for shape in SHAPES[rows]:
                x = (torch.randn(shape, dtype=dtype) * 3).requires_grad_(True)
                others, g = ((torch.randint(shape[1], shape[:1]),), None) if rows else ((), torch.randn(shape, dtype=dtype))
                theirs, ours = best([step(f, x, others, g) for f in (own, getattr(al.torch, name))], arguments.seconds)
                times = " | ".join(map(bench.seconds_as_text, (theirs, ours)))
                size = " × ".join(f"{n:,}" for n in shape)
                print(f"| `{name}` | {size} | {str(dtype)[6:]} | {times} | {theirs / ours:.2f} × |", flush=True)


if __name__ == "__main__":
    main()
