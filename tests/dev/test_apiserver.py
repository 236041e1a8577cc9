"""The API server for tests: a real one, alone, gone afterwards."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from finetune_dev.apiserver import ApiServer
from finetune_dev.kubectl import program


def _kubectl(server: ApiServer, *arguments: str) -> str:
    environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig)}
    return subprocess.run(
        [program("kubectl"), *arguments], env=environment, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.apiserver
def test_server_stores_objects_checks_rights_and_leaves_nothing_behind() -> None:
    with ApiServer() as server:
        folder = server.folder
        _kubectl(server, "create", "configmap", "facts", "--from-literal=a=1")
        stored = json.loads(_kubectl(server, "get", "configmap", "facts", "--output", "json"))
        assert stored["data"] == {"a": "1"}
        allowed = subprocess.run(
            [program("kubectl"), "auth", "can-i", "list", "pods", "--as", "nobody"],
            env={**os.environ, "KUBECONFIG": str(server.kubeconfig)},
            check=False,
            capture_output=True,
            text=True,
        )
        assert allowed.stdout.strip() == "no"
    assert not folder.exists()
    assert not _processes_naming(folder)


def _processes_naming(folder: Path) -> list[str]:
    found = subprocess.run(["pgrep", "-f", str(folder)], check=False, capture_output=True, text=True)
    return found.stdout.split()
