"""Programs of a release that the development environment does not have, pinned by requirements/release.lock."""

import os
import sys
from pathlib import Path

from finetune_dev.locked import RELEASE, packages, uv
from finetune_dev.paths import REPOSITORY
from finetune_dev.shell import run

__all__ = ["python", "uv"]


def python(*arguments: str | Path, folder: Path = REPOSITORY, stdin: str | None = None) -> str:
    """Run this Python with those packages and the modules of `dev/` below `folder`; what it prints."""
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    locked = packages(RELEASE, "the programs of a release")
    environment = {"PYTHONPATH": f"{folder / 'dev'}:{locked}", "PATH": programs}
    return run(sys.executable, *arguments, environment=environment, folder=folder, stdin=stdin)
