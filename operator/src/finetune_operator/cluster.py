"""The only module that talks to Kubernetes: a few verbs on plain JSON objects, errors mapped to names.

ClusterError
├── ForbiddenError      RBAC lacks a rule
├── ConflictError       it exists already, or changed meanwhile
├── RejectedError       the API server refuses the object (validation, quota, a terminating namespace)
│   └── KindMissingError its CRD is not installed
└── ApiUnavailableError the API server cannot be reached or is overloaded; worth trying again
"""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

import kubernetes.client
import kubernetes.config
import urllib3.exceptions

from finetune_core.problems import FinetuneError
from finetune_operator import names

Json = dict[str, Any]
_TIMEOUT = (5, 30)
_LEASE_TIMEOUT = (2, 3)
"""Short of what a leader has for renewing, so that it can try again."""

_MERGE_PATCH = "application/merge-patch+json"


class ClusterError(FinetuneError):
    """Something went wrong between the operator and the API server."""


class ForbiddenError(ClusterError):
    """The operator's service account may not do this."""


class ConflictError(ClusterError):
    """The object exists already, or was changed in between."""


class RejectedError(ClusterError):
    """The API server refuses the object."""


class KindMissingError(RejectedError):
    """The API server does not know the kind: its CRD is not installed."""


class ApiUnavailableError(ClusterError):
    """The API server cannot be reached, or is overloaded."""


def load_client() -> kubernetes.client.ApiClient:
    """A client by the pod's service account, or by the kubeconfig outside a cluster."""
    configuration = kubernetes.client.Configuration()
    try:
        kubernetes.config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    except kubernetes.config.ConfigException:
        kubernetes.config.load_kube_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    configuration.connection_pool_maxsize = 32
    return kubernetes.client.ApiClient(configuration)


class Cluster:
    """Kubernetes, as the operator needs it. Thread-safe; `on_request` is told (verb, resource) of each call."""

    def __init__(
        self, client: kubernetes.client.ApiClient, on_request: Callable[[str, str], None] = lambda _verb, _what: None
    ) -> None:
        self._client = client
        self._on_request = on_request

    def get_experiment(self, namespace: str, name: str) -> Json | None:
        """The experiment, or None."""
        return self._get(_experiments(namespace), name)

    def patch_experiment_status(self, namespace: str, name: str, patch: Json) -> None:
        """Merge-patch the status subresource; quietly nothing if the experiment is gone."""
        path = f"{_experiments(namespace)}/{quote(name)}/status"
        self._call("PATCH", path, body={"status": patch}, content_type=_MERGE_PATCH, missing_ok=True)

    def get_search(self, namespace: str, name: str) -> Json | None:
        """The HPSearch, or None."""
        return self._get(_searches(namespace), name)

    def patch_search_status(self, namespace: str, name: str, patch: Json) -> None:
        """Merge-patch the status subresource; quietly nothing if the search is gone."""
        path = f"{_searches(namespace)}/{quote(name)}/status"
        self._call("PATCH", path, body={"status": patch}, content_type=_MERGE_PATCH, missing_ok=True)

    def list_jobs(self, namespace: str, selector: str) -> list[Json]:
        """The Jobs that the selector picks."""
        return self._list(_jobs(namespace), {"labelSelector": selector})

    def list_job_names(self, namespace: str) -> list[str]:
        """Names of all our Jobs in a namespace."""
        jobs = self.list_jobs(namespace, f"{names.MANAGED_BY_LABEL}={names.MANAGED_BY}")
        return [str(job["metadata"]["name"]) for job in jobs]

    def create_job(self, namespace: str, manifest: Json) -> None:
        """Create a Job; ConflictError if there is one of that name."""
        self._call("POST", _jobs(namespace), body=manifest)

    def patch_job(self, namespace: str, name: str, patch: Json) -> None:
        """Merge-patch a Job; quietly nothing if it is gone."""
        self._call("PATCH", f"{_jobs(namespace)}/{quote(name)}", body=patch, content_type=_MERGE_PATCH, missing_ok=True)

    def delete_job(self, namespace: str, name: str) -> None:
        """Delete a Job and, in the background, its pods; quietly nothing if it is gone."""
        body = {"propagationPolicy": "Background"}
        self._call("DELETE", f"{_jobs(namespace)}/{quote(name)}", body=body, missing_ok=True)

    def list_ray_jobs(self, namespace: str, selector: str) -> list[Json]:
        """The RayJobs that the selector picks; KindMissingError without KubeRay's CRDs."""
        return self._list(_ray_jobs(namespace), {"labelSelector": selector})

    def create_ray_job(self, namespace: str, manifest: Json) -> None:
        """Create a RayJob; ConflictError if there is one of that name."""
        self._call("POST", _ray_jobs(namespace), body=manifest)

    def patch_ray_job(self, namespace: str, name: str, patch: Json) -> None:
        """Merge-patch a RayJob; quietly nothing if it is gone."""
        path = f"{_ray_jobs(namespace)}/{quote(name)}"
        self._call("PATCH", path, body=patch, content_type=_MERGE_PATCH, missing_ok=True)

    def delete_ray_job(self, namespace: str, name: str) -> None:
        """Delete a RayJob and, in the background, its cluster; quietly nothing if it is gone."""
        body = {"propagationPolicy": "Background"}
        self._call("DELETE", f"{_ray_jobs(namespace)}/{quote(name)}", body=body, missing_ok=True)

    def list_pods(self, namespace: str, selector: str) -> list[Json]:
        """The pods that the selector picks."""
        return self._list(f"/api/v1/namespaces/{quote(namespace)}/pods", {"labelSelector": selector})

    def pod_warnings(self, namespace: str, pod_uid: str) -> list[Json]:
        """Warning events about a pod (a volume that cannot be mounted shows nowhere else)."""
        fields = f"involvedObject.uid={pod_uid},type=Warning"
        return self._list(f"/api/v1/namespaces/{quote(namespace)}/events", {"fieldSelector": fields})

    def get_config_map(self, namespace: str, name: str) -> Json | None:
        """The ConfigMap, or None."""
        return self._get(_config_maps(namespace), name)

    def create_config_map(self, namespace: str, manifest: Json) -> None:
        """Create a ConfigMap; ConflictError if there is one of that name."""
        self._call("POST", _config_maps(namespace), body=manifest)

    def replace_config_map(self, namespace: str, manifest: Json) -> None:
        """Replace a ConfigMap by its name; RejectedError if there is none."""
        self._call("PUT", f"{_config_maps(namespace)}/{quote(manifest['metadata']['name'])}", body=manifest)

    def delete_config_map(self, namespace: str, name: str) -> None:
        """Delete a ConfigMap; quietly nothing if it is gone."""
        self._call("DELETE", f"{_config_maps(namespace)}/{quote(name)}", missing_ok=True)

    def get_secret(self, namespace: str, name: str) -> Json | None:
        """The Secret, or None."""
        return self._get(f"/api/v1/namespaces/{quote(namespace)}/secrets", name)

    def get_lease(self, namespace: str, name: str) -> Json | None:
        """The Lease, or None."""
        return self._call("GET", f"{_leases(namespace)}/{quote(name)}", missing_ok=True, timeout=_LEASE_TIMEOUT)

    def create_lease(self, namespace: str, manifest: Json) -> Json:
        """The Lease as it was created; ConflictError if there is one of that name."""
        return self._call("POST", _leases(namespace), body=manifest, timeout=_LEASE_TIMEOUT) or {}

    def replace_lease(self, namespace: str, manifest: Json) -> Json:
        """The Lease as it is now; ConflictError where it is not of the manifest's resourceVersion any more."""
        path = f"{_leases(namespace)}/{quote(manifest['metadata']['name'])}"
        return self._call("PUT", path, body=manifest, timeout=_LEASE_TIMEOUT) or {}

    def create_event(self, namespace: str, manifest: Json) -> None:
        """Create a core/v1 Event."""
        self._call("POST", f"/api/v1/namespaces/{quote(namespace)}/events", body=manifest)

    def _get(self, collection: str, name: str) -> Json | None:
        return self._call("GET", f"{collection}/{quote(name)}", missing_ok=True)

    def _list(self, collection: str, query: Mapping[str, str]) -> list[Json]:
        answer = self._call("GET", collection, query=query)
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
        timeout: tuple[int, int] = _TIMEOUT,
    ) -> Json | None:
        self._on_request(verb, _resource(path))
        query = {**(query or {}), **({"fieldManager": names.FIELD_MANAGER} if verb in {"POST", "PUT", "PATCH"} else {})}
        request = self._client.param_serialize(
            verb,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._client.call_api(*request, _request_timeout=timeout)
            data: bytes = response.read() or b""  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, kubernetes.client.ApiException) as error:
            raise ApiUnavailableError(f"{verb} {path}: {error}") from error
        if response.status == 404 and missing_ok:
            return None
        if response.status >= 400:
            raise _error(response.status, f"{verb} {path}", data)
        answer: Json = json.loads(data)
        return answer


def _error(status: int, what: str, data: bytes) -> ClusterError:
    message = f"{what}: {status}: {_message(data)}"
    if status in {401, 403} and b"because it is being terminated" not in data:
        hint = "" if b"exceeded quota" in data else " (does the operator's RBAC allow it?)"
        return ForbiddenError(f"{message}{hint}")
    if status == 409:
        return ConflictError(message)
    if status == 429 or status >= 500:
        return ApiUnavailableError(message)
    if status == 404 and data.startswith(b"404 "):
        # Of an object or namespace that is not there, the answer is a Status.
        return KindMissingError(message)
    return RejectedError(message)


def _message(data: bytes) -> str:
    try:
        return str(json.loads(data).get("message", ""))
    except (ValueError, AttributeError):
        return data[:300].decode(errors="replace")


def _experiments(namespace: str) -> str:
    return f"/apis/{names.API_GROUP}/{names.API_VERSION}/namespaces/{quote(namespace)}/{names.EXPERIMENT_PLURAL}"


def _searches(namespace: str) -> str:
    return f"/apis/{names.API_GROUP}/{names.API_VERSION}/namespaces/{quote(namespace)}/{names.SEARCH_PLURAL}"


def _jobs(namespace: str) -> str:
    return f"/apis/batch/v1/namespaces/{quote(namespace)}/jobs"


def _ray_jobs(namespace: str) -> str:
    return f"/apis/{names.RAY_GROUP}/{names.RAY_VERSION}/namespaces/{quote(namespace)}/{names.RAY_JOB_PLURAL}"


def _leases(namespace: str) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{quote(namespace)}/leases"


def _config_maps(namespace: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace)}/configmaps"


def _resource(path: str) -> str:
    parts = path.strip("/").split("/")
    after = parts[parts.index("namespaces") + 2 :]
    return after[0] + ("/status" if after[-1] == "status" else "")
