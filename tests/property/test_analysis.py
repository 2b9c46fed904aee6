"""The analysis of tables against every customer there could be, one by one."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from crmcore.analysis import Customer, Space, TableRegions, TableVerdicts, replay
from crmcore.conditions import BoundTerms, evaluate
from crmcore.errors import PolicyError
from crmcore.evaluation import Evaluation
from crmcore.policy import Policy, load_policy
from crmcore.segments import TableStep
from crmcore.workbench.checking import CheckReport, check

BASE = {
    "format": 1,
    "name": "small",
    "zone": "UTC",
    "currency": {"code": "EUR", "exponent": 2},
    "sale_statuses": ["delivered"],
}
ATTRIBUTES = {
    "age": {"type": "int", "personal": False},
    "visits": {"type": "int", "personal": False},
    "vip": {"type": "bool", "personal": False},
    "size": {"type": "label", "values": ["s", "m", "l"], "ordered": True, "personal": False},
}
# One value below, at and above each number that conditions name, and missing.
VALUES = {
    "age": [*range(-1, 5), None],
    "visits": [*range(-1, 5), None],
    "vip": [False, True, None],
    "size": ["s", "m", "l", None],
}
NUMBERS = st.integers(0, 3)
CALCULATIONS = [
    "{0} * 2 - 1",
    "3 - {0}",
    "band({0}, 1: 2, 3: 4, else: 0)",
    "band({0}, 2: 1)",
    "case({0} > 2: 1, vip: 2, else: 3)",
    'case(size == "s": 1, {0} is known: 2)',
]
COMPARED = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])


@st.composite
def single_test(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from([*VALUES]))
    kind = draw(st.sampled_from(["compare", "compare", "between", "in", "known", "calculate"]))
    if kind == "known":
        return f"{name} is {draw(st.sampled_from(['known', 'unknown']))}"
    if name == "vip":
        return draw(st.sampled_from(["vip", "not vip", "vip == false"]))
    if name == "size":
        return f'size {draw(COMPARED)} "{draw(st.sampled_from("sml"))}"'
    if kind == "calculate":
        value = draw(st.sampled_from(CALCULATIONS)).format(name)
        return f"{value} {draw(COMPARED)} {draw(NUMBERS)}"
    if kind == "in":
        listed = ", ".join(map(str, draw(st.lists(NUMBERS, min_size=1, max_size=3))))
        return f"{name} {draw(st.sampled_from(['in', 'not in']))} [{listed}]"
    if kind == "between":
        low, high = sorted((draw(NUMBERS), draw(NUMBERS)))
        return f"{name} between {low} and {high}"
    return f"{name} {draw(COMPARED)} {draw(NUMBERS)}"


@st.composite
def joined(draw: st.DrawFn, depth: int = 2) -> str:
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(single_test())
    terms = [draw(joined(depth - 1)) for _ in range(draw(st.integers(2, 3)))]
    text = draw(st.sampled_from([" and ", " or "])).join(f"({term})" for term in terms)
    return f"not ({text})" if draw(st.integers(0, 3)) == 0 else text


@st.composite
def lists(draw: st.DrawFn) -> dict[str, object]:
    conditions = draw(st.lists(joined(), min_size=1, max_size=6, unique=True))
    rows = [[condition, draw(st.sampled_from(["x", "y", "z"]))] for condition in conditions]
    table: dict[str, object] = {
        "first": rows,
        "unknown": draw(st.sampled_from(["skip", "default"])),
    }
    if draw(st.booleans()):
        table["otherwise"] = draw(st.sampled_from(["x", "rest"]))
    return table


def policy_of(table: dict[str, object]) -> Policy:
    try:
        return load_policy({**BASE, "attributes": ATTRIBUTES, "segment": table})
    except PolicyError as error:
        assume({problem.code for problem in error.problems} != {"duplicate_condition"})
        raise


class Grid:
    """Every customer there could be, evaluated."""

    def __init__(self, space: Space, step: TableStep, customers: list[Customer]) -> None:
        self.result: Evaluation = replay(space.policies[0], customers, space.scene)
        self.columns = {**self.result.columns, **space.given[0]}
        self.table = step.table
        labels, self.matched = self.table.apply(self.columns, len(customers))
        self.labels = np.where(labels.is_known(), labels.values.astype(np.int64), -1)
        self.truths = [self.true(one) for one in self.table.conditions]

    def true(self, condition: object) -> np.ndarray:
        return evaluate(condition, self.columns, len(self.labels)).true

    def free(self, at: int) -> np.ndarray:
        """Whom no row before this one has decided about."""
        found = np.ones(len(self.labels), np.bool_)
        for one in self.table.conditions[:at]:
            truth = evaluate(one, self.columns, len(self.labels))
            known = True if truth.known is None else truth.known
            found &= ~truth.true & (known if self.table.unknown == "default" else True)
        return found

    def kind(self, at: int) -> str:
        if (self.free(at) & self.truths[at]).any():
            return "decides"
        return "masked" if self.truths[at].any() else "never_true"

    def overlaps(self) -> set[tuple[int, int]]:
        pairs = combinations(range(len(self.truths)), 2)
        return {(a, b) for a, b in pairs if (self.truths[a] & self.truths[b]).any()}

    def alike(self, at: int) -> np.ndarray:
        """For whom another row with the same label holds."""
        labels = self.table.labels
        same = [one for one in range(len(labels)) if one != at and labels[one] == labels[at]]
        return np.logical_or.reduce(
            [np.zeros(len(self.labels), np.bool_), *(self.truths[one] for one in same)]
        )

    def idle_terms(self, at: int) -> set[int]:
        bound, found = self.table.conditions[at], set()
        for own in range(len(bound.terms)) if isinstance(bound, BoundTerms) else ():
            rest = [self.true(term) for spot, term in enumerate(bound.terms) if spot != own]
            join = np.logical_and if bound.op == "and" else np.logical_or
            changed = join.reduce(rest) != self.truths[at]
            if not (self.free(at) & changed).any() and not (changed & ~self.alike(at)).any():
                found.add(own)
        return found


def everybody() -> list[Customer]:
    return [dict(zip(VALUES, values, strict=True)) for values in product(*VALUES.values())]


@given(lists())
def test_verdicts_are_those_of_everybody(table: dict[str, object]) -> None:
    policy = policy_of(table)
    space = Space.of([policy])
    step = policy.step("segment")
    assert isinstance(step, TableStep)
    grid = Grid(space, step, everybody())
    verdicts = TableVerdicts(TableRegions(space, step))
    for at, verdict in enumerate(verdicts.rows):
        assert verdict.kind == grid.kind(at)
        assert set(verdicts.idle_terms(at)) == grid.idle_terms(at)
    assert (verdicts.left is None) == (not (grid.matched < 0).any())
    assert set(verdicts.overlaps()) == grid.overlaps()


@given(lists())
def test_masking_rows_do_mask_and_none_of_them_is_needless(table: dict[str, object]) -> None:
    policy = policy_of({**table, "unknown": "skip"})
    space = Space.of([policy])
    step = policy.step("segment")
    assert isinstance(step, TableStep)
    grid = Grid(space, step, everybody())
    for at, verdict in enumerate(TableVerdicts(TableRegions(space, step)).rows):
        if verdict.kind == "masked":
            by = [grid.truths[one] for one in verdict.by]
            nobody = np.zeros(len(grid.labels), np.bool_)
            assert not (grid.truths[at] & ~np.logical_or.reduce(by)).any()
            for spot in range(len(by)):
                fewer = np.logical_or.reduce([*by[:spot], *by[spot + 1 :], nobody])
                assert (grid.truths[at] & ~fewer).any()


@given(lists())
def test_fields_without_effect_are_those_of_everybody(table: dict[str, object]) -> None:
    policy = policy_of(table)
    space = Space.of([policy])
    step = policy.step("segment")
    assert isinstance(step, TableStep)
    labels = Grid(space, step, everybody()).labels.reshape([len(one) for one in VALUES.values()])
    regions = TableRegions(space, step)
    verdicts = TableVerdicts(regions)
    found = {axis.name for at in verdicts.idle_blocks() for axis in regions.blocks[at].axes}
    idle = {
        name
        for at, name in enumerate(VALUES)
        if (labels.min(at) == labels.max(at)).all() and name in step.needs
    }
    # Of fields that one calculation joins, only all together are told to be idle.
    alone = {block.axes[0].name for block in regions.blocks if len(block.axes) == 1}
    assert found <= idle
    assert found & alone == idle & alone


def all_shown(report: CheckReport) -> int:
    """Replay everybody who shows something; return how many that are."""
    count = 0
    for finding in report.findings:
        for shown in finding.shown:
            again = replay(report.policy, [shown.customer], report.scene)[0]
            assert {name: again[name] for name in shown.result} == shown.result
            count += 1
    return count


@given(lists())
def test_everybody_shown_replays(table: dict[str, object]) -> None:
    report = check(policy_of(table))
    all_shown(report)
    space = Space.of([report.policy])
    step = report.policy.step("segment")
    assert isinstance(step, TableStep)
    grid = Grid(space, step, everybody())
    codes = {finding.code for finding in report.findings}
    assert ("hole" in codes) == bool((grid.labels < 0).any())
    assert "undecided" not in codes
    for finding in report.findings:
        if finding.code == "hole":
            assert finding.result is not None
            assert finding.result["segment"] is None
        if finding.code in ("masked", "conflict", "repeated"):
            assert grid.kind(finding.rows[-1]) == "masked"
        if finding.code == "never_true":
            assert grid.kind(finding.rows[0]) == "never_true"


# With facts, scores and a grade: not all that can be written down can happen


FACTS = {
    "sale_count": {"of": "sale", "take": "count"},
    "order_count": {"of": "order", "take": "count"},
    "mean_sale": {"of": "sale", "take": "mean"},
}
MEANS = [Fraction(half, 2) for half in range(-1, 6)]
NAMED = {
    "sale_count": [0, 1, 2, 3, 4],
    "order_count": [0, 1, 2, 3, 4],
    "mean_sale": [0, 1, 2],
    "count_points": [1, 2, 5],
    "mean_points": [1, 3],
    "total": [2, 3, 4, 5, 6, 7, 8],
}


@st.composite
def scored(draw: st.DrawFn) -> dict[str, object]:
    counts = draw(st.permutations([1, 2, 5]))
    scores: dict[str, object] = {
        "count_points": {
            "fact": "sale_count",
            "from": [[1, counts[0]], [2, counts[1]], [4, counts[2]]],
        },
        "mean_points": {"fact": "mean_sale", "from": [["0.00", 1], ["1.00", 3]], "below": 1},
        "total": {"weights": {"count_points": draw(st.sampled_from([1, -1])), "mean_points": 1}},
    }
    if draw(st.booleans()):
        scores["count_points"] |= {"below": 2}  # type: ignore[operator]
    rows = []
    for _ in range(draw(st.integers(1, 5))):
        terms = []
        for _ in range(draw(st.integers(1, 3))):
            name = draw(st.sampled_from([*NAMED]))
            number = draw(st.sampled_from(NAMED[name]))
            terms.append(f"{name} {draw(COMPARED)} {number}")
        rows.append(draw(st.sampled_from([" and ", " or "])).join(terms))
    table: dict[str, object] = {"first": [[one, f"l{at % 3}"] for at, one in enumerate(rows)]}
    edge = draw(st.integers(0, 6))
    if draw(st.booleans()):
        table["otherwise"] = "@grade"
    grade = {"score": "total", "from": [[edge, "low"], [edge + 3, "high"]]}
    return {"facts": FACTS, "scores": scores, "grade": grade, "table": table}


def who_orders() -> list[Customer]:
    """Customers with orders, of whom some are sales, which have a mean value."""
    found: list[Customer] = []
    for orders, sales in product(range(7), range(7)):
        if sales <= orders:
            for mean in MEANS if sales else [None]:
                found.append({"order_count": orders, "sale_count": sales, "mean_sale": mean})
    return found


@given(scored())
def test_verdicts_are_those_of_everybody_who_can_order(given: dict[str, object]) -> None:
    table = given.pop("table")
    assert isinstance(table, dict)
    rows = table["first"]
    if len({text for text, _ in rows}) < len(rows):
        return
    policy = load_policy({**BASE, **given, "segment": table})
    space = Space.of([policy])
    step = policy.step("segment")
    assert isinstance(step, TableStep)
    grid = Grid(space, step, who_orders())
    verdicts = TableVerdicts(TableRegions(space, step))
    for at, verdict in enumerate(verdicts.rows):
        assert verdict.kind == grid.kind(at)
    assert set(verdicts.overlaps()) == grid.overlaps()
    report = check(policy)
    all_shown(report)
    codes = {finding.code for finding in report.findings}
    assert ("hole" in codes) == bool((grid.labels < 0).any())
    grades = grid.result.columns["grade"]
    for at, label in enumerate(grades.categories):
        given_to_some = bool((grades.is_known() & (grades.values == at)).any())
        said = any(
            finding.path == "grade" and repr(label) in finding.message
            for finding in report.findings
            if finding.code == "unreachable"
        )
        assert said is not given_to_some
