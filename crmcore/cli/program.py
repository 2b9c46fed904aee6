"""From arguments to an exit status: which command runs, and what every mistake ends as."""

from __future__ import annotations

import argparse
import io
import json
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from crmcore.cli.arguments import parser
from crmcore.cli.statuses import DATA, FINE, INTERRUPTED, POLICY, USAGE, UsageError
from crmcore.cli.terminal import plain
from crmcore.errors import (
    DataError,
    MissingExtraError,
    PolicyError,
    UnknownCustomerError,
)

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    argv
        The arguments, without the name of the program; by default those of the process.

    Returns
    -------
    int
        0 fine, 1 findings, 2 usage, 3 policy or source refused, 4 data refused, 5 no tests;
        130 when interrupted. When the system ends the work (SIGTERM, SIGHUP), `SystemExit` is
        raised with 128 and the number of the signal, so that nothing is left behind.

    Examples
    --------
    >>> main(["preset", "list"])
    classic ...
    0
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")
    try:
        with _ended_in_order():
            status = _guarded(argv)
        sys.stdout.flush()
        return status
    except BrokenPipeError:
        # Whoever was reading has seen enough. Nothing may be written at exit any more.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FINE


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let signals that end the process unwind it, so that what is kept on disk is removed."""
    names = ("SIGTERM", "SIGHUP")  # Windows has but the first
    known = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    if threading.current_thread() is not threading.main_thread():
        known = []  # Python gives signals to its first thread only
    ending = [one for one in known if signal.getsignal(one) is signal.SIG_DFL]
    for one in ending:
        signal.signal(one, _end)
    try:
        yield
    finally:
        for one in ending:
            signal.signal(one, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _guarded(argv: Sequence[str] | None) -> int:
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as done:  # --help, --version, or a usage error already told
        return done.code if isinstance(done.code, int) else USAGE
    try:
        return _run(arguments)
    except (UsageError, MissingExtraError) as error:
        return _refuse(plain(error), USAGE)
    except PolicyError as error:
        if getattr(arguments, "format", None) == "json":
            print(_as_json(error))
        return _refuse(str(error), POLICY)
    except DataError as error:
        return _refuse(plain(_of_data(error)), DATA)
    except UnknownCustomerError as error:
        return _refuse(str(error), DATA)
    except KeyboardInterrupt:
        return _refuse("interrupted", INTERRUPTED)


def _run(arguments: argparse.Namespace) -> int:
    # Each command loads only what it needs, so that --help and mistakes are told at once.
    match arguments.command:
        case "demo":
            from crmcore.cli.demo import demo as command
        case "score":
            from crmcore.cli.score import score as command
        case "explain":
            from crmcore.cli.explain import explain as command
        case "reconcile":
            from crmcore.cli.reconcile import reconcile as command
        case "check":
            from crmcore.cli.check import check as command
        case "test":
            from crmcore.cli.test import test as command
        case "fit":
            from crmcore.cli.fit import fit as command
        case "diff":
            from crmcore.cli.diff import diff as command
        case "facts":
            from crmcore.cli.facts import facts as command
        case "preset":
            from crmcore.cli.documents import preset as command
        case _:
            from crmcore.cli.documents import schema as command
    return command(arguments)


def _as_json(error: PolicyError) -> str:
    """Return a refusal as data, for tools that read the output."""
    found = {"refused": error.subject, "problems": [one.to_dict() for one in error.problems]}
    return json.dumps(found, indent=2, ensure_ascii=False)


def _of_data(error: DataError) -> str:
    """Return the message with rows counted as people count them, from 1."""
    text = error.message
    if error.column is not None:
        text += f" (column {error.column!r})"
    if error.count is not None:
        text += f"; rows: {error.count:,}"
    if error.positions:
        rows = ", ".join(f"{position + 1:,}" for position in error.positions)
        text += f"; first at row {rows}, not counting the header"
    return text


def _refuse(message: str, status: int) -> int:
    print(f"crmcore: {message}", file=sys.stderr)
    return status
