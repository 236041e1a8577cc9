"""What the operator sees of a search: its children, its trials and the ends of its tasks, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from finetune_core.api import Execution
from finetune_core.canonical import short_hash
from finetune_core.deciding.budget import NO_LIMITS, Limits
from finetune_core.deciding.executor import ExecutorTraits
from finetune_core.deciding.observation import FailureCause, JobRole, JobView, PodView, Stall, may_begin
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.search.export import BestHyperparameters, export_digest
from finetune_core.results.search.selection import best_hyperparameters
from finetune_core.results.search.trial import EndReason, TaskEnd, TrialResult


@dataclass(frozen=True)
class SearchObservation:
    """Everything that `decide_search()` looks at; the order of jobs, pods and trials does not matter.

    `trials` and `finalists` are by task, without their histories; `claimed` counts trials of a task that were taken
    and have no result yet. `unreadable` says what lies where a result should be, by its key: such a trial counts as one
    without a result. `given_up` are units that failed for good in a Job of their revision that is gone, as the store
    has it. `report` and `config_map` are the digests of what the summary in the store and the ConfigMap in
    the cluster were made from. `now` is an ISO time.
    """

    plan: SearchPlan
    execution: Execution
    executor: ExecutorTraits
    template: str
    clusters: int = 1
    concurrent_trials: int = 1
    jobs: tuple[JobView, ...] = ()
    pods: tuple[PodView, ...] = ()
    trials: Mapping[str, tuple[TrialResult, ...]] = field(default_factory=dict)
    finalists: Mapping[str, tuple[TrialResult, ...]] = field(default_factory=dict)
    claimed: Mapping[str, int] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)
    ends: Mapping[str, TaskEnd] = field(default_factory=dict)
    errors: Mapping[str, FailureCause] = field(default_factory=dict)
    given_up: Mapping[str, FailureCause] = field(default_factory=dict)
    report: str | None = None
    config_map: str | None = None
    stalls: tuple[Stall, ...] = ()
    stalled_report: Stall | None = None
    limits: Limits = NO_LIMITS
    now: str = ""

    def of_role(self, role: JobRole) -> tuple[JobView, ...]:
        """The Jobs of a role, by name."""
        return tuple(sorted((job for job in self.jobs if job.role == role), key=lambda job: job.name))

    def ended_trials(self, task: str) -> int:
        """Trials of a task that have a result."""
        return len(self.trials.get(task, ()))

    def gpu_seconds(self, task: str | None = None) -> float:
        """Seconds times GPUs of the trials and finalists that have ended, of all tasks or of one."""
        tasks = self.plan.order if task is None else (task,)
        return sum(
            one.gpu_seconds for sets in (self.trials, self.finalists) for of in tasks for one in sets.get(of, ())
        )

    @property
    def stale_ends(self) -> tuple[str, ...]:
        """Tasks whose end is another plan's, or came after results that are gone, or when fewer were asked for."""
        return tuple(task for task in self.plan.order if task in self.ends and self._is_stale(task, self.ends[task]))

    def _is_stale(self, task: str, end: TaskEnd) -> bool:
        if end.reason == EndReason.BUDGET and self.limits.spent(self.gpu_seconds()) is None:
            return True
        counts = self.ended_trials(task), len(self.finalists.get(task, ()))
        return not end.is_by(self.plan.ending(task)) or end.misses(*counts, planned=self.plan.tasks[task].trials)

    @property
    def overspent(self) -> str | None:
        """What of the budget is spent, so that no trial may begin that would; None where none would."""
        return self.limits.spent(self.gpu_seconds()) if self.open_tasks and may_begin(self.execution) else None

    def end_for_budget(self, task: str) -> TaskEnd:
        """The end of a task that the budget cut short."""
        trials, planned = self.ended_trials(task), self.plan.tasks[task].trials
        return TaskEnd(
            driver="operator",
            reason=EndReason.BUDGET,
            message=f"{self.overspent} {trials} of {planned} trials ended.",
            time=self.now,
            ending=self.plan.ending(task),
            trials=trials,
            finalists=len(self.finalists.get(task, ())),
        )

    @property
    def open_tasks(self) -> frozenset[str]:
        """Tasks with trials left to do."""
        return frozenset(self.plan.order) - self.ends.keys() | set(self.stale_ends)

    @property
    def digest(self) -> str:
        """What a report and the ConfigMap are made from."""
        return export_digest(self.plan, {task: end for task, end in self.ends.items() if task in self.plan.tasks})

    @property
    def best(self) -> BestHyperparameters:
        """What the search hands on, as far as it has come."""
        trials = (trial for task in self.plan.order for trial in self.trials.get(task, ()))
        finalists = (trial for task in self.plan.order for trial in self.finalists.get(task, ()))
        return best_hyperparameters(self.plan, trials, finalists, self.digest)

    def revision(self, units: tuple[str, ...]) -> str:
        """Digest of what the Job of some units cannot change in place: plan, pod template, retry token."""
        return self.revision_with(self.template, units)

    def revision_with(self, template: str, units: tuple[str, ...]) -> str:
        """The revision with another fingerprint of the pod template."""
        asked = [self.concurrent_trials, self.execution.run_timeout_seconds, self.execution.retry_token]
        return short_hash([self.plan.digest, list(units), template, asked])
