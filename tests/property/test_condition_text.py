"""Text and tree are two spellings of one condition, whatever the tree."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from crmcore.conditions import Condition, ConditionSyntaxError, parse, to_text
from crmcore.conditions.language import tree
from crmcore.conditions.language.tree import Operand

CONDITIONS: TypeAdapter[Condition] = TypeAdapter(Condition)
NAMES = (
    "a",
    "sale_count",
    "tag:vip",
    "above",
    "below",
    "band",
    "case",
    "divide",
    "tag",
    "elsewhere",
)

fields = st.sampled_from(NAMES).map(lambda name: tree.FieldRef(name=name))
integers = st.integers(-(10**20), 10**20).map(lambda value: tree.IntegerValue(value=value))
decimals = st.decimals(
    min_value=-(10**9), max_value=10**9, places=3, allow_nan=False, allow_infinity=False
).map(lambda value: tree.DecimalValue(value=Decimal(value)))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(
    lambda value: tree.TextValue(value=value)
)
bools = st.booleans().map(lambda value: tree.BoolValue(value=value))
literals = integers | decimals | texts | bools
points = st.integers(-tree.MAX_POINTS, tree.MAX_POINTS)


def operands(values: st.SearchStrategy[Operand]) -> st.SearchStrategy[Operand]:
    """Return values made of other values."""
    return (
        st.builds(tree.Arithmetic, op=st.sampled_from("+-*"), left=values, right=values)
        | st.builds(
            tree.Divide,
            dividend=values,
            divisor=values,
            zero=integers | decimals | st.just("unknown"),
        )
        | st.builds(tree.DaysBetween, start=values, end=values)
        | st.builds(
            tree.Shift,
            op=st.sampled_from(["shift_days", "shift_months"]),
            day=values,
            count=values,
        )
        | st.builds(
            tree.Band,
            item=values,
            bands=st.lists(st.tuples(literals, points), min_size=1, max_size=3).map(tuple),
            otherwise=st.none() | points,
        )
        | st.builds(
            tree.Case,
            rows=st.lists(st.tuples(asked(values), values), min_size=1, max_size=2).map(tuple),
            otherwise=st.none() | values,
        )
    )


def asked(values: st.SearchStrategy[Operand]) -> st.SearchStrategy[Condition]:
    """Return conditions that ask about values."""
    signs = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    edges = st.sampled_from(["both", "low", "high", "neither"])
    return (
        fields
        | bools
        | st.builds(tree.Comparison, op=signs, left=values, right=values)
        | st.builds(tree.Between, item=values, low=values, high=values, edges=edges)
        | st.builds(
            tree.Membership,
            op=st.sampled_from(["in", "not_in"]),
            item=values,
            items=st.lists(literals, min_size=1, max_size=3).map(tuple),
        )
        | st.builds(tree.KnownTest, op=st.sampled_from(["is_known", "is_unknown"]), item=values)
    )


def joined(conditions: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    """Return conditions made of other conditions."""
    several = st.lists(conditions, min_size=2, max_size=3).map(tuple)
    return (
        st.builds(tree.And, terms=several)
        | st.builds(tree.Or, terms=several)
        | st.builds(tree.Not, term=conditions)
    )


values = st.recursive(fields | literals, operands, max_leaves=6)
conditions = st.recursive(asked(values), joined, max_leaves=6)


@given(conditions)
def test_text_reads_back_as_the_same_tree(condition: Condition) -> None:
    text = to_text(condition)
    if len(text) <= 4_000 and tree.size_problem(condition) is None:
        assert parse(text) == condition
        assert to_text(parse(text)) == text


@given(conditions)
def test_json_reads_back_as_the_same_tree(condition: Condition) -> None:
    text = CONDITIONS.dump_json(condition, exclude_none=True).decode()
    assert CONDITIONS.validate_json(text) == condition
    assert json.loads(text)["op"] == condition.op


@given(conditions)
def test_every_node_knows_its_place_in_the_text(condition: Condition) -> None:
    text = to_text(condition)
    if len(text) > 4_000 or tree.size_problem(condition) is not None:
        return
    read = parse(text)
    assert read.span == (0, len(text))
    for name in _references(read):
        assert name.span is not None
        start, end = name.span
        assert text[start:end] == name.name


def _references(condition: Condition) -> list[tree.FieldRef]:
    return [node for node, _ in tree.walk(condition) if isinstance(node, tree.FieldRef)]


@given(st.text(st.sampled_from('ab=<>!&|()[],.:+-*/%^"\\ 013_andorif\n\u202eé'), max_size=30))
def test_any_text_is_read_or_refused_with_its_place(text: str) -> None:
    found = _read(text)
    if isinstance(found, ConditionSyntaxError):
        assert 0 <= found.position <= found.end <= len(text)
        assert found.message
    else:
        assert parse(to_text(found)) == found


def _read(text: str) -> Condition | ConditionSyntaxError:
    try:
        return parse(text)
    except ConditionSyntaxError as error:
        return error
