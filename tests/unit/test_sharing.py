"""Facts to be shared: what goes into the file, what stays away, and what is said of both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from golden.shop import table

import crmcore as crm
from crmcore.calendars import zone
from crmcore.cli import main
from crmcore.cli.factfiles import read_facts, write_facts
from crmcore.columns import Column
from crmcore.workbench.diffing.sharing import precision_of, pseudonymised, resting_on

KEY = b"secret"
SHANGHAI = ZoneInfo("Asia/Shanghai")
AS_OF = date(2025, 12, 31)
ORDERED = ["2025-03-01 09:30:15.123456", "2025-03-01 18:00:00.5", "2025-06-01 00:00:00"]
FIRST = {"of": "order", "take": "first"}
LAST = {"of": "order", "take": "last"}


def shop(*rows: list[str], **more: Any) -> crm.Policy:
    segment = {"first": list(rows), "otherwise": "rest"}
    return crm.load_policy({"extends": "classic", "name": "shop", "segment": segment, **more})


def evaluated(policy: crm.Policy, **customers: list[Any]) -> crm.Evaluation:
    orders = table(customer_id=["C1", "C2", "C3"], placed_at=ORDERED)
    known = crm.CustomerTable.from_arrays({"customer_id": ["C1", "C2", "C3"], **customers})
    return crm.evaluate(policy, orders, known, as_of=AS_OF)


def shared(policy: crm.Policy, **customers: list[Any]) -> crm.FactTable:
    return pseudonymised(evaluated(policy, **customers), key=KEY)


def local(facts: crm.FactTable, name: str = "first_order_at") -> list[str]:
    """Moments as the shop's clocks show them, the earliest first."""
    found = (value for value in facts.columns[name] if isinstance(value, datetime))
    return sorted(f"{one.astimezone(SHANGHAI):%m-%d %H:%M:%S.%f}" for one in found)


# Columns


def test_the_day_of_registration_is_personal() -> None:
    policy = shop(['registered_on < "2025-01-01"', "old"])
    facts = shared(policy, registered_on=["2024-01-01", "2025-02-02", None])
    assert "registered_on" not in facts.columns


def test_blocked_stays_where_the_policy_reads_it() -> None:
    columns = shared(shop(["tag:press", "press"])).columns
    assert "blocked" in columns
    assert "tag:press" not in columns
    unread = crm.load_policy({"extends": "rf_grid", "name": "shop"})
    assert "blocked" not in shared(unread).columns


def test_a_file_without_the_day_of_registration_is_read(tmp_path: Path) -> None:
    policy = shop(['registered_on < "2025-01-01"', "old"])
    result = evaluated(policy, registered_on=["2024-01-01", "2025-02-02", None])
    path = tmp_path / "facts.csv"
    write_facts(result, pseudonymised(result, key=KEY), path)
    read = read_facts(str(path)).table(policy)
    assert read.columns["registered_on"].to_list() == [None, None, None]


def test_attributes_beyond_their_range_are_refused_with_the_name_of_the_file(
    tmp_path: Path,
) -> None:
    visits = {"type": "int", "min": 0, "max": 9, "personal": False}
    policy = crm.load_policy(
        {"extends": "rf_grid", "name": "shop", "attributes": {"visits": visits}}
    )
    path = tmp_path / "facts.csv"
    path.write_text("customer_id,days_since_last_sale,sale_count,visits\n1,9,1,10\n")
    with pytest.raises(crm.DataError, match=r"facts\.csv: values beyond") as refusal:
        read_facts(str(path)).table(policy)
    assert refusal.value.column == "visits"


# Instants


def test_instants_are_cut_off_to_the_day() -> None:
    assert local(shared(shop(["blocked", "x"]))) == [
        "03-01 00:00:00.000000",
        "03-01 00:00:00.000000",
        "06-01 00:00:00.000000",
    ]


def test_instants_keep_the_second_where_a_decision_needs_it() -> None:
    policy = shop(['first_order_at > "2025-03-01T12:00:00+08:00"', "late"])
    assert local(shared(policy)) == [
        "03-01 09:30:15.000000",
        "03-01 18:00:00.000000",
        "06-01 00:00:00.000000",
    ]


def test_instants_stay_whole_where_seconds_would_change_a_decision() -> None:
    policy = shop(['first_order_at > "2025-03-01T18:00:00.4+08:00"', "late"])
    assert "03-01 18:00:00.500000" in local(shared(policy))


@pytest.mark.parametrize(
    "condition",
    [
        "first_order_at < last_at",
        'first_order_at > "2025-03-01T12:00:00+08:00"',
        'first_order_at > "2025-03-01T18:00:00.4+08:00"',
        "days_between(first_order_at, as_of) > 250",
    ],
)
def test_everybody_is_decided_as_before(condition: str) -> None:
    policy = shop([condition, "x"], facts={"last_at": LAST})
    result = evaluated(policy)
    again = crm.evaluate_facts(policy, pseudonymised(result, key=KEY), as_of=AS_OF)
    for name in ("class", "segment"):
        theirs, ours = (one.columns[name].to_list() for one in (again, result))
        assert sorted(map(str, theirs)) == sorted(map(str, ours))


def test_a_day_begins_where_the_shop_is() -> None:
    us = [int(datetime(2025, 3, 1, hour, tzinfo=UTC).timestamp() * 10**6) for hour in (16, 17)]
    start, later = (Column("instant", np.array([one])) for one in us)
    assert precision_of(start, zone("Asia/Shanghai")) == "day"
    assert precision_of(start, zone("UTC")) == precision_of(later, zone("UTC")) == "second"
    odd = Column("instant", np.array([us[0] + 1, 7]), np.array([True, False]))
    assert precision_of(odd, zone("UTC")) == "microsecond"


# What is said


def said(
    policy: Mapping[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    orders, file, out = (tmp_path / name for name in ("orders.csv", "shop.toml", "facts.csv"))
    orders.write_text("order_id,customer_id,placed_at,amount\n1,A,2025-03-01 10:00:00,300.00\n")
    file.write_text(crm.load_policy(policy).to_toml(), "utf-8")
    call = ["facts", str(orders), "--policy", str(file), "--as-of", "2025-12-31"]
    assert main([*call, "--out", str(out)]) == 0
    return capsys.readouterr().out.splitlines()[1:]


def test_what_went_in_and_what_did_not_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = {
        "extends": "classic",
        "name": "shop",
        "attributes": {"city": "text", "visits": {"type": "int", "personal": False}},
        "stage": {"first": [['registered_on < "2025-01-01"', "old"]], "otherwise": "young"},
        "segment": {"first": [['stage == "old"', "x"]], "otherwise": "y"},
    }
    assert said(policy, tmp_path, capsys) == [
        "Columns: customer_id, last_sale_on, sale_count, mean_sale, order_count, orders_ever, "
        "first_order_at, visits, blocked",
        "Cut off to the day: first_order_at",
        "Left out, as they are personal: city, registered_on",
        "Not to be compared by this file, as they rest on those: stage, segment",
    ]


def test_where_nothing_is_left_out_nothing_is_said_of_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = said({"extends": "rf_grid", "name": "shop"}, tmp_path, capsys)
    assert [line.split(":")[0] for line in lines] == ["Columns"]


def test_decisions_rest_on_attributes_through_others() -> None:
    policy = shop(['class == "gold"', "x"])
    assert resting_on(policy, ("blocked",)) == ("class", "segment")
    assert resting_on(policy, ("sale_count",))[0] == "frequency_points"
    assert resting_on(policy, ()) == ()
