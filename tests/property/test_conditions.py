"""Laws of conditions: text and tree, Kleene, knowing more, and first-match tables."""

from __future__ import annotations

import numpy as np
import reference
from expressions import (
    ALL_OPS,
    CONDITIONS,
    FIELDS,
    LITERALS,
    asking,
    bound_of,
    columns_of,
    row_of,
    text,
)
from hypothesis import assume, event, given
from hypothesis import strategies as st

from crmcore.calendars import zone
from crmcore.columns import Column
from crmcore.conditions import (
    Bound,
    ConditionSyntaxError,
    ConditionTrace,
    Truth,
    evaluate,
    explain,
    names,
    parse,
    to_text,
)
from crmcore.conditions.evaluators.domains import checked_fields
from crmcore.conditions.language import tree
from crmcore.tables import FirstMatch

ANY_LITERAL = st.one_of(*LITERALS.values()) | st.text(max_size=6).map(text)
A = tree.FieldRef(name="a")
ANY_LEAF = (
    st.builds(tree.Comparison, op=ALL_OPS, left=ANY_LITERAL | st.just(A), right=ANY_LITERAL)
    | st.builds(tree.Between, item=st.just(A), low=ANY_LITERAL, high=ANY_LITERAL)
    | st.builds(
        tree.Membership,
        op=st.sampled_from(["in", "not_in"]),
        item=st.just(tree.FieldRef(name="tag:in")),
        items=st.lists(ANY_LITERAL, min_size=1, max_size=5).map(tuple),
    )
    | CONDITIONS
)


def branches(inner: st.SearchStrategy[tree.Condition]) -> st.SearchStrategy[tree.Condition]:
    terms = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return (
        terms.map(lambda found: tree.And(terms=found))
        | terms.map(lambda found: tree.Or(terms=found))
        | inner.map(lambda found: tree.Not(term=found))
    )


def usable(condition: tree.Condition) -> Bound:
    """The condition bound; another one is drawn where it may overflow."""
    bound = bound_of(condition)
    assume(bound is not None)
    assert bound is not None
    return bound


def columns_for(
    draw: st.DrawFn, rows: int, *conditions: tree.Condition, more: frozenset[str] = frozenset()
) -> dict[str, Column]:
    checked = [field.name for field in checked_fields([usable(one) for one in conditions])]
    wanted = more.union(*(names(one) for one in conditions))
    return draw(columns_of(wanted, rows, checked))


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


@given(st.data(), CONDITIONS)
def test_an_explanation_agrees_with_the_columns(
    data: st.DataObject, condition: tree.Condition
) -> None:
    columns = columns_for(data.draw, 3, condition)
    bound = usable(condition)
    truth = evaluate(bound, columns, 3)
    for row in range(3):
        trace = explain(bound, columns, row)
        assert trace.truth is truth[row]
        assert trace.text == to_text(condition)
        check_trace(trace, columns, row)


def check_trace(trace: ConditionTrace, columns: dict[str, Column], row: int) -> None:
    values = row_of(columns, row)
    if trace.field is not None:
        assert trace.value == values[trace.field]
    assert trace.truth is reference.truth(reference.parse(trace.text), asking(values))
    for term in trace.terms:
        check_trace(term, columns, row)


@given(st.data(), CONDITIONS, CONDITIONS)
def test_kleene_laws(data: st.DataObject, a: tree.Condition, b: tree.Condition) -> None:
    columns = columns_for(data.draw, 3, a, b)

    def found(condition: tree.Condition) -> list[bool | None]:
        truth: Truth = evaluate(usable(condition), columns, 3)
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
    # Whether a value is known is what some ask, and a case may go on to its next row.
    asks = (tree.KnownTest, tree.Case, tree.Divide)
    assume(not any(isinstance(node, asks) for node, _ in tree.walk(condition)))
    bound = usable(condition)
    later = columns_for(data.draw, 4, condition)
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
        usable(condition)
    table = FirstMatch.model_validate({"first": first, "otherwise": otherwise, "unknown": unknown})
    bound, problems = table.bind(FIELDS, "class", zone=zone("UTC"))
    assert bound is not None, problems
    columns = columns_for(data.draw, 5, *(one for one, _ in first), more=table.names())
    label, matched = bound.apply(columns, 5)
    for row in range(5):
        values = row_of(columns, row)
        last = values["tier"] if otherwise == "@tier" else otherwise
        expected = (last, -2 if last is None else -1)
        for place, (condition, name) in enumerate(first):
            truth = reference.truth(reference.parse(to_text(condition)), asking(values))
            if truth or (truth is None and unknown == "default"):
                expected = (name, place) if truth else expected
                break
        event(f"matched {min(expected[1], 0)}")
        assert (label[row], matched[row]) == expected
