"""What the tests of the command line share: a real API server and S3 server, an operator, and the program's output."""

import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from kubernetes import client

from finetune_cli.app import main
from finetune_dev.apiserver import ApiServer
from support.apiserver import api_client, api_server, namespace
from support.seaweed import SeaweedS3
from support.world import World, create_secret, fill_bucket

__all__ = ["api_client", "api_server", "namespace"]


@dataclass(frozen=True)
class Said:
    """What a command left: its exit code, and its words with every gap one space wide."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both outputs, on one line."""
        return re.sub(r"\s+", " ", f"{self.out} {self.err}")


Run = Callable[..., Said]


@pytest.fixture(autouse=True)
def log_levels() -> Iterator[None]:
    """Commands quieten libraries for the rest of their process; the tests after them want to hear them again."""
    loggers = [logging.getLogger(name) for name in ("finetune_store", "urllib3")]
    before = [logger.level for logger in loggers]
    yield
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `finetune` with arguments."""

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        code = main(list(arguments))
        return Said(code, *capsys.readouterr())

    return call


@pytest.fixture(scope="session")
def s3() -> Iterator[SeaweedS3]:
    """A real S3 server that holds a model and data."""
    with SeaweedS3() as server:
        fill_bucket(server)
        yield server


@pytest.fixture
def kubeconfig(api_server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kubeconfig of the API server is the person's own."""
    monkeypatch.setenv("KUBECONFIG", str(api_server.kubeconfig))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "FINETUNE_STORE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def world(kubeconfig: None, api_client: client.ApiClient, namespace: str, s3: SeaweedS3) -> Iterator[World]:
    """A fresh namespace with the store's Secret and the operator."""
    create_secret(api_client, namespace, s3)
    world = World(api_client, namespace, s3)
    yield world
    world.close()
