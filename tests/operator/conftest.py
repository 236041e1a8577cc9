"""What the tests of the operator share: a world for each test, on the servers of all tests."""

import uuid
from collections.abc import Iterator

import pytest
from kubernetes import client

from support.search_world import SearchWorld
from support.seaweed import SeaweedS3
from support.world import World, create_secret


@pytest.fixture
def world(api_client: client.ApiClient, namespace: str, s3: SeaweedS3) -> Iterator[World]:
    """A fresh namespace with the store's Secret and the operator."""
    create_secret(api_client, namespace, s3)
    world = World(api_client, namespace, s3)
    yield world
    world.close()


@pytest.fixture
def searching(api_client: client.ApiClient, namespace: str, s3: SeaweedS3) -> Iterator[SearchWorld]:
    """A fresh namespace with an operator of experiments and of searches."""
    create_secret(api_client, namespace, s3)
    world = SearchWorld(api_client, namespace, s3)
    yield world
    world.close()


@pytest.fixture
def other_world(api_client: client.ApiClient, s3: SeaweedS3) -> Iterator[World]:
    """A second namespace, with an operator of its own."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    client.CoreV1Api(api_client).create_namespace({"metadata": {"name": name}})
    create_secret(api_client, name, s3)
    world = World(api_client, name, s3)
    yield world
    world.close()
