#!/usr/bin/env python3
"""Fits of GARCH models to recorded returns of BTC and ETH by the package arch (Kevin Sheppard): golden cases of real series.

    python3 vectors/garch_real.py > vectors/garch_real.json

Returns are 100 × ln(close ÷ close before) of the files of the shared data; written are the name and the slice of a series, never a price.
Each model is fitted

- as the package does it when asked for a fit (`default`: the logarithm of the likelihood where it stopped), and
- from many starting values; the best is then brought to the top of the package's own likelihood by Newton's steps with differences of
  fifth points, parameters that lie on their bounds held there (`parameters`, `log_likelihood`, `forecasts`). `uphill` is what a further
  step still promises.

`second` is the likelihood of the best end of a search that is another place. Needs arch, numpy, pyarrow and the shared data. Without them
it prints what it printed before, and says so.
"""
import itertools
import json
import os
import sys
import warnings
from pathlib import Path

DAYS = ("bars_daily/BTCUSD_cryptocompare_1d", "bars_daily/ETHUSD_cryptocompare_1d")
HOURS = ("bars_multiyear/BTCUSDT_binance_perp_1h_2023_2024", "bars_multiyear/ETHUSDT_binance_perp_1h_2023_2024")
# First return and how many.
SLICES = [(DAYS, 0, 2500), (DAYS, 0, 700), (DAYS, 700, 500), (DAYS, 1200, 500), (DAYS, 1825, 700), (DAYS, 1965, 500), (DAYS, 2025, 500)]
SLICES += [(HOURS, 0, 2500), (HOURS, 9000, 1000), (HOURS, 15000, 2500)]
MODELS = list(itertools.product((False, True), (False, True)))
HORIZONS = [1, 2, 5, 22]
ON_BOUND = 2e-6


def closes(folder, name):
    import pyarrow.parquet

    return pyarrow.parquet.read_table(folder / "data" / f"{name}.parquet", columns=["close"])["close"].to_numpy()


class Free:
    """The parameters that are not on a bound: of (omega, alpha, gamma, beta, degrees of freedom), gamma and degrees where there are any."""

    def __init__(self, at, asymmetric, student):
        self.asymmetric, self.student = asymmetric, student
        omega, alpha, gamma, beta = at[0], at[1], at[2] if asymmetric else 0.0, at[2 + asymmetric]
        self.no_rise = alpha < ON_BOUND
        self.no_fall = asymmetric and alpha + gamma < ON_BOUND
        self.no_memory = beta < ON_BOUND
        self.integrated = alpha + gamma / 2 + beta > 1 - 10 * ON_BOUND
        self.start = [omega] + [value for value, is_free in self.listed(alpha, gamma, beta) if is_free]
        self.start += [at[-1]] if student else []

    def listed(self, alpha, gamma, beta):
        yield alpha, not self.no_rise
        yield gamma, self.asymmetric and not self.no_fall
        yield beta, not self.no_memory and not self.integrated

    def whole(self, free):
        free = list(free)
        omega, free = free[0], free[1:]
        alpha = 0.0 if self.no_rise else free.pop(0)
        gamma = 0.0 if not self.asymmetric else -alpha if self.no_fall else free.pop(0)
        beta = 1 - alpha - gamma / 2 if self.integrated else 0.0 if self.no_memory else free.pop(0)
        return [omega, alpha] + [gamma] * self.asymmetric + [beta] + free


def polished(value, free):
    """Newton's steps up `value`, slopes and curvature by differences of fifth points. Gives the place and what a step still promises."""
    import numpy

    at = numpy.array(free.start)
    promise = numpy.inf
    for _ in range(12):
        # Near the bound of the persistence what follows from it goes with one over the distance.
        _, *weights = free.whole(at)
        left = 1.0 - weights[0] - (weights[1] / 2 if free.asymmetric else 0.0) - weights[1 + free.asymmetric]
        room = numpy.inf if free.integrated else max(0.004 * left, 1e-9)
        steps = 7e-4 * numpy.maximum(numpy.abs(at), 1e-3)
        inner = slice(1, len(at) - free.student)
        steps[inner] = numpy.minimum(steps[inner], room)
        of = lambda moves: value(free.whole(at + moves))
        unit = numpy.eye(len(at)) * steps
        slope = numpy.array([(8 * (of(u) - of(-u)) - (of(2 * u) - of(-2 * u))) / 12 for u in unit]) / steps
        middle = of(0 * at)
        curvature = numpy.zeros((len(at), len(at)))
        for row, column in itertools.combinations_with_replacement(range(len(at)), 2):
            u, v = unit[row], unit[column]
            if row == column:
                second = (16 * (of(u) + of(-u)) - of(2 * u) - of(-2 * u) - 30 * middle) / 12
            else:
                second = (of(u + v) - of(u - v) - of(v - u) + of(-u - v)) / 4
            curvature[row, column] = curvature[column, row] = second / steps[row] / steps[column]
        if not (numpy.isfinite(slope).all() and numpy.isfinite(curvature).all()):
            break
        step = -numpy.linalg.solve(curvature, slope)
        gain = slope @ step
        length = 1.0
        while length > 1e-6 and not value(free.whole(at + length * step)) >= middle - 1e-9:
            length /= 4
        if gain < 0 or length <= 1e-6:
            break
        at, before, promise = at + length * step, promise, gain
        if promise < 1e-17 or (promise < 1e-13 and promise >= before / 2):
            break
    return free.whole(at), float(promise)


def cases(folder):
    import numpy
    from arch.univariate import GARCH, EWMAVariance, Normal, StudentsT, ZeroMean

    for names, first, count in SLICES:
        for name in names:
            series = closes(folder, name)
            made = 100 * numpy.log(series[1:] / series[:-1])[first : first + count]
            assert len(made) == count
            whose = dict(series=name, first=first, count=count)
            weights = ZeroMean(made, volatility=EWMAVariance(0.94), rescale=False).fix([])
            yield dict(**whose, exponential=float(weights.forecast(horizon=1, reindex=False).variance.to_numpy()[-1][0]))
            for asymmetric, student in MODELS:
                model = ZeroMean(
                    made, volatility=GARCH(1, int(asymmetric), 1), distribution=StudentsT() if student else Normal(), rescale=False
                )
                value = lambda at: float(model.fix(at).loglikelihood)
                default = model.fit(disp="off", show_warning=False)
                ends = [model.fit(disp="off", show_warning=False, tol=1e-13, options={"maxiter": 5000})]
                square = float((made**2).mean())
                for persistence, alpha, share in itertools.product((0.4, 0.8, 0.97, 0.999), (0.02, 0.1, 0.3), (0.2, 0.5, 0.9)):
                    if not asymmetric and share != 0.5:
                        continue
                    rise = 2 * alpha * (1 - share) if asymmetric else alpha
                    fall = 2 * alpha * share - rise if asymmetric else 0.0
                    start = [square * (1 - persistence), rise] + [fall] * asymmetric + [persistence - alpha] + [5.0] * student
                    ends.append(model.fit(disp="off", show_warning=False, tol=1e-13, starting_values=numpy.array(start), options={"maxiter": 5000}))
                ends.sort(key=lambda end: -end.loglikelihood)
                at, uphill = ends[0].params.to_numpy(), None
                for _ in range(2):
                    at, uphill = polished(value, Free(at, asymmetric, student))
                best = value(at)
                # The package's search leaves the bound of the persistence by some 1e-5 and is more likely there.
                assert best >= ends[0].loglikelihood - 2e-3, (whose, asymmetric, student, best, ends[0].loglikelihood)
                variances = model.fix(at).forecast(horizon=max(HORIZONS), reindex=False).variance.to_numpy()[-1]
                apart = lambda end: abs(end.forecast(horizon=1, reindex=False).variance.to_numpy()[-1][0] / variances[0] - 1) > 1e-2
                seconds = [float(end.loglikelihood) for end in ends if apart(end)]
                yield dict(
                    **whose,
                    asymmetric=asymmetric,
                    student=student,
                    parameters=[float(one) for one in (*at[:2], at[2] if asymmetric else 0.0, at[2 + asymmetric])],
                    degrees=float(at[-1]) if student else None,
                    log_likelihood=best,
                    uphill=uphill,
                    default=float(default.loglikelihood),
                    second=max(seconds, default=None),
                    forecasts=[float(variances[horizon - 1]) for horizon in HORIZONS],
                )


def main():
    warnings.simplefilter("ignore")
    beside = Path(__file__).resolve().parents[1].parent / "shared"
    folder = Path(os.environ.get("TRIMTAB_SHARED", beside))
    try:
        import arch  # noqa: F401
        import pyarrow  # noqa: F401

        closes(folder, DAYS[0])
    except (ImportError, FileNotFoundError) as missing:
        print(f"garch_real.py: {missing}: what was printed before", file=sys.stderr)
        sys.stdout.write(Path(__file__).with_suffix(".json").read_text())
        return
    lines = ",\n".join(json.dumps(case) for case in cases(folder))
    print(f'{{"horizons": {json.dumps(HORIZONS)}, "cases": [\n{lines}\n]}}')


if __name__ == "__main__":
    main()
