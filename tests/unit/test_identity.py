"""Who is one person: merged, separated again, known later, in chains and in circles."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from golden.shop import policy, refused, table

import crmcore as crm
from crmcore.records.customers import CustomerTable
from crmcore.records.identity import IdentityMap

AS_OF = date(2025, 6, 30)
ASKED = policy(
    {
        "orders": {"of": "order", "take": "count"},
        "net": {"of": "sale", "take": "sum"},
        "first_order_at": {"of": "order", "take": "first"},
    },
    segment={"first": [["blocked", "blocked"]], "otherwise": "others"},
)


def utc(month: int, day: int = 1) -> datetime:
    return datetime(2025, month, day, tzinfo=UTC)


def counts(entries: list[tuple[Any, ...]], ids: list[Any], **more: Any) -> dict[Any, int]:
    """Orders of each person, where each id given has one order of 1.00 on 1 January."""
    orders = table(customer_id=ids)
    identity = IdentityMap.from_rows(entries)
    arguments = {"as_of": AS_OF, **more}
    result = crm.evaluate(ASKED, orders, identity=identity, **arguments)
    return dict(zip(result.ids.tolist(), result.columns["orders"], strict=True))


def test_merged_customers_are_one_person() -> None:
    assert counts([("g", "p", utc(1), None)], ["g", "p", "x"]) == {"p": 2, "x": 1}


def test_a_person_may_have_an_id_that_never_ordered() -> None:
    assert counts([("a", "p", utc(1), None), ("b", "p", utc(1), None)], ["a", "b"]) == {"p": 2}


def test_an_entry_about_nobody_changes_nothing() -> None:
    assert counts([("q", "p", utc(1), None)], ["a"]) == {"a": 1}


def test_an_empty_map_changes_nothing() -> None:
    assert counts([], ["a", 1]) == {1: 1, "a": 1}


def test_persons_may_be_of_another_kind_than_customers() -> None:
    person = UUID(int=3)
    assert counts([(1, person, utc(1), None), ("1", person, utc(1), None)], [1, "1", 2]) == {
        2: 1,
        person: 2,
    }


def test_ids_of_another_kind_are_not_meant() -> None:
    assert counts([("1", "p", utc(1), None)], [1, 2]) == {1: 1, 2: 1}


def test_an_entry_counts_from_its_day_on() -> None:
    entry = [("g", "p", utc(3), None)]
    before = utc(3) - timedelta(microseconds=1)
    assert counts(entry, ["g", "p"], as_of=before) == {"g": 1, "p": 1}
    assert counts(entry, ["g", "p"], as_of=utc(3)) == {"p": 2}


def test_an_entry_known_later_was_not_known_before() -> None:
    entry = [("g", "p", utc(3), utc(5))]
    assert counts(entry, ["g", "p"], as_of=utc(4)) == {"g": 1, "p": 1}
    assert counts(entry, ["g", "p"], as_of=utc(5)) == {"p": 2}
    assert counts(entry, ["g", "p"], as_of=utc(4), known_at=utc(5)) == {"p": 2}
    assert counts(entry, ["g", "p"], as_of=utc(6), known_at=utc(4)) == {"g": 1, "p": 1}


def test_what_was_known_at_the_very_first_second_of_1970() -> None:
    entry = [("g", "p", utc(3), utc(5))]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert counts(entry, ["g", "p"], known_at=epoch) == {"g": 1, "p": 1}


def test_separated_customers_are_themselves_again() -> None:
    for again in (("g", None, utc(4), None), ("g", "g", utc(4), None)):
        entries = [("g", "p", utc(2), None), again]
        for given in (entries, entries[::-1]):
            assert counts(given, ["g", "p"], as_of=utc(3)) == {"p": 2}
            assert counts(given, ["g", "p"], as_of=utc(4)) == {"g": 1, "p": 1}


def test_a_later_entry_replaces_an_earlier_one() -> None:
    entries = [("g", "q", utc(3), None), ("g", "p", utc(2), None)]
    assert counts(entries, ["g", "p", "q"]) == {"p": 1, "q": 2}


def test_of_entries_since_the_same_day_the_one_known_later_holds() -> None:
    entries = [("g", "q", utc(2), utc(4)), ("g", "p", utc(2), utc(3))]
    assert counts(entries, ["g", "p", "q"]) == {"p": 1, "q": 2}
    assert counts(entries, ["g", "p", "q"], as_of=utc(3, 15)) == {"p": 2, "q": 1}


def test_chains_lead_to_their_end() -> None:
    ids = [f"c{number:03}" for number in range(100)]
    entries = [(one, other, utc(1), None) for one, other in pairwise(ids)]
    assert counts(entries[::-1], ids) == {"c099": 100}


@pytest.mark.parametrize("length", [2, 3, 4, 5, 8, 64])
def test_circles_are_refused(length: int) -> None:
    ids = [f"Zhang Wei {number}" for number in range(length)]
    entries = [
        (one, other, utc(1), None) for one, other in zip(ids, [*ids[1:], ids[0]], strict=True)
    ]
    with refused(column="person_id"):
        counts(entries, ids)


def test_a_circle_that_is_not_known_yet_is_none() -> None:
    entries = [("a", "b", utc(1), None), ("b", "a", utc(5), None)]
    assert counts(entries, ["a", "b"], as_of=utc(4)) == {"b": 2}
    with refused():
        counts(entries, ["a", "b"], as_of=utc(5))


@pytest.mark.parametrize(
    "entry",
    [
        (None, "p", utc(1), None),
        (True, "p", utc(1), None),
        (2.5, "p", utc(1), None),
        ("", "p", utc(1), None),
        ("g", "p", datetime(1987, 4, 23), None),
        ("g", "p", utc(1), datetime(1987, 4, 23)),
    ],
)
def test_entries_that_cannot_be_read_are_refused(entry: Any) -> None:
    with refused():
        IdentityMap.from_rows([entry])


def test_a_registered_guest_without_orders_still_is_somebody() -> None:
    # The guest is in the customer table only, the person nowhere yet: one customer all the same.
    customers = CustomerTable.from_arrays({"customer_id": ["g"]})
    identity = IdentityMap.from_rows([("g", "p", utc(1), None)])
    result = crm.evaluate(
        ASKED, table(customer_id=["x"]), customers, as_of=AS_OF, identity=identity
    )
    assert result.ids.tolist() == ["p", "x"]
    assert result["p"]["orders"] == 0


def test_a_person_has_the_attributes_of_its_own_record() -> None:
    customers = CustomerTable.from_arrays(
        {"customer_id": ["g", "p", "x"], "blocked": [True, False, True]}
    )
    identity = IdentityMap.from_rows([("g", "p", utc(1), None)])
    result = crm.evaluate(
        ASKED, table(customer_id=["g"]), customers, as_of=AS_OF, identity=identity
    )
    assert result.ids.tolist() == ["p", "x"]
    assert result.columns["blocked"].to_list() == [False, True]


def test_a_merge_links_a_return_to_its_sale() -> None:
    orders = table(
        customer_id=["g", "p"],
        amount=["10.00", "-4.00"],
        returns_order_id=np.array([None, 1], object),
    )
    facts = {"sales": {"of": "sale", "take": "min"}, "net": {"of": "sale", "take": "sum"}}
    asked = policy(facts)
    apart = crm.evaluate(asked, orders, as_of=AS_OF)
    assert apart.columns["net"].to_list() == [Decimal("10.00"), Decimal("-4.00")]
    identity = IdentityMap.from_rows([("g", "p", utc(1), None)])
    merged = crm.evaluate(asked, orders, as_of=AS_OF, identity=identity)
    assert merged["p"] == {"sales": Decimal("6.00"), "net": Decimal("6.00")}


def test_a_merged_customer_is_as_old_as_the_oldest_of_the_person() -> None:
    orders = table(customer_id=["g", "p"], placed_at=["2024-01-01", "2025-05-01"])
    new = policy(
        {"first_order_at": {"of": "order", "take": "first"}},
        **{"class": {"first": [["first_order_at > last_evaluated_at", "new"]]}},
    )
    identity = IdentityMap.from_rows([("g", "p", utc(1), None)])
    last = {"as_of": AS_OF, "last_evaluated_at": date(2025, 1, 1)}
    assert crm.evaluate(new, orders, **last)["p"]["class"] == "new"
    assert crm.evaluate(new, orders, identity=identity, **last)["p"]["class"] is None


def test_anonymous_rows_stay_anonymous() -> None:
    assert counts([("g", "p", utc(1), None)], ["g", None]) == {"p": 1}


def test_the_tables_given_are_not_changed() -> None:
    orders = table(customer_id=["g", "p"])
    identity = IdentityMap.from_rows([("g", "p", utc(1), None)])
    crm.evaluate(ASKED, orders, as_of=AS_OF, identity=identity)
    assert orders.customer_ids.tolist() == ["g", "p"]
    assert crm.evaluate(ASKED, orders, as_of=AS_OF).ids.tolist() == ["g", "p"]
