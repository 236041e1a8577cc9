"""Data of the hub in a run: its own client fetches the planned files alone, and they are what was planned with."""

import io

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from datasets import ClassLabel, Dataset, Features, Value, load_dataset

from finetune_core.api import ExperimentSpec
from finetune_core.planning.inputs import Folder, resolve_inputs
from finetune_core.planning.parse import define
from finetune_store import S3Connection, bounded_pool
from finetune_trainer.data.tables import read_tables
from finetune_trainer.errors import UserError
from finetune_trainer.inputs import Inputs
from finetune_work.sources import FolderSources
from support.hub import running_hub

FEATURES = Features({"text": Value("string"), "label": ClassLabel(names=["yes", "no"])})
CARD = b"""---
configs:
- config_name: plain
  data_files:
  - {split: train, path: data/train-*}
  - {split: test, path: data/test-*}
---
"""


def parquet(texts, labels):
    """As push_to_hub writes it: ids, with the names of the classes in the metadata."""
    file = io.BytesIO()
    Dataset.from_dict({"text": texts, "label": labels}, features=FEATURES).to_parquet(file)
    return file.getvalue()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    with running_hub() as running:
        running.is_the_hub(monkeypatch, tmp_path / "cache")
        running.put(
            "org/data",
            {
                "README.md": CARD,
                "data/train-00000-of-00002.parquet": parquet(["a", "b", "c"], [0, 1, 1]),
                "data/train-00001-of-00002.parquet": parquet(["d"], [0]),
                "data/test-00000-of-00001.parquet": parquet(["e"], [-1]),
                "dev.csv": b"text,label\nx,no\ny,yes\n",
                "unused.csv": b"text,label\n",
            },
        )
        yield running


class Sources(FolderSources):
    def look(self, uri, *, field, kind):
        return Folder(commit="c" * 40)


def planned(labels=("no", "yes")):
    """Definition and data of a task; its dev file lies beside the card's splits."""
    data = {"uri": "hf://org/data", "train": "train", "validation": "dev.csv", "test": "test", "textColumns": ["text"]}
    task = {"name": "mine", "problemType": "Classification", "labels": labels, "data": data}
    spec = ExperimentSpec.model_validate({"model": {"uri": "hf://org/bert"}, "tasks": [task]})
    pool = bounded_pool()
    sources = Sources(open_uri=None, http=pool, volume=None)
    try:
        return define(spec.tasks[0]), resolve_inputs(spec, sources).data["mine"]
    finally:
        pool.clear()


def inputs(tmp_path):
    return Inputs(tmp_path / "work", connection=S3Connection(), retry_seconds=0, pvc_root=tmp_path)


def read(place, split, definition, data):
    paths = place.data_files(data, data.splits.files[split], ())
    parts = list(read_tables(paths, definition, split))
    texts = [text for part in parts for text in part.texts[0]]
    return texts, [label for part in parts for label in part.labels or ()]


def test_the_planned_files_are_fetched_and_read_with_the_names_of_their_classes(hub, tmp_path):
    definition, data = planned()
    hub.asked.clear()
    place = inputs(tmp_path)
    # yes is 0 in the files, and 1 in the task.
    assert read(place, "train", definition, data) == (["a", "b", "c", "d"], [1.0, 0.0, 0.0, 1.0])
    assert read(place, "validation", definition, data) == (["x", "y"], [0.0, 1.0])
    assert read(place, "test", definition, data) == (["e"], [])
    assert hub.downloads() == [
        "data/train-00000-of-00002.parquet",
        "data/train-00001-of-00002.parquet",
        "dev.csv",
        "data/test-00000-of-00001.parquet",
    ]


def test_rows_are_those_of_the_datasets_library(hub, tmp_path):
    definition, data = planned()
    place = inputs(tmp_path)
    texts, labels = read(place, "train", definition, data)
    read(place, "test", definition, data)
    folder = place.data_files(data, data.splits.files["train"], ())[0].parents[1]
    (folder / "README.md").write_bytes(CARD)
    theirs = load_dataset(str(folder), "plain", split="train", cache_dir=str(tmp_path / "datasets"))
    names = theirs.features["label"].names
    assert texts == theirs["text"][:]
    assert [definition.labels[int(label)] for label in labels] == [names[label] for label in theirs["label"]]


def test_a_later_commit_changes_nothing_of_a_plan(hub, tmp_path):
    definition, data = planned()
    commit = hub.repositories["org/data"].commit
    assert data.uri == f"hf://org/data@{commit}"
    read(inputs(tmp_path), "validation", definition, data)
    hub.put("org/data", {"dev.csv": b"text,label\nother,no\n"})
    assert read(inputs(tmp_path), "validation", definition, data)[0] == ["x", "y"]
    with pytest.raises(UserError, match=r"train-00000-of-00002\.parquet of hf://org/data@.* is not on the hub"):
        read(inputs(tmp_path), "train", definition, data)


@pytest.mark.parametrize("path", ["dev.csv", "data/test-00000-of-00001.parquet"])
def test_other_content_than_was_planned_with_is_refused(hub, tmp_path, path):
    definition, data = planned()
    content = hub.repositories["org/data"].files[path]
    hub.served[path] = content[:-1] + bytes([content[-1] ^ 1])
    split = "validation" if path == "dev.csv" else "test"
    with pytest.raises(UserError, match=rf"{path} of hf://org/data@.* is not what was planned with: its hash is"):
        read(inputs(tmp_path), split, definition, data)


def test_a_private_data_set_is_fetched_with_the_token(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    hub.repositories["org/data"].token = "hf_x"
    definition, data = planned()
    assert read(inputs(tmp_path), "validation", definition, data)[0] == ["x", "y"]
    assert {token for _, token in hub.asked} == {"Bearer hf_x"}
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(UserError, match="is not on the hub, or is private: check name, revision and HF_TOKEN"):
        read(inputs(tmp_path), "train", definition, data)


def test_a_class_that_the_task_does_not_name_is_refused_with_its_row(hub, tmp_path):
    definition, data = planned(labels=("no", "maybe"))
    with pytest.raises(UserError, match=r"row 1: label 'yes' is none of 0 \(no\), 1 \(maybe\)"):
        read(inputs(tmp_path), "train", definition, data)


def test_a_column_that_is_not_there_is_named_with_those_that_are(hub, tmp_path):
    file = io.BytesIO()
    pa_parquet.write_table(pa.table({"sentence": ["x"], "label": [0]}), file)
    hub.put("org/data", {"train.parquet": file.getvalue(), "test.csv": b"", "dev.csv": b""})
    definition, data = planned()
    with pytest.raises(UserError, match=r"train\.parquet has no column text; it has sentence, label"):
        read(inputs(tmp_path), "train", definition, data)
