"""A change between two days: the parts lead from one answer to the other and add up exactly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from cases import AS_OF_DAYS, CUSTOMERS, Case, cases, instants, policies
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import crmcore as crm
from crmcore.evaluation import Change, explain_change
from crmcore.evaluation.change import CAUSES

REACHED: Counter[str] = Counter()
MOVES: Counter[str] = Counter()


def table_of(case: Case) -> crm.OrderTable:
    names = ["customer_id", "placed_at", "amount_minor", *sorted(case.columns)]
    rows = [{**row, "amount_minor": row["amount"]} for row in case.rows]
    source = crm.Source(
        currency={"code": "CNY", "exponent": 2}, rows="lines" if case.by_line else "orders"
    )
    return crm.OrderTable.from_rows(rows, source, columns=names)


@st.composite
def identities(draw: st.DrawFn, as_of: date) -> crm.IdentityMap:
    """Guests who turn out to be customers, and some who are separated again: never in a circle."""
    pairs = st.tuples(st.sampled_from(CUSTOMERS[4:]), st.sampled_from((*CUSTOMERS[:4], None)))
    moments = st.tuples(instants(as_of), st.none() | instants(as_of))
    found = draw(st.lists(st.tuples(pairs, moments), max_size=4))
    return crm.IdentityMap.from_rows(
        (guest, person, since, known) for (guest, person), (since, known) in found
    )


def answer(
    policy: crm.Policy,
    case: Case,
    customers: crm.CustomerTable | None,
    as_of: date,
    identity: crm.IdentityMap | None,
    last: datetime | None,
) -> Mapping[Any, Mapping[str, Any]]:
    result = crm.evaluate(
        policy,
        table_of(case),
        customers,
        as_of=as_of,
        last_evaluated_at=last,
        identity=identity,
    )
    return {one: result[one] for one in result.ids.tolist()}


def check_ends(part: Mapping[str, Any], answer: Mapping[str, Any] | None) -> None:
    """An end of the change is the answer of that day."""
    if answer is not None:
        assert dict(part) == {name: answer[name] for name in part}
    elif "orders_ever" in part:
        assert part["orders_ever"] == 0


def check_sums(change: Change) -> None:
    """Whatever is a number all the way adds up; all else hangs together."""
    for one, other in zip(change.parts, change.parts[1:], strict=False):
        assert one.after is other.before or one.after == other.before
    numbers = int | Decimal | Fraction
    for name, after in change.after.items():
        states = [change.before.get(name), *(part.after.get(name) for part in change.parts)]
        if not all(isinstance(v, numbers) and not isinstance(v, bool) for v in states):
            continue
        deltas = [
            one.delta for part in change.parts for one in part.differences if one.name == name
        ]
        assert sum(map(Fraction, deltas), Fraction()) == Fraction(after) - Fraction(states[0])


def check_moves(change: Change) -> None:
    for part in change.parts:
        if part:
            REACHED[part.cause] += 1
        for kind in ("entered", "left", "altered"):
            if getattr(part, kind):
                MOVES[f"{part.cause} {kind}"] += 1
        assert not {id(one) for one in part.left} & {id(one) for one in part.entered}
    for order in change["returns"].entered:
        assert order.amount < 0
    assert not change["new_orders"].left


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def _law(data: st.DataObject) -> None:
    case = data.draw(cases())
    to = case.as_of
    from_ = data.draw(
        st.sampled_from([to, *(day for day in AS_OF_DAYS if day <= to), to - timedelta(days=40)])
    )
    before = case.policy if data.draw(st.booleans()) else data.draw(policies(to))
    policy, policy_before = crm.load_policy(case.policy), crm.load_policy(before)
    identity = data.draw(identities(to)) if data.draw(st.integers(0, 2)) == 0 else None
    last = data.draw(st.none() | instants(from_))
    customers = None
    if case.customers is not None:
        customers = crm.CustomerTable.from_arrays(
            {name: [one[name] for one in case.customers] for name in ("customer_id", "blocked")}
        )
    first = answer(policy_before, case, customers, from_, identity, last)
    second = answer(policy, case, customers, to, identity, case.last_evaluated_at)
    everybody = list(dict.fromkeys([*first, *second]))
    for customer in everybody[:4]:
        change = explain_change(
            policy,
            table_of(case),
            customers,
            customer_id=customer,
            from_=from_,
            to=to,
            policy_before=policy_before,
            identity=identity,
            last_evaluated_before=last,
            last_evaluated_at=case.last_evaluated_at,
        )
        assert [part.cause for part in change.parts] == list(CAUSES)
        check_ends(change.before, first.get(customer))
        check_ends(change.after, second.get(customer))
        check_sums(change)
        check_moves(change)
        if from_ == to and last == case.last_evaluated_at:
            later = ("time", "status", "returns", "new_orders")
            assert not any(change[cause] for cause in later)
        if policy_before.hash == policy.hash:
            assert not change["policy"]
        if "known_at" not in case.columns:
            assert not change["late_data"]
        if identity is None:
            assert not change["merge"]
        if "status_at" not in case.columns:
            assert not change["status"]
        for voice in ("staff", "customer"):
            assert "{" not in change.text("zh-CN", voice=voice)
        change.to_dict()


def test_the_parts_add_up() -> None:
    _law()
    assert set(CAUSES) <= set(REACHED), sorted(REACHED)
    for move in ("new_orders entered", "time left", "returns entered", "late_data entered"):
        assert MOVES[move], move
