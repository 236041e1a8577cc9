"""Runs that give no sign of life: said after a while, and ended after `execution.stallTimeoutSeconds`.

A trainer renews its run's progress every few seconds, as long as its main thread moves, in whatever phase it is.
What does not move any more (a dead mount, a stopped process, a hung device) will not end by itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from finetune_core.api import Execution
from finetune_core.api.status import Reason
from finetune_core.deciding.actions import Action, EndPod
from finetune_core.deciding.observation import Observation, PodView, Stall

TOLD_SECONDS = 300.0
"""A trainer that is well renews its sign twenty times in this time."""
_SLACK_SECONDS = 60.0
_MAX_TOLD = 3


@dataclass(frozen=True)
class Sign:
    """The last sign of an attempt at a run: since when it is known (monotonic), and until when it has to be read again."""

    attempt: str
    mark: str
    since: float
    due: float


def renewed(before: Sign | None, attempt: str, mark: str, now: float, *, every: float) -> Sign:
    """The sign as it is read now, and again in `every` seconds.

    Time in which nobody could look counts for no run: the store was away, and the trainer could not write either.
    """
    due = now + 2 * every + _SLACK_SECONDS
    same = before is not None and (before.attempt, before.mark) == (attempt, mark)
    if before is None or not same or now > before.due:
        return Sign(attempt, mark, now, due)
    return replace(before, due=due)


def silent(signs: Mapping[str, Sign], now: float) -> dict[str, Sign]:
    """Signs, by run id, that are too old."""
    return {run_id: sign for run_id, sign in signs.items() if now - sign.since >= TOLD_SECONDS and now <= sign.due}


def stalls(signs: Mapping[str, Sign], pods: Iterable[PodView], now: float, *, driven: bool) -> tuple[Stall, ...]:
    """Runs that are at work and give no sign; where no driver does them, only those whose pod is there and runs."""
    by_uid = {pod.uid: pod for pod in pods if pod.running}
    found = []
    for run_id, sign in sorted(silent(signs, now).items()):
        pod = by_uid.get(sign.attempt)
        if pod is not None or driven:
            found.append(Stall(run_id, now - sign.since, pod))
    return tuple(found)


def told(seen: Observation, reason: Reason, message: str) -> tuple[Reason, str, tuple[Action, ...]]:
    """What a look says and does beside the rest where runs at work have stalled."""
    if reason != Reason.RUNNING or not seen.stalls:
        return reason, message, ()
    texts = [_text(seen, stall) for stall in seen.stalls[:_MAX_TOLD]]
    more = f" And {len(seen.stalls) - _MAX_TOLD} more." if len(seen.stalls) > _MAX_TOLD else ""
    return Reason.STALLED, f"{message} {' '.join(texts)}{more}", tuple(_ends(seen))


def _text(seen: Observation, stall: Stall) -> str:
    run = next(run for run in seen.plan.runs if run.run_id == stall.run_id)
    where = f" in pod {stall.pod.name} on node {stall.pod.node}" if stall.pod else ""
    silence = f"{run.task} run {run.run}{where} has given no sign of life for {_minutes(stall.seconds)}"
    return f"{silence}: {_what_comes(seen.execution, stall)}."


def _what_comes(execution: Execution, stall: Stall) -> str:
    if stall.pod is None:
        return "see its log; suspend the experiment and go on, or delete its worker's pod, to have it go on elsewhere"
    if _is_over(execution, stall):
        return "its pod is being ended, and the run goes on from its checkpoint"
    limit = _minutes(execution.stall_timeout_seconds)
    return f"see node and log; after {limit} (execution.stallTimeoutSeconds) its pod is ended, and it goes on elsewhere"


def _ends(seen: Observation) -> Iterable[EndPod]:
    for stall in seen.stalls:
        if stall.pod is not None and _is_over(seen.execution, stall):
            yield EndPod(stall.pod.name, stall.pod.uid)


def _is_over(execution: Execution, stall: Stall) -> bool:
    return stall.seconds >= execution.stall_timeout_seconds


def _minutes(seconds: float) -> str:
    """Whole minutes: the status changes once a minute."""
    return f"{int(seconds // 60)} min"
