"""What a manifest would run: tasks, runs, steps, objects; and how long, where past runs tell. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from finetune_cli.fitted import table
from finetune_core.api import Execution, ExecutionMode, ExperimentSpec, HPSearchSpec
from finetune_core.planning.cost import Rates
from finetune_core.planning.devices import gpus_of_pod, processes_per_run, runs_at_once
from finetune_core.planning.parse import define, runs_of, settings_of, task_specs
from finetune_core.planning.plan import ResolvedData, ResolvedModel, TaskPlan
from finetune_core.planning.pods import PodFilling, fill
from finetune_core.planning.search.build import make_search_plan, trials_of
from finetune_core.planning.settings import Settings
from finetune_core.planning.tuned import TunedTasks
from finetune_core.tables import figures
from finetune_core.tasks.data_files import DataLayout, SplitFiles
from finetune_core.tasks.registry import TaskDefinition

_EXPERIMENT_COLUMNS = (
    "TASK",
    "RUNS>",
    "STEPS A RUN>",
    "EVERY>?",
    "BATCH>?",
    "LEARNING RATE>?",
    "METRICS",
    "A RUN>",
    "ALL>",
)
_SEARCH_COLUMNS = ("TASK", "TRIALS>", "RUNS>", "STEPS A RUN>", "SEARCHED~", "METRICS", "A RUN>", "ALL>")
_NO_FILES = SplitFiles(layout=DataLayout.TSV, files={})


@dataclass(frozen=True)
class TaskForecast:
    """One task: how many runs of how many steps; `seconds` of a run where past runs tell, else None."""

    task: str
    runs: int
    steps: int | None
    plan: TaskPlan
    seconds: float | None
    trials: int | None = None
    searched: tuple[str, ...] = ()

    @property
    def settings(self) -> Settings:
        """The training arguments of its runs."""
        return self.plan.settings

    @property
    def hours(self) -> float | None:
        """Hours of all its runs, one after another."""
        return None if self.seconds is None else self.seconds * self.runs / 3600


@dataclass(frozen=True)
class Forecast:
    """What a manifest would run. `gpus` are those of a pod; `hours` counts the pods' hours one after another.

    `notes` say where settings come from that are not the manifest's own, or that they are not known.
    """

    kind: str
    name: str
    tasks: tuple[TaskForecast, ...]
    objects: tuple[str, ...]
    gpus: float
    parallelism: int
    notes: tuple[str, ...] = ()

    @property
    def hours(self) -> float | None:
        """Pod hours; None where a task's are not known."""
        hours = [task.hours for task in self.tasks]
        return None if None in hours else sum(known for known in hours if known is not None)

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "kind": self.kind,
            "name": self.name,
            "runs": sum(task.runs for task in self.tasks),
            "podHours": self.hours,
            "gpuHours": None if self.hours is None else self.hours * self.gpus,
            "objects": list(self.objects),
            "notes": list(self.notes),
            "tasks": [
                {
                    "task": task.task,
                    **({} if task.trials is None else {"trials": task.trials, "searched": list(task.searched)}),
                    "runs": task.runs,
                    "steps": task.steps,
                    "secondsPerRun": task.seconds,
                    "settings": task.settings.model_dump(mode="json", by_alias=True, exclude_none=True),
                }
                for task in self.tasks
            ],
        }


def forecast_experiment(
    name: str, spec: ExperimentSpec, rates: Rates, tuned: TunedTasks | None = None, unknown: str = ""
) -> Forecast:
    """What an experiment would run. `unknown`: why its tuned hyperparameters cannot be told."""
    layers = tuned.layers if tuned else {}
    tasks = []
    for task in task_specs(spec):
        plan = _plan(define(task), settings_of(spec, task, layers.get(task.name)))
        tasks.append(TaskForecast(task.name, runs_of(spec, task), plan.settings.max_steps, plan, _seconds(rates, plan)))
    uris = [spec.model.uri, *([spec.data.uri] if spec.data else [])]
    objects = (*_work(spec.execution, tasks, rates), *_around(uris), "report Job: tables, best predictions, zip")
    gpus, parallelism = gpus_of_pod(spec.execution), max(1, spec.execution.parallelism)
    notes = (*_tuned_notes(tasks, tuned, unknown), *_fold_notes(spec), *_seeds_notes(spec))
    return Forecast("FinetuneExperiment", name, tuple(tasks), objects, gpus, parallelism, notes)


def forecast_search(name: str, spec: HPSearchSpec, rates: Rates) -> Forecast:
    """What a search would run, if no scheduler stopped a trial early; steps as in training where they are searched."""
    data = {task.name: ResolvedData(uri="", digest="", splits=_NO_FILES) for task in spec.tasks}
    plan = make_search_plan(spec, namespace="default", name=name, model=ResolvedModel(uri="", digest=""), data=data)
    tasks = []
    for task in spec.tasks:
        planned = plan.tasks[task.name]
        trials = trials_of(spec, task)
        runs = trials * spec.seeds_per_trial
        runs += min(spec.finalists.trials, trials) * spec.finalists.seeds if spec.finalists else 0
        made = _plan(planned.definition, planned.settings)
        steps = None if "maxSteps" in planned.space or "numTrainEpochs" in planned.space else planned.settings.max_steps
        tasks.append(TaskForecast(task.name, runs, steps, made, _seconds(rates, made), trials, tuple(planned.space)))
    pods = len(spec.tasks) * spec.clusters
    kind = "RayJobs" if spec.execution.mode == ExecutionMode.RAY_CLUSTER else "Indexed Job"
    uris = [spec.model.uri, *([spec.data.uri] if spec.data else [])]
    objects = (
        f"{kind}: {pods} searching pods ({len(spec.tasks)} tasks x {spec.clusters}), "
        f"{spec.execution.parallelism} at a time",
        "ConfigMap: the plan, and one with the best hyperparameters",
        *_around(uris),
        "report Job: tables, plots, best hyperparameters",
    )
    parallelism = max(1, min(spec.execution.parallelism, pods)) * spec.concurrent_trials
    return Forecast("HPSearch", name, tuple(tasks), objects, gpus_of_pod(spec.execution), parallelism)


def forecast_page(forecast: Forecast, *, wide: bool = False) -> RenderableType:
    """For people."""
    search = forecast.kind == "HPSearch"
    rows = [_search_row(task) if search else _experiment_row(task) for task in forecast.tasks]
    total = sum(task.runs for task in forecast.tasks)
    lines = [f"{total} runs of {len(forecast.tasks)} tasks, {forecast.parallelism} at a time"]
    if forecast.hours is not None:
        gpus = f"about {forecast.hours * forecast.gpus:.1f} GPU-hours" if forecast.gpus else "no GPUs asked for"
        lines.append(
            f"{gpus}; about {forecast.hours:.1f} pod-hours, {forecast.hours / forecast.parallelism:.1f} hours by the "
            "clock, by past runs" + (" (if no trial is stopped early)" if search else "")
        )
    else:
        lines.append("How long it takes is not known: give --store with past runs of these tasks")
    return Group(
        Text(f"{forecast.kind} {forecast.name}", style="bold"),
        Text(""),
        table(_SEARCH_COLUMNS if search else _EXPERIMENT_COLUMNS, rows, wide=wide),
        Text(""),
        *(Text(line) for line in (*lines, *forecast.notes)),
        Text(""),
        Text("It would create:"),
        *(Text(f"  {kind}") for kind in forecast.objects),
    )


def _tuned_notes(tasks: Iterable[TaskForecast], tuned: TunedTasks | None, unknown: str) -> Iterator[str]:
    if unknown:
        yield f"The tuned values are not known here, so the recipes' and the manifest's own are shown: {unknown}"
    if tuned is None:
        return
    names = [forecast.task for forecast in tasks]
    for task in names:
        if task in tuned.tasks:
            yield f"{task}: tuned by {tuned.tasks[task]}"
    if lacking := [task for task in names if task not in tuned.tasks]:
        yield f"{', '.join(lacking)}: not covered by {tuned.where}; the recipes' and the manifest's own values are used"


def _fold_notes(spec: ExperimentSpec) -> Iterator[str]:
    for task in task_specs(spec):
        if task.folds:
            seeds = runs_of(spec, task) // task.folds
            yield f"{task.name}: {task.folds} folds of the training file x {seeds} seed{'s' if seeds > 1 else ''}"


def _seeds_notes(spec: ExperimentSpec) -> Iterator[str]:
    for task in task_specs(spec):
        if until := spec.until_of(task):
            yield f"{task.name}: {until.least} to {until.most} runs, until its mean is sure to ± {until.half_width:g}"


def _plan(definition: TaskDefinition, settings: Settings) -> TaskPlan:
    """A task's plan with made-up data: its cost does not depend on it."""
    data = ResolvedData(uri="", digest="", splits=_NO_FILES)
    return TaskPlan(definition=definition, settings=settings, data=data)


def _seconds(rates: Rates, plan: TaskPlan) -> float | None:
    return rates.seconds(plan) if plan.definition.name in rates.of_task else None


def _work(execution: Execution, tasks: Sequence[TaskForecast], rates: Rates) -> tuple[str, ...]:
    runs = sum(task.runs for task in tasks)
    if execution.mode == ExecutionMode.RAY_CLUSTER:
        return (f"RayJob: {runs} runs on {execution.parallelism} worker pods", "ConfigMap: the plan")
    pods, most = _pods(execution, tasks, rates)
    several = f" of up to {most} runs" if most > 1 else ""
    at_once = runs_at_once(execution)
    beside = f"; a pod does {at_once} runs at a time" if at_once > 1 else ""
    processes = processes_per_run(execution)
    shared = f"; {processes} processes share each run" if processes > 1 else ""
    return (
        f"Indexed Job: {pods} pods{several}, {execution.parallelism} at a time{beside}{shared}",
        "ConfigMap: the plan",
    )


def _pods(execution: Execution, tasks: Sequence[TaskForecast], rates: Rates) -> tuple[int, int]:
    """How many pods, and the most runs of one."""
    per_pod = execution.runs_per_pod
    if isinstance(per_pod, int):
        return ceil(sum(task.runs for task in tasks) / per_pod), per_pod
    filling = PodFilling.of(execution, rates)
    longest_first = sorted(tasks, key=lambda task: -filling.seconds(task.plan))
    indexes = fill(
        {f"{task.task} {run}": filling.seconds(task.plan) for task in longest_first for run in range(task.runs)},
        filling,
    )
    return len(indexes), max(map(len, indexes))


def _around(uris: Iterable[str]) -> tuple[str, ...]:
    return ("resolve Job: digests of the files on volumes",) if any(uri.startswith("pvc://") for uri in uris) else ()


def _experiment_row(task: TaskForecast) -> tuple[object, ...]:
    settings = task.settings
    return (
        task.task,
        task.runs,
        task.steps or f"{figures.setting(settings.num_train_epochs)} epochs",
        settings.eval_steps,
        settings.train_batch_size,
        figures.setting(settings.learning_rate),
        settings.metric_for_best_model,
        figures.duration(task.seconds),
        figures.duration(None if task.hours is None else task.hours * 3600),
    )


def _search_row(task: TaskForecast) -> tuple[object, ...]:
    length = f"{figures.setting(task.settings.num_train_epochs)} epochs" if task.settings.num_train_epochs else None
    searched = "searched" if {"maxSteps", "numTrainEpochs"} & set(task.searched) else None
    return (
        task.task,
        task.trials,
        task.runs,
        task.steps or searched or length,
        ", ".join(task.searched),
        task.settings.metric_for_best_model,
        figures.duration(task.seconds),
        figures.duration(None if task.hours is None else task.hours * 3600),
    )
