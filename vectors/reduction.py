#!/usr/bin/env python3
"""Least costs of reducing books to a limit of expected shortfall, by the package cvxpy with the solver Clarabel: golden cases for the
library's own solver.

    python3 vectors/reduction.py > vectors/reduction.json

Books are made of additions and multiplications alone, so that a test makes the same ones. The problem is put as Rockafellar and Uryasev
do: the least cost of giving up shares x of the positions, where t + sum(z) / (scenarios * (1 - confidence)) is at most the restore level,
z >= 0 and z >= loss - t. Half of the cases have quadratic impact, some a limit of gross exposure besides.

Needs the packages cvxpy, clarabel and numpy. Without them it prints what it printed before, and says so.
"""
import json
import sys
from pathlib import Path

MASK = (1 << 64) - 1


class Random:
    def __init__(self, seed):
        self.state = seed

    def unit(self):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK
        return (self.state >> 32) / 4294967296.0

    def bell(self):
        return self.unit() + self.unit() + self.unit() + self.unit() - 2.0


def book(seed, count, scenarios, lean):
    """Profits by position and scenario, half spreads and impacts. Of loads between lean and 1: under zero they hedge."""
    random = Random(seed)
    factors = [[random.bell() for _ in range(3)] for _ in range(scenarios)]
    profits, spreads, impacts = [], [], []
    for _ in range(count):
        loads = [lean + (1.0 - lean) * random.unit() for _ in range(3)]
        size = 0.2 + 2.8 * random.unit()
        bent = random.unit() < 0.25
        row = []
        for factor in factors:
            total = loads[0] * factor[0] + loads[1] * factor[1] + loads[2] * factor[2] + 0.4 * random.bell()
            row.append(size * (0.4 - abs(total)) if bent else size * total)
        profits.append(row)
        spreads.append(size * (0.002 + 0.018 * random.unit()))
        impacts.append(size * 0.01 * random.unit())
    return profits, spreads, impacts


CASES = [
    # seed, positions, scenarios, confidence, lean, impact, restore, gross
    (1, 20, 1000, 0.975, -0.4, 0.0, 0.5, 0.0),
    (2, 20, 1000, 0.975, -0.9, 0.0, 0.5, 0.0),
    (3, 20, 1000, 0.99, -0.9, 1.0, 0.4, 0.8),
    (4, 50, 500, 0.95, -0.7, 0.0, 0.3, 0.0),
    (5, 50, 1000, 0.975, -0.9, 1.0, 0.7, 0.0),
    (6, 100, 1000, 0.975, -0.4, 0.0, 0.5, 0.6),
    (7, 100, 1000, 0.975, -1.0, 0.0, 0.5, 0.0),
    (8, 100, 1000, 0.975, -1.0, 1.0, 0.5, 0.7),
    (9, 100, 1000, 0.99, -1.0, 0.0, 0.2, 0.0),
]


def main():
    import cvxpy
    import numpy

    made = []
    for seed, count, scenarios, confidence, lean, impact, restore, gross in CASES:
        profits, spreads, impacts = (numpy.array(one) for one in book(seed, count, scenarios, lean))
        beyond = scenarios * (1.0 - confidence)
        worst = numpy.sort(-profits.sum(axis=0))[::-1]
        whole = int(beyond + 1e-9)
        part = beyond - whole
        before = (worst[:whole].sum() + (part * worst[whole] if part > 1e-9 else 0.0)) / beyond
        x, z, t = cvxpy.Variable(count), cvxpy.Variable(scenarios), cvxpy.Variable()
        loss = -(profits.T @ (1.0 - x))
        keeps = [x >= 0, x <= 1, z >= 0, z >= loss - t, t + cvxpy.sum(z) / beyond <= restore * before]
        if gross > 0.0:
            keeps.append(spreads @ (1.0 - x) <= gross * spreads.sum())
        cost = spreads @ x + impact * impacts @ cvxpy.square(x)
        problem = cvxpy.Problem(cvxpy.Minimize(cost), keeps)
        problem.solve(solver=cvxpy.CLARABEL, tol_gap_abs=1e-11, tol_gap_rel=1e-11, tol_feas=1e-11)
        assert problem.status == "optimal", problem.status
        made.append(dict(
            seed=seed, count=count, scenarios=scenarios, confidence=confidence, lean=lean, impact=impact, restore=restore,
            gross=gross, before=float(before), cost=float(problem.value),
        ))
    print(json.dumps(made, indent=1))


if __name__ == "__main__":
    try:
        main()
    except ImportError as missing:
        print(f"{missing}: printed what stood here before", file=sys.stderr)
        sys.stdout.write(Path(__file__).with_suffix(".json").read_text())
