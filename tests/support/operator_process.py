"""The operator as it runs in its image: `finetune-operator run`, against a given API server."""

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from support.apiserver import until

_START_SECONDS = 60


class OperatorProcess:
    """Runs between `start` and `kill` or `terminate`; its log is in `log`."""

    def __init__(self, kubeconfig: Path, log: Path, **settings: str) -> None:
        self.log = log
        self.health_port, self.metrics_port = _free_port(), _free_port()
        self._env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("FINETUNE_", "AWS_"))},
            "KUBECONFIG": str(kubeconfig),
            "FINETUNE_TRAINER_IMAGE": "example.test/trainer:1",
            "FINETUNE_HEALTH_PORT": str(self.health_port),
            "FINETUNE_METRICS_PORT": str(self.metrics_port),
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Its process id; only while it runs."""
        if self._process is None:
            raise RuntimeError("the operator does not run")
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start, and wait until it answers /healthz."""
        program = Path(sys.executable).with_name("finetune-operator")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen([str(program), "run"], env=self._env, stdout=log, stderr=log)
        until(self._answers, "the operator to answer /healthz", _START_SECONDS)

    def kill(self) -> None:
        """kill -9, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def terminate(self, seconds: float) -> int:
        """SIGTERM; its exit code. subprocess.TimeoutExpired if it takes longer than that."""
        process = self._process
        if process is None:
            raise RuntimeError("the operator does not run")
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=seconds)
        self._process = None
        return code

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of /healthz, /readyz or /metrics."""
        port = self.metrics_port if path == "/metrics" else self.health_port
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def _answers(self) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise RuntimeError(f"the operator ended with {self._process.returncode}:\n{self.log.read_text()[-4000:]}")
        try:
            return self.get("/healthz")[0] == 200
        except OSError:
            return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
