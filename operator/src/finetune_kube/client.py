"""The only client of Kubernetes: a few verbs on plain JSON objects, paths from `paths`, errors by name."""

import json
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import kubernetes.client
import urllib3.exceptions

from finetune_core.json_types import Json
from finetune_kube.connect import ApiClient
from finetune_kube.errors import (
    ApiUnavailableError,
    ConflictError,
    MissingError,
    RejectedError,
    error_of,
)
from finetune_kube.forwarding import forwarded
from finetune_kube.kinds import POD, Kind
from finetune_kube.paths import api_path, field_selector, label_selector

_TIMEOUT = (5, 30)
_FOLLOW_TIMEOUT = (5, None)
_JSON = "application/json"
_MERGE_PATCH = "application/merge-patch+json"
_APPLY = "application/apply-patch+yaml"


class Client:
    """Thread-safe. `on_request` is told (verb, resource) of each call, and may refuse it.

    `whose` rights are asked by is in messages; `timeout` is (to connect, to wait for bytes) in seconds.
    """

    def __init__(
        self,
        api: ApiClient,
        *,
        manager: str,
        whose: str = "your",
        on_request: Callable[[str, str], None] = lambda _verb, _what: None,
        timeout: tuple[int, int] = _TIMEOUT,
    ) -> None:
        self._api = api
        self._manager = manager
        self._whose = whose
        self._on_request = on_request
        self._timeout = timeout

    def get(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """The object, or None; KindMissingError."""
        try:
            return self._call("GET", kind, namespace, name)
        except MissingError:
            return None

    def list(
        self,
        kind: Kind,
        namespace: str | None,
        *,
        labels: Mapping[str, str] | None = None,
        fields: Mapping[str, str] | None = None,
    ) -> list[Json]:
        """The objects of a namespace, or of all, that have these labels and fields."""
        query = {"labelSelector": label_selector(labels)} if labels else {}
        query |= {"fieldSelector": field_selector(fields)} if fields else {}
        items: list[Json] = self._call("GET", kind, namespace, query=query)["items"]
        return items

    def create(self, kind: Kind, namespace: str, manifest: Json, *, strict: bool = True, dry_run: bool = False) -> Json:
        """Create an object; ConflictError if there is one of that name.

        Fields that the API server does not know are refused (RejectedError); unless `strict`, they are dropped.
        """
        query = self._managed() | ({"fieldValidation": "Strict"} if strict else {})
        query |= {"dryRun": "All"} if dry_run else {}
        return self._call("POST", kind, namespace, query=query, body=manifest)

    def create_part(self, kind: Kind, namespace: str, name: str, subresource: str, body: Json) -> Json:
        """Create what is asked of an object by a part of it (an eviction); ConflictError where it is another by now."""
        return self._call("POST", kind, namespace, name, subresource, query=self._managed(), body=body)

    def apply(self, kind: Kind, namespace: str, manifest: Json, *, dry_run: bool = False, force: bool = False) -> Json:
        """Server-side apply, as `kubectl apply --server-side` does it; unknown fields are refused."""
        query = self._managed() | {"fieldValidation": "Strict"}
        query |= {"dryRun": "All"} if dry_run else {}
        query |= {"force": "true"} if force else {}
        name = manifest["metadata"]["name"]
        return self._call("PATCH", kind, namespace, name, query=query, body=manifest, content_type=_APPLY)

    def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: Json,
        *,
        subresource: str | None = None,
        strict: bool = False,
    ) -> Json:
        """Merge-patch an object; ConflictError where `metadata.uid` or `.resourceVersion` of the patch are not its.

        Of the uid that is so of a whole object alone: the API server ignores it in patches of a subresource.
        """
        query = self._managed() | ({"fieldValidation": "Strict"} if strict else {})
        try:
            return self._call(
                "PATCH", kind, namespace, name, subresource, query=query, body=patch, content_type=_MERGE_PATCH
            )
        except RejectedError as error:
            if "metadata.uid: Invalid value" in error.reason:
                # So it says that there is another object of that name by now.
                raise ConflictError(str(error), reason=error.reason, verb="PATCH", path=error.path) from error
            raise

    def replace(self, kind: Kind, namespace: str, manifest: Json) -> Json:
        """Replace an object; unknown fields are refused (RejectedError).

        ConflictError where the manifest's uid or resourceVersion are not its.
        """
        name = manifest["metadata"]["name"]
        query = self._managed() | {"fieldValidation": "Strict"}
        return self._call("PUT", kind, namespace, name, query=query, body=manifest)

    def delete(self, kind: Kind, namespace: str, name: str, *, uid: str, version: str | None = None) -> None:
        """Delete the object of that uid and, in the background, what it owns.

        ConflictError where there is another of that name, or where it is not of that resourceVersion any more.
        """
        conditions = {"uid": uid} | ({"resourceVersion": version} if version is not None else {})
        body = {"propagationPolicy": "Background", "preconditions": conditions}
        self._call("DELETE", kind, namespace, name, body=body)

    def log(self, namespace: str, pod: str, *, follow: bool = False, tail: int | None = None) -> Iterator[str]:
        """A pod's log, line by line; with `follow` until the pod ends."""
        query = {"follow": "true"} if follow else {}
        query |= {"tailLines": str(tail)} if tail is not None else {}
        path = api_path(POD, namespace, pod, "log")
        response = self._send("GET", path, query=query, timeout=_FOLLOW_TIMEOUT if follow else _TIMEOUT)
        if response.status >= 400:
            raise error_of(response.status, "GET", path, response.read() or b"", whose=self._whose)
        rest = b""
        for block in response.response.stream(1024 if not follow else 1):
            *lines, rest = (rest + block).split(b"\n")
            yield from (line.decode(errors="replace") for line in lines)
        if rest:
            yield rest.decode(errors="replace")

    def forward(self, namespace: str, pod: str, port: int) -> socket.socket:
        """A socket that is connected to a port of a pod; ForbiddenError."""
        return forwarded(self._api, api_path(POD, namespace, pod, "portforward"), port)

    def _managed(self) -> dict[str, str]:
        return {"fieldManager": self._manager}

    def _call(
        self,
        verb: str,
        kind: Kind,
        namespace: str | None,
        name: str | None = None,
        subresource: str | None = None,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = _JSON,
    ) -> Json:
        path = api_path(kind, namespace, name, subresource)
        self._on_request(verb, kind.plural + (f"/{subresource}" if subresource else ""))
        response = self._send(verb, path, query=query, body=body, content_type=content_type, timeout=self._timeout)
        data: bytes = response.read() or b""
        if response.status >= 400:
            raise error_of(response.status, verb, path, data, whose=self._whose)
        answer: Json = json.loads(data)
        return answer

    def _send(
        self,
        verb: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Json | None = None,
        content_type: str = _JSON,
        timeout: tuple[int, int | None],
    ) -> Any:
        request = self._api.param_serialize(
            verb,
            path,
            query_params=[*(query or {}).items()],
            header_params={"Accept": "application/json, */*", "Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            return self._api.call_api(*request, _request_timeout=timeout)
        except (urllib3.exceptions.HTTPError, kubernetes.client.ApiException) as error:
            raise ApiUnavailableError(f"{verb} {path}: {error}", reason=str(error), verb=verb, path=path) from error
