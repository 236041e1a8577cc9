"""trials.csv: one row a trial and finalist, for programs."""

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.search.summarise import SearchFindings
from finetune_core.results.search.trial import Claim, TrialReport, TrialResult
from finetune_core.search_layout import TrialKind
from finetune_core.tables.csv import Value, csv_table

UNFINISHED = "Unfinished"
"""State of a row whose trial was claimed and left no result."""

_BEFORE = ("task", "kind", "index", "trialId", "state", "metric", "value", "step", "steps", "progress")
_AFTER = (
    "seeds",
    "runIds",
    "duplicateOf",
    "error",
    "cluster",
    "driver",
    "startedAt",
    "finishedAt",
    "seconds",
)
_Row = dict[str, Any]


def trials_csv(plan: SearchPlan, findings: SearchFindings) -> bytes:
    """Sorted by task, kind and index. Hyperparameters are columns of their own; metrics have three: `accuracy_best`
    over the history, `accuracy_best_step`, `accuracy_last`. Floats read back as the same floats.
    """
    rows = list(_rows(plan, findings))
    configs: list[_Row] = [row["config"] for row in rows]
    columns = (
        *_BEFORE,
        *hyperparameter_names(plan, configs),
        *(f"{name}_{part}" for name in _metrics(findings) for part in ("best", "best_step", "last")),
        *_AFTER,
        *(name for name in ("takenFrom", "gpuSeconds") if any(row.get(name) for row in rows)),
    )
    return to_csv(columns, ([(row | row["config"]).get(column) for column in columns] for row in rows))


def to_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """UTF-8 with a header line; None is empty, lists and booleans are JSON."""
    return csv_table(columns, (list(map(_cell, row)) for row in rows))


def hyperparameter_names(plan: SearchPlan, configs: Iterable[_Row]) -> tuple[str, ...]:
    """Every hyperparameter of the search, in the order of the spaces, then what only configurations have."""
    spaces = (name for task in plan.order for name in plan.tasks[task].space)
    found = dict.fromkeys(name for config in configs for name in config)
    # Canonical JSON sorts the keys of spaces, so their order says nothing; learning rates are looked for first.
    names = dict.fromkeys((*spaces, *found))
    return tuple(sorted(names, key=lambda name: (name != "learningRate", name)))


def _rows(plan: SearchPlan, findings: SearchFindings) -> Iterator[_Row]:
    for task in plan.order:
        for kind, results in ((TrialKind.TRIALS, findings.trials), (TrialKind.FINALISTS, findings.finalists)):
            rows = [_result_row(plan, kind, one) for one in results.get(task, ())]
            rows += [
                _claim_row(kind, task, index, claim)
                for (of_kind, of_task, index), claim in findings.unfinished.items()
                if (of_kind, of_task) == (kind, task)
            ]
            yield from sorted(rows, key=lambda row: int(row["index"]))


def _result_row(plan: SearchPlan, kind: TrialKind, one: TrialResult) -> _Row:
    row: _Row = {
        "task": one.task,
        "kind": kind.value,
        "index": one.index,
        "trialId": one.trial_id,
        "state": one.state.value,
        "metric": one.metric,
        "value": one.value,
        "step": one.step,
        "steps": one.total_steps,
        "progress": max((report.progress for report in one.history), default=0.0),
        "config": one.config,
        "seeds": " ".join(map(str, one.seeds)),
        "runIds": " ".join(one.run_ids),
        "duplicateOf": one.duplicate_of,
        "takenFrom": " ".join(one.taken_from) or None,
        "error": one.error,
        "cluster": one.cluster,
        "driver": one.driver,
        "startedAt": one.started_at,
        "finishedAt": one.finished_at,
        "seconds": one.seconds,
        "gpuSeconds": one.gpu_seconds or None,
    }
    definition = plan.tasks[one.task].definition
    for name in sorted({name for report in one.history for name in report.metrics}):
        more = one.greater_is_better if name == one.metric else definition.greater_is_better(name)
        row |= _metric_cells(name, one.history, more=more)
    return row


def _metric_cells(name: str, history: Sequence[TrialReport], *, more: bool) -> _Row:
    last = history[-1].metrics.get(name)
    measured = [(value, report.step) for report in history if (value := report.metrics.get(name)) is not None]
    if not measured:
        return {f"{name}_last": last}
    # The first step of equally good ones, as everywhere.
    best, step = min(measured, key=lambda pair: (-pair[0] if more else pair[0], pair[1]))
    return {f"{name}_best": best, f"{name}_best_step": step, f"{name}_last": last}


def _claim_row(kind: TrialKind, task: str, index: int, claim: Claim | None) -> _Row:
    row: _Row = {"task": task, "kind": kind.value, "index": index, "state": UNFINISHED, "config": {}}
    if claim is None:
        return row
    return row | {
        "config": claim.config,
        "cluster": claim.cluster,
        "driver": claim.driver,
        "startedAt": claim.time,
    }


def _metrics(findings: SearchFindings) -> list[str]:
    results = (one for by_task in (findings.trials, findings.finalists) for list_ in by_task.values() for one in list_)
    return sorted({name for one in results for report in one.history for name in report.metrics})


def _cell(value: Any) -> Value:
    if isinstance(value, bool | list | tuple | dict):
        return json.dumps(value, sort_keys=True)
    return value if value is None or isinstance(value, int | float) else str(value)
