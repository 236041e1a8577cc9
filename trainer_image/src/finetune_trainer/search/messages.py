"""What a trial's worker process tells the driver through Tune: flat dictionaries of plain values."""

from dataclasses import dataclass
from typing import Any

from finetune_core.search.trials import TrialReport

OBJECTIVE = "objective"
"""The objective for Tune's schedulers; one that is not finite counts as worse than any that is."""

PROGRESS = "percent"
"""Share of the trial's steps, 0 to 100: what schedulers know as time."""

_WORST = 1e30
_LOSS_SHARE = 1e-7
"""Less than what one example more or less changes in any metric of a dev set."""


@dataclass(frozen=True)
class Ended:
    """No evaluation will follow.

    `inputs`: model or data cannot be used, which no other trial could either. `diverged`: loss or logits were not
    finite.
    """

    error: str | None = None
    interrupted: bool = False
    inputs: bool = False
    diverged: bool = False


@dataclass(frozen=True)
class Message:
    """A report, and whether it was the last: then it repeats the one before (None if there was none)."""

    report: TrialReport | None
    ended: Ended | None

    def to_tune(self, metric: str, *, greater_is_better: bool) -> dict[str, Any]:
        """As a result for Tune."""
        return {
            **scheduler_result(self.report, metric, greater_is_better=greater_is_better),
            "report": "" if self.report is None else self.report.model_dump_json(),
            "ended": self.ended is not None,
            "error": self.ended.error if self.ended else None,
            "interrupted": bool(self.ended and self.ended.interrupted),
            "inputs": bool(self.ended and self.ended.inputs),
            "diverged": bool(self.ended and self.ended.diverged),
            "done": self.ended is not None,
        }

    @classmethod
    def from_tune(cls, result: dict[str, Any]) -> "Message":
        """Back from `to_tune`."""
        report = TrialReport.model_validate_json(result["report"]) if result.get("report") else None
        if not result.get("ended"):
            return cls(report, None)
        flags = {name: bool(result.get(name)) for name in ("interrupted", "inputs", "diverged")}
        return cls(report, Ended(result.get("error"), **flags))


def scheduler_result(report: TrialReport | None, metric: str, *, greater_is_better: bool) -> dict[str, Any]:
    """What schedulers look at.

    Trials that have learned nothing yet all stand at the majority class, and a scheduler stops none of those that are
    equal: of equal trials the one with the lower loss is the better one.
    """
    sign = 1.0 if greater_is_better else -1.0
    value = report.metrics.get(metric) if report else None
    objective = -sign * _WORST if value is None or report is None else value - sign * _loss_share(report)
    return {OBJECTIVE: objective, PROGRESS: 100.0 * report.progress if report else 0.0}


def _loss_share(report: TrialReport) -> float:
    """From 0 without any loss to `_LOSS_SHARE`, which also stands for one that is not known or not finite."""
    loss = report.metrics.get("loss")
    return _LOSS_SHARE if loss is None else _LOSS_SHARE * loss / (1.0 + loss)
