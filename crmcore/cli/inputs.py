"""What the commands read: policies, sources, orders and customers, named on the command line."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

from crmcore import presets
from crmcore.calendars import moments, to_datetime
from crmcore.cli.fromgit import is_in_git, policy_in_git
from crmcore.cli.statuses import UsageError
from crmcore.cli.terminal import progress, working
from crmcore.errors import DataError, SourceError
from crmcore.evaluation import Evaluation, evaluate
from crmcore.files import read_file
from crmcore.policy import Policy, load_policy
from crmcore.records.customers import CustomerTable
from crmcore.records.orders import OrderTable
from crmcore.records.raw import Raw
from crmcore.records.source import Columns, Source, load_source
from crmcore.suggestions import nearest

__all__ = [
    "Given",
    "Inputs",
    "about",
    "file_named",
    "place_of",
    "policy_named",
    "read_columns",
    "read_given",
    "read_inputs",
    "read_orders",
    "source_named",
]


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """What one call has to work on beside the orders.

    Parameters
    ----------
    policy, source, customers
        As loaded; `customers` is ``None`` when there is no file of them.
    arguments
        Those of the call.
    """

    policy: Policy
    source: Source
    customers: CustomerTable | None
    arguments: argparse.Namespace

    @property
    def known_at(self) -> datetime | None:
        """The moment as of which the data is to be taken; a day means its end."""
        moment: date | None = self.arguments.known_at
        if moment is None or isinstance(moment, datetime):
            return moment
        return to_datetime(int(moments(moment, self.policy.zone).at[0]))


@dataclass(frozen=True, slots=True, eq=False)
class Inputs(Given):
    """Everything that one call has to work on: also the orders, all in memory."""

    orders: OrderTable

    def evaluate(self, as_of: date) -> Evaluation:
        """Return everybody's result as of one moment."""
        with working("Evaluating"):
            return evaluate(
                self.policy,
                self.orders,
                self.customers,
                as_of=as_of,
                known_at=self.known_at,
                last_evaluated_at=self.arguments.last_evaluated,
            )


def policy_named(name: str) -> Policy:
    """Return the policy of a file, of a file at a commit, or a preset.

    Raises
    ------
    PolicyError
        With every problem.
    UsageError
        Git has no such file.
    """
    if is_in_git(name):
        return policy_in_git(name)
    return load_policy(place_of(name))


def place_of(name: str) -> str | Path:
    """Return the file that a name on the command line means, or the name of a preset."""
    is_file = Path(name).suffix or Path(name).exists() or len(Path(name).parts) > 1
    return Path(name) if is_file and name not in presets.names() else name


def read_inputs(arguments: argparse.Namespace, policy: Policy | None = None) -> Inputs:
    """Read what the arguments name; the policy too, unless it is given.

    Raises
    ------
    PolicyError, SourceError, DataError
        What was refused, with the name of the file.
    """
    given = read_given(arguments, policy)
    orders = read_orders(arguments.orders, given.source)
    return Inputs(given.policy, given.source, given.customers, arguments, orders)


def read_given(arguments: argparse.Namespace, policy: Policy | None = None) -> Given:
    """Read what the arguments name but for the orders; raises as `read_inputs`."""
    policy = policy or policy_named(arguments.policy)
    source = source_named(arguments, policy)
    customers = None
    if arguments.customers is not None:
        with about(arguments.customers):
            raw = _named_alike(read_columns(arguments.customers), source)
            customers = CustomerTable.from_raw(raw)
            for name, field in policy.attributes.items():
                customers.column(name, field.kind)  # refused here, with the name of the file
    return Given(policy, source, customers, arguments)


def read_orders(file: str, source: Source) -> OrderTable:
    """Return the orders in a file; raises `DataError` with its name."""
    with about(file):
        raw = read_columns(file)
        with working("Checking the rows"):
            return OrderTable.from_raw(raw, source)


def source_named(arguments: argparse.Namespace, policy: Policy | None) -> Source:
    """Return the source file's source, or one in the policy's zone and currency."""
    if arguments.source is not None:
        given = load_source(Path(arguments.source))
    elif policy is not None:
        given = Source(zone=policy.zone.name, currency=policy.currency)
    else:
        raise UsageError("give --source S, or --policy P for its currency and zone")
    return _mapped(given, dict(arguments.map)) if arguments.map else given


def _mapped(source: Source, names: Mapping[str, str]) -> Source:
    """Return the source with some columns called otherwise."""
    known = tuple(Columns.model_fields)
    for name in names:
        if name not in known:
            near = nearest(name, known)
            hint = f"did you mean {near!r}?" if near else f"there are {', '.join(known)}"
            raise UsageError(f"--map: no standard column {name!r}; {hint}")
    data = source.model_dump(exclude_unset=True)
    columns = {**data.get("columns", {}), **names}
    try:
        return load_source({**data, "columns": columns})
    except SourceError as error:
        raise SourceError([replace(one, file="--map") for one in error.problems]) from None


def read_columns(name: str) -> Mapping[str, Raw]:
    """Return the columns of a file, showing how far it is read."""
    path = file_named(name)
    with progress(f"Reading {path.name}") as shown:
        return read_file(path, shown)


def file_named(name: str) -> Path:
    """Return the path of a file that is there."""
    path = Path(name)
    if not path.exists():
        raise DataError("no such file")
    if path.is_dir():
        raise DataError("a folder, not a file")
    return path


def _named_alike(raw: Mapping[str, Raw], source: Source) -> Mapping[str, Raw]:
    """Let a file of customers call their id as the file of orders does."""
    theirs = source.columns.customer_id
    if "customer_id" in raw or not isinstance(theirs, str) or theirs not in raw:
        return raw
    return {"customer_id" if name == theirs else name: one for name, one in raw.items()}


@contextmanager
def about(file: str) -> Iterator[None]:
    """Say of which file a refusal speaks."""
    try:
        yield
    except DataError as error:
        raise DataError(
            f"{file}: {error.message}",
            column=error.column,
            count=error.count,
            positions=error.positions,
        ) from None
