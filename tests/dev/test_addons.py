"""KubeRay and Kueue in the local cluster: which objects are applied, when again, and which errors name a remedy."""

import json
from pathlib import Path

import pytest

from finetune_dev.addons.catalogue import KUBERAY, KUEUE, KUEUE_SETTINGS
from finetune_dev.addons.install import Addon, install, remove
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
  *"delete"*) echo "$*" >> $state/deleted; rm -f $state/crds $state/stamp ;;
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


BOTH = pytest.mark.parametrize("addon", [KUBERAY, KUEUE], ids=lambda addon: addon.title)
PROGRAM = Path("/cache/v1-abc/program")


def changes_of(overlay: dict) -> dict:
    """What is changed of the Deployment."""
    return {change["path"]: change.get("value") for change in json.loads(overlay["patches"][0]["patch"])}


@BOTH
def test_its_own_manifests_run_our_image(state: Path, addon: Addon) -> None:
    install(addon, PROGRAM)
    overlay = json.loads((state / "applied").read_text())
    assert overlay["resources"][0].endswith("/source/config/default")
    changes = changes_of(overlay)
    assert changes["/spec/template/spec/containers/0/image"] == addon.image.reference
    assert changes["/spec/template/metadata/annotations"] == {"finetune.dev/program": "v1-abc"}


def test_kueue_has_no_say_in_pods_of_others(state: Path) -> None:
    install(KUEUE, PROGRAM)
    patches = [json.loads(patch["patch"]) for patch in json.loads((state / "applied").read_text())["patches"][1:]]
    gone = {hook["name"] for patch in patches for hook in patch.get("webhooks", ()) if hook["$patch"] == "delete"}
    assert gone == {f"{verb}{kind}.kb.io" for verb in "mv" for kind in ("pod", "deployment", "statefulset")}
    (settings,) = (patch["data"] for patch in patches if patch["kind"] == "ConfigMap")
    assert json.loads(settings["controller_manager_config.yaml"]) == KUEUE_SETTINGS
    assert not gone & {
        f"{verb}{name.rpartition('/')[2]}.kb.io"
        for verb in "mv"
        for name in KUEUE_SETTINGS["integrations"]["frameworks"]
    }


@BOTH
def test_what_is_installed_is_not_applied_again(state: Path, addon: Addon) -> None:
    for _ in range(2):
        install(addon, PROGRAM)
    assert applied(state) == 1


@BOTH
def test_another_build_is_applied(state: Path, addon: Addon) -> None:
    for build in ("v1-abc", "v2-abc"):
        install(addon, Path(f"/cache/{build}/program"))
    assert applied(state) == 2


def test_custom_resources_that_were_deleted_come_back(state: Path) -> None:
    install(KUBERAY, PROGRAM)
    (state / "crds").unlink()
    install(KUBERAY, PROGRAM)
    assert applied(state) == 2


def test_a_controller_that_does_not_get_ready_is_an_error_and_applied_again(state: Path) -> None:
    (state / "never-ready").touch()
    with pytest.raises(CommandError, match="rollout status"):
        install(KUBERAY, PROGRAM)
    (state / "never-ready").unlink()
    install(KUBERAY, PROGRAM)
    assert applied(state) == 2


def test_what_is_taken_away_goes_after_its_kinds_and_can_come_back(state: Path) -> None:
    install(KUEUE, PROGRAM)
    remove(KUEUE, PROGRAM)
    kinds, rest = (state / "deleted").read_text().splitlines()
    assert "crd/clusterqueues.kueue.x-k8s.io" in kinds
    assert "--filename" in rest
    install(KUEUE, PROGRAM)
    assert applied(state) == 2


@BOTH
def test_a_given_cluster_without_it_is_told_to_install_it(state: Path, addon: Addon) -> None:
    with pytest.raises(DevError, match=rf"has no {addon.title}: install it there"):
        Cluster(Paths(state / "cache")).install(addon)


def test_without_a_cluster_nothing_is_built(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KUBECONFIG_VARIABLE)
    cache = state / "cache"
    cache.mkdir()
    (cache / "provider").write_text(Provider.BUILT)
    with pytest.raises(DevError, match=r"cluster is not up.*finetune_dev up"):
        Cluster(Paths(cache)).install(KUEUE)
    assert not (cache / "bin").exists()
