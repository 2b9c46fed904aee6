"""Wording: catalogues that match, hosts' own ones, two voices, and what customers do not see."""

from __future__ import annotations

import json
import tomllib
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import crmcore as crm
from crmcore.evaluation import Explanation
from crmcore.wording import Catalogue, Label, Message, Money, WordingError, load_catalogue
from crmcore.wording.catalogue import LANGUAGES, places

SOURCE = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
NAMES = ("order_id", "customer_id", "placed_at", "amount", "status", "returns_order_id")
ROWS: list[tuple[Any, ...]] = [
    (1, "C1", "2025-02-01 10:00:00", "300.00", "paid", None),
    (2, "C1", "2025-01-01 10:00:00", "400.01", "paid", None),
    (4, "C1", "2025-01-02 10:00:00", "401.00", "paid", None),
    (3, "C1", "2024-01-01 10:00:00", "400.00", "paid", None),
    (9, "C1", "2025-02-21 10:00:00", "-40.00", "paid", 1),
    (10, "C1", "2025-02-21 10:00:00", "40.00", "cancelled", None),
]
STAFF = """\
As of 2025-04-01 23:59:59+08:00, by the policy “classic”
  class: Silver
  grade: Silver

Why
  points for recency (R): 4, because last sale is 2025-02-01
    in the band from 2025-01-01 to before 2025-03-01: 31 days after its first, 28 days too early \
for the next
    if nothing happens: 3 from 2025-05-02 on
  points for frequency (F): 3, because number of sales is 3
    in the band from 3 to under 4: 0 above its edge, 1 short of the next
    if nothing happens: 2 from 2026-01-02 on
  points for value (M): 2, because mean sale is CNY 353.67
    in the band from CNY 300.00 to under CNY 500.00: CNY 53.67 above its edge, CNY 146.33 short \
of the next
    if nothing happens: 1 from 2026-01-03 on
  score: 21, the sum of
    4 × 1 = 4 for points for recency (R)
    3 × 3 = 9 for points for frequency (F)
    2 × 4 = 8 for points for value (M)
    if nothing happens: 20 from 2025-05-02 on
  grade: Silver, because score is 21
    in the band from 17 to under 26: 4 above its edge, 5 short of the next
    if nothing happens: Bronze from 2026-01-02 on
  class: Silver, by the first that holds of
    orders_ever == 0: does not hold (orders ever: 5)
    blocked: does not hold (blocked: no)
    first_order_at > last_evaluated_at: cannot be told (first order: 2024-01-01 10:00:00+08:00)
    order_count == 0: does not hold (number of orders: 4)
    sale_count == 0: does not hold (number of sales: 3)
    otherwise: Silver
    if nothing happens: Bronze from 2026-01-02 on

One step more, everything else as it is
  number of sales 6 instead of 3 → Gold
  mean sale CNY 1000.00 instead of CNY 353.67 → Gold

One step less, everything else as it is
  number of sales 1 instead of 3 → Bronze

Orders that count
  order 2 of 2025-01-01: CNY 400.01 (period)
  order 4 of 2025-01-02: CNY 401.00 (period)
  order 1 of 2025-02-01: CNY 300.00, of which CNY 260.00 is left (period)
  order 9 of 2025-02-21: CNY -40.00, a return, taken off its sale

Orders that do not count
  order 3 of 2024-01-01: CNY 400.00, outside the period
  order 10 of 2025-02-21: CNY 40.00, in no status of a sale"""
CUSTOMER_ZH = """\
截至 2025-04-01
  您的状态：银
    若没有新的购买，2026-01-02 起将变为 铜。

我们参考的情况
  您的最近一次购买：2025-02-01
  您的购买次数：3
  您的平均每次消费：CNY 353.67

您的下一步
  若购买次数为 6 而不是 3，其余不变，您的等级将是 金。
  若平均每次消费为 CNY 1000.00 而不是 CNY 353.67，其余不变，您的等级将是 金。

计入的订单
  订单 2（2025-01-01）：CNY 400.01
  订单 4（2025-01-02）：CNY 401.00
  订单 1（2025-02-01）：CNY 300.00，退货后为 CNY 260.00
  订单 9（2025-02-21）：CNY -40.00，已退货

此处不计入的订单
  订单 3（2024-01-01）：CNY 400.00，时间较久
  订单 10（2025-02-21）：CNY 40.00，未完成"""


def explained(
    policy: crm.Policy | str = "classic",
    rows: list[tuple[Any, ...]] = ROWS,
    customer: str = "C1",
    **more: Any,
) -> Explanation:
    orders = crm.OrderTable.from_rows(rows, SOURCE, columns=NAMES)
    given = crm.load_policy(policy) if isinstance(policy, str) else policy
    return crm.evaluate(given, orders, as_of=date(2025, 4, 1), **more).explain(customer)


def flat(table: dict[str, Any], head: str = "") -> dict[str, str]:
    found: dict[str, str] = {}
    for name, entry in table.items():
        key = f"{head}{name}"
        found |= flat(entry, f"{key}.") if isinstance(entry, dict) else {key: entry}
    return found


# Catalogues


def test_catalogues_have_the_same_keys_and_places(root: Path) -> None:
    texts = {
        language: flat(
            tomllib.loads((root / f"crmcore/wording/{language}.toml").read_text("utf-8"))
        )
        for language in LANGUAGES
    }
    english = texts["en"]
    for language, templates in texts.items():
        assert list(templates) == list(english), language
        for key, template in templates.items():
            assert places(template) == places(english[key]), (language, key)
            assert template.strip(), key


def test_every_usual_fact_has_a_name() -> None:
    from crmcore.facts import USUAL_FACTS

    for language in LANGUAGES:
        for name in USUAL_FACTS:
            assert Catalogue().name(name, language) != name


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"de": {"staff": {"reslut": "x"}}}, "no such message.*did you mean 'staff.result'"),
        ({"de": {"staff": {"result": "{nmae}"}}}, "no such place.*did you mean 'name'"),
        ({"de": {"staff": {"result": "{name.upper}"}}}, r"write \{name\}.*at character 1"),
        ({"de": {"staff": {"result": "{name!r}"}}}, "at character 1"),
        ({"de": {"staff": {"result": "{0}"}}}, "at character 1"),
        ({"de": {"staff": {"result": "open { brace"}}}, "at character 6"),
        ({"de": {"staff": {"result": 3}}}, "text is expected"),
        ({"de": {"names": {"gold": "{gold}"}}}, "no such place"),
        ({"de": "Gold"}, "de: a table is expected; given 'Gold'"),
        ("[de.staff\nresult = 1", r"1 problem in the catalogue\nline 1, column 10: .*toml_syntax"),
        ('{"de": {}, "de": {}}', "duplicate_key"),
        (
            '[de.staff]\n\nreslut = "x"',
            r"line 3, column 1: de\.staff\.reslut: there is no such message",
        ),
        ({"de": {"staff": {"result": None}}}, "leave out a key"),
    ],
)
def test_a_wrong_catalogue_is_refused(given: Any, message: str) -> None:
    with pytest.raises(WordingError, match=message):
        load_catalogue(given)


def test_all_problems_of_a_catalogue_at_once() -> None:
    wrong = {"de": {"staff": {"result": "{a} {b}", "nothing": "x"}}, "fr": 1}
    with pytest.raises(WordingError) as caught:
        load_catalogue(wrong)
    assert [problem.path for problem in caught.value.problems] == [
        "de.staff.result",
        "de.staff.result",
        "de.staff.nothing",
        "fr",
    ]


def test_a_host_adds_a_language_and_its_own_wording() -> None:
    own = load_catalogue(
        'de.staff.heading = "Stand {as_of}"\n'
        'de.names.sale_count = "Zahl der Käufe"\n'
        'de.value.money = "{amount} {currency}"\n'
        'en.staff.heading = "{{{policy}}} at {as_of}"\n'
    )
    german = explained().text("de-AT", catalogue=own)
    assert german.startswith("Stand 2025-04-01 23:59:59+08:00")
    assert "because Zahl der Käufe is 3" in german  # the rest falls back to English
    assert "353.67 CNY" in german
    assert explained().text(catalogue=own).startswith("{classic} at 2025")
    assert "Silver" in german  # the policy has no German wording: its English one serves


def test_unknown_keys_and_languages() -> None:
    message = Message("staff.result", {"name": Label("x"), "value": None})
    assert Catalogue().text(message, "xx") == "  x: nothing"
    assert Catalogue().text(message, "zh") == "  x：无"
    with pytest.raises(KeyError):
        Catalogue().text(Message("staff.nothing"))


def test_values_are_shown_exactly() -> None:
    def shown(value: Any) -> str:
        text = Catalogue().text(Message("staff.result", {"name": "n", "value": value}))
        return text.removeprefix("  n: ")

    zone = timezone(timedelta(hours=8))
    assert shown(Money(Fraction(-200, 3), "CNY", 2)) == "CNY -66.67"  # rounded down
    assert shown(Money(Decimal("1E+3"), "JPY", 0)) == "JPY 1000"
    assert shown(Money(Decimal("9223372036854775807"), "JPY", 0)) == "JPY 9223372036854775807"
    assert shown(Fraction(1, 3)) == "1/3"
    assert shown(Fraction(6, 2)) == "3"
    assert shown(0.1) == "0.1"
    assert shown(Decimal("1.50")) == "1.50"
    assert shown(True) == "yes"
    assert shown(None) == "nothing"
    assert shown(datetime(2025, 3, 1, 10, tzinfo=zone)) == "2025-03-01 10:00:00+08:00"
    assert shown((Label("gold"), Label("silver"))) == "gold, silver"
    assert shown("{name}") == "{name}"  # what fills a place is never a template


def test_messages_are_plain_data() -> None:
    messages = [message.to_dict() for message in explained().messages()]
    assert json.loads(json.dumps(messages))[1] == {
        "key": "staff.result",
        "parameters": {"name": "class", "value": "silver"},
    }
    assert len({hash(message) for message in explained().messages()}) > 10


# Explanations


def test_the_whole_text_for_staff() -> None:
    assert str(explained()) == STAFF


def test_the_whole_text_for_the_customer_in_chinese() -> None:
    assert explained().text("zh-CN", voice="customer") == CUSTOMER_ZH


def test_margins_of_a_mean_add_up_to_the_band() -> None:
    rows = [
        (n, "C1", "2025-03-01 10:00:00", amount, "paid", None)
        for n, amount in enumerate(("400.00", "400.00", "400.01"))
    ]
    text = str(explained(rows=rows))
    assert "mean sale is CNY 400.00" in text
    assert "CNY 100.00 above its edge, CNY 100.00 short of the next" in text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("voice", ["staff", "customer"])
def test_every_message_fills_its_template(language: str, voice: Any) -> None:
    more = [
        ("Z", "C1", "2025-02-02 10:00:00", "0.00", "paid", None),
        ("F", "C1", "2025-02-02 10:00:00", "5.00", "paid", None),
        ("FR", "C1", "2025-02-03 10:00:00", "-5.00", "paid", "F"),
        ("W", "C1", "2025-02-03 10:00:00", "-5.00", "cancelled", "1"),
        ("N", "C1", "2025-02-03 10:00:00", "-5.00", "paid", "10"),
        ("U", "C1", "2025-02-03 10:00:00", "-5.00", "paid", None),
        ("A", "C1", "2025-04-03 10:00:00", "5.00", "paid", None),
        ("X", "C2", "2025-02-03 10:00:00", "5.00", "refused", None),
        ("Y", "C3", "2025-04-03 10:00:00", "5.00", "paid", None),
    ]
    rows = [(str(row[0]), *row[1:5], None if row[5] is None else str(row[5])) for row in ROWS]
    for customer in ("C1", "C2", "C3"):
        found = explained(rows=[*rows, *more], customer=customer)
        lines = found.text(language, voice=voice).splitlines()
        assert len([line for line in lines if line]) == len(found.messages(voice))
        assert "{" not in "".join(lines)
    uses = {order.use for order in explained(rows=[*rows, *more]).orders}
    assert len(uses) == 9


def test_a_segment_map_without_grade() -> None:
    usd = SOURCE.model_copy(
        update={"currency": crm.Source(currency={"code": "USD", "exponent": 2}).currency}
    )
    orders = crm.OrderTable.from_rows([row[:4] for row in ROWS[:4]], usd, columns=NAMES[:4])
    found = crm.evaluate(crm.load_policy("rfm_r"), orders, as_of=date(2025, 4, 1)).explain("C1")
    text = str(found)
    assert "segment: Champions" in text or "segment:" in text
    assert "One step less" not in text
    assert "One step more" in text


def test_personal_values_are_not_shown() -> None:
    policy = crm.load_policy(
        'extends = "classic"\nname = "shop"\nattributes.city = "text"\n'
        'attributes.age = "int"\nscores.age_points = { fact = "age", from = [[30, 1], [50, 2]] }\n'
        '[segment]\nfirst = [["city == \\"Shanghai\\" and age > 40", "local"]]\n'
        'otherwise = "other"\n'
    )
    columns = {"customer_id": ["C1"], "city": ["Xiamen"], "age": [437]}
    customers = crm.CustomerTable.from_arrays(columns)
    found = explained(policy, customers=customers)
    everything = str(found) + json.dumps(found.to_dict()) + found.text(voice="customer")
    assert "city: not shown" in everything
    assert "age_points: 2, because of age, which is not shown" in everything
    assert "Xiamen" not in everything
    assert "437" not in everything + repr(found)
    assert "387" not in everything + repr(found)  # the margin would tell


# What customers are not told

INTERNAL = 'extends = "classic"\nname = "shop"\ninternal = ["monetary_points"]\n'


def test_internal_edges_are_not_for_customers() -> None:
    open_text = explained().text(voice="customer")
    assert "1000.00" in open_text
    found = explained(INTERNAL)
    assert found["monetary_points"].internal
    assert not found["score"].internal
    text = found.text(voice="customer")
    assert "1000.00" not in text
    assert "With purchases 6 instead of 3" in text
    assert "353.67" in text  # their own figure
    assert "1000.00" in found.text()  # staff see everything


@pytest.mark.parametrize("name", ["grade", "score"])
def test_what_rests_on_internal_edges_is_not_told(name: str) -> None:
    text = explained(INTERNAL.replace("monetary_points", name)).text(voice="customer")
    assert "Your next step" not in text
    assert "it becomes" not in text
    assert "Silver" in text


def test_the_day_of_an_internal_change_is_not_told() -> None:
    # On the day on which the grade changes, points for frequency change first.
    text = explained(INTERNAL.replace("monetary", "frequency")).text(voice="customer")
    assert "2026" not in text
    text = explained(INTERNAL.replace('"monetary_points"', "")).text(voice="customer")
    assert "it becomes Bronze on 2026-01-02" in text


def test_internal_names_are_checked_and_do_not_decide() -> None:
    with pytest.raises(crm.PolicyError, match=r"internal.0: no such score or decision"):
        crm.load_policy(INTERNAL.replace("monetary_points", "scor"))
    assert crm.load_policy(INTERNAL) == crm.load_policy("classic")
    assert crm.load_policy(INTERNAL).internal == {"monetary_points"}
    assert crm.load_policy(crm.load_policy(INTERNAL).to_toml()).internal == {"monetary_points"}


def test_the_grade_is_not_told_where_the_class_says_otherwise() -> None:
    found = explained(last_evaluated_at=date(2023, 1, 1))
    assert found["class"].value == "new"
    text = found.text(voice="customer")
    assert "Your status: new customer" in text
    assert "Silver" not in text
    assert "Your next step" not in text


def test_where_the_class_is_not_the_grade_the_change_of_the_class_is_told() -> None:
    old = (5, "C2", "2020-01-01 10:00:00", "5.00", "paid", None)
    no_order = explained(rows=[*ROWS, old], customer="C2")
    assert no_order["class"].value == "no_order"
    assert "  number of orders 1 instead of 0 → Dormant, no sale" in str(no_order)
    # To the customer both are the same.
    assert "Your next step" not in no_order.text(voice="customer")

    refused = (5, "C2", "2025-02-03 10:00:00", "5.00", "refused", None)
    no_sale = explained(rows=[*ROWS, refused], customer="C2")
    assert no_sale["class"].value == "no_sale"
    told = str(no_sale).partition("One step")[2]
    assert told.startswith(" less, everything else as it is\n  number of orders 0 instead of 1 →")
    assert "number of sales" not in told  # one sale without a day has no grade

    people = crm.CustomerTable.from_arrays({"customer_id": ["C1", "C3"], "blocked": [1, 0]})
    malicious = explained(customers=people)
    assert malicious["class"].value == "malicious"
    assert "  blocked no instead of yes → Silver" in str(malicious)
    assert "→ Gold" not in str(malicious)
    assert "Your next step" not in malicious.text(voice="customer")
    never = explained(customers=people, customer="C3")
    assert never["class"].value == "non_ordering"
    assert "  orders ever 1 instead of 0 → Dormant, no order" in str(never)
    assert "Your status would be taking a break" not in str(never)


def test_a_change_to_the_same_words_is_not_told_to_the_customer() -> None:
    rows = [(5, "C1", "2025-02-03 10:00:00", "5.00", "refused", None)]
    found = explained(rows=rows)
    assert (found["class"].value, found["class"].changes_to) == ("no_sale", "no_order")
    text = found.text(voice="customer")
    assert "Your status: taking a break" in text
    assert "it becomes" not in text
    assert "if nothing happens: Dormant, no order from 2026-02-04 on" in str(found)


def test_no_past_day_is_a_next_step_for_the_customer() -> None:
    rows = [
        (1, "C1", "2024-10-02 10:00:00", "2000.00", "paid", None),
    ]
    found = explained(rows=rows)
    assert "instead of 2024-10-02 →" in str(found)
    steps = found.text(voice="customer").partition("Your next step")[2]
    assert "With purchases 2 instead of 1" in steps
    assert "last purchase" not in steps


def test_one_day_and_no_value() -> None:
    text = str(explained(rows=[(1, "C1", "2025-03-02 10:00:00", "50.00", "paid", None)]))
    assert "in the band from 2025-03-01 on: 1 day after its first" in text
    assert "if nothing happens: no value from 2026-03-03 on" in text
    chinese = explained(rows=[(1, "C1", "2025-03-02 10:00:00", "50.00", "paid", None)])
    assert "自 2026-03-03 起没有值" in chinese.text("zh-CN")
    assert "距下一档差" in chinese.text("zh-CN")
    assert "距上一档" not in chinese.text("zh-CN")


@pytest.mark.parametrize("voice", ["staff", "customer"])
def test_the_last_day_of_the_calendar_can_be_told(voice: Any) -> None:
    orders = crm.OrderTable.from_rows(ROWS, SOURCE, columns=NAMES)
    found = crm.evaluate(crm.load_policy("classic"), orders, as_of=date(9999, 12, 31))
    assert found.explain("C1").text(voice=voice).startswith("As of 9999-12-31")


@pytest.mark.parametrize("ids", [(10, 9, 2), ("10", "9", "A"), (None, None, None)])
def test_orders_of_one_instant_stand_in_the_same_order_whatever_the_rows(ids: Any) -> None:
    amounts = ("300.00", "200.00", "100.00")
    rows = [(i, "C1", "2025-03-01", a) for i, a in zip(ids, amounts, strict=True)]
    start = 1 if ids[0] is None else 0
    names, given = NAMES[start:4], [row[start:] for row in rows]
    policy, texts, found = crm.load_policy("classic"), set(), []
    for some in (given, given[::-1], [given[1], given[0], given[2]]):
        orders = crm.OrderTable.from_rows(some, SOURCE, columns=names)
        found = list(crm.evaluate(policy, orders, as_of=date(2025, 4, 1)).explain("C1").orders)
        texts.add(repr(found))
    assert len(texts) == 1
    assert [order.order_id for order in found] == ([2, 9, 10] if ids[0] == 10 else list(ids))
    if ids[0] is None:
        assert [str(order.amount) for order in found] == ["100.00", "200.00", "300.00"]


# Whatever policies there are


def test_steps_that_cannot_be_taken_are_not_shown() -> None:
    policy = crm.load_policy(
        'format = 1\nname = "odd"\nzone = "UTC"\nsale_statuses = ["paid"]\n'
        'currency = { code = "CNY", exponent = 2 }\n'
        'facts.first_sale_at = { of = "sale", take = "first" }\n'
        'facts.last_sale_on = { of = "sale", take = "last" }\n'
        'facts.last_sale_at = { of = "sale", take = "last" }\n'
        'facts.sale_count = { of = "sale", take = "count" }\n'
        'scores.fresh = { fact = "last_sale_on", within = [["1 week", 9], ["1 year", 1]] }\n'
        'scores.again = { fact = "sale_count", from = [[3, 5], [4, 9]], below = 1 }\n'
        'scores.early = { fact = "last_sale_at", within = [["1 month", 9], ["1 year", 2]] }\n'
        'scores.even = { fact = "gap_spread_days", from = [[9.5, 0], [900.5, 1]], below = 1 }\n'
        "scores.total = { weights = { fresh = 1, again = 1, early = 1, even = 6 } }\n"
        'grade = { score = "total", from = [[1, "low"], [6, "mid"], [12, "high"], [18, "top"]] }\n'
        'stage = { first = [["true", "always"]] }\n'
    )
    found = explained(policy)
    text = str(found)
    assert found["grade"].value == "high"
    assert "last sale 2025-03-25 instead of 2025-02-01 → top" in text
    assert "number of sales 3 instead" not in text  # what was sold ever does not become less
    assert "last_sale_at" not in text.partition("One step more")[2].partition("Orders")[0]
    assert "true: holds" in text
    with pytest.raises(KeyError):
        found["nothing"]


class Tenure:
    """A host's own score."""

    inputs = ("sale_count",)

    def score(self, facts: Any) -> Any:
        return facts["sale_count"].values * 0.5


def test_a_host_score_is_told_as_it_is() -> None:
    policy = crm.load_policy(
        'extends = "classic"\nname = "shop"\nscores.own = { scorer = "tenure" }\n',
        scorers={"tenure": Tenure()},
    )
    assert "  own: 1.5" in str(explained(policy)).splitlines()


def test_a_stranger_has_nothing_to_look_at() -> None:
    customers = crm.CustomerTable.from_arrays({"customer_id": ["C7"]})
    found = explained(customers=customers, customer="C7")
    assert "Your status: registered" in found.text(voice="customer")
    assert "points for recency (R): nothing, because last sale is missing" in str(found)
    assert "nothing for points for recency (R), which is missing" in str(found)


def test_orders_without_ids() -> None:
    orders = crm.OrderTable.from_rows([row[1:4] for row in ROWS[:1]], SOURCE, columns=NAMES[1:4])
    found = crm.evaluate(crm.load_policy("classic"), orders, as_of=date(2025, 4, 1)).explain("C1")
    assert "an order of 2025-02-01: CNY 300.00 (period)" in str(found)
