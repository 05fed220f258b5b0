"""Black's formula with twelve Greeks in numpy, a plain column at a time: the baseline of `options.rs`.

Prints options a second, in millions: 2,000 options in cache, then 200,000. CPU time of this thread, median of nine.
The normal distribution is a quotient of polynomials, because numpy has none.
"""
import statistics
import sys
import time

import numpy as np

NUMERATOR = [3.492230034691047e-06, 9.381174512652255e-05, 0.0012340824253816158, 0.010283838607403542, 0.0593714725713538,
             0.2454197091269553, 0.7264241360331789, 1.49070844407295, 1.9434712502061865, 1.2533141373155003]
DENOMINATOR = [3.4922300347004976e-06, 9.381174512453880e-05, 0.0012375746556037595, 0.010377650341895496, 0.06059857094475336,
               0.2555159129182256, 0.7833626035137475, 1.7164947156246925, 2.563285249461361, 2.3485502657066143, 1.0]


def distribution(d, density):
    a = np.abs(d)
    tail = density * np.polyval(NUMERATOR, a) / np.polyval(DENOMINATOR, a)
    return np.where(d < 0, tail, 1 - tail)


def greeks(sign, forward, strike, years, vol, discount):
    root = np.sqrt(years)
    deviation = vol * root
    d1 = np.log(forward / strike) / deviation + deviation / 2
    d2 = d1 - deviation
    density = np.exp(-d1 * d1 / 2) * 0.3989422804014327
    first = distribution(sign * d1, density)
    second = distribution(sign * d2, density * forward / strike)
    rate = -np.log(discount) / years
    price = discount * sign * (forward * first - strike * second)
    delta = sign * discount * first
    gamma = discount * density / (forward * deviation)
    vega = discount * forward * density * root * 0.01
    theta = (rate * price - vega * 50 * vol / years) / 365
    product = d1 * d2
    return (price, delta, gamma, vega, theta, -years * price * 0.01, -discount * density * d2 / vol * 0.01,
            vega * product / vol * 0.01, (rate * delta + discount * density * d2 / (2 * years)) / 365,
            vega * (rate - (1 + product) / (2 * years)) / 365, -gamma / forward * (1 + d1 / deviation),
            gamma * (product - 1) / vol * 0.01, gamma * (rate + (1 - product) / (2 * years)) / 365)


def rate(count, passes):
    index = np.arange(count)
    share = lambda step, of: (index * step % of) / of
    columns = (np.where(index % 2, -1.0, 1.0), np.full(count, 60000.0), 30000 + 90000 * share(37, 1009),
               1 / 365 + share(101, 997), 0.3 + 0.9 * share(53, 991), np.ones(count))
    greeks(*columns)
    rates = []
    for _ in range(9):
        begin = time.thread_time()
        for _ in range(passes):
            greeks(*columns)
        rates.append(count * passes / (time.thread_time() - begin) / 1e6)
    return statistics.median(rates)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        # What one option is worth, for whoever doubts the formulas above.
        print(*(float(value) for value in greeks(1.0, *map(float, sys.argv[1:6]))))
    else:
        print(rate(2000, 100), rate(200000, 2))
