"""What a user would pick instead of crmcore, in every phrasing worth trying.

Each takes the raw columns in the tool's own in-memory form, made outside the clock; makes the
checks that crmcore makes (nothing missing, order ids unique, statuses known, times in range, no
sum that could overflow, customers listed once); and returns one row a customer, in the order of
the ids. Statuses come as the tool's own dictionary type, so checking them costs nothing.

What was found about phrasings (10 million orders, 1 million customers, two threads):

- Whether whole numbers are unique is fastest asked of a bitmap, where they do not spread too far:
  an eighth of `n_unique`, a tenth of `count(DISTINCT)`, a twentieth of `is_unique`. Everybody
  uses one; in DuckDB it is `bit_count(bitstring_agg(...))`.
- One aggregate `max(placed_at)` over all orders says both who ever ordered and who did so in the
  period, and saves two counts.
- DuckDB: filtered aggregates, masked columns and grouping the period apart lie close together;
  its own tables are read somewhat faster than Arrow's.
- polars: the streaming engine takes half as long as the default; masked columns and grouping the
  period apart change places from run to run; `filter` inside `agg` is slower than both.
- pandas: one named `groupby` takes twice as long as coding the ids and leaving the rest to NumPy,
  which is what somebody who knows both would write.
"""

from __future__ import annotations

from job import Contender
from rival_duckdb import (
    FILTERED,
    MASKED,
    PERIOD,
    arrow_columns,
    duckdb_arrow,
    duckdb_native,
    duckdb_run,
)
from rival_pandas import (
    pandas_columns,
    pandas_frames,
    pandas_numpy,
    pandas_one_groupby,
    pandas_period_first,
)
from rival_polars import (
    polars_columns,
    polars_filtered,
    polars_frames,
    polars_masked,
    polars_period_first,
)

DUCKDB = [
    Contender("DuckDB", f"{name}, {where}", prepare, duckdb_run(figures), arrow_columns)
    for name, figures in (
        ("filtered aggregates", FILTERED),
        ("masked columns", MASKED),
        ("period first", PERIOD),
    )
    for where, prepare in (("own table", duckdb_native), ("Arrow", duckdb_arrow))
]
POLARS = [
    Contender("polars", f"{name}, {engine}", polars_frames, phrase(engine), polars_columns)
    for engine in ("streaming", "in-memory")
    for name, phrase in (
        ("period first", polars_period_first),
        ("masked columns", polars_masked),
        ("filtered aggregates", polars_filtered),
    )
]
PANDAS = [
    Contender("pandas", name, pandas_frames, run, pandas_columns)
    for name, run in (
        ("ids coded, then NumPy", pandas_numpy),
        ("period first", pandas_period_first),
        ("one groupby", pandas_one_groupby),
    )
]
ALL = [*DUCKDB, *POLARS, *PANDAS]
BEST = [*DUCKDB[:2], *POLARS[:2], *PANDAS[:1]]
