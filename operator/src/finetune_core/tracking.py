"""How trainers are told of trackers: by their environment, not by the plan, since no result depends on trackers.

Plans stay as they are when tracking is switched on, so nothing that has a result or a checkpoint begins anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from finetune_core.api import Tracking
from finetune_core.planning.plan import Plan, PlannedRun

TRACKING_ENV = "FINETUNE_TRACKING"


def to_env(tracking: Tracking | None) -> dict[str, str]:
    """What a training process needs in its environment; nothing where no tracker is chosen."""
    return {TRACKING_ENV: tracking.model_dump_json(by_alias=True, exclude_none=True)} if tracking else {}


def from_env(env: Mapping[str, str]) -> Tracking | None:
    """What `to_env` was given. pydantic's ValidationError where another version, or somebody else, wrote it."""
    text = env.get(TRACKING_ENV)
    return Tracking.model_validate_json(text) if text else None


@dataclass(frozen=True)
class TrackedRun:
    """An attempt at a run, as trackers show it."""

    namespace: str
    experiment: str
    task: str
    run_id: str
    run: int
    seed: int
    attempt: str
    model: str

    @classmethod
    def of(cls, plan: Plan, planned: PlannedRun, attempt: str) -> Self:
        """An attempt at a run of a plan."""
        return cls(
            namespace=plan.namespace,
            experiment=plan.experiment,
            task=planned.task,
            run_id=planned.run_id,
            run=planned.run,
            seed=planned.seed,
            attempt=attempt,
            model=plan.model.uri,
        )

    @property
    def name(self) -> str:
        """Its name in the tracker; runs are grouped by task."""
        return f"{self.task}/{self.run_id}"

    @property
    def project(self) -> str:
        """What it is filed under, unless the spec or the environment says otherwise."""
        return f"{self.namespace}/{self.experiment}"

    @property
    def facts(self) -> dict[str, str]:
        """Tags: what to find and to group it by."""
        return {
            "experiment": self.project,
            "task": self.task,
            "run": str(self.run),
            "seed": str(self.seed),
            "runId": self.run_id,
            "attempt": self.attempt,
            "model": self.model,
        }
