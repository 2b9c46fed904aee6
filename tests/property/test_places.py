"""Places: in any document, however it is written, each key and each value is found."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta, timezone
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crmcore.documents.spans import Node, letter_spans, locate

LETTERS = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("\"'\\.#=[]{},: \n\r\t\0\x1b金😀"),
    max_size=8,
)
# What quotes, escapes and the ends of lines do to each other.
TRICKY = st.text("\"'\\\n a", max_size=5)
KEYS = LETTERS | TRICKY | st.from_regex(r"[a-z]{1,3}(-[0-9])?", fullmatch=True)
SINGLES = (
    st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.floats(allow_nan=False)
    | LETTERS
    | TRICKY
    | TRICKY
    | st.dates()
    | st.times().map(lambda one: one.replace(tzinfo=None))
    | st.datetimes()
    | st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)).map(
        lambda one: one.replace(tzinfo=timezone(timedelta(minutes=330)))
    )
)
JSON_SINGLES = (
    st.none() | st.integers() | st.booleans() | st.floats(allow_nan=False) | TRICKY | LETTERS
)
RANDOM = st.randoms(use_true_random=False)


def documents(singles: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    values = st.recursive(
        singles,
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(KEYS, inner, max_size=4)
            | st.lists(st.dictionaries(KEYS, inner, max_size=3), min_size=1, max_size=3)
        ),
        max_leaves=20,
    )
    return st.dictionaries(KEYS, values, max_size=5)


class Toml:
    """Writes a table as TOML, each thing in one of the ways in which it can be written."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.lines: list[str] = []

    def text(self, table: dict[str, Any]) -> str:
        self.table((), table)
        text = "".join(self.lines)
        return text.replace("\n", "\r\n") if self.random.random() < 0.3 else text

    def table(self, path: tuple[str, ...], table: dict[str, Any]) -> None:
        later = []
        for key, value in table.items():
            may_have_header = isinstance(value, dict) or _is_list_of_tables(value)
            if may_have_header and self.random.random() < 0.5:
                later.append((key, value))
            else:
                self.assign((key,), value)
        for key, value in later:
            inner = (*path, key)
            for each in value if isinstance(value, list) else [value]:
                brackets = ("[[", "]]") if isinstance(value, list) else "[]"
                self.line(brackets[0] + self.space() + self.key(inner) + self.space() + brackets[1])
                self.table(inner, each)

    def assign(self, path: tuple[str, ...], value: Any) -> None:
        if isinstance(value, dict) and value and self.random.random() < 0.5:
            for key, one in value.items():
                self.assign((*path, key), one)
        else:
            self.line(f"{self.key(path)}{self.space()}={self.space()}{self.value(value)}")

    def line(self, text: str) -> None:
        if self.random.random() < 0.2:
            self.lines.append(self.space() + "# [a]\n")
        comment = self.random.choice(["", "", "", " # x = 1", "#", '\t# ] } """'])
        self.lines.append(f"{self.space()}{text}{self.space()}{comment}\n")

    def key(self, path: tuple[str, ...]) -> str:
        return f"{self.space()}.{self.space()}".join(map(self.name, path))

    def name(self, key: str) -> str:
        if re.fullmatch("[A-Za-z0-9_-]+", key) and self.random.random() < 0.7:
            return key
        return self.line_literal(key) if self.random.random() < 0.4 else self.basic(key)

    def value(self, value: Any) -> str:
        match value:
            case bool():
                return "true" if value else "false"
            case int():
                return self.random.choice([str, _grouped, _hex])(value)
            case float():
                return repr(value)
            case str():
                ways = [self.basic, self.line_literal, self.long_basic, self.long_literal]
                return self.random.choice(ways)(value)
            case datetime():
                return value.isoformat(self.random.choice("T "))
            case date() | time():
                return value.isoformat()
            case list():
                return self.list(value)
        entries = [
            f"{self.key((key,))}{self.space()}= {self.value(one)}" for key, one in value.items()
        ]
        return f"{{{self.space()}{f'{self.space()},{self.space()}'.join(entries)}{self.space()}}}"

    def list(self, entries: list[Any]) -> str:
        text = "["
        for entry in entries:
            text += self.gap() + self.value(entry) + self.gap() + ","
        if entries and self.random.random() < 0.5:
            text = text[:-1]
        return text + self.gap() + "]"

    def basic(self, text: str) -> str:
        return f'"{"".join(map(self.letter, text))}"'

    def letter(self, letter: str) -> str:
        if letter.isprintable() and letter not in '"\\' and self.random.random() < 0.8:
            return letter
        short = {"\n": r"\n", "\t": r"\t", '"': r"\"", "\\": r"\\", "\r": r"\r", "\b": r"\b"}
        ways = [f"\\U{ord(letter):08x}"]
        ways += [f"\\u{ord(letter):04X}"] if ord(letter) < 0x10000 else []
        ways += [short[letter]] if letter in short else []
        return self.random.choice(ways)

    def line_literal(self, text: str) -> str:
        return self.basic(text) if not _is_plain(text) or "'" in text else f"'{text}'"

    def long_literal(self, text: str) -> str:
        if not _is_plain(text.replace("\n", "")) or "'''" in f"{text}'":
            return self.basic(text)
        return f"'''{self.first_line(text)}{text}'''"

    def long_basic(self, text: str) -> str:
        written = ""
        for letter in text:
            if letter == "\n" or (letter == '"' and not written.endswith('""')):
                written += letter
            else:
                written += self.letter(letter)
            if self.random.random() < 0.1:
                written += "\\\n  \t\n"
        # White space after the end of a line that goes on would not count.
        written = re.sub(r"(\\\n  \t\n)([ \t\n])", lambda found: found[2], written)
        return f'"""{self.first_line(written)}{written}"""'

    def first_line(self, text: str) -> str:
        return "\n" if text.startswith("\n") or self.random.random() < 0.3 else ""

    def space(self) -> str:
        return self.random.choice(["", "", " ", "\t", "  "])

    def gap(self) -> str:
        return self.random.choice(["", "", " ", "\n", "\t# ,]\n", "\n\n  "])


def _is_list_of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _is_plain(text: str) -> bool:
    return all(letter == "\t" or letter.isprintable() for letter in text)


def _grouped(number: int) -> str:
    return f"{number:_}"


def _hex(number: int) -> str:
    return f"{number:#x}" if number >= 0 else str(number)


def as_json(value: Any, random: Random) -> str:
    """Write a value as JSON with white space anywhere and escapes here and there."""

    def gap() -> str:
        return random.choice(["", "", " ", "\n", "\r\n", "\t "])

    def single(one: Any) -> str:
        text = json.dumps(one, ensure_ascii=random.random() < 0.5)
        return text.replace("/", "\\/") if random.random() < 0.5 else text

    match value:
        case list():
            entries = [as_json(one, random) for one in value]
            return f"{gap()}[{','.join(entries) or gap()}]{gap()}"
        case dict():
            pairs = value.items()
            entries = [f"{gap()}{single(key)}{gap()}:{as_json(one, random)}" for key, one in pairs]
            return f"{gap()}{{{','.join(entries) or gap()}}}{gap()}"
    return f"{gap()}{single(value)}{gap()}"


def from_toml(text: str) -> Any:
    return tomllib.loads(f"x = {text}")["x"]


def pairs(value: Any, node: Node) -> Iterator[tuple[str | None, Any, Node]]:
    """Yield each key or position, with its value and its node; fail where there is no node."""
    if isinstance(value, dict | list):
        named = isinstance(value, dict)
        for key, inner in value.items() if named else enumerate(value):
            found = node.inside[str(key)]
            yield key if named else None, inner, found
            yield from pairs(inner, found)
        assert len(node.inside) == len(value)


def check(text: str, document: Any, root: Node | None, read: Any) -> None:
    assert root is not None
    for key, value, node in pairs(document, root):
        assert key is None or node.key is not None
        if node.value is None or is_header(node):
            assert isinstance(value, dict | list)
            continue
        written = text[slice(*node.value)]
        assert read(written) == value
        if isinstance(value, str):
            check_letters(written, value)


def is_header(node: Node) -> bool:
    assert node.value is not None
    return node.key is not None and node.value[0] <= node.key[0] < node.value[1]


def check_letters(written: str, value: str) -> None:
    spans = letter_spans(written)
    assert len(spans) == len(value) + 1
    for (start, end), letter in zip(spans, value, strict=False):
        piece = written[start:end]
        if piece[0] == "\\" and written[0] == '"':
            read = from_toml if "U" in piece else json.loads
            assert read(f'"{piece}"') == letter
        else:
            assert letter == ("\n" if piece == "\r\n" else piece)
    assert written[slice(*spans[-1])] == written[0]


@given(documents(SINGLES), RANDOM)
def test_every_path_of_a_toml_document_is_found(document: dict[str, Any], random: Random) -> None:
    text = Toml(random).text(document)
    assert tomllib.loads(text) == document  # or the test itself would be wrong
    check(text, document, locate(text, is_json=False), from_toml)


@given(documents(SINGLES), RANDOM)
def test_every_key_of_a_toml_document_is_found(document: dict[str, Any], random: Random) -> None:
    text = Toml(random).text(document)
    root = locate(text, is_json=False)
    assert root is not None
    for key, _, node in pairs(document, root):
        if key is not None:
            assert node.key is not None
            assert tomllib.loads(f"{text[slice(*node.key)]} = 1") == {key: 1}


@given(documents(JSON_SINGLES), RANDOM)
def test_every_path_of_a_json_document_is_found(document: dict[str, Any], random: Random) -> None:
    text = as_json(document, random)
    assert json.loads(text) == document
    root = locate(text, is_json=True)
    check(text, document, root, json.loads)
    assert root is not None
    for key, _, node in pairs(document, root):
        assert key is None or json.loads(text[slice(*(node.key or ()))]) == key


@given(documents(SINGLES), RANDOM, st.booleans())
def test_a_damaged_text_is_never_more_than_lost(
    document: dict[str, Any], random: Random, is_json: bool
) -> None:
    text = Toml(random).text(document)
    for _ in range(random.randrange(1, 4)):
        at = random.randrange(len(text) + 1)
        put = random.choice(["", "[", "]", "{", "}", '"', "'", "=", ",", ".", "\\", "\n", "#", "x"])
        text = text[:at] + put + text[at + random.randrange(3) :]
    locate(text, is_json=is_json)


@given(st.text("[]{}=,.:\"'\\# \nab1-", max_size=40), st.booleans())
def test_any_text_is_found_or_lost(text: str, is_json: bool) -> None:
    root = locate(text, is_json=is_json)
    try:
        document = json.loads(text) if is_json else tomllib.loads(text)
    except ValueError:
        return
    check(text, document, root, json.loads if is_json else from_toml)
