"""What Tune asks for trials and tells results: trials come from the store's claims, results go to the ledger."""

from collections.abc import Callable
from typing import Any

from ray.tune import Stopper
from ray.tune.search import Searcher

from finetune_core.search.settings import trial_settings
from finetune_core.search.trials import TrialResult, TrialState
from finetune_trainer.errors import UserError
from finetune_trainer.search.board import Board
from finetune_trainer.search.claimant import Claimant, Nothing, Taken
from finetune_trainer.search.ledger import Ledger
from finetune_trainer.search.messages import Message
from finetune_trainer.search.phase import Phase
from finetune_trainer.search.schedulers import FedScheduler
from finetune_trainer.search.verdict import reaches
from finetune_trainer.signals import Stop

_LOST = "its worker process died again and again: out of memory, or its pod was lost. See the driver's log"


class StoreSearcher(Searcher):
    """At most `slots()` trials at a time; `stop` and the first unusable input end the search of this driver."""

    def __init__(
        self,
        *,
        phase: Phase,
        board: Board,
        claimant: Claimant,
        ledger: Ledger,
        scheduler: FedScheduler,
        slots: Callable[[], int],
        stop: Stop,
    ) -> None:
        super().__init__()
        self._phase = phase
        self._board = board
        self._claimant = claimant
        self._ledger = ledger
        self._scheduler = scheduler
        self._slots = slots
        self._stop = stop
        self._indexes: dict[str, int] = {}
        self.unusable: UserError | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Tune pickles searchers to go on from; the store is what a driver goes on from."""
        return {}

    def suggest(self, trial_id: str) -> Any:
        """The next trial; None for now, FINISHED if there will be none."""
        if self._stop.is_set or self.unusable:
            return Searcher.FINISHED
        if len(self._indexes) >= self._slots():
            return None
        taken = self._next()
        if isinstance(taken, Nothing):
            return Searcher.FINISHED if taken.finished and not self._indexes else None
        self._scheduler.show(self._board.results.values())
        self._scheduler.own(trial_id, taken.index)
        self._indexes[trial_id] = taken.index
        return {"index": taken.index, "hyperparameters": taken.config}

    def _next(self) -> Taken | Nothing:
        """The next trial that has settings; one whose values are out of bounds is recorded as failed."""
        while True:
            taken = self._claimant.next()
            if isinstance(taken, Nothing):
                return taken
            self._ledger.start(taken)
            try:
                trial_settings(self._phase.searched.settings, taken.config)
            except ValueError as error:
                self._ledger.end(taken.index, TrialState.FAILED, str(error))
            else:
                return taken

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """An evaluation."""
        message = Message.from_tune(result)
        if message.report is not None:
            self._ledger.report(self._indexes[trial_id], message.report)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A trial has ended, was stopped by the scheduler, or lost its process once too often."""
        index = self._indexes.pop(trial_id)
        if error or result is None:
            self._ledger.end(index, TrialState.FAILED, _LOST)
            return
        message = Message.from_tune(result)
        if message.report is not None:
            self._ledger.report(index, message.report)
        self._end(index, message)

    def _end(self, index: int, message: Message) -> None:
        if message.ended is None:
            self._ledger.end(index, TrialState.STOPPED)
        elif message.ended.interrupted:
            self._ledger.forget(index)
        elif message.ended.inputs and not self._ledger.reported:
            self.unusable = UserError(message.ended.error or "model or data cannot be used")
            self._ledger.forget(index)
        elif message.ended.error is not None or message.report is None:
            error = message.ended.error or "the trial ended without an evaluation"
            self._ledger.end(index, TrialState.FAILED, error, diverged=message.ended.diverged)
        else:
            self._ledger.end(index, TrialState.COMPLETED)


class GoalStopper(Stopper):
    """Ends a trial once the goal is reached, by it or by any other that has ended."""

    def __init__(self, phase: Phase, results: Callable[[], list[TrialResult]], *, goal: float | None) -> None:
        self._phase = phase
        self._results = results
        self._goal = goal

    def __getstate__(self) -> dict[str, Any]:
        """Nothing to go on from; see StoreSearcher."""
        return {}

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Whether this trial ends here."""
        message = Message.from_tune(result)
        if self._goal is None or message.ended is not None or message.report is None or message.report.progress >= 1:
            return False
        searched = self._phase.searched
        values = [message.report.metrics.get(searched.settings.metric_for_best_model)]
        values += [one.value for one in self._results()]
        return any(reaches(self._goal, value, greater_is_better=searched.greater_is_better) for value in values)

    def stop_all(self) -> bool:
        """Never: trials end one by one, each with its record."""
        return False
