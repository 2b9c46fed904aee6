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
    from crmcore.wording import Catalogue, load_catalogue

__version__ = "0.1.0"

_HOME = {
    "Catalogue": "crmcore.wording",
    "Change": "crmcore.evaluation",
    "Coded": "crmcore.records.raw",
    "Column": "crmcore.columns",
    "CrmcoreError": "crmcore.errors",
    "Customer": "crmcore.records.models",
    "CustomerTable": "crmcore.records.customers",
    "DataError": "crmcore.errors",
    "Evaluation": "crmcore.evaluation",
    "Explanation": "crmcore.evaluation",
    "FactTable": "crmcore.facts",
    "Finding": "crmcore.findings",
    "IdentityMap": "crmcore.records.identity",
    "MissingExtraError": "crmcore.errors",
    "Order": "crmcore.records.models",
    "OrderLine": "crmcore.records.models",
    "OrderTable": "crmcore.records.orders",
    "Policy": "crmcore.policy",
    "PolicyError": "crmcore.errors",
    "Problem": "crmcore.errors",
    "Rates": "crmcore.money",
    "Scorer": "crmcore.scoring",
    "Source": "crmcore.records.source",
    "SourceError": "crmcore.errors",
    "UnknownCustomerError": "crmcore.errors",
    "evaluate": "crmcore.evaluation",
    "evaluate_customer": "crmcore.evaluation",
    "evaluate_facts": "crmcore.evaluation",
    "explain_change": "crmcore.evaluation",
    "link_returns": "crmcore.records.linking",
    "load_catalogue": "crmcore.wording",
    "load_policy": "crmcore.policy",
    "load_source": "crmcore.records.source",
    "presets": "crmcore.presets",
}

__all__ = [
    "Catalogue",
    "Change",
    "Coded",
    "Column",
    "CrmcoreError",
    "Customer",
    "CustomerTable",
    "DataError",
    "Evaluation",
    "Explanation",
    "FactTable",
    "Finding",
    "IdentityMap",
    "MissingExtraError",
    "Order",
    "OrderLine",
    "OrderTable",
    "Policy",
    "PolicyError",
    "Problem",
    "Rates",
    "Scorer",
    "Source",
    "SourceError",
    "UnknownCustomerError",
    "evaluate",
    "evaluate_customer",
    "evaluate_facts",
    "explain_change",
    "link_returns",
    "load_catalogue",
    "load_policy",
    "load_source",
    "presets",
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
