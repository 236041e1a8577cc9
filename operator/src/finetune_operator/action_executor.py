"""Carrying out what was decided; each action may be repeated without harm."""

import logging
from collections.abc import Iterable

from finetune_core.api.status import Reason
from finetune_core.deciding.actions import (
    Action,
    CreatePublishJob,
    CreateReportJob,
    CreateTrainJob,
    DeleteJob,
    EndPod,
    EndTask,
    ExpireJob,
    HoldWork,
    PatchJob,
    PutHyperparameters,
    ReleaseWork,
    ReopenTask,
)
from finetune_core.deciding.experiment.decision import Decision
from finetune_core.deciding.expiry import expiring
from finetune_core.deciding.observation import JobView
from finetune_core.deciding.search.decision import SearchDecision
from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.planning.plan import Plan
from finetune_core.planning.search.plan import SearchPlan
from finetune_core.results.run import Hold
from finetune_core.search_layout import SearchLayout
from finetune_kube.errors import ApiUnavailableError, RejectedError
from finetune_kube.kinds import JOB, Kind
from finetune_operator import manifests
from finetune_operator.children.writer import ChildWriter
from finetune_operator.cluster import Cluster
from finetune_operator.executors import Executors
from finetune_operator.problems import CannotRunError
from finetune_operator.refusals import Asked, is_strict, problems_of
from finetune_store import Store

logger = logging.getLogger(__name__)


class ActionExecutor:
    """Acts for one experiment or search."""

    def __init__(
        self, cluster: Cluster, owner: manifests.Owner, settings: manifests.PodSettings, executors: Executors
    ) -> None:
        self._cluster = cluster
        self._owner = owner
        self._settings = settings
        self._executors = executors
        self._children = ChildWriter(cluster, owner)

    def carry_out(
        self, decision: Decision | SearchDecision, jobs: Iterable[JobView], *, store: Store, plan: Plan | SearchPlan
    ) -> None:
        """Do all that was decided (see `act`); where all has ended, `jobs` get their time to live."""
        closing: tuple[Action, ...] = ()
        if decision.done:
            # Before the status says so: what is cut off here is done again by the next look.
            closing = expiring(jobs, self._settings.execution.ttl_seconds_after_finished)
        for action in (*decision.actions, *closing):
            self.act(action, store=store, plan=plan)

    def act(self, action: Action, *, store: Store, plan: Plan | SearchPlan) -> None:
        """Do one action; ClusterError, StoreError or WaitingError if it cannot be done now.

        ConflictError: what was decided on has changed meanwhile.
        """
        about = {"experiment": f"{self._owner.namespace}/{self._owner.name}", "child": action.name}
        logger.info(type(action).__name__, extra=about)
        match action:
            case CreateTrainJob():
                self._create_work(action, store)
            case PatchJob():
                self._patch_job(action)
            case ExpireJob():
                patch = {"spec": {"ttlSecondsAfterFinished": action.ttl}}
                self._cluster.patch_work(JOB, self._owner.namespace, action.name, patch, uid=action.uid)
            case DeleteJob():
                self.delete_job(action)
            case EndPod():
                self.end_pod(action)
            case CreateReportJob():
                # The report reads the plan in the store: it must be the one that was decided on.
                store.put(_plan_key(plan), plan.to_bytes())
                self._create_report_job(action)
            case CreatePublishJob():
                job = manifests.publish_job(self._owner, self._settings, action)
                self._create(JOB, job, "publishResources")
            case PutHyperparameters():
                self._put_hyperparameters(action)
            case ReopenTask(task):
                store.delete(SearchLayout(self._owner.namespace, self._owner.name).end(task))
            case EndTask(task, end):
                store.put(SearchLayout(self._owner.namespace, self._owner.name).end(task), end.to_json())
            case HoldWork(_, message):
                store.put(self._hold_key, Hold(message=message).to_json())
            case ReleaseWork():
                store.delete(self._hold_key)

    @property
    def _hold_key(self) -> str:
        return ExperimentLayout(self._owner.namespace, self._owner.name).hold

    def create_resolve_job(self, *, name: str, uris: tuple[str, ...], key: str) -> None:
        """Have a pod look at volumes."""
        job = manifests.resolve_job(self._owner, self._settings, name=name, uris=uris, key=key)
        self._create(JOB, job, "resolveResources")

    def delete_job(self, action: DeleteJob) -> None:
        """Delete an object that does work, and its plan."""
        # The Job last: as long as it is there, a look that was cut off is made up for.
        if action.plan:
            self._children.delete_config_map(action.plan)
        executor = self._executors.of_kind(action.kind)
        if executor.network_policy(self._owner, action.name) is not None:
            self._children.delete_network_policy(action.name)
        self._cluster.delete_work(
            executor.kind, self._owner.namespace, action.name, uid=action.uid, version=action.version
        )

    def _create(self, kind: Kind, manifest: Json, resources: str = "resources") -> None:
        try:
            self._children.create_work(kind, manifest)
        except RejectedError as error:
            problems = problems_of(error, manifest, Asked(self._settings.execution, resources))
            if problems:
                raise CannotRunError(problems, Reason.REJECTED, retry=True) from error
            if not is_strict(error) or self._executors.outdated(error) is not None:
                raise
            # The cluster is older than this release: it does without what it does not know, as without strictness.
            logger.warning("left out by the cluster: %s", error.reason)
            self._children.create_work(kind, manifest, strict=False)

    def _create_work(self, action: CreateTrainJob, store: Store) -> None:
        executor = self._executors.of_kind(action.kind)
        executor.prepare(self._owner, action.name, store)
        self._children.create_config_map(manifests.plan_config_map(self._owner, action.name, action.job_plan))
        policy = executor.network_policy(self._owner, action.name)
        if policy is not None:
            # The policy comes before the pods, so that nobody else ever reaches one.
            self._children.create_network_policy(policy)
        self._create(executor.kind, executor.manifest(self._owner, self._settings, action))

    def _patch_job(self, action: PatchJob) -> None:
        executor = self._executors.of_kind(action.kind)
        patch = executor.patch(parallelism=action.parallelism, suspend=action.suspend)
        self._cluster.patch_work(executor.kind, self._owner.namespace, action.name, patch, uid=action.uid)

    def end_pod(self, action: EndPod) -> None:
        """Interrupt a pod, as far as disruption budgets let it be; ClusterError."""
        try:
            self._cluster.evict_pod(self._owner.namespace, action.name, uid=action.uid)
        except ApiUnavailableError as error:
            # A PodDisruptionBudget says no for now, or the API server is busy: the next look tries again.
            logger.warning("pod %s is not ended: %s", action.name, error)

    def _create_report_job(self, action: CreateReportJob) -> None:
        self._create(JOB, manifests.report_job(self._owner, self._settings, action), "reportResources")

    def _put_hyperparameters(self, action: PutHyperparameters) -> None:
        manifest = manifests.hyperparameters_config_map(
            self._owner, name=action.name, digest=action.digest, data=action.data
        )
        self._children.put_config_map(manifest)


def _plan_key(plan: Plan | SearchPlan) -> str:
    if isinstance(plan, SearchPlan):
        return SearchLayout(plan.namespace, plan.search).plan
    return ExperimentLayout(plan.namespace, plan.experiment).plan
