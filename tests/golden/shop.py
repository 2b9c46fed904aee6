"""Small shops to test with, and the rule that no refusal repeats what is in the data."""

from __future__ import annotations

import pickle
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

import crmcore as crm
from crmcore.records.intake import Intake

CNY = {"code": "CNY", "exponent": 2}
SOURCE = crm.Source(currency=CNY, zone="Asia/Shanghai")
LINES = crm.Source(currency=CNY, zone="Asia/Shanghai", rows="lines")

# What stands in the data of the tests of refusals, and must never stand in a message.
PERSONAL = ("Zhang Wei", "zhang.wei@example.org", "8173.55", "817355", "4711000", "1987-04-23")


def table(source: crm.Source = SOURCE, **columns: Any) -> crm.OrderTable:
    """Orders from columns; what is not said: ids 1, 2, 3 …, one customer, one day, 1.00."""
    lengths = [len(getattr(values, "codes", values)) for values in columns.values()]
    size = max(lengths, default=1)
    usual = {
        "order_id": list(range(1, size + 1)),
        "customer_id": ["C1"] * size,
        "placed_at": ["2025-01-01"] * size,
        "amount": ["1.00"] * size,
    }
    if "amount_minor" in columns:
        del usual["amount"]
    return crm.OrderTable.from_arrays({**usual, **columns}, source)


def policy(
    facts: Mapping[str, Any], windows: Mapping[str, Any] | None = None, **more: Any
) -> crm.Policy:
    """A policy of facts only, in UTC unless something else is said."""
    document = {
        "format": 1,
        "name": "facts",
        "zone": "UTC",
        "currency": CNY,
        "sale_statuses": ["paid", "shipped", "delivered"],
        "windows": dict(windows or {}),
        "facts": dict(facts),
        **more,
    }
    return crm.load_policy(document)


def left_out(intake: Intake) -> dict[tuple[str, str], int]:
    """Rows left out by kind and reason; checks that no row is lost."""
    assert intake.rows == intake.kept + sum(entry.rows for entry in intake.left_out)
    return {(entry.kind, entry.reason): entry.rows for entry in intake.left_out}


@contextmanager
def refused(
    *, column: str | None = None, kind: type[crm.CrmcoreError] = crm.DataError
) -> Iterator[Any]:
    """Expect a refusal that names its column, repeats no value and survives pickling."""
    with pytest.raises(crm.CrmcoreError) as caught:
        yield caught
    error = caught.value
    assert type(error) is kind
    if column is not None:
        assert error.column == column  # type: ignore[attr-defined]
    discreet(error)
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert getattr(again, "positions", None) == getattr(error, "positions", None)


def discreet(error: BaseException) -> None:
    """Check that neither the message nor the representation repeats a value of the data."""
    for value in PERSONAL:
        assert value not in str(error)
        assert value not in repr(error)
