"""The whole job in polars."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

from data import STATUSES, Raw
from job import (
    COLUMNS,
    EARLIEST,
    FREQUENCY_EDGES,
    GRADE_EDGES,
    LATEST,
    MONETARY_EDGES,
    MOST,
    SALE,
    THREADS,
    WITHDRAWN,
    Columns,
    Job,
    all_different,
    refuse_if,
    texts,
)

os.environ["POLARS_MAX_THREADS"] = str(THREADS)  # read when polars is imported

import polars as pl

Frames = tuple[pl.DataFrame, pl.DataFrame]


def polars_frames(raw: Raw) -> Frames:
    ids = pl.Series(raw.ids if raw.ids.dtype.kind == "i" else raw.ids.tolist())
    status = pl.Series(STATUSES, dtype=pl.Enum(STATUSES)).gather(raw.status)
    orders = pl.DataFrame(
        {
            "order_id": raw.order_id,
            "customer_id": ids.gather(raw.customer_row),
            "placed_at": raw.placed_at,
            "amount": raw.amount_minor,
            "status": status,
        }
    )
    customers = {"customer_id": ids.gather(raw.listed), "blocked": raw.blocked}
    return orders.rechunk(), pl.DataFrame(customers)


def polars_checks(orders: pl.DataFrame, customers: pl.DataFrame) -> None:
    missing = orders.null_count().sum_horizontal()[0] + customers.null_count().sum_horizontal()[0]
    refuse_if(missing > 0, "something is missing")
    refuse_if(not polars_unique(orders["order_id"]), "an order id occurs twice")
    refuse_if(not polars_unique(customers["customer_id"]), "a customer is listed twice")
    refuse_if(orders.schema["status"] != pl.Enum(STATUSES), "unknown status")
    first, last, least, most = orders.select(
        pl.col("placed_at").min(),
        pl.col("placed_at").max().alias("last"),
        pl.col("amount").min(),
        pl.col("amount").max().alias("most"),
    ).row(0)
    refuse_if(first < EARLIEST or last > LATEST, "a time is out of range")
    refuse_if(max(most, -least) * len(orders) > MOST, "a sum could overflow")


def polars_unique(ids: pl.Series) -> bool:
    """`n_unique` and sorting take eight times as long."""
    different = all_different(ids.to_numpy()) if ids.dtype == pl.Int64 else None
    return ids.n_unique() == len(ids) if different is None else different


def _polars_masks(job: Job) -> dict[str, pl.Expr]:
    placed, amount, status = pl.col("placed_at"), pl.col("amount"), pl.col("status")
    period = placed.is_between(pl.lit(job.start, pl.Datetime("us")), _polars_end(job))
    order = period & (amount >= 0)
    sold = status.is_in(pl.Series(SALE, dtype=pl.Enum(STATUSES)))
    withdrawn = status.is_in(pl.Series(WITHDRAWN, dtype=pl.Enum(STATUSES)))
    return {
        "period": period,
        "ordered": (amount >= 0) & (placed <= _polars_end(job)),
        "sales": order & sold & (amount > 0),
        "net": period & pl.when(amount >= 0).then(sold).otherwise(~withdrawn),
    }


def _polars_end(job: Job) -> pl.Expr:
    return pl.lit(job.end, pl.Datetime("us"))


def polars_masked(engine: str) -> Callable[[Frames, Job], pl.DataFrame]:
    """Every figure a masked column, one group_by over all rows."""

    def run(frames: Frames, job: Job) -> pl.DataFrame:
        orders, customers = frames
        polars_checks(orders, customers)
        mask = _polars_masks(job)
        figures = orders.lazy().select(
            "customer_id",
            last_order=pl.when(mask["ordered"]).then("placed_at"),
            sales=mask["sales"],
            net=pl.when(mask["net"]).then("amount").otherwise(0),
            last=pl.when(mask["sales"]).then("placed_at"),
        )
        found = figures.group_by("customer_id").agg(
            pl.col("sales", "net").sum(), pl.col("last", "last_order").max()
        )
        return _polars_result(found, customers.lazy(), job, engine)

    return run


def polars_filtered(
    engine: str,
) -> Callable[[Frames, Job], pl.DataFrame]:
    """Filtered aggregates in one group_by over all rows."""

    def run(frames: Frames, job: Job) -> pl.DataFrame:
        orders, customers = frames
        polars_checks(orders, customers)
        mask = _polars_masks(job)
        found = (
            orders.lazy()
            .group_by("customer_id")
            .agg(
                last_order=pl.col("placed_at").filter(mask["ordered"]).max(),
                sales=mask["sales"].sum(),
                net=pl.col("amount").filter(mask["net"]).sum(),
                last=pl.col("placed_at").filter(mask["sales"]).max(),
            )
        )
        return _polars_result(found, customers.lazy(), job, engine)

    return run


def polars_period_first(
    engine: str,
) -> Callable[[Frames, Job], pl.DataFrame]:
    """A group_by over the rows of the period only, and who ordered at all apart."""

    def run(frames: Frames, job: Job) -> pl.DataFrame:
        orders, customers = frames
        polars_checks(orders, customers)
        mask = _polars_masks(job)
        figures = (
            orders.lazy()
            .filter(mask["period"])
            .select(
                "customer_id",
                sales=mask["sales"],
                net=pl.when(mask["net"]).then("amount").otherwise(0),
                last=pl.when(mask["sales"]).then("placed_at"),
                order=pl.when(mask["ordered"]).then("placed_at"),
            )
        )
        found = figures.group_by("customer_id").agg(
            pl.col("sales", "net").sum(), pl.col("last", "order").max()
        )
        outside = orders.lazy().filter(~mask["period"])
        early = (pl.col("amount") >= 0) & (pl.col("placed_at") <= _polars_end(job))
        earlier = outside.filter(early).select("customer_id").unique()
        earlier = earlier.with_columns(last_order=pl.lit(job.start - timedelta(1)))
        others = outside.filter(~early).select("customer_id").unique()
        others = others.join(customers.lazy(), on="customer_id", how="anti")
        others = others.with_columns(blocked=pl.lit(False))
        found = found.join(earlier, on="customer_id", how="full", coalesce=True).with_columns(
            last_order=pl.coalesce("order", "last_order")
        )
        everybody = pl.concat([customers.lazy(), others])
        return _polars_result(found, everybody, job, engine)

    return run


def _polars_result(
    found: pl.LazyFrame, customers: pl.LazyFrame, job: Job, engine: str
) -> pl.DataFrame:
    sales, net, last = pl.col("sales"), pl.col("net"), pl.col("last")
    recency = 1 + pl.sum_horizontal(
        (last >= pl.lit(edge, pl.Datetime("us"))).cast(pl.UInt8) for edge in job.recency
    )
    frequency = pl.sum_horizontal((sales >= edge).cast(pl.UInt8) for edge in FREQUENCY_EDGES)
    monetary = 1 + pl.sum_horizontal(
        (net >= edge * sales).cast(pl.UInt8) for edge in MONETARY_EDGES
    )
    zero = pl.lit(0, pl.UInt8)
    some = sales > 0
    grade = pl.sum_horizontal((pl.col("score") >= edge).cast(pl.UInt8) for edge in GRADE_EDGES)
    joined = found.join(customers, on="customer_id", how="full", coalesce=True)
    return (
        joined.with_columns(pl.col("blocked").fill_null(False), pl.col("sales", "net").fill_null(0))
        .with_columns(
            recency_points=pl.when(some).then(recency).otherwise(zero),
            frequency_points=pl.when(some).then(frequency).otherwise(zero),
            monetary_points=pl.when(some).then(monetary).otherwise(zero),
        )
        .with_columns(
            score=pl.col("recency_points")
            + 3 * pl.col("frequency_points")
            + 4 * pl.col("monetary_points")
        )
        .with_columns(grade=grade)
        .with_columns(
            pl.when(pl.col("last_order").is_null())
            .then(0)
            .when("blocked")
            .then(1)
            .when(pl.col("last_order") < pl.lit(job.start, pl.Datetime("us")))
            .then(3)
            .when(sales == 0)
            .then(4)
            .otherwise(pl.col("grade") + 4)
            .alias("class")
        )
        .select(COLUMNS)
        .sort("customer_id")
        .collect(engine=engine)
    )


def polars_columns(result: pl.DataFrame) -> Columns:
    columns = {name: result[name].to_numpy() for name in COLUMNS}
    return columns | {"customer_id": texts(columns["customer_id"])}
