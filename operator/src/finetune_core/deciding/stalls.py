"""What gives no sign of life: said after a while, and ended after `execution.stallTimeoutSeconds`.

A trainer renews its run's progress every few seconds, as long as its main thread moves, in whatever phase it is.
What does not move any more (a dead mount, a stopped process, a hung device) will not end by itself.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from finetune_core.api import Execution
from finetune_core.api.status import Reason
from finetune_core.deciding.actions import Action, EndPod
from finetune_core.deciding.observation import PodView, Stall
from finetune_core.layout import is_attempt_of

TOLD_SECONDS = 300.0
"""A trainer that is well renews its sign twenty times in this time."""
_SLACK_SECONDS = 60.0
_MAX_TOLD = 3


@dataclass(frozen=True)
class Sign:
    """The last sign of a run's attempt or a driver: since when it is known, and until when it is to be read again."""

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
    """Signs, by what gives them, that are too old."""
    return {ident: sign for ident, sign in signs.items() if now - sign.since >= TOLD_SECONDS and now <= sign.due}


def stalls(signs: Mapping[str, Sign], pods: Iterable[PodView], now: float, *, driven: bool) -> tuple[Stall, ...]:
    """Runs that are at work and give no sign; where no driver does them, only those whose pod is there and runs."""
    running = [pod for pod in pods if pod.running]
    found = []
    for ident, sign in sorted(silent(signs, now).items()):
        pod = next((pod for pod in running if is_attempt_of(sign.attempt, pod.uid)), None)
        if pod is not None or driven:
            found.append(Stall(ident, now - sign.since, pod))
    return tuple(found)


def told(
    found: tuple[Stall, ...], execution: Execution, called: Callable[[str], str], reason: Reason, message: str
) -> tuple[Reason, str, tuple[Action, ...]]:
    """What a look says and does beside the rest where something at work has stalled; `called` names it."""
    if reason != Reason.RUNNING or not found:
        return reason, message, ()
    texts = [_text(stall, execution, called(stall.ident)) for stall in found[:_MAX_TOLD]]
    more = f" And {len(found) - _MAX_TOLD} more." if len(found) > _MAX_TOLD else ""
    ends = (stall.pod for stall in found if stall.pod is not None and _is_over(stall, execution.stall_timeout_seconds))
    return Reason.STALLED, f"{message} {' '.join(texts)}{more}", tuple(EndPod(pod.name, pod.uid) for pod in ends)


def pod_told(stall: Stall, timeout: int) -> tuple[str, tuple[EndPod, ...]]:
    """What a look says and does of a pod that reports, or looks at volumes, and has stalled.

    `timeout` is `execution.stallTimeoutSeconds`. Its Job makes another pod, which begins anew.
    """
    if stall.pod is None:
        return "", ()
    over = _is_over(stall, timeout)
    comes = "it is being ended" if over else f"after {_minutes(timeout)} (execution.stallTimeoutSeconds) it is ended"
    silence = _silence(f"Pod {stall.pod.name} on node {stall.pod.node}", stall)
    ends = (EndPod(stall.pod.name, stall.pod.uid),) if over else ()
    return f"{silence}: see node and log; {comes}, and another one begins.", ends


def _text(stall: Stall, execution: Execution, what: str) -> str:
    where = f" in pod {stall.pod.name} on node {stall.pod.node}" if stall.pod else ""
    return f"{_silence(what + where, stall)}: {_what_comes(execution, stall)}."


def _silence(what: str, stall: Stall) -> str:
    return f"{what} has given no sign of life for {_minutes(stall.seconds)}"


def _what_comes(execution: Execution, stall: Stall) -> str:
    if stall.pod is None:
        return "see its log; suspend it and let it go on, or delete its worker's pod, to have it go on elsewhere"
    if _is_over(stall, execution.stall_timeout_seconds):
        return "its pod is being ended, and the run goes on from its checkpoint"
    limit = _minutes(execution.stall_timeout_seconds)
    return f"see node and log; after {limit} (execution.stallTimeoutSeconds) its pod is ended, and it goes on elsewhere"


def _is_over(stall: Stall, timeout: int) -> bool:
    return stall.seconds >= timeout


def _minutes(seconds: float) -> str:
    """Whole minutes: the status changes once a minute."""
    return f"{int(seconds // 60)} min"
