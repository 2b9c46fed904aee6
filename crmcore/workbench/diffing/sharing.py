"""Facts without the people: what a proposal to change a policy may carry with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from hashlib import shake_256
from typing import Final, Literal, TypeAlias, cast, get_args

import numpy as np

from crmcore.calendars import Zone
from crmcore.columns import Column, Ints
from crmcore.evaluation import Evaluation
from crmcore.evaluation.pipeline import decide
from crmcore.facts import FactTable
from crmcore.policy import Policy
from crmcore.records.ids import Ids
from crmcore.workbench.diffing.movement import differing

__all__ = ["Precision", "left_out", "precision_of", "pseudonymised", "resting_on"]

Precision: TypeAlias = Literal["day", "second", "microsecond"]
"""To what an instant is cut off, the coarsest first."""

_PRECISIONS: Final[tuple[Precision, ...]] = get_args(Precision)
_WORD_BYTES: Final = 8
_SECOND_US: Final = 10**6
_ALWAYS_PERSONAL: Final = frozenset(["registered_on"])
"""Explanations show it, as it is the customer's own; a file for others goes without it."""


def pseudonymised(result: Evaluation, *, key: bytes, sample: int | None = None) -> FactTable:
    """Return the facts of a result, or of a random part of it, under running numbers.

    Ids become 1, 2, 3 … in an order that the key alone decides. Attributes are left out unless
    the policy says that they are not personal; so are tags and ``registered_on``, of which no
    policy can say so. ``blocked`` stays where the policy reads it. Instants are cut off to the
    start of their local day, or to the second where otherwise one of the customers were decided
    otherwise. What is left may still tell who somebody is, to whoever knows what they bought and
    when: see the page on comparing policies.

    Parameters
    ----------
    result
        What `evaluate` returned.
    key
        Secret random bytes: whoever has them and a list of the customers can undo the order. The
        same key and the same customers give the same numbers.
    sample
        How many customers to draw at random; by default all.

    Notes
    -----
    Cost: one or two evaluations of the customers drawn for each fact that is an instant.

    Examples
    --------
    >>> import crmcore as crm
    >>> from datetime import date
    >>> source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    >>> rows = [(1, "Ann", "2025-03-01 09:30", "300.00"), (2, "Bo", "2025-03-01 12:00", "80.00")]
    >>> names = ("order_id", "customer_id", "placed_at", "amount")
    >>> orders = crm.OrderTable.from_rows(rows, source, columns=names)
    >>> result = crm.evaluate(crm.presets.load("classic"), orders, as_of=date(2025, 4, 1))
    >>> facts = pseudonymised(result, key=b"an example is no secret", sample=1)
    >>> facts.ids.tolist(), "blocked" in facts.columns, str(facts.columns["first_order_at"][0])
    ([1], True, '2025-02-28 16:00:00+00:00')
    """
    # A keyed stream that cannot be told from chance: unlike a seeded generator nobody guesses it.
    stream = shake_256(key).digest(_WORD_BYTES * len(result))
    rows = np.argsort(np.frombuffer(stream, "<u8"), kind="stable")[:sample]
    drawn = replace(
        result, columns={name: column.take(rows) for name, column in result.columns.items()}
    )
    facts = {name: drawn.columns[name] for name in result.facts.columns}
    for name, column in facts.items():
        if column.kind == "instant":
            facts[name] = _coarsest(drawn, facts, name)
    personal = left_out(result.policy)
    shared = {name: column for name, column in facts.items() if name not in personal}
    return FactTable(Ids(np.arange(1, len(rows) + 1)), shared)


def left_out(policy: Policy) -> tuple[str, ...]:
    """Return the attributes that are read by a policy and personal: its facts go without them."""
    return tuple(
        name
        for name, field in policy.attributes.items()
        if field.personal or name in _ALWAYS_PERSONAL
    )


def resting_on(policy: Policy, names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the decisions of a policy that rest on one of some attributes, also through others."""
    found = dict.fromkeys(names)
    for step in policy.steps:  # each after what it needs
        if not found.keys().isdisjoint(step.needs):
            found[step.name] = None
    return tuple(found)[len(names) :]


def precision_of(column: Column, zone: Zone) -> Precision:
    """Return the coarsest precision that all instants of a column have.

    Examples
    --------
    >>> from crmcore.calendars import zone
    >>> precision_of(Column("instant", np.array([0, 86_400_000_000])), zone("UTC"))
    'day'
    """
    return next(
        one for one in _PRECISIONS if not differing(column, _cut_off(column, one, zone)).any()
    )


def _cut_off(column: Column, precision: Precision, zone: Zone) -> Column:
    values = cast(Ints, column.values)
    match precision:
        case "day":
            values = zone.day_starts(zone.local_days(values))
        case "second":
            values = values - values % _SECOND_US
    return replace(column, values=np.where(column.is_known(), values, 0))


def _coarsest(drawn: Evaluation, facts: Mapping[str, Column], name: str) -> Column:
    """Return a column of instants as coarse as it can be with everybody decided as before."""
    zone = drawn.policy.zone
    tries = (_cut_off(facts[name], precision, zone) for precision in _PRECISIONS)
    alike = (one for one in tries if _decides_alike(drawn, {**facts, name: one}))
    return next(alike, facts[name])


def _decides_alike(drawn: Evaluation, facts: Mapping[str, Column]) -> bool:
    rows = len(facts[next(iter(facts))])
    columns = decide(drawn.policy, facts, rows, drawn.timing, drawn.last_evaluated_us)
    return not any(
        differing(drawn.columns[step.name], columns[step.name]).any() for step in drawn.policy.steps
    )
