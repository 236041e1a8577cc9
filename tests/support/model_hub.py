"""A FAKE hub that models can be pushed to: what the hub's own client asks of it, answered from memory.

It is none of the hub's code. What it answers is that of https://huggingface.co/docs/hub/api and of what
`huggingface_hub` sends and reads: repositories, branches, commits (each of all files), pre-uploads, and git's LFS
(no Xet). Of a card's metadata it looks whether it is YAML, with a licence; the hub looks at more.
"""

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from huggingface_hub import constants

from support.hub import git_blob
from support.serving import served

TOKEN = "hf_of-this-test"
GIT_ATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
_LFS = ".safetensors"


@dataclass
class Repository:
    """Branch -> its commits, the newest last; a commit is its id and all of its files."""

    private: bool
    branches: dict[str, list[tuple[str, dict[str, bytes]]]] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, bytes]) -> str:
        """Another one; its id."""
        commits = self.branches.setdefault(branch, [])
        name = hashlib.sha1(repr((branch, len(commits), sorted(files))).encode(), usedforsecurity=False).hexdigest()
        commits.append((name, dict(files)))
        return name

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        """The commit that a branch or an id means."""
        if revision in self.branches:
            return self.branches[revision][-1]
        found = [one for commits in self.branches.values() for one in commits if one[0] == revision]
        return found[0] if found else None


@dataclass
class ModelHub:
    """`said` are the methods and paths that were asked for."""

    repositories: dict[str, Repository] = field(default_factory=dict)
    uploads: dict[str, bytes] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    endpoint: str = ""

    def is_the_hub(self, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
        """Have the hub's client, in this process, ask here, with a token."""
        # The client reads its environment once, when it is imported.
        monkeypatch.setattr(constants, "ENDPOINT", self.endpoint)
        template = f"{self.endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)

    def files(self, name: str, revision: str = "main") -> dict[str, bytes]:
        """What a revision holds."""
        found = self.repositories[name].at(revision)
        assert found is not None
        return found[1]


Answer = tuple[int, bytes, dict[str, str]]


class _Handler(BaseHTTPRequestHandler):
    hub: ModelHub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(self._got())

    def do_HEAD(self) -> None:
        self._answer(self._got())

    def do_PUT(self) -> None:
        self.hub.uploads[urlsplit(self.path).path.rpartition("/")[2]] = self._body()
        self._answer((200, b"{}", {}))

    def do_POST(self) -> None:
        self._answer(self._posted(self._body()))

    def _got(self) -> Answer:
        if not self._known():
            return 401, b"{}", {"X-Error-Code": "RepoNotFound"}
        path = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if path[0] == "api" and "tree" in path:
            return self._tree("/".join(path[2:4]), path[5])
        if path[0] == "api":
            return self._revision("/".join(path[2:4]), path[5] if len(path) > 5 else "main")
        return self._file("/".join(path[:2]), path[3], "/".join(path[4:]))

    def _revision(self, name: str, revision: str) -> Answer:
        found = self._at(name, revision)
        if not isinstance(found[1], dict):
            return found
        listed = [{"rfilename": path} for path in sorted(found[1])]
        return _json({"id": name, "sha": found[0], "siblings": listed, "private": True, "tags": [], "downloads": 0})

    def _tree(self, name: str, revision: str) -> Answer:
        found = self._at(name, revision)
        if not isinstance(found[1], dict):
            return found
        return _json([_listed(path, content) for path, content in sorted(found[1].items())])

    def _file(self, name: str, revision: str, path: str) -> Answer:
        found = self._at(name, revision)
        if not isinstance(found[1], dict):
            return found
        if path not in found[1]:
            return 404, b"", {"X-Error-Code": "EntryNotFound"}
        content = found[1][path]
        oid = hashlib.sha256(content).hexdigest() if path.endswith(_LFS) else git_blob(content)
        return 200, content, {"ETag": f'"{oid}"', "X-Repo-Commit": str(found[0])}

    def _at(self, name: str, revision: str) -> Any:
        repository = self.hub.repositories.get(name)
        if repository is None:
            return 404, b"{}", {"X-Error-Code": "RepoNotFound"}
        return repository.at(revision) or (404, b"{}", {"X-Error-Code": "RevisionNotFound"})

    def _posted(self, body: bytes) -> Answer:  # noqa: PLR0911 - an answer each
        path = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        self.hub.said.append("/".join(path))
        if not self._known():
            return 401, b"{}", {}
        match path:
            case ["api", "validate-yaml"]:
                return _validated(json.loads(body)["content"])
            case ["api", "repos", "create"]:
                return self._created(json.loads(body))
            case ["api", "models", org, name, "branch", branch]:
                return self._branched(f"{org}/{name}", branch)
            case ["api", "models", _, _, "preupload", _]:
                modes = [
                    {"path": one["path"], "shouldIgnore": False, "uploadMode": _mode(one["path"])}
                    for one in json.loads(body)["files"]
                ]
                return _json({"files": modes})
            case [_, _, "info", "lfs", "objects", "batch"]:
                return _json(
                    {"transfer": "basic", "objects": [self._upload(one) for one in json.loads(body)["objects"]]}
                )
            case ["api", "models", org, name, "commit", branch]:
                return self._committed(f"{org}/{name}", branch, [json.loads(line) for line in body.splitlines()])
        return 404, b"{}", {}

    def _created(self, asked: dict[str, Any]) -> Answer:
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        url = {"url": f"{self.hub.endpoint}/{name}"}
        if name in self.hub.repositories:
            return 409, json.dumps(url).encode(), {}
        made = self.hub.repositories[name] = Repository(
            bool(asked.get("private") or asked.get("visibility") == "private")
        )
        made.commit("main", {".gitattributes": GIT_ATTRIBUTES})
        return _json(url)

    def _branched(self, name: str, branch: str) -> Answer:
        repository = self.hub.repositories[name]
        if branch in repository.branches:
            return 409, b"{}", {}
        repository.branches[branch] = [repository.branches["main"][-1]]
        return _json({})

    def _upload(self, asked: dict[str, Any]) -> dict[str, Any]:
        upload = {"href": f"{self.hub.endpoint}/lfs/{asked['oid']}"}
        return {**asked, "actions": {"upload": upload}}

    def _committed(self, name: str, branch: str, lines: list[dict[str, Any]]) -> Answer:
        repository = self.hub.repositories[name]
        now, files = repository.branches[branch][-1]
        if lines[0]["value"].get("parentCommit", now) != now:
            return 412, b"{}", {}
        files = dict(files)
        for line in lines[1:]:
            path = line["value"]["path"]
            match line["key"]:
                case "file":
                    files[path] = base64.b64decode(line["value"]["content"])
                case "lfsFile":
                    files[path] = self.hub.uploads[line["value"]["oid"]]
                case "deletedFile":
                    del files[path]
        commit = repository.commit(branch, files)
        return _json(
            {"commitOid": commit, "commitUrl": f"{self.hub.endpoint}/{name}/commit/{commit}", "hookOutput": ""}
        )

    def _known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, answer: Answer) -> None:
        status, body, headers = answer
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _json(value: Any) -> Answer:
    return 200, json.dumps(value).encode(), {}


def _validated(card: str) -> Answer:
    metadata = yaml.safe_load(card.split("---\n")[1])
    wrong = [] if metadata.get("license") else [{"message": "no licence"}]
    return _json({"errors": wrong, "warnings": []})


def _listed(path: str, content: bytes) -> dict[str, Any]:
    sha256 = hashlib.sha256(content).hexdigest()
    lfs = {"lfs": {"oid": sha256, "size": len(content), "pointerSize": 134}} if _mode(path) == "lfs" else {}
    return {"type": "file", "path": path, "size": len(content), "oid": sha256[:40], **lfs}


def _mode(path: str) -> str:
    return "lfs" if path.endswith(_LFS) else "regular"


@contextmanager
def running_model_hub() -> Iterator[ModelHub]:
    """A fake hub that answers until the end of the block."""
    hub = ModelHub()
    with served(type("Handler", (_Handler,), {"hub": hub})) as hub.endpoint:
        yield hub
