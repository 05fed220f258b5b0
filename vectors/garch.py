#!/usr/bin/env python3
"""Fits of GARCH models by the package arch (Kevin Sheppard): golden cases for the library's own.

    python3 vectors/garch.py > vectors/garch.json

The returns are made here, of additions, multiplications and square roots alone, so that a test makes the same ones bit for bit: the sum
of twelve uniform numbers less six, for fat tails over the root of a mean of squares of six such sums, scaled by a variance that follows
the recursion below. Each model is fitted with a tolerance under which the package's optimum is as exact as it gets; written are
parameters, logarithm of the likelihood there and at parameters that nothing was fitted to, and forecasts.

Needs the packages arch and numpy. Without them it prints what it printed before, and says so.
"""
import json
import math
import sys
import warnings
from pathlib import Path

MASK = (1 << 64) - 1


def sums(state):
    """Twelve uniform numbers less six: about normal."""
    while True:
        total = 0.0
        for _ in range(12):
            state = (state * 6364136223846793005 + 1442695040888963407) & MASK
            total += (state >> 32) / 4294967296.0
        yield total - 6.0


def returns(seed, count, mean, omega, alpha, gamma, beta, fat):
    """Percent a day."""
    draw = sums(seed)
    variance = omega / (1.0 - alpha - gamma / 2.0 - beta)
    made = []
    for _ in range(count):
        shock = next(draw)
        if fat:
            squares = 0.0
            for _ in range(6):
                one = next(draw)
                squares += one * one
            shock = shock / math.sqrt(squares / 6.0) * math.sqrt(2.0 / 3.0)
        surprise = math.sqrt(variance) * shock
        made.append(mean + surprise)
        weight = alpha + gamma if surprise < 0.0 else alpha
        variance = omega + weight * surprise * surprise + beta * variance
    return made


SERIES = [
    dict(seed=1, count=2500, mean=0.05, omega=0.3, alpha=0.08, gamma=0.0, beta=0.88, fat=False),
    dict(seed=2, count=2500, mean=0.1, omega=0.5, alpha=0.06, gamma=0.0, beta=0.9, fat=True),
    dict(seed=3, count=2500, mean=0.0, omega=0.2, alpha=0.02, gamma=0.12, beta=0.87, fat=True),
    dict(seed=4, count=2500, mean=0.0, omega=1.0, alpha=0.12, gamma=-0.08, beta=0.8, fat=False),
    dict(seed=5, count=400, mean=0.0, omega=2.0, alpha=0.15, gamma=0.0, beta=0.7, fat=True),
]
MODELS = [(asymmetric, student, mean) for asymmetric in (False, True) for student in (False, True) for mean in (False, True)]
HORIZONS = [1, 2, 5, 22]


def cases():
    import numpy
    from arch.univariate import GARCH, ConstantMean, EWMAVariance, Normal, StudentsT, ZeroMean

    for series in SERIES:
        made = numpy.array(returns(**series))
        for asymmetric, student, mean in MODELS:
            model = (ConstantMean if mean else ZeroMean)(
                made, volatility=GARCH(1, int(asymmetric), 1), distribution=StudentsT() if student else Normal(), rescale=False
            )
            fitted = model.fit(disp="off", tol=1e-13, options={"maxiter": 5000})
            for _ in range(3):
                again = model.fit(disp="off", tol=1e-15, starting_values=fitted.params.to_numpy(), options={"maxiter": 5000})
                if again.loglikelihood > fitted.loglikelihood:
                    fitted = again
            named = dict(mu=0.0)
            named["gamma[1]"] = 0.0
            named.update(fitted.params)
            variances = fitted.forecast(horizon=max(HORIZONS), reindex=False).variance.to_numpy()[-1]
            fixed = [0.03] * mean + [0.4, 0.07] + [0.05] * asymmetric + [0.85] + [7.0] * student
            yield dict(
                series=series,
                asymmetric=asymmetric,
                student=student,
                mean=mean,
                parameters=[float(named[name]) for name in ("mu", "omega", "alpha[1]", "gamma[1]", "beta[1]")],
                degrees=float(named["nu"]) if student else None,
                log_likelihood=float(fitted.loglikelihood),
                fixed=float(model.fix(fixed).loglikelihood),
                forecasts=[float(variances[horizon - 1]) for horizon in HORIZONS],
            )
        weights = ZeroMean(made, volatility=EWMAVariance(0.94), rescale=False).fix([])
        yield dict(series=series, exponential=float(weights.forecast(horizon=1, reindex=False).variance.to_numpy()[-1][0]))


def main():
    warnings.simplefilter("ignore")
    golden = Path(__file__).with_suffix(".json")
    try:
        import arch  # noqa: F401
    except ImportError:
        print("garch.py: no package arch: what was printed before", file=sys.stderr)
        sys.stdout.write(golden.read_text())
        return
    lines = ",\n".join(json.dumps(case) for case in cases())
    print(f'{{"horizons": {json.dumps(HORIZONS)}, "cases": [\n{lines}\n]}}')


if __name__ == "__main__":
    main()
