"""Policies: the file that says how customers are scored, graded and classed.

`load_policy` reads one and reports everything that is wrong with it; a `Policy` is ready to run.
"""

from __future__ import annotations

from crmcore.policy.loading import load_policy
from crmcore.policy.runtime import Policy
from crmcore.policy.schemas import schema

__all__ = ["Policy", "load_policy", "schema"]
