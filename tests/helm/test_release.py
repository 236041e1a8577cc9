"""A release's life on a real API server: install, upgrade, uninstall, and what stays."""

import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes import client

from finetune_dev.apiserver import ApiServer
from support.apiserver import CRDS, client_of
from support.helm import CHART, NAMESPACE, RELEASE, helm, of_kind, render

pytestmark = pytest.mark.apiserver

CRD = "finetuneexperiments.finetune.dev"


@pytest.fixture(scope="module")
def bare_server() -> Iterator[ApiServer]:
    """A server without our CRDs, for the chart to install."""
    with ApiServer() as server:
        yield server


@pytest.fixture
def api(bare_server: ApiServer) -> Iterator[client.ApiClient]:
    with client_of(bare_server) as connection:
        yield connection


@pytest.fixture
def notes(bare_server: ApiServer) -> Iterator[str]:
    """A release with the embedded store; what Helm says after installing it."""
    yield command(bare_server, "install", "--create-namespace")
    helm("uninstall", RELEASE, "--namespace", NAMESPACE, kubeconfig=bare_server.kubeconfig)


def command(server: ApiServer, verb: str, *options: str, **values: Any) -> str:
    chart = (RELEASE, str(CHART), "--namespace", NAMESPACE)
    values = {"store": {"enabled": True}} | values
    return helm(verb, *chart, *options, kubeconfig=server.kubeconfig, values=values)


def keys(api: client.ApiClient, namespace: str = NAMESPACE) -> dict[str, str]:
    data: dict[str, str] = client.CoreV1Api(api).read_namespaced_secret(f"{RELEASE}-store", namespace).data
    return data


def columns(api: client.ApiClient) -> list[str]:
    crd = client.ApiextensionsV1Api(api).read_custom_resource_definition(CRD)
    return [column.name for column in crd.spec.versions[0].additional_printer_columns]


def test_the_chart_carries_the_crds_of_the_repository() -> None:
    expected = [yaml.safe_load(path.read_text()) for path in sorted(CRDS.glob("*.yaml"))]

    assert of_kind(render(), "CustomResourceDefinition") == expected
    assert of_kind(render(crds={"install": False}), "CustomResourceDefinition") == []


@pytest.mark.usefixtures("notes")
def test_the_api_server_takes_every_manifest(api: client.ApiClient) -> None:
    deployment = client.AppsV1Api(api).read_namespaced_deployment(f"{RELEASE}-finetune-operator", NAMESPACE)

    assert deployment.spec.replicas == 1
    assert "Status" in columns(api)


@pytest.mark.usefixtures("notes")
def test_an_upgrade_keeps_the_keys_of_the_store(bare_server: ApiServer, api: client.ApiClient) -> None:
    before = keys(api)

    command(bare_server, "upgrade")

    assert keys(api) == before


@pytest.mark.usefixtures("notes")
def test_an_upgrade_updates_the_crds(bare_server: ApiServer, api: client.ApiClient) -> None:
    patch = [{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns/0"}]
    client.ApiextensionsV1Api(api).patch_custom_resource_definition(CRD, patch)
    assert "Status" not in columns(api)

    command(bare_server, "upgrade", "--force-conflicts")

    assert "Status" in columns(api)


def test_uninstalling_keeps_the_crds(bare_server: ApiServer, api: client.ApiClient) -> None:
    command(bare_server, "install", "--create-namespace")
    helm("uninstall", RELEASE, "--namespace", NAMESPACE, kubeconfig=bare_server.kubeconfig)

    assert "Status" in columns(api)


def test_the_notes_have_the_command_that_gives_a_namespace_the_keys(
    notes: str, bare_server: ApiServer, api: client.ApiClient
) -> None:
    client.CoreV1Api(api).create_namespace({"metadata": {"name": "team-a"}})
    found = re.search(r"kubectl .* get secret .*\|\n.*--from-env-file=/dev/stdin", notes)
    assert found
    script = found.group().replace("NAMESPACE", "team-a")

    subprocess.run(["bash", "-ec", script], env={**os.environ, "KUBECONFIG": str(bare_server.kubeconfig)}, check=True)

    assert keys(api, "team-a") == keys(api)


def test_the_notes_say_what_to_do_next(notes: str) -> None:
    assert "apply -f examples/quickstart.yaml" in notes
    assert f"rollout status statefulset/{RELEASE}-store" in notes
    assert "http://ft-store.system.svc:8333" in notes


def test_the_repositorys_crds_are_applied_over_the_charts_without_a_conflict(
    notes: str, bare_server: ApiServer
) -> None:
    kubectl = ["kubectl", "--kubeconfig", str(bare_server.kubeconfig), "apply", "--server-side", "-f", str(CRDS)]
    applied = subprocess.run(kubectl, capture_output=True, text=True, check=False)
    assert applied.returncode == 0, applied.stderr
    assert CRD in applied.stdout
