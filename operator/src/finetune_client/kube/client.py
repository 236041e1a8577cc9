"""Kubernetes as people at a terminal, in a notebook or before a page need it: errors say what to do about them."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune_client.errors import RefusedError, UnreachableError
from finetune_client.kube.failures import explain
from finetune_core.json_types import Json
from finetune_core.near import near
from finetune_kube.client import Client
from finetune_kube.connect import ApiClient, of_token, of_user
from finetune_kube.errors import ApiUnavailableError, ClusterError, ForbiddenError
from finetune_kube.kinds import CONFIG_MAP, JOB, POD, SEARCH, SECRET, SERVICE, Kind

_MANAGER = "finetune"


def connect(context: str | None = None, namespace: str | None = None) -> "Kube":
    """By the kubeconfig ($KUBECONFIG, ~/.kube/config), or by the service account inside a cluster; UnreachableError."""
    # Its warnings on retries would stand between a command's lines.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    try:
        api, found = of_user(context)
    except ApiUnavailableError as error:
        raise UnreachableError(
            f"there is no cluster to talk to: {error}",
            "Set KUBECONFIG, or choose one of `kubectl config get-contexts` with --context. Without a cluster, "
            "validate, plan, leaderboard check and the converters work, and with --store all that reads results.",
        ) from error
    return Kube(api, namespace or found)


def connect_as(
    token: str, namespace: str | None = None, *, server: str | None = None, ca: Path | None = None
) -> "Kube":
    """As somebody else, by their token, and by nothing of this process's own; UnreachableError.

    `server` and `ca` say where the API is and who vouches for it; default: those of the kubeconfig.
    """
    if server is not None:
        return Kube(of_token(token, server, str(ca) if ca else None), namespace or "default")
    own = connect(None, namespace)
    where = own.api.configuration
    return Kube(of_token(token, where.host, where.ssl_ca_cert), own.namespace)


@dataclass(frozen=True)
class Kube:
    """A cluster, with the namespace that names are looked up in. All methods raise ClientError."""

    api: ApiClient
    namespace: str

    def get(self, kind: Kind, name: str) -> Json | None:
        """The object, or None."""
        with self._explained():
            return self._client.get(kind, self.namespace, name)

    def objects(self, kind: Kind, *, everywhere: bool = False) -> list[Json]:
        """All objects of the kind in the namespace, or in all of them."""
        with self._explained():
            return self._client.list(kind, None if everywhere else self.namespace)

    def near_name(self, kinds: tuple[Kind, ...], name: str) -> str | None:
        """A name in the namespace that was probably meant."""
        return near(name, [item["metadata"]["name"] for kind in kinds for item in self.objects(kind)])

    def apply(self, kind: Kind, manifest: Json, *, dry_run: bool = False, force: bool = False) -> Json:
        """Server-side apply, as `kubectl apply --server-side` does it; RefusedError says what is wrong."""
        with self._explained():
            return self._client.apply(kind, self.namespace, manifest, dry_run=dry_run, force=force)

    def patch(self, kind: Kind, name: str, patch: Json) -> Json:
        """Merge-patch an object; with metadata.resourceVersion in the patch only if it did not change meanwhile."""
        with self._explained():
            return self._client.patch(kind, self.namespace, name, patch, strict=True)

    def delete(self, kind: Kind, item: Json) -> None:
        """Delete this object and what it owns; RefusedError where another has its name by now."""
        metadata = item["metadata"]
        with self._explained():
            self._client.delete(kind, self.namespace, metadata["name"], uid=metadata["uid"])

    def pods(self, labels: Mapping[str, str]) -> list[Json]:
        """Pods by their labels."""
        with self._explained():
            return self._client.list(POD, self.namespace, labels=labels)

    def jobs(self, labels: Mapping[str, str]) -> list[Json]:
        """Jobs by their labels."""
        with self._explained():
            return self._client.list(JOB, self.namespace, labels=labels)

    def search(self, name: str) -> Json | None:
        """The HPSearch, or None."""
        return self.get(SEARCH, name)

    def config_map(self, name: str) -> Json | None:
        """A ConfigMap, or None."""
        return self.get(CONFIG_MAP, name)

    def secret(self, name: str) -> Json | None:
        """A Secret, or None."""
        return self.get(SECRET, name)

    def service(self, name: str) -> Json | None:
        """A Service, or None."""
        return self.get(SERVICE, name)

    def forward(self, pod: str, port: int) -> Any:
        """A socket that is connected to a port of a pod; RefusedError."""
        with self._explained():
            try:
                return self._client.forward(self.namespace, pod, port)
            except ForbiddenError as error:
                raise RefusedError(
                    f"no way to port {port} of pod {pod} in namespace {self.namespace}: {error.reason}",
                    "Ask for the right to create pods/portforward there.",
                ) from error

    def log(self, pod: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        """A pod's log, line by line; with `follow` until the pod ends."""
        with self._explained():
            yield from self._client.log(self.namespace, pod, follow=follow, tail=tail)

    @property
    def _client(self) -> Client:
        return Client(self.api, manager=_MANAGER)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ClusterError as error:
            raise explain(error, self.api.configuration.host) from error
