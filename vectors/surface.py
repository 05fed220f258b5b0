#!/usr/bin/env python3
"""Smiles of ten recorded option chains, fitted by another method than the library's: golden cases for the fitted surface.

    python3 vectors/surface.py > vectors/surface.json

Five snapshots each of Deribit's BTC and ETH options, drawn with the seed below from all that were recorded. Each expiry by itself: the
options out of the money by the forward recorded with each, implied volatilities by bisection, and raw SVI
w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + s^2)) by the quasi-explicit method: for each (m, s) the other three parameters follow
from a linear least-squares problem, and (m, s) from the simplex method of Nelder and Mead. No condition joins expiries. What is
written are fitted numbers and times alone.

Needs the shared recordings (TRIMTAB_SHARED, or `shared` beside the clone) and the package pyarrow. Without either it prints what it
printed before, and says so.
"""
import json
import math
import os
import random
import sys
from pathlib import Path

SEED = 20260127
MONTHS = ["2025-12", "2026-01", "2026-02", "2026-03", "2026-04", "2026-05"]
COLUMNS = ["timestamp", "expiry_datetime", "strike", "option_type", "bid_price", "ask_price", "underlying"]
TICK = 0.0001
YEAR = 365 * 86_400.0
FEWEST = 8


def distribution(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def black(call, k, deviation):
    """Undiscounted price / forward."""
    d1 = -k / deviation + deviation / 2
    d2 = d1 - deviation
    if call:
        return distribution(d1) - math.exp(k) * distribution(d2)
    return math.exp(k) * distribution(-d2) - distribution(-d1)


def implied(call, k, price):
    """Standard deviation to expiry, by bisection; None where there is none."""
    low, high = 1e-6, 20.0
    if not black(call, k, low) < price < black(call, k, high):
        return None
    for _ in range(80):
        middle = (low + high) / 2
        if black(call, k, middle) < price:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def points(rows, years):
    """(k, mid vol, half spread) of the options out of the money with a bid over one tick."""
    found = []
    for strike, call, bid, ask, forward in rows:
        if bid is None or ask is None or bid <= TICK * 1.000001 or ask < bid or call != (strike >= forward):
            continue
        k = math.log(strike / forward)
        vols = [implied(call, k, price) for price in (bid, (bid + ask) / 2, ask)]
        if None in vols:
            continue
        bid_vol, mid_vol, ask_vol = (vol / math.sqrt(years) for vol in vols)
        found.append((k, mid_vol, (ask_vol - bid_vol) / 2))
    return sorted(found)


def solve(columns, target, weights):
    """Weighted least squares by the normal equations."""
    n = len(columns)
    rows = [[sum(w * a * b for w, a, b in zip(weights, x, y)) for y in columns] for x in columns]
    right = [sum(w * a * t for w, a, t in zip(weights, x, target)) for x in columns]
    for i in range(n):
        pivot = max(range(i, n), key=lambda row: abs(rows[row][i]))
        rows[i], rows[pivot], right[i], right[pivot] = rows[pivot], rows[i], right[pivot], right[i]
        if abs(rows[i][i]) < 1e-300:
            return None
        for j in range(i + 1, n):
            factor = rows[j][i] / rows[i][i]
            right[j] -= factor * right[i]
            rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i])]
    solution = [0.0] * n
    for i in reversed(range(n)):
        solution[i] = (right[i] - sum(rows[i][j] * solution[j] for j in range(i + 1, n))) / rows[i][i]
    return solution


def inner(data, m, s):
    """Best (a, d, c) of w = a + d y + c sqrt(y^2 + 1), y = (k - m)/s, with |d| <= c; and what it leaves."""
    ks, ws, weights = data
    y = [(k - m) / s for k in ks]
    z = [math.sqrt(v * v + 1) for v in y]
    one = [1.0] * len(ks)

    def left(a, d, c):
        return sum(weight * (a + d * p + c * q - w) ** 2 for weight, p, q, w in zip(weights, y, z, ws))

    free = solve([one, y, z], ws, weights)
    if free and abs(free[1]) <= free[2]:
        return left(*free), tuple(free)
    best = (math.inf, None)
    for sign in (1, -1):
        edge = solve([one, [q + sign * p for p, q in zip(y, z)]], ws, weights)
        if edge and edge[1] >= 0:
            parameters = (edge[0], sign * edge[1], edge[1])
            best = min(best, (left(*parameters), parameters))
    flat = (solve([one], ws, weights)[0], 0.0, 0.0)
    return min(best, (left(*flat), flat))


def simplex(function, start, size, steps=160):
    corners = [start, (start[0] + size[0], start[1]), (start[0], start[1] + size[1])]
    corners = sorted((function(p), p) for p in corners)
    for _ in range(steps):
        worst = corners[2]
        centre = tuple((corners[0][1][i] + corners[1][1][i]) / 2 for i in (0, 1))

        def along(factor):
            p = tuple(centre[i] + factor * (worst[1][i] - centre[i]) for i in (0, 1))
            return function(p), p

        new = along(-1.0)
        if new < corners[0]:
            new = min(new, along(-2.0))
        elif new[0] >= corners[1][0]:
            new = along(0.5) if new[0] >= worst[0] else along(-0.5)
            if new[0] >= worst[0]:
                best = corners[0][1]
                corners = [corners[0]] + [
                    (function(q), q) for q in (tuple((best[i] + p[i]) / 2 for i in (0, 1)) for _, p in corners[1:])
                ]
                corners.sort()
                continue
        corners[2] = new
        corners.sort()
        if corners[2][0] - corners[0][0] <= 1e-14 * (1 + corners[0][0]):
            break
    return corners[0]


def fit(found, years):
    """Total variance as a function of k."""
    ks = [k for k, _, _ in found]
    ws = [vol * vol * years for _, vol, _ in found]
    # An error of the volatility, in half spreads; a spread of under 0.2 vol points is no better than that.
    weights = [1 / (2 * vol * years * max(half, 0.001)) ** 2 for _, vol, half in found]
    data = (ks, ws, weights)
    scale = math.sqrt(min(zip(map(abs, ks), ws))[1])
    low, high = ks[0], ks[-1]

    def outer(p):
        m, log_s = p
        if not (low - (high - low) < m < high + (high - low)) or not -7 < log_s < 3:
            return math.inf
        return inner(data, m, scale * math.exp(log_s))[0]

    starts = [(m, log_s) for m in (low * 0.5, 0.0, high * 0.5) for log_s in (-1.5, 0.0, 1.0)]
    _, (m, log_s) = min(simplex(outer, start, (scale * 0.3, 0.5)) for start in starts)
    s = scale * math.exp(log_s)
    _, (a, d, c) = inner(data, m, s)
    return lambda k: a + d * (k - m) / s + c * math.sqrt(((k - m) / s) ** 2 + 1)


def at_delta(w, call, delta):
    """ln(strike/forward) of the option with a forward delta, by bisection."""
    def over(k):
        s = math.sqrt(w(k))
        d1 = -k / s + s / 2
        return distribution(d1) - delta if call else delta - distribution(-d1)

    low, high = -5.0, 5.0
    for _ in range(100):
        middle = (low + high) / 2
        if over(middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def swap(w, low, high):
    """2 x the integral of the price out of the money / strike^2 between two log-moneynesses, by Simpson's rule."""
    def side(start, end):
        if end <= start:
            return 0.0
        steps = 400
        h = (end - start) / steps
        total = 0.0
        for i in range(steps + 1):
            k = start + i * h
            value = max(black(start >= 0, k, math.sqrt(w(k))), 0.0) * math.exp(-k)
            total += value * (1 if i in (0, steps) else 4 if i % 2 else 2)
        return 2 * total * h / 3
    return side(low, 0.0) + side(0.0, high)


def expiry_case(rows, years):
    found = points(rows, years)
    if len(found) < FEWEST or not found[0][0] < 0 < found[-1][0]:
        return None
    w = fit(found, years)
    low, high = found[0][0], found[-1][0]
    if min(w(low + (high - low) * i / 200) for i in range(201)) <= 0:
        return None
    vol = lambda k: math.sqrt(w(k) / years)
    errors = sorted(abs(vol(k) - mid) for k, mid, _ in found)
    put, call = at_delta(w, False, 0.25), at_delta(w, True, 0.25)
    near = lambda place: min(found, key=lambda point: abs(point[0] - place))[2]
    return dict(
        days=round(years * 365, 4), points=len(found), quoted=[round(low, 4), round(high, 4)],
        atm=round(vol(0.0), 5), put_25=round(vol(put), 5), call_25=round(vol(call), 5),
        # Of the strikes between the lowest and the highest quoted, so that no extrapolation is compared.
        variance_swap_quoted=round(math.sqrt(swap(w, low, high) / years), 5),
        half_spreads=[round(near(place), 5) for place in (put, 0.0, call)],
        median_error=round(errors[len(errors) // 2], 5), largest_error=round(errors[-1], 5),
        inside=sum(abs(vol(k) - mid) <= half for k, mid, half in found),
    )


def main(data):
    import pyarrow.parquet as parquet

    rng = random.Random(SEED)
    cases = []
    for coin in ("BTC", "ETH"):
        files = [data / f"{coin}_{month}.parquet" for month in MONTHS]
        times = {}
        for file in files:
            for at in parquet.read_table(file, columns=["timestamp"])["timestamp"].cast("int64").unique().to_pylist():
                times[at] = file
        for at in sorted(rng.sample(sorted(times), 5)):
            table = parquet.read_table(times[at], columns=COLUMNS)
            columns = [
                table[name].cast("int64").to_pylist() if name in ("timestamp", "expiry_datetime") else table[name].to_pylist()
                for name in COLUMNS
            ]
            chains = {}
            for when, expiry, strike, kind, bid, ask, forward in zip(*columns):
                if when == at and expiry > at:
                    chains.setdefault(expiry, []).append((strike, kind == "call", bid, ask, forward))
            expiries = []
            for expiry in sorted(chains):
                case = expiry_case(chains[expiry], (expiry - at) / 1e6 / YEAR)
                if case:
                    expiries.append(dict(expiry_us=expiry, **case))
            cases.append(dict(coin=coin, file=times[at].name, timestamp_us=at, expiries=expiries))
            print(coin, at, len(chains), len(expiries), file=sys.stderr)
    head = json.dumps(dict(seed=SEED, fewest_points=FEWEST))[:-1]
    lines = [json.dumps({**case, "expiries": []})[:-2] + "\n  " + ",\n  ".join(map(json.dumps, case["expiries"])) + "]}" for case in cases]
    print(head + ', "cases": [\n' + ",\n".join(lines) + "\n]}")


def keep(reason):
    print(f"surface.py: {reason}; the cases stay as they are", file=sys.stderr)
    sys.stdout.write(Path(__file__).with_suffix(".json").read_text())


if __name__ == "__main__":
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("TRIMTAB_SHARED", beside)) / "data" / "deribit_options_6h"
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        keep("no package pyarrow")
    else:
        main(folder) if folder.is_dir() else keep("shared data absent")
