"""Hostile documents that are too large, or no text at all, to lie in ``files``: made when needed.

Each has a name and always the same content. `POLICIES` are given to `load_policy`, `SOURCES` to
`load_source`, `CATALOGUES` to `load_catalogue`; `IN_A_FOLDER` are files made in a folder, of which
the one returned is loaded.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

__all__ = ["CATALOGUES", "FILES", "HEAD", "IN_A_FOLDER", "POLICIES", "SOURCES", "TESTS"]

Make: TypeAlias = Callable[[], "str | Mapping[str, object]"]

FILES = Path(__file__).parent / "files"
HEAD = """\
format = 1
name = "shop"
zone = "UTC"
currency = { code = "EUR", exponent = 2 }
sale_statuses = ["paid"]
"""
HEAD_TABLE: dict[str, object] = {
    "format": 1,
    "name": "shop",
    "zone": "UTC",
    "currency": {"code": "EUR", "exponent": 2},
    "sale_statuses": ["paid"],
}
MIB = 1 << 20
BLOCKED = {"op": "field", "name": "blocked"}


def table(**more: object) -> dict[str, object]:
    return {**HEAD_TABLE, **more}


def segment(condition: object) -> dict[str, object]:
    return table(segment={"first": [[condition, "a"]]})


def rows(conditions: list[object]) -> dict[str, object]:
    return table(segment={"first": [[one, "a"] for one in conditions]})


def nested(kind: str, depth: int) -> object:
    """Return lists or tables in one another, made without recursion."""
    value: object = 1
    for _ in range(depth):
        value = [value] if kind == "list" else {"a": value}
    return value


def not_tree(depth: int) -> dict[str, object]:
    tree: dict[str, object] = BLOCKED
    for _ in range(depth):
        tree = {"op": "not", "term": tree}
    return tree


def itself() -> dict[str, object]:
    given: dict[str, object] = dict(HEAD_TABLE)
    given["facts"] = given
    return given


def itself_in_a_list() -> dict[str, object]:
    given: list[object] = []
    given.append(given)
    return table(scores=given)


def doubled(depth: int) -> dict[str, object]:
    """Return a table of a few kilobytes that stands for 2 ** depth values."""
    value: object = 1
    for _ in range(depth):
        value = [value, value]
    return table(scores=value)


def bands(edges: list[object]) -> dict[str, object]:
    rows_ = [[edge, 1] for edge in edges]
    return table(scores={"s": {"fact": "sale_count", "from": rows_}})


def many_facts(count: int, **fact: object) -> dict[str, object]:
    return table(facts={f"f{at}": {"of": "sale", "take": "count", **fact} for at in range(count)})


def chain_of_scores(count: int) -> dict[str, object]:
    scores: dict[str, object] = {"s0": {"fact": "sale_count", "from": [[1, 1]]}}
    for at in range(1, count):
        scores[f"s{at}"] = {"score": f"s{at - 1}", "from": [[1, 1]]}
    return table(scores=scores)


def web_of_scores(count: int) -> dict[str, object]:
    """Every score rests on all the others: circles everywhere."""
    names = [f"s{at}" for at in range(count)]
    return table(
        scores={one: {"weights": {other: 1 for other in names if other != one}} for one in names}
    )


POLICIES: dict[str, Make] = {
    # Size.
    "a million bytes of comment": lambda: HEAD + "#" * MIB,
    "a million lines": lambda: "\n" * 1_000_000,
    "a million lines with carriage returns": lambda: "\r\n" * 500_000,
    "ten thousand comments": lambda: HEAD + "# x\n" * 9_990,
    "a text of a million letters": lambda: HEAD + 'x = "' + "x" * (MIB - 200) + '"',
    "a text of a million letters of three bytes": lambda: HEAD + 'x = "' + "尺" * 340_000 + '"',
    "a text of a million quotes": lambda: HEAD + "x = '" + '"' * (MIB - 200) + "'",
    "a text of a million escapes": lambda: HEAD + 'x = "' + "\\u0041" * 170_000 + '"',
    "a name of a million letters": lambda: "x" * MIB,
    "a name of a million dots": lambda: "." * MIB,
    "ten million letters": lambda: HEAD + "#" * (10 * MIB),
    "many short texts": lambda: table(labels={"en": {f"a{i}": "x" * 119 for i in range(1_000)}}),
    "many long texts": lambda: table(labels={"en": {f"a{i}": "x" * 9_999 for i in range(1_000)}}),
    "a long list": lambda: table(sale_statuses=["paid"] * 1_000_000),
    "a wide table": lambda: {f"k{i}": 1 for i in range(300_000)},
    "many lists": lambda: table(facts={f"f{i}": [1] * 999 for i in range(999)}),
    "the most values there may be": lambda: table(
        facts={f"f{i}": {f"k{j}": 1 for j in range(18)} for i in range(999)}
    ),
    "long list in TOML": lambda: HEAD + "x = [" + "1, " * 19_000 + "]",
    "list of a million commas": lambda: HEAD + "x = [" + "," * 1_000_000 + "]",
    "many small tables in TOML": lambda: HEAD + "".join(f"[t{i}]\n" for i in range(9_900)),
    "many tables of lists in TOML": lambda: HEAD + "[[facts]]\n" * 9_900,
    "many keys in TOML": lambda: HEAD + "".join(f"k{i} = 1\n" for i in range(9_900)),
    "many keys on one line": lambda: (
        HEAD + "x = {" + ", ".join(f"k{i}=1" for i in range(19_000)) + "}"
    ),
    "a list of a million in JSON": lambda: '{"a": [' + "1," * 400_000 + "1]}",
    "many keys in JSON": lambda: json.dumps({f"k{i}": i for i in range(60_000)}),
    "the same key in JSON": lambda: "{" + ",".join(['"a":1'] * 150_000) + "}",
    "two keys in turn in JSON": lambda: "{" + ",".join(['"a":1,"b":2'] * 80_000) + "}",
    # Nesting.
    "lists in lists": lambda: "x = " + "[" * 100_000 + "]" * 100_000,
    "lists without an end": lambda: "x = " + "[" * 500_000,
    "tables in tables": lambda: "x = " + "{a=" * 100_000 + "1" + "}" * 100_000,
    "lists in lists in JSON": lambda: '{"a": ' + "[" * 300_000 + "]" * 300_000 + "}",
    "tables in tables in JSON": lambda: '{"a": ' * 100_000 + "1" + "}" * 100_000,
    "lists side by side": lambda: HEAD + "x = [" + "[[[[[]]]]]," * 9_000 + "]",
    "a mapping of lists in lists": lambda: table(scores=nested("list", 100_000)),
    "a mapping of tables in tables": lambda: table(scores=nested("table", 100_000)),
    "a mapping that holds itself": itself,
    "a list that holds itself": itself_in_a_list,
    "a list doubled forty times": lambda: doubled(40),
    "lists forty deep, often": lambda: "a=[" + ("[" * 40 + "]" * 40 + ",") * 12_000 + "]",
    "lists forty deep, often, in JSON": lambda: (
        '{"a":[' + ("[" * 40 + "]" * 40 + ",") * 12_000 + "[]]}"
    ),
    "lists fifteen deep, often": lambda: "a=[" + ("[" * 15 + "]" * 15 + ",") * 29_000 + "]",
    "lists forty deep, as often as may be": lambda: "a=[" + ("[" * 40 + "]" * 40 + ",") * 730 + "]",
    "empty lists": lambda: "a=[" + "[]," * 29_000 + "]",
    "empty tables in JSON": lambda: '{"a":[{}' + ",{}" * 29_000 + "]}",
    # Keys.
    "empty tables with keys of eight parts": lambda: "".join(
        f"a{i}.b.c.d.e.f.g.h={{}}\n" for i in range(9_990)
    ),
    "headers of eight parts, all others": lambda: "".join(
        f"[a{i}.b.c.d.e.f.g.h]\n" for i in range(9_990)
    ),
    "headers of eight parts, as often as may be": lambda: "".join(
        f"[a{i}.b.c.d.e.f.g.h]\n" for i in range(3_700)
    ),
    "keys of eight parts in a list": lambda: "a=[" + "{a.b.c.d.e.f.g.h=1}," * 14_000 + "]",
    "keys of eight parts in a list, as often as may be": lambda: (
        "a=[" + "{a.b.c.d.e.f.g.h=1}," * 2_900 + "]"
    ),
    "quotes that never end": lambda: "a = " + '"\\""\\"' * 170_000,
    "empty texts": lambda: HEAD + "'' " * 300_000,
    "a key of eight parts, often": lambda: (
        HEAD + "".join(f"a{i}.b.c.d.e.f.g.h = 1\n" for i in range(9_000))
    ),
    "keys that share all but the last part": lambda: (
        HEAD + "".join(f"a.b.c.d.e.f.g.h{i} = 1\n" for i in range(9_000))
    ),
    "headers of eight parts": lambda: (
        HEAD + "".join(f"[a.b.c.d.e.f.g.h{i}]\n" for i in range(9_000))
    ),
    "lists of tables, eight deep": lambda: (
        HEAD + "".join(f"[[{'.'.join('abcdefgh'[: 1 + i % 8])}]]\n" for i in range(9_000))
    ),
    "a key of a hundred thousand parts": lambda: ".".join(["a"] * 100_000) + " = 1",
    "a key of quoted parts": lambda: ".".join(['"a"'] * 100_000) + " = 1",
    "a key of spaced parts": lambda: " . ".join(["a"] * 100_000) + " = 1",
    "a key of a million letters": lambda: "k" * (MIB - 100) + " = 1",
    "keys of ten thousand letters": lambda: table(
        **{f"{i:04}" + "k" * 9_990: 1 for i in range(900)}
    ),
    "long keys within long keys": lambda: table(
        facts={"k" * 9_000: {"l" * 9_000: {f"{i}" + "m" * 9_000: None for i in range(900)}}}
    ),
    "quotes after quotes": lambda: HEAD + '"a".' * 200_000,
    "quotes without an end": lambda: HEAD + '"' * (MIB - 200),
    "single quotes without an end": lambda: HEAD + "'" * (MIB - 200),
    "dots and spaces": lambda: HEAD + "a . " * 250_000,
    "dots and tabs in a comment": lambda: HEAD + "# " + "a\t.\t" * 200_000,
    "letters and spaces": lambda: HEAD + "a " * 500_000,
    "spaces after a key": lambda: HEAD + "a" + " " * (MIB - 200),
    "lines of spaces in a text": lambda: (
        HEAD + 'x = """\n' + ("a" + " " * 498 + "\n") * 2_000 + '"""'
    ),
    "lines of headers in a text": lambda: (
        HEAD + 'x = """\n' + ("[" + "a." * 249 + "\n") * 2_000 + '"""'
    ),
    "lines like keys in a text": lambda: HEAD + 'x = """\n' + "a.b.c.d.e.f.g = 1\n" * 9_900 + '"""',
    "brackets in a row": lambda: HEAD + "[[" * 250_000,
    # Numbers.
    "a number of a million digits": lambda: HEAD + "x = " + "9" * (MIB - 200),
    "a number of 400 digits, often": lambda: HEAD + "x = [" + ("9" * 399 + ",") * 2_400 + "]",
    "a fraction of a million digits": lambda: HEAD + "x = 0." + "1" * (MIB - 200),
    "fractions of 390 digits": lambda: HEAD + "x = [" + ("0." + "1" * 390 + ",") * 2_400 + "]",
    "an exponent of many digits": lambda: HEAD + "x = 1e" + "9" * 390,
    "exponents, often": lambda: HEAD + "x = [" + "1e999999," * 19_000 + "]",
    "hexadecimal digits": lambda: HEAD + "x = 0x" + "F" * (MIB - 200),
    "underscores in a number": lambda: HEAD + "x = 1" + "_1" * 400_000,
    "a number of a million digits in JSON": lambda: '{"a": ' + "9" * 900_000 + "}",
    "an exponent of many digits in JSON": lambda: '{"a": 1e' + "9" * 900_000 + "}",
    "numbers of 4,000 digits in JSON": lambda: '{"a": [' + ",".join(["9" * 4_000] * 250) + "]}",
    "exponents in JSON": lambda: '{"a": [' + ",".join(["1e-999999"] * 90_000) + "]}",
    "dates in a row": lambda: HEAD + "x = [" + "2024-01-31," * 19_000 + "]",
    "dates that are none": lambda: HEAD + "x = [" + "2024-13-31," * 19_000 + "]",
    "edges with huge exponents": lambda: bands([Decimal("1e999999")] * 900),
    "edges with tiny exponents": lambda: bands([Decimal("1e-999999")] * 900),
    "edges of 76 digits": lambda: bands(
        [f"{i:04}".replace("0", "1") + "9" * 72 for i in range(900)]
    ),
    "edges in falling order": lambda: bands(list(range(1_000, 0, -1))),
    "edges all alike": lambda: bands([1] * 1_000),
    "an integer of a hundred thousand digits": lambda: table(
        notes={"minimum_customers": 10**100_000}
    ),
    "numbers that are none": lambda: table(x=[float("nan"), float("inf"), Decimal("sNaN")]),
    "numbers of other kinds": lambda: table(x=[1j, Fraction(1, 3), b"1", bytearray(9)]),
    "values of other kinds": lambda: table(x=[object(), {1, 2}, iter([]), range(9), print, int]),
    "moments": lambda: table(x=[datetime(2024, 1, 1, tzinfo=UTC), date(2024, 1, 1)]),
    "keys of other kinds": lambda: {**HEAD_TABLE, **{1: 1, None: 2, (1, 2): 3, b"x": 4}},  # type: ignore[dict-item]
    "half surrogates": lambda: table(x=["\ud800" * 5_000, "\udfff"], **{"\ud83d": 1}),
    # Conditions.
    "a condition of a hundred thousand terms": lambda: segment(
        " or ".join(["sale_count > 1"] * 100_000)
    ),
    "a condition of 4,000 letters": lambda: segment(" or ".join(["blocked"] * 363)),
    "a thousand conditions of many terms": lambda: rows([" or ".join(["blocked"] * 9)] * 999),
    "a condition of parentheses": lambda: segment("(" * 2_000 + ")" * 2_000),
    "a condition of nots": lambda: segment("not " * 990 + "blocked"),
    "a condition of ands and ors": lambda: segment("blocked and blocked or " * 170 + "blocked"),
    "a condition of minus signs": lambda: segment("sale_count > " + "-" * 3_900),
    "a condition of sums": lambda: segment(" + ".join(["sale_count"] * 290) + " > 1"),
    "a condition of products": lambda: segment(" * ".join(["sale_count"] * 290) + " > 1"),
    "a condition of literal products": lambda: segment(" * ".join(["9" * 38] * 95) + " > 1"),
    "a condition of calls in calls": lambda: segment("divide(" * 500),
    "a condition of cases in cases": lambda: segment("case(blocked: " * 280),
    "a condition of bands": lambda: segment(
        "band(sale_count, " + ", ".join(f"{i}: {i}" for i in range(390)) + ") > 1"
    ),
    "a condition of quotes": lambda: segment('"' * 4_000),
    "a condition of backslashes": lambda: segment('grade == "' + "\\\\" * 1_900 + '"'),
    "a condition of one long name": lambda: segment("a" * 4_000),
    "a condition of one long number": lambda: segment("sale_count > " + "9" * 3_900),
    "a condition of a million letters": lambda: segment("a" * 1_000_000),
    "a condition of spaces": lambda: segment(" " * 4_000),
    "a condition of letters beyond ASCII": lambda: segment("尺" * 4_000),
    "a condition with a long list": lambda: segment(
        "sale_count in [" + ",".join(map(str, range(999))) + "]"
    ),
    "a condition with a list of a million": lambda: segment(
        "sale_count in [" + "1," * 1_000_000 + "1]"
    ),
    "many conditions with long lists": lambda: rows(["sale_count in [" + "1," * 19 + "1]"] * 999),
    "many conditions of 120 letters": lambda: rows(["sale_count > 1 and not blocked"] * 999),
    "many conditions that cannot be read": lambda: rows(["sale_count = 1"] * 999),
    "many conditions that are none": lambda: rows([3] * 999),
    "rows of sums of an unknown name": lambda: rows(
        ["+".join(["x"] * 49) + f">{i}" for i in range(900)]
    ),
    "rows of sums": lambda: rows(["+".join(["sale_count"] * 14) + f">{i}" for i in range(430)]),
    "rows of cases in cases": lambda: rows(
        ["case(a:" * 45 + "1" + ")" * 45 + f">{i}" for i in range(200)]
    ),
    "rows of cases in cases, as many as may be": lambda: rows(
        ["case(blocked:" * 45 + "1" + ")" * 45 + f">{i}" for i in range(58)]
    ),
    "rows of cases in conditions": lambda: rows(
        ["case(" * 45 + "blocked:1" + "==1:1)" * 45 + f">{i}" for i in range(160)]
    ),
    "rows of shifts in shifts": lambda: rows(
        ["shift_days(" * 45 + "as_of" + ",1)" * 45 + f">{i}" for i in range(180)]
    ),
    "rows of nots": lambda: rows(["not " * 48 + f"x>{i}" for i in range(560)]),
    "rows of parentheses": lambda: rows(["(" * 48 + f"x>{i}" + ")" * 48 for i in range(900)]),
    "rows of lists of wrong labels": lambda: table(
        attributes={"x": {"type": "label", "values": [f"lab{i}" for i in range(990)]}},
        segment={
            "first": [
                ["x in [" + ",".join(f'"lbb{j}"' for j in range(200)) + "]", f"x{i}"]
                for i in range(40)
            ]
        },
    ),
    "three lists of unknown names": lambda: table(
        **{
            name: {"first": [[f"a{i}+b{i}*c{i}>d{i}", "x"] for i in range(1_000)]}
            for name in ("class", "segment", "stage")
        }
    ),
    "filters with many problems": lambda: many_facts(
        900, where=" or ".join(f"chanel{i} == 1" for i in range(30))
    ),
    "texts of quotes": lambda: rows(['"\\"' * 3_300] * 12),
    "a tree of nots": lambda: segment(not_tree(100_000)),
    "a tree of a hundred thousand terms": lambda: segment(
        {"op": "or", "terms": [BLOCKED] * 100_000}
    ),
    "trees of many terms": lambda: rows([{"op": "or", "terms": [BLOCKED] * 60}] * 150),
    "a tree doubled thirty times": lambda: segment(doubled_tree(30)),
    "a tree that holds itself": lambda: segment(tree_of_itself()),
    "a tree with a long list": lambda: segment(
        {
            "op": "in",
            "item": {"op": "field", "name": "sale_count"},
            "items": [{"op": "integer", "value": i} for i in range(999)],
        }
    ),
    "trees with wrong keys": lambda: rows([{"op": "field", "nmae": "x"}] * 999),
    "trees of every wrong kind": lambda: rows(
        [{"op": "or", "terms": [{"op": "and", "terms": [{"op": "not"}] * 9}] * 9}] * 20
    ),
    # Names.
    "unknown names in conditions": lambda: rows(
        [" or ".join(f"sale_cuont_{row}_{at} > 1" for at in range(5)) for row in range(900)]
    ),
    "unknown names beside 900 known": lambda: table(
        attributes={f"sale_count_{i:03}": "int" for i in range(900)},
        segment={"first": [[f"sale_cuont_{row} > 1", "a"] for row in range(999)]},
    ),
    "long unknown names beside long known": lambda: table(
        attributes={f"{'ab' * 30}{i:03}": "int" for i in range(900)},
        segment={"first": [[f"{'ba' * 30}{row:03} > 1", "a"] for row in range(900)]},
    ),
    "unknown facts": lambda: table(
        scores={f"s{i}": {"fact": f"sale_cuont{i}", "from": [[1, 1]]} for i in range(999)}
    ),
    "unknown windows": lambda: table(
        windows={f"w{i}": "1 year" for i in range(400)},
        facts={f"f{i}": {"of": "sale", "take": "count", "in": f"v{i}"} for i in range(400)},
    ),
    "unknown weights": lambda: table(
        scores={
            "a": {"fact": "sale_count", "from": [[1, 1]]},
            "b": {"weights": {f"x{i}": 1 for i in range(999)}},
        }
    ),
    "unknown keys": lambda: many_facts(300, **{f"wher{at}": 1 for at in range(9)}),
    "unknown keys at the top": lambda: table(**{f"windws{i}": 1 for i in range(900)}),
    "unknown labels": lambda: table(
        attributes={"a": {"type": "label", "values": [f"{i:03}{'ab' * 45}" for i in range(500)]}},
        segment={"first": [[f'a == "{i:03}{"ba" * 45}"', "a"] for i in range(500)]},
    ),
    "unknown statuses": lambda: table(sale_statuses=[f"deliverd{i}" for i in range(999)]),
    "unknown zones": lambda: table(zone="Asia/Shanghia" * 4),
    "unknown filters": lambda: table(
        facts={
            f"f{i}": {"of": "sale", "take": "count", "where": f"chanel{i} == 1"} for i in range(900)
        }
    ),
    "unknown internal names": lambda: table(internal=[f"s{i}" for i in range(999)]),
    "names that are none": lambda: table(
        facts={f"F{i}": {"of": "sale", "take": "count"} for i in range(999)}
    ),
    "names that are reserved": lambda: table(
        facts={name: {"of": "sale", "take": "count"} for name in ("grade", "and", "as_of")}
    ),
    "languages that are none": lambda: table(labels={f"x_{i}": {"a": "b"} for i in range(999)}),
    # Problems.
    "nothing but wrong types": lambda: table(facts={f"f{i}": i for i in range(999)}),
    "nothing but empty tables": lambda: table(facts={f"f{i}": {} for i in range(999)}),
    "nothing but nulls": lambda: {f"k{i}": None for i in range(900)},
    "everything is a list": lambda: {key: [] for key in [*HEAD_TABLE, "facts", "scores", "grade"]},
    "everything is text": lambda: dict.fromkeys([*HEAD_TABLE, "facts", "scores", "grade"], "x"),
    "everything is true": lambda: dict.fromkeys([*HEAD_TABLE, "facts", "scores", "grade"], True),
    "rows that are no pairs": lambda: table(segment={"first": [[1, 2, 3]] * 900}),
    "a chain of 900 scores": lambda: chain_of_scores(900),
    "a web of 130 scores": lambda: web_of_scores(130),
    "a circle of 900 scores": lambda: table(
        scores={f"s{i}": {"score": f"s{(i + 1) % 900}", "from": [[1, 1]]} for i in range(900)}
    ),
    "many problems in a text": lambda: (
        HEAD
        + "".join(
            f'[scores.s{i}]\nfact = "sale_cuont"\nfrom = [[2, 1], [1, 2]]\n' for i in range(900)
        )
    ),
    "many problems on one line": lambda: (
        HEAD + "scores = {" + ", ".join(f'"S{i}" = {{ fact = 1 }}' for i in range(900)) + "}"
    ),
    "many problems far to the right": lambda: (
        HEAD + " " * 500_000 + "facts = {" + ", ".join(f"f{i} = 1" for i in range(900)) + "}"
    ),
    "many extends": lambda: (
        'extends = "classic"\n' + "".join(f'facts.f{i} = {{ of = "sale" }}\n' for i in range(900))
    ),
}


def doubled_tree(depth: int) -> object:
    tree: object = BLOCKED
    for _ in range(depth):
        tree = {"op": "and", "terms": [tree, tree]}
    return tree


def tree_of_itself() -> object:
    tree: dict[str, object] = {"op": "not"}
    tree["term"] = tree
    return tree


# Files


def written(name: str, content: bytes | str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return path

    return make


def linked(target: str) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        path = folder / "shop.toml"
        path.symlink_to(target)
        return path

    return make


def circle_of_links(folder: Path) -> Path:
    (folder / "a.toml").symlink_to("b.toml")
    (folder / "b.toml").symlink_to("a.toml")
    return folder / "a.toml"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "shop.toml")
    return folder / "shop.toml"


def a_folder(folder: Path) -> Path:
    (folder / "shop.toml").mkdir()
    return folder / "shop.toml"


def unreadable(folder: Path) -> Path:
    path = written("shop.toml", HEAD)(folder)
    path.chmod(0)
    return path


def chain(length: int) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        for at in range(length):
            (folder / f"p{at}.toml").write_text(f'extends = "p{at + 1}.toml"\n', "utf-8")
        (folder / f"p{length}.toml").write_text(HEAD, "utf-8")
        return folder / "p0.toml"

    return make


def extends_a_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "base.toml")
    return written("shop.toml", 'extends = "base.toml"\n')(folder)


def extends_a_link_out(folder: Path) -> Path:
    (folder / "base.toml").symlink_to("/dev/zero")
    return written("shop.toml", 'extends = "base.toml"\n')(folder)


def extends_a_link_to_itself(folder: Path) -> Path:
    (folder / "base.toml").symlink_to("shop.toml")
    return written("shop.toml", 'extends = "base.toml"\n')(folder)


def extends_a_large_file(folder: Path) -> Path:
    written("base.toml", b"#" * (2 * MIB))(folder)
    return written("shop.toml", 'extends = "base.toml"\n')(folder)


def large_files_in_a_row(folder: Path) -> Path:
    lines = "".join(f'facts.f{at} = {{ of = "sales", take = "count" }}\n' for at in range(900))
    for at in range(5):
        written(f"p{at}.toml", f'extends = "p{at + 1}.toml"\n' + "# x\n" * 9_000 + lines)(folder)
    return written("p5.toml", HEAD + lines)(folder).with_name("p0.toml")


def wrong_scores_in_a_row(folder: Path) -> Path:
    for at in range(6):
        head = HEAD if at == 5 else f'extends = "p{at + 1}.toml"\n'
        scores = "".join(
            f's{at}_{i} = {{fact="sale_cuont", from=[[1,1],[0,2]], blow=3}}\n' for i in range(950)
        )
        written(f"p{at}.toml", f"{head}[scores]\n{scores}")(folder)
    return folder / "p0.toml"


def more_together_than_may_be(folder: Path) -> Path:
    base = HEAD + "[attributes]\n" + "".join(f'a{at} = "int"\n' for at in range(900))
    written("base.toml", base)(folder)
    attributes = "".join(f'b{at} = "int"\n' for at in range(900))
    return written("shop.toml", f'extends = "base.toml"\n[attributes]\n{attributes}')(folder)


IN_A_FOLDER: dict[str, Callable[[Path], Path]] = {
    "UTF-16": written("shop.toml", HEAD.encode("utf-16")),
    "UTF-16 without a mark": written("shop.toml", HEAD.encode("utf-16-le")),
    "UTF-32": written("shop.toml", HEAD.encode("utf-32")),
    "UTF-7 of a kind": written("shop.toml", "+AGYAbwByAG0AYQB0 = 1"),
    "Latin-1": written("shop.toml", HEAD.encode() + b"# \xe4\n"),
    "lone continuation": written("shop.toml", HEAD.encode() + b"# \x80\n"),
    "overlong slash": written("shop.toml", HEAD.encode() + b"# \xc0\xaf\n"),
    "encoded surrogate": written("shop.toml", HEAD.encode() + b'x = "\xed\xa0\x80"\n'),
    "beyond Unicode": written("shop.toml", HEAD.encode() + b'x = "\xf4\x90\x80\x80"\n'),
    "half a letter at the end": written("shop.toml", HEAD.encode() + b"# \xe5\xb0"),
    "a million zero bytes": written("shop.toml", b"\0" * MIB),
    "a million bytes of noise": written("shop.toml", bytes(range(256)) * 4_096),
    "a million bytes and one": written("shop.toml", b"#" * (MIB + 1)),
    "ten million bytes": written("shop.toml", b"#" * (10 * MIB)),
    "a gzip file": written("shop.toml", b"\x1f\x8b\x08\0" + bytes(64)),
    "a zip file": written("shop.toml", b"PK\x03\x04" + bytes(64)),
    "a Parquet file": written("shop.toml", b"PAR1" + bytes(64) + b"PAR1"),
    "a pickle": written("shop.pkl", b"cos\nsystem\n(S'true'\ntR."),
    "a pickle as JSON": written("shop.json", b"cos\nsystem\n(S'true'\ntR."),
    "Python code": written("shop.py", "raise SystemExit\n"),
    "JSON in UTF-16": written("shop.json", '{"format": 1}'.encode("utf-16")),
    "JSON with a zero byte": written("shop.json", b'{"format": 1}\0'),
    "lists in lists in a JSON file": written("shop.json", "[" * 500_000),
    "a device without an end": linked("/dev/zero"),
    "a device of noise": linked("/dev/urandom"),
    "the null device": linked("/dev/null"),
    "a link to nothing": linked("nothing.toml"),
    "a link to itself": linked("shop.toml"),
    "a link to its folder": linked("."),
    "a circle of links": circle_of_links,
    "a pipe": pipe,
    "a folder": a_folder,
    "a file that nobody may read": unreadable,
    "no file": lambda folder: folder / "shop.toml",
    "a name with a zero byte": lambda folder: folder / "a\0b.toml",
    "a name that is too long": lambda folder: folder / ("a" * 5_000 + ".toml"),
    "a name in too many folders": lambda folder: folder.joinpath(*["a"] * 5_000, "shop.toml"),
    "a name that steers terminals": lambda folder: folder / "\x1b[31m\u202e.toml",
    "a chain of four": chain(4),
    "a chain of a hundred": chain(100),
    "extends a pipe": extends_a_pipe,
    "extends a device": extends_a_link_out,
    "extends itself by a link": extends_a_link_to_itself,
    "extends a large file": extends_a_large_file,
    "six files full of problems": large_files_in_a_row,
    "six files of wrong scores": wrong_scores_in_a_row,
    "two files with 900 attributes each": more_together_than_may_be,
}

SOURCES: dict[str, Make] = {
    "nothing": lambda: {},
    "unknown keys": lambda: {f"colums{i}": 1 for i in range(900)},
    "unknown columns": lambda: {"columns": {f"order_{i}": "x" for i in range(900)}},
    "a column of a million letters": lambda: {"columns": {"order_id": "x" * 1_000_000}},
    "a column that steers terminals": lambda: {"columns": {"order_ib": "\x1b[31m\u202e"}},
    "a key that steers terminals": lambda: {"columns": {"\x1b[31m\u202e": "x"}},
    "columns in a list": lambda: {"columns": ["order_id"] * 900},
    "lists in lists": lambda: {"columns": nested("list", 10_000)},
    "tables in tables": lambda: "a = " + "{a=" * 100_000,
    "a circle": lambda: itself(),
    "everything is text": lambda: {"columns": "x", "status": "x", "amount": "x", "exclude": "x"},
    "exclusions that exclude nothing": lambda: {"exclude": [{"column": "x"}] * 900},
    "a zone that is a path": lambda: {"zone": "../../../etc/passwd"},
    "a formula of parentheses": lambda: {"amount": {"formula": "(" * 9_000 + ")" * 9_000}},
    "a formula of a thousand terms": lambda: {"amount": {"formula": "+".join(["a"] * 4_000)}},
    "a formula of powers": lambda: {"amount": {"formula": "9**9**9**9"}},
    "a formula of calls": lambda: {"amount": {"formula": '__import__("os").system("true")'}},
    "statuses without number": lambda: {"status": {"map": {f"s{i}": "payed" for i in range(900)}}},
    "numbers that are none": lambda: {"exclude": [{"column": "x", "above": float("nan")}]},
    "a number with a huge exponent": lambda: {
        "exclude": [{"column": "x", "above": Decimal("1e999999")}]
    },
    "a million lines": lambda: "\n" * 1_000_000,
    "a key of many parts": lambda: ".".join(["a"] * 100_000) + " = 1",
    "lists forty deep, often": lambda: "a=[" + ("[" * 40 + "]" * 40 + ",") * 12_000 + "]",
    "headers of eight parts": lambda: "".join(f"[a{i}.b.c.d.e.f.g.h]\n" for i in range(9_990)),
}

CATALOGUES: dict[str, Make] = {
    "no language": lambda: {},
    "languages that are no tables": lambda: {f"l{i}": "x" for i in range(900)},
    "languages that steer terminals": lambda: {"\x1b[31m\u202e": {"staff": {"result": 1}}},
    "unknown messages": lambda: {"de": {"staff": {f"resul{i}": "x" for i in range(900)}}},
    "unknown places": lambda: {"de": {"staff": {"result": "{nmae}" * 1_000}}},
    "many unknown places": lambda: {
        "de": {"staff": {"result": "".join(f"{{n{'a' * (i % 90)}}}" for i in range(180))}}
    },
    "places that look inside": lambda: {"de": {"staff": {"result": "{name.__class__}"}}},
    "braces without an end": lambda: {"de": {"staff": {"result": "{" * 9_999}}},
    "braces in braces": lambda: {"de": {"staff": {"result": "{" * 4_000 + "}" * 4_000}}},
    "percent signs": lambda: {"de": {"staff": {"result": "%s%n%x" * 900}}},
    "a text of a million letters": lambda: {"de": {"staff": {"result": "x" * 1_000_000}}},
    "tables in tables": lambda: {"de": nested("table", 10_000)},
    "tables for text": lambda: {"de": {"staff": {"result": {"a": {"b": "c"}}}}},
    "numbers for text": lambda: {"de": {"staff": {"result": 3, "more": [1], "on": True}}},
    "a circle": lambda: itself(),
    "names without number": lambda: {"de": {"names": {f"n{i}": "x" for i in range(999)}}},
    "keys with dots": lambda: {"de": {"staff.result": "x", "": {"": "x"}}},
    "half surrogates": lambda: {"de": {"names": {"a": "\ud800"}}},
    "headers of eight parts": lambda: "".join(f"[a{i}.b.c.d.e.f.g.h]\n" for i in range(9_990)),
    "many unknown places, often": lambda: {
        f"l{at}": {"staff": {"result": "".join(f"{{n{i}_{at}}}" for i in range(190))}}
        for at in range(120)
    },
}

TESTS: dict[str, Make] = {
    "no cases": lambda: {},
    "lists forty deep, often": lambda: "a=[" + ("[" * 40 + "]" * 40 + ",") * 12_000 + "]",
    "headers of eight parts": lambda: "".join(f"[a{i}.b.c.d.e.f.g.h]\n" for i in range(9_990)),
    "unknown facts": lambda: {
        "policy": "classic",
        "as_of": date(2025, 1, 1),
        "case": [
            {"name": f"c{at}", "given": {f"sale_cuont{i}": 1 for i in range(15)}, "expect": {}}
            for at in range(900)
        ],
    },
    "nothing but wrong types": lambda: {"policy": "classic", "case": list(range(999))},
}
"""Given to `crmcore.workbench.load_tests`."""
