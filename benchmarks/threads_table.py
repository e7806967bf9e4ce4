"""Prints the table of threads in docs/performance.md: what several give against one.

    python benchmarks/threads_table.py [--threads 2] [--seconds 2] [--sizes 10e3,1e6] [--function sigmoid …]

The calls are those of `actloss_c bench`: value and gradient, outputs given, every function at each of its sizes. One thread and
several take turns, and the ratio is that of the best times. The line before tells what processes that do not know of each other
reach here: no pool can do better.
"""

import argparse
import multiprocessing
import os
import time

import numpy as np

import actloss_c as al
from actloss_c import bench, registry

SIZES = (10_000, 65_536, 131_072, 262_144, 1 << 20, 1 << 22, 1 << 24)


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


def alone(barrier, rates, place, seconds):
    """Calls per second of one process among several."""
    x = np.random.default_rng(place).normal(0, 3, 1 << 18).astype(np.float32)
    outs, count = (np.empty_like(x), np.empty_like(x)), 0
    barrier.wait()
    start = time.perf_counter()
    while time.perf_counter() < start + seconds:
        al.sigmoid.value_and_grad(x, out=outs)
        count += 1
    rates[place] = count / (time.perf_counter() - start)


def machine(processes, seconds):
    """How often several processes do what one does in the same time."""
    totals = []
    for n in (1, processes):
        barrier, rates = multiprocessing.Barrier(n), multiprocessing.Array("d", n)
        workers = [multiprocessing.Process(target=alone, args=(barrier, rates, k, seconds)) for k in range(n)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        totals.append(sum(rates))
    return totals[1] / totals[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="compared with one")
    parser.add_argument("--seconds", type=float, default=2, help="for each line")
    parser.add_argument("--sizes", type=bench.size_list, default=SIZES, help="of activations")
    parser.add_argument("--function", nargs="+", default=list(registry.FUNCTIONS), choices=registry.FUNCTIONS, metavar="FUNCTION")
    arguments = parser.parse_args()
    print(f"{arguments.threads} processes do {machine(arguments.threads, arguments.seconds):.2f} times what one does\n")
    print(f"| function | size | one thread | {arguments.threads} threads are |\n|---|--:|--:|--:|")
    for name, size, _, (call, *_), _ in bench.cases(arguments.function, arguments.sizes, np.dtype(np.float32)):
        times = best(call, (1, arguments.threads), arguments.seconds)
        print(
            f"| {name} | {size} | {bench.seconds_as_text(times[1])} | {times[1] / times[arguments.threads]:.2f} × as fast |",
            flush=True,
        )


if __name__ == "__main__":
    main()
