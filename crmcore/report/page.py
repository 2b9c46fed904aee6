"""The demo's page: figures and texts put into one HTML file by a template."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

import numpy as np

from crmcore import __version__
from crmcore.calendars import instant_us, to_date
from crmcore.columns import Value, floor_decimal
from crmcore.errors import MissingExtraError
from crmcore.evaluation import Evaluation
from crmcore.findings import Finding
from crmcore.policy import Policy
from crmcore.report.figures import Figures, figures_of
from crmcore.report.people import Person, telling_people
from crmcore.report.tables import EdgeTable, edge_tables
from crmcore.wording import Catalogue, Message
from crmcore.workbench.reconciling import Ladder, reconcile

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["DemoPage", "Texts", "render_demo", "rung", "shown", "texts", "told", "words"]

Texts: TypeAlias = Mapping[str, Mapping[str, str]]

_FOLDER: Final = "templates"


@dataclass(frozen=True, slots=True, eq=False)
class DemoPage:
    """Everything that stands on the page.

    Parameters
    ----------
    result
        The evaluation, by the preset ``classic`` with one fact more.
    as_of, last_evaluated_at
        The local days.
    figures, ladder, people, tables
        What is shown of it.
    """

    result: Evaluation
    as_of: date
    last_evaluated_at: date
    figures: Figures
    ladder: Ladder
    people: tuple[Person, ...]
    tables: tuple[EdgeTable, ...]

    @classmethod
    def of(cls, result: Evaluation, *, as_of: date, last_evaluated_at: date) -> DemoPage:
        """Work out what is shown of an evaluation of orders."""
        policy = result.policy
        assert result.orders is not None  # it is an evaluation of orders
        return cls(
            result,
            as_of,
            last_evaluated_at,
            figures_of(result),
            reconcile(
                result.orders, sale_statuses=sorted(policy.sale_statuses), zone=policy.zone.name
            ),
            telling_people(result),
            edge_tables(result),
        )


def render_demo(page: DemoPage, language: str = "en") -> str:
    """Return the page as one HTML document that loads nothing else.

    Parameters
    ----------
    page
        What stands on it.
    language
        ``"en"`` or ``"zh-CN"``.

    Raises
    ------
    MissingExtraError
        Jinja2 is not installed.
    """
    environment = _environment()
    environment.filters["words"] = lambda name: words(name, page.result.policy, language)
    environment.filters["shown"] = lambda value: shown(value, page.result.policy)
    environment.filters["between"] = lambda band: between(band, page.result.policy, language)
    environment.filters["rung"] = lambda step: rung(step, language)
    environment.filters["use"] = lambda use: Catalogue().text(Message(f"staff.use.{use}"), language)
    environment.filters["finding"] = lambda finding: told(finding, language)
    template = environment.get_template("demo.html.jinja")
    return template.render(page=page, t=texts(language), language=language, version=__version__)


@cache
def texts(language: str) -> Texts:
    """Return the texts of the demo and its page in one language."""
    file = resources.files("crmcore") / _FOLDER / "texts.toml"
    found: Texts = tomllib.loads(file.read_text(encoding="utf-8"))[language]
    return found


def words(name: str, policy: Policy, language: str) -> str:
    """Return the wording of a name: the page's own, the policy's, or that of all explanations."""
    own = texts(language)["names"].get(name)
    return Catalogue().name(name, language, policy.label) if own is None else own


def rung(step: Mapping[str, Value], language: str) -> str:
    """Return what a step of the ladder is, and for rows left out why."""
    reason = str(step["reason"])
    parameters = {"reason": texts(language)["reasons"].get(reason, reason)}
    return Catalogue().text(Message(f"ladder.{step['step']}", parameters), language)


def told(finding: Finding, language: str) -> str:
    """Return a finding as a sentence."""
    wording = texts(language)["findings"].get(finding.code)
    return str(finding) if wording is None else wording.format(count=f"{finding.count:,}")


def shown(value: object, policy: Policy) -> str:
    """Return a value as people read it: ratios of money to the minor unit, instants as days."""
    match value:
        case None:
            return "–"
        case bool():
            return "✓" if value else "✗"
        case int() | Decimal():
            return f"{value:,}"
        case Fraction():
            return f"{floor_decimal(value, policy.currency.exponent):,}"
        case datetime():
            days = policy.zone.local_days(np.array([instant_us(value)]))
            return to_date(int(days[0])).isoformat()
        case date():
            return value.isoformat()
        case _:
            return str(value)


class Limited(Protocol):
    """What has a lower edge, which belongs to it, and an upper one, which does not."""

    @property
    def lower(self) -> Value:
        """From here on; ``None`` without limit."""

    @property
    def upper(self) -> Value:
        """To under this; ``None`` without limit."""


def between(band: Limited, policy: Policy, language: str) -> str:
    """Return what a band spans, as people say it: whole numbers and days with both ends."""
    lower, upper = band.lower, band.upper
    day = isinstance(lower or upper, date)
    match lower, upper:
        case None, _:
            form = "before" if day else "under"
        case _, None:
            form = "since" if day else "from"
        case date(), date():
            form, upper = "through", upper - timedelta(days=1)
        case int(), int():
            form, upper = "alone" if upper == lower + 1 else "through", upper - 1
        case _:
            form = "between"
    wording = texts(language)["between"][form]
    return wording.format(lower=_edge(lower, policy), upper=_edge(upper, policy))


def _edge(value: Value, policy: Policy) -> str:
    """Return an edge without decimal digits that say nothing."""
    if isinstance(value, Decimal | Fraction) and value == int(value):
        return f"{int(value):,}"
    return shown(value, policy)


def _environment() -> Environment:
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ImportError:
        raise MissingExtraError("jinja2", extra="report") from None
    environment = Environment(
        loader=PackageLoader("crmcore", _FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: f"{value:,}"
    environment.filters["whole"] = lambda value: f"{value:,.0f}"
    environment.filters["percent"] = lambda value: f"{value:.1%}"
    return environment
