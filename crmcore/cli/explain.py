"""The command `explain`: why one customer has their result, or what changed between two days."""

from __future__ import annotations

import argparse
import json
import re
import sys
from contextlib import suppress
from datetime import date
from uuid import UUID

from crmcore.cli.inputs import Inputs, read_inputs
from crmcore.cli.statuses import FINE, UsageError
from crmcore.cli.terminal import console_on, print_lines
from crmcore.errors import UnknownCustomerError
from crmcore.evaluation import Evaluation
from crmcore.records.ids import Id

__all__ = ["explain", "id_of"]

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")


def explain(arguments: argparse.Namespace) -> int:
    """Print the explanation of one customer, as text or as JSON."""
    _check_moments(arguments)
    inputs = read_inputs(arguments)
    if arguments.as_of is None:
        return _explain_change(inputs, arguments.before, arguments.after)
    result = inputs.evaluate(arguments.as_of)
    explanation = result.explain(id_of(arguments.customer, result))
    if arguments.format == "json":
        print(json.dumps(explanation.to_dict(), indent=2, ensure_ascii=False))
    else:
        text = explanation.text(arguments.language, voice=arguments.voice)
        print_lines(console_on(sys.stdout), text)
    return FINE


def id_of(text: str, result: Evaluation) -> Id:
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
    for reading in readings:
        try:
            result.row_of(reading)
        except UnknownCustomerError:
            continue
        return reading
    raise UnknownCustomerError


def _check_moments(arguments: argparse.Namespace) -> None:
    between = (arguments.before, arguments.after)
    if arguments.as_of is not None and between == (None, None):
        return
    if arguments.as_of is None and None not in between:
        return
    raise UsageError("explain: give --as-of D, or both --from D1 and --to D2")


def _explain_change(inputs: Inputs, before: date, after: date) -> int:
    raise UsageError("explain: --from and --to are not there yet")
