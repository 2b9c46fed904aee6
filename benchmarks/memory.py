"""Peak memory of one run beyond its input, measured in a process of its own (Linux only)."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import os
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread

import pyarrow

TUNABLES = "GLIBC_TUNABLES"
KEPT = "glibc.malloc.mmap_max=0:glibc.malloc.trim_threshold=1099511627776"


def keep_freed_memory() -> str:
    """Begin this program again, so that it keeps memory that was freed; return what holds now.

    DuckDB and polars bring an allocator (jemalloc) that keeps freed memory for a while. That of
    glibc gives each large block back to the system at once; the system clears it when it is asked
    for again, and a virtual machine may have to get it from its host first. Processes that this one
    starts do as usual.
    """
    if platform.libc_ver()[0] != "glibc":
        return "allocator   the system's own"
    if os.environ.get(TUNABLES) != KEPT:
        os.execve(
            sys.executable, [sys.executable, *sys.orig_argv[1:]], os.environ | {TUNABLES: KEPT}
        )
    del os.environ[TUNABLES]
    return f"allocator   glibc's, and it keeps what is freed: {TUNABLES}={KEPT}"


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
