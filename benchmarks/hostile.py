"""What it takes to refuse hostile documents: time and memory of each, worst first.

    python benchmarks/hostile.py

The documents are those of ``tests/hostile``. Time is the processor's, the least of three loads; a
message is made each time, as a program would show it; beside it stands how many of the
calibration's plain Python loops take as long. Memory is what Python allocates beyond the
document itself, in a load of its own.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time

from calibration import calibrate

import crmcore as crm
from crmcore.errors import PolicyError
from crmcore.wording import load_catalogue
from crmcore.workbench.testing import load_tests

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "hostile"))

from attacks import CATALOGUES, FILES, IN_A_FOLDER, POLICIES, SOURCES, TESTS

MOST_SECONDS, MOST_BYTES = 0.250, 64 << 20
Task = tuple[str, Callable[[object], object], Callable[[], object]]


@dataclass(frozen=True)
class Cost:
    name: str
    outcome: str
    seconds: float
    peak: int


def main() -> None:
    parser = argparse.ArgumentParser(description="What it takes to refuse hostile documents.")
    parser.add_argument("--worst", type=int, default=10)
    worst = parser.parse_args().worst
    crm.load_policy("classic")
    before = calibrate()
    with tempfile.TemporaryDirectory() as folder:
        costs = [measured(*task) for task in tasks(Path(folder))]
    print_costs("slowest", sorted(costs, key=lambda cost: -cost.seconds)[:worst], before.python)
    print_costs("hungriest", sorted(costs, key=lambda cost: -cost.peak)[:worst], before.python)
    refused = sum(cost.outcome != "loads" for cost in costs)
    slow = sum(cost.seconds > MOST_SECONDS for cost in costs)
    hungry = sum(cost.peak > MOST_BYTES for cost in costs)
    print(
        f"\ndocuments {len(costs)}, refused {refused}; beyond 250 ms {slow}, beyond 64 MiB {hungry}"
    )
    resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"resident at most {resident:.0f} MiB, with the documents themselves")
    print(f"\n{before}\n{calibrate()}")


def tasks(folder: Path) -> Iterator[Task]:
    for path in sorted(FILES.iterdir()):
        yield path.name, crm.load_policy, lambda path=path: path
    for name, make in POLICIES.items():
        yield name, crm.load_policy, make
    for name, make in SOURCES.items():
        yield f"source: {name}", crm.load_source, make
    for name, make in CATALOGUES.items():
        yield f"catalogue: {name}", load_catalogue, make
    classic = crm.load_policy("classic")
    for name, make in TESTS.items():
        yield f"tests: {name}", lambda given: load_tests(given, classic), make
    for number, (name, make) in enumerate(IN_A_FOLDER.items()):
        own = folder / str(number)
        own.mkdir()
        path = make(own)
        yield f"file: {name}", crm.load_policy, lambda path=path: path


def measured(name: str, load: Callable[[object], object], make: Callable[[], object]) -> Cost:
    seconds = min(timed(load, make())[1] for _ in range(3))
    given = make()
    tracemalloc.start()
    outcome, _ = timed(load, given)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return Cost(name, outcome, seconds, peak)


def timed(load: Callable[[object], object], given: object) -> tuple[str, float]:
    started = process_time()
    try:
        load(given)
        outcome = "loads"
    except PolicyError as error:
        str(error)
        count = len(error.problems)
        outcome = f"{count:,} problem{'' if count == 1 else 's'}"
    return outcome, process_time() - started


def print_costs(word: str, costs: list[Cost], loop: float) -> None:
    print(f"\n| {word} | ms | plain loops | MiB | outcome |\n|---|--:|--:|--:|---|")
    for cost in costs:
        loops = f"{cost.seconds / loop:.1f}"
        spent = f"{cost.seconds * 1e3:.0f} | {loops} | {cost.peak / 2**20:.1f}"
        print(f"| {cost.name} | {spent} | {cost.outcome} |")


if __name__ == "__main__":
    main()
