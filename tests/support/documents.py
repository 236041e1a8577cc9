"""Results documents of several experiments, without any store."""

from collections.abc import Mapping, Sequence
from typing import Any

from finetune_core.results.document import build_document
from finetune_core.results.run import Failure
from finetune_core.results.schema import ResultsDocument
from support.results import plan_of, result_of

FAILED = "failed"
"""In place of a run's value: it failed."""
MISSING = "missing"
"""In place of a run's value: it has not ended."""


def document_of(
    runs: Mapping[str, Sequence[float | str | None]],
    *,
    name: str = "demo",
    namespace: str = "team",
    model: str = "s3://models/tiny",
    metrics: Mapping[str, Mapping[str, float | None]] | None = None,
    **plan: Any,
) -> ResultsDocument:
    """An experiment's document: task -> its runs' values; `metrics` are task -> the other metrics of all its runs."""
    made = plan_of({task: len(values) for task, values in runs.items()}, **plan)
    made = made.model_copy(
        update={
            "experiment": name,
            "namespace": namespace,
            "model": made.model.model_copy(update={"uri": model}),
        }
    )
    results, failures = {}, dict[str, Failure | None]()
    for task, values in runs.items():
        for run, value in enumerate(values):
            if value == FAILED:
                failures[made.runs_of(task)[run].run_id] = None
            elif not isinstance(value, str):
                result = result_of(made, task, run, value, metrics=(metrics or {}).get(task))
                results[result.run_id] = result
    return build_document(made, results, failures, uri=f"s3://bucket/{namespace}/{name}", models={})
