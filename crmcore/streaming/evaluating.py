"""Orders larger than memory: read in batches, and evaluated to the same result."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, datetime
from operator import index
from pathlib import Path
from tempfile import TemporaryDirectory

from crmcore.columns import Column
from crmcore.evaluation import Evaluation
from crmcore.evaluation.asking import Question
from crmcore.evaluation.pipeline import Population, spread_facts
from crmcore.evaluation.result import concluded
from crmcore.evaluation.review import review, review_customers
from crmcore.facts import FactTable
from crmcore.findings import findings_of_intake
from crmcore.money import Rates
from crmcore.policy import Policy
from crmcore.records.customers import CustomerTable
from crmcore.records.identity import IdentityMap
from crmcore.records.intake import Intake
from crmcore.records.source import Source
from crmcore.streaming.batches import Batches, Tell, stream_of
from crmcore.streaming.job import Answer, Job, RepeatedError
from crmcore.streaming.partitions import on_disk
from crmcore.streaming.plan import StreamPlan, stream_plan

__all__ = ["MEMORY", "SHARE", "StreamedEvaluation", "decided", "evaluate_batches"]

MEMORY = 1 << 29
SHARE = 16
"""What is made of a table while it is evaluated takes about so many times its room."""


@dataclass(frozen=True, slots=True, eq=False)
class StreamedEvaluation(Evaluation):
    """An `Evaluation` of a stream, which does not have the orders but their account.

    Parameters
    ----------
    plan
        How it came about.
    intake
        What became of the rows.

    Examples
    --------
    >>> import crmcore as crm
    >>> import pyarrow as pa
    >>> source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    >>> rows = {"customer_id": [7], "placed_at": ["2025-03-01"], "amount": ["300.00"]}
    >>> result = crm.evaluate_batches(
    ...     crm.presets.load("classic"), [pa.table(rows)], source, as_of=date(2025, 4, 1)
    ... )
    >>> result.intake.kept, result.plan.by_order
    (1, 'no')
    """

    plan: StreamPlan = field(kw_only=True)
    intake: Intake = field(kw_only=True)


def evaluate_batches(
    policy: Policy,
    batches: Batches,
    source: Source,
    customers: CustomerTable | None = None,
    *,
    as_of: date,
    known_at: datetime | None = None,
    last_evaluated_at: date | None = None,
    identity: IdentityMap | None = None,
    rates: Rates | None = None,
    unique_orders: bool = False,
    memory: int = MEMORY,
    folder: str | Path | None = None,
    progress: Tell | None = None,
) -> StreamedEvaluation:
    """Grade everybody as of one moment, from orders that need not fit into memory.

    The result is that of `OrderTable.from_frame` and `evaluate` for all rows at once, to the bit,
    however they are divided into batches.

    Parameters
    ----------
    policy
        Says how.
    batches
        Frames one after the other: anything that `OrderTable.from_frame` takes, in an iterable, or
        from a callable that returns one each time it is called. Or a file that ``crmcore score``
        takes, by its path. All batches have the same columns, each of one kind.
    source
        How the rows are to be read.
    customers
        The shop's customers, all of them in memory.
    as_of, known_at, last_evaluated_at, identity
        As for `evaluate`.
    rates
        As for `OrderTable.from_frame`.
    unique_orders
        Your word that no order id stands in two rows of the stream. It saves a look at the ids;
        where it is not true, the result depends on how the rows are divided.
    memory
        About so many bytes are used for rows at any time. The result, a row a customer, comes on
        top, and so does a single batch, or a single customer, that needs more. With less than
        1 MB the work is slow: parts of a few rows, and many files.
    folder
        Where rows are kept on disk meanwhile; by default where temporary files go. What is made
        there is removed at the end, also after a mistake or Ctrl-C.
    progress
        Called now and then with what is done, with how much there is (``None``: not known), and
        with the name of the step. Files are counted in bytes, everything else in rows.

    Returns
    -------
    StreamedEvaluation
        An `Evaluation` with the `StreamPlan` that was carried out and the account of the rows.
        Its `orders` are ``None``; explanations are those of `evaluate_facts`.

    Raises
    ------
    DataError
        As `evaluate` and `OrderTable.from_frame`; and when there is no batch, when columns or
        their types differ from those of the first batch, when a batch cannot be read, or the disk
        does not take the rows.
    ValueError, TypeError
        `memory` is not positive, or no whole number.
    MissingExtraError
        pyarrow is not installed.

    Notes
    -----
    Cost: the rows are read once, or twice if an order id repeats. What needs all rows of an order
    or of a customer is written to disk and read back once. See `stream_plan`.

    Examples
    --------
    >>> import crmcore as crm
    >>> import pyarrow as pa
    >>> source = crm.Source(zone="Asia/Shanghai", currency={"code": "CNY", "exponent": 2})
    >>> def batches():
    ...     for first in (1, 3):
    ...         yield pa.table(
    ...             {
    ...                 "order_id": [first, first + 1],
    ...                 "customer_id": ["C1", "C2"],
    ...                 "placed_at": ["2025-03-01", "2024-01-15"],
    ...                 "amount": ["300.00", "80.00"],
    ...             }
    ...         )
    >>> result = crm.evaluate_batches(
    ...     crm.presets.load("classic"), batches, source, as_of=date(2025, 4, 1)
    ... )
    >>> result["C1"]["sale_count"], result["C1"]["grade"], result.intake.kept
    (2, 'silver', 4)
    """
    if index(memory) < 1:
        raise ValueError("memory must be a positive number of bytes")
    question = Question.of(policy, as_of, known_at, last_evaluated_at, identity)
    tell = progress or (lambda done, total, phase: None)
    with closing(stream_of(batches)) as stream:
        names, again = stream.schema.names, stream.again
        plan = stream_plan(policy, names, source, unique_orders=unique_orders, read_twice=again)
        with on_disk():
            opened = TemporaryDirectory(prefix="crmcore-", dir=folder)
        with opened as place:
            job = Job(question, stream, source, rates, Path(place), max(memory // SHARE, 1), tell)
            try:
                answer = job.run(plan)
            except RepeatedError:
                plan = plan.repeated()
                answer = job.run(plan)
        return _concluded(question, answer, customers, plan, stream.kind)


def decided(
    question: Question, facts: FactTable, persons: CustomerTable | None
) -> tuple[Population, dict[str, Column]]:
    """Return everybody, and all columns, given the facts of those who have orders."""
    population = Population.of(facts.ids, persons)
    spread = spread_facts(question.policy, facts.columns, population.of_orders, len(population))
    return population, concluded(question, spread, persons, population)


def _concluded(
    question: Question,
    answer: Answer,
    customers: CustomerTable | None,
    plan: StreamPlan,
    frame_kind: str,
) -> StreamedEvaluation:
    """Return the result, given the facts of those who have orders."""
    customers, facts, known_us = question.persons(customers), answer.facts, answer.known_us
    population, columns = decided(question, facts, customers)
    asked_known = question.asked_known_us is not None
    findings = (
        *review(question.policy, answer.seen, known_us, asked_known=asked_known),
        *review_customers(facts.ids, customers, population),
        *findings_of_intake(answer.intake),
    )
    return StreamedEvaluation(
        question.policy,
        population.ids,
        columns,
        question.timing,
        known_us,
        question.last_evaluated_us,
        findings,
        frame_kind=frame_kind,
        plan=plan,
        intake=answer.intake,
    )
