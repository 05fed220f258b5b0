#!/usr/bin/env python3
"""Equal-risk and budgeted weights by riskfolio-lib, shrinkage by scikit-learn, and shrinkage towards a constant correlation written from
the authors' own formulas: golden cases for the library's own.

    python3 vectors/budgets.py > vectors/budgets.json

Returns are made of additions and multiplications alone, so that a test makes the same ones. Needs the packages riskfolio-lib and
scikit-learn. Without them it prints what it printed before, and says so.
"""
import json
import sys
from pathlib import Path

MASK = (1 << 64) - 1


def returns(seed, count, observations):
    """A common factor and noise, of volatilities from 1 % on, rising by half."""
    state = seed

    def bell():
        nonlocal state
        total = 0.0
        for _ in range(4):
            state = (state * 6364136223846793005 + 1442695040888963407) & MASK
            total += (state >> 32) / 4294967296.0
        return total - 2.0

    rows = []
    for _ in range(observations):
        common = bell()
        rows.append([0.01 * (1.0 + 0.5 * at) * (0.2 * (at % 4) * common + bell()) for at in range(count)])
    return rows


def constant_correlation(x):
    """Ledoit and Wolf (2004), "Honey, I Shrunk the Sample Covariance Matrix", appendix B, with matrices."""
    import numpy

    t, n = x.shape
    x = x - x.mean(axis=0)
    sample = x.T @ x / t
    variance = numpy.diag(sample).reshape(-1, 1)
    deviation = numpy.sqrt(variance)
    mean = (numpy.sum(sample / (deviation @ deviation.T)) - n) / (n * (n - 1))
    prior = mean * (deviation @ deviation.T)
    numpy.fill_diagonal(prior, variance.ravel())
    y = x ** 2
    phi_matrix = y.T @ y / t - sample ** 2
    phi = phi_matrix.sum()
    theta = (x ** 3).T @ x / t - variance * sample
    numpy.fill_diagonal(theta, 0.0)
    rho = numpy.diag(phi_matrix).sum() + mean * numpy.sum((1.0 / deviation) @ deviation.T * theta)
    gamma = numpy.linalg.norm(sample - prior, "fro") ** 2
    shrinkage = max(0.0, min(1.0, (phi - rho) / gamma / t))
    return shrinkage, shrinkage * prior + (1.0 - shrinkage) * sample


def main():
    import numpy
    import pandas
    import riskfolio
    from sklearn.covariance import LedoitWolf

    made = []
    for seed, count, observations in [(1, 2, 60), (2, 4, 120), (3, 8, 250), (4, 12, 40), (5, 20, 500)]:
        x = numpy.array(returns(seed, count, observations))
        wolf = LedoitWolf(assume_centered=False).fit(x)
        shrinkage, covariance = constant_correlation(x)
        frame = pandas.DataFrame(x)
        budgets = numpy.arange(1, count + 1) / (count * (count + 1) / 2)
        weights = {}
        for name, budget in [("equal", None), ("rising", budgets.reshape(-1, 1))]:
            book = riskfolio.Portfolio(returns=frame)
            book.assets_stats(method_mu="hist", method_cov="hist")
            book.cov = pandas.DataFrame(covariance * 1e4, index=frame.columns, columns=frame.columns)
            found = book.rp_optimization(model="Classic", rm="MV", rf=0, b=budget, hist=True)
            weights[name] = [float(value) for value in found["weights"]]
        made.append(dict(
            seed=seed, count=count, observations=observations,
            identity=float(wolf.shrinkage_), identity_first=float(wolf.covariance_[0, 0]), identity_last=float(wolf.covariance_[0, -1]),
            constant=float(shrinkage), constant_first=float(covariance[0, 0]), constant_last=float(covariance[0, -1]),
            **weights,
        ))
    print(json.dumps(made, indent=1))


if __name__ == "__main__":
    try:
        main()
    except ImportError as missing:
        print(f"{missing}: printed what stood here before", file=sys.stderr)
        sys.stdout.write(Path(__file__).with_suffix(".json").read_text())
