"""Calls from several threads at once."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from helpers_activations import inputs
from helpers_threads import elementwise, of_pairs, of_rows

from actloss_c import _build


def test_threads_at_the_same_time(level, assert_same_bits):
    """Eight threads that start together, on all functions, with shared inputs: the bits of one thread."""
    workers, (x, g) = 8, inputs(np.float32, 20_000)
    z, slope = x.reshape(400, 50), g.reshape(400, 50)

    def everything():
        rows = [result for axis in (0, 1) for result in of_rows(level, z, slope, axis)]
        return elementwise(level, x, g) + of_pairs(level, x.dtype, 5000) + rows

    want = everything()
    start = threading.Barrier(workers)

    def work(_):
        start.wait()
        return everything()

    with ThreadPoolExecutor(workers) as pool:
        for results in pool.map(work, range(workers)):
            for k, got in enumerate(results):
                assert_same_bits(got, want[k], f"result {k}")


@pytest.mark.parametrize("plain", (True, False))
def test_others_run_meanwhile(level, plain):
    """No kernel of a loss holds Python's lock: another thread's clock ticks in the middle of a call."""
    functions, rows = _build.functions(level), 300_000
    z, t = np.zeros((rows, 10), np.float32), np.zeros(rows, int)
    y, weight = np.zeros(z.shape, np.float32), None if plain else np.ones(rows)
    for call in (
        lambda: functions["softmax_cross_entropy"].value_and_grad(z, t, sample_weight=weight),
        lambda: functions["sigmoid_binary_cross_entropy"].value_and_grad(z if plain else z[::-1], y),
        lambda: functions["softmax"](z if plain else z[::-1]),
    ):
        spans = []

        def work(call=call, spans=spans):
            for _ in range(3):
                start = time.perf_counter()
                call()
                spans.append((start, time.perf_counter()))

        thread = threading.Thread(target=work)
        thread.start()
        ticks = [time.perf_counter()]
        while thread.is_alive():
            ticks.append(time.perf_counter())
            ticks = ticks[-1_000_000:]
        thread.join()
        ticks = np.array(ticks)
        assert any(((ticks > start + 0.3 * (end - start)) & (ticks < end - 0.3 * (end - start))).any() for start, end in spans)
