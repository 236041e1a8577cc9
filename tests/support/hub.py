"""A hub of the test's own: data sets from memory, answered as the hub does, so that its own client downloads them.

What it answers is that of https://huggingface.co/docs/hub/api and of the headers that `huggingface_hub` reads.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

from support.serving import served

_LFS = (".parquet",)


@dataclass
class Repository:
    """A data set; each revision is the commit of its files. `token` is what it takes to read it."""

    files: dict[str, bytes]
    token: str | None = None
    gated: bool = False
    moved_to: str | None = None

    @property
    def commit(self) -> str:
        """As git's: other files, other commit."""
        told = sorted((path, git_blob(content)) for path, content in self.files.items())
        return hashlib.sha1(json.dumps(told).encode(), usedforsecurity=False).hexdigest()


def git_blob(content: bytes) -> str:
    """The id that git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _oid(path: str, content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if path.endswith(_LFS) else git_blob(content)


@dataclass
class Hub:
    """`asked` are the paths that were asked for, with their token."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    served: dict[str, bytes] = field(default_factory=dict)
    """Content that is sent in place of a path's own: of a hub that lies, or a cache that is damaged."""
    endpoint: str = ""

    def put(self, name: str, files: Mapping[str, bytes], **facts: object) -> Repository:
        """A data set, or a new commit of it."""
        made = self.repositories[name] = Repository(dict(files), **facts)  # type: ignore[arg-type]
        return made

    def is_the_hub(self, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
        """Have the hub's client, in this process, and all of us ask here, without a token."""
        monkeypatch.setenv("HF_ENDPOINT", self.endpoint)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        # The client reads its environment once, when it is imported.
        monkeypatch.setattr(constants, "ENDPOINT", self.endpoint)
        template = f"{self.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))

    def downloads(self) -> list[str]:
        """The files that were fetched, below their repositories."""
        found = (path.partition("/resolve/")[2].partition("/")[2] for path, _ in self.asked if "/resolve/" in path)
        return list(dict.fromkeys(found))


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(*self._found())

    def do_HEAD(self) -> None:
        self.do_GET()

    def _found(self) -> tuple[int, bytes, dict[str, str]]:  # noqa: PLR0911 - an answer each
        asked = urlsplit(self.path)
        token = self.headers.get("Authorization")
        self.hub.asked.append((unquote(asked.path), token))
        parts = [unquote(part) for part in asked.path.removeprefix("/api").split("/")[2:]]
        # The card is answered from another address, as the hub does.
        if asked.path.startswith("/moved/"):
            return self._file(*parts[:3], "/".join(parts[3:]), redirect=False)
        if len(parts) < 4:
            return 404, b"{}", {}
        name, verb, revision, rest = "/".join(parts[:2]), parts[2], parts[3], "/".join(parts[4:])
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.token and token != f"Bearer {repository.token}"):
            return 401, b"{}", {"X-Error-Code": "RepoNotFound"}
        if repository.moved_to:
            return 307, b"", {"Location": asked.path.replace(name, repository.moved_to)}
        if revision not in {"main", "v1", "refs/convert/parquet", repository.commit}:
            return 404, b"{}", {"X-Error-Code": "RevisionNotFound"}
        if verb == "revision":
            return self._revision(repository, blobs="blobs" in asked.query)
        return self._file(*parts[:2], revision, rest, redirect=rest == "README.md")

    def _revision(self, repository: Repository, *, blobs: bool) -> tuple[int, bytes, dict[str, str]]:
        siblings = [_sibling(path, content, blobs) for path, content in repository.files.items()]
        return 200, json.dumps({"sha": repository.commit, "siblings": siblings}).encode(), {}

    def _file(
        self, org: str, name: str, revision: str, path: str, *, redirect: bool
    ) -> tuple[int, bytes, dict[str, str]]:
        repository = self.hub.repositories[f"{org}/{name}"]
        if repository.gated and "Authorization" not in self.headers:
            return 403, b"{}", {"X-Error-Code": "GatedRepo"}
        content = repository.files.get(path)
        if content is None:
            return 404, b"", {"X-Error-Code": "EntryNotFound"}
        if redirect:
            return 307, b"", {"Location": f"/moved/{org}/{name}/{revision}/{path}"}
        headers = {"ETag": f'"{_oid(path, content)}"', "X-Repo-Commit": repository.commit}
        if path.endswith(_LFS):
            headers |= {"X-Linked-Etag": headers["ETag"], "X-Linked-Size": str(len(content))}
        return 200, self.hub.served.get(path, content), headers

    def _answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _sibling(path: str, content: bytes, blobs: bool) -> dict[str, object]:
    known: dict[str, object] = {"rfilename": path}
    if blobs:
        known |= {"size": len(content), "blobId": git_blob(content)}
        known |= {"lfs": {"sha256": _oid(path, content), "size": len(content)}} if path.endswith(_LFS) else {}
    return known


@contextmanager
def running_hub() -> Iterator[Hub]:
    """A hub that answers until the end of the block."""
    hub = Hub()
    with served(type("Handler", (_Handler,), {"hub": hub})) as hub.endpoint:
        yield hub
