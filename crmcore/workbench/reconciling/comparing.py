"""Their figures against ours: every difference, and which other reading makes it disappear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np

from crmcore.columns import Column, Mask, Value, floor_decimal
from crmcore.errors import DataError
from crmcore.facts import USUAL_FACTS, Fact, scatter
from crmcore.policy import Policy
from crmcore.records.ids import Id, Ids
from crmcore.records.orders import OrderTable
from crmcore.records.raw import RawValues
from crmcore.suggestions import nearest
from crmcore.wording import Message
from crmcore.workbench.reconciling.readings import Setting, other_readings
from crmcore.workbench.reconciling.theirs import Figures, read_theirs

__all__ = ["Comparison", "Example", "FactComparison", "Reading", "compare"]

_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class Example:
    """One customer whose figure differs; ``None``: nothing there."""

    customer_id: Id
    ours: Value
    theirs: Value


@dataclass(frozen=True, slots=True)
class FactComparison:
    """How one fact compares.

    Parameters
    ----------
    fact
        Its name.
    differing
        Number of customers for whom it differs.
    examples
        The first of them, by id.
    """

    fact: str
    differing: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """Another reading of our orders, and what it does to the differences.

    Parameters
    ----------
    names
        What is read otherwise: one or two names, each with a detail where it has one.
    explains
        Number of differing customers who agree in everything under this reading.
    breaks
        Number of agreeing customers who then differ.
    remaining
        Number of differing customers under this reading.
    """

    names: tuple[tuple[str, str | None], ...]
    explains: int
    breaks: int
    remaining: int

    @property
    def messages(self) -> tuple[Message, ...]:
        """What is read otherwise, to be worded by a `Catalogue`."""
        return tuple(
            Message(f"reading.{name}", {} if detail is None else {"detail": detail})
            for name, detail in self.names
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """Their figures against ours.

    Parameters
    ----------
    as_of
        The moment of ours.
    customers_ours, customers_theirs
        How many there are.
    only_ours, only_theirs
        How many only one side has. They differ only if there is something to differ in: a count
        or sum of 0, or nothing, agrees with a customer who is not there.
    differing
        Number of customers with any difference.
    facts
        The facts compared, in their order.
    readings
        The other readings, the one that leaves the fewest differences first; those that change
        nothing for the better are left out.
    """

    as_of: date
    customers_ours: int
    customers_theirs: int
    only_ours: int
    only_theirs: int
    differing: int
    facts: tuple[FactComparison, ...]
    readings: tuple[Reading, ...]

    def to_dict(self) -> dict[str, object]:
        """Return plain data for JSON; exact numbers and times as text."""
        counts = ("customers_ours", "customers_theirs", "only_ours", "only_theirs", "differing")
        return {
            "as_of": self.as_of.isoformat(),
            **{name: getattr(self, name) for name in counts},
            "facts": [_plain_fact(fact) for fact in self.facts],
            "readings": [_plain_reading(reading) for reading in self.readings],
        }


def compare(
    orders: OrderTable,
    theirs: Mapping[str, RawValues],
    policy: Policy,
    *,
    as_of: date,
    others: Mapping[str, OrderTable] | None = None,
) -> Comparison:
    """Compare somebody else's figures of customers with ours, and look for what explains them.

    Parameters
    ----------
    orders
        The shop's orders.
    theirs
        One array or list a column: ``customer_id``, and any of the policy's facts or the usual
        ones. Money is in major units.
    policy
        Says how our facts are meant.
    as_of
        As for `evaluate`.
    others
        The same orders read by other sources, by a name that says how; see `other_sources`.

    Raises
    ------
    DataError
        No fact has the name of a column, or a column does not hold what it should.

    Notes
    -----
    Cost: the facts compared are worked out once for each of some twenty readings, and again for
    pairs of them where the best one leaves something unexplained.

    Examples
    --------
    >>> from crmcore import OrderTable, Source, presets
    >>> source = Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    >>> rows = [(1, "C1", "2025-03-01", "300"), (2, "C1", "2025-03-09", "100")]
    >>> orders = OrderTable.from_rows(
    ...     rows, source, columns=("order_id", "customer_id", "placed_at", "amount")
    ... )
    >>> theirs = {"customer_id": ["C1"], "mean_sale": ["400.00"]}
    >>> found = compare(orders, theirs, presets.load("classic"), as_of=date(2025, 4, 1))
    >>> found.differing, found.readings[0].names
    (1, (('sum_not_mean', None),))
    """
    facts = _facts(theirs, policy)
    fields = {name: fact.field_type(name, policy.currency.exponent) for name, fact in facts.items()}
    if orders.currency != policy.currency:
        raise DataError("the orders are in another currency than the policy", column="currency")
    their_ids, figures = read_theirs(theirs, fields, policy.zone)
    setting = Setting(
        orders=orders,
        facts=facts,
        windows=policy.windows,
        sale_statuses=policy.sale_statuses,
        zone=policy.zone,
        evaluation=policy.evaluation,
        as_of=as_of,
    )
    return _Comparer(setting, their_ids, figures, others or {}).run()


def _facts(theirs: Mapping[str, RawValues], policy: Policy) -> dict[str, Fact]:
    known = {**USUAL_FACTS, **policy.facts}
    names = [name for name in theirs if name != "customer_id"]
    for name in names:
        if name not in known:
            near = nearest(name, known)
            hint = "" if near is None else f" (did you mean {near!r}?)"
            raise DataError(f"no fact of this name{hint}", column=name)
    return {name: known[name] for name in names}


class _Comparer:
    """Compares everybody there is on either side, under one setting after the other."""

    def __init__(
        self,
        setting: Setting,
        their_ids: Ids,
        figures: Mapping[str, Figures],
        others: Mapping[str, OrderTable],
    ) -> None:
        self.setting = setting
        self.their_ids = their_ids
        tables = [setting.orders, *others.values()]
        self.ids = their_ids
        for table in tables:
            self.ids = self.ids.merge(table.customer_ids)[0]
        rows = their_ids.find(self.ids)
        self.figures = {name: one.take(rows, rows >= 0) for name, one in figures.items()}
        self.changes = other_readings(others)

    def run(self) -> Comparison:
        columns = self._columns(self.setting)
        agree = self._agree(columns)
        differs = ~np.logical_and.reduce([*agree.values(), np.ones(len(self.ids), np.bool_)])
        ours = self.setting.orders.customer_ids
        both = int(np.count_nonzero(ours.find(self.their_ids) >= 0))
        return Comparison(
            as_of=self.setting.as_of,
            customers_ours=len(ours),
            customers_theirs=len(self.their_ids),
            only_ours=len(ours) - both,
            only_theirs=len(self.their_ids) - both,
            differing=int(np.count_nonzero(differs)),
            facts=tuple(self._fact(name, columns[name], ~mask) for name, mask in agree.items()),
            readings=self._readings(differs),
        )

    def _columns(self, setting: Setting) -> dict[str, Column]:
        place = self.ids.find(setting.orders.customer_ids)
        return {
            name: scatter(
                column,
                place,
                len(self.ids),
                zero=not setting.facts[name].field_type(name, column.exponent).nullable,
            )
            for name, column in setting.columns().items()
        }

    def _agree(self, columns: Mapping[str, Column]) -> dict[str, Mask]:
        return {name: self.figures[name].agree(column) for name, column in columns.items()}

    def _fact(self, name: str, column: Column, differs: Mask) -> FactComparison:
        rows = np.flatnonzero(differs)
        figures = self.figures[name]
        examples = (
            Example(self.ids[row], column[row], figures.at(row))
            for row in rows[:_EXAMPLES].tolist()
        )
        return FactComparison(name, len(rows), tuple(examples))

    def _readings(self, differs: Mask) -> tuple[Reading, ...]:
        if not differs.any():
            return ()
        found = list(self._single(differs))
        found.sort(key=_rank)
        if found and found[0].remaining:
            found += self._double(differs, found[0])
            found.sort(key=_rank)
        return tuple(found)

    def _single(self, differs: Mask) -> Iterator[Reading]:
        for key, change in self.changes.items():
            setting = change(self.setting)
            if setting is not None:
                reading = self._judge(differs, (key,), setting)
                if reading.remaining < int(np.count_nonzero(differs)):
                    yield reading

    def _double(self, differs: Mask, best: Reading) -> Iterator[Reading]:
        """Yield what else, together with the best reading, leaves less than that alone."""
        first = best.names[0]
        base = self.changes[first](self.setting)
        assert base is not None  # as it changed something before
        for key, change in self.changes.items():
            setting = change(base) if key != first else None
            if setting is not None:
                reading = self._judge(differs, (first, key), setting)
                if reading.remaining < best.remaining:
                    yield reading

    def _judge(
        self, differs: Mask, names: tuple[tuple[str, str | None], ...], setting: Setting
    ) -> Reading:
        agree = self._agree(self._columns(setting))
        now = ~np.logical_and.reduce(list(agree.values()))
        return Reading(
            names,
            int(np.count_nonzero(differs & ~now)),
            int(np.count_nonzero(~differs & now)),
            int(np.count_nonzero(now)),
        )


def _rank(reading: Reading) -> tuple[object, ...]:
    return reading.remaining, len(reading.names), -reading.explains


def _plain_fact(fact: FactComparison) -> dict[str, object]:
    examples = [
        {
            "customer_id": _id(one.customer_id),
            "ours": _plain(one.ours),
            "theirs": _plain(one.theirs),
        }
        for one in fact.examples
    ]
    return {"fact": fact.fact, "differing": fact.differing, "examples": examples}


def _plain_reading(reading: Reading) -> dict[str, object]:
    names = [{"name": name, "detail": detail} for name, detail in reading.names]
    figures = {"explains": reading.explains, "breaks": reading.breaks}
    return {"readings": names, **figures, "remaining": reading.remaining}


def _id(customer_id: Id) -> int | str:
    return customer_id if isinstance(customer_id, int) else str(customer_id)


def _plain(value: Value) -> object:
    match value:
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case Fraction():
            return str(floor_decimal(value, 6))
        case _:
            return value
