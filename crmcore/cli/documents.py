"""The commands `preset` and `schema`: texts that come with the package."""

from __future__ import annotations

import argparse
import json

from crmcore import presets
from crmcore.cli.statuses import FINE

__all__ = ["preset", "schema"]


def preset(arguments: argparse.Namespace) -> int:
    """List the presets, or print one."""
    if arguments.action == "show":
        print(presets.text(arguments.name), end="")
        return FINE
    names = presets.names()
    width = max(map(len, names))
    for name in names:
        print(f"{name:<{width}}  {_purpose(name)}")
    return FINE


def _purpose(name: str) -> str:
    """Return the first sentence of the comment that a preset's file starts with."""
    lines = presets.text(name).splitlines()
    end = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
    words = " ".join(line.removeprefix("#").strip() for line in lines[:end])
    return words.split(". ")[0].rstrip(".")


def schema(arguments: argparse.Namespace) -> int:
    """Print a JSON Schema."""
    from crmcore import policy
    from crmcore.records.source import Source
    from crmcore.workbench.testing.documents import TestDocument

    match arguments.of:
        case "source":
            found = policy.schema(Source)
        case "tests":
            found = policy.schema(TestDocument)
        case _:
            found = policy.schema()
    print(json.dumps(found, indent=2, ensure_ascii=False))
    return FINE
