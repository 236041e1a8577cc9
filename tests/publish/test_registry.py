"""A real registry of images, of this machine: what KServe mounts and what KitOps unpacks, over one layer."""

import hashlib
import io
import json
import subprocess
import tarfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from finetune_dev.node.system import install_packages
from finetune_release import images
from finetune_release.facts import Registry
from support.oci_registry import running_registry, small_archive

from .conftest import MODEL, Experiment, Keys, Run


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with running_registry() as running:
        yield running


def get(registry: Registry, name: str, what: str) -> bytes:
    """What the registry answers, without any of our code."""
    host, _, folder = registry.place.partition("/")
    accepted = {"Accept": "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json"}
    with urllib.request.urlopen(
        urllib.request.Request(f"http://{host}/v2/{folder}/{name}/{what}", headers=accepted)
    ) as answer:
        return bytes(answer.read())


def manifest(registry: Registry, name: str, reference: str) -> Any:
    return json.loads(get(registry, name, f"manifests/{reference}"))


def publish(run: Run, experiment: Experiment, registry: Registry, name: str, *options: str) -> Any:
    to = ("--to", f"oci://{registry.place}/{name}", "--plain-http", "--task", "rte")
    return run("publish", "demo", *to, *options, *experiment.options)


def test_the_image_has_the_model_in_its_folder_on_every_platform(
    registry: Registry, experiment: Experiment, run: Run
) -> None:
    said = publish(run, experiment, registry, "platforms:v1")
    assert said.code == 0, said.err
    digest = f"sha256:{hashlib.sha256(get(registry, 'platforms', 'manifests/v1')).hexdigest()}"
    assert said.out.strip() == f"oci://{registry.place}/platforms@{digest}"
    index = manifest(registry, "platforms", "v1")
    assert {entry["platform"]["architecture"] for entry in index["manifests"]} == {"amd64", "arm64"}
    for entry in index["manifests"]:
        image = manifest(registry, "platforms", entry["digest"])
        config = json.loads(get(registry, "platforms", f"blobs/{image['config']['digest']}"))
        (layer,) = image["layers"]
        assert config["rootfs"]["diff_ids"] == [layer["digest"]]
        assert config["architecture"] == entry["platform"]["architecture"]
        with tarfile.open(fileobj=io.BytesIO(get(registry, "platforms", f"blobs/{layer['digest']}"))) as archive:
            names = {member.name for member in archive if member.isreg()}
        assert names == {f"models/{name}" for name in (*MODEL, "README.md", "provenance.json")}


def test_a_modelkit_lies_beside_it_over_the_same_layer(registry: Registry, experiment: Experiment, run: Run) -> None:
    assert publish(run, experiment, registry, "kit:v1", "--license", "mit").code == 0
    kit = manifest(registry, "kit", "v1-modelkit")
    assert kit["artifactType"] == "application/vnd.kitops.modelkit.manifest.v1+json"
    assert kit["config"]["mediaType"] == "application/vnd.kitops.modelkit.config.v1+json"
    (layer,) = kit["layers"]
    assert layer["mediaType"] == "application/vnd.kitops.modelkit.model.v1.tar"
    kitfile = json.loads(get(registry, "kit", f"blobs/{kit['config']['digest']}"))
    # As `kit unpack` compares them: pkg/lib/filesystem/unpack/core.go.
    assert kitfile["model"]["digest"] == layer["digest"]
    assert (kitfile["manifestVersion"], kitfile["model"]["path"], kitfile["package"]["license"]) == (
        "1.0.0", "models", "mit")  # fmt: skip
    image = manifest(registry, "kit", manifest(registry, "kit", "v1")["manifests"][0]["digest"])
    assert image["layers"][0]["digest"] == layer["digest"]


def test_skopeo_copies_the_image(registry: Registry, experiment: Experiment, run: Run, tmp_path: Path) -> None:
    install_packages("skopeo")
    assert publish(run, experiment, registry, "copied:v1").code == 0
    source = f"docker://{registry.place}/copied:v1"
    command = ["skopeo", "copy", "--all", "--src-tls-verify=false", source, f"oci:{tmp_path}/copy:v1"]
    assert subprocess.run(command, check=True, capture_output=True)


def test_verify_fetches_it_by_tag_by_digest_and_as_a_modelkit(
    registry: Registry, experiment: Experiment, keys: Keys, run: Run
) -> None:
    said = publish(run, experiment, registry, "checked:v1", "--sign", str(keys.private))
    tag = f"oci://{registry.place}/checked:v1"
    for uri in (said.out.strip(), tag, f"{tag}-modelkit"):
        told = run("verify", uri, "--plain-http", "--key", str(keys.public))
        assert told.code == 0, told.text


def test_a_tag_that_is_there_stays_unless_told_otherwise(registry: Registry, experiment: Experiment, run: Run) -> None:
    assert publish(run, experiment, registry, "kept:v1").code == 0
    before = get(registry, "kept", "manifests/v1")
    said = publish(run, experiment, registry, "kept:v1", "--license", "mit")
    assert said.code == 4
    assert "is there already" in said.text
    assert get(registry, "kept", "manifests/v1") == before
    assert publish(run, experiment, registry, "kept:v1", "--license", "mit", "--replace").code == 0
    assert get(registry, "kept", "manifests/v1") != before


def test_the_same_model_is_the_same_bytes(registry: Registry, experiment: Experiment, run: Run) -> None:
    for tag in ("v1", "v2"):
        assert publish(run, experiment, registry, f"same:{tag}").code == 0
    assert get(registry, "same", "manifests/v1") == get(registry, "same", "manifests/v2")


def test_on_a_base_image_it_is_a_modelcar(registry: Registry, experiment: Experiment, run: Run, tmp_path: Path) -> None:
    install_packages("skopeo")
    base = small_archive("shell", "1", tmp_path)
    images.push(base, registry, "1")
    said = publish(run, experiment, registry, "car:v1", "--base-image", f"{registry.place}/shell:1")
    assert said.code == 0, said.err
    index = manifest(registry, "car", "v1")
    assert len(index["manifests"]) == 2
    for entry in index["manifests"]:
        image = manifest(registry, "car", entry["digest"])
        config = json.loads(get(registry, "car", f"blobs/{image['config']['digest']}"))
        below, layer = image["layers"]
        assert config["rootfs"]["diff_ids"][1] == layer["digest"]
        assert hashlib.sha256(get(registry, "car", f"blobs/{below['digest']}")).hexdigest() in below["digest"]
    service = yaml.safe_load(Path("demo-rte-1.inferenceservice.yaml").read_text())
    assert service["spec"]["predictor"]["model"]["storageUri"] == said.out.strip()
    assert run("verify", said.out.strip(), "--plain-http").code == 0


def test_without_one_kserve_mounts_it_as_a_volume(registry: Registry, experiment: Experiment, run: Run) -> None:
    said = publish(run, experiment, registry, "native:v1")
    service = yaml.safe_load(Path("demo-rte-1.inferenceservice.yaml").read_text())
    uri = service["spec"]["predictor"]["model"]["storageUri"]
    assert uri == said.out.strip().replace("oci://", "oci+native://")
    assert "--base-image" in said.err


@pytest.mark.parametrize("name", ["UPPER/x", "x/../y", "x:ta g", "x@sha256:12"])
def test_what_names_no_image_is_refused(registry: Registry, experiment: Experiment, run: Run, name: str) -> None:
    assert publish(run, experiment, registry, name).code == 2


def test_a_registry_that_does_not_answer_is_said(experiment: Experiment, run: Run) -> None:
    said = run(
        "publish", "demo", "--to", "oci://127.0.0.1:9/x:v1", "--plain-http", "--task", "rte", *experiment.options
    )
    assert said.code == 5
    assert "127.0.0.1:9/x cannot be reached" in said.text
