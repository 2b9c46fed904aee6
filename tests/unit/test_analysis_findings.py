"""Each finding of a check: a policy that shows it, and its nearest neighbour that does not."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

import pytest

import crmcore as crm
from crmcore.analysis import TableRegions, TableVerdicts, replay

BASE = {
    "format": 1,
    "name": "small",
    "zone": "Europe/Berlin",
    "currency": {"code": "EUR", "exponent": 2},
    "sale_statuses": ["delivered"],
}
SALES = {"fact": "sale_count", "from": [[1, 1], [3, 2], [5, 3]], "below": 0}
ATTRIBUTES = {
    "age": {"type": "int", "personal": False},
    "vip": {"type": "bool", "personal": False},
}


def checked(**rest: object) -> crm.CheckReport:
    """Check a policy; everybody shown is evaluated once more."""
    report = crm.check(crm.load_policy({**BASE, **rest}))
    for finding in report.findings:
        for shown in finding.shown:
            again = replay(report.policy, [shown.customer], report.scene)[0]
            assert {name: again[name] for name in shown.result} == shown.result
    return report


def segment(*rows: tuple[str, str], **rest: object) -> dict[str, object]:
    return {"segment": {"first": [list(row) for row in rows], **rest}, "attributes": ATTRIBUTES}


def found(report: crm.CheckReport, code: str) -> list[crm.PolicyFinding]:
    return [finding for finding in report.findings if finding.code == code]


def only(report: crm.CheckReport, code: str) -> crm.PolicyFinding:
    (finding,) = found(report, code)
    return finding


# Lists


def test_a_list_that_leaves_somebody_without_label() -> None:
    hole = only(checked(**segment(("sale_count > 3", "many"), ("sale_count < 3", "few"))), "hole")
    assert (hole.severity, hole.path) == ("error", "segment")
    assert hole.witness is not None
    assert hole.result is not None
    assert hole.witness["sale_count"] == 3
    assert hole.result["segment"] is None
    assert not found(
        checked(**segment(("sale_count > 3", "many"), ("sale_count <= 3", "few"))), "hole"
    )
    whole = segment(("sale_count > 3", "many"), otherwise="few")
    assert not found(checked(**whole), "hole")


def test_a_missing_value_may_leave_somebody_without_label() -> None:
    rows = (("age >= 18", "adult"), ("age < 18", "young"))
    hole = only(checked(**segment(*rows)), "hole")
    assert hole.witness is not None
    assert hole.witness["age"] is None
    assert not found(checked(**segment(*rows, ("age is unknown", "unknown"))), "hole")


def test_what_is_unknown_may_go_to_otherwise_without_label() -> None:
    rows = (("age >= 18", "adult"), ("true", "young"))
    assert not found(checked(**segment(*rows)), "hole")
    hole = only(checked(**segment(*rows, unknown="default")), "hole")
    assert hole.witness is not None
    assert hole.witness["age"] is None
    assert not found(checked(**segment(*rows, unknown="default", otherwise="young")), "hole")
    assert not found(checked(**segment(*rows, unknown="error")), "hole")


def test_customers_whom_another_list_refuses_are_not_shown() -> None:
    table = {"first": [["age >= 18", "adult"], ["age < 18", "young"]], "unknown": "error"}
    other = {"first": [["vip", "vip"], ["not vip", "not_vip"], ["vip is known", "never"]]}
    report = checked(**{"class": table}, segment=other, attributes=ATTRIBUTES)
    hole = only(report, "hole")
    assert (hole.path, hole.witness and hole.witness["vip"]) == ("segment", None)
    assert hole.witness is not None
    assert hole.witness["age"] is not None
    masked = only(report, "masked")
    assert masked.witness is not None
    strict = {"first": [["age >= 18", "adult"]], "unknown": "error"}
    points = {"fact": "age", "from": [[1, 1], [5, 3], [9, 2]]}
    report = checked(**{"class": strict}, scores={"points": points}, attributes=ATTRIBUTES)
    assert found(report, "hole")
    assert found(report, "turning")


def graded(*first: tuple[str, str]) -> dict[str, object]:
    return {
        "grade": {
            "fact": "mean_sale",
            "from": [["0.00", "low"], ["50.00", "high"]],
            "below": "low",
        },
        "class": {"first": [list(row) for row in first], "otherwise": "@grade"},
        "facts": {"sale_count": {"of": "sale", "take": "count"}},
    }


def test_a_reference_that_gives_some_no_label() -> None:
    hole = only(checked(**graded(("blocked", "out"))), "hole")
    assert hole.path == "class.otherwise"
    assert hole.witness is not None
    assert hole.witness["mean_sale"] is None
    assert not found(checked(**graded(("blocked", "out"), ("sale_count == 0", "none"))), "hole")


def test_a_grade_that_nobody_brings_to_otherwise() -> None:
    never = only(
        checked(**graded(("mean_sale < 50", "cheap"), ("sale_count == 0", "none"))), "unreachable"
    )
    assert never.path == "class.otherwise"
    assert "'low'" in never.message
    spared = checked(**graded(("mean_sale < 49", "cheap"), ("sale_count == 0", "none")))
    assert not found(spared, "unreachable")


def test_a_row_that_earlier_rows_mask_together() -> None:
    rows = (("sale_count > 5", "many"), ("sale_count < 4", "few"), ("vip", "vip"))
    masked = only(
        checked(**segment(*rows[:2], ("sale_count not in [4, 5]", "odd"), otherwise="x")), "masked"
    )
    assert (masked.severity, masked.path, masked.rows) == ("warning", "segment.first.2", (0, 1, 2))
    assert masked.message == (
        'never decides: rows 0 ["sale_count > 5" → many], 1 ["sale_count < 4" → few] '
        "together hold for all of its customers; nothing else gives 'odd'"
    )
    assert masked.where == 'segment.first.2 ["sale_count not in [4, 5]" → odd]'
    assert masked.result is not None
    assert masked.result["segment"] in ("many", "few")
    spared = segment(*rows[:2], ("sale_count not in [4, 6]", "odd"), otherwise="x")
    assert not found(checked(**spared), "masked")


def test_a_masked_row_is_masked_only_by_the_rows_it_needs() -> None:
    rows = (("vip", "vip"), ("sale_count > 5", "many"), ("sale_count > 6", "most"))
    assert only(checked(**segment(*rows)), "masked").rows == (1, 2)


def test_rows_that_hold_for_the_same_customers() -> None:
    conflict = only(
        checked(**segment(("sale_count > 3", "a"), ("sale_count >= 4", "b"))), "conflict"
    )
    assert (conflict.severity, conflict.rows) == ("error", (0, 1))
    repeated = only(
        checked(**segment(("sale_count > 3", "a"), ("sale_count >= 4", "a"))), "repeated"
    )
    assert repeated.severity == "warning"
    spared = checked(**segment(("sale_count > 3", "a"), ("sale_count >= 3", "b")))
    assert not found(spared, "conflict") + found(spared, "masked")


@pytest.mark.parametrize(
    ("never", "possible"),
    [
        ("sale_count > 5 and sale_count < 6", "sale_count > 5 and sale_count < 7"),
        ("sale_count < 0", "sale_count <= 0"),
        ("age > 3 and age is unknown", "age > 3 or age is unknown"),
        ("sale_count > order_count", "sale_count >= order_count"),
        ("net_sales > 5 and mean_sale is unknown and sale_count > 0", "net_sales < 5"),
    ],
)
def test_a_condition_that_holds_for_nobody(never: str, possible: str) -> None:
    report = checked(**segment((never, "a"), otherwise="b"))
    codes = {finding.code for finding in report.findings}
    # Two facts compared with each other are tried on customers only.
    expected = "undecided" if "order_count" in never else "never_true"
    assert expected in codes
    report = checked(**segment((possible, "a"), otherwise="b"))
    assert not {"never_true", "undecided"} & {finding.code for finding in report.findings}


def test_rows_that_hold_together() -> None:
    overlap = only(
        checked(**segment(("sale_count > 3", "a"), ("vip", "b"), otherwise="c")), "overlap"
    )
    assert (overlap.severity, overlap.rows) == ("note", (0, 1))
    assert overlap.message.startswith("one pair of rows holds together")
    assert overlap.witness is not None
    assert overlap.witness["vip"] is True
    alike = checked(**segment(("sale_count > 3", "a"), ("vip", "a"), otherwise="c"))
    assert found(alike, "overlap_alike")
    assert not found(alike, "overlap")
    spared = checked(**segment(("sale_count > 3", "a"), ("sale_count < 3", "b"), otherwise="c"))
    assert not found(spared, "overlap") + found(spared, "overlap_alike")


def test_rows_are_named_by_what_they_say_cut_off_where_it_is_long() -> None:
    long = "sale_count >= 3 and order_count >= 3 and sale_count < 9"
    rows = (("sale_count >= 3", "many"), (long, "some"))
    masked = only(checked(**segment(*rows, otherwise="x")), "masked")
    assert masked.where == 'segment.first.1 ["sale_count >= 3 and order_count >= 3 an…" → some]'
    assert 'row 0 ["sale_count >= 3" → many] holds' in masked.message


def test_very_many_pairs_are_counted_and_one_is_named() -> None:
    rows = [(f"sale_count > {at}", f"l{at}") for at in reversed(range(12))]
    message = only(checked(**segment(*rows)), "overlap").message
    assert message.startswith("66 pairs of rows hold together")
    assert message.endswith(": such as 0 and 1")


def test_terms_that_could_be_left_out() -> None:
    rows = (("sale_count > 5", "many"), ("sale_count > 3 and sale_count > 2 and vip", "vip"))
    idle = only(checked(**segment(*rows, otherwise="x")), "idle_term")
    assert (idle.severity, idle.path, idle.rows) == ("note", "segment", (1,))
    assert idle.message.startswith("one term could be left out alone")
    assert idle.message.endswith(": 'sale_count > 2' of row 1")
    spared = (("sale_count > 5", "many"), ("sale_count > 3 and sale_count != 4 and vip", "vip"))
    assert not found(checked(**segment(*spared, otherwise="x")), "idle_term")


def test_terms_that_keep_rows_apart_are_there_on_purpose() -> None:
    apart = (("sale_count > 5", "many"), ("sale_count <= 5 and vip", "vip"))
    assert not found(checked(**segment(*apart, otherwise="x")), "idle_term")
    alike = (("sale_count > 5", "many"), ("sale_count <= 5 and vip", "many"))
    idle = only(checked(**segment(*alike, otherwise="x")), "idle_term")
    assert idle.message.endswith(": 'sale_count <= 5' of row 1")


def test_an_otherwise_that_nobody_comes_to() -> None:
    rows = (("sale_count > 5", "many"), ("sale_count <= 5", "few"))
    assert only(checked(**segment(*rows, otherwise="x")), "idle_otherwise").severity == "note"
    spared = (("sale_count > 5", "many"), ("sale_count < 5", "few"))
    assert not found(checked(**segment(*spared, otherwise="x")), "idle_otherwise")


def test_a_field_that_no_label_depends_on() -> None:
    rows = (("vip and age > 3", "a"), ("age > 3", "a"))
    idle = only(checked(**segment(*rows, otherwise="b")), "idle_field")
    assert idle.severity == "warning"
    assert "'vip'" in idle.message
    spared = (("vip and age > 3", "a"), ("age > 4", "a"))
    assert not found(checked(**segment(*spared, otherwise="b")), "idle_field")


def test_what_takes_too_long_is_said_to_be_undecided() -> None:
    names = [f"a{at}" for at in range(12)]
    attributes = {one: {"type": "int"} for name in names for one in (name, f"other_{name}")}
    text = " and ".join(f"({name} == 1 or other_{name} == 1)" for name in names)
    report = checked(segment={"first": [[text, "x"]]}, attributes=attributes)
    assert "not decided" in only(report, "undecided").message
    assert not report


def test_questions_that_take_too_many_steps_are_said_to_be_undecided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("crmcore.workbench.checking.tables.TableVerdicts", hurried)
    report = checked(**segment(("vip and age > 3", "a"), ("age > 4", "b"), otherwise="c"))
    said = [finding.message for finding in found(report, "undecided")]
    assert len(said) >= 3
    assert all(message.startswith("not decided: ") for message in said)
    assert not found(report, "masked") + found(report, "never_true")


def hurried(table: TableRegions) -> TableVerdicts:
    return TableVerdicts(table, steps=0)


# Scores and grades


def banded(*points: int, **rest: object) -> dict[str, object]:
    rows = [[at, one] for at, one in enumerate(points, start=1)]
    score = {"fact": "sale_count", "from": rows, "below": 0, **rest}
    return {"scores": {"points": score}}


def test_points_that_turn() -> None:
    turning = only(checked(**banded(1, 2, 5, 3)), "turning")
    assert (turning.severity, turning.path) == ("warning", "scores.points")
    assert turning.message == "sale_count 3 gives 5, but 4 gives 3 (0, 1, 2, 5, 3)"
    assert [shown.customer["sale_count"] for shown in turning.shown] == [3, 4]
    assert [shown.result["points"] for shown in turning.shown] == [5, 3]
    assert not found(checked(**banded(1, 2, 3, 5)), "turning")
    assert not found(checked(**banded(1, 2, 2, 5)), "turning")


def test_points_that_fall_where_more_is_better() -> None:
    days = {"fact": "days_since_last_sale", "from": [[30, 3], [90, 2], [180, 1]], "below": 5}
    assert not found(checked(scores={"points": days}), "falling")
    later = {"fact": "days_since_last_sale", "from": [[30, 3], [90, 4], [180, 5]], "below": 1}
    falling = only(checked(scores={"points": later}), "falling")
    assert [shown.customer["days_since_last_sale"] for shown in falling.shown] == [0, 30]
    tenure = {"fact": "tenure_days", "from": [[30, 3], [90, 2], [180, 1]], "below": 5}
    assert not found(checked(scores={"points": tenure}), "falling")  # nobody knows what is better


def test_a_grade_that_falls_as_a_fact_rises() -> None:
    scores = {
        "frequency": SALES,
        "spend": {"fact": "net_sales", "from": [["100.00", 2]], "below": 0},
        "total": {"weights": {"frequency": -1, "spend": 3}},
    }
    grade = {"score": "total", "from": [[0, "low"], [3, "high"]], "below": "low"}
    falling = only(checked(scores=scores, grade=grade), "falling")
    # Said where it begins, not of the grade once more.
    assert falling.path == "scores.total"
    low, high = falling.shown
    assert low.customer["sale_count"] < high.customer["sale_count"]  # type: ignore[operator]
    assert low.result["total"] > high.result["total"]  # type: ignore[operator]
    scores["total"] = {"weights": {"frequency": 1, "spend": 3}}
    assert not found(checked(scores=scores, grade=grade), "falling")


def totals(*edges: tuple[int, str], **rest: object) -> dict[str, object]:
    scores = {
        "frequency": {"fact": "sale_count", "from": [[1, 2], [3, 4]], "below": 1},
        "loyalty": {"fact": "order_count", "from": [[9, 20]], "below": 1},
        "total": {"weights": {"frequency": 1, "loyalty": 2}},
    }
    return {"scores": scores, "grade": {"score": "total", "from": [list(e) for e in edges], **rest}}


def test_totals_without_grade() -> None:
    lost = only(checked(**totals((4, "low"), (40, "top"))), "lost")
    assert (lost.severity, lost.path) == ("error", "grade")
    assert lost.message == "total 3 has no grade: 1 total can occur there"
    assert lost.result is not None
    assert (lost.result["total"], lost.result["grade"]) == (3, None)
    assert not found(checked(**totals((3, "low"), (40, "top"))), "lost")
    assert not found(checked(**totals((4, "low"), (40, "top"), below="low")), "lost")


def test_a_grade_that_no_total_leads_to() -> None:
    # Totals are 3, 4, 6, and 41, 42, 44.
    never = only(checked(**totals((3, "low"), (7, "mid"), (41, "top"))), "unreachable")
    assert (never.severity, never.path) == ("error", "grade")
    assert never.message == "no value of total leads to 'mid': it goes from 3 to 44"
    assert not found(checked(**totals((3, "low"), (6, "mid"), (41, "top"))), "unreachable")
    above = only(checked(**totals((3, "low"), (45, "top"))), "unreachable")
    assert "'top'" in above.message


def test_an_edge_below_every_total() -> None:
    low = only(checked(**totals((1, "low"), (41, "top"))), "low_edge")
    assert (low.severity, low.message) == ("note", "'low' is from 1 on, but total is never below 3")
    assert not found(checked(**totals((3, "low"), (41, "top"))), "low_edge")


def test_points_that_nobody_gets() -> None:
    window = {"facts": {"lately": {"of": "sale", "take": "days_since_last", "in": "month"}}}
    window["windows"] = {"month": "30 days"}
    points = {"fact": "lately", "from": [[10, 2], [31, 1]], "below": 3}
    never = only(checked(scores={"points": points}, **window), "unreachable")
    assert (never.severity, never.message) == ("warning", "no value of lately leads to 1 points")
    points["from"] = [[10, 2], [30, 1]]
    assert not found(checked(scores={"points": points}, **window), "unreachable")


def test_a_score_that_is_the_same_for_everybody() -> None:
    constant = only(checked(**banded(2, 2, below=2)), "constant")
    assert constant.message == "always 2 points, for every customer who has one"
    assert not found(checked(**banded(2, 2, below=1)), "constant")


def test_values_without_points_that_no_list_takes_care_of() -> None:
    score = {"fact": "sale_count", "from": [[1, 1], [3, 2]]}
    lost = only(checked(scores={"points": score}), "lost")
    assert (lost.severity, lost.path) == ("note", "scores.points")
    assert lost.witness is not None
    assert lost.witness["sale_count"] == 0
    taken = segment(("points == 2", "often"), otherwise="rest")
    assert not found(checked(scores={"points": score}, **taken), "lost")
    assert not found(checked(scores={"points": {**score, "below": 0}}), "lost")


def test_points_inside_other_points_are_looked_at_too() -> None:
    def nested(*points: int) -> dict[str, object]:
        low, high = points[:2], points[2:]
        by = {
            "1": {"from": [["10.00", low[1]]], "below": low[0]},
            "2": {"from": [["10.00", high[1]]], "below": high[0]},
        }
        spend = {"fact": "net_sales", "inside": "often", "by": by}
        often = {"fact": "order_count", "from": [[3, 2]], "below": 1}
        return {"scores": {"often": often, "spend": spend}}

    falling = only(checked(**nested(1, 2, 4, 3)), "falling")
    assert falling.path == "scores.spend"
    assert falling.witness is not None
    assert falling.witness["order_count"] == 3
    assert not found(checked(**nested(1, 2, 3, 4)), "falling")
    # What more orders mean for the same money is what the tables are for.
    assert not found(checked(**nested(3, 4, 1, 2)), "falling")


# Names and windows


def test_what_nothing_uses() -> None:
    facts = {"orders": {"of": "order", "take": "count", "in": "year"}}
    windows = {"year": "1 year", "month": "1 month"}
    report = checked(facts=facts, windows=windows, **segment(("vip", "a"), otherwise="b"))
    assert [finding.path for finding in found(report, "unused")] == [
        "windows.month",
        "attributes.age",
        "facts.orders",
    ]
    assert {finding.severity for finding in found(report, "unused")} == {"note"}
    used = segment(("vip and age > 3 and orders > 1", "a"), otherwise="b")
    assert not found(checked(facts=facts, windows={"year": "1 year"}, **used), "unused")


def test_a_score_that_no_decision_uses() -> None:
    report = checked(scores={"points": SALES}, **segment(("vip or age > 1", "a"), otherwise="b"))
    assert only(report, "unused").path == "scores.points"
    assert not found(checked(scores={"points": SALES}), "unused")  # the policy is for its scores


def test_wording_of_what_does_not_exist() -> None:
    labels = {"en": {"regula": "Regular", "others": "Others"}}
    table = segment(("vip", "regular"), otherwise="others")
    report = checked(labels=labels, **table)
    wording = only(report, "unknown_wording")
    assert (wording.severity, wording.path) == ("note", "labels.en")
    assert not report
    assert "did you mean 'regular'?" in wording.message
    labels = {"en": {"regular": "Regular", "platinum": "Platinum"}}
    assert not found(checked(labels=labels, **table), "unknown_wording")
    labels = {"en": {"regular": "Regular", "segment": "Segment", "vip": "VIP"}}
    assert not found(checked(labels=labels, **table), "unknown_wording")


def test_wording_of_the_preset_extended_is_not_reported() -> None:
    rows = [["sale_count > 3", "news"], ["sale_count <= 3", "others"]]
    policy: dict[str, object] = {"extends": "classic", "name": "x"}
    policy["class"] = {"first": rows, "otherwise": "rest"}
    assert not found(crm.check(crm.load_policy(policy)), "unknown_wording")
    policy["labels"] = {"en": {"nevs": "New ones"}}
    assert only(crm.check(crm.load_policy(policy)), "unknown_wording").path == "labels.en"


@pytest.mark.parametrize(
    ("anchor", "tiles", "every", "said"),
    [
        (date(2024, 1, 31), "1 month", "1 month", "share 2 days"),
        (date(2023, 1, 29), "1 month", "1 month", "share one day"),
        (date(2024, 1, 28), "1 month", "1 month", None),
        (date(2024, 1, 31), "30 days", "30 days", None),
        (date(2024, 1, 31), "1 year", "1 month", None),  # meant to overlap
        (date(2024, 2, 29), "1 year", "1 year", "share one day"),
        (date(2024, 3, 31), "1 year", "1 year", None),
    ],
)
def test_windows_that_should_tile(anchor: date, tiles: str, every: str, said: str | None) -> None:
    report = checked(
        evaluation={"every": every, "anchor": anchor},
        windows={"tile": {"tiles": tiles}},
        facts={"orders": {"of": "order", "take": "count", "in": "tile"}},
    )
    findings = found(report, "tiles_overlap")
    assert bool(findings) == (said is not None)
    assert said is None or said in findings[0].message


# Reports


def test_the_report_of_classic() -> None:
    report = crm.check(crm.presets.load("classic"))
    assert not report
    assert [(finding.code, finding.path) for finding in report.findings] == [("overlap", "class")]


def test_the_report_of_rfm_r() -> None:
    report = crm.check(crm.presets.load("rfm_r"))
    assert not report
    assert [(finding.code, finding.path) for finding in report.findings] == [
        ("unused", "scores.cell"),
        ("overlap", "segment"),
    ]
    assert report.findings[-1].message.startswith("24 pairs of rows hold together")


@pytest.mark.parametrize("name", ["segments11", "rf_grid"])
def test_lists_that_state_every_range_are_not_told_to_leave_some_out(name: str) -> None:
    report = crm.check(crm.presets.load(name))
    assert [(one.code, one.path) for one in report.findings] == [("unused", "scores.cell")]


def test_findings_stand_by_severity() -> None:
    report = checked(**segment(("vip", "a"), ("vip and age > 1", "b"), ("vip == true", "c")))
    severities = [finding.severity for finding in report.findings]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)
    assert report
    assert str(report).splitlines()[0].startswith("error: ")


def test_a_report_is_plain_data() -> None:
    report = checked(**segment(("mean_sale > 1 and last_sale_on is known", "a")))
    data = json.loads(json.dumps(report.to_dict()))
    assert data["as_of"] == "2025-06-30"
    hole = next(one for one in data["findings"] if one["code"] == "hole")
    assert hole["shown"][0]["result"] == {"segment": None}
    assert set(hole) == {"code", "severity", "path", "message", "rows", "shown"}
    assert str(crm.check(crm.load_policy(BASE))) == "nothing found"


def test_customers_are_those_of_a_given_day() -> None:
    policy = crm.load_policy(
        {**BASE, **segment(('last_sale_on >= "2024-05-01"', "a"), otherwise="b")}
    )
    assert not found(crm.check(policy), "never_true")
    assert found(crm.check(policy, as_of=date(2024, 4, 30)), "never_true")


def test_every_finding_has_its_row_on_the_page(root: Path) -> None:
    sources = (root / "crmcore/workbench/checking").glob("*.py")
    text = "".join(path.read_text("utf-8") for path in sources)
    codes = set(re.findall(r'PolicyFinding\(\s*"(\w+)"', text)) | {"overlap", "overlap_alike"}
    page = (root / "docs/check.md").read_text("utf-8")
    rows = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    listed = {code for row in rows for code in re.findall(r"`(\w+)`", row)}
    assert codes - {"undecided"} == listed
    assert "`undecided` is a note" in page


def windowed(short: str, long: str, *rows: tuple[str, str]) -> crm.CheckReport:
    counts = {
        name: {"of": "sale", "take": "count", "in": name.removesuffix("_sales")}
        for name in ("short_sales", "long_sales")
    }
    windows = {"short": short, "long": long}
    return checked(windows=windows, facts=counts, **segment(*rows))


def test_a_short_window_lies_in_a_longer_one() -> None:
    rows = (("long_sales >= 1", "customer"), ("short_sales == 0", "asleep"))
    assert not found(windowed("30 days", "1 year", *rows), "hole")
    assert not found(windowed("1 year", "1 year", *rows), "hole")
    assert found(windowed("1 year", "30 days", *rows), "hole")
    rows = (("long_sales >= 1", "customer"), ("short_sales >= 1", "lately"))
    assert only(windowed("30 days", "1 year", *rows), "masked").path == "segment.first.1"
    assert not found(windowed("1 year", "30 days", *rows), "masked")


def test_what_undecided_tests_read_may_matter() -> None:
    rows = (
        ("net_sales > 3 * max_sale", "high"),
        ("net_sales < 3 * max_sale", "low"),
        ("net_sales is unknown or max_sale is unknown", "none"),
    )
    assert not found(checked(**segment(*rows, otherwise="even")), "idle_field")
