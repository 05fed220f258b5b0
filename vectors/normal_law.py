"""Exponential, logarithm and the normal law with 120 digits, rounded to the nearest double. Standard library only."""
import json
import math
import random
import sys
from decimal import Decimal as D, getcontext

sys.dont_write_bytecode = True
from options import density, distribution, text


def main():
    getcontext().prec = 120
    rng = random.Random(1)
    exponents = [0.0, -1e-300, -1e-9, 1e-9, -0.34657359, 0.34657359, -1.0, 1.0, -700.0, -708.0, 700.0]
    exponents += [rng.uniform(-708, 708) for _ in range(120)] + [rng.uniform(-2, 2) for _ in range(80)]
    positives = [1.0, math.nextafter(1.0, 2), math.nextafter(1.0, 0), 0.5, 2.0, 1.5, 0.75, 1e-15, 1e15, 1e300, 1e-300]
    positives += [math.exp(rng.uniform(-600, 600)) for _ in range(100)] + [math.exp(rng.uniform(-1, 1)) for _ in range(100)]
    deviates = [0.0, 1e-300, -1e-9, 1e-9, 1.0, -1.0, 8.0, -8.0, 37.5, -37.5]
    deviates += [rng.uniform(-37, 37) for _ in range(80)] + [rng.uniform(-5, 5) for _ in range(120)]
    rows = dict(
        exp=[(x, D(x).exp()) for x in exponents],
        ln=[(x, D(x).ln()) for x in positives],
        density=[(x, density(D(x))) for x in deviates],
        distribution=[(x, distribution(D(x))) for x in deviates],
    )
    lists = []
    for name, pairs in rows.items():
        lists.append(f'"{name}": [\n' + ",\n".join(json.dumps([text(x), text(y)]) for x, y in pairs) + "]")
    print("{" + ",\n".join(lists) + "}")


if __name__ == "__main__":
    main()
