"""Policies with one mistake each, of every kind.

In the texts «…» stand around what the message must point at; they are no part of the policy.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["HEAD", "JSON", "MISTAKES", "UNREADABLE", "Mistake", "place", "policy", "unmarked"]

HEAD = """\
format = 1
name = "shop"
zone = "UTC"
currency = { code = "EUR", exponent = 2 }
sale_statuses = ["paid"]
"""


class Mistake(NamedTuple):
    """A policy with one mistake: lines beside the head, or in the stead of lines of the head."""

    lines: str
    code: str
    path: str
    suggestion: str | None = None


def policy(lines: str) -> str:
    """Return a whole policy: the head without keys that the lines give anew, or as ``nothing``."""
    given = {line.partition(" =")[0] for line in lines.splitlines()}
    kept = [line for line in HEAD.splitlines() if line.partition(" =")[0] not in given]
    added = [line for line in lines.splitlines() if not line.endswith("= nothing")]
    return "\n".join([*kept, *added]) + "\n"


def place(marked: str) -> tuple[int, int, int] | None:
    """Return the line and the columns between which the marks stand."""
    start, end = marked.find("«"), marked.find("»")
    if start < 0:
        return None
    line_start = marked.rfind("\n", 0, start) + 1
    return marked.count("\n", 0, start) + 1, start - line_start + 1, end - line_start


def unmarked(text: str) -> str:
    return re.sub("[«»]", "", text)


BANDS = 'scores.s = { fact = "sale_count", from = [[1, 1], [2, 2]] }'


def segment(condition: str) -> str:
    return f"""\
attributes.city = "text"
attributes.size = {{ type = "label", values = ["s", "m", "l"], ordered = true }}
attributes.kind = {{ type = "label", values = ["new", "old"] }}
segment.first = [['{condition}', "a"]]"""


SHAPE = {
    # Keys that there are not, at each level.
    "key at the top": Mistake("«windws» = 1", "unknown_key", "windws", "windows"),
    "key of the currency": Mistake(
        'currency = { code = "EUR", exponent = 2, «symbol» = "€" }',
        "unknown_key",
        "currency.symbol",
    ),
    "key of a window": Mistake(
        'windows.w = { within = "1 year", «wihtin» = "2 years" }',
        "unknown_key",
        "windows.w.wihtin",
        "within",
    ),
    "key of the evaluation": Mistake(
        'evaluation = { every = "1 year", anchor = 2024-01-01, «evry» = "1 year" }',
        "unknown_key",
        "evaluation.evry",
        "every",
    ),
    "key of an attribute": Mistake(
        'attributes.city = { type = "text", «privat» = true }',
        "unknown_key",
        "attributes.city.privat",
    ),
    "key of a fact": Mistake(
        'facts.f = { of = "sale", take = "count", «wher» = "quantity > 1" }',
        "unknown_key",
        "facts.f.wher",
        "where",
    ),
    "key of bands": Mistake(
        '[scores.s]\nfact = "sale_count"\nfrom = [[1, 1]]\n«belwo» = 1',
        "unknown_key",
        "scores.s.belwo",
        "below",
    ),
    "key of a scorecard": Mistake(
        BANDS + '\nscores.t = { weights = { s = 1 }, «fact» = "sale_count" }',
        "unknown_key",
        "scores.t.fact",
    ),
    "key of a cell": Mistake(
        BANDS + '\nscores.t = { cell = ["s", "s"], «missing» = 1 }',
        "unknown_key",
        "scores.t.missing",
    ),
    "key of a host's score": Mistake(
        'scores.t = { scorer = "alive", «below» = 1 }', "unknown_key", "scores.t.below"
    ),
    "key of the grade": Mistake(
        '[grade]\nfact = "sale_count"\nfrom = [[1, "low"]]\n«missing» = "low"',
        "unknown_key",
        "grade.missing",
    ),
    "key of a class": Mistake(
        '[class]\nfirst = [["blocked", "bad"]]\n«otherwize» = "good"',
        "unknown_key",
        "class.otherwize",
        "otherwise",
    ),
    "key of the notes": Mistake(
        "notes.«minimum_customer» = 3",
        "unknown_key",
        "notes.minimum_customer",
        "minimum_customers",
    ),
    # Keys that are needed.
    "no zone": Mistake("zone = nothing", "missing_key", "zone"),
    "no currency code": Mistake("currency = «{ exponent = 2 }»", "missing_key", "currency.code"),
    "no aggregate": Mistake('facts.f = «{ of = "sale" }»', "missing_key", "facts.f.take"),
    "no conditions": Mistake('[«class»]\notherwise = "good"', "missing_key", "class.first"),
    "no bands of a grade": Mistake(
        'grade = «{ fact = "sale_count" }»', "missing_key", "grade.from"
    ),
    # Containers and values of another type.
    "text for a table": Mistake('currency = «"EUR"»', "wrong_type", "currency"),
    "list for a table": Mistake("scores = «[1]»", "wrong_type", "scores"),
    "table for a list": Mistake("sale_statuses = «{ paid = true }»", "wrong_type", "sale_statuses"),
    "text for a list": Mistake('sale_statuses = «"paid"»', "wrong_type", "sale_statuses"),
    "text for a number": Mistake(
        'currency = { code = "EUR", exponent = «"2"» }', "wrong_type", "currency.exponent"
    ),
    "true for a number": Mistake(
        'currency = { code = "EUR", exponent = «true» }', "wrong_type", "currency.exponent"
    ),
    "fraction for a whole number": Mistake(
        'scores.s = { fact = "sale_count", from = [[1, «1.5»]] }',
        "wrong_type",
        "scores.s.from.0.1",
    ),
    "number for true": Mistake(
        'attributes.city = { type = "text", personal = «0» }',
        "wrong_type",
        "attributes.city.personal",
    ),
    "number for text": Mistake("name = «3»", "wrong_type", "name"),
    "true for an edge": Mistake(
        'scores.s = { fact = "sale_count", from = [[«true», 1]] }',
        "wrong_type",
        "scores.s.from.0.0",
    ),
    "true for points": Mistake(
        'scores.s = { fact = "sale_count", from = [[1, «true»]] }',
        "wrong_type",
        "scores.s.from.0.1",
    ),
    "number for a condition": Mistake(
        'class.first = [[«3», "bad"]]', "wrong_type", "class.first.0.0"
    ),
    "time of day": Mistake(
        'evaluation = { every = "1 year", anchor = «2024-01-01T00:00:00Z» }',
        "wrong_type",
        "evaluation.anchor",
    ),
    # Values that are not among those that may be.
    "format of later": Mistake("format = «2»", "not_allowed", "format"),
    "status that is none": Mistake(
        'sale_statuses = ["paid", «"deliverd"»]', "not_allowed", "sale_statuses.1", "delivered"
    ),
    "status that is never a sale": Mistake(
        'sale_statuses = ["paid", «"cancelled"»]', "never_a_sale", "sale_statuses.1"
    ),
    "status twice": Mistake('sale_statuses = «["paid", "paid"]»', "duplicate", "sale_statuses"),
    "no status": Mistake("sale_statuses = «[]»", "wrong_length", "sale_statuses"),
    "unlinked returns": Mistake('returns = «"refused"»', "not_allowed", "returns", "refuse"),
    "kind of rows": Mistake(
        'facts.f = { of = «"sales"», take = "count" }', "not_allowed", "facts.f.of", "sale"
    ),
    "aggregate": Mistake(
        'facts.f = { of = "sale", take = «"medain"» }', "not_allowed", "facts.f.take", "median"
    ),
    "type of an attribute": Mistake(
        'attributes.city = { type = «"string"» }', "not_allowed", "attributes.city.type"
    ),
    "what unknown does": Mistake(
        'class = { first = [["blocked", "bad"]], unknown = «"skp"» }',
        "not_allowed",
        "class.unknown",
        "skip",
    ),
    "calendar period": Mistake(
        'windows.w = { calendar = «"week"» }', "not_allowed", "windows.w.calendar"
    ),
    # Lengths and ranges.
    "half a row": Mistake(
        'scores.s = { fact = "sale_count", from = [«[2]»] }', "wrong_length", "scores.s.from.0.1"
    ),
    "a row of three": Mistake(
        'scores.s = { fact = "sale_count", from = [«[3, 2, 1]»] }',
        "wrong_length",
        "scores.s.from.0",
    ),
    "no rows": Mistake(
        'scores.s = { fact = "sale_count", from = «[]» }', "wrong_length", "scores.s.from"
    ),
    "cell of one digit": Mistake('scores.s.cell = «["a"]»', "wrong_length", "scores.s.cell"),
    "no weights": Mistake("scores.s.weights = «{}»", "wrong_length", "scores.s.weights"),
    "empty label": Mistake('labels.en.gold = «""»', "wrong_length", "labels.en.gold"),
    "exponent": Mistake(
        'currency = { code = "EUR", exponent = «7» }', "out_of_range", "currency.exponent"
    ),
    "points": Mistake(
        f'scores.s = {{ fact = "sale_count", from = [[1, «{2**31}»]] }}',
        "out_of_range",
        "scores.s.from.0.1",
    ),
    "negative number of customers": Mistake(
        "notes.minimum_customers = «-3»", "out_of_range", "notes.minimum_customers"
    ),
    "integer beyond 64 bits": Mistake(
        f"notes.minimum_customers = «{2**63}»", "out_of_range", "notes.minimum_customers"
    ),
    "edge with too many digits": Mistake(
        f'scores.s = {{ fact = "sale_count", from = [[«"{"9" * 50}"», 1]] }}',
        "out_of_range",
        "scores.s.from.0.0",
    ),
    "NaN": Mistake(
        'scores.s = { fact = "sale_count", from = [[«nan», 1]] }',
        "not_finite",
        "scores.s.from.0.0",
    ),
    "infinity": Mistake(
        'scores.s = { fact = "sale_count", from = [[«-inf», 1]] }',
        "not_finite",
        "scores.s.from.0.0",
    ),
    "number with an exponent, as text": Mistake(
        'scores.s = { fact = "sale_count", from = [[«"1e3"», 1]] }',
        "not_a_number",
        "scores.s.from.0.0",
    ),
    # Names and spellings.
    "capital letters": Mistake(
        'facts.«Count» = { of = "sale", take = "count" }', "bad_name", "facts.Count"
    ),
    "letters beyond ASCII in a name": Mistake(
        'facts.«"größe"» = { of = "sale", take = "count" }', "bad_name", "facts.größe"
    ),
    "look-alike letter in a name": Mistake(
        'facts.«"s\u0430le"» = { of = "sale", take = "count" }', "bad_name", "facts.s\u0430le"
    ),
    "long name": Mistake(
        f'facts.«{"f" * 65}» = {{ of = "sale", take = "count" }}',
        "wrong_length",
        f"facts.{'f' * 65}",
    ),
    "label with capital letters": Mistake(
        'grade = { fact = "sale_count", from = [[1, «"Gold"»]] }', "bad_name", "grade.from.0.1"
    ),
    "name of the policy": Mistake('name = «"My shop"»', "bad_name", "name"),
    "currency in small letters": Mistake(
        'currency = { code = «"eur"», exponent = 2 }', "bad_name", "currency.code"
    ),
    "language": Mistake('labels.«en_GB».gold = "Gold"', "bad_name", "labels.en_GB"),
    "zone": Mistake('zone = «"Asia/Shanghia"»', "bad_value", "zone", "Asia/Shanghai"),
    "span": Mistake('windows.w = «"1 yeer"»', "bad_value", "windows.w.within"),
    "span of nothing": Mistake('windows.w = «"0 days"»', "bad_value", "windows.w.within"),
    "window of two kinds": Mistake(
        'windows.w = «{ within = "1 year", tiles = "1 year" }»', "bad_value", "windows.w"
    ),
    "steps back without a calendar": Mistake(
        'windows.w = «{ within = "1 year", back = 1 }»', "bad_value", "windows.w"
    ),
    "evaluation in words": Mistake('evaluation = «"yearly"»', "bad_value", "evaluation"),
    "evaluation without an anchor": Mistake(
        'evaluation = «{ every = "1 year" }»', "bad_value", "evaluation"
    ),
    "day that is none": Mistake(
        'evaluation = { every = "1 year", anchor = «"2024-02-30"» }',
        "bad_value",
        "evaluation.anchor",
    ),
    "values of a text": Mistake(
        'attributes.city = «{ type = "text", values = ["a"] }»', "one_of", "attributes.city"
    ),
    "order without values": Mistake(
        'attributes.size = «{ type = "label", ordered = true }»', "one_of", "attributes.size"
    ),
    "value twice": Mistake(
        'attributes.size = { type = "label", values = «["s", "s"]» }',
        "duplicate",
        "attributes.size.values",
    ),
    "what the aggregate cannot use": Mistake(
        'facts.f = «{ of = "sale", take = "sum", field = "product" }»', "bad_value", "facts.f"
    ),
    "what the aggregate needs": Mistake(
        'facts.f = «{ of = "sale", take = "distinct" }»', "bad_value", "facts.f"
    ),
    "empty table of conditions": Mistake("class.first = «[]»", "empty_table", "class.first"),
}

NAMES = {
    "unknown window": Mistake(
        'windows.period = "1 year"\nfacts.f = { of = "sale", take = "count", in = «"perod"» }',
        "unknown_name",
        "facts.f.in",
        "period",
    ),
    "unknown fact": Mistake(
        'scores.s = { fact = «"sale_cuont"», from = [[1, 1]] }',
        "unknown_name",
        "scores.s.fact",
        "sale_count",
    ),
    "score for a fact": Mistake(
        BANDS + '\nscores.t = { fact = «"s"», from = [[1, 1]] }', "unknown_name", "scores.t.fact"
    ),
    "fact for a score": Mistake(
        'scores.s = { score = «"sale_count"», from = [[1, 1]] }', "unknown_name", "scores.s.score"
    ),
    "unknown score of a grade": Mistake(
        BANDS + '\n[grade]\nscore = «"z"»\nfrom = [[1, "low"]]', "unknown_name", "grade.score"
    ),
    "weight of nothing": Mistake(
        BANDS + "\nscores.t.weights = { s = 1, «u» = 2 }", "unknown_name", "scores.t.weights.u"
    ),
    "weight of a fact": Mistake(
        BANDS + "\nscores.t.weights = { s = 1, «sale_count» = 2 }",
        "unknown_name",
        "scores.t.weights.sale_count",
    ),
    "digit of nothing": Mistake(
        BANDS + '\nscores.t.cell = ["s", «"u"»]', "unknown_name", "scores.t.cell.1"
    ),
    "unknown scorer": Mistake(
        'scores.s.scorer = «"alvie"»', "unknown_name", "scores.s.scorer", "alive"
    ),
    "unknown column for otherwise": Mistake(
        '[class]\nfirst = [["blocked", "bad"]]\notherwise = «"@grade"»',
        "unknown_name",
        "class.otherwise",
    ),
    "unknown internal name": Mistake(
        BANDS + '\ninternal = [«"score"»]', "unknown_name", "internal.0"
    ),
    "unknown field": Mistake(
        segment("«sale_cuont» > 3"), "unknown_name", "segment.first.0.0", "sale_count"
    ),
    "unknown field of a filter": Mistake(
        "facts.f = { of = 'sale', take = 'count', where = '«chanel» == \"web\"' }",
        "unknown_name",
        "facts.f.where",
        "channel",
    ),
    "unknown preset": Mistake('extends = «"clasic"»', "unknown_name", "extends", "classic"),
    "file that a text cannot extend": Mistake('extends = «"base.toml"»', "no_file", "extends"),
    "extends of a list": Mistake('extends = «["classic"]»', "wrong_type", "extends"),
    "reserved name": Mistake(
        'facts.«grade» = { of = "sale", take = "count" }', "reserved_name", "facts.grade"
    ),
    "keyword for a name": Mistake(
        'scores.«known» = { fact = "sale_count", from = [[1, 1]] }', "reserved_name", "scores.known"
    ),
    "name that is taken": Mistake(
        'attributes.x = "int"\nfacts.«x» = { of = "sale", take = "count" }',
        "duplicate_name",
        "facts.x",
    ),
    "name of a usual fact": Mistake(
        'attributes.«sale_count» = "int"', "duplicate_name", "attributes.sale_count"
    ),
    "name of a first": Mistake(
        'facts.«f» = { of = "sale", take = "first" }', "bad_name", "facts.f", "f_on"
    ),
    "scores in a circle": Mistake(
        'scores.«a» = { score = "b", from = [[1, 1]] }\nscores.b.weights.a = 1', "cycle", "scores.a"
    ),
    "lists in a circle": Mistake(
        "«segment».first = [['stage == \"a\"', 'b']]\nstage.first = [['segment == \"b\"', 'a']]",
        "cycle",
        "segment",
    ),
}

EDGES = {
    "bands over nothing": Mistake("scores.s = «{ from = [[1, 1]] }»", "one_of", "scores.s"),
    "bands over two": Mistake(
        BANDS + '\nscores.t = «{ fact = "sale_count", score = "s", from = [[1, 1]] }»',
        "one_of",
        "scores.t",
    ),
    "no bands": Mistake('scores.s = «{ fact = "sale_count" }»', "one_of", "scores.s"),
    "bands of two kinds": Mistake(
        'scores.s = «{ fact = "sale_count", from = [[1, 1]], within = [["1 day", 1]] }»',
        "one_of",
        "scores.s",
    ),
    "below all spans": Mistake(
        'scores.s = { fact = "last_sale_on", below = «1», within = [["1 day", 1]] }',
        "one_of",
        "scores.s.below",
    ),
    "edges that fall": Mistake(
        'scores.s = { fact = "sale_count", from = [[2, 1], [«1», 2]] }',
        "not_ascending",
        "scores.s.from.1.0",
    ),
    "edge twice": Mistake(
        'scores.s = { fact = "net_sales", from = [["2", 1], [«"2.00"», 2]] }',
        "not_ascending",
        "scores.s.from.1.0",
    ),
    "edges with nothing between": Mistake(
        'scores.s = { fact = "sale_count", from = [[1.2, 1], [«1.8», 2]] }',
        "empty_band",
        "scores.s.from.1.0",
    ),
    "spans that may shrink": Mistake(
        'scores.s = { fact = "last_sale_on", within = [["1 month", 1], [«"30 days"», 2]] }',
        "not_ascending",
        "scores.s.within.1.0",
    ),
    "money as a number": Mistake(
        'scores.s = { fact = "net_sales", from = [[«300», 1]] }',
        "money_as_number",
        "scores.s.from.0.0",
        "300.00",
    ),
    "money too fine": Mistake(
        'scores.s = { fact = "net_sales", from = [[«"300.005"», 1]] }',
        "money_digits",
        "scores.s.from.0.0",
    ),
    "edge too far": Mistake(
        f'scores.s = {{ fact = "sale_count", from = [[«"{10**30}"», 1]] }}',
        "out_of_range",
        "scores.s.from.0.0",
    ),
    "bands over text": Mistake(
        'attributes.city = "text"\nscores.s = { fact = "city", from = «[[1, 1]]» }',
        "type_mismatch",
        "scores.s.from",
    ),
    "numbers over a date": Mistake(
        'scores.s = { fact = "last_sale_on", from = «[[1, 1]]» }', "type_mismatch", "scores.s.from"
    ),
    "spans over a number": Mistake(
        'scores.s = { fact = "sale_count", within = «[["1 day", 1]]» }',
        "type_mismatch",
        "scores.s.within",
    ),
    "weight of 0": Mistake(
        BANDS + "\nscores.t.weights = { s = «0» }", "zero_weight", "scores.t.weights.s"
    ),
    "sum beyond 64 bits": Mistake(
        BANDS + f"\nscores.t.weights = «{{ s = {2**62} }}»", "out_of_range", "scores.t.weights"
    ),
    "no digit": Mistake(
        'scores.s = { fact = "sale_count", from = [[1, 10]] }\n'
        'scores.u = { fact = "sale_count", from = [[1, 1]] }\nscores.t.cell = ["u", «"s"»]',
        "not_a_digit",
        "scores.t.cell.1",
    ),
}

CONDITIONS = {
    # What cannot be read.
    "single equals sign": Mistake(
        segment("sale_count «=» 3"), "condition_syntax", "segment.first.0.0"
    ),
    "two ampersands": Mistake(
        segment("sale_count > 3 «&&» blocked"), "condition_syntax", "segment.first.0.0"
    ),
    "two bars": Mistake(
        segment("sale_count > 3 «||» blocked"), "condition_syntax", "segment.first.0.0"
    ),
    "exclamation mark": Mistake(segment("«!»blocked"), "condition_syntax", "segment.first.0.0"),
    "capital AND": Mistake(
        segment("sale_count > 3 «AND» blocked"), "condition_syntax", "segment.first.0.0"
    ),
    "no quotes": Mistake(segment("city == «Berlin»"), "condition_syntax", "segment.first.0.0"),
    "quote without an end": Mistake(
        segment('city == «"»Berlin'), "condition_syntax", "segment.first.0.0"
    ),
    "parenthesis without an end": Mistake(
        segment("(sale_count > 3"), "condition_syntax", "segment.first.0.0"
    ),
    "parenthesis too many": Mistake(
        segment("sale_count > 3«)»"), "condition_syntax", "segment.first.0.0"
    ),
    "nothing": Mistake(segment(""), "condition_syntax", "segment.first.0.0"),
    "no right side": Mistake(segment("sale_count >"), "condition_syntax", "segment.first.0.0"),
    "chained comparison": Mistake(
        segment("1 < sale_count «<» 5"), "condition_syntax", "segment.first.0.0"
    ),
    "letters beyond ASCII": Mistake(
        segment("«ü»mlaut > 3"), "condition_syntax", "segment.first.0.0"
    ),
    "look-alike letter": Mistake(
        segment("s«\u0430»le_count > 3"), "condition_syntax", "segment.first.0.0"
    ),
    "dash that is no minus": Mistake(
        segment("sale_count > «\u2212»3"), "condition_syntax", "segment.first.0.0"
    ),
    "space of no width": Mistake(
        segment("sale_count«\u200b» > 3"), "condition_syntax", "segment.first.0.0"
    ),
    "bidirectional control": Mistake(
        segment("sale_count > «\u202e»3"), "condition_syntax", "segment.first.0.0"
    ),
    "leading zero": Mistake(segment("sale_count > «007»"), "condition_syntax", "segment.first.0.0"),
    "power of ten": Mistake(segment("sale_count > «1»e3"), "condition_syntax", "segment.first.0.0"),
    "is with a value": Mistake(
        segment("sale_count is «3»"), "condition_syntax", "segment.first.0.0"
    ),
    "in without brackets": Mistake(
        segment("sale_count in «3»"), "condition_syntax", "segment.first.0.0"
    ),
    "in with nothing": Mistake(
        segment("sale_count in [«]»"), "condition_syntax", "segment.first.0.0"
    ),
    "too long": Mistake(
        segment(" or ".join(["sale_count > 3"] * 300)), "condition_syntax", "segment.first.0.0"
    ),
    "too deep": Mistake(
        segment("(" * 60 + "blocked" + ")" * 60), "condition_syntax", "segment.first.0.0"
    ),
    "too many terms": Mistake(
        segment(" or ".join(["sale_count>1"] * 200)), "condition_syntax", "segment.first.0.0"
    ),
    "number with too many digits": Mistake(
        segment(f"sale_count > «{'9' * 39}»"), "condition_syntax", "segment.first.0.0"
    ),
    # What does not fit.
    "text for a whole number": Mistake(
        segment('sale_count > «"3"»'), "type_mismatch", "segment.first.0.0"
    ),
    "number for text": Mistake(segment("city == «3»"), "type_mismatch", "segment.first.0.0"),
    "number for true": Mistake(segment("blocked == «1»"), "type_mismatch", "segment.first.0.0"),
    "true for a number": Mistake(
        segment("sale_count == «true»"), "type_mismatch", "segment.first.0.0"
    ),
    "order of text": Mistake(segment('«city < "m"»'), "not_ordered", "segment.first.0.0"),
    "order of labels without one": Mistake(
        segment('«kind > "new"»'), "not_ordered", "segment.first.0.0"
    ),
    "order of true": Mistake(segment("«blocked > false»"), "not_ordered", "segment.first.0.0"),
    "label that there is not": Mistake(
        segment('size == «"xl"»'), "unknown_label", "segment.first.0.0", "l"
    ),
    "edges the wrong way round": Mistake(
        segment("«sale_count between 5 and 1»"), "reversed_edges", "segment.first.0.0"
    ),
    "money with too many digits": Mistake(
        segment("net_sales > «300.005»"), "money_digits", "segment.first.0.0"
    ),
    "date that there is not": Mistake(
        segment('last_sale_on > «"2023-02-29"»'), "bad_date", "segment.first.0.0"
    ),
    "date written otherwise": Mistake(
        segment('last_sale_on > «"31.12.2023"»'), "bad_date", "segment.first.0.0"
    ),
    "instant without an offset": Mistake(
        segment('first_order_at > «"2024-01-31T09:00:00"»'), "bad_instant", "segment.first.0.0"
    ),
    "instant that there is not": Mistake(
        segment('first_order_at > «"2024-01-31T25:00:00Z"»'), "bad_instant", "segment.first.0.0"
    ),
    "number too far from zero": Mistake(
        segment(f"sale_count > «{10**30}»"), "out_of_range", "segment.first.0.0"
    ),
    "text compared with a date": Mistake(
        segment("«city == last_sale_on»"), "type_mismatch", "segment.first.0.0"
    ),
    "value for a condition": Mistake(segment("«sale_count»"), "type_mismatch", "segment.first.0.0"),
    "nothing but literals": Mistake(segment("«1 < 2»"), "type_mismatch", "segment.first.0.0"),
}

EXPRESSIONS = {
    "value for a condition, calculated": Mistake(
        segment("«sale_count + 1»"), "condition_syntax", "segment.first.0.0"
    ),
    "condition for a value": Mistake(
        segment("(«blocked or vip») + 1 > 2"), "condition_syntax", "segment.first.0.0"
    ),
    "condition compared": Mistake(
        segment("(«sale_count > 1») == true"), "condition_syntax", "segment.first.0.0"
    ),
    "slash for divide": Mistake(
        segment("net_sales «/» sale_count > 10"), "condition_syntax", "segment.first.0.0"
    ),
    "division without a value for zero": Mistake(
        segment("divide(net_sales, sale_count«)» > 10"), "condition_syntax", "segment.first.0.0"
    ),
    "division with too many values": Mistake(
        segment("divide(net_sales, sale_count, 0«,» 1) > 10"),
        "condition_syntax",
        "segment.first.0.0",
    ),
    "function that there is not": Mistake(
        segment("«round»(sale_count) > 1"), "condition_syntax", "segment.first.0.0"
    ),
    "function of another spelling": Mistake(
        segment("«days_beetween»(last_sale_on, as_of) > 1"),
        "condition_syntax",
        "segment.first.0.0",
    ),
    "one date for days between": Mistake(
        segment("days_between(last_sale_on«)» > 1"), "condition_syntax", "segment.first.0.0"
    ),
    "minus before a field": Mistake(
        segment("sale_count > -«order_count»"), "condition_syntax", "segment.first.0.0"
    ),
    "bands without edges": Mistake(
        segment("band(sale_count«)» > 1"), "condition_syntax", "segment.first.0.0"
    ),
    "bands that fall": Mistake(
        segment("band(sale_count, 5: 1, «3»: 2) > 1"), "not_ascending", "segment.first.0.0"
    ),
    "case without conditions": Mistake(
        segment("case(«else»: 1) > 1"), "condition_syntax", "segment.first.0.0"
    ),
    "case of two kinds": Mistake(
        segment('«case(blocked: 1, else: "x")» == 1'), "type_mismatch", "segment.first.0.0"
    ),
    "between with one edge": Mistake(
        segment("sale_count between 1"), "condition_syntax", "segment.first.0.0"
    ),
    "else for a name": Mistake(segment("«else» > 1"), "condition_syntax", "segment.first.0.0"),
    "sum of an amount and a number": Mistake(
        segment("«net_sales + sale_count» > 10"), "type_mismatch", "segment.first.0.0"
    ),
    "product of two amounts": Mistake(
        segment("«net_sales * max_sale» > 10"), "type_mismatch", "segment.first.0.0"
    ),
    "number divided by an amount": Mistake(
        segment("«divide(sale_count, net_sales, 0)» > 1"), "type_mismatch", "segment.first.0.0"
    ),
    "exact with inexact": Mistake(
        segment("«sale_count + gap_spread_days» > 1"), "type_mismatch", "segment.first.0.0"
    ),
    "sum of dates": Mistake(
        segment('«last_sale_on + 1» > "2024-01-01"'), "type_mismatch", "segment.first.0.0"
    ),
    "days between numbers": Mistake(
        segment("days_between(«sale_count», as_of) > 1"), "type_mismatch", "segment.first.0.0"
    ),
    "date moved by an amount": Mistake(
        segment('shift_days(last_sale_on, «net_sales») > "2024-01-01"'),
        "type_mismatch",
        "segment.first.0.0",
    ),
    "amount compared with a number": Mistake(
        segment("«net_sales > sale_count»"), "type_mismatch", "segment.first.0.0"
    ),
    "product that may leave 64 bits": Mistake(
        segment("«sale_count * order_count * return_count» * item_count > 1"),
        "may_overflow",
        "segment.first.0.0",
    ),
    "the same for everybody": Mistake(
        segment("«1 + 1 == 2»"), "type_mismatch", "segment.first.0.0"
    ),
    "the same condition twice": Mistake(
        'segment.first = [["sale_count > 3", "a"], [«"(sale_count > 3)"», "b"]]',
        "duplicate_condition",
        "segment.first.1.0",
    ),
}

QUANTILES = {
    "quantiles beside edges": Mistake(
        'scores.s = «{ fact = "sale_count", quantiles = 5, from = [[1, 1]] }»',
        "one_of",
        "scores.s",
    ),
    "too many quantiles": Mistake(
        'scores.s = { fact = "sale_count", quantiles = «11» }', "out_of_range", "scores.s.quantiles"
    ),
    "quantiles of a date": Mistake(
        'scores.s = { fact = "last_sale_on", quantiles = «5» }',
        "type_mismatch",
        "scores.s.quantiles",
    ),
    "quantiles that are not fitted": Mistake(
        'scores.s = { fact = "sale_count", quantiles = «5» }', "not_fitted", "scores.s.quantiles"
    ),
    "best without quantiles": Mistake(
        'scores.s = { fact = "sale_count", from = [[1, 1]], best = «"low"» }',
        "one_of",
        "scores.s.best",
    ),
    "inside nothing": Mistake(
        BANDS + '\nscores.t = { fact = "net_sales", inside = «"u"», by.1.from = [["0.00", 1]] }',
        "unknown_name",
        "scores.t.inside",
    ),
    "points without bands inside them": Mistake(
        BANDS + '\n[scores.t]\nfact = "net_sales"\ninside = "s"\n«by».1.from = [["0.00", 1]]',
        "missing_table",
        "scores.t.by",
    ),
}

MISTAKES = {
    f"{group}: {name}": mistake
    for group, mistakes in {
        "shape": SHAPE,
        "names": NAMES,
        "edges": EDGES,
        "condition": CONDITIONS,
        "expression": EXPRESSIONS,
        "quantiles": QUANTILES,
    }.items()
    for name, mistake in mistakes.items()
}


# Texts that are no TOML or JSON, or hold more than may be: that is all that is said of them.
UNREADABLE = {
    "two equals signs": Mistake("a = «=» 1", "toml_syntax", ""),
    "list without an end": Mistake("a = [1,", "toml_syntax", ""),
    "text without an end": Mistake('a = "b', "toml_syntax", ""),
    "no value": Mistake("a =", "toml_syntax", ""),
    "bare word": Mistake("a = yes", "toml_syntax", ""),
    "null": Mistake("a = null", "toml_syntax", ""),
    "key twice": Mistake('name = "shop"\nname = "again"', "duplicate_key", ""),
    "table twice": Mistake("[facts]\n[facts]", "duplicate_key", ""),
    "key twice in a row": Mistake("notes = { a = 1, a = 2 }", "duplicate_key", ""),
    "number without a digit before the point": Mistake("a = .5", "toml_syntax", ""),
    "date that is none": Mistake("a = 2024-02-30", "toml_syntax", ""),
    "key of many parts": Mistake("«a.b.c.d.e.f.g.h.i» = 1", "too_deep", ""),
    "number of many digits": Mistake(f"a = {'9' * 401}", "out_of_range", ""),
    "very deep": Mistake(f"a = {'[' * 3000}{']' * 3000}", "too_deep", ""),
}

JSON = {
    "JSON without a comma": ('{"format": 1 "name": "shop"}', "json_syntax", "", 1, 14),
    "JSON with a comma too many": ('{"format": 1,}', "json_syntax", "", 1, 14),
    "JSON key twice": ('{"a": 1, "a": 2}', "duplicate_key", "a", 1, None),
    "JSON key twice, deeper": (
        '{"notes": {"minimum_customers": 1, "minimum_customers": 2}}',
        "duplicate_key",
        "notes.minimum_customers",
        1,
        None,
    ),
    "JSON NaN": ('{"notes": {"a": NaN}}', "not_finite", "notes.a", 1, 17),
    "JSON null": ('{"a": null}', "wrong_type", "a", 1, 7),
    "JSON list": ("[1]", "unknown_name", "", None, None),
    "half a surrogate pair": ('{"a": "\\ud800"}', "not_utf8", "a", 1, 7),
}
