"""`finetune init`: a manifest that validates, from flags or from answers."""

import sys
from pathlib import Path

import pytest
import typer
import yaml

from .conftest import Run

MODEL = "hf://google-bert/bert-base-cased"


def test_flags_make_a_manifest_that_validates(run: Run, tmp_path: Path) -> None:
    file = str(tmp_path / "first.yaml")
    flags = ("--data", "s3://bucket/glue", "--task", "rte", "--task", "cola", "--runs", "5", "--gpus", "2")

    said = run("init", "--model", MODEL, *flags, "-f", file)

    made = yaml.safe_load(Path(file).read_text())
    assert said.code == 0
    assert made["metadata"]["name"] == "bert-base-cased"
    assert made["spec"] == {
        "model": {"uri": MODEL},
        "data": {"uri": "s3://bucket/glue"},
        "tasks": [{"name": "rte"}, {"name": "cola"}],
        "runs": 5,
        "execution": {"resources": {"limits": {"nvidia.com/gpu": 2}}},
    }
    assert run("validate", file).code == 0
    assert run("plan", file).code == 0


def test_what_is_there_is_not_written_over(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ask = ("init", "--model", MODEL)
    assert run(*ask).code == 0
    Path("bert-base-cased.yaml").write_text("mine")

    said = run(*ask)

    assert (said.code, Path("bert-base-cased.yaml").read_text()) == (4, "mine")
    assert run(*ask, "--force").code == 0
    assert MODEL in Path("bert-base-cased.yaml").read_text()


def test_a_manifest_that_would_not_validate_is_not_written(run: Run, tmp_path: Path) -> None:
    said = run("init", "--model", MODEL, "--task", "RTE", "-f", str(tmp_path / "a.yaml"))
    assert said.code == 1
    assert "did you mean rte?" in said.text
    assert not (tmp_path / "a.yaml").exists()


def test_without_a_person_the_model_has_to_be_given(run: Run) -> None:
    said = run("init")
    assert said.code == 2
    assert "Give --model." in said.text


def test_a_person_is_asked(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = {"Model": MODEL, "Data": "s3://bucket/glue", "Tasks": "rte, mrpc", "Runs": "2", "GPUs": "0"}
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(typer, "prompt", lambda question, **_: answers[question.split()[0].rstrip(",")])

    assert run("init", "-f", "-").code == 0
    made = yaml.safe_load(run("init", "-f", "-").out)
    assert made["spec"] == {
        "model": {"uri": MODEL},
        "data": {"uri": "s3://bucket/glue"},
        "tasks": [{"name": "rte"}, {"name": "mrpc"}],
        "runs": 2,
    }


def test_folders_become_uris_that_a_local_run_takes(run: Run, tmp_path: Path) -> None:
    said = run("init", "--model", str(tmp_path), "--data", str(tmp_path), "--name", "own", "-f", "-")
    assert yaml.safe_load(said.out)["spec"]["model"] == {"uri": tmp_path.as_uri()}


def test_a_task_of_a_data_set_on_the_hub_is_written_with_its_splits(run: Run, tmp_path: Path) -> None:
    file = str(tmp_path / "hub.yaml")
    flags = ("--labels", "neg, pos", "--text-columns", "text", "--config", "plain", "--gpus", "0")

    said = run("init", "--model", MODEL, "--data", "hf://org/reviews", "--task", "reviews", *flags, "-f", file)

    assert said.code == 0
    assert yaml.safe_load(Path(file).read_text())["spec"]["tasks"] == [
        {
            "name": "reviews",
            "problemType": "Classification",
            "labels": ["neg", "pos"],
            "data": {
                "config": "plain",
                "train": "train",
                "validation": "validation",
                "labelColumn": "label",
                "textColumns": ["text"],
            },
        }
    ]
    assert run("validate", file).code == 0


def test_splits_by_name_need_a_data_set_on_the_hub(run: Run, tmp_path: Path) -> None:
    ask = ("init", "--model", MODEL, "--data", "s3://bucket/reviews", "--task", "reviews", "--labels", "neg,pos")
    said = run(*ask, "-f", str(tmp_path / "a.yaml"))
    assert said.code == 1
    assert "splits have names only in data sets on the hub (hf://)" in said.text
