"""Pinning of model and data: buckets and volumes by their files, the hub by its commit.

The hub here is a small HTTP server of the test's own: it answers as the hub's API does, and is not the hub.
"""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import urllib3

from finetune_core.api import ExperimentSpec
from finetune_core.planning.inputs import NotYetError, resolve_inputs
from finetune_core.problems import InvalidInputError
from finetune_operator.inputs.volumes import NeedsPodError, VolumeFindings, resolution_key
from finetune_store import DirectoryStore
from finetune_store.hub import hub_commit
from finetune_work.sources import FolderSources

COMMIT = "c" * 40
FILES = {
    "model/config.json": b"{}",
    "model/model.safetensors": b"weights",
    "glue/RTE/train.tsv": b"train",
    "glue/RTE/dev.tsv": b"dev",
    "glue/RTE/test.tsv": b"test",
}


class FakeHub(ThreadingHTTPServer):
    """Answers by path; remembers what it was asked and with which token."""

    answers: dict[str, tuple[int, bytes]]
    asked: list[tuple[str, str | None]]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hub.asked.append((self.path, self.headers.get("Authorization")))
            status, body = hub.answers.get(self.path, (404, b"{}"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    hub = FakeHub(("127.0.0.1", 0), Handler)
    hub.answers, hub.asked = {}, []
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hub.server_address[1]}")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    thread = Thread(target=hub.serve_forever, args=(0.01,))
    thread.start()
    yield hub
    hub.shutdown()
    thread.join()
    hub.server_close()


@pytest.fixture
def http() -> Iterator[urllib3.PoolManager]:
    pool = urllib3.PoolManager()
    yield pool
    pool.clear()


def commit(uri: str, http: urllib3.PoolManager) -> str:
    return hub_commit(uri, kind="model", field="spec.model.uri", http=http)


def test_a_revision_is_pinned_to_its_commit(hub: FakeHub, http: urllib3.PoolManager) -> None:
    hub.answers["/api/models/org/bert/revision/v1.0"] = (200, json.dumps({"sha": COMMIT}).encode())
    assert commit("hf://org/bert@v1.0", http) == COMMIT


def test_without_a_revision_main_is_meant(hub: FakeHub, http: urllib3.PoolManager) -> None:
    hub.answers["/api/models/bert/revision/main"] = (200, json.dumps({"sha": COMMIT}).encode())
    assert commit("hf://bert", http) == COMMIT


def test_a_token_is_sent_where_there_is_one(
    hub: FakeHub, http: urllib3.PoolManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    hub.answers["/api/models/bert/revision/main"] = (200, json.dumps({"sha": COMMIT}).encode())
    commit("hf://bert", http)
    assert hub.asked == [("/api/models/bert/revision/main", "Bearer hf_x")]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_repository_that_is_not_there_or_private_is_the_users_matter(
    hub: FakeHub, http: urllib3.PoolManager, status: int
) -> None:
    hub.answers["/api/models/org/gone/revision/main"] = (status, b"")
    with pytest.raises(InvalidInputError, match=r"spec.model.uri: hf://org/gone is not on .* check name and revision"):
        commit("hf://org/gone", http)


@pytest.mark.parametrize("answer", [(503, b""), (200, b"<html>"), (200, b"[]")])
def test_a_hub_that_is_not_well_is_waited_for(
    hub: FakeHub, http: urllib3.PoolManager, answer: tuple[int, bytes]
) -> None:
    hub.answers["/api/models/bert/revision/main"] = answer
    with pytest.raises(NotYetError, match="trying again"):
        commit("hf://bert", http)


def test_a_hub_that_cannot_be_reached_is_waited_for(http: urllib3.PoolManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(NotYetError, match="cannot be reached"):
        commit("hf://bert", http)


def test_a_malformed_uri_is_told(http: urllib3.PoolManager) -> None:
    with pytest.raises(InvalidInputError, match="is not hf://org/name"):
        commit("hf://a/b/c", http)


@pytest.fixture
def bucket(tmp_path: Path) -> DirectoryStore:
    store = DirectoryStore(tmp_path / "bucket")
    for key, content in FILES.items():
        store.put(key, content)
    return store


def sources(tmp_path: Path, http: urllib3.PoolManager, volumes: tuple[str, ...] = ()) -> FolderSources:
    """s3://bucket/... is a folder below the test's own; results are beside it."""
    return FolderSources(
        open_uri=lambda uri: DirectoryStore(tmp_path / uri.removeprefix("s3://")),
        http=http,
        volume=VolumeFindings(DirectoryStore(tmp_path / "results"), volumes, "inputs.json").look,
    )


def spec(**fields: object) -> ExperimentSpec:
    given = {
        "model": {"uri": "s3://bucket/model"},
        "data": {"uri": "s3://bucket/glue"},
        "tasks": [{"name": "rte"}],
        **fields,
    }
    return ExperimentSpec.model_validate(given)


HUB_DATA = {"uri": "hf://org/data"}


def test_a_missing_model_and_a_hub_that_cannot_be_reached_are_named_at_once(
    tmp_path: Path, http: urllib3.PoolManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    asked = spec(model={"uri": "s3://bucket/absent"}, data=HUB_DATA)

    with pytest.raises(InvalidInputError) as caught:
        resolve_inputs(asked, sources(tmp_path, http))

    model, data = caught.value.problems
    assert (model.field, data.field) == ("spec.model.uri", "spec.data.uri")
    assert "nothing lies at s3://bucket/absent" in model.message
    assert "cannot be reached" in data.message


def test_a_hub_that_cannot_be_reached_is_asked_once_and_waited_for_where_nothing_is_wrong(
    tmp_path: Path, http: urllib3.PoolManager, monkeypatch: pytest.MonkeyPatch, bucket: DirectoryStore
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    tries: list[str] = []
    ask = http.request
    monkeypatch.setattr(http, "request", lambda *args, **named: (tries.append(args[1]), ask(*args, **named))[1])
    own = [{"name": name, "data": {"uri": f"hf://org/{name}"}} for name in ("rte", "cola", "mrpc")]

    with pytest.raises(NotYetError, match="cannot be reached"):
        resolve_inputs(spec(tasks=own), sources(tmp_path, http))

    assert len(tries) == 1


def test_files_in_a_bucket_are_pinned_by_their_content(
    bucket: DirectoryStore, tmp_path: Path, http: urllib3.PoolManager
) -> None:
    first = resolve_inputs(spec(), sources(tmp_path, http))
    assert first.model.digest.startswith("md5s:")
    assert first.model.pinned
    assert first.data["rte"].splits.files["train"] == ("RTE/train.tsv",)
    bucket.put("model/model.safetensors", b"other weights")
    second = resolve_inputs(spec(), sources(tmp_path, http))
    assert second.model.digest != first.model.digest
    assert second.data == first.data


def test_a_test_set_does_not_decide_a_result_but_the_dev_set_does(
    bucket: DirectoryStore, tmp_path: Path, http: urllib3.PoolManager
) -> None:
    before = resolve_inputs(spec(), sources(tmp_path, http)).data["rte"].digest
    bucket.put("glue/RTE/test.tsv", b"another test set")
    assert resolve_inputs(spec(), sources(tmp_path, http)).data["rte"].digest == before
    bucket.put("glue/RTE/dev.tsv", b"another dev set")
    assert resolve_inputs(spec(), sources(tmp_path, http)).data["rte"].digest != before


def test_a_volume_with_the_same_files_has_the_same_digest_as_the_bucket(
    bucket: DirectoryStore, tmp_path: Path, http: urllib3.PoolManager
) -> None:
    in_bucket = resolve_inputs(spec(), sources(tmp_path, http)).model.digest
    found = [
        {"path": info.key.removeprefix("model/"), "md5": info.md5, "size": info.size} for info in bucket.list("model")
    ]
    uri = "pvc://claim/model"
    DirectoryStore(tmp_path / "results").put("inputs.json", json.dumps({uri: {"files": found}}).encode())
    on_volume = resolve_inputs(spec(model={"uri": uri}), sources(tmp_path, http, (uri,))).model.digest
    assert on_volume == in_bucket


def test_a_volume_that_was_not_looked_at_needs_a_pod(
    bucket: DirectoryStore, tmp_path: Path, http: urllib3.PoolManager
) -> None:
    uri = "pvc://claim/model"
    with pytest.raises(NeedsPodError, match="a pod looks at pvc://claim/model") as raised:
        resolve_inputs(spec(model={"uri": uri}), sources(tmp_path, http, (uri,)))
    assert raised.value.key == "inputs.json"


@pytest.mark.parametrize(
    ("wanted", "said", "told"),
    [
        ("static_sparse_encoder_bert", "bert", None),
        (None, "static_sparse_encoder_bert", None),
        ("static_sparse_encoder_bert", "roberta", "spec.model.type: .* needs a BERT, .* use a BERT checkpoint"),
        ("bert", "fully_static_sparse_bert", "spec.model.type: .* whose zeros would not be kept: remove model.type"),
        ("distilbert", "bert", "spec.model.type: .* config.json says bert: remove model.type, or correct it"),
    ],
)
@pytest.mark.parametrize("place", ["bucket", "volume"])
def test_a_type_that_contradicts_the_checkpoints_is_told_before_anything_runs(
    bucket: DirectoryStore,
    tmp_path: Path,
    http: urllib3.PoolManager,
    place: str,
    wanted: str | None,
    said: str,
    told: str | None,
) -> None:
    bucket.put("model/config.json", json.dumps({"model_type": said}).encode())
    uri = "s3://bucket/model"
    if place == "volume":
        uri = "pvc://claim/model"
        files = [{"path": name, "md5": "m", "size": 1} for name in ("config.json", "model.safetensors")]
        answer = {uri: {"files": files, "modelType": said}}
        DirectoryStore(tmp_path / "results").put("inputs.json", json.dumps(answer).encode())
    given = spec(model={"uri": uri, "type": wanted})
    if told is None:
        assert resolve_inputs(given, sources(tmp_path, http, (uri,))).model.type == wanted
    else:
        with pytest.raises(InvalidInputError, match=told):
            resolve_inputs(given, sources(tmp_path, http, (uri,)))


@pytest.mark.parametrize("config", [b"{}", b"[]", b"{", b'{"model_type": 3}', b"\xff"])
def test_a_config_that_does_not_say_what_it_is_is_left_to_the_runs(
    bucket: DirectoryStore, tmp_path: Path, http: urllib3.PoolManager, config: bytes
) -> None:
    bucket.put("model/config.json", config)
    given = spec(model={"uri": "s3://bucket/model", "type": "static_sparse_encoder_bert"})
    assert resolve_inputs(given, sources(tmp_path, http)).model.type == "static_sparse_encoder_bert"


def test_hub_data_is_pinned_to_its_commit_for_every_task(
    bucket: DirectoryStore, tmp_path: Path, http: urllib3.PoolManager, hub: FakeHub
) -> None:
    hub.answers["/api/datasets/nyu-mll/glue/revision/main"] = (200, json.dumps({"sha": COMMIT}).encode())
    found = resolve_inputs(spec(data=None, tasks=None), sources(tmp_path, http))
    assert len(found.data) == 9
    assert found.data["cola"].uri == f"hf://nyu-mll/glue@{COMMIT}"
    assert len({data.digest for data in found.data.values()}) == 9
    assert len(hub.asked) == 1


def test_everything_that_is_missing_is_told_at_once(
    bucket: DirectoryStore, tmp_path: Path, http: urllib3.PoolManager
) -> None:
    with pytest.raises(InvalidInputError) as raised:
        resolve_inputs(
            spec(model={"uri": "s3://bucket/glue"}, tasks=[{"name": "rte"}, {"name": "cola"}]), sources(tmp_path, http)
        )
    fields = [problem.field for problem in raised.value.problems]
    assert fields == ["spec.model.uri", "spec.data.uri"]
    assert "no model at s3://bucket/glue" in raised.value.problems[0].message
    assert "CoLA/train.tsv" in raised.value.problems[1].message


def test_the_place_of_what_a_pod_found_follows_the_pin_and_the_volumes() -> None:
    keys = {resolution_key("ns/exp", pin, volumes) for pin in ("a", "b") for volumes in ((), ("pvc://c/d",))}
    assert len(keys) == 4
    assert all(key.startswith("ns/exp/inputs/") for key in keys)
