"""Which run is next, and what becomes of one that ended badly. No clock of its own: `now` is monotonic seconds."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from finetune_core.results.run import ExitCode, Failure

FINAL = frozenset({ExitCode.USER_ERROR, ExitCode.GAVE_UP})
"""Exit codes after which trying again makes no sense."""

_FIRST_PAUSE_SECONDS = 10.0
_LONGEST_PAUSE_SECONDS = 360.0
"""As a Job waits before it begins a failed index anew: doubled each time, up to six minutes."""


@dataclass(frozen=True)
class _Waiting:
    run: str
    since: float


class RunQueue:
    """Runs in the order in which they are to be done; each is waiting, running, done or failed."""

    def __init__(self, runs: Iterable[str], *, retries: int) -> None:
        self._waiting = [_Waiting(run, 0.0) for run in runs]
        self._retries = retries
        self._tries: Counter[str] = Counter()
        self.running: set[str] = set()
        self.done: list[str] = []
        self.failed: dict[str, Failure] = {}

    @property
    def is_over(self) -> bool:
        """Whether every run is done or failed."""
        return not self._waiting and not self.running

    def ready(self, now: float) -> int:
        """How many runs could begin now."""
        return sum(waiting.since <= now for waiting in self._waiting)

    def take(self, now: float) -> str | None:
        """The next run, which is running from here on; None if none can begin now."""
        for place, waiting in enumerate(self._waiting):
            if waiting.since <= now:
                del self._waiting[place]
                self.running.add(waiting.run)
                return waiting.run
        return None

    def finish(self, run: str) -> None:
        """It has its result."""
        self.running.remove(run)
        self.done.append(run)

    def give_back(self, run: str) -> None:
        """It was interrupted through no fault of its own: it goes on as soon as may be, and no try is used up."""
        self.running.remove(run)
        self._waiting.insert(0, _Waiting(run, 0.0))

    def fail(self, run: str, failure: Failure, now: float) -> bool:
        """It ended badly; whether for good. A failure that may pass is tried again later, so many times.

        To wait for the store in vain uses up no try.
        """
        self.running.remove(run)
        self._tries[run] += failure.exit_code != ExitCode.STORE
        tries = self._tries[run]
        if failure.exit_code in FINAL or tries > self._retries:
            self.failed[run] = failure
            return True
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** max(tries - 1, 0), _LONGEST_PAUSE_SECONDS)
        self._waiting.append(_Waiting(run, now + pause))
        return False
