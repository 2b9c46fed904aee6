"""The command `facts`: facts of customers under running numbers, for a proposal to carry."""

from __future__ import annotations

import argparse
import secrets
import sys
from pathlib import Path

from crmcore.cli.factfiles import write_facts
from crmcore.cli.inputs import read_inputs
from crmcore.cli.rows import check_path
from crmcore.cli.statuses import FINE, UsageError
from crmcore.cli.terminal import console_on, number_of, plain
from crmcore.workbench.diffing import pseudonymised

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
    console = console_on(sys.stdout)
    drawn = f"{len(shared):,} of {number_of(len(result), 'customer')}"
    console.print(f"Written to {plain(arguments.out)}: {drawn}", soft_wrap=True)
    left_out = [name for name in result.policy.attributes if name not in shared.columns]
    if left_out:
        console.print(f"Left out, as they are personal: {', '.join(left_out)}", soft_wrap=True)
    return FINE
