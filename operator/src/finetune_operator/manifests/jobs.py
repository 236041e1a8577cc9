"""Jobs that help: reporting, looking at volumes. Those that train or search are made by an executor."""

from finetune_core.canonical import short_hash
from finetune_core.deciding.actions import CreateReportJob
from finetune_core.deciding.observation import JobRole
from finetune_core.json_types import Json
from finetune_core.layout import ExperimentLayout
from finetune_core.results.run import ExitCode
from finetune_kube import names
from finetune_kube.kinds import SEARCH
from finetune_operator.manifests.defaults import resources_of
from finetune_operator.manifests.owners import Owner
from finetune_operator.manifests.pods import (
    PodSettings,
    failure_policy,
    helping_job,
    literal,
    pod_container,
    pod_template,
    sign_of,
)


def report_job(owner: Owner, settings: PodSettings, report: CreateReportJob) -> Json:
    """The Job that writes tables, best predictions and the zip from what lies in the store."""
    # Of the operator's own version, and there even where the spec's image is not.
    resources = resources_of(settings.execution.report_resources, settings.defaults.report)
    command = _report_command(owner, report.digest, report.failed)
    container = pod_container(settings, command, resources, image=settings.default_image)
    spec: Json = {
        "backoffLimit": 3,
        "podFailurePolicy": failure_policy("FailJob", ExitCode.USER_ERROR, ExitCode.RESULTS_CHANGED),
        "template": pod_template(settings, container, None, 30),
    }
    order = {names.REVISION_ANNOTATION: report.revision, names.ROUND_ANNOTATION: str(report.round)}
    return helping_job(owner, settings, report.name, JobRole.REPORT, spec, order)


def _report_command(owner: Owner, digest: str, failed: tuple[str, ...]) -> list[str]:
    if owner.kind == SEARCH.kind:
        where = ["--namespace", owner.namespace, "--search", owner.name]
        return ["finetune-report", "search", *where, "--expect-digest", digest, "--sign", sign_of(owner)]
    plan = ExperimentLayout(owner.namespace, owner.name).plan
    command = ["finetune-report", "build", "--plan-key", plan, "--expect-digest", digest, "--sign", sign_of(owner)]
    return [*command, *(["--failed", *map(literal, failed)] if failed else [])]


def resolve_job_name(owner: Owner, key: str) -> str:
    """Name of the Job that looks at volumes and writes `key`."""
    return f"{owner.name}-resolve-{short_hash(key, 8)}"


def resolve_job(owner: Owner, settings: PodSettings, *, name: str, uris: tuple[str, ...], key: str) -> Json:
    """The Job whose pod digests the files on volumes, without a GPU."""
    looks = (f"--uri={literal(uri)}" for uri in uris)
    command = ["finetune-trainer", "resolve", *looks, f"--output={key}", f"--sign={sign_of(owner)}"]
    resources = resources_of(settings.execution.resolve_resources, settings.defaults.resolve)
    container = pod_container(settings, command, resources, image=settings.default_image)
    spec: Json = {
        "backoffLimit": 2,
        "podFailurePolicy": failure_policy("FailJob", ExitCode.USER_ERROR),
        "template": pod_template(settings, container, None, 30),
    }
    return helping_job(owner, settings, name, JobRole.RESOLVE, spec, {})
