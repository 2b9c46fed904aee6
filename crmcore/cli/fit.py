"""The command `fit`: quantiles measured on a file of orders, frozen as numbers in the policy."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Final

import numpy as np

from crmcore.cli.inputs import Inputs, place_of, read_inputs
from crmcore.cli.rows import check_path
from crmcore.cli.statuses import FINE, UsageError
from crmcore.cli.summary import print_findings, print_left_out
from crmcore.cli.terminal import console_on, number_of, plain, table
from crmcore.evaluation import Evaluation
from crmcore.policy import Policy
from crmcore.scoring import BandStep, NestedStep
from crmcore.workbench.fitting import frozen, recipe_of, to_fit

__all__ = ["fit"]

_SUFFIXES: Final = (".toml",)


def fit(arguments: argparse.Namespace) -> int:
    """Write the policy with its quantiles frozen, and say what was measured."""
    out: str | None = arguments.out
    if out is not None:
        read = (arguments.orders, arguments.customers, arguments.policy, arguments.source)
        check_path(out, read, _SUFFIXES)
    inputs = read_inputs(arguments, recipe_of(place_of(arguments.policy)))
    result = inputs.evaluate(arguments.as_of)
    policy = frozen(inputs.policy, result)
    if out is not None:
        try:
            Path(out).write_text(policy.to_toml(), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--out: {out}: {error.strerror}") from None
    _print_summary(inputs, result, policy)
    if out is None:
        print(policy.to_toml(), end="")
    return FINE


def _print_summary(inputs: Inputs, result: Evaluation, policy: Policy) -> None:
    # The policy owns standard output when no file is written.
    arguments = inputs.arguments
    console = console_on(sys.stderr if arguments.out is None else sys.stdout)
    customers = number_of(len(result), "customer")
    console.print(f"Measured as of {arguments.as_of}: {customers}", style="bold")
    each = np.ones(len(result), np.int64)
    rows = [
        (
            step.name,
            step.source,
            f"{step.measured(result.columns, each):,}",
            _points(policy, step.name),
        )
        for step in to_fit(inputs.policy)
    ]
    console.print(table(["score", "over", "with a value", "points"], rows, right=(2,)))
    print_left_out(console, arguments.orders, inputs.orders.intake, inputs.source.currency)
    print_findings(console, result.findings)
    if arguments.out is not None:
        console.print(f"\nWritten to {plain(arguments.out)}", soft_wrap=True)


def _points(policy: Policy, name: str) -> str:
    step = policy.step(name)
    assert isinstance(step, BandStep | NestedStep)  # as it was fitted
    return ", ".join(map(str, sorted(step.points)))
