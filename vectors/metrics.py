#!/usr/bin/env python3
"""Golden figures of equity paths, computed naively from their definitions with the standard library alone.

    python3 vectors/metrics.py > vectors/metrics.json

Times are whole hours since 1970, equity is in whole units, so that both sides read the same doubles.
"""
import json
import math
import random
import statistics


def walk(rng, hours, vol, drift, hole=None):
    times, equity, value = [], [], 1_000_000.0
    for hour in hours:
        if hole and hole[0] < hour < hole[1]:
            continue
        times.append(hour)
        equity.append(round(value))
        calm = 1.0 + 0.8 * math.sin(hour / 700.0)
        value *= math.exp(drift + vol * calm * rng.gauss(0, 1))
    return times, equity


def day_returns(times, equity):
    last = {}
    for t, e in zip(times[1:], equity[1:]):
        last[math.ceil(t / 24)] = e
    out, before = [], equity[0]
    for day in sorted(last):
        out.append((day, last[day] / before - 1))
        before = last[day]
    return out


def vol(returns):
    return statistics.stdev(returns) * math.sqrt(365)


def figures(times, equity):
    days = [r for _, r in day_returns(times, equity)]
    span = (times[-1] - times[0]) / 24
    total = equity[-1] / equity[0] - 1
    peaks = [max(equity[: i + 1]) for i in range(len(equity))]
    falls = [e / p - 1 for e, p in zip(equity, peaks)]
    under = 0
    for i in range(len(equity)):
        for j in range(i + 1, len(equity)):
            under = max(under, times[j] - times[i]) if equity[j] < equity[i] else under
            if equity[j] >= equity[i]:
                if j > i + 1:
                    under = max(under, times[j] - times[i])
                break
    rolling = [vol(days[i - 63 : i]) for i in range(63, len(days) + 1)]
    tail = sorted(days)[: math.ceil(len(days) * 0.025)]
    return {
        "days": len(days),
        "total_return": total,
        "cagr": (1 + total) ** (365 / span) - 1 if span >= 90 else None,
        "volatility": vol(days),
        "sharpe": statistics.mean(days) * 365 / vol(days),
        "vol_of_vol": statistics.stdev(rolling) if len(rolling) > 1 else None,
        "vol_of_vol_of_mean": statistics.stdev(rolling) / statistics.mean(rolling) if len(rolling) > 1 else None,
        "drawdown": min(falls),
        "trough": times[falls.index(min(falls))],
        "under_water_hours": under,
        "worst_day": min(days),
        "shortfall": statistics.mean(tail) if len(days) >= 40 else None,
    }


def stepped(equity, k):
    out = [float(equity[0])]
    for a, b in zip(equity, equity[1:]):
        out.append(max(0.0, out[-1] * (1 + k * (b / a - 1))))
    return out


def equal_vol(times, twin, target):
    """The constant by bisection, which shares nothing with a fixed point."""
    low, high = 0.0, 20.0
    for _ in range(200):
        middle = (low + high) / 2
        if vol([r for _, r in day_returns(times, stepped(twin, middle))]) < target:
            low = middle
        else:
            high = middle
    return low


def sharpe_error(a, b):
    n, rho = len(a), statistics.correlation(a, b)
    sa, sb = statistics.mean(a) / statistics.stdev(a), statistics.mean(b) / statistics.stdev(b)
    return math.sqrt((2 * (1 - rho) + 0.5 * (sa**2 + sb**2 - 2 * sa * sb * rho**2)) / n * 365)


def main():
    rng = random.Random(7)
    start = 490_000
    runs = [("two hundred days with a hole", 200, 8, (start + 2000, start + 2090)), ("twenty days", 20, 1, None),
            ("fifty days", 50, 6, None)]
    cases = []
    for name, length, step, hole in runs:
        hours = range(start, start + length * 24 + 1, step)
        times, twin = walk(rng, hours, 0.006 * math.sqrt(step), 0.0001 * step, hole)
        scaled = [round(1_000_000 * v) for v in
                  [x * (1 + 0.02 * math.sin(i / 40)) for i, x in enumerate(v / 1_000_000 for v in stepped(twin, 0.45))]]
        target = figures(times, scaled)["volatility"]
        k = equal_vol(times, twin, target)
        a = [r for _, r in day_returns(times, scaled)]
        b = [r for _, r in day_returns(times, twin)]
        cases.append({"name": name, "hours": times, "scaled": scaled, "twin": twin, "scaled_figures": figures(times, scaled),
                      "twin_figures": figures(times, twin), "constant": k,
                      "equal_figures": figures(times, stepped(twin, k)),
                      "sharpe_error": sharpe_error(a, b) if len(a) >= 30 else None})
    print("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]")


if __name__ == "__main__":
    main()
