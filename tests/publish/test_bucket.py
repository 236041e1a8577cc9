"""A folder of a bucket, of a real S3 server."""

import uuid

import pytest

from finetune_store import Store
from support.seaweed import SeaweedS3
from support.world import store_of

from .conftest import MODEL, PREDICTED, Experiment, Keys, Run

pytestmark = pytest.mark.s3


@pytest.fixture
def bucket(s3: SeaweedS3, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty one, that this process has the keys of."""
    for name, value in s3.environment.items():
        monkeypatch.setenv(name, value)
    name = f"models-{uuid.uuid4().hex[:8]}"
    s3.create_bucket(name)
    return name


@pytest.fixture
def there(s3: SeaweedS3, bucket: str) -> Store:
    return store_of(s3, bucket)


def names(store: Store, folder: str) -> set[str]:
    return {info.key.removeprefix(f"{folder}/") for info in store.list(folder)}


def test_the_folder_holds_the_model_and_verify_reads_it_from_there(
    bucket: str, there: Store, experiment: Experiment, run: Run, keys: Keys
) -> None:
    to = ("--to", f"s3://{bucket}/published/bert-{{task}}", "--task", "rte", "--sign", str(keys.private))
    said = run("publish", "demo", *to, *experiment.options)
    assert said.out == f"s3://{bucket}/published/bert-rte\n", said.err
    assert names(there, "published/bert-rte") == {*MODEL, "README.md", "provenance.json", "provenance.sigstore.json"}
    verified = run("verify", f"s3://{bucket}/published/bert-rte", "--key", str(keys.public))
    assert verified.code == 0, verified.text


def test_another_model_takes_its_place_whole(bucket: str, there: Store, experiment: Experiment, run: Run) -> None:
    to = ("--to", f"s3://{bucket}/bert", *experiment.options)
    assert run("publish", "demo", *to, "--run", "rte/2", "--predictions").code == 0
    assert there.get("bert/predictions/RTE.tsv") == PREDICTED
    assert run("publish", "demo", *to, "--task", "rte").code == 0
    assert names(there, "bert") == {*MODEL, "README.md", "provenance.json"}
    assert there.get("bert/model.safetensors").endswith(b"rte1")
    assert run("verify", f"s3://{bucket}/bert").code == 0


def test_files_of_others_are_left_alone(bucket: str, there: Store, experiment: Experiment, run: Run) -> None:
    there.put("bert/thesis.txt", b"years of work")
    to = ("--to", f"s3://{bucket}/bert", "--task", "rte", *experiment.options)
    said = run("publish", "demo", *to)
    assert said.code != 0
    assert "files that no model was published with" in said.text
    assert names(there, "bert") == {"thesis.txt"}
    assert run("publish", "demo", *to, "--replace").code == 0
    assert "thesis.txt" not in names(there, "bert")


@pytest.mark.parametrize("folder", ["", "/team", "/team/demo", "/team/demo/runs"])
def test_no_model_goes_into_or_above_the_folder_of_its_experiment(
    experiment: Experiment, run: Run, folder: str
) -> None:
    said = run("publish", "demo", "--to", f"file://{experiment.root}{folder}", "--task", "rte", *experiment.options)
    assert said.code != 0
    assert "experiment's own folder" in said.text


def test_what_is_no_folder_of_a_bucket_is_refused(bucket: str, experiment: Experiment, run: Run) -> None:
    for to in (f"s3://{bucket}", f"s3://{bucket}/"):
        assert run("publish", "demo", "--to", to, "--task", "rte", *experiment.options).code == 2
    missing = run("publish", "demo", "--to", f"s3://{bucket}-none/x", "--task", "rte", *experiment.options)
    assert missing.code != 0
    assert f"{bucket}-none" in missing.text
    assert run("verify", f"s3://{bucket}/nowhere").code == 3
