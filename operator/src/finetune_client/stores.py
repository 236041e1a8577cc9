"""The store that an experiment's or a search's results lie in: --store, or what spec and status say."""

import base64
import binascii
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_client.errors import ClientError, NotFoundError, RefusedError, UsageError
from finetune_client.finding import checked_namespace, cluster, find, split_name
from finetune_kube.kinds import KINDS, Kind
from finetune_store import S3Connection, Store, open_store

if TYPE_CHECKING:
    from finetune_client.kube.client import Kube

Json = dict[str, Any]

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
    whose Secret they may not read. NotFoundError before the operator has told its own storage in the status.
    """
    storage = item["spec"].get("storage") or (item.get("status") or {}).get("storage")
    if storage is None:
        raise NotFoundError(
            f"{item['metadata']['name']} does not say yet where its results lie: the operator has not looked at it",
            "Wait a moment. Is the operator running, and does it watch this namespace?",
        )
    uri = "/".join(part for part in (f"s3://{storage['bucket']}", storage.get("prefix")) if part)
    bundle = storage.get("caBundle")
    authorities = _authorities(kube, bundle["name"], bundle["key"]) if bundle else None
    return open_uri(uri, _environment(kube, storage, os.environ if environ is None else environ), authorities)


def open_uri(uri: str, env: Mapping[str, str] | None = None, authorities: str | None = None) -> Store:
    """A store by its URI, or a folder by its path; reached as AWS_* variables say (default: the process's).

    `authorities` are certificates (PEM) that are trusted besides those of the system and of the variables.
    """
    if "://" not in uri:
        uri = Path(uri).resolve().as_uri()
    # Each try that fails would be told on the terminal; the last one is, with what to do.
    logging.getLogger("finetune_store").setLevel(logging.ERROR)
    connection = replace(S3Connection.from_env(os.environ if env is None else env), authorities=authorities)
    return open_store(uri, connection=connection, retry_seconds=_RETRY_SECONDS)


def _environment(kube: "Kube", storage: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    keys = _secret(kube, storage["secretRef"]["name"], environ) if storage.get("secretRef") else None
    # A path in a Secret is one of pods: here it would be a file of whoever looks.
    env = dict(environ) if keys is None else {**keys, "AWS_CA_BUNDLE": environ.get("AWS_CA_BUNDLE", "")}
    if storage.get("region"):
        env["AWS_REGION"] = storage["region"]
    if own := environ.get("AWS_ENDPOINT_URL"):
        env["AWS_ENDPOINT_URL"] = own
    elif storage.get("endpoint"):
        env["AWS_ENDPOINT_URL"] = _reachable(kube, storage["endpoint"])
    return env


def _reachable(kube: "Kube", endpoint: str) -> str:
    from finetune_client.kube.forwarding import reachable  # noqa: PLC0415  only with what it takes to talk to a cluster

    try:
        return reachable(kube, endpoint)
    except ClientError as error:
        raise type(error)(
            f"the store's address, {endpoint}, works only inside the cluster: {error.message}",
            "Have somebody forward a port to it (kubectl port-forward), and set AWS_ENDPOINT_URL to that.",
        ) from error


def _secret(kube: "Kube", name: str, environ: Mapping[str, str]) -> dict[str, str] | None:
    """The AWS_* of a Secret; None where it is not theirs to read who have keys of their own."""
    try:
        secret = kube.secret(name)
    except RefusedError as error:
        if environ.get("AWS_ACCESS_KEY_ID"):
            return None
        raise RefusedError(error.message, f"Ask for the right to read it; or {_BY_HAND}.") from error
    if secret is None:
        raise NotFoundError(
            f"Secret {name} is not in namespace {kube.namespace}",
            f"Create it with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; or {_BY_HAND}, and give --store.",
        )
    try:
        data = secret.get("data") or {}
        return {key: base64.b64decode(value).decode().strip() for key, value in data.items() if key.startswith("AWS_")}
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ClientError(f"Secret {name} holds what is no text: {error}", "Create it anew.") from error


def _authorities(kube: "Kube", name: str, key: str) -> str:
    text = ((kube.config_map(name) or {}).get("data") or {}).get(key)
    if not text:
        raise NotFoundError(
            f"ConfigMap {name} in namespace {kube.namespace} has no key {key}", "Correct spec.storage.caBundle."
        )
    return str(text)
