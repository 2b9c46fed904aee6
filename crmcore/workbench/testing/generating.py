"""Generating: cases for what no test reaches yet, for a person to look through."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from crmcore.columns import Value
from crmcore.documents import Table
from crmcore.policy import Policy
from crmcore.policy.printing import inline
from crmcore.workbench.testing.cases import Case
from crmcore.workbench.testing.groups import usual_value
from crmcore.workbench.testing.sampling import Sample, samples_of
from crmcore.workbench.testing.values import as_plain

__all__ = ["generate"]

_HEAD: Final = """\
# Made from the policy as it is: each case expects what the policy gives today.
# Look through them, correct what should be otherwise, and give them names of your own.
"""


def generate(
    policy: Policy,
    cases: Sequence[Case] = (),
    *,
    changes: bool = False,
    named: str | None = None,
) -> str:
    """Return a test file with a case for each point that the cases do not reach.

    Parameters
    ----------
    policy
        The policy.
    cases
        The cases there are already.
    changes
        Whether to add a case for each small change of the policy that no case would notice.
    named
        The preset or file that the test file is to name as its policy.

    Returns
    -------
    A TOML text, which loads and passes; without a case where there is nothing left to reach.

    Examples
    --------
    >>> from crmcore.policy import load_policy
    >>> from crmcore.workbench.testing import run_tests
    >>> policy = load_policy("classic")
    >>> report = run_tests(policy, generate(policy))
    >>> report.passed, report.coverage.percent
    (True, 100.0)
    """
    samples = list(samples_of(policy, cases, changes=changes))
    moments = {str(sample.as_of): sample.as_of for sample in samples}
    head = _HEAD if named is None else f"{_HEAD}policy = {inline(named)}\n"
    if len(moments) == 1:
        head += f"as_of = {_moment(samples[0].as_of)}\n"
    written = (_written(policy, sample, says_when=len(moments) > 1) for sample in samples)
    return "\n".join([head, *written])


def _written(policy: Policy, sample: Sample, *, says_when: bool) -> str:
    given: Table = {}
    for name in (*policy.facts, *policy.attributes):
        value = sample.view.columns[name][sample.row]
        if value is not None and value != usual_value(policy, name):
            given[name] = as_plain(_local(policy, value))
    expect: Table = {}
    missing = []
    for step in policy.steps:
        value = sample.view.columns[step.name][sample.row]
        if value is None:
            missing.append(step.name)
        else:
            expect[step.name] = as_plain(value)
    lines = ["[[case]]", f"name = {inline(sample.name)}"]
    if says_when:
        lines += [f"as_of = {_moment(sample.as_of)}"]
    is_read = any("last_evaluated_at" in step.needs for step in policy.steps)
    if is_read and sample.last_evaluated_at is not None:
        lines += [f"last_evaluated_at = {_moment(sample.last_evaluated_at)}"]
    lines += [f"given = {inline(given)}"]
    if expect:
        lines += [f"expect = {inline(expect)}"]
    if missing:
        lines += [f"expect_missing = {inline([*missing])}"]
    return "\n".join(lines) + "\n"


def _local(policy: Policy, value: Value) -> Value:
    """Return an instant in the policy's zone."""
    if not isinstance(value, datetime):
        return value
    return value.astimezone(ZoneInfo(policy.zone.name))


def _moment(moment: date) -> str:
    return inline(as_plain(moment))
