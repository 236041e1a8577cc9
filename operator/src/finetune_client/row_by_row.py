"""Two experiments, or two runs, by the dev predictions that their runs kept."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from finetune_client.errors import ClientError
from finetune_client.reports import layout_of, plan_of, planned_run
from finetune_client.stores import Results
from finetune_core.planning.plan import PlannedRun
from finetune_core.results.comparison.items import ItemTests, Sheet, compare_items, file_of
from finetune_core.results.comparison.schema import Comparison, ItemComparison
from finetune_core.results.comparison.significance import TTest
from finetune_core.results.run import RunResult
from finetune_core.results.schema import ResultsDocument, RunState
from finetune_report.errors import ReportError
from finetune_report.predictions import dev_predictions, results_of_runs

_OTHER_METRICS = "another metric decides: give both the same metricForBestModel"


@dataclass(frozen=True)
class _Reader:
    """Dev predictions of one experiment; `problems` are files that cannot be used."""

    place: Results
    problems: list[str] = field(default_factory=list)

    def results(self, runs: Iterable[tuple[str, str]]) -> list[RunResult]:
        return results_of_runs(self.place.store, layout_of(self.place), runs)

    def sheets(self, results: Iterable[RunResult], metric: str) -> Iterator[Sheet]:
        """Those of the dev set that the metric is of, of the runs that have kept them."""
        for result in results:
            name = file_of(metric, result.dev_predictions)
            if name is None:
                continue
            try:
                read = dev_predictions(self.place.store, layout_of(self.place), result, name)
            except ReportError as error:
                self.problems.append(f"{result.task}: {error}.")
                continue
            answers = dict(zip(read.index, zip(read.label, read.prediction, strict=True), strict=True))
            yield Sheet(result.run_id, result.seed, result.dev_predictions[name], answers)


def with_items(
    comparison: Comparison,
    before: tuple[Results, ResultsDocument],
    after: tuple[Results, ResultsDocument],
    tests: ItemTests,
) -> Comparison:
    """The comparison with its tasks compared row by row; a word for each file that cannot be used. StoreError."""
    readers = _Reader(before[0]), _Reader(after[0])
    results = [
        reader.results((run.task, run.run_id) for run in document.runs if run.state == RunState.SUCCEEDED)
        for reader, document in zip(readers, (before[1], after[1]), strict=True)
    ]
    items = []
    for task in comparison.tasks:
        metric = task.before.figures.metric
        if metric != task.after.figures.metric:
            items.append(ItemComparison(task=task.task, metric=task.metric, reason=_OTHER_METRICS))
            continue
        old, new = (
            list(reader.sheets((result for result in found if result.task == task.task), metric))
            for reader, found in zip(readers, results, strict=True)
        )
        items.append(compare_items(task.task, metric, old, new, tests))
    problems = (problem for reader in readers for problem in reader.problems)
    return comparison.model_copy(update={"items": tuple(items), "warnings": (*comparison.warnings, *problems)})


def compare_runs(before: tuple[Results, str], after: tuple[Results, str], tests: ItemTests) -> ItemComparison:
    """Two runs, by their ids or TASK/RUN, of one experiment or of two; ClientError where they cannot be compared."""
    first, second = (planned_run(plan_of(place), run) for place, run in (before, after))
    if (before[0].store.uri(), first.run_id) == (after[0].store.uri(), second.run_id) and before[0].name == after[
        0
    ].name:
        raise ClientError(f"{before[1]} and {after[1]} are one run", "Name two.")
    old, new = _ended(before[0], first), _ended(after[0], second)
    readers = _Reader(before[0]), _Reader(after[0])
    olds, news = list(readers[0].sheets([old], old.metric)), list(readers[1].sheets([new], old.metric))
    for reader in readers:
        for problem in reader.problems:
            raise ClientError(problem, "")
    name = "/".join(dict.fromkeys((first.task, second.task)))
    made = compare_items(name, old.metric, olds, news, tests)
    if made.reason is not None:
        raise ClientError(f"{before[1]} and {after[1]} cannot be compared: {made.reason}", "")
    return made


def _ended(place: Results, run: PlannedRun) -> RunResult:
    found = _Reader(place).results([(run.task, run.run_id)])
    if not found:
        raise ClientError(f"run {run.task}/{run.run} of {place.name} has no result yet", "Wait for it: finetune watch.")
    return found[0]


def statistics() -> tuple[TTest, ItemTests]:
    """scipy's tests; they take a second to import, so that only who compares pays, and scipy comes with the trainer."""
    try:
        from finetune_report import item_tests  # noqa: PLC0415
        from finetune_report.significance import t_test  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "scipy":
            raise
        raise ClientError(
            "comparing needs scipy, which is not installed here",
            "Install it: pip install scipy. `finetune results` needs none.",
        ) from error
    return t_test, item_tests
