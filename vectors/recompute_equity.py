#!/usr/bin/env python3
"""Recomputes equity at every row of a run folder's equity.parquet, without Trimtab: docs/run-folder.md.

equity = deposit - sum(side x quantity x price) - sum(fee) + sum(funding amount) + position x mark,
over all fills and payments with time <= the row's. Exact decimals throughout.

    python3 vectors/recompute_equity.py RUN

Prints the rows compared and the largest residual; exit 1 unless it is zero.
"""
import decimal
import json
import pathlib
import sys

import pyarrow.parquet as parquet

decimal.getcontext().prec = 80
ZERO = decimal.Decimal(0)


def rows(folder, table):
    return parquet.read_table(folder / f"{table}.parquet").to_pylist()


def main():
    folder = pathlib.Path(sys.argv[1])
    record = json.loads((folder / "run.json").read_text())
    equity = decimal.Decimal(record["configuration"]["deposit"])
    cash, position, worst, worst_at = equity, ZERO, ZERO, None
    fills, funding = iter(rows(folder, "fills")), iter(rows(folder, "funding"))
    fill, payment = next(fills, None), next(funding, None)
    table = rows(folder, "equity")
    for row in table:
        while fill is not None and fill["time"] <= row["time"]:
            signed = fill["quantity"] if fill["side"] == "buy" else -fill["quantity"]
            position += signed
            cash -= signed * fill["price"] + fill["fee"]
            fill = next(fills, None)
        while payment is not None and payment["time"] <= row["time"]:
            cash += payment["amount"]
            payment = next(funding, None)
        equity = cash + position * row["mark"]
        differences = [equity - row["equity"], cash - row["cash"], position - row["position"]]
        for residual in differences:
            if abs(residual) > abs(worst):
                worst, worst_at = residual, row["time"]
    left = [name for name, rest in [("fill", fill), ("payment", payment)] if rest is not None]
    print(f"{len(table)} rows, largest residual {worst}" + (f" at {worst_at}" if worst else ""))
    if left:
        print(f"a {left[0]} after the last row")
    sys.exit(1 if worst or left or not table else 0)


if __name__ == "__main__":
    main()
