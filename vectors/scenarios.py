"""Profits of a mixed portfolio under joint moves, every option priced again with math.erfc alone: python3 vectors/scenarios.py"""
import json
import math

ACCOUNT = "USDT"
# price in USD; a year's volatility
PRICES = {"USD": 1.0, "USDT": 0.9985, "USDC": 1.0004, "BTC": 61_234.5, "ETH": 2_987.25}
VOLS = {"BTC": 0.62, "ETH": 0.81}
# coin, days to expiry, forward in USD, discount factor of what is not paid for in coin
TERMS = [
    ("BTC", 1, 61_250.0, 1.0), ("BTC", 9, 61_400.0, 0.9995), ("BTC", 45, 62_100.0, 0.996), ("BTC", 200, 64_000.0, 0.98),
    ("ETH", 3, 2_989.0, 1.0), ("ETH", 60, 3_020.0, 0.994),
]
# coin, days, strike, call, settlement (None: coin), quantity, volatility, slope of the smile
OPTIONS = [
    ("BTC", 1, 61_000, True, None, -3.0, 0.55, -0.2), ("BTC", 1, 58_000, False, None, -5.0, 0.71, -0.4),
    ("BTC", 9, 70_000, True, None, 7.5, 0.6, 0.1), ("BTC", 9, 55_000, False, "USDC", -2.0, 0.68, -0.3),
    ("BTC", 45, 62_000, True, "USDT", -1.25, 0.58, -0.05), ("BTC", 45, 40_000, False, None, 10.0, 0.8, -0.25),
    ("BTC", 200, 100_000, True, None, -4.0, 0.66, 0.05), ("BTC", 200, 60_000, False, "USDC", 1.5, 0.61, -0.1),
    ("ETH", 3, 3_000, True, None, -40.0, 0.7, -0.1), ("ETH", 3, 2_700, False, "USDC", 25.0, 0.85, -0.35),
    ("ETH", 60, 4_000, True, "USDT", 30.0, 0.78, 0.08), ("ETH", 60, 2_500, False, None, -20.0, 0.83, -0.2),
]
# coin, days (None: a perpetual), settlement, quantity (of one settled in coin in USD), cost
FUTURES = [
    ("BTC", None, None, -120_000.0, 2.05), ("BTC", 45, None, 50_000.0, -0.81), ("BTC", None, "USDT", -0.5, -30_000.0),
    ("ETH", None, "USDC", 12.0, 35_000.0), ("ETH", 60, "USDT", -8.0, -24_500.0),
]
BALANCES = [("BTC", 1.75), ("ETH", -4.5), ("USDT", 100_000.0), ("USDC", -25_000.0), ("USD", 1_000.0)]

STILL = dict(spot={}, others=0.0, deviations={}, relative=0.0, absolute=0.0, twist=0.0, early=0.0, skew=0.0, tilt=0.0, short=0.0,
             long=0.0, shortest=1.0, floor=0.0, moneyness=False, hours=0, funding=0.0, dollars={}, vols={}, points={}, skews={})
SCENARIOS = [dict(STILL, others=spot, relative=vol, short=0.3, long=0.13)
             for spot in (-0.16, -0.08, 0.0, 0.08, 0.16) for vol in (0.5, 0.0, -0.25)]
SCENARIOS += [
    dict(STILL, skew=-0.12, others=-0.05), dict(STILL, tilt=-0.07, skew=0.02, shortest=2.0, others=0.1), dict(STILL, twist=0.3, short=0.4, long=0.2), dict(STILL, early=0.25, relative=-0.1),
    dict(STILL, absolute=-0.4, floor=0.35, short=0.2, shortest=7.0),
    dict(STILL, hours=26, funding=0.0012, others=0.03), dict(STILL, moneyness=True, others=-0.22, spot={"ETH": -0.3}),
    dict(STILL, deviations={"BTC": -3.0, "ETH": -3.0}, relative=1.0), dict(STILL, dollars={"USDT": -0.08, "USDC": -0.02}),
    dict(STILL, others=-0.4, relative=0.8, twist=0.1, skew=0.06, short=0.35, long=0.1, floor=0.5, moneyness=True, hours=50,
         funding=-0.003, dollars={"USDT": -0.15, "USDC": 0.01}),
]
# Many joint moves: what they have in common, and a row for each. Volatilities of coins move beside what is common.
LIKE = dict(STILL, others=-0.01, relative=0.05, twist=0.02, skew=-0.03, tilt=0.01, absolute=0.01, short=0.35, long=0.12, shortest=2.0,
            floor=0.2, moneyness=True, hours=24, funding=0.0004, dollars={"USDT": -0.001})


def joint_rows(count):
    state = 20_260_101

    def unit():
        nonlocal state
        state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
        return (state >> 11) / 2**53

    def bell(width):
        return width * (sum(unit() for _ in range(12)) - 6)

    return [dict(BTC=math.exp(bell(0.08)), ETH=math.exp(bell(0.12)), USDC=1 + bell(0.004), vol_BTC=bell(0.15), vol_ETH=bell(0.2),
                 points_ETH=bell(0.03), skew_BTC=bell(0.04), skew_ETH=bell(0.05)) for _ in range(count)]


def joint(row):
    """A row as a scenario. A price that has a column moves by it alone."""
    return dict(LIKE, spot={"BTC": row["BTC"] - 1, "ETH": row["ETH"] - 1}, dollars=dict(LIKE["dollars"], USDC=row["USDC"] - 1),
                vols={"BTC": row["vol_BTC"], "ETH": row["vol_ETH"]}, points={"ETH": row["points_ETH"]},
                skews={"BTC": row["skew_BTC"], "ETH": row["skew_ETH"]})


def normal(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def black(forward, strike, years, vol, call, discount):
    deviation = vol * math.sqrt(years)
    if deviation == 0:
        return discount * max(forward - strike if call else strike - forward, 0.0)
    d1 = math.log(forward / strike) / deviation + deviation / 2
    d2 = d1 - deviation
    if call:
        return discount * (forward * normal(d1) - strike * normal(d2))
    return discount * (strike * normal(-d2) - forward * normal(-d1))


def moved(currency, by):
    """The price of a currency after a scenario."""
    price = PRICES[currency]
    if currency in by["dollars"]:
        return price * (1 + by["dollars"][currency])
    if currency in ("USD", "USDT", "USDC"):
        return price
    if currency in by["deviations"]:
        return price * math.exp(by["deviations"][currency] * VOLS[currency] / math.sqrt(365))
    return price * (1 + by["spot"].get(currency, by["others"]))


def shocked(coin, vol, slope, strike, quoted, factor, days, by):
    """A volatility after a scenario, of a smile that stays at its strikes or follows the forward."""
    counted = max(days, by["shortest"])
    weight = (30 / counted) ** (by["short"] if counted < 30 else by["long"])
    early = (math.sqrt(30 / counted) - 1) / (math.sqrt(30 / 7) - 1) if counted < 30 else 0.0
    if by["moneyness"]:
        vol = vol - slope * math.log(factor)
    level = 1 + (by["relative"] + by["vols"].get(coin, 0.0)) * weight + by["twist"] * (weight - 1) + by["early"] * early
    points = by["absolute"] + by["points"].get(coin, 0.0)
    tilt = (by["tilt"] + by["skews"].get(coin, 0.0)) * (30 / counted) ** (0.6 if counted < 30 else 1.2)
    return max(vol * level + points * weight + (by["skew"] + tilt) * math.log(strike / quoted), by["floor"])


def values(by):
    """What each line is worth in USD: options, futures, balances."""
    terms = {(coin, days): (forward, discount) for coin, days, forward, discount in TERMS}
    worth = []
    for coin, days, strike, call, settle, quantity, vol, slope in OPTIONS:
        forward, discount = terms[coin, days]
        dollar = moved(settle, by) if settle else 1.0
        before = PRICES[settle] if settle else 1.0
        factor = moved(coin, by) / PRICES[coin] / (dollar / before)
        quoted = forward / before
        left = max(days - by["hours"] / 24, 0.0)
        price = black(quoted * factor, strike, left / 365, shocked(coin, vol, slope, strike, quoted, factor, days, by), call,
                      discount ** (left / days) if settle else 1.0)
        worth.append(quantity * (price * dollar if settle else price / (forward * factor) * moved(coin, by)))
    for coin, days, settle, quantity, cost in FUTURES:
        forward = moved(coin, by) * (terms[coin, days][0] / PRICES[coin] if days else 1.0)
        paid = by["funding"] if days is None else 0.0
        if settle:
            worth.append(quantity * forward * (1 - paid) - cost * moved(settle, by))
        else:
            worth.append((-quantity / forward * (1 + paid) - cost) * moved(coin, by))
    return worth + [amount * moved(currency, by) for currency, amount in BALANCES]


def main():
    now = [value / PRICES[ACCOUNT] for value in values(STILL)]

    def profits(by):
        return [value / moved(ACCOUNT, by) - before for value, before in zip(values(by), now)]

    rows = joint_rows(200)
    answer = {
        "account": ACCOUNT, "prices": PRICES, "vols": VOLS, "terms": TERMS, "options": OPTIONS, "futures": FUTURES,
        "balances": BALANCES, "value": math.fsum(now), "scenarios": SCENARIOS,
        "profits": [profits(by) for by in SCENARIOS], "like": LIKE,
        "joint": {name: [row[name] for row in rows] for name in rows[0]},
        "joint_totals": [math.fsum(profits(joint(row))) for row in rows],
        "joint_first": [profits(joint(row)) for row in rows[:5]],
    }
    print(json.dumps(answer, indent=1))


main()
