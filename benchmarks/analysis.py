"""How long the analysis of a list of conditions takes: holes, masked rows, overlaps.

    python benchmarks/analysis.py

Two kinds of lists over four columns: ``grid``, a complete partition of a grid, of which nothing
overlaps, and ``random``, boxes anywhere, of which many overlap and some are masked. Prints medians
beside the calibration loop. Loading the policy is not counted, cutting the axes is. Before
anything is timed, random customers are put through the evaluator, and their rows compared.
"""

from __future__ import annotations

import argparse
import itertools
import random
from collections.abc import Callable
from math import ceil
from statistics import median
from time import process_time

import numpy as np
from calibration import calibrate

import crmcore as crm
from crmcore.analysis import Space, TableRegions, TableVerdicts, replay

NAMES = "abcd"
SIZES = (100, 300, 1_000)
SIDE = 1_000
CUSTOMERS = 20_000
MS = 1e3


def main() -> None:
    parser = argparse.ArgumentParser(description="How long the analysis of a list takes.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    before = calibrate()
    print(
        "| list | rows | overlaps | masked | analysis, processor ms | whole check, processor ms |"
    )
    print("|---|--:|--:|--:|--:|--:|")
    for size, (kind, make) in itertools.product(SIZES, KINDS.items()):
        policy = policy_of(make(size))
        compare(policy)
        verdicts = analyse(policy)
        masked = sum(one.kind == "masked" for one in verdicts.rows)
        pairs = sum(1 for _ in verdicts.overlaps())
        times = [timed(lambda p=policy: analyse(p)) for _ in range(rounds)]
        check = timed(lambda p=policy: crm.check(p))
        print(
            f"| {kind} | {size:,} | {pairs:,} | {masked:,} "
            f"| {median(times) * MS:.0f} | {check * MS:.0f} |"
        )
    print(f"\n{before}\n{calibrate()}")


def grid(size: int) -> list[str]:
    """Cells of a grid, as many as are asked for, each a row."""
    sides = [1] * len(NAMES)
    while np.prod(sides) < size:
        sides[int(np.argmin(sides))] += 1
    cells = itertools.islice(itertools.product(*map(range, sides)), size)
    return [
        " and ".join(
            f"{name} between {SIDE // 10 * at} and {SIDE // 10 * (at + 1) - 1}"
            for name, at in zip(NAMES, cell, strict=True)
        )
        for cell in cells
    ]


def boxes(size: int) -> list[str]:
    """Boxes with random edges."""
    chance = random.Random(size)
    return [
        " and ".join(
            "{} between {} and {}".format(name, *sorted(chance.sample(range(SIDE), 2)))
            for name in NAMES
        )
        for _ in range(size)
    ]


KINDS: dict[str, Callable[[int], list[str]]] = {"grid": grid, "random": boxes}


def policy_of(conditions: list[str]) -> crm.Policy:
    return crm.load_policy(
        {
            "format": 1,
            "name": "bench",
            "zone": "UTC",
            "currency": {"code": "EUR", "exponent": 2},
            "sale_statuses": ["delivered"],
            "attributes": {name: {"type": "int", "personal": False} for name in NAMES},
            "segment": {
                "first": [[text, f"label_{at % 7}"] for at, text in enumerate(conditions)],
                "otherwise": "rest",
            },
        }
    )


def analyse(policy: crm.Policy) -> TableVerdicts:
    """Answer the three questions."""
    space = Space.of([policy])
    verdicts = TableVerdicts(TableRegions(space, space.step("segment")))
    for _ in verdicts.overlaps():
        pass
    assert verdicts.rows
    assert verdicts.left is not None  # customers whose values are missing
    return verdicts


def compare(policy: crm.Policy) -> None:
    """Find no customer for whom a row decides that is said to be masked."""
    chance = random.Random(1)
    space = Space.of([policy])
    rows = [{name: chance.randrange(SIDE + 1) for name in NAMES} for _ in range(CUSTOMERS)]
    result = replay(policy, rows, space.scene)
    step = space.step("segment")
    _, matched = step.table.apply(result.columns, len(rows))
    deciding = {at for at, one in enumerate(analyse(policy).rows) if one.kind == "decides"}
    assert set(matched[matched >= 0].tolist()) <= deciding
    assert len(deciding) > ceil(len(step.table.conditions) / 2)


def timed(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start


if __name__ == "__main__":
    main()
