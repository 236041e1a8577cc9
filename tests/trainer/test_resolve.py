"""What the pod that looks at a volume reports: the files that digests are made of, the type, or what is wrong."""

import json
import os
import tempfile
from functools import partial
from pathlib import Path

import pytest

from finetune_store import file_md5, open_store
from finetune_store.signs import signs_of_life
from finetune_trainer.cli import main
from finetune_trainer.resolve import resolve


@pytest.fixture
def volume(tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_PVC_ROOT", str(tmp_path))
    (tmp_path / "claim/bert/sub").mkdir(parents=True)
    (tmp_path / "claim/bert/config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "claim/bert/sub/weights.bin").write_bytes(b"weights")
    (tmp_path / "claim/empty").mkdir()
    return tmp_path / "claim"


def test_files_come_with_digest_and_size_and_the_config_says_the_type(volume):
    found = resolve("pvc://claim/bert")
    weights = volume / "bert/sub/weights.bin"
    assert [file["path"] for file in found["files"]] == ["config.json", "sub/weights.bin"]
    assert found["files"][1] == {"path": "sub/weights.bin", "md5": file_md5(weights), "size": 7}
    assert found["modelType"] == "bert"


def test_a_folder_without_config_has_no_type(volume):
    assert resolve("pvc://claim/bert/sub")["modelType"] is None


@pytest.mark.parametrize(
    ("path", "told"),
    [("empty", "nothing lies at pvc://claim/empty: check claim and path"), ("gone", "is not there: check the path")],
)
def test_what_is_not_there_is_told_with_what_to_check(volume, path, told):
    found = resolve(f"pvc://claim/{path}")
    assert found.keys() == {"problem"}
    assert told in found["problem"]


@pytest.mark.parametrize("closed", ["", "sub"])
def test_a_folder_of_another_owner_says_who_reads_and_whose_it_is(closed, monkeypatch):
    # Not below tmp_path, which no other user may enter; root may enter everything, so it becomes somebody else.
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        monkeypatch.setenv("FINETUNE_PVC_ROOT", place)
        (root / "claim/bert/sub").mkdir(parents=True)
        (root / "claim/bert/sub/weights.bin").write_bytes(b"weights")
        root.chmod(0o755)
        owner = os.geteuid()
        (root / "claim/bert" / closed).chmod(0o700 if owner == 0 else 0)
        reader = 65532 if owner == 0 else owner
        try:
            if owner == 0:
                os.seteuid(reader)
            told = resolve("pvc://claim/bert")["problem"]
        finally:
            os.seteuid(owner)
            (root / "claim/bert" / closed).chmod(0o755)
    assert told.startswith("pvc://claim/bert cannot be read: ")
    assert f"reads as uid {reader}" in told
    assert f"belongs to uid {owner}" in told
    assert "chmod -R o+rX" in told


def test_the_pod_gives_signs_of_life_while_it_looks(volume, tmp_path, monkeypatch):
    seen = []

    def look(uri):
        while open_store(store).stat("ns/exp/signs/uid") is None:
            sum(range(10_000))
        seen.append(uri)
        return {"problem": "none"}

    store = (tmp_path / "store").as_uri()
    monkeypatch.setattr("finetune_trainer.resolve.resolve", look)
    monkeypatch.setattr("finetune_trainer.cli.signs_of_life", partial(signs_of_life, every=0.001))
    told = ["--uri", "pvc://claim/bert", "--output", "found.json", "--sign", "ns/exp/signs/uid"]
    assert main(["resolve", "--store", store, *told]) == 0
    assert seen == ["pvc://claim/bert"]
    assert open_store(store).stat("ns/exp/signs/uid") is None
    assert open_store(store).stat("found.json") is not None
