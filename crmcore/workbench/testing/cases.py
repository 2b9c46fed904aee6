"""From test files to cases whose names are known to the policy and whose values fit it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import TypeAlias

from pydantic import ValidationError

from crmcore.conditions import FieldType
from crmcore.conditions.typed.literals import Edge, RefusedLiteralError
from crmcore.documents import Table, Text, placed, problems_of, read, read_file, read_text, written
from crmcore.errors import Problem
from crmcore.policy import Policy, load_policy
from crmcore.policy import presets as policies
from crmcore.suggestions import Suggestions
from crmcore.workbench.testing.documents import (
    TESTS,
    CaseNode,
    GivenOrder,
    Single,
    TestDocument,
    TestFileError,
)
from crmcore.workbench.testing.values import edge_of, moment_of

__all__ = [
    "ENDING",
    "Case",
    "Tests",
    "cases_of",
    "find_tests",
    "is_test_file",
    "load_tests",
    "policy_under_test",
]

ENDING = ".test.toml"
_ONLY_IN_POLICIES = frozenset(["extends", "format", "sale_statuses"])


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One case, ready to be evaluated.

    Parameters
    ----------
    name, file
        What it is called, and the file it stands in; ``None`` when it is no file.
    as_of, last_evaluated_at
        Its moments, as for `evaluate`.
    given
        Facts and attributes by name; ``None`` for a case given by orders.
    orders, customer
        The orders, and attributes by name, of a case given by orders.
    expect
        Decisions and facts by name; ``None`` where no value is expected.
    """

    name: str
    file: str | None
    as_of: date
    last_evaluated_at: date | None
    given: Mapping[str, Edge] | None
    orders: tuple[GivenOrder, ...]
    customer: Mapping[str, Edge]
    expect: Mapping[str, Edge | None]


Tests: TypeAlias = str | Path | Mapping[str, object]
"""A test file by its name, the text of one, or a mapping of plain values."""


def load_tests(tests: Tests, policy: Policy) -> tuple[Case, ...]:
    """Read the cases of a test file, checked against the policy.

    Parameters
    ----------
    tests
        A test file, its text, or a mapping.
    policy
        The policy under test, whatever the file itself names.

    Raises
    ------
    TestFileError
        With every problem of the file.

    Examples
    --------
    >>> from crmcore.policy import load_policy
    >>> text = '''
    ... as_of = 2025-12-31
    ... [[case]]
    ... name = "never ordered"
    ... expect = { class = "non_ordering" }
    ... '''
    >>> [case.name for case in load_tests(text, load_policy("classic"))]
    ['never ordered']
    """
    return _bound(read(tests, TESTS), policy)


def policy_under_test(file: Path) -> Policy:
    """Return the policy that a test file names, or beside which it stands.

    ``shop.test.toml`` and ``shop.returns.test.toml`` stand beside ``shop.toml``.

    Raises
    ------
    PolicyError
        The policy, or the test file, is refused; or there is none.
    """
    named = read_file(file, TESTS).table.get("policy")
    if named is None:
        beside = _beside(file)
        if beside is None:
            message = "no policy stands beside this file: name it with policy = '…'"
            raise TestFileError([Problem("missing_key", message, "policy", file=str(file))])
        return load_policy(beside)
    if isinstance(named, str) and named in policies.names():
        return load_policy(named)
    if not isinstance(named, str) or not named.endswith((".toml", ".json")):
        message = "name a preset, or a file with its ending"
        raise TestFileError([Problem("unknown_name", message, "policy", file=str(file))])
    return load_policy(file.parent / named)


def is_test_file(file: Path) -> bool:
    """Tell whether a file tests a policy, and not something else under a name of this kind.

    It does when it names a policy, or when a policy stands beside it.
    """
    tests, beside = _table(file), _beside(file)
    if isinstance(tests.get("policy"), str):
        return True
    if beside is None:
        return False
    policy = _table(beside)
    # Of a policy that cannot be read the cases themselves have to tell.
    return not policy.keys().isdisjoint(_ONLY_IN_POLICIES) if policy else "case" in tests


def find_tests(policy: str | Path) -> list[Text]:
    """Return the test files that stand beside a policy file, or come with a preset.

    Raises
    ------
    TestFileError
        One of them cannot be read.
    """
    if isinstance(policy, str) and policy in policies.names():
        file = resources.files("crmcore") / "presets" / f"{policy}{ENDING}"
        return [read_text(file.read_text("utf-8"), TESTS)] if file.is_file() else []
    path = Path(policy)
    found = (file for file in path.parent.iterdir() if file.name.endswith(ENDING))
    return [read_file(file, TESTS) for file in sorted(found) if _beside(file) == path]


def _beside(file: Path) -> Path | None:
    """Return the policy file with the longest name that the test file's name begins with."""
    stem = file.name.removesuffix(ENDING)
    while stem:
        for suffix in (".toml", ".json"):
            policy = file.with_name(stem + suffix)
            if policy.exists():
                return policy
        stem = stem.rpartition(".")[0]
    return None


def _table(file: Path) -> Table:
    """Return what stands in a file; nothing when it cannot be read."""
    try:
        return read_file(file, TESTS, collect=True).table
    except TestFileError:
        return {}


def _bound(text: Text, policy: Policy) -> tuple[Case, ...]:
    suggestions = Suggestions()
    try:
        document = TestDocument.model_validate(text.table)
    except ValidationError as error:
        problems = [problem for _, problem in problems_of(error, TESTS, suggestions)]
    else:
        binder = _Binder(policy, document, str(text.file) if text.file else None, suggestions)
        cases = tuple(binder.cases())
        problems = binder.problems
        if not problems:
            return cases
    raise TestFileError(placed(problems, [text]))


class _Binder:
    """Looks up the names of a test file and fits its values to the policy's fields."""

    def __init__(
        self, policy: Policy, document: TestDocument, file: str | None, suggestions: Suggestions
    ) -> None:
        self.policy = policy
        self.document = document
        self.file = file
        self.suggestions = suggestions
        self.problems: list[Problem] = []
        given = [*policy.facts, *policy.attributes]
        decided = [*(step.name for step in policy.steps), *policy.facts]
        self.given = {name: policy.fields[name] for name in given}
        self.attributes = {name: policy.fields[name] for name in policy.attributes}
        self.decided = {name: policy.fields[name] for name in decided}

    def cases(self) -> Iterator[Case]:
        seen: set[str] = set()
        for at, node in enumerate(self.document.case):
            if node.name in seen:
                message = "another case of the file has this name"
                self._problem("duplicate_name", message, f"case.{at}.name", node.name)
            seen.add(node.name)
            yield self._case(node, f"case.{at}")

    def _case(self, node: CaseNode, path: str) -> Case:
        as_of, last = self.document.as_of, self.document.last_evaluated_at
        moment = self._moment(node.as_of or as_of, f"{path}.as_of")
        if moment is None:
            message = "no moment is given: say as_of here, or at the top of the file"
            self._problem("missing_key", message, path)
        expect: dict[str, Edge | None] = dict(
            self._values(node.expect, self.decided, f"{path}.expect", "decision or fact")
        )
        for at, name in enumerate(node.expect_missing):
            where = f"{path}.expect_missing.{at}"
            if self._is_known(name, self.decided, where, "decision or fact"):
                expect[name] = None
        self._check_orders(node, path)
        given = node.given
        if given is None and node.orders is None and not node.customer:
            given = {}
        values = self._values(given or {}, self.given, f"{path}.given", "fact or attribute")
        customer = self._values(node.customer, self.attributes, f"{path}.customer", "attribute")
        return Case(
            name=node.name,
            file=self.file,
            as_of=moment or date.min,
            last_evaluated_at=self._moment(
                node.last_evaluated_at or last, f"{path}.last_evaluated_at"
            ),
            given=None if given is None else values,
            orders=node.orders or (),
            customer=customer,
            expect=expect,
        )

    def _check_orders(self, node: CaseNode, path: str) -> None:
        digits = self.policy.currency.exponent
        for at, order in enumerate(node.orders or ()):
            where = f"{path}.orders.{at}"
            for name in ("placed_at", "status_at"):
                self._moment(getattr(order, name), f"{where}.{name}")
            if order.amount != round(order.amount, digits):
                message = f"the currency has {digits} digits after the point"
                self._problem("money_digits", message, f"{where}.amount", str(order.amount))

    def _moment(self, given: date | str | None, path: str) -> date | None:
        if given is None:
            return None
        try:
            return moment_of(given, self.policy.zone)
        except RefusedLiteralError as refusal:
            self._refused(refusal, path, given)
            return date.min

    def _values(
        self, given: Mapping[str, Single], known: Mapping[str, FieldType], path: str, what: str
    ) -> dict[str, Edge]:
        values: dict[str, Edge] = {}
        for name, value in given.items():
            where = f"{path}.{name}"
            if not self._is_known(name, known, where, what):
                continue
            try:
                values[name] = edge_of(value, known[name], self.policy.zone)
                if name in self.attributes:
                    _check_range(values[name], known[name])
            except RefusedLiteralError as refusal:
                self._refused(refusal, where, value)
        return values

    def _is_known(self, name: str, known: Mapping[str, FieldType], path: str, what: str) -> bool:
        if name in known:
            return True
        is_decision = name in self.decided and what != "decision or fact"
        message = f"no such {what}: the policy does not use it"
        if is_decision:
            message = f"this is a decision, no {what}: expect it"
        suggestion = None if is_decision else self.suggestions.nearest(name[:64], known)
        wrong = Problem("unknown_name", message, path, name[:64], suggestion=suggestion)
        self.problems.append(replace(wrong, at_key=True))
        return False

    def _refused(self, refusal: RefusedLiteralError, path: str, given: object) -> None:
        problem = Problem(
            refusal.code, str(refusal), path, given=written(given), allowed=refusal.allowed
        )
        self.problems.append(problem)

    def _problem(
        self,
        code: str,
        message: str,
        path: str,
        given: str | None = None,
        suggestion: str | None = None,
    ) -> None:
        self.problems.append(Problem(code, message, path, given=given, suggestion=suggestion))


def _check_range(edge: Edge, type_: FieldType) -> None:
    """Refuse a value beyond the ``min`` or the ``max`` that the policy gives an attribute."""
    if not isinstance(edge, Fraction):
        return  # only whole numbers have any
    is_low = type_.low is not None and edge < type_.low
    if is_low or (type_.high is not None and edge > type_.high):
        allowed = f"at least {type_.low}" if is_low else f"at most {type_.high}"
        raise RefusedLiteralError("out_of_range", "beyond the policy's min or max", allowed)


def cases_of(policy: Policy, texts: Iterable[Text]) -> tuple[Case, ...]:
    """Return the cases of several files that were read; see `load_tests`."""
    return tuple(case for text in texts for case in _bound(text, policy))
