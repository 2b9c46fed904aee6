"""Source files: what they may say, and how each mistake is reported."""

from __future__ import annotations

import json
import pickle
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from crmcore.errors import PolicyError, Problem, SourceError
from crmcore.records.formula import parse_formula
from crmcore.records.source import STATUSES, Source, load_source

CURRENCY = 'currency = { code = "EUR", exponent = 2 }\n'
FULL = """
format = 1
name = "online retail"
rows = "lines"
zone = "Europe/London"
time_unit = "ms"
currency = { code = "GBP", exponent = 2 }

[columns]
order_id = "InvoiceNo"
customer_id = "Customer ID"
status = false

[amount]
formula = "Quantity * UnitPrice - `Gift card`"
rounding = "half_even"

[status]
first = [{ column = "InvoiceNo", starts_with = "C", status = "returned" }]
map = { complete = "delivered" }
otherwise = "paid"

[[exclude]]
reason = "postage"
column = "StockCode"
in = ["POST", 7, true]
above = "0.50"
below = 10
missing = false
also = [{ column = "Country", equals = "Test" }]
"""


def problems(document: object) -> list[Problem]:
    with pytest.raises(SourceError) as caught:
        load_source(document)  # type: ignore[arg-type]
    return list(caught.value.problems)


def test_defaults_read_standard_names() -> None:
    source = load_source(CURRENCY)
    assert source == Source(currency={"code": "EUR", "exponent": 2})
    assert (source.rows, source.zone, source.exclude) == ("orders", None, ())
    assert (source.amount.formula, source.amount.rounding) == (None, "refuse")


def test_everything_that_can_be_said() -> None:
    source = load_source(FULL)
    assert source.columns.customer_id == "Customer ID"
    assert source.columns.status is False
    assert source.columns.amount is None
    rule = source.exclude[0]
    assert (rule.one_of, rule.above, rule.below) == (("POST", 7, True), Decimal("0.50"), 10)
    assert rule.also[0].equals == "Test"
    assert source.status.first[0].status == "returned"


def test_one_document_in_all_forms(tmp_path: Path) -> None:
    source = load_source(FULL)
    data = source.model_dump(mode="json", exclude_unset=True)
    text = json.dumps(data)
    for suffix, content in (("toml", FULL), ("json", text)):
        path = tmp_path / f"source.{suffix}"
        path.write_bytes(b"\xef\xbb\xbf" + content.encode())
        assert load_source(path) == load_source(str(path)) == source
    assert load_source(text) == load_source(data) == source


def test_a_bound_is_exact_however_it_is_written() -> None:
    rules = '[[exclude]]\nreason = "r"\ncolumn = "a"\nabove = {}\n'
    for written in ("0.10", '"0.1"'):
        assert load_source(CURRENCY + rules.format(written)).exclude[0].above == Decimal("0.1")


def test_bounds_may_be_decimals_in_python() -> None:
    rule = {"reason": "r", "column": "a", "above": Decimal("0.5")}
    assert Source(currency={"code": "EUR", "exponent": 2}, exclude=[rule]).exclude[0].above == 0.5
    assert problems(
        {"currency": {"code": "EUR", "exponent": 2}, "exclude": [{**rule, "above": Decimal("NaN")}]}
    )


def test_a_source_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load_source(CURRENCY).zone = "UTC"  # type: ignore[misc]


def test_the_schema_can_be_made() -> None:
    assert Source.model_json_schema()["required"] == ["currency"]


MISTAKES = [
    ("", "currency", "missing_key"),
    ("currency = 5", "currency", "wrong_type"),
    ('currency = { code = "eur", exponent = 2 }', "currency.code", "bad_name"),
    ('currency = { code = "EUR", exponent = "2" }', "currency.exponent", "wrong_type"),
    ('currency = { code = "EUR", exponent = 9 }', "currency.exponent", "out_of_range"),
    ('currency = { code = "EUR" }', "currency.exponent", "missing_key"),
    ('currency = { code = "EUR", exponent = 2, x = 1 }', "currency.x", "unknown_key"),
    (CURRENCY + "format = 2", "format", "not_allowed"),
    (CURRENCY + "format = true", "format", "wrong_type"),
    (CURRENCY + 'name = ""', "name", "wrong_length"),
    (CURRENCY + "name = 5", "name", "wrong_type"),
    (CURRENCY + 'rows = "order"', "rows", "not_allowed"),
    (CURRENCY + 'zone = "Europe/Berln"', "zone", "bad_value"),
    (CURRENCY + 'zone = "../etc/passwd"', "zone", "bad_value"),
    (CURRENCY + 'time_unit = "minutes"', "time_unit", "not_allowed"),
    (CURRENCY + "zoen = 1", "zoen", "unknown_key"),
    (CURRENCY + "columns = []", "columns", "wrong_type"),
    (CURRENCY + "[columns]\norder_id = true", "columns.order_id", "wrong_type"),
    (CURRENCY + '[columns]\norder_id = ""', "columns.order_id", "wrong_type"),
    (CURRENCY + '[columns]\norderid = "x"', "columns.orderid", "unknown_key"),
    (CURRENCY + '[columns]\namount = "a"\namount_minor = "b"', "columns", "conflict"),
    (CURRENCY + 'rows = "lines"\ncolumns.order_id = false', "columns.order_id", "conflict"),
    (CURRENCY + '[amount]\nformula = "a *"', "amount.formula", "bad_formula"),
    (CURRENCY + "[amount]\nformula = 5", "amount.formula", "wrong_type"),
    (CURRENCY + '[amount]\nrounding = "up"', "amount.rounding", "not_allowed"),
    (
        CURRENCY + 'amount.formula = "a"\ncolumns.unit_price = "b"',
        "amount.formula",
        "conflict",
    ),
    (CURRENCY + '[status]\nmap = { a = "deliverd" }', "status.map.a", "not_allowed"),
    (CURRENCY + '[status]\notherwise = "sold"', "status.otherwise", "not_allowed"),
    (
        CURRENCY + '[status]\nfirst = [{ column = "a", equals = "b" }]',
        "status.first.0.status",
        None,
    ),
    (
        CURRENCY + '[status]\nfirst = [{ column = "a", status = "paid" }]',
        "status.first.0",
        "no_condition",
    ),
    (CURRENCY + '[[exclude]]\ncolumn = "a"\nequals = "b"', "exclude.0.reason", "missing_key"),
    (CURRENCY + '[[exclude]]\nreason = "r"\nequals = "b"', "exclude.0.column", "missing_key"),
    (CURRENCY + '[[exclude]]\nreason = "r"\ncolumn = "a"', "exclude.0", "no_condition"),
    (CURRENCY + '[[exclude]]\nreason = "r"\ncolumn = "a"\nin = []', "exclude.0.in", "wrong_length"),
    (CURRENCY + '[[exclude]]\nreason = "r"\ncolumn = "a"\nin = [1.5]', "exclude.0.in.0", None),
    (CURRENCY + '[[exclude]]\nreason = "r"\ncolumn = "a"\nabove = 1e99', "exclude.0.above", None),
    (CURRENCY + '[[exclude]]\nreason = "r"\ncolumn = "a"\nabove = "x"', "exclude.0.above", None),
    (CURRENCY + '[[exclude]]\nreason = "r"\ncolumn = "a"\nbelow = true', "exclude.0.below", None),
    (CURRENCY + '[[exclude]]\nreason = "r"\ncolumn = "a"\nmissing = 1', "exclude.0.missing", None),
    (
        CURRENCY + '[[exclude]]\nreason = "r"\ncolumn = "a"\nbegins_with = "b"',
        "exclude.0.begins_with",
        "unknown_key",
    ),
    (
        CURRENCY + '[[exclude]]\nreason = "r"\ncolumn = "a"\nequals = 1\nalso = [{ column = "b" }]',
        "exclude.0.also.0",
        "no_condition",
    ),
    (CURRENCY + '[exclude]\nreason = "r"', "exclude", "wrong_type"),
]


@pytest.mark.parametrize(("text", "path", "code"), MISTAKES)
def test_each_mistake_has_a_place_and_a_code(text: str, path: str, code: str | None) -> None:
    found = problems(text or "name = 'x'")
    assert path in [problem.path for problem in found]
    if code is not None:
        assert code in [problem.code for problem in found if problem.path == path]
    for problem in found:
        assert problem.message
        assert problem.line is not None or problem.code == "missing_key"


def test_all_problems_come_at_once() -> None:
    found = problems(
        {
            "currency": {"code": "x", "exponent": 2},
            "rows": "order",
            "zone": "Europe/Londn",
            "columns": {"amount": "a", "ordr_id": "b"},
            "amount": {"formula": "a * b", "rounding": "half"},
            "status": {"map": {"x": "paidd"}},
            "exclude": [{"column": "a"}],
        }
    )
    by_path = {problem.path: problem for problem in found}
    assert set(by_path) == {
        "currency.code",
        "rows",
        "zone",
        "columns.ordr_id",
        "amount.rounding",
        "amount.formula",
        "status.map.x",
        "exclude.0.reason",
    }
    assert by_path["rows"].given == "'order'"
    assert by_path["rows"].allowed == "orders, lines"
    assert by_path["rows"].suggestion == "orders"
    assert by_path["zone"].suggestion == "Europe/London"
    assert by_path["columns.ordr_id"].suggestion == "order_id"
    assert by_path["status.map.x"].suggestion == "paid"


def test_an_unknown_key_of_python_is_not_known_in_files() -> None:
    found = problems(CURRENCY + '[[exclude]]\nreason = "r"\ncolumn = "a"\none_of = ["b"]')
    assert [problem.path for problem in found if problem.code == "unknown_key"] == [
        "exclude.0.one_of"
    ]


@pytest.mark.parametrize(
    ("text", "code", "line", "column"),
    [
        ("a = 1\nb =\n", "toml_syntax", 2, 4),
        ("a = 1\na = 2\n", "duplicate_key", 2, 6),
        ("[columns]\n[columns]\n", "duplicate_key", 2, 9),
        ('x = "abc', "toml_syntax", 1, 9),
        ("{\n  'a': 1}", "json_syntax", 2, 3),
        ("x = " + "[" * 20_000, "too_deep", None, None),
        ('{"x": ' + "[" * 20_000, "too_deep", None, None),
        ("x = " + "9" * 500, "out_of_range", None, None),
        ("x = 9999-99-99\n", "toml_syntax", 1, None),
        (f"name = 'x'\nzone = '{'x' * 10_001}'", "too_large", 2, None),
        (f"status.map = {{{', '.join(f'a{i} = 1' for i in range(1_001))}}}", "too_large", 1, None),
        (f"x = [{'1, ' * 40_000}]", "too_large", None, None),
        ("\n" * 10_001, "too_large", None, None),
    ],
)
def test_what_cannot_be_read_comes_alone(
    text: str, code: str, line: int | None, column: int | None
) -> None:
    (problem,) = problems(text)
    assert (problem.code, problem.line) == (code, line)
    assert column in (None, problem.column)
    assert "policy" not in problem.message


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ('{"a": 1, "a": 2}', "duplicate_key", 10),
        ('{"a": NaN}', "not_finite", 7),
        ('{"a": null}', "wrong_type", 7),
        ("a = inf\n", "not_finite", 5),
        ("a = 2024-01-01T00:00:00Z\n", "wrong_type", 5),
    ],
)
def test_what_no_document_can_hold_comes_with_everything_else(
    text: str, code: str, column: int
) -> None:
    found = problems(text)
    assert (code, "a", 1, column) in [(one.code, one.path, one.line, one.column) for one in found]
    assert "currency" in [one.path for one in found if one.code == "missing_key"]


def test_problems_tell_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "source.toml"
    path.write_text(
        CURRENCY
        + "zoen = 'UTC'\n[status]\nfirst = [\n  { column = 'a', status = 'paid' },\n]\n"
        + "otherwise = 'sold'\n[[exclude]]\nreason = 'r'\ncolumn = 'a'\nequals = 1\n"
        + "[[exclude]]\nreason = 'r'\n[[exclude.also]]\ncolumn = 'b'\nabove = true\n"
    )
    found = problems(path)
    assert {problem.file for problem in found} == {str(path)}
    assert [(problem.path, problem.line) for problem in found] == [
        ("zoen", 2),
        ("status.first.0", 5),
        ("status.otherwise", 7),
        ("exclude.1.column", 12),
        ("exclude.1.also.0.above", 16),
    ]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (absent,) = problems(tmp_path / "absent.toml")
    assert absent.code == "unreadable"
    folder = tmp_path / "folder.toml"
    folder.mkdir()
    assert problems(str(folder))[0].code == "unreadable"
    assert problems("a\0b.toml")[0].code == "unreadable"
    (other,) = problems("source.yaml")
    assert (other.code, other.message) == (
        "unknown_format",
        "a source file is a .toml or a .json file",
    )
    large = tmp_path / "large.toml"
    large.write_text("# " + "x" * (1 << 20))
    assert problems(large)[0].code == "too_large"
    assert problems("# \n" + "x" * (1 << 20))[0].code == "too_large"
    odd = tmp_path / "odd.toml"
    odd.write_bytes(b"name = '\xff'")
    (not_text,) = problems(odd)
    assert (not_text.code, not_text.file) == ("not_utf8", str(odd))
    odd.write_text("zoen = 1")
    assert {problem.file for problem in problems(odd)} == {str(odd)}


def test_the_error_is_a_policy_error_and_pickles() -> None:
    with pytest.raises(PolicyError) as caught:
        load_source("zoen = 1\n")
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.problems == caught.value.problems
    assert str(again).startswith("2 problems in the source")


def test_conflicts_are_refused_in_python_too() -> None:
    with pytest.raises(ValidationError, match="given twice"):
        Source(
            currency={"code": "EUR", "exponent": 2},
            columns={"amount": "a"},
            amount={"formula": "b"},
        )


@pytest.mark.parametrize("keys", [{1: 2}, {"columns": 5}, {"amount": []}, {"status": None}])
def test_hostile_mappings(keys: dict[object, object]) -> None:
    assert problems({"currency": {"code": "EUR", "exponent": 2}, **keys})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from([*Source.model_fields, "in", "column", "formula", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*Source.model_fields, "x"]), JSON))
def test_any_mapping_is_read_or_refused(data: dict[str, object]) -> None:
    try:
        problems = ()
        load_source(data)
    except SourceError as error:
        problems = error.problems
    assert problems or "currency" in data


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(SourceError):
        load_source(text + "\n")


# Formulas


def test_formulas() -> None:
    formula = parse_formula("  Qty*Price+ 2 * `odd name`*0.5 -Voucher")
    assert [(one.factor, one.columns) for one in formula.products] == [
        (1, ("Qty", "Price")),
        (1, ("odd name",)),
        (-1, ("Voucher",)),
    ]
    assert parse_formula("-a").products[0].factor == -1
    assert parse_formula("单价 * 数量").columns == ("单价", "数量")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "at least one column"),
        ("5", "at least one column"),
        ("a b", "character 3: expected [+], - or [*]"),
        ("a *", "character 4: expected a column"),
        ("a * * b", "character 5: expected a column"),
        ("a + + b", "character 5: expected a column"),
        ("a * -b", "character 5: expected a column"),
        ("* a", "character 1: expected a column"),
        ("a / b", "character 3: not a column"),
        ("(a)", "character 1: not a column"),
        ("a * `b", "character 5: not a column"),
        ("a * ``", "character 5: not a column"),
        ("a.b", "character 2: not a column"),
        ("a * 1e5", "character 6"),
        ("a *\t;", "character 5: not a column"),
        ("a * " + "1" * 31, "too many digits"),
        ("a" + " * 1.23456789" * 4, "too many digits"),
        (" * ".join("a" * 80), "more than 64"),
    ],
)
def test_formulas_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_formula(text)


@given(st.text(alphabet="ab1.` +-*", max_size=20))
def test_any_formula_is_read_or_refused(text: str) -> None:
    try:
        found = parse_formula(text).columns
    except ValueError:
        found = None
    assert found != ()


def test_statuses_are_the_seven() -> None:
    assert STATUSES == (
        "placed", "paid", "shipped", "delivered", "cancelled", "refused", "returned",
    )  # fmt: skip
