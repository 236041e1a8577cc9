"""The real operator on a real API server with the rights that the chart gives it: it sees, judges and says so."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes import client

from finetune_dev.apiserver import ApiServer
from support.apiserver import client_of, until, until_served
from support.experiments import API, PLURAL, create, experiment
from support.helm import CHART, NAMESPACE, RELEASE, environment, helm, pods, render

pytestmark = pytest.mark.apiserver

NAME = f"{RELEASE}-finetune-operator"
# Well below the minute that kopf would spend on asking again for what it may not see.
SECONDS = 20


@contextmanager
def installed(**values: Any) -> Iterator[ApiServer]:
    """A server of its own with the chart installed, and a namespace for experiments."""
    with ApiServer() as server, client_of(server) as api:
        client.CoreV1Api(api).create_namespace({"metadata": {"name": "team-a"}})
        helm(
            "install",
            RELEASE,
            str(CHART),
            "-n",
            NAMESPACE,
            "--create-namespace",
            kubeconfig=server.kubeconfig,
            values=values,
        )
        until_served(api)
        yield server


def access_as_operator(server: ApiServer, folder: Path) -> Path:
    """A kubeconfig with a token of the operator's service account."""
    with client_of(server) as api:
        token = client.CoreV1Api(api).create_namespaced_service_account_token(NAME, NAMESPACE, {"spec": {}})
    access = yaml.safe_load(server.kubeconfig.read_text())
    access["users"][0]["user"] = {"token": token.status.token}
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(access))
    return path


@contextmanager
def operator(kubeconfig: Path, log: Path, **values: Any) -> Iterator[subprocess.Popen[bytes]]:
    """The operator's process with the environment of its pod, on ports that nobody else has."""
    ports = {"FINETUNE_HEALTH_PORT": "0", "FINETUNE_METRICS_PORT": "0"}
    settings = environment(pods(render(**values))[NAME]) | ports | {"KUBECONFIG": str(kubeconfig)}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "finetune_operator.main", "run"],
            env=os.environ | settings,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


@pytest.mark.parametrize("values", [{}, {"watchNamespaces": ["team-a"]}], ids=["cluster", "namespaces"])
def test_the_operator_works_with_its_rights(tmp_path: Path, values: dict[str, Any]) -> None:
    with installed(**values) as server, client_of(server) as api:
        create(api, experiment("one"), "team-a")
        log = tmp_path / "log"

        def reasons() -> set[str]:
            return {event.reason for event in client.CoreV1Api(api).list_namespaced_event("team-a").items}

        def judged() -> bool:
            assert process.poll() is None, log.read_text()
            seen = client.CustomObjectsApi(api).get_namespaced_custom_object(*API, "team-a", PLURAL, "one")
            # The event is written after the status that it is about.
            return bool(seen.get("status", {}).get("conditions")) and bool(reasons())

        with operator(access_as_operator(server, tmp_path), log, **values) as process:
            until(judged, "the experiment to have conditions and an event", SECONDS)

        assert reasons() == {"InvalidSpec"}
        assert "orbidden" not in log.read_text()
