"""The implementations of the kernels side by side, for tests of both."""

from __future__ import annotations

from importlib import import_module

import pytest

THREADS = (1, 2, 3, 7)


def both(theme: str) -> pytest.MarkDecorator:
    """Give a test the module of one theme as `kernels`: in NumPy, then in C where it was built."""
    found = [pytest.param(import_module(f"crmcore.kernels.plain.{theme}"), id="plain")]
    try:
        module = import_module(f"crmcore.kernels.compiled.{theme}")
        found.append(pytest.param(module, id="compiled"))
    except ImportError as error:
        reason = pytest.mark.skip(reason=str(error))
        found.append(pytest.param(None, id="compiled", marks=reason))
    return pytest.mark.parametrize("kernels", found)
