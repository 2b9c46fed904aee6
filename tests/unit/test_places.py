"""Places: where in a text a problem points, in each way of writing a document."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from time import process_time

import pytest

from crmcore.documents import DocumentKind, Text, placed, read_text
from crmcore.documents.spans import Node, locate
from crmcore.errors import PolicyError, Problem
from crmcore.policy import load_policy

HEAD = """\
format = 1
name = "shop"
zone = "UTC"
currency = { code = "EUR", exponent = 2 }
sale_statuses = ["paid"]
"""


def marked(text: str, path: str, code: str = "wrong_type", **parts: object) -> str | None:
    """Return the text that a problem points at."""
    problem = Problem(code, "…", path, **parts)  # type: ignore[arg-type]
    (found,) = placed([problem], [Text({}, text, is_json=text.startswith("{"))])
    if found.line is None or found.column is None or found.end_column is None:
        return None
    line = text.split("\n")[found.line - 1].rstrip("\r")
    assert found.source == line
    return line[found.column - 1 : found.end_column - 1]


# A text, a path, and what a problem there points at.
VALUES = {
    "key": ("a = 1", "a", "1"),
    "quoted key": ('"a b" = 1', "a b", "1"),
    "key with a dot": ('"a.b" = 1', "a.b", "1"),
    "dotted key": ("a . b.c = 1", "a.b.c", "1"),
    "header": ("[a]\nb = 1", "a.b", "1"),
    "header in a header": ('[a."b"]\n[ a . c ] # d\nd = 1', "a.c.d", "1"),
    "list of tables": ("[[a]]\nb = 1\n[[a]]\nb = 2\n[a.c]\nd = 3", "a.1.c.d", "3"),
    "inline table": ("a = { b = 1, c = { d = 2 } }", "a.c.d", "2"),
    "list": ("a = [\n  1, # ]\n  [2, 3],\n]", "a.1.0", "2"),
    "text": ("a = \"b = 'c'\"", "a", "\"b = 'c'\""),
    "long text": ("a = '''\nb\n''' # c", "a", "'''"),
    "date and time": ("a = 2024-01-31 09:00:00Z # b", "a", "2024-01-31 09:00:00Z"),
    "Windows line ends": ("a = 1\r\nb = 2\r\n", "b", "2"),
    "table": ("a = { b = 1 }", "a", "{ b = 1 }"),
    "table with a header": ("[ a ] # b\nc = 1", "a", "[ a ]"),
    "what is only around": ("a = '1 yeer'", "a.within", "'1 yeer'"),
    "table that is only around": ("a.b = 1", "a", "a"),
    "JSON": ('{\n "a": [1, {"b" : null}]}', "a.1.b", "null"),
    "JSON, the last of two": ('{"a": 1, "a": 2}', "a", "2"),
    "JSON with escapes in keys": ('{"\\u0061\\/": 1}', "a/", "1"),
}


@pytest.mark.parametrize("case", VALUES)
def test_a_problem_points_at_a_value(case: str) -> None:
    text, path, value = VALUES[case]
    assert marked(text, path) == value


KEYS = {
    "key that there is not": ("[a]\nbb = 1", "a.bb", "unknown_key", "bb"),
    "name of a table": ("[a.bb]\nc = 1", "a.bb", "reserved_name", "bb"),
    "name in an inline table": ("a = { bb = 1 }", "a.bb", "duplicate_name", "bb"),
    "what a table lacks": ("x = 1\n[aa]\nb = 1", "aa.c", "missing_key", "aa"),
    "what an inline table lacks": ("aa = { b = 1 }", "aa.c", "missing_key", "{ b = 1 }"),
    "what an entry lacks": ("aa = [{ b = 1 }]", "aa.0.c", "missing_key", "{ b = 1 }"),
    "what a list of tables lacks": ("[[aa]]\n[[aa]]\nb = 1", "aa.1.c", "missing_key", "aa"),
    "what a dotted table lacks": ("aa.b = 1", "aa.c", "missing_key", "aa"),
}


@pytest.mark.parametrize("case", KEYS)
def test_a_problem_points_at_a_name(case: str) -> None:
    text, path, code, name = KEYS[case]
    assert marked(text, path, code) == name


def test_a_name_that_was_given_as_a_key_is_pointed_at() -> None:
    text = "weights = { aa = 1, bb = 2 }"
    assert marked(text, "weights.bb", "unknown_name", given="bb", at_key=True) == "bb"
    assert marked(text, "weights.bb", "out_of_range", given="2") == "2"
    long = "b" * 80
    shown = f"'{long[:50]}…"
    assert marked(f"{long} = 1", long, "wrong_length", given=shown, at_key=True) == long


@pytest.mark.parametrize(
    ("lines", "path", "value"),
    [
        ('[grade]\nscore = "score"\nfrom = [[1, "a"]]', "grade.score", '"score"'),
        ("[scores.a]\nfact = 'fact'\nfrom = [[1, 1]]", "scores.a.fact", "'fact'"),
        ("facts.a = { of = 'sale', take = 'count', in = 'in' }", "facts.a.in", "'in'"),
        ("attributes.x = { type = 'type' }", "attributes.x.type", "'type'"),
        ("labels.en = { Gold = 'Gold' }", "labels.en.Gold", "Gold"),
        ("scores.s.weights = { s2 = 1 }", "scores.s.weights.s2", "s2"),
    ],
)
def test_a_value_that_is_spelled_like_its_key(lines: str, path: str, value: str) -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(HEAD + lines)
    (problem,) = (one for one in caught.value.problems if one.path == path)
    assert (problem.source or "")[
        slice((problem.column or 0) - 1, (problem.end_column or 0) - 1)
    ] == value


def test_paths_that_two_things_have_are_nowhere() -> None:
    text = '"a.b" = 1\n[a]\nb = 2'
    assert marked(text, "a.b") == "[a]"  # what is around one of them
    assert marked("x = 1", "y") is None
    assert marked("x = 1", "") is None


SPANS = {
    "literal": ("a = 'x > yy'", "yy"),
    "basic": ('a = "x > yy"', "yy"),
    "escapes": (r'a = "\u0078 > \u0079y"', r"\u0079y"),
    "long escapes": (r'a = "\U00000078 \u003e yy"', "yy"),
    "JSON": (r'{"a": "x \u003e yy"}', "yy"),
    "JSON in pairs": (r'{"a": "\ud83d\ude00   yy"}', "yy"),
    "several lines": ("a = '''\nx >\nyy'''", "yy"),
    "several lines of Windows": ("a = '''\r\nx >\r\nyy'''", "yy"),
    "a line that goes on": ('a = """x \\\n   > yy"""', "yy"),
}


@pytest.mark.parametrize("case", SPANS)
def test_a_problem_points_into_a_condition(case: str) -> None:
    text, inner = SPANS[case]
    assert marked(text, "a", span=(4, 6)) == inner
    assert marked(text, "a", span=(6, 6)) in (text[-1:], inner[-1:], "", "'", '"')


def test_a_mark_ends_with_the_last_letter() -> None:
    assert marked('a = """x > yy\\\n   \\u0020"""', "a", span=(4, 6)) == "yy"


def test_a_condition_that_is_a_tree_is_pointed_at_as_a_whole() -> None:
    assert marked("a = { op = 'x' }", "a", span=(1, 2)) == "{ op = 'x' }"


def test_order_is_by_text_line_and_column() -> None:
    first = Text({}, "b = [1, 2]\na = 3", name="first")
    second = Text({}, "c = 1", name="second")
    paths = ["c", "a", "d", "b.1", "b.0"]
    found = placed([Problem("c", "m", path) for path in paths], [first, second])
    assert [one.path for one in found] == ["d", "b.0", "b.1", "a", "c"]
    assert [one.file for one in found] == ["first"] * 4 + ["second"]


def test_what_is_told_of_a_place_stays() -> None:
    problem = Problem("c", "m", "a", file="other", line=7)
    assert placed([problem], [Text({}, "a = 1")]) == [problem]
    assert placed([Problem("c", "m", "a")], []) == [Problem("c", "m", "a")]
    assert placed([Problem("c", "m", "a")], [Text({})]) == [Problem("c", "m", "a")]


def test_a_text_that_is_not_understood_has_no_places() -> None:
    assert locate("a = = 1", is_json=False) is None
    assert locate('{"a" 1}', is_json=True) is None
    assert locate("[a\nb = 1", is_json=False) is None
    assert locate('{"a": 1} x', is_json=True) is None
    assert locate("[1}", is_json=True) is None
    assert locate('"\\uzzzz" = 1', is_json=False) is None
    assert marked("a = = 1", "a") is None


def test_every_list_of_tables_has_a_place_itself() -> None:
    root = locate("[[a]]\nb = 1\n[[a]]", is_json=False)
    assert root is not None
    assert root.inside["a"].value == (0, 5)
    assert [node.value for node in root.inside["a"].inside.values()] == [(0, 5), (12, 17)]
    assert isinstance(root, Node)


def test_a_problem_of_a_policy_that_is_extended_names_its_file(tmp_path: Path) -> None:
    base, shop = tmp_path / "base.toml", tmp_path / "shop.toml"
    base.write_text(HEAD + "[scores.s]\nfact = 'sale_cuont'\nfrom = [[1, 1], [2, 2]]\n")
    shop.write_text("extends = 'base.toml'\nname = 'mine'\nscores.s.from = [[2, 1], [1, 1]]\n")
    with pytest.raises(PolicyError) as caught:
        load_policy(shop)
    assert [(one.file, one.line, one.column) for one in caught.value.problems] == [
        (str(shop), 3, 27),
        (str(base), 7, 8),
    ]


def test_a_problem_in_a_preset_names_the_preset() -> None:
    with pytest.raises(PolicyError) as caught:
        load_policy(
            'extends = "classic"\nfacts.sale_count = { of = "sale", take = "last_" }\n'
            'scores.frequency_points.fact = "first_order_at"'
        )
    last = caught.value.problems[-1]
    assert (last.file, last.path) == ("preset classic", "scores.frequency_points.from")
    assert last.source == "from = [[1, 1], [2, 2], [3, 3], [4, 4], [6, 5]]"


# What reading refuses before anything is located.
@pytest.mark.parametrize(
    ("text", "line", "column", "source"),
    [
        ("a = 1\r\nb = = 2\r\nc = 3", 2, 5, "b = = 2"),
        ("a = [\n1", 2, 2, "1"),
        ("a = 1\na = 2\n", 2, 6, "a = 2"),
        ('{\n "a": 1,\n}', 3, 1, "}"),
        ("x = 1\na.b.c.d.e.f.g.h.i = 1", 2, 1, "a.b.c.d.e.f.g.h.i = 1"),
    ],
)
def test_a_mistake_of_syntax_has_a_place(text: str, line: int, column: int, source: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_text(text, DocumentKind("policy"))
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.end_column) == (line, column, column + 1)
    assert problem.source == source


def test_bytes_that_are_no_text_have_a_place(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_bytes("\ufeffa = 1\nb = '金".encode() + b"\xff'")
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    (problem,) = caught.value.problems
    assert (problem.line, problem.column, problem.source) == (2, 7, "b = '金\ufffd'")


def test_columns_are_counted_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "shop.toml"
    path.write_text("zoen = 1", encoding="utf-8-sig")
    with pytest.raises(PolicyError) as caught:
        load_policy(path)
    assert ("zoen", 1, 1) in [(one.path, one.line, one.column) for one in caught.value.problems]


LARGE = {
    "comment": "#" * (1 << 20),
    "values": "x = [" + "[1, {a = 1}], " * 9_000 + "]\n" + "# " * 400_000,
    "headers": "[[a]]\n[a.b]\nc = 1\n" * 3_300,
    "one text": "a = '''" + "x\n" * 500_000 + "'''",
    "JSON": json.dumps({"a": [{"b": [number]} for number in range(10_000)]}),
    "deep JSON": '{"a":' * 900 + "1" + "}" * 900,
}


@pytest.mark.parametrize("case", LARGE)
def test_large_texts_are_walked_through_quickly(case: str) -> None:
    text = LARGE[case]
    started = process_time()
    assert locate(text, is_json=text.startswith("{")) is not None
    assert process_time() - started < 1.0  # a fifth of that on a machine with nothing else to do
    tracemalloc.start()
    locate(text, is_json=text.startswith("{"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 48 << 20
