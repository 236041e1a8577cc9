"""The plan that a pod reads from its ConfigMap, and what a Job's pod is to do of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from finetune_core.planning.plan import JobPlan, PlannedRun
from finetune_store import POD_RETRY_SECONDS, S3Connection
from finetune_trainer.errors import UserError
from finetune_trainer.signals import Stop

_PlanT = TypeVar("_PlanT", bound=BaseModel)


@dataclass(frozen=True)
class PodJob:
    """The runs that a Job's pod is to do, and what with."""

    plan: JobPlan
    runs: tuple[PlannedRun, ...]
    store: str
    connection: S3Connection
    attempt: str
    stop: Stop
    termination_log: Path
    patience: float = POD_RETRY_SECONDS


def read_plan(path: Path, model: type[_PlanT], name: str) -> _PlanT:
    """The plan in a file; UserError, which calls it `name`."""
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UserError(f"the plan cannot be read: {error}") from error
    except ValidationError as error:
        raise UserError(f"{path} is no {name} of this version: {error}") from error
