"""Experiments of one namespace whose runs are taken where they can be, and else left as a trainer leaves them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune_core.layout import ExperimentLayout, RunLayout
from finetune_core.planning.plan import ExecutionLimits, Plan, PlannedRun
from finetune_core.results.evaluation import Evaluation, to_lines
from finetune_core.results.run import PredictionFile, RunResult
from finetune_core.tasks.data_files import SplitFiles
from finetune_report.build import build
from finetune_store import DirectoryStore, S3Connection
from finetune_store.folders import weights_digest
from finetune_trainer.data.tested import tested_content
from finetune_trainer.inputs import Inputs
from finetune_trainer.stored.taking import Taker, offer
from finetune_trainer.stored.written import keeps_model, versions
from support.report_store import MODEL_FILES, contents
from support.results import plan_of, result_of

FILE = "RTE.tsv"


def value_of(run_id: str) -> float:
    """A run's value: the same wherever it is trained."""
    return int(run_id, 16) % 9973 / 9973


def predictions_of(run_id: str) -> bytes:
    return f"index\tprediction\n0\t{run_id}\n".encode()


@dataclass
class Namespace:
    """A store, data with a test set, and what was trained: run ids, in order."""

    root: Path
    trained: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.store = DirectoryStore(self.root / "store")
        data = self.root / "data" / "RTE"
        data.mkdir(parents=True)
        for name in ("train", "dev", "test"):
            (data / f"{name}.tsv").write_text(f"rows of {name}\n")
        self.inputs = Inputs(
            self.root / "work", connection=S3Connection(), retry_seconds=0, pvc_root=self.root / "volumes"
        )

    def plan(self, name: str, runs: int, **spec: Any) -> Plan:
        """The plan of `team/<name>`."""
        made = plan_of({"rte": runs}, data_uri=f"file://{self.root}/data", **spec)
        task = made.tasks["rte"]
        files = {split: (f"RTE/{split}.tsv",) for split in ("train", "test")}
        splits = SplitFiles(layout=task.data.splits.layout, files=files)
        tasks = {"rte": task.model_copy(update={"data": task.data.model_copy(update={"splits": splits})})}
        return made.model_copy(update={"experiment": name, "tasks": tasks})

    def taker(self, plan: Plan, limits: ExecutionLimits, image: str | None = None) -> Taker:
        return Taker(plan, limits, self.store, self.inputs, image)

    def do(self, plan: Plan, run: PlannedRun, limits: ExecutionLimits | None = None) -> None:
        """As a pod does a run."""
        limits = limits or ExecutionLimits()
        attempt = f"{plan.experiment}-{run.run}"
        if not self.taker(plan, limits).has(run, attempt):
            self.train(plan, run, attempt, limits)

    def train(self, plan: Plan, run: PlannedRun, attempt: str, limits: ExecutionLimits) -> RunResult:
        """What a pod leaves that trains the run."""
        self.trained.append(run.run_id)
        layout, content = self.layout(plan, run), predictions_of(run.run_id)
        value = value_of(run.run_id)
        lines = [Evaluation(step=step, metrics={"accuracy": value}) for step in (75, 150)]
        self.store.put(layout.metrics(attempt), to_lines(lines))
        self.store.put(layout.predictions(attempt, FILE), content)
        file = PredictionFile(rows=1, sha256=hashlib.sha256(content).hexdigest())
        result = result_of(
            plan,
            run.task,
            run.run,
            value,
            attempt=attempt,
            settings=plan.tasks[run.task].settings.model_dump(mode="json", by_alias=True),
            versions=versions(),
            test_data=tested_content(self.inputs, plan.tasks[run.task]),
        ).model_copy(update={"predictions": {FILE: file}})
        if keeps_model(self.store, plan, result):
            for name in MODEL_FILES:
                self.store.put(f"{layout.model(attempt)}/{name}", f"{name} of {run.run_id}".encode())
            digest = weights_digest(self.store, layout.model(attempt))
            result = result.model_copy(update={"model": layout.model(attempt), "weights_digest": digest})
        offer(self.store, plan, limits, run)
        assert self.store.create(layout.result, result.to_json())
        return result

    def report(self, plan: Plan) -> None:
        """The report, which drops weights that are not kept."""
        build(self.store, plan, [], open_data=lambda _: None, plots=False)

    def layout(self, plan: Plan, run: PlannedRun) -> RunLayout:
        return ExperimentLayout(plan.namespace, plan.experiment).run(run.task, run.run_id)

    def result(self, plan: Plan, run: PlannedRun) -> RunResult | None:
        key = self.layout(plan, run).result
        return RunResult.model_validate_json(self.store.get(key)) if self.store.stat(key) else None

    def results(self, plan: Plan) -> Iterator[tuple[PlannedRun, RunResult]]:
        """The runs that have a result."""
        return ((run, found) for run in plan.runs if (found := self.result(plan, run)) is not None)

    def weights(self, plan: Plan, run: PlannedRun, result: RunResult) -> dict[str, bytes]:
        """The files of its model."""
        folder = self.layout(plan, run).model(result.attempt)
        return {key.removeprefix(f"{folder}/"): data for key, data in contents(self.store, folder).items()}

    def require_whole(self, plan: Plan) -> None:
        """Every result's files are there as they were written, and of all runs the two best have the weights they keep.

        Before all have ended, a run may be without: better ones, which others had, are still to come.
        """
        found = dict(self.results(plan))
        ended = len(found) == len(plan.runs)
        best = sorted(found, key=lambda run: -value_of(run.run_id))[:2]
        for run, result in found.items():
            assert result.value == value_of(run.run_id)
            layout = self.layout(plan, run)
            assert self.store.get(layout.predictions(result.attempt, FILE)) == predictions_of(run.run_id)
            assert len(self.store.get(layout.metrics(result.attempt)).splitlines()) == result.evaluations
            files = {name: f"{name} of {run.run_id}".encode() for name in MODEL_FILES}
            if plan.retention == "All" or (plan.retention == "Best" and ended and run in best):
                assert self.weights(plan, run, result) == files
