"""Text of others in addresses: what is asked is below the hub's API, of the host that is named, and nothing else."""

import io
import json
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import numpy as np
import pytest
import urllib3

from finetune_core.planning.inputs import NotYetError
from finetune_core.problems import InvalidInputError
from finetune_operator.inputs.volumes import VolumeFindings
from finetune_store import DirectoryStore, InvalidConfigurationError, S3Connection, open_store
from finetune_store.hub import hub_commit
from finetune_trainer.data.tokens import MANIFEST, Tokens
from finetune_trainer.errors import UserError
from finetune_trainer.inputs import Inputs
from support.hostile_text import JSON_BOMBS, TRAVERSALS

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub:
    """Records what it is asked; answers `content`."""

    def __init__(self, content: bytes = json.dumps({"sha": COMMIT}).encode()) -> None:
        self.asked: list[str] = []
        self._content = content

    def request(self, method: str, url: str, **options: Any) -> urllib3.HTTPResponse:
        self.asked.append(url)
        return urllib3.HTTPResponse(body=io.BytesIO(self._content), status=200, preload_content=False)


def commit_of(uri: str, hub: Hub) -> str:
    return hub_commit(uri, kind="model", field="spec.model.uri", http=cast(urllib3.PoolManager, hub))


@pytest.mark.parametrize(
    "name",
    [
        "..", "../..", "org/..", "../x", ".", "org/.", "org/name/x", "/etc", "//evil.example/x", "evil.example:80",
        "org/name?x=1", "org/name#x", "org/name%2e%2e", "org/na me", "org/name\r\nHost: evil",
        "org/name\n", "org/ñame", "", "org\\..\\x", "org/name@..", "org/name@../../../../x", "org/name@a/../../b",
        "org/name@main?x", "org/name@", "org/name@a@b", "org/name@a//b", "org/name@/a",
    ],
)  # fmt: skip
def test_the_hub_is_not_asked_for_what_is_no_repository(name: str) -> None:
    hub = Hub()
    with pytest.raises(InvalidInputError, match=r"spec\.model\.uri"):
        commit_of(f"hf://{name}", hub)
    assert hub.asked == []


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("bert-base_uncased.v1", "/api/models/bert-base_uncased.v1/revision/main"),
        ("org/name", "/api/models/org/name/revision/main"),
        ("org/..name@refs/pr/1", "/api/models/org/..name/revision/refs%2Fpr%2F1"),
        ("user@evil.example/x", "/api/models/user/revision/evil.example%2Fx"),
        ("org/name@v1.0..2", "/api/models/org/name/revision/v1.0..2"),
    ],
)
def test_the_hub_is_asked_for_a_revision_of_a_repository(name: str, path: str) -> None:
    hub = Hub()
    assert commit_of(f"hf://{name}", hub) == COMMIT
    assert [(urlsplit(url).hostname, urlsplit(url).path) for url in hub.asked] == [("huggingface.co", path)]


@pytest.mark.parametrize(
    "content",
    [*JSON_BOMBS.values(), *(json.dumps({"sha": one}).encode() for one in ("main", "../x", COMMIT + "\n", 7, None))],
)
def test_what_the_hub_says_is_a_commit_or_nothing(content: bytes) -> None:
    with pytest.raises(NotYetError):
        commit_of("hf://org/name", Hub(content))


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://store.example@evil.example", "http://store.example:pw@evil.example", "http://store.example/x",
        "http://store.example?x", "http://store.example#x", "http://store.example\\@evil.example",
        "http://store.example\r\nHost: evil.example", "http://store example", "http://", "http://[::1", "file:///etc",
        "gopher://store.example", "http://store.example:80:90", "http://evil.example%2f@store.example",
    ],
)  # fmt: skip
def test_an_endpoint_is_a_host_and_a_port(endpoint: str) -> None:
    with pytest.raises(InvalidConfigurationError):
        open_store("s3://bucket", connection=S3Connection(endpoint=endpoint))


@pytest.mark.parametrize(
    "endpoint", ["http://10.0.0.1:9000", "https://s3.example.com/", "http://store.ns.svc:80", "http://[::1]:9000"]
)
def test_endpoints_as_people_write_them_are_taken(endpoint: str) -> None:
    assert open_store("s3://bucket", connection=S3Connection(endpoint=endpoint)).uri() == "s3://bucket"


@pytest.mark.parametrize("path", ["claim/../../etc", "../etc", "claim/..", "..", "claim//x", "", "/etc", "claim/\x00"])
def test_a_volume_uri_leads_nowhere_but_into_the_volume(tmp_path: Path, path: str) -> None:
    (tmp_path / "pvc" / "claim").mkdir(parents=True)
    (tmp_path / "etc").mkdir()
    inputs = Inputs(tmp_path, connection=S3Connection(), retry_seconds=0, pvc_root=tmp_path / "pvc")
    with pytest.raises(UserError, match="pvc://"):
        inputs.local_folder(f"pvc://{path}")


URI = "pvc://claim/data"


@pytest.mark.parametrize(
    "content",
    [
        *JSON_BOMBS.values(),
        b"{}",
        json.dumps({URI: []}).encode(),
        json.dumps({URI: {"files": [{"path": "a"}]}}).encode(),
        *(json.dumps({URI: {"files": [{"path": path, "md5": "", "size": 1}]}}).encode() for path in TRAVERSALS),
    ],
)
def test_what_a_volume_is_said_to_hold_is_files_below_it(tmp_path: Path, content: bytes) -> None:
    store = DirectoryStore(tmp_path)
    store.put("team/demo/inputs/1.json", content)
    with pytest.raises(InvalidInputError, match=r"spec\.data\.uri: .*inputs/1\.json"):
        VolumeFindings(store, (URI,), "team/demo/inputs/1.json").look(URI, "spec.data.uri")


@pytest.mark.parametrize(
    "sizes", [{"../../outside": 4}, {"/etc/passwd": 4}, {"ids": -1}, {"ids": "x"}, [], None, {"ids": 10**30}]
)
def test_a_token_cache_names_no_other_files(tmp_path: Path, sizes: object) -> None:
    np.zeros(4, np.int32).tofile(tmp_path / "outside.bin")
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text(json.dumps(sizes))
    with pytest.raises(ValueError, match="validation error"):
        Tokens.open(folder)
