"""kubectl and helm on the cluster in use."""

import shutil
from pathlib import Path

from finetune_dev import binaries
from finetune_dev.errors import CommandError, DevError
from finetune_dev.paths import kubeconfig_path
from finetune_dev.shell import run


def program(name: str) -> str:
    """The path of kubectl or helm: the one on the PATH, else built."""
    return shutil.which(name) or str(binaries.ensure(name))


def cluster_environment() -> dict[str, str]:
    """What programs need in their environment to work on the cluster in use.

    Raises `DevError` where there is no kubeconfig: no cluster was started or pointed at.
    """
    path = kubeconfig_path()
    if not path.exists():
        raise DevError(f"there is no kubeconfig at {path}: start a cluster first (python -m finetune_dev up)")
    return {"KUBECONFIG": str(path)}


def kubectl(*arguments: str | Path, stdin: str | None = None) -> str:
    """Run kubectl and return what it printed; raises `CommandError` where it fails."""
    return run(program("kubectl"), *arguments, environment=cluster_environment(), stdin=stdin)


def helm(*arguments: str | Path, stdin: str | None = None) -> str:
    """Run helm and return what it printed; raises `CommandError` where it fails."""
    return run(program("helm"), *arguments, environment=cluster_environment(), stdin=stdin)


def api_answers(kubeconfig: Path) -> bool:
    """Whether the API server of a kubeconfig says that it is ready."""
    if not kubeconfig.exists():
        return False
    command = (program("kubectl"), "--request-timeout=5s", "get", "--raw", "/readyz")
    try:
        run(*command, environment={"KUBECONFIG": str(kubeconfig)})
    except CommandError:
        return False
    return True
