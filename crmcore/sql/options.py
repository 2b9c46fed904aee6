"""What queries are told of the relations that they read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import TypedDict

from crmcore.records.source import Source
from crmcore.sql.source import BadRows

__all__ = ["ReadOptions", "SqlOptions"]


class ReadOptions(TypedDict, total=False):
    """How `to_sql` is told to read the relations; see there."""

    last_evaluated_at: date | None
    columns: Mapping[str, str | None] | None
    scores: Mapping[str, str] | None


class SqlOptions(ReadOptions, total=False):
    """What `to_sql` is told of the relations, and of how a shop's own rows are read; see there."""

    orders: str
    customers: str | None
    facts: str | None
    daily: str | None
    source: Source | None
    kinds: Mapping[str, str] | None
    bad_rows: BadRows
