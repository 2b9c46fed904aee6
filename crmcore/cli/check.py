"""The command `check`: what a policy does, and what in it can never happen."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from crmcore.cli.inputs import policy_named
from crmcore.cli.reach import unreached
from crmcore.cli.statuses import FINDINGS, FINE
from crmcore.cli.terminal import console_on, heading, plain
from crmcore.conditions import to_text
from crmcore.facts import Fact
from crmcore.policy import Policy
from crmcore.scoring import BandStep, Step, SumStep
from crmcore.segments import TableStep

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["check"]


def check(arguments: argparse.Namespace) -> int:
    """Load a policy, sum it up, and report what can never happen in it."""
    policy = policy_named(arguments.policy)
    console = console_on(sys.stdout)
    console.print(f"Policy {policy.name} is in order", style="bold")
    _print_basics(console, policy)
    _print_facts(console, policy)
    heading(console, "Decisions")
    for step in policy.steps:
        console.print(f"  {step.name}: {_decision(step)}", soft_wrap=True)
    findings = list(unreached(policy))
    if not findings:
        console.print("\nNo findings.")
        return FINE
    heading(console, "Findings")
    for finding in findings:
        console.print(f"  - {finding}", soft_wrap=True)
    return FINDINGS


def _print_basics(console: Console, policy: Policy) -> None:
    statuses = ", ".join(sorted(policy.sale_statuses))
    returns = {
        "customer_total": "taken off the customer's total",
        "refuse": "refused",
    }
    every = policy.evaluation.every
    rows = [
        ("zone", policy.zone.name),
        ("currency", f"{policy.currency.code}, {policy.currency.exponent} decimal digits"),
        ("sale statuses", statuses),
        ("returns that name no order", returns[policy.returns]),
        ("evaluation", "live, as of any moment" if every is None else f"held, every {every}"),
        ("hash", policy.hash),
    ]
    for name, value in rows:
        console.print(f"  {name}: {value}", soft_wrap=True)


def _print_facts(console: Console, policy: Policy) -> None:
    heading(console, "Facts")
    for name, fact in policy.facts.items():
        console.print(f"  {name}: {_meaning(fact)}", soft_wrap=True)
    for name, window in policy.windows.items():
        console.print(f"  window {name}: {plain(window.model_dump())}", soft_wrap=True)
    for name, field in policy.attributes.items():
        console.print(f"  attribute {name}: {field.kind}")


def _meaning(fact: Fact) -> str:
    field = f" {fact.field}" if fact.field else ""
    window = f" in {fact.window}" if fact.window else ""
    where = f" where {to_text(fact.where)}" if fact.where is not None else ""
    return f"{fact.take} of {fact.of}{field}{window}{where}"


def _decision(step: Step) -> str:
    match step:
        case BandStep():
            outcomes = ", ".join(_outcomes(step))
            return f"bands of {step.source}: {outcomes}"
        case SumStep():
            parts = " + ".join(f"{weight} × {name}" for name, weight in step.weights)
            return f"{parts}, from {step.range[0]:,} to {step.range[1]:,}"
        case TableStep():
            otherwise = step.table.otherwise
            last = f", otherwise {otherwise}" if otherwise else ""
            return f"the first of {len(step.table.conditions)} conditions{last}"
        case _:
            return f"a scorer of the host, over {', '.join(step.needs)}"


def _outcomes(step: BandStep) -> Iterator[str]:
    labels = step.bands.labels
    for outcome in dict.fromkeys(step.bands.outcomes):
        if outcome is not None:
            yield labels[outcome] if labels else str(outcome)
