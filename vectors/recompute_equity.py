#!/usr/bin/env python3
"""Recomputes equity at every row of a run folder's equity.parquet, without Trimtab: docs/run-folder.md.

equity = sum(flows) - sum(value of each fill at its price) - sum(fee) + sum(funding amount) + sum(value of positions at marks),
over all flows, fills and payments with time <= the row's. The value of a quantity at a price is quantity x price; of a
coin-settled contract -quantity / price, cut toward zero at 1e-16. Rows of one input, instrument, order and price are one execution,
which the venue made of an account's net and strategies share: they are valued together. Options held are
in options.parquet with their marks. Exact decimals throughout. Runs in one currency.

    python3 vectors/recompute_equity.py RUN

Prints the rows compared and the largest residual; exit 1 unless it is zero.
"""
import decimal
import json
import pathlib
import sys

import pyarrow.parquet as parquet

decimal.getcontext().prec = 80
decimal.getcontext().rounding = decimal.ROUND_DOWN
ZERO = decimal.Decimal(0)
UNIT = decimal.Decimal("1e-16")


def rows(folder, table):
    return parquet.read_table(folder / f"{table}.parquet").to_pylist()


class Until:
    """The rows of a table in order of time, each handed out once."""

    def __init__(self, table):
        self.rows, self.next = table, 0

    def take(self, time):
        begin = self.next
        while self.next < len(self.rows) and self.rows[self.next]["time"] <= time:
            self.next += 1
        return self.rows[begin : self.next]

    def rest(self):
        return len(self.rows) - self.next


def main():
    folder = pathlib.Path(sys.argv[1])
    record = json.loads((folder / "run.json").read_text())
    inverse = {known["symbol"]: known["kind"].startswith("inverse") for known in record["instruments"]}
    structures = {known["symbol"] for known in record["instruments"] if known["kind"] == "structure"}
    flows, fills, funding, seen = (Until(rows(folder, name)) for name in ["flows", "fills", "funding", "positions"])
    currencies = {row["currency"] for table in [flows, fills, funding] for row in table.rows}
    if currencies != {record["currency"]}:
        sys.exit(f"this run is in {', '.join(sorted(currencies))}; this script knows one currency at a time")

    def value(symbol, quantity, price):
        # Options are no instruments of the run, and linear in the currency that they are priced in.
        if inverse.get(symbol, False):
            return (-quantity / price).quantize(UNIT) if price else ZERO
        return quantity * price

    options = Until(rows(folder, "options") if (folder / "options.parquet").exists() else [])
    cash, positions, marks, worst, worst_at = ZERO, {}, {}, ZERO, None
    table = rows(folder, "equity")
    for row in table:
        cash += sum((flow["amount"] for flow in flows.take(row["time"])), ZERO)
        executions = {}
        for fill in fills.take(row["time"]):
            symbol, signed = fill["instrument"], fill["quantity"] if fill["side"] == "buy" else -fill["quantity"]
            positions[symbol] = positions.get(symbol, ZERO) + signed
            one = (fill["input"], symbol, fill["order"], fill["price"])
            # What crossed between two strategies is bought and sold, and no money moves.
            if fill["liquidity"] != "internal":
                executions[one] = executions.get(one, ZERO) + signed
            cash -= fill["fee"]
        for (_, symbol, _, price), signed in executions.items():
            cash -= value(symbol, signed, price)
        cash += sum((payment["amount"] for payment in funding.take(row["time"])), ZERO)
        held = {}
        for position in seen.take(row["time"]):
            symbol = position["instrument"]
            marks[symbol] = position["mark"]
            # What a structure is, its options are.
            if symbol in structures:
                continue
            held[symbol] = held.get(symbol, ZERO) + position["position"]
        known = [symbol for symbol in positions if symbol in inverse]
        now = [option for option in options.take(row["time"]) if option["time"] == row["time"]]
        worth = sum((option["position"] * option["mark"] for option in now), ZERO)
        worth += sum((value(symbol, positions[symbol], marks[symbol]) for symbol in known), ZERO)
        held |= {option["instrument"]: option["position"] for option in now}
        differences = [cash + worth - row["equity"], cash - row["cash"]]
        differences += [positions.get(symbol, ZERO) - quantity for symbol, quantity in held.items()]
        for residual in differences:
            if abs(residual) > abs(worst):
                worst, worst_at = residual, row["time"]
    left = {name: rest.rest() for name, rest in [("flows", flows), ("fills", fills), ("payments", funding)] if rest.rest()}
    print(f"{len(table)} rows, largest residual {worst}" + (f" at {worst_at}" if worst else ""))
    for name, count in left.items():
        print(f"{count} {name} after the last row")
    sys.exit(1 if worst or left or not table else 0)


if __name__ == "__main__":
    main()
