"""The command line, `crmcore`: files in, tables for people or for machines out."""

from __future__ import annotations

from crmcore.cli.program import main

__all__ = ["main"]
