"""Quantiles: measured once, frozen as numbers, and from then on a policy like any other."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import crmcore as crm
from crmcore.cli.program import main
from crmcore.columns import Column

DAY = date(2025, 12, 31)
HEAD = """
format = 1
name = "shop"
zone = "UTC"
currency = { code = "EUR", exponent = 2 }
sale_statuses = ["paid", "delivered"]
"""
COUNTS = """
[scores.f]
fact = "sale_count"
quantiles = 5
"""


def facts(**columns: list[object]) -> dict[str, list[object]]:
    size = len(next(iter(columns.values())))
    return {"customer_id": list(range(size)), **columns}


def fitted(text: str, given: Mapping[str, list[object]]) -> crm.Policy:
    return crm.fit_facts(HEAD + text, given, as_of=DAY)


def score(policy: crm.Policy, name: str = "f") -> dict[str, object]:
    scores = policy.document["scores"]
    assert isinstance(scores, dict)
    found = scores[name]
    assert isinstance(found, dict)
    return dict(found)


def problems(text: str) -> list[str]:
    with pytest.raises(crm.PolicyError) as caught:
        crm.fit_facts(HEAD + text, {}, as_of=DAY)
    return [f"{one.path} {one.code}" for one in caught.value.problems]


# What is measured


def test_points_say_how_many_are_strictly_worse() -> None:
    policy = fitted(COUNTS, facts(sale_count=[1, 2, 3, 4, 5, 6, 7, 8, 9, 10]))
    assert score(policy)["from"] == [[3, 2], [5, 3], [7, 4], [9, 5]]
    assert score(policy)["below"] == 1


def test_low_values_may_be_best() -> None:
    recency = '[scores.f]\nfact = "days_since_last_sale"\nquantiles = 5\nbest = "low"\n'
    given = facts(days_since_last_sale=[0, 10, 20, 30, 40, None])
    policy = fitted(recency, given)
    assert (score(policy)["below"], score(policy)["from"]) == (
        5,
        [[10, 4], [20, 3], [30, 2], [40, 1]],
    )
    # In between counts as the better neighbour, as by the definition; beyond as the last.
    later = facts(days_since_last_sale=[9, 10, 39, 500])
    assert crm.evaluate_facts(policy, later, as_of=DAY).columns["f"].to_list() == [5, 4, 2, 1]


@pytest.mark.parametrize(
    ("counts", "edges"),
    [
        ([1] * 8 + [2, 7], [[2, 5]]),  # with 80 % one-order customers
        ([4, 4, 4], [[4, 1]]),  # all alike
        ([4], [[4, 1]]),  # one
        ([], [[0, 1]]),  # nobody
    ],
)
def test_degenerate_data_never_fails(counts: list[object], edges: list[list[int]]) -> None:
    policy = fitted(COUNTS, facts(sale_count=counts))
    assert (score(policy)["from"], score(policy)["below"]) == (edges, 1)
    later = crm.evaluate_facts(policy, facts(sale_count=[0, 1, 4, 99]), as_of=DAY)
    assert None not in later.columns["f"].to_list()


@pytest.mark.parametrize("best", ["high", "low"])
@pytest.mark.parametrize(
    ("values", "points"),
    [
        ([1e-300, 2e-300, 3e-300], [1, 1, 1]),
        ([1e300, 2e300, 3e300], [1, 1, 1]),
        ([-1e300, 1e-300, 1e300], [1, 2, 3]),
    ],
)
def test_floats_that_no_edge_tells_apart_get_the_same_points(
    values: list[object], points: list[int], best: str
) -> None:
    text = f'attributes.x = "float"\n[scores.f]\nfact = "x"\nquantiles = 3\nbest = "{best}"\n'
    policy = crm.load_policy(fitted(text, facts(x=values)).to_toml())
    found = crm.evaluate_facts(policy, facts(x=values), as_of=DAY).columns["f"].to_list()
    assert found == (points if best == "high" else points[::-1])


@pytest.mark.parametrize(
    ("fact", "values", "edge"),
    [
        ("net_sales", ["100.00", "250.55"], "250.55"),
        ("net_sales", [], "0.00"),
        ("mean_sale", ["100.00", "250.55"], "250.55"),
        ("mean_sale", [], "0.00"),
        ("promotion_share", [], "0.0"),
    ],
)
def test_edges_are_spelled_as_in_a_policy(fact: str, values: list[object], edge: str) -> None:
    policy = fitted(f'[scores.f]\nfact = "{fact}"\nquantiles = 2\n', facts(**{fact: values}))
    assert f'[["{edge}", ' in policy.to_toml() or f"[[{edge}, " in policy.to_toml()


def test_means_get_as_many_decimals_as_tell_them_apart() -> None:
    means = facts(**{"mean_sale": [1000, 2000], "mean_sale.divisor": [3, 6]})
    policy = fitted('[scores.f]\nfact = "mean_sale"\nquantiles = 2\n', means)
    assert score(policy)["from"] == [["3.33", 1]]  # 1000 ÷ 3 cents and 2000 ÷ 6 are one value
    means = facts(**{"mean_sale": [10_000, 10_001], "mean_sale.divisor": [30, 30]})
    policy = fitted('[scores.f]\nfact = "mean_sale"\nquantiles = 2\n', means)
    assert score(policy)["from"] == [["3.3336", 2]]
    assert crm.evaluate_facts(policy, means, as_of=DAY).columns["f"].to_list() == [1, 2]


def test_missing_values_are_not_measured_and_keep_their_points() -> None:
    text = '[scores.f]\nfact = "days_since_last_sale"\nquantiles = 2\nmissing = 0\n'
    policy = fitted(text, facts(days_since_last_sale=[None, 1, 2, None]))
    assert (score(policy)["from"], score(policy)["missing"]) == ([[2, 2]], 0)
    provenance = score(policy)["fitted"]
    assert provenance == {"quantiles": 2, "best": "high", "on": DAY, "customers": 2}


class Half:
    inputs = ("sale_count",)

    def score(self, facts: Mapping[str, Column]) -> NDArray[np.float64]:
        return facts["sale_count"].values / 2  # type: ignore[operator, no-any-return]


def test_scores_are_measured_like_facts() -> None:
    text = COUNTS + '[scores.s]\nweights = { f = 2 }\n[scores.t]\nscore = "s"\nquantiles = 2\n'
    policy = fitted(text, facts(sale_count=[1, 2, 3, 4]))
    assert (score(policy)["from"], score(policy, "t")["from"]) == (
        [[2, 2], [3, 3], [4, 4]],
        [[6, 2]],
    )
    text = '[scores.half]\nscorer = "half"\n[scores.f]\nscore = "half"\nquantiles = 2\n'
    given = facts(sale_count=[1, 2, 3, 4])
    policy = crm.fit_facts(HEAD + text, given, as_of=DAY, scorers={"half": Half()})
    assert policy.to_toml().count("from = [[1.5, 2]]") == 1
    found = crm.evaluate_facts(policy, given, as_of=DAY)
    assert found.columns["f"].to_list() == [1, 1, 2, 2]


# What is frozen


def test_a_fitted_policy_is_written_and_read_back() -> None:
    text = COUNTS + '[scores.m]\nfact = "mean_sale"\nquantiles = 3\n'
    given = facts(sale_count=[1, 2, 3], mean_sale=["10.00", "20.00", "30.00"])
    policy = fitted(text, given)
    assert crm.load_policy(policy.to_toml()) == policy
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert "quantiles = 5" not in policy.to_toml().partition("fitted")[0]


def test_where_the_numbers_come_from_decides_nothing() -> None:
    policy = fitted(COUNTS, facts(sale_count=[1, 2, 3]))
    by_hand = {key: value for key, value in score(policy).items() if key != "fitted"}
    assert crm.load_policy({**policy.document, "scores": {"f": by_hand}}) == policy


def test_points_do_not_depend_on_who_else_there_is() -> None:
    policy = fitted(COUNTS, facts(sale_count=[1, 2, 3, 4, 5]))
    alone = crm.evaluate_facts(policy, facts(sale_count=[3]), as_of=DAY)
    assert alone.columns["f"].to_list() == [3]


def test_other_edges_are_no_longer_the_fitted_ones(tmp_path: Path) -> None:
    (tmp_path / "base.toml").write_text(fitted(COUNTS, facts(sale_count=[1, 2])).to_toml())
    shop = tmp_path / "shop.toml"
    shop.write_text('extends = "base.toml"\n[scores.f]\nfrom = [[7, 2]]\n')
    assert score(crm.load_policy(shop)) == {"fact": "sale_count", "from": [[7, 2]], "below": 1}
    shop.write_text('extends = "base.toml"\n[scores.f]\nmissing = 0\n')
    assert "fitted" in score(crm.load_policy(shop))


def test_fitting_orders_and_fitting_their_facts_agree() -> None:
    source = crm.Source(zone="UTC", currency={"code": "EUR", "exponent": 2})
    rows = [
        (10 * at + number, f"C{at}", f"2025-0{number + 1}-01", f"{at}.50")
        for at in range(1, 9)
        for number in range(at)
    ]
    names = ("order_id", "customer_id", "placed_at", "amount")
    orders = crm.OrderTable.from_rows(rows, source, columns=names)
    customers = crm.CustomerTable.from_arrays({"customer_id": ["C0"]})
    text = HEAD + COUNTS + '[scores.m]\nfact = "mean_sale"\nquantiles = 4\n'
    policy = crm.fit(text, orders, customers, as_of=DAY)
    result = crm.evaluate(policy, orders, customers, as_of=DAY)
    # A count is 0, and known, for who never bought; a mean is missing.
    assert result.columns["f"].to_list() == [1, 1, 2, 2, 3, 3, 4, 4, 5]
    assert result.columns["m"].to_list() == [None, 1, 1, 2, 2, 3, 3, 4, 4]
    again = crm.fit_facts(text, result.facts, as_of=DAY)
    assert again.to_toml() == policy.to_toml()


# Inside another score

NESTED = """
[scores.r]
fact = "days_since_last_sale"
from = [[100, 1]]
below = 2
[scores.f]
fact = "sale_count"
inside = "r"
quantiles = 2
"""


def test_quantiles_inside_another_score() -> None:
    given = facts(
        days_since_last_sale=[5, 5, 5, 5, 200, 200, None], sale_count=[1, 2, 3, 4, 1, 2, 50]
    )
    policy = fitted(NESTED, given)
    assert score(policy)["by"] == {
        "1": {"from": [[2, 2]], "below": 1},
        "2": {"from": [[3, 2]], "below": 1},
    }
    provenance = score(policy)["fitted"]
    assert isinstance(provenance, dict)
    assert provenance["customers"] == 6
    found = crm.evaluate_facts(policy, given, as_of=DAY)
    assert found.columns["f"].to_list() == [1, 1, 2, 2, 1, 2, None]
    assert crm.load_policy(policy.to_toml()) == policy


def test_a_group_without_anybody_has_one_band() -> None:
    policy = fitted(NESTED, facts(days_since_last_sale=[5], sale_count=[7]))
    assert score(policy)["by"] == {
        "1": {"from": [[0, 1]], "below": 1},
        "2": {"from": [[7, 1]], "below": 1},
    }


def test_quantiles_inside_quantiles() -> None:
    text = NESTED.replace("from = [[100, 1]]\nbelow = 2", 'quantiles = 3\nbest = "low"')
    given = facts(days_since_last_sale=[1, 1, 1, 9, 9, 9], sale_count=[1, 2, 3, 1, 1, 8])
    policy = fitted(text, given)
    assert score(policy, "r")["from"] == [[9, 1]]
    # Two points came out of three parts, so that two tables are needed.
    assert score(policy)["by"] == {
        "1": {"from": [[8, 2]], "below": 1},
        "2": {"from": [[3, 2]], "below": 1},
    }


# What is refused


def test_a_policy_that_is_not_fitted_is_refused_with_what_to_do() -> None:
    with pytest.raises(crm.PolicyError) as caught:
        crm.load_policy(HEAD + COUNTS + "[scores.s]\nweights = { f = 2 }\n")
    (problem,) = caught.value.problems
    assert (problem.code, problem.path) == ("not_fitted", "scores.f.quantiles")
    assert "crm.fit(" in problem.message
    assert "crmcore fit" in problem.message


def test_a_policy_without_quantiles_has_nothing_to_fit() -> None:
    with pytest.raises(crm.PolicyError) as caught:
        crm.fit_facts("classic", {}, as_of=DAY)
    assert [problem.code for problem in caught.value.problems] == ["nothing_to_fit"]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ('fact = "last_sale_on"\nquantiles = 5', ["scores.f.quantiles type_mismatch"]),
        ('fact = "first_order_at"\nquantiles = 5', ["scores.f.quantiles type_mismatch"]),
        ('fact = "blocked"\nquantiles = 5', ["scores.f.quantiles type_mismatch"]),
        ('fact = "sale_count"\nquantiles = 1', ["scores.f.quantiles out_of_range"]),
        ('fact = "sale_count"\nquantiles = 11', ["scores.f.quantiles out_of_range"]),
        ('fact = "sale_count"\nquantiles = 5\nfrom = [[1, 1]]', ["scores.f one_of"]),
        ('fact = "sale_count"\nquantiles = 5\nbelow = 1', ["scores.f.below one_of"]),
        ('fact = "sale_count"\nfrom = [[1, 1]]\nbest = "low"', ["scores.f.best one_of"]),
        ('fact = "sale_count"\nquantiles = 5\ninside = "f"', ["scores.f cycle"]),
        ('fact = "sale_count"\nquantiles = 5\nbest = "most"', ["scores.f.best not_allowed"]),
        (
            'fact = "sale_count"\nquantiles = 5\n'
            'fitted = { quantiles = 5, best = "high", on = 2025-12-31, customers = 1 }',
            ["scores.f.fitted one_of"],
        ),
    ],
)
def test_what_is_wrong_with_quantiles(keys: str, expected: list[str]) -> None:
    assert problems(f"[scores.f]\n{keys}\n") == expected


def test_a_date_is_refused_with_the_fact_to_take() -> None:
    with pytest.raises(crm.PolicyError, match="days_since_last"):
        crm.load_policy(HEAD + '[scores.f]\nfact = "last_sale_on"\nquantiles = 5\n')


def test_values_too_near_for_an_edge_are_refused() -> None:
    text = '[scores.f]\nfact = "mean_sale"\nquantiles = 2\n'
    near = facts(
        **{"mean_sale": [10**12, 10**12 + 1], "mean_sale.divisor": [10**12 + 1, 10**12 + 2]}
    )
    with pytest.raises(crm.PolicyError) as caught:
        fitted(text, near)
    assert {problem.code for problem in caught.value.problems} == {"out_of_range"}


# On the command line

ORDERS = """\
order_id,customer_id,placed_at,amount
1,A,2025-01-01,10.00
2,B,2025-02-01,20.00
3,C,2025-03-01,30.00
4,C,2025-04-01,30.00
5,D,2025-13-01,30.00
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orders.csv").write_text(ORDERS)
    text = HEAD + '[scores.m]\nfact = "net_sales"\nquantiles = 3\n'
    (tmp_path / "recipe.toml").write_text(text)
    return tmp_path


def fit(*more: str) -> int:
    return main(["fit", "orders.csv", "--policy", "recipe.toml", "--as-of", "2025-12-31", *more])


def test_the_command_writes_the_policy(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit("--out", "shop.toml") == 0
    policy = crm.load_policy(shop / "shop.toml")
    assert score(policy, "m")["from"] == [["20.00", 2], ["60.00", 3]]
    out, err = capsys.readouterr()
    assert "unreadable_time" in out
    assert "Written to shop.toml" in out
    assert err == ""


def test_the_command_prints_the_policy(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit() == 0
    out, err = capsys.readouterr()
    assert score(crm.load_policy(out), "m")["below"] == 1
    assert "net_sales" in err


def test_the_recipe_is_not_overwritten(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert fit("--out", "recipe.toml") == 2
    assert "would be overwritten" in capsys.readouterr()[1]
    assert fit("--out", "shop.json") == 2
    assert "must end in .toml" in capsys.readouterr()[1]


def test_other_commands_say_what_to_do(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "recipe.toml"]) == 3
    assert "crmcore fit" in capsys.readouterr()[1]
    assert main(["fit", "orders.csv", "--policy", "classic", "--as-of", "2025-12-31"]) == 3
    assert "nothing to fit" in capsys.readouterr()[1]
