"""`finetune validate --deep`: what a run would refuse is found before anything is submitted, at its field and line."""

import contextlib
import csv
import gzip
import io
import json
import os
import shutil
from unittest import mock
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from finetune_cli.app import main
from finetune_cli.local import inspecting
from finetune_trainer.cli import main as trainer
from support.hub import running_hub
from support.model_matrix import write_tables
from support.tiny_models import tiny_model

WEIGHTS = "model.safetensors"
MINE = {
    "name": "mine",
    "problemType": "Classification",
    "labels": ["no", "yes"],
    "data": {
        "train": "train.csv",
        "validation": "dev.csv",
        "test": "test.csv",
        "textColumns": ["a", "b"],
        "labelColumn": "class",
    },
    "training": {"maxSteps": 2, "evalSteps": 1, "maxSeqLength": 32},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {name: tiny_model(folder / name, name) for name in ("bert", "roberta", "gpt2")}


@pytest.fixture(autouse=True)
def in_this_process(monkeypatch):
    """The trainer as a function: torch takes seconds to import."""

    def run_trainer(arguments, environment):
        log = io.StringIO()
        with mock.patch.dict(os.environ, environment), contextlib.redirect_stderr(log):
            return trainer(arguments), log.getvalue()

    monkeypatch.setattr(inspecting, "run_trainer", run_trainer)


class Place:
    """A folder with a model, tables and a manifest of a task of one's own."""

    def __init__(self, folder, models, name="bert"):
        self.models = models
        self.model = shutil.copytree(models[name], folder / "model")
        self.data = write_tables(folder / "data")
        self.file = folder / "manifest.yaml"
        self.task = json.loads(json.dumps(MINE))

    def take(self, name):
        shutil.rmtree(self.model)
        shutil.copytree(self.models[name], self.model)

    def config(self, **fields):
        path = self.model / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    def weights(self, change):
        tensors = load_file(self.model / WEIGHTS)
        save_file(dict(change(name, one) for name, one in tensors.items()), self.model / WEIGHTS, {"format": "pt"})

    def table(self, name, change):
        path = self.data / name
        path.write_text(change(path.read_text()))

    def replace(self, split, name, content):
        """Another file for a split."""
        (self.data / name).write_bytes(content)
        self.task["data"][split] = name

    def validate(self, *options, **spec):
        tasks = spec.pop("tasks", [self.task])
        made = {"model": {"uri": _uri(self.model)}, "data": {"uri": _uri(self.data)}, "tasks": tasks, **spec}
        head = {"apiVersion": "finetune.dev/v1alpha1", "kind": "FinetuneExperiment", "metadata": {"name": "mine"}}
        self.file.write_text(yaml.safe_dump({**head, "spec": made}, sort_keys=False))
        return main(["validate", "--deep", "--output=json", *options, str(self.file)])


def _uri(path):
    return f"file://{quote(str(path))}"


@pytest.fixture
def place(tmp_path, models):
    return Place(tmp_path, models)


def not_a_number(name, tensor):
    return name, torch.full_like(tensor, float("nan")) if name.endswith("pooler.dense.bias") else tensor


def with_numbers(place):
    place.task["labels"] = ["1", "2"]
    place.table("train.csv", lambda text: text.replace(",no,", ",1,").replace(",yes,", ",0,"))


def scores(place, value):
    place.task |= {"problemType": "Regression"}
    place.task.pop("labels")
    place.task["data"]["labelColumn"] = "score"
    head, first, *rest = csv.reader((place.data / "train.csv").read_text().splitlines())
    first[head.index("score")] = value
    with (place.data / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([head, first, *rest])


def unclear_quotes(place):
    rows = ["a\tb\tclass", '"one\ttwo\tno', 'three"\tfour\tyes', "five\tsix\tno"]
    place.replace("train", "train.tsv", "\n".join(rows).encode())


def parquet(place, **columns):
    pa_parquet.write_table(pa.table(columns), place.data / "train.parquet")
    place.task["data"]["train"] = "train.parquet"


def misread_pieces(place):
    shutil.rmtree(place.model)
    with contextlib.suppress(Exception):
        tiny_model(place.model, "mistral", tokens="sentencepiece")


def without_tokenizer(place):
    for path in place.model.glob("*token*"):
        path.unlink()


CASES = {
    "1 a prefix before the weights": (
        lambda place: place.weights(lambda name, one: (f"module.{name}", one)),
        "spec.model.uri",
        "names begin with module.bert.: it was saved from torch's DataParallel: save model.module",
    ),
    "1 a size that does not fit": (
        lambda place: place.config(num_hidden_layers=3),
        "spec.model.uri",
        "The file has 2 layers: correct their number (num_hidden_layers) in config.json",
    ),
    "2 numbers for names": (
        with_numbers,
        "spec.tasks[mine].data",
        "train.csv, line 3: label '0' is none of 1, 2: correct the file, or the task's labels; the file has '1', '0'",
    ),
    "3 quotes that can be read in two ways": (
        unclear_quotes,
        "spec.tasks[mine].data",
        "train.tsv: a quote opens in line 2 and closes in line 3",
    ),
    "4 a column of lists": (
        lambda place: parquet(place, a=[["x"], ["y"]], b=["x", "y"], **{"class": ["no", "yes"]}),
        "spec.tasks[mine].data",
        "column a holds list<element: string> and no texts: write it as strings",
    ),
    "4 bytes that are no text": (
        lambda place: parquet(place, a=[b"\xff"], b=["x"], **{"class": ["no"]}),
        "spec.tasks[mine].data",
        "train.parquet, row 1, column a: the bytes are not UTF-8 text: write the column as strings",
    ),
    "5 positions counted from another pad token": (
        lambda place: (place.take("roberta"), place.config(pad_token_id=3)),
        "spec.tasks[mine]",
        "the model counts its positions from pad_token_id 3: set pad_token in tokenizer_config.json",
    ),
    "6 weights that are not finite": (
        lambda place: place.weights(not_a_number),
        "spec.model.uri",
        "the checkpoint holds NaN or infinity in 1 weights (bert.pooler.dense.bias): take another",
    ),
    "6 a score that is not finite": (
        lambda place: scores(place, "1e39"),
        "spec.tasks[mine].data",
        "train.csv, line 2: score '1e39' is not a number in the range of float32: correct the file",
    ),
    "8 texts longer than the positions": (
        lambda place: place.task["training"].update(maxSeqLength=65),
        "spec.tasks[mine].training.maxSeqLength",
        "training.maxSeqLength is 65, but the model has positions for 64 tokens: set it to 64 or less",
    ),
    "8 token types that the model lacks": (
        lambda place: (
            place.config(type_vocab_size=1),
            place.weights(lambda name, one: (name, one[:1].clone() if "token_type" in name else one)),
        ),
        "spec.tasks[mine]",
        "token type 1, but type_vocab_size of the model is 1: take the tokenizer that belongs to it",
    ),
    "8 a pointer for weights": (
        lambda place: (place.model / WEIGHTS).write_text("version https://git-lfs.github.com/spec/v1\n"),
        "spec.model.uri",
        "model.safetensors is a git-lfs pointer, not the weights: run `git lfs pull` in the folder",
    ),
    "9 a SentencePiece model that is misread": (
        misread_pieces,
        "spec.model.uri",
        "cuts texts into other pieces than those that the model was trained with",
    ),
    "9 no tokenizer": (without_tokenizer, "spec.model.uri", "the model folder holds no tokenizer: add"),
    "10 a column that is not there": (
        lambda place: place.task["data"].update(textColumns=["a", "c"]),
        "spec.tasks[mine].data",
        "train.csv has no column c; it has a, b, class, score",
    ),
    "10 Latin-1": (
        lambda place: place.replace("validation", "latin.csv", "a,b,class\nx,y,no\né,y,no\n".encode("latin-1")),
        "spec.tasks[mine].data",
        "latin.csv, line 3 is not UTF-8 text (byte 0xe9 at 0): convert the file, with iconv",
    ),
    "10 one JSON array": (
        lambda place: place.replace("train", "train.jsonl", b'[{"a": "x", "b": "y", "class": "no"}]'),
        "spec.tasks[mine].data",
        "it is one JSON array and not one object a line: write it as JSON Lines",
    ),
    "10 a damaged archive": (
        lambda place: place.replace("test", "test.csv.gz", gzip.compress(b"a,b\nx,y\n" * 99)[:-20]),
        "spec.tasks[mine].data",
        "test.csv.gz is a damaged gzip file",
    ),
    "10 a file that is not there": (
        lambda place: (place.data / "dev.csv").unlink(),
        "spec.tasks[mine].data.validation",
        "dev.csv",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_each_case_is_found_with_field_cause_and_remedy(place, capsys, case):
    spoil, field, words = CASES[case]
    spoil(place)
    assert place.validate() == 1
    errors = [one for one in json.loads(capsys.readouterr().out) if one["severity"] == "error"]
    assert [one["field"] for one in errors if words in one["message"]], errors
    # At the field, or where the field would be written.
    assert all(field.startswith(one["field"]) for one in errors), errors


def test_a_good_manifest_has_no_problems_whatever_characters_are_in_its_paths(tmp_path, models, capsys):
    place = Place(tmp_path / "a b#c%41?ü", models)
    assert place.validate() == 0, capsys.readouterr().out
    assert json.loads(capsys.readouterr().out) == []


def test_all_that_is_wrong_is_told_at_once_and_at_its_lines(place, capsys):
    place.config(num_hidden_layers=3)
    place.table("train.csv", lambda text: text.replace(",no,", ",perhaps,"))
    place.table("test.csv", lambda text: text.replace("a,b,", "a,c,"))
    assert place.validate() == 1
    found = json.loads(capsys.readouterr().out)
    lines = place.file.read_text().splitlines()
    assert [(lines[one["line"] - 1].strip(), one["field"]) for one in found] == [
        (f"uri: {_uri(place.model)}", "spec.model.uri"),
        ("data:", "spec.tasks[mine].data"),
        ("data:", "spec.tasks[mine].data"),
    ]


def test_rows_that_are_trained_on_and_scored_are_a_warning(place, capsys):
    shutil.copy(place.data / "train.csv", place.data / "dev.csv")
    assert place.validate() == 0
    [found] = json.loads(capsys.readouterr().out)
    assert found["severity"] == "warning"
    assert "16 of 16 rows (100.0%) have texts that are in the training data too" in found["message"]
    assert place.validate("--strict") == 1


def test_texts_of_a_pair_that_a_decoder_cannot_tell_apart_are_a_warning(place, capsys):
    place.take("gpt2")
    assert place.validate() == 0
    [found] = json.loads(capsys.readouterr().out)
    assert "the tokenizer puts nothing between the texts of a pair" in found["message"]


def test_copies_of_model_and_data_stand_in_for_those_of_a_cluster(place, capsys):
    copies = [f"--model={place.model}", f"--data={place.data}"]
    spec = {"model": {"uri": "pvc://models/bert"}, "data": {"uri": "s3://bucket/none"}}
    assert place.validate(*copies, **spec) == 0, capsys.readouterr().out


HUB = {"uri": "hf://org/data", "train": "train", "validation": "dev.csv", "textColumns": ["a", "b"]}


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({}, None, None),
        (
            {"labels": ["no", "perhaps"]},
            "spec.tasks[mine].data.train",
            "row 2: label 'yes' is none of 0 (no), 1 (perhaps)",
        ),
        (
            {"data": {**HUB, "validation": "validation"}},
            "spec.tasks[mine].data.validation",
            "hf://org/data has no split validation: use one of train",
        ),
    ],
    ids=["right", "a label", "a split"],
)
def test_data_of_the_hub_are_fetched_and_looked_into(place, capsys, monkeypatch, tmp_path, changes, field, words):
    file = io.BytesIO()
    pa_parquet.write_table(pa.table({"a": ["x", "y"], "b": ["v", "w"], "label": ["no", "yes"]}), file)
    with running_hub() as hub:
        hub.is_the_hub(monkeypatch, tmp_path / "cache")
        hub.put("org/data", {"data/train-00000-of-00001.parquet": file.getvalue(), "dev.csv": b"a,b,label\nz,z,no\n"})
        place.task |= {"data": HUB, **changes}
        assert place.validate() == (1 if field else 0)
    found = [(one["field"], one["message"]) for one in json.loads(capsys.readouterr().out)]
    assert [one for one, _ in found] == ([field] if field else []), found
    assert all(words in message for _, message in found), found
    assert len(hub.downloads()) == (0 if field and field.endswith("validation") else 2)


def test_what_is_offline_wrong_is_told_without_looking_deeper(place, capsys, monkeypatch):
    monkeypatch.setattr(inspecting, "run_trainer", lambda *_: pytest.fail("looked deeper"))
    place.task["training"]["evalSteps"] = 7
    assert place.validate() == 1
    assert "evalSteps must not exceed maxSteps" in capsys.readouterr().out


def test_without_the_trainer_it_says_how_to_get_it(place, capsys, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert place.validate() == 1
    assert "the trainer is not installed here" in capsys.readouterr().err


def test_the_trainer_is_a_process_of_its_own(place, capsys, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    place.config(num_hidden_layers=3)
    assert place.validate() == 1
    assert "The file has 2 layers" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_a_manifest_of_this_machine_is_right_for_this_machine(place, capsys, command):
    place.validate()
    capsys.readouterr()
    assert main([command, str(place.file)]) == 1
    assert "file:// works in local runs only" in "".join(capsys.readouterr())
    assert main([command, "--local", str(place.file)]) == 0
