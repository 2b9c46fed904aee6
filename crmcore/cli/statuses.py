"""Exit statuses, and the error of a wrong call."""

from __future__ import annotations

from typing import Final

from crmcore.errors import CrmcoreError

__all__ = [
    "DATA",
    "FINDINGS",
    "FINE",
    "INTERRUPTED",
    "NO_TESTS",
    "POLICY",
    "USAGE",
    "UsageError",
]

FINE: Final = 0
FINDINGS: Final = 1
USAGE: Final = 2
POLICY: Final = 3
DATA: Final = 4
NO_TESTS: Final = 5
INTERRUPTED: Final = 130


class UsageError(CrmcoreError):
    """What was asked for on the command line cannot be done."""
