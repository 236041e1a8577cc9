"""Command lines of run_glue.py and Katib's Experiments as manifests: a table of what becomes what."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from finetune_cli.convert.katib import from_katib
from finetune_cli.convert.run_glue import from_run_glue
from finetune_cli.manifest.check import check_text
from finetune_cli.manifest.findings import Severity
from finetune_core.problems import InvalidInputError
from finetune_core.results.search.hyperparameter_files import to_yaml
from support.katib import KATIB

from .conftest import Run

COMMAND = "python run_glue.py --model_name_or_path org/model --task_name RTE"


def training(extra: str, **options: Any) -> dict[str, Any]:
    spec: dict[str, Any] = from_run_glue(f"{COMMAND} {extra}", **options).manifest["spec"]
    return spec["training"]


@pytest.mark.parametrize(
    ("extra", "expected"),
    [
        ("--learning_rate 2e-5", {"learningRate": 2e-5}),
        ("--learning_rate=2e-5", {"learningRate": 2e-5}),
        ("", {"numTrainEpochs": 3, "trainBatchSize": 8, "warmupRatio": 0, "precision": "fp32"}),
        ("--max_steps 100 --num_train_epochs 5", {"maxSteps": 100, "numTrainEpochs": None}),
        ("--max_steps -1", {"numTrainEpochs": 3, "maxSteps": None}),
        ("--per_device_train_batch_size 16 --gradient_accumulation_steps 2", {"trainBatchSize": 32}),
        ("--label_smoothing_factor 0.1", {"labelSmoothingFactor": 0.1}),
        ("--fp16", {"precision": "fp16"}),
        ("--bf16 True", {"precision": "bf16"}),
        ("--fp16 False", {"precision": "fp32"}),
        ("--warmup_steps 50", {"warmupSteps": 50, "warmupRatio": None}),
        ("--load_best_model_at_end False", {"loadBestModelAtEnd": False, "allowLastModel": True}),
        ("--load_best_model_at_end --metric_for_best_model eval_accuracy", {"metricForBestModel": "eval_accuracy"}),
        ("--max_seq_length 256", {"maxSeqLength": 256}),
        ("--early_stopping_patience 3", {"earlyStopping": {"patience": 3}}),
    ],
)
def test_arguments_keep_their_meaning(extra: str, expected: dict[str, Any]) -> None:
    made = training(extra)

    assert {name: made.get(name) for name in expected} == expected


def test_devices_of_the_launcher_make_the_global_batch() -> None:
    command = f"torchrun --nproc_per_node 4 {COMMAND.removeprefix('python ')} --per_device_train_batch_size 8"

    assert from_run_glue(command).manifest["spec"]["training"]["trainBatchSize"] == 32
    assert training("--per_device_train_batch_size 8", devices=2)["trainBatchSize"] == 16


@pytest.mark.parametrize(
    ("launcher", "extra", "precision", "note"),
    [
        ("--mixed_precision bf16", "", "bf16", "precision bf16: what accelerate launch --mixed_precision says"),
        ("--mixed_precision=fp16", "--fp16", "fp16", None),
        ("--mixed_precision fp16", "--bf16", "bf16", None),
        ("--mixed_precision no", "", "fp32", None),
        ("--mixed_precision fp8", "", "fp32", "--mixed_precision fp8 is not carried over: use precision bf16"),
        ("--config_file a.yaml", "", "fp32", "accelerate's a.yaml is not read"),
    ],
)
def test_the_precision_of_the_launcher_is_that_of_the_run(
    launcher: str, extra: str, precision: str, note: str | None
) -> None:
    made = from_run_glue(f"accelerate launch {launcher} {COMMAND.removeprefix('python ')} {extra}")

    assert made.manifest["spec"]["training"]["precision"] == precision
    told = [one for one in made.notes if "precision" in one]
    assert len(told) == (note is not None), told
    assert all(one.startswith(note or "") for one in told)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ("--do_eval", "has --do_eval without --do_train, so it trains nothing; an experiment always trains"),
        ("--do_predict --do_eval True", "has --do_eval and --do_predict without --do_train"),
        ("--do_train --do_eval", None),
        ("--do_train False --do_eval", "has --do_eval without --do_train"),
        ("", None),
    ],
)
def test_a_command_that_only_evaluates_gets_a_note(extra: str, words: str | None) -> None:
    told = [one for one in from_run_glue(f"{COMMAND} {extra}").notes if "trains" in one]

    assert len(told) == (words is not None)
    assert all(words in one for one in told if words)


def test_an_old_name_of_a_model_gets_its_organisation() -> None:
    made = from_run_glue("run_glue.py --model_name_or_path bert-base-cased --task_name sst-2").manifest

    assert made["spec"]["model"]["uri"] == "hf://google-bert/bert-base-cased"
    assert made["spec"]["tasks"] == [{"name": "sst2"}]
    assert made["metadata"]["name"] == "bert-base-cased-sst-2"[:-6] + "-sst2"


def test_what_cannot_be_carried_over_is_said() -> None:
    notes = " ".join(from_run_glue(f"{COMMAND} --neftune_noise_alpha 5 --logging_steps 10").notes)

    assert "--neftune_noise_alpha is not carried over" in notes
    assert "logging_steps" not in notes


@pytest.mark.parametrize("command", ["run_glue.py --task_name rte", "run_glue.py --model_name_or_path a/b", "x 'y"])
def test_a_command_without_model_or_task_says_what_is_missing(command: str, run: Run) -> None:
    said = run("from-run-glue", command)

    assert said.code == 1
    assert "error:" in said.err


def test_the_manifest_has_no_problems(run: Run) -> None:
    said = run("from-run-glue", f"{COMMAND} --learning_rate 3e-5 --seed 7")

    assert said.code == 0
    assert check_text("a.yaml", said.out) == []


@given(st.text(max_size=60))
def test_no_command_line_ends_in_an_unnamed_error(extra: str) -> None:
    with suppress(InvalidInputError):
        assert from_run_glue(f"{COMMAND} {extra}").manifest


def test_a_katib_experiment_becomes_a_search() -> None:
    made = from_katib(KATIB).manifest

    assert made["metadata"]["name"] == "tune-rte"
    spec = made["spec"]
    assert spec["space"] == {
        "learningRate": {"uniform": [1e-5, 1e-3]},
        "maxSteps": {"choice": [100, 200, 300]},
        "trainBatchSize": {"choice": [16, 32]},
    }
    assert spec["objective"] == {"metric": "eval_accuracy", "direction": "Maximize", "goal": 0.9}
    assert (spec["trials"], spec["clusters"], spec["maxFailedTrials"], spec["algorithm"]) == (30, 3, 5, "TPE")
    assert spec["tasks"] == [{"name": "rte"}]
    assert spec["training"]["maxSeqLength"] == 64
    assert not spec["training"].keys() & {"learningRate", "maxSteps", "numTrainEpochs", "trainBatchSize"}


def test_the_search_has_no_problems_but_those_that_are_told() -> None:
    found = check_text("a.yaml", to_yaml(from_katib(KATIB).manifest))

    assert [str(one) for one in found if one.severity == Severity.ERROR] == []


def test_an_algorithm_that_is_not_there_is_replaced_and_said() -> None:
    spec = {**KATIB["spec"], "algorithm": {"algorithmName": "cmaes"}}

    made = from_katib({**KATIB, "spec": spec})

    assert made.manifest["spec"]["algorithm"] == "TPE"
    assert any("cmaes" in one for one in made.notes)


def test_a_file_with_something_else_is_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump({"kind": "Pod", "spec": {}}))

    said = run("from-katib", str(file))

    assert said.code == 1
    assert "is no Katib Experiment" in said.text


def test_a_data_set_of_the_hub_becomes_a_task_with_its_splits() -> None:
    asked = "--dataset_name org/reviews --dataset_config_name plain --do_predict"
    converted = from_run_glue(f"run_glue.py --model_name_or_path org/model {asked}")
    (task,) = converted.manifest["spec"]["tasks"]
    assert task["data"] == {
        "uri": "hf://org/reviews",
        "config": "plain",
        "train": "train",
        "validation": "validation",
        "test": "test",
        "textColumns": ["text"],
    }
    assert not [one for one in converted.notes if "dataset" in one]
    assert not [one for one in check_text("m", to_yaml(converted.manifest)) if one.severity == Severity.ERROR]
