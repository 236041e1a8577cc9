"""An evaluation of a run: a line of its `metrics.jsonl`.

    {"schemaVersion": 2, "step": 20, "epoch": 1.5, ..., "metrics": {"accuracy": 0.66}}

Version 0.1.0 wrote metrics and bookkeeping side by side; such lines are read too.
"""

from collections.abc import Iterable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from finetune_core.frozen import Document
from finetune_core.stored import Count, Seconds, Slug, finite, read_json

EVALUATION_SCHEMA_VERSION: Literal[2] = 2

_FLAT = frozenset({"step", "epoch", "learningRate", "trainLoss", "time", "seconds", "sparsity", "nonZeroParameters"})
"""What version 0.1.0 wrote beside the metrics. Never extended: later versions nest the metrics."""

_MAX_LINES = 100_000


def _finite(value: Any) -> Any:
    return finite(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Figure = Annotated[float | None, Field(strict=True), BeforeValidator(_finite)]
"""A number, or None where it was not finite: JSON has no NaN, and NaN never wins."""


class Evaluation(Document):
    """The metrics over the dev sets after `step` steps; `seconds` of the run over all its attempts, without waiting.

    `train_loss` is the last that was logged, `sparsity` the share of zeros, 0 to 1, of a sparse model.
    """

    schema_version: Literal[2] = EVALUATION_SCHEMA_VERSION
    step: Count
    epoch: Figure = None
    learning_rate: Figure = None
    train_loss: Figure = None
    sparsity: Figure = None
    non_zero_parameters: Count | None = None
    metrics: dict[Slug, Figure]
    time: str | None = None
    seconds: Seconds | None = None

    @model_validator(mode="before")
    @classmethod
    def _nested(cls, value: Any) -> Any:
        if not isinstance(value, dict) or not value.keys().isdisjoint({"schemaVersion", "schema_version", "metrics"}):
            return value
        told = {name: value[name] for name in value.keys() & _FLAT}
        return told | {"metrics": {name: figure for name, figure in value.items() if name not in _FLAT}}

    def row(self) -> dict[str, Any]:
        """A flat row for tables, as version 0.1.0 wrote it; zeros are told of sparse models alone."""
        told = self.model_dump(by_alias=True, exclude={"schema_version", "metrics", "time", "seconds"})
        dense = {name for name in ("sparsity", "nonZeroParameters") if told[name] is None}
        kept = {name: figure for name, figure in told.items() if name not in dense}
        return {**kept, **self.metrics, "time": self.time, "seconds": self.seconds}


def read_lines(content: bytes) -> tuple[Evaluation, ...]:
    """The evaluations of a metrics.jsonl. ValueError (or pydantic's ValidationError) at the first torn line."""
    lines = content.decode().splitlines()
    if len(lines) > _MAX_LINES:
        raise ValueError(f"it has {len(lines)} lines, and may have {_MAX_LINES}")
    return tuple(Evaluation.model_validate(read_json(line)) for line in lines)


def to_lines(evaluations: Iterable[Evaluation]) -> bytes:
    """A metrics.jsonl of evaluations."""
    return "".join(f"{evaluation.model_dump_json(by_alias=True)}\n" for evaluation in evaluations).encode()
