"""The command `demo`: the whole job on a made-up shop, for people."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from crmcore.cli.statuses import FINE, UsageError
from crmcore.cli.summary import print_left_out
from crmcore.cli.terminal import bar, console_on, heading, plain, table
from crmcore.evaluation import evaluate
from crmcore.policy import load_policy
from crmcore.records.customers import CustomerTable
from crmcore.records.orders import OrderTable
from crmcore.records.source import Source
from crmcore.report import DemoPage, render_demo, texts
from crmcore.report.figures import NET_SALES
from crmcore.report.page import Texts, shown, told, words
from crmcore.sample import sample_shop

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["demo"]

_PAGE = "crmcore-demo.html"


def demo(arguments: argparse.Namespace) -> int:
    """Do the whole job, print it, and write the page."""
    path = _page_path(arguments.out)
    language = arguments.language
    console = console_on(sys.stdout)
    page, seconds, reading = _evaluated(arguments.customers)
    html = render_demo(page, language)
    _print_intake(console, page, language)
    _print_classes(console, page, language)
    for person in page.people:
        t = _texts(language, "people")
        why = _text(_texts(language, "terminal"), "customer")
        heading(console, why.format(customer=person.customer_id, why=_text(t, person.why)))
        if hasattr(person.explanation, "text"):  # TODO
            console.print(person.explanation.text(language=language, voice="staff"))
    took = _text(_texts(language, "terminal"), "took")
    customers = f"{len(page.result):,}"
    console.print()
    console.print(took.format(customers=customers, seconds=seconds, reading=reading))
    _write(path, html)
    console.print(f"\n{_text(_texts(language, 'terminal'), 'page')}")
    print(path)
    return FINE


def _page_path(name: str) -> Path:
    path = Path(name)
    if path.suffix.lower() in {".html", ".htm"} and not path.is_dir():
        if not path.parent.is_dir():
            raise UsageError(f"--out: {name}: there is no folder to write this file to")
        return path
    if path.exists() and not path.is_dir():
        raise UsageError(f"--out: {name}: give a folder, or a file ending in .html")
    return path / _PAGE


def _write(path: Path, html: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--out: {path}: cannot be written ({type(error).__name__})") from None


def _evaluated(customers: int) -> tuple[DemoPage, float, float]:
    """Return the page, and the seconds that reading and evaluating took."""
    shop = sample_shop(customers=customers)
    # The preset, with one fact more for the money of each class.
    net_sales = {"of": "sale", "take": "sum", "in": "period"}
    policy = load_policy({"extends": "classic", "name": "classic", "facts": {NET_SALES: net_sales}})
    source = Source(zone=policy.zone.name, currency=policy.currency)
    started = perf_counter()
    orders = OrderTable.from_arrays(shop.orders, source)
    table_of_customers = CustomerTable.from_arrays(shop.customers)
    read = perf_counter()
    result = evaluate(
        policy,
        orders,
        table_of_customers,
        as_of=shop.as_of,
        last_evaluated_at=shop.last_evaluated_at,
    )
    done = perf_counter()
    page = DemoPage.of(result, as_of=shop.as_of, last_evaluated_at=shop.last_evaluated_at)
    return page, done - read, read - started


def _print_intake(console: Console, page: DemoPage, language: str) -> None:
    t, intake, steps = (_texts(language, name) for name in ("terminal", "intake", "steps"))
    reasons = _texts(language, "reasons")
    rows = f"{page.ladder.steps[0].rows:,}"
    made = _text(t, "made").format(rows=rows, customers=f"{page.figures.customers:,}")
    console.print(made, style="bold")
    heading(console, _text(t, "ladder"))
    lines = []
    for step in page.ladder.rows():
        name = _text(steps, str(step["step"]))
        if step["reason"] is not None and step["kind"] == "change":
            name = f"{name}: {reasons.get(str(step['reason']), step['reason'])}"
        indent = "" if step["kind"] == "level" else "  "
        count = shown(step["rows"], page.result.policy) if step["rows"] else ""
        lines.append((indent + name, count, shown(step["amount"], page.result.policy)))
    currency = page.result.policy.currency
    titles = [_text(intake, "step"), _text(intake, "rows"), f"{_text(intake, 'amount')}, {currency.code}"]
    console.print(table(titles, lines, right=(1, 2)))
    heading(console, _text(intake, "findings"))
    for finding in page.result.findings:
        console.print(f"  - {told(finding, language)}")


def _print_classes(console: Console, page: DemoPage, language: str) -> None:
    t, policy = _texts(language, "classes"), page.result.policy
    lines = [
        (
            "  " * line.level + words(line.name, policy, language),
            f"{line.customers:,}",
            f"{line.customer_share:.1%}",
            bar(line.customer_share),
            f"{line.net_sales:,.0f}",
            f"{line.sales_share:.1%}",
        )
        for line in page.figures.classes
    ]
    money = _text(t, "net_sales").format(currency=policy.currency.code)
    heading(console, _text(t, "heading"))
    titles = [_text(t, "class"), _text(t, "customers"), "", "", money, ""]
    console.print(table(titles, lines, right=(1, 2, 4, 5)))


def _texts(language: str, section: str) -> Texts:
    found = texts(language)[section]
    assert isinstance(found, Mapping)
    return found


def _text(section: Texts, name: str) -> str:
    return str(section[name])
