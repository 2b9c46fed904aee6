"""Findings: how they read."""

from __future__ import annotations

import pytest

from crmcore.findings import _TEXTS, Finding


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        (Finding("anonymous", 1), "1 row without customer, in the shop's totals only"),
        (Finding("anonymous", 2), "2 rows without customer, in the shop's totals only"),
        (Finding("quarantined", 1, "missing_time"), "1 row set aside: missing_time"),
        (Finding("converted_currency", 1), "1 converted currency"),
    ],
)
def test_one_is_told_as_one(finding: Finding, text: str) -> None:
    assert str(finding) == text


def test_no_text_speaks_of_several_when_there_is_one() -> None:
    for one, several in _TEXTS.values():
        assert one != several
        assert not one.split()[0].endswith("s")
