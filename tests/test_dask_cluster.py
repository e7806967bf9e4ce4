"""A cluster of several processes: tasks, functions and errors travel, and files larger than a process's memory go through."""

import os

import numpy as np
import pytest

pytest.importorskip("dask.array")
pytest.importorskip("distributed")

import dask
import dask.array as da
from distributed import Client, LocalCluster

import actloss_c as al
from actloss_c import registry

N, CLASSES = 1000, 7
LIMIT = 3 << 26  # bytes of memory that a process may have
FILE = 13 << 24


@pytest.fixture(scope="module")
def client():
    settings = {"distributed.worker.memory.spill": False, "distributed.comm.timeouts.connect": "60s"}
    workers = {"n_workers": 2, "threads_per_worker": 1, "processes": True, "memory_limit": LIMIT, "dashboard_address": None}
    with dask.config.set(settings), LocalCluster(**workers) as cluster, Client(cluster) as client:
        yield client


def test_every_kind_of_function(client):
    """One task of each; in two processes that are not this one."""
    z = np.random.default_rng(0).normal(size=(N, CLASSES))
    x, target = da.from_array(z, chunks=((300, 701 - 300, 299), CLASSES)), np.arange(N) % CLASSES
    pairs = []
    for entry in (*registry.ACTIVATIONS, *registry.LOSSES):
        ours, numpys = getattr(al.dask, entry.name), getattr(al, entry.name)
        if entry in registry.ACTIVATIONS:
            pairs.append((ours.value_and_grad(x), numpys.value_and_grad(z)))
        else:
            p, q = (x, z) if entry.variable == "z" else (al.dask.softmax(x), al.softmax(z))
            pairs.append((ours.value_and_grad(p, target), numpys.value_and_grad(q, target)))
    for entry in registry.ROWS:
        pairs.append(((getattr(al.dask, entry.name)(x),), (getattr(al, entry.name)(z),)))
    for got, want in zip(client.compute([lazy for lazy, _ in pairs], sync=True), (want for _, want in pairs), strict=True):
        for one, expected in zip(got, want, strict=True):
            np.testing.assert_allclose(one, expected, rtol=1e-14)
    processes = client.run(os.getpid)
    assert len(set(processes.values()) - {os.getpid()}) == 2
    assert all("actloss_c" in names for names in client.run(lambda: list(__import__("sys").modules)).values())


def test_bad_label_arrives_with_its_block(client):
    target = np.arange(N) % CLASSES
    target[500] = CLASSES
    for entry in registry.LOSSES:
        with pytest.raises(IndexError, match=r"target\[100\] is 7") as caught:
            getattr(al.dask, entry.name)(da.full((N, CLASSES), 0.1, chunks=(400, CLASSES)), target).compute()
        assert "block (1" in "".join(caught.value.__notes__)


def test_file_larger_than_memory(client, tmp_path):
    """docs/scale.md's pattern: each task opens the file for its rows."""
    path, rows = str(tmp_path / "z.npy"), FILE // 4 // CLASSES
    file = np.lib.format.open_memmap(path, "w+", np.float32, (rows, CLASSES))
    file[: rows // 16] = np.random.default_rng(0).normal(scale=4, size=(rows // 16, CLASSES))  # the rest are zeros
    assert os.path.getsize(path) > LIMIT
    del file

    def peak():  # a function inside a function travels by value: no worker can import this file
        with open("/proc/self/status", encoding="ascii") as file:  # getrusage counts the parent's memory, too
            return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmHWM"))

    def read(block_info=None):
        (first, stop), _ = block_info[None]["array-location"]
        return np.array(np.load(path, mmap_mode="r")[first:stop])

    z = da.map_blocks(
        read, chunks=da.core.normalize_chunks((1 << 18, -1), (rows, CLASSES)), dtype=np.float32, meta=np.empty((0, 0), np.float32)
    )
    target = da.arange(rows, chunks=1 << 18) % CLASSES
    name = next(entry.name for entry in registry.LOSSES if entry.variable == "z")
    loss, g = getattr(al.dask, name).value_and_grad(z, target)
    loss, least, most = dask.compute(loss, g.min(), g.max())
    np.testing.assert_allclose(loss, getattr(al, name)(np.load(path, mmap_mode="r"), np.arange(rows) % CLASSES), rtol=1e-12)
    assert -1.001 < least * rows < -0.9 < 0.9 < most * rows < 1.001
    if os.path.exists("/proc/self/status"):
        assert max(client.run(peak).values()) < LIMIT
