"""Which trial this driver does next: one whose driver is dead, or a fresh one; each index in turn."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from finetune_core.planning.settings import Config
from finetune_core.tables import figures
from finetune_trainer.search.leases import now
from finetune_trainer.search.phase import Phase
from finetune_trainer.search.trial_store import TrialStore

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


@dataclass(frozen=True)
class Taken:
    """A trial to be run."""

    index: int
    config: Config


@dataclass(frozen=True)
class Nothing:
    """`finished`: nothing is left to do, and no other driver is at anything. Else: ask again later."""

    finished: bool


class TrialQueue:
    """Claims trials; `is_over` says that no new one is to be started."""

    def __init__(
        self,
        trials: TrialStore,
        phase: Phase,
        is_over: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._trials = trials
        self._phase = phase
        self._is_over = is_over
        self._clock = clock
        self._nothing_at: float | None = None

    def next(self) -> Taken | Nothing:
        """The next trial. After nothing was found the store is not looked at again for a second."""
        if self._nothing_at is not None and self._clock() - self._nothing_at < _LOOK_SECONDS:
            return Nothing(finished=False)
        self._trials.refresh()
        taken = None if self._is_over() else self._claim()
        if taken is not None:
            self._nothing_at = None
            return taken
        self._nothing_at = self._clock()
        complete = len(self._trials.results) >= self._phase.count
        return Nothing(finished=complete or (self._is_over() and not self._trials.held()))

    def _claim(self) -> Taken | None:
        held = self._trials.held()
        busy = {self._phase.trial_id(config) for config in held.values()}
        for index in range(self._phase.count):
            if index in self._trials.results or index in held:
                continue
            before = self._trials.claims.get(index)
            config = self._config(index, held, busy)
            trial_id = self._phase.trial_id(config)
            if trial_id in busy:
                # The same configuration is being run under another index: its result will be this one's too.
                continue
            if not self._trials.take(index, config):
                continue  # another driver was faster
            if before is not None and before.claim is not None:
                logger.info("%s is taken over: its driver %s is gone", self._phase.name(index), before.claim.driver)
            if not self._repeats(index, trial_id):
                return Taken(index, config)
        return None

    def _config(self, index: int, held: dict[int, Config], busy: set[str]) -> Config:
        known = self._trials.claims.get(index)
        if known is not None and known.claim is not None:
            return known.claim.config
        ended = {trial.trial_id for trial in self._trials.results.values()}
        results = [self._trials.results[place] for place in sorted(self._trials.results)]
        return self._phase.propose(
            index, results, list(held.values()), lambda config: self._phase.trial_id(config) in ended | busy
        )

    def _repeats(self, index: int, trial_id: str) -> bool:
        """Whether the configuration has a result already, which is then this trial's too."""
        for other in sorted(self._trials.results.values(), key=lambda trial: trial.index):
            if other.trial_id == trial_id and other.duplicate_of is None:
                driver, cluster = self._trials.me
                copy = {"index": index, "duplicate_of": other.index, "driver": driver, "cluster": cluster}
                times = {"started_at": now(), "finished_at": now(), "seconds": 0.0, "gpu_seconds": 0.0}
                self._trials.record(other.model_copy(update=copy | times))
                logger.info(
                    "%s is %s again: %s",
                    self._phase.name(index),
                    self._phase.name(other.index),
                    figures.settings(other.config),
                )
                return True
        return False
