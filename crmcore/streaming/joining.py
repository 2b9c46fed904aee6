"""Facts of parts as facts of all: merged where customers recur, put together where they do not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

import numpy as np

from crmcore.columns import Column, Ints
from crmcore.evaluation.pipeline import Ledger, facts_of, refuse
from crmcore.evaluation.review import Seen
from crmcore.facts import USUAL_FACTS, FactPlan, FactTable, Partial
from crmcore.policy import Policy
from crmcore.records.ids import Ids
from crmcore.timing import Timing

__all__ = ["Joined", "Merged", "finished", "plan_of"]

_ORDERS = "(orders)"
"""A fact beside those of the policy: who has ordered."""


def plan_of(policy: Policy) -> FactPlan:
    """Return what is kept of parts: the figures of the policy's facts, and of who has ordered."""
    facts = {**policy.facts, _ORDERS: USUAL_FACTS["order_count"]}
    return FactPlan(facts, policy.windows, policy.sale_statuses)


def finished(policy: Policy, timing: Timing, total: Partial) -> tuple[FactTable, int]:
    """Return the facts that merged figures make, and how many customers have ordered."""
    columns = plan_of(policy).finish(total, timing, policy.currency.exponent)
    ordering = int(np.count_nonzero(columns.pop(_ORDERS).values))
    return FactTable(total.ids, columns), ordering


class Merged:
    """Facts of parts that may have customers in common; `seen` is what was counted in all."""

    def __init__(self, policy: Policy, timing: Timing) -> None:
        self._policy, self._timing = policy, timing
        self._plan = plan_of(policy)
        self._parts: list[Partial] = []
        self.seen = Seen()

    def add(self, ledger: Ledger) -> None:
        """Merge the figures of a part."""
        refuse(self._policy, ledger, self._timing)
        self._parts.append(self._plan.partial(ledger.now, self._timing))
        # Each is more than twice the next, so that no customer is copied for every part.
        while len(self._parts) > 1 and len(self._parts[-2]) <= 2 * len(self._parts[-1]):
            self._parts.append(self._parts.pop().merge(self._parts.pop()))
        self.seen += Seen.of(ledger.now, self._timing, enough=None)

    def total(self) -> Partial:
        """Return the figures of all parts."""
        return reduce(Partial.merge, reversed(self._parts), Partial(Ids(), {}))

    def result(self) -> tuple[FactTable, Seen]:
        """Return the facts of all, made of the merged figures."""
        facts, ordering = finished(self._policy, self._timing, self.total())
        return facts, self.seen + Seen(ordering=ordering)


class Joined:
    """Facts of parts each of which has all rows of its customers."""

    def __init__(self, policy: Policy, timing: Timing) -> None:
        self._policy, self._timing = policy, timing
        self._parts: list[FactTable] = []
        self._seen = Seen()

    def add(self, ledger: Ledger) -> None:
        """Keep the facts of a part."""
        facts = facts_of(self._policy, ledger, self._timing)
        self._parts.append(FactTable(ledger.now.customer_ids, facts))
        self._seen += Seen.of(ledger.now, self._timing, enough=self._policy.notes.minimum_customers)

    def result(self) -> tuple[FactTable, Seen]:
        """Return the facts of all parts in the order of their customers."""
        ids = _all([part.ids for part in self._parts])
        places = [ids.find(part.ids) for part in self._parts]
        columns = {
            name: _joined([part.columns[name] for part in self._parts], places, len(ids))
            for name in self._policy.facts
        }
        return FactTable(ids, columns), self._seen


def _all(parts: Sequence[Ids]) -> Ids:
    """Return all ids, merged in pairs."""
    while len(parts) > 1:
        pairs = [parts[at : at + 2] for at in range(0, len(parts), 2)]
        parts = [pair[0].merge(pair[1])[0] if len(pair) == 2 else pair[0] for pair in pairs]
    return parts[0]


def _joined(parts: Sequence[Column], places: Sequence[Ints], size: int) -> Column:
    """Return one column of the parts of it, which cover all places."""
    first = parts[0]
    values = np.empty(size, first.values.dtype)
    known = np.ones(size, np.bool_)
    divisor = None if first.divisor is None else np.ones(size, np.int64)
    for part, place in zip(parts, places, strict=True):
        values[place] = part.values
        known[place] = part.is_known()
        if divisor is not None and part.divisor is not None:
            divisor[place] = part.divisor
    missing = None if known.all() else known
    return Column(first.kind, values, missing, divisor, first.exponent, first.categories)
