"""A short run of ``tests/fuzz_policies.py``; ``docs/benchmarks.md`` has the long one."""

from __future__ import annotations

from fuzz_policies import run


def test_broken_policies_are_refused_and_others_evaluate() -> None:
    tally = run(seed=20_260_101, inputs=1_500)
    assert tally.failures == []
    assert tally.inputs == 1_500
    assert tally.loads >= 200
    assert len(tally.codes) >= 25


def test_the_same_seed_gives_the_same_inputs() -> None:
    one, other = run(seed=7, inputs=40), run(seed=7, inputs=40)
    assert (one.loads, one.codes) == (other.loads, other.codes)
