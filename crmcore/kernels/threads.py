"""How many threads the kernels may use, and tasks given to them.

The kernels in C let other threads run while they work. NumPy's use one thread, whatever is
allowed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from typing import TypeVar

__all__ = ["allowed", "run", "threads", "workers"]

# A thread with fewer rows than these costs more than it saves.
ROWS_OF_A_THREAD = 2**16

_most: ContextVar[int | None] = ContextVar("crmcore_threads", default=None)
Result = TypeVar("Result")


@contextmanager
def threads(most: int) -> Iterator[None]:
    """Let what is computed inside use at most so many threads.

    Without it, kernels use as many threads as this process may use processors. Results do not
    depend on the number of threads. It holds for the thread or the asynchronous task that enters
    it, and for nobody else; the innermost one counts. What is short runs in one thread anyway.

    Parameters
    ----------
    most
        The most threads, at least 1.

    Raises
    ------
    ValueError
        When `most` is less than 1.

    Examples
    --------
    >>> import crmcore as crm
    >>> with crm.threads(1):
    ...     print(crm.show_config().threads)
    1
    """
    if most < 1:
        raise ValueError("at least one thread is needed")
    before = _most.set(most)
    try:
        yield
    finally:
        _most.reset(before)


def allowed() -> int:
    """Return the most threads that kernels may use here."""
    most = _most.get()
    return _processors() if most is None else most


def workers(rows: int) -> int:
    """Return the number of threads that is worth its while for so many rows."""
    worth = rows // ROWS_OF_A_THREAD
    return min(allowed(), worth) if worth > 1 else 1


def run(tasks: Sequence[Callable[[], Result]]) -> list[Result]:
    """Do all tasks at once, each in a thread of its own; return their results in order."""
    first, *others = tasks
    if not others:
        return [first()]
    with ThreadPoolExecutor(len(others)) as pool:
        started = [pool.submit(copy_context().run, task) for task in others]
        return [first(), *(task.result() for task in started)]


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
