"""The JSON Schema: what it describes, what it lets through, and what editors make of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from time import sleep
from types import TracebackType
from typing import IO, Any, Self

import jsonschema
import pytest
from mistakes import HEAD, MISTAKES, policy, unmarked

from crmcore import presets
from crmcore.errors import PolicyError
from crmcore.policy import load_policy, schema
from crmcore.records.source import Source

VALIDATOR = jsonschema.Draft202012Validator(schema())
# What only loading can tell: whether names exist, values fit, and all that stands in conditions.
UNSEEN_CODES = {
    *("unknown_name", "reserved_name", "duplicate_name", "cycle", "no_file", "duplicate_condition"),
    *("condition_syntax", "type_mismatch", "not_ordered", "unknown_label", "reversed_edges"),
    *("bad_date", "bad_instant", "may_overflow", "not_ascending", "empty_band", "money_as_number"),
    *("money_digits", "zero_weight", "not_a_digit", "not_fitted", "missing_table", "duplicate"),
    *("one_of", "empty_table", "not_finite"),
}
UNSEEN = {
    "names: name of a first",
    "shape: zone",
    "shape: window of two kinds",
    "shape: steps back without a calendar",
    "shape: day that is none",
    "shape: time of day",
    "shape: what the aggregate cannot use",
    "shape: what the aggregate needs",
    "shape: integer beyond 64 bits",
    "shape: edge with too many digits",
    "edges: edge too far",
    "edges: sum beyond 64 bits",
    "condition: number too far from zero",
}
GOOD = """\
#:schema ./policy.schema.json
extends = "classic"
name = "shop"
zone = "Europe/Berlin"
"""


def executable(name: str) -> str:
    """Return where a tool of this environment is; skip the test where there is none."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def properties(part: object, path: str = "") -> Iterator[tuple[str, Mapping[str, object]]]:
    """Return the schema of each key of each table in a schema, with where it stands."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "properties":
                yield from ((f"{path}.{name}", one) for name, one in value.items())
            yield from properties(value, f"{path}.{key}")
    elif isinstance(part, list):
        for at, value in enumerate(part):
            yield from properties(value, f"{path}.{at}")


def in_plain(text: str) -> Any:
    return json.loads(json.dumps(tomllib.loads(text), default=str))


@pytest.mark.parametrize("found", [schema(), schema(Source)], ids=["policy", "source"])
def test_it_is_a_schema(found: dict[str, object]) -> None:
    jsonschema.Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert found["title"]
    assert found["description"]


def test_every_key_is_described() -> None:
    found = list(properties(schema()))
    assert len(found) > 60
    assert [path for path, one in found if not one.get("description")] == []


def test_descriptions_are_not_whole_docstrings() -> None:
    assert [path for path, one in properties(schema()) if "Examples" in str(one)] == []


def test_nothing_is_null() -> None:
    text = json.dumps(schema())
    assert "null" not in text


@pytest.mark.parametrize("name", presets.names())
def test_presets_satisfy_it(name: str) -> None:
    assert list(VALIDATOR.iter_errors(in_plain(presets.text(name)))) == []
    assert list(VALIDATOR.iter_errors(in_plain(presets.load(name).to_toml()))) == []


def test_policies_of_the_documentation_satisfy_it(root: Path) -> None:
    checked = 0
    for page in [root / "README.md", *sorted((root / "docs").rglob("*.md"))]:
        for block in page.read_text("utf-8").split("```toml")[1:]:
            title, _, text = block.split("```")[0].partition("\n")
            if "title=" in title and _is_policy(text):
                checked += 1
                errors = [error.message for error in VALIDATOR.iter_errors(in_plain(text))]
                assert errors == [], f"{page.name}: {title}"
    assert checked >= 3


def _is_policy(text: str) -> bool:
    try:
        load_policy(text)
    except PolicyError:
        return False
    return True


@pytest.mark.parametrize("name", MISTAKES)
def test_it_notices_mistakes_of_shape(name: str) -> None:
    mistake = MISTAKES[name]
    given = in_plain(unmarked(policy(mistake.lines)))
    is_unseen = mistake.code in UNSEEN_CODES or name in UNSEEN
    assert VALIDATOR.is_valid(given) == is_unseen


def test_extending_needs_nothing_else() -> None:
    assert VALIDATOR.is_valid({"extends": "classic"})
    assert not VALIDATOR.is_valid({"name": "shop"})


def test_attributes_are_tables_or_text() -> None:
    table = in_plain(HEAD)
    assert VALIDATOR.is_valid({**table, "attributes": {"city": "text"}})
    assert VALIDATOR.is_valid({**table, "attributes": {"city": {"type": "text"}}})
    assert not VALIDATOR.is_valid({**table, "attributes": {"city": "string"}})


def test_a_score_is_of_one_kind() -> None:
    table = in_plain(HEAD)
    for score in ({"weights": {"a": 1}}, {"cell": ["a", "b"]}, {"scorer": "s"}):
        assert VALIDATOR.is_valid({**table, "scores": {"s": score}})
        assert not VALIDATOR.is_valid({**table, "scores": {"s": {**score, "fact": "x"}}})
        assert not VALIDATOR.is_valid({**table, "scores": {"S": score}})


def test_readers_of_draft_7_see_rows_too() -> None:
    """They know no ``prefixItems``, and read the definitions by their path all the same."""
    older = jsonschema.Draft7Validator(schema())
    table = in_plain(HEAD)
    right = {**table, "scores": {"s": {"fact": "x", "from": [[1, 1]]}}}
    wrong = {**table, "scores": {"s": {"fact": "x", "from": [[True, 1]]}}}
    assert older.is_valid(right)
    assert not older.is_valid(wrong)


# Editors


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "policy.schema.json").write_text(json.dumps(schema()), "utf-8")
    return tmp_path


def lint(tool: list[str], folder: Path, text: str) -> str:
    """Return what a tool says of a policy; nothing when it is content."""
    (folder / "shop.toml").write_text(text, "utf-8")
    command = [executable(tool[0]), *tool[1:], "shop.toml"]
    plain = {**os.environ, "NO_COLOR": "1"}
    done = subprocess.run(
        command, cwd=folder, env=plain, capture_output=True, text=True, timeout=60
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


TOOLS = {
    "taplo": ["taplo", "lint", "--no-auto-config", "--colors", "never"],
    "tombi": ["tombi", "lint", "--offline", "--error-on-warnings"],
}


@pytest.mark.parametrize("tool", TOOLS)
def test_editors_are_content_with_right_policies(tool: str, folder: Path) -> None:
    directive = "#:schema ./policy.schema.json\n"
    assert lint(TOOLS[tool], folder, GOOD) == ""
    for name in presets.names():
        assert lint(TOOLS[tool], folder, directive + presets.text(name)) == ""


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ('sale_statuses = ["payed"]', ["payed", "placed"]),
        ("windws = 1", ["windws"]),
        ("[scores.s]\nfact = 'sale_count'\nbelwo = 1\nfrom = [[1, 1]]", ["belwo"]),
        ("[scores.s]\nweights = { a = 1 }\nfact = 'sale_count'", ["weights", "fact"]),
        ("[facts]\nF = { of = 'sale', take = 'count' }", ["^[a-z][a-z0-9_]*$", "F"]),
        ("[grade]\nfact = 'sale_count'\nfrom = [[1, 'low', 2]]", ["2"]),
    ],
)
@pytest.mark.parametrize("tool", TOOLS)
def test_editors_name_what_is_wrong(tool: str, lines: str, words: list[str], folder: Path) -> None:
    said = lint(TOOLS[tool], folder, f"{GOOD}{lines}\n")
    assert any(word in said for word in words)
    assert "shop.toml" in said


def test_the_page_shows_what_an_editor_says(folder: Path, root: Path) -> None:
    page = (root / "docs" / "editor.md").read_text("utf-8")
    text = page.split('```toml title="shop.toml"\n')[1].split("```")[0]
    shown = page.split('```text title="tombi.txt"\n')[1].split("```")[0]
    said = [line.strip() for line in lint(TOOLS["tombi"], folder, text).splitlines()]
    assert [line.strip() for line in shown.splitlines()] == said[:-1]


class LanguageServer:
    """A TOML language server, and the least that an editor says to it."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.numbers = count(1)

    def __enter__(self) -> Self:
        uri = self.folder.as_uri()
        folders = [{"uri": uri, "name": "shop"}]
        self.ask(
            "initialize",
            {"processId": None, "rootUri": uri, "capabilities": {}, "workspaceFolders": folders},
        )
        self.tell("initialized", {})
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def completions(self, marked: str) -> list[str]:
        """Return what is offered where ``|`` stands in a text."""
        before, _, after = marked.partition("|")
        uri = (self.folder / f"shop{next(self.numbers)}.toml").as_uri()
        document = {"uri": uri, "languageId": "toml", "version": 1, "text": before + after}
        self.tell("textDocument/didOpen", {"textDocument": document})
        place = {"line": before.count("\n"), "character": len(before.rpartition("\n")[2])}
        asked = {"textDocument": {"uri": uri}, "position": place}
        for _ in range(100):  # it reads the schema beside answering, and knows nothing till then
            found = self.ask("textDocument/completion", asked) or []
            items = found["items"] if isinstance(found, dict) else found
            if items:
                return [item["label"] for item in items]
            sleep(0.1)
        return []

    def ask(self, method: str, parameters: object) -> Any:
        number = next(self.numbers)
        self._send({"id": number, "method": method, "params": parameters})
        while True:
            message = self._read()
            if "method" in message and "id" in message:
                self._send({"id": message["id"], "result": None})
            elif message.get("id") == number:
                return message.get("result")

    def tell(self, method: str, parameters: object) -> None:
        self._send({"method": method, "params": parameters})

    def _send(self, message: dict[str, object]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stream = self._pipe(self.process.stdin)
        stream.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        stream.flush()

    def _read(self) -> dict[str, Any]:
        stream = self._pipe(self.process.stdout)
        length = 0
        while (line := stream.readline().strip()) != b"":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        if not length:
            raise EOFError("the language server has gone")
        message: dict[str, Any] = json.loads(stream.read(length))
        return message

    def _pipe(self, stream: IO[bytes] | None) -> IO[bytes]:
        assert stream is not None
        return stream


@pytest.mark.parametrize(
    ("marked", "offered"),
    [
        ("sale|", ["sale_statuses"]),
        ("sale_statuses = [|]", ['"placed"', '"paid"', '"shipped"', '"delivered"']),
        ("returns = |", ['"customer_total"', '"refuse"']),
        ("[scores.s]\n|", ["fact", "from", "within", "weights", "cell", "scorer"]),
        ("[grade]\n|", ["score", "from", "below"]),
        ("[class]\nunknown = |", ['"skip"', '"default"', '"error"']),
        ('[facts]\nf = { of = "sale", | }', ["take", "in", "where"]),
        ("[attributes]\ncity = |", ['"text"', '"label"']),
    ],
)
def test_an_editor_completes(marked: str, offered: list[str], folder: Path) -> None:
    with LanguageServer([executable("tombi"), "lsp", "--offline"], folder) as server:
        found = server.completions(GOOD.replace('name = "shop"\n', "") + marked)
    assert set(offered) <= set(found)
    assert len(found) < 40


@pytest.mark.parametrize(
    ("value", "fits"),
    [*((one, True) for one in ("1.5", "-2", 1.5, 2)), *((one, False) for one in ("1,5", "", True))],
)
def test_a_decimal_of_a_tree_is_text_or_a_number(value: object, fits: bool) -> None:
    right = {"op": "decimal", "value": value}
    asked = {"op": ">", "left": {"op": "field", "name": "mean_sale"}, "right": right}
    given = {"extends": "classic", "name": "s", "segment": {"first": [[asked, "a"]]}}
    assert VALIDATOR.is_valid(given) is fits
    if fits:
        load_policy(given)
    else:
        with pytest.raises(PolicyError):
            load_policy(given)
