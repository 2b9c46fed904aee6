"""What is printed for people: tables, bars, progress. Plain text where there is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, TextIO, TypeAlias

from crmcore.errors import MissingExtraError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.progress import ProgressColumn
    from rich.table import Table

__all__ = [
    "bar",
    "console_on",
    "heading",
    "number_of",
    "plain",
    "print_lines",
    "progress",
    "steps",
    "table",
    "working",
]

Progress: TypeAlias = Callable[[int, int], None]

_BAR_WIDTH: Final = 10


def console_on(stream: TextIO) -> Console:
    """Return a console that prints text as it is, without markup.

    Raises
    ------
    MissingExtraError
        rich is not installed.
    """
    try:
        from rich.console import Console
    except ImportError:
        raise MissingExtraError("rich", extra="cli") from None

    class Leaving(Console):
        """A console whose reader may leave: rich itself would end with status 1."""

        def on_broken_pipe(self) -> None:
            is_output = self.file is sys.stdout
            self.quiet = True
            if is_output:
                raise BrokenPipeError  # the main program ends quietly

    return Leaving(file=stream, markup=False, emoji=False, highlight=False)


def table(
    columns: Sequence[str],
    rows: Sequence[Sequence[RenderableType]],
    *,
    right: Sequence[int] = (),
    wrapped: int | None = None,
) -> Table:
    """Return a table; the columns at the positions in `right` hold numbers.

    The column at the position `wrapped` holds sentences, which go over several lines where there
    is little room.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, show_edge=False, header_style="bold")
    for place, name in enumerate(columns):
        if place in right:
            # Where there is little room headings of numbers wrap, and numbers stay whole.
            cells = [str(row[place]) for row in rows]
            made.add_column(name, justify="right", min_width=_width([*cells, *name.split()]))
        else:
            made.add_column(
                name,
                no_wrap=place != wrapped,
                overflow="fold" if place == wrapped else "ellipsis",
            )
    for row in rows:
        made.add_row(*row)
    return made


def _width(texts: Sequence[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, texts), default=0)


def bar(share: float) -> RenderableType:
    """Return a bar for a share between 0 and 1."""
    from rich.bar import Bar

    return Bar(1.0, 0.0, min(max(share, 0.0), 1.0), width=_BAR_WIDTH, color="cyan")


def heading(console: Console, text: str) -> None:
    """Print a heading after an empty line."""
    console.print()
    console.print(text, style="bold")


def print_lines(console: Console, text: str) -> None:
    """Print lines as they are, however long, without what could steer a terminal."""
    for line in text.splitlines():
        console.print(plain(line), soft_wrap=True)


def number_of(count: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 row`` or ``2,000 rows``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def plain(value: object) -> str:
    """Return text from a file without what could steer a terminal."""
    unknown = "\N{REPLACEMENT CHARACTER}"
    return "".join(sign if sign.isprintable() else unknown for sign in str(value))


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show on standard error that something takes a while, if that is a terminal."""
    console = console_on(sys.stderr)
    if not console.is_terminal:
        yield
        return
    with console.status(plain(what)):
        yield


@contextmanager
def progress(what: str) -> Iterator[Progress]:
    """Show on standard error how far a file is read, if that is a terminal."""
    console = console_on(sys.stderr)
    from rich.progress import DownloadColumn

    with _shown(console, what, DownloadColumn()) as update:
        yield lambda done, total: update(completed=done, total=total)


@contextmanager
def steps(what: str) -> Iterator[Callable[[int, int | None, str], None]]:
    """Show on standard error how far each step of a longer work is, if that is a terminal."""
    console = console_on(sys.stderr)
    from rich.progress import TaskProgressColumn

    with _shown(console, what, TaskProgressColumn()) as update:
        yield lambda done, total, step: update(
            completed=done, total=total, description=plain(f"{what}: {step}")
        )


@contextmanager
def _shown(console: Console, what: str, figures: ProgressColumn) -> Iterator[Callable[..., None]]:
    """Show a bar; return what changes it."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    # A file may be called as the markup of a terminal is written.
    parts = (TextColumn("{task.description}", markup=False), BarColumn(), figures)
    with Progress(
        *parts,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as shown:
        yield partial(shown.update, shown.add_task(plain(what), total=None))
