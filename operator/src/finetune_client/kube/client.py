"""The only module that talks to Kubernetes: a few verbs on plain JSON objects, errors with what to do about them."""

import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import kubernetes.client
import kubernetes.config
import kubernetes.stream
import urllib3.exceptions

from finetune_client.errors import RefusedError, UnreachableError
from finetune_client.kube.failures import explain
from finetune_client.kube.kinds import SEARCH, Kind
from finetune_core.near import near

Json = dict[str, Any]

FIELD_MANAGER = "finetune"
_TIMEOUT = (5, 30)
_FOLLOW_TIMEOUT = (5, None)
_MERGE_PATCH = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


def connect(context: str | None = None, namespace: str | None = None) -> "Kube":
    """By the kubeconfig ($KUBECONFIG, ~/.kube/config), or by the service account inside a cluster; UnreachableError."""
    # Its warnings on retries would stand between a command's lines.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    configuration = kubernetes.client.Configuration()
    file = os.environ.get("KUBECONFIG") or None
    try:
        kubernetes.config.load_kube_config(file, context=context, client_configuration=configuration)  # type: ignore[no-untyped-call]
        found = _context_namespace(file, context)
    except kubernetes.config.ConfigException as error:
        found = _in_cluster(configuration, error)
    return Kube(kubernetes.client.ApiClient(configuration), namespace or found)


def connect_as(
    token: str, namespace: str | None = None, *, server: str | None = None, ca: Path | None = None
) -> "Kube":
    """As somebody else, by their token, and by nothing of this process's own; UnreachableError.

    `server` and `ca` say where the API is and who vouches for it; default: those of the kubeconfig.
    """
    configuration = kubernetes.client.Configuration()
    if server is not None:
        configuration.host, configuration.ssl_ca_cert = server, str(ca) if ca else None
        found = "default"
    else:
        own = connect(None, namespace)
        configuration.host, configuration.ssl_ca_cert = own.api.configuration.host, own.api.configuration.ssl_ca_cert
        found = own.namespace
    configuration.api_key = {"authorization": f"Bearer {token}"}
    return Kube(kubernetes.client.ApiClient(configuration), namespace or found)


def _in_cluster(configuration: kubernetes.client.Configuration, why: Exception) -> str:
    try:
        kubernetes.config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except kubernetes.config.ConfigException:
        message = " ".join(str(why).split())
        raise UnreachableError(
            f"there is no cluster to talk to: {message}",
            "Set KUBECONFIG, or choose one of `kubectl config get-contexts` with --context. Without a cluster, "
            "validate, plan, leaderboard check and the converters work, and with --store all that reads results.",
        ) from why
    return _SERVICE_ACCOUNT.read_text().strip()


def _context_namespace(file: str | None, context: str | None) -> str:
    contexts, active = kubernetes.config.list_kube_config_contexts(file)  # type: ignore[no-untyped-call]
    chosen = next((one for one in contexts if one["name"] == context), active)
    return str((chosen.get("context") or {}).get("namespace") or "default")


@dataclass(frozen=True)
class Kube:
    """A cluster, with the namespace that names are looked up in."""

    api: kubernetes.client.ApiClient
    namespace: str

    def get(self, kind: Kind, name: str) -> Json | None:
        """The object, or None."""
        return self._call("GET", f"{self._collection(kind)}/{quote(name)}", missing_ok=True)

    def objects(self, kind: Kind, *, everywhere: bool = False) -> list[Json]:
        """All objects of the kind in the namespace, or in all of them."""
        path = f"/apis/{kind.api}/{kind.plural}" if everywhere else self._collection(kind)
        return self._items(path, {})

    def near_name(self, kinds: tuple[Kind, ...], name: str) -> str | None:
        """A name in the namespace that was probably meant."""
        return near(name, [one["metadata"]["name"] for kind in kinds for one in self.objects(kind)])

    def apply(self, kind: Kind, manifest: Json, *, dry_run: bool = False, force: bool = False) -> Json:
        """Server-side apply, as `kubectl apply --server-side` does it; RefusedError says what is wrong."""
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        query |= {"dryRun": "All"} if dry_run else {}
        query |= {"force": "true"} if force else {}
        path = f"{self._collection(kind)}/{quote(manifest['metadata']['name'])}"
        return self._call("PATCH", path, query=query, body=manifest, content_type=_APPLY) or {}

    def patch(self, kind: Kind, name: str, patch: Json) -> Json:
        """Merge-patch an object; with metadata.resourceVersion in the patch only if it did not change meanwhile."""
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"}
        path = f"{self._collection(kind)}/{quote(name)}"
        return self._call("PATCH", path, query=query, body=patch, content_type=_MERGE_PATCH) or {}

    def pods(self, selector: str) -> list[Json]:
        """Pods by label."""
        return self._items(f"/api/v1/namespaces/{quote(self.namespace)}/pods", {"labelSelector": selector})

    def jobs(self, selector: str) -> list[Json]:
        """Jobs by label."""
        return self._items(f"/apis/batch/v1/namespaces/{quote(self.namespace)}/jobs", {"labelSelector": selector})

    def search(self, name: str) -> Json | None:
        """The HPSearch, or None."""
        return self.get(SEARCH, name)

    def config_map(self, name: str) -> Json | None:
        """A ConfigMap, or None."""
        path = f"/api/v1/namespaces/{quote(self.namespace)}/configmaps/{quote(name)}"
        return self._call("GET", path, missing_ok=True)

    def secret(self, name: str) -> Json | None:
        """A Secret, or None."""
        path = f"/api/v1/namespaces/{quote(self.namespace)}/secrets/{quote(name)}"
        return self._call("GET", path, missing_ok=True)

    def service(self, name: str) -> Json | None:
        """A Service, or None."""
        return self._call("GET", f"/api/v1/namespaces/{quote(self.namespace)}/services/{quote(name)}", missing_ok=True)

    def forward(self, pod: str, port: int) -> Any:
        """A socket that is connected to a port of a pod; RefusedError."""
        # While it connects, all that its client sends goes to a websocket: one that others use must not be taken.
        core = kubernetes.client.CoreV1Api(kubernetes.client.ApiClient(self.api.configuration))
        try:
            made = kubernetes.stream.portforward(
                core.connect_get_namespaced_pod_portforward, pod, self.namespace, ports=str(port)
            )
        except kubernetes.client.ApiException as error:
            raise RefusedError(
                f"no way to port {port} of pod {pod} in namespace {self.namespace}: {error.reason}",
                "Ask for the right to create pods/portforward there.",
            ) from error
        return made.socket(port)

    def log(self, pod: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        """A pod's log, line by line; with `follow` until the pod ends."""
        query = {"follow": "true"} if follow else {}
        query |= {"tailLines": str(tail)} if tail is not None else {}
        path = f"/api/v1/namespaces/{quote(self.namespace)}/pods/{quote(pod)}/log"
        response = self._send("GET", path, query=query, timeout=_FOLLOW_TIMEOUT if follow else _TIMEOUT)
        if response.status >= 400:
            raise explain(response.status, "GET", path, response.read() or b"")
        rest = b""
        for block in response.response.stream(1024 if not follow else 1):
            *lines, rest = (rest + block).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
        if rest:
            yield rest.decode(errors="replace")

    def _collection(self, kind: Kind) -> str:
        return f"/apis/{kind.api}/namespaces/{quote(self.namespace)}/{kind.plural}"

    def _items(self, path: str, query: Mapping[str, str]) -> list[Json]:
        answer = self._call("GET", path, query=query)
        items: list[Json] = answer["items"] if answer else []
        return items

    def _call(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
        missing_ok: bool = False,
    ) -> Json | None:
        response = self._send(verb, path, query=query, body=body, content_type=content_type)
        data: bytes = response.read() or b""
        # A path that no CRD serves is answered in plain text, an object that is not there by a Status.
        if response.status == 404 and missing_ok and not data.startswith(b"404 "):
            return None
        if response.status >= 400:
            raise explain(response.status, verb, path, data)
        answer: Json = json.loads(data)
        return answer

    def _send(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = "application/json",
        timeout: tuple[int, int | None] = _TIMEOUT,
    ) -> Any:
        request = self.api.param_serialize(
            verb,
            path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json, */*", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            return self.api.call_api(*request, _request_timeout=timeout)
        except (urllib3.exceptions.HTTPError, kubernetes.client.ApiException) as error:
            raise UnreachableError(
                f"the cluster at {self.api.configuration.host} does not answer: {error}",
                "Is it running, and is the context right (kubectl config current-context)? VPN, proxy?",
            ) from error
