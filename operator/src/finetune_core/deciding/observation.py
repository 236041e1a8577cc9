"""What the operator sees of an experiment: its children and its results, as plain values for `decide()`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from typing import Self

from finetune_core.api import Execution, Publication
from finetune_core.canonical import short_hash
from finetune_core.deciding.budget import NO_LIMITS, Limits
from finetune_core.deciding.executor import JOB, ExecutorTraits
from finetune_core.deciding.outcome import Outcome
from finetune_core.planning.plan import Plan
from finetune_core.publishing.orders import Publications
from finetune_core.spent import UNSPENT, Spent, total


class JobRole(StrEnum):
    """What a Job of ours does; the value of its role label."""

    TRAIN = "train"
    REPORT = "report"
    RESOLVE = "resolve"
    PUBLISH = "publish"


@dataclass(frozen=True)
class FailureCause:
    """Why a unit failed, from its failure report in the store, its driver or its pod; no exception."""

    reason: str
    message: str


@dataclass(frozen=True)
class JobView:
    """An object that does work (a Job, say) as far as decisions depend on it.

    A driven one has no completion indexes of its own: each unit of its plan is one index, and which of them are
    completed or failed is what its driver reports, as is which are `running`; `errors` says why it gave units up. Its
    `active` and `ready` count worker pods. `sequence` tells the objects of a search's clusters apart.

    `completed` and `failed` are completion indexes; `indexes` maps each to the run ids that it does, as the ConfigMap
    `plan` has it. `owned` is false for a Job that an earlier experiment of the same name left behind: Kubernetes
    deletes it, and until then it is waited for. `queue` is Kueue's that the object is in. `uid` and `version` are the
    object's and that of its state here. `ttl`: seconds after its end until Kubernetes deletes it; None for never.

    `templates` are fingerprints of objects that do what today's spec asks for; by the rules of an earlier release,
    where that made the object. None: today's alone. `outdated`: the operator's own settings are others than those that
    it was made by.
    """

    name: str
    role: JobRole
    revision: str
    round: int = 0
    owned: bool = True
    deleting: bool = False
    suspended: bool = False
    queue: str = ""
    parallelism: int = 1
    active: int = 0
    ready: int = 0
    terminating: int = 0
    completed: frozenset[int] = frozenset()
    failed: frozenset[int] = frozenset()
    complete: bool = False
    failed_for: str | None = None
    indexes: tuple[tuple[str, ...], ...] = ()
    plan: str = ""
    created: str = ""
    executor: ExecutorTraits = JOB
    sequence: str = ""
    running: frozenset[int] = frozenset()
    errors: tuple[tuple[str, FailureCause], ...] = ()
    uid: str = ""
    version: str = ""
    ttl: int | None = None
    templates: tuple[str, ...] = ()
    outdated: bool = False

    @property
    def kind(self) -> str:
        """The object's kind."""
        return self.executor.kind

    @property
    def queued(self) -> bool:
        """Whether Kueue decides about its suspend: by the spec, or because its namespace has a default queue."""
        return bool(self.queue)

    @property
    def finished(self) -> bool:
        """Whether the Job has reached a final condition."""
        return self.complete or self.failed_for is not None

    def is_of(self, revision: Callable[[str], str], template: str) -> bool:
        """Whether it is of today's spec, by the rules of the release that made it.

        `revision` is the revision by the fingerprint of a template; `template` is today's.
        """
        return self.revision in {revision(known) for known in self.templates or (template,)}

    def index_of(self, run_id: str) -> int | None:
        """The completion index that does a run."""
        return next((index for index, runs in enumerate(self.indexes) if run_id in runs), None)


@dataclass(frozen=True)
class PodView:
    """A pod of a Job: why it does not start (`blocked`), or why it failed; `index` is its completion index.

    `lingering` is the container that goes on although its work is done, which blocks it too. `running`: its
    containers run, and nobody has asked it to end.
    """

    name: str
    job: str
    role: JobRole
    index: int | None
    ended: bool
    blocked: str | None = None
    blocked_message: str = ""
    failure_reason: str | None = None
    failure_message: str = ""
    failed_run: str | None = None
    lingering: str | None = None
    uid: str = ""
    node: str = ""
    running: bool = False

    @classmethod
    def refused(cls, job: str, role: JobRole, why: FailureCause) -> Self:
        """A pod that the cluster does not let an object create, so that there is none."""
        pod = cls(name=f"of {job}", job=job, role=role, index=None, ended=False)
        return replace(pod, blocked=why.reason, blocked_message=why.message)

    @property
    def why_blocked(self) -> str:
        """A sentence in the cluster's words."""
        if self.lingering is not None:
            return f"Pod {self.name} cannot end: {self.blocked_message}"
        return f"Pod {self.name} cannot start: {self.blocked}: {self.blocked_message}"


@dataclass(frozen=True)
class Stall:
    """A run at work (its id), a search's driver, or another pod (its uid), that has given no sign for so many seconds.

    `pod` is None where a driver shares out pods.
    """

    ident: str
    seconds: float
    pod: PodView | None = None


@dataclass(frozen=True)
class ReportView:
    """The report that lies in the store, by the digest of what it was made from."""

    digest: str
    submission_sha256: str | None = None
    missing: tuple[str, ...] = ()
    placeholders: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Observation:
    """Everything that `decide()` looks at; the order of `jobs` and `pods` does not matter.

    `given_up` are runs that failed for good in a Job of this revision that is gone, as the store has it. `unreadable`
    says what lies where a run's result should be: such a run counts as one without a result. `spent` is what runs
    that have none took of GPUs, as far as they have told. `stalled_report` is a pod that reports or publishes and
    gives no sign of life. `publish` are the spec's entries, `published` the records in the store of what lies at their
    places, by their names.
    """

    plan: Plan
    execution: Execution
    executor: ExecutorTraits
    template: str
    jobs: tuple[JobView, ...] = ()
    pods: tuple[PodView, ...] = ()
    outcomes: Mapping[str, Outcome] = field(default_factory=dict)
    errors: Mapping[str, FailureCause] = field(default_factory=dict)
    given_up: Mapping[str, FailureCause] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    report: ReportView | None = None
    spent: Mapping[str, Spent] = field(default_factory=dict)
    limits: Limits = NO_LIMITS
    stalls: tuple[Stall, ...] = ()
    stalled_report: Stall | None = None
    publish: tuple[Publication, ...] = ()
    published: Mapping[str, Publications] = field(default_factory=dict)

    @cached_property
    def revision(self) -> str:
        """Digest of what a training Job cannot change in place: the runs, the pod template, the retry token."""
        return self.revision_with(self.template)

    def revision_with(self, template: str) -> str:
        """The revision with another fingerprint of the pod template."""
        return short_hash([self.plan.work_digest, template, self.execution.retry_token])

    @cached_property
    def pending(self) -> frozenset[str]:
        """Ids of the planned runs that have no result."""
        return frozenset(run.run_id for run in self.plan.runs) - self.outcomes.keys()

    @cached_property
    def overspent(self) -> str | None:
        """What of the budget is spent, so that no run may begin that would; None where none would."""
        return self.spent_up if self.pending and may_begin(self.execution) else None

    @cached_property
    def spent_up(self) -> str | None:
        """What of the budget is spent, whether or not anything would begin."""
        return self.limits.spent(self.gpu_seconds())

    def spent_on(self, task: str | None = None) -> Spent:
        """What all planned runs took of GPUs, or a task's."""
        runs = [run.run_id for run in self.plan.runs if task in {None, run.task}]
        return total(self.outcomes[run].spent if run in self.outcomes else self.spent.get(run, UNSPENT) for run in runs)

    def gpu_seconds(self, task: str | None = None) -> float:
        """Seconds times GPUs of all planned runs, or of a task's."""
        return self.spent_on(task).gpu_seconds

    def of_role(self, role: JobRole) -> tuple[JobView, ...]:
        """The Jobs of a role, by name."""
        return tuple(sorted((job for job in self.jobs if job.role == role), key=lambda job: job.name))


def may_begin(execution: Execution) -> bool:
    """Whether the spec lets anything begin: what is suspended waits, whatever its budget."""
    return not execution.suspend and execution.parallelism > 0


def errors_of(jobs: Iterable[JobView]) -> dict[str, FailureCause]:
    """Why units were given up, as drivers and their objects say; the latest round's word counts."""
    return {unit: error for job in sorted(jobs, key=lambda job: job.round) for unit, error in job.errors}
