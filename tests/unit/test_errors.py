"""Errors: what they say, what they never say, and that they travel between processes."""

from __future__ import annotations

import copy
import pickle
from datetime import date

import pytest
from golden.shop import table

import crmcore as crm
from crmcore.errors import (
    CrmcoreError,
    DataError,
    MissingExtraError,
    PolicyError,
    Problem,
    SourceError,
    UnknownCustomerError,
)

PROBLEM = Problem("unknown_name", "no such fact", "grade.score", "x", "y", "z", "shop.toml", 3, 7)
ERRORS = [
    DataError("too many"),
    DataError("too many", column="amount", count=7, positions=(1, 2)),
    PolicyError([PROBLEM]),
    PolicyError([]),
    SourceError([PROBLEM, Problem("syntax", "not read")]),
    UnknownCustomerError(),
    UnknownCustomerError("the orders belong to another customer"),
    MissingExtraError("pyarrow", extra="frames"),
    MissingExtraError("polars"),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_errors_survive_pickling_and_copying(error: CrmcoreError) -> None:
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.__dict__ == error.__dict__
        assert again.args == error.args


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_every_error_has_one_root(error: CrmcoreError) -> None:
    assert isinstance(error, CrmcoreError)
    assert isinstance(error, ValueError | KeyError | ImportError)


def test_a_refusal_says_where() -> None:
    assert str(ERRORS[1]) == "too many (column 'amount'); rows: 7; first at: 1, 2"
    assert str(ERRORS[0]) == "too many"


def test_a_problem_says_where_what_and_what_instead() -> None:
    assert str(PROBLEM) == (
        "shop.toml:3:7: grade.score: no such fact; given x; allowed: y (did you mean 'z'?)"
        " [unknown_name]"
    )


def test_problems_are_counted() -> None:
    assert str(PolicyError([PROBLEM])).startswith("1 problem in the policy\nshop.toml:3:7: ")
    assert str(SourceError([PROBLEM] * 2)).startswith("2 problems in the source\nshop.toml:3:7: ")


def test_an_unknown_customer_is_not_repeated() -> None:
    result = crm.evaluate(crm.presets.load("classic"), table(), as_of=date(2025, 2, 1))
    with pytest.raises(UnknownCustomerError) as caught:
        result["Zhang Wei"]
    assert "Zhang" not in str(caught.value) + repr(caught.value)


def test_every_public_name_is_there() -> None:
    for name in crm.__all__:
        assert getattr(crm, name) is not None
        assert name in dir(crm)
    with pytest.raises(AttributeError):
        crm.nothing_of_that_name  # noqa: B018
