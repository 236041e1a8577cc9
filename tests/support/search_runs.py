"""Searches over local files and a local store, for tests of the driver."""

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from finetune_core.api.search import Algorithm, Distribution, TrialScheduler
from finetune_core.planning.plan import ExecutionLimits
from finetune_core.planning.search.plan import SearchJobPlan, SearchPlan, SearchTaskPlan
from finetune_core.results.search.trial import TaskEnd, TrialResult
from finetune_core.search_layout import SearchLayout, TrialKind
from finetune_store import Store, open_store
from finetune_trainer.cli import main
from finetune_trainer.drive.pool import Pool
from finetune_trainer.drive.worker import Work
from finetune_trainer.signals import StopFlag
from support.pools import DirectPool
from support.trainer_runs import Workspace

LAYOUT = SearchLayout("ns", "find")
TRAINING = {"maxSteps": 4, "evalSteps": 2, "maxSeqLength": 16, "trainBatchSize": 8, "learningRate": 1e-3}
LEARNING_RATE = {"learningRate": {"logUniform": [1e-5, 1e-2]}}


@dataclass
class SearchWorkspace(Workspace):
    """A folder with model, data and a store, and drivers on them."""

    def search(
        self,
        *,
        trials: int = 3,
        space: dict | None = None,
        training: dict | None = None,
        goal: float | None = None,
        clusters: int = 1,
        concurrent_trials: int = 1,
        limits: ExecutionLimits | None = None,
        algorithm: str = "Random",
        scheduler: str = "FIFO",
        **fields: object,
    ) -> SearchJobPlan:
        """The plan of a search on RTE, as the operator would make it."""
        job = self.plan([{"name": "rte", "runs": 1, "training": {**TRAINING, **(training or {})}}])
        task = job.plan.tasks["rte"]
        searched = SearchTaskPlan(
            definition=task.definition,
            settings=task.settings,
            data=task.data,
            trials=trials,
            space={name: Distribution.model_validate(one) for name, one in (space or LEARNING_RATE).items()},
            greater_is_better=task.greater_is_better,
            goal=goal,
        )
        plan = SearchPlan(
            namespace="ns",
            search="find",
            model=job.plan.model,
            tasks={"rte": searched},
            order=("rte",),
            seed=42,
            algorithm=Algorithm(algorithm),
            scheduler=TrialScheduler(scheduler),
            **fields,
        )
        units = tuple(("rte", cluster) for cluster in range(clusters))
        return SearchJobPlan(
            plan=plan, units=units, limits=limits or ExecutionLimits(), concurrent_trials=concurrent_trials
        )

    def drive(self, job: SearchJobPlan, index: int = 0) -> tuple[int, str]:
        """Exit code and log of a driver and its workers, in this process: torch takes seconds to import."""
        log = io.StringIO()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        here = mock.patch("finetune_trainer.search.driver.local_pool", _pool_of_this_process)
        with here, mock.patch.dict(os.environ, self._surroundings()), contextlib.redirect_stderr(log):
            try:
                return main(self._command(job, index)), log.getvalue()
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)

    def start_driver(self, job: SearchJobPlan, index: int = 0, *, lease: float = 2.0) -> subprocess.Popen[str]:
        """A driver as a process, to be killed."""
        command = [str(Path(sys.executable).with_name("finetune-trainer")), *self._command(job, index)]
        environment = {**os.environ, **self._surroundings(), "FINETUNE_LEASE_SECONDS": str(lease)}
        with self.log.open("a") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log, text=True)

    def _command(self, job: SearchJobPlan, index: int) -> list[str]:
        file = self.root / "search-plan.json"
        file.write_bytes(job.to_bytes())
        self.termination_log.touch()
        return ["search", f"--plan={file}", f"--index={index}"]

    def _surroundings(self) -> dict[str, str]:
        return self._environment("driver") | {"FINETUNE_LEASE_SECONDS": "2"}

    @property
    def opened(self) -> Store:
        return open_store(f"file://{self.store}")

    def trials(self, kind: TrialKind = TrialKind.TRIALS) -> dict[int, TrialResult]:
        """The results in the store, by index."""
        found = (self.store / LAYOUT.trials(kind, "rte")).glob("*/result.json")
        results = [TrialResult.model_validate_json(path.read_bytes()) for path in found]
        return {one.index: one for one in sorted(results, key=lambda one: one.index)}

    def claims(self) -> dict[str, dict]:
        """All claims in the store by `<index>/<number>`."""
        found = (self.store / LAYOUT.trials(TrialKind.TRIALS, "rte")).glob("*/claims/*.json")
        return {f"{int(path.parts[-3])}/{int(path.stem)}": json.loads(path.read_text()) for path in sorted(found)}

    @property
    def end(self) -> TaskEnd:
        return TaskEnd.model_validate_json((self.store / LAYOUT.end("rte")).read_bytes())

    def has_end(self) -> bool:
        return (self.store / LAYOUT.end("rte")).exists()


def _pool_of_this_process(work: Work, workers: int, gpus: Sequence[str]) -> AbstractContextManager[Pool]:
    return contextlib.nullcontext(DirectPool(work, workers, StopFlag()))


def wait_for(condition: Callable[[], object], *processes: subprocess.Popen[str], seconds: float = 120) -> None:
    """Until the condition holds; fails if a process ends before, or in vain."""
    deadline = time.monotonic() + seconds
    while not condition():
        for process in processes:
            assert process.poll() is None, "the driver ended too early"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
