"""What the operator can do to the world; each is safe to do twice."""

from collections.abc import Mapping
from dataclasses import dataclass

from finetune_core.api import Publication
from finetune_core.deciding.executor import JOB
from finetune_core.deciding.observation import JobView
from finetune_core.planning.plan import JobPlan
from finetune_core.planning.search.plan import SearchJobPlan
from finetune_core.publishing.orders import OrderedModel
from finetune_core.results.search.trial import TaskEnd


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
class CreatePublishJob:
    """Create the Job that publishes the models of an entry of `spec.publish`; `report` is what says that they are."""

    name: str
    revision: str
    report: str
    entry: Publication
    models: tuple[OrderedModel, ...]
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


@dataclass(frozen=True)
class EndTask:
    """Write the end of a search's task `name`: no more of it is to be done for now."""

    name: str
    end: TaskEnd


@dataclass(frozen=True)
class HoldWork:
    """Tell pods, in the store, to begin nothing new; `name` is the owner's, `message` says why."""

    name: str
    message: str


@dataclass(frozen=True)
class ReleaseWork:
    """Take that back."""

    name: str


Action = (
    CreateTrainJob
    | PatchJob
    | DeleteJob
    | ExpireJob
    | EndPod
    | CreateReportJob
    | CreatePublishJob
    | PutHyperparameters
    | ReopenTask
    | EndTask
    | HoldWork
    | ReleaseWork
)
