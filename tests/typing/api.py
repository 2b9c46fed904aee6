"""User code that a type checker must accept as it stands. It is never run.

`assert_type` pins what a user gets; a ``type: ignore`` with a code pins what is refused, because
an ignore that is not needed is itself an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import assert_type

import crmcore as crm
from crmcore.sql import Parameter, Statement


def policies_come_from_files_and_presets(folder: Path) -> None:
    assert_type(crm.load_policy(folder / "shop.toml"), crm.Policy)
    assert_type(crm.load_policy("shop.toml"), crm.Policy)
    assert_type(crm.load_policy({"format": 1, "name": "shop"}), crm.Policy)
    assert_type(crm.presets.load("classic"), crm.Policy)


def quantiles_are_fitted_once(recipe: Path, orders: crm.OrderTable, facts: crm.FactTable) -> None:
    assert_type(crm.fit(recipe, orders, as_of=date(2025, 12, 31)), crm.Policy)
    assert_type(crm.fit_facts(recipe, facts, as_of=date(2025, 12, 31)), crm.Policy)
    assert_type(crm.fit_counts(recipe, facts, as_of=date(2025, 12, 31)), crm.Policy)
    crm.fit(crm.load_policy(recipe), orders, as_of=date(2025, 12, 31))  # type: ignore[arg-type]


def one_evaluation_serves_all(policy: crm.Policy, orders: crm.OrderTable) -> None:
    result = crm.evaluate(policy, orders, as_of=datetime(2026, 1, 1, tzinfo=UTC))
    assert_type(result, crm.Evaluation)
    assert_type(result.columns["grade"], crm.Column)
    crm.evaluate(policy, orders, as_of=date(2025, 12, 31))


def the_moment_is_named_and_required(policy: crm.Policy, orders: crm.OrderTable) -> None:
    crm.evaluate(policy, orders)  # type: ignore[call-arg]
    crm.evaluate(policy, orders, None, date(2025, 12, 31))  # type: ignore[call-arg]


def a_policy_is_told_how_a_shop_is_read(policy: crm.Policy, source: crm.Source) -> None:
    today = date(2025, 12, 31)
    kinds = {"Buyer": "text"}
    query = policy.to_sql("duckdb", as_of=today, source=source, kinds=kinds, bad_rows="set_aside")
    assert_type(query, Statement)
    assert_type(query.parameters(today), dict[str, int | None])
    policy.to_sql("duckdb", as_of=today, bad_rows="skip")  # type: ignore[arg-type]
    policy.to_sql("duckdb", as_of=Parameter(), daily="days", last_evaluated_at=None)


def policies_are_run_where_the_orders_are(policy: crm.Policy, source: crm.Source) -> None:
    today = date(2025, 12, 31)
    crm.evaluate_on(policy, "sales", connection=object(), as_of=[today], source=source)
    crm.evaluate_on(policy, "sales", as_of=today, columns={"status": None}, scores={"churn": "c"})
    crm.evaluate_on(policy, "sales", as_of=Parameter())  # type: ignore[arg-type]
    crm.evaluate_on(policy, "sales", as_of=today, daily="days")  # type: ignore[call-arg]


def policies_are_compared(policy: crm.Policy, orders: crm.OrderTable) -> None:
    found = crm.diff(policy, policy, orders=orders, as_of=date(2025, 12, 31))
    assert_type(found, crm.PolicyDiff)
    assert_type(found.decides_alike, bool | None)
    assert_type(found.to_markdown(), str)
    crm.diff(policy, policy, orders)  # type: ignore[call-arg]


def one_root_catches_every_error() -> Sequence[crm.Problem]:
    try:
        crm.load_policy("shop.toml")
    except crm.PolicyError as error:
        assert_type(error.problems, tuple[crm.Problem, ...])
        return error.problems
    except crm.DataError as error:
        assert_type(error.column, str | None)
        assert_type(error.positions, tuple[int, ...])
    except crm.CrmcoreError:
        pass
    return ()
