"""Which kernels are in use, how many threads they may use, and what a host is told about it."""

from __future__ import annotations

import ast
import asyncio
import gc
import os
import subprocess
import sys
import weakref
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread, get_ident
from typing import Any

import numpy as np
import pytest

import crmcore as crm
from crmcore.kernels import selection
from crmcore.kernels import threads as room

ROOM = Path(selection.__file__).parent
PLAIN = sorted((ROOM / "plain").glob("[a-z]*.py"))


def shown(asked: str | None) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "CRMCORE_KERNELS"}
    if asked is not None:
        environment["CRMCORE_KERNELS"] = asked
    code = "import crmcore; print(crmcore.show_config())"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_numpy_when_asked_for() -> None:
    assert shown("numpy").stdout.startswith("kernels     numpy: CRMCORE_KERNELS=numpy\n")


def test_compiled_ones_are_taken_where_they_were_built() -> None:
    lines = shown(None).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["kernels", "threads", "huge"]
    asked = shown("compiled")
    if lines[0] == "kernels     compiled: built":
        assert asked.stdout.splitlines() == lines
    else:
        assert "ImportError: CRMCORE_KERNELS=compiled, but they cannot be used: " in asked.stderr


def test_anything_else_is_refused() -> None:
    result = shown("fortran")
    assert "ValueError: CRMCORE_KERNELS=fortran: should be compiled, numpy" in result.stderr


def test_the_reason_is_what_the_installation_noted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = tmp_path / "not_built.txt"
    monkeypatch.setattr(selection, "_NOTE", note)
    monkeypatch.setitem(sys.modules, "crmcore.kernels.compiled.grouping", None)
    reasons = {"grouping": selection._missing("grouping") or ""}
    assert "crmcore.kernels.compiled.grouping" in selection._told(reasons)
    note.write_text(
        "one: no compiler\ntwo: no compiler\nthree: Cython: is missing\nfour\n", "utf-8"
    )
    told = "one, two not built: no compiler; three not built: Cython: is missing; four not built: "
    assert selection._told(reasons) == told


def test_modules_built_from_other_sources_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    grouping = pytest.importorskip("crmcore.kernels.compiled.grouping")
    monkeypatch.delattr(grouping, "add")
    assert selection._missing("grouping") == "made from other sources, without add"


def test_threads_hold_inside_only() -> None:
    default = crm.show_config().threads
    with crm.threads(3):
        assert crm.show_config().threads == 3
        with crm.threads(1):
            assert (room.allowed(), room.workers(10**9)) == (1, 1)
        assert room.workers(10**9) == 3
    assert crm.show_config().threads == default
    with pytest.raises(ValueError), crm.threads(0):
        pass


def test_few_rows_are_for_one_thread() -> None:
    with crm.threads(4):
        sizes = (0, 1, 2**17 - 1, 2**17, 2**18, 2**30)
        assert [room.workers(rows) for rows in sizes] == [1, 1, 1, 2, 4, 4]


def test_tasks_are_under_the_same_limit_and_answer_in_order() -> None:
    with crm.threads(5):
        assert room.run([room.allowed, lambda: 2, room.allowed]) == [5, 2, 5]


def test_each_thread_takes_rows_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ROWS_OF_A_THREAD", 2)
    with crm.threads(3):
        assert room.each(10, lambda *rows: rows) == [(0, 3), (3, 6), (6, 10)]
        assert room.each(3, lambda *rows: rows) == [(0, 3)]
        assert room.each(0, lambda *rows: rows) == [(0, 0)]
        assert room.each(10, lambda *rows: rows, 2) == [(0, 5), (5, 10)]


def test_an_error_of_any_task_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        room.run([lambda: 1, lambda: 1 // 0])


def test_tasks_that_get_no_thread_are_done_in_this_one(monkeypatch: pytest.MonkeyPatch) -> None:
    start, tried, done = Thread.start, [], []

    def refuse_all_but_the_second(thread: Thread) -> None:
        tried.append(thread)
        if len(tried) != 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    def task(number: int) -> tuple[int, bool]:
        done.append(number)
        return number, get_ident() == here

    here = get_ident()
    monkeypatch.setattr(Thread, "start", refuse_all_but_the_second)
    found = room.run([partial(task, number) for number in range(4)])
    assert found == [(0, True), (1, True), (2, False), (3, True)]
    assert sorted(done) == [0, 1, 2, 3]


def test_asynchronous_tasks_do_not_limit_each_other() -> None:
    async def limited(most: int) -> int:
        with crm.threads(most):
            await asyncio.sleep(0)
            return room.allowed()

    async def both() -> list[int]:
        return await asyncio.gather(limited(1), limited(2))

    assert asyncio.run(both()) == [1, 2]


def signatures(path: Path) -> dict[str, str]:
    """Return the public functions of a source file: parameters, defaults and types as text."""
    tree = ast.parse(path.read_text("utf-8"))
    return {
        node.name: f"{ast.unparse(node.args)} -> {ast.unparse(node.returns or ast.Constant(None))}"
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


@pytest.mark.parametrize("plain", PLAIN, ids=lambda path: path.stem)
def test_compiled_kernels_have_the_signatures_of_the_plain_ones(plain: Path) -> None:
    compiled = ROOM / "compiled" / plain.name
    stub = compiled if compiled.exists() else compiled.with_suffix(".pyi")
    assert signatures(plain).items() <= signatures(stub).items()


def test_every_plain_module_is_a_theme() -> None:
    assert [path.stem for path in PLAIN] == list(selection.THEMES)


@pytest.mark.parametrize("wrong", [1.5, 2.0, "2", None])
def test_threads_are_a_whole_number(wrong: Any) -> None:
    with pytest.raises(TypeError), crm.threads(wrong):
        raise AssertionError
    with crm.threads(np.int64(2)):  # type: ignore[arg-type]  # any whole number
        assert room.allowed() == 2


def test_an_error_in_one_thread_lets_go_of_what_others_made() -> None:
    def made() -> np.ndarray:
        array = np.zeros(3)
        there.append(weakref.ref(array))
        return array

    def failing() -> np.ndarray:
        raise MemoryError

    there: list[weakref.ref[np.ndarray]] = []
    gc.disable()
    try:
        for tasks in ([made, failing], [failing, made], [made, failing, made]):
            with suppress(MemoryError):
                room.run(tasks)
        assert len(there) == 4
        assert not any(one() is not None for one in there)
    finally:
        gc.enable()
