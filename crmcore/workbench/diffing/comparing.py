"""Comparing two policies: in their text, their decisions, and for given customers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime

from crmcore.errors import DataError
from crmcore.evaluation import Evaluation, evaluate, evaluate_facts
from crmcore.facts import FactTable
from crmcore.policy import Policy
from crmcore.records.customers import CustomerTable
from crmcore.records.orders import OrderTable
from crmcore.workbench.diffing.deciding import compared_decisions
from crmcore.workbench.diffing.holding import compared_rows
from crmcore.workbench.diffing.movement import movements
from crmcore.workbench.diffing.result import FactDiff, PolicyDiff
from crmcore.workbench.diffing.structure import edits

__all__ = ["diff"]


def diff(
    before: Policy,
    after: Policy,
    *,
    orders: OrderTable | None = None,
    facts: FactTable | None = None,
    customers: CustomerTable | None = None,
    as_of: date | None = None,
    known_at: datetime | None = None,
    last_evaluated_at: date | None = None,
) -> PolicyDiff:
    """Compare two policies.

    Parameters
    ----------
    before, after
        The policies.
    orders, facts
        Customers to be put through both, as orders or as facts: then the result says who moves.
        Of facts, those of both policies; a fact that they define otherwise is taken as it is.
    customers, as_of, known_at, last_evaluated_at
        As for `evaluate`; `as_of` is required with orders or facts.

    Returns
    -------
    PolicyDiff
        What stands otherwise; for each decision that every customer gets the same, or one who
        does not; and, given customers, what becomes of them.

    Raises
    ------
    DataError
        Both orders and facts, or no `as_of` with them; and what `evaluate` refuses.

    Notes
    -----
    Decisions are compared by putting one customer for each combination of what the two policies
    tell apart through both; where there are more than 500,000, by leaving out each fact as soon as
    nothing reads it any more. Mostly well under a second, and some seconds for dozens of facts.

    Examples
    --------
    >>> import crmcore as crm
    >>> then = crm.presets.load("classic")
    >>> bands = {"frequency_points": {"from": [[1, 1], [2, 2], [3, 3], [5, 4], [6, 5]]}}
    >>> now = crm.load_policy({"extends": "classic", "name": "shop", "scores": bands})
    >>> for edit in crm.diff(then, now).edits:
    ...     print(edit)
    name: "classic" → "shop"
    scores.frequency_points.from.3.0: 4 → 5
    """
    results = None
    if orders is not None or facts is not None:
        results = _evaluated(
            before, after, orders, facts, customers, as_of, known_at, last_evaluated_at
        )
    return PolicyDiff(
        before,
        after,
        edits(before, after),
        tuple(_facts(before, after)),
        compared_decisions(before, after, as_of),
        compared_rows(before, after, as_of),
        None if results is None else movements(*results),
        as_of,
        None if results is None else "facts" if orders is None else "orders",
    )


def _evaluated(
    before: Policy,
    after: Policy,
    orders: OrderTable | None,
    facts: FactTable | None,
    customers: CustomerTable | None,
    as_of: date | None,
    known_at: datetime | None,
    last_evaluated_at: date | None,
) -> tuple[Evaluation, Evaluation]:
    if as_of is None:
        raise DataError("give the moment of the comparison", column="as_of")
    if facts is not None:
        if orders is not None:
            raise DataError("give orders or facts, not both", column="facts")
        then, now = (
            evaluate_facts(one, facts, as_of=as_of, last_evaluated_at=last_evaluated_at)
            for one in (before, after)
        )
        return then, now
    assert orders is not None  # as one of the two is given
    then, now = (
        evaluate(
            one,
            orders,
            customers,
            as_of=as_of,
            known_at=known_at,
            last_evaluated_at=last_evaluated_at,
        )
        for one in (before, after)
    )
    return then, now


def _facts(before: Policy, after: Policy) -> Iterator[FactDiff]:
    """Yield the facts that both policies have, but not as the same figure."""
    for name in after.facts:
        if name in before.facts:
            because = tuple(_because(name, before, after))
            if because:
                yield FactDiff(name, because)


def _because(name: str, before: Policy, after: Policy) -> Iterator[str]:
    """Yield the places of the policy that make a fact another figure."""
    then, now = before.facts[name], after.facts[name]
    if then.model_copy(update={"window": None}) != now.model_copy(update={"window": None}):
        yield f"facts.{name}"
    windows = [
        None if fact.window is None else policy.windows[fact.window]
        for policy, fact in ((before, then), (after, now))
    ]
    if windows[0] != windows[1]:
        yield f"windows.{now.window}" if then.window == now.window else f"facts.{name}.in"
    if now.of in ("sale", "line") and before.sale_statuses != after.sale_statuses:
        yield "sale_statuses"
    if before.zone.name != after.zone.name:
        yield "zone"
    if now.window is not None and before.evaluation != after.evaluation:
        yield "evaluation"
    if before.currency != after.currency and after.fields[name].exponent:
        yield "currency"
