"""Threads of the host: kernels let them run meanwhile, and keep nothing between two calls."""

from __future__ import annotations

import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from time import sleep

import numpy as np
import pytest

import crmcore as crm
from crmcore import kernels
from crmcore.texts import Texts

COMPILED = Path(kernels.__file__).parent / "compiled"
AT_ONCE = {"lists_several", "uuid_reader"}
"""What reads no rows: it asks the processor."""
CHANGING = (list, dict, set, bytearray, np.ndarray, int, str)
ROWS = 3_000_000


def calls_outside(source: str) -> Iterator[str]:
    """Yield the calls of C functions that are made with the interpreter's lock held."""
    names: set[str] = set()
    declaring, released = False, -1
    for line in source.splitlines():
        indent = len(line) - len(line.lstrip())
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line.startswith("cdef extern") and line.endswith("nogil:"):
            declaring = True
        elif indent == 0:
            declaring = False
        if declaring:
            names.update(re.findall(r"(\w+)\(", line))
            continue
        if indent <= released:
            released = -1
        if line.strip() == "with nogil:":
            released = indent
        if released < 0:
            called = re.findall(r"(?<![\w.])(?<!def )(\w+)\(", line)  # and no method
            yield from (name for name in called if name in names)


@pytest.mark.parametrize("path", sorted(COMPILED.glob("*.pyx")), ids=lambda path: path.stem)
def test_every_kernel_lets_go_of_the_lock(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert "freethreading_compatible=True" in source.splitlines()[0]
    assert set(calls_outside(source)) <= AT_ONCE
    held = source.replace("with nogil:", "if True:")
    assert set(calls_outside(held)) - AT_ONCE  # or nothing would be noticed


def calls(of: np.ndarray, texts: Texts) -> dict[str, Callable[[], object]]:
    codes = (of % 1_000).astype(np.int32)
    return {
        "encode": lambda: kernels.encode(of),
        "has_duplicates": lambda: kernels.has_duplicates(of),
        "encode_texts": lambda: kernels.encode_texts(texts),
        "add": lambda: kernels.add(codes, of % 1_000, 1_000),
        "lower_median": lambda: kernels.lower_median(codes, of, 1_000),
    }


def state() -> dict[tuple[str, str], str]:
    """Return what the modules of the kernels hold that could change."""
    package, held = importlib.import_module("crmcore.kernels"), {}
    for found in pkgutil.walk_packages(package.__path__, "crmcore.kernels."):
        try:
            module = importlib.import_module(found.name)
        except ImportError:
            continue  # not built
        for name, value in vars(module).items():
            if not name.startswith("__") and isinstance(value, CHANGING):
                held[found.name, name] = repr(value)
    return held


def test_kernels_keep_nothing_between_calls() -> None:
    before = state()
    numbers = np.random.default_rng(1).integers(0, 2**62, 50_000)
    with crm.threads(2):
        for call in calls(numbers, Texts.from_strings(map(str, range(50_000)))).values():
            call()
    assert state() == before


@pytest.mark.parametrize("name", list(calls(np.zeros(0, np.int64), Texts.joined([]))))
def test_other_threads_run_while_a_kernel_works(name: str) -> None:
    if not kernels.encode.__module__.startswith("crmcore.kernels.compiled"):
        pytest.skip("NumPy decides when it lets others run")
    numbers = np.random.default_rng(1).integers(0, 2**62, ROWS)
    texts = Texts.from_strings(f"customer {one}" for one in range(ROWS // 10))
    kernel = calls(numbers, texts)[name]
    started, ended, interval = Event(), Event(), sys.getswitchinterval()

    def work() -> None:
        with crm.threads(1):
            started.set()
            for _ in range(3):
                kernel()
        ended.set()

    sys.setswitchinterval(60)  # nobody is made to let others run
    try:
        thread = Thread(target=work)
        thread.start()
        started.wait()
        steps = 0
        while not ended.is_set():
            sleep(0)  # lets the other go on, if it waits
            steps += 1
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert steps > 100
