"""A registered model, of a real MLflow server on this machine."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from support.mlflow_server import running_mlflow

from .conftest import MODEL, Experiment, Keys, Run


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_mlflow(tmp_path_factory.mktemp("mlflow")) as running:
        yield running


@pytest.fixture
def client(address: str, monkeypatch: pytest.MonkeyPatch) -> mlflow.MlflowClient:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return mlflow.MlflowClient(address)


def test_each_push_is_another_version_with_its_run(
    client: mlflow.MlflowClient, experiment: Experiment, run: Run, tmp_path: Path
) -> None:
    to = ("--to", "models:/bert-{task}", "--task", "rte", *experiment.options)
    assert run("publish", "demo", *to).out == "models:/bert-rte/1\n"
    said = run("publish", "demo", *to)
    assert said.out == "models:/bert-rte/2\n", said.err
    assert "no InferenceService" in said.err

    version = client.get_model_version("bert-rte", "2")
    assert version.tags["finetune.run"] == experiment.plan.runs_of("rte")[1].run_id
    logged = client.get_run(version.run_id)
    assert logged.data.metrics["accuracy"] == pytest.approx(0.65)
    assert logged.data.metrics["accuracy_mean"] == pytest.approx(0.63)
    assert logged.data.params["learningRate"] == "5e-05"
    there = Path(mlflow.artifacts.download_artifacts(artifact_uri="models:/bert-rte/2", dst_path=str(tmp_path / "x")))
    assert {path.name for path in there.iterdir()} - {"registered_model_meta"} == {
        *MODEL, "README.md", "provenance.json"}  # fmt: skip


def test_verify_fetches_a_version(client: mlflow.MlflowClient, experiment: Experiment, keys: Keys, run: Run) -> None:
    assert client
    to = ("--to", "models:/signed", "--task", "rte", "--sign", str(keys.private))
    uri = run("publish", "demo", *to, *experiment.options).out.strip()
    for place in (uri, "models:/signed"):
        said = run("verify", place, "--key", str(keys.public))
        assert said.code == 0, said.text


def test_what_is_not_there_is_said(client: mlflow.MlflowClient, run: Run) -> None:
    assert client
    assert run("verify", "models:/nowhere").code in {3, 4}
    assert run("verify", "models:/a/b/c").code == 2


def test_without_an_address_nothing_is_written(
    experiment: Experiment, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    said = run("publish", "demo", "--to", "models:/x", "--task", "rte", *experiment.options)
    assert said.code == 2
    assert "MLFLOW_TRACKING_URI is not set" in said.text
