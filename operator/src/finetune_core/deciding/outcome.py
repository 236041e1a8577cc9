"""What is kept in mind of a finished run: the part of `result.json` that tables, pointers and status depend on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from finetune_core.canonical import short_hash
from finetune_core.results.run import RunResult
from finetune_core.spent import UNSPENT, Spent

_MOST_WARNINGS = 16
_SHOWN = 1000
"""Characters of a warning: the outcomes of all living experiments are kept in mind."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run that succeeded.

    `metrics` are those of its best step, `value` is the one of them that decides (None where it is not finite).
    `spent` is what it took here: nothing where another experiment trained it.
    `artefacts` changes with the predictions that the run left, which can be completed after the run.
    """

    run_id: str
    task: str
    run: int
    seed: int
    attempt: str
    metric: str
    greater_is_better: bool
    value: float | None
    step: int
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    train_seconds: float = 0.0
    spent: Spent = UNSPENT
    artefacts: str = ""
    warnings: tuple[str, ...] = ()
    taken_from: str | None = None

    @classmethod
    def of(cls, result: RunResult) -> Self:
        """The outcome that a result tells of."""
        files = {name: file.sha256 for name, file in result.predictions.items()}
        return cls(
            run_id=result.run_id,
            task=result.task,
            run=result.run,
            seed=result.seed,
            attempt=result.attempt,
            metric=result.metric,
            greater_is_better=result.greater_is_better,
            value=result.value,
            step=result.step,
            metrics=dict(result.metrics),
            train_seconds=result.train_seconds,
            spent=result.spent_here,
            artefacts=short_hash(files) if files else "",
            warnings=tuple(text[:_SHOWN] for text in result.warnings[:_MOST_WARNINGS]),
            taken_from=result.taken_from,
        )


def run_warnings(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    """What is to be known beside the results, once for each tracker or data set that it is about (the text before ":").

    The same server fails many runs, in many words.
    """
    first: dict[str, str] = {}
    for text in sorted(text for outcome in outcomes for text in outcome.warnings):
        first.setdefault(text.partition(":")[0], text)
    return tuple(first.values())
