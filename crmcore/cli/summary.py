"""The summary of a run: who is what, what was left out, and what deserves a look."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from crmcore.cli.rows import scores_of
from crmcore.cli.terminal import bar, heading, number_of, plain, table
from crmcore.columns import Column, Value
from crmcore.evaluation import Evaluation
from crmcore.findings import Finding
from crmcore.money import Currency, format_minor
from crmcore.records.intake import Intake, LeftOut

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["counts", "print_classes", "print_findings", "print_first_rows", "print_left_out"]

_MAIN: Final = ("class", "segment", "stage", "grade")
_ROW_FINDINGS: Final = ("excluded", "quarantined", "collapsed")
_FIRST_ROWS: Final = 10
_WIDEST: Final = 24


def counts(column: Column) -> list[tuple[str | None, int]]:
    """Return how often each label occurs, in their order; ``None`` for no label."""
    known = column.is_known()
    found = np.bincount(column.values[known], minlength=len(column.categories))
    counted: list[tuple[str | None, int]] = list(
        zip(column.categories, found.tolist(), strict=True)
    )
    missing = len(column) - int(np.count_nonzero(known))
    return [*counted, (None, missing)] if missing else counted


def print_classes(console: Console, result: Evaluation) -> None:
    """Print the customers by class (or whatever comes first of the policy's lists)."""
    name = next((name for name in _MAIN if name in result.columns), None)
    total = max(len(result), 1)
    if name is None:
        console.print(f"\nCustomers: {len(result):,}")
        return
    rows = [
        (label or "(none)", f"{count:,}", f"{count / total:.1%}", bar(count / total))
        for label, count in counts(result.columns[name])
    ]
    rows.append(("all", f"{len(result):,}", "", ""))
    console.print()
    console.print(table([name, "customers", "share", ""], rows, right=(1, 2)))


def print_left_out(console: Console, name: str, intake: Intake, currency: Currency | None) -> None:
    """Print the rows of a file that were excluded, set aside or counted once, by reason."""
    if not intake.left_out:
        return
    heading(console, f"Rows left out of {plain(name)}")
    rows = [
        (entry.kind, entry.reason, f"{entry.rows:,}", _money(entry, currency), _places(entry))
        for entry in intake.left_out
    ]
    money = f"money, {currency.code}" if currency else ""
    console.print(table(["", "reason", "rows", money, "first at row"], rows, right=(2, 3)))


def _money(entry: LeftOut, currency: Currency | None) -> str:
    if currency is None:
        return ""
    if entry.unreadable == entry.rows:
        return "not readable"
    return f"{format_minor(entry.amount_minor, currency.exponent)}"


def _places(entry: LeftOut) -> str:
    """Return the first rows, counted from 1 without the header."""
    first = ", ".join(f"{position + 1:,}" for position in entry.positions[:2])
    return f"{first}, …" if entry.rows > 2 else first


def print_findings(console: Console, findings: Iterable[Finding]) -> None:
    """Print what deserves a look, but for the rows left out."""
    found = [finding for finding in findings if finding.code not in _ROW_FINDINGS]
    if found:
        heading(console, "Worth knowing")
        for finding in found:
            console.print(f"  - {finding}")


def print_first_rows(console: Console, result: Evaluation) -> None:
    """Print the decisions of the first customers."""
    names = [
        name
        for name in ("class", *scores_of(result), "grade", "segment", "stage")
        if name in result.columns
    ]
    shown = min(_FIRST_ROWS, len(result))
    first = np.arange(shown)
    columns = [result.columns[name].take(first).to_list() for name in names]
    rows = [
        [_shortened(value) for value in row]
        for row in zip(result.ids.take(np.arange(shown)), *columns, strict=True)
    ]
    heading(console, f"First {shown:,} of {number_of(len(result), 'customer')}")
    titles = ["customer id", *(name.replace("_", " ") for name in names)]
    console.print(table(titles, rows, right=_numeric(result, names)))


def _numeric(result: Evaluation, names: Sequence[str]) -> list[int]:
    kinds = [result.columns[name].kind for name in names]
    return [at for at, kind in enumerate(kinds, 1) if kind not in ("label", "text")]


def _shortened(value: Value) -> str:
    text = "" if value is None else plain(value)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
