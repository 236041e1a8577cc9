"""Whether a report is still current: a digest of everything that it is made from."""

from collections.abc import Iterable

from finetune_core.canonical import short_hash
from finetune_core.deciding.outcome import Outcome
from finetune_core.planning.plan import Plan
from finetune_core.stored import finite

REPORT_VERSION = 2
"""Raised by hand when reports are to be written anew although nothing that they are made from has changed."""


def report_digest(plan: Plan, outcomes: Iterable[Outcome], failed: Iterable[str]) -> str:
    """16 hex digits over the plan, the outcomes of its runs and its failed runs (ids), in whatever order they come.

    What is not of the plan does not matter; a run that has an outcome has not failed.
    """
    ours = {run.run_id for run in plan.runs}
    done = {one.run_id: _facts(one) for one in outcomes if one.run_id in ours}
    return short_hash(
        {
            "version": REPORT_VERSION,
            "plan": plan.digest,
            "outcomes": done,
            "failed": sorted(ours.intersection(failed) - done.keys()),
        }
    )


def _facts(outcome: Outcome) -> tuple[str, int, float | None, dict[str, float | None], str]:
    metrics = {name: finite(value) for name, value in outcome.metrics.items()}
    return (outcome.attempt, outcome.step, finite(outcome.value), metrics, outcome.artefacts)
