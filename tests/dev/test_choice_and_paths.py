"""Which cluster is used, and where its things are kept."""

from pathlib import Path

import pytest

from finetune_dev.choice import Provider, choose
from finetune_dev.paths import cache_root, kubeconfig_path


def _never_asked() -> bool:
    raise AssertionError("Docker need not be asked")


def test_kubeconfig_named_by_the_user_wins_over_everything() -> None:
    environment = {"FINETUNE_KUBECONFIG": "/some/where"}
    chosen = choose(environment, started=Provider.BUILT, kind_installed=True, docker_runs=_never_asked)
    assert chosen is Provider.GIVEN


def test_cluster_started_before_stays_in_use_when_docker_comes_up() -> None:
    assert choose({}, started=Provider.BUILT, kind_installed=True, docker_runs=_never_asked) is Provider.BUILT


@pytest.mark.parametrize(
    ("kind_installed", "docker_runs", "expected"),
    [
        (True, True, Provider.KIND),
        (True, False, Provider.BUILT),
        (False, True, Provider.BUILT),
        (False, False, Provider.BUILT),
    ],
)
def test_kind_is_used_only_where_it_and_docker_are_there(
    kind_installed: bool, docker_runs: bool, expected: Provider
) -> None:
    chosen = choose({}, started=None, kind_installed=kind_installed, docker_runs=lambda: docker_runs)
    assert chosen is expected


def test_cache_folder_is_the_named_one_before_xdg() -> None:
    assert cache_root({"FINETUNE_CACHE": "/a/b", "XDG_CACHE_HOME": "/c"}) == Path("/a/b")


def test_cache_folder_is_in_the_xdg_cache_folder_else_in_home() -> None:
    assert cache_root({"XDG_CACHE_HOME": "/c"}) == Path("/c/finetune-operator")
    assert cache_root({}) == Path.home() / ".cache/finetune-operator"


def test_kubeconfig_is_the_cache_folders_unless_one_is_named() -> None:
    assert kubeconfig_path({"FINETUNE_CACHE": "/a"}) == Path("/a/kubeconfig")
    assert kubeconfig_path({"FINETUNE_CACHE": "/a", "FINETUNE_KUBECONFIG": "/b/config"}) == Path("/b/config")
