"""The page that grades one shop four ways: its examples for engines that are servers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from engines import Engines, every


def blocks(root: Path) -> tuple[str, list[str]]:
    """Return what all ways share, and the examples that need a server."""
    page = (root / "docs" / "four-ways.md").read_text("utf-8")
    found = re.findall(r"^```(python|py)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    shared = "".join(text for language, text in found if language == "python")
    return shared, [text for language, text in found if language == "py"]


@every("postgres")
def test_the_example_for_postgresql_runs(kind: str, engines: Engines, root: Path) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    shared, (example, _) = blocks(root)
    session: dict[str, object] = {"__name__": "example"}
    exec(shared, session)
    with engines.open(kind) as engine:
        exec("table = con.table('orders').to_arrow_table()", session)
        engine.load({"orders": session["table"]})
        made = sqlalchemy.create_engine(
            "postgresql+psycopg://",
            creator=lambda: engine.connection,
            poolclass=sqlalchemy.StaticPool,
        )
        with made.connect() as session["connection"]:
            exec(example, session)


@every("spark ansi")
def test_the_example_for_spark_runs(kind: str, engines: Engines, root: Path) -> None:
    shared, (_, example) = blocks(root)
    with engines.open(kind) as engine:
        session: dict[str, object] = {"spark": engine.connection, "__name__": "example"}
        exec(shared + example, session)
