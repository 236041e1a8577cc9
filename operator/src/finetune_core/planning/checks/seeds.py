"""What is wrong with `runs` and `runsUntil`."""

from collections.abc import Iterator

from finetune_core.api import ExperimentSpec, RunsUntil
from finetune_core.api.seeds import EITHER, NO_FOLDS, ORDERED
from finetune_core.problems import Problem


def seeds_problems(spec: ExperimentSpec) -> Iterator[Problem]:
    """Of the spec and of its tasks: both where one has to be, a least above the most, folds."""
    yield from _problems("spec", spec.runs, spec.runs_until)
    for task in spec.tasks or ():
        field = f"spec.tasks[{task.name}]"
        yield from _problems(field, task.runs, task.runs_until)
        if task.folds and spec.until_of(task):
            yield Problem(f"{field}.folds", NO_FOLDS)


def _problems(field: str, runs: int | None, until: RunsUntil | None) -> Iterator[Problem]:
    if runs is not None and until is not None:
        yield Problem(f"{field}.runsUntil", EITHER)
    if until is not None and until.least > until.most:
        yield Problem(f"{field}.runsUntil", ORDERED)
