"""KubeRay in the local cluster: what is applied, when it is applied again, and what is told without a cluster."""

import json
from pathlib import Path

import pytest

from finetune_dev import kuberay
from finetune_dev.choice import Provider
from finetune_dev.cluster import Cluster
from finetune_dev.errors import CommandError, DevError
from finetune_dev.paths import KUBECONFIG_VARIABLE, Paths

_KUBECTL = """#!/bin/sh
state={state}
case "$*" in
  kustomize*) cat "$2/kustomization.yaml" ;;
  *"get crd"*) exec test -e $state/crds ;;
  *"get deployment/"*) cat $state/stamp ;;
  *"apply --server-side"*) cat > $state/applied; echo >> $state/times; touch $state/crds ;;
  *rollout*) test ! -e $state/never-ready ;;
  *annotate*) for last; do :; done; printf %s "${{last#*=}}" > $state/stamp ;;
esac
"""


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cluster's state in a folder, kept by a `kubectl` on the PATH; `go` names the folder `source`."""
    programs = tmp_path / "path"
    programs.mkdir()
    scripts = {"kubectl": _KUBECTL.format(state=tmp_path), "go": f"#!/bin/sh\necho {tmp_path}/source\n"}
    for name, text in scripts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (tmp_path / "kubeconfig").touch()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv(KUBECONFIG_VARIABLE, str(tmp_path / "kubeconfig"))
    return tmp_path


def applied(state: Path) -> int:
    """How many times the manifests were applied."""
    return len((state / "times").read_text())


def test_kuberays_own_manifests_run_our_image(state: Path) -> None:
    kuberay.install(Path("/cache/v1-abc/kuberay-operator"))
    overlay = json.loads((state / "applied").read_text())
    assert overlay["resources"][0].endswith("/source/config/default")
    changes = {change["path"]: change.get("value") for change in json.loads(overlay["patches"][0]["patch"])}
    assert changes["/spec/template/spec/containers/0/image"] == "localhost/finetune-kuberay:dev"
    assert changes["/spec/template/metadata/annotations"] == {"finetune.dev/program": "v1-abc"}


def test_what_is_installed_is_not_applied_again(state: Path) -> None:
    for _ in range(2):
        kuberay.install(Path("/cache/v1-abc/kuberay-operator"))
    assert applied(state) == 1


def test_another_build_is_applied(state: Path) -> None:
    for build in ("v1-abc", "v2-abc"):
        kuberay.install(Path(f"/cache/{build}/kuberay-operator"))
    assert applied(state) == 2


def test_custom_resources_that_were_deleted_come_back(state: Path) -> None:
    program = Path("/cache/v1-abc/kuberay-operator")
    kuberay.install(program)
    (state / "crds").unlink()
    kuberay.install(program)
    assert applied(state) == 2


def test_an_operator_that_does_not_get_ready_is_an_error_and_applied_again(state: Path) -> None:
    program = Path("/cache/v1-abc/kuberay-operator")
    (state / "never-ready").touch()
    with pytest.raises(CommandError, match="rollout status"):
        kuberay.install(program)
    (state / "never-ready").unlink()
    kuberay.install(program)
    assert applied(state) == 2


def test_a_given_cluster_without_kuberay_is_told_to_install_it(state: Path) -> None:
    with pytest.raises(DevError, match=r"has no KubeRay: install it there"):
        Cluster(Paths(state / "cache")).install_kuberay()


def test_without_a_cluster_nothing_is_built(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KUBECONFIG_VARIABLE)
    cache = state / "cache"
    cache.mkdir()
    (cache / "provider").write_text(Provider.BUILT)
    with pytest.raises(DevError, match=r"cluster is not up.*finetune_dev up"):
        Cluster(Paths(cache)).install_kuberay()
    assert not (cache / "bin").exists()
