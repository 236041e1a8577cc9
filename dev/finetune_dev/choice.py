"""Which cluster to use: one that the user has, kind where Docker runs, else one of this machine's own."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from finetune_dev.paths import KUBECONFIG_VARIABLE


class Provider(StrEnum):
    """Where the cluster comes from."""

    GIVEN = "given"
    KIND = "kind"
    BUILT = "built"


def choose(
    environment: Mapping[str, str], *, started: Provider | None, kind_installed: bool, docker_runs: Callable[[], bool]
) -> Provider:
    """The provider to use.

    A kubeconfig that the user names always wins; a cluster that was started before stays in use, whatever was
    installed since; `docker_runs` is asked only where it matters, since it may be slow.
    """
    if environment.get(KUBECONFIG_VARIABLE):
        return Provider.GIVEN
    if started:
        return started
    return Provider.KIND if kind_installed and docker_runs() else Provider.BUILT
