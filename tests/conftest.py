"""What all tests share: the sizes of Hypothesis runs, and where larger data may stand."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from engines import Engines
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# User code in tests/typing is only type-checked, never run.
collect_ignore = ["typing"]

settings.register_profile("quick", max_examples=100, deadline=None)
settings.register_profile("ci", max_examples=300, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("record", max_examples=10_000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """Return the folder of larger data beside the checkout; skip the test where there is none."""
    folder = Path(os.environ.get("CRMCORE_SHARED", ROOT / "../shared"))
    if not folder.is_dir():
        pytest.skip("no folder with larger data")
    return folder.resolve()


@pytest.fixture(scope="session")
def engines() -> Iterator[Engines]:
    """Return what opens the engines that policies are written for as SQL."""
    engines = Engines()
    yield engines
    engines.close()
