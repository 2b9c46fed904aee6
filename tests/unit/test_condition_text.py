"""Values in the text of conditions: how they are written, and what is refused with which words."""

from __future__ import annotations

import pickle

import pytest
from pydantic import BaseModel, ValidationError

from crmcore.conditions import ConditionField, ConditionSyntaxError, names, parse, to_text
from crmcore.conditions.language import tree


class Rule(BaseModel):
    when: ConditionField


def test_calculations_bind_as_in_arithmetic() -> None:
    assert parse("a + b * c - d > 1") == parse("(a + (b * c)) - d > 1")
    assert parse("a - b - c > 1") != parse("a - (b - c) > 1")
    assert parse("a -3 > 1") == parse("a - 3 > 1")
    assert parse("a - -3 > 1") != parse("a - 3 > 1")
    assert parse("not a + 1 > 2 and b") == parse("(not ((a + 1) > 2)) and b")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("(a)>(3)", "a > 3"),
        ("(a-(b-c))*d>1", "(a - (b - c)) * d > 1"),
        ("a*(b*c)>1", "a * (b * c) > 1"),
        ("divide(a,b+1,-0.5)>1", "divide(a, b + 1, -0.5) > 1"),
        ("divide(a, b, unknown) is known", "divide(a, b, unknown) is known"),
        ('days_between("2024-01-31",as_of)>=30', 'days_between("2024-01-31", as_of) >= 30'),
        ("shift_days(a,-1)<b", "shift_days(a, -1) < b"),
        ("shift_months(a, n + 1) < b", "shift_months(a, n + 1) < b"),
        ("band(a,1:2,3.5:-4)in[2]", "band(a, 1: 2, 3.5: -4) in [2]"),
        ("band(a, 1: 2, else: 0) == 0", "band(a, 1: 2, else: 0) == 0"),
        ('case(a or b:"x",else:c)==d', 'case(a or b: "x", else: c) == d'),
        ("case(tag:vip: 1, not b: 2) > 1", "case(tag:vip: 1, not b: 2) > 1"),
        ("case(a: case(b: 1), else: 2) > 1", "case(a: case(b: 1), else: 2) > 1"),
        ("a between 1 and 5", "a between 1 and 5"),
        ("a between above 1 and 5", "a between above 1 and 5"),
        ("a between 1 and below 5", "a between 1 and below 5"),
        ("a between above b+1 and below-5", "a between above b + 1 and below -5"),
        ("a between above and below", "a between (above) and (below)"),
        ("a between (above - 1) and 5", "a between (above - 1) and 5"),
        ("a + 1 between b and c", "a + 1 between b and c"),
        ("a + 1 not in [2]", "a + 1 not in [2]"),
        ("band > case and divide is known", "band > case and divide is known"),
    ],
)
def test_each_form_has_one_spelling(text: str, written: str) -> None:
    assert to_text(parse(text)) == written
    assert parse(written) == parse(text)


@pytest.mark.parametrize(
    ("text", "edges"),
    [
        ("a between 1 and 5", "both"),
        ("a between 1 and below 5", "low"),
        ("a between above 1 and 5", "high"),
        ("a between above 1 and below 5", "neither"),
    ],
)
def test_between_says_which_edges_belong(text: str, edges: str) -> None:
    condition = parse(text)
    assert isinstance(condition, tree.Between)
    assert condition.edges == edges


def test_names_are_found_inside_calculations_and_cases() -> None:
    text = "divide(a, b, 0) > band(c, 1: 1) or case(d > e: f, else: shift_days(g, h)) is known"
    assert names(parse(text)) == frozenset("abcdefgh")


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a = 3", "=", "one '=' compares nothing: write '=='"),
        ("a === 3", "===", "write '=='"),
        ("a <> 3", "<>", "write '!='"),
        ("a => 3", "=>", "write '>='"),
        ("a =< 3", "=<", "write '<='"),
        ("a && b", "&&", "write 'and'"),
        ("a || b", "||", "write 'or'"),
        ("!a", "!", "write 'not', or '!='"),
        ("a AND b", "AND", "keywords are written in lower case: 'and'"),
        ("a == True", "True", "keywords are written in lower case: 'true'"),
        ("a == None", "None", "a missing value is asked for with 'is known' and 'is unknown'"),
        ("a == NULL", "NULL", "a missing value is asked for with 'is known' and 'is unknown'"),
        ("A > 3", "A", "names are lower-case letters, digits and '_'"),
        ("a == 'x'", "'", 'text stands in double quotes: "gold"'),
        ("a == “x”", "“", 'text stands in straight double quotes: "gold"'),
        ("a ≥ 3", "≥", "write '>='"),
        ("tag:Press", "tag:Press", "tags are written in lower case: 'tag:press'"),
        (
            "a ＞ 3",
            "＞",
            "this is \\uff1e, FULLWIDTH GREATER-THAN SIGN, no ASCII character: write '>'",
        ),
        (
            "а > 3",  # a letter that only looks like an a
            "а",
            "this is \\u0430, CYRILLIC SMALL LETTER A: only text in quotes may hold other than "
            "ASCII characters",
        ),
        (
            'a == "x\u202ey"',
            "\u202e",
            r"this character turns the direction of writing: inside quotes write it as \u202e",
        ),
        ("a < b < c", "<", "comparisons are not chained: join two with 'and', or write 'between'"),
        ("a % 2 == 1", "%", "there is no remainder and no percent sign: write 5 % as 0.05"),
        ("a ** 2 > 3", "**", "there are no powers: write x * x"),
        ("a > -b", "b", "after '-' stands a number; write 0 - x"),
        ("a > +5", "+", "no number begins with '+'"),
        ("a > 1_000", "1", "a number is written like 12, 300.00 or -5"),
        ("a > 2024-01-31", "01", "a number has no leading zero; a date stands in quotes"),
        ("a in (1, 2)", "(", "expected '[': a list stands in square brackets, in [1, 2]"),
        ("a in {1}", "{", "a list stands in square brackets: in [1, 2]"),
        (
            "a not between 1 and 2",
            "between",
            "'not' stands before the whole: not x between 1 and 5",
        ),
        (
            "a between below 1 and 5",
            "below",
            "'below' does not stand here: between above 1 and below 5",
        ),
        (
            "a is null",
            "null",
            "after 'is' stands 'known' or 'unknown'; equality is written '=='",
        ),
        (
            "a is not known",
            "not",
            "after 'is' stands 'known' or 'unknown'; equality is written '=='",
        ),
        ("a: 1", ":", "':' stands in band(…) and case(…) only"),
        (
            "band (a, 1: 2) > 1",
            "(",
            "'(' stands directly after the name of a function, and after nothing else",
        ),
        (
            "days_betwen(a, b) > 1",
            "days_betwen",
            "there is no function 'days_betwen': did you mean 'days_between'?",
        ),
        (
            "months_between(a, b) > 1",
            "months_between",
            "there is no function 'months_between': "
            "months are not counted between days, as their lengths differ: compare the day with "
            "shift_months(day, count)",
        ),
        (
            "round(a) > 1",
            "round",
            "there is no function 'round': nothing is rounded: ratios are exact",
        ),
        (
            "sqrt(a) > 1",
            "sqrt",
            "there is no function 'sqrt': there are divide, days_between, "
            "shift_days, shift_months, band, case",
        ),
        ("case(a: 1, b) > 1", ")", "expected ':'"),
        ("band(a, 1: 2.5) > 1", "2.5", "points are whole numbers up to 2147483647"),
        ("band(a, 1: 2147483648) > 1", "2147483648", "points are whole numbers up to 2147483647"),
        (
            "a > 1 and 2 + b",
            "2 + b",
            "this is a value, a condition is needed: compare it, such as with '=='",
        ),
        (
            "(a > 3) + 1 > 2",
            "a > 3",
            "this is a condition, a value is needed: write case(condition: value)",
        ),
        (
            "a == (b > 3)",
            "b > 3",
            "this is a condition, a value is needed: write case(condition: value)",
        ),
        (
            "case(a + 1: 2) > 1",
            "a + 1",
            "this is a value, a condition is needed: compare it, such as with '=='",
        ),
    ],
)
def test_each_mistake_is_told_at_its_place(text: str, place: str, message: str) -> None:
    with pytest.raises(ConditionSyntaxError) as caught:
        parse(text)
    error = caught.value
    assert error.message == message
    assert text[error.position : error.end] == place


@pytest.mark.parametrize("text", ["a / 3 > 2", "a // 3 > 2", "a ÷ 3 > 2"])
def test_there_is_no_sign_for_division(text: str) -> None:
    with pytest.raises(ConditionSyntaxError, match=r"write divide\(x, y, z\), z being"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("divide(a, b) > 1", "write divide(x, y, z), z being a number or unknown"),
        ("divide(a) > 1", "write divide(x, y, z)"),
        ("divide() > 1", "write divide(x, y, z)"),
        ("divide(a, b, c) > 1", "what stands for a division by 0 is a number, or unknown"),
        ("divide(a, b, 0, 1) > 1", "write divide(x, y, z)"),
        ("days_between(a) > 1", "write days_between(start, end)"),
        ("days_between(a, b, c) > 1", "write days_between(start, end)"),
        ("shift_days(a) > b", "write shift_days(day, count)"),
        ("shift_months(a, 1, 2) > b", "write shift_months(day, count)"),
        ("band(a) > 1", "write band(x, 1: 1, 5: 2, else: 0)"),
        ("band(a, 1: 1, else: 2, 3: 4) > 1", "write band(x, 1: 1, 5: 2, else: 0)"),
        ("case(a: 1, else: 2, b: 3) > 1", "write case(condition: value, else: value)"),
    ],
)
def test_a_call_with_the_wrong_parts_is_told_its_form(text: str, form: str) -> None:
    with pytest.raises(ConditionSyntaxError) as caught:
        parse(text)
    assert caught.value.message.startswith(form)


@pytest.mark.parametrize("count", [49, 50])
def test_levels_are_limited_in_calculations(count: int) -> None:
    # A comparison is a level, and so is each sum or call.
    for text in ["(" * (count - 1) + "a" + " + 1)" * (count - 1) + " > 1"]:
        if count < 50:
            parse(text)
        else:
            with pytest.raises(ConditionSyntaxError, match="at most 50 levels"):
                parse(text)


@pytest.mark.parametrize("text", ["+ 1" * 60, "* a" * 60])
def test_long_chains_are_refused_quickly(text: str) -> None:
    with pytest.raises(ConditionSyntaxError, match="at most 50 levels"):
        parse(f"a {text} > 1")


@pytest.mark.parametrize("open_", ["(", "case(a: ", "divide(", "not "])
def test_nothing_overflows_the_stack(open_: str) -> None:
    with pytest.raises(ConditionSyntaxError, match="at most 50 levels"):
        parse(open_ * (3_990 // len(open_)))


def test_a_tree_that_is_too_deep_is_refused_before_it_is_read() -> None:
    node: dict[str, object] = {"op": "field", "name": "a"}
    for _ in range(5_000):
        node = {"op": "+", "left": node, "right": {"op": "integer", "value": 1}}
    with pytest.raises(ValidationError, match="at most 50 levels"):
        Rule.model_validate({"when": {"op": "is_known", "item": node}})


def test_edges_of_bands_count_as_literals_of_lists() -> None:
    rows = ", ".join(f"{edge}: 1" for edge in range(400))
    many = " or ".join(f"band({name}, {rows}) > 1" for name in "ab")
    assert len(many) > 4_000
    bands = tuple((tree.IntegerValue(value=edge), 1) for edge in range(1_000))
    one = tree.Comparison(
        op=">",
        left=tree.Band(item=tree.FieldRef(name="a"), bands=bands),
        right=tree.IntegerValue(value=1),
    )
    assert tree.size_problem(tree.Or(terms=(one, one))) is None
    problem = tree.size_problem(tree.Or(terms=(one, one, one)))
    assert problem == "the lists of a condition have at most 2000 literals together"


@pytest.mark.parametrize(
    "given",
    [
        {"op": "divide", "dividend": {"op": "field", "name": "a"}},
        {"op": "shift_days", "day": {"op": "field", "name": "a"}, "count": 3},
        {"op": "band", "item": {"op": "field", "name": "a"}, "bands": []},
        {"op": "case", "rows": []},
        {"op": "/", "left": {"op": "field", "name": "a"}, "right": {"op": "field", "name": "b"}},
    ],
)
def test_a_tree_of_a_wrong_shape_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Rule.model_validate({"when": {"op": "is_known", "item": given}})


def test_places_do_not_count() -> None:
    spaced, tight = parse("a  >  1"), parse("a>1")
    assert spaced == tight
    assert hash(spaced) == hash(tight)
    assert (spaced.span, tight.span) == ((0, 7), (0, 3))
    assert tree.FieldRef(name="a").span is None
    assert pickle.loads(pickle.dumps(spaced)) == spaced


def test_every_part_knows_where_it_stands() -> None:
    text = "not (a + 2) * b > 1 or c in [3]"
    condition = parse(text)
    spans = {text[slice(*node.span)] for node, _ in tree.walk(condition) if node.span is not None}
    assert spans == {
        text, "not (a + 2) * b > 1", "(a + 2) * b > 1", "(a + 2) * b", "a + 2", "a", "2", "b", "1",
        "c in [3]", "c",
    }  # fmt: skip
