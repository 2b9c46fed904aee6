"""What differs between engines: one small class a dialect, and nothing of it anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from crmcore.sql.dialects.bigquery import BigQuery
from crmcore.sql.dialects.dialect import IDS, Dialect
from crmcore.sql.dialects.duckdb import DuckDB
from crmcore.sql.dialects.postgres import Postgres
from crmcore.sql.dialects.spark import Spark

__all__ = ["DIALECTS", "IDS", "Dialect"]

DIALECTS: Final[Mapping[str, Dialect]] = MappingProxyType(
    {one.name: one for one in (DuckDB(), Postgres(), Spark(), BigQuery())}
)
