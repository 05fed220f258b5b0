"""Prices and Greeks of European options, by differentiating the price with 120 significant digits of its time value.

Nothing here knows a formula of a Greek: each is a difference quotient of the discounted price. `scale` is the largest term of the
textbook expression, to which an error is compared; `coin` is the same of price / forward. Standard library only.
"""
import json
import math
import random
from decimal import Decimal as D, getcontext

getcontext().prec = 600
ONE, TWO, HALF = D(1), D(2), D("0.5")


def pi():
    def arctan_inverse(n):
        total = term = ONE / n
        k = 1
        while abs(term) > D(10) ** -605:
            term = -term / (n * n)
            k += 2
            total += term / k
        return total
    return 4 * (4 * arctan_inverse(5) - arctan_inverse(239))


ROOT_TWO_PI = (2 * pi()).sqrt()


def density(x):
    return (-x * x / 2).exp() / ROOT_TWO_PI


def distribution(x):
    if x < -5:
        # N(x) = n(x) / (a + 1/(a + 2/(a + ...))), a = -x, from far inside out.
        a = -x
        fraction = a
        for k in range(int(getcontext().prec ** 2 / a / a) + 50, 0, -1):
            fraction = a + k / fraction
        return density(x) / fraction
    if x > 5:
        return 1 - distribution(-x)
    term = total = x
    k = 1
    while abs(term) > D(10) ** -getcontext().prec:
        k += 2
        term = term * x * x / k
        total += term
    return HALF + density(x) * total


def price(kind, forward, strike, years, vol, rate):
    deviation = vol * years.sqrt()
    d1 = (forward / strike).ln() / deviation + deviation / 2
    d2 = d1 - deviation
    sign = 1 if kind == "call" else -1
    value = sign * (forward * distribution(sign * d1) - strike * distribution(sign * d2))
    return (-rate * years).exp() * value


def greeks(kind, forward, strike, years, vol, discount, coin=False):
    # In the money the time value is small beside the price: as many digits more.
    d = abs(math.log(forward / strike)) / (vol * math.sqrt(years)) + vol * math.sqrt(years)
    getcontext().prec = 130 + int(d * d / 4)
    F, K, T, V = map(D, (forward, strike, years, vol))
    R = -D(discount).ln() / T
    step = D(10) ** -22
    kept = {}

    def at(f=0, v=0, t=0, r=0):
        key = (f, v, t, r)
        if key not in kept:
            value = price(kind, F * (1 + f * step), K, T * (1 + t * step), V * (1 + v * step), R + r * step)
            kept[key] = value / (F * (1 + f * step)) if coin else value
        return kept[key]

    hF, hV, hT = F * step, V * step, T * step

    def slopes(**where):
        """Value and three derivatives by the forward."""
        a, b, c, d, e = (at(f=f, **where) for f in (-2, -1, 0, 1, 2))
        return c, (d - b) / (2 * hF), (d - 2 * c + b) / hF**2, (e - 2 * d + 2 * b - a) / (2 * hF**3)

    def by(name, h, order):
        up, down = slopes(**{name: 1}), slopes(**{name: -1})
        return (up[order] - down[order]) / (2 * h)

    base = slopes()
    day, point = ONE / 365, D("0.01")
    values = dict(
        price=base[0], delta=base[1], gamma=base[2], speed=base[3],
        vega=by("v", hV, 0) * point, theta=-by("t", hT, 0) * day,
        rho=(at(r=1) - at(r=-1)) / (2 * step) * point,
        vanna=by("v", hV, 1) * point, charm=-by("t", hT, 1) * day,
        volga=(at(v=1) - 2 * at() + at(v=-1)) / hV**2 * point**2,
        veta=-(at(v=1, t=1) - at(v=-1, t=1) - at(v=1, t=-1) + at(v=-1, t=-1)) / (4 * hV * hT) * point * day,
        zomma=by("v", hV, 2) * point, color=-by("t", hT, 2) * day,
    )
    # Sizes of the terms that the expressions add up.
    deviation = V * T.sqrt()
    big = max(abs((F / K).ln()) / deviation, deviation / 2)
    inverse = 1 / (2 * T)
    dens = D(discount) * density((F / K).ln() / deviation + deviation / 2)
    decay = F * dens * V / (2 * T.sqrt())
    vega, gamma, delta = (abs(values[name]) for name in ("vega", "gamma", "delta"))
    sign = 1 if kind == "call" else -1
    d1 = (F / K).ln() / deviation + deviation / 2
    worth = D(discount) * max(F * distribution(sign * d1), K * distribution(sign * (d1 - deviation)))
    scales = dict(
        price=F * D(discount), delta=delta, gamma=gamma, vega=vega, theta=max(abs(R) * worth, decay) * day,
        rho=T * worth * point, vanna=dens * big / V * point, volga=vega * big * big / V * point,
        charm=max(abs(R) * delta, dens * big * inverse) * day, veta=vega * max(abs(R), inverse, big * big * inverse) * day,
        speed=gamma / F * max(ONE, big / deviation), zomma=gamma * max(ONE, big * big) / V * point,
        color=gamma * max(abs(R), inverse, big * big * inverse) * day,
    )
    return values, scales


def text(value):
    """The nearest double, as text: readers of JSON differ in how well they round."""
    return repr(float(value))


ORDER = "price delta gamma vega theta rho vanna volga charm veta speed zomma color".split()


def main():
    rng = random.Random(20260115)
    second = 1 / 365 / 86400
    cases = [
        ("call", 60000.0, 65000.0, 0.1, 0.65, 1.0), ("put", 60000.0, 65000.0, 0.1, 0.65, 0.97),
        ("call", 60000.0, 60000.0, second, 0.65, 1.0), ("put", 60000.0, 60000.0, second, 5.0, 1.0),
        ("call", 60000.0, 60000.5, second, 0.01, 1.0), ("put", 60000.0, 60000.5, second, 0.01, 0.999),
        ("call", 60000.0, 60100.0, second, 0.65, 1.0), ("call", 60000.0, 59900.0, second, 5.0, 1.0),
        ("call", 60000.0, 60600.0, 0.1, 0.01, 1.0), ("put", 60000.0, 54000.0, 1.0, 0.01, 0.9),
        ("call", 60000.0, 600000.0, 1.0, 0.5, 1.0), ("put", 60000.0, 600.0, 1.0, 0.5, 1.0),
        ("call", 60000.0, 600.0, 1.0, 5.0, 1.0), ("put", 60000.0, 6000000.0, 2.0, 5.0, 1.0),
        ("put", 60000.0, 180000.0, 0.05, 0.4, 1.0), ("call", 60000.0, 20000.0, 0.05, 0.4, 1.0),
        ("call", 1e-6, 2e-6, 0.5, 1.5, 1.0), ("put", 1e9, 7e8, 0.5, 1.5, 1.0),
    ]
    while len(cases) < 110:
        years = rng.choice([second, 60 * second, 1 / 8760, 1 / 365, 7 / 365, 0.1, 0.5, 1.0, 3.0])
        vol = rng.choice([0.01, 0.1, 0.3, 0.65, 1.2, 2.5, 5.0])
        d = rng.uniform(-9, 9) if rng.random() < 0.8 else rng.uniform(-30, 30)
        strike = float(f"{60000.0 * 2.718281828 ** (d * vol * years ** 0.5):.9g}")
        if 1 < strike < 1e9:
            discount = rng.choice([1.0, 1.0, 0.99, 1.002]) if years > 0.001 else 1.0
            cases.append((rng.choice(["call", "put"]), 60000.0, strike, years, vol, discount))
    print('{"order": ' + json.dumps(ORDER) + ',\n"cases": [')
    for index, case in enumerate(cases):
        values, scales = greeks(*case)
        row = dict(
            inputs=[case[0], *map(text, case[1:])],
            values=[text(values[k]) for k in ORDER],
            scales=[f"{float(scales[k]):.6g}" for k in ORDER],
        )
        if index < 50:
            in_coin = greeks(*case, coin=True)[0]
            row["coin"] = [text(in_coin[k]) for k in ORDER]
        print(json.dumps(row) + ("," if index + 1 < len(cases) else ""))
    print("]}")


if __name__ == "__main__":
    main()
