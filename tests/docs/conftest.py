"""What the tests of the documentation's commands share: the stage that pages suppose, and a shell on it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

from finetune_dev.apiserver import ApiServer
from glue_demo import tiny_bert, write
from support.apiserver import client_of
from support.doc_shell import Shell
from support.doc_stage import BUCKET, NAMESPACES, Stage
from support.helm import CHART, helm
from support.kubelet import Kubelet
from support.seaweed import SeaweedS3
from support.world import store_of


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reader's own ./bert and ./glue: a tiny random BERT and generated data."""
    folder = tmp_path_factory.mktemp("inputs")
    write(folder / "glue", train_rows=48, dev_rows=32, test_rows=8)
    tiny_bert(folder / "bert")
    return folder


@pytest.fixture(scope="session")
def s3(inputs: Path) -> Iterator[SeaweedS3]:
    """An S3 server with the model and data of the examples."""
    with SeaweedS3() as server:
        server.create_bucket(BUCKET)
        server.create_bucket("finetune")
        store = store_of(server, "finetune", "demo")
        for key, folder in (("minilm", "bert"), ("minilm-sparse-85", "bert"), ("glue", "glue")):
            root = inputs / folder
            for file in (path for path in root.rglob("*") if path.is_file()):
                store.put(f"{key}/{file.relative_to(root)}", file.read_bytes())
        yield server


@pytest.fixture(scope="session")
def server() -> Iterator[ApiServer]:
    """An API server on which the chart is installed, and a node whose pods have logs."""
    with ApiServer() as server, client_of(server) as api:
        release = ("finetune-operator", str(CHART), "-n", "finetune-system", "--create-namespace")
        helm("install", *release, kubeconfig=server.kubeconfig, values={"store": {"enabled": True}})
        for name in NAMESPACES:
            if name != "default":
                client.CoreV1Api(api).create_namespace({"metadata": {"name": name}})
        with Kubelet(api, server.folder / "kubelet"):
            yield server


@pytest.fixture(scope="session")
def played(server: ApiServer, s3: SeaweedS3) -> Iterator[Stage]:
    """The namespaces with the operator at work."""
    with client_of(server) as api:
        stage = Stage(api, s3)
        yield stage
        stage.close()


@pytest.fixture
def stage(played: Stage) -> Iterator[Stage]:
    """The same, with nothing in it."""
    yield played
    played.clear()


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory, inputs: Path, server: ApiServer, s3: SeaweedS3) -> Shell:
    """A shell with kubeconfig and keys, in a folder of its own."""
    folder = tmp_path_factory.mktemp("clone")
    for name in ("bert", "glue"):
        (folder / name).symlink_to(inputs / name)
    environment = {"KUBECONFIG": str(server.kubeconfig), "OMP_NUM_THREADS": "1", **s3.environment}
    # No proxy is asked for what runs on this machine.
    return Shell(folder, {**environment, "NO_PROXY": f"127.0.0.1,{os.environ.get('NO_PROXY', '')}"})
