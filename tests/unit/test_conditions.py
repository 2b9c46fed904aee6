from __future__ import annotations

import pickle
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from pydantic import BaseModel, TypeAdapter, ValidationError

from crmcore.columns import Column
from crmcore.conditions import (
    Bound,
    ConditionField,
    ConditionSyntaxError,
    FieldType,
    bind,
    evaluate,
    explain,
    names,
    parse,
    thresholds,
    to_text,
)
from crmcore.conditions.language import tree
from crmcore.errors import DataError
from crmcore.suggestions import Suggestions, nearest

TIERS = ("bronze", "silver", "gold")
FIELDS = {
    "sale_count": FieldType("int"),
    "order_count": FieldType("int"),
    "mean_sale": FieldType("ratio", 2),
    "share": FieldType("ratio"),
    "total": FieldType("money", 2),
    "refund": FieldType("money", 2),
    "yen": FieldType("money"),
    "spread": FieldType("float"),
    "blocked": FieldType("bool"),
    "tag:vip": FieldType("bool"),
    "birthday": FieldType("date", personal=True),
    "last_sale_on": FieldType("date"),
    "first_sale_at": FieldType("instant"),
    "tier": FieldType("label", categories=TIERS, ordered=True),
    "best_tier": FieldType("label", categories=TIERS, ordered=True),
    "channel": FieldType("label", categories=("shop", "web")),
    "anything": FieldType("label"),
    "city": FieldType("text", personal=True),
    "town": FieldType("text"),
}


def field(name: str) -> tree.FieldRef:
    return tree.FieldRef(name=name)


def bound_of(text: str) -> Bound:
    bound, problems = bind(parse(text), FIELDS, "here")
    assert not problems, problems
    assert bound is not None
    return bound


def truths(text: str, **columns: Column) -> list[bool | None]:
    rows = max(len(column) for column in columns.values())
    truth = evaluate(bound_of(text), columns, rows)
    assert len(truth.true) == rows
    assert truth.known is None or not (truth.true & ~truth.known).any()
    return [truth[row] for row in range(rows)]


def ints(*values: int | None) -> Column:
    known = np.array([value is not None for value in values])
    filled = np.array([-99 if value is None else value for value in values], np.int64)
    return Column("int", filled, None if known.all() else known)


def labels(*values: str | None, categories: tuple[str, ...] = TIERS) -> Column:
    known = np.array([value is not None for value in values])
    codes = [10**6 if value is None else categories.index(value) for value in values]
    return Column("label", np.array(codes), known, categories=categories)


def ratios(*values: tuple[int, int] | None, exponent: int = 0) -> Column:
    known = np.array([value is not None for value in values])
    tops = np.array([7 if value is None else value[0] for value in values], np.int64)
    divisors = np.array([0 if value is None else value[1] for value in values], np.int64)
    return Column("ratio", tops, None if known.all() else known, divisors, exponent)


# --- text and tree -----------------------------------------------------------------------------


def test_and_binds_tighter_than_or_and_not_tighter_than_and() -> None:
    a, b, c = map(field, "abc")
    assert parse("a or b and not c") == tree.Or(terms=(a, tree.And(terms=(b, tree.Not(term=c)))))
    assert parse("(a or b) and c") == tree.And(terms=(tree.Or(terms=(a, b)), c))
    assert parse("a and b and c") == tree.And(terms=(a, b, c))
    assert parse("a and (b and c)") == tree.And(terms=(a, tree.And(terms=(b, c))))


@pytest.mark.parametrize("op", ["==", "!=", "<", "<=", ">", ">="])
def test_each_comparison_is_read(op: str) -> None:
    assert parse(f"a {op} -5") == tree.Comparison(
        op=op, left=field("a"), right=tree.IntegerValue(value=-5)
    )


def test_each_test_of_a_field_is_read() -> None:
    one, two = tree.IntegerValue(value=1), tree.DecimalValue(value=Decimal("2.50"))
    assert parse("a between 1 and 2.50 and b") == tree.And(
        terms=(tree.Between(item=field("a"), low=one, high=two, edges="both"), field("b"))
    )
    assert parse("a in [1, 2.50]") == tree.Membership(op="in", item=field("a"), items=(one, two))
    assert parse("a not in [1]") == tree.Membership(op="not_in", item=field("a"), items=(one,))
    assert parse("a is known") == tree.KnownTest(op="is_known", item=field("a"))
    assert parse("not a is unknown") == tree.Not(
        term=tree.KnownTest(op="is_unknown", item=field("a"))
    )
    assert parse("tag:vip == false") == tree.Comparison(
        op="==", left=field("tag:vip"), right=tree.BoolValue(value=False)
    )
    assert parse("true") == tree.BoolValue(value=True)


def test_text_takes_escapes_and_any_language() -> None:
    read = parse(r'a == "上海 \"x\" \\ \n ß \ud83d\ude00"')
    assert isinstance(read, tree.Comparison)
    assert read.right == tree.TextValue(value='上海 "x" \\ \n ß \U0001f600')
    assert parse(to_text(read)) == read


def test_what_cannot_be_seen_is_written_as_an_escape() -> None:
    hidden = parse(r'a == "x\u200by"')
    assert to_text(hidden) == r'a == "x\u200by"'
    assert parse(to_text(hidden)) == hidden


def test_text_of_a_tree_is_the_one_spelling() -> None:
    text = 'not(a==1.50 or (not b))and(c in["x"] or(d and(e and f)))'
    written = 'not (a == 1.50 or not b) and (c in ["x"] or d and (e and f))'
    assert to_text(parse(text)) == written
    assert parse(written) == parse(text)


@pytest.mark.parametrize(
    ("text", "position", "message"),
    [
        ("", 0, "too early"),
        ("a =", 2, "=="),
        ("a = 1", 2, "=="),
        ("a == 1 b", 7, "expected 'and'"),
        ("a AND b", 2, "lower case"),
        ("a && b", 2, "'and'"),
        ("a == 'x'", 5, "double quotes"),
        ('a == "x', 5, "no end"),
        ('a == "x\ny"', 5, "control"),
        (r'a == "\q"', 5, "\\"),
        (r'a == "\ud800"', 5, "surrogate"),
        ("a == 2024-01-31", 10, "quotes"),
        ("a == 01", 5, "leading zero"),
        ("a == 1e5", 5, "number"),
        ("a == 1.", 5, "number"),
        ("a == 1_000", 5, "number"),
        ("a == --1", 6, "number"),
        ("a == ", 5, "too early"),
        ("1 < a < 3", 6, "chained"),
        ("a is null", 5, "'known'"),
        ("a in []", 6, "expected"),
        ("a in [b]", 6, "expected"),
        ("a in [1,]", 8, "expected"),
        ("a in (1)", 5, "'['"),
        ("a not 1", 6, "'in'"),
        ("a between 1 or 2", 12, "'and'"),
        ("5", 0, "compare it"),
        ("(a", 2, "')'"),
        ("a)", 1, "expected"),
        ("城 == 1", 0, "ASCII"),
        ("a == １", 5, "ASCII"),
        ("a\u00a0== 1", 1, "ASCII"),
        ("a.b == 1", 1, "no meaning"),
        ("a:b == 1", 1, "':' stands in"),
        ("tag: == 1", 3, "':' stands in"),
        ("a == 1\x00", 6, "no meaning"),
        ("and", 0, "expected"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_position(
    text: str, position: int, message: str
) -> None:
    with pytest.raises(ConditionSyntaxError) as caught:
        parse(text)
    assert caught.value.position == position
    assert message in caught.value.message
    again = pickle.loads(pickle.dumps(caught.value))
    assert (again.message, again.position) == (caught.value.message, position)
    assert str(position) in str(again)


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("a" + " " * 3_999, True),
        ("a" + " " * 4_000, False),
        ("(" * 50 + "a" + ")" * 50, True),
        ("(" * 51 + "a" + ")" * 51, False),
        ("not " * 49 + "a", True),
        ("not " * 50 + "a", False),
        ("not " * 999 + "a", False),
        (" or ".join(["a"] * 499), True),
        (" or ".join(["a"] * 500), False),
        ("a in [" + ",".join(["1"] * 1_000) + "]", True),
        ("a in [" + ",".join(["1"] * 1_001) + "]", False),
        ("a == " + "9" * 38, True),
        ("a == " + "9" * 39, False),
        ("a == 0." + "9" * 37, True),
        ("a == 0." + "9" * 38, False),
        ("a" * 100, True),
        ("a" * 101, False),
        ('a == "' + "x" * 1_000 + '"', True),
        ('a == "' + "x" * 1_001 + '"', False),
    ],
)
def test_limits(text: str, fits: bool) -> None:
    if fits:
        assert parse(to_text(parse(text))) == parse(text)
    else:
        with pytest.raises(ConditionSyntaxError, match="at most"):
            parse(text)


def test_no_literal_is_not_a_number() -> None:
    assert names(parse("a == nan or a < infinity")) == {"a", "nan", "infinity"}


def test_brackets_beside_each_other_are_not_nested() -> None:
    parse(" or ".join(["(a)"] * 60))


class Rule(BaseModel):
    when: ConditionField


def test_a_model_takes_text_or_tree() -> None:
    text = Rule.model_validate({"when": "a >= 1.50"})
    mapping = Rule.model_validate_json(text.model_dump_json())
    assert text == mapping == Rule(when=parse("a >= 1.50"))


def test_a_syntax_error_in_a_model_keeps_its_position() -> None:
    with pytest.raises(ValidationError) as caught:
        Rule.model_validate({"when": "a = 1"})
    error = caught.value.errors()[0]["ctx"]["error"]
    assert isinstance(error, ConditionSyntaxError)
    assert error.position == 2


@pytest.mark.parametrize(
    "given",
    [
        {"op": "field", "name": "a", "more": 1},
        {"op": "field", "name": "A"},
        {"op": "field", "name": "and"},
        {"op": "field", "name": "a\n"},
        {"op": "field", "name": 3},
        {"op": "bool", "value": 1},
        {"op": "eval", "name": "a"},
        {
            "op": "==",
            "left": {"op": "field", "name": "a"},
            "right": {"op": "integer", "value": True},
        },
        {
            "op": "==",
            "left": {"op": "field", "name": "a"},
            "right": {"op": "integer", "value": 1.0},
        },
        {
            "op": "==",
            "left": {"op": "field", "name": "a"},
            "right": {"op": "decimal", "value": 1.5},
        },
        {
            "op": "==",
            "left": {"op": "field", "name": "a"},
            "right": {"op": "decimal", "value": "NaN"},
        },
        {
            "op": "==",
            "left": {"op": "field", "name": "a"},
            "right": {"op": "text", "value": "\ud800"},
        },
        {
            "op": "==",
            "left": {"op": "field", "name": "a"},
            "right": {"op": "integer", "value": 10**38},
        },
        {
            "op": "==",
            "left": {"op": "field", "name": "a"},
            "right": {"op": "text", "value": "x" * 1001},
        },
        {"op": "in", "item": {"op": "field", "name": "a"}, "items": []},
        {
            "op": "in",
            "item": {"op": "field", "name": "a"},
            "items": [{"op": "bool", "value": True}] * 1001,
        },
        {"op": "and", "terms": [{"op": "field", "name": "a"}]},
        {"op": "and", "terms": [{"op": "field", "name": "a"}] * 500},
        {"op": "between", "item": {"op": "field", "name": "a"}},
        17,
        None,
    ],
)
def test_a_tree_that_is_none_is_refused(given: object) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate({"when": given})


@pytest.mark.parametrize("exponent", ["Infinity", "1E+40", "1E-40"])
def test_a_decimal_out_of_bounds_is_refused(exponent: str) -> None:
    with pytest.raises(ValidationError):
        tree.DecimalValue(value=Decimal(exponent))


def test_decimals_keep_their_digits_and_a_point() -> None:
    written = [Decimal("300.00"), Decimal("3E+2"), Decimal("-0.0"), Decimal("1E-7")]
    read = [str(tree.DecimalValue(value=value).value) for value in written]
    assert read == ["300.00", "300.0", "0.0", "1E-7"]
    small = tree.Comparison(op="<", left=field("a"), right=tree.DecimalValue(value=written[3]))
    assert to_text(small) == "a < 0.0000001"
    assert parse(to_text(small)) == small


def test_a_tree_too_deep_is_refused_and_not_descended_into() -> None:
    given: dict[str, object] = {"op": "field", "name": "a"}
    built: tree.Condition = field("a")
    for _ in range(5_000):
        given = {"op": "not", "term": given}
        built = tree.Not(term=built)
    for condition in (given, built):
        with pytest.raises(ValidationError, match="at most 50 levels"):
            TypeAdapter(ConditionField).validate_python(condition)
    bound, problems = bind(built, FIELDS, "here")
    assert bound is None
    assert [problem.code for problem in problems] == ["too_large"]


def test_a_tree_too_wide_is_refused() -> None:
    flag = {"op": "bool", "value": True}
    lists = {"op": "in", "item": {"op": "field", "name": "a"}, "items": [flag] * 1_000}
    Rule.model_validate({"when": {"op": "and", "terms": [lists] * 2}})
    with pytest.raises(ValidationError, match="2000 literals together"):
        Rule.model_validate({"when": {"op": "and", "terms": [lists] * 3}})
    flags = {"op": "and", "terms": [flag] * 250}
    with pytest.raises(ValidationError, match="at most 500 nodes"):
        Rule.model_validate({"when": {"op": "and", "terms": [flags] * 2}})
    with pytest.raises(ValidationError, match="at most 500 nodes"):
        Rule.model_validate({"when": {"op": "and", "terms": [flags] * 250}})


def test_the_schema_of_a_model_offers_text_and_tree() -> None:
    schema = Rule.model_json_schema()
    assert {"type": "string"} in schema["properties"]["when"]["anyOf"]


def test_names_are_those_of_every_node() -> None:
    text = "a and (b or not c == d) and 1 < e and f between g and h and i in [1] and j is known"
    assert names(parse(text)) == frozenset("abcdefghij")


# --- binding -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("sale_cout > 3", ["unknown_name"]),
        ("nothing_like_it is known", ["unknown_name"]),
        ("sale_count", ["type_mismatch"]),
        ("sale_count == true", ["type_mismatch"]),
        ('sale_count == "3"', ["type_mismatch"]),
        ("sale_count > 9223372036854775808", ["out_of_range"]),
        ("sale_count > -9223372036854775808.5", ["out_of_range"]),
        ("blocked == 1", ["type_mismatch"]),
        ("blocked > true", ["not_ordered"]),
        ('town < "x"', ["not_ordered"]),
        ('channel >= "web"', ["not_ordered"]),
        ("town == 3", ["type_mismatch"]),
        ('tier == "golt"', ["unknown_label"]),
        ('tier in ["gold", "x", "y"]', ["unknown_label", "unknown_label"]),
        ("tier == 3", ["type_mismatch"]),
        ("total >= 300.005", ["money_digits"]),
        ('total >= "300.005"', ["money_digits"]),
        ('total >= "3e2"', ["type_mismatch"]),
        ('total >= "NaN"', ["type_mismatch"]),
        ("total >= true", ["type_mismatch"]),
        ("yen >= 1.5", ["money_digits"]),
        ("total > 92233720368547758.08", ["out_of_range"]),
        ("share > true", ["type_mismatch"]),
        ('share > "inf"', ["type_mismatch"]),
        ('spread > "1"', ["type_mismatch"]),
        ('last_sale_on > "2024-02-30"', ["bad_date"]),
        ('last_sale_on > "20240131"', ["bad_date"]),
        ("last_sale_on > 19000", ["type_mismatch"]),
        ('first_sale_at > "2024-01-31"', ["bad_instant"]),
        ('first_sale_at > "2024-01-31T09:00:00"', ["bad_instant"]),
        ('first_sale_at > "2024-13-31T09:00:00Z"', ["bad_instant"]),
        ('first_sale_at > "0001-01-01T00:00:00+08:00"', ["bad_instant"]),
        ('first_sale_at > "2024-01-31T09:00:00.1234567Z"', ["bad_instant"]),
        ("sale_cout == ordr_count", ["unknown_name"] * 2),
        ("sale_count == total", ["type_mismatch"]),
        ("total == yen", ["type_mismatch"]),
        ("mean_sale > share", ["type_mismatch"]),
        ("5 in [1]", ["type_mismatch"]),
        ("last_sale_on < as_of", ["type_mismatch"]),
        ("tier == channel", ["type_mismatch"]),
        ("anything == anything", ["type_mismatch"]),
        ("city < town", ["not_ordered"]),
        ("1 == 2", ["type_mismatch"]),
        ("sale_count between 5 and 4", ["reversed_edges"]),
        ('tier between "gold" and "silver"', ["reversed_edges"]),
        ("spread between 1 and 0.5", ["reversed_edges"]),
        ("x and not y == 1 or z in [1]", ["unknown_name"] * 3),
        ("sale_count in [true, 1]", ["type_mismatch"]),
    ],
)
def test_every_mistake_is_reported(text: str, codes: list[str]) -> None:
    bound, problems = bind(parse(text), FIELDS, "here")
    assert bound is None
    assert [problem.code for problem in problems] == codes
    assert {problem.path for problem in problems} == {"here"}
    assert all(problem.given for problem in problems)


def test_messages_call_a_field_by_its_kind() -> None:
    for text, message in [
        ("sale_count", "an int field alone is not a condition: compare it"),
        ("sale_count == tier", "an int field is not compared with a label field"),
        ("tier == sale_count", "a label field is not compared with an int field"),
    ]:
        assert bind(parse(text), FIELDS, "here")[1][0].message == message


def test_the_nearest_name_is_suggested() -> None:
    for text, suggestion in [("sale_cout > 3", "sale_count"), ('tier == "golt"', "gold")]:
        assert bind(parse(text), FIELDS, "here")[1][0].suggestion == suggestion


def test_a_suggestion_is_not_searched_without_end() -> None:
    few = Suggestions(comparisons=5)
    assert few.nearest("golt", TIERS) == "gold"
    assert few.nearest("golt", TIERS) is None
    many = {f"field_number_{position}": FieldType("int") for position in range(2_000)}
    text = " or ".join(f"field_nomber_{position}x" for position in range(150))
    _, problems = bind(parse(text), many, "here")
    assert len(problems) == 150
    assert 1 <= sum(problem.suggestion is not None for problem in problems) <= 3


def test_nothing_near_gives_no_suggestion() -> None:
    assert nearest("abc", ["xyz", "a_much_longer_name"]) is None
    assert nearest("x" * 101, ["x" * 100]) is None  # too long to be compared


def test_the_same_mistake_is_reported_once() -> None:
    _, problems = bind(parse("x > 1 or x between 2 and 3"), FIELDS, "here")
    assert len(problems) == 1


def test_an_open_label_takes_any_text_but_has_no_order() -> None:
    assert truths('anything != "x"', anything=labels("gold")) == [True]
    assert bind(parse('anything < "x"'), FIELDS, "here")[1][0].code == "not_ordered"


# --- evaluation --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sale_count == 2", [False, True, False, None]),
        ("sale_count != 2", [True, False, True, None]),
        ("sale_count < 2", [True, False, False, None]),
        ("sale_count <= 2", [True, True, False, None]),
        ("sale_count > 2", [False, False, True, None]),
        ("sale_count >= 2", [False, True, True, None]),
        ("2 < sale_count", [False, False, True, None]),
        ("2 >= sale_count", [True, True, False, None]),
        ("sale_count == 2.0", [False, True, False, None]),
        ("sale_count == 2.5", [False, False, False, None]),
        ("sale_count != 2.5", [True, True, True, None]),
        ("sale_count < 2.5", [True, True, False, None]),
        ("sale_count <= 1.5", [True, False, False, None]),
        ("sale_count > 1.5", [False, True, True, None]),
        ("sale_count >= 2.5", [False, False, True, None]),
        ("sale_count >= -0.5", [True, True, True, None]),
        ("sale_count between 1.5 and 2", [False, True, False, None]),
        ("sale_count in [1, 2, 2.5]", [True, True, False, None]),
        ("sale_count in [2.5]", [False, False, False, None]),
        ("sale_count not in [1, 2]", [False, False, True, None]),
        ("sale_count is known", [True, True, True, False]),
        ("sale_count is unknown", [False, False, False, True]),
        ("not sale_count > 2", [True, True, False, None]),
        ("sale_count > 2 or true", [True, True, True, True]),
        ("sale_count > 2 and false", [False, False, False, False]),
        ("sale_count > 2 and true", [False, False, True, None]),
        ("sale_count > 2 or sale_count is unknown", [False, False, True, True]),
    ],
)
def test_conditions_on_whole_numbers(text: str, expected: list[bool | None]) -> None:
    assert truths(text, sale_count=ints(1, 2, 3, None)) == expected


def test_the_extremes_of_64_bits_compare_without_wrapping() -> None:
    low, high = -(2**63), 2**63 - 1
    column = ints(low, 0, high)
    assert truths(f"sale_count > {low}", sale_count=column) == [False, True, True]
    assert truths(f"sale_count >= {high}", sale_count=column) == [False, False, True]
    assert truths(f"sale_count < {high}.5", sale_count=column) == [True, True, True]
    ratio = ratios((low, 1), (0, 1), (high, 1))
    assert truths(f"share > {low}", share=ratio) == [False, True, True]
    assert truths(f"share < {high}", share=ratio) == [True, True, False]


def test_money_is_compared_in_minor_units_however_it_is_written() -> None:
    column = Column("money", np.array([29999, 30000]), exponent=2)
    for edge in ("300", "300.0", "300.00", '"300"', '"300.00"'):
        assert truths(f"total >= {edge}", total=column) == [False, True]
    assert truths("total in [299.99]", total=column) == [True, False]
    assert truths('yen == "300"', yen=Column("money", np.array([300]))) == [True]


@pytest.mark.parametrize("op", ["==", "!=", "<", "<=", ">", ">="])
@pytest.mark.parametrize("edge", ["0", "1", "-1", "0.5", "-0.5", "0.3333333333", "2.25", "-2.75"])
def test_ratios_are_exact(op: str, edge: str) -> None:
    pairs = [(top, divisor) for top in range(-12, 13) for divisor in (1, 2, 3, 4, 7)]
    found = truths(f"share {op} {edge}", share=ratios(*pairs, None))
    threshold = Fraction(edge)
    compare = {
        "==": threshold.__eq__,
        "!=": lambda value: value != threshold,
        "<": lambda value: value < threshold,
        "<=": lambda value: value <= threshold,
        ">": lambda value: value > threshold,
        ">=": lambda value: value >= threshold,
    }[op]
    assert found == [*(bool(compare(Fraction(*pair))) for pair in pairs), None]


def test_a_ratio_of_money_is_scaled_by_its_minor_unit() -> None:
    column = ratios((60001, 2), (60000, 2), (59999, 2), exponent=2)
    assert truths("mean_sale >= 300", mean_sale=column) == [True, True, False]
    assert truths('mean_sale == "300.00"', mean_sale=column) == [False, True, False]
    assert truths("mean_sale > 300.005", mean_sale=column) == [False, False, False]
    assert truths("mean_sale in [300.005, 299.995]", mean_sale=column) == [True, False, True]


def test_products_that_would_wrap_are_not_formed() -> None:
    huge = 2**62
    column = ratios((huge - 1, huge), (huge // 2, huge), (huge // 2 + 1, huge), (1, 2))
    assert truths("share > 0.5", share=column) == [True, False, True, False]
    tiny = "0.5000000000000000000000000000001"
    assert truths(f"share >= {tiny}", share=column) == [True, False, True, False]
    assert truths("share == 0.5", share=column) == [False, True, False, True]


def test_floats_compare_with_the_nearest_float() -> None:
    column = Column("float", np.array([0.1, 0.3, np.nan]), np.array([True, True, False]))
    assert truths("spread == 0.1", spread=column) == [True, False, None]
    assert truths("spread >= 0.3", spread=column) == [False, True, None]
    assert truths("spread not in [0.1]", spread=column) == [False, True, None]


def test_labels_have_the_order_declared_and_not_that_of_their_codes() -> None:
    for categories in (TIERS, ("gold", "bronze", "silver")):
        column = labels("bronze", "silver", "gold", None, categories=categories)
        assert truths('tier >= "silver"', tier=column) == [False, True, True, None]
        assert truths('tier != "silver"', tier=column) == [True, False, True, None]
        assert truths('tier in ["gold", "bronze"]', tier=column) == [True, False, True, None]
        assert truths('tier between "bronze" and "silver"', tier=column) == [
            True,
            True,
            False,
            None,
        ]
        best = labels("silver", "silver", "silver", "gold")
        assert truths("tier < best_tier", tier=column, best_tier=best) == [
            True,
            False,
            False,
            None,
        ]


def test_a_label_nobody_declared_is_equal_to_none_and_has_no_order() -> None:
    column = labels("lead", "gold", categories=("gold", "lead"))
    assert truths('tier == "gold"', tier=column) == [False, True]
    assert truths('tier not in ["gold"]', tier=column) == [True, False]
    for text in ('tier > "bronze"', "tier == best_tier"):
        with pytest.raises(DataError, match="declared order"):
            truths(text, tier=column, best_tier=column)


def test_a_label_column_without_any_label_is_all_missing() -> None:
    column = Column("label", np.array([0, -1]), np.array([False, False]))
    assert truths('tier == "gold"', tier=column) == [None, None]


def test_text_is_compared_by_code_point() -> None:
    column = Column("text", np.array(["straße", "STRASSE", "e\u0301", None], np.object_))
    column = Column("text", column.values, np.array([True, True, True, False]))
    assert truths('town == "straße"', town=column) == [True, False, False, None]
    assert truths('town in ["strasse", "\u00e9"]', town=column) == [False, False, False, None]
    assert truths('town not in ["straße"]', town=column) == [False, True, True, None]
    assert truths("town == city", town=column, city=column) == [True, True, True, None]


def test_dates_and_instants() -> None:
    days = Column("date", np.array([19752, 19753]))
    assert truths('last_sale_on >= "2024-01-31"', last_sale_on=days) == [False, True]
    noon = int(datetime(2024, 1, 31, 12, tzinfo=UTC).timestamp()) * 10**6
    moments = Column("instant", np.array([noon - 1, noon]))
    for written in ("2024-01-31T12:00Z", "2024-01-31 20:00:00+08:00", "2024-01-31T12:00:00.0Z"):
        text = f'first_sale_at < "{written}"'
        assert truths(text, first_sale_at=moments) == [True, False]


def test_one_moment_stands_for_every_row() -> None:
    moments = Column("instant", np.array([1, 2, 3]), np.array([True, True, False]))
    as_of = Column("instant", np.array([2]))
    assert truths("first_sale_at >= as_of", first_sale_at=moments, as_of=as_of) == [
        False,
        True,
        None,
    ]
    given = {
        "as_of": as_of,
        "last_evaluated_at": Column("instant", np.array([0]), np.array([False])),
    }
    for text, expected in [("as_of is known", True), ("as_of == last_evaluated_at", None)]:
        truth = evaluate(bound_of(text), given, 4)
        assert [truth[row] for row in range(4)] == [expected] * 4
    assert len(evaluate(bound_of("as_of is known"), given, 0).true) == 0


def test_flags_and_constants() -> None:
    column = Column("bool", np.array([True, False, True]), np.array([True, True, False]))
    assert truths("blocked", blocked=column) == [True, False, None]
    assert truths("not blocked", blocked=column) == [False, True, None]
    assert truths("blocked == false", blocked=column) == [False, True, None]
    assert truths("blocked in [true]", blocked=column) == [True, False, None]
    assert truths("blocked not in [true, false]", blocked=column) == [False, False, None]
    given = {"tag:vip": column}
    assert evaluate(bound_of("tag:vip"), given, 3)[0] is True
    assert evaluate(bound_of("false"), given, 3).true.tolist() == [False] * 3


def test_a_long_list_finds_what_a_short_one_finds() -> None:
    column = ints(*range(-5, 60), None)
    short = truths("sale_count in [3, 5, 7]", sale_count=column)
    wanted = {*range(3, 50, 2), 1000}
    listed = ", ".join(map(str, wanted))
    found = truths(f"sale_count in [{listed}]", sale_count=column)
    assert found == [*(value in wanted for value in range(-5, 60)), None]
    assert short.count(True) == 3
    floats = Column("float", np.array([3.0, 4.0, 1e300]))
    assert truths(f"spread in [{listed}]", spread=floats) == [True, False, False]


def test_kleene() -> None:
    flags = [True, False, None]
    column = {
        name: Column(
            "bool",
            np.array([bool(flag) for flag in values]),
            np.array([flag is not None for flag in values]),
        )
        for name, values in [
            ("blocked", [a for a in flags for _ in flags]),
            ("tag:vip", flags * 3),
        ]
    }
    for text, expected in [
        ("blocked and tag:vip", [True, False, None, False, False, False, None, False, None]),
        ("blocked or tag:vip", [True, True, True, True, False, None, True, None, None]),
    ]:
        truth = evaluate(bound_of(text), column, 9)
        assert [truth[row] for row in range(9)] == expected


def test_a_column_of_another_kind_is_refused() -> None:
    for column in (Column("float", np.array([1.0])), Column("money", np.array([1]), exponent=3)):
        with pytest.raises(DataError, match="total"):
            truths("total > 3", total=column)


def test_columns_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="2 rows"):
        evaluate(bound_of("sale_count > 3"), {"sale_count": ints(1, 2)}, 3)


def test_evaluation_leaves_the_columns_alone() -> None:
    known = np.array([True, False])
    column = Column("bool", np.array([True, True]), known)
    for mask in (column.values, known):
        mask.flags.writeable = False
    assert truths("not (blocked and true) or blocked is unknown", blocked=column) == [False, True]


# --- explanation -------------------------------------------------------------------------------


def test_an_explanation_shows_every_value_and_edge() -> None:
    columns = {
        "sale_count": ints(9, 2),
        "total": Column("money", np.array([1, 29999]), exponent=2),
        "tier": labels("gold", None),
        "as_of": Column("instant", np.array([5])),
        "first_sale_at": Column("instant", np.array([4, 6])),
    }
    text = (
        'sale_count in [1, 2] and not total between 100 and 300 and tier == "gold"'
        " and first_sale_at > as_of and sale_count is known and true"
    )
    trace = explain(bound_of(text), columns, 1)
    assert (trace.op, trace.truth, trace.text) == ("and", False, text)
    member, negation, label, pair, known, constant = trace.terms
    assert (member.op, member.value, member.threshold, member.truth) == ("in", 2, (1, 2), True)
    between = negation.terms[0]
    assert (negation.truth, between.truth) == (False, True)
    assert (between.value, between.threshold) == (
        Decimal("299.99"),
        (Decimal("100.00"), Decimal("300.00")),
    )
    assert (label.field, label.truth, label.value, label.threshold) == ("tier", None, None, "gold")
    assert (pair.value, pair.threshold) == (columns["first_sale_at"][1], columns["as_of"][0])
    assert (known.op, known.truth, known.value) == ("is_known", True, 2)
    assert (constant.op, constant.truth) == ("bool", True)


def test_an_explanation_hides_what_is_personal() -> None:
    columns = {
        "birthday": Column("date", np.array([0])),
        "last_sale_on": Column("date", np.array([1])),
        "city": Column("text", np.array(["Paris"], np.object_)),
    }
    text = 'last_sale_on > birthday and birthday > last_sale_on and city == "Rome"'
    traces = explain(bound_of(text), columns, 0).terms
    assert [trace.truth for trace in traces] == [True, False, False]
    assert all(trace.hidden for trace in traces)
    assert (traces[0].value, traces[0].threshold) == (date(1970, 1, 2), None)
    assert (traces[1].value, traces[1].threshold) == (None, date(1970, 1, 2))
    assert (traces[2].value, traces[2].threshold) == (None, "Rome")
    between = explain(bound_of("last_sale_on between birthday and birthday"), columns, 0)
    assert (between.threshold, between.hidden) == ((None, None), True)


def test_thresholds_are_every_field_with_every_literal() -> None:
    text = (
        "not (blocked or 3 < sale_count) and total between 1 and 2 and share in [0.5]"
        ' and sale_count < order_count and tier is known and last_sale_on > "2024-01-31"'
        " and sale_count between 1 and order_count and true"
    )
    assert thresholds(bound_of(text)) == [
        ("blocked", True),
        ("sale_count", 3),
        ("total", Decimal("1.00")),
        ("total", Decimal("2.00")),
        ("share", Decimal("0.5")),
        ("last_sale_on", date(2024, 1, 31)),
        ("sale_count", 1),
    ]
