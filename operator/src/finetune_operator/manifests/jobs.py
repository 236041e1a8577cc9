"""Jobs that help: reporting, looking at volumes. Those that train or search are made by an executor."""

from finetune_core.canonical import short_hash
from finetune_core.deciding.observation import JobRole
from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import ExitCode
from finetune_kube import names
from finetune_kube.kinds import SEARCH
from finetune_operator.manifests.owners import Json, Owner, metadata_of
from finetune_operator.manifests.pods import (
    PodSettings,
    label_pods,
    literal,
    pod_container,
    pod_template,
)

REPORT_RESOURCES = {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "2Gi"}}


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
                        "containerName": names.CONTAINER,
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
