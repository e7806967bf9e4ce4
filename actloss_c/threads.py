"""How many threads a call may use: one, until its user says otherwise. No number of them changes a bit of any result."""

import contextlib
import operator
import os

from . import _pool

VARIABLE = "ACTLOSS_C_NUM_THREADS"


def get_num_threads():
    """The number of threads that a call may use, its own among them."""
    return _pool.get_width()


def set_num_threads(n):
    """Lets each call use up to n threads, 1 to 256, in the whole process; 1 is the default.

    They are this package's own, started when a call first needs them and asleep between calls. Calls on fewer than some ten
    thousand numbers use one thread, as waking another would take longer than they do. One call at a time has the threads: those
    made meanwhile from other threads of the caller's use one each. With n above the number of processors, calls wait for each
    other's turns: len(os.sched_getaffinity(0)) is the largest number that helps. A process forked off keeps the number and starts
    threads of its own. On Linux, one that wakes on the caller's processor, or does not come for 0.3 ms, is kept off it from then
    on, until it is to be kept off another one (sched_setaffinity, of this package's threads alone).

    The environment variable ACTLOSS_C_NUM_THREADS sets the number at import.

    Raises TypeError for what is not an integer, ValueError for an integer out of range.
    """
    _pool.set_width(_checked(n, "set_num_threads: n"))


@contextlib.contextmanager
def num_threads(n):
    """with num_threads(n): lets each call use up to n threads until the block ends; see set_num_threads. In the whole process,
    too: blocks of several threads of the caller's must not overlap."""
    n, before = _checked(n, "num_threads: n"), get_num_threads()
    _pool.set_width(n)
    try:
        yield
    finally:
        _pool.set_width(before)


def _checked(n, what):
    try:
        count = operator.index(n)
    except TypeError:
        raise TypeError(f"{what}={n!r} is not an integer") from None
    if not 1 <= count <= _pool.MOST_THREADS:
        raise ValueError(f"{what}={count}; it must be from 1 to {_pool.MOST_THREADS}; more than processors do not help")
    return count


def _set_by_environment():
    given = os.environ.get(VARIABLE)
    if not given:
        return
    try:
        _pool.set_width(_checked(int(given), VARIABLE))
    except ValueError:
        raise ImportError(f"actloss_c: {VARIABLE}={given!r} must be an integer from 1 to {_pool.MOST_THREADS}") from None


_set_by_environment()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.forget)
