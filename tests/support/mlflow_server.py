"""A real MLflow server on this machine."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from finetune_dev.locked import MLFLOW, packages
from finetune_dev.shell import wait_for


@contextmanager
def running_mlflow(folder: Path) -> Iterator[str]:
    """The address of a server that keeps all it is told below a folder, until the end of the block."""
    address = f"http://127.0.0.1:{_free_port()}"
    options = [
        f"--backend-store-uri=sqlite:///{folder}/mlflow.db",
        f"--artifacts-destination={folder}/artifacts",
        "--host=127.0.0.1",
        f"--port={address.rpartition(':')[2]}",
        "--workers=1",
    ]
    locked = packages(MLFLOW, "an MLflow server")
    environment = {**os.environ, "PYTHONPATH": str(locked), "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *options],
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            wait_for("MLflow to answer", lambda: _answers(address) or process.poll() is not None, seconds=240)
            assert process.poll() is None, (folder / "log").read_text()
            yield address
        finally:
            os.killpg(process.pid, 15)


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
