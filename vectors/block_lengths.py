#!/usr/bin/env python3
"""Mean lengths of blocks for the stationary bootstrap by the package arch (Kevin Sheppard): golden cases for the library's own rule.

    python3 vectors/block_lengths.py > vectors/block_lengths.json

The series are made here of additions and multiplications alone, so that a test makes the same ones bit for bit: the sum of twelve
uniform numbers less six, then x(n) = memory × x(n-1) + it.

Needs the packages arch and numpy.
"""
import json

import numpy
from arch.bootstrap import optimal_block_length

MASK = (1 << 64) - 1


def series(seed, count, memory):
    state, value, made = seed, 0.0, []
    for _ in range(count):
        total = 0.0
        for _ in range(12):
            state = (state * 6364136223846793005 + 1442695040888963407) & MASK
            total += (state >> 32) / 4294967296.0
        value = memory * value + (total - 6.0)
        made.append(value)
    return made


cases = []
for seed, count, memory in [(1, 60, 0.0), (2, 250, 0.3), (3, 1000, 0.7), (4, 1096, -0.4), (5, 2500, 0.95), (6, 500, 0.0)]:
    found = optimal_block_length(numpy.array(series(seed, count, memory)))
    cases.append(dict(seed=seed, count=count, memory=memory, stationary=float(found["stationary"].iloc[0])))
print(json.dumps(cases, indent=1))
