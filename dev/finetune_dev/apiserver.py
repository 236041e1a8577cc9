"""A real API server for tests: etcd and kube-apiserver on free ports, no kubelet, no controllers; ready in seconds.

    with ApiServer() as server:
        subprocess.run(["kubectl", "--kubeconfig", server.kubeconfig, "get", "namespaces"])

Everything is stored that passes schema, CEL rules and RBAC, and nothing acts on it: no pod starts, no garbage is
collected, a deleted namespace stays `Terminating`.
"""

import os
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from finetune_dev import binaries
from finetune_dev.errors import DaemonError, last_lines
from finetune_dev.node.control_plane import (
    ADMIN,
    ADMIN_GROUPS,
    Endpoint,
    apiserver_command,
    etcd_command,
    etcd_program,
    serving_names,
)
from finetune_dev.node.kubeconfig import write_kubeconfig
from finetune_dev.node.pki import Authority, Identity
from finetune_dev.node.probes import answers
from finetune_dev.shell import wait_for

_ADDRESS = "127.0.0.1"
_READY_SECONDS = 60
_STOP_SECONDS = 10
# 100 MB more of memory for a sixth less of processor time: it lives for minutes and holds little.
_LESS_COLLECTING = {"GOGC": "400"}
# Nothing runs the service account controller here, and no loopback address may be an endpoint of a Service.
_WITHOUT_CONTROLLERS = ("--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none")


class ApiServer:
    """An API server that lives as long as the `with` block; ends also when the process that started it dies.

    Raises `DaemonError` with the end of the log where etcd or the API server does not start.
    """

    def __init__(self) -> None:
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def folder(self) -> Path:
        """Where its data, keys and logs are."""
        if self._folder is None:
            raise RuntimeError("the API server runs only inside its `with` block")
        return Path(self._folder.name)

    @property
    def kubeconfig(self) -> Path:
        """The administrator's access."""
        return self.folder / "kubeconfig"

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="finetune-apiserver-", ignore_cleanup_errors=True)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End both programs and remove their data; a second call does nothing."""
        for process in reversed(list(self._processes.values())):
            # Nothing that they hold is wanted any more, so there is nothing to shut down in order.
            process.kill()
            process.wait(timeout=_STOP_SECONDS)
        self._processes.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _start(self) -> None:
        authority = Authority(self.folder / "pki")
        authority.create()
        authority.issue("kube-apiserver", "/CN=kube-apiserver", serving_names(_ADDRESS))
        admin = authority.identities({ADMIN: ADMIN_GROUPS})[ADMIN]
        endpoint = Endpoint(_ADDRESS, *_free_ports(3))
        self._launch("etcd", etcd_command(etcd_program(), endpoint, self.folder / "etcd"))
        program = binaries.ensure("kube-apiserver")
        self._launch("kube-apiserver", apiserver_command(program, endpoint, authority, _WITHOUT_CONTROLLERS))
        self._wait_until_ready(endpoint, authority, admin)
        write_kubeconfig(self.kubeconfig, server=endpoint.url, authority=authority.certificate, identity=admin)

    def _launch(self, name: str, command: tuple[str, ...]) -> None:
        # setpriv ends the program with this process, however that ends: no orphans after a killed test run.
        guarded = ("setpriv", "--pdeathsig", "KILL", "--", *command)
        with self._log(name).open("wb") as log:
            self._processes[name] = subprocess.Popen(
                guarded,
                env=os.environ | _LESS_COLLECTING,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _log(self, name: str) -> Path:
        return self.folder / f"{name}.log"

    def _wait_until_ready(self, endpoint: Endpoint, authority: Authority, admin: Identity) -> None:
        def ready() -> bool:
            self._raise_if_ended()
            return all(
                answers(endpoint.url + path, authority=authority.certificate, token=admin.token)
                for path in ("/readyz", "/api/v1/namespaces/default")
            )

        log = self._log("kube-apiserver")
        wait_for(
            "the API server",
            ready,
            seconds=_READY_SECONDS,
            hint=lambda: f"Its log ends:\n{last_lines(log.read_text())}",
        )

    def _raise_if_ended(self) -> None:
        for name, process in self._processes.items():
            if process.poll() is not None:
                ending = last_lines(self._log(name).read_text())
                raise DaemonError(f"{name} ended with exit code {process.returncode}; its log ends:\n{ending}")


def _free_ports(count: int) -> list[int]:
    """Ports that nothing listens on; all are held until the last is found, so that they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind((_ADDRESS, 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
