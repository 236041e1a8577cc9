"""The documents of a model in a registry: an image that KServe mounts, and a ModelKit, over one and the same layer.

https://github.com/opencontainers/image-spec, https://kserve.github.io/website/docs/model-serving/storage/providers/oci
(the model lies in /models), https://kitops.org/docs/modelkit/spec/ (a tar whose paths begin with the Kitfile's path).
"""

import io
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from finetune_client.errors import RefusedError
from finetune_core.json_types import Json
from finetune_core.publishing.facts import Facts
from finetune_core.stored import is_relative
from finetune_publish.registry_client import INDEX, MANIFEST
from finetune_publish.sums import sums

FOLDER = "models"
LAYER = "application/vnd.oci.image.layer.v1.tar"
CONFIG = "application/vnd.oci.image.config.v1+json"
KIT_LAYER = "application/vnd.kitops.modelkit.model.v1.tar"
KIT_CONFIG = "application/vnd.kitops.modelkit.config.v1+json"
_KIT = "application/vnd.kitops.modelkit.manifest.v1+json"
PLATFORMS = (("linux", "amd64"), ("linux", "arm64"))
"""A model is the same on all; a container engine takes an image of its own alone."""


def write_layer(folder: Path, path: Path) -> None:
    """A tar of a folder's files below `models/`: the same files are the same bytes."""
    names = sorted(sums(folder))
    parents = {parent.as_posix() for name in names for parent in Path(FOLDER, name).parents} - {"."}
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for parent in sorted(parents):
            archive.addfile(_member(parent, kind=tarfile.DIRTYPE, mode=0o755))
        for name in names:
            with (folder / name).open("rb") as content:
                archive.addfile(_member(f"{FOLDER}/{name}", size=(folder / name).stat().st_size), content)


def _member(name: str, *, size: int = 0, kind: bytes = tarfile.REGTYPE, mode: int = 0o644) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.type, member.mode = size, kind, mode
    return member


def read_layer(path: Path, folder: Path) -> None:
    """Write a layer's files below a folder; RefusedError for what is no file below `models/`."""
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                _extract(archive, member, folder)
    except (tarfile.TarError, EOFError) as error:
        raise RefusedError(f"its layer is no archive: {error}", "It was not published from here.") from error


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    top, _, name = member.name.partition("/")
    if member.isdir() and is_relative(member.name):
        return
    if not member.isreg() or top != FOLDER or not is_relative(name):
        raise RefusedError(f"its layer holds {member.name!r}", "That is no model that was published from here.")
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    content = archive.extractfile(member) or io.BytesIO()
    with target.open("wb") as out:
        while block := content.read(1 << 20):
            out.write(block)


def image_config(base: Json, layer: Json, platform: tuple[str, str], facts: Facts) -> Json:
    """The configuration of an image: that of its base, and the layer above."""
    below = base.get("rootfs", {}).get("diff_ids", [])
    history = [*base.get("history", []), {"created_by": "finetune publish"}] if base.get("history") or not below else []
    return {
        **base,
        "os": platform[0],
        "architecture": platform[1],
        "created": facts.result.finished_at,
        "rootfs": {"type": "layers", "diff_ids": [*below, layer["digest"]]},
        **({"history": history} if history else {}),
    }


def image_manifest(config: Json, layers: list[Json], facts: Facts) -> Json:
    """An image of one platform."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": config,
        "layers": layers,
        "annotations": dict(annotations(facts)),
    }


def image_index(entries: list[tuple[tuple[str, str], Json]], facts: Facts) -> Json:
    """All platforms of an image."""
    manifests = [{**entry, "platform": {"os": os, "architecture": arch}} for (os, arch), entry in entries]
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests, "annotations": dict(annotations(facts))}


def kit_config(layer: Json, facts: Facts) -> Json:
    """The Kitfile of a ModelKit, as JSON."""
    told = {"name": f"{facts.plan.experiment}-{facts.run.task}", "version": facts.run.run_id, "license": facts.licence}
    sums_of_layer = {"digest": layer["digest"], "diffId": layer["digest"]}
    return {
        "manifestVersion": "1.0.0",
        "package": {**told, "description": _title(facts)},
        "model": {**told, "path": FOLDER, "framework": "transformers", "format": "safetensors", **sums_of_layer},
    }


def kit_manifest(config: Json, layer: Json, facts: Facts) -> Json:
    """The ModelKit."""
    return {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "artifactType": _KIT,
        "config": config,
        "layers": [{**layer, "mediaType": KIT_LAYER}],
        "annotations": dict(annotations(facts)),
    }


def annotations(facts: Facts) -> Iterator[tuple[str, str]]:
    """https://github.com/opencontainers/image-spec/blob/main/annotations.md"""
    prefix = "org.opencontainers.image"
    yield f"{prefix}.title", f"{facts.plan.experiment}-{facts.run.task}"
    yield f"{prefix}.description", _title(facts)
    yield f"{prefix}.version", facts.run.run_id
    yield f"{prefix}.created", facts.result.finished_at
    yield f"{prefix}.licenses", facts.licence


def _title(facts: Facts) -> str:
    return f"Run {facts.run.run} of {facts.run.task}, fine-tuned from {facts.plan.model.uri}"


def platform_of(said: Mapping[str, Any]) -> tuple[str, str]:
    """Operating system and architecture, of an entry of an index or of an image's configuration."""
    return str(said.get("os", "")), str(said.get("architecture", ""))
