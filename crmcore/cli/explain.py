"""The command `explain`: why one customer has their result, or what changed between two days."""

from __future__ import annotations

import argparse
import json
import re
import sys
from contextlib import suppress
from datetime import date
from uuid import UUID

from crmcore.calendars import moments
from crmcore.cli.inputs import Inputs, read_inputs
from crmcore.cli.statuses import FINE, UsageError
from crmcore.cli.terminal import console_on, print_lines
from crmcore.errors import UnknownCustomerError
from crmcore.evaluation import Change, Explanation, explain_change
from crmcore.policy import Policy
from crmcore.records.ids import Id

__all__ = ["explain", "id_of"]

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")


def explain(arguments: argparse.Namespace) -> int:
    """Print the explanation of one customer, as text or as JSON."""
    _check_moments(arguments)
    if arguments.messages and arguments.format != "json":
        raise UsageError("explain: --messages goes with --format json")
    inputs = read_inputs(arguments)
    customer_id = id_of(arguments.customer, inputs)
    found = _explained(inputs, customer_id)
    if arguments.format == "json":
        data = found.to_dict()
        if not arguments.messages:
            data.pop("messages", None)
        print(json.dumps(data, indent=2, ensure_ascii=False))
    else:
        text = found.text(arguments.language, voice=arguments.voice)
        print_lines(console_on(sys.stdout), text)
    return FINE


def id_of(text: str, inputs: Inputs) -> Id:
    """Return the id that a text stands for: text, or a whole number or UUID where ids are such.

    Raises
    ------
    UnknownCustomerError
        When nobody has that id.
    """
    readings: list[Id] = [text]
    if _WHOLE.fullmatch(text):
        readings.append(int(text))
    with suppress(ValueError):
        readings.append(UUID(text))
    known = [inputs.orders.customer_ids]
    if inputs.customers is not None:
        known.append(inputs.customers.ids)
    for reading in readings:
        if any(ids.locate(reading) >= 0 for ids in known):
            return reading
    raise UnknownCustomerError


def _check_moments(arguments: argparse.Namespace) -> None:
    between = (arguments.before, arguments.after)
    if arguments.as_of is not None and between == (None, None):
        return
    if arguments.as_of is None and None not in between:
        return
    raise UsageError("explain: give --as-of D, or both --from D1 and --to D2")


def _explained(inputs: Inputs, customer_id: Id) -> Explanation | Change:
    arguments, policy = inputs.arguments, inputs.policy
    if arguments.as_of is not None:
        return inputs.evaluate(arguments.as_of).explain(customer_id)
    before, after, last = arguments.before, arguments.after, arguments.last_evaluated
    if _instant(before, policy) > _instant(after, policy):
        raise UsageError("explain: --from is later than --to")
    earlier = last is not None and _instant(last, policy) <= _instant(before, policy)
    return explain_change(
        policy,
        inputs.orders,
        inputs.customers,
        customer_id=customer_id,
        from_=before,
        to=after,
        last_evaluated_at=last,
        last_evaluated_before=last if earlier else None,
        known_at=inputs.known_at,
    )


def _instant(moment: date, policy: Policy) -> int:
    return int(moments(moment, policy.zone).at[0])
