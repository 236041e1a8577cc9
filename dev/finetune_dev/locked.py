"""Packages that the development environment does not have, pinned by a lock file of their own."""

import hashlib
import shutil
import sys
from pathlib import Path

from finetune_dev.paths import REPOSITORY, Paths
from finetune_dev.shell import one_at_a_time, run, step

RELEASE = REPOSITORY / "requirements/release.lock"
MLFLOW = REPOSITORY / "requirements/mlflow.lock"


def uv(paths: Paths | None = None) -> str:
    """The program uv: the one on the PATH, else the one that the Makefile installed."""
    return shutil.which("uv") or str((paths or Paths.default()).root / "uv/bin/uv")


def packages(lock: Path, what: str, paths: Paths | None = None) -> Path:
    """A folder with the locked packages, for PYTHONPATH; installed once for each state of the lock."""
    paths = paths or Paths.default()
    key = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:8]
    folder = paths.root / f"{lock.stem}-tools" / key
    with one_at_a_time(folder.parent):
        if not folder.exists():
            begun = folder.with_suffix(".begun")
            shutil.rmtree(begun, ignore_errors=True)
            with step(f"installing {what}"):
                install = ("pip", "install", "--quiet", "--require-hashes", "--python", sys.executable)
                run(uv(paths), *install, "--target", begun, "--requirements", lock)
            begun.rename(folder)
    return folder
