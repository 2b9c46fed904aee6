"""The command `demo`: the whole job on a made-up shop, for people."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from crmcore.cli.statuses import FINE, UsageError
from crmcore.cli.terminal import bar, console_on, heading, print_lines, table
from crmcore.columns import Value
from crmcore.evaluation import evaluate
from crmcore.policy import load_policy
from crmcore.records.customers import CustomerTable
from crmcore.records.orders import OrderTable
from crmcore.records.source import Source
from crmcore.report import DemoPage, render_demo, texts
from crmcore.report.figures import NET_SALES
from crmcore.report.page import rung, shown, told, words
from crmcore.sample import sample_shop

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["demo"]

_PAGE = "crmcore-demo.html"


def demo(arguments: argparse.Namespace) -> int:
    """Do the whole job, print it, and write the page."""
    path = _page_path(arguments.out)
    t = texts(arguments.language)
    console = console_on(sys.stdout)
    page, reading, evaluating = _evaluated(arguments.customers)
    # Before anything is printed: whoever reads it may leave.
    _write(path, render_demo(page, arguments.language))
    _print_intake(console, page, arguments.language)
    _print_findings(console, page, arguments.language)
    _print_classes(console, page, arguments.language)
    for person in page.people:
        why = t["people"][person.why]
        heading(console, t["terminal"]["customer"].format(customer=person.customer_id, why=why))
        print_lines(console, person.explanation.text(arguments.language))
    console.print()
    times = {"reading": f"{reading:.3f}", "evaluating": f"{evaluating:.3f}"}
    console.print(t["terminal"]["took"].format(customers=f"{len(page.result):,}", **times))
    console.print(f"\n{t['terminal']['page']}")
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
    """Return the page, and the seconds that reading the rows and evaluating them took."""
    shop = sample_shop(customers=customers)
    # The preset, with one fact more for the money of each class.
    net_sales = {"of": "sale", "take": "sum", "in": "period"}
    policy = load_policy({"extends": "classic", "name": "classic", "facts": {NET_SALES: net_sales}})
    # The sample's times are UTC.
    source = Source(zone="UTC", currency=policy.currency)
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
    return page, read - started, done - read


def _print_intake(console: Console, page: DemoPage, language: str) -> None:
    t, policy, steps = texts(language), page.result.policy, tuple(page.ladder.rows())
    rows, customers = f"{steps[0]['rows']:,}", f"{page.figures.customers:,}"
    console.print(t["terminal"]["made"].format(rows=rows, customers=customers), style="bold")
    heading(console, t["terminal"]["ladder"])
    lines = [
        (
            _indented(step, language),
            shown(step["rows"] or "", policy),
            shown(step["amount"], policy),
        )
        for step in steps
    ]
    money = f"{t['intake']['amount']}, {policy.currency.code}"
    console.print(table([t["intake"]["step"], t["intake"]["rows"], money], lines, right=(1, 2)))


def _indented(step: Mapping[str, Value], language: str) -> str:
    return rung(step, language) if step["kind"] == "level" else f"  {rung(step, language)}"


def _print_findings(console: Console, page: DemoPage, language: str) -> None:
    heading(console, texts(language)["intake"]["findings"])
    for finding in page.result.findings:
        if finding.reason is None:  # rows left out stand in the ladder
            console.print(f"  - {told(finding, language)}")


def _print_classes(console: Console, page: DemoPage, language: str) -> None:
    t, policy = texts(language)["classes"], page.result.policy
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
    heading(console, t["heading"])
    titles = [t["class"], t["customers"], "", "", t["money"], ""]
    console.print(table(titles, lines, right=(1, 2, 4, 5)))
