"""Looking at the API server and the store, by their own libraries alone."""

import hashlib
import io
import json
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import urllib3
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from minio import Minio
from minio.error import MinioException

from chaos.observed import Json, Look, Seen

_SECONDS = 3.0
_STORE_SECONDS = 10.0
"""A busy machine lists some hundred keys in two or three."""
_OK = 200
_MANAGED = "app.kubernetes.io/managed-by=finetune-operator"
_CHILDREN = {
    "pods": "/api/v1/namespaces/{}/pods",
    "configmaps": "/api/v1/namespaces/{}/configmaps",
    "jobs": "/apis/batch/v1/namespaces/{}/jobs",
    "networkpolicies": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
}
_OWNERS = ("finetuneexperiments", "hpsearches")
# A server that dies while it speaks leaves half a document.
_CUT = (ValueError, ParseError)
NO_ANSWER = (urllib3.exceptions.HTTPError, ApiException, MinioException, OSError)
"""What says that a server is away, or that what was asked for is."""


def store_of(address: str, keys: tuple[str, str]) -> Minio:
    """A client that says at once that the store does not answer."""
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(connect=_SECONDS, read=_STORE_SECONDS), retries=False)
    return Minio(address, access_key=keys[0], secret_key=keys[1], secure=False, region="us-east-1", http_client=pool)


def api_of(kubeconfig: Path) -> client.ApiClient:
    """A client that says at once that the API server does not answer."""
    settings = client.Configuration()
    config.load_kube_config(str(kubeconfig), client_configuration=settings)
    settings.retries = False
    return client.ApiClient(settings)


@dataclass
class Eyes:
    """Looks at one namespace and its folder in a bucket."""

    api: client.ApiClient
    store: Minio
    bucket: str
    namespace: str
    began: float

    def now(self) -> float:
        """Seconds since the campaign began."""
        return time.monotonic() - self.began

    def look(self) -> Look:
        """Everything as it is now."""
        at = self.now()
        keys = self._keys()
        beats = {key: self.document(key) for key in keys or () if "/drivers/" in key}
        return Look(at, self._children(), self._owners(), keys, {key: beat for key, beat in beats.items() if beat})

    def document(self, key: str) -> Any:
        """A JSON document; None where there is none, or something else."""
        with suppress(*NO_ANSWER):
            return _parsed(self.read(key))
        return None

    def read(self, key: str) -> bytes:
        """An object's bytes."""
        answer = self.store.get_object(self.bucket, key)
        try:
            return bytes(answer.read())
        finally:
            answer.close()
            answer.release_conn()

    def write(self, key: str, data: bytes) -> None:
        """Put an object, whatever was there."""
        self.store.put_object(self.bucket, key, io.BytesIO(data), len(data))

    def remove(self, key: str) -> None:
        """Delete an object."""
        self.store.remove_object(self.bucket, key)

    def below(self, folder: str) -> dict[str, Any]:
        """The documents below a folder of the namespace, by key below it, None for what is no JSON.

        Raises one of NO_ANSWER: a store that is away is no empty one.
        """
        keys = self._keys_below(folder)
        return {below: _parsed(self.read(key)) for below, key in keys.items() if key.endswith(".json")}

    def digests(self, folder: str) -> dict[str, str]:
        """SHA-256 of the predicted test sets below a folder of the namespace, by key below it; one of NO_ANSWER."""
        keys = self._keys_below(folder)
        predicted = {below: key for below, key in keys.items() if "/predictions/" in key}
        return {below: hashlib.sha256(self.read(key)).hexdigest() for below, key in predicted.items()}

    def config_map(self, name: str) -> dict[str, str]:
        """The files of a ConfigMap of ours; none where there is none of that name."""
        found = self._listed(_CHILDREN["configmaps"], _MANAGED)
        return next((one.get("data") or {} for one in found if one["metadata"]["name"] == name), {})

    def _keys_below(self, folder: str) -> dict[str, str]:
        root = f"{self.namespace}/{folder}/"
        try:
            return {key.removeprefix(root): key for key in self._listed_keys(root)}
        except _CUT as error:
            raise OSError("the store was cut off in the midst of a listing") from error

    def _keys(self) -> dict[str, Seen] | None:
        try:
            return self._listed_keys(f"{self.namespace}/")
        except (*NO_ANSWER, *_CUT):
            return None

    def _listed_keys(self, prefix: str) -> dict[str, Seen]:
        found = self.store.list_objects(self.bucket, prefix, recursive=True)
        return {str(one.object_name): Seen(str(one.etag), _timestamp(one.last_modified)) for one in found}

    def _children(self) -> dict[str, list[Json]] | None:
        try:
            return {kind: list(map(_brief, self._listed(path, _MANAGED))) for kind, path in _CHILDREN.items()}
        except (*NO_ANSWER, *_CUT):
            return None

    def _owners(self) -> dict[str, Json] | None:
        path = "/apis/finetune.dev/v1alpha1/namespaces/{}/"
        try:
            found = [one for plural in _OWNERS for one in self._listed(path + plural, "")]
        except (*NO_ANSWER, *_CUT):
            return None
        return {one["metadata"]["name"]: one for one in found}

    def _listed(self, path: str, selector: str) -> list[Json]:
        request = self.api.param_serialize(
            "GET",
            path.format(self.namespace),
            query_params=[("labelSelector", selector)],
            auth_settings=["BearerToken"],
        )
        answer = self.api.call_api(*request, _request_timeout=_SECONDS)
        data = answer.read()
        if answer.status != _OK:
            raise ApiException(status=answer.status, reason=answer.reason)
        items: list[Json] = json.loads(data)["items"]
        return items


def _parsed(data: bytes) -> Any:
    with suppress(ValueError):
        return json.loads(data)
    return None


def _brief(child: Json) -> Json:
    """What the checks ask about: a campaign keeps thousands of looks."""
    metadata = {name: child["metadata"].get(name) for name in ("name", "uid", "ownerReferences", "deletionTimestamp")}
    spec, status = child.get("spec") or {}, child.get("status") or {}
    volumes = spec.get("template", {}).get("spec", {}).get("volumes")
    kept = {"suspend": spec.get("suspend"), "template": {"spec": {"volumes": volumes}}}
    seen = {name: status.get(name) for name in ("phase", "conditions")}
    return {"metadata": metadata, "spec": kept, "status": seen}


def _timestamp(moment: Any) -> float:
    return moment.timestamp() if moment else 0.0
