"""Fixtures: a person's own cluster, by their kubeconfig, with a store and the operator at work.

A test folder takes them over in its conftest.py.
"""

from collections.abc import Iterator

import pytest
from kubernetes import client

from finetune_dev.apiserver import ApiServer
from support.seaweed import SeaweedS3
from support.world import World, create_secret


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
