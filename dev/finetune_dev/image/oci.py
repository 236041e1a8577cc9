"""Images in the OCI layout (https://github.com/opencontainers/image-spec/blob/main/image-layout.md).

containerd imports an archive that lacks the blobs which it already holds, so a rebuilt image costs only its new layers.
"""

import hashlib
import io
import json
import tarfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from finetune_dev.errors import DevError

_BUFFER = 1 << 20
_INDEX = "application/vnd.oci.image.index.v1+json"
_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True)
class StoredImage:
    """One image of a layout: its entry in the index and the digests of all its blobs, manifest first."""

    entry: dict[str, Any]
    blobs: tuple[str, ...]

    @property
    def digest(self) -> str:
        """The manifest's digest: what containerd names the image's content by."""
        return self.blobs[0]


def blob_path(layout: Path, digest: str) -> Path:
    """The file of a blob, in a layout as in containerd's content store."""
    algorithm, _, value = digest.partition(":")
    return layout / "blobs" / algorithm / value


def find_image(layout: Path, reference: str) -> StoredImage:
    """The image that a layout holds under a name; raises `DevError` where it holds none."""
    for image in _images(layout):
        if image.entry["annotations"][_NAME] == reference:
            return image
    raise DevError(f"{layout} holds no image {reference}")


def missing(image: StoredImage, present: Collection[str]) -> tuple[str, ...]:
    """The blobs of an image that a store with the digests `present` lacks; the manifest is always among them.

    An import begins at the manifest, so it must be in the archive even where the store holds it.
    """
    return tuple(dict.fromkeys(blob for blob in image.blobs if blob == image.digest or blob not in present))


def write_archive(layout: Path, image: StoredImage, blobs: Iterable[str], target: IO[bytes]) -> None:
    """Write a tar archive with one image and only those `blobs` of it; `target` need not be seekable."""
    with tarfile.open(fileobj=target, mode="w|", bufsize=_BUFFER) as archive:
        _add_text(archive, "oci-layout", json.dumps({"imageLayoutVersion": "1.0.0"}))
        _add_text(archive, "index.json", json.dumps({"schemaVersion": 2, "manifests": [image.entry]}))
        for digest in blobs:
            path = blob_path(layout, digest)
            archive.add(path, arcname=str(path.relative_to(layout)))


def join_platforms(layout: Path, names: Mapping[str, str], reference: str) -> str:
    """Make the images of a layout one image of several platforms, alone in its index; the digest of that.

    `names`: platform as `os/architecture` -> name in the layout.
    """
    manifests = []
    for platform, name in names.items():
        entry = {key: value for key, value in find_image(layout, name).entry.items() if key != "annotations"}
        system, _, architecture = platform.partition("/")
        manifests.append({**entry, "platform": {"architecture": architecture, "os": system}})
    content = json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    blob_path(layout, digest).write_bytes(content)
    entry = {"mediaType": _INDEX, "digest": digest, "size": len(content), "annotations": {_NAME: reference}}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return digest


def prune(layout: Path) -> None:
    """Remove the blobs that no image of the layout refers to any more."""
    used = {blob_path(layout, digest) for image in _images(layout) for digest in image.blobs}
    for path in (layout / "blobs/sha256").iterdir():
        if path not in used:
            path.unlink()


def _images(layout: Path) -> list[StoredImage]:
    index = layout / "index.json"
    entries = json.loads(index.read_text())["manifests"] if index.exists() else []
    return [_read(layout, entry) for entry in entries if _NAME in entry.get("annotations", {})]


def _read(layout: Path, entry: dict[str, Any]) -> StoredImage:
    manifest = json.loads(blob_path(layout, entry["digest"]).read_text())
    layers = (layer["digest"] for layer in manifest["layers"])
    return StoredImage(entry, (entry["digest"], manifest["config"]["digest"], *layers))


def _add_text(archive: tarfile.TarFile, name: str, text: str) -> None:
    content = text.encode()
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
