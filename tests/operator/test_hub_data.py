"""Data of a custom task on the hub: files of splits pinned by their content, before anything is planned."""

from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from finetune_core.api import ExperimentSpec
from finetune_core.planning.inputs import Folder, NotYetError, resolve_inputs
from finetune_core.planning.plan import ResolvedData
from finetune_core.problems import InvalidInputError
from finetune_store import bounded_pool
from finetune_work.sources import FolderSources
from support.hub import Hub, git_blob, running_hub

CARD = b"""---
configs:
- config_name: plain
  data_files:
  - {split: train, path: plain/train-*}
  - {split: dev, path: plain/dev-*}
- config_name: other
  data_files: other/*.csv
---
"""
FILES = {
    "README.md": CARD,
    "plain/train-0.parquet": b"first",
    "plain/train-1.parquet": b"second",
    "plain/dev-0.parquet": b"dev",
    "other/all.csv": b"text,label",
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub() as running:
        running.put("org/data", FILES)
        monkeypatch.setenv("HF_ENDPOINT", running.endpoint)
        monkeypatch.delenv("HF_TOKEN", raising=False)
        yield running


class Sources(FolderSources):
    """The hub's data sets; any model is there."""

    def __init__(self, http: urllib3.PoolManager) -> None:
        super().__init__(open_uri=pytest.fail, http=http, volume=pytest.fail)  # type: ignore[arg-type]

    def look(self, uri: str, *, field: str, kind: str) -> Folder:
        return Folder(commit="c" * 40)


def resolved(uri: str = "hf://org/data", **data: Any) -> ResolvedData:
    files = {"train": "train", "validation": "dev", "config": "plain", "textColumns": ["text"], **data}
    task = {"name": "mine", "problemType": "Classification", "labels": ["a", "b"], "data": {"uri": uri, **files}}
    spec = ExperimentSpec.model_validate({"model": {"uri": "hf://org/bert"}, "tasks": [task]})
    http = bounded_pool()
    try:
        return resolve_inputs(spec, Sources(http)).data["mine"]
    finally:
        http.clear()


def refused(uri: str = "hf://org/data", **data: Any) -> str:
    with pytest.raises(InvalidInputError) as caught:
        resolved(uri, **data)
    return str(caught.value)


def test_a_split_is_its_files_at_the_commit_that_the_revision_names(hub: Hub) -> None:
    found = resolved()
    assert found.uri == f"hf://org/data@{hub.repositories['org/data'].commit}"
    assert found.splits.files == {
        "train": ("plain/train-0.parquet", "plain/train-1.parquet"),
        "validation": ("plain/dev-0.parquet",),
    }
    # printf second | sha256sum
    assert found.hashes["plain/train-1.parquet"] == "16367aacb67a4a017c8da8ab95682ccb390863780f7114dda0a0e0c55644c7c4"
    assert found.pinned


def test_the_digest_is_that_of_the_files_which_decide_whatever_else_a_commit_changes(hub: Hub) -> None:
    before = resolved(test="other/all.csv")
    hub.put("org/data", FILES | {"LICENSE": b"new", "other/all.csv": b"another test set"})
    after = resolved("hf://org/data@v1", test="other/all.csv")
    assert (before.uri != after.uri, before.digest == after.digest) == (True, True)
    assert after.hashes["other/all.csv"] == git_blob(b"another test set") != before.hashes["other/all.csv"]
    hub.put("org/data", FILES | {"plain/dev-0.parquet": b"another dev set"})
    assert resolved().digest != before.digest


def test_files_are_named_without_a_configuration(hub: Hub) -> None:
    found = resolved(train="other/all.csv", validation="./other/all.csv", config=None)
    assert found.splits.files == {"train": ("other/all.csv",), "validation": ("other/all.csv",)}
    assert list(found.hashes) == ["other/all.csv"]


def test_what_is_not_there_is_named_with_what_is(hub: Hub) -> None:
    assert "tasks[mine].data.validation: hf://org/data has no split test: use one of train, dev" in refused(
        validation="test"
    )
    assert "tasks[mine].data.config: hf://org/data has no configuration x: use one of plain, other" in refused(
        config="x"
    )
    assert "has several configurations and no default one: use one of plain, other" in refused(config=None)
    assert "tasks[mine].data.uri: hf://org/none is not on" in refused("hf://org/none")
    assert "is not on" in refused("hf://org/data@v2")


def test_a_private_data_set_is_read_with_the_token_also_its_card(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.put("org/private", FILES, token="hf_x")
    assert "or is private (status 401)" in refused("hf://org/private")
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    hub.asked.clear()
    assert resolved("hf://org/private").splits.files["validation"] == ("plain/dev-0.parquet",)
    assert {token for _, token in hub.asked} == {"Bearer hf_x"}
    assert hub.downloads() == ["README.md"]


def test_terms_that_nobody_accepted_are_told(hub: Hub) -> None:
    hub.put("org/gated", FILES, gated=True)
    assert "cannot be read (status 403): accept the data set's terms, or check HF_TOKEN" in refused("hf://org/gated")


def test_a_data_set_of_another_name_is_told_with_the_new_one(hub: Hub) -> None:
    hub.put("old/data", {}, moved_to="org/data")
    assert "hf://old/data was renamed, it is hf://org/data now: write that name" in refused("hf://old/data")


def test_a_loading_script_is_never_run(hub: Hub) -> None:
    hub.put("org/code", {"code.py": b"raise SystemExit", "data.csv": b"text,label"})
    assert "made by its loading script code.py, and code of a data set is never run" in refused("hf://org/code")
    assert hub.downloads() == []


def test_a_hub_that_tells_no_hashes_is_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("support.hub._sibling", lambda path, *_: {"rfilename": path})
    assert "tells neither sizes nor hashes of the files of hf://org/data" in refused()


def test_paths_that_lead_elsewhere_are_no_files(hub: Hub) -> None:
    hub.put("org/hostile", {"../train.csv": b"x", "/etc/train.csv": b"x", "a/../../dev.csv": b"x", "dev.csv": b"x"})
    assert "data.train: hf://org/hostile has no split train: use one of validation" in refused(
        "hf://org/hostile", config=None
    )


def test_more_files_than_a_look_takes_are_told(hub: Hub) -> None:
    hub.put("org/many", {f"{number}.csv": b"" for number in range(10_001)})
    assert "hf://org/many has more than 10,000 files" in refused("hf://org/many", config=None)


def test_an_answer_that_is_too_large_is_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finetune_store.hub._MOST_BYTES", 100)
    assert "hf://org/data has more files than can be looked at" in refused()


def test_a_hub_that_has_moved_is_told_from_a_data_set_that_was_renamed(hub: Hub) -> None:
    hub.put("org/data", FILES, moved_to="org/data")
    with pytest.raises(NotYetError, match="points to another address: correct HF_ENDPOINT"):
        resolved()


def test_a_hub_that_is_away_is_waited_for(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(NotYetError, match="cannot be reached"):
        resolved()
