"""Streaming: orders larger than memory, in batches, with the result of all rows at once."""

from __future__ import annotations

from crmcore.streaming.evaluating import StreamedEvaluation, evaluate_batches
from crmcore.streaming.partial_job import PartialJob
from crmcore.streaming.plan import StreamPlan, stream_plan

__all__ = ["PartialJob", "StreamPlan", "StreamedEvaluation", "evaluate_batches", "stream_plan"]
