"""Contenders that take turns, each in a process of its own, where it keeps what memory it likes."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from statistics import median
from time import perf_counter, process_time

import numpy as np
from data import AS_OF, IdKind, make
from job import CLASSES, COLUMNS, KEEPS_MEMORY, Contender, job_of
from ours import CRMCORE
from rivals import ALL

JOB = job_of(AS_OF)
# What has allocators keep what was freed: that of glibc, and the one that polars brings. DuckDB has
# settings for it (`rival_duckdb`).
_GLIBC = {"arena_max": 1, "mmap_max": 0, "trim_threshold": 2**40}
KEPT = {
    "GLIBC_TUNABLES": ":".join(f"glibc.malloc.{name}={value}" for name, value in _GLIBC.items()),
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:-1,muzzy_decay_ms:-1",
    KEEPS_MEMORY: "1",
}


@dataclass(frozen=True)
class Size:
    """How much the contenders are given."""

    orders: int
    customers: int
    ids: IdKind


@dataclass(frozen=True)
class Times:
    """Medians, in seconds: on the clock, and of processor time over all threads."""

    clock: float
    processor: float


@dataclass(frozen=True)
class Found:
    """A fingerprint of each column of a result, and the classes that occur."""

    columns: dict[str, str]
    classes: frozenset[str]


def named(tool: str, phrasing: str) -> Contender:
    return next(c for c in [CRMCORE, *ALL] if (c.tool, c.phrasing) == (tool, phrasing))


@contextmanager
def keeping_freed_memory() -> Iterator[None]:
    """Let processes that are started inside keep memory that was freed.

    The allocator of glibc gives each large block back to the system at once, those of the rivals
    some time later. The system clears it when it is asked for again; a virtual machine may have to
    get it from its host first.
    """
    before = {name: os.environ.get(name) for name in KEPT}
    os.environ.update(KEPT)
    try:
        yield
    finally:
        for name, value in before.items():
            del os.environ[name]
            if value is not None:
                os.environ[name] = value


def race(contenders: Sequence[Contender], size: Size, rounds: int) -> list[Times]:
    """Let the contenders take turns, after comparing their results.

    They begin with another one each round. Nobody works while another one does.
    """
    racers = [_Racer(contender, size) for contender in contenders]
    try:
        _check_equal(contenders, [racer.ask("compare") for racer in racers])
        clocks: list[list[tuple[float, float]]] = [[] for _ in racers]
        for turn in range(rounds):
            for k in np.roll(np.arange(len(racers)), -turn):
                clocks[k].append(racers[k].ask("time"))
    finally:
        for racer in racers:
            racer.stop()
    return [Times(*map(median, zip(*times, strict=True))) for times in clocks]


def _check_equal(contenders: Sequence[Contender], found: Sequence[Found]) -> None:
    """Raise unless all contenders find the same in every cell, and every class occurs."""
    if found[0].classes != {*CLASSES} - {"new"}:  # without an evaluation before, nobody is new
        raise SystemExit(f"only these classes occur: {sorted(found[0].classes)}")
    for contender, other in zip(contenders, found, strict=True):
        for name in COLUMNS:
            if found[0].columns[name] != other.columns[name]:
                raise SystemExit(f"{contender.tool}, {contender.phrasing}: {name} differs")


class _Racer:
    """A process with one contender, and what that is given."""

    def __init__(self, contender: Contender, size: Size) -> None:
        context = multiprocessing.get_context("spawn")
        self._line, theirs = context.Pipe()
        name = contender.tool, contender.phrasing
        self._process = context.Process(
            target=_serve, args=(theirs, name, size), name=", ".join(name), daemon=True
        )
        self._process.start()
        theirs.close()
        self._answer()  # it is ready

    def ask(self, question: str):
        self._line.send(question)
        return self._answer()

    def _answer(self):
        try:
            return self._line.recv()
        except EOFError:
            raise SystemExit(f"{self._process.name} has died") from None

    def stop(self) -> None:
        self._line.close()
        self._process.join()


def _serve(line, name: tuple[str, str], size: Size) -> None:
    contender = named(*name)
    given = contender.prepare(make(size.orders, size.customers, size.ids))
    gc.collect()
    line.send("ready")
    answers = {"compare": _compare, "time": _time}
    while True:
        try:
            question = line.recv()
        except EOFError:
            return
        line.send(answers[question](contender, given))


def _compare(contender: Contender, given: object) -> Found:
    columns = contender.columns(contender.run(given, JOB))
    found = {name: _fingerprint(columns[name]) for name in COLUMNS}
    return Found(found, frozenset(CLASSES[code] for code in np.unique(columns["class"])))


def _fingerprint(values: np.ndarray) -> str:
    plain = values.astype(np.int64 if values.dtype.kind in "iub" else np.str_)
    return sha256(plain.tobytes()).hexdigest()


def _time(contender: Contender, given: object) -> tuple[float, float]:
    gc.collect()
    clock, processor = perf_counter(), process_time()
    result = contender.run(given, JOB)
    times = perf_counter() - clock, process_time() - processor
    del result
    return times
