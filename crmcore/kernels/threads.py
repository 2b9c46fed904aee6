"""How many threads the kernels may use, and tasks given to them.

The kernels in C share their rows among threads, and let other threads run while they work. Those
of NumPy work in one thread each; the conditions of a policy are asked in several threads, whatever
the kernels.
"""

from __future__ import annotations

import operator
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from itertools import pairwise
from threading import Thread
from typing import TypeVar

__all__ = ["allowed", "each", "run", "spans", "threads", "workers"]

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
    TypeError
        When `most` is not a whole number.

    Examples
    --------
    >>> import crmcore as crm
    >>> with crm.threads(1):
    ...     print(crm.show_config().threads)
    1
    """
    most = operator.index(most)
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


def spans(rows: int, parts: int) -> list[tuple[int, int]]:
    """Return where each of so many parts of the rows begins, and where it ends."""
    return list(pairwise(rows * part // parts for part in range(parts + 1)))


def each(rows: int, step: Callable[[int, int], Result], parts: int | None = None) -> list[Result]:
    """Take a step for each thread's rows, from a first one up to a last; return what each returns.

    There are as many threads as `workers` says, or as many as `parts`.
    """
    cuts = spans(rows, workers(rows) if parts is None else parts)
    return run([partial(step, *cut) for cut in cuts])


def run(tasks: Sequence[Callable[[], Result]]) -> list[Result]:
    """Do all tasks at once, each in a thread of its own; return their results in order.

    The first one is done in this thread, and so are those that the system has no thread for. Where
    some raise, the error of the first of them is raised.
    """
    if len(tasks) == 1:
        return [tasks[0]()]
    found: dict[int, Result] = {}
    errors: dict[int, BaseException] = {}

    def do(at: int) -> None:
        try:
            found[at] = tasks[at]()
        except BaseException as error:
            errors[at] = error

    started, here = [], [0]
    for at in range(1, len(tasks)):
        thread = Thread(target=copy_context().run, args=(do, at))
        try:
            thread.start()
        except RuntimeError:
            here.append(at)
        else:
            started.append(thread)
    for at in here:
        do(at)
    for thread in started:
        thread.join()
    if errors:
        found.clear()  # an error leads to this frame: nothing large, nor the error, may stay in it
        try:
            raise errors.pop(min(errors))
        finally:
            errors.clear()
    return [found[at] for at in range(len(tasks))]


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
