"""What can be wrong with the metrics of a task: those that it lists, and functions of a user's own."""

from collections.abc import Iterator

from finetune_core.api import TaskSpec
from finetune_core.planning.checks.labels import define_labels
from finetune_core.problems import Problem
from finetune_core.tasks.metric_functions import TAKEN, MetricFunction, MetricInput, direction_said
from finetune_core.tasks.metrics import LISTED, METRICS, ProblemType, canonical_metric, measurable

_PREFIXES = ("eval_", "mm_", "train_")


def task_metric_problems(field: str, task: TaskSpec) -> Iterator[Problem]:
    """Of a custom task whose problem type is known."""
    kind = task.problem_type or ProblemType.CLASSIFICATION
    functions = task.metric_functions or ()
    names = [own.name for own in functions]
    known = measurable(kind, len(define_labels(task)))
    for metric in task.metrics or ():
        if metric not in known and metric not in names:
            listed = ", ".join((*names, *known))
            remedy = f"use {listed}, or declare it in metricFunctions"
            if canonical_metric(metric) in known:
                remedy = f"write {canonical_metric(metric)}"
            yield Problem(f"{field}.metrics", f"{metric} cannot be measured here: {remedy}")
    for metric in sorted({metric for metric in task.metrics or () if (task.metrics or ()).count(metric) > 1}):
        yield Problem(f"{field}.metrics", f"{metric} is listed twice: list it once")
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem(f"{field}.metricFunctions", f"{name} is the name of two: give each a name of its own")
    for own in functions:
        yield from _function_problems(f"{field}.metricFunctions[{own.name}]", own, kind)


def _function_problems(field: str, own: MetricFunction, kind: ProblemType) -> Iterator[Problem]:
    ours = {name for names in (*METRICS.values(), *LISTED.values()) for name in names} | TAKEN
    if own.name in ours or own.name.startswith(_PREFIXES):
        yield Problem(f"{field}.name", f"{own.name} means something else already: choose another name")
    if (more := direction_said(own.function)) is not None and more != own.greater_is_better:
        habit = "more" if more else "less"
        yield Problem(f"{field}.greaterIsBetter", f"of {own.function} {habit} is better: write {str(more).lower()}")
    if own.input == MetricInput.PROBABILITIES and kind == ProblemType.REGRESSION:
        yield Problem(f"{field}.input", "a regression has no probabilities: write Predictions")
    if own.arguments and not own.is_scikit_learns:
        remedy = "remove them, and write a function that has them"
        yield Problem(f"{field}.arguments", f"are for functions of sklearn.metrics: {remedy}")
    for name, value in own.arguments.items():
        if not isinstance(value, str | int | float | bool) or not name.isidentifier():
            yield Problem(f"{field}.arguments", f"{name} is no argument with a text, number or truth value: correct it")
