#!/usr/bin/env python3
"""Which options the policies of examples/ are to take, by the deltas that the venue published: golden cases for the choice of legs.

    python3 vectors/option_choices.py > vectors/option_choices.json

At each recorded snapshot of Deribit's BTC and ETH chains from 27 January 2026 on: of the expiry nearest to thirty days, of the options
with at most 30 % from bid to ask (of the middle) and an open interest of ten or more, the call nearest to delta 0.25, and the call
and the put nearest to 0.15. The venue's deltas are from its own marks, the engine's from bid and ask: where the next is less than 0.003
farther, both stand there. What is written are names alone.

Needs the shared recordings (TRIMTAB_SHARED, or `shared` beside the clone) and the package pyarrow. Without either it prints what it
printed before, and says so.
"""
import json
import os
import sys
from pathlib import Path

BEGIN_US = 1_769_472_000_000_000
MONTHS = ["2026-01", "2026-02", "2026-03", "2026-04", "2026-05"]
COLUMNS = ["timestamp", "expiry_datetime", "instrument_name", "option_type", "bid_price", "ask_price", "open_interest", "delta"]
WANTED = [("call", 0.25), ("call", 0.15), ("put", 0.15)]
DAYS, SPREAD, INTEREST, NEAR = 30, 0.3, 10, 0.003
DAY_US = 86_400 * 10**6


def choices(at, rows):
    """For each wanted leg the names, the nearest first."""
    expiry = min({row[1] for row in rows if row[1] > at}, key=lambda expiry: abs(expiry - at - DAYS * DAY_US))
    found = []
    for kind, delta in WANTED:
        fit = []
        for _, own, name, right, bid, ask, interest, quoted in rows:
            if own != expiry or right != kind or not bid or not ask or interest < INTEREST:
                continue
            if (ask - bid) / ((ask + bid) / 2) <= SPREAD:
                fit.append((abs(abs(quoted) - delta), name))
        fit.sort()
        found.append([name for distance, name in fit[:2] if distance < fit[0][0] + NEAR])
    return found


def main(folder):
    from pyarrow import parquet

    lines = []
    for coin in ["BTC", "ETH"]:
        snapshots = {}
        for month in MONTHS:
            table = parquet.read_table(folder / f"{coin}_{month}.parquet", columns=COLUMNS)
            times = ("timestamp", "expiry_datetime")
            columns = [table[name].cast("int64").to_pylist() if name in times else table[name].to_pylist() for name in COLUMNS]
            for row in zip(*columns):
                if row[0] >= BEGIN_US:
                    snapshots.setdefault(row[0], []).append(row)
        lines += [json.dumps([at, *choices(at, snapshots[at])], separators=(",", ":")) for at in sorted(snapshots)]
    print("[\n" + ",\n".join(lines) + "\n]")


def keep(reason):
    print(f"option_choices.py: {reason}; the cases stay as they are", file=sys.stderr)
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
