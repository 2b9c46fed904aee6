"""The command `diff`: what is otherwise in one policy than in another, and whom it moves."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Final

from crmcore.cli.factfiles import FactsFile, read_facts
from crmcore.cli.inputs import Inputs, policy_named, read_inputs
from crmcore.cli.statuses import FINDINGS, FINE, UsageError
from crmcore.cli.terminal import console_on, heading, plain, table, working
from crmcore.policy import Policy
from crmcore.workbench.diffing import PolicyDiff
from crmcore.workbench.diffing import diff as diff_of
from crmcore.workbench.diffing.sections import Cell, Code, sections, summary

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["diff"]

_LEAST: Final = 24
"""Columns of the terminal that the last column of a table needs."""


def diff(arguments: argparse.Namespace) -> int:
    """Print what differs; status 1 when anything decides otherwise, or may."""
    _check(arguments)
    before, after = policy_named(arguments.before), policy_named(arguments.after)
    found = _compared(arguments, before, after)
    match arguments.format:
        case "json":
            data = found.to_dict(movers=arguments.list)
            print(json.dumps(data, indent=2, ensure_ascii=False))
        case "markdown":
            print(found.to_markdown(movers=arguments.list), end="")
        case _:
            _print(console_on(sys.stdout), found, arguments.list)
    return FINE if found.decides_alike else FINDINGS


def _check(arguments: argparse.Namespace) -> None:
    if arguments.orders is not None:
        if arguments.as_of is None:
            raise UsageError("diff: --orders needs --as-of D")
        return
    for name in ("customers", "source", "map", "known_at"):
        if getattr(arguments, name):
            raise UsageError(f"diff: --{name.replace('_', '-')} goes with --orders F")
    if arguments.facts is None and (arguments.list or arguments.last_evaluated):
        name = "list" if arguments.list else "last-evaluated"
        raise UsageError(f"diff: --{name} goes with --orders F or --facts F")


def _compared(arguments: argparse.Namespace, before: Policy, after: Policy) -> PolicyDiff:
    if arguments.orders is not None:
        arguments.policy = arguments.after
        inputs: Inputs = read_inputs(arguments)
        with working("Comparing"):
            return diff_of(
                before,
                after,
                orders=inputs.orders,
                customers=inputs.customers,
                as_of=arguments.as_of,
                known_at=inputs.known_at,
                last_evaluated_at=arguments.last_evaluated,
            )
    if arguments.facts is None:
        with working("Comparing"):
            return diff_of(before, after, as_of=arguments.as_of)
    return _on_facts(arguments, before, after, read_facts(arguments.facts))


def _on_facts(
    arguments: argparse.Namespace, before: Policy, after: Policy, file: FactsFile
) -> PolicyDiff:
    as_of: date | None = arguments.as_of or file.as_of
    if as_of is None:
        raise UsageError(f"diff: {file.name} does not say as of when its facts are: give --as-of D")
    if file.policy_hash not in (None, before.hash, after.hash):
        print(f"crmcore: {file.name} was written by another policy than these", file=sys.stderr)
    with working("Comparing"):
        return diff_of(
            before,
            after,
            facts=file.table(before, after),
            as_of=as_of,
            last_evaluated_at=arguments.last_evaluated or file.last_evaluated_at,
        )


def _print(console: Console, found: PolicyDiff, movers: int) -> None:
    console.print(f"Policy {found.before.name} → {found.after.name}", style="bold")
    console.print(summary(found), soft_wrap=True)
    for section in sections(found, movers):
        heading(console, section.title)
        columns = [_text(cell) for cell in section.columns]
        rows = [[_text(cell) for cell in row] for row in section.rows]
        if _fits(console, columns, rows):
            wrapped = None if section.right else len(columns) - 1
            console.print(table(columns, rows, right=section.right, wrapped=wrapped))
        else:
            for row in rows:
                _print_lines(console, columns, row)


def _fits(console: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    """Tell whether a table has room for all but its last column, which may be folded."""
    cells = [max(map(len, column)) + 3 for column in zip(columns, *rows, strict=True)]
    return sum(cells[:-1]) + _LEAST <= console.width


def _print_lines(console: Console, columns: Sequence[str], row: Sequence[str]) -> None:
    console.print(f"  {row[0]}", soft_wrap=True)
    for name, cell in zip(columns[1:], row[1:], strict=True):
        if cell:
            console.print(f"    {name}: {cell}" if name else f"    {cell}", soft_wrap=True)


def _text(cell: Cell) -> str:
    return plain(cell.text if isinstance(cell, Code) else cell)
