"""Jobs of Kubernetes (Indexed): completion index i does what stands at index i of the plan."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from finetune_core.api import AUTO
from finetune_core.canonical import short_hash
from finetune_core.deciding import executor as core
from finetune_core.deciding.actions import CreateTrainJob
from finetune_core.deciding.observation import JobRole, JobView, PodView
from finetune_core.json_types import Json
from finetune_core.planning.plan import JobPlan
from finetune_core.planning.search.plan import SearchJobPlan
from finetune_core.results.run import ExitCode
from finetune_kube import names
from finetune_kube.kinds import JOB
from finetune_operator.children.events import job_hindrance
from finetune_operator.executors.base import Executor, Look
from finetune_operator.manifests.config_maps import plan_name
from finetune_operator.manifests.owners import Owner, metadata_of, work_metadata
from finetune_operator.manifests.pods import (
    PLAN_OPTION,
    PodSettings,
    add_cache,
    add_processes,
    add_scope,
    add_tracking,
    failure_policy,
    label_pods,
    pod_container,
    pod_template,
    training_resources,
)

_CREATION_SECONDS = 5.0
_RUN = ["finetune-trainer", "run", *PLAN_OPTION]
_SEARCH = ["finetune-trainer", "search", *PLAN_OPTION, "--index", "$(JOB_COMPLETION_INDEX)"]


class JobExecutor(Executor):
    """Kubernetes retries each index by itself, and changes parallelism in place."""

    kind = JOB
    traits = core.JOB
    pod_label = names.JOB_NAME_LABEL

    def manifest(self, owner: Owner, settings: PodSettings, work: CreateTrainJob) -> Json:
        """The Indexed Job: completion index i does the runs at index i of its plan, or searches as unit i of it."""
        plan = plan_name(work.name, work.job_plan)
        spec = job_spec(
            settings,
            command=_work_command(work.job_plan),
            plan=plan,
            completions=len(work.job_plan.units if isinstance(work.job_plan, SearchJobPlan) else work.job_plan.indexes),
            parallelism=work.parallelism,
            suspend=work.suspend,
        )
        label_pods(spec, owner, JobRole.TRAIN)
        add_scope(spec["template"], owner, work.revision)
        if isinstance(work.job_plan, JobPlan):
            add_processes(spec["template"], settings.execution)
        queue = settings.execution.queue_name
        metadata = work_metadata(owner, work, plan=plan, queue=queue, made_by=settings.made_by(JobRole.TRAIN))
        return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}

    def fingerprint(self, settings: PodSettings) -> list[object]:
        """All that a live Job cannot change: what is asked of its pods, retries."""
        return [self.kind.kind, *settings.asked_of_pods("retries", "runs_per_pod", "runs_at_once", "processes_per_run")]

    def templates(self, settings: PodSettings) -> tuple[str, ...]:
        """Also that of a run a pod, the default before Auto, where a spec leaves it to us: such a Job stays."""
        execution = settings.execution
        if execution.runs_per_pod != AUTO:
            return super().templates(settings)
        before = replace(settings, execution=execution.model_copy(update={"runs_per_pod": 1}))
        return (*super().templates(settings), *super().templates(before))

    def view(self, item: Json, seen: JobView, look: Look) -> JobView:
        """A Job of ours, of any role."""
        spec, status = item["spec"], item.get("status") or {}
        conditions = {c["type"]: c for c in status.get("conditions") or () if c["status"] == "True"}
        return replace(
            seen,
            suspended=bool(spec.get("suspend")),
            parallelism=spec.get("parallelism", 1),
            active=status.get("active") or 0,
            ready=status.get("ready") or 0,
            terminating=status.get("terminating") or 0,
            completed=parse_indexes(status.get("completedIndexes") or ""),
            failed=parse_indexes(status.get("failedIndexes") or ""),
            complete="Complete" in conditions,
            failed_for=failed_for(conditions.get("Failed")),
            ttl=spec.get("ttlSecondsAfterFinished"),
        )

    def hindered_pods(self, item: Json, seen: JobView, look: Look) -> PodView | None:
        """Asked of the Job's events once it has been short of pods for some seconds."""
        if look.is_short_of_pods_for(_CREATION_SECONDS, seen.name, short=_is_short_of_pods(item, seen)):
            return _refused(seen, look)
        return None


def _is_short_of_pods(item: Json, seen: JobView) -> bool:
    idle = seen.finished or seen.deleting or seen.suspended or not seen.owned or seen.terminating
    open_ = item["spec"].get("completions", 1) - len(seen.completed | seen.failed)
    return not idle and seen.active < min(seen.parallelism, open_)


def _refused(seen: JobView, look: Look) -> PodView | None:
    pods = (pod["metadata"] for pod in look.pods() if pod["metadata"]["labels"].get(names.JOB_NAME_LABEL) == seen.name)
    why = job_hindrance(look.events(seen.uid), [pod["creationTimestamp"] for pod in pods])
    return None if why is None else PodView.refused(seen.name, seen.role, why)


def _work_command(job_plan: JobPlan | SearchJobPlan) -> list[str]:
    # Kubernetes puts the pod's completion index in the place of $(...).
    return _SEARCH if isinstance(job_plan, SearchJobPlan) else _RUN


def job_spec(
    settings: PodSettings, *, command: list[str], plan: str, completions: int, parallelism: int, suspend: bool
) -> Json:
    """The spec of an Indexed Job whose pods are not labelled yet."""
    execution = settings.execution
    container = pod_container(settings, command, training_resources(settings))
    add_tracking(container, settings.tracking)
    template = pod_template(settings, container, plan, execution.termination_grace_period_seconds)
    add_cache(template, execution.cache)
    return {
        "completionMode": "Indexed",
        "completions": completions,
        "parallelism": parallelism,
        "suspend": suspend,
        "backoffLimitPerIndex": execution.retries,
        "maxFailedIndexes": completions,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": failure_policy("FailIndex", ExitCode.USER_ERROR, ExitCode.GAVE_UP),
        "template": template,
    }


def trial_job(owner: Owner, settings: PodSettings) -> Json:
    """A Job that is never made: whether the cluster would take the pods that a spec asks for, in whichever mode."""
    spec = job_spec(settings, command=_RUN, plan="plan", completions=1, parallelism=1, suspend=True)
    label_pods(spec, owner, JobRole.TRAIN)
    metadata = metadata_of(owner, f"trial-{short_hash(owner.uid)}", JobRole.TRAIN)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def parse_indexes(text: str) -> frozenset[int]:
    """`1,3-5` -> {1, 3, 4, 5}, the format of `status.completedIndexes`."""
    return frozenset(index for part in text.split(",") if part for index in _range(part))


def _range(part: str) -> range:
    first, _, last = part.partition("-")
    return range(int(first), int(last or first) + 1)


def failed_for(condition: Mapping[str, Any] | None) -> str | None:
    """Reason and message of a condition that says that an object has failed."""
    return None if condition is None else f"{condition.get('reason', 'Failed')}: {condition.get('message', '')}"
