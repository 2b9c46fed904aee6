"""How a stream will be evaluated: in one pass, or over partitions on disk; and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from crmcore.facts import FactPlan
from crmcore.policy import Policy
from crmcore.records.source import Source

__all__ = ["StreamPlan", "name_of", "stream_plan"]

ByOrder: TypeAlias = Literal["no", "if_repeated", "yes"]

_REPEATED = "an order id stands in several rows"


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """The way in which orders larger than memory are evaluated; as text it can be read.

    Parameters
    ----------
    by_order
        Whether rows are first put on disk by order id, so that repeats, versions and lines of an
        order stand together. ``"if_repeated"``: only if an order id turns up twice; then the
        rows are read again.
    by_customer
        Whether the orders are put on disk by customer, so that each partition is evaluated
        whole. Otherwise the facts of parts are merged.
    why_by_order, why_by_customer
        The reason of each.

    Examples
    --------
    >>> import crmcore as crm
    >>> source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    >>> names = ("order_id", "customer_id", "placed_at", "amount")
    >>> print(crm.stream_plan(crm.presets.load("classic"), names, source))
    1. read all rows once, and set aside what cannot be used
    2. look whether an order id repeats; if so, read again and put the rows on disk by order
    3. merge the facts of all parts: each is a count, a sum, a first, a last, a least or a greatest
    """

    by_order: ByOrder
    by_customer: bool
    why_by_order: str
    why_by_customer: str

    def __str__(self) -> str:
        on_disk = {
            "no": f"leave the rows where they are: {self.why_by_order}",
            "if_repeated": "look whether an order id repeats; if so, read again and put the rows "
            "on disk by order",
            "yes": f"put the rows on disk by order: {self.why_by_order}",
        }
        if self.by_customer:
            last = f"put the orders on disk by customer: {self.why_by_customer}"
        else:
            last = f"merge the facts of all parts: {self.why_by_customer}"
        steps = [
            "read all rows once, and set aside what cannot be used",
            on_disk[self.by_order],
            last,
        ]
        return "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))

    def repeated(self) -> StreamPlan:
        """Return the plan for rows in which an order id turned up twice."""
        return replace(self, by_order="yes", why_by_order=_REPEATED)


def stream_plan(
    policy: Policy,
    columns: Collection[str],
    source: Source,
    *,
    unique_orders: bool = False,
    read_twice: bool = True,
) -> StreamPlan:
    """Return how orders with these columns would be evaluated by `evaluate_batches`.

    Parameters
    ----------
    policy, source
        As for `evaluate_batches`.
    columns
        The names of the columns there are.
    unique_orders
        The caller's word that no order id stands in two rows.
    read_twice
        Whether the rows can be read a second time: a file, a list, or a callable.

    Returns
    -------
    StreamPlan
        ``str`` of it says the steps and their reasons.

    Examples
    --------
    >>> import crmcore as crm
    >>> policy = crm.presets.load("classic")
    >>> source = crm.Source(zone="UTC", currency={"code": "CNY", "exponent": 2}, rows="lines")
    >>> plan = stream_plan(policy, ["order_id", "customer_id", "placed_at", "amount"], source)
    >>> plan.by_order, plan.by_customer
    ('yes', False)
    """
    by_order, why = _by_order(columns, source, unique=unique_orders, read_twice=read_twice)
    by_customer, reason = _by_customer(policy, columns, source)
    return StreamPlan(by_order, by_customer, why, reason)


def _by_order(
    columns: Collection[str], source: Source, *, unique: bool, read_twice: bool
) -> tuple[ByOrder, str]:
    if name_of("order_id", columns, source) is None:
        return "no", "there are no order ids, so repeated rows cannot be seen"
    if source.rows == "lines":
        return "yes", "lines of one order must stand together"
    if unique:
        return "no", "each order id stands in one row, as the caller says"
    if name_of("version", columns, source) is not None:
        return "yes", "versions of one order must stand together"
    if not read_twice:
        return "yes", "an order id may repeat, and the rows can be read only once"
    return "if_repeated", "an order id may repeat"


def _by_customer(policy: Policy, columns: Collection[str], source: Source) -> tuple[bool, str]:
    if name_of("returns_order_id", columns, source) is not None:
        return True, "returns must stand with the orders that they name"
    if policy.evaluation.every is not None and name_of("known_at", columns, source) is not None:
        return True, "all that was known of a customer when results were held is needed at once"
    plan = FactPlan(policy.facts, policy.windows, policy.sale_statuses)
    if plan.holistic:
        names = ", ".join(sorted(plan.holistic))
        return True, f"all orders of a customer are needed at once for {names}"
    return False, "each is a count, a sum, a first, a last, a least or a greatest"


def name_of(standard: str, columns: Collection[str], source: Source) -> str | None:
    """Return *their* name for a standard column; ``None`` when there is no such column."""
    named: str | Literal[False] | None = getattr(source.columns, standard)
    if named is None and standard in columns:
        return standard
    return named or None
