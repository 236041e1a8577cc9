"""On a real API server and a real S3 server: whose keys the operator uses, and what small bad inputs end in."""

import pytest
from kubernetes import client

from finetune_core.api import Storage
from finetune_core.json_types import Json
from finetune_operator.config import Config
from support.world import BUCKET, DATA_FILES, IMAGE, MODEL_FILES, World, spec_of, store_of

pytestmark = [pytest.mark.apiserver, pytest.mark.s3]


def own_storage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chart's storage has no Secret: the operator has an identity of its own."""
    for name, value in world.server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    own = {"endpoint": world.server.endpoint, "bucket": BUCKET, "prefix": "out", "region": "us-east-1"}
    world.config = Config(trainer_image=IMAGE, default_storage=Storage.model_validate(own))
    world.restart()


def spec(world: World, inputs: str) -> Json:
    made = spec_of(world.server, {"rte": 1})
    del made["storage"]
    return made | {"model": {"uri": f"{inputs}/model"}, "data": {"uri": f"{inputs}/glue"}}


def test_the_operators_identity_reads_the_namespaces_folder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    own_storage(world, monkeypatch)
    store = store_of(world.server)
    for key, content in {**MODEL_FILES, **DATA_FILES}.items():
        store.put(f"out/{world.namespace}/inputs/{key}", content)

    world.apply("exp", spec(world, f"s3://{BUCKET}/out/{world.namespace}/inputs"))
    world.look("exp", 2)

    assert world.jobs("exp") != []
    assert world.status("exp")["storage"]["bucket"] == BUCKET


def test_it_reads_nothing_else_that_a_spec_names(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    own_storage(world, monkeypatch)
    world.apply("exp", spec(world, f"s3://{BUCKET}"))
    world.look("exp")

    valid = world.condition("exp", "Valid")
    assert (valid["status"], valid["reason"]) == ("False", "InputNotFound")
    assert f"spec.model.uri: cannot list s3://{BUCKET}/model" in valid["message"]


def test_it_is_not_used_for_a_storage_that_a_spec_names(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    own_storage(world, monkeypatch)
    storage = {"endpoint": world.server.endpoint, "bucket": BUCKET, "prefix": "elsewhere"}
    world.apply("exp", spec(world, f"s3://{BUCKET}") | {"storage": storage})
    world.look("exp")

    assert world.condition("exp", "Valid")["reason"] == "StorageRefused"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: &a {seed: 1}\nrte: {<<: *a}", "anchors and aliases are not read: write the values out"),
        ("rte: {learningRate: 2024-13-45}", "rte: learningRate: "),
        ("rte: {maxSteps: " + "9" * 5000 + "}", "is no int that JSON has: correct it, or put quotes around it"),
        ("[" * 5000, "nested too deeply: is it the right text?"),
        ("a: " + "x" * 100_000, "it has more than 65,536 characters: is it the right text?"),
    ],
    ids=["anchors", "date", "digits", "depth", "size"],
)
def test_what_a_config_map_holds_ends_in_a_condition_at_the_first_look(world: World, text: str, told: str) -> None:
    config_map = {"metadata": {"name": "tuned"}, "data": {"all.yaml": text}}
    client.CoreV1Api(world.api).create_namespaced_config_map(world.namespace, config_map)
    source = {"configMapRef": {"name": "tuned", "key": "all.yaml"}}
    world.apply("exp", spec_of(world.server, {"rte": 1}, hyperparametersFrom=source))
    world.look("exp")

    valid = world.condition("exp", "Valid")
    assert valid["status"] == "False"
    assert valid["message"].startswith("spec.hyperparametersFrom: ConfigMap tuned, key all.yaml")
    assert told in valid["message"]
