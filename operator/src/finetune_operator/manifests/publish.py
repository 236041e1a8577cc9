"""The Job that publishes an entry of `spec.publish`: in the operator's image, which has the clients of all places."""

from dataclasses import replace

from finetune_core.api import Publication
from finetune_core.api.publish import REGISTRY
from finetune_core.deciding.actions import CreatePublishJob
from finetune_core.deciding.observation import JobRole
from finetune_core.json_types import Json
from finetune_core.publishing.orders import Order
from finetune_core.results.run import ExitCode
from finetune_kube import names
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

LOGIN_FOLDER = "/etc/finetune/login"
KEY_FOLDER = "/etc/finetune/signing"
_TRIES = 6
"""After the first, ever later: ten minutes in all, for a place that is away."""
_GRACE_SECONDS = 30


def publish_job(owner: Owner, settings: PodSettings, publish: CreatePublishJob) -> Json:
    """The Job of an entry; its Secrets go to its pod by reference, and to no other."""
    resources = resources_of(settings.execution.publish_resources, settings.defaults.publish)
    container = pod_container(settings, _command(owner, publish), resources, image=settings.operator_image)
    # Models lie in the store; volumes with data would tie the pod to their nodes.
    template = pod_template(replace(settings, claims=()), container, None, _GRACE_SECONDS)
    _give_secrets(template["spec"], container, publish.entry)
    spec: Json = {
        "backoffLimit": _TRIES,
        "podFailurePolicy": failure_policy("FailJob", ExitCode.USER_ERROR, ExitCode.RESULTS_CHANGED),
        "template": template,
    }
    order = {names.REVISION_ANNOTATION: publish.revision, names.ROUND_ANNOTATION: str(publish.round)}
    return helping_job(owner, settings, publish.name, JobRole.PUBLISH, spec, order)


def _command(owner: Owner, publish: CreatePublishJob) -> list[str]:
    order = Order.of(publish.entry, publish.models).model_dump_json(by_alias=True)
    where = ["--namespace", owner.namespace, "--experiment", owner.name]
    told = ["--expect-report", publish.report, "--order", literal(order), "--sign", sign_of(owner)]
    return ["finetune-publish", *where, *told]


def _give_secrets(pod: Json, container: Json, entry: Publication) -> None:
    """Variables that are set otherwise win over those of the Secret: the store's keys among them."""
    if entry.secret_ref is not None and entry.starts(REGISTRY):
        item = {"key": names.LOGIN_KEY, "path": "config.json"}
        _mount(pod, container, "login", LOGIN_FOLDER, entry.secret_ref.name, item)
        container["env"].append({"name": "DOCKER_CONFIG", "value": LOGIN_FOLDER})
    elif entry.secret_ref is not None:
        container["envFrom"] = [{"secretRef": {"name": entry.secret_ref.name}}]
    if (signing := entry.signing_secret_ref) is not None:
        _mount(pod, container, "signing", KEY_FOLDER, signing.name, {"key": signing.key, "path": "key.pem"})
        container["env"].append({"name": "FINETUNE_SIGNING_KEY", "value": f"{KEY_FOLDER}/key.pem"})


def _mount(pod: Json, container: Json, name: str, folder: str, secret: str, item: Json) -> None:
    pod["volumes"].append({"name": name, "secret": {"secretName": secret, "items": [item]}})
    container["volumeMounts"].append({"name": name, "mountPath": folder, "readOnly": True})
