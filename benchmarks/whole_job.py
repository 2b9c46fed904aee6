"""From raw columns in memory to points, score, grade and class of every customer.

    python benchmarks/whole_job.py --orders 10000000 --customers 1000000 --ids dense

The contenders take turns, each in a process of its own. Results are compared cell by cell before
anything is measured. Times are printed, never asserted; see README.md for what is measured and how.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial

from calibration import calibrate
from data import make
from job import Contender
from memory import peak_beyond_input
from ours import CRMCORE, input_columns
from reading import seconds_to_read
from rivals import ALL, BEST
from turns import JOB, KEPT, Size, Times, keeping_freed_memory, named, race

import crmcore as crm

HALVINGS = (8, 4, 2, 1)


def main() -> None:
    given = _arguments()
    print(crm.show_config())
    settings = " ".join(f"{name}={value}" for name, value in KEPT.items())
    print("allocators ", "as they are" if given.memory_returned else settings, flush=True)
    print(calibrate(), flush=True)
    rivals = [one for one in (ALL if given.all else BEST) if one.tool in given.rivals]
    contenders = [CRMCORE, *rivals]
    size = Size(given.orders, given.customers, given.ids)
    reading = _seconds_to_read(size)
    with nullcontext() if given.memory_returned else keeping_freed_memory():
        found = race(contenders, size, given.rounds)
    peaks = [None] * len(contenders) if given.no_memory else _peaks(contenders, given)
    print(f"\n{given.orders:,} orders, {given.customers:,} customers, {given.ids} ids\n")
    _print_race(contenders, found, peaks, given.orders)
    times = found[0].clock / reading
    print(f"\nreading the columns once: {reading:.3f} s; crmcore takes {times:.1f} times that")
    if not given.no_sizes:
        with nullcontext() if given.memory_returned else keeping_freed_memory():
            print_sizes([CRMCORE, *fastest(contenders, found)], given)
    print(f"\n{calibrate()}")


def _seconds_to_read(size: Size) -> float:
    raw = make(size.orders, size.customers, size.ids)
    return seconds_to_read(input_columns(CRMCORE.prepare(raw)))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The whole job, beside pandas, polars, DuckDB.")
    parser.add_argument("--orders", type=int, default=10_000_000)
    parser.add_argument("--customers", type=int, default=1_000_000)
    parser.add_argument("--ids", choices=["dense", "random64", "uuid", "string"], default="dense")
    parser.add_argument("--rounds", type=int, default=5)
    tools = list(dict.fromkeys(one.tool for one in ALL))
    parser.add_argument("--rivals", nargs="+", choices=tools, default=tools)
    parser.add_argument("--all", action="store_true", help="every phrasing of every rival")
    parser.add_argument("--no-memory", action="store_true", help="leave out the peak of memory")
    returned = "leave the allocators as they are; the C library's gives freed memory back at once"
    parser.add_argument("--memory-returned", action="store_true", help=returned)
    parser.add_argument("--no-sizes", action="store_true", help="leave out the smaller sizes")
    return parser.parse_args()


def fastest(contenders: Sequence[Contender], found: Sequence[Times]) -> list[Contender]:
    """Return the fastest phrasing of each rival."""
    best: dict[str, tuple[float, Contender]] = {}
    for contender, times in zip(contenders, found, strict=True):
        so_far = best.get(contender.tool)
        if contender.tool != CRMCORE.tool and (so_far is None or times.clock < so_far[0]):
            best[contender.tool] = (times.clock, contender)
    return [contender for _, contender in best.values()]


def _print_race(
    contenders: Sequence[Contender],
    found: Sequence[Times],
    peaks: Sequence[int | None],
    orders: int,
) -> None:
    best = {id(contender) for contender in fastest(contenders, found)}
    print("| tool | phrasing | median s | × crmcore | processor s | peak bytes an order |")
    print("|---|---|--:|--:|--:|--:|")
    for contender, times, peak in zip(contenders, found, peaks, strict=True):
        mark = "**" if id(contender) in best else ""
        memory = "" if peak is None else f"{peak / orders:.0f}"
        print(
            f"| {contender.tool} | {mark}{contender.phrasing}{mark} | {times.clock:.3f} "
            f"| {times.clock / found[0].clock:.2f} | {times.processor:.2f} | {memory} |"
        )


def _peaks(contenders: Sequence[Contender], given: argparse.Namespace) -> list[int]:
    size = (given.orders, given.customers, given.ids)
    return [
        peak_beyond_input(partial(_form_of, name, size), partial(_result_of, name))
        for name in ((contender.tool, contender.phrasing) for contender in contenders)
    ]


def _form_of(name: tuple[str, str], size: tuple[int, int, str]) -> object:
    warm = named(*name)
    warm.run(warm.prepare(make(20_000, 2_000, size[2])), JOB)  # imports and first-use costs
    return warm.prepare(make(*size))


def _result_of(name: tuple[str, str], given: object) -> object:
    return named(*name).run(given, JOB)


def print_sizes(contenders: Sequence[Contender], given: argparse.Namespace) -> None:
    """Print the cost at four sizes; a ratio of 2 beside a doubling is linear.

    Once with the same customers throughout, and once with as many orders a customer throughout:
    there the figures of a customer, which are updated in no order, outgrow the caches too.
    """
    print("\nThe same customers:")
    _print_sizes(contenders, given, [given.customers] * len(HALVINGS))
    print("\nAs many customers more as orders:")
    _print_sizes(contenders, given, [given.customers // part for part in HALVINGS])


def _print_sizes(
    contenders: Sequence[Contender], given: argparse.Namespace, customers: Sequence[int]
) -> None:
    names = [contender.tool for contender in contenders]
    print(f"\n| orders | {' | '.join(f'{name} s | ratio' for name in names)} |")
    print("|--:" * (1 + 2 * len(names)) + "|")
    before = [0.0] * len(names)
    for part, count in zip(HALVINGS, customers, strict=True):
        size = Size(given.orders // part, count, given.ids)
        found = [times.clock for times in race(contenders, size, min(given.rounds, 3))]
        cells = (
            f"{time:.3f} | {f'{time / last:.2f}' if last else ''}"
            for time, last in zip(found, before, strict=True)
        )
        print(f"| {given.orders // part:,} | {' | '.join(cells)} |", flush=True)
        before = found


if __name__ == "__main__":
    main()
