"""Two experiments compared, before and after: per task the difference of means and whether seeds explain it.

All figures are those of the two results documents; only differences and tests are worked out here.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import fmean

from finetune_core.results.aggregate import deviation
from finetune_core.results.comparison.schema import Comparison, Overall, Sample, Side, TaskComparison, Verdict, Whose
from finetune_core.results.comparison.significance import ALPHA, Kind, Seeded, TTest, holm, samples
from finetune_core.results.schema import ResultsDocument, RunRow, RunState, TaskRow
from finetune_core.stored import finite
from finetune_core.tasks.registry import in_order

_OTHER_METRICS = "another metric decides, so the values cannot be compared"
_FOLDS = (
    "folds share most of their training rows, so a t test over them finds differences that there are not; see what is "
    "compared row by row"
)
_NO_SPREAD = "there is no spread over seeds, so a t test can say nothing"

Rows = dict[str, tuple[TaskRow, TaskRow]]


def compare(before: ResultsDocument, after: ResultsDocument, t_test: TTest) -> Comparison:
    """What changed from one experiment to the other; GLUE's tasks in its own order, then custom ones by name."""
    old, new = ({row.task: row for row in document.tasks} for document in (before, after))
    rows = {task: (old[task], new[task]) for task in in_order(old.keys() & new.keys())}
    made = [_task(before, after, *pair, t_test) for pair in rows.values()]
    adjusted = holm({task.task: task.p for task in made if task.p is not None})
    return Comparison(
        before=Whose.of(before),
        after=Whose.of(after),
        tested=len(adjusted),
        tasks=tuple(_judged(task, adjusted.get(task.task)) for task in made),
        overall=_overall(rows),
        only_before=in_order(old.keys() - new.keys()),
        only_after=in_order(new.keys() - old.keys()),
        warnings=(*_warnings(before, after, rows), *_stopped(made, rows)),
    )


def _task(before: ResultsDocument, after: ResultsDocument, old: TaskRow, new: TaskRow, t_test: TTest) -> TaskComparison:
    """A task without its verdict's correction: of tested ones that comes with all the p values."""
    plain = TaskComparison(
        task=old.task, before=_side(before, old), after=_side(after, new), verdict=Verdict.NOT_COMPARED
    )
    if old.metric != new.metric:
        return plain.model_copy(update={"reason": _OTHER_METRICS})
    if old.folds or new.folds:
        return plain.model_copy(update={"verdict": Verdict.NOT_TESTED, "reason": _FOLDS})
    chosen = samples(_seeded(before, old), _seeded(after, new))
    told = {
        "test": chosen.kind,
        "pairs": len(chosen.before) if chosen.kind == Kind.PAIRED else None,
        "difference": chosen.difference,
        "before_sample": _sample(chosen.before),
        "after_sample": _sample(chosen.after),
    }
    if not chosen.enough:
        return plain.model_copy(update={**told, "verdict": Verdict.TOO_FEW})
    estimate = chosen.estimate(t_test)
    if estimate is None:
        return plain.model_copy(update={**told, "verdict": Verdict.NOT_TESTED, "reason": _NO_SPREAD})
    figures = {"t": estimate.t, "df": estimate.df, "p": estimate.p, "low": estimate.low, "high": estimate.high}
    return plain.model_copy(update={**told, **figures, "verdict": Verdict.NO_DIFFERENCE})


def _sample(values: Sequence[float]) -> Sample | None:
    return Sample(n=len(values), mean=fmean(values), std=deviation(values)) if values else None


def _judged(task: TaskComparison, p_holm: float | None) -> TaskComparison:
    if p_holm is None or task.difference is None:
        return task
    if p_holm >= ALPHA:
        return task.model_copy(update={"p_holm": p_holm})
    more = (task.difference > 0) == task.before.figures.greater_is_better
    return task.model_copy(update={"p_holm": p_holm, "verdict": Verdict.BETTER if more else Verdict.WORSE})


def _side(document: ResultsDocument, task: TaskRow) -> Side:
    runs = _runs(document, task)
    states = Counter(run.state for run in runs)
    figures = next(row for row in task.metrics if row.metric == task.metric)
    return Side(
        figures=figures,
        failed=states[RunState.FAILED],
        missing=states[RunState.MISSING],
        not_finite=sum(run.state == RunState.SUCCEEDED and _value(run, task.metric) is None for run in runs),
        quarantined=sum(run.task == task.task for run in document.quarantined),
    )


def _seeded(document: ResultsDocument, task: TaskRow) -> list[Seeded]:
    return [Seeded(run.seed, _value(run, task.metric)) for run in _runs(document, task)]


def _runs(document: ResultsDocument, task: TaskRow) -> list[RunRow]:
    return [run for run in document.runs if run.task == task.task]


def _value(run: RunRow, metric: str) -> float | None:
    if run.state != RunState.SUCCEEDED:
        return None
    return finite(run.value if run.metric == metric else run.metrics.get(metric))


def _overall(rows: Rows) -> Overall | None:
    """Over the tasks that have scores of the same metrics on both sides; None where there is none."""
    found = [
        (task, old.mean_score, new.mean_score, old.score, new.score)
        for task, (old, new) in rows.items()
        if _alike(old, new)
    ]
    whole = [(task, *scores) for task, *scores in found if None not in scores]
    if not whole:
        return None
    tasks, old_means, new_means, old_best, new_best = zip(*whole, strict=True)
    before, after = fmean(old_means), fmean(new_means)
    return Overall(
        tasks=tasks,
        before=before,
        after=after,
        difference=after - before,
        before_best=fmean(old_best),
        after_best=fmean(new_best),
    )


def _alike(old: TaskRow, new: TaskRow) -> bool:
    """A task's score is a mean over its reporting metrics, at the step that the deciding one chose."""
    names = ({row.metric for row in task.metrics} for task in (old, new))
    return old.metric == new.metric and next(names) == next(names)


def _warnings(before: ResultsDocument, after: ResultsDocument, rows: Rows) -> Iterator[str]:
    if before.recipe_version != after.recipe_version:
        yield (
            f"The runs were trained by different versions of the recipe ({before.recipe_version}, then "
            f"{after.recipe_version}): a difference may come from that. Run the older experiment again."
        )
    for task, (old, new) in rows.items():
        if old.metric != new.metric:
            yield (
                f"{task}: not compared: {old.metric} decides in the first, {new.metric} in the second. "
                "Give both the same metricForBestModel."
            )
        elif not _alike(old, new):
            yield f"{task}: the two report different metrics, so its scores are not in the overall mean."
        if old.metric == new.metric and (old.folds or new.folds):
            yield f"{task}: no t test: {_FOLDS}."
        if problem := _data(old, new):
            yield f"{task}: {problem}"


def _stopped(tasks: Sequence[TaskComparison], rows: Rows) -> Iterator[str]:
    """Seeds that stop where they lie close together tell too small a spread; pairs have their own."""
    for task in tasks:
        if task.test == Kind.WELCH and any(row.seeds for row in rows[task.task]):
            yield (
                f"{task.task}: runsUntil stops where seeds lie close together, so Welch's p is too small (false alarms "
                "in 7 to 12 % of cases, not in 5). Give both the same seed, for a paired test, or take --until-decided."
            )


def _data(old: TaskRow, new: TaskRow) -> str | None:
    """What is wrong with the data of a task; reports of before there were digests in them have only the place."""
    places = f"({old.data_uri}, then {new.data_uri})"
    if old.data_digest is None or new.data_digest is None:
        return None if old.data_uri == new.data_uri else f"the data lie in different places {places}: compare them."
    if old.data_digest != new.data_digest:
        return f"the data have different contents {places}: a difference may come from that. Use the same for both."
    if not (old.pinned and new.pinned):
        return f"the data are not pinned to their contents {places}: they may have changed in between."
    return None
