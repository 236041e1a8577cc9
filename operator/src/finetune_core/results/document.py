"""From plan, results and failures to the results document."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from finetune_core.deciding.outcome import Outcome
from finetune_core.deciding.report_digest import report_digest
from finetune_core.layout import ExperimentLayout
from finetune_core.leaderboard.submission import SubmissionManifest
from finetune_core.planning.plan import Plan, PlannedRun
from finetune_core.results.aggregate import Summary, TaskFigures, summarise, task_score
from finetune_core.results.run import Failure, Progress, RunResult
from finetune_core.results.schema import (
    BestPointer,
    QuarantinedRow,
    ResultsDocument,
    RunRow,
    RunState,
    SeedsRow,
    SubmissionRow,
    TaskRow,
)
from finetune_core.seeds.growth import verdict_of
from finetune_core.spent import total
from finetune_core.tasks.registry import GLUE_TASKS


def build_document(
    plan: Plan,
    results: Mapping[str, RunResult],
    failures: Mapping[str, Failure | None],
    *,
    uri: str,
    models: Mapping[str, str],
    progress: Mapping[str, Progress] = MappingProxyType({}),
) -> ResultsDocument:
    """The document over results and failed runs (by run id; a failure may have left no reason).

    `progress` is how far runs came that have no result. A run with a result has not failed. `models` maps the run ids
    whose weights are kept to their folders, `uri` is the experiment's folder in the store. Submission and files are
    filled in when they are written.
    """
    outcomes = {run.run_id: Outcome.of(results[run.run_id]) for run in plan.runs if run.run_id in results}
    failed = {run_id: failure for run_id, failure in failures.items() if run_id not in outcomes}
    summary = summarise(plan, outcomes.values())
    rows = tuple(_run_row(plan, run, results.get(run.run_id), failed, progress.get(run.run_id)) for run in plan.runs)
    return ResultsDocument(
        report_digest=report_digest(plan, outcomes.values(), failed),
        plan_digest=plan.digest,
        recipe_version=plan.recipe_version,
        namespace=plan.namespace,
        experiment=plan.experiment,
        uri=uri,
        model_uri=plan.model.uri,
        model_digest=plan.model.digest,
        model_pinned=plan.model.pinned,
        sparsity=_sparsity(plan, results),
        tasks=_task_rows(plan, summary, results, failed, models, rows),
        glue=summary.glue,
        bert_average=summary.bert_average,
        runs=rows,
        quarantined=tuple(QuarantinedRow.model_validate(run.model_dump()) for run in plan.quarantined),
    )


def submission_row(manifest: SubmissionManifest) -> SubmissionRow:
    """What results.json tells of a submission."""
    return SubmissionRow(
        state=manifest.state,
        sha256=manifest.sha256,
        missing=manifest.missing,
        placeholders=manifest.placeholders,
        problems=manifest.problems,
    )


def published_name(task: str, file: str) -> str:
    """Name of a best run's prediction file below `best/predictions`.

    GLUE's as in the zip; those of a custom task in a folder of its own, since all have a `test.tsv`.
    """
    return file if task in GLUE_TASKS else f"{task}/{file}"


def _sparsity(plan: Plan, results: Mapping[str, RunResult]) -> float | None:
    """Of the first planned run that has a result: all runs load the same model."""
    first = next((results[run.run_id] for run in plan.runs if run.run_id in results), None)
    if first is None:
        return None
    return first.sparsity.before.sparsity if first.sparsity is not None else 0.0


def _task_rows(
    plan: Plan,
    summary: Summary,
    results: Mapping[str, RunResult],
    failed: Mapping[str, Failure | None],
    models: Mapping[str, str],
    runs: Sequence[RunRow],
) -> tuple[TaskRow, ...]:
    spent = {row.task: total(run.spent_here for run in runs if run.task == row.task) for row in summary.tasks}
    return tuple(
        TaskRow(
            task=row.task,
            glue=row.task in GLUE_TASKS,
            planned=row.planned,
            succeeded=row.succeeded,
            failed=sum(run.run_id in failed for run in plan.runs_of(row.task)),
            metric=row.metric,
            metrics=row.metrics,
            best=_pointer(plan, row, results, models),
            score=row.score,
            mean_score=row.mean_score,
            data_uri=plan.tasks[row.task].data.uri,
            data_digest=plan.tasks[row.task].data.digest,
            pinned=plan.tasks[row.task].data.pinned,
            parameters=next((done.parameters for done in _done(plan, row.task, results)), None),
            folds=row.folds,
            gpu_seconds=spent[row.task].gpu_seconds,
            energy_joules=spent[row.task].joules,
            seeds=_seeds(plan, row.task, results, failed),
        )
        for row in summary.tasks
    )


def _seeds(
    plan: Plan, task: str, results: Mapping[str, RunResult], failed: Mapping[str, Failure | None]
) -> SeedsRow | None:
    until = plan.tasks[task].until
    if until is None:
        return None
    outcomes = {run.run_id: Outcome.of(results[run.run_id]) for run in plan.runs_of(task) if run.run_id in results}
    verdict = verdict_of(plan, task, outcomes, failed)
    enough, half = (verdict.enough, verdict.half) if verdict else (None, None)
    return SeedsRow(least=until.least, most=until.most, half_width=until.half_width, enough=enough, half=half)


def _done(plan: Plan, task: str, results: Mapping[str, RunResult]) -> Iterator[RunResult]:
    return (results[run.run_id] for run in plan.runs_of(task) if run.run_id in results)


def _pointer(
    plan: Plan, row: TaskFigures, results: Mapping[str, RunResult], models: Mapping[str, str]
) -> BestPointer | None:
    best = row.best
    if best is None or best.value is None:
        return None
    layout = ExperimentLayout(plan.namespace, plan.experiment)
    below = f"{layout.root}/"
    return BestPointer(
        task=row.task,
        run_id=best.run_id,
        run=best.run,
        seed=best.seed,
        attempt=best.attempt,
        metric=best.metric,
        greater_is_better=best.greater_is_better,
        value=best.value,
        step=best.step,
        metrics=dict(best.metrics),
        score=row.score,
        folder=layout.run(best.task, best.run_id).root.removeprefix(below),
        model=models[best.run_id].removeprefix(below) if best.run_id in models else None,
        predictions={
            name: layout.best_predictions(published_name(row.task, name)).removeprefix(below)
            for name in sorted(results[best.run_id].predictions)
        },
    )


def _run_row(
    plan: Plan,
    run: PlannedRun,
    result: RunResult | None,
    failed: Mapping[str, Failure | None],
    progress: Progress | None,
) -> RunRow:
    planned = {"task": run.task, "run": run.run, "run_id": run.run_id, "seed": run.seed, "fold": run.fold}
    if result is None:
        failure = failed.get(run.run_id)
        state = RunState.FAILED if run.run_id in failed else RunState.MISSING
        why = {"reason": failure.reason.value, "message": failure.message} if failure else {}
        spent = progress.model_dump(include={"gpu_seconds", "energy_joules"}) if progress else {}
        return RunRow.model_validate({**planned, "state": state, **why, **spent})
    shared = result.model_dump(include=set(RunRow.model_fields) - set(planned))
    score = task_score(plan.tasks[run.task], Outcome.of(result))
    return RunRow.model_validate({**shared, **planned, "state": RunState.SUCCEEDED, "score": score})
