#!/usr/bin/env python3
"""Prints examples/tutorial/btc-4h.csv: half a year of invented 4-hour bars, in the shape of a common download.

Newest row first, one column name that trimtab does not know, two bars missing, one row twice: what a file from a website
is like. Prices are a seeded walk in whole cents with a few trends; sums of uniform numbers alone, so that every platform
prints the same bytes.

    python3 examples/tutorial/btc-4h.py > examples/tutorial/btc-4h.csv
"""

import datetime
import random

BARS = 1080
TREND = [0.3, -0.1, -0.5, 0.6, 0.9, -0.2, 0.1, -0.8, 0.5]  # drift of each twentieth day's stretch, in steps of noise
MISSING = {411, 412}
TWICE = 700

draw = random.Random(20250101)


def noise():
    """About normal, variance one: twelve uniform numbers."""
    return sum(draw.random() for _ in range(12)) - 6.0


def main():
    start = datetime.datetime(2025, 1, 1)
    close = 94_000.0
    rows = []
    for bar in range(BARS):
        calm = 0.006 + 0.004 * ((bar // 90) % 3)
        drift = 0.12 * TREND[bar * len(TREND) // BARS]
        opened = close
        close = opened * (1.0 + calm * (noise() + drift))
        high = max(opened, close) * (1.0 + calm * abs(noise()) / 3.0)
        low = min(opened, close) * (1.0 - calm * abs(noise()) / 3.0)
        volume = 4_000.0 * (0.5 + draw.random()) * calm / 0.006
        time = start + datetime.timedelta(hours=4 * bar)
        prices = ",".join(f"{price:.1f}" for price in (opened, high, low, close))
        rows.append(f"{time:%Y-%m-%d %H:%M},{prices},{volume:.3f}")
    kept = [row for bar, row in enumerate(rows) for row in [row] * (2 if bar == TWICE else 1) if bar not in MISSING]
    print("Date,Open,High,Low,Close,Volume BTC")
    print("\n".join(reversed(kept)))


main()
