#!/usr/bin/env python3
"""Sums over recorded option chains, in exact decimals: what an import of each file must hold, to the last row and digit.

    python3 vectors/option_quotes.py > vectors/option_quotes.json

For each file and each column of a quote: how many rows have a value, and the sum of value x weight over them, in units of 1e-8. The
weight of a row is made of its name and of its receipt time in microseconds, so that a value of another row, option or time changes the
sum: (sum of bytes x position of the name) % 1009 + 7 x (time % 1013) + 1. Read here by pyarrow and decimal alone; nothing of the
program is used. What is written are counts and sums alone.

Needs the shared recordings (TRIMTAB_SHARED, or `shared` beside the clone) and the package pyarrow. Without either it prints what it
printed before, and says so.
"""
import json
import os
import sys
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from pathlib import Path

FIELDS = ["bid", "ask", "bid_qty", "ask_qty", "mark", "underlying", "open_interest"]
SIX_HOURS = ["bid_price", "ask_price", None, None, "mark_price", "underlying", "open_interest"]
TICKERS = ["best_bid_price", "best_ask_price", "best_bid_amount", "best_ask_amount", "mark_price", "underlying_price", "open_interest"]
DAYS = ["BID_PRICE", "ASK_PRICE", "BID_SIZE", "ASK_SIZE", None, "UNDERLYING_PRICE", "OPEN_INTEREST"]
TARDIS = ["bid_price", "ask_price", "bid_amount", "ask_amount", "mark_price", "underlying_price", "open_interest"]
# What OKX tells as the underlying's price is an index, the same for every expiry: no forward.
INDEXED = [name if name != "underlying_price" else None for name in TARDIS]
# Path, columns, column of names, column of times, microseconds in one of its units, underlying in one contract.
FILES = [
    ("deribit_options_6h/BTC_2025-12.parquet", SIX_HOURS, "instrument_name", "timestamp", 1, 1),
    ("deribit_options_6h/ETH_2026-02.parquet", SIX_HOURS, "instrument_name", "timestamp", 1, 1),
    ("deribit_full_tickers_2026-01/BTC_options.parquet", TICKERS, "instrument_name", "timestamp", 1000, 1),
    ("deribit_eod_2021/BTC_2021-06.parquet", DAYS, "INSTRUMENT_NAME", "QUOTE_UNIXTIME", 10**6, 1),
    ("deribit_book_2020-05-21/BTC_options_get_order_book.parquet", TICKERS, "instrument_name", "timestamp", 1000, 1),
    ("okx_options_tick_2025-10-10/BTC-USD-251031-80000-P.parquet", INDEXED, "symbol", "local_timestamp", 1, Decimal("0.01")),
]
UNIT = Decimal("1e-8")


def value(cell):
    """The decimal that was recorded, or None: a double is the shortest decimal that is it."""
    if cell is None or cell == "" or cell != cell:
        return None
    return Decimal(cell if isinstance(cell, str) else repr(cell))


def quote(cells, contract):
    """The fields of a quote as they are to be kept: nothing at a price of zero, sizes only of what is quoted."""
    bid, ask, bid_qty, ask_qty, mark, underlying, interest = map(value, cells)
    bid, ask, underlying = bid or None, ask or None, underlying or None
    price = lambda number: None if number is None else number.quantize(UNIT, ROUND_HALF_UP)
    amount = lambda number: None if number is None else (number.quantize(UNIT, ROUND_DOWN) * contract).quantize(UNIT, ROUND_DOWN)
    return [
        price(bid),
        price(ask),
        amount(bid_qty) if bid else None,
        amount(ask_qty) if ask else None,
        price(mark),
        price(underlying),
        amount(interest),
    ]


def case(folder, path, columns, names, times, unit, contract):
    import pyarrow.parquet as parquet

    table = parquet.read_table(folder / path)
    at = [moment * unit for moment in table[times].cast("int64").to_pylist()]
    nothing = [None] * table.num_rows
    cells = [nothing if column is None else table[column].to_pylist() for column in columns]
    counts, sums = [0] * len(FIELDS), [0] * len(FIELDS)
    for name, moment, row in zip(table[names].to_pylist(), at, zip(*cells)):
        weight = sum(byte * (place + 1) for place, byte in enumerate(name.encode())) % 1009 + 7 * (moment % 1013) + 1
        for field, kept in enumerate(quote(row, contract)):
            if kept is not None:
                counts[field] += 1
                sums[field] += int(kept / UNIT) * weight
    fields = {field: dict(count=count, sum=str(total)) for field, count, total in zip(FIELDS, counts, sums)}
    return dict(path=path, rows=table.num_rows, options=len(set(table[names].to_pylist())), times=len(set(at)), **fields)


def keep(reason):
    print(f"option_quotes.py: {reason}; the cases stay as they are", file=sys.stderr)
    sys.stdout.write(Path(__file__).with_suffix(".json").read_text())


if __name__ == "__main__":
    beside = Path(__file__).resolve().parents[2] / "shared"
    folder = Path(os.environ.get("TRIMTAB_SHARED", beside)) / "data"
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        keep("no package pyarrow")
    else:
        if folder.is_dir():
            print("[\n" + ",\n".join(json.dumps(case(folder, *file)) for file in FILES) + "\n]")
        else:
            keep("shared data absent")
