"""Peak memory of one run beyond its input, measured in a process of its own (Linux only)."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pyarrow


def peak_beyond_input(prepare: Callable[[], object], run: Callable[[object], object]) -> int:
    """Return in bytes how far resident memory rises above what it is before `run`.

    Both must be importable functions, or partials of them: the process starts from nothing.
    """
    return apart(_peak, prepare, run)


def apart(work: Callable, *arguments: object):
    """Return what a function returns in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(sender, work, arguments))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        process.join()


def _send(sender, work, arguments) -> None:
    sender.send(work(*arguments))


def _peak(prepare, run) -> int:
    given = prepare()
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pyarrow.default_memory_pool().release_unused()  # what was freed while preparing
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from here
    before = status("VmRSS")
    result = run(given)
    peak = status("VmHWM") - before
    del result
    return peak


def status(name: str, process: int | None = None) -> int:
    for line in Path(f"/proc/{process or 'self'}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


class Peak:
    """The most memory that is no mapped file, and the most room on disk, looked at now and then.

    The memory is this process's, or that of another one, by its number.
    """

    def __init__(self, folder: Path, process: int | None = None) -> None:
        self.folder, self.process, self.memory, self.disk = folder, process, 0, 0
        self._stop = Event()
        self._thread = Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.1):
            self.memory = max(self.memory, status("RssAnon", self.process))
            self.disk = max(self.disk, sum(map(size, self.folder.rglob("*"))))


def size(path: Path) -> int:
    """Return the bytes of a file, 0 when it is gone."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
