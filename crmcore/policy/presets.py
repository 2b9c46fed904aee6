"""The texts of the policies that come with the package."""

from __future__ import annotations

from importlib import resources

from crmcore.errors import PolicyError, Problem
from crmcore.suggestions import nearest

__all__ = ["names", "text"]

_NAMES = ("classic", "rf_grid", "rfm_r", "segments11")


def names() -> tuple[str, ...]:
    """Return the names of the presets.

    Examples
    --------
    >>> names()
    ('classic', 'rf_grid', 'rfm_r', 'segments11')
    """
    return _NAMES


def text(name: str) -> str:
    """Return the file of a preset, comments and all.

    Raises
    ------
    PolicyError
        When there is none of that name.

    Examples
    --------
    >>> text("classic").count("[grade]")
    1
    """
    if name not in _NAMES:
        allowed, suggestion = ", ".join(_NAMES), nearest(name, _NAMES)
        problem = Problem("unknown_name", "no such preset", "", name, allowed, suggestion)
        raise PolicyError([problem])
    file = resources.files("crmcore") / "presets" / f"{name}.toml"
    return file.read_text(encoding="utf-8")
