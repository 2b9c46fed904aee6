"""The command `check`: what a policy does, and what in it is surely not meant."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from crmcore.cli.inputs import policy_named
from crmcore.cli.rows import markdown
from crmcore.cli.statuses import FINDINGS, FINE
from crmcore.cli.terminal import console_on, heading, plain
from crmcore.conditions import to_text
from crmcore.facts import Fact
from crmcore.policy import Policy
from crmcore.scoring import BandStep, NestedStep, Step, SumStep
from crmcore.segments import TableStep
from crmcore.workbench.checking import CheckReport, Shown
from crmcore.workbench.checking import check as check_policy

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["check"]

_TITLES: Final = {"error": "Errors", "warning": "Warnings", "note": "Notes"}


def check(arguments: argparse.Namespace) -> int:
    """Load a policy, sum it up, and report what is wrong in it."""
    policy = policy_named(arguments.policy)
    report = check_policy(policy)
    status = FINDINGS if report else FINE
    if arguments.format == "json":
        print(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
        return status
    if arguments.format == "markdown":
        cells = ([one.severity, one.path, one.message, one.code] for one in report.findings)
        for line in markdown(["severity", "where", "what", "code"], cells):
            print(line)
        return status
    console = console_on(sys.stdout)
    console.print(f"Policy {policy.name} is in order", style="bold")
    _print_basics(console, policy)
    _print_facts(console, policy)
    heading(console, "Decisions")
    for step in policy.steps:
        console.print(f"  {step.name}: {_decision(step)}", soft_wrap=True)
    _print_findings(console, report)
    return status


def _print_findings(console: Console, report: CheckReport) -> None:
    if not report.findings:
        console.print("\nNo findings.")
        return
    for severity, title in _TITLES.items():
        found = [one for one in report.findings if one.severity == severity]
        if found:
            heading(console, title)
        for one in found:
            console.print(f"  - {one.path}: {one.message} [{one.code}]", soft_wrap=True)
            for shown in one.shown if severity != "note" else ():
                console.print(f"      {_customer(shown, report)}", soft_wrap=True)


def _customer(shown: Shown, report: CheckReport) -> str:
    """Return a customer's facts and decisions on one line, personal ones left out."""
    fields = report.policy.fields
    facts = [
        f"{name} {plain(value)}"
        for name, value in shown.customer.items()
        if value is not None and not fields[name].personal
    ]
    given = [f"{name} {plain(value)}" for name, value in shown.result.items()]
    return f"{', '.join(facts)} → {', '.join(given)}"


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
        case NestedStep():
            points = ", ".join(map(str, sorted(step.points)))
            return f"bands of {step.source} inside {step.inside}: {points}"
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
