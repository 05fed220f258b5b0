"""Value at risk and expected shortfall of a book of options by full revaluation in numpy: the baseline of `joint.rs`.

Arguments: options, scenarios, whether skews move. Prints CPU time of this thread in ms, median of five, then value at risk at 99 % and expected shortfall
at 97.5 %. Books and scenarios are made as there. All scenarios of one option at a time, which numpy is quickest with; the normal law is
SciPy's, or a quotient of polynomials where that is missing.
"""
import statistics
import sys
import time

import numpy as np

try:
    from scipy.special import ndtr
except ImportError:
    NUMERATOR = [3.492230034691047e-06, 9.381174512652255e-05, 0.0012340824253816158, 0.010283838607403542, 0.0593714725713538,
                 0.2454197091269553, 0.7264241360331789, 1.49070844407295, 1.9434712502061865, 1.2533141373155003]
    DENOMINATOR = [3.4922300347004976e-06, 9.381174512453880e-05, 0.0012375746556037595, 0.010377650341895496,
                   0.06059857094475336, 0.2555159129182256, 0.7833626035137475, 1.7164947156246925, 2.563285249461361,
                   2.3485502657066143, 1.0]

    def ndtr(d):
        a = np.abs(d)
        tail = np.exp(-0.5 * d * d) * 0.3989422804014327 * np.polyval(NUMERATOR, a) / np.polyval(DENOMINATOR, a)
        return np.where(d < 0, tail, 1 - tail)


PRICE = 60_000.0


def book(count):
    for index in range(count):
        number = index % 12
        yield (PRICE + 100 * number, 1 + 15 * number, 30_000 + (index // 12) * (60_000 // (count // 12 + 1)), index % 5 < 2,
               (index % 7 - 3) * 0.5 - 0.1, 0.3 + 0.9 * (index * 53 % 991) / 991, -0.1)


def scenarios(count):
    index = np.arange(count)
    spread = lambda step: ((index * step) % 100_003) / 100_003 - 0.5
    first, second, third = spread(7_919), spread(104_729), spread(15_485_863)
    return 1 + 0.2 * first * (1 + second), 0.4 * third - 0.8 * first, 0.1 * second


def profits(options, factor, share, skew):
    log = np.log(factor)
    total = np.zeros(len(factor))
    for forward, days, strike, call, quantity, vol, slope in options:
        years, left, weight = days / 365, (days - 1) / 365, (30 / max(days, 1)) ** (0.3 if days < 30 else 0.13)
        sign = 1.0 if call else -1.0
        place = np.log(forward / strike)
        deviation = vol * years**0.5
        d1 = place / deviation + deviation / 2
        now = sign * (forward * ndtr(sign * d1) - strike * ndtr(sign * (d1 - deviation)))
        moved = forward * factor
        if left > 0:
            moved_vol = (vol - slope * log) * (1 + weight * share)
            if skew is not None:
                moved_vol += (30 / max(days, 1)) ** (0.6 if days < 30 else 1.2) * np.log(strike / forward) * skew
            deviation = np.maximum(moved_vol, 0.05) * left**0.5
            d1 = (place + log) / deviation + 0.5 * deviation
            worth = sign * (moved * ndtr(sign * d1) - strike * ndtr(sign * (d1 - deviation)))
        else:
            worth = np.maximum(sign * (moved - strike), 0.0)
        total += (quantity * PRICE / forward) * (worth - now)
    return total


def main():
    options, (factor, share, skew) = list(book(int(sys.argv[1]))), scenarios(int(sys.argv[2]))
    skew = skew if sys.argv[3] == "1" else None
    times = []
    for _ in range(5):
        begin = time.thread_time()
        losses = -np.sort(profits(options, factor, share, skew))
        count = len(losses)
        # As in `tail.rs`: so many losses exceed value at risk, and those of expected shortfall in part.
        value_at_risk = losses[round(count * 0.01)]
        beyond = count * 0.025
        shortfall = (losses[: int(beyond)].sum() + (beyond - int(beyond)) * losses[int(beyond)]) / beyond
        times.append((time.thread_time() - begin) * 1e3)
    print(statistics.median(times), value_at_risk, shortfall)


main()
