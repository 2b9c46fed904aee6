"""A policy as one SQL query, for the shop's own engine.

The query gives what `crmcore.evaluate` gives, cell by cell, or refuses. Needs the extra
``crmcore[sql]``.
"""

from __future__ import annotations

from crmcore.sql.account import to_sql_account
from crmcore.sql.counts import to_sql_counts
from crmcore.sql.moments import AsOf, Parameter
from crmcore.sql.options import SqlOptions
from crmcore.sql.query import to_sql, to_sql_daily
from crmcore.sql.running import evaluate_on
from crmcore.sql.spine import DateSpine
from crmcore.sql.statement import Statement

__all__ = [
    "AsOf",
    "DateSpine",
    "Parameter",
    "SqlOptions",
    "Statement",
    "evaluate_on",
    "to_sql",
    "to_sql_account",
    "to_sql_counts",
    "to_sql_daily",
]
