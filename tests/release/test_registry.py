"""A release in a registry: what is pulled from there is what was built, and the chart says so by digest."""

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from finetune_dev.node.system import install_packages
from finetune_release import chart, images
from finetune_release.facts import Facts, Registry
from finetune_release.images import Archive
from support.helm import environment, helm, pods
from support.oci_registry import PLATFORMS, running_registry, small_archive

VERSION = "1.2.3"


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    install_packages("skopeo")
    with running_registry() as running:
        yield running


@pytest.fixture(scope="module")
def archives(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Archive]:
    """Both images and the chart, pushed."""
    folder = tmp_path_factory.mktemp("release")
    made = [small_archive(name, VERSION, folder) for name in ("finetune-operator", "finetune-trainer")]
    packed = chart.package(Facts(VERSION, "c0ffee", registry), made, folder)
    for archive in made:
        images.push(archive, registry, VERSION)
    chart.push(packed, registry)
    return {archive.name: archive for archive in made}


def inspect(registry: Registry, name: str) -> bytes:
    command = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{registry.image(name)}"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_an_image_has_the_digest_that_was_known_before_it_was_pushed(
    registry: Registry, archives: dict[str, Archive]
) -> None:
    for name, archive in archives.items():
        content = inspect(registry, f"{name}@{archive.digest}")
        assert archive.digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert content == inspect(registry, f"{name}:{VERSION}")
        platforms = [entry["platform"] for entry in json.loads(content)["manifests"]]
        assert [f"{platform['os']}/{platform['architecture']}" for platform in platforms] == list(PLATFORMS)


def test_the_chart_in_the_registry_names_its_images_by_digest(registry: Registry, archives: dict[str, Archive]) -> None:
    source = (f"{registry.charts}/finetune-operator", "--version", VERSION, "--plain-http")
    manifests = list(yaml.safe_load_all(helm("template", "ft", *source, values={"ui": {"enabled": True}})))
    operator, trainer = (
        f"{registry.image(name)}:{VERSION}@{archives[name].digest}"
        for name in ("finetune-operator", "finetune-trainer")
    )
    found = pods(manifests)
    assert {container["image"] for pod in found.values() for container in pod["containers"]} == {operator}
    assert environment(found["ft-finetune-operator"])["FINETUNE_TRAINER_IMAGE"] == trainer


def test_the_chart_from_the_registry_is_that_of_the_tree_but_for_its_images(
    registry: Registry, archives: dict[str, Archive], tmp_path: Path
) -> None:
    helm(
        "pull",
        f"{registry.charts}/finetune-operator",
        "--version",
        VERSION,
        "--plain-http",
        "--untar",
        "-d",
        str(tmp_path),
    )
    assert archives
    pulled = tmp_path / "finetune-operator"
    ours = Path(__file__).resolve().parents[2] / "helm/finetune-operator"
    names = {path.relative_to(ours) for path in ours.rglob("*") if path.is_file()}
    assert {path.relative_to(pulled) for path in pulled.rglob("*") if path.is_file()} == names
    differing = {name for name in names if (pulled / name).read_bytes() != (ours / name).read_bytes()}
    assert {name.name for name in differing} == {"Chart.yaml", "values.yaml"}
