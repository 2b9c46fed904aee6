"""A policy ready to be used."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypedDict, Unpack

from crmcore.calendars import EvaluationCalendar, Window, Zone
from crmcore.conditions import FieldType, Rule
from crmcore.documents import Table, copied
from crmcore.facts.spec import Fact
from crmcore.money import Currency
from crmcore.policy.document import Document, Notes
from crmcore.policy.printing import to_toml
from crmcore.scoring import Scorer, Step

if TYPE_CHECKING:
    from crmcore.sql import AsOf, SqlOptions, Statement

__all__ = ["NOT_DECIDING", "Policy", "hash_of"]

NOT_DECIDING: Final = frozenset(["name", "extends", "internal", "labels"])
"""The keys of a document that change no decision."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Policy:
    """What a shop decided about its customers, checked and ready. Make one with `load_policy`.

    Two policies are equal when they decide alike: names and wording do not count, see `hash`.

    Parameters
    ----------
    name
        Its own name.
    zone
        The shop's zone, whose days and months count.
    currency
        Of all its money.
    sale_statuses
        The statuses in which an order is a sale.
    returns
        Whether unlinked returns reduce the customer's net sum or are refused.
    evaluation
        When customers are evaluated.
    windows
        The windows of its facts, by name.
    facts
        Those asked for: the declared ones, and the usual ones that a score or a condition names.
    attributes
        What is read of customers, with its type: the declared attributes, and those of
        ``blocked``, ``registered_on`` and the tags that something names.
    fields
        The type of every name: attributes, facts, scores, grade, class, segment, stage, tags,
        and ``as_of``, ``last_evaluated_at``, ``blocked``, ``registered_on``.
    steps
        Its decisions, each after what it needs.
    internal
        The scores and decisions whose edges are not for customers.
    labels
        Wording of identifiers, by language.
    notes
        What it says of itself.
    scorers
        The host's scorers it was loaded with.
    hash
        SHA-256, in hexadecimal, of all that decides: the facts, windows, scores, lists, zone and
        so on, but not the policy's name, what it keeps internal and the wording of its labels.
        Conditions count as the trees they are read into: spaces, and parentheses that change
        nothing, do not matter; ``1 < sale_count`` and ``sale_count > 1.0`` are other conditions
        than ``sale_count > 1``. The code of host scorers is not seen.

    Examples
    --------
    >>> from crmcore.policy import load_policy
    >>> policy = load_policy("classic")
    >>> [step.name for step in policy.steps][-3:]
    ['score', 'grade', 'class']
    >>> policy.label("gold", "zh-CN")
    '金'
    """

    name: str
    zone: Zone
    currency: Currency
    sale_statuses: frozenset[str]
    returns: Literal["customer_total", "refuse"]
    evaluation: EvaluationCalendar
    windows: Mapping[str, Window]
    facts: Mapping[str, Fact]
    attributes: Mapping[str, FieldType]
    fields: Mapping[str, FieldType] = field(repr=False)
    steps: tuple[Step, ...] = field(repr=False)
    internal: frozenset[str] = field(repr=False)
    labels: Mapping[str, Mapping[str, str]] = field(repr=False)
    notes: Notes
    _document: Table = field(repr=False)
    scorers: Mapping[str, Scorer]
    hash: str

    @property
    def document(self) -> Table:
        """The policy as plain tables, what it extends merged in: a copy, which may be changed."""
        return copied(self._document)

    def step(self, name: str) -> Step | None:
        """Return the decision of that name, ``None`` when the policy has none."""
        return next((step for step in self.steps if step.name == name), None)

    def condition(self, text: str) -> Rule:
        """Return a condition over the fields of this policy, ready to be asked.

        Raises
        ------
        PolicyError
            With everything that is wrong with the text.

        Examples
        --------
        >>> from crmcore.policy import load_policy
        >>> rule = load_policy("classic").condition("sale_count >= 5")
        >>> rule({"sale_count": 7})
        True
        """
        return Rule(text, self.fields, zone=self.zone)

    def label(self, identifier: str, language: str) -> str:
        """Return the wording of an identifier: the identifier itself where there is none.

        Parameters
        ----------
        identifier
            A class, grade, segment, stage, score or fact.
        language
            Such as ``"en"`` or ``"zh-CN"``; for ``"de-AT"`` also ``"de"`` will do.

        Examples
        --------
        >>> from crmcore.policy import load_policy
        >>> load_policy("classic").label("gold", "en-GB")
        'Gold'
        """
        while language:
            wording = self.labels.get(language, {}).get(identifier)
            if wording is not None:
                return wording
            language = language.rpartition("-")[0]
        return identifier

    def to_toml(self) -> str:
        """Return the whole policy as a TOML text, what it extends merged in.

        Examples
        --------
        >>> from crmcore.policy import load_policy
        >>> policy = load_policy("classic")
        >>> load_policy(policy.to_toml()) == policy
        True
        """
        return to_toml(self._document)

    def to_sql(self, dialect: str, *, as_of: AsOf, **options: Unpack[SqlOptions]) -> Statement:
        """Return the policy as one SQL query, for orders that stay in the shop's own engine.

        Needs the extra ``crmcore[sql]``.

        Parameters
        ----------
        dialect
            ``"duckdb"``, ``"postgres"``, ``"spark"`` or ``"bigquery"``.
        as_of
            A moment, several dates, a `crmcore.sql.DateSpine` or a `crmcore.sql.Parameter`.
        **options
            The relations, their columns and how they are read, as for `crmcore.sql.to_sql`.

        Raises
        ------
        PolicyError, DataError, MissingExtraError
            As by `crmcore.sql.to_sql`.

        Examples
        --------
        >>> from datetime import date
        >>> from crmcore.policy import load_policy
        >>> query = load_policy("classic").to_sql("duckdb", as_of=date(2025, 4, 1))
        >>> query.splitlines()[0]
        'WITH "crm rows" AS NOT MATERIALIZED ('
        """
        from crmcore.sql import to_sql

        return to_sql(self, dialect=dialect, as_of=as_of, **options)

    def __eq__(self, other: object) -> bool:
        return self.hash == other.hash if isinstance(other, Policy) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.hash)

    def __reduce__(self) -> tuple[object, ...]:
        from crmcore.policy.loading import rebuild

        return rebuild, (self._document, dict(self.scorers))


class _Dump(TypedDict):
    mode: Literal["json"]
    by_alias: bool
    exclude_none: bool


def hash_of(document: Document, facts: Mapping[str, Fact]) -> str:
    """Return the hash of all that decides in a document, with the facts asked for."""
    options = _Dump(mode="json", by_alias=True, exclude_none=True)
    content = document.model_dump(**options, exclude={*NOT_DECIDING, "facts", "scores"})
    content["sale_statuses"].sort()
    content["facts"] = {name: fact.model_dump(**options) for name, fact in facts.items()}
    # One by one: of a whole table of them pydantic would try all four kinds for each.
    content["scores"] = {
        name: one.model_dump(**options, exclude={"fitted"}) for name, one in document.scores.items()
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()
