"""What must hold of every file and every public name of the project."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import is_typeddict

import pytest

import crmcore
import crmcore.sql

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
REQUIRED = {"pydantic", "numpy", "python-dateutil", "tzdata"}
OPTIONAL = [
    *("duckdb", "jinja2", "nanoarrow", "narwhals", "pandas"),
    *("polars", "pyarrow", "rich", "scipy", "sqlglot"),
]
NOT_OURS = {"__pycache__", "build", "dist", "htmlcov", "site"}
BINARY = {".parquet", ".arrow", ".feather", ".png", ".gz", ".pyc", ".so"}
# Spelled in parts, so that this file does not hold them itself.
MACHINE_PATH = re.compile(r"(?<![\w./-])/" + r"(?:work|tmp/v)(?![\w.-])")
REGISTRY_HOST = re.compile(
    "|".join(
        re.escape(".".join(parts))
        for parts in [
            ("pypi", "org"),
            ("files", "pythonhosted", "org"),
            ("registry", "npmjs", "org"),
            ("deb", "debian", "org"),
        ]
    )
)
OUTSIDE = "../" + "shared"


def project_files(folder: Path = ROOT) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        hidden = path.name.startswith(".") and path.name != ".ci"
        if path.is_dir():
            if not hidden and path.name not in NOT_OURS and path.suffix != ".egg-info":
                yield from project_files(path)
        elif path.suffix not in BINARY and path.name != ".coverage":
            yield path


def test_files_name_no_machine_and_no_registry() -> None:
    found = []
    for path in project_files():
        text = path.read_text("utf-8")
        for pattern in (MACHINE_PATH, REGISTRY_HOST):
            found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in pattern.finditer(text)]
    assert found == []


def test_only_one_fixture_looks_outside_the_checkout() -> None:
    users = [p.relative_to(ROOT) for p in project_files() if OUTSIDE in p.read_text("utf-8")]
    assert users == [Path("tests/conftest.py")]


def test_patterns_catch_what_they_are_for() -> None:
    assert MACHINE_PATH.search("see /" + "work" + "/main")
    assert MACHINE_PATH.search("#!/" + "tmp/v" + "/bin/python")
    assert not MACHINE_PATH.search("hours of and/work or /workbench")
    assert REGISTRY_HOST.search("https://" + "pypi" + ".org/simple")


def public_names() -> list[str]:
    own = sorted(name for name in crmcore.__all__ if not name.startswith("__"))
    return own + [f"sql.{name}" for name in crmcore.sql.__all__]


@pytest.mark.parametrize("name", public_names())
def test_public_names_are_documented_with_an_example(name: str) -> None:
    value = attrgetter(name)(crmcore)
    if is_typeddict(value) or not (
        inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)
    ):
        pytest.skip("a type or a constant: documented where it is used")
    text = value.__dict__.get("__doc__") if inspect.isclass(value) else value.__doc__
    assert text, f"{name} has no docstring"
    assert re.search(r"^\s*Examples\n\s*-{8}$", text, re.MULTILINE), f"{name} has no Examples"
    assert ">>> " in text, f"the example of {name} is not runnable"


def test_all_is_sorted_and_complete() -> None:
    assert list(crmcore.__all__) == sorted(set(crmcore.__all__))
    assert set(crmcore.__all__) <= set(dir(crmcore))


def test_changelog_speaks_of_this_version() -> None:
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## \[([^\]]+)\]", text, re.MULTILINE)
    assert headings
    assert headings[0] in {"Unreleased", PROJECT["version"]}
    assert "### Changed results" in text


def test_required_dependencies_are_the_agreed_ones() -> None:
    names = {re.split(r"[<>=!~ \[;]", text)[0] for text in PROJECT["dependencies"]}
    assert names == REQUIRED


def test_every_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs/dependencies.md").read_text("utf-8")
    texts = [*PROJECT["dependencies"], *chain(*PROJECT["optional-dependencies"].values())]
    names = {re.split(r"[<>=!~ \[;]", text)[0] for text in texts} - {"crmcore"}
    assert [name for name in sorted(names) if f"`{name}`" not in reasons] == []


def nav_pages(nav: object) -> Iterator[str]:
    match nav:
        case str():
            yield nav
        case dict():
            for part in nav.values():
                yield from nav_pages(part)
        case list():
            for part in nav:
                yield from nav_pages(part)


def test_navigation_lists_every_page_once() -> None:
    config = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))
    listed = list(nav_pages(config["project"]["nav"]))
    pages = [p.relative_to(ROOT / "docs").as_posix() for p in (ROOT / "docs").rglob("*.md")]
    assert sorted(listed) == sorted(pages)


def modules() -> list[str]:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "crmcore").rglob("*.py"))
    ]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]


def test_every_module_loads_without_optional_packages() -> None:
    code = (
        "import importlib, sys\n"
        f"for name in {OPTIONAL!r}: sys.modules[name] = None\n"
        f"for name in {modules()!r}: importlib.import_module(name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_the_package_itself_loads_nothing_heavy() -> None:
    code = (
        "import crmcore, sys\n"
        "print([name for name in ('numpy', 'pydantic', 'pyarrow', 'rich') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"


def long_modules() -> Iterator[str]:
    for path in sorted((ROOT / "crmcore").rglob("*.py")):
        lines = path.read_text("utf-8").count("\n")
        if lines >= 400:
            yield f"{path.relative_to(ROOT)}: {lines} lines"


def test_modules_stay_under_400_lines() -> None:
    assert list(long_modules()) == []


def clock_reads() -> Iterator[str]:
    clocks = {"now", "today", "utcnow", "time", "time_ns"}
    for path in sorted((ROOT / "crmcore").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in clocks
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in {"datetime", "date", "time"}
            ):
                yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_no_clock_is_read() -> None:
    assert list(clock_reads()) == []
