"""The command `reconcile`: the ladder, and their figures against ours."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from crmcore.cli.inputs import about, policy_named, read_columns, source_named
from crmcore.cli.rows import markdown
from crmcore.cli.statuses import FINDINGS, FINE, UsageError
from crmcore.cli.terminal import console_on, heading, number_of, plain, table, working
from crmcore.columns import Column, Kind, Value, floor_decimal
from crmcore.errors import DataError
from crmcore.facts import USUAL_FACTS
from crmcore.policy import Policy
from crmcore.records.orders import OrderTable
from crmcore.records.raw import Raw
from crmcore.records.source import Source
from crmcore.suggestions import nearest
from crmcore.wording import Catalogue, Message
from crmcore.workbench.reconciling import Comparison, Ladder, Reading, compare, other_sources
from crmcore.workbench.reconciling import reconcile as ladder_of

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["reconcile"]

_READINGS_SHOWN: Final = 5
_EXAMPLES_SHOWN: Final = 3
_RATIO_DIGITS: Final = 4


def reconcile(arguments: argparse.Namespace) -> int:
    """Print the ladder, or the comparison with somebody else's figures."""
    policy = None if arguments.policy is None else policy_named(arguments.policy)
    if arguments.against is not None and (policy is None or arguments.as_of is None):
        raise UsageError("--against needs --policy P and --as-of D")
    source = source_named(arguments, policy)
    with about(arguments.orders):
        raw = read_columns(arguments.orders)
        with working("Checking the rows"):
            orders = OrderTable.from_raw(raw, source)
    if arguments.against is not None and policy is not None:
        found, ignored = _compared(arguments, policy, source, raw, orders)
        _write_comparison(found, ignored, arguments.format)
        return FINDINGS if found.differing else FINE
    if policy is None:
        ladder = ladder_of(orders)
    else:
        statuses = sorted(policy.sale_statuses)
        ladder = ladder_of(orders, sale_statuses=statuses, zone=policy.zone.name)
    _write_ladder(ladder, arguments)
    return FINE


# The ladder


def _write_ladder(ladder: Ladder, arguments: argparse.Namespace) -> None:
    if arguments.format == "json":
        print(json.dumps(ladder.to_dict(), indent=2, ensure_ascii=False))
        return
    rows = list(ladder.rows(by_month=arguments.by_month))
    if arguments.format is not None:
        _write_rows(rows, arguments.format)
        return
    console = console_on(sys.stdout)
    months = ["month"] if arguments.by_month else []
    lines = [
        (
            _step(row),
            *(str(row[name]) for name in months),
            f"{row['rows']:,}",
            f"{row['amount']:,}",
        )
        for row in rows
    ]
    console.print(f"From the rows given to net sales, months in {ladder.zone.name}", style="bold")
    titles = ["step", *months, "rows", f"money, {ladder.currency.code}"]
    console.print(table(titles, lines, right=(len(titles) - 2, len(titles) - 1)))
    if unreadable := ladder.steps[0].unreadable:
        verbs = ("has", "counts") if unreadable == 1 else ("have", "count")
        text = "{:,} of the rows {} no readable amount and {} as 0."
        console.print("\n" + text.format(unreadable, *verbs))


def _step(row: Mapping[str, Value]) -> str:
    message = Message(f"ladder.{row['step']}", {"reason": row["reason"]})
    return ("" if row["kind"] == "level" else "  ") + plain(Catalogue().text(message))


def _write_rows(rows: Sequence[Mapping[str, Value]], form: str) -> None:
    names = list(rows[0])
    cells = [["" if value is None else plain(value) for value in row.values()] for row in rows]
    if form == "csv":
        csv.writer(sys.stdout, lineterminator="\n").writerows([names, *cells])
    else:
        for line in markdown(names, cells):
            print(line)


# Their figures


def _compared(
    arguments: argparse.Namespace,
    policy: Policy,
    source: Source,
    raw: Mapping[str, Raw],
    orders: OrderTable,
) -> tuple[Comparison, list[str]]:
    """Return the comparison, and the columns of theirs that are no facts."""
    with about(arguments.against):
        theirs = read_columns(arguments.against)
        known = {"customer_id", *USUAL_FACTS, *policy.facts}
        ignored = [name for name in theirs if name not in known]
        if len(ignored) == len(theirs) - ("customer_id" in theirs):
            hints = [near for name in ignored if (near := nearest(name, known)) is not None]
            hint = f"; did you mean {', '.join(hints)}?" if hints else ""
            raise DataError(f"no column has the name of a fact{hint}")
        given = {name: _values(name, theirs[name]) for name in theirs if name in known}
        found = compare(orders, given, policy, as_of=arguments.as_of)
        if found.differing:
            others = {
                name: OrderTable.from_raw(raw, other)
                for name, other in other_sources(source).items()
            }
            if others:
                found = compare(orders, given, policy, as_of=arguments.as_of, others=others)
    return found, ignored


def _values(name: str, raw: Raw) -> list[object]:
    """Return a column as Python objects."""
    if raw.invalid is not None:
        count = int(np.count_nonzero(raw.invalid))
        first = np.flatnonzero(raw.invalid)[:5].tolist()
        raise DataError("values that cannot be used", column=name, count=count, positions=first)
    known = None if raw.missing is None else ~raw.missing
    raw = raw.coded(name)
    if raw.categories is not None:
        places = raw.values if known is None else np.where(known, raw.values.astype(np.int64), -1)
        items: list[object] = [*raw.categories.tolist(), None]
        return [items[place] for place in places.tolist()]
    kinds: Mapping[str, Kind] = {"decimal": "money", "time": "instant", "int": "int"}
    kinds = {**kinds, "float": "float", "bool": "bool", "date": "date"}
    column = Column(kinds[raw.kind], raw.values, known, exponent=raw.scale)
    return list(column)


def _write_comparison(found: Comparison, ignored: Sequence[str], form: str | None) -> None:
    if form == "json":
        print(json.dumps(found.to_dict(), indent=2, ensure_ascii=False))
        return
    if form is not None:
        raise UsageError("--against is written as a table, or with --format json")
    console = console_on(sys.stdout)
    console.print(
        f"As of {found.as_of}: {number_of(found.customers_ours, 'customer')} here, "
        f"{found.customers_theirs:,} there; {found.only_ours:,} only here, "
        f"{found.only_theirs:,} only there"
    )
    if ignored:
        console.print(f"Not compared, as they are no facts: {plain(', '.join(ignored))}")
    if not found.differing:
        console.print("Every figure agrees.")
        return
    console.print(f"Customers that differ: {found.differing:,}", style="bold")
    _print_differences(console, found)
    _print_readings(console, found)


def _print_differences(console: Console, found: Comparison) -> None:
    heading(console, "Differences")
    lines = [
        (
            "" if at else fact.fact,
            "" if at else f"{fact.differing:,}",
            plain(one.customer_id),
            _figure(one.ours),
            _figure(one.theirs),
        )
        for fact in found.facts
        for at, one in enumerate(fact.examples[:_EXAMPLES_SHOWN])
    ]
    titles = ["fact", "differ", "for example", "ours", "theirs"]
    console.print(table(titles, lines, right=(1, 3, 4)))


def _figure(value: Value) -> str:
    match value:
        case None:
            return "–"
        case Fraction():
            return f"{floor_decimal(value, _RATIO_DIGITS):,}"
        case bool() | datetime() | date() | str():
            return plain(value)
        case _:
            return f"{value:,}"


def _print_readings(console: Console, found: Comparison) -> None:
    if not found.readings:
        console.print("\nNo other reading of the orders explains any of it.")
        return
    heading(console, "What would explain them")
    lines = [
        (f"{reading.explains:,}", f"{reading.breaks:,}", f"{reading.remaining:,}", _name(reading))
        for reading in found.readings[:_READINGS_SHOWN]
    ]
    titles = ["then agree", "then differ", "left", "if theirs means"]
    console.print(table(titles, lines, right=(0, 1, 2), wrapped=3))


def _name(reading: Reading) -> str:
    return "; ".join(_names(reading))


def _names(reading: Reading) -> Iterator[str]:
    for name, detail in reading.names:
        yield plain(Catalogue().text(Message(f"reading.{name}", {"detail": detail})))
