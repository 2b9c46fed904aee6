"""Policies: what loads, what is refused and in which words, and what a loaded one offers."""

from __future__ import annotations

import json
import pickle
import tomllib
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from time import process_time

import numpy as np
import pytest

from crmcore import presets
from crmcore.columns import Column
from crmcore.conditions import FieldType
from crmcore.errors import PolicyError, Problem
from crmcore.policy import Policy, load_policy
from crmcore.policy.document import Document
from crmcore.policy.printing import to_toml

HEAD = """\
format = 1
name = "shop"
zone = "UTC"
currency = { code = "EUR", exponent = 2 }
sale_statuses = ["paid"]
"""
NAME = "lower-case letters, digits and _, a letter first, at most 64"
TEXT = "this is not written as it must be"


def problems(source: str | Path | dict[str, object], **scorers: object) -> list[str]:
    with pytest.raises(PolicyError) as caught:
        load_policy(source, scorers=scorers)  # type: ignore[arg-type]
    return [told(problem) for problem in caught.value.problems]


def told(problem: Problem) -> str:
    """Return what a problem says on one line: its place in the text has tests of its own."""
    return str(replace(problem, line=None, column=None, source=None))


# What is wrong with one line, and the whole message.
MISTAKES = {
    "unknown key": (
        "windws = 1",
        "windws: there is no such key here; allowed: format, name, extends, zone, currency, "
        "sale_statuses, returns, evaluation, windows, attributes, facts, scores, grade, class, "
        "segment, stage, internal, labels, notes (did you mean 'windows'?) [unknown_key]",
    ),
    "unknown key of a fact": (
        'facts.f = { of = "sale", take = "count", wher = "quantity > 1" }',
        "facts.f.wher: there is no such key here; allowed: of, take, in, field, where "
        "(did you mean 'where'?) [unknown_key]",
    ),
    "window by its name in Python": (
        'windows.w = "1 year"\nfacts.f = { of = "sale", take = "count", window = "w" }',
        "facts.f.window: there is no such key here; allowed: of, take, in, field, where "
        "(did you mean 'in'?) [unknown_key]",
    ),
    "unknown key of a score": (
        'scores.s = { fact = "sale_count", from = [[1, 1]], belwo = 1 }',
        "scores.s.belwo: there is no such key here; allowed: from, within, below, missing, fact, "
        "score, inside, by, quantiles, best, fitted (did you mean 'below'?) [unknown_key]",
    ),
    "unknown key of the notes": (
        "notes.minimum_customer = 3",
        "notes.minimum_customer: there is no such key here; allowed: minimum_customers "
        "(did you mean 'minimum_customers'?) [unknown_key]",
    ),
    "unlinked returns": (
        'returns = "refused"',
        "returns: this is not one of what may stand here; given 'refused'; allowed: "
        "customer_total, refuse (did you mean 'refuse'?) [not_allowed]",
    ),
    "evaluation in words": (
        'evaluation = "yearly"',
        "evaluation: write 'live', or a table with 'every' and 'anchor'; given 'yearly' "
        "[bad_value]",
    ),
    "evaluation without an anchor": (
        'evaluation = { every = "1 year" }',
        "evaluation: needs both 'every' and 'anchor', or the text 'live' [bad_value]",
    ),
    "span": (
        'windows.w = "1 yr"',
        "windows.w.within: not a span: '1 yr'; write a whole number and a unit, such as "
        "'3 months'; given '1 yr' [bad_value]",
    ),
    "window of two kinds": (
        'windows.w = { within = "1 year", tiles = "1 year" }',
        "windows.w: a window needs exactly one of: within, tiles, calendar [bad_value]",
    ),
    "attribute type": (
        'attributes.city = "string"',
        "attributes.city.type: this is not one of what may stand here; given 'string'; allowed: "
        "bool, int, float, date, text, label [not_allowed]",
    ),
    "values of a text": (
        'attributes.city = { type = "text", values = ["a"] }',
        "attributes.city: 'values' goes with type = 'label' [one_of]",
    ),
    "order without values": (
        'attributes.size = { type = "label", ordered = true }',
        "attributes.size: 'ordered' needs the 'values', lowest first [one_of]",
    ),
    "personal in words": (
        'attributes.city = { type = "text", personal = "no" }',
        "attributes.city.personal: true or false is expected; given 'no' [wrong_type]",
    ),
    "of": (
        'facts.f = { of = "sales", take = "count" }',
        "facts.f.of: this is not one of what may stand here; given 'sales'; allowed: order, sale, "
        "return, line (did you mean 'sale'?) [not_allowed]",
    ),
    "take": (
        'facts.f = { of = "sale", take = "medain" }',
        "facts.f.take: this is not one of what may stand here; given 'medain'; allowed: count, "
        "sum, mean, min, max, first, last, median, spread, distinct, share, days_since_first, "
        "days_since_last (did you mean 'median'?) [not_allowed]",
    ),
    "field that the aggregate cannot use": (
        'facts.f = { of = "sale", take = "sum", field = "product" }',
        "facts.f: take = 'sum' of 'sale' cannot use field 'product'; allowed: value, quantity, "
        "gap_days [bad_value]",
    ),
    "unknown window": (
        'windows.period = "1 year"\nfacts.f = { of = "sale", take = "count", in = "perod" }',
        "facts.f.in: no such window; given perod (did you mean 'period'?) [unknown_name]",
    ),
    "name of a first": (
        'facts.f = { of = "sale", take = "first" }',
        "facts.f: the name of a first or last ends in _on (local day) or _at (instant); given f "
        "(did you mean 'f_on'?) [bad_name]",
    ),
    "unknown field of a filter": (
        "facts.f = { of = 'sale', take = 'count', where = 'chanel == \"web\"' }",
        "facts.f.where: no such field (at character 1); given chanel (did you mean 'channel'?) "
        "[unknown_name]",
    ),
    "syntax of a filter": (
        "facts.f = { of = 'sale', take = 'count', where = 'quantity = 3' }",
        "facts.f.where: the condition cannot be read: one '=' compares nothing: write '==' "
        "(at character 10); given 'quantity = 3' [condition_syntax]",
    ),
    "capital letters": (
        'facts.Count = { of = "sale", take = "count" }',
        f"facts.Count: {TEXT}; given 'Count'; allowed: {NAME} [bad_name]",
    ),
    "reserved name": (
        'facts.grade = { of = "sale", take = "count" }',
        "facts.grade: this name has a meaning of its own [reserved_name]",
    ),
    "keyword": (
        'scores.known = { fact = "sale_count", from = [[1, 1]] }',
        "scores.known: this name has a meaning of its own [reserved_name]",
    ),
    "name taken": (
        'attributes.x = "int"\nfacts.x = { of = "sale", take = "count" }',
        "facts.x: this name is taken by attributes.x [duplicate_name]",
    ),
    "name of a usual fact": (
        'attributes.sale_count = "int"',
        "attributes.sale_count: this is the name of a usual fact [duplicate_name]",
    ),
    "bands over nothing": (
        "scores.s = { from = [[1, 1]] }",
        "scores.s: bands are over a 'fact' or over a 'score': exactly one of them; given neither "
        "[one_of]",
    ),
    "bands over two": (
        'scores.s = { fact = "sale_count", score = "t", from = [[1, 1]] }',
        "scores.s: bands are over a 'fact' or over a 'score': exactly one of them; given both "
        "[one_of]",
    ),
    "unknown fact": (
        'scores.s = { fact = "sale_cuont", from = [[1, 1]] }',
        "scores.s.fact: no such fact or attribute; given sale_cuont (did you mean 'sale_count'?) "
        "[unknown_name]",
    ),
    "fact for a score": (
        'scores.s = { score = "sale_count", from = [[1, 1]] }',
        "scores.s.score: this is a fact, not a score; given sale_count [unknown_name]",
    ),
    "no bands": (
        'scores.s = { fact = "sale_count" }',
        "scores.s: bands are given by 'from', 'within', 'by' or 'quantiles': exactly one of them; "
        "given none [one_of]",
    ),
    "bands of two kinds": (
        'scores.s = { fact = "sale_count", from = [[1, 1]], within = [["1 day", 1]] }',
        "scores.s: bands are given by 'from', 'within', 'by' or 'quantiles': exactly one of them; "
        "given from, within [one_of]",
    ),
    "below with within": (
        'scores.s = { fact = "last_sale_on", below = 1, within = [["1 day", 1]] }',
        "scores.s.below: 'below' goes with 'from' [one_of]",
    ),
    "edges that fall": (
        'scores.s = { fact = "sale_count", from = [[2, 1], [1, 2]] }',
        "scores.s.from.1.0: edges grow from row to row; given 1 after 2 [not_ascending]",
    ),
    "edges with nothing between": (
        'scores.s = { fact = "sale_count", from = [[1.2, 1], [1.8, 2]] }',
        "scores.s.from.1.0: no whole number lies between this edge and the one before [empty_band]",
    ),
    "spans that may shrink": (
        'scores.s = { fact = "last_sale_on", within = [["1 month", 1], ["30 days", 2]] }',
        "scores.s.within.1.0: spans grow from row to row, whatever the month's length; given "
        "30 days after 1 month [not_ascending]",
    ),
    "half a row": (
        'scores.s = { fact = "sale_count", from = [[2]] }',
        "scores.s.from.0.1: a row is a pair of two entries [wrong_length]",
    ),
    "a row of three": (
        'scores.s = { fact = "sale_count", from = [[3, 2, 1]] }',
        "scores.s.from.0: no more than 2 may stand here [wrong_length]",
    ),
    "no rows": (
        'scores.s = { fact = "sale_count", from = [] }',
        "scores.s.from: at least 1 must stand here [wrong_length]",
    ),
    "money as a number": (
        'scores.s = { fact = "net_sales", from = [[300, 1]] }',
        "scores.s.from.0.0: an amount of money is written as text, in the currency's major unit; "
        "given 300 (did you mean '300.00'?) [money_as_number]",
    ),
    "money too fine": (
        'scores.s = { fact = "net_sales", from = [["300.005", 1]] }',
        "scores.s.from.0.0: this edge is finer than the currency's minor unit: no amount lies on "
        "it [money_digits]",
    ),
    "edge too far": (
        f'scores.s = {{ fact = "sale_count", from = [["{10**30}", 1]] }}',
        "scores.s.from.0.0: this edge is too far from zero, or has too many decimals "
        "[out_of_range]",
    ),
    "boolean edge": (
        'scores.s = { fact = "sale_count", from = [[true, 1]] }',
        "scores.s.from.0.0: an edge is a number, or text such as '300.00'; given true [wrong_type]",
    ),
    "boolean points": (
        'scores.s = { fact = "sale_count", from = [[1, true]] }',
        "scores.s.from.0.1: a whole number is expected; given true [wrong_type]",
    ),
    "fractional points": (
        'scores.s = { fact = "sale_count", from = [[1, 1.5]] }',
        "scores.s.from.0.1: a whole number is expected; given 1.5 [wrong_type]",
    ),
    "text that is no number": (
        'scores.s = { fact = "sale_count", from = [["1e3", 1]] }',
        "scores.s.from.0.0: this text is no decimal number like '300.00'; given '1e3' "
        "[not_a_number]",
    ),
    "bands over text": (
        'attributes.city = "text"\nscores.s = { fact = "city", from = [[1, 1]] }',
        "scores.s.from: 'from' cannot band text: a number is needed [type_mismatch]",
    ),
    "numbers over a date": (
        'scores.s = { fact = "last_sale_on", from = [[1, 1]] }',
        "scores.s.from: 'from' cannot band a date: use 'within' [type_mismatch]",
    ),
    "spans over a number": (
        'scores.s = { fact = "sale_count", within = [["1 day", 1]] }',
        "scores.s.within: 'within' is for dates and instants, and this is a whole number: use "
        "'from' [type_mismatch]",
    ),
    "weight of nothing": (
        "scores.s.weights.b = 1",
        "scores.s.weights.b: no such score; given b [unknown_name]",
    ),
    "weight of a fact": (
        "scores.s.weights.sale_count = 1",
        "scores.s.weights.sale_count: this is a fact, not a score; given sale_count [unknown_name]",
    ),
    "weight 0": (
        'scores.a = { fact = "sale_count", from = [[1, 1]] }\nscores.s.weights.a = 0',
        "scores.s.weights.a: a weight of 0 counts nothing: leave the score out [zero_weight]",
    ),
    "fractional weight": (
        'scores.a = { fact = "sale_count", from = [[1, 1]] }\nscores.s.weights.a = 0.5',
        "scores.s.weights.a: a whole number is expected; given 0.5 [wrong_type]",
    ),
    "sum beyond 64 bits": (
        f'scores.a = {{ fact = "sale_count", from = [[1, 9]] }}\nscores.s.weights.a = {2**62}',
        "scores.s.weights: the sum may leave the 64-bit integers: choose smaller weights "
        "[out_of_range]",
    ),
    "no digit": (
        'scores.a = { fact = "sale_count", from = [[1, 10]], below = -1 }\n'
        'scores.s.cell = ["a", "a"]',
        "scores.s.cell.1: a score in a cell is 0 to 9; given -1 to 10 [not_a_digit]",
    ),
    "cell of one": (
        'scores.s.cell = ["a"]',
        "scores.s.cell: at least 2 must stand here [wrong_length]",
    ),
    "unknown scorer": (
        'scores.s.scorer = "alive"',
        "scores.s.scorer: no such scorer: pass it as load_policy(…, scorers={…}); given alive; "
        "allowed: none was passed [unknown_name]",
    ),
    "score that is no table": (
        'scores.s = "x"',
        "scores.s: a table is expected; given 'x' [wrong_type]",
    ),
    "scores that are no table": ("scores = []", "scores: a table is expected [wrong_type]"),
    "score in a circle": (
        'scores.a = { score = "b", from = [[1, 1]] }\nscores.b.weights.a = 1\n'
        "scores.c.weights.b = 1",
        "scores.a: these rest on each other in a circle: a → b → a [cycle]",
    ),
    "lists in a circle": (
        "segment.first = [['stage == \"a\"', 'b']]\nstage.first = [['segment == \"b\"', 'a']]",
        "segment: these rest on each other in a circle: segment → stage → segment [cycle]",
    ),
    "grade over an unknown score": (
        'scores.score = { fact = "sale_count", from = [[1, 1]] }\n'
        'grade = { score = "scroe", from = [[1, "gold"]] }',
        "grade.score: no such score; given scroe (did you mean 'score'?) [unknown_name]",
    ),
    "grade with capital letters": (
        'grade = { fact = "sale_count", from = [[1, "Gold"]] }',
        f"grade.from.0.1: {TEXT}; given 'Gold'; allowed: {NAME} [bad_name]",
    ),
    "reference to nothing": (
        'class = { first = [["blocked", "bad"]], otherwise = "@grade" }',
        "class.otherwise: no such label column; given @grade [unknown_name]",
    ),
    "grade over text": (
        'attributes.city = "text"\ngrade = { fact = "city", from = [[1, "gold"]] }',
        "grade.from: 'from' cannot band text: a number is needed [type_mismatch]",
    ),
    "key that is no name": (
        'facts.f = { of = "sale", take = "count", "ünknown" = true }',
        "facts.f.ünknown: there is no such key here; allowed: of, take, in, field, where "
        "[unknown_key]",
    ),
    "day that is no date": (
        'evaluation = { every = "1 year", anchor = [1] }',
        "evaluation.anchor: write a date, such as 2024-01-01 [bad_value]",
    ),
    "date for a number": (
        "notes.minimum_customers = 2024-01-31",
        "notes.minimum_customers: a whole number is expected; given 2024-01-31 [wrong_type]",
    ),
    "long condition": (
        f"class.first = [['sale_count > {'9' * 80}', 'a']]",
        "class.first.0.0: the condition cannot be read: a number has at most 38 digits (at "
        f"character 14); given 'sale_count > {'9' * 46}… [condition_syntax]",
    ),
    "empty list": (
        "class.first = []",
        "class.first: a table needs at least one condition [empty_table]",
    ),
    "condition over an unknown field": (
        'class.first = [["sale_cuont > 3", "a"]]',
        "class.first.0.0: no such field (at character 1); given sale_cuont "
        "(did you mean 'sale_count'?) [unknown_name]",
    ),
    "language": (
        'labels.en_GB.gold = "Gold"',
        f"labels.en_GB: {TEXT}; given 'en_GB'; allowed: a language such as en or zh-CN [bad_name]",
    ),
    "empty wording": (
        'labels.en.gold = ""',
        "labels.en.gold: at least 1 must stand here; given '' [wrong_length]",
    ),
    "negative number of customers": (
        "notes.minimum_customers = -3",
        "notes.minimum_customers: a number of at least 0 is expected; given -3 [out_of_range]",
    ),
    "time of day": (
        "notes.minimum_customers = 2024-01-01T00:00:00Z",
        "notes.minimum_customers: a policy holds dates, but no times of day [wrong_type]",
    ),
    "NaN": (
        'scores.s = { fact = "sale_count", from = [[nan, 1]] }',
        "scores.s.from.0.0: NaN and infinity are no numbers here [not_finite]",
    ),
    "integer beyond 64 bits": (
        f"notes.minimum_customers = {2**63}",
        "notes.minimum_customers: no 64-bit integer is so far from zero [out_of_range]",
    ),
    "long list": (
        f"class.first = [{'1,' * 1001}]",
        "class.first: a list or table has at most 1,000 entries; given 1001 [too_large]",
    ),
    "long text": (
        f'labels.en.gold = "{"x" * 10_001}"',
        "labels.en.gold: a text has at most 10,000 characters; given 10001 [too_large]",
    ),
    "deep nesting": (
        f"scores = {'[' * 60}{']' * 60}",
        f"scores{'.0' * 49}: tables and lists nest at most 50 deep [too_deep]",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_mistake_has_its_message(mistake: str) -> None:
    text, message = MISTAKES[mistake]
    assert problems(HEAD + text) == [message]


# The head itself with one thing replaced.
HEAD_MISTAKES = {
    "format": (
        "format = 1",
        "format = 2",
        "format: this is not one of what may stand here; given 2; allowed: 1 [not_allowed]",
    ),
    "missing": (
        'zone = "UTC"',
        "",
        'zone: this is required, such as zone = "Europe/Berlin" [missing_key]',
    ),
    "name": ('"shop"', '"My shop"', f"name: {TEXT}; given 'My shop'; allowed: {NAME} [bad_name]"),
    "zone": (
        "UTC",
        "Mars/Base",
        "zone: no time zone named 'Mars/Base': give an IANA name such as 'Asia/Shanghai'; given "
        "'Mars/Base' [bad_value]",
    ),
    "currency": (
        "EUR",
        "eur",
        f"currency.code: {TEXT}; given 'eur'; allowed: three capital letters, such as CNY "
        "[bad_name]",
    ),
    "exponent": (
        "exponent = 2",
        "exponent = true",
        "currency.exponent: a whole number is expected; given true [wrong_type]",
    ),
    "status": (
        '"paid"',
        '"deliverd"',
        "sale_statuses.0: this is not one of what may stand here; given 'deliverd'; allowed: "
        "placed, paid, shipped, delivered (did you mean 'delivered'?) [not_allowed]",
    ),
    "no sale": (
        '"paid"',
        '"returned"',
        "sale_statuses.0: an order that was cancelled, refused or returned is never a sale; given "
        "'returned' [never_a_sale]",
    ),
    "no statuses": (
        '"paid"',
        "",
        "sale_statuses: at least 1 must stand here [wrong_length]",
    ),
    "status twice": (
        '"paid"',
        '"paid", "paid"',
        "sale_statuses: each entry stands here once [duplicate]",
    ),
}


@pytest.mark.parametrize("mistake", HEAD_MISTAKES)
def test_each_mistake_of_the_head_has_its_message(mistake: str) -> None:
    old, new, message = HEAD_MISTAKES[mistake]
    assert problems(HEAD.replace(old, new)) == [message]


# Texts that cannot be read at all.
UNREADABLE = {
    "syntax": ("a = = 1", "Invalid value [toml_syntax]"),
    "end": ("a = [\n1", "Unclosed array [toml_syntax]"),
    "key twice": ("a = 1\na = 2\n", "Cannot overwrite a value [duplicate_key]"),
    "table twice": ("[a]\n[a]", "Cannot declare ('a',) twice [duplicate_key]"),
    "JSON syntax": ('{"format": 1', "Expecting ',' delimiter [json_syntax]"),
    "no table": (' {"a"}', "Expecting ':' delimiter [json_syntax]"),
    "digits": ("a = " + "9" * 401, "a number has at most 400 digits [out_of_range]"),
    "JSON digits": (
        '{"a": ' + "9" * 9000 + "}",
        "a number or a date is too large to be read [out_of_range]",
    ),
    "lines": ("\n" * 10_001, "a text has at most 10,000 lines [too_large]"),
    "bytes": ("#" * 2**20 + "\n", "a text has at most 1,048,576 bytes [too_large]"),
    "values": (
        "a = [" + "1, " * 40_000 + "]",
        "a policy has at most 30,000 of the signs , = . [ { outside texts and comments [too_large]",
    ),
    "key": ("a.b.c.d.e.f.g.h.i = 1", "a key has at most 8 parts [too_deep]"),
    "very deep": (
        "a = " + "[" * 3000 + "]" * 3000,
        "tables and lists nest at most 50 deep [too_deep]",
    ),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_refused_alone(case: str) -> None:
    text, message = UNREADABLE[case]
    with pytest.raises(PolicyError) as caught:
        load_policy(text)
    assert [told(problem) for problem in caught.value.problems] == [message]


def test_everything_is_reported_at_once() -> None:
    text = """
        format = 1
        name = "shop"
        zone = "UTC"
        currency = { code = "EUR", exponent = 2 }
        sale_statuses = ["payed"]
        windows.period = "1 yeer"
        facts.a = { of = "sale", take = "count", in = "period" }
        facts.b = { of = "sale", take = "count", in = "perod" }
        facts.c = { of = "sails", take = "count" }
        scores.d = { fact = "a", from = [[2, 1], [1, 2]] }
        scores.e = { fact = "c", from = [[1, 1]] }
        scores.f.weights = { d = 1, e = 1, g = 0 }
        grade = { score = "f", from = [["x", "low"]] }
        segment.first = [["a = 1", "x"], ["c > 1", "x"], ["h > 1", "x"], ["sale_count", "x"]]
        segment.otherwise = "@grade"
        stage.otherwize = "x"
        stage.first = [['segment == "y"', "x"], ["k > 1", "x"]]
    """
    assert [message.split(":")[0] for message in problems(text)] == [
        "sale_statuses.0",
        "windows.period.within",
        "facts.b.in",
        "facts.c.of",
        "scores.d.from.1.0",
        "scores.f.weights.g",  # there is no g
        "scores.f.weights.g",  # and its weight is 0
        "grade.from.0.0",
        "segment.first.0.0",
        "segment.first.2.0",
        "segment.first.3.0",
        "stage.otherwize",
        "stage.first.1.0",
    ]


def test_names_cannot_be_looked_up_without_the_table_that_has_them() -> None:
    found = problems(HEAD + 'facts = 3\nscores.s = { fact = "x", from = [["y", 1]] }')
    assert [message.split(":")[0] for message in found] == ["facts", "scores.s.from.0.0"]


def test_a_usual_fact_that_was_declared_wrongly_is_not_taken_for_the_usual_one() -> None:
    text = 'facts.mean_sale = { of = "sale", take = "averge" }\n[grade]\nfact = "mean_sale"\n'
    found = problems(HEAD + text + "from = [[1, 'low']]")
    assert [message.split(":")[0] for message in found] == ["facts.mean_sale.take"]


def test_problems_tell_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(HEAD + '\n[scores.s]\nfact = "sale_cuont"\nfrom = [\n  [1, 1],\n]\n')
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (str(path), 8)
    assert str(problem).startswith(f"{path}:8:8: scores.s.fact: no such fact or attribute")
    path.write_text("a = = 1")
    with pytest.raises(PolicyError, match=r"shop\.toml:1:5: Invalid value"):
        load_policy(str(path))


def test_lines_after_a_list_of_several_lines_are_found() -> None:
    rows = "from = [\n  [1, 1],\n  [2, 2]\n]\n"
    with pytest.raises(PolicyError) as caught:
        load_policy(HEAD + "[scores.s]\n" + rows + 'fact = "sale_cuont"')
    assert [problem.line for problem in caught.value.problems] == [11]


# Thousands of names that there are not, each worth a look for the nearest one.
MANY = {
    "conditions": {
        "segment": {
            "first": [
                [" or ".join(f"sale_cuont_{row}_{at} > 1" for at in range(12)), "a"]
                for row in range(250)
            ]
        }
    },
    "conditions over many": {
        "attributes": {f"sale_count_{i:03}": "int" for i in range(900)},
        "segment": {"first": [[f"sale_cuont_{row} > 1", "a"] for row in range(999)]},
    },
    "scores": {
        "scores": {f"s{i}": {"fact": f"sale_cuont{i}", "from": [[1, 1]]} for i in range(999)}
    },
    "filters": {
        "facts": {
            f"f{i}": {"of": "sale", "take": "count", "where": f"chanel{i} == 1"} for i in range(900)
        }
    },
    "keys": {
        "facts": {
            f"f{i}": {"of": "sale", "take": "count", **{f"wher{at}": 1 for at in range(9)}}
            for i in range(300)
        }
    },
    "labels": {
        "attributes": {
            "a": {"type": "label", "values": [f"{i:03}{'ab' * 45}" for i in range(500)]}
        },
        "segment": {"first": [[f'a == "{i:03}{"ba" * 45}"', "a"] for i in range(500)]},
    },
}


@pytest.mark.parametrize("case", MANY)
def test_thousands_of_wrong_names_are_refused_fast(case: str) -> None:
    table = {**tomllib.loads(HEAD), **MANY[case]}
    started = process_time()
    with pytest.raises(PolicyError) as caught:
        load_policy(table)
    spent = process_time() - started
    assert len(caught.value.problems) >= 500
    assert spent < 1.0  # a quarter of that on a machine with nothing else to do


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    missing = tmp_path / "missing.toml"
    assert problems(missing) == [
        f"{missing}: cannot be read: No such file or directory [unreadable]"
    ]
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b"format = 1\nname = '\xe4'")
    with pytest.raises(PolicyError, match=r":2:9: the file is not UTF-8 text"):
        load_policy(latin)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * (2**20 + 1))
    assert problems(large) == [f"{large}: a file has at most 1,048,576 bytes [too_large]"]
    row = tmp_path / "row.json"
    row.write_text("[1]")
    assert problems(row) == [f"{row}: a policy is a table at the top [wrong_type]"]
    other = tmp_path / "shop.yaml"
    assert problems(other) == [f"{other}: a policy is a .toml or a .json file [unknown_format]"]


def test_a_name_that_is_no_preset() -> None:
    assert problems("clasic") == [
        "no such preset; a file is named with its ending, such as 'shop.toml'; given clasic; "
        "allowed: classic, rf_grid, rfm_r, segments11 (did you mean 'classic'?) [unknown_name]"
    ]
    with pytest.raises(PolicyError, match="no such preset; given clasic"):
        presets.text("clasic")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({1: 2}, "keys are text of at most 200 characters [wrong_type]"),
        ({"k" * 201: 2}, "keys are text of at most 200 characters [wrong_type]"),
        (
            {"name": object()},
            "name: a policy holds tables, lists, text, numbers, dates, true and "
            "false; given object [wrong_type]",
        ),
        ({"name": float("inf")}, "name: NaN and infinity are no numbers here [not_finite]"),
        (
            {"labels": {"en": {f"a{i}": "x" * 9_999 for i in range(17)}}},
            "labels.en.a16: a policy has at most 160,000 characters of text [too_large]",
        ),
        (
            {"facts": {f"a{i}": [1] * 999 for i in range(21)}},
            "facts.a19.998: a policy has at most 20,000 values [too_large]",
        ),
    ],
)
def test_mappings_have_the_same_limits(given: dict[str, object], message: str) -> None:
    assert message in problems(given)


def test_a_list_of_a_thousand_rows_over_four_facts_loads() -> None:
    facts = [f"orders_of_category_{at}{at}" for at in range(4)]
    text = 'extends = "classic"\nname = "long"\n[facts]\n'
    text += "".join(f'{name} = {{ of = "sale", take = "count" }}\n' for name in facts)
    rows = (" and ".join(f"{name} >= {row}" for name in facts) for row in range(1_000))
    text += "[segment]\nfirst = [\n"
    text += "".join(f'  ["{one}", "label_{at}"],\n' for at, one in enumerate(rows))
    assert len(load_policy(text + "]\n").document["segment"]["first"]) == 1_000  # type: ignore[index, call-overload, arg-type]


def test_a_mapping_that_holds_itself_is_too_deep() -> None:
    given: dict[str, object] = {}
    given["facts"] = given
    assert "tables and lists nest at most 50 deep [too_deep]" in problems(given)[0]


def test_only_the_first_problems_of_a_hopeless_document_are_listed() -> None:
    assert len(problems({f"a{i}": None for i in range(500)})) == 101


# What loads


def test_a_policy_loads_from_anything(tmp_path: Path) -> None:
    table = tomllib.loads(HEAD)
    toml, as_json = tmp_path / "shop.toml", tmp_path / "shop.json"
    toml.write_text(HEAD, encoding="utf-8-sig")
    as_json.write_text(json.dumps(table))
    loaded = [
        load_policy(one) for one in (HEAD, json.dumps(table), table, toml, as_json, str(toml))
    ]
    assert all(policy == loaded[0] for policy in loaded)
    assert load_policy(loaded[0]) == loaded[0]
    assert loaded[0] != "shop"


def test_a_policy_does_not_follow_its_mapping() -> None:
    table = tomllib.loads(HEAD)
    policy = load_policy(table)
    table["sale_statuses"].append("placed")
    assert policy.document["sale_statuses"] == ["paid"]


def test_what_a_policy_offers() -> None:
    policy = presets.load("classic")
    assert (policy.name, policy.zone.name, policy.currency.code) == (
        "classic",
        "Asia/Shanghai",
        "CNY",
    )
    assert policy.sale_statuses == {"paid", "shipped", "delivered"}
    assert [step.name for step in policy.steps][3:] == ["score", "grade", "class"]
    assert policy.step("score").needs == ("recency_points", "frequency_points", "monetary_points")  # type: ignore[union-attr]
    assert policy.step("stage") is None
    grades = ("bronze", "silver", "gold", "platinum")
    assert policy.fields["grade"] == FieldType("label", categories=grades, ordered=True)
    assert policy.fields["mean_sale"] == FieldType("ratio", exponent=2)
    assert policy.fields["as_of"].kind == "instant"
    assert set(policy.attributes) == {"blocked"}
    assert policy.notes.minimum_customers == 150_000
    assert policy.evaluation.every is None
    assert set(policy.facts) == {
        *("last_sale_on", "sale_count", "mean_sale", "order_count", "orders_ever"),
        "first_order_at",
    }


def test_only_the_facts_asked_for_are_there() -> None:
    text = """
        facts.mine = { of = "sale", take = "sum" }
        scores.s = { fact = "sale_count", from = [[1, 1]] }
        segment.first = [["net_sales > 100 and tag:vip", "rich"]]
    """
    policy = load_policy(HEAD + text)
    assert list(policy.facts) == ["mine", "net_sales", "sale_count"]
    assert "order_count" not in policy.fields
    assert set(policy.attributes) == {"tag:vip"}
    assert policy.fields["tag:vip"].kind == "bool"


def test_attributes_are_personal_unless_said_otherwise() -> None:
    text = """
        attributes.city = "text"
        attributes.size = { type = "label", values = ["s", "m"], ordered = true, personal = false }
        segment.first = [['size > "s"', "large"]]
    """
    policy = load_policy(HEAD + text)
    assert policy.attributes["city"] == FieldType("text", personal=True)
    assert policy.attributes["size"] == FieldType("label", categories=("s", "m"), ordered=True)


def test_decisions_come_after_what_they_need() -> None:
    text = """
        stage.first = [['class == "good"', "loyal"]]
        class.first = [['grade == "low"', "bad"], ["z > 3", "good"]]
        grade = { score = "z", from = [[1, "low"], [4, "high"]] }
        scores.z.weights = { y = 2 }
        scores.y = { fact = "sale_count", from = [[1, 1], [2, 2]] }
    """
    steps = [step.name for step in load_policy(HEAD + text).steps]
    assert steps == ["y", "z", "grade", "class", "stage"]


@pytest.mark.parametrize(
    ("language", "wording"), [("en", "Gold"), ("zh-CN", "金"), ("en-GB", "Gold"), ("de", "gold")]
)
def test_labels(language: str, wording: str) -> None:
    assert presets.load("classic").label("gold", language) == wording


@pytest.mark.parametrize("name", presets.names())
def test_presets_have_a_label_for_everything_in_both_languages(name: str) -> None:
    policy = presets.load(name)
    labels = {label for step in policy.steps for label in step.field_type.categories}
    assert labels
    for language in ("en", "zh-CN"):
        assert set(policy.labels[language]) == labels


# Hash, pickling, printing


def test_the_hash_is_of_what_decides() -> None:
    classic = presets.text("classic")
    same = [
        classic.replace('name = "classic"', 'name = "other"'),
        classic.replace("Platinum", "Diamond"),
        classic.replace('"1 year"\n', '"1 year"\nreturns = "customer_total"\n'),
        classic.replace("orders_ever == 0", "(orders_ever == 0)"),
        classic.replace('["paid", "shipped", "delivered"]', '["delivered", "paid", "shipped"]'),
    ]
    others = [
        classic.replace("[36,", "[37,"),
        classic.replace("below = 1", "below = 2"),
        classic.replace("Asia/Shanghai", "UTC"),
        classic.replace("150000", "15000"),
        classic.replace('"@grade"', '"new"'),
    ]
    policy = load_policy(classic)
    assert {load_policy(text).hash for text in same} == {policy.hash}
    assert len({load_policy(text).hash for text in others} | {policy.hash}) == 6
    assert hash(policy) == hash(load_policy(same[0]))
    assert len(policy.hash) == 64


def test_a_usual_fact_counts_like_the_same_one_declared() -> None:
    text = "[grade]\nfact = 'sale_count'\nfrom = [[1, 'low']]\n"
    declared = text + "[facts]\nsale_count = { of = 'sale', take = 'count' }\n"
    assert load_policy(HEAD + text) == load_policy(HEAD + declared)


@pytest.mark.parametrize("name", presets.names())
def test_policies_survive_pickling_and_printing(name: str) -> None:
    policy = presets.load(name)
    again = pickle.loads(pickle.dumps(policy))
    printed = load_policy(policy.to_toml())
    assert again == printed == policy
    assert again.document == printed.document == policy.document


def test_printing_is_exact() -> None:
    text = r"""
        evaluation = { every = "1 year", anchor = 2024-01-31 }
        attributes.size = { type = "label", values = ["a\"b\\", "\u007f", "尺\n"] }
        scores.s = { fact = "sale_count", from = [[1, 1], [2.50, 2]] }
        segment.first = [['size == "尺\n"', "a"]]
    """
    policy = load_policy(HEAD + text)
    assert policy.document["evaluation"] == {"every": "1 year", "anchor": date(2024, 1, 31)}
    assert policy.document["scores"]["s"]["from"][1][0] == Decimal("2.50")  # type: ignore[call-overload, index]
    assert tomllib.loads(policy.to_toml(), parse_float=Decimal) == policy.document
    assert load_policy(policy.to_toml()) == policy


def test_empty_tables_trees_and_whole_decimals_are_printed() -> None:
    tree = {"op": "field", "name": "vip"}
    table = {
        **tomllib.loads(HEAD),
        **{"labels": {}, "windows": {}, "notes": {}},
        "attributes": {"vip": {"type": "bool", "personal": False}},
        "scores": {"s": {"fact": "sale_count", "from": [[Decimal(3), 1]]}},
        "segment": {"first": [[tree, "vip"]]},
    }
    policy = load_policy(table)
    assert load_policy(policy.to_toml()).document == policy.document
    assert load_policy({**table, "segment": {"first": [["vip", "vip"]]}}) == policy


def test_keys_are_quoted_where_they_must_be() -> None:
    assert to_toml({"a b": {"c.d": {}}}) == '["a b"]\n"c.d" = {}\n'


def test_a_document_can_be_written_and_read_again() -> None:
    document = Document.model_validate(presets.load("rfm_r").document)
    assert (
        Document.model_validate(document.model_dump(by_alias=True, exclude_none=True)) == document
    )


# Extending


def test_extending_changes_a_few_lines() -> None:
    text = """
        extends = "classic"
        name = "mine"
        windows.period = "2 years"
        [scores.score.weights]
        recency_points = 1
        monetary_points = 2
        [scores.frequency_points]
        from = [[1, 1], [10, 5]]
        [labels.en]
        gold = "Golden"
    """
    policy = load_policy(text)
    document = policy.document
    assert "extends" not in document
    assert (policy.name, policy.windows["period"].within.months) == ("mine", 24)  # type: ignore[union-attr]
    scores = document["scores"]
    assert scores["score"] == {"weights": {"recency_points": 1, "monetary_points": 2}}  # type: ignore[call-overload, index]
    assert scores["frequency_points"] == {"fact": "sale_count", "from": [[1, 1], [10, 5]]}  # type: ignore[call-overload, index]
    assert (policy.label("gold", "en"), policy.label("silver", "en")) == ("Golden", "Silver")
    assert policy != presets.load("classic")
    assert pickle.loads(pickle.dumps(policy)) == policy


def test_a_score_of_another_kind_replaces_the_old_one() -> None:
    text = 'extends = "classic"\n[scores.recency_points]\nfact = "sale_count"\nfrom = [[1, 1]]'
    recency = load_policy(text).document["scores"]["recency_points"]  # type: ignore[call-overload, index]
    assert recency == {"fact": "sale_count", "from": [[1, 1]]}


def test_a_file_extends_a_file_beside_it(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(HEAD + '[scores.s]\nfact = "sale_cuont"\nfrom = [[1, 1]]')
    (tmp_path / "shop.toml").write_text('extends = "base.toml"\nname = "mine"\nreturns = "refsue"')
    with pytest.raises(PolicyError) as caught:
        load_policy(tmp_path / "shop.toml")
    places = [(Path(problem.file or "").name, problem.line) for problem in caught.value.problems]
    assert places == [("shop.toml", 3), ("base.toml", 7)]
    (tmp_path / "base.toml").write_text(HEAD)
    (tmp_path / "shop.toml").write_text('extends = "base.toml"\nname = "mine"')
    assert load_policy(tmp_path / "shop.toml").name == "mine"


@pytest.mark.parametrize(
    ("extends", "message"),
    [
        (
            '"clasic"',
            "extends: no such preset; a file is named with its ending, such as "
            "'base.toml'; given 'clasic'; allowed: classic, rf_grid, rfm_r, segments11 (did you "
            "mean 'classic'?) [unknown_name]",
        ),
        ('["classic"]', "extends: 'extends' names one preset or file; given a list [wrong_type]"),
        (
            '"base.toml"',
            "extends: only a file can extend a file: here, name a preset; given "
            "'base.toml' [no_file]",
        ),
    ],
)
def test_what_a_text_cannot_extend(extends: str, message: str) -> None:
    assert problems(f"extends = {extends}") == [message]


@pytest.mark.parametrize(
    "name", ["../base.toml", "/etc/base.toml", "a/../../base.toml", "..\\b.toml"]
)
def test_a_policy_does_not_leave_its_folder(name: str, tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text(f"extends = '{name}'")
    with pytest.raises(PolicyError, match="in its own folder or below"):
        load_policy(path)


def test_extending_in_a_circle_or_without_end(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('extends = "b.toml"')
    (tmp_path / "b.toml").write_text('extends = "a.toml"')
    with pytest.raises(PolicyError, match=r"b\.toml:1:11: extends: .* in a circle \[cycle\]"):
        load_policy(tmp_path / "a.toml")
    for number in range(8):
        (tmp_path / f"p{number}.toml").write_text(f'extends = "p{number + 1}.toml"')
    with pytest.raises(PolicyError, match="at most 5 policies are extended in a row"):
        load_policy(tmp_path / "p0.toml")


# Scorers


class Alive:
    """The share of sales in all orders, as a scorer from outside."""

    inputs = ("sale_count", "order_count")

    def score(self, facts: dict[str, Column]) -> np.ndarray:  # type: ignore[type-arg]
        return facts["sale_count"].values / facts["order_count"].values  # type: ignore[no-any-return, operator]


SCORED = HEAD + 'scores.a.scorer = "alive"\nscores.s = { score = "a", from = [["0.5", 1]] }'


def test_a_scorer_brings_its_facts() -> None:
    policy = load_policy(SCORED, scorers={"alive": Alive()})
    assert list(policy.facts) == ["order_count", "sale_count"]
    again = pickle.loads(pickle.dumps(policy))
    assert again == policy
    assert isinstance(again.scorers["alive"], Alive)
    assert load_policy(policy).scorers == policy.scorers
    with pytest.raises(PolicyError, match="no such scorer"):
        load_policy(policy, scorers={})


def test_what_is_wrong_with_scorers() -> None:
    wrong = Alive()
    wrong.inputs = ("sale_cuont", "s")
    assert problems(SCORED, alive=wrong) == [
        "scores.a.scorer.inputs: no such fact or attribute; given sale_cuont "
        "(did you mean 'sale_count'?) [unknown_name]",
        "scores.a.scorer.inputs: no such fact or attribute; given s [unknown_name]",
    ]
    assert problems(SCORED, aliv=Alive())[0].startswith(
        "scores.a.scorer: no such scorer: pass it as load_policy(…, scorers={…}); given alive; "
        "allowed: aliv (did you mean 'aliv'?)"
    )
    text = 'scores.a.scorer = "alive"\nscores.t.weights = { a = 1 }'
    assert problems(HEAD + text, alive=Alive()) == [
        "scores.t.weights.a: a host's score has no whole points: band it first; given a "
        "[type_mismatch]"
    ]


def test_a_policy_is_frozen() -> None:
    policy = presets.load("classic")
    with pytest.raises(AttributeError):
        policy.name = "other"  # type: ignore[misc]
    assert isinstance(policy, Policy)
