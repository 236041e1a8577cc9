"""The commit behind a revision on the Hugging Face hub (or a mirror of it, by HF_ENDPOINT)."""

import os
import re

import urllib3

from finetune_core.planning.inputs import NotYetError
from finetune_core.problems import InvalidInputError, Problem
from finetune_core.stored import read_json
from finetune_store._proxy import way_to

_DEFAULT_ENDPOINT = "https://huggingface.co"
_PART = r"(?!\.+(?:[/@]|$))[\w.-]+"
"""A part of a path that is none of `.` and `..`, which would lead to another address of the hub."""
_REPOSITORY = re.compile(rf"hf://(?P<name>{_PART}(/{_PART})?)(@(?P<revision>{_PART}(/{_PART})*))?", re.ASCII)
_MOST_BYTES = 16 << 20
"""Of an answer, which names every file of the repository."""
_COMMIT = re.compile(r"[0-9a-f]{40}")


def hub_commit(uri: str, *, kind: str, field: str, http: urllib3.PoolManager) -> str:
    """40 hex digits; InvalidInputError if there is no such repository, NotYetError if the hub cannot be reached.

    See https://huggingface.co/docs/hub/api: GET /api/{models,datasets}/<name>/revision/<revision> -> sha.
    """
    match = _REPOSITORY.fullmatch(uri)
    if match is None:
        raise InvalidInputError((Problem(field, f"{uri} is not hf://org/name[@revision]: correct it"),))
    endpoint = os.environ.get("HF_ENDPOINT", _DEFAULT_ENDPOINT).rstrip("/")
    url = f"{endpoint}/api/{kind}s/{match['name']}/revision/{match['revision'] or 'main'}"
    token = os.environ.get("HF_TOKEN")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        response = http.request(
            "GET", url, headers=headers, timeout=urllib3.Timeout(5, 20), retries=False, preload_content=False
        )
        # What is cut off is no JSON.
        answer = response.read(_MOST_BYTES)
        response.close()
    except urllib3.exceptions.HTTPError as error:
        raise NotYetError(f"{way_to(endpoint)} cannot be reached from the operator ({error}); trying again") from error
    if response.status in {401, 403, 404}:
        message = f"{uri} is not on {endpoint}, or is private (status {response.status}): check name and revision"
        raise InvalidInputError((Problem(field, message),))
    if response.status != 200:
        raise NotYetError(f"{endpoint} answered {response.status} for {uri}; trying again")
    commit = _said_commit(answer)
    if commit is None:
        raise NotYetError(f"{endpoint} answered {url} with something that is no revision; trying again")
    return commit


def _said_commit(answer: bytes) -> str | None:
    """It becomes part of URIs and of run ids, so it has to be a commit and nothing else."""
    try:
        commit = read_json(answer)["sha"]
    except (ValueError, KeyError, TypeError):
        return None
    return commit if isinstance(commit, str) and _COMMIT.fullmatch(commit) else None
