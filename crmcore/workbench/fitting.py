"""Quantiles measured once on a shop's customers, and frozen as numbers in the policy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import cast

import numpy as np

from crmcore.calendars import moments, to_date
from crmcore.errors import PolicyError, Problem
from crmcore.evaluation import Evaluation, evaluate, evaluate_facts
from crmcore.facts import FactTable
from crmcore.policy import Policy
from crmcore.policy.loading import load_recipe
from crmcore.records.customers import CustomerTable
from crmcore.records.identity import IdentityMap
from crmcore.records.orders import OrderTable
from crmcore.records.raw import RawValues
from crmcore.scoring import QuantileStep, Scorer
from crmcore.timing import Timing
from crmcore.workbench.counting import Group, read_counts, steps_between

__all__ = ["fit", "fit_counts", "fit_facts", "frozen", "recipe_of", "to_fit"]

_MEASURED = ("quantiles", "best", "missing")
"""The keys of a score that stand in another form once it is fitted."""


def fit(
    recipe: str | Path | Mapping[str, object],
    orders: OrderTable,
    customers: CustomerTable | None = None,
    *,
    as_of: date,
    known_at: datetime | None = None,
    last_evaluated_at: date | None = None,
    identity: IdentityMap | None = None,
    scorers: Mapping[str, Scorer] | None = None,
) -> Policy:
    r"""Measure the quantiles of a policy on customers, and return it with numbers in their place.

    A score such as ``quantiles = 5`` says how points are to be found; `load_policy` refuses it
    until it is fitted. Here it becomes edges, with ``fitted`` saying where they come from. From
    then on the policy is like any other: the same points for the same customer, whoever else
    there is. `Policy.to_toml` writes it.

    Parameters
    ----------
    recipe
        The policy with quantiles, in any form that `load_policy` reads.
    orders, customers, as_of, known_at, last_evaluated_at, identity
        As for `evaluate`. Every customer whose value is known is measured.
    scorers
        As for `load_policy`.

    Returns
    -------
    Policy
        Where all values are equal, or none is known, the one band has 1 point.

    Raises
    ------
    PolicyError
        What is wrong with the policy; ``nothing_to_fit`` when no score has quantiles;
        ``out_of_range`` when two values are so near that no edge fits between them.
    DataError
        As by `evaluate`.

    Notes
    -----
    Cost: one evaluation, and a sort for each score.

    Examples
    --------
    >>> import crmcore as crm
    >>> source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    >>> rows = [(at, f"C{at}", "2025-03-01", f"{at}00.00") for at in range(1, 7)]
    >>> names = ("order_id", "customer_id", "placed_at", "amount")
    >>> orders = crm.OrderTable.from_rows(rows, source, columns=names)
    >>> shop = '''
    ... extends = "classic"
    ... [scores.monetary_points]
    ... fact = "mean_sale"
    ... quantiles = 3
    ... '''
    >>> policy = fit(shop, orders, as_of=date(2025, 4, 1))
    >>> policy.document["scores"]["monetary_points"]["from"]
    [['300.00', 2], ['500.00', 3]]
    """
    policy = recipe_of(recipe, scorers)
    result = evaluate(
        policy,
        orders,
        customers,
        as_of=as_of,
        known_at=known_at,
        last_evaluated_at=last_evaluated_at,
        identity=identity,
    )
    return frozen(policy, result)


def fit_facts(
    recipe: str | Path | Mapping[str, object],
    facts: FactTable | Mapping[str, RawValues],
    *,
    as_of: date,
    last_evaluated_at: date | None = None,
    scorers: Mapping[str, Scorer] | None = None,
) -> Policy:
    """Measure the quantiles of a policy on customers whose facts are known already.

    Parameters
    ----------
    recipe, scorers
        As for `fit`.
    facts, as_of, last_evaluated_at
        As for `evaluate_facts`.

    Raises
    ------
    PolicyError, DataError
        As by `fit`.

    Examples
    --------
    >>> recipe = {
    ...     "format": 1,
    ...     "name": "shop",
    ...     "zone": "UTC",
    ...     "currency": {"code": "EUR", "exponent": 2},
    ...     "sale_statuses": ["paid"],
    ...     "scores": {"frequency_points": {"fact": "sale_count", "quantiles": 4}},
    ... }
    >>> facts = {"customer_id": [1, 2, 3, 4], "sale_count": [1, 1, 2, 9]}
    >>> policy = fit_facts(recipe, facts, as_of=date(2025, 12, 31))
    >>> print(policy.to_toml().partition("[scores")[2], end="")
    .frequency_points]
    fact = "sale_count"
    from = [[2, 3], [9, 4]]
    below = 1
    fitted = { quantiles = 4, best = "high", on = 2025-12-31, customers = 4 }
    """
    policy = recipe_of(recipe, scorers)
    result = evaluate_facts(policy, facts, as_of=as_of, last_evaluated_at=last_evaluated_at)
    return frozen(policy, result)


def fit_counts(
    recipe: str | Path | Mapping[str, object],
    counts: object | Mapping[str, RawValues],
    *,
    as_of: date,
    scorers: Mapping[str, Scorer] | None = None,
) -> Policy:
    """Measure the quantiles of a policy on customers whom an engine counted by their values.

    The policy is, to the bit, the one that `fit` gives for these customers: how often a value
    occurs is all that quantiles need.

    Parameters
    ----------
    recipe, scorers
        As for `fit`.
    counts
        What the query of `crmcore.sql.to_sql_counts` gives for this recipe: a frame of any package,
        or one array or list a column. The order of rows does not matter.
    as_of
        The moment as of which customers were counted.

    Raises
    ------
    PolicyError
        As by `fit`.
    DataError
        A column is missing, another one is there or holds something else; a row has no score of
        the recipe, counts less than 1 customer, or is there twice; a divisor is not above 0; the
        scores count different numbers of customers, or more than 64 bits hold.
    MissingExtraError
        A frame is given, and pyarrow is not installed.

    Notes
    -----
    Cost: a sort of the values of each score.

    Examples
    --------
    >>> recipe = {
    ...     "format": 1,
    ...     "name": "shop",
    ...     "zone": "UTC",
    ...     "currency": {"code": "EUR", "exponent": 2},
    ...     "sale_statuses": ["paid"],
    ...     "scores": {"frequency_points": {"fact": "sale_count", "quantiles": 4}},
    ... }
    >>> counts = {"score": ["frequency_points"] * 3, "value": [1, 2, 9], "customers": [2, 1, 1]}
    >>> policy = fit_counts(recipe, counts, as_of=date(2025, 12, 31))
    >>> policy.document["scores"]["frequency_points"]["from"]
    [[2, 3], [9, 4]]
    """
    policy = recipe_of(recipe, scorers)
    groups = read_counts(policy, counts)
    now = moments(as_of, policy.zone)
    timing = Timing(policy.zone, now, policy.evaluation.held(now, policy.zone))
    return _frozen(policy, groups, timing)


def recipe_of(
    recipe: str | Path | Mapping[str, object], scorers: Mapping[str, Scorer] | None = None
) -> Policy:
    """Return a policy with quantiles to be fitted; raises `PolicyError` when it has none."""
    policy = load_recipe(recipe, scorers or {})
    if not to_fit(policy):
        message = "no score has quantiles: there is nothing to fit"
        raise PolicyError([Problem("nothing_to_fit", message, "scores")])
    return policy


def to_fit(policy: Policy) -> tuple[QuantileStep, ...]:
    """Return the scores of a policy that are not fitted yet, each after what it needs."""
    return tuple(step for step in policy.steps if isinstance(step, QuantileStep))


def frozen(policy: Policy, result: Evaluation) -> Policy:
    """Return a policy with the quantiles frozen that its own evaluation measured."""
    each = Group(result.columns, np.ones(len(result), np.int64))
    return _frozen(policy, {step.name: each for step in to_fit(policy)}, result.timing)


def _frozen(policy: Policy, groups: Mapping[str, Group], timing: Timing) -> Policy:
    """Return a policy with the quantiles frozen, each measured on its own group."""
    on = to_date(int(timing.now.day[0]))
    while steps := to_fit(policy):
        step = steps[0]
        group = _decided(policy, step, groups[step.name], timing)
        scores = cast(Mapping[str, object], policy.document["scores"])
        score = {step.name: _written(step, scores[step.name], group, on)}
        # Loaded anew for each: the points that others lie inside of are known only now.
        policy = load_recipe({**policy.document, "scores": {**scores, **score}}, policy.scorers)
    return policy


def _decided(policy: Policy, step: QuantileStep, group: Group, timing: Timing) -> Group:
    """Return a group with the scores that lie between its columns and what is measured."""
    columns, rows = dict(group.columns), len(group.customers)
    for one in steps_between(policy, group.columns, step.needs):
        columns[one.name] = one.apply(columns, rows, timing)
    return Group(columns, group.customers)


def _written(step: QuantileStep, recipe: object, group: Group, on: date) -> dict[str, object]:
    """Return a score as it is written once it is fitted."""
    given = cast(Mapping[str, object], recipe)
    kept = {key: value for key, value in given.items() if key not in _MEASURED}
    score = step.frozen(group.columns, group.customers)
    fitted = {
        "quantiles": step.quantiles,
        "best": step.best,
        "on": on,
        "customers": step.measured(group.columns, group.customers),
    }
    return {**kept, **score.model_dump(by_alias=True, exclude_none=True), "fitted": fitted}
