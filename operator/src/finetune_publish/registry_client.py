"""A repository in a registry of images, by ORAS; keys are those of `docker login` (DOCKER_CONFIG)."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import oras.auth
import oras.container
import oras.decorator
import oras.provider

from finetune_client.errors import ClientError, NotFoundError, RefusedError, UnreachableError
from finetune_core.json_types import Json
from finetune_core.stored import read_json
from finetune_store import file_sha256

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_DOCKER = (
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_ACCEPTED = ", ".join((INDEX, MANIFEST, *_DOCKER))
_MOST_BYTES = 4 << 20
"""Of a manifest: https://github.com/opencontainers/distribution-spec/blob/main/spec.md#pushing-manifests."""
_FOUND, _CREATED = 200, 201
_TOO_MANY, _ITS_OWN_FAULT = 429, 500


class _Provider(oras.provider.Registry):  # type: ignore[misc]  # ORAS has no types
    # As it is, ORAS waits two minutes for a registry that is not there.
    do_request = oras.decorator.retry(attempts=2, timeout=0)(oras.provider.Registry.do_request.__wrapped__)


@dataclass(frozen=True)
class Document:
    """A manifest or an index as it lies there."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """That of its bytes."""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def said(self) -> Json:
        """What it says; ClientError where it is no JSON object."""
        try:
            said = read_json(self.content)
        except ValueError:
            said = None
        if not isinstance(said, dict):
            raise ClientError("the registry answered with something that is no manifest", "Is it a registry?")
        return said


class Repository:
    """One repository: `name` is REGISTRY/NAME."""

    def __init__(self, name: str, *, plain_http: bool) -> None:
        self._name = name
        host = name.partition("/")[0]
        self._provider = _Provider(host, insecure=plain_http)
        self._container = oras.container.Container(name)
        with self._told():
            self._provider.auth.load_configs(self._container)

    def find(self, reference: str) -> Document | None:
        """What a tag or a digest means; None where there is none. ClientError."""
        with self._told():
            url = f"{self._provider.prefix}://{self._container.manifest_url(reference)}"
            answer = self._provider.do_request(url, "GET", headers={"Accept": _ACCEPTED}, stream=True)
            if answer.status_code == 404:
                return None
            self._require(answer, _FOUND)
            content = answer.raw.read(_MOST_BYTES, decode_content=True)
        found = Document(content, str(answer.headers.get("Content-Type", "")).partition(";")[0])
        if reference.startswith("sha256:") and found.digest != reference:
            raise RefusedError(f"{self._name} answered {found.digest} for {reference}", "Do not trust this registry.")
        return found

    def get(self, reference: str) -> Document:
        """See `find`; NotFoundError where there is none."""
        found = self.find(reference)
        if found is None:
            raise NotFoundError(f"there is no {reference} in {self._name}", "Check name and tag.")
        return found

    def put(self, document: Document, reference: str | None = None) -> Json:
        """Write a manifest or an index by its digest, or as a tag; its descriptor. ClientError."""
        with self._told():
            url = f"{self._provider.prefix}://{self._container.manifest_url(reference or document.digest)}"
            headers = {"Content-Type": document.media_type}
            self._require(self._provider.do_request(url, "PUT", data=document.content, headers=headers), _CREATED)
        return {"mediaType": document.media_type, "digest": document.digest, "size": len(document.content)}

    def put_blob(self, path: Path, media_type: str) -> Json:
        """Write a blob, where it is not there yet; its descriptor. ClientError."""
        blob = {"mediaType": media_type, "digest": f"sha256:{file_sha256(path)}", "size": path.stat().st_size}
        with self._told():
            self._require(self._provider.upload_blob(str(path), self._container, blob), _FOUND, _CREATED)
        return blob

    def get_blob(self, digest: str, path: Path) -> None:
        """Write a blob to a file; RefusedError where it is another one."""
        with self._told():
            self._provider.download_blob(self._container, digest, str(path))
        if f"sha256:{file_sha256(path)}" != digest:
            raise RefusedError(f"{self._name} answered {digest} with another blob", "Do not trust this registry.")

    def _require(self, answer: Any, *accepted: int) -> None:
        if answer.status_code not in accepted:
            said = f"{answer.status_code} {answer.reason}"
            if answer.status_code >= _ITS_OWN_FAULT or answer.status_code == _TOO_MANY:
                raise UnreachableError(f"{self._name} cannot do it now: {said}", "Try again later.")
            raise RefusedError(
                f"{self._name} refuses it: {said}",
                "Check the name, and your right to write there (docker login).",
            )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What ORAS says, as an error of ours."""
        try:
            yield
        except oras.auth.AuthenticationException as error:
            raise RefusedError(f"{self._name} takes no such login: {error}", "docker login REGISTRY.") from error
        except OSError as error:
            raise UnreachableError(
                f"{self._name} cannot be reached: {error}", "Check its address; --plain-http is for one without TLS."
            ) from error
        except ValueError as error:
            raise RefusedError(f"{self._name} refuses it: {error}", "docker login REGISTRY.") from error


def document(value: Json, media_type: str) -> Document:
    """A manifest or an index: the same value is the same bytes."""
    return Document(json.dumps(value, sort_keys=True, separators=(",", ":")).encode(), media_type)
