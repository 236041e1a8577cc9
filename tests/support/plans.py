"""Small plans and outcomes for tests of pure code."""

from finetune_core.api import ExperimentSpec
from finetune_core.deciding.outcome import Outcome
from finetune_core.planning.parse import define, settings_of
from finetune_core.planning.plan import Plan, PlannedRun, ResolvedData, ResolvedModel, TaskPlan, make_plan
from finetune_core.tasks.data_files import DataLayout, SplitFiles

MODEL = ResolvedModel(uri="s3://bucket/model", digest="md5s:model")


def spec(tasks: dict[str, int], **fields: object) -> ExperimentSpec:
    """An experiment of some tasks with so many runs each."""
    listed = [{"name": name, "runs": runs} for name, runs in tasks.items()]
    return ExperimentSpec.model_validate({"model": {"uri": MODEL.uri}, "tasks": listed, **fields})


def plan(tasks: dict[str, int], *, name: str = "exp", **fields: object) -> Plan:
    """The plan of `spec(...)` with made-up digests."""
    made = spec(tasks, **fields)
    data = {
        task: ResolvedData(
            uri="s3://bucket/glue", digest=f"md5s:{task}", splits=SplitFiles(layout=DataLayout.TSV, files={})
        )
        for task in tasks
    }
    plans = {
        task.name: TaskPlan(definition=define(task), settings=settings_of(made, task), data=data[task.name])
        for task in made.tasks or ()
    }
    return make_plan(made, namespace="ns", name=name, model=MODEL, tasks=plans, runs=dict(tasks))


def outcome(run: PlannedRun, *, value: float | None, step: int = 10) -> Outcome:
    """What came out of a run."""
    return Outcome(
        run_id=run.run_id,
        task=run.task,
        run=run.run,
        seed=run.seed,
        attempt="attempt",
        metric="accuracy",
        value=value,
        greater_is_better=True,
        step=step,
        metrics={},
        train_seconds=10.0,
    )
