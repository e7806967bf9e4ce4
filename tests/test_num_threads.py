"""Threads of our own: no number of them changes a bit; how many there are; fork, spawn, and the caller's threads beside them."""

import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers_activations import inputs
from helpers_errors import refused
from helpers_process import fails_to_import, python, succeeds
from helpers_threads import elementwise, of_pairs, of_rows

import actloss_c
from actloss_c import _build

ELEMENTS = 131_072 + 3 * 16_384 + 77  # shared from so many on; three parts more, and a ragged one
ROWS = ((25_000, 3), (900, 130), (16, 20_000))  # rows, classes: several parts of each
NUMBER = "import actloss_c; print(actloss_c.get_num_threads())"
DTYPES = pytest.mark.parametrize("dtype", (np.float32, np.float64))


@pytest.fixture(autouse=True)
def one_thread_afterwards():
    """No test leaves threads on."""
    yield
    actloss_c.set_num_threads(1)


def assert_no_bit_changes(results, assert_same_bits):
    """results(): a list of arrays, the same for any number of threads."""
    want = results()
    for n in (2, 3, 8):
        with actloss_c.num_threads(n):
            for k, (got, expected) in enumerate(zip(results(), want, strict=True)):
                assert_same_bits(got, expected, f"result {k} of {n} threads")


# --- no bit changes ----------------------------------------------------------------------------------------------------------


@DTYPES
def test_elementwise(level, dtype, assert_same_bits):
    x, g = inputs(dtype, 2 * ELEMENTS)
    for layout in (slice(3, ELEMENTS), slice(None, None, 2), slice(ELEMENTS, None, -1)):
        with np.errstate(all="raise"):
            assert_no_bit_changes(lambda layout=layout: elementwise(level, x[layout], g[layout]), assert_same_bits)


@pytest.mark.parametrize("dtype", (np.float16, np.float32, np.float64))
def test_outputs_anywhere_on_their_lines(level, dtype, assert_same_bits):
    """The first part has the elements before those that begin a line, the last one what is left, if anything is."""
    x, _ = inputs(dtype, ELEMENTS + 64)
    f = _build.functions(level)["tanh"]
    y, dy = np.empty((2, x.size), dtype)
    for first in range(0, 17, 3):
        head = -y[first:].ctypes.data % 64 // y.itemsize
        for n in (131_072, 131_073, 131_072 + head, 131_073 + head, ELEMENTS):
            out = y[first : first + n], dy[first : first + n]

            def work(first=first, n=n, out=out):
                y[:] = dy[:] = 7
                f.value_and_grad(x[1 : 1 + n], out=out)
                return [y.copy(), dy.copy()]

            assert_no_bit_changes(work, assert_same_bits)


@DTYPES
def test_pairs(level, dtype, assert_same_bits):
    with np.errstate(all="raise"):
        assert_no_bit_changes(lambda: of_pairs(level, dtype, 3 * 32_768 + 77), assert_same_bits)


@DTYPES
def test_pairs_of_any_layout(level, dtype, assert_same_bits):
    """Parts begin anywhere in the index of several axes."""
    loss, random = _build.functions(level)["sigmoid_binary_cross_entropy"], np.random.default_rng(1)
    for shape in ((3, 47_001), (350, 11, 37), (131_000, 1), (5, 9, 3, 7, 130)):
        z = random.normal(0, 3, shape).astype(dtype)
        y, weight = random.integers(0, 2, shape), random.uniform(0, 2, shape)
        want = loss.value_grad_and_hess(z, y, sample_weight=weight)
        for order in ("C", "F", "strided"):
            given = np.repeat(z, 2, axis=-1)[..., ::2] if order == "strided" else np.array(z, order=order)
            for n in (1, 3):
                with actloss_c.num_threads(n):
                    for got, expected in zip(loss.value_grad_and_hess(given, y, sample_weight=weight), want, strict=True):
                        assert_same_bits(np.asarray(got), np.asarray(expected), f"{shape}, {order}, {n} threads")


@DTYPES
@pytest.mark.parametrize("shape", ROWS, ids=str)
@pytest.mark.parametrize("axis", (0, 1))
def test_rows(level, dtype, shape, axis, assert_same_bits):
    random = np.random.default_rng(2)
    z, g = (random.normal(0, 3, shape).astype(dtype) for _ in range(2))
    if axis == 0:
        z, g = np.ascontiguousarray(z.T), np.ascontiguousarray(g.T)
    with np.errstate(all="raise"):
        assert_no_bit_changes(lambda: of_rows(level, z, g, axis), assert_same_bits)


def test_rows_of_several_axes(level, assert_same_bits):
    """Parts begin anywhere in the index; the class axis is the first, a middle one or the last."""
    loss, random = _build.functions(level)["softmax_cross_entropy"], np.random.default_rng(3)
    z = random.normal(0, 3, (40, 10, 23, 31)).astype(np.float32)
    for axis in range(4):
        moved = np.moveaxis(z, 1, axis)
        t = random.integers(0, 10, [n for d, n in enumerate(moved.shape) if d != axis])
        for given in (moved, np.ascontiguousarray(moved)):
            assert_no_bit_changes(
                lambda given=given, t=t, axis=axis: [np.asarray(r) for r in loss.value_grad_and_hess(given, t, axis=axis)],
                assert_same_bits,
            )


def test_order_matters_where_results_are_read_again(level, assert_same_bits):
    """Outputs over inputs that lie beside them, and a ufunc's own accumulate."""
    sigmoid, backward = _build.functions(level)["sigmoid"], _build.ufuncs(level)["sigmoid_backward"]
    x = np.random.default_rng(4).normal(0, 3, ELEMENTS + 9).astype(np.float32)

    def over_itself(shift):
        memory = x.copy()
        return sigmoid(memory[:ELEMENTS], out=memory[shift:][:ELEMENTS])

    for shift in (0, 1, 9):
        assert_no_bit_changes(lambda shift=shift: [over_itself(shift).copy()], assert_same_bits)
    assert_no_bit_changes(lambda: [np.asarray(backward.reduce(x)), backward.accumulate(x)], assert_same_bits)


@pytest.mark.parametrize("order", "CF")
@pytest.mark.parametrize("dtype", (np.float64, np.float32, np.int8))
@pytest.mark.parametrize("at", (0, 65_535, 65_536, 262_143, 262_151))
def test_bad_targets_are_found_in_any_part(level, at, dtype, order):
    """Parts are checked by several threads, before any is written."""
    hinge, shape = _build.functions(level)["hinge"], (2, 131_076)
    z, out = np.zeros(shape, order=order), np.full(shape, 7.0, order=order)
    target = np.where(np.arange(z.size) % 3, 1, -1).astype(dtype).reshape(shape, order=order)
    place = np.unravel_index(at, shape, order=order)
    for threads in (1, 2, 5):
        with actloss_c.num_threads(threads):
            target[place] = 0
            with refused(ValueError, f"target[{place[0]}, {place[1]}]", "is 0", keeps=(out,)):
                hinge.value_and_grad(z, target, out=out)
            target[place] = -1
            assert hinge(z, target) == 1


# --- who works ---------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts the threads of the process in /proc")
def test_threads_are_started_when_needed(tmp_path):
    """Not by setting their number, nor by a small call; a larger number needs more of them later."""
    script = """
import os, numpy, actloss_c
def count():
    return len(os.listdir("/proc/self/task"))
small, large = numpy.zeros(1000), numpy.zeros(1_000_000)
before = count()
actloss_c.set_num_threads(3)
actloss_c.sigmoid(small)
assert count() == before
for n, more in ((3, 2), (2, 2), (5, 4)):
    actloss_c.set_num_threads(n)
    actloss_c.sigmoid(large)
    assert count() == before + more, (n, count(), before)
"""
    assert succeeds(python(script, tmp_path)) == ""


def test_threads_of_the_caller(level, assert_same_bits):
    """Eight at once, each with parts for three: who finds the workers taken does all of its own."""
    x = np.random.default_rng(5).normal(0, 3, 300_000).astype(np.float32)
    z = x.reshape(-1, 10)
    f, softmax = _build.functions(level)["tanh"], _build.functions(level)["softmax"]
    want = (*f.value_and_grad(x), softmax(z))
    with actloss_c.num_threads(3), ThreadPoolExecutor(8) as pool:
        for results in pool.map(lambda _: (*f.value_and_grad(x), softmax(z)), range(200)):
            for got, expected in zip(results, want, strict=True):
                assert_same_bits(got, expected)


def test_many_calls_one_after_the_other(level, assert_same_bits):
    """Workers that come late find the next call's parts, or none; the number of threads changes all the time."""
    random = np.random.default_rng(6)
    x = random.normal(0, 3, 200_000).astype(np.float32)
    f = _build.functions(level)["elu"]
    want, out = f(x), np.empty_like(x)
    for n in random.integers(1, 7, 1500):
        actloss_c.set_num_threads(int(n))
        out[::1000] = 7
        assert np.array_equal(f(x, out=out), want)


SCRIPT = """
import multiprocessing, os, numpy as np, actloss_c
TASKS = "/proc/self/task"  # the threads of the process, on Linux
x = np.linspace(-9, 9, 500_000, dtype=np.float32)
def work(k):
    total = 0.0
    for _ in range(20):
        total += float(actloss_c.tanh(x).sum()) + actloss_c.squared_error(x, x)
    workers = len(os.listdir(TASKS)) - 1 if os.path.isdir(TASKS) else NUMBER - 1
    assert workers >= NUMBER - 1, workers
    return total, actloss_c.get_num_threads()
if __name__ == "__main__":
    actloss_c.set_num_threads(NUMBER)
    want = work(0)
    with multiprocessing.get_context("METHOD").Pool(3) as pool:
        results = pool.map(work, range(12))
    assert all(total == want[0] for total, _ in results)
    assert {n for _, n in results} == {NUMBER}, results
    assert work(0) == want
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process")
def test_after_fork(tmp_path):
    """A child starts threads of its own, whatever the parent's were doing."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.replace("METHOD", "fork").replace("NUMBER", "3"))
    assert succeeds(python(path, tmp_path)) == ""


def test_spawn(tmp_path):
    """A process that starts anew has the number of its environment."""
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.replace("METHOD", "spawn").replace("NUMBER", "2"))
    assert succeeds(python(path, tmp_path, ACTLOSS_C_NUM_THREADS="2")) == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_fork_in_the_middle_of_a_call(tmp_path):
    """From one thread while another one's call has the workers: the child's do not wait for those that it does not have."""
    script = """
import os, threading, warnings, numpy as np, actloss_c
warnings.simplefilter("ignore")
x = np.linspace(-9, 9, 2_000_000, dtype=np.float32)
want = actloss_c.tanh(x)
actloss_c.set_num_threads(4)
stop = threading.Event()
def busy():
    while not stop.is_set():
        actloss_c.tanh(x)
thread = threading.Thread(target=busy)
thread.start()
try:
    for _ in range(30):
        child = os.fork()
        if child == 0:
            os._exit(0 if np.array_equal(actloss_c.tanh(x), want) else 1)
        assert os.waitpid(child, 0)[1] == 0
finally:
    stop.set()
    thread.join()
"""
    assert succeeds(python(script, tmp_path)) == ""


# --- how many ----------------------------------------------------------------------------------------------------------------


def test_one_thread_by_default(tmp_path):
    for variables in ({}, {"ACTLOSS_C_NUM_THREADS": ""}):
        assert succeeds(python(NUMBER, tmp_path, **variables)) == "1\n"


def test_set_and_restored():
    """A block restores what was before, also when it fails and inside another."""
    actloss_c.set_num_threads(5)
    with actloss_c.num_threads(2):
        assert actloss_c.get_num_threads() == 2
        with pytest.raises(ZeroDivisionError), actloss_c.num_threads(np.int64(7)):
            assert actloss_c.get_num_threads() == 7
            raise ZeroDivisionError
        assert actloss_c.get_num_threads() == 2
    assert actloss_c.get_num_threads() == 5
    for n in (1, 256, True):
        actloss_c.set_num_threads(n)
        assert actloss_c.get_num_threads() == n


def test_bad_numbers():
    actloss_c.set_num_threads(3)
    for name, use in (
        ("set_num_threads", actloss_c.set_num_threads),
        ("num_threads", lambda n: actloss_c.num_threads(n).__enter__()),
    ):
        for bad in (0, -1, 257, 1 << 70):
            with refused(ValueError, name, "n", bad, "from 1 to 256"):
                use(bad)
        for bad in (1.0, "2", None, [1]):
            with refused(TypeError, name, "n", "integer"):
                use(bad)
    assert actloss_c.get_num_threads() == 3


def test_environment(tmp_path):
    assert succeeds(python(NUMBER, tmp_path, ACTLOSS_C_NUM_THREADS="4")) == "4\n"
    for bad in ("0", "257", "many", "1.5"):
        message = fails_to_import(python(NUMBER, tmp_path, ACTLOSS_C_NUM_THREADS=bad))
        assert "ACTLOSS_C_NUM_THREADS" in message and repr(bad) in message and "from 1 to 256" in message
