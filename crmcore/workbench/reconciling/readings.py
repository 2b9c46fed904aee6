"""Other readings of the same orders: what somebody else may have meant by the same words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TypeAlias

import numpy as np

from crmcore import kernels
from crmcore.calendars import EvaluationCalendar, Span, Window, Zone, moments, parse_span
from crmcore.calendars import zone as zone_of
from crmcore.columns import Column
from crmcore.facts import Fact, summarise
from crmcore.records.formula import Product, parse_formula
from crmcore.records.orders import RETURN, UNLINKED, OrderTable
from crmcore.records.source import STATUSES, Source
from crmcore.timing import Timing

__all__ = ["Alteration", "Setting", "other_readings", "other_sources"]

_PERIODS = {1: "month", 3: "quarter", 12: "year"}


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """All that facts are worked out from; a reading changes one thing in it."""

    orders: OrderTable
    facts: Mapping[str, Fact]
    windows: Mapping[str, Window]
    sale_statuses: frozenset[str]
    zone: Zone
    evaluation: EvaluationCalendar
    as_of: date

    def columns(self) -> dict[str, Column]:
        """Return the facts for the customers of the orders."""
        now = moments(self.as_of, self.zone)
        timing = Timing(self.zone, now, self.evaluation.held(now, self.zone))
        columns: dict[str, Column] = {}
        for windowed in (False, True):
            facts = {name: one for name, one in self.facts.items() if bool(one.window) is windowed}
            columns |= summarise(
                facts,
                self.orders.known_at(int(timing.of(windowed=windowed).at[0])),
                timing=timing,
                windows=self.windows,
                sale_statuses=self.sale_statuses,
            )
        return {name: columns[name] for name in self.facts}


Alteration: TypeAlias = Callable[[Setting], Setting | None]
"""Returns the changed setting, ``None`` where it would change nothing."""


def other_readings(others: Mapping[str, OrderTable]) -> dict[tuple[str, str | None], Alteration]:
    """Return every reading that is tried, by name and detail."""
    found: dict[tuple[str, str | None], Alteration] = {
        (name, None): change for name, change in _READINGS.items()
    }
    for name, table in others.items():
        found["other_rows", name] = _with_rows(table)
    return found


def other_sources(source: Source) -> dict[str, Source]:
    """Return the source read otherwise: each term of its amount left out, each filter, and so on.

    Build a table of orders from each and give them to `compare` as `others`.

    Returns
    -------
    dict
        By a name that says what is different: ``without Tax``, ``without * 1.19``,
        ``including bad debt``.

    Examples
    --------
    >>> source = Source(
    ...     currency={"code": "EUR", "exponent": 2},
    ...     amount={"formula": "Price * Quantity + Tax"},
    ...     exclude=[{"reason": "postage", "column": "Product", "equals": "POST"}],
    ... )
    >>> list(other_sources(source))
    ['without Price * Quantity', 'without Tax', 'including postage']
    """
    found: dict[str, Source] = {}
    products = (
        () if source.amount.formula is None else parse_formula(source.amount.formula).products
    )
    for at, product in enumerate(products):
        rest = (*products[:at], *products[at + 1 :])
        if any(one.columns for one in rest):
            found[f"without {_text(product)}"] = _with_formula(source, rest)
        if abs(product.factor) != 1 and product.columns:
            plain = replace(product, factor=Decimal(1).copy_sign(product.factor))
            changed = (*products[:at], plain, *products[at + 1 :])
            found[f"without * {abs(product.factor):f}"] = _with_formula(source, changed)
    for reason in dict.fromkeys(entry.reason for entry in source.exclude):
        kept = tuple(entry for entry in source.exclude if entry.reason != reason)
        found[f"including {reason}"] = source.model_copy(update={"exclude": kept})
    return found


def _with_formula(source: Source, products: tuple[Product, ...]) -> Source:
    text = " ".join(f"{'-' if one.factor < 0 else '+'} {_text(one)}" for one in products)
    amount = source.amount.model_copy(update={"formula": text.removeprefix("+ ")})
    return source.model_copy(update={"amount": amount})


def _text(product: Product) -> str:
    names = [name if name.isidentifier() else f"`{name}`" for name in product.columns]
    factor = abs(product.factor)
    return " * ".join(names if factor == 1 and names else [*names, f"{factor:f}"])


# What a fact takes


def _taking(one: str, instead: str) -> Alteration:
    def change(setting: Setting) -> Setting | None:
        facts = {
            name: fact.model_copy(update={"take": instead}) if fact.take == one else fact
            for name, fact in setting.facts.items()
        }
        return None if facts == setting.facts else replace(setting, facts=facts)

    return change


def _ever(setting: Setting) -> Setting | None:
    facts = {name: fact.model_copy(update={"window": None}) for name, fact in setting.facts.items()}
    return None if facts == setting.facts else replace(setting, facts=facts)


def _in_first_window(setting: Setting) -> Setting | None:
    if not setting.windows:
        return None
    window = next(iter(setting.windows))
    facts = {
        name: fact if fact.window else fact.model_copy(update={"window": window})
        for name, fact in setting.facts.items()
    }
    return None if facts == setting.facts else replace(setting, facts=facts)


# Windows


def _with_windows(instead: Callable[[Window], Window]) -> Alteration:
    def change(setting: Setting) -> Setting | None:
        asked = {fact.window for fact in setting.facts.values()}
        windows = {name: instead(window) for name, window in setting.windows.items()}
        same = all(windows[name] == setting.windows[name] for name in asked if name is not None)
        return None if same else replace(setting, windows=windows)

    return change


def _edge_excluded(window: Window) -> Window:
    return window if window.within is None else Window(tiles=window.within)


def _edge_included(window: Window) -> Window:
    return window if window.tiles is None else Window(within=window.tiles)


def _in_days(window: Window) -> Window:
    span = window.within or window.tiles
    if span is None or not span.months:
        return window
    years, months = divmod(span.months, 12)
    days = parse_span(f"{365 * years + 30 * months} days")
    return Window(within=days) if window.within else Window(tiles=days)


def _calendar_period(window: Window) -> Window:
    span: Span | None = window.within or window.tiles
    if span is None or span.months not in _PERIODS:
        return window
    return Window.model_validate({"calendar": _PERIODS[span.months]})


# Days and zones


def _in_zone(name: str | None) -> Alteration:
    """Return the change to a zone; ``None`` means the source's own."""

    def change(setting: Setting) -> Setting | None:
        zone = setting.orders.zone if name is None else zone_of(name)
        return None if zone == setting.zone else replace(setting, zone=zone)

    return change


def _days_later(days: int) -> Alteration:
    return lambda setting: replace(setting, as_of=setting.as_of + timedelta(days=days))


def _live(setting: Setting) -> Setting | None:
    if setting.evaluation.every is None:
        return None
    return replace(setting, evaluation=EvaluationCalendar())


# Rows


def _with_rows(table: OrderTable) -> Alteration:
    return lambda setting: replace(setting, orders=table)


def _any_status(setting: Setting) -> Setting | None:
    every = frozenset(STATUSES)
    return None if setting.sale_statuses == every else replace(setting, sale_statuses=every)


def _any_open_status(setting: Setting) -> Setting | None:
    some = frozenset(STATUSES) - {"cancelled", "refused", "returned"}
    return None if setting.sale_statuses == some else replace(setting, sale_statuses=some)


def _no_returns(setting: Setting) -> Setting | None:
    orders = setting.orders
    if len(orders.return_rows) == 0:
        return None
    return replace(setting, orders=orders.take(orders.status < RETURN))


def _linked_returns_only(setting: Setting) -> Setting | None:
    orders = setting.orders
    unlinked = orders.return_rows[orders.sale_of == UNLINKED]
    if len(unlinked) == 0:
        return None
    kept = np.ones(len(orders), np.bool_)
    kept[unlinked] = False
    return replace(setting, orders=orders.take(kept))


def _returns_by_own_day(setting: Setting) -> Setting | None:
    orders = setting.orders
    if (orders.sale_of == UNLINKED).all():
        return None
    nowhere = np.full_like(orders.sale_of, UNLINKED)
    return replace(setting, orders=replace(orders, sale_of=nowhere, return_of=None))


def _as_known_now(setting: Setting) -> Setting | None:
    orders = setting.orders
    if orders.known_us is None:
        return None
    if orders.known_until_us is not None:
        orders = orders.take(orders.known_until_us == kernels.INT64_MAX)
    return replace(setting, orders=replace(orders, known_us=None, known_until_us=None))


_READINGS: Mapping[str, Alteration] = {
    "sum_not_mean": _taking("mean", "sum"),
    "mean_not_sum": _taking("sum", "mean"),
    "edge_excluded": _with_windows(_edge_excluded),
    "edge_included": _with_windows(_edge_included),
    "days_not_months": _with_windows(_in_days),
    "calendar_period": _with_windows(_calendar_period),
    "ever": _ever,
    "in_window": _in_first_window,
    "zone_utc": _in_zone("UTC"),
    "zone_of_source": _in_zone(None),
    "returns_ignored": _no_returns,
    "linked_returns_only": _linked_returns_only,
    "returns_by_own_day": _returns_by_own_day,
    "any_status": _any_status,
    "any_open_status": _any_open_status,
    "day_before": _days_later(-1),
    "day_after": _days_later(1),
    "as_known_now": _as_known_now,
    "live": _live,
}
