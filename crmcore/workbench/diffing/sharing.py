"""Facts without the people: what a proposal to change a policy may carry with it."""

from __future__ import annotations

from hashlib import shake_256

import numpy as np

from crmcore.evaluation import Evaluation
from crmcore.facts import FactTable

__all__ = ["pseudonymised"]

_WORD_BYTES = 8


def pseudonymised(result: Evaluation, *, key: bytes, sample: int | None = None) -> FactTable:
    """Return the facts of a result, or of a random part of it, under running numbers.

    Ids become 1, 2, 3 … in an order that the key alone decides. Attributes are left out unless
    the policy says that they are not personal. What is left may still tell who somebody is, to
    whoever knows what they bought and when: see the page on comparing policies.

    Parameters
    ----------
    result
        What `evaluate` returned.
    key
        Secret random bytes: whoever has them and a list of the customers can undo the order. The
        same key and the same customers give the same numbers.
    sample
        How many customers to draw at random; by default all.

    Examples
    --------
    >>> import crmcore as crm
    >>> from datetime import date
    >>> source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    >>> rows = [(1, "Ann", "2025-03-01", "300.00"), (2, "Bo", "2025-03-02", "80.00")]
    >>> names = ("order_id", "customer_id", "placed_at", "amount")
    >>> orders = crm.OrderTable.from_rows(rows, source, columns=names)
    >>> result = crm.evaluate(crm.presets.load("classic"), orders, as_of=date(2025, 4, 1))
    >>> facts = pseudonymised(result, key=b"an example is no secret", sample=1)
    >>> facts.ids.tolist(), "blocked" in facts.columns
    ([1], True)
    """
    # A keyed stream that cannot be told from chance: unlike a seeded generator nobody guesses it.
    stream = shake_256(key).digest(_WORD_BYTES * len(result))
    rows = np.argsort(np.frombuffer(stream, "<u8"), kind="stable")[:sample]
    attributes = result.policy.attributes
    columns = {
        name: column.take(rows)
        for name, column in result.facts.columns.items()
        if name not in attributes or not attributes[name].personal
    }
    return FactTable(np.arange(1, len(rows) + 1), columns)
