"""The command `facts`: facts of customers under running numbers, for a proposal to carry."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from crmcore.cli.factfiles import write_facts
from crmcore.cli.inputs import read_inputs
from crmcore.cli.rows import check_path
from crmcore.cli.statuses import FINE, UsageError
from crmcore.cli.terminal import console_on, number_of, plain
from crmcore.facts import FactTable
from crmcore.policy import Policy
from crmcore.workbench.diffing.sharing import (
    left_out,
    precision_of,
    pseudonymised,
    resting_on,
)

__all__ = ["facts"]


def facts(arguments: argparse.Namespace) -> int:
    """Write the facts of everybody, or of a random part of them, without their ids."""
    if not arguments.out.lower().endswith(".csv"):
        raise UsageError(f"--out: {arguments.out}: the name must end in .csv")
    read = (arguments.orders, arguments.customers, arguments.policy, arguments.source)
    check_path(arguments.out, read)
    inputs = read_inputs(arguments)
    result = inputs.evaluate(arguments.as_of)
    key = arguments.key.encode() if arguments.key else secrets.token_bytes(32)
    shared = pseudonymised(result, key=key, sample=arguments.sample)
    try:
        write_facts(result, shared, Path(arguments.out))
    except OSError as error:
        raise UsageError(f"--out: {arguments.out}: {error.strerror}") from None
    drawn = f"{len(shared):,} of {number_of(len(result), 'customer')}"
    console = console_on(sys.stdout)
    for line in (f"Written to {arguments.out}: {drawn}", *_told(result.policy, shared)):
        console.print(plain(line), soft_wrap=True)
    return FINE


def _told(policy: Policy, shared: FactTable) -> Iterator[str]:
    """Yield what is in the file and what is not, line by line."""
    yield f"Columns: {', '.join(['customer_id', *shared.columns])}"
    for precision in ("day", "second"):
        cut = [
            name
            for name, column in shared.columns.items()
            if column.kind == "instant" and precision_of(column, policy.zone) == precision
        ]
        if cut:
            yield f"Cut off to the {precision}: {', '.join(cut)}"
    personal = left_out(policy)
    if personal:
        yield f"Left out, as they are personal: {', '.join(personal)}"
    blind = resting_on(policy, personal)
    if blind:
        yield f"Not to be compared by this file, as they rest on those: {', '.join(blind)}"
