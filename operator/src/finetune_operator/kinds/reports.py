"""When looks at either kind read the store again: reports that have come, ended or failed, and the end of all."""

from collections.abc import Callable, Iterable
from typing import TypeVar

from finetune_core.deciding.experiment.decision import Decision
from finetune_core.deciding.observation import JobRole, JobView, Observation, PodView
from finetune_core.deciding.search.decision import SearchDecision
from finetune_core.deciding.search.observation import SearchObservation
from finetune_operator.memory import LookMemory

SeenT = TypeVar("SeenT", Observation, SearchObservation)
DecisionT = TypeVar("DecisionT", Decision, SearchDecision)


def reports_under_way(jobs: Iterable[JobView], pods: Iterable[PodView]) -> frozenset[str]:
    """What may write a report: when one of them has come or ended, the report in the store may be another."""
    written = {f"{job.uid}/{job.name}/{job.finished}" for job in jobs if job.role == JobRole.REPORT}
    return frozenset(written | {pod.name for pod in pods if pod.role == JobRole.REPORT and not pod.ended})


def look_again_after_failed_reports(memory: LookMemory, jobs: Iterable[JobView]) -> None:
    """A report fails where results are not what was counted: deleted, say, or damaged. Once for each that failed."""
    failed = frozenset(f"{job.uid}/{job.name}" for job in jobs if job.role == JobRole.REPORT and job.failed_for)
    if not failed <= memory.reports_failed:
        memory.forget_results()
    memory.reports_failed = failed


def look_again_at_the_end(memory: LookMemory, look: Callable[[], tuple[SeenT, DecisionT]]) -> tuple[SeenT, DecisionT]:
    """What is seen and decided; that all has ended, only of results that were all read again since it first seemed so.

    Nobody looks at them after that. A reading that is cut off by its deadline is gone on with by the next look.
    """
    seen, decision = look()
    if decision.done and not memory.reading_again:
        memory.reading_again = True
        memory.forget_results()
        seen, decision = look()
    memory.reading_again = False
    return seen, decision
