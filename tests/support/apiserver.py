"""Clients of a real API server, and waiting for it. The server is the fixture `api_server` (`support.servers`)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from kubernetes import client, config

from finetune_dev.apiserver import ApiServer

REPOSITORY = Path(__file__).resolve().parents[2]
CRDS = REPOSITORY / "crds"
_ESTABLISHED_SECONDS = 30


@contextmanager
def served(api: client.ApiClient, crd: dict[str, Any]) -> Iterator[None]:
    """Have the API server know the kind of a CRD for a while."""
    extensions, kind = client.ApiextensionsV1Api(api), crd["spec"]["names"]["kind"]
    extensions.create_custom_resource_definition(crd)
    until(lambda: _is_served(api, crd), f"{kind} to be served")
    try:
        yield
    finally:
        extensions.delete_custom_resource_definition(crd["metadata"]["name"])
        until(lambda: not _is_served(api, crd), f"{kind} to be unknown again")


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
    until_served(api, folder)


def until_served(api: client.ApiClient, folder: Path = CRDS) -> None:
    """Wait until the resources of every CRD of the folder can be listed: a while after the CRD is there."""
    for path in sorted(folder.glob("*.yaml")):
        manifest = yaml.safe_load(path.read_text())
        until(lambda: _is_served(api, manifest), f"{manifest['metadata']['name']} to be served")  # noqa: B023


def _is_served(api: client.ApiClient, crd: dict[str, Any]) -> bool:
    spec = crd["spec"]
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
