"""The command `check`: what in a policy is surely not meant, and what it says."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from crmcore.cli.inputs import policy_named
from crmcore.cli.rows import markdown
from crmcore.cli.statuses import FINDINGS, FINE
from crmcore.cli.terminal import console_on, heading, number_of, plain
from crmcore.columns import Value
from crmcore.policy import Policy
from crmcore.scoring import BandStep, NestedStep, Step, SumStep
from crmcore.segments import TableStep
from crmcore.workbench.checking import CheckReport, Shown
from crmcore.workbench.checking import check as check_policy
from crmcore.workbench.checking.showing import told

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["check"]

_TITLES: Final = {"error": "Errors", "warning": "Warnings", "note": "Notes"}


def check(arguments: argparse.Namespace) -> int:
    """Load a policy, report what is wrong in it, and sum it up."""
    policy = policy_named(arguments.policy)
    report = check_policy(policy)
    status = FINDINGS if report else FINE
    if arguments.format == "json":
        print(json.dumps(report.to_dict(), indent=2, ensure_ascii=False))
        return status
    if arguments.format == "markdown":
        cells = ([one.severity, one.where, one.message, one.code] for one in report.findings)
        for line in markdown(["severity", "where", "what", "code"], cells):
            print(line)
        return status
    console = console_on(sys.stdout)
    console.print(_verdict(report), style="bold")
    _print_findings(console, report)
    _print_summary(console, policy)
    return status


def _verdict(report: CheckReport) -> str:
    """Return in one line how many findings of each kind there are."""
    severities = [one.severity for one in report.findings]
    counts = ", ".join(
        number_of(severities.count(kind), kind) for kind in _TITLES if kind in severities
    )
    state = "" if report else "in order, "
    return f"Policy {report.policy.name}: {state}{counts or 'no findings'}"


def _print_findings(console: Console, report: CheckReport) -> None:
    for severity, title in _TITLES.items():
        found = [one for one in report.findings if one.severity == severity]
        if found:
            heading(console, title)
        for one in found:
            console.print(f"  - {one.where}: {one.message} [{one.code}]", soft_wrap=True)
            for shown in one.shown if severity != "note" else ():
                console.print(f"      {_customer(shown, report.policy)}", soft_wrap=True)


def _customer(shown: Shown, policy: Policy) -> str:
    """Return a customer's facts and decisions on one line, personal ones left out."""
    facts = [
        _told(policy, name, value)
        for name, value in shown.customer.items()
        if value is not None and value is not False and not policy.fields[name].personal
    ]
    given = [_told(policy, name, value) for name, value in shown.result.items()]
    return f"{', '.join(facts)} → {', '.join(given)}"


def _told(policy: Policy, name: str, value: Value) -> str:
    if value is None:
        return f"no {name}"
    return name if value is True else f"{name} {plain(told(policy, name, value))}"


def _print_summary(console: Console, policy: Policy) -> None:
    heading(console, "What it says")
    for name, text in [*_basics(policy), *((step.name, _decision(step)) for step in policy.steps)]:
        console.print(f"  {name}: {text}", soft_wrap=True)


def _basics(policy: Policy) -> Iterator[tuple[str, str]]:
    every = policy.evaluation.every
    yield "zone", policy.zone.name
    yield "currency", policy.currency.code
    yield "sales", ", ".join(sorted(policy.sale_statuses))
    yield "evaluated", "at any moment" if every is None else f"every {every}"
    yield "hash", policy.hash
    if policy.facts:
        yield "facts", ", ".join(policy.facts)
    if policy.attributes:
        yield "attributes", ", ".join(policy.attributes)


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
