#!/usr/bin/env python3
"""How exactly GARCH models know the volatility of the next return, by the package arch (Kevin Sheppard): golden cases for histories drawn again.

    python3 vectors/garch_error.py > vectors/garch_error.json

The returns are made as those of `garch.py`. Of each fit: the kurtosis of its surprises; the volatility of the next return, and its standard error by the delta method, the
covariance of the parameters being the inverse of the curvature of the likelihood at its top (`cov_type="classic"`), the slopes differences.

Needs the packages arch and numpy. Without them it prints what it printed before, and says so.
"""
import json
import math
import sys
from pathlib import Path

from garch import returns

SERIES = [
    (dict(seed=1, count=1000, mean=0.0, omega=0.3, alpha=0.08, gamma=0.0, beta=0.88, fat=False), False),
    (dict(seed=9, count=1000, mean=0.0, omega=0.5, alpha=0.1, gamma=0.0, beta=0.8, fat=True), True),
]


def cases():
    import numpy
    from arch.univariate import GARCH, Normal, StudentsT, ZeroMean

    for series, student in SERIES:
        made = numpy.array(returns(**series))
        model = ZeroMean(made, volatility=GARCH(1, 0, 1), distribution=StudentsT() if student else Normal(), rescale=False)
        fitted = model.fit(disp="off", tol=1e-13, cov_type="classic", options={"maxiter": 5000})

        def next_vol(parameters):
            omega, alpha, beta = parameters[:3]
            variance = model.fix(parameters).conditional_volatility[-1] ** 2
            return math.sqrt(omega + alpha * made[-1] ** 2 + beta * variance)

        at = fitted.params.to_numpy()
        slopes = numpy.zeros(len(at))
        for place in range(3):
            step = 1e-5 * abs(at[place])
            up, down = at.copy(), at.copy()
            up[place] += step
            down[place] -= step
            slopes[place] = (next_vol(up) - next_vol(down)) / (2 * step)
        error = math.sqrt(slopes @ fitted.param_cov.to_numpy() @ slopes)
        surprises = fitted.std_resid
        kurtosis = float((surprises**4).mean() / (surprises**2).mean() ** 2)
        yield dict(series=series, student=student, returns=list(made), vol=next_vol(at), error=error, kurtosis=kurtosis)


if __name__ == "__main__":
    try:
        made = json.dumps(list(cases()), indent=None)
    except ImportError as missing:
        print(f"{missing}: printed what was printed before", file=sys.stderr)
        made = Path(__file__).with_suffix(".json").read_text().strip()
    print(made)
