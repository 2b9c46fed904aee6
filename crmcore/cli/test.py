"""The command `test`: a policy's own tests, what they reach, and what they would notice."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

from crmcore.cli.inputs import place_of, policy_named
from crmcore.cli.statuses import FINDINGS, FINE, NO_TESTS
from crmcore.cli.terminal import (
    console_on,
    heading,
    number_of,
    plain,
    print_lines,
    table,
    working,
)
from crmcore.workbench.testing import (
    Coverage,
    Failure,
    MutationReport,
    TestReport,
    generate,
    policy_under_test,
    run_tests,
)
from crmcore.workbench.testing.cases import ENDING, cases_of, find_tests
from crmcore.workbench.testing.mutating import mutate_cases
from crmcore.workbench.testing.points import Part
from crmcore.workbench.testing.running import run_cases

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["test"]

_PARTS: Final[tuple[Part, ...]] = get_args(Part)


def test(arguments: argparse.Namespace) -> int:
    """Run a policy's tests, and measure them as far as that was asked for."""
    report = _report(arguments.policy, arguments.tests)
    if arguments.generate:
        return _generate(report, arguments)
    if not report.cases:
        print("crmcore: there are no tests; --generate makes some", file=sys.stderr)
        return NO_TESTS
    wants_coverage = arguments.coverage or arguments.fail_under is not None
    coverage = report.coverage if wants_coverage else None
    mutation = None
    if arguments.mutate and report.passed:
        with working("Changing the policy"):
            mutation = mutate_cases(report.policy, report.cases)
    short = coverage is not None and coverage.percent < (arguments.fail_under or 0)
    if arguments.format == "json":
        print(json.dumps(_data(report, coverage, mutation), indent=2, ensure_ascii=False))
    elif arguments.format == "markdown":
        print("\n".join(_markdown(report, coverage, mutation)))
    else:
        asked = arguments.fail_under if short else None
        _show(report, coverage, mutation, asked, wants_mutation=arguments.mutate)
    unnoticed = mutation is not None and mutation.unnoticed
    return FINDINGS if not report.passed or short or unnoticed else FINE


def _report(name: str, tests: Sequence[str]) -> TestReport:
    if name.endswith(ENDING):
        return run_tests(policy_under_test(Path(name)), [Path(one) for one in (name, *tests)])
    policy = policy_named(name)
    if tests:
        return run_tests(policy, [Path(one) for one in tests])
    return run_cases(policy, cases_of(policy, find_tests(place_of(name))))


def _generate(report: TestReport, arguments: argparse.Namespace) -> int:
    # Beside a policy's file the cases need not name it.
    place = place_of(arguments.policy)
    named = place if isinstance(place, str) else None
    changes = arguments.mutate and not report.failures
    text = generate(report.policy, report.cases, changes=changes, named=named)
    if arguments.out is None:
        print(text, end="")
    else:
        Path(arguments.out).write_text(text, "utf-8")
    return FINE


def _show(
    report: TestReport,
    coverage: Coverage | None,
    mutation: MutationReport | None,
    asked: float | None,
    *,
    wants_mutation: bool,
) -> None:
    console = console_on(sys.stdout)
    for (file, case), failures in _by_case(report):
        where = f"{Path(file).name}: " if file else ""
        console.print(f"FAILED {plain(where)}{plain(case)}", style="bold", soft_wrap=True)
        for failure in failures:
            print_lines(console, "\n".join(f"  {line}" for line in str(failure).splitlines()))
        console.print()
    console.print(_summary(report), soft_wrap=True)
    for note in _notes(report):
        console.print(plain(note), soft_wrap=True)
    if coverage is not None:
        _show_coverage(console, coverage)
    if asked is not None:
        console.print(f"\nThat is less than {asked:g} %.", style="bold")
    if mutation is not None:
        _show_mutation(console, mutation)
    elif wants_mutation:
        console.print("\nThe policy is not changed before all cases pass.", style="bold")


def _by_case(report: TestReport) -> Iterator[tuple[tuple[str | None, str], Iterator[Failure]]]:
    return groupby(report.failures, key=lambda failure: (failure.file, failure.case))


def _notes(report: TestReport) -> Iterator[str]:
    for case in report.contradictory:
        yield f"note: no orders could give the facts of the case: {case.name}"


def _summary(report: TestReport) -> str:
    cases = number_of(len(report.cases), "case")
    outcome = "all pass" if report.passed else f"{report.failed:,} failed"
    return f"Policy {report.policy.name}: {cases}, {outcome}"


def _show_coverage(console: Console, coverage: Coverage) -> None:
    heading(console, f"Coverage: {coverage.percent:g} %")
    rows = [[part, f"{covered:,}", f"{total:,}"] for part, covered, total in _counts(coverage)]
    console.print(table(["reached", "by cases", "of"], rows, right=(1, 2)))
    if coverage.impossible:
        count = number_of(coverage.impossible, "more")
        console.print(f"{count.removesuffix('s')} that no customer can reach", soft_wrap=True)
    if not coverage.is_whole:
        text = "Not certain what nobody can reach: some of these may be out of reach."
        console.print(text, soft_wrap=True)
    if coverage.uncovered:
        heading(console, "Not reached")
        for point in coverage.uncovered:
            console.print(f"  {plain(point)}", soft_wrap=True)


def _counts(coverage: Coverage) -> Iterator[tuple[str, int, int]]:
    for part in _PARTS:
        yield part, *coverage.of(part)


def _show_mutation(console: Console, mutation: MutationReport) -> None:
    total = number_of(mutation.total, "change")
    heading(console, f"Changes of the policy: {mutation.noticed:,} of {total} noticed")
    for line in _unnoticed(mutation):
        console.print(plain(line), soft_wrap=True)
    if mutation.equivalent:
        apart = "make no difference" if mutation.is_certain else "no difference found"
        console.print(f"{apart}: {len(mutation.equivalent):,}", soft_wrap=True)


def _unnoticed(mutation: MutationReport) -> Iterator[str]:
    """Yield the unnoticed changes, last those that cases given by facts cannot notice."""
    of_facts = [change for change in mutation.unnoticed if change.of_facts]
    for change in mutation.unnoticed:
        if not change.of_facts:
            yield f"  unnoticed: {change}"
    if of_facts:
        yield f"only a case given by orders can notice: {len(of_facts):,}"
        yield from (f"  unnoticed: {change}" for change in of_facts)


def _data(
    report: TestReport, coverage: Coverage | None, mutation: MutationReport | None
) -> dict[str, object]:
    data = report.to_dict()
    if coverage is not None:
        data["coverage"] = coverage.to_dict()
    if mutation is not None:
        data["mutation"] = mutation.to_dict()
    return data


def _markdown(
    report: TestReport, coverage: Coverage | None, mutation: MutationReport | None
) -> Iterator[str]:
    yield f"**{_summary(report)}**"
    for (_, case), failures in _by_case(report):
        yield from ("", f"- {case}", "")
        yield from (f"      {one}" for failure in failures for one in str(failure).splitlines())
    for note in _notes(report):
        yield from ("", note)
    if coverage is not None:
        yield from ("", f"Coverage: {coverage.percent:g} %", "")
        yield from ("| reached | by cases | of |", "|---|---:|---:|")
        yield from (f"| {part} | {done:,} | {total:,} |" for part, done, total in _counts(coverage))
        if coverage.uncovered:
            yield from ("", "Not reached:", "", *(f"- {point}" for point in coverage.uncovered))
    if mutation is not None:
        yield from ("", f"Changes noticed: {mutation.noticed:,} of {mutation.total:,}")
        if mutation.unnoticed:
            yield from ("", "Unnoticed:", "", *(f"- `{one}`" for one in mutation.unnoticed))
