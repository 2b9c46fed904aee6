"""Peak memory of one run beyond its input, measured in a process of its own (Linux only)."""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
from collections.abc import Callable
from pathlib import Path


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
    Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts again from here
    before = status("VmRSS")
    result = run(given)
    peak = status("VmHWM") - before
    del result
    return peak


def status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)
