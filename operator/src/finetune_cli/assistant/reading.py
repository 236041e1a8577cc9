"""The answers to what an assistant asks: by the readers of the page and of the commands, none of which can write."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeVar

from finetune_cli.assistant.answers import (
    MOST,
    MOST_NOTES,
    ExperimentAnswer,
    FailedAttempt,
    Head,
    Listing,
    Point,
    Problem,
    Results,
    RunAnswer,
    RunLine,
    SearchAnswer,
    TaskFigures,
    Validation,
    first,
    spread_out,
)
from finetune_cli.manifest.check import check_text
from finetune_cli.manifest.findings import Severity
from finetune_client.errors import UsageError
from finetune_client.overview import Overview
from finetune_client.reports import report_of
from finetune_client.row_by_row import statistics
from finetune_client.stores import Results as Place
from finetune_core.problems import FinetuneError
from finetune_core.results.comparison.experiments import compare
from finetune_core.results.comparison.schema import Comparison
from finetune_core.results.evaluation import Evaluation
from finetune_core.results.schema import ResultsDocument
from finetune_core.results.search.summary import SearchSummary
from finetune_kube.kinds import EXPERIMENT
from finetune_store import StoreError
from finetune_ui.content import read_head, read_run, read_side, read_summary
from finetune_ui.drawing.choice import Choice
from finetune_ui.experiments import document_now
from finetune_ui.kinds import RunPlace
from finetune_ui.listing import Asked, arranged
from finetune_ui.sources import Found, Source

LONGEST_MANIFEST = 256 << 10

Kind = Literal["experiment", "search"]

T = TypeVar("T")

_AGO = re.compile(r" ago$")


@dataclass(frozen=True)
class Reading:
    """Reads a cluster by one person's rights, or a store. All methods raise FinetuneError and StoreError."""

    source: Source

    def listing(self, words: str, namespace: str | None, kind: Kind | None, status: str, most: int) -> Listing:
        """Experiments and searches."""
        asked = Asked(words=words, status=status)
        groups = arranged(self.source.heads(namespace), asked)
        heads = [head for group in groups for head in group.heads if kind in {None, head.word}]
        items, left_out = first(map(Head.of, heads), _bounded(most))
        return Listing(source=self.source.title, items=items, left_out=left_out)

    def experiment(self, text: str, most: int) -> ExperimentAnswer:
        """An experiment, with its runs."""
        place = _named(text, "an experiment")
        seen, results, problem = self._look("experiments", place, lambda found: _results(found, place, _bounded(most)))
        return ExperimentAnswer(head=Head.of(seen), notes=_notes(seen), problem=problem, results=results)

    def run(self, text: str, most: int) -> RunAnswer:
        """A run."""
        place = RunPlace.of(text)
        if place.task is None:
            raise UsageError(f"{text} names an experiment, not a run", "Write NAMESPACE/NAME/TASK/RUN.")
        found = self.source.find("experiments", place.namespace, place.name)
        opened, failed = found.open(), _failed(found)
        page = read_run(opened, place, datetime.now(UTC), failed, Choice())
        side = read_side(opened, place, failed)
        evaluations = side.records[0].evaluations
        curve = spread_out(evaluations, _bounded(most))
        failures, _ = first(page.reasons, MOST_NOTES)
        return RunAnswer(
            place=place.text,
            state=page.state,
            steps=page.steps,
            facts=dict(page.facts),
            settings=dict(page.settings),
            hardware=dict(page.hardware),
            metric=side.plan.tasks[place.task].settings.metric_for_best_model,
            curve=tuple(map(_point, curve)),
            points_left_out=len(evaluations) - len(curve),
            failures=tuple(FailedAttempt(ago=_AGO.sub("", one.when), why=one.why) for one in failures),
        )

    def comparison(self, before: str, after: str) -> Comparison:
        """Two experiments, as `finetune compare` compares them over seeds."""
        places = [_named(text, "an experiment") for text in (before, after)]
        if places[0] == places[1]:
            raise UsageError(f"{before} is named twice", "Name two experiments.")
        t_test, _ = statistics()
        return compare(self._document(places[0]), self._document(places[1]), t_test)

    def search(self, text: str, most: int) -> SearchAnswer:
        """A search, with the best of its trials."""
        place = _named(text, "a search")
        seen, summary, problem = self._look("searches", place, lambda found: _summary(found, place, _bounded(most)))
        return SearchAnswer(head=Head.of(seen), notes=_notes(seen), problem=problem, summary=summary)

    def _look(self, word: str, place: RunPlace, read: Callable[[Found], T]) -> tuple[Overview, T | None, str]:
        """The head, what the store tells, and why it tells nothing; where the head is the store's, that is an error."""
        found = self.source.find(word, place.namespace, place.name)
        if found.head is None:
            return read_head(found.open(), word, place.namespace, place.name), read(found), ""
        try:
            return found.head, read(found), ""
        except (FinetuneError, StoreError) as error:
            return found.head, None, str(error)

    def _document(self, place: RunPlace) -> ResultsDocument:
        found = self.source.find("experiments", place.namespace, place.name)
        return report_of(Place(found.open().store, place.namespace, place.name, EXPERIMENT)).document


def validation(text: str, *, in_cluster: bool) -> Validation:
    """What `finetune validate` says of a text."""
    if len(text.encode(errors="replace")) > LONGEST_MANIFEST:
        raise UsageError("the text is longer than 256 KiB", "Check its documents one by one.")
    found = check_text("manifest", text, in_cluster=in_cluster)
    problems, left_out = first(found, MOST)
    return Validation(
        valid=not any(one.severity == Severity.ERROR for one in found),
        problems=tuple(
            Problem(
                line=one.place.line,
                column=one.place.column,
                severity=one.severity.value,
                field=one.field,
                message=one.message,
            )
            for one in problems
        ),
        left_out=left_out,
    )


def _results(found: Found, place: RunPlace, most: int) -> Results:
    side = read_side(found.open(), place, _failed(found), curves=False)
    document = document_now(side.plan, side.records)
    runs, left_out = first((RunLine.of(record, place.text) for record in side.records), most)
    return Results(
        scores=tuple(score for score in (document.glue, document.bert_average) if score.value is not None),
        tasks=tuple(TaskFigures.of(row, place.text) for row in document.tasks),
        runs=runs,
        runs_left_out=left_out,
    )


def _summary(found: Found, place: RunPlace, most: int) -> SearchSummary:
    """Without the names of its files."""
    summary = read_summary(found.open(), place.namespace, place.name)
    tasks = (task.model_copy(update={"top": task.top[:most], "plots": {}}) for task in summary.tasks)
    return summary.model_copy(update={"tasks": tuple(tasks), "files": {}})


def _bounded(most: int) -> int:
    if not 1 <= most <= MOST:
        raise UsageError(f"{most} items cannot be told at once", f"Ask for 1 to {MOST}.")
    return most


def _named(text: str, what: str) -> RunPlace:
    place = RunPlace.of(text)
    if place.task is not None:
        raise UsageError(f"{text} names a run, not {what}", "Write NAMESPACE/NAME.")
    return place


def _failed(found: Found) -> frozenset[str] | None:
    return found.head.failed_runs if found.head else None


def _notes(seen: Overview) -> tuple[str, ...]:
    told, left_out = first(seen.notes, MOST_NOTES)
    return (*told, f"and {left_out} more notes") if left_out else told


def _point(one: Evaluation) -> Point:
    return Point(
        step=one.step,
        epoch=one.epoch,
        train_loss=one.train_loss,
        learning_rate=one.learning_rate,
        metrics=dict(one.metrics),
    )
