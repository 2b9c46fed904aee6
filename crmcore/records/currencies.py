"""The amount of each row in the source's currency: what makes it, and what it was paid in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from crmcore.calendars import zone
from crmcore.columns import Ints, Mask
from crmcore.money import Rates
from crmcore.records.amounts import Amounts, any_of, read_amounts
from crmcore.records.filters import distinct_texts
from crmcore.records.formula import Formula, Product, parse_formula
from crmcore.records.lookup import Lookup
from crmcore.records.raw import Raw
from crmcore.records.source import Source

__all__ = ["read_money"]


@dataclass(frozen=True, slots=True)
class _Way:
    """What makes the amount, from *their* columns; in minor units already, or in major ones."""

    formula: Formula
    in_minor: bool = False


def read_money(columns: Lookup, source: Source, rates: Rates | None, placed_us: Ints) -> Amounts:
    """Return the amounts; rows in another currency are converted, or are a fault.

    Raises
    ------
    DataError
        No column holds amounts, one of them is no column of numbers, or a converted amount does
        not fit 64 bits.
    """
    way = _way(columns, source)
    name = columns.name_of("currency")
    if name is None:
        return _amounts(columns.raw, source, way, source.currency.exponent)
    codes, currencies = _currencies(name, columns.raw[name])
    if all(currency == source.currency.code for currency in currencies):
        return _amounts(columns.raw, source, way, source.currency.exponent)
    if rates is None:
        return _own_only(columns, source, way, codes, currencies)
    return _converted(columns, source, way, rates, placed_us, codes, currencies)


def _way(columns: Lookup, source: Source) -> _Way:
    """Choose what makes the amount: what the source names, else the first that is there."""
    if source.amount.formula is not None:
        formula = parse_formula(source.amount.formula)
        columns.theirs(formula.columns, "amount")
        return _Way(formula)
    ways = ["amount_minor", "amount", "unit_price"]
    for standard in sorted(ways, key=lambda way: not isinstance(columns.named(way), str)):
        name = columns.name_of(standard)
        if name is None:
            continue
        names = [name]
        if standard == "unit_price":
            columns.required("quantity")
            names.append(str(columns.name_of("quantity")))
        return _Way(Formula((Product(Decimal(1), tuple(names)),)), standard == "amount_minor")
    raise columns.no_amount()


def _amounts(raw: Mapping[str, Raw], source: Source, way: _Way, exponent: int) -> Amounts:
    exponent = 0 if way.in_minor else exponent
    return read_amounts(raw, way.formula, exponent, source.amount.rounding)


def _currencies(name: str, raw: Raw) -> tuple[Ints, list[str]]:
    """Return the currency of each row as a position in the currencies that occur; "" is none."""
    found, texts = distinct_texts(name, raw)
    if raw.missing is None and len(texts) == 1 <= len(raw):
        return np.broadcast_to(np.int64(0), len(raw)), texts
    codes = found.astype(np.int64)
    if raw.missing is not None:
        codes[raw.missing] = len(texts)
    occurs = np.bincount(codes, minlength=len(texts) + 1) > 0
    place = np.cumsum(occurs) - 1
    return place[codes], [text for text, here in zip([*texts, ""], occurs, strict=True) if here]


def _own_only(
    columns: Lookup, source: Source, way: _Way, codes: Ints, currencies: list[str]
) -> Amounts:
    """Read all amounts, and set aside those in another currency."""
    own = _amounts(columns.raw, source, way, source.currency.exponent)
    other = np.array([currency != source.currency.code for currency in currencies])[codes]
    return Amounts(np.where(other, 0, own.values), {**own.faults, "other_currency": other})


def _converted(
    columns: Lookup,
    source: Source,
    way: _Way,
    rates: Rates,
    placed_us: Ints,
    codes: Ints,
    currencies: list[str],
) -> Amounts:
    """Read each currency's amounts in its own minor units, and convert them."""
    exponents = [_exponent(currency, source, rates) for currency in currencies]
    amounts = np.zeros(columns.rows, np.int64)
    faults: dict[str, Mask] = {}
    for exponent in sorted(set(exponents)):
        rows = np.flatnonzero(np.array([one == exponent for one in exponents])[codes])
        part = {name: columns.raw[name].take(rows) for name in way.formula.columns}
        found = _amounts(part, source, way, exponent)
        amounts[rows] = found.values
        for reason, mask in found.faults.items():
            faults.setdefault(reason, np.zeros(columns.rows, np.bool_))[rows] = mask
    days = zone(source.zone or "UTC").local_days(placed_us)
    amounts, no_rate = rates.convert(amounts, codes, currencies, days, source.currency)
    if no_rate.any():
        faults["other_currency"] = no_rate
    foreign = np.array([currency != source.currency.code for currency in currencies])[codes]
    bad = any_of(faults)
    return Amounts(amounts, faults, foreign if bad is None else foreign & ~bad)


def _exponent(currency: str, source: Source, rates: Rates) -> int:
    rate = rates.rates.get(currency)
    return source.currency.exponent if rate is None else rate.exponent
