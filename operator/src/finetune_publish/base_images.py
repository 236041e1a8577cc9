"""Images that a model's image is built on: KServe's modelcars want a shell in it."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from finetune_client.errors import RefusedError
from finetune_core.json_types import Json
from finetune_core.stored import read_json
from finetune_publish.images import PLATFORMS, platform_of
from finetune_publish.registry_client import Document, Repository

Platform = tuple[str, str]
_DOCKER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_OCI = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Base:
    """One platform of an image: its configuration, its layers, and the repository that they lie in."""

    config: Json
    layers: tuple[Json, ...] = ()
    repository: Repository | None = None

    def copy_to(self, target: Repository) -> None:
        """Have its layers in another repository. ClientError."""
        for layer in self.layers:
            if self.repository is not None:
                with tempfile.TemporaryDirectory(prefix="finetune-layer-") as scratch:
                    path = Path(scratch, "layer")
                    self.repository.get_blob(layer["digest"], path)
                    target.put_blob(path, layer["mediaType"])


def nothing() -> dict[Platform, Base]:
    """No image below: for volumes of images, which run nothing."""
    return {platform: Base({}) for platform in PLATFORMS}


def bases(repository: Repository, reference: str) -> dict[Platform, Base]:
    """Those of an image's platforms that models are published for; RefusedError where it has none of them."""
    found = dict(_each(repository, repository.get(reference)))
    wanted = {platform: base for platform, base in found.items() if platform in PLATFORMS}
    if not wanted:
        raise RefusedError(
            f"the base image is for {', '.join(map('/'.join, found))} alone", "Name one for linux/amd64."
        )
    return wanted


def _each(repository: Repository, found: Document) -> Iterator[tuple[Platform, Base]]:
    said = found.said
    if "manifests" not in said:
        base = _base(repository, said)
        yield platform_of(base.config), base
        return
    for entry in said["manifests"]:
        if (platform := platform_of(entry.get("platform", {}))) in PLATFORMS:
            yield platform, _base(repository, repository.get(entry["digest"]).said)


def _base(repository: Repository, manifest: Json) -> Base:
    with tempfile.TemporaryDirectory(prefix="finetune-config-") as scratch:
        path = Path(scratch, "config.json")
        repository.get_blob(manifest["config"]["digest"], path)
        config = read_json(path.read_bytes())
    layers = ({**layer, "mediaType": layer["mediaType"].replace(_DOCKER, _OCI)} for layer in manifest["layers"])
    return Base(config, tuple(layers), repository)
