#!/usr/bin/env python3
"""Golden ledgers of accounts that hold several currencies, recomputed from all that happened with exact fractions.

    python3 vectors/accounts.py > vectors/accounts.json

Each currency is summed anew for itself after every step: what settles in it as in `ledger.py`; a spot fill gives its value in the
quote currency and takes its quantity in the base. Each currency's equity is then translated into the numeraire by the way that
the case declares (`same`, `par`, `times` or `over` the mark of an instrument), toward zero at 1e-16, and counts as nothing
before there is a mark.
"""
import json
import random
from fractions import Fraction

from ledger import MONEY, UNIT, text, toward_zero, value

# Kind, base, quote and settlement currency.
DESK = [
    ("spot", "BTC", "USDT", "USDT"),
    ("linear", "ETH", "USDT", "USDT"),
    ("inverse", "BTC", "USD", "BTC"),
    ("spot", "ETH", "BTC", "BTC"),
]


def account(name, seed, numeraire, ways, deposits, steps, price_range, qty_range, lot, most):
    rng = random.Random(seed)
    count = len(DESK)
    fills, marks = [[] for _ in DESK], [None] * count
    moved = {currency: 0 for currency in ways}
    rows = []

    def equity(currency):
        total = moved[currency]
        for (kind, base, _, settle), done, mark in zip(DESK, fills, marks):
            if kind == "spot" and base == currency:
                total += sum(qty for qty, _, _ in done) * (MONEY // UNIT)
            if settle != currency:
                continue
            total -= sum(fee for _, _, fee in done)
            total -= sum(value("linear" if kind == "spot" else kind, qty, price) for qty, price, _ in done)
            if kind != "spot" and mark is not None:
                total += value(kind, sum(qty for qty, _, _ in done), mark)
        return total

    def translated(currency):
        amount, (how, at) = Fraction(equity(currency)), ways[currency]
        if how in ("same", "par"):
            return int(amount)
        if marks[at] is None:
            return 0
        mark = Fraction(marks[at], UNIT)
        return toward_zero(amount * mark if how == "times" else amount / mark)

    def step(row, of):
        held = [text(sum(qty for qty, _, _ in done), UNIT) for done in fills]
        worth = {currency: text(equity(currency), MONEY) for currency in ways if moved[currency] or equity(currency)}
        total = text(sum(translated(currency) for currency in ways), MONEY)
        rows.append({**row, **of, "positions": held, "equities": worth, "total": total})

    for currency, amount in deposits:
        moved[currency] += amount
        step({"do": "deposit", "amount": text(amount, MONEY)}, {"currency": currency})
    for _ in range(steps):
        at = rng.randrange(count)
        kind, base, quote, settle = DESK[at]
        (low, high), draw = price_range[at], rng.random()
        if draw < 0.5:
            price = rng.randrange(low, high)
            held = sum(qty for qty, _, _ in fills[at])
            most_lots = qty_range[at] // lot[at]
            qty = -held if held and rng.random() < 0.2 else rng.choice([-1, 1]) * rng.randrange(1, most_lots + 1) * lot[at]
            fee = rng.randrange(-(10**10), 10**14)
            fills[at].append((qty, price, fee))
            if marks[at] is None:
                marks[at] = price
            said = {"do": "fill", "qty": text(qty, UNIT), "price": text(price, UNIT), "fee": text(fee, MONEY)}
            step(said, {"instrument": at})
        elif draw < 0.8:
            marks[at] = rng.randrange(low, high)
            step({"do": "mark", "price": text(marks[at], UNIT)}, {"instrument": at})
        elif draw < 0.86:
            amount = rng.randrange(-(10**15), 10**15)
            moved[settle] += amount
            step({"do": "funding", "amount": text(amount, MONEY)}, {"instrument": at, "currency": settle})
        elif draw < 0.93:
            currency = rng.choice(list(ways))
            amount = rng.randrange(-most, most)
            moved[currency] += amount
            what = rng.choice(["deposit", "withdrawal", "transfer"])
            step({"do": what, "amount": text(amount, MONEY)}, {"currency": currency})
        else:
            given, taken = rng.sample(list(ways), 2)
            amounts = {given: -rng.randrange(1, most), taken: rng.randrange(1, most)}
            for currency, other in [(given, taken), (taken, given)]:
                moved[currency] += amounts[currency]
                row = {"do": "conversion", "amount": text(amounts[currency], MONEY), "other": other}
                step(row, {"currency": currency})
    instruments = [dict(zip(("kind", "base", "quote", "settle"), known)) for known in DESK]
    return {"name": name, "numeraire": numeraire, "instruments": instruments, "steps": rows}


def accounts():
    prices = [(10**12, 10**13), (10**11, 5 * 10**11), (10**12, 10**13), (10**6, 10**7)]
    usual = (prices, [10**9, 10**10, 10**13, 10**9], [10**3, 10**5, 10**9, 10**4])
    # 10,000,000 coins at 100,000 and a million millions of dollars.
    large = (prices, [10**15, 10**16, 10**17, 10**15], [1, 1, 1, 1])
    # A pair quoted in the very currency before one in another dollar; dollars at par; the only way.
    dollars = {"USDT": ("par", 0), "BTC": ("times", 2), "ETH": ("times", 1), "USDC": ("par", 0)}
    coins = {"USDT": ("over", 0), "BTC": ("same", 0), "ETH": ("times", 3), "USDC": ("over", 0)}
    tether = {"USDT": ("same", 0), "BTC": ("times", 0), "ETH": ("times", 1), "USDC": ("par", 0)}
    start = [("USDT", 10**6 * MONEY), ("BTC", 25 * MONEY), ("USDC", MONEY // 3)]
    much = [("USDT", 10**12 * MONEY), ("BTC", 10**7 * MONEY), ("ETH", 10**8 * MONEY + 1)]
    return [
        account("in dollars", 11, "USD", dollars, start, 45, *usual, 10**20),
        account("in coin", 12, "BTC", coins, start, 45, *usual, 10**20),
        account("in what is traded", 13, "USDT", tether, start, 45, *usual, 10**20),
        account("a trillion, in dollars", 14, "USD", dollars, much, 45, *large, 10**28),
        account("a trillion, in coin", 15, "BTC", coins, much, 45, *large, 10**23),
    ]


def main():
    # A step a line.
    out = []
    for made in accounts():
        steps = ",\n".join(json.dumps(step, separators=(",", ":")) for step in made.pop("steps"))
        out.append(json.dumps(made)[:-1] + ', "steps": [\n' + steps + "\n]}")
    print('{"cases": [\n' + ",\n".join(out) + "\n]}")


main()
