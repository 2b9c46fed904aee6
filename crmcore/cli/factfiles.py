"""Files of facts: rows under running numbers, after a line that says as of when they are."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from crmcore.calendars import to_datetime
from crmcore.cli.inputs import about, read_columns
from crmcore.columns import Column
from crmcore.errors import DataError
from crmcore.evaluation import Evaluation
from crmcore.facts import FactTable, check_ranges
from crmcore.frames import write_file
from crmcore.policy import Policy
from crmcore.records.raw import Raw
from crmcore.workbench.diffing.sharing import left_out

__all__ = ["FactsFile", "read_facts", "write_facts"]

_MARK: Final = "# crmcore facts 1 "
_LONGEST: Final = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class FactsFile:
    """What a file of facts holds.

    Parameters
    ----------
    name
        Of the file.
    columns
        As read.
    as_of, last_evaluated_at
        The moments of the evaluation that they come from; ``None`` where the file does not say.
    policy_hash
        The hash of its policy.
    """

    name: str
    columns: Mapping[str, Raw]
    as_of: datetime | None = None
    last_evaluated_at: datetime | None = None
    policy_hash: str | None = None

    def table(self, *policies: Policy) -> FactTable:
        """Return what policies look at; personal attributes that are not there are unknown."""
        personal = {name for policy in policies for name in left_out(policy)}
        fields = {
            name: policy.fields[name]
            for policy in policies
            for name in (*policy.facts, *policy.attributes)
        }
        hidden = [name for name in fields if name in personal and name not in self.columns]
        given = {name: one for name, one in fields.items() if name not in hidden}
        with about(self.name):
            facts = FactTable.from_arrays(self.columns, given)
            for policy in policies:
                known = policy.attributes.keys() - hidden
                check_ranges(facts.columns, {name: policy.attributes[name] for name in known})
        nothing = np.zeros(len(facts), np.bool_)
        columns = dict(facts.columns)
        for name in hidden:
            kind = fields[name].kind
            values = np.zeros(len(facts), np.object_ if kind == "text" else np.int64)
            columns[name] = Column(kind, values, nothing)
        return FactTable(facts.ids, columns)


def write_facts(result: Evaluation, facts: FactTable, path: Path) -> None:
    """Write facts of a result as CSV, after a line with its moments and its policy."""
    last = result.last_evaluated_us
    head = {
        "policy": result.policy.name,
        "hash": result.policy.hash,
        "as_of": to_datetime(int(result.timing.now.at[0])).isoformat(),
        "last_evaluated_at": None if last is None else to_datetime(int(last[0])).isoformat(),
    }
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.csv"
        write_file(facts.to_frame(), rows)
        with path.open("wb") as stream, rows.open("rb") as content:
            stream.write(f"{_MARK}{json.dumps(head)}\n".encode())
            shutil.copyfileobj(content, stream)


def read_facts(name: str) -> FactsFile:
    """Read a file of facts: one that `write_facts` wrote, or somebody else's.

    Raises
    ------
    DataError
        It cannot be read.
    """
    path = Path(name)
    with about(name):
        if not path.is_file() or path.suffix.lower() != ".csv":
            return FactsFile(name, read_columns(name))
        with path.open("rb") as stream:
            first = stream.readline(_LONGEST)
            if not first.startswith(_MARK.encode()):
                return FactsFile(name, read_columns(name))
            with tempfile.TemporaryDirectory() as folder:
                rows = Path(folder) / path.name
                with rows.open("wb") as copy:
                    shutil.copyfileobj(stream, copy)
                return _with_head(name, first[len(_MARK) :], read_columns(str(rows)))


def _with_head(name: str, line: bytes, columns: Mapping[str, Raw]) -> FactsFile:
    try:
        head = json.loads(line)
        as_of = datetime.fromisoformat(head["as_of"])
        last = head["last_evaluated_at"]
        last = None if last is None else datetime.fromisoformat(last)
        return FactsFile(name, columns, as_of, last, str(head["hash"]))
    except (ValueError, TypeError, KeyError, RecursionError):
        raise DataError("the first line is not as crmcore writes it") from None
