"""Refusals: everything that is wrong with a policy comes at once, and only once."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from crmcore.errors import PolicyError, Problem
from crmcore.policy import load_policy
from crmcore.policy.gaps import Gaps

HEAD = """\
format = 1
name = "shop"
zone = "UTC"
currency = { code = "EUR", exponent = 2 }
sale_statuses = ["paid"]
"""


def refused(source: object) -> list[Problem]:
    with pytest.raises(PolicyError) as caught:
        load_policy(source)  # type: ignore[arg-type]
    return list(caught.value.problems)


def found(text: str) -> list[tuple[str, str]]:
    """Return code and path of everything that is wrong with a policy that goes on like this."""
    return [(one.code, one.path) for one in refused(HEAD + text)]


# Several mistakes where one could hide the others.
TOGETHER = {
    "a fact, all of it": (
        "facts.f = { of = 'sails', take = 'cuont', in = 'perod', where = 'chanel == 1', x = 1 }",
        [
            ("not_allowed", "facts.f.of"),
            ("not_allowed", "facts.f.take"),
            ("unknown_name", "facts.f.in"),
            ("unknown_name", "facts.f.where"),
            ("unknown_key", "facts.f.x"),
        ],
    ),
    "what names a fact with a mistake": (
        "facts.f = { of = 'sails', take = 'count' }\n"
        "scores.s = { fact = 'f', from = [[2, 1], [1, 1]] }\n"
        "class.first = [['f > 3 and g > 1', 'a'], ['s > 1', 'b']]",
        [
            ("not_allowed", "facts.f.of"),
            ("not_ascending", "scores.s.from.1.0"),
            ("unknown_name", "class.first.0.0"),
        ],
    ),
    "labels and points whose edges have mistakes": (
        "scores.s = { fact = 'sale_count', from = [[2, 1], [1, 1]] }\n"
        "grade = { score = 's', from = [[3, 'low'], [2, 'top']] }\n"
        "class.first = [['grade == \"tip\"', 'a'], ['grade == \"top\"', 'b'], ['s == \"x\"', 'c']]",
        [
            ("not_ascending", "scores.s.from.1.0"),
            ("not_ascending", "grade.from.1.0"),
            ("unknown_label", "class.first.0.0"),
            ("type_mismatch", "class.first.2.0"),
        ],
    ),
    "a fact whose kind is known all the same": (
        "facts.f = { of = 'sale', take = 'count', in = 'perod', where = 'quantity = 1' }\n"
        "scores.s = { fact = 'f', from = [[1.2, 1], [1.4, 2]] }\n"
        "class.first = [['f == \"x\"', 'a']]",
        [
            ("unknown_name", "facts.f.in"),
            ("condition_syntax", "facts.f.where"),
            ("empty_band", "scores.s.from.1.0"),
            ("type_mismatch", "class.first.0.0"),
        ],
    ),
    "edges over a misspelt fact": (
        'scores.s = { fact = "net_salse", from = [["3.005", 1], [2, 1]] }',
        [
            ("unknown_name", "scores.s.fact"),
            ("money_digits", "scores.s.from.0.0"),
            ("not_ascending", "scores.s.from.1.0"),
            ("money_as_number", "scores.s.from.1.0"),
        ],
    ),
    "edges over a fact like no other": (
        'scores.s = { fact = "zzz", from = [["3.005", 1], [2, 1]] }',
        [("unknown_name", "scores.s.fact"), ("not_ascending", "scores.s.from.1.0")],
    ),
    "spans over a misspelt fact": (
        'grade = { fact = "last_sale", from = [[2, "a"], [2, "b"]] }\n'
        'scores.s = { fact = "lst_sale_on", within = [["1 year", 1], ["1 month", 1]] }',
        [
            ("unknown_name", "grade.fact"),
            ("not_ascending", "grade.from.1.0"),
            ("unknown_name", "scores.s.fact"),
            ("not_ascending", "scores.s.within.1.0"),
        ],
    ),
    "rows that are wrong among rows that fall": (
        'scores.s = { fact = "sale_count", from = [[3, 1], ["x", 2], [2, 3], [4, "y"], [1, 1]] }',
        [
            ("not_a_number", "scores.s.from.1.0"),
            ("not_ascending", "scores.s.from.2.0"),
            ("wrong_type", "scores.s.from.3.1"),
            ("not_ascending", "scores.s.from.4.0"),
        ],
    ),
    "the first row of all": (
        'grade = { fact = "sale_cuont", from = [["x", "a"], [2, "b"], [1, "c"]] }',
        [
            ("unknown_name", "grade.fact"),
            ("not_a_number", "grade.from.0.0"),
            ("not_ascending", "grade.from.2.0"),
        ],
    ),
    "the first span": (
        'scores.s = { fact = "last_sale_on", within = [["x", 1], ["1 day", 2], ["1 day", 3]] }',
        [("bad_value", "scores.s.within.0.0")],
    ),
    "labels among edges": (
        'grade = { fact = "sale_count", from = [[3, "Gold"], [2, "b"]] }',
        [("bad_name", "grade.from.0.1"), ("not_ascending", "grade.from.1.0")],
    ),
    "weights": (
        "scores.s.weights = { a = 1.5, b = 0, c = 1 }\nscores.c.weights = {}",
        [
            ("wrong_type", "scores.s.weights.a"),
            ("unknown_name", "scores.s.weights.b"),
            ("zero_weight", "scores.s.weights.b"),
            ("wrong_length", "scores.c.weights"),
        ],
    ),
    "scores in a circle": (
        'scores.a = { score = "b", from = [[2, 1], [1, 1]] }\nscores.b.weights = { a = 1, c = 1 }',
        [
            ("cycle", "scores.a"),
            ("not_ascending", "scores.a.from.1.0"),
            ("unknown_name", "scores.b.weights.c"),
        ],
    ),
    "rows, otherwise and unknown of a class": (
        "class.first = [['sale_count = 3', 'a'], ['h > 1', 'b'], ['blocked', 'C'], [1, 2, 3]]\n"
        "class.otherwise = '@grade'\nclass.unknown = 'skp'",
        [
            ("condition_syntax", "class.first.0.0"),
            ("unknown_name", "class.first.1.0"),
            ("bad_name", "class.first.2.1"),
            ("wrong_length", "class.first.3"),
            ("unknown_name", "class.otherwise"),
            ("not_allowed", "class.unknown"),
        ],
    ),
    "a class whose rows are no list": (
        "class = { first = 3, otherwise = '@grade' }\nsegment.first = [['class == \"a\"', 'b']]",
        [("wrong_type", "class.first"), ("unknown_name", "class.otherwise")],
    ),
    "facts that are no table": (
        "facts = 3\nscores.s = { fact = 'x', from = [[2, 1], [1, 1]] }\n"
        "scores.t = { score = 'x', from = [[1, 1]] }\n"
        "class.first = [['x > 1 and blocked > 1', 'a']]",
        [
            ("wrong_type", "facts"),
            ("not_ascending", "scores.s.from.1.0"),
            ("unknown_name", "scores.t.score"),
            ("not_ordered", "class.first.0.0"),
        ],
    ),
    "scores that are no table": (
        "scores = []\ngrade = { score = 's', from = [[2, 'a'], [1, 'b']] }\ninternal = ['s']\n"
        "facts.f = { of = 'sale', take = 'count', in = 'w' }",
        [
            ("wrong_type", "scores"),
            ("not_ascending", "grade.from.1.0"),
            ("unknown_name", "facts.f.in"),
        ],
    ),
    "windows and attributes that are no tables": (
        "windows = 1\nattributes = 'x'\nfacts.f = { of = 'sale', take = 'count', in = 'w' }\n"
        "scores.s = { fact = 'city', from = [[1, 1]] }\nscores.t.weights = { u = 1 }",
        [
            ("wrong_type", "windows"),
            ("wrong_type", "attributes"),
            ("unknown_name", "scores.t.weights.u"),
        ],
    ),
    "labels": (
        "labels = { en = 3, de = { Gold = 'Gold', gold = '' }, xx_YY = {} }",
        [
            ("wrong_type", "labels.en"),
            ("bad_name", "labels.de.Gold"),
            ("wrong_length", "labels.de.gold"),
            ("bad_name", "labels.xx_YY"),
        ],
    ),
    "a window that is wrong": (
        "windows.w = '1 yeer'\nfacts.f = { of = 'sale', take = 'count', in = 'w' }\n"
        "facts.g = { of = 'sale', take = 'count', in = 'v' }",
        [("bad_value", "windows.w.within"), ("unknown_name", "facts.g.in")],
    ),
    "numbers that are none": (
        "scores.s = { fact = 'sale_count', from = [[nan, 1], [2, 1.5]], below = inf, belwo = 1 }",
        [
            ("not_finite", "scores.s.from.0.0"),
            ("wrong_type", "scores.s.from.1.1"),
            ("not_finite", "scores.s.below"),
            ("unknown_key", "scores.s.belwo"),
        ],
    ),
    "conditions as trees": (
        "class.first = [[{ op = '==', left = { op = 'field', name = 'sale_cuont', x = 1 } }, 'a'],"
        " [{ op = 'and', terms = [{ op = 'nor' }, { name = 'x' }, 3] }, 'b']]",
        [
            ("missing_key", "class.first.0.0.right"),
            ("unknown_key", "class.first.0.0.left.x"),
            ("not_allowed", "class.first.1.0.terms.0.op"),
            ("missing_key", "class.first.1.0.terms.1.op"),
            ("wrong_type", "class.first.1.0.terms.2"),
        ],
    ),
    "a class with one wrong condition": (
        "class.first = [['sale_cuont > 1', 'x']]\nclass.otherwise = 'z'\n"
        "segment.first = [['class == \"y\"', 'a'], ['class > 3', 'b'], ['class == \"z\"', 'c']]",
        [
            ("unknown_name", "class.first.0.0"),
            ("unknown_label", "segment.first.0.0"),
            ("not_ordered", "segment.first.1.0"),
        ],
    ),
    "a class with a condition that cannot be read": (
        "class.first = [['sale_count = 1', 'x']]\nsegment.first = [['class == \"y\"', 'a']]",
        [("condition_syntax", "class.first.0.0"), ("unknown_label", "segment.first.0.0")],
    ),
    "a class whose labels have a mistake too": (
        "class.first = [['sale_count = 1', 'X'], ['sale_cuont > 1', 'x']]\n"
        "segment.first = [['class == \"y\"', 'a']]",
        [
            ("condition_syntax", "class.first.0.0"),
            ("bad_name", "class.first.0.1"),
            ("unknown_name", "class.first.1.0"),
        ],
    ),
    "a class that takes what has no type": (
        "facts.f = { of = 'sale', take = 'cuont' }\nclass.first = [['f > 1', 'x']]\n"
        "class.otherwise = '@gradee'\nsegment.first = [['class == \"y\"', 'a']]",
        [("not_allowed", "facts.f.take"), ("unknown_name", "class.otherwise")],
    ),
    "an attribute with a key too many": (
        "attributes.tier = { type = 'label', values = ['aa', 'bb'], ordered = true, min = 1 }\n"
        "class.first = [['tier == \"cc\"', 'a'], ['tier > 3', 'b'], ['tier > \"aa\"', 'c']]",
        [
            ("one_of", "attributes.tier"),
            ("unknown_label", "class.first.0.0"),
            ("type_mismatch", "class.first.1.0"),
        ],
    ),
    "attributes of which too little is certain": (
        "attributes.a = { type = 'label', values = ['x', 3] }\n"
        "attributes.b = { type = 'lable', values = ['x'] }\n"
        "class.first = [['a == \"y\"', 'a'], ['a > 3', 'b'], ['b == \"y\"', 'c']]",
        [("wrong_type", "attributes.a.values.1"), ("not_allowed", "attributes.b.type")],
    ),
    "a fact whose name says what it holds": (
        "facts.d = { of = 'sale', take = 'last' }\nclass.first = [['d > 3', 'a']]",
        [("bad_name", "facts.d")],
    ),
    "all parts of a test": (
        "class.first = [['sale_cuont between foo and bar', 'a'],"
        " ['sale_cuont > case(foo > 1: 1, else: 2)', 'b']]",
        [*[("unknown_name", "class.first.0.0")] * 3, *[("unknown_name", "class.first.1.0")] * 2],
    ),
    "all edges of a band": (
        "class.first = [['band(sale_count, 5: 1, 3: 2, 2: 1) > 1', 'a'],"
        " ['band(sale_cuont, 5: 1, 3: 2) > 1', 'b'],"
        " ['band(sale_count, 5: 1, 3: 2, \"x\": 3) > 1', 'c']]",
        [
            *[("not_ascending", "class.first.0.0")] * 2,
            ("unknown_name", "class.first.1.0"),
            ("not_ascending", "class.first.1.0"),
            ("not_ascending", "class.first.2.0"),
            ("type_mismatch", "class.first.2.0"),
        ],
    ),
    "no conditions": (
        "class = {}\nstage.first = []\nstage.otherwise = '@class'",
        [("missing_key", "class.first"), ("empty_table", "stage.first")],
    ),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_no_mistake_hides_another(case: str) -> None:
    text, expected = TOGETHER[case]
    assert found(text) == expected


def test_what_has_a_mistake_itself_is_suggested_all_the_same() -> None:
    text = (
        "attributes.tier = { type = 'labl' }\nfacts.visits = { of = 'sale', take = 'cuont' }\n"
        "scores.s = { fact = 'visit', from = [[1, 1]] }\nclass.first = [['tierr == \"a\"', 'a']]"
    )
    found = [one.suggestion for one in refused(HEAD + text) if one.code == "unknown_name"]
    assert found == ["visits", "tier"]


def test_a_condition_is_asked_for_where_a_number_stands() -> None:
    (problem,) = refused(HEAD + "class.first = [[3, 'a']]")
    assert (problem.code, problem.path) == ("wrong_type", "class.first.0.0")
    assert problem.message.startswith("a condition in quotes is expected, such as")


# Limits

COUNT = HEAD + "facts.n = { of = 'sale', take = 'count' }\n"
LONG = "+".join("n" * 6)


def test_all_conditions_together_have_a_limit() -> None:
    rows = ", ".join(f"['{LONG} > {at}', 'x']" for at in range(1_000))
    (within,) = refused(COUNT + f"class.first = [{rows}]\nfcats.x = 1")
    assert within.code == "unknown_key"
    rows = ", ".join(f"['{LONG} + 1 + 2 > {at}', 'x']" for at in range(1_000))
    (beyond,) = refused(COUNT + f"class.first = [{rows}]\nfcats.x = 1")
    assert beyond.code == "too_large"
    assert beyond.path.startswith("class.first.7")


def test_a_condition_that_stands_often_is_counted_once() -> None:
    rows = ", ".join(f"['{LONG} + 1 + 2 > 3', 'x']" for _ in range(1_000))
    assert {one.code for one in refused(COUNT + f"class.first = [{rows}]")} == {
        "duplicate_condition"
    }


def test_the_limits_hold_for_all_that_is_extended(tmp_path: Path) -> None:
    base, shop = tmp_path / "base.toml", tmp_path / "shop.toml"

    def write(count: int, form: str) -> None:
        base.write_text(HEAD + "".join(form.format(f"a{at}") for at in range(count)))
        shop.write_text(
            'extends = "base.toml"\n' + "".join(form.format(f"b{at}") for at in range(count))
        )

    write(500, "attributes.{} = 'int'\n")
    assert load_policy(load_policy(shop)) == load_policy(load_policy(shop).to_toml())
    write(501, "attributes.{} = 'int'\n")
    assert [(one.code, one.path) for one in refused(shop)] == [("too_large", "attributes")]
    long = "x" * 9_990
    write(9, f"labels.{{}}.k = '{long}'\n")
    assert [(one.code, Path(one.file or "").name) for one in refused(shop)][-1:] == [
        ("too_large", "base.toml")
    ]


def test_names_with_dots_in_texts_and_comments_are_no_long_keys() -> None:
    text = HEAD + 'labels.en.a = "a.b.c.d.e.f.g.h.i"  # see 1.2.3.4.5.6.7.8.9\n'
    assert load_policy(text).label("a", "en") == "a.b.c.d.e.f.g.h.i"
    quoted = "'" * 3 + 'a.b.c.d.e.f.g.h.i"""'
    text = HEAD + 'labels.en.a = """\n' + quoted + "\n# " + "9" * 500 + "\n"
    assert "a.b.c" in load_policy(text).label("a", "en")
    (problem,) = refused('# \'a\'\nx = "\\"#"\n a.\'b\'.c.d."e".f.g.h.i = 1')
    assert (problem.code, problem.line, problem.column) == ("too_deep", 3, 2)


@pytest.mark.parametrize("text", [HEAD, '{"format": 1}'])
def test_a_byte_order_mark_before_a_text_is_taken_off(text: str) -> None:
    problems = [] if text is HEAD else refused(text)
    assert (load_policy("\ufeff" + text).name if text is HEAD else refused("\ufeff" + text)) == (
        "shop" if text is HEAD else problems
    )


def test_a_policy_keeps_its_document() -> None:
    policy = load_policy("classic")
    policy.document["grade"]["from"][0][0] = 1  # type: ignore[index, call-overload]
    assert policy.document == load_policy("classic").document
    assert pickle.loads(pickle.dumps(policy)) == policy


# Misspelt keys, and what is found in them as if they were not.
MISSPELT = {
    "table at the top": (
        "windws = { w = '1 yeer', v = '1 year' }\n"
        "facts.f = { of = 'sale', take = 'count', in = 'v' }",
        [("unknown_key", "windws"), ("bad_value", "windws.w.within")],
    ),
    "table beside the one that was meant": (
        "windows.v = '1 day'\nwindws.w = '1 yeer'\nwindws.v = 3\n"
        "facts.f = { of = 'sale', take = 'count', in = 'w' }",
        [("unknown_key", "windws"), ("bad_value", "windws.w.within")],
    ),
    "within another": (
        "facst.f = { of = 'sale', taek = 'first' }",
        [("unknown_key", "facst"), ("bad_name", "facst.f"), ("unknown_key", "facst.f.taek")],
    ),
    "bands": (
        "scores.s = { fatc = 'sale_cuont', form = [[2, 1], [1, 1]] }",
        [
            ("unknown_key", "scores.s.fatc"),
            ("unknown_name", "scores.s.fatc"),
            ("unknown_key", "scores.s.form"),
            ("not_ascending", "scores.s.form.1.0"),
        ],
    ),
    "weights": (
        "scores.s.wieghts = { a = 0 }",
        [
            ("unknown_key", "scores.s.wieghts"),
            ("unknown_name", "scores.s.wieghts.a"),
            ("zero_weight", "scores.s.wieghts.a"),
        ],
    ),
    "what it was meant for is there": (
        "scores.s = { fact = 'sale_count', from = [[1, 1]], form = [[2, 1], [1, 1]] }",
        [("unknown_key", "scores.s.form")],
    ),
    "like nothing": (
        "scores.s = { fact = 'sale_cuont', edges = [[2, 1], [1, 1]] }",
        [("unknown_name", "scores.s.fact"), ("unknown_key", "scores.s.edges")],
    ),
    "a value that could not stand there": ("windws = 1", [("unknown_key", "windws")]),
    "as it is called elsewhere": (
        "facts.f = { of = 'sale', take = 'count', window = 'w', filter = 'chanel == 1' }",
        [
            ("unknown_key", "facts.f.window"),
            ("unknown_name", "facts.f.window"),
            ("unknown_key", "facts.f.filter"),
            ("unknown_name", "facts.f.filter"),
        ],
    ),
}


@pytest.mark.parametrize("case", MISSPELT)
def test_what_stands_in_a_misspelt_key_is_checked_too(case: str) -> None:
    text, expected = MISSPELT[case]
    assert found(text) == expected


def test_a_required_key_that_is_misspelt_is_not_missing_too() -> None:
    text = HEAD.replace("zone", "zoen").replace("exponent", "exponnet")
    assert [one.path for one in refused(text)] == ["zoen", "currency.exponnet"]


def test_the_currency_is_taken_apart_too() -> None:
    bands = 'scores.s = { fact = "net_sales", from = [["1.005", 1], [1, 1]] }'
    wrong_code = HEAD.replace('"EUR"', '"eur"') + bands
    assert [one.path for one in refused(wrong_code)] == [
        "currency.code",
        "scores.s.from.0.0",
        "scores.s.from.1.0",
        "scores.s.from.1.0",
    ]
    wrong_exponent = HEAD.replace("exponent = 2", "exponent = 12") + bands
    assert [(one.code, one.path) for one in refused(wrong_exponent)] == [
        ("out_of_range", "currency.exponent"),
        ("not_ascending", "scores.s.from.1.0"),
        ("money_as_number", "scores.s.from.1.0"),
    ]


def test_what_json_lets_through_comes_with_everything_else() -> None:
    text = (
        '{"format": 1, "name": "x", "name": "y", "zone": null, "sale_statuses": ["paid", NaN],'
        ' "returns": "\\udc00", "grade": {"fact": "sale_count",'
        ' "from": [[1e999, "a"], [1, "B"], [0, "c"]]}}'
    )
    assert [(one.code, one.path) for one in refused(text)] == [
        ("missing_key", "currency"),
        ("duplicate_key", "name"),
        ("wrong_type", "zone"),
        ("not_finite", "sale_statuses.1"),
        ("not_utf8", "returns"),
        ("out_of_range", "grade.from.0.0"),
        ("bad_name", "grade.from.1.1"),
        ("not_ascending", "grade.from.2.0"),
    ]


@pytest.mark.parametrize("text", ["", " \n", "# nothing\n", "{}"])
def test_an_empty_policy_says_what_the_least_is(text: str) -> None:
    (problem,) = refused(text)
    assert problem.code == "missing_key"
    lines = problem.message.split("write, line by line, ")[1].split("; or only ")
    assert load_policy(lines[0].replace("; ", "\n")).name == "shop"
    assert load_policy(lines[1] + "\n").name == "classic"


def test_each_thing_that_is_required_has_an_example() -> None:
    missing = refused("returns = 'refuse'")
    assert [one.code for one in missing] == ["missing_key"] * 5
    lines = [one.message.removeprefix("this is required, such as ") for one in missing]
    assert load_policy("\n".join(lines)).currency.code == "EUR"


# Extending what cannot be read

PART = """\
zone = "Europe/Berlim"
[scores.frequency_points]
from = [[2, 1], [1, 2]]
fitt = 1
[class]
first = [["sale_count = 3", "a"], ["theirs > 1", "b"]]
"""
OF_PART = [
    ("bad_value", "zone"),
    ("not_ascending", "scores.frequency_points.from.1.0"),
    ("unknown_key", "scores.frequency_points.fitt"),
    ("condition_syntax", "class.first.0.0"),
]


@pytest.mark.parametrize(
    ("extends", "code"), [("clasic", "unknown_name"), ("base.toml", "no_file")]
)
def test_a_policy_is_checked_also_where_what_it_extends_is_not_there(
    extends: str, code: str
) -> None:
    problems = [(one.code, one.path) for one in refused(f'extends = "{extends}"\n' + PART)]
    assert problems == [(code, "extends"), *OF_PART]


def test_what_is_wrong_with_both_files_comes_at_once(tmp_path: Path) -> None:
    shop, base = tmp_path / "shop.toml", tmp_path / "base.toml"
    shop.write_text('extends = "base.toml"\n' + PART)
    base.write_text("a = = 1")
    found = [(Path(one.file or "").name, one.code) for one in refused(shop)]
    assert found == [*(("shop.toml", code) for code, _ in OF_PART), ("base.toml", "toml_syntax")]
    base.write_text('extends = "shop.toml"\nretruns = 3\n')
    found = [(Path(one.file or "").name, one.code) for one in refused(shop)]
    assert found == [
        *(("shop.toml", code) for code, _ in OF_PART),
        ("base.toml", "cycle"),
        ("base.toml", "unknown_key"),
    ]


def test_values_of_both_files_are_told_of_each(tmp_path: Path) -> None:
    shop, base = tmp_path / "shop.json", tmp_path / "base.json"
    shop.write_text(json.dumps({"extends": "base.json", "zone": "UTC", "name": None}))
    base.write_text(json.dumps({"format": 1, "zone": None, "sale_statuses": ["paid"]}))
    found = [(Path(one.file or "").name, one.path) for one in refused(shop)]
    assert found == [("shop.json", "currency"), ("shop.json", "name"), ("base.json", "zone")]


def test_gaps_explain_what_only_follows() -> None:
    gaps = Gaps(frozenset(["facts.f.of", "windows.w"]), frozenset(["s"]), frozenset(["attributes"]))
    explained = [
        Problem("one_of", "", "facts.f"),
        Problem("bad_value", "", "facts.f.of.0"),
        Problem("unknown_name", "", "facts.g.in", "w"),
        Problem("unknown_name", "", "scores.a.fact", "f"),
        Problem("unknown_name", "", "scores.a.fact", "city"),
        Problem("unknown_name", "", "class.first.0.0", "city"),
        Problem("unknown_name", "", "class.otherwise", "@s"),
        Problem("unknown_name", "", "scores.t.weights.s", "s"),
    ]
    others = [
        Problem("reserved_name", "", "facts.f"),
        Problem("bad_value", "", "facts.f2"),
        Problem("unknown_name", "", "facts.g.in", "v"),
        Problem("unknown_name", "", "facts.g.where", "w"),
        Problem("unknown_name", "", "scores.a.scorer", "s"),
        Problem("unknown_name", "", "scores.t.weights.u", "u"),
        Problem("money_digits", "", "scores.a.from.0.0"),
    ]
    assert all(map(gaps.explain, explained))
    assert not any(map(gaps.explain, others))
