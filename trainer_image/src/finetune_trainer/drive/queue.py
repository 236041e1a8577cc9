"""Which run is next, and what becomes of one that ended badly. No clock of its own: `now` is monotonic seconds."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from finetune_core.results.run import ExitCode, Failure, FailureReason

FINAL = frozenset({ExitCode.USER_ERROR, ExitCode.GAVE_UP})
"""Exit codes after which trying again makes no sense."""

_FOR_WANT_OF_MEMORY = frozenset({FailureReason.OUT_OF_MEMORY, FailureReason.WORKER_DIED})
"""What a run may fail for because of those beside it. A process that the system kills for its memory leaves no word."""

_FIRST_PAUSE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 360.0
"""As a Job waits before it begins a failed index anew: doubled each time, up to six minutes."""


def pause_seconds(tries: int) -> float:
    """How long work waits that has failed so often, in ways that may pass."""
    return min(_FIRST_PAUSE_SECONDS * 2.0 ** max(tries - 1, 0), _LONGEST_PAUSE_SECONDS)


@dataclass(frozen=True)
class _Waiting:
    run: str
    since: float
    alone: bool = False


class RunQueue:
    """Runs in the order in which they are to be done; each is waiting, running, done or failed.

    `retries`: how often a failed run is tried again; None where somebody else does that. `at_once`: how many at most
    share a memory; None where each has one of its own, and the workers say how many there may be.
    """

    def __init__(self, runs: Iterable[str], *, retries: int | None, at_once: int | None = None) -> None:
        self._waiting = [_Waiting(run, 0.0) for run in runs]
        self._retries = retries
        self._alone: set[str] = set()
        self._tries: Counter[str] = Counter()
        self.at_once = at_once
        self.running: set[str] = set()
        self.done: list[str] = []
        self.failed: dict[str, Failure] = {}

    @property
    def is_over(self) -> bool:
        """Whether every run is done or failed."""
        return not self._waiting and not self.running

    def ready(self, now: float) -> int:
        """How many runs could begin now."""
        if self._alone:
            return 0
        together = sum(waiting.since <= now for waiting in self._waiting if not waiting.alone)
        if together:
            return together if self.at_once is None else min(together, max(0, self.at_once - len(self.running)))
        return int(not self.running and any(waiting.since <= now for waiting in self._waiting))

    def take(self, now: float) -> str | None:
        """The next run, which is running from here on; None if none can begin now."""
        if not self.ready(now):
            return None
        place, waiting = min(
            ((place, waiting) for place, waiting in enumerate(self._waiting) if waiting.since <= now),
            key=lambda found: (found[1].alone, found[0]),
        )
        del self._waiting[place]
        self.running.add(waiting.run)
        if waiting.alone or self.at_once == 1:
            self._alone.add(waiting.run)
        return waiting.run

    def finish(self, run: str) -> None:
        """It has its result."""
        self._leave(run)
        self.done.append(run)

    def give_back(self, run: str) -> None:
        """It was interrupted through no fault of its own: it goes on as soon as may be, and no try is used up."""
        self._waiting.insert(0, _Waiting(run, 0.0, alone=self._leave(run)))

    def spare(self, run: str, failure: Failure) -> bool:
        """Whether it failed for want of memory beside others: then it is tried again alone, after the others.

        From then on fewer share: as many as were at work without it.
        """
        if self.at_once is None or run in self._alone or failure.reason not in _FOR_WANT_OF_MEMORY:
            return False
        self._leave(run)
        self.at_once = max(1, min(self.at_once, len(self.running)))
        self._waiting.append(_Waiting(run, 0.0, alone=True))
        return True

    def fail(self, run: str, failure: Failure, now: float) -> bool:
        """It ended badly; whether for good. A failure that may pass is tried again later, so many times.

        To wait for the store in vain uses up no try.
        """
        alone = self._leave(run)
        self._tries[run] += failure.exit_code != ExitCode.STORE
        tries = self._tries[run]
        if self._retries is None or failure.exit_code in FINAL or tries > self._retries:
            self.failed[run] = failure
            return True
        self._waiting.append(_Waiting(run, now + pause_seconds(tries), alone))
        return False

    def _leave(self, run: str) -> bool:
        """It runs no more; whether it was to run alone."""
        self.running.remove(run)
        alone = run in self._alone
        self._alone.discard(run)
        return alone and self.at_once is not None
