"""Where the local cluster keeps its things: all of it below one cache folder outside the repository.

<cache>/bin/<version>-<key>/<name>   programs built from Go modules
<cache>/cluster/                     state of the running cluster; `down` removes it
<cache>/logs/<name>.log              what each of its programs printed
<cache>/kubeconfig                   for kubectl, helm, the operator and the tests
<cache>/containerd/                  images loaded into the cluster; survives `down`
<cache>/images/                      what image builds keep, so that the next one is quick
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CACHE_VARIABLE = "FINETUNE_CACHE"
KUBECONFIG_VARIABLE = "FINETUNE_KUBECONFIG"


def cache_root(environment: Mapping[str, str] = os.environ) -> Path:
    """The cache folder: `$FINETUNE_CACHE`, else `finetune-operator` in the user's cache folder (XDG)."""
    if chosen := environment.get(CACHE_VARIABLE):
        return Path(chosen).expanduser().resolve()
    parent = environment.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(parent) / "finetune-operator"


@dataclass(frozen=True)
class Paths:
    """The places below one cache folder."""

    root: Path

    @classmethod
    def default(cls) -> "Paths":
        """The places of this user, by the environment."""
        return cls(cache_root())

    @property
    def binaries(self) -> Path:
        """Built programs."""
        return self.root / "bin"

    @property
    def cluster(self) -> Path:
        """State of the running cluster."""
        return self.root / "cluster"

    @property
    def logs(self) -> Path:
        """Logs of the cluster's programs and of builds."""
        return self.root / "logs"

    @property
    def kubeconfig(self) -> Path:
        """Administrator's access to the cluster started from here."""
        return self.root / "kubeconfig"

    @property
    def containerd(self) -> Path:
        """containerd's root: images and, while the cluster runs, containers."""
        return self.root / "containerd"

    @property
    def images(self) -> Path:
        """What image builds keep."""
        return self.root / "images"


def kubeconfig_path(environment: Mapping[str, str] = os.environ) -> Path:
    """The kubeconfig to use: `$FINETUNE_KUBECONFIG` where it is set, else the local cluster's own."""
    if chosen := environment.get(KUBECONFIG_VARIABLE):
        return Path(chosen).expanduser().resolve()
    return Paths(cache_root(environment)).kubeconfig
