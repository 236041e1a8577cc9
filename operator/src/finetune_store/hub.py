"""What a revision on the Hugging Face hub is (or on a mirror of it, by HF_ENDPOINT): its commit, a data set's files."""

import os
import re
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3
from urllib3.util import Retry

from finetune_core.planning.inputs import NotYetError
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.stored import is_relative, read_json
from finetune_core.tasks.hub_card import CARD
from finetune_core.tasks.hub_files import HubFile, HubListing
from finetune_store._proxy import way_to
from finetune_store.folders import MOST_FILES

_DEFAULT_ENDPOINT = "https://huggingface.co"
_PART = r"(?!\.+(?:[/@]|$))[\w.-]+"
"""A part of a path that is none of `.` and `..`, which would lead to another address of the hub."""
REPOSITORY = re.compile(rf"hf://(?P<name>{_PART}(/{_PART})?)(@(?P<revision>{_PART}(/{_PART})*))?", re.ASCII)
"""A repository's URI."""
_MOST_BYTES = 16 << 20
"""Of an answer, which names every file of the repository."""
_CARD_BYTES = 4 << 20
_COMMIT = re.compile(r"[0-9a-f]{40}")
_OID = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_CLOSED = frozenset({401, 403, 404})
_MOVED = frozenset({301, 302, 307, 308})


def hub_commit(uri: str, *, kind: str, field: str, http: urllib3.PoolManager) -> str:
    """40 hex digits; InvalidInputError if there is no such repository, NotYetError if the hub cannot be reached.

    See https://huggingface.co/docs/hub/api: GET /api/{models,datasets}/<name>/revision/<revision> -> sha.
    """
    return _revision(uri, kind, field, http)[0]


def hub_listing(uri: str, *, field: str, http: urllib3.PoolManager) -> HubListing:
    """The files of a data set at the commit of its revision, and its card; errors as of `hub_commit`.

    With `?blobs=true` the hub tells of each file its size, its git blob id and, where it lies in LFS, its SHA-256.
    """
    commit, answer = _revision(uri, "dataset", field, http, "?blobs=true")
    siblings = answer.get("siblings")
    if not isinstance(siblings, list) or len(siblings) > MOST_FILES:
        message = (
            f"{uri} has more than {MOST_FILES:,} files, or does not tell them: put those that you need into a bucket"
        )
        raise InvalidInputError((Problem(field, message),))
    files = tuple(found for one in siblings if (found := _file(one)) is not None)
    if not files and siblings:
        message = f"{_endpoint()} tells neither sizes nor hashes of the files of {uri}: put them into a bucket"
        raise InvalidInputError((Problem(field, message),))
    if not any(file.path == CARD for file in files):
        return HubListing(commit, files)
    name = uri.removeprefix("hf://").partition("@")[0]
    status, card, _ = _ask(f"{_endpoint()}/datasets/{name}/resolve/{commit}/{CARD}", http, _CARD_BYTES, redirects=3)
    if status in _CLOSED:
        message = f"the files of {uri} cannot be read (status {status}): accept the data set's terms, or check HF_TOKEN"
        raise InvalidInputError((Problem(field, message),))
    if status != 200:
        raise NotYetError(f"{_endpoint()} answered {status} for the card of {uri}; trying again")
    return HubListing(commit, files, card.decode(errors="replace"))


def _revision(
    uri: str, kind: str, field: str, http: urllib3.PoolManager, query: str = ""
) -> tuple[str, dict[str, Any]]:
    """The commit, and all that the hub says of it."""
    match = REPOSITORY.fullmatch(uri)
    if match is None:
        raise InvalidInputError((Problem(field, f"{uri} is not hf://org/name[@revision]: correct it"),))
    revision = quote(match["revision"] or "main", safe="")
    url = f"{_endpoint()}/api/{kind}s/{match['name']}/revision/{revision}{query}"
    status, answer, location = _ask(url, http, _MOST_BYTES)
    if status in _CLOSED:
        message = f"{uri} is not on {_endpoint()}, or is private (status {status}): check name and revision"
        raise InvalidInputError((Problem(field, message),))
    if status in _MOVED:
        there = urlsplit(location).path.removeprefix(f"/api/{kind}s/").partition("/revision/")[0]
        if there == match["name"]:
            raise NotYetError(f"{_endpoint()} points to another address: correct HF_ENDPOINT; trying again")
        named = f"it is hf://{there} now" if REPOSITORY.fullmatch(f"hf://{there}") else "it has another name now"
        raise InvalidInputError((Problem(field, f"{uri} was renamed, {named}: write that name"),))
    if status != 200:
        raise NotYetError(f"{_endpoint()} answered {status} for {uri}; trying again")
    if len(answer) == _MOST_BYTES:
        message = f"{uri} has more files than can be looked at: put those that you need into a bucket"
        raise InvalidInputError((Problem(field, message),))
    said = _json(answer)
    commit = said.get("sha")
    # It becomes part of URIs and of run ids, so it has to be a commit and nothing else.
    if not isinstance(commit, str) or not _COMMIT.fullmatch(commit):
        raise NotYetError(f"{_endpoint()} answered {url} with something that is no revision; trying again")
    return commit, said


def _ask(url: str, http: urllib3.PoolManager, most: int, *, redirects: int = 0) -> tuple[int, bytes, str]:
    """Status, the answer's first bytes, and where it points to. NotYetError where nobody answers."""
    token = os.environ.get("HF_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    # Another host that an answer points to is not given the token: urllib3's own rule.
    retries = Retry(redirects, connect=0, read=0, status=0, other=0, raise_on_redirect=False) if redirects else False
    try:
        response = http.request(
            "GET", url, headers=headers, timeout=urllib3.Timeout(5, 20), retries=retries, preload_content=False
        )
        # What is cut off is no JSON.
        answer = response.read(most)
        location = response.headers.get("Location", "") if response.status in _MOVED else ""
        response.close()
    except urllib3.exceptions.HTTPError as error:
        message = f"{way_to(_endpoint())} cannot be reached from the operator ({error}); trying again"
        raise NotYetError(message) from error
    return response.status, answer, location


def _endpoint() -> str:
    return os.environ.get("HF_ENDPOINT", _DEFAULT_ENDPOINT).rstrip("/")


def _json(answer: bytes) -> dict[str, Any]:
    try:
        said = read_json(answer)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _file(said: Any) -> HubFile | None:
    """What the hub says of a file; None where it is no path below a folder, or its hash is not told."""
    try:
        lfs = said.get("lfs") or {}
        path, size, oid = said["rfilename"], said["size"], lfs.get("sha256") or said["blobId"]
    except (KeyError, AttributeError, TypeError):
        return None
    known = isinstance(path, str) and is_relative(path) and isinstance(oid, str) and _OID.fullmatch(oid)
    return HubFile(path, size, oid) if known and isinstance(size, int) and size >= 0 else None
