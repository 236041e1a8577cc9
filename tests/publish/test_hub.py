"""A hub's repository, by the hub's own client. The hub is a FAKE of this machine: support/model_hub.py."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard

from support.model_hub import ModelHub, running_model_hub

from .conftest import MODEL, PREDICTED, Experiment, Keys, Run

# The hub's client uploads in a way that its own HTTP library deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[ModelHub]:
    with running_model_hub() as running:
        running.is_the_hub(monkeypatch, tmp_path / "cache")
        yield running


def test_the_best_model_of_each_task_has_its_repository(hub: ModelHub, experiment: Experiment, run: Run) -> None:
    said = run("publish", "demo", "--to", "hf://team/bert-{task}", *experiment.options)

    assert said.code == 0, said.err
    assert set(hub.repositories) == {"team/bert-rte", "team/bert-cola"}
    files = hub.files("team/bert-rte")
    assert set(files) == {".gitattributes", "README.md", "provenance.json", *MODEL}
    assert files["model.safetensors"].endswith(b"rte1")
    assert hub.repositories["team/bert-rte"].private
    commit = hub.repositories["team/bert-rte"].branches["main"][-1][0]
    assert f"hf://team/bert-rte@{commit}" in said.out.splitlines()


def test_the_hub_reads_the_card(hub: ModelHub, experiment: Experiment, run: Run) -> None:
    assert (
        run("publish", "demo", "--to", "hf://team/x", "--task", "rte", "--license", "mit", *experiment.options).code
        == 0
    )
    card = ModelCard(hub.files("team/x")["README.md"].decode())
    assert card.data.license == "mit"
    assert card.data.pipeline_tag == "text-classification"
    (result,) = card.data.eval_results
    assert (result.task_type, result.dataset_type, result.metric_type, result.metric_value) == (
        "text-classification", "glue", "accuracy", 0.65)  # fmt: skip
    assert "| accuracy | 65.00 | 63.00 ± 2.00 | 3 |" in card.content
    assert 'from_pretrained("team/x")' in card.content


def test_another_version_is_one_commit_without_files_of_the_one_before(
    hub: ModelHub, experiment: Experiment, run: Run
) -> None:
    to = ("--to", "hf://team/x", "--run", "rte/2", *experiment.options)
    assert run("publish", "demo", "--predictions", *to).code == 0
    assert hub.files("team/x")["predictions/RTE.tsv"] == PREDICTED
    first = hub.repositories["team/x"].branches["main"]
    assert len(first) == 2

    assert run("publish", "demo", *to).code == 0
    commits = hub.repositories["team/x"].branches["main"]
    assert len(commits) == 3
    assert "predictions/RTE.tsv" not in hub.files("team/x")
    assert "predictions/RTE.tsv" in commits[1][1]


def test_files_of_others_stay_unless_told_otherwise(hub: ModelHub, experiment: Experiment, run: Run) -> None:
    to = ("--to", "hf://team/x", "--task", "rte", *experiment.options)
    assert run("publish", "demo", *to).code == 0
    repository = hub.repositories["team/x"]
    repository.commit("main", {".gitattributes": b"", "pytorch_model.bin": b"somebody's"})

    said = run("publish", "demo", *to)
    assert said.code == 4
    assert "hf://team/x@main has files that no model was published with" in said.text
    assert set(hub.files("team/x")) == {".gitattributes", "pytorch_model.bin"}

    assert run("publish", "demo", "--replace", *to).code == 0
    assert "pytorch_model.bin" not in hub.files("team/x")


def test_it_can_be_a_branch(hub: ModelHub, experiment: Experiment, run: Run) -> None:
    assert run("publish", "demo", "--to", "hf://team/x@v2", "--task", "rte", *experiment.options).code == 0
    assert set(hub.files("team/x")) == {".gitattributes"}
    assert set(hub.files("team/x", "v2")) >= {"README.md", *MODEL}


def test_verify_fetches_a_revision_and_finds_all_equal(
    hub: ModelHub, experiment: Experiment, keys: Keys, run: Run
) -> None:
    sign = ("--sign", str(keys.private))
    said = run("publish", "demo", "--to", "hf://team/x", "--task", "rte", *sign, *experiment.options)
    uri = said.out.strip()
    assert run("verify", uri, "--key", str(keys.public)).code == 0

    repository = hub.repositories["team/x"]
    repository.commit("main", {**hub.files("team/x"), "model.safetensors": b"other weights"})
    assert run("verify", uri, "--key", str(keys.public)).code == 0
    told = run("verify", "hf://team/x", "--key", str(keys.public))
    assert told.code == 1
    assert "model.safetensors differs" in told.text


def test_kserve_gets_the_commit(hub: ModelHub, experiment: Experiment, run: Run) -> None:
    said = run("publish", "demo", "--to", "hf://team/x", "--task", "rte", *experiment.options)
    manifest = yaml.safe_load(Path("demo-rte-1.inferenceservice.yaml").read_text())
    model = manifest["spec"]["predictor"]["model"]
    assert model["storageUri"] == said.out.strip().replace("@", ":")
    assert model["modelFormat"] == {"name": "huggingface"}


def test_without_the_right_token_the_hub_refuses(
    hub: ModelHub, experiment: Experiment, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_another")
    said = run("publish", "demo", "--to", "hf://team/x", "--task", "rte", *experiment.options)
    assert said.code in {3, 4}
    assert "HF_TOKEN" in said.err
    assert hub.repositories == {}


@pytest.mark.parametrize("uri", ["hf://team", "hf://team/../x", "hf://team/x@", "hf://te am/x", "ftp://team/x"])
def test_what_names_no_repository_is_refused(experiment: Experiment, run: Run, uri: str) -> None:
    assert run("publish", "demo", "--to", uri, "--task", "rte", *experiment.options).code == 2
