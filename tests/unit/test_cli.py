"""The command line: what each command prints and writes, and what every mistake ends as."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from html.parser import HTMLParser
from pathlib import Path

import pytest

import crmcore as crm
from crmcore.cli import main
from crmcore.cli.arguments import LANGUAGES
from crmcore.report import DemoPage, render_demo, texts

Run = Callable[..., tuple[int, str, str]]

ORDERS = """\
order_id,customer_id,placed_at,amount,status,returns_order_id
A-1,C-1,2025-10-31 10:00:00,300.00,delivered,
A-2,C-1,2025-09-01 10:00:00,300.00,delivered,
A-3,C-1,2025-08-01 10:00:00,300.00,paid,
A-4,C-1,2025-07-01 10:00:00,300.00,shipped,
A-5,C-1,2025-06-01 10:00:00,300.00,delivered,
A-6,C-2,2025-12-30 10:00:00,99.90,cancelled,
A-7,C-3,2023-01-01 10:00:00,10.00,delivered,
A-8,C-4,2025-12-01 10:00:00,2000.00,delivered,
A-9,C-4,2025-12-05 10:00:00,-50.00,returned,A-8
"""
CUSTOMERS = """\
customer_id,blocked,city
C-1,false,Shanghai
C-4,true,Suzhou
C-5,false,Nanjing
"""
SCORED = [
    "customer_id,class,recency_points,frequency_points,monetary_points,score,grade,stage,"
    "last_sale_on,sale_count,mean_sale,order_count,orders_ever",
    "C-1,silver,4,4,2,24,silver,,2025-10-31,5,300.00,5,5",
    "C-2,no_sale,,,,,,,,0,,1,1",
    "C-3,no_order,,,,,,,,0,,0,1",
    "C-4,malicious,5,1,4,24,silver,,2025-12-01,1,1950.00,1,1",
    "C-5,non_ordering,,,,,,,,0,,0,0",
]
AS_OF = ("--as-of", "2025-12-31")
CLASSIC = ("--policy", "classic", *AS_OF)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command: exit status, standard output, standard error."""

    def call(*argv: object) -> tuple[int, str, str]:
        status = main([str(one) for one in argv])
        return (status, *capfd.readouterr())

    return call


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    return written(tmp_path / "orders.csv", ORDERS)


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    return written(tmp_path / "customers.csv", CUSTOMERS)


def written(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    return path


def rows_of(text: str) -> list[str]:
    """Return the rows of a CSV text without their last column, an instant."""
    return [",".join(row[:-1]) for row in csv.reader(io.StringIO(text))]


# The program itself


def test_help_shows_examples_and_exit_statuses(run: Run) -> None:
    status, out, _ = run("--help")
    assert status == 0
    assert "crmcore score orders.csv" in out
    assert "3 policy or source refused" in out


@pytest.mark.parametrize("command", ["demo", "score", "explain", "reconcile", "check"])
def test_every_command_has_help_with_examples(run: Run, command: str) -> None:
    status, out, _ = run(command, "--help")
    assert status == 0
    assert "examples:" in out


def test_version(run: Run) -> None:
    assert run("--version")[:2] == (0, "crmcore 0.1.0\n")


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["nothing"],
        ["score"],
        ["score", "x.csv", "--policy", "classic"],
        ["score", "x.csv", "--policy", "classic", "--as-of", "yesterday"],
        ["score", "x.csv", "--policy", "classic", "--as-of", "2025-12-31T10:00:00"],
        ["score", "x.csv", *CLASSIC, "--map", "amount"],
        ["score", "x.csv", *CLASSIC, "--format", "json", "--out", "x.csv"],
        ["demo", "--customers", "3"],
        ["demo", "--customers", "many"],
        ["demo", "--language", "tlh"],
        ["preset"],
        ["schema", "orders"],
    ],
)
def test_wrong_arguments_end_with_2(run: Run, argv: list[str]) -> None:
    status, out, err = run(*argv)
    assert status == 2
    assert out == ""
    assert "usage: crmcore" in err


def test_a_missing_extra_is_said(run: Run, monkeypatch: pytest.MonkeyPatch, orders: Path) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    status, _, err = run("score", orders, *CLASSIC)
    assert status == 2
    assert "pip install 'crmcore[cli]'" in err


def test_an_interrupt_is_quiet(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("crmcore.cli.program._run", interrupted)
    assert run("preset", "list") == (130, "", "crmcore: interrupted\n")


def test_runs_as_a_process_without_colour() -> None:
    done = process("check", "classic", env={"FORCE_COLOR": "1", "NO_COLOR": "1"})
    assert done.returncode == 0
    assert "Policy classic: in order" in done.stdout
    assert "\x1b[3" not in process("check", "classic").stdout
    assert done.stderr == ""


def test_a_reader_who_leaves_is_no_error() -> None:
    command = [sys.executable, "-m", "crmcore", "schema"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()
        assert started.stderr.read() == b""
        assert started.wait() == 0


def left_at_once(*argv: object) -> tuple[int, bytes]:
    """Run a command whose reader leaves before anything is printed."""
    command = [sys.executable, "-m", "crmcore", *map(str, argv)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        assert started.stdout is not None
        assert started.stderr is not None
        started.stdout.close()
        said = started.stderr.read()
        return started.wait(), said


def test_a_reader_of_tables_who_leaves_is_no_error(orders: Path, tmp_path: Path) -> None:
    file, page = tmp_path / "scores.csv", tmp_path / "shop.html"
    assert left_at_once("check", "classic") == (0, b"")
    assert left_at_once("explain", orders, *CLASSIC, "--customer", "C-1") == (0, b"")
    assert left_at_once("score", orders, *CLASSIC, "--out", file) == (0, b"")
    assert rows_of(file.read_text("utf-8"))[1] == SCORED[1]
    assert left_at_once("demo", "--customers", 300, "--out", page) == (0, b"")
    assert page.is_file()


def test_a_reader_of_the_summary_may_leave_and_the_rows_are_written(orders: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "crmcore", "score", str(orders), *CLASSIC, "--format", "csv"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=writer, check=False)
    os.close(writer)
    assert done.returncode == 0
    assert rows_of(done.stdout.decode())[1] == SCORED[1]


def process(*argv: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crmcore", *argv],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env={**os.environ, **(env or {})},
    )


# preset, schema, check


def test_presets_are_listed_and_shown(run: Run) -> None:
    status, out, _ = run("preset", "list")
    assert status == 0
    names = ["classic", "rf_grid", "rfm_r", "segments11"]
    assert [line.split()[0] for line in out.splitlines()] == names
    assert run("preset", "show", "classic")[1].startswith("# The classic RFM scheme")


def test_an_unknown_preset_ends_with_3(run: Run) -> None:
    status, out, err = run("preset", "show", "clasic")
    assert (status, out) == (3, "")
    assert "did you mean 'classic'?" in err


@pytest.mark.parametrize("of", ["policy", "source"])
def test_schemas_are_json(run: Run, of: str) -> None:
    status, out, _ = run("schema", of)
    assert status == 0
    assert json.loads(out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("name", ["classic", "rf_grid", "rfm_r", "segments11"])
def test_check_sums_up_a_preset(run: Run, name: str) -> None:
    status, out, _ = run("check", name)
    assert status == 0
    assert f"Policy {name}: in order, " in out
    assert "Errors" not in out
    assert "Warnings" not in out


def test_check_finds_what_no_points_lead_to(run: Run, tmp_path: Path) -> None:
    text = 'extends = "classic"\nname = "x"\n[grade]\nfrom = [[9, "low"], [20, "mid"], [41, "top"]]'
    status, out, _ = run("check", written(tmp_path / "x.toml", text))
    assert status == 1
    assert "grade: no value of score leads to 'top': it goes from 8 to 40 [unreachable]" in out
    assert "grade: score 8 has no grade: 1 total can occur there [lost]" in out


def test_check_finds_labels_that_are_never_given(run: Run, tmp_path: Path) -> None:
    text = """extends = "classic"\nname = "x"\n[segment]
first = [["score >= 30", "best"], ["score >= 35", "never"]]\notherwise = "rest"\n"""
    status, out, _ = run("check", written(tmp_path / "x.toml", text))
    assert status == 1
    assert out.startswith("Policy x: 1 warning, 2 notes\n")
    assert 'segment.first.1 ["score >= 35" → never]: never decides: row 0 ["score >= 30" → ' in out
    assert out.index("Warnings") < out.index("Notes") < out.index("What it says")
    assert "nothing else gives 'never' [masked]" in out


def test_check_shows_customers_without_what_is_personal(run: Run, tmp_path: Path) -> None:
    text = """extends = "classic"\nname = "x"\nattributes = { city = "text" }\n[segment]
first = [["sale_count > 2", "many"], ["city == 'Kiel'", "north"]]\n""".replace("'", '\\"')
    status, out, _ = run("check", written(tmp_path / "x.toml", text))
    assert status == 1
    assert "segment: some customers get no segment" in out
    assert "sale_count 1, " in out
    assert "no segment" in out
    assert "blocked" not in out.partition("Errors")[2].partition("What it")[0]
    assert "city" not in out.partition("Errors")[2].partition("Notes")[0]


def test_check_writes_its_findings_as_data(run: Run, tmp_path: Path) -> None:
    text = 'extends = "classic"\nname = "x"\n[grade]\nfrom = [[9, "low"], [20, "mid"]]'
    name = written(tmp_path / "x.toml", text)
    status, out, _ = run("check", name, "--format", "json")
    assert status == 1
    found = json.loads(out)["findings"]
    assert (found[0]["code"], found[0]["shown"][0]["result"]["grade"]) == ("lost", None)
    status, out, _ = run("check", name, "--format", "markdown")
    assert status == 1
    lines = out.splitlines()
    assert lines[0] == "| severity | where | what | code |"
    assert len(lines) == 2 + len(found)
    assert run("check", "classic", "--format", "json")[0] == 0


def test_check_says_every_problem(run: Run, tmp_path: Path) -> None:
    text = 'extends = "classic"\nname = "x"\nzoen = "UTC"\n[grade]\nscore = "skore"\n'
    status, out, err = run("check", written(tmp_path / "x.toml", text))
    assert (status, out) == (3, "")
    assert "zoen" in err
    assert "skore" in err
    assert "x.toml:3" in err


@pytest.mark.parametrize("name", ["none.toml", "nothing", "."])
def test_a_policy_that_is_not_there_ends_with_3(run: Run, name: str) -> None:
    status, out, err = run("check", name)
    assert (status, out) == (3, "")
    assert err.startswith("crmcore: 1 problem in the policy")


# score


def test_score_writes_the_columns_in_order(run: Run, orders: Path, customers: Path) -> None:
    status, out, err = run("score", orders, *CLASSIC, "--customers", customers, "--format", "csv")
    assert status == 0
    assert rows_of(out) == SCORED
    assert "Policy classic, as of 2025-12-31" in err


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".arrow", ".json"])
def test_score_writes_files(run: Run, orders: Path, tmp_path: Path, suffix: str) -> None:
    import pyarrow as pa
    from pyarrow import csv as arrow_csv
    from pyarrow import parquet

    file = tmp_path / f"scores{suffix}"
    status, out, _ = run("score", orders, *CLASSIC, "--out", file)
    assert status == 0
    assert f"Written to {file}, rows: 4" in out
    if suffix == ".json":
        grades = [row["grade"] for row in json.loads(file.read_text("utf-8"))]
    else:
        read: dict[str, Callable[[Path], pa.Table]] = {
            ".parquet": parquet.read_table,
            ".arrow": lambda path: pa.ipc.open_file(path.read_bytes()).read_all(),
        }
        table = read.get(suffix, arrow_csv.read_csv)(file)
        grades = [value or None for value in table["grade"].to_pylist()]
    assert grades == ["silver", None, None, "silver"]


def test_score_writes_json_and_markdown(run: Run, orders: Path) -> None:
    found = json.loads(run("score", orders, *CLASSIC, "--format", "json")[1])
    assert found[0]["score"] == 24
    assert found[0]["mean_sale"] == "300.00"
    assert found[1]["class"] == "no_sale"
    lines = run("score", orders, *CLASSIC, "--format", "markdown")[1].splitlines()
    assert lines[0].startswith("| customer_id | class |")
    assert lines[2].startswith("| C-1 | silver | 4 | 4 | 2 | 24 | silver |  | 2025-10-31 |")


def test_score_writes_parquet_to_standard_output(
    orders: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    from pyarrow import BufferReader, parquet

    assert main(["score", str(orders), *CLASSIC, "--format", "parquet"]) == 0
    table = parquet.read_table(BufferReader(capfdbinary.readouterr().out))
    assert table["score"].to_pylist() == [24, None, None, 24]


def test_the_summary_tells_what_became_of_everything(
    run: Run, orders: Path, customers: Path
) -> None:
    orders.write_text(ORDERS + "A-10,C-1,not a time,5.00,delivered,\n", "utf-8")
    status, out, err = run("score", orders, *CLASSIC, "--customers", customers)
    assert (status, err) == (0, "")
    assert "10 rows, 9 kept" in out
    assert "amounts in CNY" in out
    assert re.search(r"silver +1 +20\.0%", out)
    assert re.search(r"quarantined +\w+ +1 +5\.00 +10\b", out)
    assert "fewer than the scheme is meant for" in out
    assert "First 5 of 5 customers" in out
    assert "Next:" in out
    assert max(map(len, out.replace(str(orders.parent), "").splitlines())) <= 80


def test_a_new_customer_needs_the_last_evaluation(run: Run, orders: Path) -> None:
    found = [
        run("score", orders, *CLASSIC, "--format", "csv", *more)[1].splitlines()[1].split(",")[1]
        for more in [[], ["--last-evaluated", "2025-05-31"]]
    ]
    assert [one.strip('"') for one in found] == ["silver", "new"]


def test_strict_refuses_rows_set_aside(run: Run, orders: Path, tmp_path: Path) -> None:
    file = tmp_path / "out.csv"
    assert run("score", orders, *CLASSIC, "--strict", "--out", file)[0] == 0
    file.unlink()
    orders.write_text(ORDERS + "A-10,C-1,not a time,5.00,delivered,\n", "utf-8")
    status, _, err = run("score", orders, *CLASSIC, "--strict", "--out", file)
    assert status == 4
    assert "1 row had to be set aside" in err
    assert not file.exists()


def test_map_and_source_name_other_columns(run: Run, tmp_path: Path) -> None:
    theirs = "no;id,who,at,paid\n1,7,2025-12-01,12.50\n2,8,2025-12-01 10:00:00,7.00\n"
    file = written(tmp_path / "theirs.csv", theirs)
    mapped = ["--map", "order_id=no;id", "--map", "customer_id=who"]
    mapped += ["--map", "placed_at=at", "--map", "amount=paid"]
    status, out, _ = run("score", file, *CLASSIC, "--format", "csv", *mapped)
    assert status == 0
    assert rows_of(out)[1].startswith("7,bronze,")
    people = written(tmp_path / "people.csv", "who,blocked\n7,1\n9,0\n")
    out = run("score", file, *CLASSIC, "--format", "csv", *mapped, "--customers", people)[1]
    assert [row.split(",")[:2] for row in rows_of(out)[1:]] == [
        ["7", "malicious"],
        ["8", "bronze"],
        ["9", "non_ordering"],
    ]
    source = written(
        tmp_path / "source.toml",
        'currency = { code = "CNY", exponent = 2 }\nzone = "Asia/Shanghai"\n'
        'columns = { order_id = "no;id", customer_id = "who", placed_at = "at" }\n',
    )
    status, out, err = run(
        *("score", file, *CLASSIC, "--format", "csv", "--source", source, "--map", "amount=paid")
    )
    assert rows_of(out)[1].startswith("7,bronze,")
    assert "No source file" not in err


def test_an_unknown_standard_column_ends_with_2(run: Run, orders: Path) -> None:
    status, _, err = run("score", orders, *CLASSIC, "--map", "amout=x")
    assert status == 2
    assert "did you mean 'amount'?" in err


@pytest.mark.parametrize("out", ["x.xlsx", "no/such/folder/x.csv"])
def test_a_place_that_cannot_be_written_ends_with_2(run: Run, orders: Path, out: str) -> None:
    status, _, err = run("score", orders, *CLASSIC, "--out", out)
    assert status == 2
    assert err.startswith("crmcore: --out: ")


@pytest.mark.parametrize("which", ["orders.csv", "customers.csv", "p.json", "s.json", "link.csv"])
def test_a_file_that_is_read_is_not_overwritten(
    run: Run, orders: Path, customers: Path, tmp_path: Path, which: str
) -> None:
    policy, source = written(tmp_path / "p.json", "{}"), written(tmp_path / "s.json", "{}")
    (tmp_path / "link.csv").symlink_to(orders)
    (tmp_path / "folder").mkdir()
    before = {file: file.read_bytes() for file in (orders, customers, policy, source)}
    status, out, err = run(
        *("score", orders, "--policy", policy, *AS_OF, "--customers", customers),
        *("--source", source, "--out", tmp_path / "folder" / ".." / which),
    )
    assert (status, out) == (2, "")
    assert "this file is read" in err
    assert {file: file.read_bytes() for file in before} == before


def test_a_bad_value_of_a_customer_names_the_file_and_the_rows(
    run: Run, orders: Path, customers: Path
) -> None:
    customers.write_text(CUSTOMERS.replace("C-4,true", "C-4,Y"), "utf-8")
    status, out, err = run("score", orders, *CLASSIC, "--customers", customers)
    assert (status, out) == (4, "")
    assert err == (
        f"crmcore: {customers}: expected true or false, yes or no, 1 or 0 (column 'blocked'); "
        "rows: 1; first at row 2, not counting the header\n"
    )


def test_one_row_and_one_customer(run: Run, tmp_path: Path) -> None:
    head = "order_id,customer_id,placed_at,amount\n"
    file = written(tmp_path / "x.csv", head + "1,17,2025-12-01,5\n")
    people = written(tmp_path / "people.csv", "customer_id\n17\n")
    _, out, _ = run("score", file, *CLASSIC, "--customers", people)
    assert "x.csv: 1 row, 1 kept" in out
    assert "people.csv: 1 row, 1 customer\n" in out
    assert "First 1 of 1 customer\n" in out
    theirs = written(tmp_path / "theirs.csv", "customer_id,sale_count\n17,1\n")
    _, out, _ = run("reconcile", file, *CLASSIC, "--against", theirs)
    assert "1 customer here, 1 there" in out


def test_semicolons_separate_fields(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "orders.csv", ORDERS.replace(",", ";"))
    status, out, _ = run("score", file, *CLASSIC, "--format", "csv")
    assert status == 0
    assert rows_of(out)[1] == SCORED[1]


def test_a_wrong_source_ends_with_3(run: Run, orders: Path, tmp_path: Path) -> None:
    source = written(tmp_path / "source.toml", 'zoen = "UTC"\n')
    status, _, err = run("score", orders, *CLASSIC, "--source", source)
    assert status == 3
    assert "in the source" in err
    source.write_text('currency = { code = "CNY", exponent = 2 }\namount.formula = "a * b"\n')
    status, _, err = run("score", orders, *CLASSIC, "--source", source, "--map", "amount=c")
    assert status == 3
    assert "the amount is given twice" in err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.csv", None, "no such file"),
        ("empty.csv", b"", "empty"),
        ("torn.csv", b"order_id,amount\n1\n", "fields"),
        ("latin.csv", "order_id,café\n1,é\n".encode("latin-1"), "is not UTF-8 text"),
        ("torn.csv.gz", b"no gzip", "cannot be read"),
        ("torn.parquet", b"no parquet", "cannot be read"),
        ("x.xlsx", b"", "unknown type of file"),
        ("lacking.csv", b"order_id,customer_id\n1,2\n", "column"),
        (".", None, "folder"),
    ],
)
def test_orders_that_cannot_be_read_end_with_4(
    run: Run, tmp_path: Path, name: str, content: bytes | None, said: str
) -> None:
    file = tmp_path / name
    if content is not None:
        file.write_bytes(content)
    status, out, err = run("score", file, *CLASSIC)
    assert (status, out) == (4, "")
    assert said in err
    assert err.startswith("crmcore: ")
    assert "Traceback" not in err


def test_rows_in_messages_count_from_1(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "torn.csv", ORDERS + "A-10,C-1\n")
    assert "first at row 10, not counting the header" in run("score", file, *CLASSIC)[2]


def test_another_currency_ends_with_4(run: Run, orders: Path, tmp_path: Path) -> None:
    text = 'currency = { code = "EUR", exponent = 2 }\nzone = "UTC"\n'
    source = written(tmp_path / "source.toml", text)
    status, _, err = run("score", orders, *CLASSIC, "--source", source)
    assert status == 4
    assert "EUR" in err


def test_ids_cannot_steer_the_terminal(run: Run, tmp_path: Path) -> None:
    text = "order_id,customer_id,placed_at,amount\n1,\x1b[31mred [bold]x[/bold],2025-12-01,5\n"
    status, out, _ = run("score", written(tmp_path / "x.csv", text), *CLASSIC)
    assert status == 0
    assert "\x1b" not in out
    assert "[bold]x" in out


def test_no_customers_at_all(run: Run, tmp_path: Path) -> None:
    file = written(tmp_path / "x.csv", "order_id,customer_id,placed_at,amount\n")
    status, out, _ = run("score", file, *CLASSIC)
    assert status == 0
    assert "First 0 of 0 customers" in out


# explain


def test_explain_says_why(run: Run, orders: Path) -> None:
    status, out, err = run("explain", orders, *CLASSIC, "--customer", "C-1")
    assert (status, err) == (0, "")
    assert "24" in out
    assert "Silver" in out
    status, out, _ = run("explain", orders, *CLASSIC, "--customer", "C-1", "--language", "zh-CN")
    assert "银" in out
    status, out, _ = run("explain", orders, *CLASSIC, "--customer", "C-1", "--voice", "customer")
    assert "Your" in out


def test_explain_as_data(run: Run, orders: Path) -> None:
    status, out, _ = run("explain", orders, *CLASSIC, "--customer", "C-1", "--format", "json")
    assert status == 0
    data = json.loads(out)
    assert data["facts"]["sale_count"] == {"value": 5, "unit": "count"}
    assert "messages" not in data
    asked = ("explain", orders, *CLASSIC, "--customer", "C-1", "--messages")
    _, out, _ = run(*asked, "--format", "json")
    assert set(json.loads(out)["messages"]) == {"staff", "customer"}
    status, _, err = run(*asked)
    assert (status, err) == (2, "crmcore: explain: --messages goes with --format json\n")


def test_ids_are_text_or_whole_numbers(run: Run, tmp_path: Path) -> None:
    head = "order_id,customer_id,placed_at,amount\n"
    whole = written(tmp_path / "whole.csv", head + "1,17,2025-12-01,5\n")
    text = written(tmp_path / "text.csv", head + "1,007,2025-12-01,5\n")
    one = "0f8fad5b-d9cb-469f-a165-70867728950e"
    other = written(tmp_path / "uuid.csv", head + f"1,{one},2025-12-01,5\n")
    for file, customer, status in [
        (whole, "17", 0),
        (whole, "017", 4),
        (text, "007", 0),
        (text, "7", 4),
        (other, one, 0),
    ]:
        assert run("explain", file, *CLASSIC, "--customer", customer)[0] == status


def test_an_unknown_customer_ends_with_4(run: Run, orders: Path) -> None:
    status, out, err = run("explain", orders, *CLASSIC, "--customer", "C-77")
    assert (status, out) == (4, "")
    assert err == "crmcore: no such customer in the orders or the customers\n"


@pytest.mark.parametrize(
    "moments",
    [
        [],
        ["--from", "2025-01-01"],
        ["--to", "2025-01-01"],
        ["--as-of", "2025-01-01", "--from", "2025-01-01", "--to", "2025-02-01"],
    ],
)
def test_explain_takes_one_moment_or_two(run: Run, orders: Path, moments: list[str]) -> None:
    status, _, err = run("explain", orders, "--policy", "classic", "--customer", "C-1", *moments)
    assert status == 2
    assert "--from D1 and --to D2" in err


def test_explain_says_what_changed(run: Run, orders: Path) -> None:
    days = ("--policy", "classic", "--from", "2025-06-30", "--to", "2025-12-31")
    status, out, err = run("explain", orders, *days, "--customer", "C-1")
    assert (status, err) == (0, "")
    assert "Because of new orders" in out
    status, out, _ = run("explain", orders, *days, "--customer", "C-1", "--language", "zh-CN")
    assert status == 0
    more = ("--format", "json", "--last-evaluated", "2025-05-31", "--known-at", "2025-12-31")
    status, out, _ = run("explain", orders, *days, "--customer", "C-1", *more)
    assert status == 0
    assert json.loads(out)


def test_the_earlier_day_comes_first(run: Run, orders: Path) -> None:
    days = ("--policy", "classic", "--from", "2025-12-31", "--to", "2025-06-30")
    status, _, err = run("explain", orders, *days, "--customer", "C-1")
    assert status == 2
    assert "--from is later than --to" in err


# reconcile


def test_the_ladder_is_printed(run: Run, orders: Path) -> None:
    status, out, err = run("reconcile", orders, "--policy", "classic")
    assert (status, err) == (0, "")
    assert re.search(r"rows given +9 +3,559\.90", out)
    assert re.search(r"net sales +7 +3,460\.00", out)


def test_the_ladder_as_data(run: Run, orders: Path) -> None:
    found = json.loads(run("reconcile", orders, "--policy", "classic", "--format", "json")[1])
    assert found["steps"][-1]["amount"] == "3460.00"
    out = run("reconcile", orders, "--policy", "classic", "--format", "csv", "--by-month")[1]
    months = {row["month"] for row in csv.DictReader(io.StringIO(out))}
    assert {"2023-01", "2025-12"} <= months
    out = run("reconcile", orders, "--policy", "classic", "--format", "markdown")[1]
    assert out.startswith("| step | kind | reason |")
    assert "2025-12" in run("reconcile", orders, "--policy", "classic", "--by-month")[1]


def test_reconcile_needs_to_know_how_to_read(run: Run, orders: Path, tmp_path: Path) -> None:
    assert run("reconcile", orders)[0] == 2
    assert run("reconcile", orders, "--policy", "classic", "--against", orders)[0] == 2
    text = 'currency = { code = "CNY", exponent = 2 }\nzone = "Asia/Shanghai"\n'
    assert run("reconcile", orders, "--source", written(tmp_path / "s.toml", text))[0] == 0


def test_their_figures_are_compared(run: Run, orders: Path, tmp_path: Path) -> None:
    ours = tmp_path / "ours.csv"
    run("score", orders, *CLASSIC, "--out", ours)
    status, out, _ = run("reconcile", orders, *CLASSIC, "--against", ours)
    assert status == 0
    assert "Every figure agrees." in out
    assert "Not compared, as they are no facts: class" in out
    theirs = written(tmp_path / "theirs.csv", "customer_id,mean_sale\nC-1,1500.00\nC-4,1950.00\n")
    status, out, _ = run("reconcile", orders, *CLASSIC, "--against", theirs)
    assert status == 1
    assert re.search(r"mean_sale +1 +C-1 +300\.0000 +1,500\.00", out)
    assert "the sum instead of the mean" in out
    status, out, _ = run("reconcile", orders, *CLASSIC, "--against", theirs, "--format", "json")
    assert status == 1
    assert json.loads(out)["differing"] == 1
    assert run("reconcile", orders, *CLASSIC, "--against", theirs, "--format", "csv")[0] == 2


def test_readings_wrap_where_there_is_little_room(
    run: Run, orders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    theirs = written(tmp_path / "theirs.csv", "customer_id,mean_sale\nC-1,1500.00\nC-4,1950.00\n")
    _, out, _ = run("reconcile", orders, *CLASSIC, "--against", theirs)
    found = out.partition("What would explain them")[2]
    assert "…" not in found
    assert {"the", "sum", "instead", "of", "mean"} <= set(found.split())


def test_figures_without_a_fact_end_with_4(run: Run, orders: Path, tmp_path: Path) -> None:
    theirs = written(tmp_path / "theirs.csv", "customer_id,mean_sales\nC-1,300.00\n")
    status, _, err = run("reconcile", orders, *CLASSIC, "--against", theirs)
    assert status == 4
    assert "did you mean" in err


# demo


class Page(HTMLParser):
    """Collects what a page refers to, and whether its tags close."""

    void = frozenset({"meta", "br", "link", "img"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.links: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href"}]
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("language", LANGUAGES)
def test_demo_does_the_whole_job(run: Run, tmp_path: Path, language: str) -> None:
    file = tmp_path / "shop.html"
    status, out, err = run("demo", "--customers", 300, "--out", file, "--language", language)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == str(file)
    words = texts(language)
    for section in ("classes", "intake"):
        assert words[section]["heading"] in out or words[section]["findings"] in out
    text = file.read_text("utf-8")
    page = Page(text)
    assert page.open == []
    assert page.links == []
    assert page.seen & {"script", "link", "img"} == set()
    assert "url(" not in text
    assert f'<html lang="{language}">' in text
    for section in ("classes", "heat", "spending", "people", "intake", "policy"):
        assert words[section]["heading"] in text


def test_the_page_is_the_same_each_time(run: Run, tmp_path: Path) -> None:
    for name in ("one", "two"):
        run("demo", "--customers", 300, "--out", tmp_path / name)
    one, two = (tmp_path / name / "crmcore-demo.html" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()


def test_the_page_has_a_place_by_default(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("demo", "--customers", 300)[1].splitlines()[-1] == "crmcore-demo.html"
    assert (tmp_path / "crmcore-demo.html").is_file()


@pytest.mark.parametrize("out", ["no/folder/x.html", "taken"])
def test_a_page_that_cannot_be_written_ends_with_2(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, out: str
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "taken", "")
    status, _, err = run("demo", "--customers", 300, "--out", out)
    assert status == 2
    assert err.startswith("crmcore: --out: ")


def test_nothing_of_the_data_becomes_markup() -> None:
    policy = crm.load_policy(
        'extends = "classic"\nname = "x"\n[facts]\nnet_sales = { of = "sale", take = "sum" }'
    )
    source = crm.Source(zone="UTC", currency=policy.currency)
    names = ("order_id", "customer_id", "placed_at", "amount")
    rows = [("<i>1</i>", "<script>x</script>", "2025-12-01", "100.00")]
    orders = crm.OrderTable.from_rows(rows, source, columns=names)
    day = date(2025, 12, 31)
    result = crm.evaluate(policy, orders, as_of=day)
    text = render_demo(DemoPage.of(result, as_of=day, last_evaluated_at=day))
    assert "&lt;script&gt;x" in text
    assert "&lt;i&gt;1" in text
    assert Page(text).seen & {"script", "i"} == set()


def test_a_shop_without_anybody_has_a_page() -> None:
    policy = crm.load_policy(
        'extends = "classic"\nname = "x"\n[facts]\nnet_sales = { of = "sale", take = "sum" }'
    )
    source = crm.Source(zone="UTC", currency=policy.currency)
    columns = {name: [] for name in ("order_id", "customer_id", "placed_at", "amount")}
    day = date(2025, 12, 31)
    result = crm.evaluate(policy, crm.OrderTable.from_arrays(columns, source), as_of=day)
    assert Page(render_demo(DemoPage.of(result, as_of=day, last_evaluated_at=day))).open == []


def test_both_languages_have_all_texts() -> None:
    english, chinese = texts("en"), texts("zh-CN")
    assert set(english) == set(chinese)
    for section in set(english) - {"findings", "names"}:
        assert set(english[section]) == set(chinese[section]), section


# With larger data


def test_orders_of_the_r_package(run: Run, shared: Path) -> None:
    mapped = ("--map", "placed_at=order_date", "--map", "amount=revenue")
    status, out, _ = run(
        *("score", shared / "data/rfm_data_orders.csv", "--policy", "rfm_r"),
        *("--as-of", "2006-12-31", *mapped),
    )
    assert status == 0
    assert "First 10 of 995 customers" in out
    assert "rows without order id" in out


def test_ids_that_are_not_utf8_are_refused(run: Run, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    ends = pa.array([0, 3, 4], pa.int32()).buffers()[1]
    broken = pa.Array.from_buffers(pa.string(), 2, [None, ends, pa.py_buffer(b"Zo\xeba")])
    rows = {"order_id": [1, 2], "placed_at": ["2025-03-01"] * 2, "amount": ["300.00"] * 2}
    path = tmp_path / "orders.parquet"
    parquet.write_table(pa.table({**rows, "customer_id": broken}), path, use_dictionary=False)
    for command in (("score", path), ("explain", path, "--customer", "a")):
        status, out, err = run(*command, *CLASSIC)
        assert (status, out) == (4, "")
        assert "not UTF-8" in err
        assert "Traceback" not in err
