"""Carrying out what was decided; each action may be repeated without harm."""

import logging
from typing import TypedDict

from finetune_core.actions import (
    Action,
    CreateReportJob,
    CreateTrainJob,
    DeleteJob,
    PatchJob,
    PutHyperparameters,
    ReopenTask,
)
from finetune_core.layout import ExperimentLayout
from finetune_core.observation import WorkKind
from finetune_core.plan import JobPlan, Plan
from finetune_core.search.layout import SearchLayout
from finetune_core.search.plan import SearchJobPlan, SearchPlan
from finetune_operator import manifests
from finetune_operator.child_writer import ChildWriter
from finetune_operator.cluster import Cluster
from finetune_store import Store

logger = logging.getLogger(__name__)


class _Work(TypedDict):
    """What builders of Jobs and of RayJobs are told alike."""

    name: str
    revision: str
    round_: int
    job_plan: JobPlan | SearchJobPlan
    parallelism: int
    suspend: bool


class Actor:
    """Acts for one experiment or search."""

    def __init__(self, cluster: Cluster, owner: manifests.Owner, settings: manifests.PodSettings) -> None:
        self._cluster = cluster
        self._owner = owner
        self._settings = settings
        self._children = ChildWriter(cluster, owner)

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
            case DeleteJob():
                self._delete_job(action)
            case CreateReportJob():
                # The report reads the plan in the store: it must be the one that was decided on.
                store.put(_plan_key(plan), plan.to_bytes())
                self._create_report_job(action)
            case PutHyperparameters():
                self._put_hyperparameters(action)
            case ReopenTask(task):
                store.delete(SearchLayout(self._owner.namespace, self._owner.name).end(task))

    def create_resolve_job(self, *, name: str, uris: tuple[str, ...], key: str) -> None:
        """Have a pod look at volumes."""
        self._children.create_job(manifests.resolve_job(self._owner, self._settings, name=name, uris=uris, key=key))

    def _create_work(self, action: CreateTrainJob, store: Store) -> None:
        ray = action.kind == WorkKind.RAY_JOB
        if ray:
            # One of that name may have been before: its driver's words are not those of the next.
            store.delete(manifests.driver_report_key(self._owner, action.name))
        self._children.create_config_map(manifests.plan_config_map(self._owner, action.name, action.job_plan))
        if ray:
            work = manifests.ray_job(self._owner, self._settings, lane=action.lane, **_work(action))
            self._children.create_ray_job(work)
        else:
            self._children.create_job(manifests.train_job(self._owner, self._settings, **_work(action)))

    def _patch_job(self, action: PatchJob) -> None:
        changes = {"parallelism": action.parallelism, "suspend": action.suspend}
        patch = {"spec": {key: value for key, value in changes.items() if value is not None}}
        ray = action.kind == WorkKind.RAY_JOB
        change = self._cluster.patch_ray_job if ray else self._cluster.patch_job
        change(self._owner.namespace, action.name, patch, uid=action.uid)

    def _delete_job(self, action: DeleteJob) -> None:
        # The Job last: as long as it is there, a look that was cut off is made up for.
        if action.plan:
            self._children.delete_config_map(action.plan)
        delete = self._cluster.delete_ray_job if action.kind == WorkKind.RAY_JOB else self._cluster.delete_job
        delete(self._owner.namespace, action.name, uid=action.uid, version=action.version)

    def _create_report_job(self, action: CreateReportJob) -> None:
        job = manifests.report_job(
            self._owner,
            self._settings,
            name=action.name,
            revision=action.revision,
            digest=action.digest,
            failed=action.failed,
        )
        self._children.create_job(job)

    def _put_hyperparameters(self, action: PutHyperparameters) -> None:
        manifest = manifests.hyperparameters_config_map(
            self._owner, name=action.name, digest=action.digest, data=action.data
        )
        self._children.put_config_map(manifest)


def _work(action: CreateTrainJob) -> _Work:
    return {
        "name": action.name,
        "revision": action.revision,
        "round_": action.round,
        "job_plan": action.job_plan,
        "parallelism": action.parallelism,
        "suspend": action.suspend,
    }


def _plan_key(plan: Plan | SearchPlan) -> str:
    if isinstance(plan, SearchPlan):
        return SearchLayout(plan.namespace, plan.search).plan
    return ExperimentLayout(plan.namespace, plan.experiment).plan
