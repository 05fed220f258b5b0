#!/usr/bin/env python3
"""Golden cases of the range-based volatilities, from the published formulas with explicit weights.

    python3 vectors/range_volatility.py > vectors/range_volatility.json

Each row: open, high, low, close of an hourly bar, then the annualised Parkinson and Garman-Klass volatilities after it at
a half-life of five bars; 0 while fewer than five bars were seen. The engine updates one number a bar; here the whole
history is weighed anew each time: the oldest bar has what all later weights leave over.
"""
import math
import random

HALF_LIFE = 5
A_YEAR = 365 * 24
rng = random.Random(20251010)


def parkinson(o, h, l, c):
    # M. Parkinson, J. Business 53 (1980).
    return math.log(h / l) ** 2 / (4 * math.log(2))


def garman_klass(o, h, l, c):
    # M. Garman, M. Klass, J. Business 53 (1980), the practical estimator.
    return 0.5 * math.log(h / l) ** 2 - (2 * math.log(2) - 1) * math.log(c / o) ** 2


def annualised(variances):
    decay = 0.5 ** (1 / HALF_LIFE)
    weights = [(1 - decay) * decay**age for age in range(len(variances))]
    weights[-1] = 1 - math.fsum(weights[:-1])
    total = math.fsum(w * v for w, v in zip(weights, reversed(variances)))
    return math.sqrt(total * A_YEAR)


bars = []
price = 60000.0
for _ in range(40):
    path = [price]
    for _ in range(12):
        path.append(round(path[-1] * math.exp(rng.gauss(0, 0.002)), 1))
    bars.append((path[0], max(path), min(path), path[-1]))
    price = path[-1]

rows = []
for count in range(1, len(bars) + 1):
    seen = bars[:count]
    warm = count >= HALF_LIFE
    values = [annualised([f(*bar) for bar in seen]) if warm else 0 for f in (parkinson, garman_klass)]
    rows.append("  [" + ", ".join(repr(x) for x in (*bars[count - 1], *values)) + "]")
print("[\n" + ",\n".join(rows) + "\n]")
