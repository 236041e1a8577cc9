"""What the operator can do to the world; each is safe to do twice."""

from dataclasses import dataclass

from finetune_core.plan import JobPlan


@dataclass(frozen=True)
class CreateTrainJob:
    """Create the Job `name` and the immutable ConfigMap of its plan."""

    name: str
    revision: str
    round: int
    job_plan: JobPlan
    parallelism: int
    suspend: bool


@dataclass(frozen=True)
class PatchJob:
    """Change what can be changed in place; None leaves a field as it is."""

    name: str
    parallelism: int | None = None
    suspend: bool | None = None


@dataclass(frozen=True)
class DeleteJob:
    """Delete a Job, its pods and its plan ConfigMap (`plan`, empty for none)."""

    name: str
    plan: str = ""


@dataclass(frozen=True)
class CreateReportJob:
    """Create the Job that writes tables, best predictions and the zip."""

    name: str
    revision: str
    digest: str
    failed: tuple[str, ...]


Action = CreateTrainJob | PatchJob | DeleteJob | CreateReportJob
