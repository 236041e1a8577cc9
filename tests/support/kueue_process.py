"""Kueue itself as a process beside a real API server: it queues, admits and preempts Jobs that nothing runs.

    with kueue(api_server) as queues:
        queues.quota("team", namespace, cpu="2")

Its CRDs, webhooks and certificates are those that it has in a cluster. Only its Service leads to this machine.
"""

import base64
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import urllib3
import yaml
from kubernetes import client

from finetune_core.json_types import Json
from finetune_dev import binaries
from finetune_dev.addons.catalogue import KUEUE, KUEUE_SETTINGS
from finetune_dev.addons.install import manifests
from finetune_dev.apiserver import ApiServer
from finetune_dev.errors import last_lines
from finetune_dev.kubectl import kubectl
from finetune_dev.paths import KUBECONFIG_VARIABLE
from finetune_dev.shell import wait_for
from support.apiserver import client_of
from support.kueue_queues import Queues

_SERVICE = "kueue-webhook-service"
_CERTIFICATE = "kueue-webhook-server-cert"
_READY_SECONDS = 120


@contextmanager
def kueue(server: ApiServer) -> Iterator[Queues]:
    """Have Kueue answer at an API server; AssertionError with the end of its log where it does not start."""
    program = binaries.ensure(KUEUE.program)
    with tempfile.TemporaryDirectory(prefix="kueue-") as name, client_of(server) as api:
        folder, webhook, health = Path(name), *_free_ports()
        _install(server, program, webhook)
        with (folder / "log").open("wb") as log:
            command = [program, "--config", _settings(folder, webhook, health), "--zap-log-level=2"]
            environment = {**os.environ, "KUBECONFIG": str(server.kubeconfig)}
            guarded = ("setpriv", "--pdeathsig", "KILL", "--", *map(str, command))
            process = subprocess.Popen(guarded, stdout=log, stderr=log, env=environment, start_new_session=True)
        try:
            _wait_until_ready(process, api, folder, health)
            yield Queues(api)
        finally:
            process.kill()
            process.wait()


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]


def _settings(folder: Path, webhook: int, health: int) -> Path:
    settings = {
        **KUEUE_SETTINGS,
        "health": {"healthProbeBindAddress": f"127.0.0.1:{health}"},
        "metrics": {"bindAddress": "0"},
        "webhook": {"host": "127.0.0.1", "port": webhook, "certDir": str(folder)},
        "leaderElection": {"leaderElect": False},
    }
    path = folder / "settings.json"
    path.write_text(json.dumps(settings))
    return path


def _install(server: ApiServer, program: Path, webhook: int) -> None:
    with mock.patch.dict(os.environ, {KUBECONFIG_VARIABLE: str(server.kubeconfig)}):
        items = [item for item in yaml.load_all(manifests(KUEUE, program), Loader=yaml.CSafeLoader) if item]
        # Of the namespace the rest needs; a second install finds all of it.
        items.sort(key=lambda item: item["kind"] != "Namespace")
        wanted = [_leading_here(item, webhook) for item in items if item["kind"] not in {"Deployment", "Service"}]
        metadata = {"name": _SERVICE, "namespace": KUEUE.namespace}
        here = {"type": "ExternalName", "externalName": "localhost"}
        wanted.append({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": here})
        kubectl("apply", "--server-side", "-f", "-", stdin="\n".join(map(json.dumps, wanted)))


def _leading_here(item: Json, port: int) -> Json:
    conversion = (item.get("spec") or {}).get("conversion") or {}
    for hook in (*item.get("webhooks", ()), *filter(None, [conversion.get("webhook")])):
        hook["clientConfig"]["service"]["port"] = port
    return item


def _wait_until_ready(process: subprocess.Popen[bytes], api: client.ApiClient, folder: Path, health: int) -> None:
    core, http = client.CoreV1Api(api), urllib3.PoolManager(timeout=5)

    def ready() -> bool:
        assert process.poll() is None, last_lines((folder / "log").read_text())
        # As a kubelet does: what Kueue writes into its Secret appears in its folder.
        secret: Mapping[str, str] = core.read_namespaced_secret(_CERTIFICATE, KUEUE.namespace).data or {}
        for file, content in secret.items():
            (folder / file).write_bytes(base64.b64decode(content))
        try:
            return http.request("GET", f"http://127.0.0.1:{health}/readyz", retries=False).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    wait_for("Kueue", ready, seconds=_READY_SECONDS, hint=lambda: last_lines((folder / "log").read_text()))
