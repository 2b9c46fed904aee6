"""Other languages for rules, asked about one customer at a time.

Each is compiled once where it can be; JsonLogic has no compiled form. None of them has a third
truth value, so the customers of this comparison have every value. JsonLogic is `panzi-json-logic`:
`json-logic-qubit` has the same module name, so that only one of them can be installed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

Ask = Callable[[Mapping[str, object]], object]


def python_lambda() -> Ask:
    return lambda c: c["last_order_days"] > 90 and c["tier"] == "gold"


def zen_engine() -> Ask:
    import zen

    return zen.compile_expression('last_order_days > 90 and tier == "gold"').evaluate


def cel() -> Ask:
    from cel_expr_python import cel

    types = {"last_order_days": cel.Type.INT, "tier": cel.Type.STRING}
    program = cel.NewEnv(variables=types).compile('last_order_days > 90 && tier == "gold"')
    return lambda customer: program.eval(data=customer).value()


def rule_engine() -> Ask:
    import rule_engine

    return rule_engine.Rule('last_order_days > 90 and tier == "gold"').matches


def json_logic() -> Ask:
    from json_logic import jsonLogic

    rule = {
        "and": [
            {">": [{"var": "last_order_days"}, 90]},
            {"==": [{"var": "tier"}, "gold"]},
        ]
    }
    return lambda customer: jsonLogic(rule, customer)


RIVALS: dict[str, Callable[[], Ask]] = {
    "Python lambda": python_lambda,
    "zen-engine": zen_engine,
    "cel-expr-python": cel,
    "rule-engine": rule_engine,
    "panzi-json-logic": json_logic,
}
