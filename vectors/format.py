#!/usr/bin/env python3
"""Golden cases of the number formatter, from the standard library's decimal module alone.

    python3 vectors/format.py > vectors/format.json

Each case names a function of `units::show`, its arguments as text, and what it writes on a page and in a terminal.
Doubles are given as their shortest text; they are rounded by their exact binary value, halves away from zero.
"""
import json
import random
from datetime import datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, getcontext

getcontext().prec = 1200
MISSING = "–"


def dress(value, places, signed=False):
    """(page, terminal) of a Decimal at so many places."""
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    if rounded == 0:
        return "0", "0"
    body = f"{abs(rounded):,.{places}f}"
    if rounded < 0:
        return "−" + body, "-" + body
    return ("+" if signed else "") + body, ("+" if signed else "") + body


def places_of(step):
    text = format(Decimal(step).normalize(), "f")
    return len(text.partition(".")[2])


def number(text, places):
    value = float(text)
    if value != value or abs(value) == float("inf"):
        return MISSING, MISSING
    return dress(Decimal(value), places)


def money(value, minor):
    fine = value.quantize(Decimal(1).scaleb(-minor), ROUND_HALF_UP)
    return dress(value, 0 if abs(fine) >= 10000 else minor)


def significant(text, digits):
    value = Decimal(float(text))
    if not value.is_finite():
        return MISSING, MISSING
    if value == 0:
        return "0", "0"
    places = 0
    while places < 40:
        rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
        if abs(rounded) >= Decimal(10) ** (digits - 1 - places):
            break
        places += 1
    return dress(value, places)


def change(after, before, places):
    pair = []
    for text in (after, before):
        value = Decimal(float(text))
        if not value.is_finite():
            return MISSING, MISSING
        pair.append(value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP))
    return dress(pair[0] - pair[1], places, signed=True)


def duration(nanos):
    sizes = [("d", 86400 * 10**9), ("h", 3600 * 10**9), ("min", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("ns", 1)]
    rest, parts = abs(nanos), []
    for name, size in sizes:
        amount, rest = divmod(rest, size)
        if amount and len(parts) < 2:
            parts.append(f"{amount} {name}")
        elif parts:
            break
    body = " ".join(parts) or "0 s"
    return ("−" + body, "-" + body) if nanos < 0 else (body, body)


def cases():
    rng = random.Random(20251010)

    def case(function, args, shown):
        return {"function": function, "args": [str(a) for a in args], "page": shown[0], "terminal": shown[1]}

    doubles = ["0", "-0.0", "0.5", "-0.5", "1.5", "2.5", "-2.5", "0.125", "-0.125", "0.375", "1.005", "2.675", "0.15",
               "0.25", "999.995", "-0.004", "0.005", "-0.005", "1234567.891", "-1234.5", "999999.5", "1e-9", "1e15",
               "123456789012.345", "NaN", "inf", "-inf", "9999.995", "10000", "-9999.994", "0.049", "0.05"]
    doubles += [repr(rng.uniform(-1, 1) * 10 ** rng.randint(-4, 8)) for _ in range(40)]
    for text in doubles:
        for places in (0, 1, 2, 4):
            yield case("number", (text, places), number(text, places))
    for text in ("0.161", "-0.354", "0.045", "-0.00004", "1.2345", "0.00005", "NaN"):
        for places in (1, 2):
            yield case("percent", (text, places), number(repr(float(text) * 100.0), places))
        yield case("basis_points", (text,), number(repr(float(text) * 10000.0), 1))
    for text, tick in [("117904.1", "0.1"), ("117904.15", "0.1"), ("117904", "0.1"), ("-3.25", "0.25"), ("0", "0.1"),
                       ("1234567.5", "1"), ("1234567", "10"), ("0.00001234", "0.00000001"), ("-0.04", "0.1")]:
        yield case("price", (text, tick), dress(Decimal(text), places_of(tick)))
    for text, lot in [("0.346", "0.001"), ("-1234.5", "0.001"), ("0.0004", "0.001"), ("-0.0005", "0.001"), ("12", "1")]:
        yield case("qty", (text, lot), dress(Decimal(text), places_of(lot)))
    for text, minor in [("1234.5678", 2), ("-1234.565", 2), ("9999.994", 2), ("9999.995", 2), ("-10000", 2),
                        ("1000000.49", 2), ("-0.004", 2), ("0.00000001", 8), ("12345.6", 8), ("0", 2)]:
        yield case("money", (text, minor), money(Decimal(text), minor))
        yield case("money_estimate", (text, minor), money(Decimal(float(text)), minor))
    for text in ("0.0123456", "-0.000012345", "12345.6", "1.005", "9.996", "99.96", "0", "NaN", "0.9996", "123.5"):
        yield case("significant", (text, 3), significant(text, 3))
    for after, before, places in [("4.24", "6.86", 1), ("6.86", "4.24", 1), ("1.04", "1.01", 1), ("1.204", "1.196", 2),
                                  ("-16.1", "-35.4", 1), ("0.25", "0.25", 1), ("NaN", "1", 1), ("1", "NaN", 1),
                                  ("1234567.8", "0.1", 1), ("0.125", "0", 2), ("-0.04", "0.04", 1)]:
        yield case("change", (after, before, places), change(after, before, places))
    for value in (0, 742, 1086, 1234567):
        yield case("count", (value,), (f"{value:,}",) * 2)
    epoch = datetime(1970, 1, 1, tzinfo=timezone.utc)
    for nanos in (0, 1760131200 * 10**9, 1760131203250 * 10**6, 951782399 * 10**9, 1709164800 * 10**9):
        at = epoch + timedelta(microseconds=nanos // 1000)
        fraction = f"{nanos % 10**9:09d}".rstrip("0")
        text = at.strftime("%Y-%m-%d %H:%M:%S") + ("." + fraction if fraction else "") + "Z"
        yield case("time", (nanos,), (text, text))
        day = f"{at.day} {at.strftime('%b')} {at.year}"
        yield case("day", (nanos,), (day, day))
    for nanos in (0, 250 * 10**6, -60 * 10**9, (3 * 24 + 4) * 3600 * 10**9, 41 * 60 * 10**9, 86400 * 10**9, 61 * 10**9,
                  -(2 * 86400 + 5 * 60) * 10**9, 1):
        yield case("duration", (nanos,), duration(nanos))


if __name__ == "__main__":
    rows = ",\n".join("  " + json.dumps(case, ensure_ascii=False) for case in cases())
    print("[\n" + rows + "\n]")
