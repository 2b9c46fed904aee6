"""Order sets on disk, as the benchmarks write them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import crmcore as crm

pa = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

BATCH = 500


@pytest.fixture
def on_disk(root: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(root / "benchmarks"))
    return pytest.importorskip("on_disk")


def small(on_disk: Any, **options: Any) -> Any:
    return on_disk.Shop(**{"orders": 20_000, "customers": 1_000, "batch": BATCH, **options})


def read(folder: Path) -> Any:
    return pa.concat_tables(
        parquet.read_table(path, partitioning=None)
        for path in sorted(folder.glob("orders/*/*.parquet"))
    )


@pytest.mark.parametrize("ids", ["dense", "random64", "uuid"])
def test_the_manifest_says_what_there_is(on_disk, tmp_path, ids):
    manifest = on_disk.write(small(on_disk, ids=ids, order_ids=ids), tmp_path)
    orders, customers = read(tmp_path), parquet.read_table(tmp_path / "customers")
    amount, placed = orders["amount_minor"].to_numpy(), orders["placed_us"].to_numpy()
    totals = manifest["totals"]
    assert totals["orders"] == len(orders) == 20_000
    assert totals["amount_minor"] == amount.sum()
    assert totals["returns"] == np.count_nonzero(amount < 0) > 0
    assert (totals["first_us"], totals["last_us"]) == (placed.min(), placed.max())
    counted = {one["values"]: one["counts"] for one in orders["status"].value_counts().to_pylist()}
    assert totals["statuses"] == counted
    assert totals["listed_customers"] == len(customers) == len(customers["customer_id"].unique())
    assert totals["blocked_customers"] == sum(customers["blocked"].to_pylist()) > 0
    assert len(orders["order_id"].unique()) == len(orders)
    assert 900 < len(orders["customer_id"].unique()) <= 1_000
    for file in manifest["files"]:
        found = parquet.ParquetFile(tmp_path / file["path"]).metadata
        assert (found.num_rows, (tmp_path / file["path"]).stat().st_size) == (
            file["rows"],
            file["bytes"],
        )
    assert len(manifest["files"]) == len([*tmp_path.rglob("*.parquet")])


def test_orders_stand_in_the_file_of_their_month(on_disk, tmp_path):
    on_disk.write(small(on_disk), tmp_path)
    for path in tmp_path.glob("orders/*/*.parquet"):
        placed = parquet.read_table(path, partitioning=None)["placed_us"].to_numpy()
        assert {f"month={one}" for one in placed.astype("M8[us]").astype("M8[M]")} == {
            path.parent.name
        }


def test_the_same_options_give_the_same_rows(on_disk, tmp_path):
    shop = small(on_disk, ids="uuid")
    for name, one in {"a": shop, "b": shop, "other": replace(shop, seed=2)}.items():
        on_disk.write(one, tmp_path / name)
    assert read(tmp_path / "a").equals(read(tmp_path / "b"))
    assert not read(tmp_path / "a").equals(read(tmp_path / "other"))


def test_a_file_that_is_full_is_followed_by_another(on_disk, tmp_path):
    shop = small(on_disk, orders=60_000, file_mb=0.05, order_ids="uuid", ids="uuid")
    on_disk.write(shop, tmp_path)
    month = sorted(tmp_path.glob("orders/month=2024-01/*.parquet"))
    assert [path.name for path in month][:2] == ["00000.parquet", "00001.parquet"]
    assert 50_000 <= month[0].stat().st_size < 150_000
    groups = parquet.ParquetFile(month[0]).metadata
    assert {groups.row_group(at).num_rows for at in range(groups.num_row_groups)} == {BATCH}


def test_a_few_customers_have_their_share(on_disk, tmp_path):
    on_disk.write(small(on_disk, heavy=2, heavy_share=0.5, returns=0.2), tmp_path)
    orders = read(tmp_path)
    counts = sorted(one["counts"] for one in orders["customer_id"].value_counts().to_pylist())
    assert sum(counts[-2:]) == pytest.approx(10_000, rel=0.1)
    assert counts[-3] < 2_000
    assert np.mean(orders["amount_minor"].to_numpy() < 0) == pytest.approx(0.2, rel=0.1)


def test_only_the_statuses_asked_for(on_disk, tmp_path):
    on_disk.write(small(on_disk, statuses={"paid": 0.5, "refused": 0.5}, returns=0), tmp_path)
    assert {*read(tmp_path)["status"].to_pylist()} == {"paid", "refused"}


def test_what_is_there_is_kept_and_nothing_else_is_touched(on_disk, tmp_path):
    shop = small(on_disk)
    manifest = on_disk.write(shop, tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest
    assert on_disk.write(shop, tmp_path) == manifest
    with pytest.raises(FileExistsError):
        on_disk.write(replace(shop, seed=2), tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        {"orders": 0},
        {"batch": 0},
        {"ids": "string"},
        {"skew": 0.5},
        {"returns": 1.5},
        {"statuses": {"lost": 1.0}},
        {"statuses": {"paid": 0.5}},
        {"heavy": 3},
        {"heavy": 2_000, "heavy_share": 0.1},
    ],
)
def test_options_that_make_no_sense_are_refused(on_disk, wrong):
    with pytest.raises(ValueError):
        small(on_disk, **wrong)


def test_order_sets_are_evaluated(on_disk, tmp_path):
    on_disk.write(small(on_disk), tmp_path)
    source = crm.Source(
        currency={"code": "CNY", "exponent": 2}, columns={"placed_at": "placed_us"}, time_unit="us"
    )
    result = crm.evaluate_batches(
        crm.presets.load("classic"),
        lambda: on_disk.order_batches(tmp_path, 3_000),
        source,
        crm.CustomerTable.from_frame(parquet.read_table(tmp_path / "customers")),
        as_of=date(2025, 6, 30),
    )
    assert len(result) == 1_000
    assert result.intake.kept == 20_000
    assert {"malicious", "no_order", "bronze", "gold"} <= {*result.to_frame()["class"].to_pylist()}


def test_the_command(root, tmp_path):
    command = [sys.executable, root / "benchmarks/on_disk.py", tmp_path / "shop"]
    options = ["--orders=900", "--customers=90", "--statuses=paid=0.25,delivered=0.75"]
    told = subprocess.run([*command, *options], capture_output=True, text=True, check=True)
    assert told.stdout.startswith("900 orders, ")
    assert json.loads((tmp_path / "shop/manifest.json").read_text())["asked"]["customers"] == 90
    refused = subprocess.run([*command, "--skew=0"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "skew must be at least 1" in refused.stderr
