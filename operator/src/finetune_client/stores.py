"""The store that an experiment's or a search's results lie in: --store, or what spec and status say."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from finetune_client.endpoints import service_namespace
from finetune_client.errors import ClientError, NotFoundError, RefusedError, UsageError
from finetune_client.finding import checked_namespace, cluster, find, split_name
from finetune_core.api import Storage
from finetune_core.json_types import Json
from finetune_core.problems import InvalidInputError
from finetune_kube.kinds import KINDS, Kind
from finetune_store import S3Connection, Store, open_store
from finetune_work.credentials import reaching, with_keys

if TYPE_CHECKING:
    from finetune_client.kube.client import Kube


_RETRY_SECONDS = 5.0
_BY_HAND = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (AWS_ENDPOINT_URL, AWS_REGION) of your own"


@dataclass(frozen=True)
class Results:
    """Where the results of one experiment or search lie; `item` is the object, where a cluster was asked for it."""

    store: Store
    namespace: str
    name: str
    kind: Kind | None = None
    item: Json | None = None


def results_of(
    name: str,
    *,
    store: str | None,
    context: str | None,
    namespace: str | None,
    kinds: tuple[Kind, ...] = KINDS,
) -> Results:
    """The place of an experiment's or a search's results. With --store no cluster is asked."""
    if store:
        asked, own = split_name(name)
        return Results(
            open_uri(store),
            checked_namespace(namespace) if namespace else default_namespace(context),
            own,
            asked[0] if len(asked) == 1 else None,
        )
    kube = cluster(context, namespace)
    kind, item = find(kube, name, kinds)
    return Results(open_for(kube, item), kube.namespace, item["metadata"]["name"], kind, item)


def is_place(text: str) -> bool:
    """Whether it is the URI or path of a folder, not a name: `s3://...`, `file://...`, `/...`, `./...`, `../...`."""
    return "://" in text or text.startswith(("/", "./", "../"))


def results_at(place: str) -> Results:
    """The results in an experiment's own folder, STORE/NAMESPACE/NAME; UsageError if it cannot be one."""
    uri = place if "://" in place else Path(place).resolve().as_uri()
    store, namespace, name = (*uri.rstrip("/").rsplit("/", 2), "", "")[:3]
    if not namespace or not name or store.endswith((":", ":/")):
        raise UsageError(
            f"{place} is no experiment's folder",
            "It is STORE/NAMESPACE/NAME, where results.json lies: s3://bucket/prefix/team/first.",
        )
    return Results(open_uri(store), namespace, name)


def default_namespace(context: str | None) -> str:
    """The context's namespace; without a kubeconfig `default`."""
    try:
        return cluster(context, None).namespace
    except ClientError:
        # No kubeconfig: as Kubernetes has it where nothing is said.
        return "default"


def open_for(kube: "Kube", item: Json, *, environ: Mapping[str, str] | None = None) -> Store:
    """The store of an object, with the keys of its Secret; AWS_ENDPOINT_URL wins over the endpoint of the storage.

    `environ` are the AWS_* variables of who asks (default: the process's): for stores without a Secret, and for those
    whose Secret they may not read. They go where those variables say, or to the operator's own storage; RefusedError
    for an endpoint that the object's author chose. NotFoundError before the operator has told its own storage.
    """
    spec, status = item["spec"], item.get("status") or {}
    said = spec.get("storage") or status.get("storage")
    if said is None:
        raise NotFoundError(
            f"{item['metadata']['name']} does not say yet where its results lie: the operator has not looked at it",
            "Wait a moment. Is the operator running, and does it watch this namespace?",
        )
    storage = _parsed(said)
    own = S3Connection.from_env(os.environ if environ is None else environ)
    # Nobody else may write a status, and this one is of the spec as it is now.
    told = not spec.get("storage") and status.get("observedGeneration") == item["metadata"].get("generation")
    if spec.get("storage") and not own.endpoint:
        _check_namespace(kube, storage)
    return _opened(storage.uri, _connection(kube, storage, own, trusted=told))


def open_uri(uri: str, env: Mapping[str, str] | None = None) -> Store:
    """A store by its URI, or a folder by its path; reached as AWS_* variables say (default: the process's)."""
    return _opened(uri, S3Connection.from_env(os.environ if env is None else env))


def _opened(uri: str, connection: S3Connection) -> Store:
    if "://" not in uri:
        uri = Path(uri).resolve().as_uri()
    # Each try that fails would be told on the terminal; the last one is, with what to do.
    logging.getLogger("finetune_store").setLevel(logging.ERROR)
    return open_store(uri, connection=connection, retry_seconds=_RETRY_SECONDS)


def _parsed(storage: Json) -> Storage:
    try:
        return Storage.model_validate(storage)
    except ValidationError as error:
        raise ClientError(f"its storage is no storage block: {error}", "Correct spec.storage.") from error


def _connection(kube: "Kube", storage: Storage, own: S3Connection, *, trusted: bool) -> S3Connection:
    try:
        there = reaching(own.anonymous(), kube, storage)
        keys = _with_keys(there, kube, storage, own)
    except InvalidInputError as error:
        remedy = f"Correct it; or {_BY_HAND}, and give --store."
        raise NotFoundError("; ".join(problem.message for problem in error.problems), remedy) from error
    if keys is None and own.has_identity:
        _check_trusted(storage, own, trusted=trusted)
        keys = replace(own, authorities=there.authorities, region=there.region)
    connection = replace(keys or there, ca_bundle=own.ca_bundle)
    if own.endpoint:
        return replace(connection, endpoint=own.endpoint)
    return replace(connection, endpoint=_reachable(kube, storage.endpoint) if storage.endpoint else None)


def _with_keys(there: S3Connection, kube: "Kube", storage: Storage, own: S3Connection) -> S3Connection | None:
    """With the keys of the Secret; None where there is none, or where it is not theirs to read who have their own."""
    if storage.secret_ref is None:
        return None
    try:
        return with_keys(there, kube, storage.secret_ref)
    except RefusedError as error:
        if own.has_identity:
            return None
        raise RefusedError(error.message, f"Ask for the right to read it; or {_BY_HAND}.") from error


def _check_trusted(storage: Storage, own: S3Connection, *, trusted: bool) -> None:
    """RefusedError where one's own keys would go to an endpoint that only the author of an object vouches for."""
    if trusted or own.endpoint or storage.endpoint is None:
        return
    raise RefusedError(
        f"your own keys are not sent to {storage.endpoint}, which the author of its spec chose",
        f"If you trust it, set AWS_ENDPOINT_URL={storage.endpoint}, or give --store; or unset your keys.",
    )


def _check_namespace(kube: "Kube", storage: Storage) -> None:
    """RefusedError where the author of an object would have one's rights open a way into another namespace."""
    namespace = service_namespace(storage.endpoint or "")
    if namespace not in {None, kube.namespace}:
        raise RefusedError(
            f"no port is forwarded to {storage.endpoint}, in namespace {namespace}, which the author of its spec chose",
            "If you trust it, forward a port to it (kubectl port-forward), and set AWS_ENDPOINT_URL to that.",
        )


def _reachable(kube: "Kube", endpoint: str) -> str:
    from finetune_client.kube.forwarding import reachable  # noqa: PLC0415  only with what it takes to talk to a cluster

    try:
        return reachable(kube, endpoint)
    except ClientError as error:
        raise type(error)(
            f"the store's address, {endpoint}, works only inside the cluster: {error.message}",
            "Have somebody forward a port to it (kubectl port-forward), and set AWS_ENDPOINT_URL to that.",
        ) from error
