"""Prints the table of threads in docs/performance.md: what several give against one, from the smallest size up.

    python benchmarks/threads_table.py [--threads 2] [--seconds 3]

float32, value and gradient, outputs given; one thread and several take turns, and the ratio is that of the best times. The line
before tells what two processes that do not know of each other reach here: no pool can do better.
"""

import argparse
import multiprocessing
import os
import time

import numpy as np

import actloss_c as al

SIZES = (10_000, 65_536, 131_072, 262_144, 1 << 20, 1 << 22, 1 << 24)
ROWS = ((8192, 10), (65_536, 10), (65_536, 100), (4096, 1000), (256, 131_072))


def best(call, counts, seconds):
    """{number of threads: the shortest time}, in turns."""
    shortest, end = dict.fromkeys(counts, np.inf), time.perf_counter() + seconds
    while time.perf_counter() < end:
        for n in counts:
            with al.num_threads(n):
                call()
                for _ in range(3):
                    start = time.perf_counter()
                    call()
                    shortest[n] = min(shortest[n], time.perf_counter() - start)
    return shortest


def alone(barrier, times, place, seconds):
    """Calls per second of one process among several."""
    x = np.random.default_rng(place).normal(0, 3, 1 << 18).astype(np.float32)
    outs, count = (np.empty_like(x), np.empty_like(x)), 0
    barrier.wait()
    start = time.perf_counter()
    while time.perf_counter() < start + seconds:
        al.sigmoid.value_and_grad(x, out=outs)
        count += 1
    times[place] = count / (time.perf_counter() - start)


def machine(processes, seconds):
    """How often several processes do what one does in the same time."""
    rates = []
    for n in (1, processes):
        barrier, times = multiprocessing.Barrier(n), multiprocessing.Array("d", n)
        workers = [multiprocessing.Process(target=alone, args=(barrier, times, k, seconds)) for k in range(n)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        rates.append(sum(times))
    return rates[1] / rates[0]


def calls():
    """{name: {size: call}}"""
    random = np.random.default_rng(0)
    made = {}
    for name in ("sigmoid", "tanh", "elu", "relu", "squared_error", "sigmoid_binary_cross_entropy"):
        function = getattr(al, name)
        for n in SIZES:
            x = random.normal(0, 3, n).astype(np.float32)
            y, dy = np.empty_like(x), np.empty_like(x)
            if "error" in name or "entropy" in name:
                target = (x > 0).astype(np.float32)
                call = lambda f=function, x=x, t=target, dy=dy: f.value_and_grad(x, t, out=dy)  # noqa: E731
            else:
                call = lambda f=function, x=x, y=y, dy=dy: f.value_and_grad(x, out=(y, dy))  # noqa: E731
            made.setdefault(name, {})[n] = call
    for name in ("softmax_cross_entropy", "softmax"):
        for shape in ROWS:
            z = random.normal(0, 3, shape).astype(np.float32)
            labels, out = random.integers(0, shape[1], shape[0]), np.empty_like(z)
            if name == "softmax":
                call = lambda z=z, out=out: al.softmax(z, out=out)  # noqa: E731
            else:
                call = lambda z=z, t=labels, out=out: al.softmax_cross_entropy.value_and_grad(z, t, out=out)  # noqa: E731
            made.setdefault(name, {})["×".join(map(str, shape))] = call
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="compared with one")
    parser.add_argument("--seconds", type=float, default=3, help="for each cell")
    arguments = parser.parse_args()
    print(f"{arguments.threads} processes do {machine(arguments.threads, arguments.seconds):.2f} times what one does\n")
    for name, by_size in calls().items():
        print(f"| {name} | " + " | ".join(f"{size}" for size in by_size) + " |")
        cells = []
        for call in by_size.values():
            times = best(call, (1, arguments.threads), arguments.seconds)
            cells.append(f"{times[1] * 1e6:.0f} µs, {times[1] / times[arguments.threads]:.2f}")
        print(f"| | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
