"""Deribit portfolio margin of an account with options, computed with math.erfc alone: python3 vectors/deribit_margin.py"""
import json
import math

INDEX, DAY = 60_000.0, 86_400
# days to expiry, forward, then options: strike, call, quantity, volatility
EXPIRIES = [
    (7, 60_100.0, [(55_000, False, -3.0, 0.71), (60_000, True, -2.5, 0.62), (66_000, True, 4.0, 0.68)]),
    (90, 61_200.0, [(50_000, False, 6.0, 0.66), (80_000, True, -7.5, 0.64), (100_000, True, -1.0, 0.75)]),
]
PERPETUAL, FUTURE = 2.0, -1.5  # coins; the future expires after 90 days


def normal(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def price(forward, strike, years, vol, call):
    deviation = vol * math.sqrt(years)
    d1 = math.log(forward / strike) / deviation + deviation / 2
    d2 = d1 - deviation
    if call:
        return forward * normal(d1) - strike * normal(d2)
    return strike * normal(-d2) - forward * normal(-d1)


def shocked(vol, days, direction):
    power = 0.30 if days <= 30 else 0.13
    factor = (30 / max(days, 1)) ** power
    return {"up": max(vol * (1 + 0.5 * factor), 0.5), "same": vol, "down": max(vol * (1 - 0.25 * factor), 0)}[direction]


def options(move, direction):
    profit = 0.0
    for days, forward, rows in EXPIRIES:
        for strike, call, quantity, vol in rows:
            now = price(forward, strike, days / 365, vol, call) / forward
            there = forward * (1 + move)
            then = price(there, strike, days / 365, shocked(vol, days, direction), call) / there
            profit += quantity * (then - now)
    return profit


def main():
    standard = []
    for bucket in range(-4, 5):
        move = 0.16 * bucket / 4
        futures = (PERPETUAL + FUTURE) * (1 - 1 / (1 + move))
        standard += [futures + options(move, direction) for direction in ("up", "same", "down")]
    extended = [options(move, "up") * 0.16 / abs(move) for move in (-0.66, -0.33, 0.5, 1, 2, 3, 4, 5)]
    worst = max(0.0, -min(standard + extended))
    roll = abs(PERPETUAL) * 0.01 + abs(FUTURE) * max(0.01, 0.075 * 90 / 365)
    delta = PERPETUAL + FUTURE
    for days, forward, rows in EXPIRIES:
        for strike, call, quantity, vol in rows:
            deviation = vol * math.sqrt(days / 365)
            d2 = math.log(forward / strike) / deviation - deviation / 2
            delta += quantity * (normal(d2) if call else -normal(-d2)) * strike / forward
    matrix = worst + roll
    answer = {
        "index": INDEX, "perpetual": PERPETUAL, "future": FUTURE,
        "expiries": [[days, forward, rows] for days, forward, rows in EXPIRIES],
        "standard": standard, "extended": extended, "worst": worst, "roll": roll, "delta_total": delta,
        "initial": matrix, "maintenance": 0.8 * matrix,
    }
    print(json.dumps(answer, indent=1))


main()
