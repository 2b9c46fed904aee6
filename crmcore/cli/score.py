"""The command `score`: from a file of orders to one row per customer."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from crmcore.cli.inputs import Inputs, read_inputs
from crmcore.cli.rows import check_path, write_out, write_rows
from crmcore.cli.statuses import DATA, FINE
from crmcore.cli.summary import print_classes, print_findings, print_first_rows, print_left_out
from crmcore.cli.terminal import console_on, number_of, plain
from crmcore.evaluation import Evaluation

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["score"]


def score(arguments: argparse.Namespace) -> int:
    """Evaluate everybody, write the rows, and sum up."""
    if arguments.out is not None:
        read = (arguments.orders, arguments.customers, arguments.policy, arguments.source)
        check_path(arguments.out, read)
    inputs = read_inputs(arguments)
    result = inputs.evaluate(arguments.as_of)
    # The rows own standard output when a program is to read them.
    console = console_on(sys.stdout if arguments.format is None else sys.stderr)
    refusal = _refusal(inputs)
    if arguments.out is not None and refusal is None:
        # Before anything is printed: whoever reads the summary may leave.
        write_out(result, arguments.out)
    _print_summary(console, inputs, result)
    if refusal is not None:
        print(f"crmcore: {refusal}", file=sys.stderr)
        return DATA
    if arguments.format is not None:
        write_rows(result, arguments.format)
    elif arguments.out is not None:
        console.print(f"\nWritten to {plain(arguments.out)}, rows: {len(result):,}", soft_wrap=True)
    else:
        print_first_rows(console, result)
    _print_next(console, inputs, result)
    return FINE


def _refusal(inputs: Inputs) -> str | None:
    """Return why the data is refused, if it is."""
    if inputs.arguments.strict and inputs.quarantined:
        rows = number_of(inputs.quarantined, "row")
        return f"{rows} had to be set aside, and --strict refuses that"
    if inputs.orders.intake.rows and not inputs.orders.intake.kept:
        return "not one row of the orders could be used; see above why"
    return None


def _print_summary(console: Console, inputs: Inputs, result: Evaluation) -> None:
    policy, arguments, intake = inputs.policy, inputs.arguments, inputs.orders.intake
    console.print(
        f"Policy {policy.name}, as of {arguments.as_of}; days and months in {policy.zone.name}",
        style="bold",
    )
    console.print(
        f"{plain(arguments.orders)}: {number_of(intake.rows, 'row')}, {intake.kept:,} kept",
        soft_wrap=True,
    )
    if inputs.customers is not None:
        customers = inputs.customers.intake
        console.print(
            f"{plain(arguments.customers)}: {number_of(customers.rows, 'row')}, "
            f"{number_of(len(inputs.customers), 'customer')}",
            soft_wrap=True,
        )
    if arguments.source is None:
        console.print(
            f"No source file: the standard columns are expected, amounts in "
            f"{policy.currency.code}, times without an offset in {policy.zone.name}."
        )
    print_classes(console, result)
    print_left_out(console, arguments.orders, intake, inputs.source.currency)
    if inputs.customers is not None:
        print_left_out(console, arguments.customers, inputs.customers.intake, None)
    print_findings(console, result.findings)
    if intake.unused:
        console.print(f"  - columns that nothing reads: {plain(', '.join(intake.unused))}")


def _print_next(console: Console, inputs: Inputs, result: Evaluation) -> None:
    arguments = inputs.arguments
    hints = []
    if arguments.out is None and arguments.format is None:
        hints.append("add --out scores.csv (or .parquet) to have all rows")
    if inputs.quarantined:
        hints.append("mend the rows set aside in the data, or say how to read them with --source")
    if arguments.customers is None:
        hints.append("add --customers FILE to see who never ordered, and who is blocked")
    if len(result):
        hints.append("`crmcore explain` with the same options and --customer ID says why")
    console.print("\nNext:", style="bold")
    for hint in hints:
        console.print(f"  - {hint}")
