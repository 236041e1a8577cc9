"""runs.csv: one row a planned run, for programs."""

from collections.abc import Iterable, Sequence

from finetune_core.results.schema import ResultsDocument, RunRow
from finetune_core.tables.csv import Value, csv_table
from finetune_core.tables.experiment import parameter_columns, parameter_values

RUNS_COLUMNS = (
    "task",
    "run",
    "run_id",
    "seed",
    "state",
    "metric",
    "value",
    "step",
    "score",
    "last_step",
    "train_seconds",
    "attempts",
    "started_at",
    "finished_at",
    "attempt",
    "reason",
    "message",
)
_OPTIONAL = ("fold", "taken_from", "gpu_seconds", "energy_joules")
"""Columns behind these, where any run has one."""


def runs_csv(document: ResultsDocument) -> bytes:
    """One row a planned run, with a column for every metric that any run measured at its best step."""
    measured = sorted({metric for run in document.runs for metric in run.metrics})
    parameters = parameter_columns(document.runs)
    facts = (*RUNS_COLUMNS, *(name for name in _OPTIONAL if _any_has(document.runs, name)))
    columns = (*facts, *(f"metric_{metric}" for metric in measured), *parameters)
    return csv_table(
        columns,
        ((*_run_cells(run, facts, measured), *parameter_values(run.parameters, parameters)) for run in document.runs),
    )


def _any_has(runs: Iterable[RunRow], name: str) -> bool:
    return any(getattr(run, name) not in {None, 0.0} for run in runs)


def _run_cells(run: RunRow, columns: Sequence[str], measured: Sequence[str]) -> tuple[Value, ...]:
    facts = run.model_dump(mode="json")
    return (*(facts.get(column) for column in columns), *(run.metrics.get(metric) for metric in measured))
