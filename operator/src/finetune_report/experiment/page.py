"""report.html: an experiment's results on one page."""

from collections.abc import Iterator, Mapping

from finetune_core.leaderboard.submission import SubmissionState
from finetune_core.planning.settings import Settings
from finetune_core.results.schema import ResultsDocument, RunRow, RunState, ScoreRow, TaskRow
from finetune_core.tables import experiment as tables
from finetune_core.tables import figures
from finetune_core.tables.notes import notes
from finetune_report.canvas import Picture
from finetune_report.pages import embedded, render

_RUNS_HEADER = ("Run", "Seed", "Id", "State", "Value", "Step", "Why")
_QUARANTINE_HEADER = ("Task", "Run", "Id", "Seed", "Reason")


def report_html(
    document: ResultsDocument, pictures: Mapping[str, list[Picture]], settings: Mapping[str, Settings]
) -> bytes:
    """The page, with the plots of `plot_experiment` within it; `settings` are the tasks', by name.

    It holds no times: the same results, the same page.
    """
    return render(
        "experiment.html",
        document=document,
        scores=[
            *(tables.score_line(score).replace("**", "").removeprefix("- ") for score in _scores(document)),
            *filter(None, [tables.cost_line(document)]),
        ],
        table_header=tables.task_header(document.tasks),
        table=tables.task_cells(document.tasks),
        fold_header=tables.FOLD_HEADER,
        folds=tables.fold_rows(document),
        folds_note=tables.FOLDS_NOTE,
        overview=embedded(pictures.get("", [])),
        tasks=[_task(document, task, pictures.get(task.task, []), settings[task.task]) for task in document.tasks],
        quarantine_header=_QUARANTINE_HEADER,
        quarantined=[(run.task, run.run, run.run_id, run.seed, run.reason) for run in document.quarantined],
        submission=_submission(document),
        notes=list(notes(document)),
        versions=list(_versions(document)),
    )


def _scores(document: ResultsDocument) -> tuple[ScoreRow, ...]:
    return (document.glue, document.bert_average)


def _versions(document: ResultsDocument) -> Iterator[tuple[str, str]]:
    yield "Model", document.model_digest
    for task in document.tasks:
        yield f"Data of {task.task}", task.data_digest or figures.NOTHING
    yield "Plan", document.plan_digest
    yield "Recipe", str(document.recipe_version)
    for image in sorted({run.image for run in document.runs if run.image}):
        yield "Trainer image", image


def _task(document: ResultsDocument, task: TaskRow, pictures: list[Picture], settings: Settings) -> dict[str, object]:
    told = {name: value for name, value in settings.identity().items() if value is not None}
    runs = [run for run in document.runs if run.task == task.task]
    return {
        "name": task.task,
        "data": task.data_uri,
        "settings": figures.settings(told),
        "plots": embedded(pictures),
        "notes": [picture.note for picture in pictures if picture.note is not None],
        "runs_header": _RUNS_HEADER,
        "runs": [_run(task, run) for run in runs],
    }


def _run(task: TaskRow, run: RunRow) -> tuple[str, ...]:
    best = task.best is not None and run.run_id == task.best.run_id
    return (
        str(run.run),
        str(run.seed) if run.fold is None else f"{run.seed} (fold {run.fold})",
        run.run_id,
        "best" if best else run.state.value,
        figures.metric(task.metric, run.value),
        figures.NOTHING if run.step is None else str(run.step),
        _why(run),
    )


def _why(run: RunRow) -> str:
    if run.state == RunState.SUCCEEDED:
        return f"taken from {run.taken_from}" if run.taken_from else ""
    return ": ".join(part for part in (run.reason, run.message) if part)


def _submission(document: ResultsDocument) -> list[str]:
    row = document.submission
    if row is None:
        return []
    if row.state == SubmissionState.REFUSED:
        return ["There is no submission.zip.", *(f"{name}: missing" for name in row.missing), *row.problems]
    stand_ins = [f"Placeholders, not predictions: {', '.join(row.placeholders)}."] if row.placeholders else []
    return [f"submission.zip, SHA-256 {row.sha256}; submission.json says which run each file came from.", *stand_ins]
