"""Programs built from Go modules: what names them in the cache, and when they appear there."""

import stat
from pathlib import Path

import pytest

from finetune_dev import binaries
from finetune_dev.binaries import Recipe
from finetune_dev.cluster import Cluster
from finetune_dev.errors import CommandError, DevError
from finetune_dev.paths import KUBECONFIG_VARIABLE, Paths


@pytest.fixture
def fake_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `go` on the PATH that writes the program where `go install` would; its exit code is in the file `code`."""
    folder = tmp_path / "path"
    folder.mkdir()
    program = folder / "go"
    program.write_text(
        f'#!/bin/sh\necho built >> "{tmp_path}/calls"\necho x > "$GOBIN/helm"\nexit $(cat {tmp_path}/code)\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    (tmp_path / "code").write_text("0")
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return tmp_path


def test_the_version_is_the_one_that_go_mod_requires(tmp_path: Path) -> None:
    go_mod = tmp_path / "go.mod"
    go_mod.write_text("module m\n\nrequire (\n\tk8s.io/kubernetes v1.35.4\n\tk8s.io/klog/v2 v2.130.1\n)\n")
    assert binaries.required_version(go_mod, "k8s.io/kubernetes") == "v1.35.4"


def test_a_go_mod_without_the_package_is_named(tmp_path: Path) -> None:
    go_mod = tmp_path / "go.mod"
    go_mod.write_text("module m\n")
    with pytest.raises(DevError, match=r"go\.mod does not require k8s\.io/kubernetes"):
        binaries.required_version(go_mod, "k8s.io/kubernetes")


def test_key_changes_with_version_flags_and_pinned_sources(tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module m\n")
    recipe = Recipe("x", "example/x", "v1", tmp_path)
    keys = {
        recipe.key(),
        Recipe("x", "example/x", "v2", tmp_path).key(),
        Recipe("x", "example/x", "v1", tmp_path, ldflags="-s").key(),
        Recipe("x", "example/x", "v1").key(),
    }
    (tmp_path / "go.sum").write_text("sums\n")
    keys.add(recipe.key())
    assert len(keys) == 5


def test_every_program_that_the_cluster_starts_has_a_recipe() -> None:
    needed = {
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "coredns",
        "pause",
    }
    assert needed <= binaries.recipes().keys()


def test_the_programs_that_tests_wait_for_are_built_first() -> None:
    assert list(binaries.recipes())[:4] == ["kube-apiserver", "kubectl", "helm", "kstatus"]


def test_nothing_is_built_for_a_cluster_that_a_person_brings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KUBECONFIG_VARIABLE, "/some/kubeconfig")
    Cluster(Paths(tmp_path)).prepare()
    assert list(tmp_path.iterdir()) == []


def test_unknown_program_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DevError, match=r"no recipe for 'kubelt'.*kubelet"):
        binaries.ensure("kubelt", Paths(tmp_path))


def test_program_is_built_once(fake_go: Path) -> None:
    first = binaries.ensure("helm", Paths(fake_go / "cache"))
    second = binaries.ensure("helm", Paths(fake_go / "cache"))
    assert first == second
    assert first.exists()
    assert (fake_go / "calls").read_text().splitlines() == ["built"]


def test_build_that_fails_half_way_leaves_no_program(fake_go: Path) -> None:
    (fake_go / "code").write_text("1")
    paths = Paths(fake_go / "cache")
    with pytest.raises(CommandError):
        binaries.ensure("helm", paths)
    assert not binaries.recipes()["helm"].path(paths).exists()


def test_missing_go_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DevError, match=r"needs Go 1\.25 or later"):
        binaries.ensure("helm", Paths(tmp_path / "cache"))
