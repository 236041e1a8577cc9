"""Which executor an execution mode has."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from finetune_core.api import Execution, ExecutionMode
from finetune_kube.errors import KindMissingError, RejectedError
from finetune_operator.executors.base import Absent, Executor
from finetune_operator.executors.job import JobExecutor
from finetune_operator.executors.rayjob import RayJobExecutor

_JOBS = JobExecutor()


@dataclass(frozen=True)
class Executors:
    """Executors by mode; one whose pods are those of Jobs comes before Jobs."""

    by_mode: Mapping[ExecutionMode, Executor]

    @property
    def all(self) -> tuple[Executor, ...]:
        """Each of them, and that of Jobs in any case: they also report and look at volumes."""
        return tuple(dict.fromkeys((*self.by_mode.values(), _JOBS)))

    @property
    def pod_labels(self) -> tuple[str, ...]:
        """The labels by which pods name the objects that they work for; the first counts."""
        return tuple(executor.pod_label for executor in self.all)

    def of(self, execution: Execution) -> Executor:
        """The one that does the work of a spec."""
        return self.by_mode[execution.mode]

    def of_kind(self, kind: str) -> Executor:
        """The one whose objects are of a kind, as in manifests; KeyError for another kind."""
        return {executor.kind.kind: executor for executor in self.all}[kind]

    def absent(self, error: KindMissingError) -> Absent | None:
        """What to say where the API server does not know a kind; None if it is none of theirs."""
        return next((executor.absent for executor in self._serving(error)), None)

    def outdated(self, error: RejectedError) -> Absent | None:
        """What to say where the API server knows a kind of theirs without fields of ours; None for other errors."""
        return next((executor.outdated(error) for executor in self._serving(error)), None)

    def _serving(self, error: RejectedError) -> Iterator[Executor]:
        """The executors of the API that the error is about."""
        return (executor for executor in self.all if error.path.startswith(f"/apis/{executor.kind.api_version}/"))


EXECUTORS = Executors({ExecutionMode.JOBS: _JOBS, ExecutionMode.RAY_CLUSTER: RayJobExecutor()})
