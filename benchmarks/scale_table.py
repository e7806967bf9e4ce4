"""Gradient descent on a file larger than the memory of the process that reads it, and what dask adds to the kernels' time.

    python benchmarks/scale_table.py [gigabytes] [folder]

Prints the table of docs/scale.md. The file (2 GB unless told) is made in the folder, the system's temporary one if none is given,
and removed at the end. Its pages are dropped before the first step, which reads it from the disk; the others find it in the
system's cache, which is no process's memory. For Linux.
"""

import os
import sys
import tempfile
from time import perf_counter

import dask
import dask.array as da
import numpy as np
from distributed import Client, LocalCluster

import actloss_c as al

D, CLASSES, BLOCK, LIMIT = 256, 10, 1 << 15, 512 << 20  # numbers and classes of a row, rows of a block, bytes of memory


def make(path, rows):
    """Files of `rows` rows and of their labels, which a linear map gives, but for noise; the labels."""
    random = np.random.default_rng(0)
    w = random.standard_normal((D, CLASSES), np.float32)
    labels = np.empty(rows, np.int64)
    file = np.lib.format.open_memmap(path, "w+", np.float32, (rows, D))
    for first in range(0, rows, BLOCK):
        x = random.standard_normal((min(BLOCK, rows - first), D), np.float32)
        file[first : first + len(x)] = x
        labels[first : first + len(x)] = np.argmax(x @ w + 5 * random.standard_normal((len(x), CLASSES), np.float32), axis=1)
    file.flush()
    np.save(path.replace("x.npy", "labels.npy"), labels)
    return labels


def rows_of(path, block):
    """A dask array of the file's rows, `block` at a time; a task opens the file itself, so that no bytes of it travel."""
    header = np.load(path, mmap_mode="r")

    def read(block_info=None):
        first, stop = block_info[None]["array-location"][0]
        return np.array(np.load(path, mmap_mode="r")[first:stop])

    chunks = da.core.normalize_chunks((block,) + (-1,) * (header.ndim - 1), header.shape)
    return da.map_blocks(read, chunks=chunks, dtype=header.dtype, meta=np.empty((0,) * header.ndim, header.dtype))


def forget(path):
    """Drops the file's pages from the system's cache."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def timed(step, path, times):
    """(results, seconds of the first call, which reads from the disk, and the least of the others)."""
    results, seconds = [], []
    forget(path)
    for _ in range(times):
        start = perf_counter()
        results.append(step())
        seconds.append(perf_counter() - start)
    return results, seconds[0], min(seconds[1:])


def descent(x, labels, rate=2.0):
    """A function that makes a step of gradient descent and returns the loss before; W alone stays from step to step."""
    w = np.zeros((D, CLASSES), np.float32)

    def step():
        loss, _, dw = al.dask.linear_softmax_cross_entropy.value_and_grad(x, w, labels)
        loss, dw = dask.compute(loss, dw)
        np.subtract(w, rate * dw, out=w)
        return float(loss)

    return step


def loop(path, labels):
    """The same pass in a loop of NumPy arrays, without dask."""
    w, total, sum_dw = np.zeros((D, CLASSES), np.float32), 0.0, 0.0
    for first in range(0, len(labels), BLOCK):
        x = np.array(np.load(path, mmap_mode="r")[first : first + BLOCK])
        loss, _, dw = al.linear_softmax_cross_entropy.value_and_grad(x, w, labels[first : first + BLOCK], reduction="sum")
        total, sum_dw = total + loss, sum_dw + dw
    return total / len(labels)


def peak():
    """Bytes of memory that this process had at most. (getrusage counts those of the process that started it, too.)"""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))


def main(gigabytes="2", folder=None):
    rows = int(float(gigabytes) * 1e9) // (4 * D)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        path = os.path.join(place, "x.npy")
        labels = make(path, rows)
        print(f"file {os.path.getsize(path) / 1e6:.0f} MB: {rows} rows of {D} float32, blocks of {BLOCK} rows")
        print("\n| processes | limit, MB | peak, MB | from the disk, s a step | from the cache, s | loss, step by step |")
        print("|---|---|---|---|---|---|")
        for workers in (1, 2):
            settings = {"n_workers": workers, "threads_per_worker": 1, "memory_limit": LIMIT, "dashboard_address": None}
            with LocalCluster(**settings) as cluster, Client(cluster) as client:
                x, y = (rows_of(os.path.join(place, name), BLOCK) for name in ("x.npy", "labels.npy"))
                losses, cold, warm = timed(descent(x, y), path, 4)
                most = max(client.run(peak).values())
            shown = ", ".join(f"{loss:.4f}" for loss in losses)
            print(f"| {workers} | {LIMIT / 1e6:.0f} | {most / 1e6:.0f} | {cold:.2f} | {warm:.2f} | {shown} |", flush=True)
        losses, cold, warm = timed(lambda: loop(path, labels), path, 3)
        print(f"| a loop without dask | | | {cold:.2f} | {warm:.2f} | {losses[0]:.4f} |")


if __name__ == "__main__":  # the cluster's processes import this file, too
    main(*sys.argv[1:])
