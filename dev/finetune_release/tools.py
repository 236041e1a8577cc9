"""Programs of a release that the development environment does not have, pinned by requirements/release.lock."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from finetune_dev.paths import REPOSITORY, Paths
from finetune_dev.shell import one_at_a_time, run, step

LOCK = REPOSITORY / "requirements/release.lock"


def uv(paths: Paths | None = None) -> str:
    """The program uv: the one on the PATH, else the one that the Makefile installed."""
    return shutil.which("uv") or str((paths or Paths.default()).root / "uv/bin/uv")


def packages(paths: Paths | None = None) -> Path:
    """A folder with the locked packages, for PYTHONPATH; installed once for each state of the lock."""
    paths = paths or Paths.default()
    key = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()[:8]
    folder = paths.root / "release-tools" / key
    with one_at_a_time(folder.parent):
        if not folder.exists():
            begun = folder.with_suffix(".begun")
            shutil.rmtree(begun, ignore_errors=True)
            with step("installing the programs of a release"):
                install = ("pip", "install", "--quiet", "--require-hashes", "--python", sys.executable)
                run(uv(paths), *install, "--target", begun, "--requirements", LOCK)
            begun.rename(folder)
    return folder


def python(*arguments: str | Path, folder: Path = REPOSITORY, stdin: str | None = None) -> str:
    """Run this Python with those packages and the modules of `dev/` below `folder`; what it prints."""
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PYTHONPATH": f"{folder / 'dev'}:{packages()}", "PATH": programs}
    return run(sys.executable, *arguments, environment=environment, folder=folder, stdin=stdin)
