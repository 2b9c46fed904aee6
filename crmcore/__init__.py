"""crmcore: orders in, explained customer classes and grades out.

Everything a host needs is here by name; each is loaded when it is first used, so that importing
the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmcore import presets
    from crmcore.columns import Column
    from crmcore.conditions import FieldType, Rule, Truth, compile_condition
    from crmcore.errors import (
        CrmcoreError,
        DataError,
        MissingExtraError,
        PolicyError,
        Problem,
        SourceError,
        UnknownCustomerError,
    )
    from crmcore.evaluation import (
        Change,
        Evaluation,
        Explanation,
        evaluate,
        evaluate_customer,
        evaluate_facts,
        explain_change,
    )
    from crmcore.facts import FactTable
    from crmcore.findings import Finding
    from crmcore.kernels.selection import show_config
    from crmcore.kernels.threads import threads
    from crmcore.money import Rates
    from crmcore.policy import Policy, load_policy
    from crmcore.records.customers import CustomerTable
    from crmcore.records.identity import IdentityMap
    from crmcore.records.linking import link_returns
    from crmcore.records.models import Customer, Order, OrderLine
    from crmcore.records.orders import OrderTable
    from crmcore.records.raw import Coded
    from crmcore.records.source import Source, load_source
    from crmcore.scoring import Scorer
    from crmcore.sql import evaluate_on
    from crmcore.streaming import (
        PartialJob,
        StreamedEvaluation,
        StreamPlan,
        evaluate_batches,
        stream_plan,
    )
    from crmcore.wording import Catalogue, load_catalogue
    from crmcore.workbench.checking import CheckReport, PolicyFinding, check
    from crmcore.workbench.diffing import PolicyDiff, diff
    from crmcore.workbench.fitting import fit, fit_counts, fit_facts
    from crmcore.workbench.testing import TestFileError, TestReport, run_tests

__version__ = "0.1.0"

_HOME = {
    "Catalogue": "crmcore.wording",
    "Change": "crmcore.evaluation",
    "Coded": "crmcore.records.raw",
    "Column": "crmcore.columns",
    "CheckReport": "crmcore.workbench.checking",
    "CrmcoreError": "crmcore.errors",
    "Customer": "crmcore.records.models",
    "CustomerTable": "crmcore.records.customers",
    "DataError": "crmcore.errors",
    "Evaluation": "crmcore.evaluation",
    "Explanation": "crmcore.evaluation",
    "FactTable": "crmcore.facts",
    "FieldType": "crmcore.conditions",
    "Finding": "crmcore.findings",
    "IdentityMap": "crmcore.records.identity",
    "MissingExtraError": "crmcore.errors",
    "Order": "crmcore.records.models",
    "OrderLine": "crmcore.records.models",
    "OrderTable": "crmcore.records.orders",
    "PartialJob": "crmcore.streaming",
    "Policy": "crmcore.policy",
    "PolicyDiff": "crmcore.workbench.diffing",
    "PolicyError": "crmcore.errors",
    "PolicyFinding": "crmcore.workbench.checking",
    "Problem": "crmcore.errors",
    "Rates": "crmcore.money",
    "Rule": "crmcore.conditions",
    "Scorer": "crmcore.scoring",
    "Source": "crmcore.records.source",
    "SourceError": "crmcore.errors",
    "StreamPlan": "crmcore.streaming",
    "StreamedEvaluation": "crmcore.streaming",
    "TestFileError": "crmcore.workbench.testing",
    "TestReport": "crmcore.workbench.testing",
    "Truth": "crmcore.conditions",
    "UnknownCustomerError": "crmcore.errors",
    "check": "crmcore.workbench.checking",
    "compile_condition": "crmcore.conditions",
    "diff": "crmcore.workbench.diffing",
    "evaluate": "crmcore.evaluation",
    "evaluate_batches": "crmcore.streaming",
    "evaluate_customer": "crmcore.evaluation",
    "evaluate_facts": "crmcore.evaluation",
    "evaluate_on": "crmcore.sql",
    "explain_change": "crmcore.evaluation",
    "fit": "crmcore.workbench.fitting",
    "fit_counts": "crmcore.workbench.fitting",
    "fit_facts": "crmcore.workbench.fitting",
    "link_returns": "crmcore.records.linking",
    "load_catalogue": "crmcore.wording",
    "load_policy": "crmcore.policy",
    "load_source": "crmcore.records.source",
    "presets": "crmcore.presets",
    "run_tests": "crmcore.workbench.testing",
    "show_config": "crmcore.kernels.selection",
    "stream_plan": "crmcore.streaming",
    "threads": "crmcore.kernels.threads",
}

__all__ = [
    "Catalogue",
    "Change",
    "CheckReport",
    "Coded",
    "Column",
    "CrmcoreError",
    "Customer",
    "CustomerTable",
    "DataError",
    "Evaluation",
    "Explanation",
    "FactTable",
    "FieldType",
    "Finding",
    "IdentityMap",
    "MissingExtraError",
    "Order",
    "OrderLine",
    "OrderTable",
    "PartialJob",
    "Policy",
    "PolicyDiff",
    "PolicyError",
    "PolicyFinding",
    "Problem",
    "Rates",
    "Rule",
    "Scorer",
    "Source",
    "SourceError",
    "StreamPlan",
    "StreamedEvaluation",
    "TestFileError",
    "TestReport",
    "Truth",
    "UnknownCustomerError",
    "check",
    "compile_condition",
    "diff",
    "evaluate",
    "evaluate_batches",
    "evaluate_customer",
    "evaluate_facts",
    "evaluate_on",
    "explain_change",
    "fit",
    "fit_counts",
    "fit_facts",
    "link_returns",
    "load_catalogue",
    "load_policy",
    "load_source",
    "presets",
    "run_tests",
    "show_config",
    "stream_plan",
    "threads",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'crmcore' has no attribute {name!r}")
    module = import_module(_HOME[name])
    value = module if _HOME[name] == f"crmcore.{name}" else getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
