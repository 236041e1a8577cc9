"""What a look at an experiment asks about `spec.publish`: its records in the store, and its Secrets."""

from collections.abc import Iterable, Iterator

from finetune_core.api import Publication
from finetune_core.api.publish import HUB, MLFLOW, REGISTRY
from finetune_core.api.status import Reason
from finetune_core.deciding.observation import JobRole, JobView, PodView
from finetune_core.layout import ExperimentLayout
from finetune_core.problems import Problem
from finetune_core.publishing.orders import Publications
from finetune_kube.names import LOGIN_KEY
from finetune_operator.cluster import Cluster
from finetune_operator.memory import Memory
from finetune_operator.problems import CannotRunError
from finetune_store import Store, documents

_NEEDED = {HUB: "HF_TOKEN", MLFLOW: "MLFLOW_TRACKING_URI", REGISTRY: LOGIN_KEY}
_LOGIN = "kubectl create secret docker-registry makes such a Secret"


def read_published(
    memory: Memory,
    store: Store,
    layout: ExperimentLayout,
    entries: Iterable[Publication],
    jobs: Iterable[JobView],
    pods: Iterable[PodView],
) -> None:
    """Records by the name of their entry: read when an entry, or what may write one, has come or ended. StoreError."""
    names = [entry.name for entry in entries]
    writing = {f"{job.uid}/{job.name}/{job.finished}" for job in jobs if job.role == JobRole.PUBLISH}
    writing |= {pod.name for pod in pods if pod.role == JobRole.PUBLISH and not pod.ended}
    now = frozenset(writing | {f"entry/{name}" for name in names})
    if now == memory.publishing:
        return
    # One that cannot be read is made anew.
    found = ((name, documents.find_or_warn(store, layout.published(name), Publications)) for name in names)
    memory.published = {name: record for name, record in found if record is not None}
    memory.publishing = now


def check_publish(
    cluster: Cluster, namespace: str, entries: tuple[Publication, ...], memory: Memory, *, image: str | None
) -> None:
    """CannotRunError where a Secret, or what a pod needs of it, is missing; asked once for a list.

    `image` is the operator's own, which has the clients of all places.
    """
    if not entries or memory.publish_checked == entries:
        return
    if image is None:
        message = "the operator does not know its own image (FINETUNE_OPERATOR_IMAGE): upgrade its chart, or remove it"
        raise CannotRunError((Problem("spec.publish", message),), Reason.REJECTED, retry=True)
    problems = tuple(problem for entry in entries for problem in _problems(cluster, namespace, entry))
    if problems:
        raise CannotRunError(problems, Reason.SECRET_NOT_FOUND, retry=True)
    memory.publish_checked = entries


def _problems(cluster: Cluster, namespace: str, entry: Publication) -> Iterator[Problem]:
    field = f"spec.publish[{entry.name}]"
    if entry.secret_ref is not None:
        key = next((key for kind, key in _NEEDED.items() if entry.starts(kind)), None)
        remedy = f": {_LOGIN}" if key == LOGIN_KEY else ""
        yield from _lacking(cluster, namespace, f"{field}.secretRef", entry.secret_ref.name, key, remedy)
    if (ref := entry.signing_secret_ref) is not None:
        yield from _lacking(cluster, namespace, f"{field}.signingSecretRef", ref.name, ref.key, "")


def _lacking(
    cluster: Cluster, namespace: str, field: str, name: str, key: str | None, remedy: str
) -> Iterator[Problem]:
    found = cluster.get_secret(namespace, name)
    if found is None:
        message = (
            f"Secret {name} is not in namespace {namespace}: create it{f' with the key {key}' if key else ''}{remedy}"
        )
        yield Problem(field, message)
    elif key is not None and key not in (found.get("data") or {}):
        yield Problem(field, f"Secret {name} has no key {key}: add it{remedy}")
