"""Which kernels are in use, the compiled ones or NumPy's, and why."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Literal, TypeAlias

from crmcore.kernels.threads import allowed

__all__ = ["THEMES", "Config", "replacements", "show_config"]

Kernels: TypeAlias = Literal["compiled", "numpy"]

THEMES = ("banding", "coding", "grouping", "surveying", "tallying")

_ROOM = __name__.rpartition(".")[0]
_NOTE = Path(__file__).with_name("compiled") / "not_built.txt"
_HUGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@dataclass(frozen=True, slots=True)
class Config:
    """What the kernels run on; its text has a line for each of them."""

    kernels: Kernels
    reason: str
    threads: int
    huge_pages: str

    def __str__(self) -> str:
        return (
            f"kernels     {self.kernels}: {self.reason}\n"
            f"threads     {self.threads}\n"
            f"huge pages  {self.huge_pages}"
        )


def show_config() -> Config:
    """Say which kernels are in use and why, and what they may use.

    The kernels are the loops over rows. They are compiled where a C compiler was at hand when
    crmcore was installed, and NumPy's elsewhere; the results are the same to the bit. The
    environment variable ``CRMCORE_KERNELS``, read when they are first used, asks for ``compiled``
    or ``numpy``.

    Returns
    -------
    Config
        `kernels` (``compiled`` or ``numpy``), `reason`, `threads` (the most that may be used
        here, see `crmcore.threads`) and `huge_pages` (what the system does about them:
        ``always``, ``madvise``, ``never`` or ``unknown``). As text, one line for each.

    Raises
    ------
    ImportError
        When ``CRMCORE_KERNELS`` asks for compiled kernels and there are none, with the reason.
    ValueError
        When ``CRMCORE_KERNELS`` asks for something else.

    Examples
    --------
    >>> import crmcore as crm
    >>> config = crm.show_config()
    >>> config.kernels in ("compiled", "numpy")
    True
    """
    return Config(_KERNELS, _REASON, allowed(), _huge_pages())


def replacements() -> dict[str, object]:
    """Return the compiled kernels by name; nothing where NumPy's are in use."""
    themes = THEMES if _KERNELS == "compiled" else ()
    return {name: getattr(_module("compiled", one), name) for one in themes for name in _names(one)}


def _module(implementation: str, theme: str) -> ModuleType:
    return import_module(f"{_ROOM}.{implementation}.{theme}")


def _names(theme: str) -> list[str]:
    """Return the kernels of a theme: the public functions of its module in NumPy."""
    plain = _module("plain", theme)
    return [name for name in plain.__all__ if isinstance(getattr(plain, name), FunctionType)]


def _missing(theme: str) -> str | None:
    """Return why the compiled kernels of a theme cannot be used."""
    try:
        built = _module("compiled", theme)
    except ImportError as error:
        return str(error)
    lacking = [name for name in _names(theme) if not hasattr(built, name)]
    return f"made from other sources, without {', '.join(lacking)}" if lacking else None


def _told(reasons: dict[str, str]) -> str:
    """Return reasons as text; what the installation noted tells more than a failed import."""
    lines = _NOTE.read_text("utf-8").splitlines() if _NOTE.exists() else []
    parts = (line.partition(": ") for line in lines)
    noted = {name: why for name, _, why in parts} or reasons
    together = {why: [name for name in noted if noted[name] == why] for why in noted.values()}
    return "; ".join(f"{', '.join(names)} not built: {why}" for why, names in together.items())


def _select() -> tuple[Kernels, str]:
    """Return which kernels to use, all of one kind, and why."""
    asked = os.environ.get("CRMCORE_KERNELS", "")
    if asked not in ("", "compiled", "numpy"):
        raise ValueError(f"CRMCORE_KERNELS={asked}: should be compiled, numpy, or not set")
    if asked == "numpy":
        return "numpy", "CRMCORE_KERNELS=numpy"
    reasons = {theme: why for theme in THEMES if (why := _missing(theme))}
    if not reasons:
        return "compiled", "built"
    if asked:
        raise ImportError(f"CRMCORE_KERNELS=compiled, but they cannot be used: {_told(reasons)}")
    return "numpy", _told(reasons)


def _huge_pages() -> str:
    try:
        text = _HUGE_PAGES.read_text("ascii")
    except OSError:
        return "unknown"
    return text.partition("[")[2].partition("]")[0]


_KERNELS, _REASON = _select()
