"""A base image's files from Debian's packages, for machines that no registry of images can be reached from."""

import shutil
from pathlib import Path

from finetune_dev.errors import DevError
from finetune_dev.shell import run

SUITE = "trixie"
_PACKAGES = "python3,python3-venv,ca-certificates"
_NOT_NEEDED = ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale")


def debootstrap_into(root: Path) -> None:
    """Install a small Debian with Python 3.13 below `root`, an empty folder."""
    packages = f"--include={_PACKAGES}"
    run("debootstrap", "--variant=minbase", packages, SUITE, root, mirror(_package_sources()))
    for name in _NOT_NEEDED:
        for path in (root / name).iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def mirror(sources: str) -> str:
    """The mirror of Debian that this machine's apt uses, out of lines `<URI> <component>`.

    The security archive and foreign repositories do not hold a whole Debian: it is the first whose path is `debian`.
    """
    for line in sources.splitlines():
        uri, _, component = line.partition(" ")
        if component == "main" and uri.rstrip("/").endswith("/debian"):
            return uri
    raise DevError("apt knows no Debian mirror, so no base image can be made: look at /etc/apt/sources.list")


def _package_sources() -> str:
    return run("apt-get", "indextargets", "--format", "$(REPO_URI) $(COMPONENT)")
