"""The page ``docs/online-retail.md`` against the data itself, counted by other means.

Skipped without the data; see `shared` in ``conftest.py``.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest
from pages import ROOT, differences, parts, table

from crmcore import OrderTable, evaluate, load_policy, load_source
from crmcore.files import read_file
from crmcore.workbench.reconciling import Ladder, reconcile

EXAMPLE = ROOT / "docs/examples/online-retail"
PAGE = (ROOT / "docs/online-retail.md").read_text("utf-8")
NOT_GOODS = {
    *("POST", "DOT", "C2", "M", "m", "D", "S", "B"),
    *("BANK CHARGES", "AMAZONFEE", "CRUK", "PADS"),
}
Line = dict[str, str]


@pytest.fixture(scope="module")
def data(shared: Path) -> Path:
    path = shared / "data/online_retail.csv.gz"
    if not path.exists():
        pytest.skip("no Online Retail data")
    return path


@pytest.fixture(scope="module")
def lines(data: Path) -> list[Line]:
    return _lines(data)


@cache
def _lines(data: Path) -> list[Line]:
    with gzip.open(data, "rt", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def orders(data: Path) -> OrderTable:
    return OrderTable.from_raw(read_file(data), load_source(EXAMPLE / "source.toml"))


@pytest.fixture(scope="module")
def ladder(orders: OrderTable) -> Ladder:
    return reconcile(orders)


def goods(lines: list[Line]) -> Iterator[Line]:
    """The lines that are goods, found without the package."""
    for line in lines:
        if not line["InvoiceNo"].startswith("A") and line["StockCode"] not in NOT_GOODS:
            yield line


def amount(line: Line) -> Decimal:
    return Decimal(line["UnitPrice"]) * Decimal(line["Quantity"])


def count_on_page(what: str) -> int:
    rows = table(PAGE, "What became of what:")
    return next(int(row[1].replace(",", "")) for row in rows if row[0] == what)


def test_the_files_on_the_page_are_the_example() -> None:
    files = dict(part for part in parts(PAGE) if isinstance(part, tuple))
    assert sorted(files) == ["policy.toml", "source.toml"]
    for name, text in files.items():
        assert text == (EXAMPLE / name).read_text("utf-8")


def test_the_commands_print_what_the_page_says(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    Path("online_retail.csv.gz").symlink_to(data)
    assert "\n".join(differences(PAGE, capsys)) == ""


def test_the_data_is_the_published_one(lines: list[Line]) -> None:
    assert len(lines) == 541_909
    assert sum(not line["CustomerID"] for line in lines) == 135_080
    assert sum(line["Quantity"].startswith("-") for line in lines) == 10_624
    assert len({x["InvoiceNo"] for x in lines if x["InvoiceNo"].startswith("C")}) == 3_836
    assert sum(line["InvoiceNo"].startswith("A") for line in lines) == 3


def test_the_page_names_the_published_counts() -> None:
    for figure in ("541,909 lines", "135,080 lines", "3,836 invoices that start with `C`"):
        assert figure in " ".join(PAGE.split())


def test_counts_on_the_page_are_those_of_the_data(lines: list[Line]) -> None:
    kept = list(goods(lines))
    total: dict[str, Decimal] = defaultdict(Decimal)
    instants: dict[str, set[str]] = defaultdict(set)
    for line in kept:
        total[line["InvoiceNo"]] += amount(line)
    for line in lines:
        instants[line["InvoiceNo"]].add(line["InvoiceDate"])
    returned = [name for name in total if name.startswith("C")]
    zero = [name for name in total if total[name] == 0]
    assert all(total[name] < 0 for name in returned)
    assert {
        "lines": len(lines),
        "bad debts written off (`A…`)": sum(x["InvoiceNo"].startswith("A") for x in lines),
        "lines that are not goods": len(lines) - len(kept) - 3,
        "lines of goods": len(kept),
        "invoices with goods, not cancelling": len(total) - len(returned),
        "invoices with goods, cancelling (`C…`)": len(returned),
        "orders of amount zero": len(zero),
        "orders that sold something": len(total) - len(returned) - len(zero),
        "lines of goods without customer": sum(not line["CustomerID"] for line in kept),
        "lines of goods that repeat another one": len(kept)
        - len({tuple(line.values()) for line in kept}),
        "invoices with two instants": sum(len(found) == 2 for found in instants.values()),
        "lines whose amount has more digits than a penny": sum(
            amount(line) != round(amount(line), 2) for line in lines
        ),
    } == {row[0]: count_on_page(row[0]) for row in table(PAGE, "What became of what:")}
    assert max(map(len, instants.values())) == 2
    assert 3_836 - len(returned) == 414
    assert "414 of them" in PAGE


def test_the_ladder_adds_up_to_the_penny(lines: list[Line], ladder: Ladder) -> None:
    ladder.check()
    whole = [one for one in map(amount, lines) if one == round(one, 2)]
    given = ladder.level("given")
    assert (given.rows, given.amount_minor) == (len(lines), int(sum(whole) * 100))
    assert given.unreadable == len(lines) - len(whole)
    net = ladder.level("net_sales")
    assert net.amount_minor == int(sum(map(amount, goods(lines))) * 100)
    for step in ladder.steps:
        assert step.rows == sum(rows for rows, _ in step.by_month.values()) or step is given
        assert step.amount_minor == sum(money for _, money in step.by_month.values())


def test_months_on_the_page_are_those_of_the_data(lines: list[Line], ladder: Ladder) -> None:
    given = Counter(line["InvoiceDate"][:7] for line in lines)
    net: dict[str, Decimal] = defaultdict(Decimal)
    for line in goods(lines):
        net[line["InvoiceDate"][:7]] += amount(line)
    rows = table(PAGE, "<!-- months: begin -->")
    for month, count, money, left_out, sold, back, result in rows:
        added = Decimal(money.replace(",", "")) + Decimal(left_out.replace(",", ""))
        assert added == Decimal(result.replace(",", ""))
        reduced = Decimal(sold.replace(",", "")) + Decimal(back.replace(",", ""))
        assert reduced == Decimal(result.replace(",", ""))
        if month == "all":
            assert int(count.replace(",", "")) == len(lines)
            assert Decimal(result.replace(",", "")) == sum(net.values())
        else:
            assert int(count.replace(",", "")) == given[month]
            assert Decimal(result.replace(",", "")) == net[month]
            assert ladder.level("net_sales").by_month[month][1] == int(net[month] * 100)
    assert [row[0] for row in rows] == [*sorted(given), "all"]


def test_customer_16446(lines: list[Line], orders: OrderTable) -> None:
    theirs = [line for line in lines if line["CustomerID"] == "16446"]
    assert sum(map(amount, theirs)) == Decimal("2.90")
    assert max(map(amount, theirs)) == Decimal("168469.60")
    policy = load_policy(EXAMPLE / "policy.toml")
    result = evaluate(policy, orders, as_of=date(2011, 12, 9))
    one = result[16446]
    assert (one["sale_count"], one["mean_sale"], one["class"]) == (2, Decimal("1.45"), "bronze")
    assert len(result) == 4_363
