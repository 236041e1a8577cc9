"""Jobs: training or searching (Indexed), reporting, looking at volumes."""

from finetune_core.canonical import short_hash
from finetune_core.layout import ExperimentLayout
from finetune_core.observation import JobRole
from finetune_core.plan import JobPlan
from finetune_core.results import ExitCode
from finetune_core.search.plan import SearchJobPlan
from finetune_kube import names
from finetune_kube.kinds import SEARCH
from finetune_operator.manifests.config_maps import plan_name
from finetune_operator.manifests.owners import Json, Owner, metadata_of, work_metadata
from finetune_operator.manifests.pods import (
    CONTAINER,
    PLAN_OPTION,
    PodSettings,
    add_tracking,
    label_pods,
    literal,
    pod_container,
    pod_template,
)

REPORT_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}
_RUN = ["finetune-trainer", "run", *PLAN_OPTION]
_SEARCH = ["finetune-trainer", "search", *PLAN_OPTION, "--index", "$(JOB_COMPLETION_INDEX)"]


def job_fingerprint(settings: PodSettings) -> list[object]:
    """All that a live Job cannot change: pod template, retries, queue."""
    spec = _train_spec(settings, command=_RUN, plan="", completions=1, parallelism=1, suspend=False)
    return [spec, settings.execution.queue_name, settings.execution.runs_per_pod]


def train_job(
    owner: Owner,
    settings: PodSettings,
    *,
    name: str,
    revision: str,
    round_: int,
    job_plan: JobPlan | SearchJobPlan,
    parallelism: int,
    suspend: bool,
) -> Json:
    """The Indexed Job: completion index i does the runs at index i of its plan, or searches as unit i of it."""
    plan = plan_name(name, job_plan)
    metadata = work_metadata(
        owner, name, revision=revision, round_=round_, plan=plan, queue=settings.execution.queue_name
    )
    spec = _train_spec(
        settings,
        command=_work_command(job_plan),
        plan=plan,
        completions=len(job_plan.units if isinstance(job_plan, SearchJobPlan) else job_plan.indexes),
        parallelism=parallelism,
        suspend=suspend,
    )
    label_pods(spec, owner, JobRole.TRAIN)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _work_command(job_plan: JobPlan | SearchJobPlan) -> list[str]:
    # Kubernetes puts the pod's completion index in the place of $(...).
    return _SEARCH if isinstance(job_plan, SearchJobPlan) else _RUN


def _train_spec(
    settings: PodSettings, *, command: list[str], plan: str, completions: int, parallelism: int, suspend: bool
) -> Json:
    execution = settings.execution
    container = pod_container(settings, command)
    add_tracking(container, settings.tracking)
    if execution.resources:
        container["resources"] = execution.resources.model_dump(mode="json", exclude_none=True)
    return {
        "completionMode": "Indexed",
        "completions": completions,
        "parallelism": parallelism,
        "suspend": suspend,
        "backoffLimitPerIndex": execution.retries,
        "maxFailedIndexes": completions,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailIndex",
                    "onExitCodes": {
                        "containerName": CONTAINER,
                        "operator": "In",
                        "values": [ExitCode.USER_ERROR, ExitCode.GAVE_UP],
                    },
                },
                # Preemption, eviction, node loss: the run goes on elsewhere and costs no retry.
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]
        },
        "ttlSecondsAfterFinished": execution.ttl_seconds_after_finished,
        "template": pod_template(settings, container, plan, execution.termination_grace_period_seconds),
    }


def report_job(
    owner: Owner, settings: PodSettings, *, name: str, revision: str, digest: str, failed: tuple[str, ...]
) -> Json:
    """The Job that writes tables, best predictions and the zip from what lies in the store."""
    # Of the operator's own version, and there even where the spec's image is not.
    container = pod_container(settings, _report_command(owner, digest, failed), image=settings.default_image)
    container["resources"] = REPORT_RESOURCES
    metadata = metadata_of(owner, name, JobRole.REPORT)
    metadata["annotations"] |= {names.REVISION_ANNOTATION: revision}
    spec: Json = {
        "backoffLimit": 3,
        "ttlSecondsAfterFinished": settings.execution.ttl_seconds_after_finished,
        "podFailurePolicy": {
            "rules": [
                {
                    "action": "FailJob",
                    "onExitCodes": {
                        "containerName": CONTAINER,
                        "operator": "In",
                        "values": [ExitCode.USER_ERROR],
                    },
                },
                {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            ]
        },
        "template": pod_template(settings, container, None, 30),
    }
    label_pods(spec, owner, JobRole.REPORT)
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


def _report_command(owner: Owner, digest: str, failed: tuple[str, ...]) -> list[str]:
    if owner.kind == SEARCH.kind:
        where = ["--namespace", owner.namespace, "--search", owner.name]
        return ["finetune-report", "search", *where, "--expect-digest", digest]
    plan = ExperimentLayout(owner.namespace, owner.name).plan
    command = ["finetune-report", "build", "--plan-key", plan, "--expect-digest", digest]
    return [*command, *(["--failed", *map(literal, failed)] if failed else [])]


def resolve_job_name(owner: Owner, key: str) -> str:
    """Name of the Job that looks at volumes and writes `key`."""
    return f"{owner.name}-resolve-{short_hash(key, 8)}"


def resolve_job(owner: Owner, settings: PodSettings, *, name: str, uris: tuple[str, ...], key: str) -> Json:
    """The Job whose pod digests the files on volumes, without a GPU."""
    command = ["finetune-trainer", "resolve", *(f"--uri={literal(uri)}" for uri in uris), f"--output={key}"]
    container = pod_container(settings, command, image=settings.default_image)
    container["resources"] = REPORT_RESOURCES
    spec: Json = {
        "backoffLimit": 2,
        "ttlSecondsAfterFinished": settings.execution.ttl_seconds_after_finished,
        "template": pod_template(settings, container, None, 30),
    }
    label_pods(spec, owner, JobRole.RESOLVE)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata_of(owner, name, JobRole.RESOLVE),
        "spec": spec,
    }
