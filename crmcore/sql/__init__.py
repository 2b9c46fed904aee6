"""A policy as one SQL query, for the shop's own engine.

The query gives what `crmcore.evaluate` gives, cell by cell, or refuses. Needs the extra
``crmcore[sql]``.
"""

from __future__ import annotations

from crmcore.sql.query import to_sql

__all__ = ["to_sql"]
