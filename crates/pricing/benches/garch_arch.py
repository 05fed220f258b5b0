"""Milliseconds of CPU that the package arch takes for the fits of `garch.rs`, median of nine: normal, Student."""
import math
import time

import numpy
from arch import arch_model

state = 7


def total():
    global state
    result = -6.0
    for _ in range(12):
        state = (state * 6364136223846793005 + 1442695040888963407) & ((1 << 64) - 1)
        result += (state >> 32) / 4294967296.0
    return result


variance = 5.0
returns = []
for _ in range(2500):
    squares = sum(one * one for one in (total() for _ in range(6)))
    surprise = math.sqrt(variance) * total() / math.sqrt(squares / 6.0) * 0.816
    variance = 0.3 + 0.08 * surprise * surprise + 0.86 * variance
    returns.append(0.05 + surprise)
returns = numpy.array(returns)
for law in ["normal", "t"]:
    times = []
    for _ in range(9):
        model = arch_model(returns, dist=law, rescale=False)
        start = time.thread_time()
        model.fit(disp="off")
        times.append(1e3 * (time.thread_time() - start))
    print(sorted(times)[4])
