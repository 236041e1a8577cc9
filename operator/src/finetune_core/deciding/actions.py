"""What the operator can do to the world; each is safe to do twice."""

from collections.abc import Mapping
from dataclasses import dataclass

from finetune_core.deciding.executor import JOB
from finetune_core.deciding.observation import JobView
from finetune_core.planning.plan import JobPlan
from finetune_core.planning.search_plan import SearchJobPlan


@dataclass(frozen=True)
class CreateTrainJob:
    """Create the object `name` that does the work, and the immutable ConfigMap of its plan."""

    name: str
    revision: str
    round: int
    job_plan: JobPlan | SearchJobPlan
    parallelism: int
    suspend: bool
    kind: str = JOB.kind
    sequence: str = ""


@dataclass(frozen=True)
class PatchJob:
    """Change what can be changed in place of the object `uid`; None leaves a field as it is."""

    name: str
    parallelism: int | None = None
    suspend: bool | None = None
    kind: str = JOB.kind
    uid: str = ""


@dataclass(frozen=True)
class DeleteJob:
    """Delete an object that did work, its pods and its plan ConfigMap (`plan`, empty for none).

    Only the object `uid`, and only while it is as it was when this was decided (`version`).
    """

    name: str
    plan: str = ""
    kind: str = JOB.kind
    uid: str = ""
    version: str = ""

    @classmethod
    def of(cls, job: JobView) -> "DeleteJob":
        """The deletion of a Job that was seen."""
        return cls(job.name, job.plan, job.kind, job.uid, job.version)


@dataclass(frozen=True)
class ExpireJob:
    """Have Kubernetes delete the finished Job `uid` after so many seconds."""

    name: str
    ttl: int
    uid: str = ""


@dataclass(frozen=True)
class EndPod:
    """End the pod `uid` as an interruption, which costs its run no retry."""

    name: str
    uid: str


@dataclass(frozen=True)
class CreateReportJob:
    """Create the Job that writes tables, best predictions and the zip."""

    name: str
    revision: str
    digest: str
    failed: tuple[str, ...]
    round: int = 0


@dataclass(frozen=True)
class PutHyperparameters:
    """Create or replace the ConfigMap of a search's best hyperparameters; `digest` says what it was made from."""

    name: str
    digest: str
    data: Mapping[str, str]


@dataclass(frozen=True)
class ReopenTask:
    """Delete the end of a search's task `name`: the spec asks for more than was done when it ended."""

    name: str


Action = CreateTrainJob | PatchJob | DeleteJob | ExpireJob | EndPod | CreateReportJob | PutHyperparameters | ReopenTask
