"""Fixtures: the servers that all tests of a process share, each started when a test first asks for it.

They are fixtures of tests/conftest.py alone. A folder that took them over would start servers of its own, and each API
server that nobody asks any more costs memory and processor until the tests end. Modules are imported where they are
needed: the tests of the core need none of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kubernetes import client

    from finetune_dev.apiserver import ApiServer
    from support.seaweed import SeaweedS3


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    """The running server, for programs that take a kubeconfig; the CRDs are installed."""
    from finetune_dev.apiserver import ApiServer  # noqa: PLC0415
    from support.apiserver import client_of, install_crds  # noqa: PLC0415

    with ApiServer() as server:
        with client_of(server) as api:
            install_crds(api)
        yield server


@pytest.fixture(scope="session")
def api_client(api_server: ApiServer) -> Iterator[client.ApiClient]:
    """A client with the administrator's rights."""
    from support.apiserver import client_of  # noqa: PLC0415

    with client_of(api_server) as api:
        yield api


@pytest.fixture
def namespace(api_client: client.ApiClient) -> str:
    """A fresh namespace; it goes with the server."""
    from kubernetes import client  # noqa: PLC0415

    name = f"test-{uuid.uuid4().hex[:8]}"
    client.CoreV1Api(api_client).create_namespace({"metadata": {"name": name}})
    return name


@pytest.fixture(scope="session")
def s3() -> Iterator[SeaweedS3]:
    """A real S3 server with a bucket that holds a model and data; a test that stops a server has one of its own."""
    from support.seaweed import SeaweedS3  # noqa: PLC0415
    from support.world import fill_bucket  # noqa: PLC0415

    with SeaweedS3() as server:
        fill_bucket(server)
        yield server
