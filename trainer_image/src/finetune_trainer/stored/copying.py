"""The copy of a run from another experiment: verified, and this experiment's alone from then on. Without torch."""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from pydantic import ValidationError

from finetune_core.api import ModelRetention, Tracker
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.best_run import with_weights
from finetune_core.results.run import PredictionFile, RunResult
from finetune_core.tracking import TRACKING_ENV, from_env
from finetune_store import Store, StoreError
from finetune_store.documents import FILE_LIMIT, evaluations
from finetune_store.folders import MOST_WRITTEN, weights_digest
from finetune_trainer.stored.written import config, keeps_model, put_json

logger = logging.getLogger(__name__)

_CONFIG = "config.json"


class UnusableError(Exception):
    """A run cannot be taken from where it was found; the message says why."""


class RunCopy:
    """One run, from one experiment, as one attempt. Nothing of it counts before its result.json is there."""

    def __init__(self, store: Store, plan: Plan, run: PlannedRun, source: str, attempt: str) -> None:
        self._store = store
        self._plan = plan
        self._run = run
        self._source = source
        self._attempt = attempt
        self._theirs = ExperimentLayout(plan.namespace, source).run(run.task, run.run_id)
        self._ours = ExperimentLayout(plan.namespace, plan.experiment).run(run.task, run.run_id)
        self._copied: list[str] = []

    def make(self, result: RunResult, rivals: Iterable[RunResult], offer: Callable[[], None]) -> RunResult:
        """The result as it is here. `rivals` are results of the task's other runs; `offer` has others find this one.

        UnusableError, where not all is there as it was written; StoreError.
        """
        theirs, ours = result.attempt, self._attempt
        with_model = self._wants_model(result, rivals)
        self._require_evaluations(result)
        self._copy(self._theirs.metrics(theirs), self._ours.metrics(ours))
        for name, file in result.predictions.items():
            self._copy_file(file, self._theirs.predictions(theirs, name), self._ours.predictions(ours, name))
        for name, file in result.dev_predictions.items():
            self._copy_file(file, self._theirs.dev_predictions(theirs, name), self._ours.dev_predictions(ours, name))
        shown = self._copy_folder(self._theirs.tensorboard(theirs), self._ours.tensorboard(ours))
        put_json(self._store, self._ours.config, config(self._plan, self._run))
        final = result.model_copy(
            update={
                "attempt": ours,
                "model": self._ours.model(ours) if with_model else None,
                "weights_digest": self._copy_model(result) if with_model else None,
                "taken_from": result.taken_from or self._source,
                "warnings": (*_of_the_run(result.warnings), *self._untold(os.environ, shown=shown)),
            }
        )
        offer()
        # Whatever comes of it: what a result names is not removed.
        self._copied.clear()
        if not self._store.create(self._ours.result, final.to_json()):
            logger.warning("another attempt has finished this run first; its result stays")
        return final

    def remove(self) -> None:
        """Take away what was copied in vain: the run is trained, perhaps as the same attempt."""
        try:
            for key in self._copied:
                self._store.delete(key)
        except StoreError as error:
            logger.warning("what was copied in vain stays: %s", error)

    def _wants_model(self, result: RunResult, rivals: Iterable[RunResult]) -> bool:
        """Whether the plan's retention asks for the run's weights; UnusableError where it does, and none are there."""
        if self._plan.retention == ModelRetention.NONE:
            return False
        if self._has_weights(result):
            return keeps_model(self._store, self._plan, result)
        if self._plan.retention == ModelRetention.ALL or result in with_weights([result, *rivals]):
            raise UnusableError(
                f"its weights, which retention.models: {self._plan.retention.value} would keep here, are not kept there"
            )
        return False

    def _has_weights(self, result: RunResult) -> bool:
        folder = self._theirs.model(result.attempt)
        return bool(result.weights_digest) and weights_digest(self._store, folder) == result.weights_digest

    def _require_evaluations(self, result: RunResult) -> None:
        found = evaluations(self._store, self._theirs.metrics(result.attempt)) or ()
        if len(found) != result.evaluations or not {result.step, result.last_step} <= {one.step for one in found}:
            raise UnusableError(f"its metrics.jsonl does not hold its {result.evaluations} evaluations")

    def _copy_file(self, file: PredictionFile, source: str, target: str) -> None:
        content = self._store.get(source, limit=FILE_LIMIT)
        if hashlib.sha256(content).hexdigest() != file.sha256:
            raise UnusableError(f"{self._store.uri(source)} is not what was written there (SHA-256 {file.sha256})")
        self._copied.append(target)
        self._store.put(target, content)

    def _copy(self, source: str, target: str) -> None:
        self._copied.append(target)
        self._store.copy(source, target)

    def _copy_folder(self, source: str, target: str) -> bool:
        """Copy all that is in a folder, a model's config.json last; whether there was anything."""
        keys = [info.key for info in self._store.list(source, limit=MOST_WRITTEN)]
        # Without it no folder passes for a model.
        for key in sorted(keys, key=lambda key: (key == f"{source}/{_CONFIG}", key)):
            self._copy(key, target + key.removeprefix(source))
        return bool(keys)

    def _copy_model(self, result: RunResult) -> str:
        """The digest of the copy; UnusableError where the other one was removed meanwhile."""
        source, target = self._theirs.model(result.attempt), self._ours.model(self._attempt)
        self._copy_folder(source, target)
        sizes = [
            {info.key.removeprefix(folder): info.size for info in self._store.list(folder)}
            for folder in (source, target)
        ]
        if sizes[0] != sizes[1] or not self._has_weights(result):
            raise UnusableError("its weights changed while they were copied")
        return weights_digest(self._store, target)

    def _untold(self, env: Mapping[str, str], *, shown: bool) -> Iterator[str]:
        """A word on each tracker that does not show the run under this experiment."""
        try:
            tracking = from_env(env)
        except ValidationError as error:
            raise UnusableError(f"{TRACKING_ENV} cannot be read") from error
        for tracker in tracking.report_to if tracking else ():
            if tracker != Tracker.TENSORBOARD or not shown:
                yield f"{tracker.value}: does not show the runs that were taken from other experiments"


def _of_the_run(warnings: Iterable[str]) -> Iterator[str]:
    """Those of them that are not about trackers of the experiment that trained it."""
    return (text for text in warnings if not text.startswith(tuple(f"{tracker.value}:" for tracker in Tracker)))
