"""Fixtures: a real API server with our CRDs installed, one for the whole test session.

A test folder takes them over in its conftest.py:

    from support.apiserver import api_client, api_server, namespace  # noqa: F401
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client, config

from finetune_dev.apiserver import ApiServer

REPOSITORY = Path(__file__).resolve().parents[2]
CRDS = REPOSITORY / "crds"
_ESTABLISHED_SECONDS = 30


@pytest.fixture(scope="session")
def api_server() -> Iterator[ApiServer]:
    """The running server, for programs that take a kubeconfig; the CRDs are installed."""
    with ApiServer() as server:
        with client_of(server) as api:
            install_crds(api)
        yield server


@pytest.fixture(scope="session")
def api_client(api_server: ApiServer) -> Iterator[client.ApiClient]:
    """A client with the administrator's rights."""
    with client_of(api_server) as api:
        yield api


@pytest.fixture
def namespace(api_client: client.ApiClient) -> str:
    """A fresh namespace; it goes with the server."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    client.CoreV1Api(api_client).create_namespace({"metadata": {"name": name}})
    return name


@contextmanager
def served(api: client.ApiClient, crd: dict[str, Any]) -> Iterator[None]:
    """Have the API server know the kind of a CRD for a while."""
    extensions, kind = client.ApiextensionsV1Api(api), crd["spec"]["names"]["kind"]
    extensions.create_custom_resource_definition(crd)
    until(lambda: _is_served(api, crd), f"{kind} to be served")
    yield
    extensions.delete_custom_resource_definition(crd["metadata"]["name"])
    until(lambda: not _is_served(api, crd), f"{kind} to be unknown again")


def _is_served(api: client.ApiClient, crd: dict[str, Any]) -> bool:
    spec = crd["spec"]
    where = (spec["group"], spec["versions"][0]["name"], spec["names"]["plural"])
    try:
        client.CustomObjectsApi(api).list_cluster_custom_object(*where)
    except client.ApiException as error:
        if error.status == 404:
            return False
        raise
    return True


def client_of(server: ApiServer) -> client.ApiClient:
    """A client of the server that reads no other kubeconfig and goes through no proxy."""
    configuration = client.Configuration()
    config.load_kube_config(str(server.kubeconfig), client_configuration=configuration)
    configuration.proxy = None
    return client.ApiClient(configuration)


def install_crds(api: client.ApiClient, folder: Path = CRDS) -> None:
    """Create every CRD of the folder and wait until its resources can be listed."""
    for path in sorted(folder.glob("*.yaml")):
        manifest = yaml.safe_load(path.read_text())
        client.ApiextensionsV1Api(api).create_custom_resource_definition(manifest)
        until(lambda: _is_served(api, manifest), f"{manifest['metadata']['name']} to be served")  # noqa: B023


def _is_served(api: client.ApiClient, manifest: dict) -> bool:
    spec = manifest["spec"]
    try:
        client.CustomObjectsApi(api).list_cluster_custom_object(
            spec["group"], spec["versions"][0]["name"], spec["names"]["plural"]
        )
    except client.ApiException as error:
        if error.status == 404:
            return False
        raise
    return True


def until(condition: Callable[[], bool], what: str, seconds: float = _ESTABLISHED_SECONDS) -> None:
    """Wait until the condition holds; TimeoutError names what was waited for."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.05)
