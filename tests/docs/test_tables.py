"""The tables of the reference pages name what the code has: no more, no less."""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator

import pytest
from pages import ROOT, names, table
from pydantic import BaseModel

import crmcore
from crmcore import findings
from crmcore.bands.nodes import MAX_DIGITS
from crmcore.calendars import Window
from crmcore.cli import statuses
from crmcore.cli.arguments import parser
from crmcore.conditions.language import tokens, tree, written
from crmcore.documents import reading
from crmcore.facts import USUAL_FACTS, Fact
from crmcore.policy.document import Attribute, Document
from crmcore.policy.merging import MAX_EXTENDS
from crmcore.records.reading import REASONS
from crmcore.records.source import AmountRule, Columns, Source, StatusRules, Test
from crmcore.scoring import BandScore
from crmcore.tables import FirstMatch

KINDS = {
    "int": "whole number",
    "money": "money",
    "ratio": "exact ratio",
    "float": "float",
    "date": "local date",
    "instant": "instant",
}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def keys(model: type[BaseModel]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


@pytest.mark.parametrize(
    ("name", "heading", "model"),
    [
        ("policies.md", "## The root", Document),
        ("policies.md", "## Windows", Window),
        ("policies.md", "## Facts", Fact),
        ("policies.md", "### Bands: points for a fact", BandScore),
        ("policies.md", "## Class, segment, stage", FirstMatch),
        ("policies.md", "## Attributes", Attribute),
        ("sources.md", "## The root", Source),
        ("sources.md", "## Columns", Columns),
        ("sources.md", "## Amounts", AmountRule),
        ("sources.md", "## Statuses", StatusRules),
    ],
)
def test_every_key_has_its_row(name: str, heading: str, model: type[BaseModel]) -> None:
    assert sorted(names(table(page(name), heading))) == sorted(keys(model))


def test_every_test_of_a_source_has_its_row() -> None:
    assert ["column", *names(table(page("sources.md"), "## Tests"))] == keys(Test)


def test_every_usual_fact_has_its_row() -> None:
    expected = [
        [f"`{name}`", f"`{fact.of}`", f"`{fact.take}`", f"`{fact.field}`" if fact.field else "",
         KINDS[fact.field_type(name, 2).kind]]
        for name, fact in USUAL_FACTS.items()
    ]  # fmt: skip
    assert table(page("policies.md"), "### The usual facts") == expected


def test_every_limit_has_its_row() -> None:
    listed = [cells[1] for cells in table(page("policies.md"), "## Limits")]
    limits = [
        *(reading.MAX_BYTES, reading.MAX_SIGNS, reading.MAX_NODES, reading.MAX_TEXT),
        *(written.MAX_WORDS, MAX_EXTENDS),
        *(reading.MAX_LINES, reading.MAX_DEPTH, reading.MAX_ENTRIES, reading.MAX_STRING),
        *(reading.MAX_KEY, reading.MAX_KEY_PARTS, reading.MAX_DIGITS, MAX_DIGITS),
        *(tokens.MAX_TEXT, tree.MAX_NODES, tree.MAX_DEPTH, tree.MAX_ITEMS, tree.MAX_ALL_ITEMS),
    ]
    assert listed == [f"{limit:,}" for limit in limits]
    assert FirstMatch.model_fields["first"].metadata[0].max_length == reading.MAX_ENTRIES


def test_every_choice_of_a_fact_has_its_row() -> None:
    text = page("policies.md")
    for heading, key in (
        ("What is looked at:", "of"),
        ("What is taken:", "take"),
        ("What is aggregated:", "field"),
    ):
        annotation = str(Fact.model_fields[key].annotation)
        choices = re.findall(r"'([a-z_]+)'", annotation)
        assert sorted(names(table(text, heading))) == sorted(choices)


def reasons_in_code() -> Iterator[str]:
    """The reasons for which rows of orders are left out, as they stand in the code."""
    yield from REASONS
    for path in sorted((ROOT / "crmcore/records").glob("*.py")):
        if path.name == "customers.py":
            continue
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Tuple | ast.Call):
                parts = node.elts if isinstance(node, ast.Tuple) else node.args
                texts = [part.value for part in parts[:2] if isinstance(part, ast.Constant)]
                if len(texts) == 2 and texts[0] in ("quarantined", "collapsed"):
                    yield str(texts[1])


def test_every_reason_has_its_row() -> None:
    listed = names(table(page("sources.md"), "## Reasons"))
    assert sorted(listed) == sorted(set(reasons_in_code()))
    assert listed[: len(REASONS)] == list(REASONS)


def test_every_finding_has_its_row() -> None:
    listed = names(table(page("semantics.md"), "## Findings"))
    assert set(findings._TEXTS) | {"converted_currency"} == set(listed)


def test_every_public_name_has_its_row() -> None:
    listed = names(table(page("reference.md"), "## Public names"))
    assert listed == [name for name in crmcore.__all__ if not name.startswith("__")]


def commands() -> list[str]:
    groups = (
        action for action in parser()._actions if isinstance(action, argparse._SubParsersAction)
    )
    return [name for group in groups for name in group.choices]


def test_every_command_has_its_section() -> None:
    sections = re.findall(r"^## ([a-z]+)$", page("cli.md"), re.MULTILINE)
    assert sections == commands()
    for name in commands():
        assert f"$ crmcore {name} " in page("cli.md")
        section = page("cli.md").split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert "\nStatus: 0" in section


def test_every_exit_status_has_its_row() -> None:
    listed = {int(name) for name in names(table(page("cli.md"), "# Commands"))}
    known = {value for value in vars(statuses).values() if isinstance(value, int)}
    assert known <= listed


def test_every_room_has_its_row() -> None:
    listed = names(table(page("architecture.md"), "## The rooms, from the bottom up"))
    rooms = {
        path.stem
        for path in (ROOT / "crmcore").iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and path.stem != "__init__"
    }
    assert set(listed) == rooms
