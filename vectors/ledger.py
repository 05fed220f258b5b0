#!/usr/bin/env python3
"""Golden ledgers of linear, inverse and mixed books, recomputed from their fills with exact fractions.

    python3 vectors/ledger.py > vectors/ledger.json

Nothing is kept running: after every step equity is summed anew over all that happened,

    deposits - fees + funding + sum over instruments of (value(position, mark) - sum of value(fill))

where the value of q at p is p q in a linear contract and -q / p in an inverse one, toward zero at 1e-16. All numbers are
decimals as text. A step is one fill, mark or payment.
"""
import json
import random
from fractions import Fraction

UNIT, MONEY = 10**8, 10**16


def text(raw, scale):
    sign, raw = ("-" if raw < 0 else ""), abs(raw)
    whole, part = divmod(raw, scale)
    digits = str(part).rjust(len(str(scale)) - 1, "0").rstrip("0")
    return f"{sign}{whole}" + (f".{digits}" if digits else "")


def toward_zero(value):
    return int(value)  # of a Fraction: truncates


def value(kind, qty, price):
    """In raw units of money, from raw quantity and price."""
    qty, price = Fraction(qty, UNIT), Fraction(price, UNIT)
    return toward_zero((qty * price if kind == "linear" else -qty / price) * MONEY)


def case(name, seed, kinds, deposit, steps, price_range, qty_range, lot):
    rng = random.Random(seed)
    fills = [[] for _ in kinds]
    marks = [None] * len(kinds)
    fees = funding = 0
    rows = []
    for _ in range(steps):
        at = rng.randrange(len(kinds))
        low, high = price_range[at]
        draw = rng.random()
        if draw < 0.55:
            price = rng.randrange(low, high) * 10 ** rng.randrange(0, 5) % high + low
            held = sum(qty for qty, _ in fills[at])
            if held and rng.random() < 0.2:
                qty = -held
            else:
                qty = rng.choice([-1, 1]) * rng.randrange(1, qty_range[at] // lot[at] + 1) * lot[at]
            fee = rng.randrange(-(10**10), 10**14)
            fills[at].append((qty, price))
            fees += fee
            if marks[at] is None:
                marks[at] = price
            step = {"do": "fill", "qty": text(qty, UNIT), "price": text(price, UNIT), "fee": text(fee, MONEY)}
        elif draw < 0.9:
            marks[at] = rng.randrange(low, high)
            step = {"do": "mark", "price": text(marks[at], UNIT)}
        else:
            amount = rng.randrange(-(10**15), 10**15)
            funding += amount
            step = {"do": "funding", "amount": text(amount, MONEY)}
        equity = deposit - fees + funding
        for kind, done, mark in zip(kinds, fills, marks):
            if mark is not None:
                equity += value(kind, sum(qty for qty, _ in done), mark)
            equity -= sum(value(kind, qty, price) for qty, price in done)
        held = sum(qty for qty, _ in fills[at])
        rows.append({"instrument": at, **step, "position": text(held, UNIT), "equity": text(equity, MONEY)})
    return {"name": name, "contracts": kinds, "deposit": text(deposit, MONEY), "steps": rows}


def main():
    btc, eth_in_btc = (10**12, 12 * 10**12), (10**6, 10**7)
    cases = [
        case("linear", 1, ["linear"], 10**6 * MONEY, 100, [btc], [10**10], [10**5]),
        case("inverse", 2, ["inverse"], 25 * MONEY, 100, [btc], [10**14], [10**9]),
        case("inverse, odd lots", 3, ["inverse"], MONEY // 3, 100, [(1, 10**9)], [10**9], [1]),
        case("mixed, settled in BTC", 4, ["inverse", "linear", "inverse"], 100 * MONEY, 200,
             [btc, eth_in_btc, btc], [10**14, 10**12, 10**13], [10**9, 10**4, 10**8]),
        # 10,000,000 coins at 100,000: a million millions, to the last 1e-16.
        case("a trillion", 5, ["linear", "inverse"], 10**12 * MONEY, 80,
             [(10**12, 10**13), (10**4, 10**6)], [10**15, 3 * 10**17], [1, 1]),
    ]
    # A step a line.
    out = []
    for made in cases:
        steps = ",\n".join(json.dumps(step, separators=(",", ":")) for step in made.pop("steps"))
        out.append(json.dumps(made)[:-1] + ', "steps": [\n' + steps + "\n]}")
    print('{"cases": [\n' + ",\n".join(out) + "\n]}")


if __name__ == "__main__":
    main()
