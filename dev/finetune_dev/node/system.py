"""What the machine must have for a cluster of its own: root, and a few Debian packages."""

import os
import shutil
from collections.abc import Callable

from finetune_dev.errors import DevError
from finetune_dev.node.node_files import CNI_PROGRAMS
from finetune_dev.shell import run, step

# Package -> a program or file by which one sees that it is there.
_PACKAGES = {
    "containerd": "containerd",
    "runc": "runc",
    "containernetworking-plugins": f"{CNI_PROGRAMS}/bridge",
    "iptables": "iptables",
    "iproute2": "ip",
    "conntrack": "conntrack",
    "openssl": "openssl",
    "buildah": "buildah",
    "skopeo": "skopeo",
    "debootstrap": "debootstrap",
}
_PATIENT = ("-o", "DPkg::Lock::Timeout=300")
"""Others install packages too: a machine that has just started, by itself."""


def require_root() -> None:
    """Raise `DevError` unless this is root: bridges, mounts and containers need it."""
    if os.geteuid() != 0:
        raise DevError(
            "a cluster of this machine's own needs root. Run this as root, or install Docker and kind, "
            "or point FINETUNE_KUBECONFIG at a cluster that you have"
        )


def missing_packages(is_there: Callable[[str], bool]) -> list[str]:
    """The Debian packages of which the telling program or file is not there."""
    return [package for package, telling in _PACKAGES.items() if not is_there(telling)]


def install_packages(*needed: str) -> None:
    """Install the packages that are missing, of those given or of all; `DevError` where apt-get is not there."""
    missing = missing_packages(lambda telling: shutil.which(telling) is not None)
    missing = [package for package in missing if not needed or package in needed]
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise DevError(f"install what corresponds to these Debian packages first: {', '.join(missing)}")
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    with step(f"installing Debian packages: {', '.join(missing)}"):
        run("apt-get", *_PATIENT, "update", "--quiet", environment=quiet)
        run("apt-get", *_PATIENT, "install", "--yes", "--quiet", "--no-install-recommends", *missing, environment=quiet)
