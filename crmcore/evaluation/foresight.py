"""When a decision will change if nothing happens: the coming days on which anything can."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal

import numpy as np

from crmcore.calendars import Moments, Window, first_day_beyond, shift_days, to_date
from crmcore.columns import Column, Ints, Value
from crmcore.conditions import thresholds
from crmcore.evaluation.pipeline import Ledger, decide, facts_of
from crmcore.evaluation.variation import differs
from crmcore.policy import Policy
from crmcore.records.orders import RETURN, OrderTable
from crmcore.scoring import BandStep, NestedStep, Step
from crmcore.segments import TableStep
from crmcore.timing import Timing

__all__ = ["first_changes"]

_CELLS = 200_000
"""Rows times days that are pretended at once."""
_LAST_DAY = date.max.toordinal() - date(1970, 1, 1).toordinal() - 400


def first_changes(
    policy: Policy,
    columns: Mapping[str, Column],
    orders: OrderTable,
    timing: Timing,
    last_evaluated_us: Ints | None,
) -> dict[str, tuple[date, Value]]:
    """Return, for each decision that will change without a new event, on which day and to what.

    The customer is evaluated as of the end of every coming day on which an order leaves a window
    or a date crosses an edge, all in one run.
    """
    quiet = _as_it_stands(orders, timing)
    days = _days(policy, columns, quiet, timing)
    found: dict[str, tuple[date, Value]] = {}
    size = max(1, _CELLS // max(1, len(quiet)))
    for start in range(0, len(days), size):
        part = days[start : start + size]
        outcome = _on_days(policy, columns, quiet, part, timing, last_evaluated_us)
        for step in policy.steps:
            changed = np.flatnonzero(differs(outcome[step.name], columns[step.name]))
            if step.name not in found and len(changed):
                row = int(changed[0])
                found[step.name] = (to_date(int(part[row])), outcome[step.name][row])
        if len(found) == len(policy.steps):
            break
    return found


def _as_it_stands(orders: OrderTable, timing: Timing) -> OrderTable:
    """Return the orders without anything that lies ahead of the moment."""
    at = int(timing.now.at[0])
    quiet = orders if (orders.placed_us <= at).all() else orders.take(orders.placed_us <= at)
    if quiet.status_us is None:
        return quiet
    early = quiet.status_us > at
    before = np.where(quiet.status >= RETURN, RETURN, 0).astype(np.uint8)
    return replace(quiet, status=np.where(early, before, quiet.status), status_us=None)


def _on_days(
    policy: Policy,
    columns: Mapping[str, Column],
    orders: OrderTable,
    days: Ints,
    timing: Timing,
    last_evaluated_us: Ints | None,
) -> dict[str, Column]:
    zone = timing.zone
    now = Moments.at_end_of(days, zone)
    held = policy.evaluation.held(now, zone)
    copies = orders.repeat(len(days))
    then = Timing(zone, now, held)
    facts = facts_of(policy, Ledger(copies, copies), then)
    rows = np.zeros(len(days), np.int64)
    given = {name: columns[name].take(rows) for name in policy.attributes}
    # Held results are measured against the evaluation that stands on each day.
    last = held.at if last_evaluated_us is timing.held.at else last_evaluated_us
    return decide(policy, facts | given, len(days), then, last)


def _days(
    policy: Policy, columns: Mapping[str, Column], orders: OrderTable, timing: Timing
) -> Ints:
    """Return the coming local days on which a fact or a band can change, ascending."""
    today = int(timing.now.day[0])
    found = [np.empty(0, np.int64)]
    placed = np.unique(timing.zone.local_days(orders.placed_us))
    found += [_leaving(window, placed, today) for window in policy.windows.values()]
    for step in policy.steps:
        found.extend(_crossing(step, policy, _dates_of(step, policy, columns, placed, timing)))
    is_held = policy.evaluation.every is not None
    if is_held:
        # The next evaluation is the first to see what happened since the last one.
        found.append(np.array([today + 1]))
    days = np.unique(np.concatenate(found))
    days = days[(days > today) & (days < _LAST_DAY)]
    # Held results change only with the next scheduled evaluation on or after the day.
    return _scheduled(policy, days, timing) if is_held and len(days) else days


def _leaving(window: Window, placed: Ints, today: int) -> Ints:
    """Return the days on which orders leave a window, or enter it when it lies in the past."""
    if window.within is not None:
        return first_day_beyond(placed, window.within)
    if window.tiles is not None:
        # The window starts a day later than within the same span.
        return first_day_beyond(placed - 1, window.tiles)
    return _period_starts(window, placed, today)


def _period_starts(window: Window, placed: Ints, today: int) -> Ints:
    """Return the next few starts of calendar periods: one for each period with orders, at most."""
    months = {"year": 12, "quarter": 3, "month": 1}[window.calendar or "year"]
    first = np.array([today], "M8[D]").astype("M8[M]").astype(np.int64) // months
    periods = first + np.arange(1, window.back + 3)
    return (periods * months).astype("M8[M]").astype("M8[D]").astype(np.int64)


def _dates_of(
    step: Step, policy: Policy, columns: Mapping[str, Column], placed: Ints, timing: Timing
) -> Ints:
    """Return the days that the date a step looks at may be while nothing new happens."""
    fact = policy.facts.get(step.source) if isinstance(step, BandStep | NestedStep) else None
    if fact is None or fact.take != "last":
        return placed
    # The last of a window stays the last until it leaves.
    column = columns[step.needs[0]]
    if column.known is not None and not column.known[0]:
        return placed[:0]
    values = column.values.astype(np.int64, copy=False)
    return values if column.kind == "date" else timing.zone.local_days(values)


def _crossing(step: Step, policy: Policy, placed: Ints) -> Iterator[Ints]:
    """Yield the days on which dates and ages cross the edges of a step."""
    if isinstance(step, BandStep | NestedStep):
        for bands in step.all_bands:
            for span in bands.spans:
                yield first_day_beyond(placed, span)
            if _is_age(step.source, policy):
                yield from _ages(bands.edges.tolist(), placed)
    if isinstance(step, TableStep):
        for condition in step.table.conditions:
            for name, edge in thresholds(condition):
                if isinstance(edge, int | Decimal) and _is_age(name, policy):
                    yield from _ages([math.ceil(edge)], placed)


def _is_age(name: str, policy: Policy) -> bool:
    """Tell whether a fact grows by one with every day on which nothing happens."""
    fact = policy.facts.get(name)
    return fact is not None and fact.take in ("days_since_first", "days_since_last")


def _ages(edges: list[int], placed: Ints) -> Iterator[Ints]:
    """Yield the days on which an order becomes as many days old as an edge, or one more."""
    for edge in edges:
        if 0 <= edge < 1_000_000:
            yield placed + edge
            yield placed + edge + 1


def _scheduled(policy: Policy, days: Ints, timing: Timing) -> Ints:
    """Return the first scheduled evaluation on or after each day."""
    every, zone = policy.evaluation.every, timing.zone
    assert every is not None
    own = policy.evaluation.held(Moments.at_end_of(days, zone), zone).day
    # Whoever is not evaluated on the day itself is so within one span after it.
    later = policy.evaluation.held(Moments.at_end_of(shift_days(days, every, 1), zone), zone).day
    return np.unique(np.where(own == days, days, later))
