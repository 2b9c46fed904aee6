"""The command `score`: from a file of orders to one row per customer."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

from crmcore.cli.inputs import Given, Inputs, about, file_named, read_given, read_orders
from crmcore.cli.rows import check_path, write_out, write_rows
from crmcore.cli.statuses import DATA, FINE
from crmcore.cli.summary import print_classes, print_findings, print_first_rows, print_left_out
from crmcore.cli.terminal import console_on, number_of, plain, steps
from crmcore.evaluation import Evaluation
from crmcore.files import RowFile
from crmcore.records.intake import Intake
from crmcore.streaming import evaluate_batches, stream_plan

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["score"]

_LARGE: Final = 1_000_000_000
"""A file of so many bytes is read in batches."""


def score(arguments: argparse.Namespace) -> int:
    """Evaluate everybody, write the rows, and sum up."""
    if arguments.out is not None:
        read = (arguments.orders, arguments.customers, arguments.policy, arguments.source)
        check_path(arguments.out, read)
    given = read_given(arguments)
    if arguments.explain_plan:
        return _explain_plan(given)
    result, intake = (_streamed if _in_batches(given) else _at_once)(given)
    # The rows own standard output when a program is to read them.
    console = console_on(sys.stdout if arguments.format is None else sys.stderr)
    refusal = _refusal(given, intake)
    if arguments.out is not None and refusal is None:
        # Before anything is printed: whoever reads the summary may leave.
        write_out(result, arguments.out)
    _print_summary(console, given, result, intake)
    if refusal is not None:
        print(f"crmcore: {refusal}", file=sys.stderr)
        return DATA
    if arguments.format is not None:
        write_rows(result, arguments.format)
    elif arguments.out is not None:
        console.print(f"\nWritten to {plain(arguments.out)}, rows: {len(result):,}", soft_wrap=True)
    else:
        print_first_rows(console, result)
    _print_next(console, given, result, intake)
    return FINE


def _at_once(given: Given) -> tuple[Evaluation, Intake]:
    """Evaluate orders that are in memory all together."""
    orders = read_orders(given.arguments.orders, given.source)
    inputs = Inputs(given.policy, given.source, given.customers, given.arguments, orders)
    return inputs.evaluate(given.arguments.as_of), orders.intake


def _in_batches(given: Given) -> bool:
    """Tell whether the file of orders is to be read in batches."""
    arguments = given.arguments
    with about(arguments.orders):
        return bool(arguments.stream) or file_named(arguments.orders).stat().st_size >= _LARGE


def _streamed(given: Given) -> tuple[Evaluation, Intake]:
    """Evaluate orders that need not fit into memory."""
    arguments = given.arguments
    with about(arguments.orders), steps(f"Reading {arguments.orders}") as told:
        result = evaluate_batches(
            given.policy,
            file_named(arguments.orders),
            given.source,
            given.customers,
            as_of=arguments.as_of,
            known_at=given.known_at,
            last_evaluated_at=arguments.last_evaluated,
            progress=told,
        )
    return result, result.intake


def _explain_plan(given: Given) -> int:
    """Print how the orders would be read, and why."""
    with about(given.arguments.orders):
        names = RowFile.of(file_named(given.arguments.orders)).schema.names
    how = "in batches" if _in_batches(given) else "into memory, all together; with --stream:"
    print(f"{plain(given.arguments.orders)} is read {how}")
    print(stream_plan(given.policy, names, given.source))
    return FINE


def _quarantined(given: Given, intake: Intake) -> int:
    """Return the number of rows of both files that were set aside."""
    customers = 0 if given.customers is None else given.customers.intake.quarantined
    return intake.quarantined + customers


def _refusal(given: Given, intake: Intake) -> str | None:
    """Return why the data is refused, if it is."""
    quarantined = _quarantined(given, intake)
    if given.arguments.strict and quarantined:
        rows = number_of(quarantined, "row")
        return f"{rows} had to be set aside, and --strict refuses that"
    if intake.rows and not intake.kept:
        return "not one row of the orders could be used; see above why"
    return None


def _print_summary(console: Console, given: Given, result: Evaluation, intake: Intake) -> None:
    policy, arguments = given.policy, given.arguments
    console.print(
        f"Policy {policy.name}, as of {arguments.as_of}; days and months in {policy.zone.name}",
        style="bold",
    )
    console.print(
        f"{plain(arguments.orders)}: {number_of(intake.rows, 'row')}, {intake.kept:,} kept",
        soft_wrap=True,
    )
    if given.customers is not None:
        customers = given.customers.intake
        console.print(
            f"{plain(arguments.customers)}: {number_of(customers.rows, 'row')}, "
            f"{number_of(len(given.customers), 'customer')}",
            soft_wrap=True,
        )
    if arguments.source is None:
        console.print(
            f"No source file: the standard columns are expected, amounts in "
            f"{policy.currency.code}, times without an offset in {policy.zone.name}."
        )
    print_classes(console, result)
    print_left_out(console, arguments.orders, intake, given.source.currency)
    if given.customers is not None:
        print_left_out(console, arguments.customers, given.customers.intake, None)
    print_findings(console, result.findings)
    if intake.unused:
        console.print(f"  - columns that nothing reads: {plain(', '.join(intake.unused))}")


def _print_next(console: Console, given: Given, result: Evaluation, intake: Intake) -> None:
    arguments = given.arguments
    hints = []
    if arguments.out is None and arguments.format is None:
        hints.append("add --out scores.csv (or .parquet) to have all rows")
    if _quarantined(given, intake):
        hints.append("mend the rows set aside in the data, or say how to read them with --source")
    if arguments.customers is None:
        hints.append("add --customers FILE to see who never ordered, and who is blocked")
    if len(result):
        hints.append("`crmcore explain` with the same options and --customer ID says why")
    console.print("\nNext:", style="bold")
    for hint in hints:
        console.print(f"  - {hint}")
