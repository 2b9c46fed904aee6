"""Conditions against an obvious evaluation of the same tree, one customer at a time."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import numpy as np
from hypothesis import assume, event, given
from hypothesis import strategies as st

from crmcore.columns import Column, Value
from crmcore.conditions import (
    Bound,
    ConditionSyntaxError,
    ConditionTrace,
    FieldType,
    bind,
    evaluate,
    explain,
    names,
    parse,
    to_text,
    tree,
)
from crmcore.tables import FirstMatch

TIERS = ("bronze", "silver", "gold")
FIELDS = {
    "count": FieldType("int"),
    "count_before": FieldType("int"),
    "total": FieldType("money", 2),
    "mean": FieldType("ratio", 2),
    "share": FieldType("ratio"),
    "spread": FieldType("float"),
    "blocked": FieldType("bool"),
    "tag:vip": FieldType("bool"),
    "bought_on": FieldType("date"),
    "seen_at": FieldType("instant"),
    "as_of": FieldType("instant"),
    "tier": FieldType("label", categories=TIERS, ordered=True),
    "tier_before": FieldType("label", categories=TIERS, ordered=True),
    "city": FieldType("text"),
}
ORDERED = ["count", "total", "mean", "share", "spread", "bought_on", "seen_at", "tier"]
UNORDERED = ["blocked", "city"]
PAIRS = [
    ("count", "count_before"),
    ("seen_at", "as_of"),
    ("tier", "tier_before"),
    ("bought_on", "bought_on"),
]
INT64 = st.integers(-(2**63), 2**63 - 1) | st.integers(-6, 6)
DAY = date(1970, 1, 1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


# --- what can be written -----------------------------------------------------------------------


def number(value: int | Decimal) -> tree.LiteralValue:
    if isinstance(value, int):
        return tree.IntegerValue(value=value)
    return tree.DecimalValue(value=value)


SMALL = st.integers(-6, 6).map(number)
DECIMALS = st.decimals(-6, 6, places=3).map(number)
TEXTS = st.text(max_size=6).map(lambda value: tree.TextValue(value=value))
LITERALS: Mapping[str, st.SearchStrategy[tree.LiteralValue]] = {
    "int": SMALL | DECIMALS | INT64.map(number),
    "money": SMALL | st.decimals(-6, 6, places=2).map(number),
    "ratio": SMALL | DECIMALS | st.decimals(-6, 6, places=20).map(number),
    "float": SMALL | DECIMALS,
    "bool": st.booleans().map(lambda value: tree.BoolValue(value=value)),
    "date": st.integers(-6, 6).map(
        lambda days: tree.TextValue(value=(DAY + timedelta(days=days)).isoformat())
    ),
    "instant": st.integers(-6, 6).map(
        lambda ticks: tree.TextValue(value=(EPOCH + timedelta(microseconds=ticks)).isoformat())
    ),
    "label": st.sampled_from(TIERS).map(lambda value: tree.TextValue(value=value)),
    "text": st.sampled_from(["ß", "ss", "e\u0301", "\u00e9", ""]).map(
        lambda value: tree.TextValue(value=value)
    ),
}
ALL_OPS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
EQUALITY = st.sampled_from(["==", "!="])


def ref(name: str) -> tree.FieldRef:
    return tree.FieldRef(name=name)


@st.composite
def comparisons(draw: st.DrawFn) -> tree.Condition:
    name = draw(st.sampled_from(ORDERED + UNORDERED))
    op = draw(ALL_OPS if name in ORDERED else EQUALITY)
    sides = [ref(name), draw(LITERALS[FIELDS[name].kind])]
    if draw(st.booleans()):
        sides.reverse()
    return tree.Comparison(op=op, left=sides[0], right=sides[1])


@st.composite
def pairs(draw: st.DrawFn) -> tree.Condition:
    left, right = draw(st.sampled_from(PAIRS))
    return tree.Comparison(op=draw(ALL_OPS), left=ref(left), right=ref(right))


@st.composite
def betweens(draw: st.DrawFn) -> tree.Condition:
    name = draw(st.sampled_from(ORDERED))
    literals = LITERALS[FIELDS[name].kind]
    return tree.Between(item=ref(name), low=draw(literals), high=draw(literals))


@st.composite
def memberships(draw: st.DrawFn) -> tree.Condition:
    name = draw(st.sampled_from(ORDERED + UNORDERED))
    items = draw(st.lists(LITERALS[FIELDS[name].kind], min_size=1, max_size=25))
    op = draw(st.sampled_from(["in", "not_in"]))
    return tree.Membership(op=op, item=ref(name), items=tuple(items))


@st.composite
def known_tests(draw: st.DrawFn) -> tree.Condition:
    op = draw(st.sampled_from(["is_known", "is_unknown"]))
    return tree.KnownTest(op=op, item=ref(draw(st.sampled_from(sorted(FIELDS)))))


LEAVES = (
    comparisons()
    | pairs()
    | betweens()
    | memberships()
    | known_tests()
    | st.sampled_from([ref("blocked"), ref("tag:vip"), tree.BoolValue(value=True)])
)


def branches(inner: st.SearchStrategy[tree.Condition]) -> st.SearchStrategy[tree.Condition]:
    terms = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return (
        terms.map(lambda found: tree.And(terms=found))
        | terms.map(lambda found: tree.Or(terms=found))
        | inner.map(lambda found: tree.Not(term=found))
    )


CONDITIONS = st.recursive(LEAVES, branches, max_leaves=8)
ANY_LITERAL = st.one_of(*LITERALS.values()) | TEXTS
ANY_LEAF = (
    st.builds(tree.Comparison, op=ALL_OPS, left=ANY_LITERAL | st.just(ref("a")), right=ANY_LITERAL)
    | st.builds(tree.Between, item=st.just(ref("a")), low=ANY_LITERAL, high=ANY_LITERAL)
    | st.builds(
        tree.Membership,
        op=st.sampled_from(["in", "not_in"]),
        item=st.just(ref("tag:in")),
        items=st.lists(ANY_LITERAL, min_size=1, max_size=5).map(tuple),
    )
    | LEAVES
)


# --- customers ---------------------------------------------------------------------------------


@st.composite
def columns_of(draw: st.DrawFn, wanted: frozenset[str], rows: int) -> dict[str, Column]:
    return {
        name: draw(column_of(FIELDS[name], 1 if name == "as_of" else rows))
        for name in sorted(wanted)
    }


@st.composite
def column_of(draw: st.DrawFn, type_: FieldType, rows: int) -> Column:
    known = np.array(draw(st.lists(st.booleans(), min_size=rows, max_size=rows)), np.bool_)
    mask = None if known.all() and draw(st.booleans()) else known

    def listed(values: st.SearchStrategy[object]) -> list[object]:
        return draw(st.lists(values, min_size=rows, max_size=rows))

    match type_.kind:
        case "bool":
            return Column("bool", np.array(listed(st.booleans()), np.bool_), mask)
        case "float":
            floats = np.array(listed(st.sampled_from([-1.5, -0.0, 0.1, 2.0, 1e300])), np.float64)
            floats[~known] = np.nan  # what is not known has no meaning, whatever stands there
            return Column("float", floats, mask)
        case "label":
            order = tuple(draw(st.permutations(TIERS)))
            codes = np.array(listed(st.integers(0, 2)), np.int64)
            codes[~known] = draw(st.sampled_from([-5, 77]))
            return Column("label", codes, mask, categories=order)
        case "text":
            texts = np.array(listed(st.sampled_from(["ß", "ss", "e\u0301", "\u00e9", ""])), object)
            texts[~known] = None
            return Column("text", texts, mask)
        case "ratio":
            tops = np.array(listed(INT64), np.int64)
            divisors = np.array(listed(st.integers(1, 9) | st.integers(1, 2**63 - 1)), np.int64)
            divisors[~known] = 0
            return Column("ratio", tops, mask, divisors, type_.exponent)
        case "date":
            return Column("date", np.array(listed(st.integers(-7, 7)), np.int64), mask)
        case "instant":
            return Column("instant", np.array(listed(st.integers(-7, 7)), np.int64), mask)
        case kind:
            values = np.array(listed(INT64 | st.integers(-600, 600)), np.int64)
            return Column(kind, values, mask, exponent=type_.exponent)


# --- the obvious evaluation --------------------------------------------------------------------


def obvious(node: tree.Condition, row: Mapping[str, Value]) -> bool | None:
    match node:
        case tree.BoolValue():
            return node.value
        case tree.FieldRef():
            return row[node.name]  # type: ignore[return-value]
        case tree.Not():
            found = obvious(node.term, row)
            return None if found is None else not found
        case tree.And():
            found_all = [obvious(term, row) for term in node.terms]
            return False if False in found_all else None if None in found_all else True
        case tree.Or():
            found_all = [obvious(term, row) for term in node.terms]
            return True if True in found_all else None if None in found_all else False
        case tree.KnownTest():
            return (row[node.item.name] is None) == (node.op == "is_unknown")
        case tree.Between():
            low = obvious_comparison(">=", node.item, node.low, row)
            high = obvious_comparison("<=", node.item, node.high, row)
            return None if low is None or high is None else low and high
        case tree.Membership():
            found_all = [obvious_comparison("==", node.item, item, row) for item in node.items]
            return None if None in found_all else any(found_all) == (node.op == "in")
        case tree.Comparison():
            return obvious_comparison(node.op, node.left, node.right, row)


def obvious_comparison(
    op: str, left: tree.Operand, right: tree.Operand, row: Mapping[str, Value]
) -> bool | None:
    name = next(side.name for side in (left, right) if isinstance(side, tree.FieldRef))
    a, b = (meaning(side, FIELDS[name], row) for side in (left, right))
    if a is None or b is None:
        return None
    return {"==": a == b, "!=": a != b, "<": a < b, "<=": a <= b, ">": a > b, ">=": a >= b}[op]


def meaning(side: tree.Operand, type_: FieldType, row: Mapping[str, Value]) -> object:
    value = row[side.name] if isinstance(side, tree.FieldRef) else side.value
    if value is None:
        return None
    match type_.kind:
        case "label":
            return TIERS.index(str(value))
        case "float":
            return float(value)
        case "date" if isinstance(value, str):
            return date.fromisoformat(value)
        case "instant" if isinstance(value, str):
            return datetime.fromisoformat(value)
        case "int" | "money" | "ratio":
            return Fraction(value)
        case _:
            return value


def row_of(columns: Mapping[str, Column], row: int) -> dict[str, Value]:
    return {name: column[0 if name == "as_of" else row] for name, column in columns.items()}


def bound_of(condition: tree.Condition) -> Bound:
    bound, problems = bind(condition, FIELDS, "here")
    assume([problem.code for problem in problems] == [] or reversed_only(problems))
    assume(bound is not None)
    assert bound is not None
    return bound


def reversed_only(problems: list[object]) -> bool:
    assert {problem.code for problem in problems} == {"reversed_edges"}
    return False


# --- laws --------------------------------------------------------------------------------------


@given(st.recursive(ANY_LEAF, branches, max_leaves=10))
def test_text_reads_back_as_the_same_tree(condition: tree.Condition) -> None:
    text = to_text(condition)
    assume(len(text) <= 4_000)
    assert parse(text) == condition
    assert to_text(parse(text)) == text


@given(st.text(max_size=60) | st.text('ab=<>!()[],-."01 andortisknweu', max_size=40))
def test_any_text_is_read_or_refused_with_a_position_inside(text: str) -> None:
    try:
        condition = parse(text)
    except ConditionSyntaxError as error:
        position = error.position
    else:
        assert parse(to_text(condition)) == condition
        position = 0
    assert 0 <= position <= len(text)


@given(st.data(), CONDITIONS, st.integers(0, 6))
def test_columns_agree_with_one_customer_at_a_time(
    data: st.DataObject, condition: tree.Condition, rows: int
) -> None:
    bound = bound_of(condition)
    columns = data.draw(columns_of(names(condition), rows))
    truth = evaluate(bound, columns, rows)
    assert len(truth.true) == rows
    for row in range(rows):
        expected = obvious(condition, row_of(columns, row))
        event(f"truth {expected}")
        assert truth[row] is expected
        assert not (truth.true[row] and expected is None)


@given(st.data(), CONDITIONS)
def test_an_explanation_agrees_with_the_columns(
    data: st.DataObject, condition: tree.Condition
) -> None:
    bound = bound_of(condition)
    columns = data.draw(columns_of(names(condition), 3))
    truth = evaluate(bound, columns, 3)
    for row in range(3):
        trace = explain(bound, columns, row)
        assert trace.truth is truth[row]
        assert trace.text == to_text(condition)
        check_trace(trace, row_of(columns, row))


def check_trace(trace: ConditionTrace, row: Mapping[str, Value]) -> None:
    if trace.field is not None:
        assert trace.value == row[trace.field]
    assert trace.truth is obvious(parse(trace.text), row)
    for term in trace.terms:
        check_trace(term, row)


@given(st.data(), CONDITIONS, CONDITIONS)
def test_kleene_laws(data: st.DataObject, a: tree.Condition, b: tree.Condition) -> None:
    columns = data.draw(columns_of(names(a) | names(b), 3))

    def found(condition: tree.Condition) -> list[bool | None]:
        truth = evaluate(bound_of(condition), columns, 3)
        return [truth[row] for row in range(3)]

    def negated(term: tree.Condition) -> tree.Condition:
        return tree.Not(term=term)

    both, either = tree.And(terms=(a, b)), tree.Or(terms=(a, b))
    assert found(negated(negated(a))) == found(a)
    assert found(negated(both)) == found(tree.Or(terms=(negated(a), negated(b))))
    assert found(negated(either)) == found(tree.And(terms=(negated(a), negated(b))))
    assert found(both) == found(tree.And(terms=(b, a)))
    assert found(tree.And(terms=(a, either))) == found(a)
    assert found(tree.Or(terms=(a, both))) == found(a)


@given(st.data(), CONDITIONS)
def test_learning_a_value_never_changes_what_was_decided(
    data: st.DataObject, condition: tree.Condition
) -> None:
    tests = [node for node, _ in tree._walk(condition) if isinstance(node, tree.KnownTest)]
    assume(not tests)  # whether a value is known is what these ask
    bound = bound_of(condition)
    later = data.draw(columns_of(names(condition), 4))
    earlier = dict(later)
    for name in sorted(names(condition)):
        column = later[name]
        forgotten = np.array(
            data.draw(st.lists(st.booleans(), min_size=len(column), max_size=len(column))), np.bool_
        )
        earlier[name] = Column(
            column.kind,
            column.values,
            column.is_known() & ~forgotten,
            column.divisor,
            column.exponent,
            column.categories,
        )
    before, after = evaluate(bound, earlier, 4), evaluate(bound, later, 4)
    for row in range(4):
        assert before[row] is None or before[row] is after[row]


@given(
    st.data(),
    st.lists(st.tuples(CONDITIONS, st.sampled_from(["a", "b", "gold"])), min_size=1, max_size=4),
    st.sampled_from([None, "a", "rest", "@tier"]),
    st.sampled_from(["skip", "default"]),
)
def test_tables_agree_with_one_customer_at_a_time(
    data: st.DataObject,
    first: list[tuple[tree.Condition, str]],
    otherwise: str | None,
    unknown: str,
) -> None:
    assume(len({condition for condition, _ in first}) == len(first))
    for condition, _ in first:
        bound_of(condition)
    table = FirstMatch.model_validate({"first": first, "otherwise": otherwise, "unknown": unknown})
    bound, problems = table.bind(FIELDS, "class")
    assert bound is not None, problems
    columns = data.draw(columns_of(table.names(), 5))
    label, matched = bound.apply(columns, 5)
    for row in range(5):
        values = row_of(columns, row)
        last = values["tier"] if otherwise == "@tier" else otherwise
        expected = (last, -2 if last is None else -1)
        for place, (condition, name) in enumerate(first):
            truth = obvious(condition, values)
            if truth or (truth is None and unknown == "default"):
                expected = (name, place) if truth else expected
                break
        event(f"matched {min(expected[1], 0)}")
        assert (label[row], matched[row]) == expected
