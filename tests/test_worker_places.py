"""Where the workers run, on Linux: one that is woken on the caller's processor is sent to another one."""

import os

import pytest
from helpers_process import python, succeeds

pytestmark = pytest.mark.skipif(
    not os.path.isdir("/proc/self/task") or len(os.sched_getaffinity(0)) < 2,
    reason="needs /proc, and two processors that this process may use",
)
BEGIN = """
import ctypes, os, subprocess, sys, time, numpy, actloss_c
x = numpy.ones(1_000_000, numpy.float32)
out = numpy.empty_like(x)
both = set(sorted(os.sched_getaffinity(0))[-2:])
own, other = sorted(both)
before = set(os.listdir("/proc/self/task"))
actloss_c.set_num_threads(2)
actloss_c.relu(x, out=out)
(worker,) = (int(thread) for thread in set(os.listdir("/proc/self/task")) - before)
os.sched_setaffinity(worker, both)
os.sched_setaffinity(0, {own})  # the caller's thread alone

def work(calls=1, function=actloss_c.relu):
    seen = []
    for _ in range(calls):
        function(x, out=out)
        seen.append(os.sched_getaffinity(worker))
    return seen
"""
ON_THE_CALLERS = """
busy = "import os; os.sched_setaffinity(0, {%d}); print(flush=True); any(iter(int, 1))"
for home, away in (own, other), (other, own), (own, other):
    neighbour = subprocess.Popen([sys.executable, "-c", busy % away], stdout=subprocess.PIPE)  # nobody wakes up there
    try:
        neighbour.stdout.readline()
        os.sched_setaffinity(0, {home})  # in the second and third round where the worker alone may be
        until = time.monotonic() + 30
        while os.sched_getaffinity(worker) != {away}:
            assert time.monotonic() < until, (home, os.sched_getaffinity(worker))
            time.sleep(0.01)
            work(30)
        assert os.sched_getaffinity(0) == {home}
    finally:
        neighbour.kill()
"""
FORKED = """
libc = ctypes.CDLL(None)
child = libc.fork()  # not os.fork: Python's hooks, which make the child forget the pool, do not run
if child == 0:
    for _ in range(20):
        actloss_c.relu(x, out=out)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert os.sched_getaffinity(worker) == both
"""
COMING = """
x = numpy.ones(8_000_000)
out = numpy.empty_like(x)
until, kept = time.monotonic() + 20, 0
while kept < 8:  # others may have the worker's processor for a while
    assert time.monotonic() < until, kept
    os.sched_setaffinity(worker, {other})
    work()
    os.sched_setaffinity(worker, both)
    kept = sum(mask == both for mask in work(8, actloss_c.tanh))  # ten milliseconds each
"""


def test_one_on_the_callers_processor_is_moved(tmp_path):
    """Again, when the caller follows it, to where it might be before."""
    succeeds(python(BEGIN + ON_THE_CALLERS, tmp_path))


def test_one_that_comes_stays_where_it_may(tmp_path):
    """A call of milliseconds is no reason to send it away."""
    succeeds(python(BEGIN + COMING, tmp_path))


def test_a_child_leaves_its_parents_alone(tmp_path):
    succeeds(python(BEGIN + FORKED, tmp_path))
