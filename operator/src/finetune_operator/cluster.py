"""Kubernetes as the operator needs it: what it may ask of which kind (see the chart's role), and nothing else.

What is changed or deleted is named by its uid too: another object that has taken the name is left alone.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from finetune_core.json_types import Json
from finetune_kube.client import Client
from finetune_kube.connect import ApiClient
from finetune_kube.errors import ConflictError, KindMissingError, MissingError
from finetune_kube.kinds import (
    CONFIG_MAP,
    EVENT,
    EXPERIMENT,
    LEASE,
    LOCAL_QUEUES,
    NETWORK_POLICY,
    POD,
    SEARCH,
    SECRET,
    WORKLOADS,
    Kind,
)

Labels = Mapping[str, str]
AnswerT = TypeVar("AnswerT")

_MANAGER = "finetune-operator"
_LEASE_TIMEOUT = (2, 3)
"""Short of what a leader has for renewing, so that it can try again."""


class Cluster:
    """Thread-safe; `on_request` is told (verb, resource) of each call. All methods raise ClusterError."""

    def __init__(self, api: ApiClient, on_request: Callable[[str, str], None] = lambda _verb, _what: None) -> None:
        self._client = Client(api, manager=_MANAGER, whose="the operator's", on_request=on_request)
        self._leases = Client(
            api, manager=_MANAGER, whose="the operator's", on_request=on_request, timeout=_LEASE_TIMEOUT
        )

    def get_experiment(self, namespace: str, name: str) -> Json | None:
        """The experiment, or None."""
        return self._get(EXPERIMENT, namespace, name)

    def patch_experiment_status(self, namespace: str, name: str, patch: Json, *, version: str) -> None:
        """Merge-patch the status of that resourceVersion; quietly nothing if the experiment is gone."""
        self._patch_status(EXPERIMENT, namespace, name, patch, version)

    def get_search(self, namespace: str, name: str) -> Json | None:
        """The HPSearch, or None."""
        return self._get(SEARCH, namespace, name)

    def patch_search_status(self, namespace: str, name: str, patch: Json, *, version: str) -> None:
        """Merge-patch the status of that resourceVersion; quietly nothing if the search is gone."""
        self._patch_status(SEARCH, namespace, name, patch, version)

    def list_work(self, kind: Kind, namespace: str, labels: Labels, *, name: str | None = None) -> list[Json]:
        """An executor's objects that have these labels, or the one of that name; KindMissingError without its CRD."""
        fields = {} if name is None else {"metadata.name": name}
        return self._client.list(kind, namespace, labels=labels, fields=fields)

    def create_work(
        self, kind: Kind, namespace: str, manifest: Json, *, strict: bool = True, dry_run: bool = False
    ) -> None:
        """Create an executor's object; ConflictError if there is one of that name.

        RejectedError where the cluster does not know a field of it; unless `strict`, it leaves that out.
        """
        self._client.create(kind, namespace, manifest, strict=strict, dry_run=dry_run)

    def patch_work(self, kind: Kind, namespace: str, name: str, patch: Json, *, uid: str) -> None:
        """Merge-patch an executor's object; quietly nothing if it is gone."""
        with suppress(MissingError, KindMissingError):
            self._client.patch(kind, namespace, name, {**patch, "metadata": {"uid": uid}})

    def delete_work(self, kind: Kind, namespace: str, name: str, *, uid: str, version: str | None = None) -> None:
        """Delete an executor's object and, in the background, its pods; quietly nothing if it is gone."""
        self._delete(kind, namespace, name, uid, version)

    def list_pods(self, namespace: str, labels: Labels) -> list[Json]:
        """The pods that have these labels."""
        return self._client.list(POD, namespace, labels=labels)

    def get_local_queue(self, namespace: str, name: str) -> Json | None:
        """Kueue's LocalQueue, or None; KindMissingError where there is no Kueue."""
        return _first_served(LOCAL_QUEUES, lambda kind: self._client.get(kind, namespace, name))

    def list_workloads(self, namespace: str, labels: Labels) -> list[Json]:
        """Kueue's Workloads that have these labels; KindMissingError where there is no Kueue."""
        return _first_served(WORKLOADS, lambda kind: self._client.list(kind, namespace, labels=labels))

    def evict_pod(self, namespace: str, name: str, *, uid: str) -> None:
        """End a pod as an interruption; quietly nothing if it is gone; ApiUnavailableError if a budget forbids."""
        metadata = {"name": name, "namespace": namespace}
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
        with suppress(MissingError, ConflictError):
            self._client.create_part(
                POD, namespace, name, "eviction", {**eviction, "deleteOptions": {"preconditions": {"uid": uid}}}
            )

    def list_events(self, namespace: str, uid: str) -> list[Json]:
        """Events about the object of that uid: what keeps a Job from creating pods shows nowhere else."""
        return self._client.list(EVENT, namespace, fields={"involvedObject.uid": uid})

    def get_config_map(self, namespace: str, name: str) -> Json | None:
        """The ConfigMap, or None."""
        return self._client.get(CONFIG_MAP, namespace, name)

    def create_config_map(self, namespace: str, manifest: Json) -> None:
        """Create a ConfigMap; ConflictError if there is one of that name."""
        self._client.create(CONFIG_MAP, namespace, manifest)

    def replace_config_map(self, namespace: str, manifest: Json) -> None:
        """Replace the ConfigMap of the manifest's name, uid and resourceVersion; RejectedError if there is none."""
        self._client.replace(CONFIG_MAP, namespace, manifest)

    def delete_config_map(self, namespace: str, name: str, *, uid: str) -> None:
        """Delete a ConfigMap; quietly nothing if it is gone."""
        self._delete(CONFIG_MAP, namespace, name, uid)

    def get_network_policy(self, namespace: str, name: str) -> Json | None:
        """The NetworkPolicy, or None."""
        return self._client.get(NETWORK_POLICY, namespace, name)

    def create_network_policy(self, namespace: str, manifest: Json) -> None:
        """Create a NetworkPolicy; ConflictError if there is one of that name."""
        self._client.create(NETWORK_POLICY, namespace, manifest)

    def delete_network_policy(self, namespace: str, name: str, *, uid: str) -> None:
        """Delete a NetworkPolicy; quietly nothing if it is gone."""
        self._delete(NETWORK_POLICY, namespace, name, uid)

    def get_secret(self, namespace: str, name: str) -> Json | None:
        """The Secret, or None."""
        return self._client.get(SECRET, namespace, name)

    def get_lease(self, namespace: str, name: str) -> Json | None:
        """The Lease, or None."""
        return self._leases.get(LEASE, namespace, name)

    def create_lease(self, namespace: str, manifest: Json) -> Json:
        """The Lease as it was created; ConflictError if there is one of that name."""
        return self._leases.create(LEASE, namespace, manifest)

    def replace_lease(self, namespace: str, manifest: Json) -> Json:
        """The Lease as it is now; ConflictError where it is not of the manifest's resourceVersion any more."""
        return self._leases.replace(LEASE, namespace, manifest)

    def create_event(self, namespace: str, manifest: Json) -> None:
        """Create a core/v1 Event."""
        self._client.create(EVENT, namespace, manifest)

    def _get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        # Objects go with their CRD.
        with suppress(KindMissingError):
            return self._client.get(kind, namespace, name)
        return None

    def _patch_status(self, kind: Kind, namespace: str, name: str, patch: Json, version: str) -> None:
        # Not by uid, which the API server ignores here.
        body = {"metadata": {"resourceVersion": version}, "status": patch}
        with suppress(MissingError, KindMissingError):
            self._client.patch(kind, namespace, name, body, subresource="status")

    def _delete(self, kind: Kind, namespace: str, name: str, uid: str, version: str | None = None) -> None:
        with suppress(MissingError, KindMissingError):
            self._client.delete(kind, namespace, name, uid=uid, version=version)


def _first_served(kinds: tuple[Kind, ...], ask: Callable[[Kind], AnswerT]) -> AnswerT:
    """The answer of the first version of a kind that is served; KindMissingError where none is."""
    *others, last = kinds
    for kind in others:
        with suppress(KindMissingError):
            return ask(kind)
    return ask(last)
