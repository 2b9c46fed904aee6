"""What callers catch: one root, and one class for each kind of refusal.

Messages never carry personal data: they name columns, row positions, reasons and counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = [
    "CrmcoreError",
    "DataError",
    "MissingExtraError",
    "PolicyError",
    "Problem",
    "SourceError",
    "UnknownCustomerError",
]


class CrmcoreError(Exception):
    """Root of every error that crmcore raises on purpose.

    Examples
    --------
    >>> import crmcore as crm
    >>> try:
    ...     crm.presets.load("clasic")
    ... except crm.CrmcoreError as error:
    ...     print(type(error).__name__)
    PolicyError
    """


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a policy or source file.

    Parameters
    ----------
    code
        Stable identifier of the kind of mistake, such as ``"unknown_name"``.
    message
        One sentence: what is wrong and what to do.
    path
        Dotted path inside the document, such as ``"scores.recency_points.within.2"``.
    given, allowed, suggestion
        What stands there, what may stand there, and the nearest known name, where they apply.
    file, line, column
        Where the text stands, where that is known. Lines and columns count from 1.

    Examples
    --------
    >>> print(Problem("unknown_name", "no such fact", path="grade.score", suggestion="score"))
    grade.score: no such fact (did you mean 'score'?) [unknown_name]
    """

    code: str
    message: str
    path: str = ""
    given: str | None = None
    allowed: str | None = None
    suggestion: str | None = None
    file: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        where = ":".join(str(p) for p in (self.file, self.line, self.column) if p is not None)
        head = " ".join(p for p in (where, self.path) if p)
        text = f"{head}: {self.message}" if head else self.message
        if self.given is not None:
            text += f"; given {self.given}"
        if self.allowed is not None:
            text += f"; allowed: {self.allowed}"
        if self.suggestion is not None:
            text += f" (did you mean {self.suggestion!r}?)"
        return f"{text} [{self.code}]"


class PolicyError(CrmcoreError, ValueError):
    """A policy was refused; `problems` lists everything that is wrong with it.

    Examples
    --------
    >>> error = PolicyError([Problem("unknown_key", "no such key", path="windws")])
    >>> print(error)
    1 problem in the policy
      windws: no such key [unknown_key]
    """

    subject = "policy"

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(self.problems)

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{count} problem{'' if count == 1 else 's'} in the {self.subject}"
        return "\n".join([head, *(f"  {problem}" for problem in self.problems)])


class SourceError(PolicyError):
    """A source file was refused; `problems` lists everything that is wrong with it.

    Examples
    --------
    >>> print(SourceError([Problem("unknown_key", "no such key", path="colums")]))
    1 problem in the source
      colums: no such key [unknown_key]
    """

    subject = "source"


class DataError(CrmcoreError, ValueError):
    """Data was refused as a whole: a column is missing, has the wrong type, or would overflow.

    Parameters
    ----------
    message
        What is wrong and what to do, without any value from the data.
    column
        The column concerned, by its standard name.
    count
        How many rows are concerned.
    positions
        Positions (from 0, in the order given) of the first rows concerned.

    Examples
    --------
    >>> print(DataError("times without a zone", column="placed_at", count=2, positions=[0, 4]))
    times without a zone (column 'placed_at'); rows: 2; first at: 0, 4
    """

    def __init__(
        self,
        message: str,
        *,
        column: str | None = None,
        count: int | None = None,
        positions: Sequence[int] = (),
    ) -> None:
        self.message = message
        self.column = column
        self.count = count
        self.positions = tuple(int(p) for p in positions)
        super().__init__(message)

    def __str__(self) -> str:
        text = self.message
        if self.column is not None:
            text += f" (column {self.column!r})"
        if self.count is not None:
            text += f"; rows: {self.count}"
        if self.positions:
            text += f"; first at: {', '.join(map(str, self.positions))}"
        return text

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions take their other attributes from the state on their own.
        state = {"column": self.column, "count": self.count, "positions": self.positions}
        return (type(self), (self.message,), state)


class UnknownCustomerError(CrmcoreError, KeyError):
    """The customer asked for is in neither table. The id itself is not repeated.

    Examples
    --------
    >>> print(UnknownCustomerError())
    no such customer in the orders or the customers
    """

    def __init__(self, message: str = "no such customer in the orders or the customers") -> None:
        super().__init__(message)

    def __str__(self) -> str:
        return str(self.args[0])


class MissingExtraError(CrmcoreError, ImportError):
    """An optional package is needed for what was asked.

    Examples
    --------
    >>> print(MissingExtraError("pyarrow", extra="frames"))
    this needs the package 'pyarrow': pip install 'crmcore[frames]'
    """

    def __init__(self, package: str, *, extra: str) -> None:
        self.package = package
        self.extra = extra
        super().__init__(f"this needs the package {package!r}: pip install 'crmcore[{extra}]'")

    def __reduce__(self) -> tuple[object, ...]:
        return (_missing_extra, (self.package, self.extra))


def _missing_extra(package: str, extra: str) -> MissingExtraError:
    return MissingExtraError(package, extra=extra)
