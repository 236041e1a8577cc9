"""Tune's schedulers as a search uses them: time is the percentage of a trial's steps.

They are also shown what trials of other drivers, and of this one before it was restarted, reported: with several
clusters the rungs are those of one search, and a restart does not begin with empty ones.
"""

from collections.abc import Callable, Iterable
from typing import Any

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule
from ray.tune.schedulers import TrialScheduler as TuneScheduler

from finetune_core.search.trials import TrialReport, TrialResult, TrialState
from finetune_core.spec.search import Asha, TrialScheduler
from finetune_trainer.search.messages import OBJECTIVE, PROGRESS, scheduler_result

_MIN_SAMPLES = 3


class FedScheduler(TuneScheduler):
    """A scheduler that is also shown ended trials of the store; a trial at its last step is not stopped any more."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self._inner = inner
        self._shown: set[int] = set()
        self._own: dict[str, int] = {}

    def own(self, tune_id: str, index: int) -> None:
        """Trial `index` is run here: it is not shown again."""
        self._own[tune_id] = index
        self._shown.add(index)

    def show(self, results: Iterable[TrialResult]) -> None:
        """Trials that ended elsewhere."""
        for result in results:
            if result.index in self._shown or result.duplicate_of is not None or result.state == TrialState.FAILED:
                continue
            self._shown.add(result.index)
            self._replay(result)

    def _replay(self, result: TrialResult) -> None:
        stand_in = _Elsewhere(f"elsewhere-{result.index}")
        self._inner.on_trial_add(None, stand_in)
        last: dict[str, Any] = {}
        for report in result.history:
            last = _seen(report, result)
            self._inner.on_trial_result(None, stand_in, last)
        self._inner.on_trial_complete(None, stand_in, last or _nothing(result))

    def set_search_properties(self, metric: str | None, mode: str | None, **spec: Any) -> bool:
        """Metric and mode are known already."""
        return True

    def on_trial_add(self, tune_controller: Any, trial: Any) -> None:
        """See Tune."""
        self._inner.on_trial_add(tune_controller, trial)

    def on_trial_error(self, tune_controller: Any, trial: Any) -> None:
        """See Tune."""
        self._inner.on_trial_error(tune_controller, trial)

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Stop or go on. At the last step the trial only has to end in order."""
        decision: str = self._inner.on_trial_result(tune_controller, trial, result)
        return TuneScheduler.CONTINUE if result.get(PROGRESS, 0.0) >= 100.0 else decision

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """See Tune."""
        self._inner.on_trial_complete(tune_controller, trial, result)

    def on_trial_remove(self, tune_controller: Any, trial: Any) -> None:
        """See Tune."""
        self._inner.on_trial_remove(tune_controller, trial)

    def choose_trial_to_run(self, tune_controller: Any) -> Any:
        """See Tune."""
        return self._inner.choose_trial_to_run(tune_controller)

    def debug_string(self) -> str:
        """See Tune."""
        return str(self._inner.debug_string())


class _Elsewhere:
    """Stands in for a Tune trial: schedulers look at nothing but its id."""

    def __init__(self, trial_id: str) -> None:
        self.trial_id = trial_id


def _seen(report: TrialReport, result: TrialResult) -> dict[str, Any]:
    return scheduler_result(report, result.metric, greater_is_better=result.greater_is_better)


def _nothing(result: TrialResult) -> dict[str, Any]:
    return scheduler_result(None, result.metric, greater_is_better=result.greater_is_better)


def make_scheduler(kind: TrialScheduler, asha: Asha, *, greater_is_better: bool) -> FedScheduler:
    """Tune's scheduler of that kind. ASHA: https://arxiv.org/abs/1810.05934; one bracket."""
    common: dict[str, Any] = {"metric": OBJECTIVE, "mode": "max" if greater_is_better else "min", "time_attr": PROGRESS}
    grace: Any = max(1e-3, 100.0 * asha.grace_period)  # Tune says int, and takes any number
    never: Any = float("inf")
    inner: dict[TrialScheduler, Callable[[], Any]] = {
        TrialScheduler.FIFO: FIFOScheduler,
        TrialScheduler.ASHA: lambda: ASHAScheduler(
            **common, max_t=100, grace_period=grace, reduction_factor=asha.reduction_factor, stop_last_trials=False
        ),
        # It pauses trials to make room for others; ours would begin again. Without a time slice it never does.
        TrialScheduler.MEDIAN_STOPPING: lambda: MedianStoppingRule(
            **common, grace_period=grace, min_samples_required=_MIN_SAMPLES, min_time_slice=never
        ),
    }
    return FedScheduler(inner[kind]())
